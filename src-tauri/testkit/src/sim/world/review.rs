//! Sessions at pull requests: most reviewers say what they have to say, some leave a lens out or are gone; most authors answer, some
//! accept and change nothing.

use pilothouse_contract::Who;
use pilothouse_contract::pull::Pull;
use pilothouse_contract::review::{Finding, Priority, Reply, Role};
use pilothouse_engine::coordination::{AnswerRead, Reviewing, Said};

use super::*;

impl World {
    /// What such a session does next.
    pub fn review_step(&mut self, session: &Session, fleet: &Fleet, now: At) -> Option<Input> {
        let pull = fleet.pulls.get(&session.pull?)?;
        let sitting = pull.review.sitting.as_ref().filter(|it| it.session == session.id);
        let is_over = self.ended.contains_key(&session.id) || self.chance(12);
        let role = sitting.filter(|_| !is_over).map(|it| it.role);
        let next = match role {
            Some(Role::Review) => {
                let lens = pull.review.open_lenses().first().map(|it| (*it).to_owned());
                lens.map(|lens| Reviewing::Says { session: session.id, said: self.says(pull, &lens), lens })
            }
            Some(Role::Answer) => {
                let open = pull.review.unanswered().next().map(|it| it.number);
                open.map(|finding| Reviewing::Settles {
                    session: session.id,
                    finding,
                    reply: match self.rng.u32(0..4) {
                        0 => Reply::PushedBack,
                        1 => Reply::Deferred { tracker: "#1".to_owned() },
                        _ => Reply::Accepted { commit: None },
                    },
                    says: "so it is".to_owned(),
                })
            }
            None => None,
        };
        if let Some(next) = next {
            return Some(Input::Reviewing(next));
        }
        let how = if self.chance(8) { lost() } else { Ending::Exited { code: 0 } };
        let how = self.ended.entry(session.id).or_insert(how).clone();
        let end = End { output_bytes: 1, ..End::of(now, how) };
        Some(Input::SessionEnded { session: session.id, end, did_nothing: false })
    }

    fn says(&mut self, pull: &Pull, lens: &str) -> Said {
        match self.rng.u32(0..6) {
            0 | 1 => Said::Found(Box::new(Finding {
                number: 0,
                round: 0,
                by: Who::Engine,
                agent: String::new(),
                lens: String::new(),
                priority: if self.rng.bool() { Priority::P1 } else { Priority::P2 },
                path: "shared".to_owned(),
                line: 1,
                what: format!("{lens} at {}", pull.head),
                why: String::new(),
                mend: String::new(),
                head: Oid::default(),
                at: At(0),
                answer: None,
            })),
            2 => Said::Below,
            _ => Said::Nothing("all of it".to_owned()),
        }
    }

    /// What an author left; done again it is the same.
    pub(super) fn read_answer(
        &mut self,
        pull: PullId,
        session: SessionId,
        fleet: &Fleet,
    ) -> Result<AnswerRead, String> {
        let it = fleet.pulls.get(&pull).ok_or("gone")?;
        let left = it.review.unread.as_ref().filter(|it| it.session == session).ok_or("gone")?;
        if self.lost.contains(&left.worktree) {
            return Err("its worktree is gone".to_owned());
        }
        // Some change nothing.
        if it.review.uncommitted().is_empty() || session.0.is_multiple_of(7) {
            return Ok(AnswerRead { commit: None, paths: Vec::new() });
        }
        let mut marks = self.marks(&left.base);
        marks.insert(format!("mend {pull} {session}"));
        let commit = self.commit(marks, vec![left.base.clone()]);
        let run = fleet.runs.get(&it.run);
        let files = run.into_iter().flat_map(|it| &it.tasks).find_map(|it| it.spec.files.clone());
        let paths = files.map_or_else(|| vec!["any".to_owned()], |it| it.include);
        Ok(AnswerRead { commit: Some(commit), paths })
    }
}
