//! What must hold in a simulation: after every decision, and at the end.

use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_engine::policy::tiers;

use super::*;

impl Sim {
    /// What must hold after every decision, of what it touched.
    pub(super) fn check(&mut self, touched: &BTreeSet<Touched>) {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        let moved = |it: &Touched| if let Touched::Run(id) = it { fleet.runs.get(id) } else { None };
        for run in touched.iter().filter_map(moved) {
            let active: Vec<&TaskSpec> = run
                .tasks
                .iter()
                .filter(|it| matches!(it.state, TaskState::Active { .. }))
                .map(|it| &it.spec)
                .collect();
            let hot = Globs::of(&run.policy.hot);
            for (n, a) in active.iter().enumerate() {
                for b in active.iter().skip(n + 1) {
                    if let Some(why) = schedule::clash(&hot, a, b) {
                        faults.push(
                            BreachKind::Overlap.of(format!("{} and {} run at once: {why}", a.id, b.id)),
                        );
                    }
                }
            }
            let is_open = |phase: usize| run.phases.iter().any(|it| it.phase == phase && !it.is_passed());
            let early = active
                .iter()
                .find(|it| it.depends.is_none() && it.phase.is_some_and(|own| (0..own).any(is_open)));
            if let Some(task) = early {
                let says = format!("{} is worked before the checkpoint of an earlier phase held", task.id);
                faults.push(BreachKind::Overlap.of(says));
            }
            for task in &run.tasks {
                if task.state == TaskState::Waiting || matches!(task.state, TaskState::Parked { .. }) {
                    let open = |id: &&AttemptId| fleet.attempts.get(id).is_some_and(|it| !it.state.is_over());
                    if let Some(attempt) = task.attempts.iter().find(open) {
                        let says = format!("{attempt} works on {}, which waits", task.spec.id);
                        faults.push(BreachKind::Doubled.of(says));
                    }
                }
                if let TaskState::Done { commit } = &task.state {
                    let open = |id: &AttemptId| fleet.attempts.get(id).is_some_and(|it| !it.state.is_over());
                    if let Some(attempt) = task.attempts.iter().find(|id| open(id)) {
                        faults.push(
                            BreachKind::Doubled
                                .of(format!("{attempt} works on {}, which is done", task.spec.id)),
                        );
                    }
                    if fleet.made_by(task).is_none() {
                        let says = format!("nobody made the commit of {}, which is done", task.spec.id);
                        faults.push(BreachKind::Untrue.of(says));
                    }
                    let proven = self.world.tree_of(commit).is_some_and(|tree| {
                        self.known.proofs.contains(&(run.id, task.spec.id.clone(), tree))
                    });
                    if !proven {
                        let says = format!(
                            "{} of {} is ticked without a passing proof of its tree",
                            task.spec.id, run.id
                        );
                        faults.push(BreachKind::Untrue.of(says));
                    }
                }
            }
        }
        if touched.iter().any(|it| matches!(it, Touched::Run(_) | Touched::Attempt(_))) {
            faults.extend(self.over_caps());
        }
        let fleet = &self.journal.fleet;
        let opened = |it: &Touched| if let Touched::Pull(id) = it { fleet.pulls.get(id) } else { None };
        for run in touched.iter().filter_map(opened).filter_map(|it| fleet.runs.get(&it.run)) {
            let gaps = run.audit.as_ref().map_or(0, |it| it.gaps().count());
            if run.state == RunState::InPull && run.policy.completeness == Completeness::Gate && gaps > 0 {
                faults.push(BreachKind::Untrue.of(format!("{} is proposed with {gaps} gaps", run.id)));
            }
        }
        let tried = |it: &Touched| if let Touched::Attempt(id) = it { fleet.attempts.get(id) } else { None };
        let both = |it: &&Attempt| it.state == AttemptState::Merged && it.failure.is_some();
        for attempt in touched.iter().filter_map(tried).filter(|it| !it.state.is_over()) {
            let tree = fleet.worktrees.get(&attempt.worktree).and_then(|it| it.attempt);
            if tree != Some(attempt.id) {
                let says = format!("{} works in {}, which is that of {tree:?}", attempt.id, attempt.worktree);
                faults.push(BreachKind::Doubled.of(says));
            }
        }
        for attempt in touched.iter().filter_map(tried).filter(both) {
            faults.push(BreachKind::Untrue.of(format!("{} is merged and failed", attempt.id)));
        }
        let open = self.known.open.iter().filter_map(|id| fleet.sessions.get(id));
        for check in open.filter(|it| it.kind == SessionKind::Check) {
            let attempt = check.attempt.and_then(|id| fleet.attempts.get(&id));
            let pull = check.pull.and_then(|id| fleet.pulls.get(&id));
            let over =
                attempt.is_some_and(|it| it.state.is_over()) || pull.is_some_and(|it| it.state.is_over());
            let told = || {
                let mut pending = self.journal.pending.values();
                let end = Effect::EndSession { session: check.id };
                self.world.was_told_to_end(check.id) || pending.any(|it| it.effect == end)
            };
            if over && !told() {
                faults
                    .push(BreachKind::Untrue.of(format!("session {} checks on for what is over", check.id)));
            }
        }
        faults.extend(self.world.take_faults(fleet));
        self.out.faults.extend(faults);
    }

