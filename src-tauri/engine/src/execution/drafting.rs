//! Sessions at a draft: each in a worktree of its own at the draft's head, with a brief that holds what it is to do and no history of
//! anybody else's work. And what is read of what it left: the files below the spec's folder, as one commit, and what the gates say of it.
//!
//! Refuses: whatever a session changed outside the spec's folder, and links there. To move a branch that somebody else went on with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pilothouse_contract::card::{Draft, Reading, Role, Sitting};
use pilothouse_contract::layout::{GateLook, LaidItem, Layout};
use pilothouse_contract::project::Project;
use pilothouse_contract::session::{Running, Session};
use pilothouse_contract::skill::Stage;
use pilothouse_contract::spec::Spec;
use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{At, Fleet, Oid};

use super::agents;
use super::attempts::{Attempts, skill_for};
use super::brief::skill_rule;
use super::commits::author;
use super::desk::AtCommit;
use super::draft_brief;
use super::recovery::snapshot;
use super::seat::Seat;
use super::trees::name_of;
use crate::coordination::draft::DraftRead;
use crate::policy::layouts::desk::{Facts, plan_gates, plan_wants};
use crate::policy::layouts::gates;
use crate::policy::layouts::waves::Limits;
use crate::policy::layouts::{self, Files};
use crate::policy::specs::{Sources, read_spec};
use crate::ports::git::{Git, GitError};

/// A difference that is longer is cut, in bytes.
const DIFF_MAX: usize = 64 * 1024;

/// Everything that a session at a draft is about.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Its short name.
    pub(crate) slug: String,
    /// The draft.
    pub(crate) draft: Draft,
    /// The session as the draft knows it.
    pub(crate) sitting: Sitting,
    /// The project.
    pub(crate) project: Project,
    worktree: Worktree,
}

impl Desk {
    /// Reads it out of the fleet; nothing if the session does not sit at a draft any more.
    #[must_use]
    pub fn of(fleet: &Fleet, session: &Session) -> Option<Self> {
        let (item, draft) = fleet.cards.values().find_map(|card| {
            let draft = card.draft.as_ref()?;
            let sits = draft.sitting.as_ref().is_some_and(|it| it.session == session.id);
            sits.then(|| (card.item, draft.clone()))
        })?;
        let sitting = draft.sitting.clone()?;
        Some(Self {
            slug: fleet.slug_of(item),
            project: fleet.projects.get(&session.project?)?.clone(),
            worktree: fleet.worktrees.get(&sitting.worktree)?.clone(),
            draft,
            sitting,
        })
    }

    fn git(&self) -> Git {
        Git::at(Path::new(&self.project.git_dir))
    }
}

impl Attempts {
    /// Makes the worktree of a session at a draft, writes its brief and starts it, or finds that done. Fails in words for people.
    ///
    /// # Errors
    /// If it could not be started, with the reason and the cure.
    pub async fn launch_at_draft(
        &self,
        desk: &Desk,
        session: &Session,
        uuid: &str,
    ) -> Result<Running, String> {
        // Asked again after a restart, one that was started has moved on from all that is made here.
        if let Ok(running) = self.sessions.running(session.into()).await {
            return Ok(running);
        }
        let agent = &desk.sitting.by.agent;
        let program = agent.command.first().map(String::as_str).unwrap_or_default();
        if !agents::is_there(program) {
            return Err(format!(
                "the agent program '{program}' is not on this machine: install it, or choose another agent with --agent"
            ));
        }
        keep_branch(desk).await?;
        let stage = match desk.sitting.due.role {
            Role::Draft => Stage::Spec,
            Role::Refine | Role::Settle => Stage::Refine,
            Role::Plan => Stage::Plan,
        };
        // By the default branch: what a session wrote since then counts for nothing.
        let skill = skill_for(&desk.git(), &desk.project.main, stage).await;
        let skill = skill.map_err(|error| error.to_string())?;
        let brief = draft_brief::write(desk) + &skill.as_ref().map(skill_rule).unwrap_or_default();
        self.sit_down(Seat {
            session,
            uuid,
            project: &desk.project,
            worktree: &desk.worktree,
            agent,
            policy: &desk.draft.policy,
            folder: format!("draft-{}", session.id),
            brief: &brief,
        })
        .await
    }

