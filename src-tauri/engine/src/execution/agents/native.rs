//! The agent's own id of a session that a person started and that was lost: what its "resume" wants, so that it is that
//! session that goes on and no other. Claude Code's only: of the others "the last one" is all that their programs offer.
//!
//! It looks and touches nothing. What it finds is an argument of a program, so nothing but an id comes out of it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use pilothouse_contract::At;
use pilothouse_contract::run::Adapter;
use pilothouse_contract::session::{End, Ending, Session, SessionKind};
use serde_json::Value;

use super::elsewhere::{HEAD, entries, is_id, open};
use super::{claude_folder, claude_log, reader};

/// A program notes when it began a moment after it did.
const SLACK_MS: i64 = 2_000;

/// One life of a program: which, where, from when to when.
#[derive(Debug)]
struct Life {
    pid: u32,
    argv: Vec<String>,
    cwd: PathBuf,
    from: At,
    to: At,
}

/// The id of a session that was lost; nothing of one that ended in another way, and nothing where none can be told.
pub(crate) async fn of_lost(session: Option<Session>, end: &End) -> Option<String> {
    let it = session
        .filter(|it| it.kind == SessionKind::Shell && it.argv.first().is_some_and(|it| is_claude(it)))?;
    let (running, claude) = (it.running.as_ref()?, claude_folder()?);
    if !matches!(end.how, Ending::Lost { .. }) {
        return None;
    }
    let cwd = PathBuf::from(&it.cwd);
    // It did not outlive the machine's last start, whenever somebody noticed that it is gone.
    let to = booted().filter(|it| *it > running.at && *it < end.at).unwrap_or(end.at);
    let life = Life { pid: running.pid, argv: it.argv.clone(), cwd, from: running.at, to };
    tokio::task::spawn_blocking(move || find(&claude, life)).await.ok().flatten()
}

