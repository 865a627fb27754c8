//! Logs of parts of sessions, which say for which one they worked; and what a log says only far behind its beginning.
//!
//! Refuses to guess: what does not say so is no part of anything.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::claude_log;
use super::super::said::text_at;
use super::{first_lines, is_id, lines, open};

/// The session that one worked for, by the agent's own id of that.
pub(super) fn works_for(file: &Path) -> Option<String> {
    for line in first_lines(file) {
        let record = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let whole = if text_at(&record, "/type") == "session_meta" {
            text_at(&record, "/payload/source/subagent/thread_spawn/parent_thread_id")
        } else if record.get("isSidechain") == Some(&Value::Bool(true))
            && !text_at(&record, "/agentId").is_empty()
        {
            text_at(&record, "/sessionId")
        } else {
            continue;
        };
        return Some(whole.to_owned()).filter(|it| is_id(it));
    }
    None
}

/// The folder and the session of a log of Claude Code whose beginning does not say both.
pub(super) fn further(file: &Path, session: Option<String>) -> Option<(PathBuf, String)> {
    let (mut cwd, mut session) = (None, session);
    for line in lines(open(file).ok()?) {
        let line = line.ok()?;
        if !line.contains("\"sessionId\"") {
            continue;
        }
        cwd = cwd.or_else(|| claude_log::started_in(&line));
        let record = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let is_record = record.get("type").is_some();
        session = session
            .or_else(|| Some(text_at(&record, "/sessionId").to_owned()).filter(|it| is_record && is_id(it)));
        if let (Some(cwd), Some(session)) = (&cwd, &session) {
            return Some((cwd.clone(), session.clone()));
        }
    }
    None
}
