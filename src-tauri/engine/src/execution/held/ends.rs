//! How sessions end: read from what a holder wrote down, put in words when nobody could write it down, and brought about
//! where no holder is there to do it.

use std::time::Duration;

use pilothouse_contract::session::{End, Ending};
use pilothouse_holder::place::{Exit, Place, boot_id};
use pilothouse_holder::proc::{self, Ended, Look, Process};
use rustix::process::Signal;

use super::tree::{end_all, living, noted};
use super::{Key, Sessions};
use crate::ports::clock;

/// The end as a holder wrote it down.
#[must_use]
pub fn end_of(exit: &Exit) -> End {
    let how = match (&exit.not_started, exit.code, exit.signal) {
        (Some(why), _, _) => Ending::NotStarted { why: why.clone() },
        (None, Some(code), _) => Ending::Exited { code },
        (None, None, Some(signal)) => Ending::Signalled { signal },
        (None, None, None) => Ending::Unknown {
            why: "its holder was replaced while it ran, and this system does not tell how another's child ended"
                .to_owned(),
        },
    };
    End {
        at: clock::now(),
        how,
        output_bytes: exit.output_bytes,
        lost_bytes: exit.lost_bytes,
        left_behind: exit.left_behind.clone(),
        left_running: noted(&exit.left_running),
        native: None,
    }
}

/// How a program ended, as people say it.
pub(super) fn in_words(ended: Ended) -> String {
    match ended {
        Ended::Code(code) => format!("its program ended with exit code {code}"),
        Ended::Signal(signal) => format!("its program was ended by signal {signal}"),
        Ended::Unknown => "its program ended".to_owned(),
    }
}

/// Ends everything of a session that lives, but for its holder: politely, and after the grace by force. Returns what there
/// was, by name. Holder and program are [`proc::NOBODY`] once they have ended.
pub(super) async fn end_tree(place: &Place, holder: u32, program: u32, grace: Duration) -> Vec<String> {
    let place = place.clone();
    // Reads of /proc, and waits.
    let ended = tokio::task::spawn_blocking(move || {
        let ask = |_: &[Process]| {
            for signal in [Signal::HUP, Signal::TERM, Signal::CONT] {
                if program != proc::NOBODY {
                    proc::signal_group(program, signal);
                }
            }
        };
        let (there, _) = end_all(|| living(&Look::now(), &place, holder, program), grace, ask, None);
        there.iter().map(ToString::to_string).collect()
    });
    ended.await.unwrap_or_default()
}

impl Sessions {
    /// The end of a session whose holder is gone and wrote nothing down.
    pub(super) fn lost(&self, session: Key, place: &Place, forced: bool) -> End {
        let why = match place.held() {
            Ok(Some(held)) if held.boot != boot_id() => "the machine was started anew since".to_owned(),
            Ok(Some(_)) if forced => {
                "its holder did not answer, so it was ended by force, with everything the session started"
                    .to_owned()
            }
            Ok(Some(held)) => {
                // Nobody had its terminal from then on, so nothing of it could be taken over.
                let left = match proc::one(held.pid).filter(|it| !it.zombie) {
                    Some(it) => format!("its program {it} may still run, without a terminal"),
                    None => "its program ended with it".to_owned(),
                };
                format!(
                    "its holder died while no engine kept what it held; {left}; its output up to then is whole"
                )
            }
            _ => "its holder is gone and left no word".to_owned(),
        };
        self.lost_for(session, why, Vec::new())
    }

    /// The end of a session of which nobody wrote the end down, in words.
    pub(super) fn lost_for(&self, session: Key, why: String, left_behind: Vec<String>) -> End {
        self.drop_group(session);
        End {
            output_bytes: self.log(session).end().unwrap_or_default(),
            left_behind,
            ..End::of(clock::now(), Ending::Lost { why })
        }
    }
}
