//! Window, engine, holders, viewers and the watcher killed in turn, stopped and upgraded, while sessions count at full speed
//! and an editor, a pager and an agent draw at changing sizes: nothing is lost. `cargo xtask chaos` does the same at length.

use pilothouse_testkit::chaos::{self, Plan};

#[test]
fn nothing_is_lost_whatever_is_killed() {
    let outcome = chaos::run(Plan { kills: 200, seed: 1, lines: 20_000 });
    assert!(outcome.holds(), "{outcome:#?}");
    // Of a seed it is known what it does.
    assert_eq!(outcome.kills, 200);
    assert!(
        outcome.windows > 0 && outcome.stops > 0 && outcome.upgrades > 0 && outcome.sizes > 0,
        "{outcome:?}"
    );
    let with_all = ["painter", "painter", "pager", "editor", "agent"];
    assert!(outcome.drew == with_all || std::env::var_os("PILOTHOUSE_ALL").is_none(), "{outcome:?}");
}
