//! The timeline of a task: what happened, with reasons, newest first; the agent's own steps among the engine's.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::attention::Deed;
use pilothouse_contract::board::Subject;
use pilothouse_contract::event::Event;
use pilothouse_contract::facts::Seen;
use pilothouse_contract::trajectory::{Step, StepKind};
use pilothouse_contract::{At, AttemptId, Fleet, Record, RunId, SessionId, TaskId, ask};

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{FaultNote, Icon, Reading};
use crate::words::{age, clock, many, one, took};

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    key: Key,
    at: At,
    icon: &'static str,
    what: String,
    why: String,
    result: String,
    code: bool,
}

/// What a row is of: it never says anything else, so that a list that grows draws only what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Record(u64),
    /// A step, and what was known of it: what comes of a call is told later, under the same number.
    Step(SessionId, u32, u64),
}

/// So many of the newest rows are shown.
const SHOWN: usize = 300;
/// So many of the last steps are read again: what came of them is told under their own numbers.
const AGAIN: u32 = 20;
/// So many steps are read at once.
const AT_ONCE: u32 = 2000;

/// The timeline of a task.
#[component]
pub(crate) fn Timeline(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let of = task.clone();
    let attempts = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            it.runs.get(&run).and_then(|it| it.task(&of)).map(|it| it.attempts.clone()).unwrap_or_default()
        })
    });
    // What was before this page began comes from the run's history, what is new from the mirror.
    let history =
        LocalResource::new(
            move || async move { ipc::call(ask::run::Show { run }).await.map(|it| it.history) },
        );
    let sessions = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| {
            attempts.get().iter().filter_map(|id| it.attempts.get(id)?.session).collect::<Vec<_>>()
        })
    });
    // What an agent at work says and does stays closed, as its terminal does.
    let opened = Memo::new(move |_| {
        let all = sessions.get().into_iter();
        all.filter(|it| !crate::commands::is_closed(desk, *it)).collect::<Vec<_>>()
    });
    let closed = Memo::new(move |_| sessions.with(Vec::len) > opened.with(Vec::len));
    let steps = steps_of(desk, opened);
    let of = task.clone();
    let rows = Memo::new(move |_| {
        let attempts = attempts.get();
        let mut rows: Vec<Row> = desk.mirror.fleet.with_untracked(|fleet| {
            let row = |it: &Record| row_of(fleet, it, run, &of, &attempts);
            history.with(|history| {
                let before = history.as_ref().and_then(|it| it.as_ref().ok()).map_or(&[][..], |it| it);
                let last = before.last().map_or(0, |it| it.seq);
                desk.mirror.recent.with(|recent| {
                    before.iter().chain(recent.iter().filter(|it| it.seq > last)).filter_map(row).collect()
                })
            })
        });
        // An agent's clock may be coarse: none of its steps comes before its session.
        let begun = |session: &SessionId| {
            desk.mirror.fleet.with_untracked(|it| {
                it.sessions.get(session).and_then(|it| it.running.as_ref()).map_or(At(0), |it| it.at)
            })
        };
        steps.with(|steps| {
            rows.extend(steps.values().flatten().filter_map(|step| {
                let row = row_of_step(step)?;
                Some(Row { at: row.at.max(begun(&step.session).plus_ms(i64::from(step.ordinal) + 1)), ..row })
            }));
        });
        rows.sort_by_key(|it| it.at);
        rows.reverse();
        rows.truncate(SHOWN);
        rows
    });
    let subject = Subject::Task(run, task);
    let question = Memo::new(move |_| {
        desk.alarm_of(&subject).filter(|it| it.answers.iter().any(|it| !matches!(it.deed, Deed::Open(_))))
    });
    let open = move || {
        question.get().map(|alarm| {
        let since = alarm.since;
        let answers = alarm.answers.iter().filter(|it| !matches!(it.deed, Deed::Open(_))).map(|it| {
            let (label, deed) = (it.label.clone(), it.deed.clone());
            view! { <button class="button" type="button" tabindex="-1" on:click=move |_| desk.perform(&label, &deed)>{one(&it.label)}</button> }
        }).collect_view();
        view! {
            <li data-open=""><time>{clock(since)}</time><Icon name="question"/>
                <div class="do"><p><b>{many(&alarm.asks)}</b></p><p class="why">{many(&alarm.says)}</p><div class="answers">{answers}</div></div>
                <span class="res">{move || format!("waits {}", age(desk.mirror.now.get(), since))}</span></li>
        }
    })
    };
    let row = |it: Row| {
        let what = if it.code {
            view! { <p class="mono cut">{one(&it.what)}</p> }.into_any()
        } else {
            view! { <p>{many(&it.what)}</p> }.into_any()
        };
        view! {
            <li><time>{clock(it.at)}</time><Icon name=it.icon/>
                <div class="do">{what}{(!it.why.is_empty()).then(|| view! { <p class="why">{many(&it.why)}</p> })}</div>
                <span class="res">{one(&it.result)}</span></li>
        }
    };
    let none = move || {
        let first = history.with(|it| it.as_ref().map(|it| it.as_ref().err().cloned()));
        match first {
            None => view! { <li class="gap"><Reading what="what happened"/></li> }.into_any(),
            Some(Some(fault)) => view! { <li class="gap"><FaultNote fault=fault/></li> }.into_any(),
            Some(None) if rows.with(Vec::is_empty) => {
                view! { <li class="gap">"Nothing happened to it yet."</li> }.into_any()
            }
            Some(None) => ().into_any(),
        }
    };
    let cut = move || {
        (rows.with(Vec::len) == SHOWN)
            .then(|| view! { <li class="gap">"What was before stands in Checks and in Trajectories."</li> })
    };
    let hidden = move || {
        closed.get().then(|| view! {
            <li class="gap" data-name="hidden">"What its agent says and does stays closed while it works. "<crate::kit::CommandButton id="reveal" label="Look at it"/></li>
        })
    };
    view! {
        <div class="scroll" tabindex="0" data-focus="stage"><ol class="timeline" data-name="timeline">
            {open}{hidden}{none}
            <For each=move || rows.get() key=|it| it.key let:it>{row(it)}</For>
            {cut}
        </ol></div>
    }
}

