//! Performs effects: each by the part of execution or integration that can. An effect may be performed again after a
//! crash; whoever does it looks first whether it is done.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pilothouse_contract::evidence::Gate;
use pilothouse_contract::project::Project;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::window::Window;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{At, Fault, Oid, PullId, RunId, SessionId, WorktreeId, ask};

use crate::coordination::{
    Advanced, CheckAsked, Effect, Integrated, Landing, Merged, NotSent, Outcome, PendingEffect,
};
use crate::engine::Engine;
use crate::execution::attempts::Matter;
use crate::execution::held::{Key, Stage, ToHold};
use crate::execution::judge::Case;
use crate::execution::reviewing::Bench;
use crate::execution::{commits, drafting, env, repository};
use crate::integration::{forge, lander};
use crate::ports::clock::{self, hours};
use crate::ports::git::Git;

/// How long a session has to end by itself when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// So often at least whoever rests looks at the clock on the wall.
const LONGEST_NAP: Duration = Duration::from_secs(15);
const GONE: &str = "what it is about is not there any more";

/// The outcome of an effect that could not even be tried.
pub(crate) fn failed(engine: &Engine, effect: &Effect, why: &str) -> Outcome {
    let why = why.to_owned();
    match effect {
        Effect::Check(asked) => {
            let task = engine.task_of(asked);
            Outcome::Checked(Box::new(engine.inner.checks.not_run(asked, task, &why)))
        }
        Effect::MakeBranch { .. } => Outcome::Branch(Err(why)),
        Effect::TakeIn { .. } => Outcome::TakenIn(Merged::Failed { why }),
        Effect::Prepare { .. } => Outcome::Prepared(Err(why)),
        Effect::Launch { .. } => Outcome::Launched(Err(why)),
        Effect::Read { .. } => Outcome::Read(Err(why)),
        Effect::Integrate { .. } => Outcome::Integrated(Integrated::Failed { why }),
        Effect::Advance { .. } => Outcome::Advanced(Advanced::Failed { why }),
        Effect::WriteRecord { .. } => Outcome::RecordWritten(Err(why)),
        Effect::Propose { .. } => Outcome::Proposed(Err(why)),
        Effect::Merge { .. } => Outcome::Merged(Merged::Failed { why }),
        Effect::Land { .. } => Outcome::Landing(Landing::Failed { why }),
        Effect::TakeBack { .. } => Outcome::TakenBack(Err(Fault::bug(why))),
        Effect::Discard { .. } => Outcome::Discarded(Err(Fault::bug(why))),
        Effect::Restore { .. } => Outcome::Restored(Err(Fault::bug(why))),
        Effect::EndSession { .. } | Effect::DropBranch { .. } | Effect::Rest { .. } => Outcome::Done,
        Effect::Wait { .. } => Outcome::Waited(None),
        Effect::ReadDraft { .. } => Outcome::DraftRead(Err(why)),
        Effect::ReadAnswer { .. } => Outcome::AnswerRead(Err(why)),
        Effect::Publish { .. } => Outcome::Published(Err(NotSent { fault: Fault::bug(why), again: false })),
        Effect::AskLanding { .. } => {
            Outcome::LandAsked(Err(NotSent { fault: Fault::bug(why), again: false }))
        }
        Effect::LetGo { .. } => Outcome::LetGo(Err(NotSent { fault: Fault::bug(why), again: false })),
        Effect::FetchLanded { .. } => Outcome::Fetched(Err(NotSent { fault: Fault::bug(why), again: false })),
    }
}

/// Columns and rows of a terminal, where nobody said.
const SIZE: (u16, u16) = (120, 40);

/// What is not stored of a session that is asked for: should the engine end before it is launched, it has this of the next one.
#[derive(Debug)]
pub(crate) struct Start {
    /// Columns and rows of its terminal.
    pub(crate) size: (u16, u16),
    /// The environment of whoever starts it.
    pub(crate) environment: Option<ask::session::Environment>,
}

