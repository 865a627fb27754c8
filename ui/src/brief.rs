//! The brief: what happened since a person left? One page in the words of the command line, what is risky first; each line
//! opens what it is about. Read anew while the fleet moves; offered once to whoever was away for long.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::brief::page::{self, Opens, Row, RowKind};
use pilothouse_contract::brief::{Brief, OFFER_MS, Since};
use pilothouse_contract::{At, Fault, ask};

use crate::commands;
use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Chip, FaultNote, Reading};
use crate::mirror::Link;
use crate::place::{Pane, View};
use crate::words::{clock, day};

/// So often it is looked whether something happened meanwhile.
const LOOK: Duration = Duration::from_secs(2);
/// Of the rows behind a line so many are named.
const NAMED: usize = 6;

/// What the page holds of the brief.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    /// The brief as it was read last.
    pub(crate) brief: RwSignal<Option<Brief>>,
    /// Where it begins for whoever came back, and why there. What they do here since must not move that.
    began: RwSignal<Option<(At, String)>>,
    /// Why it could not be read.
    fault: RwSignal<Option<Fault>>,
    /// The line that offers it, until it is opened.
    pub(crate) offer: RwSignal<Option<String>>,
    /// The row that is chosen.
    pub(crate) row: RwSignal<Option<usize>>,
}

impl Away {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self {
            brief: RwSignal::new(None),
            began: RwSignal::new(None),
            fault: RwSignal::new(None),
            offer: RwSignal::new(None),
            row: RwSignal::new(None),
        }
    }

    /// Reads the brief: since the person left, also if they did something here in the meantime.
    async fn read(self) {
        let brief = async {
            let brief = ipc::call(ask::brief::Show { since: None }).await?;
            let is_here = brief.last_deed.as_ref().is_some_and(|it| brief.until.since_ms(it.at) < OFFER_MS);
            match self.began.get_untracked() {
                Some((at, _)) if is_here && at < brief.since => {
                    ipc::call(ask::brief::Show { since: Some(Since::At(at)) }).await
                }
                _ => {
                    self.began.set((!is_here).then(|| (brief.since, page::begins(&brief))));
                    Ok(brief)
                }
            }
        };
        match brief.await {
            Ok(brief) => {
                self.fault.set(None);
                self.brief.set(Some(brief));
            }
            Err(fault) => self.fault.set(Some(fault)),
        }
    }
}

/// Reads the brief once the fleet is heard for the first time, and offers it if that is worth a line.
pub(crate) fn offer(desk: Desk) {
    let heard = Memo::new(move |_| desk.mirror.link.get() == Link::Heard);
    Effect::new(move |done: Option<bool>| {
        let done = done.unwrap_or_default();
        if done || !heard.get() {
            return done;
        }
        spawn_local(async move {
            let away = desk.away;
            away.read().await;
            let offer = away.brief.with_untracked(|it| {
                let it = it.as_ref().filter(|it| it.is_worth_offering())?;
                let ago = it.last_deed.as_ref().map(|deed| page::span(it.until.since_ms(deed.at)))?;
                Some(format!("Since you left, {ago} ago: {}", page::headline(it)))
            });
            if desk.place.view.get_untracked() != View::Brief {
                away.offer.set(offer);
            }
        });
        true
    });
}

/// The rows that can be chosen now: those that lead somewhere.
pub(crate) fn listed(desk: Desk) -> Vec<usize> {
    let rows = desk.away.brief.with(|it| it.as_ref().map(page::rows)).unwrap_or_default();
    rows.iter().enumerate().filter(|(_, it)| it.opens.is_some()).map(|(n, _)| n).collect()
}

/// Opens what the chosen row is about: on the stage, or in the queue.
pub(crate) fn open(desk: Desk, n: usize) {
    let row =
        desk.away.brief.with_untracked(|it| it.as_ref().and_then(|it| page::rows(it).into_iter().nth(n)));
    match row.and_then(|it| it.opens) {
        Some(Opens::Subject(subject)) => {
            desk.place.open_subject(subject);
            desk.place.pane.set(Pane::Stage);
        }
        Some(Opens::Alarm(key)) => {
            desk.place.family.set(None);
            if untrack(|| desk.alarms()).iter().all(|it| it.key != key) {
                desk.place.project.set(None);
            }
            desk.place.alarm.set(Some(key));
            commands::show_queue(desk);
            desk.place.pane.set(Pane::Queue);
            crate::lists::keep_in_sight("queue");
        }
        None => {}
    }
}

/// A moment: the time of day, with its day if that is not today.
fn moment(at: At, now: At) -> String {
    if day(at) == day(now) { clock(at) } else { format!("{} {}", day(at), clock(at)) }
}

