//! The commits that the engine makes: the one commit of a task with its tick on top, the evidence record, and the move
//! of the item branch. All by plumbing: no checkout of the user's is touched.

use std::path::{Path, PathBuf};

use pilothouse_contract::attempt::Candidate;
use pilothouse_contract::audit::{Audit, Shown};
use pilothouse_contract::phase::Checkpoint;
use pilothouse_contract::project::Project;
use pilothouse_contract::pull::{MergeResult, Size};
use pilothouse_contract::run::{Policy, Run, TaskState};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{At, Fleet, Oid, RefName, TaskId};

use super::attempts::Matter;
use super::laid;
use super::repository::who_moved;
use crate::coordination::{Advanced, Integrated, Measured, Merged};
use crate::policy::risk::{Besides, Change, Touched, weigh};
use crate::policy::specs::{Done, tick};
use crate::ports::git::{Author, Git, GitError};

/// The engine as an author: the user's own name where git knows it, for it is their repository.
pub async fn author(git: &Git, at: At) -> Author {
    let name = git.setting("user.name").await.unwrap_or_else(|| "Pilothouse".to_owned());
    let email = git.setting("user.email").await.unwrap_or_else(|| "engine@pilothouse.invalid".to_owned());
    Author { name, email, at }
}

/// Makes the item branch stand at a commit; or, if `adopt`, leaves it where it descends from there. Where it stood
/// before is kept by a ref, if it stood elsewhere. Returns where it stands.
///
/// # Errors
/// See [`GitError`].
pub async fn make_branch(
    git: &Git,
    branch: &RefName,
    to: &Oid,
    adopt: bool,
    at: At,
) -> Result<Oid, GitError> {
    let stands = git.commit_of(branch.as_str()).await?;
    if stands.as_ref() == Some(to) {
        return Ok(to.clone());
    }
    if let Some(stands) = &stands {
        if adopt && git.is_ancestor(to, stands).await? {
            return Ok(stands.clone());
        }
        let kept = RefName(format!("refs/pilothouse/recovery/branch-{}/{}", at.0, branch.short()));
        super::attempts::keep(git, &kept, stands).await?;
    }
    git.move_ref(branch, to, stands.as_ref(), "item branch").await?;
    Ok(to.clone())
}

/// Merges the default branch's commit into an item branch's head, as a commit that no branch points to. If one holds
/// the other already there is nothing to merge.
pub async fn take_in(git: &Git, branch: &RefName, head: &Oid, main: &Oid, at: At) -> Merged {
    match try_take_in(git, branch, head, main, at).await {
        Ok(merged) => merged,
        Err(error) => Merged::Failed { why: error.to_string() },
    }
}

async fn try_take_in(
    git: &Git,
    branch: &RefName,
    head: &Oid,
    main: &Oid,
    at: At,
) -> Result<Merged, GitError> {
    let made = |commit: Oid, tree: Oid| Merged::Made {
        result: MergeResult { onto: head.clone(), head: main.clone(), commit, tree },
    };
    for (old, new) in [(main, head), (head, main)] {
        if git.is_ancestor(old, new).await? {
            return Ok(made(new.clone(), git.tree_of(new).await?));
        }
    }
    let tree = match git.merge_tree(head, main).await? {
        Ok(tree) => tree,
        Err(paths) => return Ok(Merged::Clash { paths }),
    };
    let message = format!("Take the default branch into {}\n", branch.short());
    let commit = git.commit(&tree, &[head, main], &message, &author(git, at).await).await?;
    Ok(made(commit, tree))
}

/// Makes the one commit of a task on the item branch's head, and the tick on top of it. Moves nothing.
pub async fn integrate(matter: &Matter, head: &Oid, scratch: &Path, at: At) -> Integrated {
    match try_integrate(matter, head, scratch, at).await {
        Ok(made) => made,
        Err(why) => Integrated::Failed { why },
    }
}

