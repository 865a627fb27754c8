//! Moving in lists by keys: the same in each of them. What is chosen is a signal of the place, so that lists, stage and
//! tests agree; the chosen row is kept in sight.

use leptos::prelude::*;
use pilothouse_contract::board::{Bay, Subject};
use wasm_bindgen::JsCast;

use crate::desk::Desk;
use crate::place::{Pane, View};

/// Where a key moves to in a list of so many rows.
fn target(word: &str, at: Option<usize>, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(match word {
        "j" | "arrowdown" => at.map_or(0, |at| (at + 1).min(last)),
        "k" | "arrowup" => at.map_or(last, |at| at.saturating_sub(1)),
        "home" => 0,
        "end" => last,
        "pagedown" => at.map_or(0, |at| (at + 10).min(last)),
        "pageup" => at.map_or(0, |at| at.saturating_sub(10)),
        _ => return None,
    })
}

fn step<T: Clone + PartialEq>(word: &str, rows: &[T], chosen: Option<&T>) -> Option<T> {
    let at = chosen.and_then(|it| rows.iter().position(|row| row == it));
    target(word, at, rows.len()).and_then(|it| rows.get(it)).cloned()
}

/// The strips that can be chosen on the board now, in their order.
pub(crate) fn on_board(desk: Desk) -> Vec<Subject> {
    let open = desk.place.open.get();
    let shown = |bay: Bay| matches!(bay, Bay::Working | Bay::Verify | Bay::Land) || open.contains(&bay);
    crate::board::ordered(desk).into_iter().filter(|it| shown(it.bay)).map(|it| it.subject.clone()).collect()
}

/// Heeds a key in the list that has the keys. Returns whether it was one of a list's.
pub(crate) fn heed(desk: Desk, word: &str) -> bool {
    let place = desk.place;
    match place.pane.get_untracked() {
        Pane::Queue => {
            let rows: Vec<String> = untrack(|| desk.alarms()).into_iter().map(|it| it.key).collect();
            if let Some(next) = step(word, &rows, place.alarm.get_untracked().as_ref()) {
                place.alarm.set(Some(next));
                keep_in_sight("queue");
                return true;
            }
            match word {
                "escape" if place.queue_over.get_untracked() => {
                    place.queue_over.set(false);
                    place.pane.set(Pane::List);
                }
                "escape" if place.family.get_untracked().is_some() => place.family.set(None),
                "enter" | "space" => {
                    let alarms = untrack(|| desk.alarms());
                    let chosen = place.alarm.get_untracked();
                    let subject = alarms.into_iter().find(|it| Some(&it.key) == chosen.as_ref());
                    if let Some(subject) = subject.and_then(|it| it.subject) {
                        place.open_subject(subject);
                        place.pane.set(Pane::Stage);
                    }
                }
                _ => return false,
            }
            true
        }
        Pane::List => in_list(desk, word),
        Pane::Stage => {
            if place.view.get_untracked() == View::Desk {
                return crate::specdesk::heed(desk, word);
            }
            if word == "escape" {
                place.pane.set(Pane::List);
                return true;
            }
            // In a diff they mark the line that a comment is about.
            if crate::diff::heed(desk, word) {
                return true;
            }
            // What is only watched scrolls by the keys of every list.
            if crate::stage::terminal::is_shown() && crate::stage::terminal::scroll(word) {
                return true;
            }
            // A diff and a terminal scroll sideways by these keys.
            let wide =
                matches!(place.tab.get_untracked(), crate::place::Tab::Diff | crate::place::Tab::Terminal);
            if wide || place.view.get_untracked() != View::Board {
                return false;
            }
            let tabs = crate::place::Tab::ALL;
            let step = match word {
                "arrowright" => 1,
                "arrowleft" => tabs.len() - 1,
                _ => return false,
            };
            let at = tabs.iter().position(|it| *it == place.tab.get_untracked()).unwrap_or_default();
            if let Some(tab) = tabs.get((at + step) % tabs.len()) {
                place.tab.set(*tab);
            }
            true
        }
    }
}

