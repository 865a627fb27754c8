//! Looks at a repository: whether it is one, where its default branch stands, what its spec folders and its
//! `WORKFLOW.md` say at a commit. Reads objects and refs; runs nothing of the repository's.

use std::path::{Path, PathBuf};

use pilothouse_contract::layout::Layout;
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{AttemptId, Fault, Oid, RefName};
use sha2::{Digest, Sha256};

use super::laid;
use crate::coordination::{ItemFound, ProjectFacts};
use crate::policy::specs::{Sources, read_spec};
use crate::policy::workflow::Workflow;
use crate::ports::git::{Git, GitError, OLDEST, version};

/// The mail domain of agents' identities; `.invalid` is reserved for names that do not exist (RFC 2606).
const AGENT_DOMAIN: &str = "@agent.pilothouse.invalid";

/// Looks at a folder that a person wants to add.
///
/// # Errors
/// In words: what it is not, and how to mend that.
pub async fn look(path: &str, worktrees: &Path) -> Result<ProjectFacts, Fault> {
    let given = Path::new(path);
    match version().await {
        Ok((number, words)) if number < OLDEST => {
            return Err(Fault::environment(format!(
                "git {words} is too old: {}.{} or newer is needed",
                OLDEST.0, OLDEST.1
            ))
            .hint("install a newer git"));
        }
        Ok(_) => {}
        Err(error) => return Err(Fault::environment(error.to_string()).hint("install git")),
    }
    let folder = given.canonicalize().map_err(|error| {
        Fault::refused(format!("{path} cannot be looked at: {error}"))
            .hint("give the path of a git repository")
    })?;
    if !folder.is_dir() {
        return Err(
            Fault::refused(format!("{path} is not a folder")).hint("give the folder of a git repository")
        );
    }
    let git = Git::found_from(&folder);
    let asked =
        git.text(&["rev-parse", "--path-format=absolute", "--is-bare-repository", "--git-common-dir"]).await;
    let says = match asked {
        Ok(says) => says,
        Err(GitError::Failed { says, .. }) if says.contains("dubious ownership") => {
            return Err(Fault::refused(format!(
                "{path} belongs to another user, and git will not work there"
            ))
            .command(
                "say that you trust its owner",
                format!("git config --global --add safe.directory {path}"),
            ));
        }
        Err(GitError::Failed { says, .. }) => {
            return Err(Fault::refused(format!("{path} is not a git repository"))
                .command("make it one", format!("git -C {path} init"))
                .because(says));
        }
        Err(error) => return Err(Fault::environment(error.to_string())),
    };
    let mut lines = says.lines();
    let bare = lines.next() == Some("true");
    let git_dir = PathBuf::from(lines.next().unwrap_or_default());
    let git_dir = git_dir.canonicalize().unwrap_or(git_dir);
    if bare {
        return Err(Fault::refused(format!("{path} is a bare repository, without a checkout"))
            .command("clone it and add the clone", format!("git clone {path}")));
    }
    if folder.starts_with(worktrees) {
        return Err(Fault::refused(format!("{path} is a worktree that Pilothouse made"))
            .hint("add the repository that it belongs to"));
    }
    let top = main_checkout(&git_dir, &folder).await?;
    let git = Git::at(&git_dir);
    let default_branch = default_branch(&git).await.map_err(|error| Fault::environment(error.to_string()))?;
    let Some(default_branch) = default_branch else {
        // A checkout that stands on a commit and on no branch, in a repository without main and master.
        if git.commit_of("HEAD").await.is_ok_and(|it| it.is_some()) {
            return Err(Fault::refused(format!(
                "{path} stands on no branch, and has none called main or master: there is nothing to land on"
            ))
            .command("make one of where it stands", format!("git -C {path} switch -c main")));
        }
        return Err(Fault::refused(format!("{path} has no commits yet, so there is nothing to work from"))
            .command("make a first one", format!("git -C {path} commit --allow-empty -m 'First commit'")));
    };
    let main = git
        .commit_of(default_branch.as_str())
        .await
        .map_err(|error| Fault::environment(error.to_string()))?
        .ok_or_else(|| {
            Fault::refused(format!("{path}: the branch {} has no commit", default_branch.short()))
        })?;
    let name = top.file_name().map_or_else(|| "project".to_owned(), |it| short_name(&it.to_string_lossy()));
    Ok(ProjectFacts {
        name,
        path: top.display().to_string(),
        git_dir: git_dir.display().to_string(),
        default_branch,
        main,
    })
}