impl Engine {
    /// Performs one effect.
    pub(crate) async fn perform(&self, pending: &PendingEffect) -> Outcome {
        let at = pending.at;
        if let Some(held_back) = self.held_back(&pending.effect).await {
            return held_back;
        }
        let done = match &pending.effect {
            Effect::MakeBranch { run, at: to, adopt } => self.make_branch(*run, to, *adopt, at).await,
            Effect::TakeIn { run, head, main } => match self.run_and_project(*run) {
                Some((branch, project)) => {
                    Some(Outcome::TakenIn(commits::take_in(&git_of(&project), &branch, head, main, at).await))
                }
                None => None,
            },
            Effect::Prepare { attempt } => self.prepare(*attempt).await,
            Effect::Launch { session } => self.launch(*session).await,
            Effect::Check(asked) => self.check(asked).await,
            Effect::Read { attempt } => match self.matter(*attempt) {
                Some(matter) => {
                    let read = self.inner.attempts.read(&matter, at).await;
                    // Whatever its session did to the default branch is known before its work is taken any further; who
                    // watches the repository may be late.
                    self.look_at_main(matter.project.id).await;
                    Some(Outcome::Read(read.map_err(|error| error.to_string())))
                }
                None => None,
            },
            Effect::Integrate { attempt, head } => match self.matter(*attempt) {
                Some(matter) => {
                    let scratch = self.scratch(&format!("integrate-{attempt}"));
                    Some(Outcome::Integrated(commits::integrate(&matter, head, &scratch, at).await))
                }
                None => None,
            },
            Effect::Advance { run, old, new, .. } => match self.run_and_project(*run) {
                Some((branch, project)) => {
                    Some(Outcome::Advanced(commits::advance(&project, &branch, old, new).await))
                }
                None => None,
            },
            Effect::WriteRecord { run, head } => {
                let fleet = self.fleet().of_run(*run);
                let scratch = self.scratch(&format!("record-{run}"));
                match fleet.runs.get(run) {
                    Some(it) => Some(Outcome::RecordWritten(
                        commits::write_record(&fleet, it, head, &scratch, at).await,
                    )),
                    None => None,
                }
            }
            Effect::Propose { run, head } => self.propose(*run, head).await,
            Effect::Merge { pull, onto, head } => {
                let found = {
                    let fleet = self.fleet();
                    fleet
                        .pulls
                        .get(pull)
                        .cloned()
                        .and_then(|it| Some((fleet.projects.get(&it.project)?.clone(), it)))
                };
                match found {
                    Some((project, pull)) => {
                        let author = commits::author(&git_of(&project), at).await;
                        Some(Outcome::Merged(forge::merge(&project, &pull, onto, head, &author).await))
                    }
                    None => None,
                }
            }
            Effect::Land { pull, old, new } => {
                let project = {
                    let fleet = self.fleet();
                    fleet.pulls.get(pull).and_then(|it| fleet.projects.get(&it.project)).cloned()
                };
                match project {
                    Some(project) => Some(Outcome::Landing(self.land(*pull, &project, old, new).await)),
                    None => None,
                }
            }
            Effect::TakeBack { project, found, to } => {
                let project = self.fleet().projects.get(project).cloned();
                match project {
                    Some(project) => {
                        Some(Outcome::TakenBack(lander::take_back(&project, found.as_ref(), to, at.0).await))
                    }
                    None => None,
                }
            }
            Effect::EndSession { session } => self.end_session(*session).await,
            Effect::Rest { run, task, until } => {
                let rests =
                    || self.fleet().runs.get(run).and_then(|it| it.task(task)).and_then(|it| it.rests);
                self.wait_out(*until, at, || rests() == Some(*until)).await;
                Some(Outcome::Done)
            }
            Effect::Wait { run, until } => {
                let window = || {
                    let fleet = self.fleet();
                    fleet.runs.get(run).filter(|it| it.state.is_live()).and_then(|it| it.window.clone())
                };
                let awaits = |it: &Window| it.opens == *until || it.closes == Some(*until);
                self.wait_out(*until, at, || window().as_ref().is_some_and(awaits)).await;
                let daily = window().and_then(|it| it.daily);
                Some(Outcome::Waited(daily.and_then(|it| hours::next(&it, clock::now()).ok())))
            }
            Effect::Discard { worktree } => self.discard(*worktree, at).await,
            Effect::Restore { worktree } => self.restore(*worktree).await,
            Effect::ReadDraft { session, .. } => {
                let desk = {
                    let fleet = self.fleet();
                    fleet.sessions.get(session).and_then(|it| drafting::Desk::of(&fleet, it))
                };
                match desk {
                    Some(desk) => Some(Outcome::DraftRead(self.read_draft(&desk, at).await)),
                    None => None,
                }
            }
            Effect::ReadAnswer { session, .. } => {
                let bench = Bench::of(&self.fleet(), *session);
                match bench {
                    Some(bench) => {
                        Some(Outcome::AnswerRead(self.inner.attempts.read_answer(&bench, at).await))
                    }
                    None => None,
                }
            }
            Effect::Publish { pull, head } => Some(Outcome::Published(self.publish(*pull, head).await)),
            Effect::AskLanding { pull, head } => {
                Some(Outcome::LandAsked(self.ask_to_land(*pull, head).await))
            }
            Effect::LetGo { pull } => Some(Outcome::LetGo(self.let_go(*pull).await)),
            Effect::FetchLanded { pull, commit } => {
                Some(self.fetch_landed(*pull, commit).await.map_or(Outcome::Done, Outcome::Fetched))
            }
            Effect::DropBranch { project, branch, at } => {
                let project = self.fleet().projects.get(project).cloned();
                if let Some(project) = project {
                    // Landed: nothing is lost if it cannot be deleted.
                    let git = git_of(&project);
                    // Under a checkout of somebody's it stays: their files would belong to no commit.
                    let path = std::path::Path::new(&project.path);
                    if git.checkout_of(branch, path).await.is_ok_and(|it| it.is_none()) {
                        let _kept = git.drop_ref(branch, at).await;
                    }
                }
                Some(Outcome::Done)
            }
        };
        done.unwrap_or_else(|| failed(self, &pending.effect, GONE))
    }