    /// More of what runs share is taken than there is.
    fn over_caps(&self) -> Vec<Breach> {
        let fleet = &self.journal.fleet;
        let live = fleet.runs.values().filter(|it| it.state.is_live());
        let tasks = live.flat_map(|it| &it.tasks);
        let active: Vec<_> = tasks
            .filter_map(|it| match it.state {
                TaskState::Active { attempt } => Some((&it.spec, fleet.attempts.get(&attempt)?)),
                _ => None,
            })
            .collect();
        let taken = |name: &str| -> usize {
            let of = |word: &String| match word.strip_prefix(name) {
                Some("") => 1,
                Some(":2") => 2,
                _ => 0,
            };
            active.iter().flat_map(|(spec, _)| &spec.uses).map(of).sum()
        };
        // One that needs more room than there is at all begins where nothing else is.
        let places = |spec: &TaskSpec, run: &Run| tiers::places(spec, &run.policy) as usize;
        let live = fleet.runs.values().filter(|it| it.state.is_live());
        let open: Vec<usize> = live
            .flat_map(|run| run.tasks.iter().map(move |it| (run, it)))
            .filter(|(_, it)| matches!(it.state, TaskState::Active { .. }))
            .map(|(run, it)| places(&it.spec, run))
            .collect();
        let all = if open.len() == 1 { 1 } else { open.iter().sum() };
        let cap = |limit: Option<u32>| limit.filter(|it| *it > 0).unwrap_or(u32::MAX) as usize;
        let mut says = Vec::new();
        let mut hold = |what: String, taken: usize, limit: usize| {
            if taken > limit {
                says.push(BreachKind::Overlap.of(format!("{taken} of {limit} {what}")));
            }
        };
        hold("attempts on the machine".to_owned(), all, cap(self.caps.slots.total));
        hold("attempts of the project".to_owned(), all, cap(Some(self.caps.project)));
        hold(
            "attempts with the agent".to_owned(),
            all,
            cap(self.caps.slots.agents.get("rehearsal").copied()),
        );
        for (state, limit) in &self.caps.states {
            let in_it = active.iter().filter(|(_, it)| it.state.word() == state && it.waits.is_none());
            hold(format!("attempts in state {state}"), in_it.count(), *limit as usize);
        }
        for (name, limit) in [("db", 1), ("port:1", 1), ("sim", 3)] {
            hold(name.to_owned(), taken(name), limit);
        }
        says
    }

