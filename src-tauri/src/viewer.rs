//! One viewer of the page: what the client shows of a session goes into a channel of the page.

use std::future::Future;

use pilothouse_client::{Engine, Order};
use pilothouse_contract::wire::View;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::page::send;

/// Shows a session to the page until it ends, is closed, or the page is gone.
pub(crate) fn show(
    engine: Engine,
    view: View,
    channel: Channel<InvokeResponseBody>,
    orders: UnboundedReceiver<Order>,
) -> impl Future<Output = ()> + Send {
    pilothouse_client::show(engine, view, move |tag, parts| send(&channel, tag, parts), orders)
}

#[cfg(test)]
mod tests {
    use pilothouse_client::WINDOW;
    use pilothouse_contract::wire::{self, Ended, LeaseSeen};
    use pilothouse_contract::{Fault, FaultCode, SessionId};
    use pilothouse_testkit::home::kill_at_once;
    use serde_json::json;
    use tauri::Manager;

    use super::*;
    use crate::page::Page;
    use crate::rig::Rig;

    /// Starts a session and opens viewer 7 at its beginning.
    fn shown(rig: &Rig, script: &str, keyboard: bool) -> View {
        let view = from_its_beginning(rig.home.start(&["sh", "-c", script]), keyboard);
        rig.open(7, &view).unwrap();
        view
    }

    fn from_its_beginning(session: SessionId, keyboard: bool) -> View {
        View { from: Some(0), keyboard, ..View::of(session) }
    }

    fn ack(rig: &Rig, offset: u64) {
        rig.order(json!({ "do": "ack", "id": 7, "offset": offset })).unwrap();
    }

    /// What `seq` says in a terminal.
    fn counted(to: u32) -> Vec<u8> {
        (1..=to).flat_map(|it| format!("{it}\r\n").into_bytes()).collect()
    }

    /// Takes everything to the end, and demands that it follows on what came before. Returns how many faults came.
    fn to_the_end(rig: &Rig, all: &mut Vec<u8>) -> usize {
        let mut faults = 0;
        loop {
            match rig.next(7) {
                (9, payload) => {
                    let (offset, bytes) = payload.split_first_chunk::<8>().unwrap();
                    assert_eq!(u64::from_le_bytes(*offset), all.len() as u64, "a gap, or twice the same");
                    all.extend_from_slice(bytes);
                    ack(rig, all.len() as u64);
                }
                (4, payload) => {
                    assert_eq!(wire::decode::<Fault>(&payload).unwrap().code, FaultCode::Unreachable);
                    faults += 1;
                }
                (15, _) => {}
                (tag, payload) => {
                    assert_eq!((tag, wire::decode::<Ended>(&payload).unwrap().code), (12, Some(0)));
                    return faults;
                }
            }
        }
    }