/// The view.
#[component]
pub(crate) fn BriefPage() -> impl IntoView {
    let desk = desk();
    let away = desk.away;
    away.offer.set(None);
    let seen = StoredValue::new(None::<u64>);
    let look = move || {
        let seq = desk.mirror.fleet.with_untracked(|it| it.seq);
        if seen.get_value() != Some(seq) {
            seen.set_value(Some(seq));
            spawn_local(away.read());
        }
    };
    look();
    let timer = set_interval_with_handle(look, LOOK).ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    let rows = Memo::new(move |_| away.brief.with(|it| it.as_ref().map(page::rows)).unwrap_or_default());
    // What cannot be opened any more is not chosen.
    Effect::new(move |_| {
        let listed = listed(desk);
        let chosen = away.row.get();
        if chosen.is_none_or(|it| !listed.contains(&it)) && chosen != listed.first().copied() {
            away.row.set(listed.first().copied());
        }
    });
    let head = move || {
        away.brief.with(|it| {
            let it = it.as_ref()?;
            let from = if it.since == At(0) { "the beginning".to_owned() } else { moment(it.since, it.until) };
            let why = away.began.get().map_or_else(|| page::begins(it), |it| it.1);
            let long = page::span(it.until.since_ms(it.since));
            Some(view! { <span>"From "<b>{from}</b>" to now"</span><span>{long}</span><span class="cut">{why}</span> })
        })
    };
    let line = Memo::new(move |_| away.brief.with(|it| it.as_ref().map(page::headline)));
    let body = move || {
        let quiet = away.brief.with(|it| it.as_ref().map(Brief::is_quiet));
        match (quiet, away.fault.get()) {
            (None, Some(fault)) => view! { <FaultNote fault=fault/> }.into_any(),
            (None, None) => view! { <Reading what="the brief"/> }.into_any(),
            (Some(true), _) => {
                let since = move || away.brief.with(|it| it.as_ref().map(|it| moment(it.since, it.until)));
                view! { <div class="calm"><h2 class="big">"Nothing happened since "{since}"."</h2><p>"Nothing needs you."</p></div> }.into_any()
            }
            (Some(false), _) => view! {
                <p class="headline">{line}</p>
                <ul class="briefing" role="listbox" tabindex="0" data-focus="list" aria-label="What happened" aria-activedescendant=move || away.row.get().map(|n| format!("brief-{n}"))>
                    <For each=move || 0..rows.with(Vec::len) key=|n| *n let:n><Line n=n rows=rows/></For>
                </ul>
            }.into_any(),
        }
    };
    let stale = move || {
        let fault = away.fault.get().filter(|_| away.brief.with(Option::is_some))?;
        Some(view! { <p class="note">"Not read since then: "{crate::words::one(&fault.message)}</p> })
    };
    view! {
        <section class="pane stage brief" data-pane="list" data-name="brief" aria-label="Since you left">
            <header class="head"><div class="line"><h1>"Since you left"</h1></div><div class="facts">{head}</div></header>
            {stale}
            <div class="scroll">{body}</div>
        </section>
    }
}

/// One row. It stays where it is while what it says changes: a click on one that is built anew is lost.
#[component]
fn Line(n: usize, rows: Memo<Vec<Row>>) -> impl IntoView {
    let desk = desk();
    let row = Memo::new(move |_| rows.with(|all| all.get(n).cloned()));
    let kind = move || {
        row.with(|it| {
            it.as_ref().map(|it| match it.kind {
                RowKind::Section => "section",
                RowKind::Head => "head",
                RowKind::Detail => "detail",
            })
        })
    };
    let opens = Memo::new(move |_| row.with(|it| it.as_ref().is_some_and(|it| it.opens.is_some())));
    let chosen = move || opens.get().then(|| (desk.away.row.get() == Some(n)).to_string());
    let chip = move || {
        row.with(|it| it.as_ref().and_then(|it| it.priority))
            .map(|p| view! { <Chip p=p seen=Signal::stored(false)/> })
    };
    let behind = move || {
        row.with(|it| {
            let all = it.as_ref().map(|it| it.ids.as_slice()).unwrap_or_default();
            let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" ");
            match all.len().saturating_sub(NAMED) {
                0 => named,
                more => format!("{named} +{more}"),
            }
        })
    };
    let all = move || row.with(|it| it.as_ref().map(|it| it.ids.join(" ")).filter(|it| !it.is_empty()));
    let at = move || {
        row.with(|it| it.as_ref().and_then(|it| it.at)).map(|at| moment(at, desk.mirror.now.get_untracked()))
    };
    let open = move |_| {
        if opens.get_untracked() {
            desk.away.row.set(Some(n));
            open(desk, n);
        }
    };
    view! {
        <li id=format!("brief-{n}") data-kind=kind data-opens=move || opens.get().then_some("") role=move || if opens.get() { "option" } else { "presentation" } aria-selected=chosen on:click=open>
            <span class="label">{chip}{move || row.with(|it| it.as_ref().map(|it| it.label.clone()))}</span>
            <span class="says">{move || row.with(|it| it.as_ref().map(|it| it.says.clone()))}</span>
            <span class="ids" title=all>{behind}</span>
            <time>{at}</time>
        </li>
    }
}
