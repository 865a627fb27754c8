//! `subscribe`: the engine's events for the page, as they come from the socket: a snapshot, then records. When the
//! engine goes away the page is told, and gets a new snapshot when it is back.

use std::convert::Infallible;

use pilothouse_client::{Client, Engine, Patience};
use pilothouse_contract::{Fault, wire, wire::Tag};
use tauri::State;
use tauri::ipc::{Channel, InvokeResponseBody};

use crate::page::{Page, Task, send};

/// Begins the feed of this page; an earlier one ends.
///
/// # Errors
/// Never: what goes wrong comes as a message.
#[tauri::command]
pub(crate) async fn subscribe(
    channel: Channel<InvokeResponseBody>,
    engine: State<'_, Engine>,
    page: State<'_, Page>,
) -> Result<(), Fault> {
    let feed = Task(tauri::async_runtime::spawn(feed(engine.inner().clone(), channel)));
    page.with(|open| open.feed = Some(feed));
    Ok(())
}

/// Why following ends.
enum Over {
    /// The page is gone.
    Page,
    /// The engine is.
    Engine(Fault),
}

async fn feed(engine: Engine, channel: Channel<InvokeResponseBody>) {
    let mut patience = Patience::default();
    // A page that has just been opened waits for nothing and may start the engine at once.
    let mut start = true;
    let mut told = None;
    loop {
        let over = match follow(&engine, &channel, start, &mut patience, &mut told).await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        let Over::Engine(fault) = over else { return };
        // The same words again and again would be noise.
        if told.as_ref() != Some(&fault) {
            if !send(&channel, Tag::Fault, &[&wire::encode(&fault).unwrap_or_default()]) {
                return;
            }
            told = Some(fault);
        }
        let (wait, may_start) = patience.wait();
        start = may_start;
        tokio::time::sleep(wait).await;
    }
}

async fn follow(
    engine: &Engine,
    channel: &Channel<InvokeResponseBody>,
    start: bool,
    patience: &mut Patience,
    told: &mut Option<Fault>,
) -> Result<Infallible, Over> {
    let client = if start { engine.start().await } else { Client::connect(&engine.places).await };
    let mut feed = client.map_err(Over::Engine)?.subscribe(None).await.map_err(Over::Engine)?;
    loop {
        let (tag, payload) = feed.frame().await.map_err(Over::Engine)?;
        (*patience, *told) = (Patience::default(), None);
        if !send(channel, tag, &[&payload]) {
            return Err(Over::Page);
        }
    }
}

#[cfg(test)]
mod tests {
    use pilothouse_contract::{Event, FaultCode, Fleet, Record};
    use pilothouse_testkit::home::kill_at_once;

    use super::*;
    use crate::rig::Rig;

    fn snapshot(rig: &Rig, channel: u32) -> Fleet {
        loop {
            match rig.next(channel) {
                (6, payload) => return wire::decode(&payload).unwrap(),
                // Starting can fail more than once.
                (4, payload) => drop(fault(&payload)),
                (tag, _) => panic!("{tag} instead of a snapshot"),
            }
        }
    }

    fn fault(payload: &[u8]) -> Fault {
        wire::decode(payload).unwrap()
    }

    /// Waits for the records of a session that is started, over what else happens.
    fn session_starts(rig: &Rig, channel: u32) {
        rig.home.json(&["session", "start", "--", "true"]);
        loop {
            let (tag, payload) = rig.next(channel);
            assert_eq!(tag, 7);
            let records: Vec<Record> = wire::decode(&payload).unwrap();
            if records.iter().any(|it| matches!(it.event, Event::SessionAsked { .. })) {
                return;
            }
        }
    }

    #[test]
    fn a_snapshot_comes_first_and_then_what_happens_to_the_newest_subscriber() {
        let rig = Rig::new();
        rig.subscribe(1);
        assert_eq!(snapshot(&rig, 1).sessions.len(), 0);
        session_starts(&rig, 1);
        rig.subscribe(2);
        assert_eq!(snapshot(&rig, 2).sessions.len(), 1);
        while !rig.is_silent(1) {
            rig.next(1);
        }
        session_starts(&rig, 2);
        assert!(rig.is_silent(1), "a subscriber that was replaced is told nothing");
    }

    #[test]
    fn the_end_of_the_engine_is_told_and_a_new_snapshot_follows() {
        let rig = Rig::new();
        rig.subscribe(1);
        snapshot(&rig, 1);
        kill_at_once(rig.home.engine_pid());
        let (tag, payload) = rig.next(1);
        assert_eq!((tag, fault(&payload).code), (4, FaultCode::Unreachable));
        snapshot(&rig, 1);
        // Nobody brings back an engine that was asked to end, but the window: it is a person's.
        rig.home.json(&["engine", "stop"]);
        let (tag, payload) = rig.next(1);
        assert_eq!((tag, fault(&payload).code), (4, FaultCode::Unreachable));
        snapshot(&rig, 1);
        session_starts(&rig, 1);
    }
}
