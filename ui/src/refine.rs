//! New items and their refinement: an idea typed in a sentence; two refinements side by side with what became of each finding; the gates
//! with what was looked at, and an override that wants its reason.
//!
//! Refuses to say that a gate holds: the engine looks when this is opened, and again when something moved.

use leptos::prelude::*;
use pilothouse_contract::ask::draft::{self, DraftPage};
use pilothouse_contract::board::Subject;
use pilothouse_contract::card::{Draft, Finding, Pass, Source, Stage};
use pilothouse_contract::gate::{Holds, SpecGate, Stand};
use pilothouse_contract::layout::Diagnostic;
use pilothouse_contract::{Call, ItemId, ProjectId};

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{FaultNote, Key, on_enter};
use crate::place::Overlay;
use crate::words::{clock, many, one, tokens};

/// The project that a new item is of: the one that is shown, or the only one.
fn project_here(desk: Desk) -> Option<ProjectId> {
    desk.place.project.get().or_else(|| desk.mirror.fleet.with(|it| it.listed().next().map(|it| it.id)))
}

/// The item whose refinement is shown: the one on the stage, or that of its run; else the newest that was begun here.
pub(crate) fn item_here(desk: Desk) -> Option<ItemId> {
    let on_stage = untrack(|| desk.on_stage());
    desk.mirror.fleet.with_untracked(|fleet| {
        let of_run = |run| fleet.runs.get(&run).map(|it: &pilothouse_contract::run::Run| it.item);
        let here = match on_stage {
            Some(Subject::Item(item)) => Some(item),
            Some(Subject::Task(run, _)) => of_run(run),
            Some(Subject::Pull(pull)) => fleet.pulls.get(&pull).map(|it| it.item),
            _ => None,
        };
        let newest = || fleet.cards.values().rev().find(|it| it.draft.is_some()).map(|it| it.item);
        here.or_else(newest)
    })
}

/// Shows the refinement of an item, or begins one where there is none.
pub(crate) fn open(desk: Desk) {
    let item = item_here(desk)
        .or_else(|| desk.mirror.fleet.with_untracked(|it| it.items.keys().next_back().copied()));
    desk.place.overlay.set(Some(item.map_or(Overlay::NewItem, Overlay::Refinement)));
}

