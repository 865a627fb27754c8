//! Logs of agents that never ran: sessions of Claude Code and Codex as their programs write them, with prompts, reasons, calls,
//! results full of code, and tokens. The same seed writes the same logs.
//!
//! Words come from a list with a long tail, as in real ones: few stand everywhere, most stand in a few places. Refuses to be clever: what
//! is said makes no sense.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::{Value, json};

/// So many words there are.
const WORDS: usize = 60_000;
/// Steps of a session that is neither short nor long.
const SESSION: u64 = 2000;
/// The first moment, in seconds since 1970.
const BEGAN: u64 = 1_790_000_000;

/// Word stems that stand everywhere; longer ones are made of them.
const STEMS: [&str; 96] = [
    "the", "to", "and", "of", "in", "is", "it", "that", "for", "test", "file", "let", "fn", "self", "return",
    "if", "with", "this", "run", "error", "value", "path", "add", "name", "read", "line", "not", "use",
    "from", "was", "new", "type", "state", "build", "check", "request", "parse", "token", "user", "index",
    "event", "store", "load", "write", "table", "query", "cache", "config", "server", "client", "handle",
    "module", "result", "branch", "commit", "merge", "worker", "queue", "retry", "timeout", "buffer",
    "stream", "socket", "session", "record", "field", "schema", "column", "order", "price", "invoice",
    "account", "report", "filter", "render", "widget", "layout", "color", "font", "page", "route", "header",
    "cookie", "signal", "thread", "mutex", "lock", "atom", "graph", "node", "edge", "tree", "leaf", "root",
    "rudder", "compass",
];

/// A word list with a long tail.
#[derive(Debug)]
pub struct Words {
    all: Vec<String>,
    /// Sums of the weights up to each word.
    sums: Vec<f64>,
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// The words, the common ones first.
    #[must_use]
    pub fn new() -> Self {
        let mut rng = Rng::with_seed(7);
        let mut all: Vec<String> = STEMS.iter().map(|it| (*it).to_owned()).collect();
        let mut known: std::collections::HashSet<String> = all.iter().cloned().collect();
        while all.len() < WORDS {
            let mut stem = || STEMS.get(rng.usize(..STEMS.len())).copied().unwrap_or_default();
            let (a, b, c) = (stem(), stem(), stem());
            // Of two there are not enough.
            let kind = rng.u8(..4);
            let word = match kind {
                0 => format!("{a}_{b}"),
                1 => format!("{a}{b}"),
                2 => format!("{a}_{b}_{c}"),
                _ => format!("{a}{b}{c}"),
            };
            if known.insert(word.clone()) {
                all.push(word);
            }
        }
        let mut sum = 0.0;
        #[allow(clippy::cast_precision_loss, reason = "places in a list")]
        let weight = |place: usize| 1.0 / (place as f64 + 3.0);
        let sums = (0..all.len()).map(|place| {
            sum += weight(place);
            sum
        });
        let sums = sums.collect();
        Self { all, sums }
    }

    /// The word at a place; 0 stands most often.
    #[must_use]
    pub fn at(&self, place: usize) -> &str {
        self.all.get(place % self.all.len()).map_or("", String::as_str)
    }

    fn one(&self, rng: &mut Rng) -> &str {
        let sought = rng.f64() * self.sums.last().copied().unwrap_or_default();
        self.at(self.sums.partition_point(|it| *it < sought))
    }

    fn sentence(&self, rng: &mut Rng, words: std::ops::Range<usize>) -> String {
        let said: Vec<&str> = (0..rng.usize(words)).map(|_| self.one(rng)).collect();
        said.join(" ")
    }

    fn path(&self, rng: &mut Rng) -> String {
        format!("src/{}/{}.rs", self.at(rng.usize(20..60)), self.at(rng.usize(60..900)))
    }

    fn code(&self, rng: &mut Rng, lines: std::ops::Range<usize>) -> String {
        let mut text = String::new();
        for n in 1..=rng.usize(lines) {
            let (a, b, c) = (self.one(rng), self.one(rng), self.one(rng));
            text += &match rng.u8(..6) {
                0 => format!("{n:>5}    let {a} = {b}.{c}()?;\n"),
                1 => format!("{n:>5}    if {a}.is_some() && {b} > {} {{\n", rng.u16(..)),
                2 => format!("{n:>5}    // {a} {b} {c} {}\n", self.sentence(rng, 2..8)),
                3 => format!("{n:>5}pub fn {a}({b}: &str) -> Result<{c}, Error> {{\n"),
                4 => format!("{n:>5}    }}\n"),
                _ => format!("{n:>5}    assert_eq!({a}({b}), \"{c}\");\n"),
            };
        }
        text
    }
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// The logs.
    pub files: Vec<PathBuf>,
    /// How long all of them are.
    pub bytes: u64,
    /// Steps that stand in them, as Pilothouse counts.
    pub steps: u64,
}

