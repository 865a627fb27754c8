//! `pilothouse hook …`: what agents' hooks say to the engine. Quick, quiet, and never in the agent's way.

use clap::Subcommand;
use pilothouse_client::{Client, Places};
use pilothouse_contract::{Fault, SessionId, ask};

use crate::desk::{End, HOLDS};
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The fence refused a move of a ref
    RefRefused {
        /// The ref
        reference: String,
        /// Where it stood
        from: String,
        /// Where it was to go
        to: String,
    },
}

pub(crate) async fn run(verb: Verb, _out: Out) -> End {
    let Verb::RefRefused { reference, from, to } = verb;
    let session: SessionId = std::env::var("PILOTHOUSE_SESSION")
        .ok()
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| Fault::refused("this is for hooks inside a session of Pilothouse"))?;
    // An engine that does not run is not started for this.
    let mut client = Client::connect(&Places::find()?).await?;
    client.call(ask::hook::RefRefused { session, reference, from, to }).await?;
    Ok(HOLDS)
}