    /// The end: everything is at rest, in a typed state, and both folds agree.
    pub(super) fn settle(&mut self) {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        for run in fleet.runs.values() {
            match run.state {
                RunState::Landed => self.out.landed += 1,
                RunState::Parked => self.out.parked += 1,
                RunState::Stopped => self.out.stopped += 1,
                state => {
                    faults.push(BreachKind::UntypedEnd.of(format!(
                        "{} ended {}: {}{}",
                        run.id,
                        state.word(),
                        run.why,
                        pull_of(fleet, run)
                    )));
                }
            }
            let item = fleet.items.get(&run.item).map(|it| it.state);
            let fits = match run.state {
                RunState::Landed => item == Some(ItemState::Landed),
                _ => item == Some(ItemState::Parked),
            };
            // Where the item stands is said by the newest of its runs.
            if !fits && fleet.run_of(run.item).is_some_and(|it| it.id == run.id) {
                let says = format!("{} is {} and its item {item:?}", run.id, run.state.word());
                faults.push(BreachKind::UntypedEnd.of(says));
            }
            if run.state == RunState::Parked && (run.why.is_empty() || run.stop.is_none()) {
                faults.push(BreachKind::UntypedEnd.of(format!("{} is parked without a reason", run.id)));
            }
        }
        for pull in fleet.pulls.values() {
            let open = pull.review.unanswered().count() + pull.review.uncommitted().len();
            if matches!(pull.state, PullState::Landed { .. }) && open > 0 {
                faults.push(BreachKind::Untrue.of(format!("{} landed over {open} open findings", pull.id)));
            }
            let ended = || pull.review.rounds.iter().filter(|it| it.ended.is_some());
            let mut looks: Vec<_> = ended().map(|it| (&it.key, &it.patch)).collect();
            looks.sort_unstable();
            if looks.windows(2).any(|it| it.first() == it.last()) {
                faults.push(BreachKind::Doubled.of(format!("a patch of {} was looked at twice", pull.id)));
            }
            if pull.review.sitting.is_some() || pull.review.unread.is_some() {
                faults.push(BreachKind::UntypedEnd.of(format!("the review of {} never ended", pull.id)));
            }
        }
        faults.extend(
            fleet
                .attempts
                .values()
                .filter(|it| !it.state.is_over())
                .map(|it| BreachKind::UntypedEnd.of(format!("{} never ended: {}", it.id, it.state.word()))),
        );
        faults.extend(
            fleet
                .sessions
                .values()
                .filter(|it| it.end.is_none())
                .map(|it| BreachKind::UntypedEnd.of(format!("session {} never ended", it.id))),
        );
        faults.extend(
            self.journal.pending.keys().map(|key| BreachKind::Lost.of(format!("{key} was never done"))),
        );
        let making = |it: &&Worktree| it.state == WorktreeState::Making;
        faults.extend(
            fleet
                .worktrees
                .values()
                .filter(making)
                .map(|it| BreachKind::UntypedEnd.of(format!("{} is being made for ever", it.id))),
        );
        let mut anew = Fleet::default();
        for record in &self.journal.records {
            anew.apply(record);
        }
        if anew != *fleet {
            faults.push(BreachKind::Untrue.of("folding the history anew gives another fleet".to_owned()));
        }
        faults.extend(self.world.final_faults(fleet));
        faults.extend(self.beside_holds());
        self.out.faults.extend(faults);
    }
}

/// Where the pull request of a run stands, for whoever reads a fault.
fn pull_of(fleet: &Fleet, run: &Run) -> String {
    let Some(it) = run.pull.and_then(|id| fleet.pulls.get(&id)) else { return String::new() };
    let yes = it.approval.as_ref().map_or_else(|| "nobody".to_owned(), |yes| yes.by.to_string());
    format!(" ({}: {}; yes of {yes}; {:?}; {:?})", it.state.word(), it.why, it.queued, it.review.stands)
}
