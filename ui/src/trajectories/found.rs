//! Steps in which what is sought stands, and imported logs, below the list of trajectories.
//!
//! Refuses to search by itself: the engine finds, over everything that is stored.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::archive::{ArchivedLog, Filters, Hit};
use pilothouse_contract::{Fault, ask};
use wasm_bindgen::JsCast;

use super::{Told, last_of, turns};
use crate::desk::Desk;
use crate::ipc;
use crate::place::Reads;
use crate::words::{age, count, one};

/// So many are shown; more are found by more words.
const HITS: u32 = 100;
/// So many imported logs are listed.
const LOGS: u32 = 200;
/// A single letter stands everywhere.
const LEAST: usize = 2;
/// So many steps stand above the one that was found.
const ABOVE: u32 = 20;

/// What is sought, and what was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeks {
    pub(super) hits: RwSignal<Vec<Hit>>,
    more: RwSignal<bool>,
    /// The words that these are the answer to.
    pub(super) sought: RwSignal<String>,
    imported: RwSignal<Vec<ArchivedLog>>,
    /// Why the newest question has no answer.
    pub(super) fault: RwSignal<Option<Fault>>,
    /// Whether it has none yet.
    pub(super) seeks: RwSignal<bool>,
}

impl Seeks {
    pub(super) fn new(desk: Desk) -> Self {
        let it = Self {
            hits: RwSignal::new(Vec::new()),
            more: RwSignal::new(false),
            sought: RwSignal::new(String::new()),
            imported: RwSignal::new(Vec::new()),
            fault: RwSignal::new(None),
            seeks: RwSignal::new(false),
        };
        // Answers may come in another order than they were asked for: only that to the newest question counts.
        let newest = StoredValue::new(0_u32);
        Effect::new(move |_| {
            let words = desk.place.filter.get();
            let project = desk.place.project.get();
            let turn = newest.get_value().wrapping_add(1);
            newest.set_value(turn);
            it.fault.set(None);
            if words.chars().filter(|it| it.is_alphanumeric()).count() < LEAST {
                it.show(words, Vec::new(), false);
                return;
            }
            it.seeks.set(true);
            let folder =
                desk.mirror.fleet.with_untracked(|fleet| Some(fleet.projects.get(&project?)?.path.clone()));
            spawn_local(async move {
                let filters = Filters { folder, ..Filters::default() };
                let search =
                    ask::trajectory::Search { words: words.clone(), filters, ranked: false, most: HITS };
                let found = ipc::call(search).await;
                if newest.try_get_value() == Some(turn) {
                    match found {
                        Ok(found) => it.show(words, found.hits, found.more),
                        Err(fault) => {
                            it.show(words, Vec::new(), false);
                            it.fault.set(Some(fault));
                        }
                    }
                }
            });
        });
        let logs = LocalResource::new(move || ipc::call(ask::trajectory::Archive { most: LOGS }));
        Effect::new(move |_| match logs.get() {
            Some(Ok(logs)) => it.imported.set(logs),
            Some(Err(fault)) => it.fault.set(Some(fault)),
            None => {}
        });
        it
    }

    fn show(self, words: String, hits: Vec<Hit>, more: bool) {
        self.seeks.set(false);
        self.more.set(more);
        if self.hits.with_untracked(|known| *known != hits) {
            self.hits.set(hits);
        }
        self.sought.set(words);
    }

    pub(super) fn is_empty(self) -> bool {
        self.imported.with(Vec::is_empty)
    }

    /// The imported logs that are called so and belong to the project that is looked at.
    pub(super) fn imported_of(self, desk: Desk) -> Vec<ArchivedLog> {
        let filter = desk.place.filter.get().to_lowercase();
        let project = desk.place.project.get();
        let path = desk.mirror.fleet.with(|fleet| Some(fleet.projects.get(&project?)?.path.clone()));
        let below = |it: &ArchivedLog| {
            path.as_ref().is_none_or(|path| std::path::Path::new(&it.cwd).starts_with(path))
        };
        let fits =
            |it: &&ArchivedLog| (filter.is_empty() || it.title.to_lowercase().contains(&filter)) && below(it);
        self.imported.with(|all| all.iter().filter(fits).cloned().collect())
    }

    /// That there are more imported logs than are listed, if that is so.
    pub(super) fn left_out(self) -> Option<String> {
        let all = self.imported.with(Vec::len);
        (all >= LOGS as usize).then(|| {
            format!(
                "The {LOGS} that were written last are listed; what is said in any is found by its words."
            )
        })
    }

    /// How much was found, if anything is sought.
    pub(super) fn says(self) -> Option<String> {
        let n = self.hits.with(Vec::len);
        let more = if self.more.get() { " and more" } else { "" };
        (n > 0).then(|| format!("Said in {}{more}", count(n, "step")))
    }
}

