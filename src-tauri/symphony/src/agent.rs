//! The agent: a Codex app-server in a workspace, spoken to over its standard input and output. Owns its start, its handshake,
//! its turns, its end with everything that it started, and the answers to what it asks. What those are stands in
//! `docs/posture.md`: nothing is approved here, nobody is asked, and nothing hangs. Refuses to judge how its work turned out.

mod lines;
mod reading;
mod requests;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::Issue;
use crate::coordination::WorkerEvent;
use crate::process::{self, GRACE, Tree};
use crate::workflow::Codex;
use crate::workspace::{Surroundings, WorkspaceError, contained, stopped};
use lines::Line;
pub use reading::{pulse, rate_limits, summary, usage};

/// Why a session or a turn failed, by the names of the specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The command is not there.
    #[error("codex_not_found: the shell does not find the agent's command; check codex.command: {0}")]
    NotFound(String),
    /// The workspace is not where it has to be.
    #[error("invalid_workspace_cwd: {0}")]
    Cwd(String),
    /// An answer took too long.
    #[error("response_timeout: no answer to {method} within {limit_ms} ms")]
    ResponseTimeout {
        /// What was asked.
        method: String,
        /// For how long it was waited.
        limit_ms: u64,
    },
    /// A turn was silent for too long.
    #[error("turn_timeout: the agent said nothing for {0} ms")]
    TurnTimeout(u64),
    /// The program ended.
    #[error("port_exit: the agent's program ended ({status}); it said: {stderr}")]
    Exit {
        /// How.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The answer was an error.
    #[error("response_error: {method}: {says}")]
    Response {
        /// What was asked.
        method: String,
        /// What it said.
        says: String,
    },
    /// A turn ended badly.
    #[error("turn_failed: {0}")]
    TurnFailed(String),
    /// A turn was broken off.
    #[error("turn_cancelled: {0}")]
    TurnCancelled(String),
    /// The agent wants to know something.
    #[error("turn_input_required: {0}")]
    InputRequired(String),
    /// The attempt was stopped.
    #[error("stopped")]
    Stopped,
}

/// What a session needs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The settings in force as it begins.
    pub codex: Codex,
    /// The root below which its workspace has to lie.
    pub root: PathBuf,
    /// Where, for whom, and what is kept from it.
    pub around: Surroundings,
    /// The file that every line of it is added to before anybody reads it.
    pub record: PathBuf,
}

/// An app-server that runs.
#[derive(Debug)]
pub struct Session {
    plan: Plan,
    child: Child,
    tree: Tree,
    stdin: ChildStdin,
    lines: mpsc::Receiver<Line>,
    stderr: JoinHandle<String>,
    say: mpsc::UnboundedSender<WorkerEvent>,
    stop: watch::Receiver<bool>,
    next_id: u64,
    thread: Option<String>,
    /// The turn that runs, once it has a name.
    turn: Option<String>,
    /// The end of a turn that came before the answer to its beginning, with its name if it said that.
    early: Option<(Option<String>, Result<(), AgentError>)>,
}

impl Session {
    /// Starts the command in a login shell, in the workspace, in a process group of its own and without the tracker's
    /// secrets, and shakes hands.
    ///
    /// # Errors
    /// If the workspace is not below the root, the program does not start, or does not answer.
    pub async fn start(
        plan: Plan,
        say: mpsc::UnboundedSender<WorkerEvent>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, AgentError> {
        let cwd = |error: WorkspaceError| AgentError::Cwd(error.to_string());
        contained(&plan.root, &plan.around.workspace).map_err(cwd)?;
        if !plan.around.workspace.is_dir() {
            return Err(AgentError::Cwd(format!("{} is no folder", plan.around.workspace.display())));
        }
        let mark = format!("{}-agent", plan.around.mark);
        let mut command = Command::new("bash");
        command.arg("-lc").arg(plan.around.without_secrets(&plan.codex.command));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        plan.around.prepare(&mut command, &mark);
        let failed = |error: std::io::Error| AgentError::NotFound(format!("bash: {error}"));
        let mut child = command.spawn().map_err(failed)?;
        let tree = Tree::of(child.id().unwrap_or_default(), &mark);
        let noted = process::note(&plan.around.notes, &tree);
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(AgentError::NotFound("the agent has no pipes".to_owned()));
        };
        let (lines, stderr) = (lines::read(stdout, &plan.record), lines::tail(stderr));
        let mut session = Self {
            plan,
            child,
            tree,
            stdin,
            lines,
            stderr,
            say,
            stop,
            next_id: 1,
            thread: None,
            turn: None,
            early: None,
        };
        if let Err(error) = noted {
            // What could not be found again is not left running.
            session.end().await;
            return Err(AgentError::NotFound(format!("its process cannot be noted: {error}")));
        }
        match session.shake_hands().await {
            Ok(()) => Ok(session),
            Err(error) => {
                let why = session.told(error).await;
                session.end().await;
                Err(why)
            }
        }
    }

