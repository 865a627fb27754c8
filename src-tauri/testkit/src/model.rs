//! A scripted stand-in for the Anthropic Messages API, so that real agent programs run whole turns offline.
//!
//! It listens on 127.0.0.1 only, on a runtime and thread of its own, and stops when dropped. It refuses to guess:
//! an action whose tool the agent does not offer is answered with an error that says so.

mod answer;
mod play;
mod request;
mod script;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use script::{Action, Failure, Scenario, Script, Step, Usage};

use play::Play;

/// One request that the server got, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The agent session: its header, with `/` and the subagent's id where there is one, else a hash of the first
    /// prompt.
    pub session: String,
    /// The scenario that answered, if one did.
    pub scenario: Option<String>,
    /// Which of its steps, from 0.
    pub step: Option<usize>,
    /// The beginning of the newest prompt, at most 200 characters.
    pub prompt: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A step was served.
    Served,
    /// A step's failure was served, here in words; the step itself waits for the next request.
    Failed(String),
    /// A request without tools got the fixed side answer and used up no step.
    Side,
    /// Nothing was left in the script, so the fixed last answer was given.
    Ended,
    /// It was refused with an error, here in words.
    Refused(String),
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port could not be had.
    #[error("cannot listen on 127.0.0.1:{port}: {cause}")]
    Listen {
        /// The port that was asked for; 0 means any.
        port: u16,
        /// What the system said.
        cause: io::Error,
    },
    /// The runtime or its thread could not be made.
    #[error("cannot start the server's runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// A running server. Dropping it ends it, with every connection that is still open.
#[derive(Debug)]
pub struct ScriptedModel {
    port: u16,
    play: Arc<Mutex<Play>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedModel {
    /// Starts a server on a free port; it takes requests as soon as this returns.
    ///
    /// # Errors
    /// When no port or no runtime can be had.
    pub fn start(script: Script) -> Result<Self, StartError> {
        Self::start_on(script, 0)
    }

    /// Starts a server on the given port, 0 for a free one.
    ///
    /// # Errors
    /// When the port is taken or no runtime can be had.
    pub fn start_on(script: Script, port: u16) -> Result<Self, StartError> {
        let listen = |cause| StartError::Listen { port, cause };
        // Bound here and not on the thread: the port is known, and the kernel queues clients, before we return.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?.port();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let play = Arc::new(Mutex::new(Play::new(script)));
        let (stop, stopped) = oneshot::channel();
        let app = wire::router(Arc::clone(&play));
        let thread = std::thread::Builder::new().name("scripted-model".to_owned()).spawn(move || {
            // Leaving `block_on` drops the runtime and with it every open connection, hanging ones included.
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, app).into_future() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { port: bound, play, stop: Some(stop), thread: Some(thread) })
    }

    /// The base URL, without a slash at its end: what `ANTHROPIC_BASE_URL` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far that asked for an answer of the model or that was refused.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner).seen().to_vec()
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the thread is gone already, which is what we want.
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // Joined so that the port is free again when the drop is over. A panic there has been printed already.
            let _ended = thread.join();
        }
    }
}
