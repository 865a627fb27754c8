//! `pilothouse rehearse`: scripted agents carry a small spec to a landed change. No account, no network, only sh and git.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pilothouse_contract::attempt::{Attempt, Failure};
use pilothouse_contract::event::Event;
use pilothouse_contract::project::Line;
use pilothouse_contract::question::Question;
use pilothouse_contract::run::{Approval, RunState, TaskState};
use pilothouse_contract::{Fault, FaultCode, ask};
use serde::Serialize;
use tokio::sync::mpsc;

use super::run::Yes;
use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, short};
use crate::progress;

/// Who answers the questions of a headless rehearsal.
const RULE: &str = "rehearse --headless takes the first choice";
/// How often an answer is said again to an engine that died over it.
const TRIES: u32 = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show it here until it is over; without it, it is started and the window shows it
    #[arg(long)]
    headless: bool,
    /// Start it and open no window
    #[arg(long, conflicts_with = "headless")]
    no_window: bool,
    /// How many times faster than comfortable to watch, 1 to 100
    #[arg(long, default_value_t = 1)]
    speed: u32,
    /// Who misbehaves, and how: voyage (one is careless, is caught and mends it), liar, failer, staller, looper, spender, filler, crasher, dirty,
    /// strayer, ticker, self-approver, main-mover
    #[arg(long, default_value = "voyage")]
    script: String,
    /// Who says yes to the landing; the policy with --headless, else a person, in the window
    #[arg(long)]
    approve: Option<Yes>,
}

/// What a rehearsal came to.
#[derive(Debug, Serialize)]
struct Summary {
    landed: u32,
    tasks_done: usize,
    tasks_total: usize,
    attempts: usize,
    failed_verifies: usize,
    main: String,
    seconds: f64,
    script: String,
    state: String,
    why: String,
    refused: usize,
    refs_touched: usize,
    line: String,
    project: String,
    item: String,
    run: String,
    pull: Option<String>,
    path: String,
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    let begun = Instant::now();
    let otherwise = if args.headless { Yes::Policy } else { Yes::Person };
    let approve = Approval::from(args.approve.unwrap_or(otherwise));
    let started =
        desk::call(ask::rehearsal::Start { script: args.script.clone(), speed: args.speed, approve }).await?;
    if !args.headless {
        out.value(&started, |it| {
            format!(
                "{} carries {} in {}.\nOne agent will ask you something: pilothouse question list\nWatch: pilothouse event follow   Where it stands: pilothouse run show {}",
                it.run, it.item, it.path, it.run
            )
        });
        if !args.no_window {
            match open_window() {
                Ok(()) => out.text("The window shows it."),
                Err(why) => out.text(&format!("{why}.")),
            }
        }
        return Ok(HOLDS);
    }
    out.text(&format!("A rehearsal ({}) in {}", args.script, started.path));
    if approve == Approval::Person {
        out.text("It will wait for your yes: pilothouse pr list, then pilothouse pr approve PR, in another terminal.");
    }
    let (asked, questions) = mpsc::unbounded_channel();
    tokio::spawn(answer_by_first_choice(questions));
    let run = progress::follow_and(started.run, out, |record| {
        if let Event::QuestionAsked { question } = &record.event {
            // Whoever answers is there as long as this is.
            let _gone = asked.send(question.clone());
        }
    })
    .await?;
    let summary = summarise(&args.script, &started, begun).await?;
    out.value(&summary, |it| {
        let mut says = format!(
            "\n{} in {:.1} s: {} of {} tasks done in {} attempts, {} proofs failed and were caught.\n",
            it.state, it.seconds, it.tasks_done, it.tasks_total, it.attempts, it.failed_verifies
        );
        if run.state != RunState::Landed {
            says.push_str(&format!("Why: {}\n", short(&it.why, 300)));
        }
        if it.line != "open" {
            says.push_str(&format!(
                "The line is stopped: say yes with pilothouse project adopt {}, or take it back with pilothouse project take-back {}\n",
                it.project, it.project
            ));
        }
        says.push_str(&format!(
            "Look closer: pilothouse run show {}   pilothouse trajectory list   git -C {} log --oneline --graph",
            it.run, it.path
        ));
        if let Some(pull) = &it.pull {
            says.push_str(&format!("   pilothouse pr show {pull}"));
        }
        says
    });
    Ok(if run.state == RunState::Landed { HOLDS } else { does_not_hold() })
}

