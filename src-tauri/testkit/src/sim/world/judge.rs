//! Sessions that judge whether a run is complete: most say what is so; some name what is no evidence, leave one out, find a gap
//! where there is none, or are gone.

use pilothouse_contract::audit::Shown;
use pilothouse_contract::run::Run;

use super::*;

impl World {
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
            // What is not of this run, or is none, is refused, and the session says it again.
            Some(_) if self.chance(10) => Shown::Met { evidence: vec![EvidenceId(u32::MAX)] },
            Some(proof) => Shown::Met { evidence: vec![proof] },
            None => Shown::Missing { why: "nothing shows it".to_owned() },
        };
        Some(Input::JudgeSays { session: session.id, requirement: requirement.clone(), shown })
    }
}

fn proof_of(fleet: &Fleet, run: &Run) -> Option<EvidenceId> {
    let mut all = fleet.evidence.values();
    all.find(|it| it.subject.run == run.id && it.gate == Gate::Verify && it.passed()).map(|it| it.id)
}
