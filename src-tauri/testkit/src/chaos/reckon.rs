//! The reckoning: every program called once more, every screen held against a fresh replay of its log and against the
//! window, every byte against what was written.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pilothouse_client::FromSession;
use pilothouse_contract::event::Event;
use pilothouse_contract::session::Ending;
use pilothouse_contract::wire::{Size, View};
use pilothouse_contract::{Fault, SessionId, text};
use pilothouse_engine::execution::held::model::{Alacritty, Model};
use serde_json::Value;

use super::Outcome;
use super::cast::{Cast, Counter, Shown, Watch};
use crate::home::Home;
use crate::must;
use crate::process::lives;
use crate::seat::Seat;

/// So many lines above a screen are held against the replay too. A model has more in any case, but where a terminal got another width
/// those that were packed before are wrapped by whoever is shown them, and how many those are depends on how much came at once.
const ABOVE: u32 = 300;
/// The window shows within this what stands on a screen.
const SHOWS: Duration = Duration::from_secs(20);

/// Holds everything against what was written.
pub(super) fn reckon(home: &Home, cast: Cast, outcome: &mut Outcome) {
    let Cast { mut counters, mut drawers, watch } = cast;
    let mut rng = fastrand::Rng::with_seed(outcome.seed);
    let mut faults = Vec::new();
    for drawer in &mut drawers {
        if !(lives(drawer.pid) && drawer.answers(home, &mut rng)) {
            outcome.agents_lost += 1;
            faults.push(format!("{} ({}) does not answer any more", drawer.name, drawer.session));
        }
    }
    for counter in &counters {
        counter.settle(home);
    }
    let in_terminals = counters.iter().filter(|it| it.in_terminal).map(|it| (it.session, None));
    let drawn = drawers.iter().map(|it| (it.session, Some(it.pid)));
    for (session, pid) in in_terminals.chain(drawn) {
        outcome.screens += 1;
        if let Err(why) = is_replayed(home, session, pid) {
            outcome.screens_wrong += 1;
            faults.push(format!("the screen of {session} is wrong: {why}"));
        }
    }
    // First the one that it looked at all the time: painted long ago, and drawn in the page from then on.
    let long = watch.looks_at(&drawers).map(|it| (it.session, false));
    for (session, anew) in long.into_iter().chain(drawers.iter().map(|it| (it.session, true))) {
        outcome.screens += 1;
        if anew {
            watch.look_at(session);
        }
        if let Err(why) = is_shown(home, &watch, session) {
            outcome.screens_wrong += 1;
            faults.push(format!("the window shows {session} wrong: {why}"));
        }
    }
    for drawer in &drawers {
        let log = log(home, drawer.session);
        if drawer.said().is_some_and(|said| said != log) {
            outcome.lines_lost += 1;
            faults.push(format!("{}: something is lost or doubled in what was drawn", drawer.session));
        }
    }
    // Before the engine goes: the window would start another.
    drop(watch);
    counters.iter_mut().for_each(Counter::end);
    let mut left = counters.len();
    let ended = home.events(0).find(|it| {
        left -= usize::from(matches!(it.event, Event::SessionEnded { .. }));
        left == 0
    });
    assert!(ended.is_some(), "the counting programs do not end: {:?}", outcome.order);
    for counter in &mut counters {
        reckon_lines(home, counter, outcome, &mut faults);
    }
    let lost = home.history().into_iter().filter(
        |it| matches!(&it.event, Event::SessionEnded { end, .. } if matches!(end.how, Ending::Lost { .. })),
    );
    outcome.agents_lost = outcome.agents_lost.max(lost.count() as u64);
    outcome.faults = faults;
}

/// Holds a log against what its program wrote and against what its viewer showed.
fn reckon_lines(home: &Home, counter: &mut Counter, outcome: &mut Outcome, faults: &mut Vec<String>) {
    let session = counter.session;
    let log = log(home, session);
    match counter.says() {
        Some(written) => {
            let (lost, doubled) = compare(&log, written);
            outcome.lines_written += written;
            outcome.lines_lost += lost;
            outcome.lines_doubled += doubled;
            if lost + doubled > 0 {
                faults.push(format!("{session}: {lost} lines are lost and {doubled} doubled"));
            }
        }
        None => {
            outcome.agents_lost += 1;
            faults.push(format!("{session} did not count to its end"));
        }
    }
    counter.viewer.wait();
    if must(std::fs::read(&counter.viewer.shown)) != log {
        outcome.screens_wrong += 1;
        faults.push(format!("the viewer of {session} showed something else than its log"));
    }
}

/// What a session said, out of its log.
fn log(home: &Home, session: SessionId) -> Vec<u8> {
    let mut log = home.command(&["attach", &session.to_string(), "--raw", "--no-follow"]);
    must(log.stderr(Stdio::null()).output()).stdout
}

