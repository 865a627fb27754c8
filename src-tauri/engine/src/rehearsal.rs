//! The rehearsal: a small repository with a spec, made anew each time, and scripted agents that carry it. It ships with
//! the product and needs only sh and git. Everything else is the real thing: worktrees, holders, checks, landing.

use std::path::{Path, PathBuf};

use pilothouse_contract::run::{Adapter, AgentChoice};
use pilothouse_contract::{Event, Fault, Who, ask};

use crate::answer::Desk;
use crate::coordination::Input;
use crate::execution::{look, repository};
use crate::ports::git::Git;

const AGENT: &str = include_str!("../rehearsal/agent.sh");
/// What it reads at a draft.
const DESK: &str = include_str!("../rehearsal/desk.sh");

/// The repository's files.
const FILES: [(&str, &str); 9] = [
    ("README.md", include_str!("../rehearsal/repo/README.md")),
    ("WORKFLOW.md", include_str!("../rehearsal/repo/WORKFLOW.md")),
    ("tests/all.sh", include_str!("../rehearsal/repo/tests/all.sh")),
    ("tests/harbour.txt", include_str!("../rehearsal/repo/tests/harbour.txt")),
    ("specs/001-tide-table/spec.md", include_str!("../rehearsal/repo/specs/001-tide-table/spec.md")),
    ("specs/001-tide-table/plan.md", include_str!("../rehearsal/repo/specs/001-tide-table/plan.md")),
    ("specs/001-tide-table/tasks.md", include_str!("../rehearsal/repo/specs/001-tide-table/tasks.md")),
    (
        "specs/001-tide-table/phases/01-libraries.md",
        include_str!("../rehearsal/repo/specs/001-tide-table/phases/01-libraries.md"),
    ),
    (
        "specs/001-tide-table/phases/02-questions.md",
        include_str!("../rehearsal/repo/specs/001-tide-table/phases/02-questions.md"),
    ),
];

/// The scripts, and what their agents do.
pub const SCRIPTS: [(&str, &str); 14] = [
    ("voyage", "honest agents; one is careless at first, is caught, and mends it"),
    ("liar", "one says that its proof passes, and it does not"),
    ("failer", "one gives up with an exit code"),
    ("staller", "one hangs at first"),
    ("looper", "one makes the same call over and over at first"),
    ("spender", "one uses more tokens than it may at first"),
    ("filler", "one fills its context at first, and a fresh session goes on where it stood"),
    (
        "dirty",
        "one leaves its worktree dirty: with a file outside its scope at first, then with nothing committed",
    ),
    ("crasher", "one is killed at first"),
    ("strayer", "one edits files outside its scope"),
    ("ticker", "one ticks its own box"),
    ("self-approver", "one tries to approve and land its own change"),
    ("forgetter", "honest agents; whoever judges in the end finds that a requirement is not shown"),
    ("main-mover", "one moves the default branch, first against the fence, then around it"),
];

/// Writes the agents' script into the data folder. Returns its path.
pub(crate) fn write_agent(data: &Path) -> std::io::Result<PathBuf> {
    let folder = data.join("rehearsals");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("agent.sh");
    std::fs::write(&path, AGENT)?;
    std::fs::write(folder.join("desk.sh"), DESK)?;
    Ok(path)
}

/// Makes a repository and starts the run.
pub(crate) async fn start(
    desk: &Desk,
    call: ask::rehearsal::Start,
) -> Result<ask::rehearsal::Rehearsal, Fault> {
    if !SCRIPTS.iter().any(|(name, _)| *name == call.script) {
        let names: Vec<&str> = SCRIPTS.iter().map(|(name, _)| *name).collect();
        return Err(Fault::refused(format!("no rehearsal is called '{}'", call.script))
            .hint(format!("choose one of {}", names.join(", "))));
    }
    let path = make_repository(&desk.engine.inner.options.data).await?;
    let facts = repository::look(&path.display().to_string(), &desk.engine.inner.options.worktrees).await?;
    let taken = desk.engine.ask(Input::AddProject(facts), desk.who()).await?;
    let added = taken.records.into_iter().find_map(|it| match it.event {
        Event::ProjectAdded { project } => Some(project),
        _ => None,
    });
    let project = added.ok_or_else(|| Fault::bug("the rehearsal was added and not told"))?;
    let (found, _) = look::look(&project, &[]).await?;
    let trust = Input::TrustProject { project: project.id, found };
    desk.engine.ask(trust, Who::Policy("the rehearsal is Pilothouse's own".to_owned())).await?;
    desk.read_items(&project).await?;
    let item = desk.engine.fleet().items.values().find(|it| it.project == project.id).map(|it| it.id);
    let item = item.ok_or_else(|| Fault::bug("the rehearsal's spec was not found"))?;
    let speed = call.speed.clamp(1, 100);
    let command = ["sh", "{agent_file}", &call.script, &speed.to_string()].map(str::to_owned).to_vec();
    let agent = AgentChoice {
        name: "rehearsal".to_owned(),
        adapter: Adapter::Rehearsal,
        command,
        resume: Vec::new(),
    };
    let ask = ask::run::Start { approve: Some(call.approve), ..ask::run::Start::of(item) };
    let run = desk.start_run(ask, Some(agent), None).await?;
    Ok(ask::rehearsal::Rehearsal { project: project.id, item, run: run.id, path: project.path })
}

/// Makes the repository in a folder of its own.
async fn make_repository(data: &Path) -> Result<PathBuf, Fault> {
    let in_words = |error: std::io::Error| {
        Fault::environment(format!(
            "the rehearsal's repository could not be made below {}: {error}",
            data.display()
        ))
    };
    let folder = data.join("rehearsals");
    let mut number = 1;
    let path = loop {
        let path = folder.join(number.to_string()).join("lighthouse");
        match std::fs::create_dir(folder.join(number.to_string())) {
            Ok(()) => break path,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(in_words(error)),
        }
    };
    for (file, text) in FILES {
        let file = path.join(file);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(in_words)?;
        }
        std::fs::write(&file, text).map_err(in_words)?;
    }
    let git = Git::found_from(&path);
    for args in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["config", "user.name", "Rehearsal"],
        &["config", "user.email", "rehearsal@pilothouse.invalid"],
        &["config", "commit.gpgSign", "false"],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "A lighthouse, and a spec for its tide table"],
    ] {
        git.run(args, b"").await.map_err(|error| Fault::environment(error.to_string()))?;
    }
    Ok(path)
}
