//! `pilothouse symphony`: works a tracker's issues by a repository's `WORKFLOW.md`, here in the foreground. Asks no engine.
//! Refuses to run a command of the repository before somebody said yes to it.

use std::io::stdout;
use std::path::{Path, PathBuf};

use pilothouse_client::Places;
use pilothouse_contract::Fault;
use pilothouse_symphony::observability::TextSink;
use pilothouse_symphony::runner::{self, Handle, Loop, Options, StartError};
use pilothouse_symphony::workflow::{self, Trust, Workflow, WorkflowError};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::Out;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    place: Place,
    /// Work what there is, each issue once, and end: 1 if something failed or was left to a person
    #[arg(long)]
    once: bool,
    /// Yes to this file's commands, tracker and folders, as they are now
    #[arg(long)]
    trust: bool,
    /// Yes, and to those that come by later edits of the file too
    #[arg(long)]
    trust_changes: bool,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The workflow file; ./WORKFLOW.md without it
    #[arg(value_name = "WORKFLOW.md")]
    workflow: Option<PathBuf>,
    /// Workspaces lie below this folder, whatever the file says
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say how a workflow file is understood and what is wrong with it; runs nothing
    Check(Place),
    /// Let a parked or blocked issue go on at the loop's next poll
    Lift {
        /// Its key, as ABC-123
        issue: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Place {
    fn here() -> Result<PathBuf, Fault> {
        std::env::current_dir()
            .map_err(|error| Fault::environment(format!("the working folder is gone: {error}")))
    }

    fn file(&self) -> Result<PathBuf, Fault> {
        Ok(workflow::find(self.workflow.as_deref(), &Self::here()?))
    }

    fn root(&self) -> Result<Option<PathBuf>, Fault> {
        let here = Self::here()?;
        Ok(self.root.as_deref().map(|it| workflow::find(Some(it), &here)))
    }
}

/// Where loops keep what they know.
fn state() -> Result<PathBuf, Fault> {
    Ok(Places::find()?.data.join("symphony"))
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    match args.verb {
        Some(Verb::Check(place)) => check(&place.file()?, out),
        Some(Verb::Lift { issue, place }) => lift(&issue, &place, out),
        None => work(args, out).await,
    }
}

fn fault_of(error: &WorkflowError) -> Fault {
    let fault = match error {
        WorkflowError::Missing { .. } => Fault::missing(error.to_string()),
        _ => Fault::refused(error.to_string()),
    };
    let fault = fault.because(error.code());
    fault.command("see how the file is understood", "pilothouse symphony check")
}

fn read(path: &Path) -> Result<std::sync::Arc<Workflow>, Fault> {
    Workflow::load(path, &workflow::process_env).map_err(|error| fault_of(&error))
}

async fn work(args: Args, out: Out) -> End {
    let path = args.place.file()?;
    let read = read(&path)?;
    if !args.trust && !args.trust_changes {
        let commands: Vec<String> =
            read.commands().iter().map(|(name, it)| format!("{name}: {}", it.trim())).collect();
        return Err(Fault::refused(format!(
            "{} would run commands on this machine with your rights, without asking you again",
            path.display()
        ))
        .hint("read them below; --trust says yes to them as they are now")
        .because(commands.join("\n")));
    }
    let broken = |error: std::io::Error| Fault::environment(format!("signals cannot be heard: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let options = Options {
        workflow: path,
        trust: if args.trust_changes { Trust::LaterOnesToo } else { Trust::AsTheyAre },
        root: args.place.root()?,
        state: state()?,
        once: args.once,
        sink: Box::new(TextSink::new(stdout(), out.json)),
        tracker: None,
    };
    let (run, handle) = Loop::start(options).await.map_err(|error| match &error {
        StartError::Workflow(error) => fault_of(error),
        StartError::Folder { .. } => Fault::environment(error.to_string()),
        StartError::Taken(_) => Fault::refused(error.to_string()),
    })?;
    let mut running = tokio::spawn(run.run());
    let mut asked = false;
    loop {
        tokio::select! {
            end = &mut running => {
                let end = end.map_err(|error| Fault::bug(format!("the loop broke: {error}")))?;
                return Ok(if args.once && end.failures > 0 { does_not_hold() } else { HOLDS });
            }
            _ = interrupt.recv() => if leave(&handle, &mut asked, out) { return Ok(does_not_hold()) },
            _ = terminate.recv() => if leave(&handle, &mut asked, out) { return Ok(does_not_hold()) },
        }
    }
}

/// Ends the loop in good order; whoever asks twice does not want to wait. What is left then ends at the next start.
fn leave(handle: &Handle, asked: &mut bool, out: Out) -> bool {
    if *asked {
        return true;
    }
    *asked = true;
    out.aside("ending: agents are stopped and their after_run hooks run; once more ends at once");
    handle.shut_down();
    false
}

fn lift(issue: &str, place: &Place, out: Out) -> End {
    let root = match place.root()? {
        Some(root) => root,
        None => read(&place.file()?)?.settings.workspace_root.clone(),
    };
    let says = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::missing(error.to_string())
            .hint("give the workflow file, or the --root, that the loop was started with"),
        _ => Fault::environment(format!("the request cannot be written: {error}")),
    };
    runner::request_lift(&state()?, &root, issue).map_err(says)?;
    out.value(&json!({ "issue": issue, "requested": true }), |_| {
        format!("{issue} goes on at the loop's next poll")
    });
    Ok(HOLDS)
}

fn check(path: &Path, out: Out) -> End {
    let read = Workflow::load(path, &workflow::process_env);
    let prompt =
        read.as_ref().ok().and_then(|it| workflow::check_prompt(&it.prompt, &workflow::example()).err());
    let wrong = match (&read, &prompt) {
        (Err(error), _) => Some((error.code(), error.to_string())),
        (Ok(_), Some(error)) => Some(("template_error", error.to_string())),
        (Ok(_), None) => None,
    };
    let commands: Vec<Value> = read.as_ref().map_or_else(
        |_| Vec::new(),
        |it| it.commands().iter().map(|(name, it)| json!({ "name": name, "value": it })).collect(),
    );
    let document = json!({
        "ok": wrong.is_none(),
        "path": path,
        "error": wrong.as_ref().map(|(code, says)| json!({ "code": code, "message": says })),
        "settings": read.as_ref().ok().map(|it| json!(it.settings)),
        "commands": commands,
        "warnings": read.as_ref().map(|it| it.settings.warnings.clone()).unwrap_or_default(),
    });
    out.value(&document, |_| shown(path, &read, wrong.as_ref()));
    Ok(if wrong.is_none() { HOLDS } else { does_not_hold() })
}

/// The same for people.
fn shown(
    path: &Path,
    read: &Result<std::sync::Arc<Workflow>, WorkflowError>,
    wrong: Option<&(&'static str, String)>,
) -> String {
    let mut lines = vec![path.display().to_string()];
    if let Ok(workflow) = read {
        let it = &workflow.settings;
        lines.push(format!("  tracker      {}", it.tracker.kind));
        lines.push(format!("  active       {}", it.tracker.active_states.join(", ")));
        lines.push(format!("  terminal     {}", it.tracker.terminal_states.join(", ")));
        lines.push(format!("  polled       every {} ms", it.poll_interval_ms));
        lines.push(format!("  workspaces   {}", it.workspace_root.display()));
        lines.push(format!("  at once      {} agents", it.agent.max_concurrent));
        let budget = it.budget;
        lines.push(format!(
            "  budget       {} failures in a row, {} sessions, {} tokens, {} ms (0 is no limit)",
            budget.failures, budget.sessions, budget.tokens, budget.runtime_ms
        ));
        lines.push("  needs a yes (--trust):".to_owned());
        for (name, command) in workflow.commands() {
            lines.push(format!("    {name}: {}", command.trim().replace('\n', "\n      ")));
        }
        for warning in &it.warnings {
            lines.push(format!("  warning: {warning}"));
        }
    }
    lines.push(match wrong {
        None => "  ok".to_owned(),
        Some((code, says)) => format!("  wrong ({code}): {says}"),
    });
    lines.join("\n")
}
