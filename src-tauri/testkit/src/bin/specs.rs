//! `specs`: what it costs to read task files, to lay plans into waves, and to open the desk on a repository. Prints samples as JSON for
//! `cargo xtask bench specs`.
//!
//! Refuses to touch a disk but for the desk, which reads objects of a real repository: elsewhere files are bytes in memory.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use pilothouse_contract::Oid;
use pilothouse_engine::execution::agents;
use pilothouse_engine::execution::desk::{AtCommit, Recorded};
use pilothouse_engine::policy::layouts::desk::{Facts, listed, page, wants};
use pilothouse_engine::policy::layouts::waves::{Limits, waves};
use pilothouse_engine::policy::layouts::{Files, Found, Tree, detect, read, read_all};
use pilothouse_engine::policy::specs::read_tasks;
use pilothouse_engine::ports::git::{Git, GitError};
use pilothouse_testkit::repo::Repo;
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
    let (opened, shown) = on_disk(&many);
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
        figure("the desk on a repository of 400 specs, listed from its commit", opened, DESK_BUDGET),
        figure("one of them, with its spec and its plan", shown, DESK_BUDGET),
    ]);
}

/// The desk on a repository: what listing it takes, and what one item takes, as the engine does both.
fn on_disk(files: &Files) -> (Vec<f64>, Vec<f64>) {
    let texts: Vec<(&str, String)> =
        files.iter().map(|(path, it)| (path.as_str(), String::from_utf8_lossy(it).into_owned())).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, it)| (*path, it.as_str())).collect();
    let repo = Repo::new("desk", &files);
    let (git, commit) = (Git::at(&repo.path().join(".git")), Oid(repo.git(&["rev-parse", "HEAD"])));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let done = |it: Result<usize, GitError>| it.unwrap_or_else(|error| panic!("{error}"));
    let of = |work: &dyn Fn() -> usize, count: usize| {
        (0..TIMES).map(|_| took(|| assert_eq!(black_box(work()), count))).collect::<Vec<f64>>()
    };
    let list = of(&|| done(runtime.block_on(list(&git, &commit))), 400);
    let open = of(&|| done(runtime.block_on(open(&git, &commit))), 25);
    (list, open)
}

async fn list(git: &Git, commit: &Oid) -> Result<usize, GitError> {
    let at = AtCommit::list(git, commit).await?;
    let found = at.found();
    let files = at.read(found.iter().flat_map(Found::files)).await?;
    let all: Vec<_> = read_all(&found, &files).iter().map(|it| listed(it, None)).collect();
    Ok(black_box(all).len())
}

async fn open(git: &Git, commit: &Oid) -> Result<usize, GitError> {
    let at = AtCommit::list(git, commit).await?;
    let found = at.found().into_iter().filter(|it| it.path == "specs/200-part").collect::<Vec<_>>();
    let files = at.read(found.iter().flat_map(Found::files)).await?;
    let mut tasks = 0;
    for found in &found {
        for item in read(found, &files) {
            let wants = wants(&item, found, &files, &at.tree);
            let (beside, symbols) = (at.read(wants.files.iter()).await?, at.symbols(&wants.symbols).await?);
            let facts = Facts {
                tree: &at.tree,
                beside: &beside,
                symbols: &symbols,
                program: &agents::is_there,
                limits: &Limits::default(),
                red: &Recorded::new(),
            };
            tasks += page(&item, found, &files, &facts).plan.tasks.len();
        }
    }
    Ok(tasks)
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
