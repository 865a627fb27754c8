//! The lander: moves the default branch to a commit whose tree was checked, and the checkout of it with it. Checked
//! out: `git merge --ff-only` there, which keeps edits that are not in the way. Not checked out: compare and swap.
//! It never moves the branch from anywhere but where our record has it. Git is asked first and judges what is in the way;
//! only what it refuses is explained.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pilothouse_contract::project::Project;
use pilothouse_contract::{AttemptId, Fault, Oid, RefName};

use crate::coordination::Landing;
use crate::ports::checkouts::Checkout;
use crate::ports::git::{Git, GitError};

/// Who moved a ref, as found by whoever can tell.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it stands.
    pub at: Option<Oid>,
    /// Who moved it there.
    pub named: String,
    /// The attempt whose name is on it.
    pub attempt: Option<AttemptId>,
}

/// Lands a commit, or finds it landed. `look` tells where the default branch stands and who moved it there. If it has to
/// wait for a checkout, what stood in the way at this very try is told too.
pub async fn land<F>(
    project: &Project,
    old: &Oid,
    new: &Oid,
    look: impl Fn() -> F,
) -> (Landing, Option<Obstacles>)
where
    F: Future<Output = Result<Found, GitError>>,
{
    match try_land(project, old, new, look).await {
        Ok(landing) => landing,
        Err(error) => (Landing::Failed { why: error.to_string() }, None),
    }
}

async fn try_land<F>(
    project: &Project,
    old: &Oid,
    new: &Oid,
    look: impl Fn() -> F,
) -> Result<(Landing, Option<Obstacles>), GitError>
where
    F: Future<Output = Result<Found, GitError>>,
{
    let git = Git::at(Path::new(&project.git_dir));
    let branch = &project.default_branch;
    if let Some(settled) = settled(&git, branch, old, new, &look).await? {
        return Ok((settled, None));
    }
    let checkout = git.checkout_of(branch, Path::new(&project.path)).await?;
    let moved = match &checkout {
        None => git.move_ref(branch, new, Some(old), "landing").await,
        Some(Checkout { busy: Some(_), .. }) => Ok(()),
        Some(checkout) => checkout.fast_forward(branch, new).await,
    };
    // Whatever git said: whether it was done, or somebody was quicker, the branch itself tells.
    if let Some(settled) = settled(&git, branch, old, new, &look).await? {
        return Ok((settled, None));
    }
    let says = moved.err().map_or_else(
        || "git said yes and the branch stands where it stood; somebody switched branches there".to_owned(),
        |error| error.to_string(),
    );
    match checkout {
        Some(checkout) => {
            let paths = in_the_way(&git, &checkout, old, new).await?;
            let says = checkout.busy.clone().unwrap_or(says);
            let place = checkout.path.display().to_string();
            let met = Obstacles { checkout: checkout.path, paths: paths.clone(), busy: checkout.busy };
            Ok((Landing::InTheWay { checkout: place, paths, says }, Some(met)))
        }
        None => Ok((Landing::Failed { why: says }, None)),
    }
}

/// What stands in the way of a landing that waits: to be compared with what was told before it is tried again.
///
/// # Errors
/// See [`GitError`].
pub async fn obstacles(project: &Project, old: &Oid, new: &Oid) -> Result<Option<Obstacles>, GitError> {
    let git = Git::at(Path::new(&project.git_dir));
    let Some(checkout) = git.checkout_of(&project.default_branch, Path::new(&project.path)).await? else {
        return Ok(None);
    };
    let paths = in_the_way(&git, &checkout, old, new).await?;
    Ok(Some(Obstacles { checkout: checkout.path, paths, busy: checkout.busy }))
}

/// What stands in the way in a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacles {
    /// The checkout.
    pub checkout: PathBuf,
    /// Paths that the landing would write and that hold something else.
    pub paths: Vec<String>,
    /// What is under way there.
    pub busy: Option<String>,
}

/// What the branch itself says: landed (there, or beyond), moved elsewhere, or nothing yet.
async fn settled<F>(
    git: &Git,
    branch: &RefName,
    old: &Oid,
    new: &Oid,
    look: impl Fn() -> F,
) -> Result<Option<Landing>, GitError>
where
    F: Future<Output = Result<Found, GitError>>,
{
    let stands = git.commit_of(branch.as_str()).await?;
    match &stands {
        Some(stands) if stands == old => Ok(None),
        Some(stands) if git.is_ancestor(new, stands).await? => Ok(Some(Landing::Landed)),
        _ => {
            let found = look().await?;
            let forward = match &found.at {
                Some(at) => git.is_ancestor(old, at).await?,
                None => false,
            };
            let Found { at, named, attempt } = found;
            Ok(Some(Landing::Elsewhere { found: at, named, attempt, forward }))
        }
    }
}

