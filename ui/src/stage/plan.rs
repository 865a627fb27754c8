//! The plan: phases down, waves across, each task where it comes; which requirement is proved by which task; the gates
//! and the evidence behind each.

use std::collections::BTreeMap;

use leptos::prelude::*;
use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::board::Subject;
use pilothouse_contract::evidence::{Evidence, Gate};
use pilothouse_contract::run::{Run, TaskRun, TaskState};
use pilothouse_contract::spec::{Phase, TaskSpec};
use pilothouse_contract::{Fleet, ItemId, RunId, TaskId};

use crate::desk::{Desk, desk};
use crate::kit::{Calm, Chip, Icon};
use crate::words::{age, clock, count, one};

/// In which wave each task comes at the earliest, from 0: after what it depends on; where it does not say, after what
/// stands before it in the file.
pub(crate) fn waves(tasks: &[TaskSpec]) -> BTreeMap<TaskId, usize> {
    let mut waves: BTreeMap<TaskId, usize> = BTreeMap::new();
    for task in tasks {
        let wave = match &task.depends {
            Some(after) => after.iter().filter_map(|id| waves.get(id)).map(|it| it + 1).max().unwrap_or(0),
            None => waves.values().max().map_or(0, |it| it + 1),
        };
        waves.insert(task.id.clone(), wave);
    }
    waves
}

/// What a task looks like in the plan.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    id: TaskId,
    title: String,
    phase: Option<usize>,
    wave: usize,
    state: &'static str,
    icon: &'static str,
    note: String,
    covers: Vec<String>,
    /// Whether a proof of it held on what it made.
    proven: bool,
    run: Option<RunId>,
}

impl Cell {
    /// Whether nothing is left to do: proven here, or ticked by somebody.
    fn over(&self) -> bool {
        matches!(self.state, "done" | "ticked")
    }
}

fn cell(fleet: &Fleet, run: Option<&Run>, spec: &TaskSpec, task: Option<&TaskRun>, wave: usize) -> Cell {
    let attempt = task.and_then(|it| it.attempts.last()).and_then(|id| fleet.attempts.get(id));
    let (state, icon, note) = match task.map(|it| &it.state) {
        Some(TaskState::Active { .. }) => {
            let at = attempt.map_or(AttemptState::Leased, |it| it.state);
            ("work", "play", at.word().replace('-', " "))
        }
        Some(TaskState::Done { commit }) => {
            ("done", "check", commit.short().get(..7).unwrap_or_default().to_owned())
        }
        Some(TaskState::DoneBefore) => ("ticked", "check", "ticked before".to_owned()),
        Some(TaskState::Skipped) => ("wait", "dash", "skipped".to_owned()),
        Some(TaskState::Parked { .. }) => ("parked", "cross", "parked".to_owned()),
        Some(TaskState::Waiting) | None if spec.done => ("ticked", "check", "ticked".to_owned()),
        Some(TaskState::Waiting) if task.is_some_and(|it| it.rests.is_some()) => {
            ("wait", "dash", "rests after a failed try".to_owned())
        }
        _ => {
            let after = spec.depends.as_ref().filter(|it| !it.is_empty());
            let note = after
                .map(|it| format!("after {}", it.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", ")));
            ("wait", "dash", note.unwrap_or_default())
        }
    };
    Cell {
        id: spec.id.clone(),
        title: spec.title.clone(),
        phase: spec.phase,
        wave,
        state,
        icon,
        note,
        covers: spec.covers.clone(),
        proven: state == "done"
            && attempt.is_some_and(|it| {
                let proofs = it.evidence.iter().filter_map(|id| fleet.evidence.get(id));
                proofs.filter(|it| it.gate == Gate::Verify).any(Evidence::passed)
            }),
        run: run.map(|it| it.id),
    }
}

/// The plan of a run.
#[component]
pub(crate) fn Plan(run: RunId) -> impl IntoView {
    let desk = desk();
    let item = Memo::new(move |_| desk.mirror.fleet.with(|it| it.runs.get(&run).map(|it| it.item)));
    move || item.get().map(|item| view! { <PlanOf item=item run=Some(run)/> })
}