    pub(crate) fn matter(&self, attempt: pilothouse_contract::AttemptId) -> Option<Matter> {
        Matter::of(&self.fleet(), attempt)
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.inner.options.data.join("scratch").join(name)
    }

    fn run_and_project(&self, run: RunId) -> Option<(pilothouse_contract::RefName, Project)> {
        let fleet = self.fleet();
        let run = fleet.runs.get(&run)?;
        Some((run.branch.clone(), fleet.projects.get(&run.project)?.clone()))
    }

    async fn make_branch(&self, run: RunId, to: &Oid, adopt: bool, at: At) -> Option<Outcome> {
        let (branch, project) = self.run_and_project(run)?;
        let made = commits::make_branch(&git_of(&project), &branch, to, adopt, at).await;
        Some(Outcome::Branch(made.map_err(|error| error.to_string())))
    }

    /// Starts an agent or a person's command. A session that was ended before it began is not started.
    async fn launch(&self, session: SessionId) -> Option<Outcome> {
        // A run over its budget is parked, and with it this attempt, before its agent begins.
        let run = self
            .fleet()
            .sessions
            .get(&session)
            .filter(|it| it.kind == SessionKind::Agent)
            .and_then(|it| it.run);
        if let Some(run) = run {
            self.mind_budget(run).await;
        }
        if let Err(why) = self.before_run(session).await {
            return Some(Outcome::Launched(Err(why)));
        }
        let mut turn = self.inner.launches.lock().await;
        let start = turn.remove(&session);
        let (it, matter, case, desk, bench) = {
            let fleet = self.fleet();
            let it = fleet.sessions.get(&session)?.clone();
            let matter = it.attempt.and_then(|attempt| Matter::of(&fleet, attempt));
            let case = (it.gate == Some(Gate::Completeness)).then(|| Case::of(&fleet, &it)).flatten();
            let desk = drafting::Desk::of(&fleet, &it);
            let bench = Bench::of(&fleet, session);
            (it, matter, case, desk, bench)
        };
        let key = Key::from(&it);
        let over = matter.as_ref().is_some_and(|matter| matter.attempt.state.is_over())
            || case.as_ref().is_some_and(|case| !case.run.state.is_live())
            || bench.as_ref().is_some_and(|bench| !bench.run.state.is_live());
        if it.end.is_some() || over {
            // A holder that has it all the same is told of like any other; whoever ended it ends it then.
            let prevented = self.inner.sessions.prevent(key);
            return Some(Outcome::Launched(match prevented {
                Ok(true) => Err("it was stopped before it began".to_owned()),
                Ok(false) => self.inner.sessions.running(key).await,
                Err(error) => Err(error.to_string()),
            }));
        }
        let native = self.native_of(&self.fleet(), &it);
        if matter.as_ref().is_some_and(|it| it.resumes) {
            self.take_up(session).await;
        }
        let started = match (&matter, it.kind) {
            (Some(matter), SessionKind::Agent) => self.inner.attempts.launch(matter, &it, &native).await,
            (None, SessionKind::Agent) => match (&case, &desk, &bench) {
                (Some(case), ..) => self.inner.attempts.launch_judge(case, &it, &native).await,
                (_, Some(desk), _) => self.inner.attempts.launch_at_draft(desk, &it, &native).await,
                (.., Some(bench)) => self.inner.attempts.launch_at_pull(bench, &it, &native).await,
                _ => Err(GONE.to_owned()),
            },
            _ => {
                let (size, theirs) = start.map_or((SIZE, None), |it| (it.size, it.environment));
                let what = ToHold {
                    argv: it.argv.clone(),
                    cwd: PathBuf::from(&it.cwd),
                    mode: it.mode,
                    size,
                    limit: Duration::ZERO,
                    limits: it.limits,
                    // Its person may have wanted it to.
                    keep_rest: true,
                    env: env::of_a_person(session, theirs, it.mode, &self.inner.options.program),
                };
                self.inner.sessions.start(key, &what).await
            }
        };
        let known = it.kind == SessionKind::Agent;
        Some(Outcome::Launched(started.map(|mut running| {
            running.native = known.then_some(native);
            running
        })))
    }

