//! Runs that begin by themselves: queued until their window opens and there is room, paused when it closes, let go on when it
//! opens again. The hours are resolved by whoever has a clock; here they are moments.

use pilothouse_contract::project::Line;
use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::window::Window;
use pilothouse_contract::{At, Event, Fault, RunId, Who};

use super::Work;
use super::effect::Effect;

/// Who pauses a run when its window closes.
const BY_THE_WINDOW: &str = "start window";

impl Work<'_> {
    /// A run was queued: it begins now, or when its window opens.
    pub(super) fn queue(&mut self, run: RunId) {
        match self.fleet.runs.get(&run).and_then(|it| it.window.clone()) {
            Some(window) if !window.is_open => self.effect(Effect::Wait { run, until: window.opens }),
            _ => self.begin_queued(),
        }
    }

    /// Begins queued runs whose time has come, as long as there is room: those that a person put first, then the oldest.
    pub(super) fn begin_queued(&mut self) {
        if self.fleet.halt.is_some() {
            return;
        }
        let mut queued: Vec<(i32, RunId)> = self
            .fleet
            .runs
            .values()
            .filter(|it| it.state == RunState::Queued && !it.is_paused())
            .filter(|it| it.window.as_ref().is_none_or(|it| it.is_open))
            .filter(|it| self.fleet.projects.get(&it.project).is_some_and(|it| it.line == Line::Open))
            .map(|it| (it.rank, it.id))
            .collect();
        queued.sort_unstable();
        for (_, run) in queued {
            let carried = self.fleet.runs.values().filter(|it| is_carried(it)).count();
            if self.fleet.slots.runs.is_some_and(|most| carried >= most as usize) {
                return;
            }
            self.begin(run);
        }
    }

    fn begin(&mut self, run: RunId) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let Some(project) = self.fleet.projects.get(&it.project) else { return };
        // An item that was begun here has its spec in what was approved, and not on the default branch before it lands.
        let drafted = self.unlanded(it.item).is_some();
        let base = if drafted { it.approved_at().clone() } else { project.main.clone() };
        self.engine(Event::RunBegun { run, base: base.clone() });
        self.effect(Effect::MakeBranch { run, at: base, adopt: false });
    }

    /// A person lets a queued run begin at once, whatever its window says and however many are carried.
    pub(super) fn begin_now(&mut self, run: &Run) -> Result<(), Fault> {
        super::runs::line_open(self.project(run.project)?)?;
        if run.window.is_some() {
            self.emit(Event::RunWindow { run: run.id, window: None });
        }
        self.begin(run.id);
        Ok(())
    }

    /// A person puts a queued run before all others.
    pub(super) fn rank_first(&mut self, run: RunId) -> Result<(), Fault> {
        let it = self.run(run)?;
        if it.state != RunState::Queued {
            return Err(Fault::refused(format!(
                "{run} is {}: only what is queued has a place",
                it.state.word()
            )));
        }
        let queued = self.fleet.runs.values().filter(|it| it.state == RunState::Queued);
        let first = queued.filter(|it| it.id != run).map(|it| it.rank).min().unwrap_or_default();
        self.emit(Event::RunRanked { run, rank: first.saturating_sub(1) });
        self.begin_queued();
        Ok(())
    }

    /// A moment has come that a run's window waits for. `next` is the window that follows now, if it is one of every day. What
    /// comes for another window changes nothing.
    pub(super) fn window_moved(&mut self, run: RunId, until: At, next: Option<Window>) {
        let Some(it) = self.live_run(run) else { return };
        let Some(window) = it.window.clone() else { return };
        let is_over = window.closes.is_some_and(|closes| self.now >= closes);
        if !window.is_open && until == window.opens && !is_over {
            self.engine(Event::RunWindow { run, window: Some(Window { is_open: true, ..window.clone() }) });
            if let Some(closes) = window.closes {
                self.effect(Effect::Wait { run, until: closes });
            }
            self.go_on_with_window(&it);
            self.begin_queued();
        } else if (window.is_open && Some(until) == window.closes)
            || (!window.is_open && until == window.opens)
        {
            // An engine that did not live while it was open finds it closed; so does one that is late.
            let next = next.unwrap_or_else(|| window.a_day_later());
            let opens = next.opens;
            self.engine(Event::RunWindow { run, window: Some(next) });
            if it.state == RunState::Running && !it.is_paused() {
                let by = Who::Policy(BY_THE_WINDOW.to_owned());
                self.emit_as(by, Event::RunPaused { run, paused: true });
            }
            self.effect(Effect::Wait { run, until: opens });
        }
    }

    /// Lets a run go on that its window paused. One that a person paused stays so.
    pub(super) fn go_on_with_window(&mut self, run: &Run) {
        let window = Who::Policy(BY_THE_WINDOW.to_owned());
        if run.paused.as_ref().is_some_and(|it| it.by == window) {
            self.emit_as(window, Event::RunPaused { run: run.id, paused: false });
            self.goes_on(run.id);
        }
    }
}

/// Whether a run takes one of the places for runs that are carried at once. One that only waits for a yes does not.
fn is_carried(run: &Run) -> bool {
    matches!(run.state, RunState::Running | RunState::Assembled)
}
