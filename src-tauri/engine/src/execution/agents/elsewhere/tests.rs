//! Logs as the programs write them, small: who is found by them and what they are read as.

use pilothouse_contract::trajectory::Tokens;
use serde_json::{Value, json};

use super::super::claude_log;
use super::*;

/// A place with homes of all agents, and a project in it.
struct Place {
    folder: tempfile::TempDir,
    grounds: Grounds,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let homes = Homes {
            claude: at("claude"),
            codex: at("codex"),
            gemini: at("gemini"),
            opencode: at("opencode.db"),
        };
        let grounds = Grounds {
            homes,
            opencode: Vec::new(),
            folders: vec![(ProjectId(1), at("a")), (ProjectId(2), at("a/inner"))],
            not_below: at("a/trees"),
            ours: HashSet::from(["mine".to_owned()]),
        };
        for folder in ["a/inner/deep", "a/trees/t1", "b"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        Self { folder, grounds }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, file: &Path, lines: &[Value]) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(file, lines.join("\n")).unwrap();
    }

    fn claude(&self, cwd: &str, native: &str, asks: &str) -> PathBuf {
        let cwd = self.at(cwd);
        let file = claude_log::log_path(&self.grounds.homes.claude, &cwd, native);
        let line = |kind: &str, rest: Value| {
            let mut it =
                json!({ "type": kind, "cwd": cwd, "sessionId": native, "timestamp": "2026-11-20T10:00:00Z" });
            it.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            it
        };
        let user = line("user", json!({ "uuid": "u1", "message": { "content": asks } }));
        self.log(&file, &[line("summary", json!({})), user.clone(), json!("cut sho"), user]);
        file
    }

    /// As Codex 0.169.0 writes it.
    fn codex(&self, cwd: &str, native: &str, source: Value) -> PathBuf {
        let file = self.at(&format!("codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-{native}.jsonl"));
        let mut ordinal = 0;
        let mut line = |kind: &str, payload: Value| {
            ordinal += 1;
            json!({ "timestamp": format!("2026-11-20T10:00:{ordinal:02}.5Z"), "ordinal": ordinal, "type": kind, "payload": payload })
        };
        let lines = [
            line(
                "session_meta",
                json!({ "id": native, "cwd": self.at(cwd), "source": source, "base_instructions": { "text": "You are …" } }),
            ),
            line(
                "response_item",
                json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "<environment_context>" }] }),
            ),
            line("turn_context", json!({ "turn_id": "t1", "model": "gpt-5.5" })),
            line(
                "event_msg",
                json!({ "type": "item_completed", "item": { "type": "UserMessage", "id": "i1", "content": [{ "type": "text", "text": "Mend the pump" }] } }),
            ),
            line(
                "event_msg",
                json!({ "type": "item_completed", "item": { "type": "Reasoning", "id": "i2", "summary_text": ["It leaks."], "raw_content": [] } }),
            ),
            line(
                "response_item",
                json!({ "type": "function_call", "name": "exec_command", "call_id": "c1", "arguments": "{\"cmd\": \"ls\"}" }),
            ),
            line(
                "token_usage_record",
                json!({ "response_id": "r1", "usage": { "input_tokens": 50, "cached_input_tokens": 40, "output_tokens": 3 } }),
            ),
            line(
                "event_msg",
                json!({ "type": "item_completed", "item": { "type": "CommandExecution", "id": "c1", "command": ["/bin/bash", "-lc", "ls"], "status": "completed", "aggregated_output": "pump\n", "exit_code": 0 } }),
            ),
            line(
                "response_item",
                json!({ "type": "function_call_output", "call_id": "c1", "output": "Chunk ID: 1\nProcess exited with code 0\nOutput:\npump\n" }),
            ),
            // What the sandbox refused is told of only as the model asked for it.
            line(
                "response_item",
                json!({ "type": "function_call", "name": "exec_command", "call_id": "c2", "arguments": "{\"cmd\": \"git commit\"}" }),
            ),
            line(
                "response_item",
                json!({ "type": "function_call_output", "call_id": "c2", "output": "Chunk ID: 2\nProcess exited with code 128\nOutput:\nfatal: read-only\n" }),
            ),
            line(
                "event_msg",
                json!({ "type": "item_completed", "item": { "type": "FileChange", "id": "c3", "changes": { "/a/pump.rs": { "type": "add" } }, "status": "failed", "stdout": "", "stderr": "no room" } }),
            ),
            line(
                "event_msg",
                json!({ "type": "item_completed", "item": { "type": "AgentMessage", "id": "i3", "content": [{ "type": "Text", "text": "The pump runs." }] } }),
            ),
            line("event_msg", json!({ "type": "turn_aborted", "reason": "interrupted" })),
            line("new-in-2027", json!({})),
        ];
        self.log(&file, &lines);
        file
    }

    /// As Gemini CLI 0.61.0 writes it.
    fn gemini(&self, name: &str, native: &str, kind: &str) -> PathBuf {
        let file = self.at(&format!("gemini/tmp/{name}/chats/session-2026-11-20T10-00-{native}.jsonl"));
        let answer = json!({ "id": "m2", "timestamp": "2026-11-20T10:00:02Z", "type": "gemini", "content": "I look.", "model": "gemini-2.5-pro",
            "thoughts": [{ "subject": "", "description": "It leaks." }], "tokens": { "input": 50, "output": 3, "cached": 40, "thoughts": 2 } });
        let mut answered = answer.clone();
        answered["toolCalls"] = json!([
            { "id": "c1", "name": "run_shell_command", "args": { "command": "ls" }, "status": "success",
              "result": [{ "functionResponse": { "id": "c1", "response": { "output": "pump" } } }] },
            { "id": "c2", "name": "write_file", "args": { "file_path": "/a/x" }, "status": "error",
              "result": [{ "functionResponse": { "id": "c2", "response": { "error": "no room" } } }] },
        ]);
        let lines = [
            json!({ "sessionId": native, "projectHash": "84a8", "startTime": "2026-11-20T10:00:00Z", "kind": kind }),
            json!({ "$set": { "messages": [{ "id": "m0", "type": "user", "content": [{ "text": "<session_context>" }] }] } }),
            json!({ "id": "m1", "timestamp": "2026-11-20T10:00:01Z", "type": "user", "content": [{ "text": "Mend the pump" }] }),
            answer,
            answered,
            json!({ "id": "m3", "type": "user", "content": [{ "functionResponse": { "response": { "output": "pump" } } }] }),
            json!({ "id": "m4", "type": "info", "content": "a new version" }),
        ];
        self.log(&file, &lines);
        file
    }

    fn found(&self) -> Vec<(String, ProjectId, String)> {
        let mut found: Vec<_> = find(&self.grounds)
            .into_iter()
            .map(|it| (format!("{} {}", it.agent, it.native), it.project, it.title))
            .collect();
        found.sort_unstable();
        found
    }
}

