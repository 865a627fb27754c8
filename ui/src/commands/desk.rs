//! The commands of the desk: going there, and from tab to tab.

use crate::place::DeskTab;
use crate::specdesk;

use super::{Command, Where, command};

/// The commands of the desk.
pub(super) const COMMANDS: &[Command] = &[
    command("desk", "Go to the desk of specs and plans", &["ctrl+7"], Where::Anywhere, specdesk::open),
    command("desk-next-tab", "Show the next tab of the desk", &["]"], Where::Panes, |desk| {
        specdesk::turn(desk, 1)
    }),
    command("desk-previous-tab", "Show the previous tab of the desk", &["["], Where::Panes, |desk| {
        specdesk::turn(desk, DeskTab::ALL.len() - 1);
    }),
];
