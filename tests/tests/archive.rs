//! Agents' logs from elsewhere: imported once, found by their words, counted by their calls, without the secrets in them.

use std::path::{Path, PathBuf};

use pilothouse_testkit::home::Home;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// Writes a log, a line each.
fn log(file: &Path, lines: &[Value]) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let lines: String = lines.iter().map(|it| format!("{it}\n")).collect();
    std::fs::write(file, lines).unwrap();
}

fn claude(folder: &Path, native: &str, asked: &str, said: &str) -> PathBuf {
    let file = folder.join("projects/-work-a").join(format!("{native}.jsonl"));
    let line = |kind: &str, id: &str, message: Value| {
        json!({
            "type": kind, "uuid": id, "sessionId": native, "cwd": "/work/a", "timestamp": "2026-11-20T10:00:00Z",
            "requestId": "q1", "message": message,
        })
    };
    let usage = json!({ "input_tokens": 1000, "output_tokens": 50, "cache_read_input_tokens": 200 });
    let answer = |content: Value| json!({ "id": "m1", "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage, "content": [content] });
    log(
        &file,
        &[
            line("user", "u1", json!({ "role": "user", "content": asked })),
            line("assistant", "a1", answer(json!({ "type": "text", "text": said }))),
            line(
                "assistant",
                "a2",
                answer(
                    json!({ "type": "tool_use", "id": "t1", "name": "Bash", "input": { "command": "cargo test rudder" } }),
                ),
            ),
            line(
                "user",
                "u2",
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "error: the rudder test failed" }] }),
            ),
        ],
    );
    file
}

fn codex(folder: &Path, native: &str, asked: &str, said: &str) -> PathBuf {
    let file = folder.join(format!("sessions/2026/11/20/rollout-2026-11-20T10-00-00-{native}.jsonl"));
    let line = |kind: &str, payload: Value| json!({ "timestamp": "2026-11-21T10:00:00Z", "type": kind, "payload": payload });
    let usage = json!({ "input_tokens": 300, "cached_input_tokens": 100, "output_tokens": 20 });
    log(
        &file,
        &[
            line("session_meta", json!({ "id": native, "cwd": "/work/b" })),
            line("turn_context", json!({ "model": "a-model-nobody-knows" })),
            line("event_msg", json!({ "type": "user_message", "message": asked })),
            line("event_msg", json!({ "type": "agent_message", "message": said })),
            line("token_usage_record", json!({ "response_id": "r1", "usage": usage })),
        ],
    );
    file
}

fn gemini(folder: &Path, native: &str, asked: &str) {
    let file = folder.join(format!("gemini/p/chats/session-2026-11-20T10-00-{native}.jsonl"));
    let at = "2026-11-20T10:00:00Z";
    log(
        &file,
        &[
            json!({ "sessionId": native, "projectHash": "p", "startTime": at, "lastUpdated": at, "kind": "main" }),
            json!({ "id": "1", "timestamp": at, "type": "user", "content": [{ "text": asked }] }),
        ],
    );
}

