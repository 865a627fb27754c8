//! The line that a row names, with what stands around it, as it lies at the commit of the page.

use leptos::prelude::*;
use pilothouse_contract::ask;
use pilothouse_contract::desk::{DeskText, Place};

use super::bring;
use crate::desk::desk;
use crate::ipc;
use crate::kit::{Key, asked};
use crate::words::one;

/// The open line, if one is.
#[component]
pub(super) fn Lines() -> impl IntoView {
    let desk = desk();
    let specs = desk.specs;
    move || {
        let place = specs.line.get()?;
        let (project, commit) = specs.page.with_untracked(|it| {
            let (at, page) = it.as_ref()?;
            Some((at.project, page.commit.clone()?))
        })?;
        let title = place.to_string();
        let text = ask::desk::Text { project, commit, file: place.file.clone(), line: place.line };
        let show = move |page: DeskText| {
            bring(".deskline [data-here]");
            lines(&page, &place)
        };
        Some(view! {
            <section class="deskline" data-name="line" aria-label="The line">
                <h3 class="panehead"><span class="mono cut">{one(&title)}</span><button class="button push" data-size="small" type="button" data-name="close-line" on:click=move |_| specs.line.set(None)>"Close "<Key says="Esc"/></button></h3>
                <div class="scroll">{asked("the file", move || ipc::call(text.clone()), show)}</div>
            </section>
        })
    }
}

fn lines(page: &DeskText, place: &Place) -> AnyView {
    let all = page.lines.iter().enumerate().map(|(n, line)| {
        let number = page.from + n;
        view! { <li data-here=(number == place.line).then_some("")><span class="no">{number}</span><span class="tx">{one(line)}</span></li> }
    }).collect_view();
    let more = (page.from + page.lines.len() <= page.all)
        .then(|| view! { <li><span class="no"></span><span class="quiet">{format!("{} lines in all", page.all)}</span></li> });
    view! { <ol class="well code">{all}{more}</ol> }.into_any()
}
