//! Sessions of agents that people started in terminals of their own. They are seen by the agents' own logs; nobody here
//! holds them, so what is said of them is what they say of themselves.

use serde::{Deserialize, Serialize};

use crate::ids::{ProjectId, SessionId};
use crate::session::resume_of;
use crate::time::At;
use crate::trajectory::StepKind;

/// A session that Pilothouse did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The agent's own id of it.
    pub native: String,
    /// The agent's program.
    pub agent: String,
    /// The project in which it works.
    pub project: ProjectId,
    /// The folder that it was started in.
    pub cwd: String,
    /// What it was asked first, as one line.
    pub title: String,
    /// Its log.
    pub file: String,
    /// How long that is, in bytes.
    pub bytes: u64,
    /// When its first step was, by the agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<At>,
    /// When its log was written last.
    pub written: At,
    /// Its process, if it runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The session here that its process runs in, if somebody started it in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<SessionId>,
    /// What it says that it does: busy, idle, waiting. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// Why nobody knows whether it runs, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<String>,
}

impl Elsewhere {
    /// The command that goes on with it, by the agent's own "resume"; nothing while it runs or may run, for two programs would
    /// write one log.
    #[must_use]
    pub fn resume(&self) -> Option<Vec<String>> {
        if self.process.is_some() || self.unsure.is_some() {
            return None;
        }
        resume_of(std::slice::from_ref(&self.agent), Some(&self.native))
    }

    /// Where it stands, in words.
    #[must_use]
    pub fn stands(&self) -> String {
        let runs = match (&self.process, &self.held) {
            (_, Some(session)) => format!("runs here in {session}"),
            (Some(process), None) => format!("runs as process {process}"),
            (None, None) => {
                let unsure = self.unsure.as_ref().map(|why| format!("may run: {why}"));
                return unsure.unwrap_or_else(|| "does not run".to_owned());
            }
        };
        self.claims.as_ref().map_or(runs.clone(), |claims| format!("{runs}; says it is {claims}"))
    }
}

/// One step of such a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElsewhereStep {
    /// Its place in the session, from 0.
    pub ordinal: u32,
    /// When, by the agent's clock, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// What happened.
    pub kind: StepKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_not_begun_a_second_time() {
        let mut it = Elsewhere {
            native: "0f-1".to_owned(),
            agent: "claude".to_owned(),
            project: ProjectId(1),
            cwd: "/x".to_owned(),
            title: String::new(),
            file: "/l".to_owned(),
            bytes: 1,
            began: None,
            written: At(1),
            process: None,
            held: None,
            claims: Some("busy".to_owned()),
            unsure: None,
        };
        assert_eq!(it.resume().unwrap(), ["claude", "--resume", "0f-1"]);
        assert_eq!(it.stands(), "does not run");
        it.unsure = Some("nobody tells".to_owned());
        assert_eq!((it.resume(), it.stands()), (None, "may run: nobody tells".to_owned()));
        it.unsure = None;
        for (agent, on) in [("codex", "resume"), ("gemini", "-r"), ("opencode", "-s")] {
            agent.clone_into(&mut it.agent);
            assert_eq!(it.resume().unwrap(), [agent, on, "0f-1"]);
        }
        it.process = Some(7);
        assert_eq!(it.resume(), None);
        assert_eq!(it.stands(), "runs as process 7; says it is busy");
        it.held = Some(SessionId(3));
        assert_eq!(it.stands(), "runs here in s3; says it is busy");
    }
}
