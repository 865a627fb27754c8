//! A pull request: what, why, how verified, its checks, its diff, and the bar that lands it.

use std::collections::BTreeMap;

use leptos::prelude::*;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::board::Subject;
use pilothouse_contract::evidence::Evidence;
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::risk::ProofMix;
use pilothouse_contract::waits::waits;
use pilothouse_contract::{EvidenceId, PullId};

use super::checks::Proof;
use super::head::AlarmChip;
use crate::desk::desk;
use crate::diff::Diff;
use crate::kit::{CommandButton, Icon};
use crate::place::Tab;
use crate::words::{age, clock, count, many, one};

/// A pull request.
#[component]
pub(crate) fn PullStage(pull: PullId) -> impl IntoView {
    let desk = desk();
    super::sample::begin(pull);
    let it = Memo::new(move |_| desk.mirror.fleet.with(|fleet| fleet.pulls.get(&pull).cloned()));
    let alarm = Memo::new(move |_| desk.alarm_of(&Subject::Pull(pull)));
    let head = move || {
        it.get().map(|it| {
        let (opened, state) = (it.opened, it.state.word().replace('-', " "));
        let spec = desk.mirror.fleet.with(|fleet| fleet.items.get(&it.item).map(|it| it.slug.clone())).unwrap_or_default();
        let project = desk.name_of(it.project).unwrap_or_default();
        view! {
            <header class="head">
                <div class="line"><span class="call">{pull.to_string().to_uppercase()}</span><h1 class="cut">{one(&it.title)}</h1><AlarmChip alarm=alarm/></div>
                <div class="facts">
                    <span>"Into "<b class="mono">{one(it.onto.short())}</b></span><span>"Project "<b>{one(&project)}</b></span><span>"Spec "<b>{one(&spec)}</b></span>
                    <span>"State "<b data-name="state">{state}</b></span><span>"Open "<b>{move || age(desk.mirror.now.get(), opened)}</b></span>
                    <span>"Head "<b class="mono">{it.head.short().to_owned()}</b></span><span>{count(it.commits as usize, "commit")}</span>
                    <span class="mono">{format!("+{} −{}", it.size.added, it.size.removed)}</span><span>{count(it.size.files as usize, "file")}</span>
                </div>
            </header>
        }
    })
    };
    let open = RwSignal::new(None::<EvidenceId>);
    // Only what it names: the rest of the fleet may move as it likes.
    let named = Memo::new(move |_| {
        let it = it.get()?;
        let ids = it
            .body
            .verified
            .iter()
            .map(|it| it.evidence)
            .chain(it.checks.iter().filter_map(|it| it.evidence));
        let ids: Vec<EvidenceId> = ids.collect();
        let found = desk.mirror.fleet.with(|fleet| {
            ids.iter()
                .filter_map(|id| Some((*id, fleet.evidence.get(id)?.clone())))
                .collect::<BTreeMap<_, _>>()
        });
        let mix = desk.mirror.fleet.with(|fleet| ProofMix::of(fleet, &it));
        Some((it, found, mix))
    });
    let waiting = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| fleet.pulls.get(&pull).map(|it| waits(fleet, it))).unwrap_or_default()
    });
    let waits = move || {
        let rows = waiting.get().into_iter().map(|it| {
            let since = it.since;
            view! {
                <ul class="proofs"><li><span class="proof"><Icon name="clock"/><span class="cut">{one(&it.says)}</span><span class="res">{move || age(desk.mirror.now.get(), since)}</span><span></span></span></li></ul>
                <p class="quiet">{format!("Ends by: {}", one(&it.ends))}</p>
            }
        });
        let rows = rows.collect_view();
        let none = waiting.with(Vec::is_empty);
        (!none).then(|| view! { <section data-name="pull-waits"><h3>"Waits for"</h3>{rows}</section> })
    };
    let prose = move || named.get().map(|(it, found, mix)| prose(&found, &it, &mix, open));
    let version = Memo::new(move |_| it.with(|it| it.as_ref().map(|it| it.head.clone())));
    let narrow = move || desk.place.tab.get() == Tab::Diff;
    let show = move |tab: Tab| desk.place.tab.set(tab);
    view! {
        {head}
        <div class="narrow tabs" role="tablist">
            <button class="tab" type="button" role="tab" tabindex="-1" aria-selected=move || (!narrow()).to_string() on:click=move |_| show(Tab::Timeline)>"About"</button>
            <button class="tab" type="button" role="tab" tabindex="-1" data-tab="pull-diff" aria-selected=move || narrow().to_string() on:click=move |_| show(Tab::Diff)>"Diff" <crate::kit::Key says="d"/></button>
        </div>
        <div class="pr" data-narrow=move || if narrow() { "diff" } else { "about" }>
            <div class="pane"><div class="scroll prose" tabindex="0" data-focus="stage" data-name="pull">{waits}{prose}</div></div>
            <div class="pane"><Diff of=Of::Pull(pull) again=move || drop(version.get())/></div>
        </div>
        {move || it.get().map(|it| landbar(&it))}
    }
}

