//! The one registry of commands: id, title, key, where it counts, what it does. Keys, palette, tooltips and the sheet of
//! keys are made from it; a test refuses clashes and verbs without a title.

mod desk;
mod diff;
mod instructions;
mod items;
mod terminal;

use leptos::prelude::*;
use pilothouse_contract::archive::Place;
use pilothouse_contract::ask;
use pilothouse_contract::attention::{Deed, Family};
use pilothouse_contract::board::Subject;
use pilothouse_contract::item::Item;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::Approval;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{Call, SessionId};

use crate::desk::Desk;
use crate::place::{Confirm, Overlay, Pane, Tab, View, keep};

/// Where a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Everywhere but in a terminal that has the keyboard.
    Anywhere,
    /// In lists and on the stage, not while text is typed.
    Panes,
    /// In the list at the left.
    List,
    /// In the queue.
    Queue,
}

/// Something that a person can do.
pub(crate) struct Command {
    /// Its name in the page.
    pub(crate) id: &'static str,
    /// What it is called; a verb first.
    pub(crate) title: &'static str,
    /// Its keys, the first of them shown; `ctrl` is Command on macOS.
    pub(crate) keys: &'static [&'static str],
    /// Where they count.
    pub(crate) place: Where,
    /// Does it.
    pub(crate) run: fn(Desk),
}

const fn command(
    id: &'static str,
    title: &'static str,
    keys: &'static [&'static str],
    place: Where,
    run: fn(Desk),
) -> Command {
    Command { id, title, keys, place, run }
}

/// Every command.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    let more = [items::COMMANDS, terminal::COMMANDS, instructions::COMMANDS, desk::COMMANDS, diff::COMMANDS];
    COMMANDS.iter().chain(more.into_iter().flatten())
}

