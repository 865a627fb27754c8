//! The way to the engine: calls over connections that are kept, and how long to wait before the next try.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilothouse_contract::{Access, Fault, FaultCode, Request};

use crate::{Client, Places, ensure_engine};

/// So many connections are kept for the next calls; a page seldom asks more at once.
const KEPT: usize = 4;

/// Where the engine is, and how it is started. For a program that calls again and again.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Its places.
    pub places: Places,
    /// The command line program, which starts it on demand.
    pub program: PathBuf,
    /// Connections at rest. The engine looks into every new caller's ancestry: 3 ms for a call instead of half a one.
    kept: Arc<Mutex<Vec<Client>>>,
}

impl Engine {
    /// The engine with those places, started by that program.
    #[must_use]
    pub fn new(places: Places, program: PathBuf) -> Self {
        Self { places, program, kept: Arc::default() }
    }

    /// The engine of this user, started by the program beside this one.
    ///
    /// # Errors
    /// In words, if its places cannot be found.
    pub fn find() -> Result<Self, Fault> {
        let program = std::env::current_exe()
            .map_err(|error| Fault::environment(format!("this program cannot be found: {error}")))?
            .with_file_name("pilothouse");
        Ok(Self::new(Places::find()?, program))
    }

    /// A connection; the engine is started if it does not run.
    ///
    /// # Errors
    /// In words, why it cannot be started.
    pub async fn start(&self) -> Result<Client, Fault> {
        ensure_engine(&self.places, &self.program).await
    }

    /// Calls, over a connection at rest if there is one.
    ///
    /// # Errors
    /// Whatever the engine says, or why it cannot be reached.
    pub async fn call(&self, request: &Request) -> Result<Vec<u8>, Fault> {
        if let Some(client) = self.at_rest() {
            match self.call_over(client, request).await {
                // It left between the look and the call. Only what changes nothing may be asked twice.
                Err(fault) if fault.code == FaultCode::Unreachable && request.access() == Access::Read => {}
                other => return other,
            }
        }
        self.call_over(self.start().await?, request).await
    }

    async fn call_over(&self, mut client: Client, request: &Request) -> Result<Vec<u8>, Fault> {
        let answer = client.call_any(request).await;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && client.is_at_rest() {
            kept.push(client);
        }
        answer
    }

    fn at_rest(&self) -> Option<Client> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(Client::is_at_rest);
        kept.pop()
    }
}

/// How long to wait before the next try: 100 ms, then twice as long each time, to 2 s.
#[derive(Debug, Default)]
pub struct Patience {
    tries: u32,
}

impl Patience {
    /// How long to wait now, and whether a try failed before, so that the engine may be started.
    #[must_use]
    pub fn wait(&mut self) -> (Duration, bool) {
        let wait = Duration::from_millis(100 << self.tries.min(5)).min(Duration::from_secs(2));
        self.tries += 1;
        (wait, self.tries > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_slower_and_never_slower_than_two_seconds() {
        let mut patience = Patience::default();
        let waits: Vec<(u128, bool)> =
            (0..8).map(|_| patience.wait()).map(|(it, start)| (it.as_millis(), start)).collect();
        assert_eq!(
            waits.iter().map(|it| it.0).collect::<Vec<_>>(),
            [100, 200, 400, 800, 1600, 2000, 2000, 2000]
        );
        assert_eq!(waits.iter().position(|it| it.1), Some(1), "the first try starts nothing");
    }
}
