//! Coordination: the pure state machines that carry an item from planned to landed. One function, [`decide`], over a
//! closed list of inputs; what it decides comes out as events and effects. Time and everything else that the world
//! knows are inputs.
//!
//! Refuses: any IO, any clock, any chance. Uses `policy` and `contract` only.

mod admit;
pub mod after;
mod attempts;
mod begin;
mod budgets;
mod checkpoint;
mod complete;
mod contest;
pub mod draft;
mod effect;
mod flakes;
mod input;
mod issues;
mod line;
mod outside;
mod publish;
mod pulls;
mod questions;
mod queue;
mod rests;
mod resume;
pub mod review;
mod runs;
pub mod schedule;
mod seat;
mod sessions;
#[cfg(test)]
mod tests;
mod there;
mod window;
mod workflow;
mod worktrees;

use std::collections::BTreeSet;

use pilothouse_contract::{At, Event, Fault, Fleet, ProjectId, Record, Touched, Who};

pub use after::{Afterwards, TakeBackFacts};
pub use budgets::slow;
pub use draft::{DraftFacts, DraftRead, Drafting, RefineFacts};
pub use effect::{
    Advanced, CheckAsked, Checked, Effect, EffectKey, HeadChange, Integrated, Landing, Measured, Merged,
    NotSent, Outcome, PendingEffect,
};
pub use input::{Input, ItemFound, ProjectFacts, RunFacts, SessionFacts};
pub use publish::Publishing;
pub(crate) use resume::made_anew;
pub use review::{AnswerRead, Reviewing, Said};
pub use schedule::Schedules;
pub(crate) use there::other;
pub use there::{LandAsked, Told};

/// One decision under way: the fleet as it will be, and what is to be written down and done.
#[derive(Debug)]
pub struct Work<'a> {
    fleet: &'a mut Fleet,
    schedules: &'a mut Schedules,
    now: At,
    who: Who,
    first_key: EffectKey,
    /// Something was given back that runs share.
    freed: bool,
    /// Queues of landings that were touched.
    queues: BTreeSet<ProjectId>,
    decision: Decision,
}

/// What was decided. Everything in it is stored in one transaction or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What happened.
    pub records: Vec<Record>,
    /// What is to be done.
    pub effects: Vec<PendingEffect>,
    /// Rows of the fleet that changed.
    pub touched: BTreeSet<Touched>,
}

