//! An app-server that does what a script says, so that the client is tested against a real program: `scripted-app-server
//! SCRIPT`. A script is a JSON list of steps, each an object with one key. What it was asked goes, a line each, to the file
//! beside the script that ends in `.heard`. Belongs to tests; refuses to know anything of the client.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks over its standard output")]

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

struct Server {
    heard: PathBuf,
    input: std::io::Lines<std::io::StdinLock<'static>>,
    last_id: Value,
    turns: u64,
}

impl Server {
    /// The next message; nothing at the end.
    fn hear(&mut self) -> Option<Value> {
        let line = self.input.next()?.ok()?;
        note(&self.heard, &line);
        let message: Value = serde_json::from_str(&line).ok()?;
        if message.get("method").is_some() && message.get("id").is_some() {
            self.last_id = message.get("id").cloned().unwrap_or_default();
        }
        Some(message)
    }

    fn send(&self, message: &Value) {
        println!("{message}");
    }

    /// Waits for a request by its name, past notifications and answers.
    fn expect(&mut self, method: &str) -> Option<Value> {
        loop {
            let message = self.hear()?;
            if message.get("method").and_then(Value::as_str) == Some(method) {
                return Some(message);
            }
        }
    }

    fn reply(&self, result: &Value) {
        self.send(&json!({ "id": self.last_id, "result": result }));
    }

    /// Answers everything; each turn is a shell command in the working folder, which ends well if that does.
    fn serve(&mut self, work: &str) {
        while let Some(message) = self.hear() {
            let params = message.get("params").cloned().unwrap_or_default();
            match message.get("method").and_then(Value::as_str).unwrap_or_default() {
                "initialize" => self.reply(&json!({ "userAgent": "script" })),
                "thread/start" => {
                    self.reply(&json!({ "thread": { "id": format!("thread-{}", std::process::id()) } }));
                }
                "thread/resume" => {
                    self.reply(&json!({ "thread": { "id": params.get("threadId") } }));
                }
                "turn/start" => {
                    self.turns += 1;
                    let turn = format!("turn-{}", self.turns);
                    self.reply(&json!({ "turn": { "id": turn } }));
                    let item = json!({ "type": "commandExecution", "command": work });
                    self.send(&json!({ "method": "item/started", "params": { "item": item } }));
                    let done = Command::new("sh").args(["-c", work]).status().is_ok_and(|it| it.success());
                    self.send(&json!({ "method": "item/completed", "params": { "item": item } }));
                    let total = json!({ "inputTokens": 100 * self.turns, "outputTokens": 10 * self.turns });
                    let thread = params.get("threadId").cloned().unwrap_or_default();
                    self.send(&json!({ "method": "thread/tokenUsage/updated",
                        "params": { "threadId": thread, "tokenUsage": { "total": total } } }));
                    let status = if done { "completed" } else { "failed" };
                    self.send(&json!({ "method": "turn/completed",
                        "params": { "turn": { "id": turn, "status": status } } }));
                }
                _ => {}
            }
        }
    }

    /// One step. `Err` is the program's end.
    fn step(&mut self, name: &str, with: &Value) -> Result<(), ExitCode> {
        let text = with.as_str().unwrap_or_default();
        match name {
            "expect" => {
                self.expect(text).ok_or(ExitCode::from(9))?;
            }
            "reply" => self.reply(with),
            "error" => self.send(&json!({ "id": self.last_id, "error": with })),
            "send" => self.send(with),
            "raw" => {
                print!("{text}");
                let _gone = std::io::stdout().flush();
            }
            "long" => {
                let filler =
                    "x".repeat(usize::try_from(with.as_u64().unwrap_or_default()).unwrap_or_default());
                self.send(&json!({ "method": "item/agentMessage/delta", "params": { "delta": filler } }));
            }
            "stderr" => eprintln!("{text}"),
            "hear" => {
                self.hear().ok_or(ExitCode::from(9))?;
            }
            "shell" => {
                let done = Command::new("sh").args(["-c", text]).stdin(std::process::Stdio::null()).status();
                if !done.is_ok_and(|it| it.success()) {
                    return Err(ExitCode::from(8));
                }
            }
            "serve" => self.serve(text),
            "hang" => while self.hear().is_some() {},
            "exit" => {
                return Err(ExitCode::from(with.as_u64().and_then(|it| u8::try_from(it).ok()).unwrap_or(1)));
            }
            other => {
                eprintln!("no step is called {other}");
                return Err(ExitCode::from(7));
            }
        }
        Ok(())
    }
}

fn note(path: &Path, line: &str) {
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
        let _full = writeln!(file, "{line}");
    }
}

fn main() -> ExitCode {
    let Some(script) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: scripted-app-server SCRIPT");
        return ExitCode::from(2);
    };
    let steps = std::fs::read(&script).ok().and_then(|it| serde_json::from_slice::<Vec<Value>>(&it).ok());
    let Some(steps) = steps else {
        eprintln!("{} is no script", script.display());
        return ExitCode::from(2);
    };
    let mut server = Server {
        heard: script.with_extension("heard"),
        input: std::io::stdin().lock().lines(),
        last_id: Value::Null,
        turns: 0,
    };
    for step in &steps {
        for (name, with) in step.as_object().into_iter().flatten() {
            if let Err(code) = server.step(name, with) {
                return code;
            }
        }
    }
    // As the real one: goes on until its input ends.
    while server.hear().is_some() {}
    ExitCode::SUCCESS
}
