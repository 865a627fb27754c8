//! The client against a real program that speaks as its script says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_symphony::Issue;
use pilothouse_symphony::agent::{AgentError, Plan, Session};
use pilothouse_symphony::coordination::{Tokens, WorkerEvent};
use pilothouse_symphony::workflow::{Settings, split};
use pilothouse_symphony::workspace::{self, Surroundings};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

struct Stage {
    folder: tempfile::TempDir,
    plan: Plan,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
    say: mpsc::UnboundedSender<WorkerEvent>,
    stop: watch::Sender<bool>,
}

fn issue() -> Issue {
    serde_json::from_value(json!({
        "id": "1", "identifier": "A-1", "title": "Mend it", "state": "Todo", "dispatchable": true
    }))
    .unwrap()
}

fn opening() -> Vec<Value> {
    vec![
        json!({"expect": "initialize"}),
        json!({"reply": {}}),
        json!({"expect": "thread/start"}),
        json!({"reply": {"thread": {"id": "th"}}}),
        json!({"expect": "turn/start"}),
        json!({"reply": {"turn": {"id": "tu"}}}),
    ]
}

fn completed(status: &str) -> Value {
    json!({"send": {"method": "turn/completed", "params": {"turn": {"id": "tu", "status": status,
        "error": {"message": "out of luck"}}}}})
}

impl Stage {
    /// With settings of `codex:`; the script is what follows the opening.
    fn new(codex: &str, steps: &[Value]) -> Self {
        let mut script = opening();
        script.extend(steps.iter().cloned());
        Self::of(codex, &script)
    }

    fn of(codex: &str, script: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.json");
        std::fs::write(&path, serde_json::to_vec(script).unwrap()).unwrap();
        let text = format!("---\ntracker: {{kind: memory}}\ncodex: {{{codex}}}\n---\n");
        let config = split(Path::new("W.md"), &text).unwrap().config;
        let mut codex = Settings::read(&config, Path::new("/W.md"), &|_| None).unwrap().codex;
        if codex.command == "codex app-server" {
            codex.command = format!("'{}' '{}'", env!("CARGO_BIN_EXE_scripted-app-server"), path.display());
        }
        let root = folder.path().join("root");
        let made = workspace::open(&root, "A-1").unwrap();
        let around = Surroundings {
            workspace: made.path,
            issue_id: "1".to_owned(),
            identifier: "A-1".to_owned(),
            title: "Mend it".to_owned(),
            // The test's own environment has it, and it stands for a secret.
            secret_names: vec!["CARGO_PKG_NAME".to_owned()],
            mark: format!("agent-{}", folder.path().file_name().unwrap().to_string_lossy()),
            environment: None,
            notes: folder.path().join("notes"),
        };
        let plan = Plan { codex, root, around, record: folder.path().join("runs/1.jsonl") };
        let (say, events) = mpsc::unbounded_channel();
        Self { folder, plan, events, say, stop: watch::channel(false).0 }
    }

    async fn start(&self) -> Result<Session, AgentError> {
        Session::start(self.plan.clone(), self.say.clone(), self.stop.subscribe()).await
    }

    /// A session, a thread, a turn, the end.
    async fn play(&self) -> Result<(), AgentError> {
        let mut session = self.start().await?;
        let end = match session.open_thread(None).await {
            Ok(_) => session.turn(&issue(), "Do it.").await,
            Err(error) => Err(error),
        };
        session.end().await;
        end
    }

    fn said(&mut self) -> Vec<WorkerEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    fn named(&mut self) -> Vec<String> {
        let names = self.said().into_iter().filter_map(|it| match it {
            WorkerEvent::Agent { name, .. } => Some(name),
            _ => None,
        });
        names.collect()
    }