/// When the machine was started; nothing where the system does not say it this way.
fn booted() -> Option<At> {
    let said = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds: i64 = said.lines().find_map(|it| it.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(At(seconds.saturating_mul(1000)))
}

fn is_claude(program: &str) -> bool {
    program.rsplit('/').next() == Some("claude")
}

fn find(claude: &Path, life: Life) -> Option<String> {
    // Claude Code resolves links before it notes a folder.
    let life = Life { cwd: life.cwd.canonicalize().unwrap_or_else(|_| life.cwd.clone()), ..life };
    noted(claude, &life).or_else(|| named(&life.argv)).or_else(|| newest(claude, &life))
}

/// What it noted of itself: by its process, which began in this life.
fn noted(claude: &Path, life: &Life) -> Option<String> {
    let file = claude.join("sessions").join(format!("{}.json", life.pid));
    let note: Value = serde_json::from_reader(open(&file).ok()?.take(HEAD)).ok()?;
    let began = At(note.get("startedAt")?.as_i64()?);
    let native = note.get("sessionId")?.as_str().filter(|it| is_id(it))?;
    // A session in which nothing was said has no log, and cannot be resumed.
    let there = claude_log::log_path(claude, &life.cwd, native).is_file();
    (there && is_in(life, began)).then(|| native.to_owned())
}

/// What it was told to be, or to go on with.
fn named(argv: &[String]) -> Option<String> {
    let mut words = argv.iter().skip(1);
    let named = words.find_map(|word| match word.split_once('=') {
        Some(("--session-id" | "--resume", id)) => Some(Some(id.to_owned())),
        None if matches!(word.as_str(), "--session-id" | "--resume" | "-r") => Some(None),
        _ => None,
    })?;
    named.or_else(|| words.next().cloned()).filter(|it| is_id(it))
}

/// The newest that began in its folder while it lived.
fn newest(claude: &Path, life: &Life) -> Option<String> {
    let folder = claude_log::log_path(claude, &life.cwd, "x").parent()?.to_owned();
    let logs = entries(&folder).filter(|it| it.extension().is_some_and(|it| it == "jsonl"));
    let began = logs.filter_map(|file| {
        let native = file.file_stem()?.to_str().filter(|it| is_id(it))?.to_owned();
        let began = begun(&file, &life.cwd)?;
        is_in(life, began).then_some((began, native))
    });
    began.max().map(|it| it.1)
}

/// When the session of a log began; nothing if it is none of this folder.
fn begun(file: &Path, cwd: &Path) -> Option<At> {
    let (mut began, mut here) = (None, false);
    for line in BufReader::new(open(file).ok()?.take(HEAD)).split(b'\n') {
        let line = String::from_utf8_lossy(&line.ok()?).into_owned();
        here = here || claude_log::started_in(&line).is_some_and(|it| it == cwd);
        began = began.or_else(|| reader(Adapter::ClaudeCode)(&line)?.into_iter().find_map(|it| it.1));
        if here && began.is_some() {
            return began;
        }
    }
    None
}

fn is_in(life: &Life, began: At) -> bool {
    began.plus_ms(SLACK_MS) >= life.from && began <= life.to
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// 2026-11-20T10:00:00Z, when the logs of these tests begin, but for the seconds that they are told.
    const TEN: i64 = 1_795_168_800_000;

    struct Home {
        folder: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn cwd(&self) -> PathBuf {
            let cwd = self.folder.path().join("work");
            fs::create_dir_all(&cwd).unwrap();
            cwd.canonicalize().unwrap()
        }

        fn claude(&self) -> PathBuf {
            self.folder.path().join("claude")
        }

        /// A log that begins so many seconds after ten.
        fn log(&self, native: &str, second: u8) {
            let file = claude_log::log_path(&self.claude(), &self.cwd(), native);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let line = serde_json::json!({ "type": "user", "uuid": "u", "cwd": self.cwd(), "message": { "content": "x" },
                "timestamp": format!("2026-11-20T10:00:{second:02}Z") });
            fs::write(file, format!("{{\"type\":\"summary\"}}\n{line}\n")).unwrap();
        }

        fn note(&self, pid: u32, native: &str, began: i64) {
            fs::create_dir_all(self.claude().join("sessions")).unwrap();
            let note = serde_json::json!({ "pid": pid, "sessionId": native, "startedAt": began });
            fs::write(self.claude().join(format!("sessions/{pid}.json")), note.to_string()).unwrap();
        }

        /// What is found for process 7, that lived from the 10th second to the 40th.
        fn found(&self, argv: &[&str]) -> Option<String> {
            let argv = argv.iter().map(|it| (*it).to_owned()).collect();
            let (from, to) = (At(TEN + 10_000), At(TEN + 40_000));
            find(&self.claude(), Life { pid: 7, argv, cwd: self.cwd(), from, to })
        }
    }

    #[test]
    fn the_newest_that_began_in_a_life_is_meant_and_none_before_or_after_it() {
        let home = Home::new();
        assert_eq!(home.found(&["claude"]), None);
        home.log("before", 5);
        home.log("after", 50);
        assert_eq!(home.found(&["claude"]), None);
        home.log("first", 12);
        home.log("second", 30);
        home.log("agent-part", 31);
        home.log("-option", 32);
        assert_eq!(home.found(&["claude"]).as_deref(), Some("second"));
    }

    #[test]
    fn what_a_program_noted_of_itself_counts_before_what_is_guessed() {
        let home = Home::new();
        for (native, second) in [("noted", 12), ("elsewhere", 30)] {
            home.log(native, second);
        }
        home.note(7, "noted", TEN + 10_500);
        assert_eq!(home.found(&["claude"]).as_deref(), Some("noted"));
        // A note of another process that had the same number, and one of a session without a log.
        home.note(7, "noted", TEN - 60_000);
        assert_eq!(home.found(&["claude"]).as_deref(), Some("elsewhere"));
        home.note(7, "nothing-said", TEN + 10_500);
        assert_eq!(home.found(&["claude"]).as_deref(), Some("elsewhere"));
        home.note(7, "../../x", TEN + 10_500);
        assert_eq!(home.found(&["claude"]).as_deref(), Some("elsewhere"));
    }

    #[test]
    fn what_it_was_told_to_go_on_with_is_what_goes_on() {
        let home = Home::new();
        home.log("elsewhere", 30);
        for argv in [
            &["claude", "--resume", "told"][..],
            &["claude", "-p", "--resume=told"],
            &["claude", "-r", "told"],
        ] {
            assert_eq!(home.found(argv).as_deref(), Some("told"), "{argv:?}");
        }
        assert_eq!(home.found(&["claude", "--resume", "--dangerous"]).as_deref(), Some("elsewhere"));
        assert_eq!(home.found(&["claude", "--resume"]).as_deref(), Some("elsewhere"));
    }
}
