//! The commands of items before a run carries them - begin one, see how it was refined and how its gates stand - and of what is said of
//! their pull requests.

use leptos::prelude::{Set, WithUntracked, untrack};
use pilothouse_contract::board::Subject;
use pilothouse_contract::{Fleet, PullId};

use crate::desk::Desk;

use crate::place::Overlay;

use super::{Command, Where, command};

/// The change on the stage, if a person is to look at it.
fn to_look(desk: Desk) -> Option<PullId> {
    let Some(Subject::Pull(pull)) = untrack(|| desk.on_stage()) else { return None };
    let waits = |fleet: &Fleet| fleet.pulls.get(&pull).is_some_and(|it| it.after.waits());
    desk.mirror.fleet.with_untracked(waits).then_some(pull)
}

/// The commands of items.
pub(super) const COMMANDS: &[Command] = &[
    command("new-item", "Begin an item from a sentence", &["ctrl+shift+o"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::NewItem));
    }),
    command("verdict-fine", "Say that this change which landed is fine", &["f"], Where::Panes, |desk| {
        if let Some(pull) = to_look(desk) {
            crate::stage::sample::fine(desk, pull);
        }
    }),
    command(
        "verdict-fix",
        "Say what is to be mended of this change which landed",
        &["x"],
        Where::Panes,
        |desk| {
            if let Some(pull) = to_look(desk) {
                desk.place.overlay.set(Some(Overlay::Verdict(pull, false)));
            }
        },
    ),
    command("verdict-revert", "Take this change which landed back", &["shift+x"], Where::Panes, |desk| {
        if let Some(pull) = to_look(desk) {
            desk.place.overlay.set(Some(Overlay::Verdict(pull, true)));
        }
    }),
    command("comment", "Comment on this pull request, at the marked line", &["m"], Where::Panes, |desk| {
        if let Some(Subject::Pull(pull)) = untrack(|| desk.on_stage()) {
            let (path, line) = crate::diff::marked(desk.diff).unwrap_or_default();
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
