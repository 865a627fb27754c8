//! New items and their refinement: an idea typed in a sentence; two refinements side by side with what became of each finding; the gates
//! with what was looked at, and an override that wants its reason.
//!
//! Refuses to say that a gate holds: the engine looks when this is opened, and again when something moved.

use leptos::prelude::*;
use pilothouse_contract::ask::draft::{self, DraftPage};
use pilothouse_contract::card::{Draft, Finding, Pass, Source, Stage};
use pilothouse_contract::gate::{Holds, SpecGate, Stand};
use pilothouse_contract::item::ItemState;
use pilothouse_contract::layout::Diagnostic;
use pilothouse_contract::{Call, ItemId, ProjectId};

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{FaultNote, Key, Reading, on_enter};
use crate::place::Overlay;
use crate::words::{clock, many, one, tokens};

/// The projects on the list, with their names.
fn projects(desk: Desk) -> Vec<(ProjectId, String)> {
    desk.mirror.fleet.with(|it| it.listed().map(|it| (it.id, one(&it.name))).collect())
}

/// The project that is meant: that of what is on the stage, or else the one that is shown.
fn meant(desk: Desk) -> Option<ProjectId> {
    desk.project_on_stage().or(desk.place.project.get())
}

/// The item whose refinement is shown: the one on the stage, or that of its run; else the newest of the project that is meant, first of
/// those that were begun here.
fn item_here(desk: Desk) -> Option<ItemId> {
    let (on_stage, meant) = untrack(|| (desk.on_stage(), meant(desk)));
    desk.mirror.fleet.with_untracked(|fleet| {
        let here = on_stage.and_then(|it| it.item(fleet));
        let of = |item| fleet.items.get(&item).is_some_and(|it| meant.is_none_or(|of| it.project == of));
        let newest =
            || fleet.cards.values().rev().find(|it| it.draft.is_some() && of(it.item)).map(|it| it.item);
        here.or_else(newest).or_else(|| fleet.items.keys().rev().copied().find(|it| of(*it)))
    })
}

/// Shows the refinement of an item, or begins one where there is none.
pub(crate) fn open(desk: Desk) {
    desk.place.overlay.set(Some(item_here(desk).map_or(Overlay::NewItem, Overlay::Refinement)));
}

