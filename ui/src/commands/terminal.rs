//! The commands of terminals: the keyboard taken, found in, marked and copied, put side by side and away, typed into from
//! afar. Most of their keys are the window's even while a program has the keyboard; `keys.rs` says which.

use leptos::prelude::Set;

use crate::place::{Overlay, Pane, Tab};
use crate::stage::terminal;

use super::{BESIDE, Command, Where, command, look, session_here, tab};

/// The commands of terminals.
pub(super) const COMMANDS: &[Command] = &[
    command("take", "Take the keyboard of this terminal", &["ctrl+shift+t"], Where::Anywhere, |desk| {
        if let Some(session) = session_here(desk) {
            look(desk, session);
        }
        tab(desk, Tab::Terminal);
        terminal::take(false);
    }),
    command("find", "Find in this terminal", &["ctrl+shift+f"], Where::Anywhere, |_| terminal::find()),
    command("mark", "Mark lines of this terminal (copy mode)", &["ctrl+shift+m"], Where::Anywhere, |desk| {
        desk.place.pane.set(Pane::Stage);
        terminal::mark();
    }),
    command("copy", "Copy what is selected in this terminal", &["ctrl+shift+c"], Where::Anywhere, |_| {
        terminal::copy();
    }),
    command("earlier", "Show earlier lines of this terminal", &["ctrl+shift+e"], Where::Anywhere, |desk| {
        desk.place.pane.set(Pane::Stage);
        terminal::earlier();
    }),
    command("split", "Put another terminal beside this one", &["ctrl+shift+d"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Palette(BESIDE)));
    }),
    command("next-terminal", "Go to the next terminal", &["ctrl+shift+n"], Where::Anywhere, |_| {
        terminal::next();
    }),
    command(
        "unsplit",
        "Put this terminal away, or those beside it",
        &["ctrl+shift+w"],
        Where::Anywhere,
        terminal::put_away,
    ),
    command("type", "Type into sessions", &["ctrl+shift+b"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Type(session_here(desk))));
    }),
    command("rename", "Call this session something else", &["f2"], Where::Anywhere, |desk| {
        if let Some(session) = session_here(desk) {
            desk.place.overlay.set(Some(Overlay::Rename(session)));
        }
    }),
    command("aloud", "Put terminals into words for screen readers, or not", &[], Where::Anywhere, |_| {
        terminal::read_aloud();
    }),
];
