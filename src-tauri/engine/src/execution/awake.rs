//! Keeps the machine from going to sleep for want of a person, by the system's own tool: `systemd-inhibit` where systemd is,
//! `caffeinate` on macOS. The tool runs as long as its input is open, so it ends with the engine, however that ends.
//!
//! Refuses: to keep a screen lit, and to keep awake a machine whose lid a person closes where the system says otherwise.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdin, Command};

/// A tool that cannot do it says so within this.
const SAYS_SO: Duration = Duration::from_millis(700);

/// So many bytes of what it says are read.
const MOST: u64 = 4096;

/// The tool and what it is asked. What it runs meanwhile is a `cat`, which ends when nobody can write to it any more.
const TOOL: &[&str] = if cfg!(target_os = "macos") {
    &["caffeinate", "-i", "-s", "cat"]
} else {
    &[
        "systemd-inhibit",
        "--what=idle:sleep",
        "--who=Pilothouse",
        "--why=Coding agents are at work",
        "--mode=block",
        "cat",
    ]
};

/// The machine is kept awake as long as this lives.
#[derive(Debug)]
pub struct Awake {
    tool: Child,
    /// Open as long as we live: the tool reads it to its end.
    _input: Option<ChildStdin>,
}

impl Awake {
    /// Keeps the machine awake from now on.
    ///
    /// # Errors
    /// In words, if the system's tool is not there or cannot do it.
    pub async fn keep() -> Result<Self, String> {
        let (name, rest) = TOOL.split_first().unwrap_or((&"", &[]));
        let mut tool = Command::new(name)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{name} could not be started: {error}"))?;
        // Taken out, for whoever waits for the tool closes it.
        let input = tool.stdin.take();
        match tokio::time::timeout(SAYS_SO, tool.wait()).await {
            Err(_) => Ok(Self { tool, _input: input }),
            Ok(ended) => Err(said(&mut tool, ended).await),
        }
    }

    /// Comes back when the tool has ended by itself, and nothing keeps the machine awake any more; with what it said.
    pub async fn ended(&mut self) -> String {
        let ended = self.tool.wait().await;
        said(&mut self.tool, ended).await
    }
}

/// What a tool that ended said, or how it ended.
async fn said(tool: &mut Child, ended: std::io::Result<std::process::ExitStatus>) -> String {
    let mut said = String::new();
    if let Some(from) = tool.stderr.take() {
        let _cut = from.take(MOST).read_to_string(&mut said).await;
    }
    let name = TOOL.first().unwrap_or(&"");
    let how = ended.map_or_else(|error| error.to_string(), |it| it.to_string());
    let said = said.lines().next().unwrap_or_default().trim();
    format!("{name} ended: {}", if said.is_empty() { &how } else { said })
}