/// What has to do with the whole window, its lists and its queue.
const COMMANDS: &[Command] = &[
    command("palette", "Find or run", &["ctrl+k", "ctrl+shift+k"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Palette("")));
    }),
    command("goto", "Go to an agent, a file or a worktree", &["ctrl+p"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::GoTo));
    }),
    command("keys", "Show all keys", &["ctrl+/", "?"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Keys));
    }),
    command("next-need", "Go to the next that needs me", &["ctrl+j"], Where::Anywhere, |desk| need(desk, 1)),
    command(
        "previous-need",
        "Go to the previous that needs me",
        &["ctrl+shift+j"],
        Where::Anywhere,
        |desk| {
            need(desk, -1);
        },
    ),
    command("first-answer", "Give the first answer", &["ctrl+enter"], Where::Anywhere, |desk| {
        answer(desk, 0)
    }),
    command("board", "Go to the board", &["ctrl+1"], Where::Anywhere, |desk| go(desk, View::Board)),
    command("worktrees", "Go to the worktrees", &["ctrl+2"], Where::Anywhere, |desk| {
        go(desk, View::Worktrees)
    }),
    command("pulls", "Go to the pull requests", &["ctrl+3"], Where::Anywhere, |desk| go(desk, View::Pulls)),
    command("trajectories", "Go to the trajectories", &["ctrl+4"], Where::Anywhere, |desk| {
        go(desk, View::Trajectories);
    }),
    command("wall", "Go to the wall of sessions", &["ctrl+5"], Where::Anywhere, |desk| go(desk, View::Wall)),
    command("brief", "Read what happened since you left", &["ctrl+6"], Where::Anywhere, |desk| {
        go(desk, View::Brief);
    }),
    command("fold-board", "Fold or unfold the list", &["ctrl+b"], Where::Anywhere, |desk| {
        desk.place.board_closed.update(|it| *it = !*it);
    }),
    command("fold-queue", "Fold or unfold the queue", &["ctrl+\\"], Where::Anywhere, |desk| {
        if desk.place.pane.get_untracked() == Pane::Queue {
            desk.place.pane.set(Pane::List);
        }
        if narrow() || desk.place.view.get_untracked() != View::Board {
            desk.place.queue_over.update(|it| *it = !*it);
        } else {
            desk.place.queue_closed.update(|it| *it = !*it);
        }
    }),
    command("next-pane", "Go to the next pane", &["f6"], Where::Anywhere, |desk| pane(desk, 1)),
    command("previous-pane", "Go to the previous pane", &["shift+f6"], Where::Anywhere, |desk| pane(desk, 2)),
    command("interrupt", "End this agent's session", &["f8", "ctrl+."], Where::Anywhere, interrupt),
    command("stop-run", "Stop this run", &["shift+f8"], Where::Anywhere, stop_run),
    command("pause-all", "Pause every run, or let them go on", &["f9"], Where::Anywhere, pause_all),
    command("start-run", "Start a run", &["ctrl+shift+s"], Where::Anywhere, start_run),
    command("receipt", "Show this run's receipt", &["ctrl+shift+p"], Where::Anywhere, |desk| {
        if let Some(run) = run_here(desk) {
            desk.place.overlay.set(Some(Overlay::Receipt(run)));
        }
    }),
    command(
        "go-on-here",
        "Go on with this session here",
        &["ctrl+shift+g"],
        Where::Anywhere,
        crate::trajectories::go_on_here,
    ),
    command("add", "Add a repository", &["ctrl+o"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::AddRepository));
    }),
    command("rehearse", "Start the rehearsal", &["ctrl+shift+r"], Where::Anywhere, rehearse),
    command("close", "Close the window, and see what goes on", &["ctrl+q"], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Leaving));
    }),
    command("upgrade", "Go over to the Pilothouse that is installed now", &[], Where::Anywhere, |desk| {
        desk.place.overlay.set(Some(Overlay::Upgrade));
    }),
    command("undo", "Undo the last deed", &["z"], Where::Panes, Desk::undo_last),
    command("timeline", "Show the timeline", &["e"], Where::Panes, |desk| tab(desk, Tab::Timeline)),
    command("diff", "Show the diff", &["d"], Where::Panes, |desk| {
        // Where a pull request has no room for both, its diff takes turns with what it says.
        let on_pull = matches!(subject(desk), Some(Subject::Pull(_)));
        let shown = on_pull && desk.place.tab.get_untracked() == Tab::Diff;
        tab(desk, if shown { Tab::Timeline } else { Tab::Diff });
    }),
    command("checks", "Show the checks", &["c"], Where::Panes, |desk| tab(desk, Tab::Checks)),
    command("terminal", "Show the terminal", &["t"], Where::Panes, |desk| tab(desk, Tab::Terminal)),
    command("reveal", "Look at an agent at work", &["o"], Where::Panes, |desk| {
        if let Some(session) = untrack(|| closed_here(desk)) {
            look(desk, session);
        }
    }),
    command("note", "Leave a note for this run's agents", &["n"], Where::Panes, |desk| {
        let read = untrack(|| closed_here(desk))
            .and_then(|session| desk.mirror.fleet.with_untracked(|fleet| fleet.sessions.get(&session)?.run));
        if let Some(run) = read.or_else(|| run_here(desk)) {
            desk.place.overlay.set(Some(Overlay::Note(run)));
        }
    }),
    command("plan", "Show the plan", &["p"], Where::Panes, |desk| match desk.place.view.get_untracked() {
        View::Desk => crate::specdesk::show(desk, crate::place::DeskTab::Plan),
        _ => tab(desk, Tab::Plan),
    }),
    command("approve", "Approve this pull request", &["y"], Where::Panes, approve),
    command("land", "Land this pull request", &["l"], Where::Panes, land),
    command(
        "hold-line",
        "Stop the line of this project, or open it again",
        &[],
        Where::Anywhere,
        crate::project::line,
    ),
    command("remove-worktree", "Remove this worktree", &["shift+d"], Where::List, remove_worktree),
    command("acknowledge", "Acknowledge", &["a"], Where::Queue, |desk| {
        if let Some(key) = desk.place.alarm.get_untracked() {
            // What is over is forgotten, or what is kept would grow for ever.
            let open = desk.mirror.alarms.with_untracked(|all| all.iter().map(|it| it.key.clone()).collect());
            desk.place.seen.update(|all: &mut std::collections::BTreeSet<String>| {
                *all = all.intersection(&open).cloned().collect();
                all.insert(key);
            });
        }
    }),
    command("shelve", "Put off for an hour", &["s"], Where::Queue, shelve),
    command("unshelve", "Bring back what was put off", &["shift+s"], Where::Queue, |desk| {
        desk.place.shelved.set(std::collections::BTreeMap::new());
    }),
    command("reply", "Reply in words", &["r"], Where::Queue, reply),
    command("answer-1", "Give answer 1", &["1"], Where::Queue, |desk| answer(desk, 0)),
    command("answer-2", "Give answer 2", &["2"], Where::Queue, |desk| answer(desk, 1)),
    command("answer-3", "Give answer 3", &["3"], Where::Queue, |desk| answer(desk, 2)),
    command("answer-4", "Give answer 4", &["4"], Where::Queue, |desk| answer(desk, 3)),
    command("answer-5", "Give answer 5", &["5"], Where::Queue, |desk| answer(desk, 4)),
    command("answer-6", "Give answer 6", &["6"], Where::Queue, |desk| answer(desk, 5)),
    command("filter", "Narrow the list", &["/"], Where::Panes, |desk| desk.place.filtering.set(true)),
    command(
        "keep-awake",
        "Keep this machine awake while runs are carried, or not",
        &[],
        Where::Anywhere,
        |desk| {
            let on = !desk.mirror.fleet.with_untracked(|it| it.keep_awake);
            let says = if on { "Keep this machine awake" } else { "Let this machine sleep" };
            desk.act(says, ask::engine::KeepAwake { on }.request());
        },
    ),
    command("light", "Use the light theme", &[], Where::Anywhere, |_| theme("light")),
    command("dark", "Use the dark theme", &[], Where::Anywhere, |_| theme("dark")),
    command("system", "Use the system's theme", &[], Where::Anywhere, |_| theme("system")),
    command("contrast", "Use high contrast, or not", &[], Where::Anywhere, |_| {
        let high = crate::place::kept("ph.contrast").as_deref() == Some("high");
        keep("ph.contrast", if high { "" } else { "high" });
        retheme();
    }),
    command("only-needs", "Queue: only what needs me", &[], Where::Anywhere, |desk| {
        only(desk, Family::NeedsYou)
    }),
    command("only-blocked", "Queue: only what is blocked", &[], Where::Anywhere, |desk| {
        only(desk, Family::Blocked);
    }),
    command("only-failed", "Queue: only what failed", &[], Where::Anywhere, |desk| {
        only(desk, Family::Failed)
    }),
    command("only-stalled", "Queue: only what stalled", &[], Where::Anywhere, |desk| {
        only(desk, Family::Stalled);
    }),
    command("only-engine", "Queue: only the engine's", &[], Where::Anywhere, |desk| {
        only(desk, Family::Engine)
    }),
    command("every-family", "Queue: everything", &[], Where::Anywhere, |desk| desk.place.family.set(None)),
    command("all-projects", "Show all projects", &[], Where::Anywhere, |desk| desk.place.project.set(None)),
];

