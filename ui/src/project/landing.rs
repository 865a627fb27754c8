//! How changes of a project landed, by risk: what was sent back, what escaped, what nobody looked at; and the switch by which those of a
//! class land by themselves, in sight of just that.
//!
//! Refuses to switch anything on by one key: what it means is said first.

use leptos::prelude::*;
use pilothouse_contract::after::{debt, rates};
use pilothouse_contract::risk::RiskClass;
use pilothouse_contract::{Call, ProjectId, ask};

use crate::desk::{Desk, desk};
use crate::place::{Confirm, Overlay};
use crate::words::{count, one};

/// What is shown of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    class: RiskClass,
    rates: String,
    debt: String,
    on: bool,
}

/// Each class with its rates, its debt and its switch; nothing before anything of the project landed.
#[component]
pub(super) fn Landings(project: ProjectId) -> impl IntoView {
    let desk = desk();
    // What is overdue may be told some seconds late.
    let slow = Memo::new(move |_| desk.mirror.now.get().0 / 60_000);
    let rows = Memo::new(move |_| {
        let now = pilothouse_contract::At(slow.get() * 60_000);
        desk.mirror.fleet.with(|fleet| {
            let switches = fleet.projects.get(&project).map(|it| it.auto_land.clone()).unwrap_or_default();
            let of = debt(fleet, Some(project), now);
            let row = |it: pilothouse_contract::after::Rates| Row {
                class: it.class,
                rates: it.says(),
                debt: of.iter().find(|debt| debt.class == it.class).map(owed).unwrap_or_default(),
                on: switches.contains(&it.class),
            };
            let ended = rates(fleet, Some(project));
            let any = ended.iter().any(|it| it.ended > 0) || !switches.is_empty();
            if any { ended.into_iter().map(row).collect() } else { Vec::new() }
        })
    });
    let table = move |all: Vec<Row>| {
        let rows = all
            .into_iter()
            .map(|it| {
                let (word, on, class) = (it.class.word(), it.on, it.class);
                let stands = if on { "Land by themselves" } else { "Wait for a yes" };
                let label = if on { "Have them wait" } else { "Let them land by themselves" };
                let says = it.rates.clone();
                let switch = move |_| if on { off(desk, project, class) } else { asks(desk, project, class, &says) };
                let rates = it.rates.strip_prefix(&format!("{word} risk: ")).unwrap_or(&it.rates).to_owned();
                view! {
                    <li data-class=word data-on=on.to_string()>
                        <b class="class" data-risk=word>{word}</b>
                        <span>{rates}" "<span class="quiet">{it.debt.clone()}</span></span>
                        <span class="quiet">{stands}</span>
                        <button class="button" data-size="small" type="button" data-name="auto-land" on:click=switch>{label}</button>
                    </li>
                }
            })
            .collect_view();
        view! {
            <section data-name="landings"><h3 class="panehead flush">"How changes landed, by risk"</h3>
                <ul class="landings">{rows}</ul></section>
        }
    };
    move || Some(rows.get()).filter(|it| !it.is_empty()).map(table)
}

/// What nobody looked at, in words.
fn owed(it: &pilothouse_contract::after::Debt) -> String {
    let overdue = if it.overdue > 0 { format!(", {} of them overdue", it.overdue) } else { String::new() };
    match it.waits.len() {
        0 if it.unseen_lines == 0 => String::new(),
        0 => format!(
            "{} that landed and nobody looked at",
            count(usize::try_from(it.unseen_lines).unwrap_or(usize::MAX), "line")
        ),
        n => format!("{} to look at{overdue}", count(n, "change")),
    }
}

/// Switches off at once: it is never wrong to wait for a yes.
fn off(desk: Desk, project: ProjectId, class: RiskClass) {
    let seen = String::new();
    desk.act("Have them wait for a yes", ask::after::AutoLand { project, class, on: false, seen }.request());
}

/// Says what went wrong so far, and what switching on means.
fn asks(desk: Desk, project: ProjectId, class: RiskClass, seen: &str) {
    let name = desk.mirror.fleet.with_untracked(|it| it.projects.get(&project).map(|it| it.name.clone()));
    let call = ask::after::AutoLand { project, class, on: true, seen: seen.to_owned() };
    desk.place.overlay.set(Some(Overlay::Confirm(Confirm {
        asks: format!("Let changes of {} risk in {} land by themselves?", class.word(), one(&name.unwrap_or_default())),
        says: format!("So far: {seen}. What is checked and reviewed then lands without your yes; you switch it off here at any time."),
        label: "Let them land".to_owned(),
        deed: Box::new(call.request()),
    })));
}