    /// Reads what a session left: what it changed below the spec's folder becomes one commit on the draft's branch. Done again it makes
    /// the same commit. What its agent used is not known here.
    ///
    /// # Errors
    /// In words.
    pub async fn read_draft(&self, desk: &Desk, now: At) -> Result<DraftRead, String> {
        let in_words = |error: GitError| error.to_string();
        let git = desk.git();
        let (base, folder) = (&desk.sitting.base, &desk.draft.folder);
        let mut strayed = Vec::new();
        let mut commit = base.clone();
        if desk.sitting.due.role != Role::Refine {
            let git_dir = Path::new(&desk.project.git_dir);
            let tree = self
                .trees
                .find(git_dir, &name_of(&desk.worktree), &desk.worktree.path)
                .await
                .map_err(|error| error.to_string())?;
            let scratch = self.folder.join(format!("draft-{}", desk.sitting.session));
            tokio::fs::create_dir_all(&scratch).await.map_err(|error| error.to_string())?;
            let made = snapshot(&tree, base, &scratch.join("index"), &[])
                .await
                .map_err(|error| error.to_string())?;
            let inside = format!("{folder}/");
            let changed = git.changed(base, &made).await.map_err(in_words)?;
            strayed = changed.iter().filter(|it| !it.starts_with(&inside)).cloned().collect();
            let taken = taken(&git, base, &made, folder, &scratch.join("taken"), &mut strayed)
                .await
                .map_err(in_words)?;
            if taken != git.tree_of(base).await.map_err(in_words)? {
                let verb = match desk.sitting.due.role {
                    Role::Plan => "Plan",
                    Role::Settle => "Refine",
                    _ => "Draft",
                };
                let message =
                    format!("{verb} {}\n\nPilothouse-Agent: {}\n", desk.slug, desk.sitting.by.agent.name);
                commit = git
                    .commit(&taken, &[base], &message, &author(&git, now).await)
                    .await
                    .map_err(in_words)?;
            }
            move_branch(desk, base, &commit).await?;
        }
        let since = match (desk.sitting.due.role, desk.draft.open_pass()) {
            (Role::Settle, Some(pass)) => &pass.before,
            _ => base,
        };
        let diff = diff(&git, since, &commit, folder).await.map_err(in_words)?;
        let laid = laid_at(&git, &commit, folder).await.map_err(in_words)?;
        strayed.truncate(50);
        Ok(DraftRead {
            used: pilothouse_contract::card::Used::default(),
            reading: Reading { strayed, diff, ..laid.reading(&commit) },
            spec: laid.spec(),
        })
    }
}

/// The branch of a draft stands at the commit that a session begins from, unless somebody went on from there.
async fn keep_branch(desk: &Desk) -> Result<(), String> {
    move_branch(desk, &desk.sitting.base, &desk.sitting.base).await
}

/// Moves the branch of a draft, and a checkout of it along with it. One that stands where nobody expects it is somebody else's work, and
/// stays.
async fn move_branch(desk: &Desk, from: &Oid, to: &Oid) -> Result<(), String> {
    let in_words = |error: GitError| error.to_string();
    let (git, branch) = (&desk.git(), &desk.draft.branch);
    let stands = git.commit_of(branch.as_str()).await.map_err(in_words)?;
    match &stands {
        Some(stands) if stands == to => return Ok(()),
        Some(stands) if stands != from => {
            let short = branch.short();
            return Err(format!(
                "its branch {short} stands at {}, where somebody moved it: look at it, then let it go on with `pilothouse spec refine`",
                stands.short()
            ));
        }
        _ => {}
    }
    let checkout = git.checkout_of(branch, Path::new(&desk.project.path)).await.map_err(in_words)?;
    let Some(checkout) = checkout else {
        return git.move_ref(branch, to, stands.as_ref(), "draft").await.map_err(in_words);
    };
    let place = checkout.path.display();
    let (short, cure) = (branch.short(), "then let it go on with `pilothouse spec refine`");
    if let Some(busy) = checkout.busy {
        return Err(format!("its branch {short} is not moved, for in {place} {busy}: end that, {cure}"));
    }
    let moved = checkout.fast_forward(branch, to).await;
    // Whatever git said, the branch itself tells.
    if git.commit_of(branch.as_str()).await.map_err(in_words)?.as_ref() == Some(to) {
        return Ok(());
    }
    let why =
        moved.err().map_or_else(|| "somebody switched branches there".to_owned(), |error| error.to_string());
    Err(format!(
        "its branch {short} is checked out in {place}, and that cannot be moved along: {why}: commit or put away what is in the way, {cure}"
    ))
}

