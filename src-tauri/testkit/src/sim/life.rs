//! A long life: one fleet over many virtual hours, with work that keeps coming. What the engine has to keep is weighed again and
//! again; it may not grow with how much has happened before.

use pilothouse_contract::worktree::{Worktree, WorktreeState};
use serde::Serialize;

use super::*;

/// So many runs are under way at a time.
const RUNS: usize = 3;
/// It is weighed so often in each quarter.
const WEIGHED: i64 = 40;
/// The world forgets what is over after so many steps.
const LOOKS_BACK: u32 = 1_500;
/// What is kept may be so much more in the last quarter than in the first one: how much is under way wavers.
const WAVERS: f64 = 1.5;
/// And a few things more where there are hardly any.
const FEW: f64 = 3.0;
const HOUR_MS: i64 = 3_600_000;
/// More than there are in any life.
const MANY: u32 = u32::MAX / 2;

/// What the engine keeps, in the mean over a quarter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Kept {
    /// Bytes of the rows of what is not over, as JSON.
    pub live_bytes: f64,
    /// Effects that are asked for and not done.
    pub outbox: f64,
    /// Runs of which a schedule is kept.
    pub schedules: f64,
    /// Tasks that are worked by their record.
    pub leases: f64,
    /// Of those, with an attempt that is over or a run that has ended.
    pub leaked: f64,
    /// Worktrees that are there.
    pub worktrees: f64,
    /// Sessions without an end.
    pub sessions: f64,
    /// Bytes of rows of what is over, for each run that has ended: history, which is kept on purpose.
    pub history_bytes_a_run: f64,
}

impl Kept {
    fn figures(&self) -> [(&'static str, f64, f64); 7] {
        [
            ("live_bytes", self.live_bytes, 1024.0),
            ("outbox", self.outbox, FEW),
            ("schedules", self.schedules, FEW),
            ("leases", self.leases, FEW),
            ("worktrees", self.worktrees, FEW),
            ("sessions", self.sessions, FEW),
            ("history_bytes_a_run", self.history_bytes_a_run, 8.0 * 1024.0),
        ]
    }
}

/// What a long life came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Life {
    /// Virtual hours, without the jumps of the clock.
    pub hours: f64,
    /// As of a short one.
    pub outcome: Outcome,
    /// What was kept, quarter by quarter.
    pub quarters: Vec<Kept>,
    /// What grew; empty if nothing did.
    pub grown: Vec<String>,
}

impl Life {
    /// Whether every promise was kept and nothing grew.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.outcome.faults.is_empty() && self.grown.is_empty() && self.outcome.landed > 0
    }
}

/// Lets a fleet live for so many hours and come to its end.
#[must_use]
pub fn live(hours: u32, seed: u64) -> Life {
    let mut sim = Sim::new(seed);
    (sim.restarts_left, sim.deeds_left, sim.tries) = (MANY, MANY, Some(BTreeMap::new()));
    sim.begin();
    let whole = i64::from(hours) * HOUR_MS;
    let mut weighed: Vec<Vec<Look>> = vec![Vec::new(); 4];
    let (mut items, mut steps) = (u32::try_from(sim.journal.fleet.items.len()).unwrap_or_default(), 0_u32);
    while sim.passed_ms < whole && sim.out.faults.is_empty() {
        steps += 1;
        let under_way = sim.under_way();
        if under_way < RUNS && sim.journal.fleet.items.len() == items as usize && sim.rng.u32(0..4) == 0 {
            items += 1;
            sim.item(items);
            // A full disk refused it: it is written down another time.
            items = u32::try_from(sim.journal.fleet.items.len()).unwrap_or_default();
        }
        let _rest = sim.step();
        if sim.rng.u32(0..30) == 0 {
            sim.sit_down();
        }
        if steps.is_multiple_of(LOOKS_BACK) {
            sim.look_back();
        }
        let quarter = usize::try_from(sim.passed_ms * 4 / whole).unwrap_or_default();
        if let Some(quarter) = weighed.get_mut(quarter)
            && (quarter.len() as i64) < (sim.passed_ms % (whole / 4)) * WEIGHED / (whole / 4)
        {
            quarter.push(sim.weigh());
        }
    }
    // Nothing new comes; what is under way comes to its end.
    for _ in 0..50_000 {
        if !sim.out.faults.is_empty() || !sim.step() {
            break;
        }
    }
    sim.settle();
    sim.out.failed = sim.world.failed;
    let quarters: Vec<Kept> = weighed.iter().map(|it| mean(it)).collect();
    let grown = grown(&quarters);
    Life { hours: sim.passed_ms as f64 / HOUR_MS as f64, outcome: sim.out, quarters, grown }
}

/// A look at what is kept: the figures, the bytes of what is over, and how many runs are.
type Look = (Kept, f64, f64);

