//! Sessions of Claude Code: a log each, in a folder that is named after where it was started, and a note of each process that
//! runs. Beside that note lies a secret of the same name, which is never opened.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use pilothouse_contract::run::Adapter;
use pilothouse_contract::text;
use pilothouse_holder::proc;
use serde_json::Value;

use super::super::{LineRead, claude_log, reader};
use super::running::Look;
use super::{Grounds, HEAD, Head, Log, Program, Runs, TITLE, asked, entries, first_lines, logs_in, open};

/// What a process of Claude Code is called.
const NAMES: [&str; 3] = ["claude", "node", "bun"];

/// Claude Code, with what runs of it.
pub(super) struct Claude {
    runs: HashMap<String, (u32, Option<String>)>,
}

impl Claude {
    pub(super) fn new(home: &Path) -> Self {
        Self { runs: running(&home.join("sessions")) }
    }
}

impl Program for Claude {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn logs(&self, grounds: &Grounds) -> Vec<Log> {
        let may_be = |folder: &PathBuf| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            grounds.folders.iter().any(|(_, it)| claude_log::may_be_of(&name, it))
        };
        let folders = entries(&grounds.homes.claude.join("projects")).filter(may_be);
        folders.flat_map(|it| logs_in(&it)).filter_map(Log::of).collect()
    }

    fn head(&self, _: &Grounds, log: &Log) -> Option<Head> {
        let mut head = Head { native: log.file.file_stem()?.to_str()?.to_owned(), ..Head::default() };
        let mut cwd = None;
        for line in first_lines(&log.file) {
            cwd = cwd.or_else(|| claude_log::started_in(&line));
            let said = read_line(&line);
            head.began = head.began.or_else(|| said.iter().flatten().find_map(|(_, at, _)| *at));
            head.title = head.title.or_else(|| asked(&said));
            if cwd.is_some() && head.title.is_some() {
                break;
            }
        }
        Some(Head { cwd: cwd?, ..head })
    }

    fn runs(&self, _: &Log, head: &Head, _: &Look) -> Runs {
        match self.runs.get(&head.native) {
            Some((process, claims)) => Runs::In(*process, claims.clone()),
            None => Runs::No,
        }
    }
}

pub(super) fn read_line(line: &str) -> LineRead {
    reader(Adapter::ClaudeCode)(line)
}

/// The sessions that run now by what Claude Code notes of them: its id, with its process and what it says that it does.
fn running(folder: &Path) -> HashMap<String, (u32, Option<String>)> {
    let noted = entries(folder).filter_map(|file| {
        let process = file.file_name()?.to_str()?.strip_suffix(".json")?.parse::<u32>().ok()?;
        // What it noted stays behind if it is killed, and its number is given to others.
        proc::one(process).filter(|it| !it.zombie && NAMES.contains(&it.name.as_str()))?;
        let note: Value = serde_json::from_reader(open(&file).ok()?.take(HEAD)).ok()?;
        let said = |name: &str| note.get(name).and_then(Value::as_str);
        let waits = said("waitingFor").map(|it| format!("waiting: {it}"));
        let claims = waits.or_else(|| said("status").map(str::to_owned)).map(|it| text::line(&it, TITLE));
        Some((said("sessionId")?.to_owned(), (process, claims)))
    });
    noted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_says_so_and_what_was_left_behind_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let note = |process: u32, session: &str| {
            let note = serde_json::json!({ "sessionId": session, "status": "waiting", "waitingFor": "permission prompt" });
            std::fs::write(folder.path().join(format!("{process}.json")), note.to_string()).unwrap();
        };
        // A program by the name of the agent, and one by another.
        let claude = folder.path().join("claude");
        std::os::unix::fs::symlink("/bin/sleep", &claude).unwrap();
        let mut runs = std::process::Command::new(&claude).arg("60").spawn().unwrap();
        note(runs.id(), "runs");
        note(std::process::id(), "another program");
        note(4_000_000_000, "over");
        std::fs::write(folder.path().join(format!("{}.key", runs.id())), "a secret").unwrap();
        let found = running(folder.path());
        runs.kill().unwrap();
        runs.wait().unwrap();
        let says = Some("waiting: permission prompt".to_owned());
        assert_eq!(found, HashMap::from([("runs".to_owned(), (runs.id(), says))]));
    }
}
