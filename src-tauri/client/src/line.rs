//! The way to a session for a viewer that must not lose its place: calling for it, its frames as they come, and a
//! keyboard that waits for nobody. Whoever holds it decides when to call again, and from where.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use pilothouse_contract::Fault;
use pilothouse_contract::wire::{Size, Tag, View};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{Client, Frames, Keyboard, Places};

type Dialing = Pin<Box<dyn Future<Output = Result<(Frames, Keyboard), Fault>> + Send>>;

/// The way to a session.
pub enum Line {
    /// Being called.
    Dialing(Dialing),
    /// Up.
    Up(Frames),
    /// There is no more.
    Over,
}

/// What comes over a line.
#[derive(Debug)]
pub enum Heard {
    /// It is up; its keyboard.
    Up(Keyboard),
    /// A frame.
    Frame(Tag, Vec<u8>),
}

impl Line {
    /// Calls after a while. The engine is not started for it.
    #[must_use]
    pub fn dial(places: &Places, view: View, wait: Duration) -> Self {
        let places = places.clone();
        Self::Dialing(Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(Client::connect(&places).await?.view(&view).await?.split())
        }))
    }

    /// Waits for what comes next. Can be dropped half-way.
    ///
    /// # Errors
    /// Whatever the engine says, or `Unreachable` if it ended: dial again from the last offset.
    pub async fn next(&mut self) -> Result<Heard, Fault> {
        match self {
            Self::Dialing(soon) => {
                let (frames, keyboard) = soon.await?;
                *self = Self::Up(frames);
                Ok(Heard::Up(keyboard))
            }
            Self::Up(frames) => frames.next().await.map(|(tag, payload)| Heard::Frame(tag, payload)),
            Self::Over => pending().await,
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialing(_) => "Dialing",
            Self::Up(_) => "Up",
            Self::Over => "Over",
        })
    }
}

/// A keyboard with a task of its own: an engine that waits for the viewer would otherwise be waited for by it. What was
/// typed before it was put away still goes out.
#[derive(Debug)]
pub struct Typing {
    keys: UnboundedSender<Typed>,
}

/// So long may one thing that was typed take: an engine that stands still is not waited for by a keyboard that nobody has.
const STUCK: Duration = Duration::from_secs(10);

/// What a keyboard says.
#[derive(Debug)]
pub enum Typed {
    /// Bytes typed.
    Bytes(Vec<u8>),
    /// The terminal's size.
    Size(Size),
}

impl Typing {
    /// Begins. Only from inside a tokio runtime.
    #[must_use]
    pub fn begin(mut keyboard: Keyboard) -> Self {
        let (keys, mut come) = unbounded_channel();
        let types = async move {
            while let Some(typed) = come.recv().await {
                let send = async {
                    match typed {
                        Typed::Bytes(bytes) => keyboard.input(&bytes).await,
                        Typed::Size(size) => keyboard.resize(size).await,
                    }
                };
                // Put away, it waits for nobody; in use, the frames say what is wrong with the line.
                let sent = if come.is_closed() {
                    tokio::time::timeout(STUCK, send).await.is_ok_and(|it| it.is_ok())
                } else {
                    send.await.is_ok()
                };
                if !sent {
                    return;
                }
            }
        };
        tokio::spawn(types);
        Self { keys }
    }

    /// Types, at once or when the engine takes it.
    pub fn send(&self, typed: Typed) {
        let _line_gone = self.keys.send(typed);
    }
}