/// An idea in a sentence.
#[component]
pub(crate) fn NewItem() -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Textarea>::new();
    crate::kit::focus_soon(field);
    let all = Memo::new(move |_| projects(desk));
    let chosen = RwSignal::new(untrack(|| meant(desk)));
    // The first, where none is meant or the one that was is taken off the list.
    let project = move || {
        let chosen = chosen.get();
        all.with(|all| all.iter().find(|it| Some(it.0) == chosen).or(all.first()).cloned())
    };
    let choose = move |event: leptos::ev::Event| chosen.set(event_target_value(&event).parse().ok());
    let which = move || {
        (all.with(Vec::len) > 1).then(|| {
            // Later it is the select itself that says which.
            let now = untrack(project).map(|it| it.0);
            let options = all.get().into_iter().map(|(id, name)| view! { <option value=id.to_string() selected=now == Some(id)>{name}</option> }).collect_view();
            view! { <div class="input"><select data-name="of" aria-label="Repository" on:change=choose>{options}</select></div> }
        })
    };
    let send = move || {
        let text = words.get_untracked();
        let Some((project, _)) = untrack(project).filter(|_| !text.trim().is_empty()) else {
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
            <p class="quiet">{move || match project() {
                Some((_, name)) => format!("In a sentence or two. An agent drafts its spec on a branch of its own in {name}; nothing comes to its default branch yet."),
                None => "There is no repository yet: add one first.".to_owned(),
            }}</p>
            {which}
            <div class="input tall"><textarea node_ref=field rows="4" data-name="idea" aria-label="What is to be built" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="begin" disabled=move || project().is_none() on:click=move |_| send()>"Begin it" <Key says="Ctrl+↵"/></button>
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
    // The engine looks again when the card moved, or the default branch.
    let stamp = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            let card = it.cards.get(&item);
            let draft = card.and_then(|it| it.draft.as_ref());
            let run = it.run_of(item).map(|it| (it.id, it.state.word()));
            let project = it.items.get(&item).and_then(|of| it.projects.get(&of.project));
            (
                draft.map(|it| (it.stage, it.head.clone(), it.passes.len())),
                card.map_or(0, |it| it.overrides.len()),
                run,
                project.map(|it| it.main.clone()),
            )
        })
    });
    let (page, unread) = crate::kit::heard(move || {
        let _moved = stamp.get();
        ipc::call(draft::Show { item })
    });
    // Each stays while what is said of it changes: a reason may be under way.
    let stands = Memo::new(move |_| {
        page.with(|it: &Option<DraftPage>| it.as_ref().map(|it| it.gates.clone()).unwrap_or_default())
    });
    let each = move || stands.with(|all| all.iter().map(|it| it.gate).collect::<Vec<_>>());
    let line = move |gate: SpecGate| {
        let stand = Memo::new(move |_| stands.with(|all| all.iter().find(|it| it.gate == gate).cloned()));
        view! { <GateLine item=item gate=gate stand=stand close=button/> }
    };
    let reads = move || {
        let waits = page.with(Option::is_none) && unread.with(Option::is_none);
        waits.then(|| view! { <Reading what="the gates"/> })
    };
    // What came with its repository is taken up by its first refinement.
    let open = move || {
        let state = desk.mirror.fleet.with(|it| it.items.get(&item).map(|it| it.state));
        matches!(state, Some(ItemState::Drafting | ItemState::Planned))
    };
    let rests = move || draft.with(|it| it.as_ref().map_or_else(open, |it| it.stage.rests()));
    let planned = move || draft.with(|it| it.as_ref().is_some_and(|it| it.stage == Stage::Planned));
    let refine = move |_| {
        let request = draft::Refine { item, agent: None, lenses: Vec::new(), because: None }.request();
        desk.fault.set(None);
        desk.act("Refine it", request);
        // The button goes with what it began.
        if let Some(close) = button.get_untracked() {
            let _hidden = close.focus();
        }
    };
    let can = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| it.items.get(&item).is_some_and(|item| it.can_start(item)))
    });
    let start = move |_| {
        desk.place.overlay.set(None);
        crate::project::start(desk, item);
    };
    let keys = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        // In a field they move within what is typed.
        _ if crate::keys::in_field(&event) => {}
        "ArrowLeft" => step(-1),
        "ArrowRight" => step(1),
        _ => {}
    };
    view! {
        <div class="dialog refinement" role="dialog" aria-modal="true" aria-label="Refinement" data-name="refinement" on:keydown=keys>
            <h2>{move || one(&name())}</h2>{head}{none}
            <div class="passes" data-name="passes">{passes}</div>{more}
            <h3>"Gates"</h3>
            {move || unread.get().map(|fault| view! { <FaultNote fault=fault/> })}{reads}
            <ul class="stands" data-name="gates"><For each=each key=|it| it.word() children=line/></ul>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers">
                {move || (rests() && !planned()).then(|| view! { <button class="button" data-kind="primary" type="button" data-name="refine" on:click=refine>"Refine it"</button> })}
                {move || can.get().then(|| view! { <button class="button" type="button" data-name="start" on:click=start>"Start a run"</button> })}
                <button node_ref=button class="button" type="button" data-name="close" on:click=move |_| desk.place.overlay.set(None)>"Close" <Key says="Esc"/></button>
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
fn GateLine(
    item: ItemId,
    gate: SpecGate,
    stand: Memo<Option<Stand>>,
    close: NodeRef<leptos::html::Button>,
) -> impl IntoView {
    let desk = desk();
    let word = gate.word();
    let reason = RwSignal::new(String::new());
    let opened = RwSignal::new(false);
    let send = move || {
        let because = reason.get_untracked();
        if because.trim().is_empty() {
            return;
        }
        desk.fault.set(None);
        desk.act_then("Override the gate", draft::Override { item, gate, because }.request(), move |_, _| {
            // The dialog may be closed meanwhile.
            let _gone = (reason.try_set(String::new()), opened.try_set(false));
            // The field goes, and the keys with it.
            if let Some(Some(close)) = close.try_get_untracked() {
                let _hidden = close.focus();
            }
        });
    };
    let may = Memo::new(move |_| {
        let holds = stand.with(|it| it.as_ref().map(|it| it.holds));
        holds == Some(Holds::No) || (gate == SpecGate::G6 && holds == Some(Holds::Later))
    });
    let past = move || {
        may.get().then(|| {
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
    let holds = move || stand.with(|it| it.as_ref().map(|it| it.holds.word()));
    view! {
        <li data-gate=word data-holds=holds>{move || stand.get().map(stand_says)}{past}</li>
    }
}

/// What was looked at, and what was found.
fn stand_says(stand: Stand) -> impl IntoView {
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
    view! {
        <p><b>{stand.gate.word()}</b>" "{stand.gate.looks_at()}": "<b>{stand.holds.word()}</b></p>
        <p class="quiet">{one(&stand.says)}" "<span class="mono">{stand.commit.short().to_owned()}</span>" "{clock(stand.at)}</p>
        {given}<ul>{found}</ul>
    }
}
