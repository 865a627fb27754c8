//! Upgrades under running programs: each holder that runs another program file than the one that lies beside the engine
//! makes way for that one. No program ends by it, and not a byte is lost.

use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use pilothouse_contract::SessionId;
use pilothouse_contract::session::Trouble;
use pilothouse_holder::build;
use pilothouse_holder::wire::ToHolder;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Key, Sessions, Sight};

/// A holder that is there answers within this.
const ANSWERS: Duration = Duration::from_secs(5);
/// One that was told to make way is replaced within this, or goes on as it is.
const REPLACED: Duration = Duration::from_secs(10);

/// What came of it for one session; nothing if there was nothing to do.
type Came = Option<(SessionId, Result<(), String>)>;

impl Sessions {
    /// Has every session held by the holder that lies beside the engine now. Says which ones are so since, and which could
    /// not, with why.
    ///
    /// # Errors
    /// In words, if that holder cannot be begun: then nothing is changed.
    pub async fn upgrade(&self) -> Result<Vec<(SessionId, Result<(), String>)>, String> {
        self.try_program().await?;
        let build = build::of(&self.program).unwrap_or_default();
        let live: Vec<_> = self.lock().iter().map(|(key, it)| (*key, it.sight.subscribe())).collect();
        let came = join_all(live.into_iter().map(|(key, sight)| self.replace(key, sight, &build))).await;
        Ok(came.into_iter().flatten().collect())
    }

    /// Whether the holder can be begun at all: one that cannot must not be given anything to hold.
    async fn try_program(&self) -> Result<(), String> {
        let says = |why: String| format!("the holder {} cannot be begun: {why}", self.program.display());
        let mut command = Command::new(&self.program);
        command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
        let ran = timeout(ANSWERS, command.output()).await;
        let ran = ran.map_err(|_| says("it does not come to an end".to_owned()))?;
        let ran = ran.map_err(|error| says(error.to_string()))?;
        if ran.status.success() && ran.stdout.starts_with(b"pilothouse-hold ") {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(says(said.lines().next().unwrap_or("it is no holder").to_owned()))
    }

    async fn replace(&self, key: Key, mut sight: watch::Receiver<Sight>, build: &str) -> Came {
        // Its holder may not have been reached yet, or say its build in the next moment.
        let met = |it: &Sight| it.end.is_some() || it.trouble.is_some() || (it.pulse.held && it.pulse.kept);
        let seen = match timeout(ANSWERS, sight.wait_for(met)).await {
            Ok(Ok(seen)) => seen.clone(),
            // It is over, and nobody follows it any more.
            Ok(Err(_)) => return None,
            Err(_) => return Some((key.id, Err("its holder does not answer".to_owned()))),
        };
        match &seen.trouble {
            _ if seen.end.is_some() || seen.build == build => return None,
            Some(Trouble::NoHolder { why }) => return Some((key.id, Err(why.clone()))),
            Some(Trouble::OneHand { .. }) => {
                let why = "its holder is of an older version that cannot hand it over, and goes on as it is";
                return Some((key.id, Err(why.to_owned())));
            }
            None => {}
        }
        self.order(key, ToHolder::Leave(self.program.as_os_str().as_bytes().to_vec()));
        let held_anew = |it: &Sight| {
            it.end.is_some() || it.trouble.is_some() || (it.build == build && it.shared > seen.shared)
        };
        let came = match timeout(REPLACED, sight.wait_for(held_anew)).await {
            Ok(Ok(now)) => match &now.trouble {
                Some(Trouble::NoHolder { why }) => Err(why.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => return None,
            Err(_) => Err("its holder does not make way: it does not answer, or its program takes nothing of what is typed; \
                           it goes on as it is"
                .to_owned()),
        };
        Some((key.id, came))
    }
}