    async fn shake_hands(&mut self) -> Result<(), AgentError> {
        let client = json!({
            "name": "pilothouse_symphony", "title": "Pilothouse", "version": env!("CARGO_PKG_VERSION"),
        });
        let params = json!({ "clientInfo": client, "capabilities": { "experimentalApi": true } });
        self.ask("initialize", params).await?;
        self.send(&json!({ "method": "initialized", "params": {} })).await
    }

    /// Begins a thread, or goes on with one that is known. One that the agent no longer knows is begun anew, once, which is
    /// no failure. Returns whether it went on.
    ///
    /// # Errors
    /// If there is no answer or no thread in it.
    pub async fn open_thread(&mut self, known: Option<&str>) -> Result<bool, AgentError> {
        let codex = &self.plan.codex;
        let mut params = json!({
            "approvalPolicy": codex.approval_policy,
            "sandbox": codex.thread_sandbox,
            "cwd": self.plan.around.workspace,
        });
        if let Some(thread) = known {
            let mut resume = params.clone();
            if let Some(map) = resume.as_object_mut() {
                map.insert("threadId".to_owned(), json!(thread));
            }
            match self.ask("thread/resume", resume).await {
                Ok(result) => {
                    let thread = text_at(&result, "/thread/id").unwrap_or_else(|| thread.to_owned());
                    self.thread = Some(thread);
                    return Ok(true);
                }
                Err(AgentError::Response { says, .. }) => {
                    self.chatter("thread_resume_failed", &says);
                }
                Err(other) => return Err(self.told(other).await),
            }
        }
        // No tools are offered: the tracker is written by the agent's own means.
        if let Some(map) = params.as_object_mut() {
            map.insert("dynamicTools".to_owned(), json!([]));
        }
        let begun = self.ask("thread/start", params).await;
        let result = match begun {
            Ok(result) => result,
            Err(error) => return Err(self.told(error).await),
        };
        let missing = || AgentError::Response {
            method: "thread/start".to_owned(),
            says: "the answer has no thread.id".to_owned(),
        };
        self.thread = Some(text_at(&result, "/thread/id").ok_or_else(missing)?);
        Ok(false)
    }

    /// One turn, to its end.
    ///
    /// # Errors
    /// If it fails, is broken off, is silent for too long, asks for a person, or the attempt is stopped.
    pub async fn turn(&mut self, issue: &Issue, prompt: &str) -> Result<(), AgentError> {
        let thread = self.thread.clone().unwrap_or_default();
        let params = json!({
            "threadId": thread,
            "input": [{ "type": "text", "text": prompt }],
            "cwd": self.plan.around.workspace,
            "title": format!("{}: {}", issue.identifier, issue.title),
            "approvalPolicy": self.plan.codex.approval_policy,
            "sandboxPolicy": self.plan.codex.turn_sandbox(&self.plan.around.workspace),
        });
        (self.turn, self.early) = (None, None);
        let result = match self.ask("turn/start", params).await {
            Ok(result) => result,
            Err(error) => return Err(self.told(error).await),
        };
        self.turn = text_at(&result, "/turn/id");
        let turn = self.turn.clone().unwrap_or_default();
        let pid = self.tree.pid;
        let _gone = self.say.send(WorkerEvent::Turn { thread, turn, pid });
        if let Some((of, end)) = self.early.take()
            && (of.is_none() || self.turn.is_none() || of == self.turn)
        {
            return end;
        }
        let limit = self.plan.codex.turn_timeout_ms;
        loop {
            let line = self.next(Duration::from_millis(limit)).await;
            let message = match line {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(Silence::TooLong) => return Err(AgentError::TurnTimeout(limit)),
                Err(Silence::Stopped) => return Err(AgentError::Stopped),
                Err(Silence::Ended) => return Err(self.exit().await),
            };
            if let Some(end) = self.heard(&message).await? {
                return end;
            }
        }
    }