/// The plan of an item, with the state of a run where there is one.
#[component]
pub(crate) fn PlanOf(item: ItemId, run: Option<RunId>) -> impl IntoView {
    let desk = desk();
    let cells = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            let run = run.or_else(|| fleet.run_of(item).map(|it| it.id)).and_then(|id| fleet.runs.get(&id));
            let specs: Vec<TaskSpec> = match run {
                Some(run) => run.tasks.iter().map(|it| it.spec.clone()).collect(),
                None => fleet.items.get(&item).map(|it| it.spec.tasks.clone()).unwrap_or_default(),
            };
            let waves = waves(&specs);
            specs
                .iter()
                .map(|spec| {
                    cell(
                        fleet,
                        run,
                        spec,
                        run.and_then(|it| it.task(&spec.id)),
                        waves.get(&spec.id).copied().unwrap_or_default(),
                    )
                })
                .collect::<Vec<_>>()
        })
    });
    let phases = Memo::new(move |_| {
        desk.mirror.fleet.with(|it| it.items.get(&item).map(|it| it.spec.phases.clone()).unwrap_or_default())
    });
    move || {
        if cells.with(Vec::is_empty) {
            return view! { <Calm title="This spec has no tasks" says="Write them in tasks.md."/> }
                .into_any();
        }
        view! {
            <div class="scroll" tabindex="0" data-focus="stage" data-name="plan">
                {move || grid(desk, &cells.get(), &phases.get())}
                <div class="plancols">
                    <section>{move || coverage(&cells.get())}</section>
                    <section><Gates item=item run=run/></section>
                </div>
            </div>
        }
        .into_any()
    }
}

fn grid(desk: Desk, cells: &[Cell], phases: &[Phase]) -> AnyView {
    let columns = cells.iter().map(|it| it.wave).max().unwrap_or_default() + 1;
    // The wave at work is the first that is not all done.
    let now = (0..columns).find(|wave| cells.iter().any(|it| it.wave == *wave && !it.over()));
    let heads = (0..columns)
        .map(|wave| {
            let of: Vec<_> = cells.iter().filter(|it| it.wave == wave).collect();
            let done = of.iter().filter(|it| it.state == "done").count();
            let says = if done == of.len() {
                "done".to_owned()
            } else if now == Some(wave) {
                "now".to_owned()
            } else {
                count(of.len(), "task")
            };
            view! { <div class="wh"><span>{format!("Wave {}", wave + 1)}</span><span>{says}</span></div> }
        })
        .collect_view();
    let mut rows: Vec<(Option<usize>, String)> = Vec::new();
    if cells.iter().any(|it| it.phase.is_none()) {
        rows.push((None, "Tasks".to_owned()));
    }
    rows.extend(phases.iter().enumerate().map(|(n, it)| (Some(n), it.title.clone())));
    let rows = rows.into_iter().filter(|(phase, _)| cells.iter().any(|it| it.phase == *phase)).map(|(phase, title)| {
        let of: Vec<&Cell> = cells.iter().filter(|it| it.phase == phase).collect();
        let done = of.iter().filter(|it| it.over()).count();
        let columns = (0..columns).map(|wave| {
            let tasks = of.iter().filter(|it| it.wave == wave).map(|it| task(desk, it)).collect_view();
            view! { <div class="cell" data-now=(now == Some(wave)).then_some("")>{tasks}</div> }
        }).collect_view();
        view! { <div class="ph"><b>{one(&title)}</b><small>{format!("{done} of {} tasks", of.len())}</small></div>{columns} }
    }).collect_view();
    view! { <div class="waves" style:--columns=columns.to_string()><div class="wh">"Phase"</div>{heads}{rows}</div> }.into_any()
}

fn task(desk: Desk, cell: &Cell) -> AnyView {
    let subject = cell.run.map(|run| Subject::Task(run, cell.id.clone()));
    let alarm = subject.as_ref().and_then(|it| desk.alarm_of(it));
    let key = alarm.as_ref().map(|it| it.key.clone());
    let seen =
        Signal::derive(move || key.as_ref().is_some_and(|key| desk.place.seen.with(|all| all.contains(key))));
    let p = alarm.as_ref().map(|it| it.priority.digit());
    let open = move |_| {
        if let Some(subject) = &subject {
            desk.place.open_subject(subject.clone());
            desk.place.tab.set(crate::place::Tab::Timeline);
        }
    };
    view! {
        <button class="task" type="button" data-s=cell.state data-p=p data-task=cell.id.to_string() on:click=open>
            <span class="t"><Icon name=cell.icon/><span class="call">{cell.id.to_string()}</span>{alarm.map(|it| view! { <Chip p=it.priority seen=seen/> })}<span class="push cut">{one(&cell.note)}</span></span>
            <span>{one(&cell.title)}</span>
        </button>
    }.into_any()
}