/// Writes logs with at least so many steps below a folder, two of Claude Code for each of Codex.
///
/// # Errors
/// Whatever the file system says.
pub fn write(folder: &Path, steps: u64, words: &Words) -> io::Result<Written> {
    let mut all = Written::default();
    let mut n = 0;
    while all.steps < steps {
        let most = SESSION.min(steps - all.steps).max(10);
        let made = if n % 3 == 2 { codex(folder, n, most, words) } else { claude(folder, n, most, words) }?;
        all.files.push(made.0);
        all.steps += made.1;
        n += 1;
    }
    for file in &all.files {
        all.bytes += file.metadata()?.len();
    }
    Ok(all)
}

/// A moment of a session.
fn time(n: u64, step: u64) -> String {
    let at = BEGAN + n * 7000 + step * 3;
    let (day, second) = (at / 86400, at % 86400);
    // Civil from days, after Howard Hinnant; days of this era are enough.
    let days = day + 719_468;
    let (era, doe) = (days / 146_097, days % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (d, m) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(m <= 2);
    format!(
        "{year:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        step % 1000
    )
}

/// An id as agents make them.
fn id(rng: &mut Rng) -> String {
    let (a, b) = (rng.u64(..), rng.u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// A session of Claude Code with at least so many steps: its file, and how many it has.
///
/// # Errors
/// Whatever the file system says.
pub fn claude(folder: &Path, n: u64, steps: u64, words: &Words) -> io::Result<(PathBuf, u64)> {
    let mut rng = Rng::with_seed(n);
    let (session, project) =
        (id(&mut rng), words.at(200 + usize::try_from(n % 20).unwrap_or_default()).to_owned());
    let cwd = format!("/home/kim/{project}");
    let file = folder.join("projects").join(cwd.replace('/', "-")).join(format!("{session}.jsonl"));
    std::fs::create_dir_all(file.parent().unwrap_or(folder))?;
    let mut log = BufWriter::new(File::create(&file)?);
    let (mut made, mut parent) = (0, Value::Null);
    let mut line = |rng: &mut Rng, at: u64, kind: &str, rest: Value| -> io::Result<()> {
        let uuid = id(rng);
        let mut record = json!({
            "parentUuid": parent, "isSidechain": false, "type": kind, "uuid": uuid, "timestamp": time(n, at), "userType": "external",
            "entrypoint": "cli", "cwd": cwd, "sessionId": session, "version": "2.1.329", "gitBranch": "main",
        });
        if let (Value::Object(record), Value::Object(rest)) = (&mut record, rest) {
            record.extend(rest);
        }
        parent = uuid.into();
        writeln!(log, "{record}")
    };
    let mut turn = 0;
    while made < steps {
        if turn % 8 == 0 {
            let asked = words.sentence(&mut rng, 8..60);
            line(&mut rng, made, "user", json!({ "message": { "role": "user", "content": asked } }))?;
            made += 1;
        }
        turn += 1;
        let (message, request) = (format!("msg_{:016x}", rng.u64(..)), format!("req_{:016x}", rng.u64(..)));
        let usage = json!({
            "input_tokens": rng.u32(1..4000), "cache_creation_input_tokens": rng.u32(..3000), "cache_read_input_tokens": rng.u32(..150_000),
            "output_tokens": rng.u32(20..2000), "service_tier": "standard",
            "cache_creation": { "ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0 },
        });
        let model = if n.is_multiple_of(4) { "claude-opus-5-5" } else { "claude-sonnet-5" };
        let answer = |block: Value| {
            json!({ "requestId": request, "message": {
                "id": message, "type": "message", "role": "assistant", "model": model, "content": [block], "stop_reason": "tool_use",
                "stop_sequence": null, "usage": usage,
            } })
        };
        let reasons = words.sentence(&mut rng, 20..120);
        line(
            &mut rng,
            made,
            "assistant",
            answer(
                json!({ "type": "thinking", "thinking": reasons, "signature": id(&mut Rng::with_seed(made)) }),
            ),
        )?;
        let says = words.sentence(&mut rng, 6..50);
        line(&mut rng, made, "assistant", answer(json!({ "type": "text", "text": says })))?;
        let call = format!("toolu_{:020x}", rng.u64(..));
        let (tool, with, text) = tool(&mut rng, words);
        line(
            &mut rng,
            made,
            "assistant",
            answer(json!({ "type": "tool_use", "id": call, "name": tool, "input": with })),
        )?;
        let failed = rng.u8(..12) == 0;
        let came = json!({ "type": "tool_result", "tool_use_id": call, "content": text, "is_error": failed });
        line(
            &mut rng,
            made,
            "user",
            json!({ "message": { "role": "user", "content": [came] }, "toolUseResult": { "stdout": text, "stderr": "" } }),
        )?;
        // Reasons, words, a call, its result, and the tokens of all.
        made += 5;
    }
    log.flush()?;
    Ok((file, made))
}

/// A tool, what it was called with, and what came back.
fn tool(rng: &mut Rng, words: &Words) -> (&'static str, Value, String) {
    match rng.u8(..10) {
        0..4 => ("Read", json!({ "file_path": words.path(rng) }), words.code(rng, 10..60)),
        4..7 => {
            let command = format!("cargo test -p {} {}", words.at(rng.usize(20..60)), words.one(rng));
            (
                ("Bash"),
                json!({ "command": command, "description": words.sentence(rng, 3..9) }),
                words.code(rng, 4..30),
            )
        }
        7..9 => {
            let with = json!({ "file_path": words.path(rng), "old_string": words.code(rng, 2..10), "new_string": words.code(rng, 2..14) });
            ("Edit", with, format!("The file {} has been updated.", words.path(rng)))
        }
        _ => ("Grep", json!({ "pattern": words.one(rng), "query": words.one(rng) }), words.path(rng)),
    }
}

/// A session of Codex, as [`claude`].
///
/// # Errors
/// Whatever the file system says.
pub fn codex(folder: &Path, n: u64, steps: u64, words: &Words) -> io::Result<(PathBuf, u64)> {
    let mut rng = Rng::with_seed(n);
    let session = id(&mut rng);
    let cwd = format!("/home/kim/{}", words.at(200 + usize::try_from(n % 20).unwrap_or_default()));
    let day = time(n, 0);
    let day = day.get(..10).unwrap_or_default();
    let file = folder
        .join("sessions")
        .join(day.replace('-', "/"))
        .join(format!("rollout-{day}T00-00-00-{session}.jsonl"));
    std::fs::create_dir_all(file.parent().unwrap_or(folder))?;
    let mut log = BufWriter::new(File::create(&file)?);
    let (mut made, mut ordinal) = (0, 0_u64);
    let mut line = |at: u64, kind: &str, payload: Value| -> io::Result<()> {
        ordinal += 1;
        writeln!(
            log,
            "{}",
            json!({ "timestamp": time(n, at), "ordinal": ordinal, "type": kind, "payload": payload })
        )
    };
    line(
        0,
        "session_meta",
        json!({ "id": session, "cwd": cwd, "cli_version": "0.169.0", "originator": "codex_exec" }),
    )?;
    line(0, "turn_context", json!({ "cwd": cwd, "model": "gpt-5.5", "approval_policy": "never" }))?;
    let done = |item: Value, turn: &str| json!({ "type": "item_completed", "thread_id": session, "turn_id": turn, "item": item });
    let mut turn = id(&mut rng);
    let mut turns = 0;
    while made < steps {
        if turns % 8 == 0 {
            turn = id(&mut rng);
            let content = json!([{ "type": "text", "text": words.sentence(&mut rng, 8..60) }]);
            line(
                made,
                "event_msg",
                done(json!({ "type": "UserMessage", "id": id(&mut rng), "content": content }), &turn),
            )?;
            made += 1;
        }
        turns += 1;
        let reasons = words.sentence(&mut rng, 10..60);
        line(
            made,
            "event_msg",
            done(
                json!({ "type": "Reasoning", "id": format!("rs_{:016x}", rng.u64(..)), "summary_text": [reasons], "raw_content": [] }),
                &turn,
            ),
        )?;
        let (says, message) = (words.sentence(&mut rng, 6..50), format!("msg_{:016x}", rng.u64(..)));
        line(
            made,
            "event_msg",
            done(
                json!({ "type": "AgentMessage", "id": message, "content": [{ "type": "Text", "text": says }] }),
                &turn,
            ),
        )?;
        line(
            made,
            "response_item",
            json!({ "type": "message", "id": message, "role": "assistant", "content": [{ "type": "output_text", "text": says, "annotations": [] }] }),
        )?;
        let (call, (_, with, text)) = (format!("call_{:016x}", rng.u64(..)), tool(&mut rng, words));
        let command =
            with.get("command").or(with.get("file_path")).and_then(Value::as_str).unwrap_or("ls").to_owned();
        line(
            made,
            "response_item",
            json!({ "type": "function_call", "name": "exec_command", "arguments": json!({ "cmd": command }).to_string(), "call_id": call }),
        )?;
        let usage = json!({ "input_tokens": rng.u32(4000..200_000), "cached_input_tokens": rng.u32(..4000), "output_tokens": rng.u32(20..2000) });
        line(
            made,
            "token_usage_record",
            json!({ "thread_id": session, "response_id": format!("resp_{:016x}", rng.u64(..)), "usage": usage }),
        )?;
        let code = i32::from(rng.u8(..12) == 0);
        line(
            made,
            "event_msg",
            done(
                json!({
                    "type": "CommandExecution", "id": call, "command": ["/bin/bash", "-lc", command], "cwd": cwd, "status": "completed",
                    "aggregated_output": text, "exit_code": code,
                }),
                &turn,
            ),
        )?;
        line(
            made,
            "response_item",
            json!({ "type": "function_call_output", "call_id": call, "output": format!("Process exited with code {code}\nOutput:\n{text}") }),
        )?;
        made += 5;
    }
    log.flush()?;
    Ok((file, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_logs_are_written_again() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let words = Words::new();
        let (one, two) = (write(a.path(), 500, &words).unwrap(), write(b.path(), 500, &words).unwrap());
        assert!(one.steps >= 500 && one.steps == two.steps && one.bytes == two.bytes);
        for (one, two) in one.files.iter().zip(&two.files) {
            assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
        }
        assert_eq!(time(0, 0), "2026-09-21T14:13:20.000Z");
    }
}