/// The command of an id.
pub(crate) fn of(id: &str) -> Option<&'static Command> {
    all().find(|it| it.id == id)
}

/// The first key of a command as people read it.
pub(crate) fn shown(id: &str) -> String {
    of(id).and_then(|it| it.keys.first()).map(|key| crate::keys::shown(key)).unwrap_or_default()
}

fn narrow() -> bool {
    window().inner_width().ok().and_then(|it| it.as_f64()).is_some_and(|it| it < 1200.0)
}

fn go(desk: Desk, view: View) {
    desk.place.view.set(view);
    desk.place.filter.set(String::new());
    desk.place.filtering.set(false);
    desk.place.pane.set(Pane::List);
}

fn tab(desk: Desk, tab: Tab) {
    desk.place.tab.set(tab);
}

fn theme(name: &str) {
    keep("ph.theme", name);
    retheme();
}

fn retheme() {
    // The page's first script knows how; it ran before this one.
    if let Ok(run) = js_sys::Reflect::get(&window(), &"__theme".into())
        && let Ok(run) = wasm_bindgen::JsCast::dyn_into::<js_sys::Function>(run)
    {
        let _unthemed = run.call0(&wasm_bindgen::JsValue::NULL);
    }
}

fn pane(desk: Desk, step: usize) {
    const ORDER: [Pane; 3] = [Pane::List, Pane::Stage, Pane::Queue];
    let at = ORDER.iter().position(|it| *it == desk.place.pane.get_untracked()).unwrap_or_default();
    let next = ORDER.get((at + step) % ORDER.len()).copied().unwrap_or_default();
    if next == Pane::Queue {
        show_queue(desk);
    }
    desk.place.pane.set(next);
}

/// Unfolds the queue, beside the stage or over it.
pub(crate) fn show_queue(desk: Desk) {
    if narrow() || desk.place.view.get_untracked() != View::Board {
        desk.place.queue_over.set(true);
    } else {
        desk.place.queue_closed.set(false);
    }
}

/// Narrows the queue to one family, and goes there.
fn only(desk: Desk, family: Family) {
    desk.place.family.set(Some(family));
    show_queue(desk);
    desk.place.pane.set(Pane::Queue);
}

