//! Forges. Here is the local one's work: merge results made as objects, before anything is moved; and diffs to look at. What all
//! forges can be asked lies in `ask`, GitHub in `github`, our own seen in the same way in `local`.

pub mod ask;
pub mod device;
pub mod github;
pub mod local;
pub mod pace;
pub mod remote;
pub mod tokens;

use std::path::Path;

use pilothouse_contract::project::Project;
use pilothouse_contract::pull::{MergeResult, Pull};
use pilothouse_contract::{Oid, RefName};

use crate::coordination::Merged;
use crate::ports::git::{Author, Git, GitError};

/// A diff is shown up to this length, in bytes.
const DIFF_MAX: usize = 1024 * 1024;
/// So often a ref of ours is moved where somebody else of us moves it too.
const KEEP_TRIES: u32 = 5;

/// Merges a pull request's head into a commit of the default branch: what would land, as a commit that no branch
/// points to. A ref of ours keeps it.
pub async fn merge(project: &Project, pull: &Pull, onto: &Oid, head: &Oid, by: &Author) -> Merged {
    match try_merge(project, pull, onto, head, by).await {
        Ok(merged) => merged,
        Err(error) => Merged::Failed { why: error.to_string() },
    }
}

async fn try_merge(
    project: &Project,
    pull: &Pull,
    onto: &Oid,
    head: &Oid,
    by: &Author,
) -> Result<Merged, GitError> {
    let git = Git::at(Path::new(&project.git_dir));
    let tree = match git.merge_tree(onto, head).await? {
        Ok(tree) => tree,
        Err(paths) => return Ok(Merged::Clash { paths }),
    };
    let mut message = format!("Land {}: {}\n\n{}\n\n", pull.id, pull.title, pull.body.why);
    for line in &pull.body.what {
        message.push_str(&format!("- {line}\n"));
    }
    message.push_str(&format!("\nPilothouse-Pull: {}\n", pull.id));
    let commit = git.commit(&tree, &[onto, head], &message, by).await?;
    for (name, oid) in [("head", head), ("result", &commit)] {
        let reference = RefName(format!("refs/pilothouse/pulls/{}/{name}", pull.id.0));
        keep(&git, &reference, oid).await?;
    }
    Ok(Merged::Made { result: MergeResult { onto: onto.clone(), head: head.clone(), commit, tree } })
}

/// Has a ref of ours keep a commit. Two merges of one pull request may be made at once, and the later one counts.
///
/// # Errors
/// See [`GitError`].
pub async fn keep(git: &Git, reference: &RefName, oid: &Oid) -> Result<(), GitError> {
    let mut tries = KEEP_TRIES;
    loop {
        let stands = git.commit_of(reference.as_str()).await?;
        if stands.as_ref() == Some(oid) {
            return Ok(());
        }
        tries -= 1;
        match git.move_ref(reference, oid, stands.as_ref(), "pull request").await {
            Err(error) if tries == 0 => return Err(error),
            _ => {}
        }
    }
}

/// The change of a pull request against its merge base, as a unified diff; and whether it was cut.
///
/// # Errors
/// See [`GitError`].
pub async fn diff(project: &Project, pull: &Pull) -> Result<(String, bool), GitError> {
    let git = Git::at(Path::new(&project.git_dir));
    let base = base(project, pull).await?;
    let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", base.as_str(), pull.head.as_str()];
    let out = git.run(&args, b"").await?;
    let cut = out.len() > DIFF_MAX;
    Ok((String::from_utf8_lossy(out.get(..DIFF_MAX).unwrap_or(&out)).into_owned(), cut))
}

/// The commit that the change of a pull request is held against: its merge base.
///
/// # Errors
/// See [`GitError`].
pub async fn base(project: &Project, pull: &Pull) -> Result<Oid, GitError> {
    let git = Git::at(Path::new(&project.git_dir));
    // Once it has landed, the default branch holds the head: what it was merged onto tells the change.
    let onto = pull.result.as_ref().map_or(&project.main, |it| &it.onto);
    Ok(Oid(git.text(&["merge-base", onto.as_str(), pull.head.as_str()]).await?))
}
