//! Lines of an app-server. Owns how bytes become messages, also in pieces and of many megabytes, and that each line is on disk
//! before anybody reads it. Refuses what is longer than memory should hold.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A line is at most this long; the rest of a longer one is thrown away.
const LONGEST: usize = 64 << 20;

/// How much of standard error is kept.
const KEPT: usize = 4096;

/// One line.
#[derive(Debug)]
pub(super) enum Line {
    /// A JSON object.
    Message(Value),
    /// Something else, cut.
    Malformed(String),
}

/// Reads lines to the end, each added to a file first. The end of the channel is the end of the output.
pub(super) fn read(from: impl AsyncRead + Unpin + Send + 'static, record: &Path) -> mpsc::Receiver<Line> {
    let (to, lines) = mpsc::channel(64);
    let mut record = open(record);
    tokio::spawn(async move {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let mut line = Vec::new();
        while let Some(whole) = next(&mut from, &mut line).await {
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            if let Some(file) = &mut record {
                // Lost lines of the record are no reason to lose the session.
                let _full = file.write_all(text).and_then(|()| file.write_all(b"\n"));
            }
            let parsed = if whole { serde_json::from_slice::<Value>(text).ok() } else { None };
            let parsed = match parsed {
                Some(message @ Value::Object(_)) => Line::Message(message),
                _ => Line::Malformed(pilothouse_contract::text::line(&String::from_utf8_lossy(text), 200)),
            };
            if to.send(parsed).await.is_err() {
                break;
            }
        }
    });
    lines
}

fn open(path: &Path) -> Option<std::fs::File> {
    std::fs::create_dir_all(path.parent()?).ok()?;
    std::fs::OpenOptions::new().create(true).append(true).open(path).ok()
}

/// The next line, in `line`. Whether it was taken whole; nothing at the end.
async fn next(from: &mut (impl tokio::io::AsyncBufRead + Unpin), line: &mut Vec<u8>) -> Option<bool> {
    line.clear();
    let (mut whole, mut any) = (true, false);
    loop {
        let bytes = from.fill_buf().await.ok()?;
        if bytes.is_empty() {
            return any.then_some(whole);
        }
        any = true;
        let end = bytes.iter().position(|it| *it == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LONGEST.saturating_sub(line.len()).min(piece.len());
        whole &= room == piece.len();
        line.extend_from_slice(piece.get(..room).unwrap_or_default());
        let used = piece.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Some(whole);
        }
    }
}

/// Reads standard error to its end and keeps the last of it.
pub(super) fn tail(mut from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
            let over = kept.len().saturating_sub(KEPT);
            kept.drain(..over);
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn row_5_8_split_and_very_long_lines_are_whole_messages() {
        let folder = tempfile::tempdir().unwrap();
        let (mut to, from) = tokio::io::duplex(1000);
        let path = folder.path().join("runs/1.jsonl");
        let mut lines = read(from, &path);
        let long = "y".repeat(12 << 20);
        let text = format!("{{\"a\":\"ü\"}}\n\n{{\"b\":\"{long}\"}}\r\nno json\n[1]\n{{\"last\":1}}");
        let bytes = text.clone().into_bytes();
        tokio::spawn(async move {
            let (first, rest) = bytes.split_at(7);
            to.write_all(first).await.unwrap();
            to.flush().await.unwrap();
            to.write_all(rest).await.unwrap();
        });
        let mut messages = Vec::new();
        let mut malformed = Vec::new();
        while let Some(line) = lines.recv().await {
            match line {
                Line::Message(message) => messages.push(message),
                Line::Malformed(text) => malformed.push(text),
            }
        }
        assert_eq!(messages[0]["a"], "ü");
        assert_eq!(messages[1]["b"].as_str().unwrap().len(), 12 << 20);
        assert_eq!((messages[2]["last"].as_i64(), messages.len()), (Some(1), 3));
        assert_eq!(malformed, ["no json", "[1]"]);
        let recorded = std::fs::read_to_string(path).unwrap();
        assert_eq!(recorded.lines().count(), 5);
    }
}
