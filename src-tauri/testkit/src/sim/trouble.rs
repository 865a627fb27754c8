//! What goes wrong in the simulated world besides agents: effects that cannot be done, or were done and said to have failed; and a
//! machine that starts again.

use super::world::World;
use pilothouse_contract::session::Ending;
use pilothouse_contract::{At, Fault, Fleet, SessionId};
use pilothouse_engine::coordination::{
    Advanced, Effect, Integrated, Landing, Merged, NotSent, Outcome, PendingEffect,
};

/// One in so many effects fails.
const FAILS: u32 = 50;

impl World {
    /// Does what is asked, finds it done, or fails: git and the forge do not always do what they are asked.
    pub fn perform(&mut self, pending: &PendingEffect, fleet: &Fleet, now: At) -> Outcome {
        let effect = &pending.effect;
        let fails = self.chance(FAILS) && !self.has_moved(effect);
        let Some(failed) = fails.then(|| failed(effect)).flatten() else {
            return self.really(pending, fleet, now);
        };
        self.failed += 1;
        // A git that is killed may have made or moved the branch before.
        let moves = matches!(effect, Effect::MakeBranch { .. } | Effect::Advance { .. });
        if moves && self.chance(3) {
            drop(self.really(pending, fleet, now));
        }
        failed
    }

    /// Whether the default branch stands where it is to be moved to: an earlier life of the engine did that. To look again does not fail here.
    fn has_moved(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Land { new, .. } => self.main().as_ref() == Some(new),
            _ => false,
        }
    }

    /// The machine starts again: what ran is gone, and nobody knows how it ended.
    pub fn reboot(&mut self, running: &[SessionId]) {
        for session in running {
            self.end(*session, lost());
        }
    }
}

/// How a session ended of which nobody knows anything.
pub(super) fn lost() -> Ending {
    Ending::Lost { why: "its holder is gone".to_owned() }
}

/// What is told of an effect that could not be done; nothing if it has nothing to tell.
fn failed(effect: &Effect) -> Option<Outcome> {
    let why = "the forge does not answer".to_owned();
    Some(match effect {
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
        Effect::TakeBack { .. } => Outcome::TakenBack(Err(Fault::environment(why))),
        Effect::Discard { .. } => Outcome::Discarded(Err(Fault::environment(why))),
        Effect::Restore { .. } => Outcome::Restored(Err(Fault::environment(why))),
        Effect::ReadAnswer { .. } => Outcome::AnswerRead(Err(why)),
        Effect::AskLanding { .. } => {
            let fault = Fault::environment(why);
            Outcome::LandAsked(Err(NotSent { fault, again: true }))
        }
        Effect::LetGo { .. } => {
            let fault = Fault::environment(why);
            Outcome::LetGo(Err(NotSent { fault, again: true }))
        }
        Effect::FetchLanded { .. } => {
            let fault = Fault::environment(why);
            Outcome::Fetched(Err(NotSent { fault, again: true }))
        }
        Effect::Publish { .. } => {
            let fault = Fault::environment(why);
            Outcome::Published(Err(NotSent { fault, again: true }))
        }
        Effect::Check(_)
        | Effect::EndSession { .. }
        | Effect::DropBranch { .. }
        | Effect::ReadDraft { .. }
        | Effect::Rest { .. }
        | Effect::Wait { .. } => {
            return None;
        }
    })
}