    /// What the program was asked.
    fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("script.heard")).unwrap_or_default();
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    fn asked(&self, method: &str) -> Value {
        self.heard().into_iter().find(|it| it["method"] == method).unwrap_or_else(|| panic!("no {method}"))
    }

    fn workspace(&self) -> &PathBuf {
        &self.plan.around.workspace
    }
}

#[tokio::test]
async fn row_5_1_the_command_runs_in_a_login_bash_in_the_workspace() {
    let stage = Stage::of("command: 'shopt -q login_shell && pwd > where && echo $0 >> where; exit 5'", &[]);
    let error = stage.play().await.unwrap_err();
    assert!(matches!(&error, AgentError::Exit { status, .. } if status.contains('5')), "{error}");
    let said = std::fs::read_to_string(stage.workspace().join("where")).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(Path::new(lines[0]), stage.workspace().canonicalize().unwrap());
    assert_eq!(lines[1], "bash");
}

#[tokio::test]
async fn row_2_12_a_workspace_outside_the_root_is_refused_before_anything_starts() {
    let mut stage = Stage::new("", &[]);
    let outside = stage.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    for bad in [outside.clone(), stage.plan.root.clone(), stage.plan.root.join("none")] {
        stage.plan.around.workspace = bad;
        assert!(matches!(stage.start().await, Err(AgentError::Cwd(_))));
    }
    assert!(stage.heard().is_empty());
}

