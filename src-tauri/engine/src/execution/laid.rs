//! Items of the layouts that people have, as a commit holds them: read for a run, ticked in the layout's own form, and the words of one task
//! for whoever works on it. Reads objects alone.
//!
//! Refuses to follow a link, and to read what is longer than is read of any plan.

use std::collections::BTreeSet;

use pilothouse_contract::layout::{LaidItem, LaidTask, Layout};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{Oid, TaskId};

use super::repository::short_name;
use crate::coordination::ItemFound;
use crate::policy::layouts::edit::{Refused, tick};
use crate::policy::layouts::{FILE_MAX, Files, Found, ROOTS, Tree, carried, detect, read, read_all, spec_of};
use crate::ports::git::{Blob, Git, GitError};

/// More files than these are looked at by nobody.
const FILES_MAX: usize = 50_000;
/// And no more bytes than these, those of a file that lies there under many names each time.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A short name is no longer: it becomes part of branches' and folders' names.
const SLUG_MAX: usize = 60;

/// A commit's files where plans lie.
struct Laid {
    found: Vec<Found>,
    files: Files,
}

/// Reads what layouts want below some paths.
async fn laid(git: &Git, commit: &Oid, below: &[&str]) -> Result<Laid, GitError> {
    let mut blobs = git.blobs(commit, below).await?;
    blobs.retain(|it| usize::try_from(it.size).is_ok_and(|it| it <= FILE_MAX));
    blobs.truncate(FILES_MAX);
    let tree: Tree = blobs.iter().map(|it| it.path.clone()).collect();
    // Ours are read by what reads ours.
    let found: Vec<Found> = detect(&tree).into_iter().filter(|it| !it.layout.is_ours()).collect();
    let wanted: BTreeSet<&String> = found.iter().flat_map(Found::files).collect();
    let mut wanted: Vec<&Blob> = blobs.iter().filter(|it| wanted.contains(&it.path)).collect();
    let mut sum = 0_u64;
    wanted.retain(|it| {
        sum = sum.saturating_add(it.size);
        sum <= BYTES_MAX
    });
    let bytes = git.contents(&wanted).await?;
    let files = wanted.into_iter().map(|it| it.path.clone()).zip(bytes).collect();
    Ok(Laid { found, files })
}

/// Every item of another layout than ours that a commit holds and a run could carry, or says why it cannot.
///
/// # Errors
/// See [`GitError`].
pub async fn items_at(git: &Git, commit: &Oid) -> Result<Vec<ItemFound>, GitError> {
    let below: Vec<&str> = ROOTS.into_iter().filter(|it| !matches!(*it, "specs" | ".specify")).collect();
    let laid = laid(git, commit, &below).await?;
    let items = read_all(&laid.found, &laid.files);
    let found = items.iter().filter(|it| carried(it)).map(|it| ItemFound {
        slug: slug(it),
        base: commit.clone(),
        spec: spec_of(it),
    });
    Ok(found.collect())
}

/// A name for people, for branches and for folders.
fn slug(item: &LaidItem) -> String {
    let dashed: String =
        short_name(&item.name).chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    let cut: String = dashed.trim_matches('-').chars().take(SLUG_MAX).collect();
    let cut = cut.trim_matches('-');
    if cut.is_empty() { short_name(item.layout.name()) } else { cut.to_owned() }
}

/// The item of a spec as a commit holds it.
async fn item_of(git: &Git, commit: &Oid, spec: &Spec) -> Result<Option<(Found, Files, LaidItem)>, GitError> {
    let laid = laid(git, commit, &[&spec.folder]).await?;
    let Some(found) = laid.found.iter().find(|it| it.layout == spec.layout && it.path == spec.folder) else {
        return Ok(None);
    };
    let item = read(found, &laid.files).into_iter().find(|it| it.name == spec.name);
    Ok(item.map(|it| (found.clone(), laid.files, it)))
}

fn task_of<'a>(item: &'a LaidItem, task: &TaskId) -> Option<&'a LaidTask> {
    item.tasks.iter().find(|it| it.spec.id == *task && !it.holds)
}

/// What a task's block says at a commit, as its author wrote it; nothing if it is not there.
///
/// # Errors
/// See [`GitError`].
pub async fn words_of(
    git: &Git,
    commit: &Oid,
    spec: &Spec,
    task: &TaskId,
) -> Result<Option<String>, GitError> {
    let Some((_, files, item)) = item_of(git, commit, spec).await? else { return Ok(None) };
    let words = task_of(&item, task).and_then(|it| {
        let text = std::str::from_utf8(files.get(&it.file)?).ok()?;
        text.get(it.span.from..it.span.to).map(str::to_owned)
    });
    Ok(words)
}

/// Ticks a task in the file that a commit holds, as its layout does it. Returns the file and its bytes.
///
/// # Errors
/// In words.
pub async fn ticked(
    git: &Git,
    commit: &Oid,
    spec: &Spec,
    task: &TaskId,
    done: Option<&str>,
) -> Result<(String, Vec<u8>), String> {
    let item = item_of(git, commit, spec).await.map_err(|error| error.to_string())?;
    let gone = || format!("{task} is not in {} any more", spec.tasks_at());
    let (found, files, item) = item.ok_or_else(gone)?;
    let was = task_of(&item, task).ok_or_else(gone)?;
    // A row of Open Mercato's has a place of its own for the commit.
    let (in_row, below) = match spec.layout {
        Layout::OpenMercato => (done.and_then(|it| it.split(' ').next()), None),
        _ => (None, done),
    };
    let made = match tick(&found, &files, &item.name, was, in_row, below) {
        // A layout that has no room for the line has its tick without it.
        Err(Refused::Theirs(_)) if below.is_some() => tick(&found, &files, &item.name, was, None, None),
        made => made,
    };
    made.map(|it| (it.file, it.bytes)).map_err(|refused| refused.to_string())
}
