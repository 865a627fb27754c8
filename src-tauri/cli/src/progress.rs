//! History in words, and following it over deaths of the engine: whoever follows comes back to where it was.

use pilothouse_client::FromFeed;
use pilothouse_contract::audit::Shown;
use pilothouse_contract::event::{Event, Record};
use pilothouse_contract::phase::Checkpoint;
use pilothouse_contract::project::Line;
use pilothouse_contract::room::Halt;
use pilothouse_contract::run::Run;
use pilothouse_contract::{Fault, Fleet, RunId, ask};

use crate::desk::{self, Patience};
use crate::out::{Out, clock, short};

/// Hands every record to `take`, with the fleet as it was after it, until `take` says stop. Without a number, from now.
pub(crate) async fn each_record(
    after: Option<u64>,
    mut take: impl FnMut(&Record, &Fleet) -> bool,
) -> Result<(), Fault> {
    let mut fleet = Fleet::default();
    let mut last = after;
    let mut patience = Patience::default();
    loop {
        match each_until_lost(&mut fleet, &mut last, &mut patience, &mut take).await {
            Err(fault) => patience.after(fault).await?,
            Ok(()) => return Ok(()),
        }
    }
}

async fn each_until_lost(
    fleet: &mut Fleet,
    last: &mut Option<u64>,
    patience: &mut Patience,
    take: &mut impl FnMut(&Record, &Fleet) -> bool,
) -> Result<(), Fault> {
    // The mirror needs a snapshot first; what was asked for from before it comes as history.
    let wanted = *last;
    let mut feed = desk::running().await?.subscribe(if fleet.seq > 0 { wanted } else { None }).await?;
    patience.found();
    loop {
        let records = match feed.next().await? {
            FromFeed::Snapshot(snapshot) => {
                let upto = snapshot.seq;
                *fleet = *snapshot;
                let mut seq = wanted.unwrap_or(upto);
                while seq < upto {
                    let missed = desk::running().await?.call(ask::event::Since { seq, most: 1000 }).await?;
                    let Some(newest) = missed.last().map(|it| it.seq) else { break };
                    for record in missed.iter().filter(|it| it.seq <= upto) {
                        *last = Some(record.seq);
                        if !take(record, fleet) {
                            return Ok(());
                        }
                    }
                    seq = newest;
                }
                *last = Some(upto);
                continue;
            }
            FromFeed::Records(records) => records,
        };
        for record in records {
            fleet.apply(&record);
            *last = Some(record.seq);
            if !take(&record, fleet) {
                return Ok(());
            }
        }
    }
}

/// Shows a run's progress until it is over. Returns the run.
pub(crate) async fn follow(run: RunId, out: Out) -> Result<Run, Fault> {
    follow_and(run, out, |_| {}).await
}

/// The same, with an ear for every record that concerns the run.
pub(crate) async fn follow_and(run: RunId, out: Out, mut heard: impl FnMut(&Record)) -> Result<Run, Fault> {
    let page = desk::call(ask::run::Show { run }).await?;
    if !page.run.state.is_live() {
        return Ok(page.run);
    }
    let begun = page.run.started;
    let mut told = std::collections::BTreeSet::new();
    each_record(Some(page.history.first().map_or(0, |it| it.seq.saturating_sub(1))), |record, fleet| {
        if concerns(record, fleet, run) {
            heard(record);
        }
        if let Some(words) = words(record).filter(|_| concerns(record, fleet, run) && is_news(&record.event))
            && told.insert(record.seq)
        {
            let s = record.at.since_ms(begun) / 1000;
            out.text(&format!("{:>3}:{:02}  {words}", s / 60, s % 60));
        }
        fleet.runs.get(&run).is_none_or(|it| it.state.is_live())
    })
    .await?;
    Ok(desk::call(ask::run::Show { run }).await?.run)
}

