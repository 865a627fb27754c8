//! The chrome: the title bar says where you are, the annunciator how things are, the status line what happened last.

use leptos::prelude::*;
use pilothouse_contract::attention::{Family, Priority};
use pilothouse_contract::board::Subject;
use pilothouse_contract::event::Event;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::underway::Plan;
use pilothouse_contract::{Record, Request, Who};

use crate::commands;
use crate::desk::desk;
use crate::kit::{FaultNote, Icon, Key};
use crate::mirror::Link;
use crate::place::{Overlay, Pane, Tab, View};
use crate::words::{age, clock, one};

/// Where you are.
#[component]
pub(crate) fn TitleBar() -> impl IntoView {
    let desk = desk();
    let names = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| it.listed().map(|it| (it.id, it.name.clone())).collect::<Vec<_>>())
    });
    let choose = move |event: leptos::ev::Event| {
        let value = event_target_value(&event);
        desk.place.project.set(value.parse().ok());
    };
    let options = move || {
        let chosen = desk.place.project.get();
        let all = if names.with(Vec::is_empty) { "No project" } else { "All projects" };
        let mut list = vec![view! { <option value="" selected=chosen.is_none()>{all}</option> }.into_any()];
        list.extend(names.get().into_iter().map(|(id, name)| {
            view! { <option value=id.to_string() selected=chosen == Some(id)>{one(&name)}</option> }
                .into_any()
        }));
        list.collect_view()
    };
    let tabs = View::ALL.into_iter().map(|it| {
        let current = move || (desk.place.view.get() == it).then_some("page");
        view! {
            <a role="link" tabindex="-1" data-place=it.name() aria-current=current title=commands::shown(it.name())
                on:click=move |_| if let Some(command) = commands::of(it.name()) { (command.run)(desk) }>
                {it.word()}
            </a>
        }
    }).collect_view();
    view! {
        <header class="titlebar">
            <span class="brand"><Icon name="logo"/><span class="word">"Pilothouse"</span></span>
            <label class="project"><span class="hide">"Project"</span><select tabindex="-1" data-name="project" on:change=choose>{options}</select></label>
            <nav class="places">{tabs}</nav>
            <button class="find" type="button" tabindex="-1" data-command="palette" on:click=move |_| desk.place.overlay.set(Some(Overlay::Palette("")))>
                <Icon name="search"/><span class="word">"Find or run"</span><Key says=commands::shown("palette")/>
            </button>
        </header>
    }
}

