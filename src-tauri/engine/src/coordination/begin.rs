//! Attempts begin: a fresh one in a worktree of its own, several at once, or one that goes on where the last try stood, in that one's
//! worktree and in its session.
//!
//! Refuses: to let two attempts have one worktree, and to go on in one that may be on its way out. A worktree is kept for the next
//! try from the very decision by which the last one failed, or not at all.

use std::collections::BTreeSet;

use pilothouse_contract::attempt::{Attempt, AttemptState, Failure};
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::run::{Run, TaskState};
use pilothouse_contract::spec::{TaskSpec, Verify};
use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{AttemptId, Event, EvidenceId, Oid, RefName, RunId, SessionId, TaskId};

use super::Work;
use super::effect::Effect;
use crate::policy::tiers;

/// A try is handed over so many times, from one session to the next.
pub(super) const HAND_OVERS_MAX: usize = 8;

impl Work<'_> {
    /// Begins an attempt at a task, or parks the task if it is for a person.
    pub(super) fn start_task(&mut self, run: RunId, task: &TaskId) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let (Some(head), Some(spec)) = (it.head.clone(), it.task(task).map(|task| task.spec.clone())) else {
            return;
        };
        if let Some(why) = for_a_person(&spec) {
            let to = TaskState::Parked { why: why.clone() };
            self.engine(Event::TaskMoved { run, task: task.clone(), to, why, evidence: Vec::new() });
            return;
        }
        let places = tiers::places(&spec, &it.policy);
        if let Some(before) = self.to_go_on(run, task).filter(|_| places == 1) {
            self.go_on_from(run, &before);
            self.clear_earlier(run, task);
            return;
        }
        let first = self.fleet.next_attempt();
        for n in 0..places {
            let contest = (places > 1).then_some(first);
            let why = match places {
                1 => format!("of {}", it_tries(self.fleet.runs.get(&run))),
                _ => format!("{} of {places} that try it at once", n + 1),
            };
            self.begin_attempt(run, task, head.clone(), contest, &why);
        }
        self.clear_earlier(run, task);
    }

    fn begin_attempt(&mut self, run: RunId, task: &TaskId, head: Oid, contest: Option<AttemptId>, why: &str) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let number = number(it, task);
        let (project, branch) = (it.project, it.branch.clone());
        let slug = self.fleet.slug_of(it.item);
        let project_name = self.fleet.projects.get(&project).map(|it| it.name.clone()).unwrap_or_default();
        let id = self.fleet.next_attempt();
        let worktree = self.fleet.next_worktree();
        let name = format!("{slug}-{}-{id}", in_a_name(task));
        self.engine(Event::WorktreeAsked {
            worktree: Worktree {
                id: worktree,
                project,
                attempt: Some(id),
                // Relative to the folder of worktrees; whoever makes it knows where that is.
                path: format!("{project_name}/{name}"),
                branch: attempt_branch(&branch, task, id),
                base: head.clone(),
                state: WorktreeState::Making,
                seen: None,
                asked: self.now,
            },
        });
        self.engine(Event::AttemptStarted {
            attempt: Attempt {
                contest,
                number,
                why: format!("try {number} {why}"),
                ..Attempt::leased(id, run, task.clone(), head, worktree, self.now)
            },
        });
        self.prepare(id, "its worktree and its brief are being made");
    }

    fn prepare(&mut self, attempt: AttemptId, why: &str) {
        self.move_attempt(attempt, AttemptState::Preparing, why, &[]);
        self.effect(Effect::Prepare { attempt });
    }

    /// The try that the next one of a task goes on from, if its session is over and its worktree is there.
    fn to_go_on(&self, run: RunId, task: &TaskId) -> Option<Attempt> {
        let before = self.fleet.attempts.get(&self.fleet.runs.get(&run)?.task(task)?.goes_on?)?;
        let is_over = self.fleet.sessions.get(&before.session?)?.end.is_some();
        (is_over && self.stands(before)).then(|| before.clone())
    }

    /// Begins an attempt where the one before stood: on its base, in its worktree, which nobody else has.
    fn go_on_from(&mut self, run: RunId, before: &Attempt) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let (id, number, worktree) = (self.fleet.next_attempt(), number(it, &before.task), before.worktree);
        let why = format!("try {number} of {}, goes on from {}", it.policy.attempts, before.id);
        let (task, base) = (before.task.clone(), before.base.clone());
        self.engine(Event::AttemptStarted {
            attempt: Attempt {
                continues: Some(before.id),
                number,
                why,
                ..Attempt::leased(id, run, task, base, worktree, self.now)
            },
        });
        self.engine(Event::WorktreePassed { worktree, attempt: id });
        self.prepare(id, &format!("its brief is being written; it goes on in the worktree of {}", before.id));
    }

    /// An attempt that goes on has its brief. Its proof failed before any work on its base, and what was worked since changes nothing
    /// of that.
    pub(super) fn go_on_working(&mut self, it: &Attempt, run: &Run) {
        let before = it.continues.and_then(|id| self.fleet.attempts.get(&id));
        let evidence =
            before.into_iter().flat_map(|it| &it.evidence).filter_map(|id| self.fleet.evidence.get(id));
        let red = evidence.filter(|it| it.gate == Gate::RedCheck && it.passed()).map(|it| it.id);
        let red: Vec<EvidenceId> = red.collect();
        let why = match before {
            Some(before) if self.fleet.resumed_by(it).is_some() => {
                format!("goes on in the session of {}, in its worktree", before.id)
            }
            Some(before) => format!("goes on in a fresh session, in the worktree of {}", before.id),
            None => String::new(),
        };
        self.move_attempt(it.id, AttemptState::Working, &why, &red);
        self.launch_agent(it, run);
    }

    /// Keeps the worktree of a try that just ended, if the next one can go on there: in a fresh session if it was handed over, else in
    /// the agent's own. One that went on in that already and failed again is not gone on with: whoever begins afresh may see what it
    /// does not.
    pub(super) fn keep_for_next(&mut self, it: &Attempt, failure: &Failure) {
        let Some(run) = self.fleet.runs.get(&it.run) else { return };
        let goes_on = match failure {
            Failure::HandedOver { .. } => true,
            // What it worked on is not what its proof failed on: only a fresh one sees what came meanwhile.
            Failure::VerifyFailed if it.candidate.as_ref().is_some_and(|it| it.tick.is_some()) => false,
            Failure::AgentExit { .. } | Failure::Stalled | Failure::Lost | Failure::VerifyFailed => {
                let session = it.session.and_then(|id| self.fleet.sessions.get(&id));
                let native = session.and_then(|it| it.running.as_ref()?.native.as_ref());
                native.is_some() && run.policy.agent.can_resume() && self.fleet.resumed_by(it).is_none()
            }
            _ => false,
        };
        if goes_on && it.contest.is_none() && self.stands(it) {
            let (run, task, attempt) = (run.id, it.task.clone(), it.id);
            self.engine(Event::TaskGoesOn { run, task, attempt });
        }
    }

    /// The context of an attempt's session is full: the session is ended, and once it is over a fresh one goes on where it stands. After
    /// so many that got nowhere the attempt fails.
    pub(super) fn hand_over(&mut self, attempt: AttemptId, session: SessionId, fill: u64) {
        let Some(it) = self.fleet.attempts.get(&attempt) else { return };
        if it.state != AttemptState::Working || it.hands_over.is_some() {
            return;
        }
        let before = |it: &Attempt| it.continues.and_then(|id| self.fleet.attempts.get(&id));
        let tries = std::iter::successors(before(it), |it| before(it));
        let handed = tries.filter(|it| matches!(it.failure, Some(Failure::HandedOver { .. }))).count();
        if handed >= HAND_OVERS_MAX {
            let why =
                format!("its context is full of {fill} tokens, after it was handed over {handed} times");
            self.fail_attempt(attempt, Failure::HandedOverTooOften, &why, &[]);
            return;
        }
        self.engine(Event::AttemptHandsOver { attempt, fill });
        self.effect(Effect::EndSession { session });
    }

    /// Whether the worktree of an attempt is there, and its own.
    fn stands(&self, it: &Attempt) -> bool {
        let worktree = self.fleet.worktrees.get(&it.worktree);
        worktree.is_some_and(|tree| tree.state == WorktreeState::Live && tree.attempt == Some(it.id))
    }

    /// A new attempt needs no look at the ones before it: their worktrees go (and can be brought back).
    fn clear_earlier(&mut self, run: RunId, task: &TaskId) {
        let Some(attempts) =
            self.fleet.runs.get(&run).and_then(|it| it.task(task)).map(|it| it.attempts.clone())
        else {
            return;
        };
        let earlier =
            attempts.iter().filter_map(|id| self.fleet.attempts.get(id)).filter(|it| it.state.is_over());
        // One that went on had the worktree of another.
        let worktrees: BTreeSet<_> = earlier.map(|it| it.worktree).collect();
        for worktree in worktrees {
            self.discard(worktree);
        }
    }
}

