//! From signs of the world to inputs: what the watcher tells is looked at and handed in; sessions are followed, with
//! their trajectories and their stall limit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::project::Line;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::worktree::{Seen, Worktree, WorktreeState};
use pilothouse_contract::{At, Event, Fleet, Oid, ProjectId, SessionId, WorktreeId};
use tokio::sync::mpsc;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::held::Sight;
use crate::execution::trees::name_of;
use crate::execution::watch::{SWEEP, Sign, Wanted};
use crate::execution::{agents, repository};
use crate::observability::trajectories::{self, Followed};
use crate::perform::{git_of, now};

/// Whether an event changes which folders matter.
pub(crate) fn changes_what_is_watched(event: &Event) -> bool {
    matches!(
        event,
        Event::ProjectAdded { .. }
            | Event::ProjectRemoved { .. }
            | Event::WorktreeMade { .. }
            | Event::WorktreeGone { .. }
            | Event::WorktreeRemoved { .. }
            | Event::WorktreeRestored { .. }
            | Event::PullMoved { .. }
    )
}

impl Engine {
    /// Tells the watcher what matters now.
    pub(crate) async fn rewatch(&self) {
        let engine = self.clone();
        let wanted = engine.wanted();
        // Walks folders.
        let _panicked = tokio::task::spawn_blocking(move || engine.inner.watch.set(&wanted)).await;
    }

    fn wanted(&self) -> Wanted {
        let fleet = self.fleet();
        let options = &self.inner.options;
        let mut wanted = Wanted::default();
        let mut add = |folder: PathBuf, sign: Sign| {
            if folder.is_dir() {
                wanted.folders.entry(folder).or_default().insert(sign);
            }
        };
        add(options.data.clone(), Sign::Home);
        for project in fleet.listed() {
            let git_dir = PathBuf::from(&project.git_dir);
            add(git_dir.clone(), Sign::Project(project.id));
            add(git_dir.join("worktrees"), Sign::Around(project.id));
            add(options.worktrees.join(&project.name), Sign::Around(project.id));
        }
        // A landing that waits for a checkout is tried again when the paths in its way change.
        for pull in fleet.pulls.values() {
            if let PullState::WaitsForCheckout { checkout, paths } = &pull.state {
                for path in paths {
                    if let Some(parent) = Path::new(checkout).join(path).parent() {
                        add(parent.to_owned(), Sign::Project(pull.project));
                    }
                }
            }
        }
        for project in fleet.listed() {
            let refs = PathBuf::from(&project.git_dir).join("refs/heads");
            wanted.deep.entry(refs).or_default().insert(Sign::Project(project.id));
        }
        for worktree in fleet.worktrees.values().filter(|it| it.state == WorktreeState::Live) {
            wanted.trees.insert(worktree.id, self.inner.trees.path(&worktree.path));
        }
        wanted
    }

    /// Heeds what the watcher tells, and sweeps what it cannot watch.
    pub(crate) async fn heed_signs(self, mut told: mpsc::UnboundedReceiver<BTreeSet<Sign>>) {
        loop {
            let unwatched = self.inner.watch.unwatched();
            tokio::select! {
                signs = told.recv() => match signs {
                    Some(signs) => self.heed(signs).await,
                    None => return,
                },
                () = tokio::time::sleep(SWEEP), if !unwatched.is_empty() => {
                    for worktree in unwatched {
                        self.look_at_worktree(worktree).await;
                    }
                }
            }
        }
    }

    async fn heed(&self, signs: BTreeSet<Sign>) {
        for sign in signs {
            match sign {
                Sign::Project(project) => {
                    self.notice_drift(project).await;
                    self.look_at_main(project).await;
                    self.tell(Input::CheckoutChanged { project });
                }
                Sign::Worktree(worktree) => {
                    self.note_activity(worktree);
                    self.look_at_worktree(worktree).await;
                }
                Sign::Around(project) => {
                    let all: Vec<WorktreeId> = self
                        .fleet()
                        .worktrees
                        .values()
                        .filter(|it| it.project == project)
                        .map(|it| it.id)
                        .collect();
                    for worktree in all {
                        self.look_at_worktree(worktree).await;
                    }
                }
                Sign::Home => {
                    // Whoever deletes the home of an engine wants no engine.
                    if !self.inner.options.data.join("pilothouse.db").exists() {
                        tracing::warn!("the data folder is gone: ending");
                        self.stop();
                    }
                }
                Sign::Everywhere => self.look_everywhere().await,
            }
        }
    }

    fn note_activity(&self, worktree: WorktreeId) {
        let mut activity = self.inner.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        activity.insert(worktree, now());
    }

    /// Looks at everything once.
    pub(crate) async fn look_everywhere(&self) {
        let projects: Vec<ProjectId> = self.fleet().listed().map(|it| it.id).collect();
        for project in projects {
            self.notice_drift(project).await;
            self.look_at_main(project).await;
            self.tell(Input::CheckoutChanged { project });
        }
        let worktrees: Vec<WorktreeId> = self.fleet().worktrees.keys().copied().collect();
        for worktree in worktrees {
            self.look_at_worktree(worktree).await;
        }
    }

    /// Looks where a default branch stands. If it moved, its spec folders are read anew.
    pub(crate) async fn look_at_main(&self, project: ProjectId) {
        let it = self.fleet().projects.get(&project).cloned();
        let Some(it) = it.filter(|it| !it.removed) else { return };
        let git = git_of(&it);
        match repository::who_moved(&git, &it.default_branch).await {
            Ok((found, named, attempt)) => {
                if found.as_ref() != Some(&it.main) || it.line != Line::Open {
                    self.tell(Input::MainSeen { project, found: found.clone(), named, attempt });
                }
                let Some(found) = found.filter(|found| self.is_news(project, found)) else { return };
                if let Ok(items) = repository::specs_at(&git, &found).await {
                    self.tell(Input::ItemsFound { project, items });
                }
            }
            Err(error) => tracing::warn!(%project, %error, "its default branch could not be looked at"),
        }
    }