fn coverage(cells: &[Cell]) -> AnyView {
    let mut requirements: Vec<&String> = cells.iter().flat_map(|it| &it.covers).collect();
    requirements.sort();
    requirements.dedup();
    let proven = requirements
        .iter()
        .filter(|it| cells.iter().filter(|cell| cell.covers.contains(it)).all(|cell| cell.proven))
        .count();
    let head = view! { <h3 class="panehead">"Coverage"<span class="n">{format!("{} covered, {proven} proven", requirements.len())}</span></h3> };
    if requirements.is_empty() {
        return view! { {head}<p class="none">"No task says which requirement it covers."</p> }.into_any();
    }
    let columns = cells.iter().map(|it| view! { <th class="m">{it.id.to_string()}</th> }).collect_view();
    let rows = requirements
        .iter()
        .map(|requirement| {
            let of: Vec<&Cell> = cells.iter().filter(|it| it.covers.contains(requirement)).collect();
            let says = if of.iter().all(|it| it.proven) {
                "proven"
            } else if of.iter().all(|it| it.over()) {
                "done, not proven here"
            } else if of.iter().any(|it| it.state == "work") {
                "in work"
            } else {
                "planned"
            };
            let marks = cells
                .iter()
                .map(|it| {
                    let mark = it.covers.contains(requirement).then(|| {
                        let v = match it.state {
                            _ if it.proven => "1",
                            "work" | "done" | "ticked" => "h",
                            _ => "0",
                        };
                        let label = match v {
                            "1" => "proven",
                            "h" if it.over() => "done, not proven here",
                            "h" => "in work",
                            _ => "planned",
                        };
                        view! { <i data-v=v role="img" aria-label=label></i> }
                    });
                    view! { <td class="m">{mark}</td> }
                })
                .collect_view();
            view! { <tr><td class="mono">{one(requirement)}</td>{marks}<td class="quiet">{says}</td></tr> }
        })
        .collect_view();
    view! { {head}<table class="table coverage"><thead><tr><th>"Req"</th>{columns}<th></th></tr></thead><tbody>{rows}</tbody></table> }.into_any()
}

#[component]
fn Gates(item: ItemId, run: Option<RunId>) -> impl IntoView {
    let desk = desk();
    let rows = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            let run = run.and_then(|id| fleet.runs.get(&id)).or_else(|| fleet.run_of(item));
            let Some(run) = run else { return Vec::new() };
            let mut rows = vec![(
                "check",
                "G4 Approval",
                format!("by {}, spec at {}", crate::chrome::by(&run.by), run.approved_at().short()),
                clock(run.started),
            )];
            for gate in [
                Gate::RedCheck,
                Gate::Verify,
                Gate::ScopeAudit,
                Gate::Checkpoint,
                Gate::Completeness,
                Gate::Landing,
            ] {
                let of: Vec<&Evidence> = fleet
                    .evidence
                    .values()
                    .filter(|it| it.subject.run == run.id && it.gate == gate)
                    .collect();
                let held = of.iter().filter(|it| it.passed()).count();
                // Of each task the newest counts: what was mended holds.
                let mut newest: BTreeMap<_, &Evidence> = BTreeMap::new();
                for it in &of {
                    newest.insert(
                        (
                            it.subject.task.clone(),
                            it.subject.pull,
                            it.subject.phase,
                            (gate == Gate::Landing).then(|| it.command.clone()),
                        ),
                        it,
                    );
                }
                let open = newest.values().filter(|it| !it.passed()).count();
                let icon = if of.is_empty() {
                    "dash"
                } else if open == 0 {
                    "check"
                } else {
                    "clock"
                };
                let says = match (of.len(), of.len() - held) {
                    (0, _) => "not begun".to_owned(),
                    (n, 0) => format!("{n} of {n} hold"),
                    (n, 1) => format!("{held} of {n} hold, 1 did not and was caught"),
                    (n, failed) => format!("{held} of {n} hold, {failed} did not and were caught"),
                };
                rows.push((
                    icon,
                    super::checks::gate(gate),
                    says,
                    of.last().map(|it| it.id.to_string()).unwrap_or_default(),
                ));
            }
            rows
        })
    });
    let none = move || rows.with(Vec::is_empty).then(|| view! { <p class="none">"No run was started."</p> });
    let since = Memo::new(move |_| desk.mirror.fleet.with(|fleet| fleet.run_of(item).map(|it| it.started)));
    view! {
        <h3 class="panehead">"Gates"<span class="n">{move || since.get().map(|it| format!("run began {} ago", age(desk.mirror.now.get(), it)))}</span></h3>
        {none}
        <ul class="gates" data-name="gates">{move || rows.get().into_iter().map(|(icon, name, says, mark)| view! {
            <li><Icon name=icon/><span class="cut"><b>{name}</b>" "<span class="quiet">{one(&says)}</span></span><span class="mono quiet">{mark}</span></li>
        }).collect_view()}</ul>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_comes_after_what_it_depends_on() {
        let task = |id: &str, after: Option<&[&str]>| TaskSpec {
            id: id.into(),
            depends: after.map(|it| it.iter().map(|it| TaskId::from(*it)).collect()),
            ..TaskSpec::default()
        };
        let waves = waves(&[
            task("T1", Some(&[])),
            task("T2", Some(&[])),
            task("T3", Some(&["T1"])),
            task("T4", None),
        ]);
        let of = |id: &str| waves[&TaskId::from(id)];
        assert_eq!((of("T1"), of("T2"), of("T3"), of("T4")), (0, 0, 1, 2));
    }
}