/// Decides what follows from an input, and moves the fleet accordingly. Effects are numbered from `first_key` on; the
/// caller gives numbers that were never given before. `schedules` is kept from one decision to the next, or empty: it makes
/// them faster, and never other.
///
/// # Errors
/// `Refused` or `Missing` in words for people. The fleet may have moved then and must be thrown away by the caller;
/// nothing of it was stored.
pub fn decide(
    fleet: &mut Fleet,
    schedules: &mut Schedules,
    first_key: EffectKey,
    input: Input,
    who: Who,
    now: At,
) -> Result<Decision, Fault> {
    let mut work = Work {
        fleet,
        schedules,
        now,
        who,
        first_key,
        freed: false,
        queues: BTreeSet::new(),
        decision: Decision::default(),
    };
    match input {
        Input::AddProject(facts) => work.add_project(facts)?,
        Input::TrustProject { project, found } => work.trust_project(project, found)?,
        Input::RemoveProject { project } => work.remove_project(project)?,
        Input::ItemsFound { project, items } => work.items_found(project, items)?,
        Input::IssuesSeen { seen } => work.issues_seen(seen),
        Input::WorkflowSeen { project, version, read } => work.workflow_seen(project, version, read)?,
        Input::MainSeen { project, found, named, attempt, forward } => {
            work.main_seen(project, found, &named, attempt, forward)?
        }
        Input::AdoptMain { project, found } => work.adopt_main(project, found)?,
        Input::TakeBackMain { project } => work.take_back_main(project)?,
        Input::HoldLine { project, why } => work.hold_line(project, &why)?,
        Input::OpenLine { project } => work.open_line(project)?,
        Input::RefRefused { session, reference, from, to } => {
            work.ref_refused(session, reference, from, to)?
        }
        Input::CallRefused { session, asked, why } => work.call_refused(session, asked, why),
        Input::StartRun(facts) => work.start_run(*facts)?,
        Input::StopRun { run } => work.stop_run(run)?,
        Input::PauseRun { run, paused } => work.pause_run(run, paused)?,
        Input::PauseAll { paused } => work.pause_all(paused),
        Input::SetSlots { slots } => work.set_slots(slots)?,
        Input::JudgeSays { session, requirement, shown } => work.judge_says(session, &requirement, shown)?,
        Input::Drafting(it) => work.drafting(it)?,
        Input::Reviewing(it) => work.reviewing(it)?,
        Input::Afterwards(it) => work.afterwards(it)?,
        Input::RankFirst { run } => work.rank_first(run)?,
        Input::NoteRun { run, text } => work.note_run(run, &text)?,
        Input::Peeked { session } => work.peeked(session),
        Input::StartSession(facts) => work.start_session(facts)?,
        Input::KillSession { session } => work.kill_session(session)?,
        Input::RenameSession { session, title } => work.rename_session(session, &title)?,
        Input::Typed { session } => work.typed(session),
        Input::AskQuestion { session, asks, choices } => work.ask_question(session, &asks, &choices)?,
        Input::AnswerQuestion { question, text } => work.answer_question(question, &text)?,
        Input::HolderReplaced { session, holder, uncertain_bytes } => {
            work.engine(Event::HolderReplaced { session, holder, uncertain_bytes });
        }
        Input::HolderUpgraded { session, holder } => {
            work.engine(Event::HolderUpgraded { session, holder });
        }
        Input::SessionEnded { session, end, did_nothing } => {
            work.session_ended(session, end, did_nothing);
        }
        Input::PathsTouched { attempt, paths } => work.paths_touched(attempt, paths),
        Input::FuseBlown { session, fuse } => work.fuse_blown(session, fuse),
        Input::OverBudget { run, fuse } => work.over_budget(run, fuse),
        Input::RemoveWorktree { worktree } => work.remove_worktree(worktree)?,
        Input::UndoWorktree { worktree } => work.undo_worktree(worktree)?,
        Input::WorktreeSeen { worktree, seen } => work.worktree_seen(worktree, seen),
        Input::WorktreeLost { worktree, why } => work.worktree_lost(worktree, why),
        Input::ApprovePull { pull, head } => work.approve_pull(pull, head.as_ref())?,
        Input::LandPull { pull } => work.land_asked(pull)?,
        Input::EscapePull { pull, why } => work.escape(pull, &why)?,
        Input::Publishing(it) => work.publishing(it)?,
        Input::CheckoutChanged { project } => work.checkout_changed(project),
        Input::Done { effect, outcome } => work.done(effect, outcome),
        Input::KeepAwake { on } if work.fleet.keep_awake != on => work.emit(Event::KeepAwake { on }),
        Input::KeepAwake { .. } => {}
        Input::EngineStarted { restarts } => work.engine(Event::EngineStarted { restarts }),
        Input::MachineSlept { ms } => work.engine(Event::MachineSlept { ms }),
        Input::ForgeSaid { project, pull, says } => work.emit(Event::ForgeSaid { project, pull, says }),
        Input::Notice { project, says } => work.emit(Event::Notice { project, says }),
    }
    work.share_out();
    while work.mind_queues() {
        work.share_out();
    }
    work.schedules.sweep(work.fleet);
    Ok(work.decision)
}