fn in_list(desk: Desk, word: &str) -> bool {
    let place = desk.place;
    let moved = match place.view.get_untracked() {
        View::Board => {
            let rows = untrack(|| on_board(desk));
            step(word, &rows, place.subject.get_untracked().as_ref()).map(|it| place.subject.set(Some(it)))
        }
        View::Pulls => {
            let rows = untrack(|| crate::pulls::listed(desk));
            step(word, &rows, place.pull.get_untracked().as_ref()).map(|it| place.pull.set(Some(it)))
        }
        View::Worktrees => {
            let rows: Vec<_> =
                untrack(|| crate::worktrees::listed(desk)).into_iter().map(|it| it.id).collect();
            step(word, &rows, place.worktree.get_untracked().as_ref()).map(|it| place.worktree.set(Some(it)))
        }
        View::Trajectories => {
            let rows = untrack(crate::trajectories::listed);
            let chosen = place.trajectory.get_untracked();
            step(word, &rows, chosen.as_ref()).map(|it| place.trajectory.set(Some(it)))
        }
        View::Brief => {
            let rows = untrack(|| crate::brief::listed(desk));
            let chosen = desk.away.row.get_untracked();
            if let (Some(row), "enter" | "space") = (chosen, word) {
                crate::brief::open(desk, row);
                return true;
            }
            step(word, &rows, chosen.as_ref()).map(|it| desk.away.row.set(Some(it)))
        }
        View::Instructions => {
            let rows = untrack(|| crate::instructions::listed(desk));
            match word {
                "arrowright" | "l" => {
                    crate::instructions::aside(desk, true);
                    return true;
                }
                "arrowleft" | "h" => {
                    crate::instructions::aside(desk, false);
                    return true;
                }
                _ => {}
            }
            let chosen = desk.instructions.chosen;
            step(word, &rows, chosen.get_untracked().as_ref()).map(|it| chosen.set(Some(it)))
        }
        View::Desk => {
            let rows = untrack(|| crate::specdesk::listed(desk));
            step(word, &rows, place.desk.get_untracked().as_ref()).map(|it| place.desk.set(Some(it)))
        }
        View::Wall => {
            let rows = untrack(|| crate::wall::listed(desk));
            let chosen = place.tile.get_untracked();
            // Tiles stand beside each other too.
            let word = match word {
                "arrowright" | "l" => "j",
                "arrowleft" | "h" => "k",
                it => it,
            };
            if let (Some(session), "enter" | "space") = (chosen, word) {
                crate::wall::open(desk, session);
                return true;
            }
            step(word, &rows, chosen.as_ref()).map(|it| place.tile.set(Some(it)))
        }
    };
    if moved.is_some() {
        keep_in_sight("list");
        return true;
    }
    match word {
        "enter" | "arrowright" => place.pane.set(Pane::Stage),
        "escape" if !place.filter.get_untracked().is_empty() || place.filtering.get_untracked() => {
            place.filter.set(String::new());
            place.filtering.set(false);
        }
        _ => return false,
    }
    true
}

/// Whether the list of a view can be narrowed.
pub(crate) fn narrows(view: View) -> bool {
    match view {
        View::Board | View::Pulls | View::Worktrees | View::Trajectories | View::Desk => true,
        View::Brief | View::Instructions | View::Wall => false,
    }
}

/// Scrolls the chosen row of a pane into sight, once the page has it.
pub(crate) fn keep_in_sight(pane: &'static str) {
    request_animation_frame(move || {
        let chosen = document()
            .query_selector(&format!("[data-pane={pane}] [aria-selected=true]"))
            .ok()
            .flatten()
            .and_then(|it| it.dyn_into::<web_sys::Element>().ok());
        if let Some(chosen) = chosen {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            chosen.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
}
