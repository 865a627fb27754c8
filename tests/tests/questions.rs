//! Questions of agents: asked inside a session, answered by a person and by nobody else, withdrawn with their session,
//! kept over the death of the engine.

use std::process::{Child, Stdio};

use pilothouse_contract::event::Event;
use pilothouse_contract::question::Question;
use pilothouse_contract::run::{RunState, TouchKind};
use pilothouse_contract::{Record, Who};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::kill_at_once;
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

/// A command held in a session, with what it prints.
fn held(home: &Home, script: &str) -> Child {
    home.command(&["hold", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap()
}

/// What a held command said, and whether it ended well.
fn end_of(held: Child) -> (bool, String) {
    let ended = held.wait_with_output().unwrap();
    (ended.status.success(), String::from_utf8(ended.stdout).unwrap().replace('\r', ""))
}

fn program(home: &Home) -> String {
    home.program("pilothouse").display().to_string()
}

fn asked(records: &mut impl Iterator<Item = Record>) -> Question {
    let found = records.find_map(|it| match it.event {
        Event::QuestionAsked { question } => Some(question),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn a_question_is_asked_listed_and_answered_by_a_person() {
    let home = Home::new();
    assert_eq!(home.json(&["question", "list"]), serde_json::json!([]));
    let ask = format!("{} hook ask 'Which colour?' --choice red --choice blue", program(&home));
    let asking = held(&home, &format!("answer=$({ask}) && echo got $answer"));
    let question = asked(&mut home.events(0));
    assert_eq!((question.asks.as_str(), question.blocks), ("Which colour?", true));
    let listed = home.json(&["question", "list"]);
    assert_eq!(
        (listed[0]["id"].as_str(), listed[0]["choices"][1].as_str(), listed.as_array().unwrap().len()),
        (Some("q1"), Some("blue"), 1)
    );
    home.json(&["session", "steady"]);
    let session = home.json(&["session", "list"])[0].clone();
    let hook = session["facts"].as_array().unwrap().iter().find(|it| it["source"] == "hook").cloned();
    assert_eq!(hook.map(|it| it["says"].clone()), Some("waits for an answer to q1".into()), "{session}");
    let wrong = home.try_json(&["question", "answer", "q1", "green"]);
    assert!(
        wrong.fault().contains("none of the choices of q1") && wrong.fault().contains("2 blue"),
        "{wrong:?}"
    );
    let answered = home.json(&["question", "answer", "q1", "2"]);
    assert_eq!(
        (answered["answer"]["text"].as_str(), answered["answer"]["by"]["kind"].as_str()),
        (Some("blue"), Some("person"))
    );
    assert_eq!(end_of(asking), (true, "got blue\n".to_owned()));
    assert_eq!(home.json(&["question", "list"]), serde_json::json!([]));
    assert_eq!(home.json(&["question", "list", "--all"])[0]["answer"]["text"], "blue");
    let twice = home.try_json(&["question", "answer", "q1", "1"]);
    assert!(twice.fault().contains("was answered already by"), "{twice:?}");
    let missing = home.try_json(&["question", "answer", "q9", "1"]);
    assert!(missing.fault().contains("there is no question q9"), "{missing:?}");
}

#[test]
fn what_is_said_freely_is_data_on_every_screen() {
    let home = Home::new();
    // An agent that would like to paint on the person's terminal, and a person who pastes the same back.
    let asking = held(
        &home,
        &format!("{} hook ask \"$(printf 'How\\033]0;evil\\007 so?\\nSay it.')\"", program(&home)),
    );
    let question = asked(&mut home.events(0));
    assert_eq!(question.asks, "How\u{241b}]0;evil\u{2407} so?\nSay it.");
    let shown = home.run(&["question", "list"]).out;
    assert!(shown.contains("How␛]0;evil␇ so?\n    Say it.\n") && !shown.contains('\x1b'), "{shown:?}");
    home.json(&["question", "answer", "q1", "like", "\x1b[31mthis"]);
    let (well, said) = end_of(asking);
    assert!(well && said.contains("like ␛[31mthis") && !said.contains('\x1b'), "{said:?}");
}

#[test]
fn a_session_cannot_answer_itself_and_the_try_is_recorded() {
    let home = Home::new();
    let program = program(&home);
    let (done, said) = (home.path().join("done"), home.path().join("said"));
    let script = format!(
        "{program} hook ask 'May I?' --choice yes --choice no > {said} & \
         while [ ! -e {done} ]; do {program} question list --json | grep -q q1 && break; done; \
         {program} --json question answer q1 yes; env -u PILOTHOUSE_SESSION setsid {program} --json question answer q1 yes; \
         touch {done}; wait",
        said = said.display(),
        done = done.display()
    );
    let asking = held(&home, &script);
    let tries = home.events(0).filter(|it| {
        matches!(&it.event, Event::Refused { session: Some(_), asked, .. } if asked == "question answer")
    });
    assert_eq!(tries.take(2).count(), 2);
    assert!(home.json(&["question", "list"])[0]["answer"].is_null());
    assert_eq!(home.json(&["question", "answer", "q1", "no"])["answer"]["by"]["kind"], "person");
    assert_eq!(end_of(asking).1.matches("was refused to session").count(), 2);
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "no\n");
    // Nor may one session that is known to run speak for another, or hear what it is told.
    let forged = format!(
        "until {program} session list --json | grep -q '\"pid\"'; do :; done; \
         PILOTHOUSE_SESSION=s1 {program} --json hook ask 'May I too?'"
    );
    let (_, said) = end_of(held(&home, &forged));
    assert!(said.contains("inside the session that they speak of"), "{said}");
    let outside = home.try_json(&["hook", "ask", "Anybody?"]);
    assert!(outside.fault().contains("inside a session"), "{outside:?}");
}

#[test]
fn the_question_of_a_killed_session_is_withdrawn() {
    let home = Home::new();
    let code = home.path().join("code");
    // The session's program goes at once; who waits for the answer is left behind for a moment and learns of it.
    let script = format!(
        "trap '' HUP TERM; {} hook ask 'Shall I?' 2>&1; echo $? > {}",
        program(&home),
        code.display()
    );
    let asking = held(&home, &script);
    let question = asked(&mut home.events(0));
    home.json(&["session", "kill", &question.session.to_string()]);
    let why = home.events(0).find_map(|it| match it.event {
        Event::QuestionWithdrawn { question: of, why } if of == question.id => Some((it.who, why)),
        _ => None,
    });
    let (who, why) = why.unwrap();
    assert_eq!(
        (who, why),
        (Who::Engine, format!("session {} ended before it was answered", question.session))
    );
    drop(end_of(asking));
    assert_eq!(home.json(&["question", "list"]), serde_json::json!([]));
    assert!(home.json(&["question", "list", "--all"])[0]["withdrawn"].is_string());
    let late = home.try_json(&["question", "answer", "q1", "yes"]);
    assert!(late.fault().contains("nobody waits for an answer"), "{late:?}");
}

#[test]
fn a_question_outlives_the_engine_and_is_asked_once() {
    let home = Home::new();
    let asking = held(&home, &format!("{} hook ask 'Still there?' --choice yes --choice no", program(&home)));
    let question = asked(&mut home.events(0));
    let pid = home.engine_pid();
    kill_at_once(pid);
    let listed: Value = home.json(&["question", "list"]);
    assert_ne!(home.engine_pid(), pid);
    assert_eq!((listed[0]["id"].as_str(), listed.as_array().unwrap().len()), (Some("q1"), 1));
    home.json(&["question", "answer", "q1", "yes"]);
    assert_eq!(end_of(asking), (true, "yes\n".to_owned()));
    // The same words from the same session are the same question, however often.
    let script = format!("for n in 1 2; do {} hook ask 'And now?'; done", program(&home));
    let asking = held(&home, &script);
    let second = asked(&mut home.events(0).skip_while(|it| it.at <= question.asked));
    assert_eq!(second.id.to_string(), "q2");
    home.json(&["question", "answer", "q2", "go on"]);
    assert_eq!(end_of(asking), (true, "go on\ngo on\n".to_owned()));
    assert_eq!(home.json(&["question", "list", "--all"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_agent_that_waits_does_not_stall_and_the_answer_is_a_touch() {
    let workflow = "---\npilothouse:\n  stall_s: 4\n  attempts: 1\n  approve: policy\n---\n";
    let repo = Repo::with_tasks(&[("T001", "a", "grep -q tea a"), ("T002", "b", "test -e b")]);
    repo.commit(&[("WORKFLOW.md", workflow)], "Say how");
    let home = Home::trusting(&repo);
    // The other task hangs as soon as the first has asked: when it has stalled, the limit is over for both.
    let agent = ShellAgent::new(
        "case $task in
         T001) \"$PILOTHOUSE_BIN\" hook ask 'What shall it be?' --choice tea --choice coffee > a ;;
         T002) if [ -e \"$0.stalled\" ]; then echo b > b; else 
             touch \"$0.stalled\"
             until \"$PILOTHOUSE_BIN\" question list --json | grep -q q1; do echo nobody asks yet; done
             sleep 1000
         fi ;;
         esac",
    );
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    let mut events = home.events(0);
    let question = asked(&mut events);
    let stalled = events.find_map(|it| match it.event {
        Event::AttemptFailed { attempt, failure, .. } => Some((attempt, failure.word())),
        _ => None,
    });
    let (attempt, word) = stalled.unwrap();
    assert_eq!(word, "stalled");
    assert_ne!(Some(attempt), question.attempt);
    assert!(home.json(&["question", "list"])[0]["answer"].is_null(), "it waits on");
    home.json(&["question", "answer", &question.id.to_string(), "tea"]);
    // The hanging task is parked after its one try; a person lets it go on.
    let parked = events.any(|it| matches!(it.event, Event::RunMoved { to: RunState::Parked, .. }));
    assert!(parked);
    let run = home.carry(&agent).json();
    assert_eq!(run["state"], "landed", "{run}");
    assert_eq!(repo.read("a"), "tea\n");
    let touched = home.history().into_iter().any(|it| {
        matches!(&it.event, Event::RunTouched { touch, .. }
            if touch.kind == TouchKind::Answered && touch.session == Some(question.session))
    });
    assert!(touched);
}

#[test]
fn a_rehearsal_that_is_left_to_itself_waits_for_a_person() {
    let home = Home::new();
    let started = home.json(&["rehearse", "--no-window", "--speed", "50", "--approve", "policy"]);
    let mut events = home.events(0);
    let question = asked(&mut events);
    // Not the first choice this time: what lands is another tree, and as valid.
    home.json(&["question", "answer", &question.id.to_string(), "2"]);
    let end = events.find_map(|it| match it.event {
        Event::RunMoved { to, why, .. } if !to.is_live() => Some((to, why)),
        _ => None,
    });
    assert_eq!(end.as_ref().map(|it| it.0), Some(RunState::Landed), "{end:?}");
    let path = started["path"].as_str().unwrap();
    let next = std::fs::read_to_string(format!("{path}/lib/next.sh")).unwrap();
    assert!(next.contains("-ge"), "{next}");
}
