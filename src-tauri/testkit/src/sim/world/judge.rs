//! Sessions that judge whether a run is complete: most say what is so; some name what is no evidence, leave one out, find a gap
//! where there is none, or are gone.

use pilothouse_contract::audit::Shown;
use pilothouse_contract::run::Run;

use super::*;

impl World {
    /// Whether the start of a judge, or of who sits at a pull request, fails, after its worktree was made.
    pub(super) fn judge_cannot_begin(&mut self, session: SessionId, fleet: &Fleet) -> bool {
        let of_judge = |it: &&Session| {
            let sits = it.kind == SessionKind::Agent && it.pull.is_some();
            (sits || it.gate == Some(Gate::Completeness)) && it.end.is_none()
        };
        let it = fleet.sessions.get(&session).filter(of_judge);
        let Some(worktree) = it.and_then(|it| it.worktree) else { return false };
        self.worktrees.insert(worktree, true);
        // One that began already is found begun.
        !self.natives.contains_key(&session) && self.chance(12)
    }

    /// What such a session does next.
    pub fn judge_step(&mut self, session: &Session, fleet: &Fleet, now: At) -> Option<Input> {
        let run = fleet.runs.get(&session.run?)?;
        let audit = run.audit.as_ref().filter(|it| it.session == session.id);
        let open: Vec<String> = fleet
            .items
            .get(&run.item)
            .into_iter()
            .flat_map(|it| &it.spec.requirements)
            .filter(|it| audit.is_some_and(|audit| *audit.verdict(&it.id) == Shown::Unsaid))
            .map(|it| it.id.clone())
            .collect();
        let is_over = self.ended.contains_key(&session.id) || self.chance(12);
        let next = open.first().filter(|_| !is_over);
        let Some(requirement) = next else {
            let how = if self.chance(8) { lost() } else { Ending::Exited { code: 0 } };
            let how = self.ended.entry(session.id).or_insert(how).clone();
            let end = End { output_bytes: 1, ..End::of(now, how) };
            return Some(Input::SessionEnded { session: session.id, end, did_nothing: false });
        };
        let shown = match proof_of(fleet, run) {
            Some(_) if self.chance(15) => Shown::Missing { why: "it is not there".to_owned() },
            // What is not of this run, is none, or is of a try that was not taken is refused, and the session says it again.
            Some(_) if self.chance(10) => {
                Shown::Met { evidence: vec![not_taken(fleet, run).unwrap_or(EvidenceId(u32::MAX))] }
            }
            Some(proof) => Shown::Met { evidence: vec![proof] },
            None => Shown::Missing { why: "nothing shows it".to_owned() },
        };
        Some(Input::JudgeSays { session: session.id, requirement: requirement.clone(), shown })
    }
}

/// A proof of what was taken.
fn proof_of(fleet: &Fleet, run: &Run) -> Option<EvidenceId> {
    let mut taken = run.tasks.iter().filter_map(|task| fleet.taken(run, task));
    taken.find_map(|it| fleet.proof_of(it)).map(|it| it.id)
}

/// A proof that holds, of a try whose work is not on the branch.
fn not_taken(fleet: &Fleet, run: &Run) -> Option<EvidenceId> {
    let taken: Vec<AttemptId> =
        run.tasks.iter().filter_map(|task| fleet.taken(run, task)).map(|it| it.id).collect();
    let mut all = fleet.evidence.values().filter(|it| it.subject.run == run.id && it.passed());
    let strays =
        |it: &&Evidence| it.gate == Gate::Verify && it.subject.attempt.is_some_and(|it| !taken.contains(&it));
    all.find(strays).map(|it| it.id)
}
