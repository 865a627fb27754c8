//! `pilothouse`: the command line. Everything the window does, this does too, with `--json`; both are clients of the
//! same engine. Exit codes: 0 it holds, 1 it does not hold, 2 it could not be run.

mod desk;
mod engine;
mod out;
mod progress;
mod screen;
mod sift;
mod verbs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Terminals come and go by thousands of small pieces, and an engine lives for weeks: this allocator gives pages back that glibc's keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The control room for fleets of coding agents, from the command line.
#[derive(Debug, Parser)]
#[command(name = "pilothouse", version, propagate_version = true)]
struct Args {
    /// One JSON document on standard output instead of text (event follow: one a line)
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The engine itself: without a word more, runs it here in the foreground
    Engine(engine::Args),
    /// Repositories: add, list, trust, remove
    #[command(subcommand)]
    Project(verbs::project::Verb),
    /// Pieces of work, from spec folders
    #[command(subcommand)]
    Item(verbs::item::Verb),
    /// The engine carrying an item
    Run(verbs::run::Args),
    /// The tasks of an item
    #[command(subcommand)]
    Task(verbs::task::Verb),
    /// Held programs
    #[command(subcommand)]
    Session(verbs::session::Verb),
    /// What agents ask, and your answers
    #[command(subcommand)]
    Question(verbs::question::Verb),
    /// Worktrees that Pilothouse made
    #[command(subcommand)]
    Worktree(verbs::worktree::Verb),
    /// Pull requests: those on the local forge, and those that forges tell of
    #[command(subcommand)]
    Pr(verbs::pr::Verb),
    /// Changes that landed: what you are to look at, what you think of it, what escaped
    #[command(subcommand)]
    Sample(verbs::sample::Verb),
    /// The line of a project: stop it, so that nothing lands, and open it again
    #[command(subcommand)]
    Line(verbs::line::Verb),
    /// Forges - GitHub - that you are logged in to, and whether they answer
    #[command(subcommand)]
    Forge(verbs::forge::Verb),
    /// What happened since you left: what landed and how it was verified, what stands still, what needs you
    Brief(verbs::brief::Args),
    /// What a run took, what came of it, how it was verified and who touched it; as Markdown, or as a picture
    Receipt(verbs::receipt::Args),
    /// Records that a command ran on a tree
    #[command(subcommand)]
    Evidence(verbs::evidence::Verb),
    /// What agents said and did
    #[command(subcommand)]
    Trajectory(verbs::trajectory::Verb),
    /// Tokens and money: by session, task, item, agent, model or day
    Usage(verbs::usage::Args),
    /// History
    #[command(subcommand)]
    Event(verbs::event::Verb),
    /// Watch a session's terminal; with --keyboard, type into it
    Attach(verbs::attach::Args),
    /// Run any command as a held session and attach to it
    Hold(verbs::attach::HoldArgs),
    /// Run a command and show what of its output is worth reading: one line if it went well, else what failed; the whole is kept
    Quiet(verbs::quiet::Args),
    /// Items in a repository's own layout: spec-kit, OpenSpec, Kiro and others; new ones, their refinement and their gates
    #[command(subcommand)]
    Spec(verbs::spec::Verb),
    /// Skills for agents, a stage each: put them into a repository, and hold them against their form
    #[command(subcommand)]
    Skills(verbs::skills::Verb),
    /// What agents read before they work, and what is wrong with it
    #[command(subcommand)]
    Harness(verbs::harness::Verb),
    /// Hold a spec, a plan or what else a stage leaves against what files can tell of
    #[command(subcommand)]
    Check(verbs::check::Verb),
    /// Which tasks of a plan may run at once, and why the others wait
    #[command(subcommand)]
    Plan(verbs::plan::Verb),
    /// Let scripted agents carry a small spec to a landed change
    Rehearse(verbs::rehearse::Args),
    /// Work a tracker's issues by a repository's WORKFLOW.md, here in the foreground, until Ctrl-C
    Symphony(verbs::symphony::Args),
    /// Say what is missing on this machine and how to mend it
    Doctor(verbs::doctor::Args),
    /// For agents' hooks
    #[command(subcommand, hide = true)]
    Hook(verbs::hook::Verb),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let out = out::Out { json: args.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return out.fault(&pilothouse_contract::Fault::environment(format!(
                "no threads could be started: {error}"
            )));
        }
    };
    let end = runtime.block_on(run(args.verb, out));
    // A read of standard input that nobody ended must not keep the program.
    runtime.shutdown_background();
    match end {
        Ok(code) => code,
        Err(fault) => out.fault(&fault),
    }
}

/// Everything that can be typed, for whoever holds a text against it.
pub(crate) fn grammar() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

async fn run(verb: Verb, out: out::Out) -> desk::End {
    match verb {
        Verb::Engine(args) => engine::run(args, out).await,
        Verb::Project(verb) => verbs::project::run(verb, out).await,
        Verb::Item(verb) => verbs::item::run(verb, out).await,
        Verb::Run(args) => verbs::run::run(args, out).await,
        Verb::Task(verb) => verbs::task::run(verb, out).await,
        Verb::Session(verb) => verbs::session::run(verb, out).await,
        Verb::Question(verb) => verbs::question::run(verb, out).await,
        Verb::Worktree(verb) => verbs::worktree::run(verb, out).await,
        Verb::Pr(verb) => verbs::pr::run(verb, out).await,
        Verb::Sample(verb) => verbs::sample::run(verb, out).await,
        Verb::Line(verb) => verbs::line::run(verb, out).await,
        Verb::Forge(verb) => verbs::forge::run(verb, out).await,
        Verb::Brief(args) => verbs::brief::run(&args, out).await,
        Verb::Receipt(args) => verbs::receipt::run(&args, out).await,
        Verb::Evidence(verb) => verbs::evidence::run(verb, out).await,
        Verb::Trajectory(verb) => verbs::trajectory::run(verb, out).await,
        Verb::Usage(args) => verbs::usage::run(&args, out).await,
        Verb::Event(verb) => verbs::event::run(verb, out).await,
        Verb::Attach(args) => verbs::attach::run(args, out).await,
        Verb::Hold(args) => verbs::attach::hold(args, out).await,
        Verb::Quiet(args) => verbs::quiet::run(args, out).await,
        Verb::Spec(verb) => verbs::spec::run(verb, out).await,
        Verb::Skills(verb) => verbs::skills::run(verb, out),
        Verb::Harness(verb) => verbs::harness::run(verb, out),
        Verb::Check(verb) => verbs::check::run(verb, out).await,
        Verb::Plan(verb) => verbs::plan::run(verb, out),
        Verb::Rehearse(args) => verbs::rehearse::run(args, out).await,
        Verb::Symphony(args) => verbs::symphony::run(args, out).await,
        Verb::Doctor(args) => verbs::doctor::run(args, out).await,
        Verb::Hook(verb) => verbs::hook::run(verb, out).await,
    }
}