    /// Takes everything until it ends like this, and demands that it follows on what came before.
    fn until(rig: &Rig, all: &mut Vec<u8>, ending: &str) {
        while !all.ends_with(ending.as_bytes()) {
            match rig.next(7) {
                (9, payload) => {
                    assert_eq!(payload[..8], (all.len() as u64).to_le_bytes(), "a gap, or twice the same");
                    all.extend(&payload[8..]);
                    ack(rig, all.len() as u64);
                }
                (tag, payload) => assert_eq!(tag, 15, "{}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    /// Takes without a word about it until the window is full.
    fn until_full(rig: &Rig) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < WINDOW {
            let (tag, payload) = rig.next(7);
            if tag == 15 {
                continue;
            }
            assert_eq!((tag, &payload[..8]), (9, &(all.len() as u64).to_le_bytes()[..]));
            all.extend(&payload[8..]);
        }
        assert_eq!(all.len(), WINDOW);
        all
    }

    #[test]
    fn every_byte_comes_once_and_then_the_end() {
        let rig = Rig::new();
        shown(&rig, "seq 100000", false);
        let mut all = Vec::new();
        assert_eq!(to_the_end(&rig, &mut all), 0);
        assert!(all == counted(100_000), "{} bytes", all.len());
        // What has ended takes no more orders, and its number is free.
        let typed = rig.order(json!({ "do": "input", "id": 7, "bytes": [13] })).unwrap_err();
        assert_eq!(typed["code"], "missing");
    }

    #[test]
    fn a_page_that_takes_note_of_nothing_gets_no_more_than_the_window() {
        let rig = Rig::new();
        shown(&rig, "seq 120000", false);
        let mut all = until_full(&rig);
        ack(&rig, 1000);
        let (offset, bytes) = rig.bytes(7);
        assert_eq!((offset, bytes.len()), (WINDOW as u64, 1000), "just as much as there is room for");
        all.extend(bytes);
        ack(&rig, all.len() as u64);
        to_the_end(&rig, &mut all);
        assert!(all == counted(120_000), "{} bytes", all.len());
    }

    #[test]
    fn a_killed_engine_costs_a_viewer_no_byte() {
        let rig = Rig::new();
        shown(&rig, "seq 120000; read line; seq 10", true);
        let mut all = until_full(&rig);
        kill_at_once(rig.home.engine_pid());
        let first = counted(120_000);
        ack(&rig, all.len() as u64);
        let mut faults = 0;
        while all.len() < first.len() || faults == 0 {
            match rig.next(7) {
                (9, payload) => {
                    assert_eq!(payload[..8], (all.len() as u64).to_le_bytes());
                    all.extend(&payload[8..]);
                    ack(&rig, all.len() as u64);
                }
                (15, _) => {}
                (tag, payload) => {
                    assert_eq!(tag, 4, "{}", String::from_utf8_lossy(&payload));
                    faults += 1;
                }
            }
        }
        // The line that is up again types too.
        rig.order(json!({ "do": "input", "id": 7, "bytes": b"on\r" })).unwrap();
        assert_eq!(to_the_end(&rig, &mut all), 0);
        let rest = String::from_utf8(all.split_off(first.len())).unwrap();
        assert!(all == first);
        assert!(rest.ends_with(&String::from_utf8(counted(10)).unwrap()), "{rest}");
    }

    #[test]
    fn who_is_far_behind_is_painted_anew() {
        const ALL: usize = 12 * 1024 * 1024;
        let rig = Rig::new();
        // To its end first, so that there is something to be behind of.
        let ran = rig.home.run(&[
            "hold",
            "--",
            "sh",
            "-c",
            &format!("head -c {ALL} /dev/zero | tr '\\0' x; printf end"),
        ]);
        assert_eq!((ran.code, ran.out.len()), (0, ALL + 3));
        let session = rig.home.json(&["session", "list", "--all"])[0]["session"]["id"].clone();
        rig.open(7, &from_its_beginning(session.as_str().unwrap().parse().unwrap(), false)).unwrap();
        let (mut at, mut took, mut last) = (0, 0, Vec::new());
        loop {
            let (tag, payload) = rig.next(7);
            match tag {
                // How far a screen was drawn when it is painted is a matter of time; it goes on from there.
                14 | 9 => {
                    let (offset, rest) = payload.split_first_chunk::<8>().unwrap();
                    let offset = u64::from_le_bytes(*offset);
                    assert!(if tag == 14 { offset >= at } else { offset == at }, "{tag}: {at}, {offset}");
                    at = if tag == 14 { offset } else { offset + rest.len() as u64 };
                    took += rest.len();
                    last.extend_from_slice(rest);
                    ack(&rig, at);
                }
                15 => {}
                tag => {
                    assert_eq!(tag, 12, "{}", String::from_utf8_lossy(&payload));
                    break;
                }
            }
        }
        assert_eq!(at, ALL as u64 + 3, "to its end");
        assert!(took < ALL / 2, "{took} bytes of {ALL} were sent");
        assert!(String::from_utf8_lossy(&last).contains("xend"));
    }

    #[test]
    fn one_has_the_keyboard_and_every_viewer_is_told() {
        let rig = Rig::new();
        let view = shown(&rig, "read line; echo got $line; read more", true);
        let told = |channel: u32| loop {
            match rig.next(channel) {
                (15, payload) => break wire::decode::<LeaseSeen>(&payload).unwrap(),
                (tag, payload) => assert_eq!(tag, 9, "{}", String::from_utf8_lossy(&payload)),
            }
        };
        assert!(told(7).yours);
        rig.open(8, &View { keyboard: false, from: None, ..view }).unwrap();
        let seen = told(8);
        assert!(!seen.yours && seen.lease.is_some(), "{seen:?}");
        let painted_at = || loop {
            match rig.next(8) {
                (14, payload) => break payload[8..12].to_vec(),
                (tag, payload) => assert_ne!(tag, 12, "{}", String::from_utf8_lossy(&payload)),
            }
        };
        assert_eq!(painted_at(), [120, 0, 40, 0]);
        rig.order(json!({ "do": "resize", "id": 7, "columns": 101, "rows": 33 })).unwrap();
        // What somebody types who only watches reaches nobody.
        rig.order(json!({ "do": "input", "id": 8, "bytes": b"theirs\r" })).unwrap();
        rig.order(json!({ "do": "input", "id": 7, "bytes": b"ours\r" })).unwrap();
        // Whoever watches sees it at the size that was set.
        assert_eq!(painted_at(), [101, 0, 33, 0]);
        // What is typed is echoed at once: the last word comes once the first was answered, or the two could change places.
        let mut all = Vec::new();
        until(&rig, &mut all, "got ours\r\n");
        rig.order(json!({ "do": "input", "id": 7, "bytes": b"\r" })).unwrap();
        to_the_end(&rig, &mut all);
        assert_eq!(String::from_utf8(all).unwrap(), "ours\r\ngot ours\r\n\r\n");
    }

    #[test]
    fn who_has_the_keyboard_types_and_sets_the_size() {
        let rig = Rig::new();
        shown(&rig, "read line; stty size; echo got $line", true);
        rig.order(json!({ "do": "resize", "id": 7, "columns": 101, "rows": 33 })).unwrap();
        rig.order(json!({ "do": "input", "id": 7, "bytes": b"this\r" })).unwrap();
        let mut all = Vec::new();
        to_the_end(&rig, &mut all);
        assert_eq!(String::from_utf8(all).unwrap(), "this\r\n33 101\r\ngot this\r\n");
    }

    #[test]
    fn orders_that_make_no_sense_are_refused_in_words() {
        let rig = Rig::new();
        for nonsense in
            [json!({ "do": "eat", "id": 7 }), json!("open"), json!({ "do": "ack", "id": 7, "offset": -1 })]
        {
            assert_eq!(rig.order(nonsense).unwrap_err()["message"], "that is no order for a viewer");
        }
        let keep = |name: &str| rig.order(json!({ "do": "keep", "name": name, "value": "dark" }));
        keep("ph.theme").unwrap();
        assert_eq!(keep("x").unwrap_err()["message"], "nothing is kept by the name \"x\"");
        let keeps = rig.app.state::<pilothouse_client::Kept>();
        assert_eq!(keeps.all(), [("ph.theme".to_owned(), "dark".to_owned())].into());
        let channelless = rig.order(json!({ "do": "open", "id": 7, "session": "s1", "from": 0 }));
        assert_eq!(channelless.unwrap_err()["message"], "viewer 7 has no channel for what it shows");
        let view = shown(&rig, "read line", true);
        assert_eq!(rig.open(7, &view).unwrap_err()["message"], "viewer 7 is open already");
        // Nobody is there for these, and nothing is wrong with that.
        ack(&rig, 1);
        rig.order(json!({ "do": "close", "id": 8 })).unwrap();
        rig.open(9, &View { session: SessionId(99), ..view }).unwrap();
        let (tag, payload) = rig.next(9);
        assert_eq!(
            (tag, wire::decode::<Fault>(&payload).unwrap().message.as_str()),
            (4, "there is no session s99")
        );
        // Another page comes: the viewers of the one before are gone.
        rig.app.state::<Page>().leave();
        let typed = rig.order(json!({ "do": "input", "id": 7, "bytes": [13] })).unwrap_err();
        assert_eq!(typed["message"], "viewer 7 is not open, so nothing was typed");
    }
}