/// Nobody sits at a headless rehearsal: its agents' questions are answered by a rule that is named as who answers.
async fn answer_by_first_choice(mut questions: mpsc::UnboundedReceiver<Question>) {
    while let Some(question) = questions.recv().await {
        let text = question.choices.first().cloned().unwrap_or_else(|| "as you think best".to_owned());
        let answer = ask::question::Answer { question: question.id, text, policy: Some(RULE.to_owned()) };
        for lost in 1..=TRIES {
            match desk::call(answer.clone()).await {
                // The engine died over it: what it did not store is said again.
                Err(fault) if !matches!(fault.code, FaultCode::Refused | FaultCode::Missing) => {
                    tokio::time::sleep(Duration::from_millis(u64::from(lost) * 50)).await;
                }
                // A refusal says that somebody was quicker.
                _ => break,
            }
        }
    }
}

/// Opens the window, which outlives this program. Or says why not, and how to go on.
fn open_window() -> Result<(), String> {
    let display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|it| std::env::var_os(it).is_some_and(|it| !it.is_empty()));
    if !display && cfg!(not(target_os = "macos")) {
        return Err(
            "There is no display for the window, so go on here: pilothouse pr list, then pilothouse pr \
                    approve PR; or see it all with pilothouse rehearse --headless"
                .to_owned(),
        );
    }
    let window = desk::program().map_err(|fault| fault.message)?.with_file_name("pilothouse-desktop");
    let opened = Command::new(&window)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What ends this terminal's programs does not end it.
        .process_group(0)
        .spawn();
    opened.map(drop).map_err(|error| {
        format!(
            "The window {} could not be opened ({error}), so build it with cargo xtask run, or go on here: pilothouse \
             pr list, then pilothouse pr approve PR",
            window.display()
        )
    })
}

async fn summarise(
    script: &str,
    started: &ask::rehearsal::Rehearsal,
    begun: Instant,
) -> Result<Summary, Fault> {
    let page = desk::call(ask::run::Show { run: started.run }).await?;
    let projects = desk::call(ask::project::List {}).await?;
    let project = projects.into_iter().find(|it| it.id == started.project);
    let project =
        project.ok_or_else(|| Fault::missing("the rehearsal's project is not on the list any more"))?;
    let done = page.run.tasks.iter().filter(|it| matches!(it.state, TaskState::Done { .. })).count();
    // A check that fails is run again, so it is the attempts that are counted.
    let failed = |it: &&Attempt| it.failure == Some(Failure::VerifyFailed);
    let all = desk::call(ask::event::Since { seq: 0, most: 10_000 }).await?;
    let touched = all
        .iter()
        .filter(|it| matches!(&it.event, Event::RefTouched { project, .. } if *project == started.project));
    Ok(Summary {
        landed: u32::from(page.run.state == RunState::Landed),
        tasks_done: done,
        tasks_total: page.run.tasks.len(),
        attempts: page.attempts.len(),
        failed_verifies: page.attempts.iter().filter(failed).count(),
        main: project.main.0.clone(),
        seconds: begun.elapsed().as_secs_f64(),
        script: script.to_owned(),
        state: page.run.state.word().to_owned(),
        why: page.run.why.clone(),
        refused: page.history.iter().filter(|it| matches!(it.event, Event::Refused { .. })).count(),
        refs_touched: touched.count(),
        line: if project.line == Line::Open { "open".to_owned() } else { "stopped".to_owned() },
        project: project.name,
        item: started.item.to_string(),
        run: started.run.to_string(),
        pull: page.pull.map(|it| it.id.to_string()),
        path: started.path.clone(),
    })
}