fn prose(
    fleet: &BTreeMap<EvidenceId, Evidence>,
    pull: &Pull,
    mix: &ProofMix,
    open: RwSignal<Option<EvidenceId>>,
) -> AnyView {
    let what = pull.body.what.iter().map(|it| view! { <p>{one(it)}</p> }).collect_view();
    let mut held = 0;
    let proofs = pull
        .body
        .verified
        .iter()
        .map(|line| match fleet.get(&line.evidence) {
            Some(evidence) => {
                held += usize::from(evidence.passed());
                view! { <Proof evidence=evidence.clone() open=open/> }.into_any()
            }
            None => view! { <li>{one(&line.says)}</li> }.into_any(),
        })
        .collect_view();
    let passed = pull.checks.iter().filter(|it| it.passed == Some(true)).count();
    let checks = pull.checks.iter().map(|it| match it.evidence.and_then(|id| fleet.get(&id)) {
        Some(evidence) => view! { <Proof evidence=evidence.clone() open=open/> }.into_any(),
        None => view! { <li><span class="proof"><Icon name="clock"/><span class="mono cut">{one(&it.command)}</span><span class="res">"to come"</span><span></span></span></li> }.into_any(),
    }).collect_view();
    let result = pull.result.as_ref().map(|it| format!("on the merge result {}", it.tree.short()));
    let approval = pull.approval.as_ref().map(|it| view! {
        <section><h3>"Approval"</h3><p>{format!("{} said yes to {} at {}", crate::chrome::by(&it.by), it.head.short(), clock(it.at))}</p></section>
    });
    view! {
        <section><h3>"What"</h3>{what}</section>
        <section><h3>"Why"</h3><p>{many(&pull.body.why)}</p></section>
        {super::sample::after(pull)}
        {super::published::section(pull)}
        {super::review::sections(pull, mix)}
        <section><h3>"How verified"<span class="n">{format!("{held} of {} proofs hold", pull.body.verified.len())}</span></h3><ul class="proofs">{proofs}</ul></section>
        <section><h3>"Checks"<span class="n">{format!("{passed} of {} passed {}", pull.checks.len(), result.unwrap_or_default())}</span></h3><ul class="proofs" data-name="pull-checks">{checks}</ul></section>
        {approval}
    }.into_any()
}

/// How it stands at the forge that is to land it.
fn lands_there(pull: &Pull) -> Option<String> {
    let it = pull.published.as_ref()?;
    let landing = it.landing.as_ref()?;
    Some(format!("{}: {}", it.full_name(), landing.says))
}

fn landbar(pull: &Pull) -> AnyView {
    let (icon, says) = match &pull.state {
        PullState::Checking if pull.queued.is_some() => ("clock", format!("Approved. {}.", pull.why)),
        PullState::Checking => {
            ("clock", "The checks run on the merge result. It can be approved once they passed.".to_owned())
        }
        PullState::WaitsForApproval => {
            ("question", "Every check passed on exactly what will land. It waits for your yes.".to_owned())
        }
        PullState::Landable if lands_there(pull).is_some() => {
            ("clock", format!("Approved and checked. {}.", lands_there(pull).unwrap_or_default()))
        }
        PullState::Landable => {
            ("clock", "Approved and checked. It lands by itself when its turn comes.".to_owned())
        }
        PullState::Landing => ("clock", "It is being landed.".to_owned()),
        PullState::WaitsForCheckout { checkout, .. } => {
            ("lock", format!("Changes in {checkout} are in the way."))
        }
        PullState::WaitsForLine => ("lock", pull.why.clone()),
        PullState::Landed { commit } => {
            ("check", format!("Landed as {} on {}.", commit.short(), pull.onto.short()))
        }
        PullState::Bounced => {
            ("cross", if pull.why.is_empty() { "Sent back.".to_owned() } else { pull.why.clone() })
        }
    };
    let buttons = match &pull.state {
        PullState::WaitsForApproval => {
            view! { <CommandButton id="comment" label="Comment"/> <CommandButton id="approve" kind="primary" label="Approve and land"/> }.into_any()
        }
        PullState::Landable | PullState::WaitsForCheckout { .. } | PullState::WaitsForLine => {
            view! { <CommandButton id="land" label="Land now"/> }.into_any()
        }
        PullState::Landed { .. } if pull.after.waits() => super::sample::answers(),
        _ => ().into_any(),
    };
    let open = pull.review.unanswered().count();
    let says = match open {
        _ if pull.state.is_over() => says,
        0 => says,
        1 => format!("{says} A finding is not answered yet, and it does not land before."),
        n => format!("{says} {n} findings are not answered yet, and it does not land before."),
    };
    let tour = pull.after.waits().then(|| super::sample::place(pull.id));
    view! { <footer class="landbar" data-name="landbar" data-state=pull.state.word()><Icon name=icon/><span class="cut">{one(&says)}" "{tour}</span><span class="push">{buttons}</span></footer> }.into_any()
}
