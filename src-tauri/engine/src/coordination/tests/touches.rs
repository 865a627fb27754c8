//! What people do inside a run: looks at agents at work, and when a look is another one.

use pilothouse_contract::run::TouchKind;

use super::*;

const MINUTE_MS: i64 = 60_000;

#[test]
fn who_comes_back_within_five_minutes_still_looks_and_after_them_looks_anew() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let Effect::Launch { session } = desk.until(|it| matches!(it, Effect::Launch { .. })) else { panic!() };
    desk.done(Effect::Launch { session }, Outcome::Launched(Ok(running())));
    let mut peeks = |ms: i64| {
        desk.now = At(ms);
        desk.take(Input::Peeked { session });
        desk.run()
            .touches
            .iter()
            .filter(|it| it.kind == TouchKind::Peek)
            .map(|it| it.at.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(peeks(1000), [1000]);
    assert_eq!(peeks(2000), [1000], "a window that was opened anew");
    assert_eq!(peeks(1000 + 5 * MINUTE_MS - 1), [1000]);
    let second = 1000 + 5 * MINUTE_MS;
    assert_eq!(peeks(second), [1000, second]);
    // It is the look that was written down last from which the next is reckoned.
    assert_eq!(peeks(second + 4 * MINUTE_MS), [1000, second]);
    assert_eq!(peeks(second + 5 * MINUTE_MS), [1000, second, second + 5 * MINUTE_MS]);
    // Nobody looks at an agent that is not at work any more.
    desk.take(Input::SessionEnded { session, end: ended(Ending::Exited { code: 0 }), did_nothing: false });
    desk.now = At(second + 99 * MINUTE_MS);
    desk.take(Input::Peeked { session });
    assert_eq!(desk.run().touches.len(), 3);
}
