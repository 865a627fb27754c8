//! Pull requests of ours on another forge: a person has one sent there, and every head that it gets later follows. What is sent is an
//! effect, so that a restart sends it; whoever does it looks first what is there.

use pilothouse_contract::published::{Happened, Named, Place};
use pilothouse_contract::{At, Event, Fault, Oid, PullId};

use super::Work;
use super::effect::{Effect, NotSent};
use super::there::Told;

/// Something that happens to what a pull request is on another forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publishing {
    /// A person has it sent there.
    Ask {
        /// Which.
        pull: PullId,
        /// Where.
        place: Place,
    },
    /// A forge answers again: what could not be sent is sent.
    Again {
        /// Its host.
        host: String,
    },
    /// A forge tells how one stands there that it is to land.
    Tells {
        /// Which.
        pull: PullId,
        /// When the forge was asked.
        asked: At,
        /// What it tells.
        told: Told,
    },
}

impl Work<'_> {
    pub(super) fn publishing(&mut self, it: Publishing) -> Result<(), Fault> {
        match it {
            Publishing::Ask { pull, place } => self.publish(pull, place)?,
            Publishing::Tells { pull, asked, told } => self.told_there(pull, asked, told),
            Publishing::Again { host } => {
                let waits = |it: &&pilothouse_contract::pull::Pull| {
                    let of = it.published.as_ref().filter(|of| of.host == host);
                    !it.state.is_over()
                        && of.and_then(|of| of.trouble.as_ref()).is_some_and(|trouble| trouble.again)
                };
                let waiting: Vec<PullId> = self.fleet.pulls.values().filter(waits).map(|it| it.id).collect();
                waiting.into_iter().for_each(|pull| self.send(pull));
            }
        }
        Ok(())
    }

    fn publish(&mut self, pull: PullId, place: Place) -> Result<(), Fault> {
        let it = self.pull(pull)?.clone();
        if it.state.is_over() {
            return Err(Fault::refused(format!(
                "{pull} is {}: what is over is not sent anywhere",
                it.state.word()
            )));
        }
        // Guarded here once more, whoever asks: what others land on is nobody's to push to.
        if place.branch == place.base || it.onto.short() == place.branch {
            return Err(Fault::refused(format!(
                "{} is what {pull} is to land on, and not its own branch",
                place.branch
            )));
        }
        match &it.published {
            None => {
                let what = Happened::Asked { place: Some(place), head: it.head.clone() };
                self.emit(Event::Publish { pull, what });
                self.effect(Effect::Publish { pull, head: it.head });
            }
            Some(known) if known.host != place.host || !known.repo.eq_ignore_ascii_case(&place.repo) => {
                return Err(Fault::refused(format!(
                    "{pull} is published at {} already, and its project's origin is {}/{} now",
                    known.full_name(),
                    place.host,
                    place.repo
                ))
                .hint("set origin back, or close it there and open a new pull request"));
            }
            Some(_) => {
                self.emit(Event::Publish {
                    pull,
                    what: Happened::Asked { place: None, head: it.head.clone() },
                });
                self.effect(Effect::Publish { pull, head: it.head });
            }
        }
        Ok(())
    }

    /// A published pull request has another head, or its head is not there yet: it is sent.
    pub(super) fn send(&mut self, pull: PullId) {
        let Some(it) = self.fleet.pulls.get(&pull).filter(|it| it.published.is_some()).cloned() else {
            return;
        };
        // Said once for each head, however often it is tried.
        if it.published.as_ref().is_some_and(|of| of.heads.last() != Some(&it.head)) {
            self.engine(Event::Publish {
                pull,
                what: Happened::Asked { place: None, head: it.head.clone() },
            });
        }
        self.effect(Effect::Publish { pull, head: it.head });
    }

    /// A head was sent, or not. What is said of an older one is still so.
    pub(super) fn sent(&mut self, pull: PullId, head: &Oid, sent: Result<Option<Named>, NotSent>) {
        let what = match sent {
            Ok(Some(named)) => {
                let known = self.fleet.pulls.get(&pull).and_then(|it| it.published.as_ref());
                if known.is_some_and(|it| {
                    it.has(head) && it.named.as_ref() == Some(&named) && it.trouble.is_none()
                }) {
                    return;
                }
                Happened::Sent { head: head.clone(), named }
            }
            Ok(None) => return,
            Err(NotSent { fault, again }) => {
                let Some(it) = self.fleet.pulls.get(&pull).filter(|it| it.head == *head) else { return };
                let known = it.published.as_ref().and_then(|it| it.trouble.as_ref());
                if known.is_some_and(|it| it.why == fault.message && it.again == again) {
                    return;
                }
                Happened::Failed { why: fault.message, again }
            }
        };
        self.engine(Event::Publish { pull, what });
    }
}
