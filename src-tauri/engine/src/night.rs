//! The nights: while runs are carried the machine is kept awake, if a person wants that, and how long it slept all the same
//! is written down. Looks at nothing while nothing goes on by itself.

use std::time::{Duration, Instant};

use pilothouse_contract::Fleet;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{Run, RunState};
use tokio::sync::broadcast::error::RecvError;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::awake::Awake;
use crate::ports::clock;

/// So often it is looked whether the machine slept, while anything is carried.
const LOOK: Duration = Duration::from_secs(30);
/// A tool that ends sooner than this by itself did not do what it was asked.
const TOO_SOON: Duration = Duration::from_secs(60);
/// A shorter sleep of the machine is not told of.
const WORTH_TELLING: Duration = Duration::from_secs(60);

/// Whether anything goes on by itself that would stand still if the machine slept. What waits for a person does not.
fn works(fleet: &Fleet) -> bool {
    let at_work = fleet.attempts.values().any(|it| !it.state.is_over());
    let goes_on = |run: &Run| match run.state {
        RunState::Running | RunState::Assembled => !fleet.is_paused(run),
        RunState::InPull => run
            .pull
            .and_then(|it| fleet.pulls.get(&it))
            .is_some_and(|it| matches!(it.state, PullState::Checking | PullState::Landing)),
        // It begins by itself, which a machine that sleeps lets it not.
        RunState::Queued => run.window.as_ref().is_some_and(|it| !it.is_open) && !fleet.is_paused(run),
        RunState::Landed | RunState::Parked | RunState::Stopped => false,
    };
    at_work || fleet.runs.values().any(goes_on)
}

impl Engine {
    /// Minds the nights, as long as the engine lives.
    pub(crate) async fn mind_nights(self) {
        let mut told = self.subscribe();
        let mut held: Option<(Awake, Instant)> = None;
        // Said once each time that it is wanted and cannot be done.
        let mut cannot = false;
        let mut slept = clock::slept();
        let mut worked = false;
        loop {
            let (works, wanted) = {
                let fleet = self.fleet();
                (works(&fleet), fleet.keep_awake)
            };
            let all = clock::slept();
            let more = all.saturating_sub(slept);
            slept = all;
            // Told at once or not at all, so that it lies where it is said to.
            if (works || worked) && more >= WORTH_TELLING {
                self.tell(Input::MachineSlept { ms: i64::try_from(more.as_millis()).unwrap_or(i64::MAX) });
            }
            worked = works;
            if !(works && wanted) {
                (held, cannot) = (None, false);
            } else if held.is_none() && !cannot {
                match Awake::keep().await {
                    Ok(it) => held = Some((it, Instant::now())),
                    Err(why) => {
                        cannot = true;
                        self.cannot_stay_awake(&why);
                    }
                }
            }
            let ends = async {
                match &mut held {
                    Some((it, since)) => Some((it.ended().await, since.elapsed())),
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                heard = told.recv() => match heard {
                    Err(RecvError::Closed) => return,
                    _ => None,
                },
                () = tokio::time::sleep(LOOK), if works => None,
                ended = ends => ended,
            };
            if let Some((why, after)) = ended {
                held = None;
                // Somebody may have ended it, and it is begun anew; but not over and over.
                if after < TOO_SOON {
                    cannot = true;
                    self.cannot_stay_awake(&why);
                }
            }
        }
    }

    fn cannot_stay_awake(&self, why: &str) {
        let says = format!(
            "This machine cannot be kept awake: {why}. Runs stand still while it sleeps; keep it from sleeping in the \
             system's settings, or switch this off: pilothouse engine keep-awake off"
        );
        self.tell(Input::Notice { project: None, says });
    }
}
