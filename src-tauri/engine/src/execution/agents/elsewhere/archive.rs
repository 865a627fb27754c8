//! Logs that can be imported: found below a folder, told whose they are by what stands in them, and read whole. A log need not lie
//! where its program keeps it.
//!
//! Refuses to follow links, and to take a file for a log because of its name.

use std::fs;
use std::path::{Path, PathBuf};

use pilothouse_contract::{At, text};
use serde_json::Value;

use crate::policy::redact;

use super::super::claude_log;
use super::super::said::{text_at, time};
use super::{Homes, Log, TITLE, asked, claude, codex, first_lines, gemini, is_id, opencode, parts};

/// So many folders deep it is looked.
const DEEP: usize = 8;
/// So many logs are found at most.
const LOGS_MAX: usize = 200_000;
/// Folders of programs' logs, in which no logs of sessions lie.
const NOT_IN: [&str; 4] = ["node_modules", ".git", "file-history", "target"];

/// A file that may be a log, or hold several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path.
    pub(crate) path: PathBuf,
    /// How long it is.
    pub(crate) bytes: u64,
    /// When it was written last.
    pub(crate) written: At,
    /// Whether it is opencode's database.
    pub(crate) is_database: bool,
}

/// Whose a log is, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) agent: &'static str,
    pub(crate) native: String,
    pub(crate) cwd: PathBuf,
    pub(crate) title: String,
    pub(crate) began: Option<At>,
}

/// Where the agents of this machine keep their logs.
pub(crate) fn places(homes: &Homes) -> Vec<PathBuf> {
    let all = [
        homes.claude.join("projects"),
        homes.codex.join("sessions"),
        homes.codex.join("archived_sessions"),
        homes.gemini.join("tmp"),
        homes.opencode.clone(),
    ];
    all.into_iter().filter(|it| it.is_absolute()).collect()
}

/// What may be a log below some places, what was written first at the beginning.
pub(crate) fn below(places: &[PathBuf]) -> Vec<File> {
    let mut found = Vec::new();
    // A folder that is named may be a link, as people make them; what lies in it is not followed.
    places.iter().for_each(|it| walk(&it.canonicalize().unwrap_or_else(|_| it.clone()), DEEP, &mut found));
    found.sort_by(|a, b| a.written.cmp(&b.written).then_with(|| a.path.cmp(&b.path)));
    found.dedup_by(|a, b| a.path == b.path);
    found
}

fn walk(place: &Path, deep: usize, found: &mut Vec<File>) {
    let Ok(metadata) = fs::symlink_metadata(place) else { return };
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    if metadata.is_dir() {
        if deep > 0 && !NOT_IN.contains(&name.as_ref()) {
            super::entries(place).for_each(|it| walk(&it, deep - 1, found));
        }
        return;
    }
    let is_database = name.starts_with("opencode") && name.ends_with(".db");
    if !metadata.is_file() || !(is_database || name.ends_with(".jsonl")) || found.len() >= LOGS_MAX {
        return;
    }
    if let Some(log) = Log::of(place.to_path_buf()) {
        found.push(File { path: log.file, bytes: log.bytes, written: log.written, is_database });
    }
}

/// Whose log a file is; nothing if it is none of an agent's session.
pub(crate) fn about(file: &Path) -> Option<About> {
    let mut lines = first_lines(file).filter(|it| !it.trim().is_empty()).peekable();
    // One that was cut at the front begins with half a line.
    let first: Value = serde_json::from_str(lines.peek()?).unwrap_or_default();
    let of = |agent, native: String, cwd: PathBuf, title: Option<String>, began| About {
        agent,
        native,
        cwd,
        title: headed(&title.unwrap_or_default()),
        began,
    };
    if text_at(&first, "/type") == "session_meta" {
        let native = text_at(&first, "/payload/id").to_owned();
        let mut reader = codex::Reader::default();
        let title = lines.find_map(|line| asked(&reader.line(&line)));
        let cwd = PathBuf::from(text_at(&first, "/payload/cwd"));
        return is_id(&native).then(|| of("codex", native, cwd, title, time(&first, "/timestamp")));
    }
    let session = text_at(&first, "/sessionId").to_owned();
    if first.get("startTime").is_some() && first.get("projectHash").is_some() && is_id(&session) {
        let title = lines.find_map(|line| asked(&gemini::read_line(&line)));
        let folder = file.parent().and_then(Path::parent).and_then(gemini::says_itself).unwrap_or_default();
        return Some(of("gemini", session, folder, title, time(&first, "/startTime")));
    }
    // A log is named for its session, unless somebody gave it another name; the lines of one that goes on with another may still name
    // that one. A part of a session has a log of its own and says so.
    let stem = file.file_stem()?.to_str()?.to_owned();
    let (mut cwd, mut title, mut began, mut session, mut part) = (None, None, None, None, None);
    for line in lines {
        let record = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let says = |pointer: &str| Some(text_at(&record, pointer)).filter(|it| is_id(it)).map(str::to_owned);
        if record.get("type").is_some() {
            session = session.or_else(|| says("/sessionId"));
        }
        if record.get("isSidechain") == Some(&Value::Bool(true)) {
            part = part.or_else(|| says("/agentId"));
        }
        cwd = cwd.or_else(|| claude_log::started_in(&line));
        let said = claude::read_line(&line);
        began = began.or_else(|| said.iter().flatten().find_map(|(_, at, _)| *at));
        title = title.or_else(|| asked(&said));
        if cwd.is_some() && title.is_some() && session.is_some() {
            break;
        }
    }
    let (cwd, session) = match (cwd, session) {
        (Some(cwd), Some(session)) => (cwd, session),
        (_, session) => parts::further(file, session)?,
    };
    let native = match part {
        Some(part) => format!("agent-{part}"),
        None if is_id(&stem) => stem,
        None => session,
    };
    Some(of("claude", native, cwd, title, began))
}

/// What a session is called by what was asked in it: cleaned before it is cut, for half a secret has no form any more.
pub(super) fn headed(asked: &str) -> String {
    text::line(redact::redacted(asked.trim()).as_ref(), TITLE)
}

/// The session that one worked for, by the agent's own id of that; nothing if its log says no such thing.
pub(crate) fn works_for(file: &Path) -> Option<String> {
    parts::works_for(file)
}

/// What opencode's database says of its sessions: whose each is, how much was said in it and when last.
pub(crate) fn of_rows(rows: &[String]) -> Vec<(About, u64, At)> {
    rows.iter().filter_map(|row| opencode::about(row)).collect()
}
