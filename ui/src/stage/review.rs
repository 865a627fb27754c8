//! What is said of a pull request: how risky it is and by which rule, how strongly it was verified, who reviewed it, and what was found
//! with its answers; and the dialogs in which a person comments on a line or answers a finding.

use leptos::prelude::*;
use pilothouse_contract::pull::Pull;
use pilothouse_contract::review::{Finding, Priority, Reply, Stage};
use pilothouse_contract::risk::{ProofMix, Strength};
use pilothouse_contract::{Call, Oid, PullId, ask};

use crate::desk::desk;
use crate::kit::{FaultNote, Key, focus_soon, on_enter};
use crate::place::Overlay;
use crate::words::{clock, count, many, one};

/// The sections of a pull request that a lead reads first.
pub(super) fn sections(pull: &Pull, mix: &ProofMix) -> AnyView {
    view! { {risk(pull)}{proofs(mix)}{review(pull)} }.into_any()
}

fn risk(pull: &Pull) -> AnyView {
    let Some(risk) = &pull.review.risk else { return ().into_any() };
    let class = risk.class.word();
    let others = risk
        .hits
        .iter()
        .filter(|it| it.rule != risk.rule)
        .map(|it| view! { <li class="quiet">{it.class.word()}": "{one(&it.rule)}</li> })
        .collect_view();
    view! {
        <section data-name="risk" data-risk=class><h3>"Risk"</h3>
            <p><b class="class" data-risk=class>{class}</b>" "{one(&risk.rule)}</p><ul class="rules">{others}</ul></section>
    }
    .into_any()
}

fn proofs(mix: &ProofMix) -> AnyView {
    let of = |strength: Strength| {
        let n = mix.shown.iter().find(|it| it.strength == strength).map_or(0, |it| it.evidence.len());
        let shown = if n == 0 { "none".to_owned() } else { n.to_string() };
        view! { <li data-n=n.to_string()><b>{shown}</b><span>{strength.word()}</span></li> }
    };
    let bars = Strength::ALL.map(of).collect_view();
    let unknown = (!mix.unknown.is_empty()).then(|| {
        let says = format!("{} of which nobody knows what it proves", count(mix.unknown.len(), "command"));
        view! { <p class="quiet">{says}</p> }
    });
    let vacuous = mix
        .vacuous
        .iter()
        .map(|it| view! { <p class="vacuous"><b>{it.task.to_string()}</b>": "{one(&it.why)}</p> })
        .collect_view();
    view! { <section data-name="mix"><h3>"Proof mix"</h3><ul class="mix">{bars}</ul>{unknown}{vacuous}</section> }
        .into_any()
}

fn review(pull: &Pull) -> AnyView {
    let review = &pull.review;
    let stage = review.stands.as_ref().map_or("none", |it| it.stage.word());
    let why = review.stands.as_ref().map_or_else(|| "Nobody looked yet.".to_owned(), |it| one(&it.why));
    let says = match review.stands.as_ref().map(|it| it.stage) {
        Some(Stage::Off) => "Off",
        Some(Stage::Reviewing) => "Under way",
        Some(Stage::Answering) => "Being answered",
        Some(Stage::Person) => "Yours to decide",
        Some(Stage::Done) => "Done",
        None => "Not begun",
    };
    let rounds = review
        .rounds
        .iter()
        .map(|it| {
            let dropped =
                if it.dropped == 0 { String::new() } else { format!(", {} below the line", it.dropped) };
            let state = it.ended.map_or_else(|| "under way".to_owned(), |at| format!("ended {}", clock(at)));
            let excuse = it
                .excuse
                .as_ref()
                .map(|it| format!("; let through by {}: {}", it.by, one(&it.because)))
                .unwrap_or_default();
            let line = format!("Round {} by {}, {state}{dropped}{excuse}", it.number, one(&it.by.says()));
            view! { <li class="quiet">{line}</li> }
        })
        .collect_view();
    let id = pull.id;
    let over = pull.state.is_over();
    let findings = review.findings.iter().map(|it| finding(id, it, over)).collect_view();
    let open = review.unanswered().count();
    let n = (!review.findings.is_empty()).then(|| {
        view! { <span class="n">{format!("{} of {} answered", review.findings.len() - open, review.findings.len())}</span> }
    });
    view! {
        <section data-name="review" data-stage=stage><h3>"Review"{n}</h3>
            <p><b>{says}</b>" "{why}</p><ul class="rules">{rounds}</ul><ul class="said" data-name="findings">{findings}</ul></section>
    }
    .into_any()
}

