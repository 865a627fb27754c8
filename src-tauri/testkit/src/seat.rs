//! A seat before a session: what a window's viewer does, one call after the other, for tests that must not wait for ever.

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use pilothouse_client::FromSession;
use pilothouse_client::{Attachment, Client};
use pilothouse_contract::wire::{Attach, Size, View};
use pilothouse_contract::{Call, Fault};
use tokio::runtime::{Builder, Runtime};

use crate::home::Home;

/// What does not come within this is not coming.
const PATIENCE: Duration = Duration::from_secs(60);

/// A seat.
pub struct Seat {
    runtime: Runtime,
    attached: Attachment,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

impl Seat {
    /// Takes a seat by a view.
    ///
    /// # Errors
    /// Whatever the engine says.
    pub fn view(home: &Home, view: &View) -> Result<Self, Fault> {
        let runtime = runtime();
        let attached = within(&runtime, async { connect(home).await?.view(view).await })?;
        Ok(Self { runtime, attached })
    }

    /// Takes a seat by the bytes of the log.
    ///
    /// # Errors
    /// Whatever the engine says.
    pub fn attach(home: &Home, attach: &Attach) -> Result<Self, Fault> {
        let runtime = runtime();
        let attached = within(&runtime, async { connect(home).await?.attach(attach).await })?;
        Ok(Self { runtime, attached })
    }

    /// What comes next.
    ///
    /// # Errors
    /// Whatever the engine says; or that nothing came.
    #[allow(clippy::should_implement_trait, reason = "what ends is a fault and not nothing")]
    pub fn next(&mut self) -> Result<FromSession, Fault> {
        within(&self.runtime, self.attached.next())
    }

    /// Types.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        within(&self.runtime, self.attached.input(bytes))
    }

    /// Sets the size of the terminal.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub fn resize(&mut self, columns: u16, rows: u16) -> Result<(), Fault> {
        within(&self.runtime, self.attached.resize(Size { columns, rows }))
    }

    /// Takes bytes until they hold a text; all that came.
    ///
    /// # Errors
    /// Whatever the engine says; or that it did not come.
    pub fn until(&mut self, text: &str) -> Result<String, Fault> {
        let mut all = String::new();
        while !all.contains(text) {
            match self.next()? {
                FromSession::Bytes(_, bytes) | FromSession::Screen(_, _, bytes) => {
                    all.push_str(&String::from_utf8_lossy(&bytes));
                }
                FromSession::Lease(_) => {}
                FromSession::Ended(ended) => {
                    return Err(Fault::missing(format!(
                        "'{text}' did not come, but the end: {}: {all}",
                        ended.why
                    )));
                }
            }
        }
        Ok(all)
    }
}

/// Calls the engine of a home.
///
/// # Errors
/// Whatever the engine says.
pub fn call<C: Call>(home: &Home, call: C) -> Result<C::Reply, Fault> {
    within(&runtime(), async { connect(home).await?.call(call).await })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| panic!("{error}"))
}

fn within<T>(runtime: &Runtime, does: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let patient = async { tokio::time::timeout(PATIENCE, does).await };
    runtime.block_on(patient).unwrap_or_else(|_| Err(Fault::missing("nothing came any more")))
}

async fn connect(home: &Home) -> Result<Client, Fault> {
    Client::connect(&home.places()).await
}