/// Comes back once everything is paused and nothing is at work any more; or once it goes on.
pub(crate) async fn until_drained() -> Result<(), Fault> {
    let status = desk::call(ask::engine::Status {}).await?;
    let waits = |halt: &Option<Halt>| halt.as_ref().is_some_and(|it| it.drained.is_none());
    if waits(&status.halt) {
        each_record(Some(status.seq), |_, fleet| waits(&fleet.halt)).await?;
    }
    Ok(())
}

/// Whether a record is news for somebody who watches: steps on the way that nothing came of are left to the history.
fn is_news(event: &Event) -> bool {
    use pilothouse_contract::attempt::AttemptState as At;
    use pilothouse_contract::evidence::Gate;
    match event {
        Event::AttemptMoved { to, .. } => matches!(to, At::Working | At::ClaimedDone | At::Verifying),
        Event::EvidenceGathered { evidence } => {
            !evidence.passed() || matches!(evidence.gate, Gate::Verify | Gate::Landing)
        }
        Event::HeadMoved { .. } | Event::PullChecked { .. } => false,
        _ => true,
    }
}

/// Whether a record is about a run or its project's line.
fn concerns(record: &Record, fleet: &Fleet, run: RunId) -> bool {
    let attempt = |id| fleet.attempts.get(id).is_some_and(|it| it.run == run);
    let pull = |id| fleet.pulls.get(id).is_some_and(|it| it.run == run);
    let project =
        |id: &pilothouse_contract::ProjectId| fleet.runs.get(&run).is_some_and(|it| it.project == *id);
    match &record.event {
        Event::RunStarted { run: it } => it.id == run,
        Event::RunResumed { run: it, .. }
        | Event::RunMoved { run: it, .. }
        | Event::HeadMoved { run: it, .. }
        | Event::RunTouched { run: it, .. }
        | Event::OutsideSeen { run: it, .. }
        | Event::RunNoted { run: it, .. }
        | Event::PhaseMoved { run: it, .. }
        | Event::AuditAsked { run: it, .. }
        | Event::Judged { run: it, .. }
        | Event::Audited { run: it, .. }
        | Event::RunBegun { run: it, .. }
        | Event::RunWindow { run: it, .. }
        | Event::RunRanked { run: it, .. }
        | Event::RunPaused { run: it, .. }
        | Event::TaskMoved { run: it, .. }
        | Event::TaskRestarted { run: it, .. }
        | Event::TaskRests { run: it, .. }
        | Event::TaskRested { run: it, .. }
        | Event::TaskGoesOn { run: it, .. } => *it == run,
        Event::AttemptStarted { attempt: it } => it.run == run,
        Event::AttemptMoved { attempt: it, .. }
        | Event::AttemptWaits { attempt: it, .. }
        | Event::AttemptHandsOver { attempt: it, .. }
        | Event::AttemptFailed { attempt: it, .. } => attempt(it),
        Event::EvidenceGathered { evidence } => evidence.subject.run == run,
        Event::QuestionAsked { question: it } => it.run == Some(run),
        Event::QuestionAnswered { question: it, .. } | Event::QuestionWithdrawn { question: it, .. } => {
            fleet.questions.get(it).is_some_and(|it| it.run == Some(run))
        }
        Event::PullOpened { pull: it } => it.run == run,
        Event::PullRenewed { pull: it, .. }
        | Event::PullMerged { pull: it, .. }
        | Event::PullChecked { pull: it, .. }
        | Event::PullApproved { pull: it, .. }
        | Event::Review { pull: it, .. }
        | Event::After { pull: it, .. }
        | Event::PullMoved { pull: it, .. } => pull(it),
        Event::MainMoved { project: it, .. }
        | Event::LineChanged { project: it, .. }
        | Event::RefTouched { project: it, .. } => project(it),
        Event::Refused { run: it, .. } => *it == Some(run),
        _ => false,
    }
}

