//! The person at the desk of a simulation: does what is asked of them, and much that nobody asked for.

use pilothouse_contract::claim::Standing;
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::review::Reply;
use pilothouse_engine::coordination::Reviewing;

use super::*;

/// In a long life a run is let go on so often before its person stops it.
const TRIES: u32 = 4;
/// All that a run may use is used.
const SPENT: Fuse = Fuse { minds: Minds::Tokens, spent: 1, limit: 1 };

impl Sim {
    /// The worst moment of all: a branch is being moved, a person ends another session of that run, and changes their
    /// mind before it is known where the branch stands.
    pub(super) fn cut_in(&mut self) {
        let fleet = &self.journal.fleet;
        let moving = self.journal.pending.values().find_map(|it| match it.effect {
            Effect::Advance { run, .. } => Some(run),
            _ => None,
        });
        let Some(run) = moving else { return };
        let mut agents = fleet.sessions.values().filter(|it| it.kind == SessionKind::Agent);
        let working = agents.find(|it| it.run == Some(run) && it.end.is_none()).map(|it| it.id);
        let Some(session) = working.filter(|_| self.deeds_left > 0 && self.rng.u32(0..4) == 0) else {
            return;
        };
        self.deeds_left -= 1;
        self.person(Input::KillSession { session });
        let it = self.journal.fleet.runs.get(&run).cloned();
        if let Some(input) = it.and_then(|it| self.go_on(&it)) {
            self.person(input);
        }
    }

    /// A person does something at a moment that fits nobody. Most of it is refused, and must do no harm.
    pub(super) fn deed(&mut self) {
        let fleet = &self.journal.fleet;
        let rng = &mut self.rng;
        let input = match rng.u32(0..13) {
            // What the engine reckons and tells.
            11 => rng.choice(fleet.runs.keys()).map(|run| Input::OverBudget { run: *run, fuse: SPENT }),
            // A read of the tracker that the runs were queued from; most of the time an issue is to be worked.
            12 => {
                let claimed = fleet.runs.values().filter(|it| it.claim.is_some()).map(|it| it.id);
                let run = rng.choice(claimed.collect::<Vec<_>>());
                let standing = match rng.u32(0..24) {
                    0 => Standing::Over { state: "Done".to_owned() },
                    1..9 => Standing::Away { says: "its issue is Backlog".to_owned() },
                    _ => Standing::Active,
                };
                run.map(|run| Input::IssuesSeen { seen: vec![(run, standing)] })
            }
            10 => Some(Input::PauseAll { paused: rng.bool() }),
            // Stopped is the end of a run, so it is rare.
            0 if rng.u32(0..4) == 0 => rng.choice(fleet.runs.keys()).map(|run| Input::StopRun { run: *run }),
            0 | 1 => rng.choice(fleet.sessions.keys()).map(|it| Input::KillSession { session: *it }),
            2 | 8 => {
                let agent = |it: &&Session| it.end.is_none() && it.kind == SessionKind::Agent;
                let live = fleet.sessions.values().filter(agent).map(|it| it.id);
                rng.choice(live.collect::<Vec<_>>()).map(|session| Input::KillSession { session })
            }
            3 => rng.choice(fleet.worktrees.keys()).map(|it| Input::RemoveWorktree { worktree: *it }),
            4 => rng.choice(fleet.worktrees.keys()).map(|it| Input::UndoWorktree { worktree: *it }),
            5 => rng.choice(fleet.pulls.keys()).map(|it| Input::LandPull { pull: *it }),
            9 => {
                let live = fleet.runs.values().filter(|it| it.state.is_live()).map(|it| it.id);
                let run = rng.choice(live.collect::<Vec<_>>());
                run.map(|run| Input::PauseRun { run, paused: rng.bool() })
            }
            6 => rng.choice(fleet.pulls.keys()).map(|it| Input::ApprovePull { pull: *it, head: None }),
            _ => {
                let parked = fleet.runs.values().filter(|it| it.state == RunState::Parked).cloned();
                let run = rng.choice(parked.collect::<Vec<_>>());
                run.and_then(|run| self.go_on(&run))
            }
        };
        let Some(input) = input else { return };
        self.person(input);
        // Whoever ended a session may change their mind before anything of it is done.
        let parked = self.journal.fleet.runs.values().find(|it| it.state == RunState::Parked).cloned();
        if let Some(input) = parked.filter(|_| self.rng.bool()).and_then(|run| self.go_on(&run)) {
            self.person(input);
        }
    }

    /// Lets a run go on by what the task file says now.
    pub(super) fn go_on(&self, run: &Run) -> Option<Input> {
        Some(Input::StartRun(Box::new(RunFacts {
            item: run.item,
            spec: self.specs.get(&run.item)?.clone(),
            base: self.journal.fleet.projects.get(&run.project)?.main.clone(),
            branch: RefName(format!("{}-2", run.branch)),
            policy: run.policy.clone(),
            fresh: false,
            window: None,
            edited: Vec::new(),
            claim: None,
            gates: Vec::new(),
        })))
    }

