//! The engine killed with `kill -9` at seeded moments of the rehearsal: each time it ends in the same landed tree, no
//! task is done twice, no session is lost.

use std::collections::BTreeMap;

use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::event::Event;
use pilothouse_contract::session::Ending;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::kill_at_once;

/// Seeds of the moments; printed with a failure, so that a moment can be tried again.
const SEEDS: std::ops::Range<u64> = 1..11;

fn tree_of(path: &str) -> String {
    let out =
        std::process::Command::new("git").args(["-C", path, "rev-parse", "main^{tree}"]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn ten_kills_end_in_the_same_landed_tree() {
    let home = Home::new();
    let calm = home.json(&["rehearse", "--headless", "--speed", "50"]);
    let tree = tree_of(calm["path"].as_str().unwrap());
    let length = home.history().last().unwrap().seq;
    for seed in SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let begin = home.history().last().unwrap().seq;
        // Somewhere between the first event and the last but a few of a rehearsal.
        let moment = begin + rng.u64(8..length - 4);
        let pid = home.engine_pid();
        let mut rehearsal = home.command(&["rehearse", "--headless", "--speed", "50", "--json"]);
        let rehearsal = rehearsal
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let reached = home.events(begin).find(|record| record.seq >= moment).unwrap();
        // Not always on the heels of the event: what it set going is met at any point of its way.
        let jitter = std::time::Duration::from_micros(rng.u64(0..120_000));
        std::thread::sleep(jitter);
        kill_at_once(pid);
        let ended = rehearsal.wait_with_output().unwrap();
        let context = format!(
            "seed {seed}, killed {jitter:?} after event {} ({})",
            reached.seq - begin,
            reached.event.word()
        );
        assert_eq!(ended.status.code(), Some(0), "{context}: {}", String::from_utf8_lossy(&ended.stdout));
        let summary: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_ne!(home.engine_pid(), pid, "{context}: another engine carried on");
        assert_eq!(tree_of(summary["path"].as_str().unwrap()), tree, "{context}: another tree landed");
        let mine: Vec<_> = home.history().into_iter().filter(|record| record.seq > begin).collect();
        let failed: Vec<_> =
            mine.iter().filter(|it| matches!(it.event, Event::AttemptFailed { .. })).collect();
        assert_eq!(summary["attempts"], 7, "{context}: work was done again: {failed:?}");

        let mut merged: BTreeMap<String, u32> = BTreeMap::new();
        for record in &mine {
            match &record.event {
                Event::AttemptMoved { attempt, to: AttemptState::Merged, .. } => {
                    *merged.entry(attempt.to_string()).or_default() += 1
                }
                Event::SessionEnded { session, end } => {
                    assert!(!matches!(end.how, Ending::Lost { .. }), "{context}: session {session} was lost");
                }
                _ => {}
            }
        }
        assert_eq!((merged.len(), merged.values().max()), (6, Some(&1)), "{context}: {merged:?}");
        let log = std::process::Command::new("git")
            .args([
                "-C",
                summary["path"].as_str().unwrap(),
                "log",
                "--format=%(trailers:key=Pilothouse-Task,valueonly)",
                "main",
            ])
            .output()
            .unwrap();
        let mut tasks: Vec<String> = String::from_utf8(log.stdout)
            .unwrap()
            .lines()
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        tasks.sort();
        assert_eq!(tasks, ["T001", "T002", "T003", "T004", "T005", "T006"], "{context}: one commit a task");
    }
}