/// The tree of a commit with one folder as another tree has it. Only plain files are taken.
async fn taken(
    git: &Git,
    base: &Oid,
    made: &Oid,
    folder: &str,
    index: &Path,
    strayed: &mut Vec<String>,
) -> Result<Oid, GitError> {
    let below = format!("{folder}/");
    let entries = |of: String| {
        let below = below.clone();
        async move { git.list(&["ls-tree", "-r", "-z", &of, "--", &below]).await }
    };
    let (old, new) = (entries(base.to_string()).await?, entries(made.to_string()).await?);
    let path_of = |entry: &str| entry.split_once('\t').map(|it| it.1.to_owned()).unwrap_or_default();
    let mut input = Vec::new();
    // What is not put back is gone.
    for path in old.iter().map(|it| path_of(it)) {
        input.extend(format!("0 {}\t{path}\0", "0".repeat(base.as_str().len())).into_bytes());
    }
    for entry in &new {
        let mut words = entry.split(['\t', ' ']);
        let (mode, _, hash) =
            (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
        let path = path_of(entry);
        if mode.starts_with("100") {
            input.extend(format!("{mode} {hash}\t{path}\0").into_bytes());
        } else {
            strayed.push(path);
        }
    }
    let git = git.with_index(index);
    git.run(&["read-tree", base.as_str()], b"").await?;
    git.run(&["update-index", "-z", "--index-info"], &input).await?;
    let tree = Oid(git.text(&["write-tree"]).await?);
    let _gone = tokio::fs::remove_file(index).await;
    Ok(tree)
}

async fn diff(git: &Git, old: &Oid, new: &Oid, folder: &str) -> Result<String, GitError> {
    if old == new {
        return Ok(String::new());
    }
    let args = [
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        old.as_str(),
        new.as_str(),
        "--",
        folder,
    ];
    let whole = git.run(&args, b"").await?;
    let text = String::from_utf8_lossy(whole.get(..DIFF_MAX).unwrap_or(&whole)).into_owned();
    Ok(if whole.len() > DIFF_MAX { format!("{text}\n… cut: it has {} bytes\n", whole.len()) } else { text })
}

/// An item at a commit, in whatever layout it is.
#[derive(Debug)]
pub struct Laid {
    /// The item; nothing if its folder holds none.
    pub item: Option<LaidItem>,
    /// The hash of its folder, or its file.
    pub tree: Oid,
    folder: String,
    files: Files,
    /// What its proofs may name a part of.
    beside: Files,
    paths: BTreeSet<String>,
}

/// Reads an item at a commit.
///
/// # Errors
/// See [`GitError`].
pub async fn laid_at(git: &Git, commit: &Oid, folder: &str) -> Result<Laid, GitError> {
    let at = AtCommit::list(git, commit).await?;
    let found: Vec<_> = at.found().into_iter().filter(|it| it.path == folder).collect();
    let files = at.read(found.iter().flat_map(layouts::Found::files)).await?;
    let item = layouts::read_all(&found, &files).into_iter().find(|it| it.path == folder);
    let wanted = item.as_ref().map(|it| plan_wants(it, &at.tree)).unwrap_or_default();
    let beside = at.read(wanted.iter()).await?;
    let hash = git
        .text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{commit}:{folder}")])
        .await;
    let tree = Oid(hash.unwrap_or_default().trim().to_owned());
    Ok(Laid { item, tree, folder: folder.to_owned(), files, beside, paths: at.tree })
}

/// The paths of a commit.
///
/// # Errors
/// See [`GitError`].
pub async fn paths_at(git: &Git, commit: &Oid) -> Result<BTreeSet<String>, GitError> {
    Ok(git.list(&["ls-tree", "-r", "-z", "--name-only", commit.as_str()]).await?.into_iter().collect())
}

impl Laid {
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.paths.contains(path)
            || self.paths.range(folder.clone()..).next().is_some_and(|it| it.starts_with(&folder))
    }

    /// What its gates say, as far as files can tell: of its spec, and of its plan.
    #[must_use]
    pub fn looks(&self) -> Vec<GateLook> {
        let empty = || LaidItem::new(Layout::Native, &self.folder, &self.folder);
        let item = self.item.clone().unwrap_or_else(empty);
        let mut all = gates::spec(&item, &self.files, &|it| self.has(it));
        let facts = Facts {
            tree: &self.paths,
            beside: &self.beside,
            symbols: &BTreeMap::new(),
            program: &agents::is_there,
            limits: &Limits::default(),
            red: &BTreeMap::new(),
        };
        all.extend(plan_gates(&item, &self.files, &facts));
        all
    }

    /// What it is at the commit that it was read at, with nothing changed.
    #[must_use]
    pub fn reading(&self, commit: &Oid) -> Reading {
        Reading {
            commit: commit.clone(),
            tree: self.tree.clone(),
            gates: self.looks(),
            strayed: Vec::new(),
            scopeless: self.scopeless(),
            diff: String::new(),
        }
    }

    /// Open tasks that name no scope.
    #[must_use]
    pub fn scopeless(&self) -> Vec<String> {
        let tasks = self.item.iter().flat_map(|it| &it.tasks);
        let open = tasks.filter(|it| !it.holds && !it.spec.done && it.spec.files.is_none());
        open.map(|it| it.spec.id.to_string()).collect()
    }

    /// The same as the engine reads items.
    #[must_use]
    pub fn spec(&self) -> Spec {
        let text = |name: &str| {
            let bytes = self.files.get(&format!("{}/{name}", self.folder))?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        match &self.item {
            Some(it) if !it.layout.is_ours() => layouts::spec_of(it),
            it => {
                let inside = format!("{}/", self.folder);
                let others = self.paths.iter().filter_map(|it| it.strip_prefix(&inside)).map(str::to_owned);
                let spec = read_spec(&Sources {
                    folder: self.folder.clone(),
                    spec: text("spec.md"),
                    tasks: text("tasks.md"),
                    scope: text("tasks.scope.md"),
                    others: others.collect(),
                });
                Spec { layout: it.as_ref().map_or(Layout::Native, |it| it.layout), ..spec }
            }
        }
    }
}