fn words(steps: &Steps) -> Vec<String> {
    let word = |it: &ElsewhereStep| match &it.kind {
        StepKind::Prompt { text } | StepKind::Message { text } | StepKind::Reasoning { text } => {
            format!("{}: {text}", it.kind.word())
        }
        StepKind::Error { text } => format!("error: {text}"),
        StepKind::Call { tool, says, .. } => format!("call: {tool} {says}"),
        StepKind::Result { failed, text, .. } => {
            format!("result: {} {}", if *failed { "bad" } else { "good" }, text.trim())
        }
        StepKind::Tokens { model, tokens: Tokens { input, cached, cache_write, output, .. } } => {
            let input = input + cache_write;
            format!("tokens: {model} {input} {cached} {output}")
        }
        StepKind::Unread { name } => format!("unread: {name}"),
        StepKind::Cost { models, .. } => format!("cost: {}", models.len()),
    };
    steps.steps.iter().map(word).collect()
}

#[test]
fn who_works_in_a_project_is_found_and_nobody_else() {
    let place = Place::new();
    let file = place.claude("a", "one", "Mend\nthe \u{1b}[31mpump");
    place.claude("a/inner/deep", "two", "Oil it");
    place.claude("a", "mine", "ours");
    place.claude("a/trees/t1", "tree", "an agent's own");
    // What could be taken for something else than an id, and what leads out of the project.
    place.claude("a", "--dangerous", "an option");
    place.claude("a", "x;id", "a line for a shell");
    place.claude("a", "agent-1", "a part of another");
    place.claude("a/../b", "out", "elsewhere");
    // Another folder with the same name of dashes.
    place.claude("a-inner", "twin", "not in any project");
    assert_eq!(
        place.found(),
        [
            ("claude one".to_owned(), ProjectId(1), "Mend the ␛[31mpump".to_owned()),
            ("claude two".to_owned(), ProjectId(2), "Oil it".to_owned())
        ]
    );
    let found = find(&place.grounds);
    let one = found.iter().find(|it| it.native == "one").unwrap();
    assert_eq!((one.process, one.began, &one.unsure), (None, Some(At(1_795_168_800_000)), &None));
    let steps = read("claude", &file).unwrap();
    assert_eq!((steps.steps.len(), steps.damaged), (2, 1), "{steps:?}");
}

