//! The commands of a diff: from hunk to hunk and from file to file, both sides beside each other or not, and what was viewed.

use crate::diff;

use super::{Command, Where, command};

/// The commands of a diff.
pub(super) const COMMANDS: &[Command] = &[
    command("next-hunk", "Go to the next hunk of the diff", &["."], Where::Panes, |desk| {
        diff::to_hunk(desk.diff, true);
    }),
    command("previous-hunk", "Go to the previous hunk of the diff", &[","], Where::Panes, |desk| {
        diff::to_hunk(desk.diff, false);
    }),
    command("next-file", "Go to the next file of the diff", &["shift+j"], Where::Panes, |desk| {
        diff::to_file(desk.diff, true);
    }),
    command("previous-file", "Go to the previous file of the diff", &["shift+k"], Where::Panes, |desk| {
        diff::to_file(desk.diff, false);
    }),
    command("narrow-files", "Narrow the files of the diff", &["shift+f"], Where::Panes, |_| diff::narrow()),
    command("viewed", "Say that this file was viewed, or was not", &["v"], Where::Panes, |desk| {
        diff::toggle_viewed(desk.diff);
    }),
    command("split-diff", "Put both sides beside each other, or below", &["u"], Where::Panes, |desk| {
        diff::toggle_split(desk.diff);
    }),
];
