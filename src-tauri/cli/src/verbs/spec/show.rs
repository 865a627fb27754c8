//! `pilothouse spec show` and `pilothouse plan show`: the pages of the desk for one item of a working tree, in the words of the window. Needs
//! no engine, runs nothing and writes nothing.

use std::fmt::Write as _;
use std::path::Path;

use pilothouse_contract::Fault;
use pilothouse_contract::desk::rows::{self, Part};
use pilothouse_contract::desk::{DeskItem, DeskPage, PlanPage, SpecPage, TaskLook};
use pilothouse_engine::execution::desk::Recorded;
use pilothouse_engine::execution::{agents, desk};
use pilothouse_engine::policy::layouts::desk::{Facts, page};
use pilothouse_engine::policy::layouts::waves::Limits;
use serde::Serialize;

use super::tree::Desk;
use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::{Out, short};

#[derive(Debug, Serialize)]
struct Shown<'a, T> {
    #[serde(flatten)]
    item: &'a DeskItem,
    #[serde(flatten)]
    page: &'a T,
}

/// Shows the spec of an item; exit code 1 if a gate that files can tell of does not hold.
pub(crate) fn spec(named: &Path, out: Out) -> End {
    let desk = Desk::named(named)?;
    let it = open(&desk, &Limits::default())?;
    out.value(&Shown::<SpecPage> { item: &it.item, page: &it.spec }, |_| {
        text(&it.item, &rows::spec(&it.spec), "")
    });
    Ok(if it.spec.gates.iter().all(|it| it.holds) { HOLDS } else { does_not_hold() })
}

/// Shows the plan of an item; exit code 1 if its gate does not hold.
pub(crate) fn plan(named: &Path, slots: Option<u32>, out: Out) -> End {
    let desk = Desk::named(named)?;
    let limits = super::super::plan::limits(&desk)?;
    let limits = Limits { slots: slots.and_then(|it| usize::try_from(it).ok()).or(limits.slots), ..limits };
    let it = open(&desk, &limits)?;
    out.value(&Shown::<PlanPage> { item: &it.item, page: &it.plan }, |_| {
        text(&it.item, &rows::plan(&it.plan), &waves(&it.plan))
    });
    Ok(if it.plan.gates.iter().all(|it| it.holds) { HOLDS } else { does_not_hold() })
}

/// The pages of the one item that was named.
fn open(desk: &Desk, limits: &Limits) -> Result<DeskPage, Fault> {
    let all = desk.items()?;
    let [item] = all.as_slice() else {
        let names: Vec<&str> = all.iter().take(12).map(|it| it.path.as_str()).collect();
        return Err(Fault::refused(format!("{} items lie there, and one is shown at a time", all.len()))
            .hint(format!("name one of them: {}", names.join(", "))));
    };
    let found = desk.found(item)?;
    let tree = desk::of_folder(&desk.top);
    let (beside, symbols) = desk::beside_in_folder(&desk.top, &tree, item, found, &desk.files);
    let facts = Facts {
        tree: &tree,
        beside: &beside,
        symbols: &symbols,
        program: &agents::is_there,
        limits,
        // What red checks said is known to an engine.
        red: &Recorded::new(),
    };
    Ok(page(item, found, &desk.files, &facts))
}

fn text(item: &DeskItem, parts: &[Part], drawn: &str) -> String {
    let mut text = format!("{} ({})\n{}\n", short(&item.title, 100), item.layout.name(), item.path);
    text.push_str(drawn);
    for part in parts {
        let _ = writeln!(text, "\n{}: {}", part.title, part.sum);
        if part.rows.is_empty() {
            let _ = writeln!(text, "  {}", part.none);
        }
        for row in &part.rows {
            let place = row.place.as_ref().map(|it| format!("  ({it})")).unwrap_or_default();
            let _ = writeln!(text, "  {:<7} {}: {}{place}", row.sign.word(), row.label, row.says);
            if !row.remedy.is_empty() {
                let _ = writeln!(text, "          → {}", row.remedy);
            }
        }
    }
    text
}

/// The waves, a line each.
fn waves(page: &PlanPage) -> String {
    let mut text = String::new();
    for wave in 0..page.waves {
        let of = page.tasks.iter().filter(|it| it.wave == Some(wave));
        let ids: Vec<String> = of.map(|it: &TaskLook| it.id.to_string()).collect();
        let _ = writeln!(text, "  wave {:<3} {}", wave + 1, short(&ids.join(" "), 160));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}