fn need(desk: Desk, step: isize) {
    let alarms = untrack(|| desk.alarms());
    let at = desk.place.alarm.get_untracked().and_then(|key| alarms.iter().position(|it| it.key == key));
    let count = isize::try_from(alarms.len()).unwrap_or_default();
    if count == 0 {
        return;
    }
    let next = match at {
        Some(at) => (isize::try_from(at).unwrap_or_default() + step).rem_euclid(count),
        None => 0,
    };
    if let Some(alarm) = usize::try_from(next).ok().and_then(|it| alarms.get(it)) {
        desk.place.alarm.set(Some(alarm.key.clone()));
        show_queue(desk);
        if let Some(subject) = &alarm.subject {
            let over = desk.place.queue_over.get_untracked();
            desk.place.open_subject(subject.clone());
            desk.place.queue_over.set(over);
        }
        desk.place.pane.set(Pane::Queue);
    }
}

/// Gives an answer of the chosen alarm, or of the first one.
fn answer(desk: Desk, n: usize) {
    let alarms = untrack(|| desk.alarms());
    let key = desk.place.alarm.get_untracked();
    // The chosen one or none: another one's answer is not this one's.
    let alarm = alarms.iter().find(|it| Some(&it.key) == key.as_ref());
    if let Some((label, deed)) = alarm.and_then(|it| it.answers.get(n)).map(|it| (&it.label, &it.deed)) {
        desk.perform(label, deed);
    }
}

fn reply(desk: Desk) {
    let alarms = untrack(|| desk.alarms());
    let key = desk.place.alarm.get_untracked();
    let chosen = alarms.iter().find(|it| Some(&it.key) == key.as_ref());
    let question = chosen.and_then(|it| it.key.strip_prefix("question ")).and_then(|it| it.parse().ok());
    if let Some(question) = question {
        desk.perform("Reply", &Deed::Reply(question));
    }
}

fn shelve(desk: Desk) {
    const HOUR_MS: i64 = 3_600_000;
    let alarms = untrack(|| desk.alarms());
    let Some(key) = desk.place.alarm.get_untracked() else { return };
    let Some(alarm) = alarms.iter().find(|it| it.key == key) else { return };
    // What is being damaged cannot be put off for long.
    let span =
        if alarm.priority == pilothouse_contract::attention::Priority::P1 { HOUR_MS / 2 } else { HOUR_MS };
    let now = desk.mirror.now.get_untracked();
    let until = now.plus_ms(span);
    desk.place.shelved.update(|all| {
        all.retain(|_, until| *until > now);
        all.insert(key, until);
    });
}

pub(crate) fn subject(desk: Desk) -> Option<Subject> {
    untrack(|| desk.on_stage())
}

/// How the palette's choices begin that put a terminal beside another.
pub(crate) const BESIDE: &str = "Beside: ";

/// The session that is meant here: of the active terminal, or of what is on the stage.
fn session_here(desk: Desk) -> Option<pilothouse_contract::SessionId> {
    crate::stage::terminal::active().or_else(|| untrack(|| session_of(desk, &subject(desk)?)))
}

/// The session of the newest attempt of the task on the stage, if it runs.
pub(crate) fn session_of(desk: Desk, subject: &Subject) -> Option<pilothouse_contract::SessionId> {
    desk.mirror.fleet.with(|fleet| match subject {
        Subject::Task(run, task) => {
            let task = fleet.runs.get(run)?.task(task)?;
            task.attempts.iter().rev().find_map(|id| fleet.attempts.get(id)?.session)
        }
        Subject::Session(session) => Some(*session),
        _ => None,
    })
}

/// Whether an agent is at work there for a run, and nobody wanted to look at it here: its terminal and its transcript stay
/// closed then, for who looks is tempted to cut in.
pub(crate) fn is_closed(desk: Desk, session: SessionId) -> bool {
    let works = desk.mirror.fleet.with(|fleet| {
        fleet.sessions.get(&session).is_some_and(|it| {
            it.kind == SessionKind::Agent
                && it.end.is_none()
                && it.attempt.and_then(|it| fleet.attempts.get(&it)).is_some_and(|it| !it.state.is_over())
        })
    });
    works && desk.place.revealed.with(|all| !all.contains(&session))
}

/// Opens the terminal and the transcript of an agent at work; that somebody looks is written down.
pub(crate) fn look(desk: Desk, session: SessionId) {
    if untrack(|| is_closed(desk, session)) {
        leptos::task::spawn_local(async move {
            // Looking does not fail for want of being written down.
            let _unheard = crate::ipc::call(ask::session::Peek { session }).await;
        });
        desk.place.reveal(session);
    }
}