/// The top of the main checkout. Where its git folder is kept apart, git names it only from within; where the main
/// repository is bare, there is none, and the worktree that was named stands for it.
async fn main_checkout(git_dir: &Path, folder: &Path) -> Result<PathBuf, Fault> {
    let asked = standing(folder).await;
    if let Some((own, _, top)) = &asked
        && own == git_dir
    {
        return Ok(top.clone());
    }
    let list = Git::at(git_dir).worktrees().await.map_err(|error| Fault::environment(error.to_string()))?;
    if let Some(first) = list.into_iter().next() {
        if first.bare
            && let Some((_, _, top)) = asked
        {
            return Ok(top);
        }
        if let Some((_, common, top)) = standing(&first.path).await
            && common == git_dir
        {
            return Ok(top);
        }
    }
    Err(Fault::refused(format!(
        "the main checkout of {} cannot be found: its git folder {} is kept apart from it",
        folder.display(),
        git_dir.display()
    ))
    .hint("add the folder of the main checkout itself"))
}

/// The git folder, the common git folder and the top of the checkout that a folder lies in; nothing if it lies in none.
async fn standing(folder: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let args = ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--show-toplevel"];
    let says = Git::found_from(folder).text(&args).await.ok()?;
    let mut lines = says.lines().map(|line| PathBuf::from(line).canonicalize().ok());
    Some((lines.next()??, lines.next()??, lines.next()??))
}

