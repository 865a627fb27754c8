//! From signs of the world to inputs: what the watcher tells is looked at and handed in; sessions are followed, with
//! their trajectories and their fuses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pilothouse_contract::card::Draft;
use pilothouse_contract::outside::Change;
use pilothouse_contract::project::Line;
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::run::Run;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::worktree::{Seen, Worktree, WorktreeState};
use pilothouse_contract::{At, Event, Fleet, Oid, ProjectId, PullId, SessionId, WorktreeId};
use tokio::sync::mpsc;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::held::Sight;
use crate::execution::trees::{admin_of, name_of};
use crate::execution::watch::{SWEEP, Sign, Wanted};
use crate::execution::{agents, repository};
use crate::going_on;
use crate::integration::lander::{self, Obstacles};
use crate::observability::trajectories::{self, Followed};
use crate::perform::{git_of, now};
use crate::store::Spent;

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
            // What was held back may be looked at again.
            | Event::ProjectTrusted { .. }
    )
}

/// A landing that was refused for no reason that we know is tried again on a sign, but not within this long.
const TRY_AGAIN_MS: i64 = 30_000;

/// The folders where a change may clear the way of a landing: where its paths are or would be, and where git notes what
/// is under way in the checkout.
fn around(checkout: &Path, paths: &[String]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = paths
        .iter()
        .flat_map(|path| {
            let whole = checkout.join(path);
            // A file may stand where a folder is to come: then the folder that holds it tells of its end. A folder may
            // stand where a file is to come: then what it holds counts too.
            let nearest = whole.ancestors().skip(1).find(|it| it.is_dir()).map(Path::to_owned);
            nearest.into_iter().chain(whole.is_dir().then_some(whole.clone()))
        })
        .collect();
    let dot_git = checkout.join(".git");
    folders.extend(if dot_git.is_dir() { Some(dot_git) } else { admin_of(checkout).ok() });
    folders
}

/// When the files that a status names were written last.
fn written_last(top: &Path, status: &[String]) -> Option<At> {
    let times = status.iter().filter_map(|line| {
        let written = top.join(line.get(3..)?).symlink_metadata().ok()?.modified().ok()?;
        let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(At(i64::try_from(since.as_millis()).ok()?))
    });
    times.max()
}

