//! Screens without a terminal that shows them: last rows for tiles, what is answered over the engine's death, and a holder's
//! socket that is told nonsense.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pilothouse_contract::SessionId;
use pilothouse_contract::rows::{Colour, Look, Rows, Tile, Version, Wanted};
use pilothouse_contract::wire::View;
use pilothouse_testkit::home::{Home, kill_at_once};
use pilothouse_testkit::seat::{FromSession, Seat, call};

fn start(home: &Home, script: &str) -> SessionId {
    home.start(&["sh", "-c", script])
}

/// What does not come within this is not coming.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the only session of a home is parked, or is not.
fn wait_for_parked(home: &Home, parked: bool) {
    let begun = Instant::now();
    while home.json(&["session", "list"])[0]["pulse"]["parked"] != parked {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that: parked is to be {parked}");
    }
}

/// Starts a session and waits until it said what it says first.
fn said(home: &Home, script: &str, text: &str) -> SessionId {
    let session = start(home, script);
    Seat::view(home, &View::of(session)).unwrap().until(text).unwrap();
    session
}

fn rows(home: &Home, sessions: &[(SessionId, Option<Version>)], most: u16) -> Vec<Tile> {
    let sessions = sessions.iter().map(|(session, have)| Wanted { session: *session, have: *have });
    call(home, Rows { sessions: sessions.collect(), most }).unwrap()
}

#[test]
fn a_screen_at_rest_is_parked_stays_so_for_who_looks_and_goes_on_as_if_it_had_not_been() {
    let script = "stty -echo; seq 1 3000; printf '\\033[?2004h\\033[4h\\033[5;7H\\033[1;31mhere'; \
                  while read -r word; do printf 'got %s' $word; done";
    // The same in a home where nothing is parked in the time that this takes.
    let homes = [Home::new().with_env("PILOTHOUSE_PARK_MS", "100"), Home::new()];
    let sessions = homes.each_ref().map(|home| said(home, script, "here"));
    // Every screen here is drawn to its end first, or it would be painted as far as it is.
    let seen = |at: usize| {
        let (home, session) = (&homes[at], sessions[at]);
        let screen = home.json(&["session", "screen", &session.to_string()]);
        let mut seat = Seat::view(home, &View { lines_above: 1000, ..View::of(session) }).unwrap();
        loop {
            if let FromSession::Screen(offset, size, painting) = seat.next().unwrap() {
                return (offset, size, String::from_utf8(painting).unwrap(), screen);
            }
        }
    };
    let before = seen(0);
    assert!(before.2.contains("here") && before.2.contains("\r\n2500\r\n"));
    wait_for_parked(&homes[0], true);
    for _ in 0..3 {
        assert_eq!(seen(0), before);
        assert_eq!(rows(&homes[0], &[(sessions[0], None)], 3), rows(&homes[1], &[(sessions[1], None)], 3));
        assert_eq!(
            homes[0].json(&["session", "list"])[0]["pulse"]["parked"],
            true,
            "looking changes nothing"
        );
        // An engine that begins has it parked too.
        kill_at_once(homes[0].engine_pid());
        homes[0].json(&["session", "steady"]);
    }
    wait_for_parked(&homes[0], true);
    assert_eq!(seen(0), seen(1));
    for (home, session) in homes.iter().zip(sessions) {
        let mut seat = Seat::view(home, &View::typing(session)).unwrap();
        seat.input(b"on\n").unwrap();
        seat.until("got on").unwrap();
    }
    let (parked, not) = (seen(0), seen(1));
    assert_eq!(parked, not);
    assert_ne!(parked, before);
    assert_eq!(homes[1].json(&["session", "list"])[0]["pulse"]["parked"], false);
    wait_for_parked(&homes[0], true);
    assert_eq!(seen(0), parked);
}

#[test]
fn a_time_to_park_that_is_none_is_refused_in_words() {
    let home = Home::new().with_env("PILOTHOUSE_PARK_MS", "soon");
    let refused = home.try_json(&["engine", "start"]);
    assert!(
        refused.fault().contains("PILOTHOUSE_PARK_MS is 'soon', which is no number of milliseconds"),
        "{refused:?}"
    );
}