fn finding(pull: PullId, it: &Finding, over: bool) -> AnyView {
    let desk = desk();
    let number = it.number;
    let place = it.place();
    let by = if it.agent.is_empty() { crate::chrome::by(&it.by) } else { one(&it.agent) };
    let word = it.answer.as_ref().map_or("open", |it| it.reply.word());
    let answer = match &it.answer {
        Some(answer) => {
            let head = one(&answer.reply.to_string());
            view! { <p class="answer"><b>{head}</b>" by "{crate::chrome::by(&answer.by)}": "{one(&answer.says)}</p> }
                .into_any()
        }
        None if over => view! { <p class="answer">"Never answered."</p> }.into_any(),
        None => view! {
            <p class="answer"><button class="button" type="button" data-name="answer-finding" on:click=move |_| desk.place.overlay.set(Some(Overlay::Answer(pull, number)))>"Answer it"</button></p>
        }
        .into_any(),
    };
    let more = [("Because", &it.why), ("Mend", &it.mend)]
        .into_iter()
        .filter(|it| !it.1.is_empty())
        .map(|(head, says)| view! { <p class="quiet"><b>{head}</b>": "{many(says)}</p> })
        .collect_view();
    view! {
        <li data-finding=number.to_string() data-answer=word data-priority=it.priority.word()>
            <p class="line"><b>{it.priority.word()}</b><span class="mono cut">{one(&place)}</span><span class="quiet">{by}</span></p>
            <p>{many(&it.what)}</p>{more}{answer}
        </li>
    }
    .into_any()
}

/// Says what is to be changed: at the marked line of the diff, or of the whole change.
#[component]
pub(crate) fn Comment(pull: PullId, path: String, line: u32) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let priority = RwSignal::new(Priority::P1);
    let field = NodeRef::<leptos::html::Textarea>::new();
    focus_soon(field);
    let place = match (path.as_str(), line) {
        ("", _) => "On the whole change. Mark a line of the diff with j and k to comment on it.".to_owned(),
        (path, 0) => format!("On {}", one(path)),
        (path, line) => format!("On {}, line {line}", one(path)),
    };
    let send = move || {
        let says = words.get_untracked();
        if says.trim().is_empty() {
            return;
        }
        let priority = priority.get_untracked();
        let request = ask::review::Comment { pull, path: path.clone(), line, priority, says }.request();
        desk.fault.set(None);
        desk.act_then("Comment", request, |desk, _| desk.place.overlay.set(None));
    };
    let sent = send.clone();
    let choose = move |event: leptos::ev::Event| {
        if let Some(of) = Priority::of(&event_target_value(&event)) {
            priority.set(of);
        }
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Comment" data-name="comment">
            <h2>{format!("What is to be changed in {pull}?")}</h2>
            <p class="quiet mono" data-name="place">{place}</p>
            <div class="input tall"><textarea node_ref=field rows="4" data-name="words" aria-label="What is to be changed" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            <div class="input"><select data-name="priority" aria-label="How much it matters" on:change=choose>
                <option value="P0">"P0: it does harm"</option><option value="P1" selected=true>"P1: it does not do what it should"</option><option value="P2">"P2: it will cost somebody"</option></select></div>
            <p class="quiet">"Whoever made the change answers it, and does not land before."</p>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="comment-send" on:click=move |_| sent()>"Comment" <Key says="Ctrl+↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// Answers a finding, once.
#[component]
pub(crate) fn AnswerFinding(pull: PullId, finding: u32) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let named = RwSignal::new(String::new());
    let reply = RwSignal::new("push-back".to_owned());
    let field = NodeRef::<leptos::html::Textarea>::new();
    focus_soon(field);
    let what = desk.mirror.fleet.with_untracked(|fleet| {
        let it = fleet.pulls.get(&pull)?.review.findings.iter().find(|it| it.number == finding)?;
        Some(many(&it.what))
    });
    let names = move || match reply.get().as_str() {
        "accept" => Some("The commit of this change that mends it"),
        "defer" => Some("The entry that says so: an issue, or a line of a file"),
        _ => None,
    };
    let send = move || {
        let (says, named) = (words.get_untracked(), named.get_untracked().trim().to_owned());
        let reply = match reply.get_untracked().as_str() {
            "accept" => Reply::Accepted { commit: Some(Oid(named)) },
            "defer" => Reply::Deferred { tracker: named },
            _ => Reply::PushedBack,
        };
        desk.fault.set(None);
        let request = ask::review::Answer { pull, finding, reply, says }.request();
        desk.act_then("Answer the finding", request, |desk, _| desk.place.overlay.set(None));
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Answer a finding" data-name="answer-finding">
            <h2>{format!("Finding {finding} on {pull}")}</h2><p>{what}</p>
            <div class="input"><select data-name="reply" aria-label="Your answer" on:change=move |event| reply.set(event_target_value(&event))>
                <option value="push-back" selected=true>"It is not so, or does not matter"</option><option value="defer">"It is mended later"</option><option value="accept">"It is mended by a commit of this change"</option></select></div>
            {move || names().map(|says| view! { <div class="input"><input type="text" data-name="named" aria-label=says placeholder=says prop:value=move || named.get() on:input=move |event| named.set(event_target_value(&event))/></div> })}
            <div class="input tall"><textarea node_ref=field rows="3" data-name="words" aria-label="Why" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="answer-send" on:click=move |_| send()>"Answer" <Key says="Ctrl+↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}
