//! The nights: while runs are carried the machine is kept awake, if a person wants that, and how long it slept all the
//! same is written down. Looks at nothing while no run is carried.

use std::time::{Duration, Instant};

use pilothouse_contract::Fleet;
use tokio::sync::broadcast::error::RecvError;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::awake::Awake;
use crate::perform::now;

/// So often it is looked whether the machine slept.
const LOOK: Duration = Duration::from_secs(20);
/// A shorter sleep than this is none: the two clocks may differ a little.
const SHORTEST_MS: i64 = 30_000;

/// Whether anything is carried that would stand still if the machine slept.
fn works(fleet: &Fleet) -> bool {
    fleet.runs.values().any(|it| it.state.is_live() && !it.is_paused())
}

/// Two clocks of which one stands still while the machine sleeps.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    awake: Instant,
    wall: pilothouse_contract::At,
}

impl Clocks {
    fn read() -> Self {
        Self { awake: Instant::now(), wall: now() }
    }

    /// For how long the machine slept between two readings, in milliseconds. A clock on the wall that is set forward looks
    /// the same; one that is set back looks like no sleep.
    fn slept_ms(self, later: Self) -> i64 {
        let awake = later.awake.duration_since(self.awake).as_millis();
        let slept = later.wall.since_ms(self.wall) - i64::try_from(awake).unwrap_or(i64::MAX);
        if slept < SHORTEST_MS { 0 } else { slept }
    }
}

impl Engine {
    /// Minds the nights, as long as the engine lives.
    pub(crate) async fn mind_nights(self) {
        let mut told = self.subscribe();
        let mut held: Option<Awake> = None;
        // Why it cannot be done; said once each time that it is wanted.
        let mut cannot = false;
        let mut clocks = Clocks::read();
        loop {
            let (works, wanted) = {
                let fleet = self.fleet();
                (works(&fleet), fleet.keep_awake)
            };
            if !(works && wanted) {
                (held, cannot) = (None, false);
            } else if held.is_none() && !cannot {
                match Awake::keep().await {
                    Ok(it) => held = Some(it),
                    Err(why) => {
                        cannot = true;
                        let says = format!(
                            "This machine cannot be kept awake: {why}. Runs stand still while it sleeps; keep it from \
                             sleeping in the system's settings, or switch this off: pilothouse engine keep-awake off"
                        );
                        self.tell(Input::Notice { project: None, says });
                    }
                }
            }
            let ends = async {
                match &mut held {
                    Some(it) => it.ended().await,
                    None => std::future::pending().await,
                }
            };
            let lost = tokio::select! {
                heard = told.recv() => match heard {
                    Err(RecvError::Closed) => return,
                    _ => false,
                },
                () = tokio::time::sleep(LOOK), if works => false,
                () = ends => true,
            };
            if lost {
                held = None;
            }
            let later = Clocks::read();
            let slept_ms = clocks.slept_ms(later);
            if works && slept_ms > 0 {
                self.tell(Input::Slept { ms: slept_ms });
            }
            clocks = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_what_the_wall_has_more_and_a_clock_that_is_set_back_is_none() {
        let before = Clocks::read();
        let later = |awake_s: u64, wall_s: i64| Clocks {
            awake: before.awake + Duration::from_secs(awake_s),
            wall: before.wall.plus_ms(wall_s * 1000),
        };
        assert_eq!(before.slept_ms(later(20, 20)), 0);
        assert_eq!(before.slept_ms(later(20, 22_340)), 22_320_000);
        assert_eq!(before.slept_ms(later(20, -3600)), 0);
        assert_eq!(before.slept_ms(later(20, 45)), 0, "clocks differ a little");
    }
}
