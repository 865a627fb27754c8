//! Chaos: ten sessions - programs that count at full speed, and programs that draw: an editor, a pager, a real agent
//! program - while window, engine, holders, viewers and the engine's watcher are killed with `kill -9`, one at a time and in
//! an order that a seed gives; stopped for moments and for seconds; upgraded; and while terminals change their size. The
//! next comes only once every session is in two hands again. Afterwards everything is held against what was written.

mod cast;
mod reckon;
mod scenes;
mod strike;

use std::time::Duration;

use pilothouse_contract::SessionId;
use serde_json::{Value, json};

use self::cast::Cast;
use crate::home::Home;
use crate::process::ended;

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// So often something of ours is killed.
    pub kills: u64,
    /// Gives the order.
    pub seed: u64,
    /// So many lines each program that counts writes, as fast as it can, around every strike.
    pub lines: u64,
}

/// A strike comes at most so long after the writing began, in microseconds: once the programs were told, and while they
/// write so many lines.
const TOLD_US: u64 = 2_000;
const LINE_NS: u64 = 250;
/// Once in so many rounds a terminal gets another size.
const SIZES: u32 = 4;

/// What it came to. The losses are 0 if every promise was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Processes of ours that were killed.
    pub kills: u64,
    /// Of those, windows.
    pub windows: u64,
    /// Processes of ours that were stopped for a while.
    pub stops: u64,
    /// How often engine and holders were upgraded.
    pub upgrades: u64,
    /// How often a terminal got another size.
    pub sizes: u64,
    /// Sessions that were looked at in the end, and in the window.
    pub screens: u64,
    /// Programs that drew; among them an editor, a pager and an agent where the machine has them.
    pub drew: Vec<&'static str>,
    /// Lines that the counting programs say they wrote.
    pub lines_written: u64,
    /// Lines of those that are not in the log.
    pub lines_lost: u64,
    /// Lines that are in the log again.
    pub lines_doubled: u64,
    /// Programs that did not live to their own end, or were not there any more when they were called.
    pub agents_lost: u64,
    /// Sessions of which somebody sees something else than a fresh replay of the log shows.
    pub screens_wrong: u64,
    /// The order of the strikes.
    pub seed: u64,
    /// What happened, in order, for whoever looks for the cause of a loss.
    pub order: Vec<String>,
    /// What was lost or wrong, in words.
    pub faults: Vec<String>,
}

impl Outcome {
    /// Whether nothing was lost.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lines_written > 0
            && self.lines_lost + self.lines_doubled + self.agents_lost + self.screens_wrong == 0
    }

    /// As a document.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "kills": self.kills,
            "lines_written": self.lines_written,
            "lines_lost": self.lines_lost,
            "lines_doubled": self.lines_doubled,
            "agents_lost": self.agents_lost,
            "screens_wrong": self.screens_wrong,
            "seed": self.seed,
        })
    }
}

/// Runs it.
///
/// # Panics
/// If something does not come that has to, such as both hands on every session.
#[must_use]
pub fn run(plan: Plan) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let mut outcome = Outcome { seed: plan.seed, ..Outcome::default() };
    // Declared before the home: the agent's model outlives the engine.
    let agent = cast::Agent::new();
    let home = agent.home().with_own_programs();
    let mut cast = Cast::assemble(&home, &agent, plan.lines, &mut rng);
    outcome.drew = cast.drawers.iter().map(|it| it.name).collect();
    while outcome.kills < plan.kills {
        let holders = steady(&home, &outcome);
        // A key for each program that draws, and what it draws for it.
        for drawer in &mut cast.drawers {
            drawer.press(&home, &mut rng, &outcome.order);
        }
        for counter in &mut cast.counters {
            counter.go_on();
        }
        let sized = (rng.u32(0..SIZES) == 0).then(|| cast.resize(&home, &mut rng));
        if let Some((_, named)) = &sized {
            outcome.sizes += 1;
            outcome.order.push(named.clone());
        }
        // A seeded moment of what is going on now, and no wait for anything.
        std::thread::sleep(Duration::from_micros(rng.u64(0..TOLD_US + plan.lines * LINE_NS / 1000)));
        strike::strike(&home, &mut rng, &holders, &mut cast, &mut outcome);
    }
    steady(&home, &outcome);
    reckon::reckon(&home, cast, &mut outcome);
    outcome
}

/// Waits until every session is in two hands; the holders.
fn steady(home: &Home, outcome: &Outcome) -> Vec<u32> {
    let said = ended(&mut home.command(&["--json", "session", "steady"]));
    let lines: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    let lines = lines
        .as_array()
        .unwrap_or_else(|| panic!("the sessions are not in two hands: {said:?}, after {:?}", outcome.order));
    let holders = lines.iter().filter_map(|it| it.pointer("/session/running/holder")?.as_u64());
    holders.filter_map(|it| u32::try_from(it).ok()).collect()
}

/// The process of a session's program.
fn pid_of(home: &Home, session: SessionId) -> u32 {
    let lines = home.json(&["session", "list"]);
    let mine =
        lines.as_array().into_iter().flatten().find(|it| {
            it.pointer("/session/id").and_then(Value::as_str) == Some(session.to_string().as_str())
        });
    let pid = mine.and_then(|it| it.pointer("/session/running/pid")).and_then(Value::as_u64);
    pid.and_then(|it| u32::try_from(it).ok()).unwrap_or_else(|| panic!("{session} does not run: {lines}"))
}
