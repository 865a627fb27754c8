//! What the archive once got wrong: calls that stand in two logs, files of one session that undid each other, logs that are linked to, cut or late to
//! say where they are from, databases that cannot be read, and logs of agents that are at work.

use std::path::{Path, PathBuf};

use pilothouse_contract::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

/// Writes a log, a line each.
fn log(file: &Path, lines: &[Value]) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, lines.iter().map(|it| format!("{it}\n")).collect::<String>()).unwrap();
}

fn prompt(session: &str, id: &str, text: &str) -> Value {
    json!({
        "type": "user", "uuid": id, "sessionId": session, "cwd": "/work/a", "timestamp": "2026-11-20T10:00:00Z",
        "message": { "role": "user", "content": text },
    })
}

/// An answer with its tokens, by the id of its message.
fn answer(session: &str, message: &str, text: &str) -> Value {
    json!({
        "type": "assistant", "uuid": format!("of-{message}"), "sessionId": session, "cwd": "/work/a", "timestamp": "2026-11-20T10:00:05Z",
        "requestId": format!("req-{message}"),
        "message": { "id": message, "role": "assistant", "model": "claude-sonnet-4-5", "content": [{ "type": "text", "text": text }],
            "usage": { "input_tokens": 1000, "output_tokens": 50 } },
    })
}

fn part(mut line: Value) -> Value {
    line["isSidechain"] = true.into();
    line["agentId"] = "a7".into();
    line
}

fn import(home: &Home, what: &Path) -> Value {
    home.json(&["trajectory", "import", what.to_str().unwrap()])
}

#[test]
fn calls_that_stand_in_two_logs_and_those_of_helpers_count_once() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let file = |name: &str| kept.path().join(format!("projects/-work-a/{name}.jsonl"));
    // What the program says of a session holds what its helper used: 3,000 of the whole, 1,000 of them by the helper.
    let cost = json!({ "type": "cost-state", "sessionId": "0a1", "totalCostUSD": 0.5,
        "modelUsage": { "claude-sonnet-4-5": { "inputTokens": 3000, "outputTokens": 150 } } });
    log(
        &file("0a1"),
        &[prompt("0a1", "u1", "Mend it"), answer("0a1", "m1", "So."), answer("0a1", "m2", "Done."), cost],
    );
    log(
        &file("0a1/subagents/agent-a7"),
        &[part(prompt("0a1", "u7", "Look")), part(answer("0a1", "m7", "Seen."))],
    );
    // Another one began as a copy of it and went on.
    log(
        &file("0a2"),
        &[prompt("0a2", "u1", "Mend it"), answer("0a2", "m1", "So."), answer("0a2", "m9", "Otherwise.")],
    );
    let came = import(&home, kept.path());
    assert_eq!((&came["sessions"], &came["left_out"]), (&json!(3), &json!([])), "{came}");
    let input = |by: &str| {
        let usage = home.json(&["usage", "--by", by]);
        (usage["all"]["tokens"]["input"].clone(), usage["all"]["calls"].clone())
    };
    assert_eq!(input("model"), (json!(4000), json!(4)), "m1, m2, m7, m9");
    assert_eq!(input("session"), (json!(4000), json!(4)));
    let usage = home.json(&["usage", "--by", "session"]);
    let rows = usage["rows"].as_array().unwrap();
    let first = rows
        .iter()
        .find(|it| it["calls"] == 3)
        .unwrap_or_else(|| panic!("its helper's call is its own: {usage}"));
    assert_eq!(
        (rows.len(), &first["known"]),
        (2, &json!(500_000)),
        "what the program says holds the helper: {usage}"
    );
    let shown = home.run(&["usage", "--by", "task"]);
    assert!(shown.out.contains("No calls of models are known that belong to a task"), "{shown:?}");
}

#[test]
fn two_files_of_one_session_are_known_both_and_the_older_undoes_nothing() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let (old, new) = (kept.path().join("old/0b1.jsonl"), kept.path().join("new/0b1.jsonl"));
    log(&old, &[prompt("0b1", "u1", "Mend the rudder"), prompt("0b1", "u2", "And the anchor")]);
    log(&new, &[prompt("0b1", "u1", "Mend the rudder, please")]);
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().append(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    // Newest first, so that the older one comes last.
    import(&home, &new);
    let older = import(&home, &old);
    assert_eq!((&older["events"], &older["changed"]), (&json!(1), &json!(0)), "{older}");
    for _ in 0..2 {
        let again = import(&home, kept.path());
        assert_eq!(
            (&again["unchanged"], &again["changed"], &again["events"]),
            (&json!(2), &json!(0), &json!(0)),
            "{again}"
        );
    }
    let found = home.json(&["trajectory", "search", "rudder"]);
    assert_eq!(found["hits"][0]["excerpt"], "Mend the rudder, please", "{found}");
    assert_eq!(home.json(&["trajectory", "search", "anchor"])["hits"].as_array().unwrap().len(), 1);
}

