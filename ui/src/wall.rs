//! The wall: every live session as a small tile with its last rows; any of them opened whole in one key. Asks the engine for
//! rows, and for nothing of a session that did not change; has no terminals of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::SessionId;
use pilothouse_contract::board::Subject;
use pilothouse_contract::rows::{Colour, Look, Rows, Span, Tile, Wanted};
use pilothouse_contract::session::SessionKind;

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::Calm;
use crate::place::{Pane, Tab, View};
use crate::words::one;

/// So often the wall is looked at anew.
const LOOK: Duration = Duration::from_secs(1);
/// So many rows a tile shows.
const MOST: u16 = 12;

/// The sessions on the wall, in their order: those that live, of the project that is shown.
pub(crate) fn listed(desk: Desk) -> Vec<SessionId> {
    let project = desk.place.project.get();
    let filter = desk.place.filter.get().to_lowercase();
    desk.mirror.fleet.with(|fleet| {
        let live = fleet.sessions.values().filter(|it| it.end.is_none() && it.kind != SessionKind::Check);
        live.filter(|it| project.is_none_or(|project| it.project == Some(project)))
            .filter(|it| {
                filter.is_empty()
                    || it.title.to_lowercase().contains(&filter)
                    || it.id.to_string().contains(&filter)
            })
            .map(|it| it.id)
            .collect()
    })
}

/// Opens a session of the wall whole: its task's terminal, or its own.
pub(crate) fn open(desk: Desk, session: SessionId) {
    let subject = desk.mirror.fleet.with_untracked(|fleet| {
        let attempt = fleet.sessions.get(&session)?.attempt?;
        fleet.attempts.get(&attempt).map(|it| Subject::Task(it.run, it.task.clone()))
    });
    crate::commands::look(desk, session);
    desk.place.tab.set(Tab::Terminal);
    desk.place.open_subject(subject.unwrap_or(Subject::Session(session)));
    desk.place.pane.set(Pane::Stage);
}

/// The wall.
#[component]
pub(crate) fn Wall() -> impl IntoView {
    let desk = desk();
    let all = Memo::new(move |_| listed(desk));
    let tiles = RwSignal::new(BTreeMap::<SessionId, Tile>::new());
    let unheard = RwSignal::new(None::<String>);
    let look = move || {
        // What lies over it is looked at, or another view.
        if desk.place.view.get_untracked() != View::Wall {
            return;
        }
        let sessions = all.with_untracked(|all| {
            let have = |it: &SessionId| tiles.with_untracked(|tiles| tiles.get(it).map(|it| it.version));
            all.iter().map(|it| Wanted { session: *it, have: have(it) }).collect()
        });
        spawn_local(async move {
            let news = match ipc::call(Rows { sessions, most: MOST }).await {
                Ok(news) => news,
                Err(fault) => {
                    let _gone = unheard.try_set(Some(one(&fault.message)));
                    return;
                }
            };
            if unheard.try_with_untracked(Option::is_some) == Some(true) {
                let _gone = unheard.try_set(None);
            }
            if news.iter().any(|it| it.rows.is_some()) {
                let _gone = tiles.try_update(|tiles| {
                    tiles.extend(news.into_iter().filter(|it| it.rows.is_some()).map(|it| (it.session, it)));
                });
            }
        });
    };
    Effect::new(move |_| {
        all.track();
        look();
    });
    let timer = set_interval_with_handle(look, LOOK).ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    let active = move || desk.place.tile.get().map(|it| format!("tile-{it}"));
    let empty = move || {
        all.with(Vec::is_empty).then(|| view! { <Calm title="No session lives" says="Start a run, or hold any command: pilothouse hold -- COMMAND"/> })
    };
    view! {
        <section class="pane wall" data-pane="list" aria-label="Wall">
            <crate::board::Filter/>
            <div class="tilewall" role="listbox" tabindex="0" data-focus="list" aria-label="Sessions" aria-activedescendant=active>
                <For each=move || all.get() key=|it| *it let:session><TileOf session=session tiles=tiles/></For>
            </div>
            {empty}
            {move || unheard.get().map(|why| view! { <p class="termnotes">{format!("Not heard: {why}. These are the rows of before.")}</p> })}
        </section>
    }
}

#[component]
fn TileOf(session: SessionId, tiles: RwSignal<BTreeMap<SessionId, Tile>>) -> impl IntoView {
    let desk = desk();
    let title = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| it.sessions.get(&session).map(|it| one(&it.title)).unwrap_or_default())
    });
    let state = Memo::new(move |_| {
        desk.mirror.sessions.with(|all| {
            all.get(&session).map(|it| {
                let claims = it.claim.as_ref().map(|it| format!(" · claims: {}", it.words()));
                (format!("{}{}", it.state.word(), claims.unwrap_or_default()), one(&it.why))
            })
        })
    });
    let rows = Memo::new(move |_| tiles.with(|all| all.get(&session).and_then(|it| it.rows.clone())));
    let chosen = move || desk.place.tile.get() == Some(session);
    let body = move || {
        let rows = rows.get()?;
        let line =
            |row: Vec<Span>| view! { <div class="row">{row.into_iter().map(span).collect_view()}</div> };
        Some(rows.into_iter().map(line).collect_view())
    };
    view! {
        <article class="livetile" role="option" id=format!("tile-{session}") data-tile=session.to_string() aria-selected=move || chosen().to_string() title=move || state.get().map(|it| it.1)
            on:click=move |_| desk.place.tile.set(Some(session)) on:dblclick=move |_| open(desk, session)>
            <header><span class="call">{session.to_string()}</span><span class="cut">{title}</span><span class="quiet">{move || state.get().map(|it| it.0)}</span></header>
            <div class="rows well">{body}</div>
        </article>
    }
}

/// Text of one look. Colours are the theme's; what a program picks beyond them is shown in the usual one, for nobody knows
/// whether it could be read.
fn span(it: Span) -> impl IntoView {
    let mut class = String::new();
    if let Some(Colour::Palette(n @ 0..=15)) = it.colour {
        class.push_str(&format!("c{} ", n % 8));
    }
    for look in it.looks {
        class.push_str(match look {
            Look::Bold => "bold ",
            Look::Dim => "dim ",
            Look::Italic => "italic ",
            Look::Underlined => "underlined ",
            Look::Inverse => "inverse ",
            Look::Struck => "struck ",
        });
    }
    view! { <span class=class>{it.text}</span> }
}