/// The how-manieth try of a task the next one is.
fn number(run: &Run, task: &TaskId) -> u32 {
    let tried = run.task(task).map_or(0, |task| task.attempts.len());
    u32::try_from(tried + 1).unwrap_or(u32::MAX)
}

fn it_tries(run: Option<&Run>) -> u32 {
    run.map_or(0, |run| run.policy.attempts)
}

/// Why a task is not for an agent; nothing if it is.
fn for_a_person(spec: &TaskSpec) -> Option<String> {
    if let Some(gate) = spec.gate.as_ref().filter(|gate| gate.contains("human")) {
        return Some(format!("its gate is '{gate}'"));
    }
    match &spec.verify {
        Verify::Commands(_) => None,
        Verify::Manual(why) => Some(format!("it is verified by hand: {why}")),
        Verify::Human(what) => Some(format!("a person verifies it: {what}")),
        Verify::Unsaid => Some("it has no Verify".to_owned()),
    }
}

/// `pilothouse/001-tide/item` → `pilothouse/001-tide/t003-a7`.
fn attempt_branch(item: &RefName, task: &TaskId, attempt: AttemptId) -> RefName {
    RefName(format!("{}/{}-{attempt}", item.folder(), in_a_name(task)))
}

/// A task's id as a part of branches' and folders' names.
fn in_a_name(task: &TaskId) -> String {
    let dashed =
        |it: char| if it.is_ascii_alphanumeric() || it == '_' { it.to_ascii_lowercase() } else { '-' };
    task.as_str().chars().map(dashed).collect::<String>().trim_start_matches('-').to_owned()
}