async fn try_integrate(matter: &Matter, head: &Oid, scratch: &Path, at: At) -> Result<Integrated, String> {
    let in_words = |error: GitError| error.to_string();
    let git = matter.git();
    let candidate = matter.attempt.candidate.clone().ok_or("it made nothing that could be integrated")?;
    let task = matter.run.task(&matter.attempt.task).ok_or("its task is not there any more")?;
    // A candidate that was integrated once already goes from its commit again: its own change is the same.
    let tree = if candidate.onto == *head {
        candidate.tree.clone()
    } else {
        match git.merge_tree(head, &candidate.commit).await.map_err(in_words)? {
            Ok(tree) => tree,
            Err(paths) => return Ok(Integrated::Clash { paths }),
        }
    };
    let author = author(&git, at).await;
    let message = format!(
        "{}: {}\n\nPilothouse-Task: {}\nPilothouse-Attempt: {}\nPilothouse-Agent: {}\nPilothouse-Change: {}\n",
        task.spec.id,
        task.spec.title,
        task.spec.id,
        matter.attempt.id,
        matter.run.policy.agent.name,
        candidate.patch
    );
    let commit = git.commit(&tree, &[head], &message, &author).await.map_err(in_words)?;
    let done = matter.run.policy.done_lines.then(|| {
        let proof = matter.attempt.evidence.last().map(ToString::to_string).unwrap_or_default();
        format!("{} {} {proof}", commit.short(), utc(at))
    });
    let (path, ticked) = ticked(&git, &commit, matter, &task.spec.id, done).await?;
    let ticked = git.tree_with(&commit, &[(path, ticked)], scratch).await.map_err(in_words)?;
    let message = format!("Tick {}\n\nPilothouse-Tick: {}\n", task.spec.id, task.spec.id);
    let tick = git.commit(&ticked, &[&commit], &message, &author).await.map_err(in_words)?;
    let kept = RefName(format!("refs/pilothouse/attempts/{}", matter.attempt.id));
    super::attempts::keep(&git, &kept, &tick).await.map_err(in_words)?;
    Ok(Integrated::Made {
        candidate: Candidate { onto: head.clone(), commit, tick: Some(tick), tree, ..candidate },
    })
}

/// The task file with a task ticked, as its layout does it.
async fn ticked(
    git: &Git,
    commit: &Oid,
    matter: &Matter,
    task: &TaskId,
    done: Option<String>,
) -> Result<(String, Vec<u8>), String> {
    if !matter.item.spec.layout.is_ours() {
        return laid::ticked(git, commit, &matter.item.spec, task, done.as_deref()).await;
    }
    let path = matter.item.spec.tasks_at();
    let file = git.file(commit, &path).await.map_err(|error| error.to_string())?;
    let file = file.ok_or_else(|| format!("{path} is not there any more"))?;
    let done = done.map(|says| Done { says });
    let ticked = tick(&file, task, done.as_ref()).map_err(|error| error.to_string())?;
    Ok((path, ticked))
}

fn utc(at: At) -> String {
    jiff::Timestamp::from_second(at.seconds())
        .map(|it| it.strftime("%Y-%m-%dT%H:%MZ").to_string())
        .unwrap_or_default()
}

/// Moves the item branch from where it must stand, or finds it moved. A checkout of it that a person made is moved with
/// it, as at a landing.
pub async fn advance(project: &Project, branch: &RefName, old: &Oid, new: &Oid) -> Advanced {
    match try_advance(project, branch, old, new).await {
        Ok(advanced) => advanced,
        Err(why) => Advanced::Failed { why },
    }
}