impl Engine {
    /// Tells the watcher what matters now.
    pub(crate) async fn rewatch(&self) {
        let engine = self.clone();
        let wanted = engine.wanted();
        // What is not there any more shows no activity either.
        {
            let mut all = self.inner.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.retain(|worktree, _| wanted.trees.contains_key(worktree));
        }
        // Walks folders.
        let _panicked = tokio::task::spawn_blocking(move || engine.inner.watch.set(&wanted)).await;
        // What cleared the way of a landing before it was watched has given no sign.
        let waiting: BTreeSet<ProjectId> = {
            let fleet = self.fleet();
            let waits = |it: &&Pull| matches!(it.state, PullState::WaitsForCheckout { .. });
            fleet.pulls.values().filter(waits).map(|it| it.project).collect()
        };
        for project in waiting {
            self.look_at_checkout(project).await;
        }
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
        // A landing that waits for a checkout is tried again when the paths in its way change, or what is under way there
        // comes to its end.
        for pull in fleet.pulls.values() {
            if let PullState::WaitsForCheckout { checkout, paths } = &pull.state {
                for folder in around(Path::new(checkout), paths) {
                    add(folder, Sign::Project(pull.project));
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
                        self.sweep_worktree(worktree).await;
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
                    self.look_at_checkout(project).await;
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
                // Before the signs of worktrees, so that what came into the new folder until now is seen by a look.
                Sign::Folders => self.rewatch().await,
                Sign::Everywhere => self.look_everywhere().await,
            }
        }
    }

    fn note_activity(&self, worktree: WorktreeId) {
        self.note_activity_at(worktree, now());
    }

    fn note_activity_at(&self, worktree: WorktreeId, at: At) {
        let mut activity = self.inner.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let last = activity.entry(worktree).or_insert(at);
        *last = at.max(*last);
    }

    /// Looks at a worktree that is not watched: what was written there since the last look is a sign of work, as old as
    /// the files say.
    pub(crate) async fn sweep_worktree(&self, worktree: WorktreeId) {
        let before = self.fleet().worktrees.get(&worktree).and_then(|it| it.seen.clone());
        let Some((seen, touched)) = self.look_at_worktree(worktree).await else { return };
        if let Some(touched) = touched {
            self.note_activity_at(worktree, touched.min(now()));
        }
        // Files that went away, and commits, leave no time behind.
        let what = |it: &Seen| (it.head.clone(), it.changed, it.untracked);
        if before.is_some_and(|before| what(&before) != what(&seen)) {
            self.note_activity(worktree);
        }
    }

    /// Looks at everything once.
    pub(crate) async fn look_everywhere(&self) {
        let projects: Vec<ProjectId> = self.fleet().listed().map(|it| it.id).collect();
        for project in projects {
            self.notice_drift(project).await;
            self.look_at_main(project).await;
            self.look_at_checkout(project).await;
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
                    let forward = repository::is_forward(&git, &it.main, found.as_ref()).await;
                    self.tell(Input::MainSeen { project, found: found.clone(), named, attempt, forward });
                }
                let Some(found) = found.filter(|found| self.is_news(project, found)) else { return };
                if let Ok(items) = self.items_at(&it, &found).await {
                    self.tell(Input::ItemsFound { project, items });
                }
            }
            Err(error) => tracing::warn!(%project, %error, "its default branch could not be looked at"),
        }
    }

    /// Tells that a checkout changed, if what stands in the way of a landing there is not what its last try met: git
    /// leaves traces at every try, and those are no reason for another.
    async fn look_at_checkout(&self, project: ProjectId) {
        let (it, waiting) = {
            let fleet = self.fleet();
            let Some(it) = fleet.projects.get(&project).filter(|it| !it.removed).cloned() else { return };
            let waits = |pull: &&Pull| {
                pull.project == project && matches!(pull.state, PullState::WaitsForCheckout { .. })
            };
            // It lands with those ahead of it: from where the first of them was made.
            let with_base = |pull: &Pull| (pull.clone(), fleet.chain_of(pull).1.cloned());
            let waiting: Vec<_> = fleet.pulls.values().filter(waits).map(with_base).collect();
            (it, waiting)
        };
        for (pull, onto) in waiting {
            let (Some(result), Some(onto)) = (&pull.result, onto) else { continue };
            // To look is to have git read changed files.
            let changed = match self.hold_back(&it).await {
                Ok(()) => match lander::obstacles(&it, &onto, &result.commit).await {
                    Ok(found) => self.is_another_matter(pull.id, found.as_ref()),
                    Err(error) => {
                        tracing::warn!(pull = %pull.id, %error, "its checkout could not be looked at");
                        false
                    }
                },
                Err(_) => false,
            };
            if changed {
                self.tell(Input::CheckoutChanged { project });
                return;
            }
        }
    }

    /// Keeps what a landing met at its last try; nothing if it met nothing.
    pub(crate) fn note_obstacles(&self, pull: PullId, met: Option<Obstacles>) {
        let mut all = self.inner.obstacles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match met {
            Some(met) => all.insert(pull, (met, now())),
            None => all.remove(&pull),
        };
    }

    /// Whether what stands in the way is not what the last try met. A try that met nothing that we know of and was
    /// refused all the same is worth another after a while.
    fn is_another_matter(&self, pull: PullId, found: Option<&Obstacles>) -> bool {
        let all = self.inner.obstacles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (all.get(&pull), found) {
            (Some((met, at)), Some(found)) => {
                let nothing_known = met.paths.is_empty() && met.busy.is_none();
                met != found || (nothing_known && now().since_ms(*at) > TRY_AGAIN_MS)
            }
            // Not checked out any more, or tried by an engine before this one.
            _ => true,
        }
    }

    /// Whether the specs at a commit were not read before.
    pub(crate) fn is_news(&self, project: ProjectId, commit: &Oid) -> bool {
        let mut read = self.inner.specs_read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read.insert(project, commit.clone()).as_ref() != Some(commit)
    }

    /// Worktrees of a parked run in which files were written since it was parked.
    pub(crate) async fn edited_since(&self, run: &Run) -> Vec<Change> {
        // One that went on had the worktree of another.
        let worktrees: BTreeSet<WorktreeId> = {
            let fleet = self.fleet();
            fleet.attempts.values().filter(|it| it.run == run.id).map(|it| it.worktree).collect()
        };
        let mut edited = Vec::new();
        for worktree in worktrees {
            let Some((seen, Some(written))) = self.look_at_worktree(worktree).await else { continue };
            if written > run.moved {
                let Seen { changed, untracked, .. } = seen;
                edited.push(Change::Worktree { worktree, changed, untracked, written });
            }
        }
        edited
    }

    /// Looks at a worktree and hands in what is seen. Returns that, and when a changed file was written last.
    async fn look_at_worktree(&self, worktree: WorktreeId) -> Option<(Seen, Option<At>)> {
        let found = {
            let fleet = self.fleet();
            fleet
                .worktrees
                .get(&worktree)
                .filter(|it| it.state == WorktreeState::Live && !self.is_removing(it.id))
                .cloned()
                .and_then(|it| Some((fleet.projects.get(&it.project)?.clone(), it)))
        };
        let (project, it) = found?;
        // Even a look has git read changed files through their filters.
        if let Err(fault) = self.hold_back(&project).await {
            tracing::warn!(%worktree, %fault, "a worktree was not looked at");
            return None;
        }
        match self.inner.trees.find(Path::new(&project.git_dir), &name_of(&it), &it.path).await {
            Ok(tree) => {
                let git = tree.git();
                let head = git.commit_of("HEAD").await.ok().flatten();
                let status = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"];
                let lines = git.list(&status).await.ok()?;
                let untracked = lines.iter().filter(|it| it.starts_with("??")).count();
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let seen = Seen {
                    head,
                    changed: count(lines.len() - untracked),
                    untracked: count(untracked),
                    at: now(),
                    watched: self.inner.watch.words(worktree),
                };
                self.mind_paths(&it, &git, seen.head.as_ref(), &lines).await;
                self.tell(Input::WorktreeSeen { worktree, seen: seen.clone() });
                Some((seen, written_last(&tree.path, &lines)))
            }
            Err(error) => {
                self.worktree_missing(&it, &error.to_string());
                None
            }
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

    /// Follows a running session: its output, its trajectory, its fuses.
    pub(crate) fn follow_session(&self, session: SessionId) {
        let Some(key) = self.key(session) else { return };
        self.inner.sessions.follow(key);
        let Some(sight) = self.inner.sessions.sight(key) else { return };
        // An engine that was killed may have replaced its holder and not come to say so.
        let holder = self.inner.sessions.place(key).held().ok().flatten().map(|it| it.holder);
        let told = self.fleet().sessions.get(&session).and_then(|it| Some(it.running.as_ref()?.holder));
        if let (Some(holder), Some(told)) = (holder, told)
            && holder != told
        {
            self.tell(Input::HolderReplaced { session, holder, uncertain_bytes: None });
        }
        // The fleet is asked once at a time: who asks again while somebody waits to write waits for ever.
        let (followed, run) = {
            let fleet = self.fleet();
            (self.followed(&fleet, session), fleet.sessions.get(&session).and_then(|it| it.run))
        };
        if let Some(followed) = followed {
            let store = self.inner.store.clone();
            let ended = |sight: &Sight| sight.end.is_some();
            let sessions = self.inner.sessions.clone();
            let engine = self.clone();
            let tell = move |spent: Spent| {
                sessions.tell_pulse(key, |it| {
                    (it.tokens, it.micros, it.repeats) = (spent.tokens, spent.micros, spent.repeats);
                    it.context = spent.context;
                });
                let engine = engine.clone();
                tokio::spawn(async move {
                    if let Some(run) = run {
                        engine.mind_budget(run).await;
                    }
                });
            };
            tokio::spawn(trajectories::follow(store, followed, sight.clone(), ended, tell));
        }
        let has_fuses =
            |it: &pilothouse_contract::session::Session| it.kind == SessionKind::Agent && it.run.is_some();
        if self.fleet().sessions.get(&session).is_some_and(has_fuses) {
            tokio::spawn(self.clone().mind_fuses(session, key, sight));
        }
    }

    pub(crate) fn followed(&self, fleet: &Fleet, session: SessionId) -> Option<Followed> {
        let it = fleet.sessions.get(&session).filter(|it| it.kind == SessionKind::Agent)?;
        let (policy, adapter) = match it.run {
            Some(run) => {
                let policy = &fleet.runs.get(&run)?.policy;
                let judge = policy.judge.as_ref().filter(|_| it.gate.is_some());
                (policy, judge.unwrap_or(&policy.agent).adapter)
            }
            None => {
                let drafts = fleet.cards.values().filter_map(|card| card.draft.as_ref());
                let sits = |draft: &&Draft| draft.sitting.as_ref().is_some_and(|at| at.session == it.id);
                let draft = drafts.into_iter().find(sits)?;
                (&draft.policy, draft.sitting.as_ref()?.by.agent.adapter)
            }
        };
        let cwd = self.inner.trees.path(&fleet.worktrees.get(&it.worktree?)?.path);
        let place = self.inner.sessions.place(it.into());
        let file = agents::log_of(adapter, place.folder(), &cwd, &self.native_of(fleet, it))?;
        let goes_on = going_on::earlier(fleet, it).map(|it| it.id);
        let (read_line, prices) = (agents::reader(adapter), self.prices(policy));
        Some(Followed { session, goes_on, file, read_line, repeats: policy.repeats, prices })
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_may_clear_the_way_of_a_landing_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("made.txt")).unwrap();
        std::fs::write(top.join("build"), "a file where a folder is to come").unwrap();
        std::fs::create_dir(top.join(".git")).unwrap();
        let paths = ["build/deep/x".to_owned(), "made.txt".to_owned()];
        let folders = around(top, &paths);
        assert_eq!(folders, [top.to_owned(), top.to_owned(), top.join("made.txt"), top.join(".git")]);
    }

    #[test]
    fn the_newest_of_the_changed_files_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, at_s: u64| {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at_s)).unwrap();
        };
        write("a", 100);
        write("b c", 300);
        write("clean", 500);
        let status = [" M a".to_owned(), "?? b c".to_owned(), " D gone".to_owned()];
        assert_eq!(written_last(folder.path(), &status), Some(At(300_000)));
        assert_eq!(written_last(folder.path(), &[" D gone".to_owned()]), None);
    }
}
