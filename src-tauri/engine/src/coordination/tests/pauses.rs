//! Pauses: of everything, and run by run as older versions wrote a pause of everything.

use pilothouse_contract::run::Paused;

use super::*;

#[test]
fn a_pause_that_an_older_version_wrote_run_by_run_is_lifted_by_letting_everything_go_on() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    // What that version wrote: each run by itself, and no word of everything.
    desk.take(Input::PauseRun { run: RunId(1), paused: true });
    desk.go_to_the_end();
    assert!(desk.run().is_paused() && desk.fleet.halt.is_none());
    desk.take(Input::PauseAll { paused: false });
    assert!(!desk.run().is_paused());
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
}

#[test]
fn letting_everything_go_on_leaves_alone_what_was_paused_by_itself_and_what_a_window_paused() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    desk.take(Input::PauseRun { run: RunId(1), paused: true });
    desk.take(Input::PauseAll { paused: true });
    desk.take(Input::PauseAll { paused: false });
    assert!(desk.run().is_paused(), "everything was held, and that was lifted");
    let by_window = Paused { by: Who::Policy("its window".to_owned()), at: At(1) };
    if let Some(run) = desk.fleet.runs.get_mut(&RunId(1)) {
        run.paused = Some(by_window);
    }
    desk.take(Input::PauseAll { paused: false });
    assert!(desk.run().is_paused(), "what a window paused is the window's");
}