#[test]
fn tiles_have_the_last_rows_with_their_looks_and_nothing_that_has_not_changed() {
    let home = Home::new();
    let colours = "printf 'plain \\033[1;32mgreen\\033[0m \\033[48;2;1;2;3mexact\\033[0m\\r\\nlast row'; read more; echo $more; read end";
    let coloured = said(&home, colours, "last row");
    let long = said(&home, "seq 1 100; printf END; read end", "END");
    let piped =
        home.json(&["session", "start", "--pipe", "--", "sh", "-c", "echo one; echo two; sleep 1000"]);
    let piped: SessionId = piped["id"].as_str().unwrap().parse().unwrap();
    while call(&home, Rows { sessions: vec![Wanted { session: piped, have: None }], most: 5 }).unwrap()[0]
        .text()
        != ["one", "two"]
    {}
    let none = SessionId(999);
    let all = rows(&home, &[(coloured, None), (long, None), (none, None), (piped, None)], 3);
    assert_eq!(all.iter().map(|it| it.session).collect::<Vec<_>>(), [coloured, long, piped]);
    assert_eq!(all[0].text(), ["plain green exact", "last row"]);
    assert_eq!(all[0].cursor, Some((1, 8)));
    let first = &all[0].rows.as_ref().unwrap()[0];
    assert_eq!((first[0].text.as_str(), first[0].colour, first[0].behind), ("plain ", None, None));
    assert_eq!((first[1].text.as_str(), first[1].colour), ("green", Some(Colour::Palette(2))));
    assert_eq!(first[1].looks, [Look::Bold]);
    assert_eq!((first[3].text.as_str(), first[3].behind), ("exact", Some(Colour::Exact([1, 2, 3]))));
    assert_eq!(all[1].text(), ["99", "100", "END"]);
    assert_eq!((all[2].text(), all[2].version.columns), (vec!["one".to_owned(), "two".to_owned()], 0));
    // What the caller has is not told again; what moved is.
    let have: Vec<_> = all.iter().map(|it| (it.session, Some(it.version))).collect();
    let again = rows(&home, &have, 3);
    assert!(again.iter().all(|it| it.rows.is_none()), "{again:?}");
    assert_eq!(again[0].version, all[0].version);
    let mut seat = Seat::view(&home, &View::typing(coloured)).unwrap();
    seat.input(b"more\n").unwrap();
    let moved = loop {
        let now = rows(&home, &have, 3);
        assert!(now[1].rows.is_none() && now[2].rows.is_none());
        if now[0].text().iter().filter(|it| it.ends_with("more")).count() == 2 {
            break now[0].clone();
        }
    };
    assert!(moved.version.offset > all[0].version.offset);
    // A size is a change too, once it is drawn.
    seat.resize(50, 10).unwrap();
    while home.json(&["session", "screen", &coloured.to_string()])["columns"] != 50 {}
    let sized = rows(&home, &[(coloured, Some(moved.version))], 3);
    assert!(sized[0].version.columns == 50 && sized[0].rows.is_some(), "{sized:?}");
    home.json(&["session", "kill", &long.to_string()]);
    let ended = rows(&home, &[(long, None)], 2);
    assert_eq!(ended[0].text(), ["100", "END"], "what has ended has its rows still");
    assert!(rows(&home, &[(long, Some(ended[0].version))], 2)[0].rows.is_none());
    // The same by command line.
    let told = home.json(&["session", "rows", &coloured.to_string(), "--rows", "2"]);
    assert_eq!(told[0]["session"], coloured.to_string());
    assert!(told[0]["rows"][0][0]["text"].is_string(), "{told}");
}

#[test]
fn what_was_asked_before_an_engine_died_is_not_answered_by_the_next_one() {
    let home = Home::new();
    // Every byte that comes in is shown, so a second answer would be too.
    let session = start(&home, "stty raw -echo; printf '\\033[c\\033[6n'; exec cat -v");
    let mut seat = Seat::view(&home, &View::typing(session)).unwrap();
    seat.until("R").unwrap();
    for _ in 0..3 {
        kill_at_once(home.engine_pid());
        home.json(&["session", "screen", &session.to_string()]);
        home.json(&["session", "steady"]);
    }
    let mut seat = Seat::view(&home, &View::typing(session)).unwrap();
    seat.input(b"typed").unwrap();
    seat.until("typed").unwrap();
    let screen = home.json(&["session", "screen", &session.to_string()]);
    assert_eq!(screen["text"][0], "^[[?6c^[[1;1Rtyped");
}