/// Where in a folder a text stands, whatever the files are.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&path, text));
        } else if kind.is_file()
            && std::fs::read(&path).is_ok_and(|it| it.windows(text.len()).any(|it| it == text.as_bytes()))
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_history_is_imported_once_and_found_by_its_words() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let first = claude(kept.path(), "0c1", "Mend the rudder", "The rudder is mended, the compass is not.");
    codex(kept.path(), "0d1", "Where is the compass?", "In the binnacle.");
    // What is no log, a link to one, and one with a damaged line.
    std::fs::write(kept.path().join("projects/notes.jsonl"), "{\"a\":1}\nnot json\n").unwrap();
    std::os::unix::fs::symlink(&first, kept.path().join("projects/again.jsonl")).unwrap();
    let folder = kept.path().to_str().unwrap();
    let came = home.json(&["trajectory", "import", folder]);
    assert_eq!(
        (&came["files"], &came["sessions"], &came["left_out"][0]["why"]),
        (&json!(3), &json!(2), &json!("it is no log of an agent's session that Pilothouse knows")),
        "{came}"
    );
    let events = came["events"].as_u64().unwrap();
    assert!(events >= 8, "{came}");
    // Again it is nothing new, though it is looked at.
    let again = home.json(&["trajectory", "import", folder]);
    assert_eq!(
        (&again["events"], &again["changed"], &again["unchanged"]),
        (&json!(0), &json!(0), &json!(2)),
        "{again}"
    );
    // It went on, its last line half written, and one line of it is damaged.
    let mut text = std::fs::read_to_string(&first).unwrap();
    text += "{\"type\":\"user\",\"uuid\":\"u3\",\"sessionId\":\"0c1\",\"cwd\":\"/work/a\",\"message\":{\"role\":\"user\",\"content\":\"And the anchor?\"}}\nxx{\n{\"type\":\"us";
    std::fs::write(&first, text).unwrap();
    let more = home.json(&["trajectory", "import", folder]);
    assert_eq!(
        (&more["events"], &more["damaged"], &more["sessions"]),
        (&json!(1), &json!(2), &json!(1)),
        "{more}"
    );
    // The same session in another place is the same session.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("0c1.jsonl");
    std::fs::copy(&first, &copied).unwrap();
    let moved = home.json(&["trajectory", "import", copied.to_str().unwrap()]);
    assert_eq!((&moved["files"], &moved["events"]), (&json!(1), &json!(0)), "{moved}");
    assert_eq!(home.json(&["trajectory", "list", "--imported"]).as_array().unwrap().len(), 2);

    let search = |args: &[&str]| home.json(&[&["trajectory", "search"], args].concat());
    let places = |found: &Value| {
        let hits = found["hits"].as_array().unwrap();
        hits.iter()
            .map(|it| (it["agent"].as_str().unwrap().to_owned(), it["kind"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let of = |agent: &str, kind: &str| (agent.to_owned(), kind.to_owned());
    // The newest first.
    let compass = search(&["compass"]);
    assert_eq!(places(&compass), [of("codex", "prompt"), of("claude", "message")], "{compass}");
    let hit = &compass["hits"][1];
    let (excerpt, marks) = (hit["excerpt"].as_str().unwrap(), &hit["marks"][0]);
    let (from, to) = (marks[0].as_u64().unwrap() as usize, marks[1].as_u64().unwrap() as usize);
    assert_eq!(&excerpt[from..to], "compass");
    assert_eq!(places(&search(&["rudd", "--failed"])), [of("claude", "result")]);
    assert_eq!(places(&search(&["rudder", "--tool", "Bash"])), [of("claude", "call")]);
    assert_eq!(places(&search(&["compass", "--folder", "/work/b"])), [of("codex", "prompt")]);
    assert_eq!(places(&search(&["compass", "--until", "2026-11-21T00:00"])), [of("claude", "message")]);
    assert_eq!(places(&search(&["\"is mended\""])), [of("claude", "message")]);
    assert_eq!(places(&search(&["anchor"])), [of("claude", "prompt")]);
    let ranked = search(&["compass", "--ranked", "--most", "1"]);
    assert_eq!((ranked["hits"].as_array().unwrap().len(), &ranked["more"]), (1, &json!(true)));
    let nothing = home.try_json(&["trajectory", "search", "keelhaul"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    // What was found is read where it stands.
    let (log, ordinal) = (hit["place"]["log"].as_str().unwrap(), hit["ordinal"].to_string());
    let page = home.json(&["trajectory", "show", log, "--from", &ordinal, "--most", "1"]);
    assert_eq!(page["steps"][0]["kind"]["text"], "The rudder is mended, the compass is not.", "{page}");

    // Each call is counted once, though its message stands in two lines; and what has no price has none.
    let usage = home.json(&["usage", "--by", "model"]);
    let row = |of: &str| usage["rows"].as_array().unwrap().iter().find(|it| it["of"] == of).unwrap().clone();
    let known = row("claude-sonnet-4-5");
    assert_eq!(
        (&known["calls"], &known["tokens"]["input"], &known["tokens"]["cached"], &known["tokens"]["output"]),
        (&json!(1), &json!(1000), &json!(200), &json!(50)),
        "{usage}"
    );
    let unknown = row("a-model-nobody-knows");
    assert_eq!(
        (&unknown["tokens"]["input"], &unknown["whole"], &unknown["known"]),
        (&json!(200), &json!(false), &json!(0)),
        "{usage}"
    );
    let shown = home.run(&["usage", "--by", "agent"]);
    assert!(shown.out.contains("not known: no price for a-model-nobody-knows"), "{shown:?}");
    let days = home.json(&["usage", "--by", "day", "--since", "2026-11-21T00:00"]);
    assert_eq!(days["rows"].as_array().unwrap().len(), 1, "{days}");
}

#[test]
fn no_secret_of_a_log_is_stored_found_or_shown() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    let secret = format!("ghp_{}", "q7Rw".repeat(9));
    let beside = "k3Jd82hWq0ZpX";
    let said = format!("I use {secret} and DB_PASSWORD={beside} for the lighthouse.");
    claude(kept.path(), "0c2", &format!("Push with {secret}"), &said);
    // What was asked is the title, and is cut where no form of a secret would be known any more.
    let asked = format!("{}{secret} and go on", "Push. ".repeat(31));
    codex(kept.path(), "0d2", &asked, "Yes.");
    gemini(kept.path(), "0e2", &asked);
    home.json(&["trajectory", "import", kept.path().to_str().unwrap()]);
    let found = home.json(&["trajectory", "search", "lighthouse"]);
    let excerpt = found["hits"][0]["excerpt"].as_str().unwrap();
    assert!(excerpt.ends_with("] and DB_PASSWORD=[secret taken out] for the lighthouse."), "{excerpt}");
    let listed = home.run(&["--json", "trajectory", "list", "--imported"]).out;
    assert_eq!(listed.matches("[secret").count(), 3, "{listed}");
    for secret in [secret.as_str(), beside, &secret[..9]] {
        assert_eq!(home.try_json(&["trajectory", "search", secret]).code, 1);
        let log = found["hits"][0]["place"]["log"].as_str().unwrap();
        for args in [
            &["trajectory", "show", log][..],
            &["trajectory", "list", "--imported"],
            &["--json", "trajectory", "show", log],
        ] {
            let shown = home.run(args);
            assert!(!shown.out.contains(secret), "{shown:?}");
        }
        assert_eq!(holding(&home.data(), secret), Vec::<PathBuf>::new());
    }
}

#[test]
fn bad_input_is_said_and_nothing_is_lost() {
    let home = Home::new();
    let nowhere = home.try_json(&["trajectory", "import", "/nowhere/at/all"]);
    assert!(nowhere.fault().contains("there is no /nowhere/at/all"), "{nowhere:?}");
    let wordless = home.try_json(&["trajectory", "search", "--", "->"]);
    assert!(wordless.fault().contains("no word"), "{wordless:?}");
    // What looks like a language of its own is words.
    for words in ["\"", "a AND (", "x* ^y NEAR(z)", "{kind}: \"open"] {
        let found = home.try_json(&["trajectory", "search", words]);
        assert!(found.code == 1 || found.fault().contains("no word"), "{words}: {found:?}");
    }
    let unknown = home.try_json(&["trajectory", "show", "l7"]);
    assert!(unknown.fault().contains("no imported log l7"), "{unknown:?}");
    assert!(home.run(&["trajectory", "show", "x7"]).err.contains("neither a session like s1"));
    assert!(home.run(&["usage"]).out.contains("No calls of models are known"));
}

#[test]
fn what_was_said_is_found_in_the_window_by_keys_alone_and_read_where_it_stands() {
    let home = Home::new();
    let kept = tempfile::tempdir().unwrap();
    claude(kept.path(), "0c3", "Mend the rudder", "The rudder is mended, the <b>compass</b> is not.");
    codex(kept.path(), "0d3", "Where is the compass?", "In the binnacle.");
    home.json(&["trajectory", "import", kept.path().to_str().unwrap()]);
    let window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    window.keys("ctrl+4");
    // Both are listed, the one that was written last first; the first is read.
    window.until("both logs", || {
        window.eval("return document.querySelectorAll('[data-log]').length") == json!(2)
    });
    window.wait_text("[data-name=trajectory]", "compass");
    window.keys("/");
    window.wait("[data-name=filter]:focus");
    window.type_text("compas");
    window.wait_text("[data-name=found][data-words=compas]", "Said in 2 steps");
    window.until("marks", || {
        window.eval("return [...document.querySelectorAll('[data-hit] mark')].map((it) => it.textContent)")
            == json!(["compass", "compass"])
    });
    assert!(!window.find("[data-hit] .said b"), "what agents say is text");
    window.keys("Enter");
    window.keys("End");
    window.wait("[data-hit][aria-selected=true]:last-child");
    window.wait_text(".turn[aria-current]", "the <b>compass</b> is not");
    window.keys("k");
    window.wait_text(".turn[aria-current]", "Where is the compass?");
    // What nobody said is said to be so, and the list comes back.
    window.keys("/");
    window.wait("[data-name=filter]:focus");
    window.type_text("keelhaul");
    window.wait_text("[data-pane=list]", "none says it");
    window.keys("Escape");
    window.until("the list again", || {
        window.eval("return document.querySelectorAll('[data-log]').length") == json!(2)
    });
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}
