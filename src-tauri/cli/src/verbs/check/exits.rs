//! What must hold after a stage that leaves no spec and no plan: findings, lessons, a change, a landing. Skills name these as their ends.
//!
//! Refuses to run a proof: that is said beside it, and run by whoever is to be believed.

use std::fmt::Write as _;
use std::path::Path;

use pilothouse_contract::layout::{Diagnostic, LaidItem, LaidTask};
use pilothouse_contract::pull::PullState;
use pilothouse_contract::spec::Verify;
use pilothouse_contract::{Fault, PullId, ask};
use pilothouse_engine::execution::instructions::top_of;
use pilothouse_engine::policy::skills::exits;
use pilothouse_engine::policy::workflow::{Workflow, built_in};
use pilothouse_engine::ports::git::Git;
use serde::Serialize;

use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, short};
use crate::verbs::spec::said;
use crate::verbs::spec::tree::{Desk, file};

/// A larger file is none of these.
const FILE_MAX: u64 = 8 * 1024 * 1024;

#[derive(Debug, Serialize)]
struct Looked {
    holds: bool,
    path: String,
    found: Vec<Diagnostic>,
}

/// What was found out, on the screen and as an exit code.
fn told(path: String, found: Vec<Diagnostic>, what: &str, out: Out) -> End {
    let looked = Looked { holds: found.is_empty(), path, found };
    out.value(&looked, |it| {
        if it.holds {
            return format!("{}: {what}", it.path);
        }
        it.found.iter().map(said).collect::<Vec<_>>().join("\n")
    });
    Ok(if looked.holds { HOLDS } else { does_not_hold() })
}

/// The bytes of a file, and the top of the repository that it lies in.
fn bytes_of(path: &Path) -> Result<(Vec<u8>, std::path::PathBuf), Fault> {
    let missing = |error: std::io::Error| {
        Fault::missing(format!("{} cannot be read: {error}", path.display()))
            .hint("name the file that was written")
    };
    let about = std::fs::metadata(path).map_err(missing)?;
    if !about.is_file() || about.len() > FILE_MAX {
        return Err(Fault::refused(format!("{} is no file, or longer than 8 MiB", path.display()))
            .hint("name the file that was written"));
    }
    Ok((std::fs::read(path).map_err(missing)?, top_of(path)?))
}

/// Findings of a refinement or a review.
pub(super) fn findings(path: &Path, out: Out) -> End {
    let (bytes, top) = bytes_of(path)?;
    let lines = |it: &str| inside(it).then(|| file(&top.join(it))).flatten().map(|it| it.lines().count());
    let name = path.display().to_string();
    told(name.clone(), exits::findings(&name, &bytes, &lines), "each finding can be acted on", out)
}

/// Lessons.
pub(super) fn lessons(path: &Path, out: Out) -> End {
    let (bytes, top) = bytes_of(path)?;
    let has = |it: &str| inside(it) && top.join(it).exists();
    let name = path.display().to_string();
    told(name.clone(), exits::lessons(&name, &bytes, &has), "each lesson is kept", out)
}