    /// The person mends what parked a run: does what is theirs and ticks it, rewords, adds, takes out; and may have had
    /// their hands in its branch.
    fn mend(&mut self, run: &Run) {
        // What is under way still is known by where the branch stands: whoever moves it just then, or does by hand what is
        // just being put there, is another story.
        let moves = self.journal.pending.values().any(|it| match it.effect {
            Effect::Advance { run: of, .. } | Effect::MakeBranch { run: of, .. } => of == run.id,
            _ => false,
        });
        // Nor does anybody touch what the engine put there and knows nothing of: that task would be found done, and parked.
        let moves = moves || self.world.stands_at(&run.branch) != run.head;
        let Some(spec) = self.specs.get_mut(&run.item) else { return };
        let (rng, mut theirs) = (&mut self.rng, Vec::new());
        let open = |id: &TaskId| run.task(id).is_some_and(|it| !it.state.is_done());
        for task in spec.tasks.iter_mut().filter(|it| open(&it.id)) {
            if matches!(task.verify, Verify::Human(_)) || (!moves && rng.u32(0..8) == 0) {
                task.done = true;
                theirs.push(format!("{}/{}", run.item, task.id));
            } else if rng.u32(0..4) == 0 {
                task.title.push_str(", mended");
                task.verify = Verify::Commands(vec![format!("verify {} {} anew", run.item.0, task.id)]);
            }
        }
        let out = spec.tasks.iter().find(|it| open(&it.id) && !it.done).map(|it| it.id.clone());
        if let Some(out) = out.filter(|_| spec.tasks.len() > 1 && rng.u32(0..6) == 0) {
            spec.tasks.retain(|it| it.id != out);
            for task in &mut spec.tasks {
                task.depends = task.depends.take().map(|it| it.into_iter().filter(|it| *it != out).collect());
            }
        }
        if rng.u32(0..5) == 0 {
            let id = TaskId(format!("T{:03}", 100 + self.restarts_left));
            spec.tasks.push(TaskSpec {
                title: "one more".to_owned(),
                // It stands at the end of the file, so below the last heading.
                phase: spec.tasks.last().and_then(|it| it.phase),
                line: 100,
                files: Some(Scope { include: vec![format!("item{}/{id}", run.item.0)], ..Scope::default() }),
                verify: Verify::Commands(vec![format!("verify {} {id}", run.item.0)]),
                id,
                ..TaskSpec::default()
            });
        }
        if !theirs.is_empty() || rng.bool() {
            self.world.person_does(&theirs);
        }
        match rng.u32(0..6) {
            0 if !moves => self.world.person_goes_on(&run.branch),
            1 if !moves => self.world.person_misplaces(&run.branch),
            _ => {}
        }
        self.look_at_main();
        if self.journal.fleet.projects.values().any(|it| it.line != Line::Open) {
            let found = self.world.main().unwrap_or_default();
            self.person(Input::AdoptMain { project: ProjectId(1), found });
        }
    }

    /// Nothing goes by itself: the person at the desk does what is asked of them. Returns whether there was anything.
    pub(super) fn idle(&mut self) -> bool {
        if self.is_full {
            self.make_room();
            return true;
        }
        self.look_at_main();
        let fleet = &self.journal.fleet;
        if fleet.projects.values().any(|it| it.line != Line::Open) {
            if self.rng.bool() {
                let found = self.world.main().unwrap_or_default();
                self.person(Input::AdoptMain { project: ProjectId(1), found });
            } else {
                self.person(Input::TakeBackMain { project: ProjectId(1) });
            }
            return true;
        }
        if fleet.halt.is_some() {
            self.person(Input::PauseAll { paused: false });
            return true;
        }
        if fleet.projects.values().any(|it| it.held.is_some()) {
            self.person(Input::OpenLine { project: ProjectId(1) });
            return true;
        }
        let paused = fleet.runs.values().find(|it| it.state.is_live() && it.paused.is_some()).map(|it| it.id);
        if let Some(run) = paused {
            self.person(Input::PauseRun { run, paused: false });
            return true;
        }
        // Of a run that is parked neither a yes nor an answer brings anything along.
        let is_carried = |it: &pilothouse_contract::pull::Pull| {
            fleet.runs.get(&it.run).is_some_and(|run| run.state == RunState::InPull)
        };
        let open = fleet.pulls.values().filter(|it| is_carried(it)).find_map(|it| {
            let rests = !it.state.is_over() && it.review.sitting.is_none() && it.review.unread.is_none();
            Some((it.id, it.review.unanswered().next().filter(|_| rests)?.number))
        });
        if let Some((pull, finding)) = open {
            let (reply, says) = (Reply::PushedBack, "it does not matter".to_owned());
            self.person(Input::Reviewing(Reviewing::Answer { pull, finding, reply, says }));
            return true;
        }
        let waits =
            |it: &&pilothouse_contract::pull::Pull| it.state == PullState::WaitsForApproval && is_carried(it);
        let waits_for_yes = fleet.pulls.values().find(waits).map(|it| it.id);
        if let Some(pull) = waits_for_yes {
            self.person(Input::ApprovePull { pull, head: None });
            return true;
        }
        if fleet.pulls.values().any(|it| matches!(it.state, PullState::WaitsForCheckout { .. })) {
            self.world.clean_checkout();
            self.take(Input::CheckoutChanged { project: ProjectId(1) }, Who::Engine, None);
            return true;
        }
        let parked = fleet.runs.values().find(|it| it.state == RunState::Parked).cloned();
        if let Some(run) = parked.filter(|_| self.restarts_left > 0) {
            self.restarts_left -= 1;
            if let Some(tries) = &mut self.tries {
                let tried = tries.entry(run.id).or_default();
                *tried += 1;
                if *tried > TRIES {
                    self.person(Input::StopRun { run: run.id });
                    return true;
                }
            }
            if self.restarts_left < 3 {
                self.world.be_kind();
            }
            self.mend(&run);
            if let Some(input) = self.go_on(&run) {
                self.person(input);
            }
            return true;
        }
        false
    }
}
