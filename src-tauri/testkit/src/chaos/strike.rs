//! A strike: one process of ours killed with `kill -9`, or stopped for a while; or all of them upgraded.

use std::time::Duration;

use super::Outcome;
use super::cast::Cast;
use crate::home::{self, Home};
use crate::must;
use crate::process::{kill_at_once, signal};

/// A stop lasts a moment, at most so long, or seconds; in microseconds.
const MOMENT_US: u64 = 30_000;
const LONG_US: std::ops::Range<u64> = 1_000_000..3_000_000;

/// Strikes once.
///
/// # Panics
/// If a window cannot be opened again, or an upgrade does not come to its end.
pub(super) fn strike(
    home: &Home,
    rng: &mut fastrand::Rng,
    holders: &[u32],
    cast: &mut Cast,
    outcome: &mut Outcome,
) {
    let holder = rng.choice(holders.iter().copied()).unwrap_or_default();
    let named = match rng.u32(0..100) {
        0..=39 => {
            kill_at_once(holder);
            format!("killed holder {holder}")
        }
        40..=66 => {
            let engine = engine(home);
            kill_at_once(engine);
            format!("killed engine {engine}")
        }
        67..=74 => {
            let Some(counter) = rng.choice(cast.counters.iter_mut()) else { return };
            counter.viewer.kill_and_open(home, counter.session);
            format!("killed the viewer of {}", counter.session)
        }
        75..=81 => {
            let (name, pid) = watcher(home);
            kill_at_once(pid);
            format!("killed {name} {pid}")
        }
        82..=86 => {
            cast.watch.window.kill();
            cast.watch.open_again(&cast.drawers);
            outcome.windows += 1;
            "killed the window".to_owned()
        }
        87..=95 => {
            outcome.stops += 1;
            outcome.order.push(stop(home, rng, holder, cast));
            return;
        }
        _ => {
            upgrade(home, outcome);
            outcome.upgrades += 1;
            outcome.order.push("upgraded engine and holders".to_owned());
            return;
        }
    };
    outcome.kills += 1;
    outcome.order.push(named);
}

/// Stops a process of ours for a moment, or for seconds.
fn stop(home: &Home, rng: &mut fastrand::Rng, holder: u32, cast: &Cast) -> String {
    let (name, pid) = match rng.u32(0..4) {
        0 => ("engine", engine(home)),
        1 => watcher(home),
        2 => match cast.watch.window.pid() {
            Some(pid) => ("window", pid),
            None => panic!("the window is gone"),
        },
        _ => ("holder", holder),
    };
    let length = if rng.bool() { rng.u64(0..MOMENT_US) } else { rng.u64(LONG_US) };
    let _gone = signal(pid, "-STOP");
    std::thread::sleep(Duration::from_micros(length));
    let _gone = signal(pid, "-CONT");
    format!("stopped {name} {pid} for {} ms", length / 1000)
}

/// The engine's watcher. One that was killed comes back with the next engine: until then it is the engine's turn.
fn watcher(home: &Home) -> (&'static str, u32) {
    let engine = engine(home);
    home::watcher(engine).map_or(("engine", engine), |it| ("watcher", it))
}

/// The engine. It is there, for it just said that all is steady; and a call would let the moment pass.
fn engine(home: &Home) -> u32 {
    home.locked_by().unwrap_or_else(|| panic!("no engine has the data folder"))
}

/// Installs the programs anew and goes over to them.
fn upgrade(home: &Home, outcome: &Outcome) {
    for program in ["pilothouse", "pilothouse-hold"] {
        home.install(program, &must(std::fs::read(home.program(program))));
    }
    let upgraded = home.try_json(&["engine", "upgrade"]);
    assert_eq!(upgraded.code, 0, "{upgraded:?}, after {:?}", outcome.order);
}
