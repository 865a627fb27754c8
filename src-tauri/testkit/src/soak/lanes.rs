//! Who keeps the engine busy: repositories that last and get one item after the other, and rehearsals, each with a repository
//! of its own. Their agents behave in every manner; what is parked is mended and let go on.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{Run, RunState, TaskState};
use pilothouse_contract::{ItemId, ProjectId, RunId, ask};
use pilothouse_engine::rehearsal::SCRIPTS;
use serde_json::Value;

use super::{LOOK, Soak};
use crate::agent::ShellAgent;
use crate::home::Home;
use crate::repo::Repo;
use crate::seat::call;

/// A run is let go on so often before its person stops it.
const TRIES: u32 = 2;
/// A run that takes longer than this is not going to end.
const PATIENCE: Duration = Duration::from_secs(300);
/// Tasks of an item.
const TASKS: u32 = 4;
/// Rehearsals run so many times faster than comfortable to watch.
const SPEED: &str = "60";

/// What an agent does is in brackets at the end of its task's title. Each makes the file that is named like its task.
const AGENT: &str = r#"
how=$(sed -n 's/^## Your task: .* (\(.*\))$/\1/p' "$1")
made() { echo made >"$task"; }
sleep 0.3
case "$how-$again" in
'leaves it dirty-'*) made; git add "$task"; echo more >>"$task" ;;
crashes-no) made; kill -9 $$ ;;
'gives up-no') exit 3 ;;
stalls-no) while :; do sleep 3600; done ;;
lies-no) echo 'All tests pass.' ;;
strays-no) made; echo mine >elsewhere ;;
floods-*) seq 100000; made ;;
'leaves a daemon-'*) sleep 3600 & made ;;
asks-*) answer=$("$PILOTHOUSE_BIN" hook ask 'What shall be in it?' --choice made --choice done) || exit 5; echo "$answer" >"$task" ;;
hopeless-*) exit 4 ;;
*) made; git add "$task"; git commit -qm "$task" ;;
esac
"#;

/// Those manners, and how often each comes.
const MANNERS: [(&str, u32); 10] = [
    ("leaves it dirty", 4),
    ("crashes", 2),
    ("gives up", 2),
    ("stalls", 1),
    ("lies", 2),
    ("strays", 2),
    ("floods", 1),
    ("leaves a daemon", 1),
    ("asks", 3),
    ("hopeless", 1),
];
/// In so many tasks for one of those an agent is honest.
const HONEST: u32 = 20;

const WORKFLOW: &str = "---\npilothouse:\n  attempts: 2\n  slots: 2\n  stall_s: 5\n  check_s: 60\n---\n";

/// Where a repository's work is to be found afterwards.
#[derive(Debug)]
pub(super) struct Worked {
    /// The checkout.
    pub(super) path: PathBuf,
    /// Kept, so that it is there when it is looked at.
    _repo: Option<Repo>,
    /// Its project.
    pub(super) project: ProjectId,
}

/// A repository that gets one item after the other.
pub(super) struct Lasting {
    repo: Repo,
    agent: ShellAgent,
    project: ProjectId,
    rng: fastrand::Rng,
    items: u32,
}

impl Lasting {
    /// One of that name, which the home trusts.
    pub(super) fn new(home: &Home, name: &str, rng: fastrand::Rng) -> Self {
        let repo = Repo::new(name, &[("WORKFLOW.md", WORKFLOW)]);
        home.trust(&repo);
        let projects = call(home, ask::project::List {}).unwrap_or_default();
        let project = projects.iter().find(|it| it.path == repo.name()).map(|it| it.id).unwrap_or_default();
        Self { repo, agent: ShellAgent::new(AGENT), project, rng, items: 0 }
    }

