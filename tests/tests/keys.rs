//! Typing into sessions from afar, as people of tmux do with its send-keys, and calling them something else.

use pilothouse_contract::SessionId;
use pilothouse_contract::wire::View;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::seat::{FromSession, Seat};
use serde_json::Value;

const READS: &str = "stty -echo; echo ready; while read -r word; do echo got $word; done; echo end of it";

/// A session that says what it reads, ready to read.
fn reader(home: &Home) -> (SessionId, Seat) {
    let session = home.start(&["sh", "-c", READS]);
    let mut seat = Seat::view(home, &View::of(session)).unwrap();
    seat.until("ready").unwrap();
    (session, seat)
}

#[test]
fn keys_are_pressed_by_name_and_words_are_typed() {
    let home = Home::new();
    let (session, mut seat) = reader(&home);
    let id = session.to_string();
    let lines = home.json(&["session", "send", &id, "--", "one two", "Enter"]);
    assert_eq!((lines[0]["session"].as_str(), &lines[0]["fault"]), (Some(&*id), &Value::Null));
    seat.until("got one two").unwrap();
    home.json(&["session", "send", &id, "--literal", "--", "Enter"]);
    home.json(&["session", "send", &id, "--", "Enter"]);
    seat.until("got Enter").unwrap();
    assert!(home.json(&["session", "list"])[0]["lease"].is_null(), "the keyboard is nobody's again");
    home.json(&["session", "send", &id, "--", "C-d"]);
    seat.until("end of it").unwrap();
    let gone = home.try_json(&["session", "send", "s99", "--", "x"]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.out.contains("there is no session s99"), "{gone:?}");
}

#[test]
fn to_many_is_asked_twice_and_each_says_what_became_of_it() {
    let home = Home::new();
    let (first, mut one) = reader(&home);
    let (second, mut two) = reader(&home);
    let pipe = home.json(&["session", "start", "--pipe", "--", "sleep", "600"]);
    let pipe = pipe["id"].as_str().unwrap();
    let asked = home.try_json(&["session", "send", "--all", "--", "hello", "Enter"]);
    assert!(
        asked.fault().contains("--yes") && asked.fault().contains(&format!("{first}, {second}")),
        "{asked:?}"
    );
    home.json(&["session", "send", "--all", "--yes", "--", "hello", "Enter"]);
    for seat in [&mut one, &mut two] {
        seat.until("got hello").unwrap();
    }
    // One of them is somebody else's for now, one has no keyboard: the third gets it all the same.
    let mut theirs = Seat::view(&home, &View::typing(first)).unwrap();
    while !matches!(theirs.next().unwrap(), FromSession::Lease(it) if it.yours) {}
    let ids = format!("{first},{second},{pipe}");
    let some = home.try_json(&["session", "send", &ids, "--yes", "--", "again", "Enter"]);
    assert_eq!(some.code, 1);
    let some = some.json();
    let why = |n: usize| some[n]["fault"]["message"].as_str().unwrap_or_default();
    assert!(why(0).contains("has the keyboard"), "{some}");
    assert_eq!(why(1), "", "{some}");
    assert!(why(2).contains("has no keyboard"), "{some}");
    two.until("got again").unwrap();
}

#[test]
fn a_session_is_called_what_a_person_says_over_the_engines_death() {
    let home = Home::new();
    let (session, _seat) = reader(&home);
    let id = session.to_string();
    home.json(&["session", "rename", &id, "the <b>reader</b>"]);
    for bad in ["", "  ", "two\nlines", "\u{1b}[31mred"] {
        assert!(home.try_json(&["session", "rename", &id, bad]).fault().contains("one line"), "{bad:?}");
    }
    pilothouse_testkit::home::kill_at_once(home.engine_pid());
    let all = home.json(&["session", "list", "--all"]);
    assert_eq!(all[0]["session"]["title"], "the <b>reader</b>", "{all}");
    let listed = home.json(&["session", "list"]);
    assert_eq!(listed[0]["session"]["title"], "the <b>reader</b>", "{all}");
}
