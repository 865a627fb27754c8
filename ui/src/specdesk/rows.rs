//! The rows of a page: parts in the words of the command line, one row chosen over all of them. Enter opens the line of it.

use leptos::prelude::*;
use pilothouse_contract::desk::rows::{self, Part, Row, Sign};
use pilothouse_contract::desk::{DeskPage, Meter};

use super::{bring, open_line};
use crate::desk::Desk;
use crate::kit::Icon;

/// So many rows of one part are drawn: nobody reads more, and the command line has all of them.
const DRAWN: usize = 300;

/// The parts of a spec's page.
pub(super) fn of_spec(page: &DeskPage) -> Vec<Part> {
    drawn(rows::spec(&page.spec))
}

/// The parts of a plan's page.
pub(super) fn of_plan(page: &DeskPage) -> Vec<Part> {
    drawn(rows::plan(&page.plan))
}

fn drawn(mut parts: Vec<Part>) -> Vec<Part> {
    for part in &mut parts {
        if part.rows.len() > DRAWN {
            part.sum = format!("{}; the first {DRAWN} of {} rows", part.sum, part.rows.len());
            part.rows.truncate(DRAWN);
        }
    }
    parts
}

/// Heeds a key. Returns whether it was one of the rows'.
pub(super) fn heed(desk: Desk, parts: &[Part], word: &str) -> bool {
    let rows: Vec<&Row> = parts.iter().flat_map(|it| &it.rows).collect();
    let Some(last) = rows.len().checked_sub(1) else { return false };
    let at = desk.specs.row.get_untracked().min(last);
    // What was chosen in the graph leaves the rows where they are: the first step there chooses, and moves on with the next.
    let in_graph = desk.specs.in_graph.get_untracked();
    let next = match word {
        "j" | "arrowdown" if in_graph => at,
        "j" | "arrowdown" => (at + 1).min(last),
        "k" | "arrowup" => at.saturating_sub(1),
        "home" => 0,
        "end" => last,
        "pagedown" => (at + 10).min(last),
        "pageup" => at.saturating_sub(10),
        "enter" | "space" => {
            open_line(desk, rows.get(at).and_then(|it| it.place.as_ref()));
            return true;
        }
        _ => return false,
    };
    desk.specs.in_graph.set(false);
    desk.specs.row.set(next);
    bring("[data-name=desk] .deskrows [aria-selected=true]");
    true
}

fn icon(sign: Sign) -> &'static str {
    match sign {
        Sign::Holds => "check",
        Sign::Notes => "dash",
        Sign::Advises => "warning",
        Sign::Blocks => "cross",
    }
}

/// The parts.
pub(super) fn view(desk: Desk, parts: &[Part], meters: &[Meter]) -> AnyView {
    let mut number = 0;
    let all = parts
        .iter()
        .map(|part| {
            let rows = part
                .rows
                .iter()
                .enumerate()
                .map(|(n, row)| {
                    let meter = (part.title == "Size").then(|| meters.get(n)).flatten();
                    let shown = one_row(desk, number, row, meter);
                    number += 1;
                    shown
                })
                .collect_view();
            let none = part.rows.is_empty().then(|| view! { <p class="none">{part.none}</p> });
            let name = part.title.to_lowercase();
            view! {
                <section class="deskpart" data-part=part.title>
                    <h3 class="panehead">{part.title}<span class="n">{part.sum.clone()}</span></h3>
                    {none}
                    <ul class="deskrows" role="group" aria-label=name>{rows}</ul>
                </section>
            }
        })
        .collect_view();
    view! { <div class="deskparts" role="listbox" aria-label="What was found">{all}</div> }.into_any()
}

fn one_row(desk: Desk, n: usize, row: &Row, meter: Option<&Meter>) -> AnyView {
    let specs = desk.specs;
    let chosen = move || (specs.row.get() == n && !specs.in_graph.get()).to_string();
    let place = row.place.clone();
    let click = move |_| {
        specs.row.set(n);
        specs.in_graph.set(false);
        open_line(desk, place.as_ref());
    };
    let stands = row.place.as_ref().map(|it| {
        let whole = it.to_string();
        let name = it.file.rsplit('/').next().unwrap_or(&it.file).to_owned();
        let short = if it.line == 0 { name } else { format!("{name}:{}", it.line) };
        view! { <span class="at mono" title=crate::words::one(&whole)>{crate::words::one(&short)}</span> }
    });
    let bullet = meter.map(|it| {
        let part = |n: usize, most: usize| (n.saturating_mul(80) / most.max(1)).min(100);
        let long = it.lines_max.map_or(0, |most| part(it.lines, most)).max(part(it.tokens, it.tokens_max));
        view! { <span class="bullet" aria-hidden="true"><i class="band" style:width="80%"></i><i class="value" style:width=format!("{long}%")></i><i class="limit" style:left="80%"></i></span> }
    });
    let remedy = (!row.remedy.is_empty()).then(|| view! { <span class="remedy">{row.remedy.clone()}</span> });
    view! {
        <li role="option" data-sign=row.sign.word() data-row=n.to_string() aria-selected=chosen on:click=click>
            <Icon name=icon(row.sign)/><span class="label cut" title=row.label.clone()>{row.label.clone()}</span>
            <span class="says">{row.says.clone()}{remedy}</span>{bullet}{stands}
        </li>
    }.into_any()
}
