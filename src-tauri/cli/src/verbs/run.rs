//! `pilothouse run …`

use clap::{Subcommand, ValueEnum};
use pilothouse_contract::event::Event;
use pilothouse_contract::gate::Holds;
use pilothouse_contract::run::{Approval, Run, RunState, TaskState, TouchKind, Wait};
use pilothouse_contract::window::Begins;
use pilothouse_contract::{RunId, ask};

use crate::desk::{self, End, HOLDS, does_not_hold, id};
use crate::out::{Out, clock, short, span, table};
use crate::progress;

/// Who says yes to a landing.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Yes {
    /// A person, with `pilothouse pr approve`
    Person,
    /// The policy, once the checks passed on the merge result
    Policy,
}

impl From<Yes> for Approval {
    fn from(yes: Yes) -> Self {
        match yes {
            Yes::Person => Self::Person,
            Yes::Policy => Self::Policy,
        }
    }
}

/// `pilothouse run ITEM` starts it; everything else about runs is a word of its own.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    start: Option<Start>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The item's id or short name
    item: String,
    /// The agent: claude, rehearsal, or a name from WORKFLOW.md
    #[arg(long, conflicts_with = "command")]
    agent: Option<String>,
    /// Any command as agent, in one string; {brief_file}, {brief} and {uuid} are filled in
    #[arg(long)]
    command: Option<String>,
    /// Who says yes to the landing
    #[arg(long)]
    approve: Option<Yes>,
    /// How many attempts may run at once
    #[arg(long)]
    slots: Option<u32>,
    /// A new item branch from the default branch, even if an older run is parked
    #[arg(long)]
    fresh: bool,
    /// Begin then: 22:00 is the next time that the clock shows that, 2026-12-01T22:00 that moment
    #[arg(long, value_name = "TIME", conflicts_with_all = ["window", "queue"])]
    at: Option<String>,
    /// Begin and go on within these hours of every day, as in 22:00-06:00; what is at work then comes to its end
    #[arg(long, value_name = "FROM-TO", conflicts_with = "queue", value_parser = hours)]
    window: Option<(String, String)>,
    /// Begin once fewer runs are carried than `pilothouse engine slots --runs` says
    #[arg(long)]
    queue: bool,
    /// Show its progress until it is over; exit 1 if it does not land
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a run, which approves the spec as it is committed; or let a parked one go on
    Start(Start),
    /// Put a queued run before all others
    First {
        /// Its id
        #[arg(value_parser = id::<RunId>)]
        run: RunId,
    },
    /// Stop a run: its sessions end, its worktrees and branches stay
    Stop {
        /// Its id
        #[arg(value_parser = id::<RunId>)]
        run: RunId,
    },
    /// Pause a run, or everything: agents at work come to their end, nothing begins and nothing lands
    Pause {
        /// Its id; without one everything, also what is started meanwhile
        #[arg(value_parser = id::<RunId>)]
        run: Option<RunId>,
        /// Come back once nothing is at work any more
        #[arg(long, conflicts_with = "run")]
        wait: bool,
    },
    /// Let a paused run go on, or everything
    GoOn {
        /// Its id; without one everything. Runs that were paused by themselves go on by it where nothing else is paused
        #[arg(value_parser = id::<RunId>)]
        run: Option<RunId>,
    },
    /// Leave a note: every agent of the run that begins from now on finds it in its brief
    Note {
        /// Its id
        #[arg(value_parser = id::<RunId>)]
        run: RunId,
        /// The words
        text: String,
    },
    /// Runs and where they stand
    List {
        /// Only of this project
        project: Option<String>,
    },
    /// One run: tasks, attempts, evidence, history
    Show {
        /// Its id
        #[arg(value_parser = id::<RunId>)]
        run: RunId,
        /// Also every transition
        #[arg(long)]
        history: bool,
    },
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    match args.verb.or(args.start.map(Verb::Start)) {
        Some(verb) => of(verb, out).await,
        // The command line shows its help before it comes to that.
        None => Ok(HOLDS),
    }
}

async fn start(asked: Start, out: Out) -> End {
    let Start { item, agent, command, approve, slots, fresh, at, window, queue, wait } = asked;
    let item = desk::item(&item).await?;
    let command = command.map(|it| it.split_whitespace().map(str::to_owned).collect());
    let approve = approve.map(Approval::from);
    let begins = match (at, window) {
        (Some(time), _) => Some(Begins::At { time }),
        (None, Some((from, to))) => Some(Begins::Daily { from, to }),
        (None, None) => queue.then_some(Begins::Queued),
    };
    let asked = ask::run::Start { item: item.id, agent, command, approve, slots, fresh, begins };
    let run = desk::call(asked).await?;
    if !wait {
        out.value(&run, |run| {
            if run.state == RunState::Queued {
                let when = run
                    .window
                    .as_ref()
                    .filter(|it| !it.is_open)
                    .map(|it| format!(" It begins at {}.", it.says));
                return format!(
                    "{} is queued for {}.{} At once: pilothouse run go-on {}",
                    run.id,
                    item.slug,
                    when.unwrap_or_default(),
                    run.id
                );
            }
            format!(
                "{} carries {} with {}.\nWatch it: pilothouse run show {}   Events: pilothouse event follow",
                run.id, item.slug, run.policy.agent.name, run.id
            )
        });
        return Ok(HOLDS);
    }
    let run = progress::follow(run.id, out).await?;
    out.value(&run, |run| format!("{}: {}", run.state.word(), short(&run.why, 200)));
    Ok(if run.state == RunState::Landed { HOLDS } else { does_not_hold() })
}

