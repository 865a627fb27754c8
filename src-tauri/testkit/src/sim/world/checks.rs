//! Checks in the simulated world: what they find, flakes, and those of which nobody knows what came.

use super::landings::ALL;
use super::*;

impl World {
    pub(super) fn check(&mut self, asked: &CheckAsked, fleet: &Fleet, now: At) -> Checked {
        if let Some(known) = self.checks.get(&asked.session) {
            return known.clone();
        }
        let ended = self.ended.get(&asked.session).cloned();
        let marks = self.marks(&asked.commit);
        let attempt = asked.attempt.and_then(|id| fleet.attempts.get(&id));
        let name =
            attempt.and_then(|it| fleet.runs.get(&it.run).map(|run| format!("{}/{}", run.item, it.task)));
        let holds = match (&name, asked.gate) {
            (Some(name), _) => marks.contains(name),
            // At the end of a phase everything may be there and yet not work together.
            (None, Gate::Checkpoint) => {
                let run = fleet.runs.get(&asked.run);
                let own = run.into_iter().flat_map(|run| {
                    let of = run.tasks.iter().filter(|it| it.spec.phase == asked.phase);
                    of.filter(|it| matches!(it.state, TaskState::Done { .. }))
                        .map(move |it| format!("{}/{}", run.item, it.spec.id))
                });
                !self.chance(12) && own.into_iter().all(|it| marks.contains(&it))
            }
            (None, Gate::Landing) if self.is_broken(&marks) => false,
            (None, _) => asked.commands.iter().all(|command| {
                if command.starts_with(ALL) {
                    return true;
                }
                let mut words = command.split(' ').skip(1);
                let (item, task) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                marks.contains(&format!("i{item}/{task}"))
            }),
        };
        // What holds may fail once all the same.
        let flakes = asked.gate != Gate::RedCheck && !self.kind;
        let verdict = match self.rng.u32(0..40) {
            _ if ended.is_some() => Verdict::Unknown,
            0 if !self.kind => Verdict::Unknown,
            1 | 2 if flakes && self.flaked.insert((asked.commit.clone(), asked.commands.concat())) => {
                Verdict::Failed
            }
            _ if holds => Verdict::Passed,
            _ => Verdict::Failed,
        };
        if verdict == Verdict::Passed {
            self.green.insert((tree(&marks), asked.commands.concat()));
        }
        let checked = Checked {
            evidence: Evidence {
                id: EvidenceId(0),
                gate: asked.gate,
                subject: asked.subject(attempt.map(|it| it.task.clone())),
                commit: asked.commit.clone(),
                tree: tree(&marks),
                command: asked.commands.concat(),
                started: now,
                ended: now,
                exit: Some(i32::from(!holds)),
                verdict,
                why: "as simulated".to_owned(),
                output_hash: String::new(),
                output_bytes: 0,
                session: Some(asked.session),
                took_ms: Some(1),
                flaky_after: None,
                tests: None,
                environment: "simulation".to_owned(),
            },
            end: End {
                native: None,
                at: now,
                how: match verdict {
                    // Every other check that comes to nothing does so because its session is gone.
                    Verdict::Unknown if ended.is_none() && self.rng.bool() => lost(),
                    _ => ended.unwrap_or(Ending::Exited { code: i32::from(!holds) }),
                },
                output_bytes: 0,
                lost_bytes: 0,
                left_behind: vec![],
                left_running: vec![],
            },
            running: Some(Running { holder: 1, pid: 2, at: now, native: None }),
        };
        self.checks.insert(asked.session, checked.clone());
        checked
    }
}
