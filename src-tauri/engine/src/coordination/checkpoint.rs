//! Checkpoints: what a phase says must hold at its end is run on the item branch as soon as its tasks are done. What comes after
//! the phase begins once it holds; one that does not parks the run, for no task of it is to blame alone.

use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::phase::{Checkpoint, PhaseRun};
use pilothouse_contract::run::{Run, TaskRun, TaskState};
use pilothouse_contract::spec::Phase;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{Event, EvidenceId, RunId};

use super::Work;
use super::attempts::UNKNOWN_CHECKS_MAX;
use super::effect::CheckAsked;

/// The phases that have a checkpoint. One that held for a run stays so when that goes on, unless what it says is another.
pub(super) fn phases(found: &[Phase], tasks: &[TaskRun], known: &[PhaseRun]) -> Vec<PhaseRun> {
    let with_commands = found.iter().enumerate().filter(|(_, it)| !it.checkpoint.is_empty());
    let phase_run = |(phase, it): (usize, &Phase)| {
        let held = known.iter().find(|known| known.title == it.title && known.commands == it.checkpoint);
        let own = || tasks.iter().filter(|task| task.spec.phase == Some(phase));
        let state = match held.map(|it| &it.state) {
            // What came to it since is to be seen by it too.
            Some(passed @ Checkpoint::Passed { .. }) if own().all(|it| it.state.is_done()) => passed.clone(),
            _ if own().filter(|it| !it.spec.optional).all(|it| it.state == TaskState::DoneBefore) => {
                Checkpoint::Before
            }
            _ => Checkpoint::Open,
        };
        PhaseRun { phase, title: it.title.clone(), commands: it.checkpoint.clone(), state }
    };
    with_commands.map(phase_run).collect()
}

/// Whether every task of a phase is done that has to be.
fn is_done(run: &Run, phase: usize) -> bool {
    run.tasks.iter().filter(|it| it.spec.phase == Some(phase)).all(|it| it.state.is_done())
}

impl Work<'_> {
    /// Runs the checkpoints of phases that are done. Asked for again while one runs it does nothing.
    pub(super) fn check_phases(&mut self, run: RunId) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let due =
            it.phases.iter().filter(|phase| phase.state == Checkpoint::Open && is_done(it, phase.phase));
        let due: Vec<PhaseRun> = due.cloned().collect();
        due.into_iter().for_each(|phase| self.check_phase(run, &phase));
    }

    fn check_phase(&mut self, run: RunId, phase: &PhaseRun) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let Some(commit) = it.head.clone() else { return };
        let asked = CheckAsked {
            session: self.fleet.next_session(),
            project: it.project,
            run,
            attempt: None,
            pull: None,
            phase: Some(phase.phase),
            gate: Gate::Checkpoint,
            commit,
            commands: phase.commands.clone(),
            expect: None,
        };
        let to = Checkpoint::Checking { session: asked.session };
        let why = "its tasks are done".to_owned();
        self.engine(Event::PhaseMoved { run, phase: phase.phase, to, why });
        self.ask_check(asked, &format!("checkpoint of {}", phase.title));
    }

    /// A checkpoint came back. What comes of one that another followed changes nothing.
    pub(super) fn phase_checked(
        &mut self,
        asked: &CheckAsked,
        phase: usize,
        id: EvidenceId,
        verdict: Verdict,
        why: &str,
    ) {
        let run = asked.run;
        let Some(it) = self.live_run(run) else { return };
        let Some(of) = it.phases.iter().find(|it| it.phase == phase).cloned() else { return };
        if of.state != (Checkpoint::Checking { session: asked.session }) {
            return;
        }
        let unknown = self.fleet.evidence.values().filter(|it| {
            it.subject.run == run
                && it.subject.phase == Some(phase)
                && it.verdict == Verdict::Unknown
                && it.commit == asked.commit
        });
        let again = (verdict == Verdict::Unknown && unknown.count() < UNKNOWN_CHECKS_MAX)
            || (verdict == Verdict::Failed && self.may_be_flake(asked, id));
        if again {
            self.check_phase(run, &of);
        } else if verdict == Verdict::Passed {
            let to = Checkpoint::Passed { commit: asked.commit.clone(), evidence: id };
            self.engine(Event::PhaseMoved { run, phase, to, why: why.to_owned() });
            self.carry_on(run);
        } else {
            let to = Checkpoint::Failed { evidence: id };
            self.engine(Event::PhaseMoved { run, phase, to, why: why.to_owned() });
            let why = format!("the checkpoint of {} does not hold: {why}", of.title);
            self.park_run(run, Stop::Checkpoint { phase }, &why, &[id]);
        }
    }
}
