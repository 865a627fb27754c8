//! A change that landed, looked at by a person: fine, to be mended, or taken back. How long the look took is counted while it is on the
//! stage.

use std::cell::Cell;

use leptos::prelude::*;
use pilothouse_contract::after::{Verdict as Says, class};
use pilothouse_contract::board::Subject;
use pilothouse_contract::pull::Pull;
use pilothouse_contract::{At, Call, PullId, ask};

use crate::desk::{Desk, desk};
use crate::kit::{CommandButton, FaultNote, Key, focus_soon, on_enter};
use crate::words::{clock, count, one};

thread_local! {
    /// Which change is looked at, and since when.
    static LOOK: Cell<Option<(PullId, At)>> = const { Cell::new(None) };
}

/// Nobody has seen a change sooner than this.
const LEAST_MS: i64 = 1000;

/// Somebody begins to look at a change, for as long as it is on the stage: who comes back later begins anew.
pub(super) fn begin(pull: PullId) {
    if LOOK.get().is_none_or(|it| it.0 != pull) {
        LOOK.set(Some((pull, crate::mirror::now())));
    }
    on_cleanup(move || {
        if LOOK.get().is_some_and(|it| it.0 == pull) {
            LOOK.set(None);
        }
    });
}

/// So many minutes it was looked at.
fn minutes(pull: PullId) -> u32 {
    u32::try_from((looked_ms(pull) + 59_999) / 60_000).unwrap_or(1).clamp(1, 240)
}

fn looked_ms(pull: PullId) -> i64 {
    let since = LOOK.get().filter(|it| it.0 == pull).map(|it| crate::mirror::now().since_ms(it.1));
    since.unwrap_or_default()
}

/// What came after the landing.
pub(super) fn after(pull: &Pull) -> AnyView {
    let it = &pull.after;
    if it.is_empty() {
        return ().into_any();
    }
    let looked = it.sampled.as_ref().map(|it| {
        let says = format!(
            "{} looked at it for {}: {} {}",
            crate::chrome::by(&it.by),
            count(it.minutes as usize, "minute"),
            it.verdict.word(),
            one(&it.says)
        );
        view! { <p>{says}</p> }
    });
    let waits = it.drawn.filter(|_| it.waits()).map(|until| {
        let says =
            format!("It is {} risk, and you are to look at it until {}.", class(pull).word(), clock(until));
        view! { <p>{says}</p> }
    });
    let back = it.takes_back.map(|it| view! { <p>{format!("It takes back {it}.")}</p> });
    let gone = it.taken_back.map(|it| view! { <p>{format!("It was taken back by {it}.")}</p> });
    let escapes = it
        .escapes
        .iter()
        .map(|it| {
            let by = it.mended_by.map(|it| format!(", mended by {it}")).unwrap_or_default();
            view! { <li>{one(&it.says)}{by}</li> }
        })
        .collect_view();
    view! { <section data-name="after"><h3>"After the landing"</h3>{waits}{looked}{back}{gone}<ul class="rules">{escapes}</ul></section> }.into_any()
}

/// The three answers to a change that a person is to look at.
pub(super) fn answers() -> AnyView {
    view! {
        <CommandButton id="verdict-fine" kind="primary" label="It is fine"/> <CommandButton id="verdict-fix" label="Needs a fix"/> <CommandButton id="verdict-revert" label="Take it back"/>
    }
    .into_any()
}

/// Which of those that are to be looked at it is.
pub(super) fn place(pull: PullId) -> impl IntoView {
    let desk = desk();
    let says = move || {
        let all = crate::pulls::to_look(desk);
        let at = all.iter().position(|it| *it == pull)?;
        (all.len() > 1).then(|| format!("{} of {} to look at.", at + 1, all.len()))
    };
    view! { <span data-name="tour">{says}</span> }
}

/// The one that is to be looked at after this one; the first again behind the last.
fn next(desk: Desk, pull: PullId) -> Option<PullId> {
    let all = untrack(|| crate::pulls::to_look(desk));
    let at = all.iter().position(|it| *it == pull)?;
    all.get(at + 1).or_else(|| all.first()).copied().filter(|it| *it != pull)
}

/// Goes on to the next one, unless somebody went elsewhere meanwhile.
fn go_on(desk: Desk, pull: PullId, next: Option<PullId>) {
    let here = untrack(|| desk.on_stage()) == Some(Subject::Pull(pull));
    if let Some(next) = next.filter(|_| here) {
        desk.place.pull.set(Some(Subject::Pull(next)));
    }
}

/// It is fine. A second press that comes when the next change is on the stage already is none of that.
pub(crate) fn fine(desk: Desk, pull: PullId) {
    if looked_ms(pull) < LEAST_MS {
        return;
    }
    let (verdict, minutes, next) = (Says::Fine, minutes(pull), next(desk, pull));
    let sample = ask::after::Sample { pull, verdict, minutes, says: String::new() }.request();
    desk.act_then("It is fine", sample, move |desk, _| go_on(desk, pull, next));
}

/// What is wrong with it.
#[component]
pub(crate) fn Verdict(pull: PullId, back: bool) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Textarea>::new();
    focus_soon(field);
    let send = move || {
        let says = words.get_untracked();
        if says.trim().is_empty() {
            return;
        }
        let verdict = if back { Says::Revert } else { Says::Fix };
        let minutes = minutes(pull);
        let next = next(desk, pull);
        let sample = ask::after::Sample { pull, verdict, minutes, says: says.clone() }.request();
        desk.fault.set(None);
        if !back {
            desk.act_then("Say what is wrong with it", sample, move |desk, _| {
                desk.place.overlay.set(None);
                go_on(desk, pull, next);
            });
            return;
        }
        // First what may be refused: a verdict is given once.
        let request = ask::after::TakeBack { pull, because: says }.request();
        desk.act_then("Take it back", request, move |desk, _| {
            desk.place.overlay.set(None);
            desk.act_then("Say what is wrong with it", sample, move |desk, _| go_on(desk, pull, next));
        });
    };
    let (asks, label) =
        if back { ("Why is it taken back?", "Take it back") } else { ("What is to be mended?", "Say it") };
    let more = if back {
        "A pull request that takes it back is opened; it is checked and lands like any other."
    } else {
        "It counts as an escape of its class of risk."
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label=asks data-name="verdict">
            <h2>{format!("{pull}: {asks}")}</h2><p class="quiet">{more}</p>
            <div class="input tall"><textarea node_ref=field rows="3" data-name="words" aria-label=asks prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="verdict-send" on:click=move |_| send()>{label} <Key says="Ctrl+↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}
