//! A workflow file that changes while a session is under way.

use super::*;

#[tokio::test]
async fn row_n_23_a_session_keeps_what_it_began_with_over_a_reload() {
    let front = |hook: &str| format!("{SERVER}\nhooks: {{after_run: 'touch ../../{hook}'}}");
    let mut rig = Rig::new(&front("old"), "echo here > ../../here; read go < ../../go");
    let made =
        std::process::Command::new("mkfifo").args([rig.path("here"), rig.path("go")]).status().unwrap();
    assert!(made.success());
    let (here, go) = (rig.path("here"), rig.path("go"));
    let at_work = async || {
        let here = here.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(here).unwrap());
        assert_eq!(tokio::time::timeout(SOON, read).await.expect("it works").unwrap(), "here\n");
    };
    let let_go = async || {
        let go = go.clone();
        tokio::task::spawn_blocking(move || std::fs::write(go, "go\n").unwrap()).await.unwrap();
    };
    rig.tracker.put(issue("1", "Todo"));
    let (running, handle) = rig.start().await;
    at_work().await;
    rig.workflow(&front("new"), "Do {{ issue.identifier }} otherwise.");
    rig.until("workflow_reloaded").await;
    let_go().await;
    rig.until("worker_ended").await;
    assert!(rig.path("old").exists() && !rig.path("new").exists(), "it ended by what it began with");
    at_work().await;
    let_go().await;
    rig.until("worker_ended").await;
    assert!(rig.path("new").exists(), "the next one has what came");
    assert_eq!(rig.prompts(), ["Do A-1.", "Do A-1 otherwise."]);
    handle.shut_down();
    running.await.unwrap();
}