/// An idea in a sentence.
#[component]
pub(crate) fn NewItem() -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Textarea>::new();
    crate::kit::focus_soon(field);
    let of = move || project_here(desk).and_then(|it| desk.name_of(it));
    let send = move || {
        let text = words.get_untracked();
        let Some(project) = untrack(|| project_here(desk)).filter(|_| !text.trim().is_empty()) else {
            return;
        };
        let request = draft::New {
            project,
            source: Source::Sentence { text },
            layout: None,
            agent: None,
            kind: "feature".to_owned(),
            owner: None,
            nights: None,
        }
        .request();
        desk.fault.set(None);
        desk.act_then("Begin the item", request, |desk, reply| {
            if let Ok(page) = pilothouse_contract::wire::decode::<DraftPage>(reply) {
                desk.place.overlay.set(Some(Overlay::Refinement(page.item.id)));
            }
        });
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="A new item" data-name="new-item">
            <h2>"What is to be built?"</h2>
            <p class="quiet">{move || match of() {
                Some(name) => format!("In a sentence or two. An agent drafts its spec on a branch of its own in {}; nothing comes to its default branch yet.", one(&name)),
                None => "There is no repository yet: add one first.".to_owned(),
            }}</p>
            <div class="input tall"><textarea node_ref=field rows="4" data-name="idea" aria-label="What is to be built" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="begin" disabled=move || of().is_none() on:click=move |_| send()>"Begin it" <Key says="Ctrl+↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// The refinement of an item, and its gates.
#[component]
pub(crate) fn Refinement(item: ItemId) -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let name = move || desk.mirror.fleet.with(|it| it.slug_of(item));
    let draft = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| it.cards.get(&item).and_then(|card| card.draft.clone()))
    });
    // Which pass stands at the right; the newest until somebody looks at an earlier one.
    let chosen = RwSignal::new(None::<usize>);
    let count = Memo::new(move |_| draft.with(|it| it.as_ref().map_or(0, |it| it.passes.len())));
    let right = move || chosen.get().unwrap_or(usize::MAX).min(count.get().saturating_sub(1));
    let step = move |by: isize| {
        let most = count.get_untracked().saturating_sub(1);
        let next = untrack(right).saturating_add_signed(by).min(most);
        chosen.set((next < most).then_some(next.max(1.min(most))));
    };
    let head = move || draft.with(|it| it.as_ref().map(|it| view! { <Head draft=it.clone()/> }.into_any()));
    let none = move || {
        draft.with(Option::is_none).then(|| {
            view! { <p class="quiet">"It came with its repository: how it was refined is not known here. Its gates are looked at all the same."</p> }
        })
    };
    let passes = move || {
        let right = right();
        draft.with(|it| {
            let all = it.as_ref().map(|it| it.passes.as_slice()).unwrap_or_default();
            let two = [right.checked_sub(1), Some(right)];
            two.into_iter()
                .flatten()
                .filter_map(|n| all.get(n))
                .map(|it| view! { <PassPage pass=it.clone()/> })
                .collect_view()
        })
    };
    let more = move || {
        (count.get() > 2).then(|| {
            let says = move || format!("refinements {} and {} of {}", right(), right() + 1, count.get());
            view! { <div class="line"><button class="button" type="button" data-name="earlier-pass" on:click=move |_| step(-1)>"Earlier"</button><span class="quiet">{says}</span><button class="button" type="button" data-name="later-pass" on:click=move |_| step(1)>"Later"</button></div> }
        })
    };
    // The engine looks again when the card moved.
    let stamp = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            let card = it.cards.get(&item);
            let draft = card.and_then(|it| it.draft.as_ref());
            let run = it.run_of(item).map(|it| (it.id, it.state.word()));
            (
                draft.map(|it| (it.stage, it.head.clone(), it.passes.len())),
                card.map_or(0, |it| it.overrides.len()),
                run,
            )
        })
    });
    let gates = crate::kit::asked(
        "the gates",
        move || {
            let _moved = stamp.get();
            ipc::call(draft::Show { item })
        },
        move |page: DraftPage| {
            let all =
                page.gates.into_iter().map(|it| view! { <GateLine item=item stand=it/> }).collect_view();
            view! { <ul class="gates" data-name="gates">{all}</ul> }.into_any()
        },
    );
    let rests = move || draft.with(|it| it.as_ref().is_some_and(|it| it.stage.rests()));
    let planned = move || draft.with(|it| it.as_ref().is_none_or(|it| it.stage == Stage::Planned));
    let refine = move |_| {
        let request = draft::Refine { item, agent: None, lenses: Vec::new(), because: None }.request();
        desk.fault.set(None);
        desk.act("Refine it", request);
    };
    let start = move |_| {
        desk.place.overlay.set(None);
        crate::project::start(desk, item);
    };
    let keys = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "ArrowLeft" => step(-1),
        "ArrowRight" => step(1),
        _ => {}
    };
    view! {
        <div class="dialog refinement" role="dialog" aria-modal="true" aria-label="Refinement" data-name="refinement" on:keydown=keys>
            <h2>{move || one(&name())}</h2>{head}{none}
            <div class="passes" data-name="passes">{passes}</div>{more}
            <h3>"Gates"</h3>{gates}
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers">
                {move || (rests() && !planned()).then(|| view! { <button class="button" data-kind="primary" type="button" data-name="refine" on:click=refine>"Refine it"</button> })}
                {move || planned().then(|| view! { <button class="button" type="button" data-name="start" on:click=start>"Start a run"</button> })}
                <button node_ref=button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Close" <Key says="Esc"/></button>
            </div>
        </div>
    }
}

#[component]
fn Head(draft: Draft) -> impl IntoView {
    let used = draft.tokens();
    let used = (used > 0).then(|| format!("{} tokens so far", tokens(used)));
    let at = draft
        .sitting
        .as_ref()
        .map(|it| format!("{} is at it ({}, {})", it.by.agent.name, it.due.role.word(), it.session));
    view! {
        <p><b data-name="stage">{draft.stage.word()}</b>": "{one(&draft.why)}</p>
        <p class="quiet">{one(&draft.folder)}", begun from "{one(&draft.source.says())}", written by "{one(&draft.author.says())}" on "<span class="mono">{one(draft.branch.short())}</span></p>
        <p class="quiet" data-name="sits">{at.map(|it| one(&it))}{used.map(|it| format!(" {it}"))}</p>
    }
}