/// The paths that a landing would write and that hold changes, staged, unstaged, untracked or ignored, in the checkout.
async fn in_the_way(git: &Git, checkout: &Checkout, old: &Oid, new: &Oid) -> Result<Vec<String>, GitError> {
    let lands = git.changed(old, new).await?;
    let here = Git::found_from(&checkout.path);
    let status = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored", "--no-renames"];
    let status = here.list(&status).await?;
    // An ignored folder is told as one entry: only what really stands in a path's place is in its way.
    let stands = |path: &String| {
        Path::new(path).ancestors().filter(|it| !it.as_os_str().is_empty()).any(|it| {
            let there = checkout.path.join(it).symlink_metadata();
            there.is_ok_and(|there| !there.is_dir() || it == Path::new(path))
        })
    };
    let clash = |path: &String| {
        status.iter().any(|line| {
            let (ignored, it) = (line.starts_with("!!"), line.get(3..).unwrap_or_default());
            // A folder in the way of a file, or a file in the way of a folder, is in the way too.
            let meets = it == path
                || it.starts_with(&format!("{path}/"))
                || path.starts_with(&format!("{}/", it.trim_end_matches('/')));
            meets && (!ignored || stands(path))
        })
    };
    let paths: BTreeSet<String> = lands.into_iter().filter(clash).collect();
    Ok(paths.into_iter().collect())
}

/// Moves the default branch back from where it was found to where our record has it. What it pointed to is kept by a
/// ref; edits in a checkout are kept, or the move is refused.
///
/// # Errors
/// In words, if it moved on since, or changes in its checkout are in the way.
pub async fn take_back(project: &Project, found: Option<&Oid>, to: &Oid, stamp: i64) -> Result<(), Fault> {
    let in_words = |error: GitError| Fault::environment(error.to_string());
    let git = Git::at(Path::new(&project.git_dir));
    let branch = &project.default_branch;
    let stands = git.commit_of(branch.as_str()).await.map_err(in_words)?;
    if stands.as_ref() == Some(to) {
        return Ok(());
    }
    if stands.as_ref() != found {
        return Err(Fault::refused(format!("{} moved on since the line was stopped", branch.short()))
            .hint("look again, then decide"));
    }
    if let Some(stands) = &stands {
        let kept = RefName(format!("refs/pilothouse/recovery/taken-back-{stamp}"));
        if git.commit_of(kept.as_str()).await.map_err(in_words)?.is_none() {
            git.move_ref(&kept, stands, None, "taken back").await.map_err(in_words)?;
        }
    }
    match git.checkout_of(branch, Path::new(&project.path)).await.map_err(in_words)? {
        None => git.move_ref(branch, to, found, "taken back").await.map_err(in_words),
        Some(Checkout { path, busy: Some(busy) }) => {
            Err(Fault::refused(format!("{busy} in {}", path.display())).hint("end it, then try again"))
        }
        // A ref that was moved under its checkout left index and files where they were: moving it back is all there is.
        Some(checkout) if stands_at(&git, &checkout, stands.as_ref(), to).await.map_err(in_words)? => {
            git.move_ref(branch, to, found, "taken back").await.map_err(in_words)
        }
        // `--keep` moves the branch, the index and the files, and refuses where an edit would be lost.
        Some(checkout) => Git::found_from(&checkout.path)
            .run(&["reset", "--keep", "--quiet", to.as_str()], b"")
            .await
            .map(drop)
            .map_err(|error| {
                Fault::refused(format!("changes in {} are in the way", checkout.path.display()))
                    .hint("commit or stash them, then take the move back again")
                    .because(error)
            }),
    }
}

/// Whether, of all that differs between where a branch was found and where it should be, index and files of its checkout
/// hold what they should.
async fn stands_at(git: &Git, checkout: &Checkout, found: Option<&Oid>, to: &Oid) -> Result<bool, GitError> {
    let Some(found) = found else { return Ok(true) };
    let paths = git.changed(found, to).await?;
    if paths.is_empty() {
        return Ok(true);
    }
    let here = Git::found_from(&checkout.path);
    for cached in [&["--cached"][..], &[]] {
        let mut args = vec!["diff-index", "--name-only", "-z"];
        args.extend(cached);
        args.extend([to.as_str(), "--"]);
        args.extend(paths.iter().map(String::as_str));
        if !here.list(&args).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