async fn of(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Start(asked) => start(asked, out).await,
        Verb::Stop { run } => {
            let run = desk::call(ask::run::Stop { run }).await?;
            out.value(&run, |run| format!("{} is {}.", run.id, run.state.word()));
            Ok(HOLDS)
        }
        Verb::First { run } => {
            let run = desk::call(ask::run::First { run }).await?;
            out.value(&run, |run| format!("{} begins before every other run that is queued.", run.id));
            Ok(HOLDS)
        }
        Verb::Pause { run, wait } => pause(run, true, wait, out).await,
        Verb::GoOn { run } => pause(run, false, false, out).await,
        Verb::Note { run, text } => {
            let run = desk::call(ask::run::Note { run, text }).await?;
            out.value(&run, |run| {
                format!(
                    "Noted. The next agent of {} that begins reads it; those at work are left alone.",
                    run.id
                )
            });
            Ok(HOLDS)
        }
        Verb::List { project } => {
            let project = desk::maybe_project(project.as_ref()).await?;
            let runs = desk::call(ask::run::List { project: project.map(|it| it.id) }).await?;
            out.value(&runs, |runs| list(runs));
            Ok(HOLDS)
        }
        Verb::Show { run, history } => {
            let page = desk::call(ask::run::Show { run }).await?;
            out.value(&page, |page| show(page, history));
            Ok(HOLDS)
        }
    }
}

fn hours(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('-').ok_or("write it as 22:00-06:00")?;
    Ok((from.trim().to_owned(), to.trim().to_owned()))
}

async fn pause(run: Option<RunId>, paused: bool, wait: bool, out: Out) -> End {
    let mut runs = desk::call(ask::run::Pause { run, paused }).await?;
    if wait {
        progress::until_drained().await?;
        runs = desk::call(ask::run::List { project: None }).await?;
        runs.retain(|it| it.state.is_live());
    }
    if run.is_none() {
        out.value(&runs, |runs| all(runs, paused));
        return Ok(HOLDS);
    }
    out.value(&runs, |runs| {
        let line = |it: &Run| {
            let active = it.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. })).count();
            match (paused, active) {
                (false, _) => format!("{} goes on.", it.id),
                (true, 0) => format!("{} is paused.", it.id),
                (true, _) => format!("{} is paused: {active} at work come to their end first.", it.id),
            }
        };
        runs.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(HOLDS)
}

fn all(runs: &[Run], paused: bool) -> String {
    let at_work =
        |it: &Run| it.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. })).count();
    let active: usize = runs.iter().map(at_work).sum();
    let alone: Vec<String> = runs.iter().filter(|it| it.is_paused()).map(|it| it.id.to_string()).collect();
    match (paused, active) {
        (true, 0) => "Everything is paused, and nothing is at work. Go on: pilothouse run go-on".to_owned(),
        (true, _) => format!("Everything is paused: {active} at work come to their end first."),
        (false, _) if alone.is_empty() => "Everything goes on.".to_owned(),
        (false, _) => {
            let alone = alone.join(", ");
            format!("Everything goes on but {alone}, paused by itself. That too: pilothouse run go-on")
        }
    }
}

fn list(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "No runs yet. Start one: pilothouse run start ITEM".to_owned();
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|it| {
            vec![
                it.id.to_string(),
                it.item.to_string(),
                it.standing(),
                format!("{}/{}", it.done(), it.tasks.len()),
                it.policy.agent.name.clone(),
                clock(it.started),
                short(&it.why, 90),
            ]
        })
        .collect();
    table(&["RUN", "ITEM", "STATE", "TASKS", "AGENT", "STARTED (UTC)", "WHY"], &rows)
}