/// One refinement, with what became of each finding.
#[component]
fn PassPage(pass: Pass) -> impl IntoView {
    let says = pass.says();
    let clear = pass
        .clear
        .iter()
        .map(|it| view! { <li class="quiet"><b>{one(&it.lens)}</b>": nothing found; "{one(&it.says)}</li> })
        .collect_view();
    let open: Vec<String> = pass.open_lenses().map(one).collect();
    let open = (!open.is_empty() && pass.ended.is_none())
        .then(|| view! { <p class="quiet">"not looked through yet: "{open.join(", ")}</p> });
    let excuse = pass.excuse.as_ref().map(|it| view! { <p class="quiet">"of the author's own family, let through by "{it.by.to_string()}": "{one(&it.because)}</p> });
    let findings = pass.findings.iter().map(|it| view! { <FindingLine it=it.clone()/> }).collect_view();
    let diff = (!pass.diff.is_empty()).then(|| view! { <details><summary>"What it changed"</summary><pre class="mono">{many(&pass.diff)}</pre></details> });
    view! {
        <section data-pass=pass.number.to_string()>
            <h3>{format!("Refinement {}", pass.number)}", "{one(&pass.by.says())}</h3>
            <p class="quiet">{says}</p>{excuse}{open}
            <ul>{findings}{clear}</ul>{diff}
        </section>
    }
}

#[component]
fn FindingLine(it: Finding) -> impl IntoView {
    let word = match &it.verdict {
        Some(verdict) if verdict.accepted => "accepted",
        Some(_) => "rejected",
        None => "open",
    };
    let because = it.verdict.as_ref().map_or_else(|| "no verdict yet".to_owned(), |it| one(&it.because));
    let at = (!it.at.is_empty()).then(|| format!(" {}", one(&it.at)));
    view! {
        <li data-finding=it.number.to_string() data-verdict=word data-severity=it.severity.word()>
            <p><b>{it.severity.word()}</b>" "<span class="quiet">{one(&it.lens)}{at}</span></p>
            <p>{many(&it.says)}</p>
            <p class="verdict"><b>{word}</b>": "{because}</p>
        </li>
    }
}

/// One gate: what was looked at, what was found with its remedy, and a way past it with a reason.
#[component]
fn GateLine(item: ItemId, stand: Stand) -> impl IntoView {
    let desk = desk();
    let (gate, word) = (stand.gate, stand.gate.word());
    let reason = RwSignal::new(String::new());
    let opened = RwSignal::new(false);
    let line = |it: &Diagnostic| {
        let place = if it.remark.line > 0 {
            format!("{}:{}", it.remark.file, it.remark.line)
        } else {
            it.remark.file.clone()
        };
        view! { <li data-blocking=it.remark.blocking.then_some("")><span class="mono quiet">{one(&place)}</span>" "{one(&it.remark.says)}</li> }
    };
    let found = stand.found.iter().map(line).collect_view();
    let given = stand.overridden.as_ref().map(|it| {
        view! { <p class="verdict">"overridden by "{it.by.to_string()}" at "{clock(it.at)}": "{one(&it.because)}</p> }
    });
    let send = move || {
        let because = reason.get_untracked();
        if because.trim().is_empty() {
            return;
        }
        desk.fault.set(None);
        desk.act("Override the gate", draft::Override { item, gate, because }.request());
    };
    let may = stand.holds == Holds::No || (gate == SpecGate::G6 && stand.holds == Holds::Later);
    let past = move || {
        may.then(|| {
            if opened.get() {
                let field = NodeRef::<leptos::html::Input>::new();
                crate::kit::focus_soon(field);
                view! { <div class="past"><div class="input"><input node_ref=field type="text" data-name="because" aria-label=format!("Why {word} is overridden") placeholder="Why? It is kept and counted." prop:value=move || reason.get() on:input=move |event| reason.set(event_target_value(&event)) on:keydown=on_enter(false, send)/></div>
                    <button class="button" type="button" data-name="override" on:click=move |_| send()>"Override"</button></div> }.into_any()
            } else {
                view! { <button class="button" type="button" data-name="past" on:click=move |_| opened.set(true)>"Override…"</button> }.into_any()
            }
        })
    };
    view! {
        <li data-gate=word data-holds=stand.holds.word()>
            <p><b>{word}</b>" "{stand.gate.looks_at()}": "<b>{stand.holds.word()}</b></p>
            <p class="quiet">{one(&stand.says)}" "<span class="mono">{stand.commit.short().to_owned()}</span>" "{clock(stand.at)}</p>
            {given}<ul>{found}</ul>{past}
        </li>
    }
}