#[test]
fn what_a_program_set_before_an_engine_died_it_still_has() {
    let home = Home::new();
    // Enough that there is a checkpoint behind all that was set, on the other screen too.
    let set = "stty raw -echo; printf '\\033[?1049h\\033[2;4r\\033[3g\\033[1;5H\\033H\\033[?6h\\033)0'; seq -s ' ' 1 900000; printf '\\033[2J\\033[Htop\\033[3;1Hlow'; read go; printf '\\r\\nnext\\r\\tq\\016q\\017'; read end";
    let session = said(&home, set, "low");
    home.json(&["session", "screen", &session.to_string()]);
    kill_at_once(home.engine_pid());
    home.json(&["session", "steady"]);
    let mut seat = Seat::view(&home, &View::typing(session)).unwrap();
    seat.input(b"\n").unwrap();
    seat.until("next").unwrap();
    let screen = home.json(&["session", "screen", &session.to_string()]);
    let text: Vec<&str> = screen["text"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(text[..6], ["", "", "low", "nextq─", "", ""], "it scrolled in its lines alone");
}

#[test]
fn a_holders_socket_takes_nonsense_and_holds_on() {
    let home = Home::new();
    let session = said(&home, "stty raw -echo; printf ready; exec cat >/dev/null", "ready");
    let before = home.json(&["session", "steady"])[0]["session"]["running"].clone();
    let folders = std::fs::read_dir(home.data().join("sessions")).unwrap();
    let asked = folders.map(|it| it.unwrap().path().join("session.json")).find(|it| it.exists()).unwrap();
    let asked: serde_json::Value = serde_json::from_slice(&std::fs::read(asked).unwrap()).unwrap();
    let socket = asked["socket"].as_str().unwrap();
    let setting = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let seed = setting("PILOTHOUSE_SEED").unwrap_or(1);
    let mut chance = fastrand::Rng::with_seed(seed);
    let until = Instant::now() + Duration::from_secs(setting("PILOTHOUSE_FUZZ_SECONDS").unwrap_or(3));
    let mut told = 0;
    while Instant::now() < until {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut all = Vec::new();
        if chance.u8(..4) > 0 {
            all.extend([5, 0, 0, 0, 1, chance.u8(..4), 0, 0, 0]);
        }
        for _ in 0..chance.usize(..40) {
            let length = [0, 1, 2, 5, 9, 300, 70_000][chance.usize(..7)];
            let payload: Vec<u8> = std::iter::repeat_with(|| chance.u8(..)).take(length).collect();
            // All tags but those that end the session or take it away, when they are whole.
            let tag = match chance.u8(..) {
                4 if length == 4 => 40,
                7 => 41,
                other => [other, other % 9][chance.usize(..2)],
            };
            let tag = if tag == 7 || (tag == 4 && length == 4) { 42 } else { tag };
            let said = [length as u32 + 1, chance.u32(..), 0][[0, 0, 0, 0, 0, 0, 0, 1, 2][chance.usize(..9)]];
            all.extend(said.to_le_bytes());
            all.push(tag);
            all.extend(payload);
        }
        all.truncate(all.len() - chance.usize(..=all.len().min(20)));
        // It may hang up in the middle; that is its right.
        let _hung_up = stream.write_all(&all);
        let _nothing = stream.read(&mut [0; 4096]);
        told += 1;
    }
    let after = home.json(&["session", "steady"])[0].clone();
    assert_eq!(after["session"]["running"], before, "seed {seed}: another holder after {told} connections");
    let holder = before["holder"].as_u64().unwrap();
    let smaps = std::fs::read_to_string(format!("/proc/{holder}/smaps_rollup")).unwrap();
    let kib = smaps
        .lines()
        .find_map(|it| it.strip_prefix("Anonymous:")?.split_whitespace().next()?.parse::<u64>().ok());
    assert!(kib.unwrap() < 16 * 1024, "seed {seed}: {kib:?} KiB");
    let log = home.run(&["attach", &session.to_string(), "--no-follow"]).out;
    assert_eq!(log, "ready", "seed {seed}: the program said nothing else");
    home.json(&["session", "kill", &session.to_string()]);
}