/// The steps of sessions as far as they are stored, each session's newest read on whenever it has written more or ended.
fn steps_of(desk: Desk, sessions: Memo<Vec<SessionId>>) -> RwSignal<BTreeMap<SessionId, Vec<Step>>> {
    let steps = RwSignal::new(BTreeMap::<SessionId, Vec<Step>>::new());
    // How much each has written, and whether it is over: what makes its trajectory longer.
    let written = Memo::new(move |_| {
        let ended = |id: &SessionId| {
            desk.mirror.fleet.with(|it| it.sessions.get(id).is_some_and(|it| it.end.is_some()))
        };
        let bytes = |id: &SessionId| {
            desk.mirror.sessions.with(|all| all.get(id)?.pulse.map(|it| it.output_bytes)).unwrap_or_default()
        };
        sessions.with(|all| all.iter().map(|id| (*id, bytes(id), ended(id))).collect::<Vec<_>>())
    });
    Effect::new(move |before: Option<Vec<(SessionId, u64, bool)>>| {
        let now = written.get();
        for it in now.iter().filter(|it| before.as_ref().is_none_or(|before| !before.contains(it))) {
            let session = it.0;
            spawn_local(async move {
                loop {
                    let next = |all: &BTreeMap<SessionId, Vec<Step>>| {
                        all.get(&session).and_then(|it| it.last()).map_or(0, |it| it.ordinal + 1)
                    };
                    let Some(from) = steps.try_with_untracked(next) else { return };
                    let from = from.saturating_sub(AGAIN);
                    // What has no trajectory yet has no steps.
                    let Ok(page) = ipc::call(ask::trajectory::Show { session, from, most: AT_ONCE }).await
                    else {
                        return;
                    };
                    let more = page.steps.len() == AT_ONCE as usize;
                    let _gone = steps.try_update(|all| {
                        // Two may read at once; each step stands once, as it was read last.
                        let kept = all.entry(session).or_default();
                        if let Some(first) = page.steps.first().map(|it| it.ordinal)
                            && let Some(last) = page.steps.last().map(|it| it.ordinal)
                        {
                            let after: Vec<Step> =
                                kept.iter().filter(|it| it.ordinal > last).cloned().collect();
                            kept.retain(|it| it.ordinal < first);
                            kept.extend(page.steps);
                            kept.extend(after);
                        }
                    });
                    if !more {
                        return;
                    }
                }
            });
        }
        now
    });
    steps
}

fn hash_of(kind: &StepKind) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{kind:?}").hash(&mut hasher);
    hasher.finish()
}

fn row_of_step(step: &Step) -> Option<Row> {
    let at = step.at?;
    let row = |icon, what: &str, code| Row {
        key: Key::Step(step.session, step.ordinal, hash_of(&step.kind)),
        at,
        icon,
        what: what.to_owned(),
        why: String::new(),
        result: String::new(),
        code,
    };
    Some(match &step.kind {
        StepKind::Message { text } => row("speech", text.trim(), false),
        StepKind::Call { tool, says, .. } => {
            let icon = match tool.to_lowercase().as_str() {
                "bash" | "shell" | "run" => "terminal",
                "edit" | "write" | "multiedit" => "pencil",
                "grep" | "glob" | "search" => "search",
                _ => "file",
            };
            Row { why: String::new(), result: tool.clone(), ..row(icon, says, true) }
        }
        StepKind::Result { failed: true, text, .. } => {
            row("cross", text.lines().next().unwrap_or("It failed"), true)
        }
        StepKind::Error { text } => row("warning", text, false),
        _ => return None,
    })
}