    /// Has item after item carried until the time is over.
    pub(super) fn carry(mut self, soak: &Soak) -> Worked {
        while soak.passed() < 1.0 {
            if let Err(says) = self.item(soak) {
                soak.fault(format!("{}: {says}", self.repo.name()));
                break;
            }
        }
        Worked { path: self.repo.path().to_owned(), _repo: Some(self.repo), project: self.project }
    }

    fn item(&mut self, soak: &Soak) -> Result<(), String> {
        self.items += 1;
        let (slug, tasks) = (format!("{:03}-work", self.items), self.tasks());
        let (spec, file) = (format!("specs/{slug}/spec.md"), format!("specs/{slug}/tasks.md"));
        self.repo.commit(&[(&spec, "# Work\n\n## Summary\n\nIt must be done.\n"), (&file, &tasks)], &slug);
        let read = soak.calmly(|home| call(home, ask::item::Read { project: self.project }));
        let items = read.map_err(|fault| fault.to_string())?;
        let item = items.iter().find(|it| it.slug == slug).ok_or("its item was not read")?.id;
        let approve = if self.rng.bool() { "person" } else { "policy" };
        let mut run = self.start(soak, item, approve)?;
        for tries in 0.. {
            let ended = ended(soak, run.id)?;
            match ended.state {
                RunState::Parked if tries < TRIES => {
                    self.mend(&file, &ended);
                    run = self.start(soak, item, approve)?;
                    soak.note(|out| out.let_go_on += 1);
                }
                RunState::Parked => stop(soak, run.id)?,
                _ => break,
            }
        }
        soak.runs_ended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn start(&self, soak: &Soak, item: ItemId, approve: &str) -> Result<Run, String> {
        let (item, command) = (item.to_string(), self.agent.command());
        // Whoever wrote the proofs has seen them.
        let name =
            self.repo.path().file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        soak.calmly(|home| home.try_json(&["project", "trust", &name, "--yes"]));
        let words = ["run", "start", &item, "--command", &command, "--approve", approve];
        let ran = soak.calmly(|home| home.try_json(&words));
        serde_json::from_str(&ran.out).map_err(|_| format!("{words:?}: {ran:?}"))
    }

    fn tasks(&mut self) -> String {
        let all = MANNERS.iter().map(|it| it.1).sum::<u32>() + HONEST;
        let mut text = "## Phase 1: Work\n\n".to_owned();
        for n in 1..=TASKS {
            // Each id is there once in a repository, so that git can be asked for it.
            let id = format!("T{:04}", self.items * TASKS + n);
            let mut roll = self.rng.u32(0..all);
            let how = MANNERS.iter().find(|(_, weight)| {
                let is_it = roll < *weight;
                roll = roll.saturating_sub(*weight);
                is_it
            });
            let how = how.map_or("honest", |it| it.0);
            text.push_str(&format!(
                "- [ ] {id} Make {id} ({how})\n  - Files: `{id}`\n  - Verify: `test -s {id}`\n  - Depends: none\n"
            ));
        }
        text
    }

    /// Whoever could not do it is replaced by somebody honest.
    fn mend(&self, file: &str, run: &Run) {
        let mut text = self.repo.read(file);
        for task in run.tasks.iter().filter(|it| !it.state.is_done()) {
            let begins = format!("Make {} (", task.spec.id);
            if let Some(line) = text.lines().find(|it| it.contains(&begins)).map(str::to_owned) {
                let mended = line.split(" (").next().unwrap_or_default().to_owned() + " (honest)";
                text = text.replace(&line, &mended);
            }
        }
        self.repo.commit(&[(file, &text)], "Mend what nobody could do");
    }
}

/// Waits for the end of a run, with a yes to its pull request where one is wanted. Notes how it ended.
fn ended(soak: &Soak, run: RunId) -> Result<Run, String> {
    let begun = Instant::now();
    loop {
        std::thread::sleep(LOOK);
        let page = soak.calmly(|home| call(home, ask::run::Show { run })).map_err(|it| it.to_string())?;
        if let Some(pull) = page.pull.as_ref().filter(|it| it.state == PullState::WaitsForApproval) {
            let approve = ask::pull::Approve { pull: pull.id, head: None };
            // The head may just have become another one: then it is asked for anew.
            let _asked_again = soak.calmly(|home| call(home, approve));
        }
        if !page.run.state.is_live() {
            soak.note(|out| match page.run.state {
                RunState::Landed => out.landed += 1,
                RunState::Stopped => out.stopped += 1,
                _ => {
                    let stuck = page.run.tasks.iter().find(|it| matches!(it.state, TaskState::Parked { .. }));
                    let last = stuck.and_then(|it| it.attempts.last());
                    let attempt = last.and_then(|id| page.attempts.iter().find(|it| it.id == *id));
                    let failure = attempt.and_then(|it| it.failure.as_ref()).map(Failure::word);
                    let word = failure.unwrap_or(if stuck.is_some() { "person" } else { "whole-run" });
                    *out.parked.entry(word.to_owned()).or_default() += 1;
                }
            });
            return Ok(page.run);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{run} does not end: {}: {}", page.run.state.word(), page.run.why));
        }
    }
}

fn stop(soak: &Soak, run: RunId) -> Result<(), String> {
    let stopped = soak.calmly(|home| call(home, ask::run::Stop { run })).map_err(|it| it.to_string())?;
    soak.note(|out| out.stopped += 1);
    if stopped.state == RunState::Stopped { Ok(()) } else { Err(format!("{run} is not stopped")) }
}

/// Rehearses script after script until the time is over. What cannot land is let go on once and then stopped.
pub(super) fn rehearse(soak: &Soak, mut rng: fastrand::Rng) -> Vec<Worked> {
    let mut worked = Vec::new();
    let mut scripts: Vec<&str> = Vec::new();
    while soak.passed() < 1.0 {
        if scripts.is_empty() {
            scripts = SCRIPTS.iter().map(|it| it.0).collect();
            rng.shuffle(&mut scripts);
        }
        let script = scripts.pop().unwrap_or_default();
        match rehearsal(soak, script) {
            Ok(it) => worked.push(it),
            Err(says) => {
                soak.fault(format!("the rehearsal of a {script}: {says}"));
                break;
            }
        }
    }
    worked
}

fn rehearsal(soak: &Soak, script: &str) -> Result<Worked, String> {
    let words = ["rehearse", "--no-window", "--speed", SPEED, "--script", script, "--approve", "policy"];
    let ran = soak.calmly(|home| home.try_json(&words));
    let started: ask::rehearsal::Rehearsal =
        serde_json::from_str(&ran.out).map_err(|_| format!("{ran:?}"))?;
    for tries in 0.. {
        let run = ended(soak, started.run)?;
        if run.state != RunState::Parked {
            break;
        }
        let project = started.project;
        let projects = soak.calmly(|home| call(home, ask::project::List {})).unwrap_or_default();
        let stands = projects.iter().find(|it| it.id == project);
        if stands.is_some_and(|it| it.line != pilothouse_contract::project::Line::Open) {
            let back = soak.calmly(|home| call(home, ask::project::TakeBack { project }));
            back.map_err(|fault| fault.to_string())?;
        }
        if tries > 0 {
            stop(soak, started.run)?;
            break;
        }
        let item = started.item.to_string();
        let again: Value = soak.calmly(|home| home.try_json(&["run", "start", &item]).json());
        if again.get("id").is_none() {
            return Err(format!("it does not go on: {again}"));
        }
        soak.note(|out| out.let_go_on += 1);
    }
    soak.runs_ended.fetch_add(1, Ordering::Relaxed);
    // Off the list, so that nobody watches it any more.
    let removed = soak.calmly(|home| call(home, ask::project::Remove { project: started.project }));
    removed.map_err(|fault| format!("its project stays: {fault}"))?;
    Ok(Worked { path: started.path.into(), _repo: None, project: started.project })
}