/// What a hit is to be read as.
pub(super) fn reads(it: &Hit) -> Reads {
    Reads::Step { place: it.place, ordinal: it.ordinal }
}

/// From which step on one that was found is read.
pub(super) fn from(ordinal: u32) -> u32 {
    ordinal.saturating_sub(ABOVE)
}

/// An imported log in the list.
pub(super) fn log_row(desk: Desk, it: ArchivedLog) -> impl IntoView {
    let (id, written) = (it.id, it.written);
    let is_chosen = move || (desk.place.trajectory.get() == Some(Reads::Imported(id))).to_string();
    let rest =
        format!("{} · {} · {}", count(it.steps as usize, "step"), one(&it.agent), one(last_of(&it.cwd)));
    let title = if it.title.is_empty() { &it.native } else { &it.title };
    view! {
        <li role="option" data-log=id.to_string() aria-selected=is_chosen on:click=move |_| desk.place.trajectory.set(Some(Reads::Imported(id)))>
            <div class="t"><span class="call">{id.to_string().to_uppercase()}</span><b class="cut">{one(title)}</b></div>
            <div class="m cut">{move || format!("{} ago · {rest}", age(desk.mirror.now.get(), written))}</div>
        </li>
    }
}

/// A step that was found, in the list.
pub(super) fn hit_row(desk: Desk, it: Hit) -> impl IntoView {
    let (of, choose) = (reads(&it), reads(&it));
    let is_chosen = move || (desk.place.trajectory.get().as_ref() == Some(&of)).to_string();
    let mut pieces = Vec::new();
    let mut done = 0;
    let part = |from: usize, to: usize| it.excerpt.get(from..to).unwrap_or_default().to_owned();
    for (from, to) in it.marks.iter().map(|(from, to)| (*from as usize, *to as usize)) {
        pieces.push(part(done, from).into_any());
        pieces.push(view! { <mark>{part(from, to)}</mark> }.into_any());
        done = to;
    }
    pieces.push(part(done, it.excerpt.len()).into_any());
    let ago = it.at.map(|at| move || format!(" · {} ago", age(desk.mirror.now.get(), at)));
    view! {
        <li role="option" data-hit=format!("{}:{}", it.place, it.ordinal) aria-selected=is_chosen on:click=move |_| desk.place.trajectory.set(Some(choose.clone()))>
            <div class="t"><span class="call">{it.place.to_string().to_uppercase()}</span><b class="cut">{one(&it.title)}</b></div>
            <div class="m said">{pieces}</div>
            <div class="m cut">{format!("{} · {}", one(&it.kind), one(&it.agent))}{ago}</div>
        </li>
    }
}

/// An imported log, from a step on.
pub(super) fn reader(page: ask::trajectory::LogPage, from: u32, step: Option<u32>) -> AnyView {
    let it = page.log;
    let steps: Vec<Told<'_>> = page.steps.iter().map(|step| (step.ordinal, step.at, &step.kind)).collect();
    let title = if it.title.is_empty() { &it.native } else { &it.title };
    let after = it.steps.saturating_sub(from).saturating_sub(u32::try_from(steps.len()).unwrap_or(u32::MAX));
    let left_out = |n: u32, whence: u32| {
        (n > 0).then(|| view! { <p class="none">{format!("{} more: pilothouse trajectory show {} --from {whence}", count(n as usize, "step"), it.id)}</p> })
    };
    view! {
        <header class="head"><div class="line"><span class="call">{it.id.to_string().to_uppercase()}</span><h1 class="cut">{one(title)}</h1></div>
            <div class="facts"><span>{one(&it.agent)}</span><span>{count(it.steps as usize, "step")}</span>
                {(it.unread > 0).then(|| view! { <span>{count(it.unread as usize, "record")}" not read"</span> })}
                {(it.damaged > 0).then(|| view! { <span>{count(it.damaged as usize, "damaged line")}</span> })}
                <span class="mono cut">{one(&it.cwd)}</span></div></header>
        {left_out(from, 0)}
        {turns(&steps, "Prompt", step)}
        {left_out(after, it.steps - after)}
    }
    .into_any()
}

/// Brings the step that was found in sight, once it is there.
pub(super) fn bring_in_sight() {
    request_animation_frame(|| {
        request_animation_frame(|| {
            let found =
                document().query_selector("[data-name=trajectory] .turn[aria-current]").ok().flatten();
            if let Some(found) = found {
                let how = web_sys::ScrollIntoViewOptions::new();
                how.set_block(web_sys::ScrollLogicalPosition::Center);
                found
                    .unchecked_into::<web_sys::HtmlElement>()
                    .scroll_into_view_with_scroll_into_view_options(&how);
            }
        });
    });
}