fn row_of(fleet: &Fleet, record: &Record, run: RunId, task: &TaskId, attempts: &[AttemptId]) -> Option<Row> {
    let row = |icon, what: String| Row {
        key: Key::Record(record.seq),
        at: record.at,
        icon,
        what,
        why: String::new(),
        result: String::new(),
        code: false,
    };
    let ours = |id: &AttemptId| attempts.contains(id);
    Some(match &record.event {
        Event::RunStarted { run: it } if it.id == run => Row {
            result: format!("base {}", it.base.short()),
            ..row("flag", format!("Run {run} started by {}", crate::chrome::by(&record.who)))
        },
        Event::AttemptStarted { attempt } if ours(&attempt.id) => Row {
            why: fleet
                .worktrees
                .get(&attempt.worktree)
                .map(|it| format!("In worktree {}", it.branch.short()))
                .unwrap_or_default(),
            result: format!("base {}", attempt.base.short()),
            ..row("branch", format!("Attempt {} started", attempt.nth()))
        },
        Event::AttemptMoved { attempt, to, why, .. } if ours(attempt) => {
            Row { why: why.clone(), ..row("right", format!("{} {}", attempt, to.word().replace('-', " "))) }
        }
        Event::AttemptWaits { attempt, wait: Some(wait) } if ours(attempt) => {
            row("right", format!("{attempt} {wait}"))
        }
        Event::AttemptFailed { attempt, failure, why, .. } if ours(attempt) => Row {
            why: why.clone(),
            ..row("cross", format!("{attempt} failed: {}", failure.word().replace('-', " ")))
        },
        Event::CandidateRead { attempt, candidate } if ours(attempt) => Row {
            why: candidate.paths.join(", "),
            result: crate::words::count(candidate.paths.len(), "file"),
            ..row("file", "What it made was read".to_owned())
        },
        Event::EvidenceGathered { evidence } if evidence.subject.attempt.as_ref().is_some_and(ours) => Row {
            why: format!("{}: {}", evidence.command, evidence.why),
            result: format!("{} · {}", evidence.id, took(evidence.started, evidence.ended)),
            ..row(
                if evidence.passed() { "check" } else { "cross" },
                super::checks::gate(evidence.gate).to_owned(),
            )
        },
        Event::TaskMoved { run: of, task: it, to, why, .. } if *of == run && it == task => {
            Row { why: why.clone(), ..row("flag", format!("{task} {}", to.word())) }
        }
        Event::SessionRuns { session, running } if is_agent_of(fleet, *session, attempts) => Row {
            result: format!("process {}", running.pid),
            ..row("terminal", format!("Agent session {session} runs"))
        },
        Event::HolderReplaced { session, holder, uncertain_bytes }
            if is_agent_of(fleet, *session, attempts) =>
        {
            Row {
                why: match uncertain_bytes {
                    Some(0) => "Nothing of it was lost.".to_owned(),
                    None => "The engine died too: what was typed just before may or may not have arrived."
                        .to_owned(),
                    Some(n) => {
                        format!("{n} typed bytes may or may not have arrived; they were not typed again.")
                    }
                },
                result: format!("process {holder}"),
                ..row("terminal", format!("The holder of {session} died and was replaced"))
            }
        }
        Event::SessionEnded { session, end } if is_agent_of(fleet, *session, attempts) => {
            let told = fleet.sessions.get(session)?;
            let told = pilothouse_contract::session::Session { end: Some(end.clone()), ..told.clone() };
            Row {
                why: told.derived(&Seen::default(), end.at).why(),
                ..row("terminal", format!("Agent session {session} ended"))
            }
        }
        Event::QuestionAsked { question } if question.attempt.as_ref().is_some_and(ours) => {
            Row { why: question.choices.join(" · "), ..row("question", format!("Asks: {}", question.asks)) }
        }
        Event::QuestionAnswered { question, answer }
            if fleet.questions.get(question)?.attempt.as_ref().is_some_and(ours) =>
        {
            row("speech", format!("{} answered: {}", answer.by, answer.text))
        }
        Event::Refused { session: Some(session), asked, why, .. }
            if is_agent_of(fleet, *session, attempts) =>
        {
            Row { why: why.clone(), ..row("lock", format!("Refused: {asked}")) }
        }
        Event::RefTouched { session: Some(session), reference, prevented, .. }
            if is_agent_of(fleet, *session, attempts) =>
        {
            row("lock", format!("{} {reference}", if *prevented { "Kept from moving" } else { "Moved" }))
        }
        _ => return None,
    })
}

fn is_agent_of(fleet: &Fleet, session: SessionId, attempts: &[AttemptId]) -> bool {
    fleet.sessions.get(&session).is_some_and(|it| {
        it.kind == pilothouse_contract::session::SessionKind::Agent
            && it.attempt.is_some_and(|it| attempts.contains(&it))
    })
}
