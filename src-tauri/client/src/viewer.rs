//! One viewer of a window: a session's screen and then its bytes from the engine to the page, each once and in order, over
//! deaths of the engine too. Who falls far behind is painted anew by the engine; who has the keyboard is told as it comes.

use std::future::pending;
use std::time::{Duration, Instant};

use pilothouse_contract::wire::{self, Size, Tag, View};
use pilothouse_contract::{Fault, FaultCode};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{Engine, Heard, Line, Pace, Patience, Typed, Typing};

/// What a page orders of a viewer.
#[derive(Debug)]
pub enum Order {
    /// Types.
    Input(Vec<u8>),
    /// Sets the terminal's size.
    Resize(Size),
    /// The page has shown everything before an offset.
    Ack(u64),
}

/// Tells the page: a tag, and the parts of what belongs to it. False if the page is gone.
type Tells = Box<dyn Fn(Tag, &[&[u8]]) -> bool + Send>;

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// Shows a session to a page until it ends, nobody can order any more, or the page is gone.
pub async fn show(
    engine: Engine,
    view: View,
    tells: impl Fn(Tag, &[&[u8]]) -> bool + Send + 'static,
    mut orders: UnboundedReceiver<Order>,
) {
    let mut line = Line::dial(&engine.places, view.clone(), Duration::ZERO);
    let mut viewer = Viewer {
        engine,
        view,
        tells: Box::new(tells),
        pace: Pace::default(),
        patience: Patience::default(),
        told: false,
        typing: None,
        early: Vec::new(),
        size: None,
        ended: None,
    };
    loop {
        let goes_on = tokio::select! {
            heard = line.next(), if viewer.pace.has_room() => viewer.heard(heard, &mut line),
            order = orders.recv() => order.is_some_and(|order| viewer.ordered(order)),
            () = at(viewer.pace.due(Instant::now())) => viewer.sends(),
        };
        if !goes_on {
            return;
        }
        if let Some(ended) = viewer.ended.as_ref().filter(|_| viewer.pace.is_empty()) {
            (viewer.tells)(Tag::Ended, &[ended]);
            return;
        }
    }
}

struct Viewer {
    engine: Engine,
    /// What is asked for when the line is called again.
    view: View,
    tells: Tells,
    pace: Pace,
    patience: Patience,
    /// Whether the page knows that the engine is gone.
    told: bool,
    typing: Option<Typing>,
    /// What was typed before the line was up.
    early: Vec<u8>,
    /// As last set; a new line is told again.
    size: Option<Size>,
    ended: Option<Vec<u8>>,
}

/// Each returns whether the viewer goes on.
impl Viewer {
    fn heard(&mut self, heard: Result<Heard, Fault>, line: &mut Line) -> bool {
        match heard {
            Ok(Heard::Up(keyboard)) => {
                let typing = Typing::begin(keyboard);
                if let Some(size) = self.size {
                    typing.send(Typed::Size(size));
                }
                if !self.early.is_empty() {
                    typing.send(Typed::Bytes(std::mem::take(&mut self.early)));
                }
                self.typing = Some(typing);
                true
            }
            Ok(Heard::Frame(Tag::Ended, payload)) => {
                self.ended = Some(payload);
                *line = Line::Over;
                true
            }
            Ok(Heard::Frame(Tag::Lease, payload)) => {
                self.hears();
                (self.tells)(Tag::Lease, &[&payload])
            }
            Ok(Heard::Frame(tag, payload)) => {
                let Some((offset, bytes)) = payload.split_first_chunk::<8>() else {
                    return self.fault(&Fault::bug("a piece of output came without its offset"));
                };
                let offset = u64::from_le_bytes(*offset);
                self.hears();
                if tag == Tag::Screen {
                    self.pace.painted(offset, payload.len());
                    self.view.from = Some(offset);
                    return (self.tells)(Tag::Screen, &[&payload]);
                }
                // Nothing new is no news, and would wake the page.
                if !bytes.is_empty() {
                    self.pace.came(offset, bytes);
                    self.view.from = Some(self.pace.end());
                }
                true
            }
            Err(fault) if fault.code == FaultCode::Unreachable => {
                // The feed starts the engine again; here it is only waited for.
                let (wait, _) = self.patience.wait();
                (self.typing, self.early) = (None, Vec::new());
                self.view.again = true;
                *line = Line::dial(&self.engine.places, self.view.clone(), wait);
                std::mem::replace(&mut self.told, true) || self.fault_told(&fault)
            }
            Err(fault) => self.fault(&fault),
        }
    }

    fn hears(&mut self) {
        (self.patience, self.told) = (Patience::default(), false);
    }

    fn ordered(&mut self, order: Order) -> bool {
        let typed = match order {
            Order::Ack(offset) => {
                self.pace.acknowledged(offset);
                return true;
            }
            // Once the page was told that there is no line: keys for a terminal that has gone on are better lost.
            Order::Input(bytes) if self.typing.is_none() => {
                if !self.told {
                    self.early.extend(bytes);
                }
                return true;
            }
            Order::Input(bytes) => Typed::Bytes(bytes),
            Order::Resize(size) => {
                self.size = Some(size);
                Typed::Size(size)
            }
        };
        if let Some(typing) = &self.typing {
            typing.send(typed);
        }
        true
    }

    fn sends(&mut self) -> bool {
        let (offset, bytes) = self.pace.take(Instant::now());
        (self.tells)(Tag::Bytes, &[&offset.to_le_bytes(), &bytes])
    }

    fn fault_told(&self, fault: &Fault) -> bool {
        (self.tells)(Tag::Fault, &[&wire::encode(fault).unwrap_or_default()])
    }

    /// Nothing will mend it here.
    fn fault(&self, fault: &Fault) -> bool {
        self.fault_told(fault);
        false
    }
}