/// A record in words for people; nothing for those that only matter to the machine.
pub(crate) fn words(record: &Record) -> Option<String> {
    let evidence = |ids: &[pilothouse_contract::EvidenceId]| {
        if ids.is_empty() {
            return String::new();
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        format!(" [{}]", ids.join(" "))
    };
    let says = |text: &str| short(text, 160);
    Some(match &record.event {
        Event::ProjectAdded { project } => format!("{} added: {}", project.name, project.path),
        Event::ProjectRemoved { project } => format!("{project} taken off the list"),
        Event::ProjectTrusted { project, found } => {
            format!("{project} trusted by {} ({} things can run commands)", record.who, found.len())
        }
        Event::WorkflowSeen { seen, .. } => match (seen.says(), &seen.good) {
            (Some(wrong), _) => format!("WORKFLOW.md: {}", says(&wrong)),
            (None, Some(good)) => format!("WORKFLOW.md at {} is in force", good.commit.short()),
            (None, None) => "WORKFLOW.md is gone, and nothing of it is in force".to_owned(),
        },
        Event::MainMoved { from, to, how, .. } => {
            use pilothouse_contract::project::Move;
            let how = match how {
                Move::Landing { pull } => format!("{pull} landed"),
                Move::Followed { named } => format!("followed: moved by {}", says(named)),
                Move::Adopted => format!("adopted by {}", record.who),
            };
            format!("default branch {} → {}: {how}", from.short(), to.short())
        }
        // Its state says it, with why.
        Event::PullQueued { .. } => return None,
        Event::Publish { pull, what } => format!("{pull} {}", says(&what.says())),
        Event::PullCheckGivenUp { pull, session } => {
            format!("{pull}: its check {session} is ended, for nobody needs it any more")
        }
        Event::LineHeld { held: None, .. } => format!("line let go by {}", record.who),
        Event::LineHeld { held: Some(held), .. } => {
            format!("LINE HELD by {}: {}", held.by, says(&held.why))
        }
        Event::LineChanged { line: Line::Open, why, .. } => format!("line open: {}", says(why)),
        Event::LineChanged { line: Line::Stopped { .. }, why, .. } => format!("LINE STOPPED: {}", says(why)),
        Event::ItemRead { item } => {
            format!("{} {} {}: {}", item.id, item.slug, item.state.word(), says(&item.why))
        }
        Event::ItemMoved { item, to, why, evidence: ids } => {
            format!("{item} {}: {}{}", to.word(), says(why), evidence(ids))
        }
        Event::RunStarted { run } => {
            format!("{} started by {} on {} with {}", run.id, run.by, run.base.short(), run.policy.agent.name)
        }
        Event::RunResumed { run, approved, policy, outside, .. } => {
            let outside = outside.iter().map(|it| format!("; {}", says(&it.to_string())));
            let outside: String = outside.collect();
            format!("{run} goes on by {} with {}{outside}", approved.short(), policy.agent.name)
        }
        Event::RunMoved { run, to, why, .. } => format!("{run} {}: {}", to.word(), says(why)),
        Event::HeadMoved { run, to, why, .. } => format!("{run} head {}: {}", to.short(), says(why)),
        Event::AuditAsked { run, audit } => {
            format!("{run}: session {} holds each requirement against the evidence", audit.session)
        }
        Event::Judged { run, judged } => match &judged.verdict {
            Shown::Met { evidence } => {
                let ids: Vec<String> = evidence.iter().map(ToString::to_string).collect();
                format!("{run}: {} is met, by {}", says(&judged.requirement), ids.join(", "))
            }
            Shown::Missing { why } => {
                format!("{run}: {} IS MISSING: {}", says(&judged.requirement), says(why))
            }
            Shown::Unsaid => format!("{run}: nothing said of {}", says(&judged.requirement)),
        },
        Event::Audited { run, audit } => match audit.gaps().count() {
            0 => {
                format!("{run}: every requirement is shown to be met{}", evidence(audit.evidence.as_slice()))
            }
            n => {
                format!("{run}: {n} requirements NOT SHOWN to be met{}", evidence(audit.evidence.as_slice()))
            }
        },
        Event::PhaseMoved { run, phase, to, why } => {
            let n = phase + 1;
            match to {
                Checkpoint::Checking { session } => {
                    format!("{run}: the checkpoint of phase {n} is run in session {session}")
                }
                Checkpoint::Passed { evidence, .. } => {
                    format!("{run}: the checkpoint of phase {n} holds [{evidence}]")
                }
                Checkpoint::Failed { evidence } => {
                    format!("{run}: the checkpoint of phase {n} DOES NOT HOLD: {} [{evidence}]", says(why))
                }
                Checkpoint::Open | Checkpoint::Before => {
                    format!("{run}: the checkpoint of phase {n}: {}", says(why))
                }
            }
        }
        Event::RunBegun { run, base } => format!("{run} begins from {}", base.short()),
        Event::RunWindow { run, window: Some(window) } if window.is_open => {
            format!("{run}: its window from {} is open", window.says)
        }
        Event::RunWindow { run, window: Some(window) } => {
            format!("{run}: its window opens at {}", window.says)
        }
        Event::RunWindow { run, window: None } => format!("{run} does not wait for its window any more"),
        Event::RunRanked { run, .. } => format!("{run} put before every other queued run by {}", record.who),
        Event::RunPaused { run, paused: true } => format!("{run} paused by {}", record.who),
        Event::RunPaused { run, paused: false } => format!("{run} goes on, by {}", record.who),
        Event::OutsideSeen { run, changes } => {
            let changes: Vec<String> = changes.iter().map(|it| says(&it.to_string())).collect();
            format!("{run} changed from outside: {}", changes.join("; "))
        }
        Event::RunNoted { run, note } => format!("{run}: a note of {}: {}", note.by, short(&note.text, 200)),
        Event::RunTouched { run, touch } => format!("{run} touched by {}: {:?}", touch.by, touch.kind),
        Event::TaskMoved { task, to, why, evidence: ids, .. } => {
            format!("{task} {}: {}{}", to.word(), says(why), evidence(ids))
        }
        Event::TaskRestarted { task, .. } => format!("{task} gets new tries"),
        Event::TaskRests { task, until, .. } => format!("{task} rests until {}", clock(*until)),
        Event::TaskRested { task, .. } => format!("{task} has rested"),
        Event::TaskGoesOn { task, attempt, .. } => {
            format!("{task}: the next try goes on where {attempt} stood")
        }
        Event::AttemptStarted { attempt } => {
            format!("{} {} started, try {}", attempt.task, attempt.id, attempt.nth())
        }
        Event::AttemptWaits { attempt, wait: Some(wait) } => format!("{attempt} {wait}"),
        Event::AttemptWaits { attempt, wait: None } => format!("{attempt} goes on"),
        Event::AttemptMoved { attempt, to, why, evidence: ids } => {
            format!("{attempt} {}: {}{}", to.word(), says(why), evidence(ids))
        }
        Event::AttemptHandsOver { attempt, fill } => {
            format!("{attempt} hands over: its context is full of {fill} tokens")
        }
        Event::AttemptFailed { attempt, failure, why, evidence: ids } => {
            format!("{attempt} FAILED ({}): {}{}", failure.word(), says(why), evidence(ids))
        }
        Event::SessionAsked { session } => {
            format!("session {} asked for: {}", session.id, says(&session.title))
        }
        Event::SessionRuns { session, running } => format!("session {session} runs: process {}", running.pid),
        Event::SessionRenamed { session, title } => format!("session {session} is called {}", says(title)),
        Event::HolderReplaced { session, holder, uncertain_bytes } => {
            let typed = match uncertain_bytes {
                Some(0) => String::new(),
                Some(bytes) => format!("; {bytes} typed bytes may or may not have arrived"),
                None => "; what was typed just before may or may not have arrived".to_owned(),
            };
            format!("session {session}: its holder died, process {holder} took over{typed}")
        }
        Event::HolderUpgraded { session, holder } => {
            format!("session {session}: process {holder} holds it as the program that is installed now")
        }
        Event::SessionEnded { session, end } => {
            format!("session {session} ended: {:?}, {} bytes", end.how, end.output_bytes)
        }
        Event::QuestionAsked { question } => {
            format!("session {} ASKS {}: {}", question.session, question.id, says(&question.asks))
        }
        Event::QuestionAnswered { question, answer } => {
            format!("{question} answered by {}: {}", answer.by, says(&answer.text))
        }
        Event::QuestionWithdrawn { question, why } => format!("{question} withdrawn: {}", says(why)),
        Event::WorktreeMade { worktree } => format!("{worktree} made"),
        Event::WorktreeGone { worktree, why } => format!("{worktree} gone: {}", says(why)),
        Event::WorktreeRemoved { worktree, .. } => format!("{worktree} removed; undo brings it back"),
        Event::WorktreeRestored { worktree, .. } => format!("{worktree} brought back"),
        Event::EvidenceGathered { evidence } => {
            let verdict = if evidence.passed() { "holds" } else { "does not hold" };
            format!(
                "{} {:?} {verdict}: `{}`: {}",
                evidence.id,
                evidence.gate,
                says(&evidence.command),
                says(&evidence.why)
            )
        }
        Event::PullOpened { pull } => {
            format!("{} opened: {} (+{} -{})", pull.id, says(&pull.title), pull.size.added, pull.size.removed)
        }
        Event::PullRenewed { pull, head, size, .. } => {
            format!("{pull} proposes {} now (+{} -{})", head.short(), size.added, size.removed)
        }
        Event::PullChecked { pull, command, passed, .. } => {
            format!("{pull} check {}: `{}`", if *passed { "passed" } else { "FAILED" }, says(command))
        }
        Event::PullApproved { pull, approval } => format!("{pull} approved by {}", approval.by),
        Event::PullMoved { pull, to, why, evidence: ids } => {
            format!("{pull} {}: {}{}", to.word(), says(why), evidence(ids))
        }
        Event::Refused { session, asked, why, .. } => {
            let who = session.map_or_else(|| record.who.to_string(), |it| format!("session {it}"));
            format!("REFUSED {asked} to {who}: {}", says(why))
        }
        Event::RefTouched { reference, prevented, named, .. } => {
            let how = if *prevented { "FENCE HELD: a move of" } else { "MOVED OUTSIDE:" };
            format!("{how} {reference} by {}", says(named))
        }
        Event::AllPaused { paused: true } => {
            "everything is paused: what is at work comes to its end".to_owned()
        }
        Event::AllPaused { paused: false } => "everything goes on".to_owned(),
        Event::Drained => "everything is paused, and nothing is at work any more".to_owned(),
        Event::SlotsSet { slots } => format!("slots over all projects: {slots}"),
        Event::KeepAwake { on: true } => "the machine is kept awake while runs are carried".to_owned(),
        Event::KeepAwake { on: false } => "the machine may sleep while runs are carried".to_owned(),
        Event::EngineStarted { restarts: 0 } => "the engine started".to_owned(),
        Event::EngineStarted { restarts } => {
            format!("the engine started again after it ended unasked ({restarts} times so far)")
        }
        Event::MachineSlept { ms } => format!("the machine slept for {}", crate::out::span(*ms)),
        Event::Card { item, what } => format!("{item}: {}", says(&what.says()?)),
        Event::After { pull, what } => format!("{pull}: {}", says(&what.says())),
        Event::AutoLand { class, on, seen, .. } => {
            let word = if *on { "land by themselves" } else { "wait for a yes" };
            format!("changes of {} risk {word}, by {}; {}", class.word(), record.who, says(seen))
        }
        Event::Review { pull, what } => format!("{pull}: {}", says(&what.says()?)),
        Event::ForgeSaid { pull, says: text, .. } => format!("{}: {}", says(pull), says(text)),
        Event::Notice { says: text, .. } => format!("notice: {}", says(text)),
        Event::Integrating { .. }
        | Event::BriefWritten { .. }
        | Event::CandidateRead { .. }
        | Event::WorktreeAsked { .. }
        | Event::WorktreePassed { .. }
        | Event::WorktreeSeen { .. }
        | Event::PullMerged { .. } => return None,
    })
}