    /// Makes of a message what it means. `Some` is the turn's end.
    async fn heard(&mut self, message: &Value) -> Result<Option<Result<(), AgentError>>, AgentError> {
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            self.chatter("other_message", "");
            return Ok(None);
        };
        if let Some(id) = message.get("id") {
            let verdict = requests::answer(method, message);
            let mut reply = verdict.reply;
            if let Some(map) = reply.as_object_mut() {
                map.insert("id".to_owned(), id.clone());
            }
            self.send(&reply).await?;
            self.agent(verdict.event, &verdict.says, crate::coordination::Pulse::Progress);
            return match verdict.ends_turn {
                true => Err(AgentError::InputRequired(verdict.says)),
                false => Ok(None),
            };
        }
        let params = message.get("params").unwrap_or(&Value::Null);
        if let Some((thread, total)) = usage(method, params) {
            let thread = thread.or_else(|| self.thread.clone()).unwrap_or_default();
            let _gone = self.say.send(WorkerEvent::Usage { thread, total });
        }
        if let Some(limits) = rate_limits(message) {
            let _gone = self.say.send(WorkerEvent::RateLimits(limits));
        }
        let said = summary(method, params);
        match method {
            "turn/completed" | "turn/failed" | "turn/cancelled" if !self.is_own(params) => {
                self.chatter("end_of_another_turn", &said);
                Ok(None)
            }
            "turn/completed" => {
                let status = text_at(params, "/turn/status").unwrap_or_else(|| "completed".to_owned());
                let why = text_at(params, "/turn/error/message").unwrap_or_else(|| said.clone());
                let (event, end) = match status.as_str() {
                    "completed" => ("turn_completed", Ok(())),
                    "interrupted" => ("turn_cancelled", Err(AgentError::TurnCancelled(why))),
                    other => ("turn_failed", Err(AgentError::TurnFailed(format!("{other}: {why}")))),
                };
                self.agent(event, &said, crate::coordination::Pulse::Progress);
                Ok(Some(end))
            }
            "turn/failed" => Ok(Some(Err(AgentError::TurnFailed(said)))),
            "turn/cancelled" => Ok(Some(Err(AgentError::TurnCancelled(said)))),
            _ if reading::wants_input(method, params) => Ok(Some(Err(AgentError::InputRequired(said)))),
            _ => {
                self.agent(method, &said, pulse(method, params));
                Ok(None)
            }
        }
    }

    /// Whether a turn's end is that of the turn that runs. One that names neither thread nor turn is.
    fn is_own(&self, params: &Value) -> bool {
        let thread = text_at(params, "/threadId").or_else(|| text_at(params, "/thread_id"));
        let same =
            |said: Option<String>, own: &Option<String>| said.is_none() || own.is_none() || said == *own;
        same(thread, &self.thread) && same(turn_of(params), &self.turn)
    }

    fn agent(&self, name: &str, says: &str, pulse: crate::coordination::Pulse) {
        let (name, summary) = (name.to_owned(), says.to_owned());
        let _gone = self.say.send(WorkerEvent::Agent { name, summary, pulse });
    }

    fn chatter(&self, name: &str, says: &str) {
        self.agent(name, says, crate::coordination::Pulse::Chatter);
    }

    async fn send(&mut self, message: &Value) -> Result<(), AgentError> {
        let mut line = message.to_string();
        line.push('\n');
        let mut stop = self.stop.clone();
        // One that does not read must not hold us either.
        let limit = Duration::from_millis(self.plan.codex.read_timeout_ms);
        let written = tokio::select! {
            written = self.stdin.write_all(line.as_bytes()) => written.is_ok(),
            () = tokio::time::sleep(limit) => false,
            () = stopped(&mut stop) => return Err(AgentError::Stopped),
        };
        if written { Ok(()) } else { Err(self.exit().await) }
    }

    /// Asks and waits for the answer with its id; what comes before it is heard.
    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, AgentError> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "method": method, "id": id, "params": params })).await?;
        let limit_ms = self.plan.codex.read_timeout_ms;
        let until = tokio::time::Instant::now() + Duration::from_millis(limit_ms);
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let message = match self.next(left).await {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(Silence::TooLong) => {
                    return Err(AgentError::ResponseTimeout { method: method.to_owned(), limit_ms });
                }
                Err(Silence::Stopped) => return Err(AgentError::Stopped),
                Err(Silence::Ended) => return Err(self.exit().await),
            };
            if message.get("id") == Some(&json!(id)) && message.get("method").is_none() {
                return match message.get("error").filter(|it| !it.is_null()) {
                    Some(error) => {
                        let says = text_at(error, "/message").unwrap_or_else(|| error.to_string());
                        Err(AgentError::Response { method: method.to_owned(), says })
                    }
                    None => Ok(message.get("result").cloned().unwrap_or(Value::Null)),
                };
            }
            if let Some(end) = self.heard(&message).await? {
                self.early = Some((message.get("params").and_then(turn_of), end));
            }
        }
    }

    /// The next message; nothing for a line that is none.
    async fn next(&mut self, limit: Duration) -> Result<Option<Value>, Silence> {
        let line = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => return Err(Silence::Stopped),
            line = self.lines.recv() => line.ok_or(Silence::Ended)?,
            () = tokio::time::sleep(limit) => return Err(Silence::TooLong),
        };
        match line {
            Line::Message(message) => Ok(Some(message)),
            Line::Malformed(text) => {
                self.chatter("malformed", &text);
                Ok(None)
            }
        }
    }

    async fn exit(&mut self) -> AgentError {
        let status = tokio::time::timeout(GRACE, self.child.wait()).await;
        let status = match status {
            Ok(Ok(status)) => status.to_string(),
            _ => "it still runs, but its output is closed".to_owned(),
        };
        let stderr = if self.stderr.is_finished() {
            (&mut self.stderr).await.unwrap_or_default()
        } else {
            tokio::time::timeout(GRACE, &mut self.stderr).await.ok().and_then(Result::ok).unwrap_or_default()
        };
        // A shell's code for a command that it does not find.
        if status == "exit status: 127" {
            return AgentError::NotFound(stderr.trim().to_owned());
        }
        AgentError::Exit { status, stderr: pilothouse_contract::text::line(stderr.trim(), 400) }
    }

    async fn told(&mut self, error: AgentError) -> AgentError {
        self.chatter("startup_failed", &error.to_string());
        error
    }

    /// The thread, once there is one.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Ends the program and everything that it started. Nothing of it is left when this returns.
    pub async fn end(mut self) {
        drop(self.stdin);
        let (_, _) = tokio::join!(self.tree.end(GRACE), self.child.wait());
        process::forget(&self.plan.around.notes, &self.tree);
        self.stderr.abort();
    }
}

/// Why no message came.
enum Silence {
    TooLong,
    Stopped,
    Ended,
}

/// The turn that a notification names.
fn turn_of(params: &Value) -> Option<String> {
    text_at(params, "/turn/id").or_else(|| text_at(params, "/turnId"))
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().filter(|it| !it.is_empty()).map(str::to_owned)
}

/// The file below a folder to which a run's lines go.
#[must_use]
pub fn record_of(folder: &Path, run: u64) -> PathBuf {
    folder.join(format!("{run}.jsonl"))
}