async fn try_advance(project: &Project, branch: &RefName, old: &Oid, new: &Oid) -> Result<Advanced, String> {
    let in_words = |error: GitError| error.to_string();
    let git = Git::at(Path::new(&project.git_dir));
    let stands = git.commit_of(branch.as_str()).await.map_err(in_words)?;
    if stands.as_ref() == Some(new) {
        return Ok(Advanced::Moved);
    }
    if stands.as_ref() == Some(old) {
        let checkout = git.checkout_of(branch, Path::new(&project.path)).await.map_err(in_words)?;
        let moved = match &checkout {
            None => git.move_ref(branch, new, Some(old), "task done").await.map_err(in_words),
            Some(checkout) => {
                let place = checkout.path.display();
                match &checkout.busy {
                    Some(busy) => Err(format!("{busy} in {place}; end it, then let the run go on")),
                    None => checkout.fast_forward(branch, new).await.map_err(|error| {
                        format!("it is checked out in {place}, where something is in the way: {error}")
                    }),
                }
            }
        };
        // Whether it was done all the same, or somebody was quicker, the branch itself tells.
        let stands = git.commit_of(branch.as_str()).await.map_err(in_words)?;
        if stands.as_ref() == Some(new) {
            return Ok(Advanced::Moved);
        }
        if stands.as_ref() == Some(old) {
            return Err(moved.err().unwrap_or_else(|| "git said yes and moved something else".to_owned()));
        }
    }
    let (found, named, _) = who_moved(&git, branch).await.map_err(in_words)?;
    Ok(Advanced::Elsewhere { found, named })
}

/// Makes the commit that writes the evidence down in the spec folder.
///
/// # Errors
/// In words.
pub async fn write_record(
    fleet: &Fleet,
    run: &Run,
    head: &Oid,
    scratch: &Path,
    at: At,
) -> Result<Oid, String> {
    let in_words = |error: GitError| error.to_string();
    let project = fleet.projects.get(&run.project).ok_or("its project is not there any more")?;
    let item = fleet.items.get(&run.item).ok_or("its item is not there any more")?;
    let git = Git::at(&PathBuf::from(&project.git_dir));
    let path = item.spec.record_at("evidence.md");
    // On what was approved and not on the head: a run that went on writes its record anew, and not a second one.
    let known = git.file(run.approved_at(), &path).await.map_err(in_words)?.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&known).into_owned();
    text.push_str(if text.is_empty() { "# Evidence\n" } else { "\n" });
    text.push_str(&record(fleet, run));
    let mut files = vec![(path, text.into_bytes())];
    if let Some(audit) = run.audit.as_ref().filter(|it| it.evidence.is_some()) {
        let path = item.spec.record_at("reviews/completeness.md");
        files.push((path, completeness(audit, &item.spec).into_bytes()));
    }
    let tree = git.tree_with(head, &files, scratch).await.map_err(in_words)?;
    if tree == git.tree_of(head).await.map_err(in_words)? {
        return Ok(head.clone());
    }
    let message = format!("Write down the evidence of {}\n", item.slug);
    git.commit(&tree, &[head], &message, &author(&git, at).await).await.map_err(in_words)
}

/// The record: what was proved, by what. Changes are named by their patch id and outputs by their hash, not by commit
/// or time: so the same work makes the same record, in whatever order it was merged. `git log --grep` finds the commit
/// of a change by its trailer.
fn record(fleet: &Fleet, run: &Run) -> String {
    let mut text = String::from(
        "\nWritten by Pilothouse before the pull request's checks. The commit of a change carries the trailer\n\
         `Pilothouse-Change` with its patch id.\n\n\
         | task | change | proof | result | output (SHA-256) |\n|---|---|---|---|---|\n",
    );
    for task in &run.tasks {
        if !matches!(task.state, TaskState::Done { .. }) {
            continue;
        }
        let attempt = fleet.made_by(task);
        let proof = attempt.and_then(|it| fleet.proof_of(it));
        let change =
            attempt.and_then(|it| it.candidate.as_ref()).map(|it| it.patch.clone()).unwrap_or_default();
        text.push_str(&format!(
            "| {} {} | {} | {} | {} | {} |\n",
            task.spec.id,
            cell(&task.spec.title),
            change.get(..12).unwrap_or(&change),
            proof.map(|it| format!("`{}`", cell(&it.command))).unwrap_or_default(),
            proof.map(|it| it.why.clone()).unwrap_or_default(),
            proof
                .map(|it| it.output_hash.get(..16).unwrap_or(&it.output_hash).to_owned())
                .unwrap_or_default(),
        ));
    }
    for phase in &run.phases {
        let Checkpoint::Passed { evidence, .. } = &phase.state else { continue };
        let Some(proof) = fleet.evidence.get(evidence) else { continue };
        text.push_str(&format!(
            "| checkpoint of {} | | `{}` | {} | {} |\n",
            cell(&phase.title),
            cell(&proof.command),
            proof.why,
            proof.output_hash.get(..16).unwrap_or(&proof.output_hash),
        ));
    }
    text
}