fn inside(path: &str) -> bool {
    Path::new(path)
        .components()
        .all(|it| matches!(it, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

#[derive(Debug, Serialize)]
struct Changed {
    holds: bool,
    item: String,
    task: String,
    changed: Vec<String>,
    /// What must exit 0 besides; it is not run here.
    verify: Verify,
    found: Vec<Diagnostic>,
}

/// A change against its task.
pub(super) async fn change(path: &Path, task: &str, base: Option<&str>, out: Out) -> End {
    let desk = Desk::open(path)?;
    let items = desk.items()?;
    let all: Vec<(&LaidItem, &LaidTask)> = items
        .iter()
        .flat_map(|item| item.tasks.iter().map(|it| (*item, it)))
        .filter(|(_, it)| it.spec.id.as_str() == task)
        .collect();
    let open: Vec<_> = all.iter().filter(|(_, it)| !it.spec.done).copied().collect();
    let (item, task) = match (open.as_slice(), all.as_slice()) {
        ([one], _) | ([], [one]) => *one,
        ([], []) => {
            return Err(Fault::missing(format!("there is no task {task} in {}", path.display()))
                .command("see which there are", format!("pilothouse spec list {}", path.display())));
        }
        _ => {
            let names: Vec<&str> = all.iter().map(|(it, _)| it.path.as_str()).collect();
            return Err(Fault::refused(format!("{task} is a task of {}", names.join(", ")))
                .hint("name the spec's folder"));
        }
    };
    let begun = std::env::var("PILOTHOUSE_BASE").ok().filter(|it| !it.is_empty());
    let changed = changed(&desk.top, base.or(begun.as_deref())).await?;
    let text = file(&desk.top.join("WORKFLOW.md"));
    let workflow = Workflow::read(text.as_deref(), "WORKFLOW.md")
        .map_err(|error| Fault::refused(error.to_string()).hint("mend WORKFLOW.md"))?;
    let policy = built_in("claude").map(|agent| workflow.policy(agent));
    let (always, protected) = policy.map(|it| (it.always, it.protected)).unwrap_or_default();
    let found = exits::change(item, task, &changed, &always, &protected);
    let looked = Changed {
        holds: found.is_empty(),
        item: item.path.clone(),
        task: task.spec.id.to_string(),
        changed,
        verify: task.spec.verify.clone(),
        found,
    };
    out.value(&looked, show);
    Ok(if looked.holds { HOLDS } else { does_not_hold() })
}

fn show(it: &Changed) -> String {
    let mut text = format!("{} of {}: {} changed paths\n", it.task, it.item, it.changed.len());
    for found in &it.found {
        let _ = writeln!(text, "  {}", said(found));
    }
    if let Verify::Commands(all) = &it.verify {
        for command in all {
            let _ = writeln!(text, "  besides, must exit 0 (not run here): {}", short(command, 200));
        }
    }
    text
}

/// What is changed since a base, or not committed; with files that git does not know yet.
async fn changed(top: &Path, base: Option<&str>) -> Result<Vec<String>, Fault> {
    let git = Git::found_from(top);
    let no = |error: pilothouse_engine::ports::git::GitError| {
        Fault::refused(error.to_string())
            .hint("name a commit, a branch or a tag of this repository with --base")
    };
    let from = match base {
        Some(base) if base.starts_with('-') => {
            return Err(Fault::refused(format!("'{base}' is no commit"))
                .hint("name a commit, a branch or a tag with --base"));
        }
        Some(base) => git.text(&["merge-base", base, "HEAD"]).await.map_err(no)?,
        None => "HEAD".to_owned(),
    };
    let mut all = git.list(&["diff", "--name-only", "--no-renames", "-z", &from, "--"]).await.map_err(no)?;
    all.extend(git.list(&["ls-files", "--others", "--exclude-standard", "-z"]).await.map_err(no)?);
    all.sort();
    all.dedup();
    Ok(all)
}

#[derive(Debug, Serialize)]
struct Landing {
    holds: bool,
    pull: PullId,
    state: String,
    why: String,
}

/// Whether a pull request landed.
pub(super) async fn landed(pull: PullId, out: Out) -> End {
    let page = desk::call(ask::pull::Show { pull }).await?;
    let holds = matches!(page.pull.state, PullState::Landed { .. });
    let why = match &page.pull.state {
        PullState::Landed { commit } => format!("the default branch was moved to {}", commit.short()),
        PullState::WaitsForApproval => "a person must say yes: pilothouse pr approve, by a person".to_owned(),
        PullState::WaitsForCheckout { checkout, paths } => {
            format!("{checkout} is in the way with {}: commit or move them there", paths.join(", "))
        }
        PullState::WaitsForLine => {
            "the project's line is stopped: pilothouse project list says why".to_owned()
        }
        PullState::Bounced => "it was sent back: mend what its checks say, and let the run go on".to_owned(),
        PullState::Checking | PullState::Landable | PullState::Landing => {
            "it is on its way: look again".to_owned()
        }
    };
    let looked = Landing { holds, pull, state: page.pull.state.word().to_owned(), why };
    out.value(&looked, |it| format!("{} {}: {}", it.pull, it.state.replace('-', " "), it.why));
    Ok(if holds { HOLDS } else { does_not_hold() })
}
