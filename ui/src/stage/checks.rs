//! The checks of a task: every gate with the evidence that it points to, and the output behind it.

use leptos::prelude::*;
use pilothouse_contract::evidence::{Evidence, Gate, Verdict};
use pilothouse_contract::{EvidenceId, RunId, TaskId, ask, pace};

use crate::desk::desk;
use crate::ipc;
use crate::kit::{Calm, Icon, asked};
use crate::words::{bytes, clock, many, one};

/// A gate's name for people.
pub(crate) fn gate(gate: Gate) -> &'static str {
    match gate {
        Gate::RedCheck => "G6 red check",
        Gate::Verify => "G7 verify",
        Gate::ScopeAudit => "G8 scope audit",
        Gate::Checkpoint => "G9 checkpoint",
        Gate::Completeness => "G10 completeness",
        Gate::Landing => "G14 landing",
    }
}

/// What a verdict is drawn as.
pub(crate) fn icon(evidence: &Evidence) -> &'static str {
    match evidence.verdict {
        Verdict::Passed => "check",
        Verdict::Failed => "cross",
        Verdict::Unknown => "question",
    }
}

/// The checks of a task.
#[component]
pub(crate) fn Checks(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let rows = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            let attempts = fleet
                .runs
                .get(&run)
                .and_then(|it| it.task(&task))
                .map(|it| it.attempts.clone())
                .unwrap_or_default();
            let mut rows: Vec<(u32, Evidence)> = attempts
                .iter()
                .filter_map(|id| fleet.attempts.get(id))
                .flat_map(|it| {
                    it.evidence.iter().filter_map(|id| Some((it.number, fleet.evidence.get(id)?.clone())))
                })
                .collect();
            rows.reverse();
            rows
        })
    });
    let open = RwSignal::new(None::<EvidenceId>);
    let list = move || {
        rows.get()
            .into_iter()
            .map(|(number, it)| view! { <Proof number=number evidence=it open=open/> })
            .collect_view()
    };
    move || {
        if rows.with(Vec::is_empty) {
            return view! { <Calm title="Nothing was checked yet" says="The red check comes first: the proof must fail before the work."/> }.into_any();
        }
        view! {
            <div class="scroll pad" tabindex="0" data-focus="stage">
                <ul class="proofs" data-name="checks">{list}</ul>
                {asked("what the run took", move || { let _again = rows.with(Vec::len); ipc::call(ask::took::Show { run }) }, took_view)}
            </div>
        }
        .into_any()
    }
}

/// So many of the slowest commands are shown.
const COMMANDS: usize = 5;

/// What the run of a task took so far: how long its commands run against the limit of the inner loop, what was kept from its
/// agents, what it cost.
fn took_view(took: ask::took::Took) -> AnyView {
    let row = |name: &'static str, says: String, over: bool| {
        view! { <dt>{name}</dt><dd data-over=over.to_string()>{one(&says)}</dd> }
    };
    // All that are over the limit, and else the slowest few.
    let limit_s = took.inner_loop_s;
    let shown = took.paces.iter().enumerate().filter(|(n, it)| it.over || *n < COMMANDS);
    let paces: Vec<_> = shown.map(|(_, it)| row("Command", it.line(limit_s), it.over)).collect();
    let lines: Vec<_> = took.lines().into_iter().map(|(name, says)| row(name, says, false)).collect();
    view! {
        <section class="took" data-name="took"><h2>"What the whole run took"</h2><dl>{lines}{paces}</dl></section>
    }
    .into_any()
}

/// One record; its output opens below it.
#[component]
pub(crate) fn Proof(
    #[prop(optional)] number: u32,
    evidence: Evidence,
    open: RwSignal<Option<EvidenceId>>,
) -> impl IntoView {
    let id = evidence.id;
    let toggle = move |_| open.update(|it| *it = if *it == Some(id) { None } else { Some(id) });
    let named = icon(&evidence);
    view! {
        <li data-evidence=id.to_string() data-verdict=format!("{:?}", evidence.verdict).to_lowercase()>
            <button class="proof" type="button" on:click=toggle aria-expanded=move || (open.get() == Some(id)).to_string()>
                <Icon name=named/>
                <span class="cut"><b>{gate(evidence.gate)}</b>" "<span class="mono">{one(&evidence.command)}</span></span>
                <span class="res cut">{one(&evidence.why)}</span>
                <span class="sha mono">{(number > 0).then(|| format!("try {number} · "))}{format!("{id} · {}", pace::took(evidence.took()))}</span>
            </button>
            {move || (open.get() == Some(id)).then(|| {
                let facts = format!("commit {} · tree {} · at {} · {} of output, SHA-256 {}… · {}", evidence.commit.short(), evidence.tree.short(), clock(evidence.started),
                    bytes(evidence.output_bytes), evidence.output_hash.get(..16).unwrap_or_default(), evidence.environment);
                view! { <div class="output"><p class="quiet">{one(&facts)}</p>{output(id)}</div> }
            })}
        </li>
    }
}

fn output(id: EvidenceId) -> AnyView {
    asked(
        "the output",
        move || ipc::call(ask::evidence::Show { evidence: id }),
        |page: ask::evidence::EvidencePage| {
            let cut =
                (page.left_out > 0).then(|| format!("{} before this are left out", bytes(page.left_out)));
            let text =
                if page.output.trim().is_empty() { "No output.".to_owned() } else { many(&page.output) };
            view! { {cut.map(|it| view! { <p class="quiet">{it}</p> })}<pre class="well">{text}</pre> }
                .into_any()
        },
    )
}
