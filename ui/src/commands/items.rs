//! The commands of items before a run carries them - begin one, see how it was refined and how its gates stand - and of what is said of
//! their pull requests.

use leptos::prelude::{Set, untrack};
use pilothouse_contract::board::Subject;

use crate::place::Overlay;

use super::{Command, Where, command};

/// The commands of items.
pub(super) const COMMANDS: &[Command] = &[
    command("new-item", "Begin an item from a sentence", &["ctrl+shift+o"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::NewItem));
    }),
    command("comment", "Comment on this pull request, at the marked line", &["m"], Where::Panes, |desk| {
        if let Some(Subject::Pull(pull)) = untrack(|| desk.on_stage()) {
            let (path, line) = crate::diff::marked().unwrap_or_default();
            desk.place.overlay.set(Some(Overlay::Comment(pull, path, line)));
        }
    }),
    command(
        "refinement",
        "Show an item's refinement and gates",
        &["ctrl+shift+l"],
        Where::Anywhere,
        crate::refine::open,
    ),
];
