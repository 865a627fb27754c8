//! The commands of items before a run carries them: begin one, see how it was refined and how its gates stand.

use leptos::prelude::Set;

use crate::place::Overlay;

use super::{Command, Where, command};

/// The commands of items.
pub(super) const COMMANDS: &[Command] = &[
    command("new-item", "Begin an item from a sentence", &["ctrl+shift+o"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::NewItem));
    }),
    command(
        "refinement",
        "Show an item's refinement and gates",
        &["ctrl+shift+l"],
        Where::Anywhere,
        crate::refine::open,
    ),
];