/// Whether a screen is painted as a fresh model paints it that was given the whole log, with its changes of size; whether
/// the engine tells its text so; and whether it is as large as the program's terminal.
fn is_replayed(home: &Home, session: SessionId, program: Option<u32>) -> Result<(), String> {
    let folder = home.folder_of(session);
    let sizes = || std::fs::read_to_string(folder.join("sizes")).unwrap_or_default();
    let (mut noted, (mut offset, mut size, mut painting)) = (sizes(), painted(home, session)?);
    // One that comes between the two looks may be in it or not.
    while noted != sizes() {
        noted = sizes();
        (offset, size, painting) = painted(home, session)?;
    }
    let log = log(home, session);
    let seen = usize::try_from(offset).ok().and_then(|offset| log.get(..offset));
    let seen = seen.ok_or_else(|| format!("{offset} bytes are painted, and {} are there", log.len()))?;
    let mut fresh = replay(&folder, &noted, seen);
    if fresh.size() != (size.columns, size.rows) {
        return Err(format!("it is {} × {} and not {:?}", size.columns, size.rows, fresh.size()));
    }
    if let Some(real) = program.and_then(size_of)
        && real != fresh.size()
    {
        return Err(format!("it is drawn at {:?}, and its program has {real:?}", fresh.size()));
    }
    let told = home.json(&["session", "screen", &session.to_string()]);
    let text: Vec<Value> = fresh.text().iter().map(|it| Value::from(text::plain(it, false))).collect();
    // It may say more meanwhile.
    if told.get("offset").and_then(Value::as_u64) == Some(offset)
        && told.get("text").and_then(Value::as_array) != Some(&text)
    {
        return Err(format!("{told} is not {text:?}"));
    }
    let again = fresh.snapshot(usize::try_from(ABOVE).unwrap_or_default());
    if again != painting {
        let at = again.iter().zip(&painting).take_while(|(a, b)| a == b).count();
        let about = |of: &[u8]| {
            String::from_utf8_lossy(
                of.get(at.saturating_sub(40)..(at + 40).min(of.len())).unwrap_or_default(),
            )
            .into_owned()
        };
        return Err(format!(
            "at byte {at} of its painting {:?} stands, and not {:?}",
            about(&painting),
            about(&again)
        ));
    }
    Ok(())
}

/// A screen as it is painted for who looks at it: how far, how large, and how.
fn painted(home: &Home, session: SessionId) -> Result<(u64, Size, Vec<u8>), String> {
    let fault = |fault: Fault| fault.to_string();
    let mut seat = Seat::view(home, &View { lines_above: ABOVE, ..View::of(session) }).map_err(fault)?;
    loop {
        if let FromSession::Screen(offset, size, painting) = seat.next().map_err(fault)? {
            return Ok((offset, size, painting));
        }
    }
}

/// A fresh model of a log and of the changes of size that were noted beside it.
fn replay(folder: &Path, sizes: &str, log: &[u8]) -> Alacritty {
    let asked: Value = must(serde_json::from_slice(&must(std::fs::read(folder.join("session.json")))));
    let number = |name: &str| asked.get(name).and_then(Value::as_u64).and_then(|it| u16::try_from(it).ok());
    let mut fresh = Alacritty::new(number("columns").unwrap_or_default(), number("rows").unwrap_or_default());
    let mut at = 0;
    for line in sizes.lines() {
        let numbers: Vec<usize> = line.split(' ').filter_map(|it| it.parse().ok()).collect();
        let &[offset, columns, rows] = numbers.as_slice() else { continue };
        if let Some(said) = log.get(at..offset) {
            fresh.feed(said);
            at = offset;
            fresh.resize(u16::try_from(columns).unwrap_or_default(), u16::try_from(rows).unwrap_or_default());
        }
    }
    fresh.feed(log.get(at..).unwrap_or_default());
    fresh
}

/// Columns and rows of the terminal that a program runs in, as the system has them.
fn size_of(program: u32) -> Option<(u16, u16)> {
    let said = Command::new("stty").args(["-F", &format!("/proc/{program}/fd/0"), "size"]).output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let (rows, columns) = said.trim().split_once(' ')?;
    Some((columns.parse().ok()?, rows.parse().ok()?))
}

/// Whether the window shows what stands on a screen.
fn is_shown(home: &Home, watch: &Watch, session: SessionId) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let told = home.json(&["session", "screen", &session.to_string()]);
        let number = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or_default();
        let rows = told.get("text").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let told = Shown {
            columns: number("columns"),
            rows: number("rows"),
            text: rows.map(str::to_owned).collect(),
        };
        let shown = watch.shows(session);
        if shown.as_ref() == Some(&told) {
            return Ok(());
        }
        if begun.elapsed() > SHOWS {
            return Err(format!("{shown:?} is not {told:?}"));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// How many lines of a count are missing in a log, and how many are there again. Whatever else is not as it was written is a
/// line that is lost.
fn compare(log: &[u8], written: u64) -> (u64, u64) {
    let (mut next, mut lost, mut doubled) = (1, 0, 0);
    let mut other = 0;
    for line in log.split_inclusive(|it| *it == b'\n') {
        let number =
            line.strip_suffix(b"\n").and_then(|it| std::str::from_utf8(it).ok()?.parse::<u64>().ok());
        // A torn line is none: the numbers after it say what is missing.
        let Some(number) = number.filter(|it| it.to_string().len() + 1 == line.len()) else {
            other += 1;
            continue;
        };
        if number < next {
            doubled += 1;
        } else {
            lost += number - next;
            next = number + 1;
        }
    }
    lost += (written + 1).saturating_sub(next);
    // What was added and took nothing away is still not what was written.
    (if lost + doubled == 0 { other } else { lost }, doubled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_lines_are_counted() {
        assert_eq!(compare(b"1\n2\n3\n", 3), (0, 0));
        assert_eq!(compare(b"1\n3\n3\n", 5), (3, 1));
        assert_eq!(compare(b"1\n2x2\n4\n", 4), (2, 0));
        assert_eq!(compare(b"", 2), (2, 0));
        assert_eq!(compare(b"1\n2\nx\n3\n", 3), (1, 0), "what nobody wrote");
        assert_eq!(compare(b"1\n2\n\x003\n", 3), (1, 0));
        assert_eq!(compare(b"1\n2\n3", 3), (1, 0), "half a line is none");
    }
}