/// The closed session that is meant here.
fn closed_here(desk: Desk) -> Option<SessionId> {
    let session = match desk.place.view.get() {
        View::Trajectories => match desk.place.trajectory.get()? {
            crate::place::Reads::Ours(session) => session,
            crate::place::Reads::Step { place: Place::Session(session), .. } => session,
            _ => return None,
        },
        _ => session_of(desk, &subject(desk)?)?,
    };
    is_closed(desk, session).then_some(session)
}

fn interrupt(desk: Desk) {
    let Some(subject) = subject(desk) else { return };
    let Some(session) = untrack(|| session_of(desk, &subject)) else { return };
    let live =
        desk.mirror.fleet.with_untracked(|it| it.sessions.get(&session).is_some_and(|it| it.end.is_none()));
    if live {
        desk.place.overlay.set(Some(Overlay::Confirm(Confirm {
            asks: format!("End {session}?"),
            says: what_ending_means(desk, session),
            label: "End it".to_owned(),
            deed: Box::new(ask::session::Kill { session }.request()),
        })));
    }
}

/// What it means to end a session, in words.
fn what_ending_means(desk: Desk, session: pilothouse_contract::SessionId) -> String {
    desk.mirror.fleet.with_untracked(|fleet| {
        match fleet.sessions.get(&session).and_then(|it| it.run) {
            Some(run) => {
                let others = fleet.attempts.values().filter(|it| it.run == run && !it.state.is_over()).count();
                format!(
                    "Everything it started is ended too, and {run} is parked with its {}. What they wrote stays in their worktrees.",
                    crate::words::count(others, "open attempt")
                )
            }
            None => "Everything it started is ended too.".to_owned(),
        }
    })
}

/// The run of what is on the stage.
fn run_here(desk: Desk) -> Option<pilothouse_contract::RunId> {
    desk.mirror.fleet.with_untracked(|fleet| match subject(desk)? {
        Subject::Task(run, _) => Some(run),
        Subject::Pull(pull) => Some(fleet.pulls.get(&pull)?.run),
        Subject::Item(item) => Some(fleet.run_of(item)?.id),
        _ => None,
    })
}

fn stop_run(desk: Desk) {
    let Some(run) = run_here(desk) else { return };
    desk.place.overlay.set(Some(Overlay::Confirm(Confirm {
        asks: format!("Stop {run}?"),
        says: "Its sessions are ended, and its pull request is sent back if it has one. Its worktrees and branches stay."
            .to_owned(),
        label: "Stop it".to_owned(),
        deed: Box::new(ask::run::Stop { run }.request()),
    })));
}

/// How the palette's choices begin that start a run.
pub(crate) const START: &str = "Start the run of ";

/// Items of the project that is shown whose run may be started, or let go on.
pub(crate) fn startable(desk: Desk) -> Vec<Item> {
    let project = desk.place.project.get_untracked();
    desk.mirror.fleet.with_untracked(|fleet| {
        let shown = fleet.items.values().filter(|it| project.is_none_or(|project| it.project == project));
        shown.filter(|it| fleet.can_start(it)).cloned().collect()
    })
}

/// Starts the run of the item on the stage, or of the only one there is; else the palette asks which.
fn start_run(desk: Desk) {
    let all = startable(desk);
    let here = match subject(desk) {
        Some(Subject::Item(item)) => Some(item),
        _ => run_here(desk)
            .and_then(|run| desk.mirror.fleet.with_untracked(|it| it.runs.get(&run).map(|it| it.item))),
    };
    match (all.iter().find(|it| Some(it.id) == here), all.as_slice()) {
        (Some(item), _) | (None, [item]) => crate::project::start(desk, item.id),
        _ => desk.place.overlay.set(Some(Overlay::Palette(START))),
    }
}

/// Pauses what is carried; if all of it is paused, lets it go on. What is at work comes to its end first.
fn pause_all(desk: Desk) {
    let paused = desk.mirror.fleet.with_untracked(|it| it.halt.is_none());
    let says = if paused { "Pause everything" } else { "Let everything go on" };
    desk.act(says, ask::run::Pause { run: None, paused }.request());
}