/// What was said of each requirement. Evidence is named by what it ran, for the same work gets other numbers each time.
fn completeness(audit: &Audit, spec: &Spec) -> String {
    let mut text = String::from(
        "# Completeness\n\nEach requirement held against the evidence, by a session that did not make the change.\n\n\
         | requirement | shown | by |\n|---|---|---|\n",
    );
    for it in &spec.requirements {
        let (shown, by) = match audit.verdict(&it.id) {
            Shown::Met { evidence } => ("yes", format!("{} proofs", evidence.len())),
            Shown::Missing { why } => ("no", cell(why)),
            Shown::Unsaid => ("not said", String::new()),
        };
        text.push_str(&format!("| {} {} | {shown} | {by} |\n", it.id, cell(&it.text)));
    }
    text
}

/// Text that cannot break out of a table's cell.
fn cell(text: &str) -> String {
    pilothouse_contract::text::plain(text, false).replace('|', "\\|")
}

/// Lines of a change are looked at up to this length, in bytes.
const LINES_MAX: usize = 4 * 1024 * 1024;

/// Measures a change for its pull request: commits, files, lines, which patch it is, and how risky. `own` is the folder of its item,
/// where the engine itself writes.
///
/// # Errors
/// See [`GitError`].
pub async fn measure(
    git: &Git,
    onto: &Oid,
    head: &Oid,
    policy: &Policy,
    own: &str,
) -> Result<Measured, GitError> {
    let commits = git.text(&["rev-list", "--count", "--no-merges", &format!("{onto}..{head}")]).await?;
    let base = Oid(git.text(&["merge-base", onto.as_str(), head.as_str()]).await?);
    let plain = ["diff-tree", "-r", "--no-color", "--no-renames", "--no-ext-diff", "--no-textconv"];
    let between = [base.as_str(), head.as_str()];
    let numbers = git.list(&[&plain[..], &["-z", "--numstat"], &between].concat()).await?;
    let gone = git.list(&[&plain[..], &["-z", "--name-only", "--diff-filter=D"], &between].concat()).await?;
    let gone: std::collections::HashSet<String> = gone.into_iter().collect();
    let touched: Vec<Touched> = numbers
        .iter()
        .filter_map(|line| {
            let mut parts = line.splitn(3, '\t');
            // Of what is no text git counts no lines.
            let mut number = || parts.next().map(str::parse::<u32>);
            let (added, removed) = (number()?, number()?);
            let path = parts.next()?.to_owned();
            let binary = added.is_err();
            let (added, removed) = (added.unwrap_or_default(), removed.unwrap_or_default());
            Some(Touched { gone: gone.contains(&path), path, added, removed, binary })
        })
        .collect();
    let sum = |of: fn(&Touched) -> u32| touched.iter().fold(0_u32, |sum, it| sum.saturating_add(of(it)));
    let size = Size {
        files: u32::try_from(touched.len()).unwrap_or(u32::MAX),
        added: sum(|it| it.added),
        removed: sum(|it| it.removed),
    };
    // What git takes for no text may be a program all the same.
    let lines = git.run(&[&plain[..], &["-p", "-U0", "--text"], &between].concat(), b"").await?;
    let shown = String::from_utf8_lossy(lines.get(..LINES_MAX).unwrap_or(&lines));
    let change = Change { head, touched: &touched, diff: &shown, cut: lines.len() > LINES_MAX, own };
    let besides = Besides { protected: &policy.protected, hot: &policy.hot };
    let risk = weigh(&change, &policy.risk, besides);
    let patch = git.patch_id(&base, head).await?;
    Ok(Measured { commits: commits.parse().unwrap_or_default(), size, patch, risk })
}