    /// Whether the specs at a commit were not read before.
    pub(crate) fn is_news(&self, project: ProjectId, commit: &Oid) -> bool {
        let mut read = self.inner.specs_read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read.insert(project, commit.clone()).as_ref() != Some(commit)
    }

    async fn look_at_worktree(&self, worktree: WorktreeId) {
        let found = {
            let fleet = self.fleet();
            fleet
                .worktrees
                .get(&worktree)
                .filter(|it| it.state == WorktreeState::Live && !self.is_removing(it.id))
                .cloned()
                .and_then(|it| Some((fleet.projects.get(&it.project)?.clone(), it)))
        };
        let Some((project, it)) = found else { return };
        // Even a look has git read changed files through their filters.
        if let Err(fault) = self.hold_back(&project).await {
            tracing::warn!(%worktree, %fault, "a worktree was not looked at");
            return;
        }
        match self.inner.trees.find(Path::new(&project.git_dir), &name_of(&it), &it.path).await {
            Ok(tree) => {
                let git = tree.git();
                let head = git.commit_of("HEAD").await.ok().flatten();
                let Ok(lines) = git
                    .list(&["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"])
                    .await
                else {
                    return;
                };
                let untracked = lines.iter().filter(|it| it.starts_with("??")).count();
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let seen = Seen {
                    head,
                    changed: count(lines.len() - untracked),
                    untracked: count(untracked),
                    at: now(),
                    watched: self.inner.watch.words(worktree),
                };
                self.tell(Input::WorktreeSeen { worktree, seen });
            }
            Err(error) => self.worktree_missing(&it, &error.to_string()),
        }
    }

    /// A worktree that is not found is gone only if its folder is: a failed look is no proof.
    fn worktree_missing(&self, worktree: &Worktree, why: &str) {
        if self.is_removing(worktree.id) {
            return;
        }
        if self.inner.trees.path(&worktree.path).symlink_metadata().is_err() {
            let why = "its folder is gone, and Pilothouse did not remove it".to_owned();
            self.tell(Input::WorktreeLost { worktree: worktree.id, why });
        } else {
            tracing::warn!(worktree = %worktree.id, why, "a worktree could not be looked at");
        }
    }

    /// Follows a running session: its output, its trajectory, its stall limit.
    pub(crate) fn follow_session(&self, session: SessionId) {
        let Some(key) = self.key(session) else { return };
        self.inner.sessions.follow(key);
        let Some(sight) = self.inner.sessions.sight(key) else { return };
        if let Some(followed) = self.followed(&self.fleet(), session) {
            let store = self.inner.store.clone();
            let ended = |sight: &Sight| sight.end.is_some();
            tokio::spawn(trajectories::follow(store, followed, sight.clone(), ended));
        }
        let stall = {
            let fleet = self.fleet();
            let it = fleet.sessions.get(&session).filter(|it| it.kind == SessionKind::Agent);
            it.and_then(|it| Some((fleet.runs.get(&it.run?)?.policy.stall_s, it.worktree)))
        };
        if let Some((stall_s, worktree)) = stall {
            tokio::spawn(self.clone().mind_stall(session, worktree, stall_s, sight));
        }
    }

    fn followed(&self, fleet: &Fleet, session: SessionId) -> Option<Followed> {
        let it = fleet.sessions.get(&session).filter(|it| it.kind == SessionKind::Agent)?;
        let adapter = fleet.runs.get(&it.run?)?.policy.agent.adapter;
        let cwd = self.inner.trees.path(&fleet.worktrees.get(&it.worktree?)?.path);
        let place = self.inner.sessions.place(it.into());
        let file = agents::log_of(adapter, place.folder(), &cwd, &self.native_id(session))?;
        Some(Followed { session, file, read_line: agents::reader(adapter) })
    }

    /// Sessions that ended while no engine ran, or just before one was killed: the rest of their logs is read.
    pub(crate) async fn finish_trajectories(&self) {
        let ended: Vec<Followed> = {
            let fleet = self.fleet();
            let ended = fleet.sessions.values().filter(|it| it.end.is_some() && it.running.is_some());
            ended.filter_map(|it| self.followed(&fleet, it.id)).collect()
        };
        for followed in ended {
            trajectories::finish(&self.inner.store, &followed).await;
        }
    }

    /// Hands in a stall when a session has shown no sign of work for as long as its policy allows.
    async fn mind_stall(
        self,
        session: SessionId,
        worktree: Option<WorktreeId>,
        stall_s: u32,
        mut sight: tokio::sync::watch::Receiver<Sight>,
    ) {
        let begun = now();
        let limit_ms = i64::from(stall_s) * 1000;
        loop {
            let last =
                self.last_sign(&sight.borrow_and_update().clone(), worktree).unwrap_or(begun).max(begun);
            let left_ms = limit_ms - now().since_ms(last);
            if left_ms <= 0 {
                self.tell(Input::Stalled { session, quiet_s: stall_s });
                return;
            }
            let wait = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                ended = sight.wait_for(|it| it.end.is_some()) => { drop(ended); return; }
            }
        }
    }

    fn last_sign(&self, sight: &Sight, worktree: Option<WorktreeId>) -> Option<At> {
        let activity = self.inner.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let touched = worktree.and_then(|it| activity.get(&it).copied());
        sight.pulse.last_output.into_iter().chain(touched).max()
    }
}