#[tokio::test]
async fn row_5_2_a_session_begins_as_the_protocol_says() {
    let stage = Stage::new("", &[completed("completed")]);
    stage.play().await.unwrap();
    let heard = stage.heard();
    let methods: Vec<&str> = heard.iter().map(|it| it["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["initialize", "initialized", "thread/start", "turn/start"]);
    let turn = stage.asked("turn/start");
    assert_eq!(turn["params"]["threadId"], "th");
    assert_eq!(turn["params"]["input"], json!([{"type": "text", "text": "Do it."}]));
    assert_eq!(turn["params"]["title"], "A-1: Mend it");
    let ids: Vec<&Value> = heard.iter().filter_map(|it| it.get("id")).collect();
    assert_eq!(ids.len(), 3, "notifications have none");
}

#[tokio::test]
async fn row_5_3_the_client_says_who_it_is() {
    let stage = Stage::new("", &[completed("completed")]);
    stage.play().await.unwrap();
    let params = &stage.asked("initialize")["params"];
    assert_eq!(params["clientInfo"]["name"], "pilothouse_symphony");
    assert!(params["clientInfo"]["version"].is_string());
    assert_eq!(params["capabilities"]["experimentalApi"], true);
}

#[tokio::test]
async fn row_5_4_approval_and_sandbox_are_said_as_documented() {
    let stage = Stage::new("", &[completed("completed")]);
    stage.play().await.unwrap();
    let (thread, turn) = (stage.asked("thread/start"), stage.asked("turn/start"));
    assert_eq!(
        (&thread["params"]["approvalPolicy"], &thread["params"]["sandbox"]),
        (&json!("never"), &json!("workspace-write"))
    );
    assert_eq!(thread["params"]["cwd"], json!(stage.workspace()));
    let sandbox = &turn["params"]["sandboxPolicy"];
    assert_eq!((&sandbox["type"], &sandbox["networkAccess"]), (&json!("workspaceWrite"), &json!(false)));
    assert_eq!(sandbox["writableRoots"], json!([stage.workspace()]));
    let own = Stage::new(
        "turn_sandbox_policy: {type: readOnly}, approval_policy: on-request",
        &[completed("completed")],
    );
    own.play().await.unwrap();
    assert_eq!(own.asked("turn/start")["params"]["sandboxPolicy"], json!({"type": "readOnly"}));
    assert_eq!(own.asked("turn/start")["params"]["approvalPolicy"], "on-request");
}

#[tokio::test]
async fn row_5_5_thread_and_turn_are_known_when_the_session_has_started() {
    let mut stage = Stage::new("", &[completed("completed")]);
    stage.play().await.unwrap();
    let turn = stage.said().into_iter().find_map(|it| match it {
        WorkerEvent::Turn { thread, turn, pid } => Some((thread, turn, pid)),
        _ => None,
    });
    let (thread, turn, pid) = turn.unwrap();
    assert_eq!((&*thread, &*turn), ("th", "tu"));
    assert!(pid > 0);
}

#[tokio::test]
async fn row_5_6_an_answer_that_does_not_come_is_not_waited_for() {
    let stage = Stage::of("read_timeout_ms: 300", &[json!({"hang": true})]);
    let error = stage.play().await.unwrap_err();
    assert_eq!(error, AgentError::ResponseTimeout { method: "initialize".to_owned(), limit_ms: 300 });
}

#[tokio::test]
async fn row_5_7_a_silent_turn_ends_and_any_output_begins_the_silence_anew() {
    // Words every now and then, over a longer time than the limit; then silence.
    let beat = json!({"send": {"method": "thread/status/changed", "params": {}}});
    let mut steps = Vec::new();
    for _ in 0..5 {
        steps.extend([json!({"shell": "sleep 0.4"}), beat.clone()]);
    }
    steps.extend([json!({"shell": "touch spoken"}), json!({"hang": true})]);
    let stage = Stage::new("turn_timeout_ms: 1500", &steps);
    assert_eq!(stage.play().await.unwrap_err(), AgentError::TurnTimeout(1500));
    assert!(stage.workspace().join("spoken").exists(), "it lived longer than one silence");
}

#[tokio::test]
async fn row_5_9_standard_error_is_kept_apart() {
    let noise =
        json!({"stderr": "{\"method\":\"turn/completed\",\"params\":{\"turn\":{\"status\":\"failed\"}}}"});
    let mut stage = Stage::new("", &[noise, json!({"raw": "not json\n"}), completed("completed")]);
    stage.play().await.unwrap();
    assert_eq!(stage.named().iter().filter(|it| *it == "malformed").count(), 1);
    let stage = Stage::new("", &[json!({"stderr": "last words"}), json!({"exit": 3})]);
    let error = stage.play().await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("last words"), "{error}");
}

#[tokio::test]
async fn row_5_8_messages_in_pieces_and_of_many_megabytes_arrive() {
    let whole = completed("completed")["send"].to_string();
    let (first, rest) = whole.split_at(20);
    let steps = [
        json!({"long": 11 << 20}),
        json!({"raw": first}),
        json!({"shell": "true"}),
        json!({"raw": format!("{rest}\n")}),
    ];
    let stage = Stage::new("", &steps);
    stage.play().await.unwrap();
    let record = std::fs::read_to_string(&stage.plan.record).unwrap();
    assert!(record.lines().any(|it| it.len() > 11 << 20));
}

fn request(method: &str, params: &Value) -> Value {
    json!({"send": {"id": 77, "method": method, "params": params}})
}

fn answered(stage: &Stage) -> Value {
    stage.heard().into_iter().find(|it| it["id"] == 77).expect("it was answered")
}

#[tokio::test]
async fn row_5_10_commands_and_files_that_want_approval_are_declined_and_the_turn_goes_on() {
    for (method, decision) in [
        ("item/commandExecution/requestApproval", "decline"),
        ("item/fileChange/requestApproval", "decline"),
        ("execCommandApproval", "denied"),
        ("applyPatchApproval", "denied"),
    ] {
        let ask = request(method, &json!({"command": "rm -rf /"}));
        let mut stage = Stage::new("", &[ask, json!({"hear": 1}), completed("completed")]);
        stage.play().await.unwrap();
        assert_eq!(answered(&stage)["result"]["decision"], decision, "{method}");
        assert!(stage.named().contains(&"approval_declined".to_owned()));
    }
}

async fn unknown_tool() {
    let ask = request("item/tool/call", &json!({"tool": "linear_graphql", "arguments": {}}));
    let mut stage = Stage::new("", &[ask, json!({"hear": 1}), completed("completed")]);
    stage.play().await.unwrap();
    let reply = answered(&stage);
    assert_eq!(reply["result"]["success"], false);
    assert!(reply["result"]["contentItems"][0]["text"].as_str().unwrap().contains("linear_graphql"));
    assert!(stage.named().contains(&"unsupported_tool_call".to_owned()));
}

#[tokio::test]
async fn row_5_11_a_call_of_an_unsupported_tool_fails_and_the_turn_goes_on() {
    unknown_tool().await;
}

#[tokio::test]
async fn row_5_21_an_unknown_tool_does_not_stall_the_session() {
    unknown_tool().await;
}

#[tokio::test]
async fn row_5_12_questions_to_a_person_end_the_turn_at_once() {
    for ask in [
        request("item/tool/requestUserInput", &json!({"questions": [{"question": "Which one?"}]})),
        request("mcpServer/elicitation/request", &json!({"message": "Which one?"})),
        json!({"send": {"method": "turn/inputRequired", "params": {"message": "Which one?"}}}),
        json!({"send": {"method": "x", "params": {"requiresInput": true, "message": "Which one?"}}}),
    ] {
        let stage = Stage::new("", &[ask, json!({"hang": true})]);
        let error = stage.play().await.unwrap_err();
        assert!(matches!(&error, AgentError::InputRequired(says) if says.contains("Which one?")), "{error}");
    }
}

#[tokio::test]
async fn row_h_13_a_request_that_nobody_knows_is_refused_and_told() {
    let ask = request("item/permissions/requestApproval", &json!({"permissions": "all"}));
    let mut stage = Stage::new("", &[ask, json!({"hear": 1}), completed("completed")]);
    stage.play().await.unwrap();
    assert!(answered(&stage)["error"]["code"].is_i64());
    assert!(stage.named().contains(&"request_refused".to_owned()));
}

#[tokio::test]
async fn row_5_13_tokens_and_limits_are_taken_out_of_what_is_said() {
    let usage = json!({"send": {"method": "thread/tokenUsage/updated", "params": {"threadId": "th",
        "tokenUsage": {"total": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}}}}});
    let limits = json!({"send": {"method": "account/rateLimits/updated", "params": {"rateLimits": {"primary": {"usedPercent": 4}}}}});
    let mut stage = Stage::new("", &[usage, limits, completed("completed")]);
    stage.play().await.unwrap();
    let said = stage.said();
    let expected = Tokens { input: 7, output: 3, total: 10, ..Tokens::default() };
    assert!(said.iter().any(
        |it| matches!(it, WorkerEvent::Usage { thread, total } if thread == "th" && *total == expected)
    ));
    assert!(
        said.iter().any(|it| matches!(it, WorkerEvent::RateLimits(it) if it["primary"]["usedPercent"] == 4))
    );
}

