//! Engine, holders, viewers and the watcher killed in turn while sessions count at full speed and programs draw: nothing
//! is lost. `cargo xtask chaos` does the same at length.

use pilothouse_testkit::chaos;

#[test]
fn nothing_is_lost_whatever_is_killed() {
    for seed in [1, 2] {
        let outcome = chaos::run(16, seed);
        assert!(outcome.holds(), "{outcome:?}");
    }
}