fn show(page: &ask::run::RunPage, history: bool) -> String {
    let it = &page.run;
    let mut says = format!(
        "{} {}: {}\n{} of {} tasks done, with {} under {}, from {} on {}\n",
        it.id,
        it.standing(),
        short(&it.why, 300),
        it.done(),
        it.tasks.len(),
        it.policy.agent.name,
        it.policy.source,
        it.base.short(),
        it.branch.short()
    );
    if let Some(paused) = &it.paused {
        says.push_str(&format!(
            "paused by {} at {}: pilothouse run go-on {}\n",
            paused.by,
            clock(paused.at),
            it.id
        ));
    }
    if let Some(pull) = &page.pull {
        says.push_str(&format!("{} {}: {}\n", pull.id, pull.state.word(), short(&pull.why, 200)));
    }
    let past: Vec<_> = page.gates.iter().filter(|it| it.holds == Holds::Overridden).collect();
    if !past.is_empty() {
        says.push_str(&format!("gates overridden: {}\n", past.len()));
    }
    for it in past {
        let because = it.overridden.as_ref().map(|it| format!("by {}: {}", it.by, short(&it.because, 200)));
        let (gate, at) = (it.gate.word(), it.gate.looks_at());
        says.push_str(&format!("  - {gate} {at}, {}\n", because.unwrap_or_default()));
    }
    let open: Vec<&str> =
        page.gates.iter().filter(|it| it.holds == Holds::No).map(|it| it.gate.word()).collect();
    if !open.is_empty() {
        says.push_str(&format!("gates that did not hold when it began: {}\n", open.join(", ")));
    }
    if let Some(outside) = it.outside.as_ref().filter(|it| !it.changes.is_empty()) {
        let (from, to) = (clock(outside.since), clock(outside.until));
        says.push_str(&format!("changed from outside while it was parked, from {from} to {to}:\n"));
        for change in &outside.changes {
            says.push_str(&format!("  - {}\n", short(&change.to_string(), 200)));
        }
    }
    let looks = it.touches.iter().filter(|it| it.kind == TouchKind::Peek).count();
    if looks > 0 {
        says.push_str(&format!("looked at by people {looks} times while its agents worked\n"));
    }
    if it.touches.len() > looks {
        says.push_str(&format!("touched by people {} times\n", it.touches.len() - looks));
    }
    for note in &it.notes {
        let read = page.attempts.iter().filter(|it| it.started >= note.at && it.brief.is_some()).count();
        let read = if read == 0 { "not read yet".to_owned() } else { format!("in {read} briefs") };
        says.push_str(&format!(
            "note of {} at {}, {read}: {}\n",
            note.by,
            clock(note.at),
            short(&note.text, 200)
        ));
    }
    if let Some(audit) = &it.audit {
        let gaps: Vec<&str> = audit.gaps().map(|it| it.requirement.as_str()).collect();
        says.push_str(&match (audit.evidence, gaps.is_empty()) {
            (None, _) => format!("session {} holds each requirement against the evidence\n", audit.session),
            (Some(id), true) => format!("every requirement is shown to be met [{id}]\n"),
            (Some(id), false) => format!("not shown to be met: {} [{id}]\n", gaps.join(", ")),
        });
    }
    let rows: Vec<Vec<String>> = page
        .attempts
        .iter()
        .map(|it| {
            let evidence: Vec<String> = it.evidence.iter().map(ToString::to_string).collect();
            vec![
                it.task.to_string(),
                it.id.to_string(),
                it.nth(),
                it.failure.as_ref().map_or_else(
                    || it.state.word().to_owned(),
                    |failure| format!("failed: {}", failure.word()),
                ),
                it.session.map(|it| it.to_string()).unwrap_or_default(),
                evidence.join(" "),
                span(it.moved.since_ms(it.started)),
                short(&it.why, 80),
            ]
        })
        .collect();
    says.push('\n');
    says.push_str(&table(&["TASK", "ATTEMPT", "TRY", "STATE", "SESSION", "EVIDENCE", "TOOK", "WHY"], &rows));
    for it in &page.fuses {
        let fuses: Vec<String> = it.fuses.iter().map(ToString::to_string).collect();
        says.push_str(&format!("\n{} is ended at: {}", it.attempt, fuses.join(", ")));
    }
    for (name, line) in page.took.lines() {
        says.push_str(&format!("\n{name}: {}", short(&line, 400)));
    }
    for wait in &page.waits {
        says.push_str(&format!("\n{}: {}", wait.task, wait.wait));
        if let Wait::Rest { until } = wait.wait {
            says.push_str(&format!(" until {}; at once: pilothouse run go-on {}", clock(until), it.id));
        }
    }
    let caught = page.history.iter().filter(|it| matches!(it.event, Event::Refused { .. }));
    for record in caught {
        says.push_str(&format!("\n{}", progress::words(record).unwrap_or_default()));
    }
    if history {
        says.push('\n');
        for record in &page.history {
            if let Some(words) = progress::words(record) {
                says.push_str(&format!("\n{:>5}  {}  {}", record.seq, clock(record.at), words));
            }
        }
    }
    says.push_str("\nOutput: pilothouse attach SESSION   Evidence: pilothouse evidence show E   Steps: pilothouse trajectory show SESSION");
    says
}