    /// Comes back at that moment, or once nobody waits for it any more. `asked` is when that began: a clock that is set back
    /// makes it no longer than it was meant to be.
    async fn wait_out(&self, until: At, asked: At, wanted: impl Fn() -> bool) {
        let whole = Duration::from_millis(u64::try_from(until.since_ms(asked)).unwrap_or_default());
        let (begun, mut told) = (Instant::now(), self.subscribe());
        loop {
            // By the wall, so that sleep of the machine counts; and by a clock that nobody sets, so that one that is set back
            // makes no rest longer.
            let by_wall = Duration::from_millis(u64::try_from(until.since_ms(now())).unwrap_or_default());
            let left = by_wall.min(whole.saturating_sub(begun.elapsed()));
            if !wanted() || left.is_zero() {
                return;
            }
            let nap = left.min(LONGEST_NAP);
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                heard = told.recv() => {
                    if matches!(heard, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                        return;
                    }
                }
            }
        }
    }

    async fn end_session(&self, session: SessionId) -> Option<Outcome> {
        let key = self.key(session)?;
        let prevented = {
            let _turn = self.inner.launches.lock().await;
            // Its end is told by whoever asked for its beginning.
            matches!(self.inner.sessions.stage(key), Stage::None | Stage::Asked)
                && self.inner.sessions.prevent(key).unwrap_or(false)
        };
        if !prevented {
            self.inner.sessions.stop(key, GRACE).await;
        }
        Some(Outcome::Done)
    }

    async fn check(&self, asked: &CheckAsked) -> Option<Outcome> {
        let (key, project, policy) = {
            let fleet = self.fleet();
            let run = fleet.runs.get(&asked.run)?;
            let key = Key::from(fleet.sessions.get(&asked.session)?);
            (key, fleet.projects.get(&asked.project)?.clone(), run.policy.clone())
        };
        let task = self.task_of(asked);
        Some(Outcome::Checked(Box::new(self.inner.checks.run(key, asked, &project, &policy, task).await)))
    }

    /// The task that a check is about, if it is about one.
    fn task_of(&self, asked: &CheckAsked) -> Option<pilothouse_contract::TaskId> {
        asked.attempt.and_then(|id| self.fleet().attempts.get(&id).map(|it| it.task.clone()))
    }

    async fn propose(&self, run: RunId, head: &Oid) -> Option<Outcome> {
        let (project, policy, own) = {
            let fleet = self.fleet();
            let it = fleet.runs.get(&run)?;
            let own = fleet.items.get(&it.item).map(|it| it.spec.folder.clone()).unwrap_or_default();
            (fleet.projects.get(&it.project)?.clone(), it.policy.clone(), own)
        };
        let facts = commits::measure(&git_of(&project), &project.main, head, &policy, &own).await;
        Some(Outcome::Proposed(facts.map_err(|error| error.to_string())))
    }

    async fn land(&self, pull: PullId, project: &Project, old: &Oid, new: &Oid) -> Landing {
        let git = git_of(project);
        let (landing, met) = lander::land(project, old, new, || async {
            let (at, named, attempt) = repository::who_moved(&git, &project.default_branch).await?;
            Ok(lander::Found { at, named, attempt })
        })
        .await;
        // Noted before it is told, so that whatever changes from here on is a change.
        self.note_obstacles(pull, met);
        landing
    }

    async fn discard(&self, worktree: WorktreeId, at: At) -> Option<Outcome> {
        let (it, git_dir) = self.worktree(worktree)?;
        self.set_removing(worktree, true);
        self.before_remove(&it).await;
        let removed = self.inner.remover.remove(&it, Path::new(&git_dir), at).await;
        let stands = || self.inner.trees.path(&it.path).symlink_metadata().is_ok();
        if removed.is_err() && it.state == WorktreeState::Making && !stands() {
            // It was never made.
            self.set_removing(worktree, false);
            return Some(Outcome::Done);
        }
        if removed.is_err() {
            self.set_removing(worktree, false);
        }
        Some(Outcome::Discarded(removed.map_err(Fault::from)))
    }

    async fn restore(&self, worktree: WorktreeId) -> Option<Outcome> {
        let (it, _) = self.worktree(worktree)?;
        let restored = match &it.state {
            WorktreeState::Removed { recovery } => {
                self.inner.remover.restore(recovery).await.map_err(Fault::from)
            }
            _ => Ok(Vec::new()),
        };
        self.set_removing(worktree, false);
        Some(Outcome::Restored(restored))
    }

    fn worktree(&self, worktree: WorktreeId) -> Option<(pilothouse_contract::worktree::Worktree, String)> {
        let fleet = self.fleet();
        let it = fleet.worktrees.get(&worktree)?.clone();
        let git_dir = fleet.projects.get(&it.project)?.git_dir.clone();
        Some((it, git_dir))
    }
}

/// A project's repository.
pub(crate) fn git_of(project: &Project) -> Git {
    Git::at(Path::new(&project.git_dir))
}

/// Now, for those who say when something was looked at.
pub(crate) fn now() -> At {
    clock::now()
}
