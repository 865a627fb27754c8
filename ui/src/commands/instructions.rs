//! What can be done with the instructions of a project.

use super::{Command, Where, command, go};
use crate::place::View;

/// In the palette, and on the page itself.
pub(super) const COMMANDS: &[Command] = &[
    command("instructions", "Show the instructions of this project", &[], Where::Anywhere, |desk| {
        go(desk, View::Instructions);
    }),
    command("read-again", "Read the instructions again", &["r"], Where::List, crate::instructions::again),
];