fn mean(all: &[Look]) -> Kept {
    let sum = |figure: fn(&Look) -> f64| all.iter().map(figure).sum::<f64>();
    let of = |figure: fn(&Kept) -> f64| {
        all.iter().map(|it| figure(&it.0)).sum::<f64>() / (all.len() as f64).max(1.0)
    };
    Kept {
        live_bytes: of(|it| it.live_bytes),
        outbox: of(|it| it.outbox),
        schedules: of(|it| it.schedules),
        leases: of(|it| it.leases),
        leaked: of(|it| it.leaked),
        worktrees: of(|it| it.worktrees),
        sessions: of(|it| it.sessions),
        // Before the first run has ended there is nothing to divide by, which is not the same as nothing.
        history_bytes_a_run: sum(|it| it.1) / sum(|it| it.2).max(1.0),
    }
}

/// What there is more of in the last quarter than in the first one; and whatever leaked at all.
fn grown(quarters: &[Kept]) -> Vec<String> {
    let [first, .., last] = quarters else { return Vec::new() };
    let mut grown: Vec<String> = Vec::new();
    for ((name, before, few), (_, after, _)) in first.figures().into_iter().zip(last.figures()) {
        if after > before * WAVERS + few {
            grown.push(format!("{name}: {before:.1} in the first quarter, {after:.1} in the last"));
        }
    }
    let leaked: f64 = quarters.iter().map(|it| it.leaked).sum();
    if leaked > 0.0 {
        grown.push("leases of what is over".to_owned());
    }
    grown
}

impl Sim {
    fn under_way(&self) -> usize {
        let ended = |it: RunState| matches!(it, RunState::Landed | RunState::Stopped);
        // Few are under way, and those are new.
        self.journal.fleet.runs.values().rev().take(200).filter(|it| !ended(it.state)).count()
    }

    /// The person does what waits for them, and clears away worktrees of what has ended.
    fn sit_down(&mut self) {
        let _more = self.idle();
        let fleet = &self.journal.fleet;
        let is_idle = |it: &&Worktree| {
            let attempt = it.attempt.and_then(|id| fleet.attempts.get(&id));
            it.state == WorktreeState::Live && attempt.is_some_and(|it| it.state.is_over())
        };
        let idle: Vec<_> = fleet.worktrees.values().filter(is_idle).map(|it| it.id).collect();
        for worktree in idle {
            self.person(Input::RemoveWorktree { worktree });
        }
    }

    fn look_back(&mut self) {
        if self.in_hand.is_empty() && self.stuck.is_empty() {
            let pending = self.journal.pending.values().map(|it| &it.effect);
            let faults = self.world.look_back(&self.journal.fleet, pending);
            self.out.faults.extend(faults);
        }
    }

    fn weigh(&self) -> Look {
        let fleet = &self.journal.fleet;
        let (mut live, mut all, mut ended) = (0, 0, 0_u32);
        let mut row = |is_live: bool, row: serde_json::Result<String>| {
            let bytes = row.map_or(0, |it| it.len());
            all += bytes;
            live += if is_live { bytes } else { 0 };
        };
        let over = |id: &RunId| {
            fleet.runs.get(id).is_none_or(|it| matches!(it.state, RunState::Landed | RunState::Stopped))
        };
        let mut kept = Kept::default();
        for run in fleet.runs.values() {
            ended += u32::from(over(&run.id));
            row(!over(&run.id), serde_json::to_string(run));
            for task in &run.tasks {
                if let TaskState::Active { .. } = task.state {
                    // Of several that try it at once the first may be over before the others.
                    let open = |id: &AttemptId| fleet.attempts.get(id).is_some_and(|it| !it.state.is_over());
                    let is_over = !task.attempts.iter().any(open);
                    kept.leases += 1.0;
                    kept.leaked += f64::from(u8::from(is_over || over(&run.id)));
                }
            }
        }
        for it in fleet.attempts.values() {
            row(!over(&it.run), serde_json::to_string(it));
        }
        for it in fleet.pulls.values() {
            row(!over(&it.run), serde_json::to_string(it));
        }
        for it in fleet.evidence.values() {
            row(!over(&it.subject.run), serde_json::to_string(it));
        }
        for it in fleet.sessions.values() {
            kept.sessions += f64::from(u8::from(it.end.is_none()));
            row(it.end.is_none(), serde_json::to_string(it));
        }
        for it in fleet.worktrees.values() {
            let is_there = matches!(it.state, WorktreeState::Live | WorktreeState::Making);
            kept.worktrees += f64::from(u8::from(is_there));
            row(is_there, serde_json::to_string(it));
        }
        kept.live_bytes = f64::from(u32::try_from(live).unwrap_or(u32::MAX));
        kept.outbox = self.journal.pending.len() as f64;
        kept.schedules = self.schedules.kept() as f64;
        (kept, (all - live) as f64, f64::from(ended))
    }
}