/// How things are: a tile for each family, in fixed places.
#[component]
pub(crate) fn Annunciator() -> impl IntoView {
    let desk = desk();
    let tiles = Family::ALL.into_iter().map(|family| {
        let open = Memo::new(move |_| {
            let shelved = desk.shelved.get();
            desk.mirror.alarms.with(|all| {
                let mut count = 0;
                let mut worst: Option<Priority> = None;
                for it in all.iter().filter(|it| it.family == family && !shelved.contains(&it.key)) {
                    count += 1;
                    worst = Some(worst.map_or(it.priority, |known| known.min(it.priority)));
                }
                (count, worst)
            })
        });
        // One that makes way for another, because a person said so, is not missed.
        let makes_way = move || desk.doing.with(|all| all.iter().any(|it| matches!(it.0, Request::EngineStop(_))));
        let lost = move || family == Family::Engine && matches!(desk.mirror.link.get(), Link::Lost { .. }) && !makes_way();
        let p = move || if lost() { Some("1") } else { open.get().1.map(Priority::digit) };
        let count = move || match (open.get().0, family) {
            (_, Family::Engine) if lost() => view! { "!" }.into_any(),
            (0, Family::Engine) => view! { <Icon name="check"/> }.into_any(),
            (n, _) => n.to_string().into_any(),
        };
        let label = move || format!("{}: {}", family.word(), if lost() { "not heard".to_owned() } else { open.get().0.to_string() });
        let show = move |_| {
            desk.place.family.update(|it| *it = if *it == Some(family) { None } else { Some(family) });
            commands::show_queue(desk);
            desk.place.pane.set(Pane::Queue);
        };
        view! {
            <button class="tile" type="button" tabindex="-1" data-family=family.word() data-p=p aria-label=label
                aria-pressed=move || (desk.place.family.get() == Some(family)).to_string() on:click=show>
                <span class="name">{family.word()}</span><span class="count">{count}</span>
            </button>
        }
    }).collect_view();
    let running = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            it.sessions
                .values()
                .filter(|it| it.kind == SessionKind::Agent && it.running.is_some() && it.end.is_none())
                .count()
        })
    });
    let slots = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            it.runs.values().filter(|it| it.state.is_live()).map(|it| it.policy.slots).sum::<u32>()
        })
    });
    let paused = Memo::new(move |_| {
        desk.mirror
            .fleet
            .with(|it| it.runs.values().filter(|run| run.state.is_live() && it.is_paused(run)).count())
    });
    // Everything may be paused while nothing is carried: what is started then waits.
    let halted = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            let drained = |drained: bool| if drained { "All paused " } else { "All paused, at work still " };
            it.halt.as_ref().map(|halt| drained(halt.drained.is_some()))
        })
    });
    let landed = Memo::new(move |_| {
        desk.mirror
            .strips
            .with(|all| all.iter().filter(|it| it.bay == pilothouse_contract::board::Bay::Landed).count())
    });
    view! {
        <section class="annunciator" aria-label="How things are">
            <div class="tiles">{tiles}</div>
            <span class="push gauges">
                <span>"Running " <b>{move || running.get()}</b> {move || (slots.get() > 0).then(|| format!(" of {} slots", slots.get()))}</span>
                {move || (paused.get() > 0 || halted.get().is_some()).then(|| view! { <span data-name="paused">{halted.get().unwrap_or("Paused ")}<b>{paused.get()}</b>" "<crate::board::KeyOf id="pause-all"/></span> })}
                <span data-minor="">"Landed " <b>{move || landed.get()}</b></span>
            </span>
        </section>
    }
}

/// What a record says on one line; nothing for the small steps.
pub(crate) fn says(record: &Record) -> Option<String> {
    Some(match &record.event {
        Event::ProjectAdded { project } => format!("{} added", project.name),
        Event::ProjectTrusted { project, .. } => format!("{project} trusted"),
        Event::SessionRenamed { session, title } => format!("{session} is called {title}"),
        Event::HolderReplaced { session, holder, .. } => {
            format!("{session}: its holder died, process {holder} took over")
        }
        Event::RunStarted { run } => format!("{} started", run.id),
        Event::RunBegun { run, .. } => format!("{run} begins"),
        Event::RunPaused { run, paused } => format!("{run} {}", if *paused { "paused" } else { "goes on" }),
        Event::RunMoved { run, to, why, .. } => join(&format!("{run} {}", to.word()), why),
        Event::AttemptStarted { attempt } => format!("{} leased to {}", attempt.task, attempt.id),
        Event::AttemptFailed { attempt, failure, why, .. } => {
            join(&format!("{attempt} failed: {}", failure.word()), why)
        }
        Event::TaskMoved { task, to, .. } => format!("{task} {}", to.word()),
        Event::QuestionAsked { question } => format!("{} asks: {}", question.session, question.asks),
        Event::QuestionAnswered { question, answer } => format!("{question} answered: {}", answer.text),
        Event::PullOpened { pull } => format!("{} opened: {}", pull.id, pull.title),
        Event::PullApproved { pull, .. } => format!("{pull} approved"),
        Event::PullMoved { pull, to, .. } => format!("{pull} {}", to.word().replace('-', " ")),
        Event::MainMoved { to, .. } => format!("The default branch is at {}", to.short()),
        Event::LineChanged { why, .. } => why.clone(),
        Event::WorktreeRemoved { worktree, .. } => format!("{worktree} removed"),
        Event::WorktreeRestored { worktree, .. } => format!("{worktree} brought back"),
        Event::Refused { asked, why, .. } => format!("Refused {asked}: {why}"),
        Event::RefTouched { reference, named, prevented, .. } => {
            format!("{reference} {} by {named}", if *prevented { "was to be moved" } else { "moved" })
        }
        Event::AllPaused { paused: true } => {
            "Everything is paused: what is at work comes to its end".to_owned()
        }
        Event::AllPaused { paused: false } => "Everything goes on".to_owned(),
        Event::Drained => "Everything is paused, and nothing is at work any more".to_owned(),
        Event::SlotsSet { slots } => format!("Slots over all projects: {slots}"),
        Event::KeepAwake { on: true } => "This machine is kept awake while runs are carried".to_owned(),
        Event::KeepAwake { on: false } => "This machine may sleep again".to_owned(),
        Event::ForgeSaid { pull, says, .. } => format!("{pull}: {says}"),
        Event::Notice { says, .. } => says.clone(),
        Event::EvidenceGathered { evidence } => format!(
            "{} {}: {}",
            evidence.id,
            if evidence.passed() { "holds" } else { "does not hold" },
            evidence.why
        ),
        _ => return None,
    })
}