#[test]
fn logs_that_are_linked_to_cut_at_the_front_or_late_to_say_where_they_are_from_are_taken() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let real = kept.path().join("real");
    let long = json!({ "type": "attachment", "uuid": "x", "sessionId": "0c2", "attachment": { "type": "file", "text": "y".repeat(300_000) } });
    log(&real.join("0c2.jsonl"), &[long, prompt("0c2", "u1", "Where is the compass")]);
    let whole = format!("{}\n{}\n", prompt("0c1", "u0", "lost"), prompt("0c1", "u1", "Mend the compass"));
    std::fs::write(real.join("0c1.jsonl"), &whole[40..]).unwrap();
    std::fs::write(real.join("opencode.db"), "no database").unwrap();
    let link = kept.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    // As an agent's own folder is found, by the environment.
    let home = home.with_env("CLAUDE_CONFIG_DIR", kept.path().to_str().unwrap());
    std::os::unix::fs::symlink(&real, kept.path().join("projects")).unwrap();
    home.run(&["engine", "stop"]);
    let by_itself = home.json(&["trajectory", "import"]);
    assert_eq!(by_itself["sessions"], 2, "{by_itself}");
    assert_eq!(by_itself["damaged"], 1, "the half line: {by_itself}");
    let why = by_itself["left_out"][0]["why"].as_str().unwrap();
    assert_eq!(why, "it is a database of opencode that cannot be read");
    let again = import(&home, &link);
    assert_eq!((&again["unchanged"], &again["events"]), (&json!(2), &json!(0)), "{again}");
    let found = home.json(&["trajectory", "search", "compass"]);
    let folders: Vec<_> = found["hits"].as_array().unwrap().iter().map(|it| it["cwd"].clone()).collect();
    assert_eq!(folders, ["/work/a", "/work/a"], "{found}");
}

#[test]
fn the_log_of_an_agent_at_work_is_closed_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = |name: &str| Fifo::new(folder.path().join(name));
    let (here, go) = (fifo("here"), fifo("go"));
    let file: PathBuf = folder.path().join("logs/0d1.jsonl");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    // An agent that chose the id of its session itself.
    let line = prompt("0d1", "u1", "The keel is secret").to_string().replace("/work/a", "'\"$(pwd)\"'");
    let agent = ShellAgent::new(&format!(
        "echo '{line}' > {}; echo here > {}; read go < {}; echo made > made.txt",
        file.display(),
        here.path().display(),
        go.path().display()
    ));
    let repo = Repo::with_tasks(&[("T001", "made.txt", "test -f made.txt")]);
    let home = Home::trusting(&repo);
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    assert_eq!(here.read().trim(), "here");
    let closed = import(&home, &file);
    let why = closed["left_out"][0]["why"].as_str().unwrap();
    assert!(closed["sessions"] == 0 && why.contains("works now"), "{closed}");
    assert_eq!(home.try_json(&["trajectory", "search", "keel"]).code, 1);
    std::fs::write(go.path(), "go\n").unwrap();
    let landed = |it: &Event| matches!(it, Event::RunMoved { to: RunState::Landed, .. });
    home.events(0).find(|it| landed(&it.event)).unwrap();
    let open = import(&home, &file);
    assert_eq!((&open["sessions"], &open["events"]), (&json!(1), &json!(1)), "{open}");
}

#[test]
fn a_session_is_exported_without_its_secrets_and_its_log_only_when_asked_for() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let secret = format!("ghp_{}", "q7Rw".repeat(9));
    let file = kept.path().join("0e1.jsonl");
    let says = format!("Push with {secret}\n```\n# not a title");
    log(&file, &[prompt("0e1", "u1", &says), answer("0e1", "m1", "Pushed.")]);
    import(&home, &file);
    let (md, jsonl, raw) = (kept.path().join("a.md"), kept.path().join("a.jsonl"), kept.path().join("a.raw"));
    let export = |args: &[&str]| home.try_json(&[&["trajectory", "export", "l1"], args].concat());
    let path = |it: &Path| it.to_str().unwrap().to_owned();
    assert_eq!(export(&["--to", &path(&md)]).code, 0);
    assert_eq!(export(&["--to", &path(&jsonl), "--format", "jsonl"]).code, 0);
    let text = std::fs::read_to_string(&md).unwrap();
    assert!(
        !text.contains(&secret) && text.contains("[secret taken out]") && text.contains("````text"),
        "{text}"
    );
    assert!(text.contains("## 1. Message, 2026-11-20 10:00:05"), "{text}");
    let lines = std::fs::read_to_string(&jsonl).unwrap();
    assert!(!lines.contains(&secret), "{lines}");
    let kinds: Vec<Value> =
        lines.lines().map(|it| serde_json::from_str::<Value>(it).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["prompt", "message", "tokens"]);
    let shown = home.run(&["trajectory", "export", "l1"]);
    assert_eq!(shown.out, text, "standard output says the same");
    // Nothing is written over, and the raw log is never shown.
    let again = export(&["--to", &path(&md)]);
    assert!(again.fault().contains("is there already"), "{again:?}");
    assert_eq!(export(&["--to", &path(&md), "--force"]).code, 0);
    assert!(home.run(&["trajectory", "export", "l1", "--raw"]).err.contains("--to"));
    let whole = home.run(&["trajectory", "export", "l1", "--raw", "--to", &path(&raw)]);
    assert!(whole.out.contains("secrets in it are not taken out"), "{whole:?}");
    assert_eq!(std::fs::read(&raw).unwrap(), std::fs::read(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    let gone = export(&["--raw", "--force", "--to", &path(&raw)]);
    assert!(gone.fault().contains("cannot be read any more"), "{gone:?}");
    assert!(std::fs::read(&raw).is_ok_and(|it| !it.is_empty()), "nothing was lost");
}