/// The branch that work lands on: what the remote calls its HEAD, else the branch that is checked out if it is called
/// main or master, else whichever of these exists, else the branch that is checked out.
async fn default_branch(git: &Git) -> Result<Option<RefName>, GitError> {
    if let Ok(remote) = git.text(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]).await
        && let Some(name) = remote.strip_prefix("refs/remotes/origin/")
    {
        let local = RefName::branch(name);
        if git.commit_of(local.as_str()).await?.is_some() {
            return Ok(Some(local));
        }
    }
    let head = git.text(&["symbolic-ref", "--quiet", "HEAD"]).await.ok().map(RefName);
    let usual = ["main", "master"].map(RefName::branch);
    let mut candidates: Vec<RefName> = head.iter().filter(|it| usual.contains(it)).cloned().collect();
    candidates.extend(usual);
    candidates.extend(head);
    for candidate in candidates {
        if git.commit_of(candidate.as_str()).await?.is_some() {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// A name for people and for folders: lower case, digits and dashes.
pub(super) fn short_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_matches(['-', '.']).to_owned();
    if name.is_empty() { "project".to_owned() } else { name }
}

/// Reads every item at a commit: spec folders below `specs/`, and what lies there in other layouts.
///
/// # Errors
/// See [`GitError`].
pub async fn specs_at(git: &Git, commit: &Oid) -> Result<Vec<ItemFound>, GitError> {
    let below = ["specs/", ".specify/"];
    let mut args = vec!["ls-tree", "-r", "-z", "--name-only", commit.as_str(), "--"];
    args.extend(below);
    let files = git.list(&args).await?;
    let theirs = files.iter().any(|it| it.starts_with(".specify/"));
    let layout = if theirs { Layout::SpecKit } else { Layout::Native };
    let mut folders: Vec<String> = files
        .iter()
        .filter_map(|path| path.strip_prefix("specs/")?.split_once('/').map(|(folder, _)| folder.to_owned()))
        .filter(|folder| is_numbered(folder))
        .collect();
    folders.sort();
    folders.dedup();
    let mut found = Vec::new();
    for slug in folders {
        let folder = format!("specs/{slug}");
        let inside = format!("{folder}/");
        let others: Vec<String> =
            files.iter().filter_map(|path| path.strip_prefix(&inside)).map(str::to_owned).collect();
        let text = |name: &str| {
            let path = format!("{inside}{name}");
            async move {
                Ok::<_, GitError>(
                    git.file(commit, &path).await?.map(|it| String::from_utf8_lossy(&it).into_owned()),
                )
            }
        };
        let has = |name: &str| others.iter().any(|it| it == name);
        let scope = if has("tasks.scope.md") { text("tasks.scope.md").await? } else { None };
        let (spec, tasks) = (text("spec.md").await?, text("tasks.md").await?);
        let sources = Sources { folder, spec, tasks, scope, others };
        found.push(ItemFound { slug, base: commit.clone(), spec: Spec { layout, ..read_spec(&sources) } });
    }
    found.extend(laid::items_at(git, commit).await?);
    Ok(found)
}

/// `012-invoice-export`, `20261120-101500-export`.
fn is_numbered(folder: &str) -> bool {
    let digits = folder.bytes().take_while(u8::is_ascii_digit).count();
    digits >= 3 && folder.as_bytes().get(digits) == Some(&b'-')
}

/// Reads `WORKFLOW.md` at a commit.
///
/// # Errors
/// In words, if it holds what we do not know.
pub async fn workflow_at(git: &Git, commit: &Oid) -> Result<Workflow, Fault> {
    let file = workflow_file(git, commit).await.map_err(|error| Fault::environment(error.to_string()))?;
    let text = file.as_ref().map(|it| it.text.as_str());
    Workflow::read(text, &format!("WORKFLOW.md at {}", commit.short()))
        .map_err(|error| Fault::refused(error.to_string()).hint("mend WORKFLOW.md and commit it"))
}

/// A `WORKFLOW.md` as it was read.
#[derive(Debug, Clone)]
pub struct WorkflowFile {
    /// What it says.
    pub text: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub hash: String,
}

/// The `WORKFLOW.md` of a commit, if it has one.
///
/// # Errors
/// See [`GitError`].
pub async fn workflow_file(git: &Git, commit: &Oid) -> Result<Option<WorkflowFile>, GitError> {
    let bytes = git.file(commit, "WORKFLOW.md").await?;
    Ok(bytes.map(|it| WorkflowFile {
        text: String::from_utf8_lossy(&it).into_owned(),
        hash: Sha256::digest(&it).iter().map(|byte| format!("{byte:02x}")).collect(),
    }))
}

/// Where a ref stands and who moved it there, as far as git tells.
pub async fn who_moved(
    git: &Git,
    reference: &RefName,
) -> Result<(Option<Oid>, String, Option<AttemptId>), GitError> {
    let found = git.commit_of(reference.as_str()).await?;
    let mover = git.last_mover(reference).await.filter(|it| Some(&it.to) == found.as_ref());
    Ok(match mover {
        Some(mover) => {
            let attempt = mover.email.strip_suffix(AGENT_DOMAIN).and_then(|it| it.parse().ok());
            let says = pilothouse_contract::text::line(&mover.says, 80);
            (found, format!("{} <{}> ({says})", mover.name, mover.email), attempt)
        }
        None => (found, "somebody who left no name in the log of the branch".to_owned(), None),
    })
}

/// Whether a branch was brought on to where it was found from where our record has it. What git cannot tell is none.
pub async fn is_forward(git: &Git, main: &Oid, found: Option<&Oid>) -> bool {
    match found {
        Some(found) => found == main || git.is_ancestor(main, found).await.unwrap_or(false),
        None => false,
    }
}

/// The name and the mail address under which an attempt's agent commits: a ref that it moves carries its name.
#[must_use]
pub fn agent_identity(attempt: AttemptId, task: &str) -> (String, String) {
    (format!("{task} {attempt}"), format!("{attempt}{AGENT_DOMAIN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(short_name("My Repo (2)"), "my-repo-2");
        assert_eq!(short_name("..."), "project");
        assert!(is_numbered("012-invoice") && is_numbered("20261120-101500-x"));
        assert!(!is_numbered("12-x") && !is_numbered("012x") && !is_numbered("x-012"));
    }
}