fn join(head: &str, why: &str) -> String {
    if why.is_empty() { head.to_owned() } else { format!("{head}: {why}") }
}

/// Who, for people.
pub(crate) fn by(who: &Who) -> String {
    match who {
        Who::Engine => "the engine".to_owned(),
        other => other.to_string(),
    }
}

fn go_there(desk: crate::desk::Desk) {
    if let Some(command) = commands::of("brief") {
        (command.run)(desk);
    }
}

/// What happened last, and the keys that matter here.
#[component]
pub(crate) fn StatusLine() -> impl IntoView {
    let desk = desk();
    let last = Memo::new(move |_| {
        desk.mirror.recent.with(|all| {
            all.iter()
                .rev()
                .filter(|it| crate::ipc::tells(it))
                .filter_map(|it| Some((it.seq, clock(it.at), one(&says(it)?))))
                .take(2)
                .collect::<Vec<_>>()
        })
    });
    let events = move || {
        last.get()
            .into_iter()
            .map(|(_, at, says)| view! { <span class="ev cut"><time>{at}</time>{says}</span> })
            .collect_view()
    };
    let doing = move || {
        desk.doing
            .with(|all| all.first().cloned())
            .map(|it| view! { <span class="ev" data-doing="">{one(&it.1)}" …"</span> })
    };
    let undo = move || {
        desk.undo.get().map(|it| view! {
        <span class="ev">{it.says} " " <button class="button" data-size="small" data-command="undo" on:click=move |_| desk.undo_last()>"Undo" <Key says="z"/></button></span>
    })
    };
    // What happened while nobody was here is offered in a line, and in nobody's way.
    let offer = move || {
        desk.away.offer.get().map(|it| view! {
        <span class="ev offer" data-name="offer"><button class="button" data-size="small" data-command="brief" on:click=move |_| go_there(desk)>"Read it "<Key says=commands::shown("brief")/></button><span class="cut">{it}</span></span> })
    };
    let newer = move || {
        desk.mirror.upgrade.with(|it| it.as_ref().and_then(Plan::notice)).map(|says| view! {
        <span class="ev offer" data-name="newer"><button class="button" data-size="small" data-command="upgrade" on:click=move |_| desk.place.overlay.set(Some(Overlay::Upgrade))>"Upgrade"</button><span class="cut">{says}</span></span> })
    };
    let keys = move || {
        // Only keys that do something here.
        let ids: &[&str] = match (desk.place.pane.get(), desk.on_stage()) {
            (Pane::Queue, _) => &["first-answer", "acknowledge", "shelve"],
            (Pane::Stage, Some(Subject::Task(..))) if desk.place.tab.get() == Tab::Diff => {
                &["next-hunk", "next-file", "note"]
            }
            (Pane::Stage, Some(Subject::Pull(_))) => &["next-hunk", "next-file", "comment", "approve"],
            (Pane::Stage, Some(Subject::Task(..))) => &["diff", "checks", "terminal"],
            (Pane::List, Some(Subject::Task(..))) => &["filter", "diff", "terminal"],
            (_, Some(Subject::Pull(_))) => &["filter", "approve", "land"],
            (Pane::List, _) if desk.place.view.get() == View::Worktrees => &["remove-worktree", "filter"],
            (_, None) if desk.place.view.get() == View::Board => &["add", "rehearse"],
            (Pane::List, _) if desk.place.view.get() == View::Brief => &[],
            (Pane::List, _) if desk.place.view.get() == View::Instructions => &["read-again"],
            (Pane::Stage, _) if desk.place.view.get() == View::Desk => &["desk-next-tab", "plan"],
            (Pane::List, _) => &["filter"],
            (Pane::Stage, _) => &[],
        };
        let mut caps: Vec<AnyView> = Vec::new();
        if desk.place.pane.get() != Pane::Stage {
            caps.push(view! { <span><Key says="j k"/>" move"</span> }.into_any());
        }
        for id in ids {
            let word = match *id {
                "first-answer" => "first answer",
                "acknowledge" => "acknowledge",
                "shelve" => "put off",
                "diff" => "diff",
                "checks" => "checks",
                "terminal" => "terminal",
                "remove-worktree" => "remove",
                "filter" => "narrow",
                "add" => "add a repository",
                "rehearse" => "rehearsal",
                "approve" => "approve",
                "read-again" => "read again",
                "desk-next-tab" => "next tab",
                "plan" => "plan",
                "next-hunk" => "next hunk",
                "next-file" => "next file",
                "note" => "note",
                "comment" => "comment",
                _ => "land",
            };
            caps.push(view! { <span><Key says=commands::shown(id)/>" "{word}</span> }.into_any());
        }
        caps.push(view! { <span><Key says="F6"/>" pane"</span> }.into_any());
        caps.push(view! { <span><Key says=commands::shown("keys")/>" all keys"</span> }.into_any());
        caps.collect_view()
    };
    let terminal = move || {
        crate::stage::terminal::is_taken().then(|| view! {
        <span class="ev"><b>"The program has the keyboard. "</b> <Key says="Shift+F6"/> " leaves it."</span>
    })
    };
    let link = move || match desk.mirror.link.get() {
        Link::Lost { since, why } => Some(view! {
            <span class="ev" data-lost="">{format!("Not updated since {} ({}). {}", clock(since), age(desk.mirror.now.get(), since), one(&why))}</span>
        }),
        _ => None,
    };
    let first = move || {
        let pids = desk.mirror.engine.get();
        (last.with(Vec::is_empty) && pids.is_some())
            .then(|| view! { <span class="ev">"The engine runs. Nothing happened yet."</span> })
    };
    view! {
        <footer class="status">
            {link}{terminal}{doing}{undo}{newer}{offer}{first}{events}
            <span class="keys">{keys}</span>
        </footer>
    }
}

/// The last fault, until it is dismissed.
#[component]
pub(crate) fn FaultBar() -> impl IntoView {
    let desk = desk();
    move || {
        desk.fault.get().map(|fault| view! {
        <section class="faultbar" role="alert" data-name="fault">
            <Icon name="warning"/>
            <FaultNote fault=fault/>
            <button class="button" type="button" data-name="dismiss" on:click=move |_| desk.fault.set(None)>"Dismiss" <Key says="Esc"/></button>
        </section>
    })
    }
}
