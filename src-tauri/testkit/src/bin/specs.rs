//! `specs`: what it costs to read task files and to lay plans into waves. Prints samples as JSON for `cargo xtask bench specs`.
//!
//! Refuses to touch a disk: files are bytes in memory.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use pilothouse_engine::policy::layouts::waves::{Limits, waves};
use pilothouse_engine::policy::layouts::{Files, Tree, detect, read_all};
use pilothouse_engine::policy::specs::read_tasks;
use pilothouse_testkit::samples::{self, Samples};

/// Each figure is taken so often.
const TIMES: usize = 9;
/// As the design wants it, in milliseconds.
const READ_BUDGET: f64 = 20.0;
const WAVES_BUDGET: f64 = 10.0;
const DESK_BUDGET: f64 = 200.0;

fn main() {
    let long = tasks(5000, 3);
    let plan = Files::from([("specs/001-long/tasks.md".to_owned(), tasks(1000, 3).into_bytes())]);
    let crowded = Files::from([("specs/001-long/tasks.md".to_owned(), tasks(1000, 1).into_bytes())]);
    let mut read = Vec::new();
    let mut laid = Vec::new();
    let mut planned = Vec::new();
    let mut crowd = Vec::new();
    let mut desk = Vec::new();
    let many = desk_of(400);
    let whole = Files::from([("specs/001-long/tasks.md".to_owned(), long.clone().into_bytes())]);
    for _ in 0..TIMES {
        read.push(took(|| assert_eq!(read_tasks(&long).tasks.len(), 5000)));
        laid.push(took(|| assert_eq!(items(&whole).first().map(|it| it.tasks.len()), Some(5000))));
        for (files, into) in [(&plan, &mut planned), (&crowded, &mut crowd)] {
            let items = items(files);
            into.push(took(|| {
                let all = items.first().map(|it| waves(it, &Limits::default()));
                assert_eq!(all.map(|it| it.waves.iter().map(Vec::len).sum()), Some(1000_usize));
            }));
        }
        desk.push(took(|| assert_eq!(items(&many).len(), 400)));
    }
    let figure = |name: &str, ours: Vec<f64>, budget: f64| Samples {
        name: name.to_owned(),
        unit: "ms",
        ours,
        baseline: vec![budget],
        baseline_name: "the design's budget",
    };
    samples::print(&[
        figure("reading 5,000 tasks, as a run does", read, READ_BUDGET),
        figure("reading 5,000 tasks, with places and hashes", laid, READ_BUDGET),
        figure("a plan of 1,000 tasks in waves", planned, WAVES_BUDGET),
        figure("the same, all of one phase", crowd, WAVES_BUDGET),
        figure("400 specs of 25 tasks, read", desk, DESK_BUDGET),
    ]);
}

fn took(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e3
}

fn items(files: &Files) -> Vec<pilothouse_contract::layout::LaidItem> {
    let tree: Tree = files.keys().cloned().collect();
    black_box(read_all(&detect(&tree), files))
}

/// Tasks with all that a task has. One in ten writes a whole folder, one in as many as is said names what it waits for.
fn tasks(count: usize, named: usize) -> String {
    let mut text = String::from("# Tasks\n");
    for n in 0..count {
        // Ten phases, or one.
        if n % if named > 1 { (count / 10).max(1) } else { count } == 0 {
            let _ = write!(text, "\n## Phase {}: Part\n- Done when: it holds\n\n", n / 100 + 1);
        }
        let id = n + 1;
        let _ = writeln!(text, "- [ ] T{id:04} [P] [US1] Do the thing of number {id} in its own file");
        if n % 10 == 0 {
            let _ = writeln!(text, "  - Files: `src/part{}/**`", n % 37);
        } else {
            let _ = writeln!(text, "  - Files: `src/part{}/f{n}.rs` (new), `tests/f{n}.rs` (new)", n % 37);
        }
        let _ = writeln!(text, "  - Verify: `cargo test f{n}`\n  - Covers: FR-{:03}", n % 90);
        if named > 1 && n % named == 0 && n > 20 {
            let _ = writeln!(text, "  - Depends: T{:04}, T{:04}", id - 7, id - 19);
        }
    }
    text
}

fn desk_of(count: usize) -> Files {
    let mut files = Files::new();
    for n in 0..count {
        let mut spec = format!("# Spec {n}\n\n");
        for line in 0..400 {
            // One line in ten wants something.
            if line % 10 == 0 {
                let _ = writeln!(spec, "- **FR-{line:03}**: It MUST hold what it says here.");
            } else {
                spec.push_str("A line of prose - as long as lines are - that says how it is meant.\n");
            }
        }
        files.insert(format!("specs/{n:03}-part/spec.md"), spec.into_bytes());
        files.insert(format!("specs/{n:03}-part/tasks.md"), tasks(25, 3).into_bytes());
    }
    files
}
