//! The nights: while runs are carried the machine is kept awake, if a person wants that.

use pilothouse_contract::Fleet;
use tokio::sync::broadcast::error::RecvError;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::awake::Awake;

/// Whether anything is carried that would stand still if the machine slept.
fn works(fleet: &Fleet) -> bool {
    fleet.runs.values().any(|it| it.state.is_live() && !it.is_paused())
}

impl Engine {
    /// Minds the nights, as long as the engine lives.
    pub(crate) async fn mind_nights(self) {
        let mut told = self.subscribe();
        let mut held: Option<Awake> = None;
        // Said once each time that it is wanted and cannot be done.
        let mut cannot = false;
        loop {
            let wanted = {
                let fleet = self.fleet();
                fleet.keep_awake && works(&fleet)
            };
            if !wanted {
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
                () = ends => true,
            };
            if lost {
                // Somebody ended the tool: it is begun anew, and said if that cannot be done.
                held = None;
            }
        }
    }
}