#[test]
fn codex_is_found_in_its_days_and_a_call_is_told_once() {
    let place = Place::new();
    let file = place.codex("a/inner", "01a1", json!("cli"));
    place.codex("b", "01a2", json!("cli"));
    place.codex("a/trees/t1", "01a3", json!("exec"));
    place.codex("a", "01a4", json!({ "subagent": "review" }));
    place.codex("a", "x;id", json!("cli"));
    fs::write(place.at("codex/sessions/2026/11/20/rollout-damaged.jsonl"), "{\"type\": \"session").unwrap();
    assert_eq!(place.found(), [("codex 01a1".to_owned(), ProjectId(2), "Mend the pump".to_owned())]);
    let steps = read("codex", &file).unwrap();
    assert_eq!(
        words(&steps),
        [
            "prompt: Mend the pump",
            "reasoning: It leaks.",
            "tokens: gpt-5.5 10 40 3",
            "call: shell ls",
            "result: good pump",
            "call: exec_command git commit",
            "result: bad Chunk ID: 2\nProcess exited with code 128\nOutput:\nfatal: read-only",
            "call: apply_patch /a/pump.rs",
            "result: bad no room",
            "message: The pump runs.",
            "error: the turn was broken off: interrupted",
            "unread: new-in-2027",
        ]
    );
    assert_eq!((steps.damaged, steps.steps[0].at), (0, Some(At(1_795_168_804_500))));
    // Whoever writes the log runs the session.
    let one = |place: &Place| find(&place.grounds).into_iter().next().unwrap();
    assert_eq!((one(&place).process, one(&place).resume().is_some()), (None, cfg!(target_os = "linux")));
    let written = OpenOptions::new().append(true).open(&file).unwrap();
    let here = cfg!(target_os = "linux").then(std::process::id);
    assert_eq!((one(&place).process, one(&place).resume()), (here, None));
    drop(written);
}