impl Work<'_> {
    /// Writes down what happened, by whoever gave the input.
    fn emit(&mut self, event: Event) {
        self.emit_as(self.who.clone(), event);
    }

    /// Writes down what the engine does by its own rules.
    fn engine(&mut self, event: Event) {
        self.emit_as(Who::Engine, event);
    }

    fn emit_as(&mut self, who: Who, event: Event) {
        self.freed |= matches!(
            event,
            Event::TaskMoved { .. }
                | Event::AttemptMoved { .. }
                | Event::AttemptFailed { .. }
                | Event::RunMoved { .. }
                | Event::SlotsSet { .. }
        );
        let record = Record { seq: self.fleet.seq + 1, at: self.now, who, event };
        self.decision.touched.extend(self.fleet.apply(&record));
        self.note_queue(&record.event);
        self.decision.records.push(record);
    }

    /// Asks for something to be done.
    fn effect(&mut self, effect: Effect) {
        let key = EffectKey(self.first_key.0 + self.decision.effects.len() as u64);
        self.decision.effects.push(PendingEffect { key, at: self.now, effect });
    }

    /// An effect came to its end. Outcomes for things that moved on meanwhile change nothing.
    fn done(&mut self, effect: Effect, outcome: Outcome) {
        match (effect, outcome) {
            (Effect::MakeBranch { run, .. }, Outcome::Branch(made)) => self.branch_made(run, made),
            (Effect::TakeIn { run, head, main }, Outcome::TakenIn(merged)) => {
                self.taken_in(run, &head, &main, merged);
            }
            (Effect::Prepare { attempt }, Outcome::Prepared(made)) => self.prepared(attempt, made),
            (Effect::Launch { session }, Outcome::Launched(started)) => self.launched(session, started),
            (Effect::Check(asked), Outcome::Checked(result)) => self.checked(&asked, *result),
            (Effect::Read { attempt }, Outcome::Read(read)) => self.candidate_read(attempt, read),
            (Effect::Integrate { attempt, head }, Outcome::Integrated(made)) => {
                self.integrated(attempt, &head, made)
            }
            (Effect::WriteRecord { run, head }, Outcome::RecordWritten(made)) => {
                self.record_written(run, &head, made)
            }
            (Effect::Advance { run, old, new, change }, Outcome::Advanced(moved)) => {
                self.advanced(run, &old, &new, change, moved);
            }
            (Effect::Propose { run, head }, Outcome::Proposed(facts)) => self.proposed(run, &head, facts),
            (Effect::Merge { pull, onto, head }, Outcome::Merged(merged)) => {
                self.merged(pull, &onto, &head, merged);
            }
            (Effect::Land { pull, new, .. }, Outcome::Landing(how)) => self.landing(pull, &new, how),
            (Effect::TakeBack { project, .. }, Outcome::TakenBack(how)) => self.taken_back(project, how),
            (Effect::Wait { run, until }, Outcome::Waited(next)) => self.window_moved(run, until, next),
            (Effect::Rest { run, task, until }, Outcome::Done) => self.rested(run, &task, until),
            (Effect::Discard { worktree, .. }, Outcome::Discarded(how)) => {
                self.discarded(worktree, Some(how))
            }
            (Effect::Discard { worktree, .. }, Outcome::Done) => self.discarded(worktree, None),
            (Effect::Restore { worktree }, Outcome::Restored(how)) => self.restored(worktree, how),
            (Effect::ReadDraft { item, session }, Outcome::DraftRead(read)) => {
                self.draft_read(item, session, read);
            }
            (Effect::ReadAnswer { pull, session }, Outcome::AnswerRead(read)) => {
                self.answer_read(pull, session, read);
            }
            (Effect::Publish { pull, head }, Outcome::Published(sent)) => self.sent(pull, &head, sent),
            (Effect::AskLanding { pull, head }, Outcome::LandAsked(asked)) => {
                self.land_was_asked(pull, &head, asked);
            }
            (Effect::LetGo { pull }, Outcome::LetGo(how)) => self.let_go(pull, how),
            (Effect::FetchLanded { pull, commit }, Outcome::Fetched(how)) => {
                self.landed_there(pull, &commit, how);
            }
            // What has no consequence, and what does not fit together.
            _ => {}
        }
    }
}