/// Starts the rehearsal at the speed of somebody who watches, and goes where it is seen.
pub(crate) fn rehearse(desk: Desk) {
    let request =
        ask::rehearsal::Start { script: "voyage".to_owned(), speed: 1, approve: Approval::Person }.request();
    desk.act_then("Start the rehearsal", request, |desk, reply| {
        if let Ok(it) = pilothouse_contract::wire::decode::<ask::rehearsal::Rehearsal>(reply) {
            desk.place.project.set(Some(it.project));
            desk.place.following.set(Some(it.item));
            desk.place.subject.set(Some(Subject::Item(it.item)));
            go(desk, View::Board);
        }
    });
}

pub(crate) fn pull_of(desk: Desk) -> Option<pilothouse_contract::pull::Pull> {
    let Some(Subject::Pull(pull)) = subject(desk) else { return None };
    desk.mirror.fleet.with_untracked(|fleet| fleet.pulls.get(&pull).cloned())
}

fn approve(desk: Desk) {
    if let Some(pull) = pull_of(desk).filter(|it| it.state == PullState::WaitsForApproval) {
        desk.act("Approve", ask::pull::Approve { pull: pull.id, head: Some(pull.head) }.request());
    }
}

fn land(desk: Desk) {
    if let Some(pull) = pull_of(desk).filter(|it| !it.state.is_over()) {
        desk.act("Land", ask::pull::Land { pull: pull.id }.request());
    }
}

fn remove_worktree(desk: Desk) {
    if desk.place.view.get_untracked() != View::Worktrees {
        return;
    }
    let Some(id) = desk.place.worktree.get_untracked() else { return };
    ask_remove(desk, id);
}

/// Asks, naming what would be lost, and says that it can be undone.
pub(crate) fn ask_remove(desk: Desk, id: pilothouse_contract::WorktreeId) {
    let says = desk.mirror.fleet.with_untracked(|fleet| {
        let it = fleet.worktrees.get(&id).filter(|it| it.state == WorktreeState::Live)?;
        let busy = it.attempt.and_then(|id| fleet.attempts.get(&id)).is_some_and(|it| !it.state.is_over());
        let (changed, untracked) = it.seen.as_ref().map_or((0, 0), |it| (it.changed, it.untracked));
        let holds = format!("{changed} changed and {untracked} untracked files");
        Some(if busy {
            format!("An attempt is at work in it. It holds {holds}. It can be brought back for 14 days.")
        } else {
            format!("It holds {holds}. It can be brought back for 14 days.")
        })
    });
    let Some(says) = says else { return };
    desk.place.overlay.set(Some(Overlay::Confirm(Confirm {
        asks: format!("Remove {id}?"),
        says,
        label: format!("Remove {id}"),
        deed: Box::new(ask::worktree::Remove { worktree: id }.request()),
    })));
}

/// Whether a command can do anything where the window is now: what cannot be seen is not acted on.
pub(crate) fn able(desk: Desk, command: &Command) -> bool {
    let place = desk.place;
    let view = place.view.get_untracked();
    match command.id {
        "remove-worktree" => view == View::Worktrees,
        "filter" => crate::lists::narrows(view),
        "read-again" => view == View::Instructions,
        "plan" => matches!(view, View::Board | View::Desk),
        "desk-next-tab" | "desk-previous-tab" => view == View::Desk,
        "timeline" | "checks" | "terminal" | "take" | "interrupt" => view == View::Board,
        "find" | "copy" | "mark" | "earlier" | "split" => crate::stage::terminal::is_shown(),
        "next-terminal" | "unsplit" => crate::stage::terminal::are_several(),
        "start-run" => !startable(desk).is_empty(),
        "rename" => session_here(desk).is_some(),
        "next-hunk" | "previous-hunk" | "next-file" | "previous-file" | "narrow-files" | "viewed"
        | "split-diff" => crate::diff::is_shown(),
        "diff" => matches!(view, View::Board | View::Pulls),
        "approve" | "land" | "comment" | "verdict-fine" | "verdict-fix" | "verdict-revert" => {
            matches!(subject(desk), Some(Subject::Pull(_))) && place.pane.get_untracked() != Pane::Queue
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_key_where_both_count_and_each_has_a_title() {
        for (n, one) in all().enumerate() {
            assert!(!one.title.is_empty() && !one.id.is_empty());
            for other in all().skip(n + 1) {
                assert_ne!(one.id, other.id);
                let both = one.place == other.place
                    || one.place == Where::Anywhere
                    || other.place == Where::Anywhere
                    || one.place == Where::Panes
                    || other.place == Where::Panes;
                for key in one.keys {
                    assert!(!(both && other.keys.contains(key)), "{key}: {} and {}", one.id, other.id);
                }
            }
        }
    }
}