#[test]
fn gemini_is_found_by_its_list_of_folders() {
    let place = Place::new();
    let file = place.gemini("pumps", "0f1", "main");
    place.gemini("pumps", "0f2", "subagent");
    place.gemini("other", "0f3", "main");
    // The list does not know it, and the folder says it itself.
    place.gemini("said", "0f4", "main");
    fs::write(place.at("gemini/tmp/said/.project_root"), place.at("a/inner").to_str().unwrap()).unwrap();
    let list = json!({ "projects": { place.at("a").to_str().unwrap(): "pumps", place.at("b").to_str().unwrap(): "other" } });
    fs::write(place.at("gemini/projects.json"), list.to_string()).unwrap();
    let title = "Mend the pump".to_owned();
    assert_eq!(
        place.found(),
        [
            ("gemini 0f1".to_owned(), ProjectId(1), title.clone()),
            ("gemini 0f4".to_owned(), ProjectId(2), title)
        ]
    );
    assert_eq!(
        words(&read("gemini", &file).unwrap()),
        [
            "prompt: Mend the pump",
            "reasoning: It leaks.",
            "message: I look.",
            "tokens: gemini-2.5-pro 10 40 5",
            "call: run_shell_command ls",
            "result: good pump",
            "call: write_file /a/x",
            "result: bad no room",
            "unread: info",
        ]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_may_be_at_a_session_is_not_sure_and_what_was_asked_for_it_is() {
    let mut place = Place::new();
    place.gemini("pumps", "0f1", "main");
    let list = json!({ "projects": { place.at("a").to_str().unwrap(): "pumps" } });
    fs::write(place.at("gemini/projects.json"), list.to_string()).unwrap();
    place.grounds.opencode =
        vec![json!({ "id": "ses_1", "directory": place.at("a"), "created": 1, "updated": 2 }).to_string()];
    let by =
        |place: &Place, agent: &str| find(&place.grounds).into_iter().find(|it| it.agent == agent).unwrap();
    // A program by that name, with a folder to stand in and something that it was asked for.
    let run = |name: &str, cwd: &Path, asked: &str| {
        let program = place.at("bin").join(name);
        fs::create_dir_all(place.at("bin")).unwrap();
        if !program.exists() {
            std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        }
        let mut command = std::process::Command::new(&program);
        let command = command.args(["-c", "read end", "sh", asked]).current_dir(cwd);
        let child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        // A program that was begun just now says a moment later what it was begun with.
        let (begun, file) = (std::time::Instant::now(), format!("/proc/{}/cmdline", child.id()));
        while !fs::read(&file).unwrap().ends_with(format!("{asked}\0").as_bytes()) {
            assert!(begun.elapsed().as_secs() < 30, "{name} was not begun");
        }
        child
    };
    for (agent, native) in [("gemini", "0f1"), ("opencode", "ses_1")] {
        let it = by(&place, agent);
        assert!(it.process.is_none() && it.unsure.is_none() && it.resume().is_some(), "{it:?}");
        let mut one = run(agent, &place.at("b"), "-y");
        assert_eq!(by(&place, agent).unsure, None, "it stands in another folder");
        let mut two = run(agent, &place.at("a"), "-y");
        let it = by(&place, agent);
        assert!(it.unsure.as_ref().is_some_and(|why| why.contains(&two.id().to_string())), "{it:?}");
        assert_eq!(it.resume(), None);
        let mut three = run(agent, &place.at("b"), native);
        assert_eq!((by(&place, agent).process, by(&place, agent).unsure), (Some(three.id()), None));
        for it in [&mut one, &mut two, &mut three] {
            drop(it.stdin.take());
            it.wait().unwrap();
        }
    }
    let mut serves = run("opencode", &place.at("b"), "serve");
    assert!(by(&place, "opencode").unsure.is_some_and(|why| why.contains("serves sessions")));
    drop(serves.stdin.take());
    serves.wait().unwrap();
}

#[test]
fn opencode_is_read_from_its_rows() {
    let mut place = Place::new();
    let row = |id: &str, directory: PathBuf, asked: Value| {
        json!({ "id": id, "directory": directory, "asked": asked, "created": 1, "updated": 7, "bytes": 9 })
            .to_string()
    };
    place.grounds.opencode = vec![
        row("ses_1", place.at("a"), json!("Mend the pump")),
        row("ses_2", place.at("b"), json!("not in any project")),
        row("ses_3;id", place.at("a"), Value::Null),
        "no row".to_owned(),
    ];
    assert_eq!(place.found(), [("opencode ses_1".to_owned(), ProjectId(1), "Mend the pump".to_owned())]);
    let found = find(&place.grounds);
    assert_eq!((found[0].written, found[0].began, found[0].bytes), (At(7), Some(At(1)), 9));
    let user = json!({ "role": "user" });
    let agent = json!({ "role": "assistant", "modelID": "m" });
    let part = |id: &str, message: &Value, part: Value| {
        json!({ "id": id, "at": 5, "message": message, "part": part }).to_string()
    };
    let rows = [
        part("p1", &user, json!({ "type": "text", "text": "Mend the pump" })),
        part("p2", &user, json!({ "type": "text", "text": "a file, whole", "synthetic": true })),
        part("p3", &agent, json!({ "type": "step-start" })),
        part("p4", &agent, json!({ "type": "reasoning", "text": "It leaks." })),
        part(
            "p5",
            &agent,
            json!({ "type": "tool", "tool": "bash", "callID": "c1", "state": { "status": "completed", "input": { "command": "ls" }, "output": "pump\n", "metadata": { "exit": 1 } } }),
        ),
        part(
            "p6",
            &agent,
            json!({ "type": "tool", "tool": "read", "callID": "c2", "state": { "status": "running", "input": { "filePath": "/a/x" } } }),
        ),
        part(
            "p7",
            &agent,
            json!({ "type": "step-finish", "tokens": { "input": 10, "output": 3, "reasoning": 2, "cache": { "read": 40, "write": 1 } } }),
        ),
        part("p8", &agent, json!({ "type": "compaction" })),
        part(
            "m2",
            &json!({ "role": "assistant", "error": { "name": "APIError", "data": { "message": "429" } } }),
            Value::Null,
        ),
        "no row".to_owned(),
    ];
    let steps = opencode::steps(&rows);
    assert_eq!(
        words(&steps),
        [
            "prompt: Mend the pump",
            "reasoning: It leaks.",
            "call: bash ls",
            "result: bad pump",
            "call: read /a/x",
            "tokens: m 11 40 5",
            "unread: compaction",
            "error: 429",
        ]
    );
    assert_eq!(steps.damaged, 1);
}

#[test]
fn homes_are_where_the_programs_keep_them() {
    let by = |set: &'static [(&'static str, &'static str)]| {
        let homes = Homes::by(|name| set.iter().find(|it| it.0 == name).map(|it| PathBuf::from(it.1)));
        [homes.claude, homes.codex, homes.gemini, homes.opencode].map(|it| it.display().to_string())
    };
    assert_eq!(
        by(&[("HOME", "/h")]),
        ["/h/.claude", "/h/.codex", "/h/.gemini", "/h/.local/share/opencode/opencode.db"]
    );
    let all = by(&[
        ("HOME", "/h"),
        ("CLAUDE_CONFIG_DIR", "/c"),
        ("CODEX_HOME", "/x"),
        ("GEMINI_CLI_HOME", "/g"),
        ("XDG_DATA_HOME", "/d"),
        ("OPENCODE_DB", "other.db"),
    ]);
    assert_eq!(all, ["/c", "/x", "/g/.gemini", "/d/opencode/other.db"]);
    assert_eq!(by(&[("HOME", "/h"), ("OPENCODE_DB", "/o.db")])[3], "/o.db");
    assert_eq!(by(&[]), ["", "", "", ""]);
    // Nowhere is nowhere, and not where the engine stands.
    assert_eq!(
        find(&Grounds { folders: vec![(ProjectId(1), PathBuf::from("/"))], ..Grounds::default() }),
        []
    );
}

#[test]
fn whatever_is_cut_off_or_damaged_of_a_log_the_rest_is_read() {
    let place = Place::new();
    for (agent, file) in [
        ("claude", place.claude("a", "c1", "Mend the pump")),
        ("codex", place.codex("a", "d1", json!("cli"))),
        ("gemini", place.gemini("a-1", "e1", "main")),
    ] {
        let whole = fs::read(&file).unwrap();
        let all = read(agent, &file).unwrap().with_ids();
        assert_eq!(archive::about(&file).map(|it| it.agent), Some(agent));
        // A log that is still written may end anywhere.
        for end in 0..whole.len() {
            fs::write(&file, &whole[..end]).unwrap();
            let part = read(agent, &file).unwrap();
            assert!(part.damaged <= 2 && part.steps.len() <= all.len(), "{agent} up to {end}: {part:?}");
            let _known_or_not = archive::about(&file);
        }
        let lines: Vec<&[u8]> = whole.split(|it| *it == b'\n').collect();
        for n in 0..lines.len() {
            for damage in
                [&b""[..], b"{", b"\0\xff\xfe", b"[]", b"null", br#"{"type":[],"message":7,"payload":""}"#]
            {
                let mut lines = lines.clone();
                lines[n] = damage;
                fs::write(&file, lines.join(&b'\n')).unwrap();
                let read = read(agent, &file).unwrap();
                assert!(read.with_ids().len() <= all.len() + 1, "{agent}, line {n} as {damage:?}");
                let _known_or_not = archive::about(&file);
            }
        }
        fs::write(&file, &whole).unwrap();
        assert_eq!(read(agent, &file).unwrap().with_ids(), all, "{agent}");
    }
}