#[tokio::test]
async fn row_5_14_signals_are_read_as_the_protocol_has_them() {
    // The end may come before the answer to the turn's beginning; nothing comes after it.
    let mut ended_early = opening();
    ended_early.insert(5, completed("completed"));
    Stage::of("turn_timeout_ms: 20000", &ended_early).play().await.unwrap();
    for (method, wanted) in [("turn/failed", "turn_failed"), ("turn/cancelled", "turn_cancelled")] {
        let end = json!({"send": {"method": method, "params": {"message": "no"}}});
        let error = Stage::new("", &[end]).play().await.unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
    let stage = Stage::of(
        "",
        &[json!({"expect": "initialize"}), json!({"error": {"code": -32600, "message": "unknown variant"}})],
    );
    let error = stage.play().await.unwrap_err();
    assert!(matches!(&error, AgentError::Response { says, .. } if says == "unknown variant"), "{error}");
    let stage = Stage::of("command: no-such-program-anywhere", &[]);
    assert!(matches!(stage.play().await, Err(AgentError::NotFound(_))));
}

#[tokio::test]
async fn row_5_14_approvals_questions_usage_and_limits_are_told_apart_within_one_turn() {
    // In both spellings of the protocol's versions, among each other, and each once.
    let counted = |total: u64| json!({"inputTokens": total, "outputTokens": 0, "totalTokens": total});
    let usage = json!({"send": {"method": "thread/tokenUsage/updated", "params": {"threadId": "th",
        "tokenUsage": {"total": counted(5), "last": counted(900)}}}});
    let of_old = json!({"send": {"method": "codex/event/token_count", "params": {"threadId": "th", "msg": {
        "type": "token_count", "rate_limits": {"primary": {"used_percent": 9}},
        "info": {"total_token_usage": {"input_tokens": 7, "output_tokens": 1, "total_tokens": 8}}}}}});
    let limits = json!({"send": {"method": "account/rateLimits/updated", "params": {"rateLimits": {"primary": {"usedPercent": 4}}}}});
    let approval = request("item/commandExecution/requestApproval", &json!({"command": "rm -rf /"}));
    let question = json!({"send": {"id": 78, "method": "item/tool/requestUserInput",
        "params": {"questions": [{"question": "Which one?"}]}}});
    // A limit and a count are no questions, and an approval that is declined ends nothing: only the question does.
    let steps = [usage, limits, approval, json!({"hear": 1}), of_old, question, json!({"hang": true})];
    let mut stage = Stage::new("", &steps);
    let error = stage.play().await.unwrap_err();
    assert!(matches!(&error, AgentError::InputRequired(says) if says.contains("Which one?")), "{error}");
    assert_eq!(answered(&stage)["result"]["decision"], "decline");
    let (mut totals, mut told, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for it in stage.said() {
        match it {
            WorkerEvent::Usage { thread, total } => totals.push((thread, total.total)),
            WorkerEvent::RateLimits(it) => told.push(it),
            WorkerEvent::Agent { name, .. } => named.push(name),
            _ => {}
        }
    }
    assert_eq!(totals, [("th".to_owned(), 5), ("th".to_owned(), 8)], "what was added last is no total");
    assert_eq!(told, [json!({"primary": {"usedPercent": 4}}), json!({"primary": {"used_percent": 9}})]);
    let count = |event: &str| named.iter().filter(|it| *it == event).count();
    assert_eq!((count("approval_declined"), count("turn_input_required")), (1, 1), "{named:?}");
}

#[tokio::test]
async fn the_end_of_another_threads_or_another_turn_ends_nothing() {
    let end = |thread: &str, turn: &str, status: &str| {
        let turn = json!({"id": turn, "status": status, "error": {"message": "not ours"}});
        json!({"send": {"method": "turn/completed", "params": {"threadId": thread, "turn": turn}}})
    };
    let after = [
        end("helper", "tu", "failed"),
        end("th", "older", "failed"),
        json!({"send": {"method": "turn/failed", "params": {"threadId": "helper"}}}),
        end("th", "tu", "completed"),
    ];
    let mut stage = Stage::new("", &after);
    assert_eq!(stage.play().await, Ok(()));
    assert_eq!(stage.named().iter().filter(|it| *it == "end_of_another_turn").count(), 3);
    // Also before the answer to the turn's beginning, when its name is not known yet.
    let mut early = opening();
    early.insert(5, end("th", "older", "failed"));
    early.push(end("th", "tu", "completed"));
    assert_eq!(Stage::of("", &early).play().await, Ok(()));
}

#[tokio::test]
async fn row_h_2_a_turn_that_completed_as_failed_has_failed() {
    for (status, wanted) in
        [("failed", "turn_failed"), ("interrupted", "turn_cancelled"), ("new", "turn_failed")]
    {
        let error = Stage::new("", &[completed(status)]).play().await.unwrap_err().to_string();
        assert!(error.starts_with(wanted) && error.contains("out of luck"), "{error}");
    }
}

#[tokio::test]
async fn row_5_19_the_trackers_secrets_are_not_in_the_agents_environment() {
    let secret = std::env::var("CARGO_PKG_NAME").unwrap();
    let stage = Stage::new("", &[json!({"shell": "env > environment"}), completed("completed")]);
    stage.play().await.unwrap();
    let environment = std::fs::read_to_string(stage.workspace().join("environment")).unwrap();
    assert!(!environment.contains(&format!("CARGO_PKG_NAME={secret}")), "{environment}");
    assert!(environment.contains("SYMPHONY_ISSUE_IDENTIFIER=A-1"));
}

#[tokio::test]
async fn row_h_5_ending_a_session_leaves_nothing_alive() {
    let daemon = "setsid sh -c 'trap \"\" TERM; echo $$ > pid.new; mv pid.new pid; while :; do sleep 60; done' \
                  > /dev/null 2>&1 & while [ ! -e pid ]; do :; done";
    let stage = Stage::new("", &[json!({"shell": daemon}), completed("completed")]);
    stage.play().await.unwrap();
    let pid = std::fs::read_to_string(stage.workspace().join("pid")).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    assert!(std::fs::read_dir(&stage.plan.around.notes).unwrap().next().is_none());
}

#[tokio::test]
async fn row_h_7_a_known_thread_goes_on_and_a_lost_one_is_begun_anew_once() {
    let on = [
        json!({"expect": "initialize"}),
        json!({"reply": {}}),
        json!({"expect": "thread/resume"}),
        json!({"reply": {"thread": {"id": "old"}}}),
    ];
    let stage = Stage::of("", &on);
    let mut session = stage.start().await.unwrap();
    assert!(session.open_thread(Some("old")).await.unwrap());
    assert_eq!(session.thread(), Some("old"));
    session.end().await;
    assert_eq!(stage.asked("thread/resume")["params"]["threadId"], "old");

    let lost = [
        json!({"expect": "initialize"}),
        json!({"reply": {}}),
        json!({"expect": "thread/resume"}),
        json!({"error": {"message": "no rollout found"}}),
        json!({"expect": "thread/start"}),
        json!({"reply": {"thread": {"id": "new"}}}),
    ];
    let stage = Stage::of("", &lost);
    let mut session = stage.start().await.unwrap();
    assert!(!session.open_thread(Some("old")).await.unwrap());
    assert_eq!(session.thread(), Some("new"));
    session.end().await;
}

#[tokio::test]
async fn row_h_15_every_line_is_on_disk_before_it_is_summed_up() {
    let item = json!({"method": "item/completed", "params": {"item": {"type": "agentMessage", "text": "I did it.", "extra": {"a": 1}}}});
    let mut stage =
        Stage::new("", &[json!({"send": &item}), json!({"shell": "touch said"}), json!({"hang": 1})]);
    let (plan, say, stop) = (stage.plan.clone(), stage.say.clone(), stage.stop.subscribe());
    let running = tokio::spawn(async move {
        let mut session = Session::start(plan, say, stop).await.unwrap();
        session.open_thread(None).await.unwrap();
        let end = session.turn(&issue(), "x").await;
        session.end().await;
        end
    });
    loop {
        let event =
            tokio::time::timeout(Duration::from_secs(60), stage.events.recv()).await.unwrap().unwrap();
        if matches!(event, WorkerEvent::Agent { summary, .. } if summary == "I did it.") {
            break;
        }
    }
    let record = std::fs::read_to_string(&stage.plan.record).unwrap();
    assert!(record.lines().any(|it| serde_json::from_str::<Value>(it).unwrap() == item), "{record}");
    stage.stop.send_replace(true);
    assert_eq!(running.await.unwrap(), Err(AgentError::Stopped));
}
