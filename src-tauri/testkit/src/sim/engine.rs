//! The engine of a simulation: decides, stores as a whole or not at all, keeps in order what it could not store, and is killed.
//! It does what the real owner loop does, over a store whose disk may be full.

use super::*;

/// An input on its way to be decided.
#[derive(Debug, Clone)]
pub(super) struct Order {
    input: Input,
    who: Who,
    /// The effect that it is the end of.
    pub(super) done: Option<EffectKey>,
}

impl Sim {
    pub(super) fn person(&mut self, input: Input) {
        self.take(input, Who::Person("sim".to_owned()), None);
    }

    /// What the engine sees keeps its order over a full disk; a person's deed is stored at once or refused.
    pub(super) fn take(&mut self, input: Input, who: Who, done: Option<EffectKey>) {
        let order = Order { input, who, done };
        if order.who == Who::Engine && !self.stuck.is_empty() {
            self.stuck.push_back(order);
            return;
        }
        if let Some(stuck) = self.handle(order) {
            self.stuck.push_back(stuck);
        }
    }

    /// The disk has room again.
    pub(super) fn make_room(&mut self) {
        self.is_full = false;
        while let Some(order) = self.stuck.pop_front() {
            if let Some(stuck) = self.handle(order) {
                self.stuck.push_front(stuck);
                return;
            }
        }
    }

    /// One decision, stored as a whole: records, effects, and the end of the effect it is about. Gives back what could not be
    /// stored and has to be.
    fn handle(&mut self, order: Order) -> Option<Order> {
        let Order { input, who, done } = order.clone();
        let first = EffectKey(self.journal.next);
        let decision = match decide(&mut self.fleet, &mut self.schedules, first, input, who, self.now) {
            Ok(decision) => decision,
            Err(fault) => {
                self.roll_back();
                if done.is_some() {
                    let says = format!("an outcome was refused: {fault} ({:?})", order.input);
                    self.fault(BreachKind::Untrue, says);
                }
                Decision::default()
            }
        };
        if decision == Decision::default() && done.is_none() {
            return None;
        }
        if self.is_full {
            self.roll_back();
            return (order.who == Who::Engine).then_some(order);
        }
        self.out.decisions += 1;
        for record in &decision.records {
            self.journal.fleet.apply(record);
            self.out.resumed += u32::from(matches!(record.event, Event::RunResumed { .. }));
            if let Event::AttemptStarted { attempt } = &record.event {
                self.out.went_on += u32::from(attempt.continues.is_some());
                self.out.handed_over += u32::from(
                    attempt.continues.is_some() && self.journal.fleet.resumed_by(attempt).is_none(),
                );
            }
            let live =
                |it: &&Attempt| self.journal.fleet.runs.get(&it.run).is_some_and(|it| it.state.is_live());
            let at_work = self
                .journal
                .fleet
                .attempts
                .values()
                .filter(live)
                .find(|it| !it.state.is_over())
                .map(|it| it.id);
            let carried = |it: &&Run| matches!(it.state, RunState::Running | RunState::Assembled);
            let carried = self.journal.fleet.runs.values().filter(carried).count();
            if let (Event::RunBegun { run, .. }, Who::Engine, Some(most)) =
                (&record.event, &order.who, self.caps.slots.runs)
                && carried > most as usize
            {
                let says = format!("{run} begins by itself as one of {carried}, and {most} may be");
                self.fault(BreachKind::Overlap, says);
            }
            if let (Event::Drained, Some(attempt)) = (&record.event, at_work) {
                let says = format!("nothing is under way, it says, and {attempt} is");
                self.fault(BreachKind::Untrue, says);
            }
            if let Event::AttemptFailed { attempt, failure: Failure::Vacuous, .. } = &record.event {
                let says = format!("{attempt} found its task done already: it would be done twice");
                self.fault(BreachKind::Doubled, says);
            }
        }
        self.journal.records.extend(decision.records);
        self.journal.next += decision.effects.len() as u64;
        self.journal.pending.extend(decision.effects.into_iter().map(|it| (it.key, it)));
        if let Some(key) = done {
            self.journal.pending.remove(&key);
        }
        self.known.note(&self.journal.fleet, &decision.touched);
        self.check(&decision.touched);
        None
    }

    /// The fleet is as it is stored. It moves by records alone, so with the same number it is the same.
    fn roll_back(&mut self) {
        if self.fleet.seq != self.journal.fleet.seq {
            self.fleet = self.journal.fleet.clone();
        }
    }

    /// Whatever was done and not stored is forgotten; the world keeps it.
    pub(super) fn kill(&mut self) {
        self.out.kills += 1;
        self.in_hand.clear();
        self.stuck.clear();
        self.schedules = Schedules::default();
        self.roll_back();
        // Now and then it is the machine: no program outlives that.
        if self.rng.u32(0..40) == 0 {
            self.out.reboots += 1;
            let running = self.known.open.iter().filter_map(|id| self.journal.fleet.sessions.get(id));
            let running: Vec<SessionId> = running.filter(|it| it.running.is_some()).map(|it| it.id).collect();
            self.world.reboot(&running);
        }
    }

    pub(super) fn fault(&mut self, kind: BreachKind, says: String) {
        self.out.faults.push(kind.of(says));
    }

    /// The clock of the machine jumps, as by a sleep or by somebody who sets it.
    pub(super) fn jump(&mut self) {
        let by = match self.rng.u32(0..400) {
            0 => self.rng.i64(60_000..12 * 3_600_000),
            1 => -self.rng.i64(1_000..2 * 3_600_000),
            _ => return,
        };
        self.out.jumps += 1;
        self.now = self.now.plus_ms(by);
    }
}

/// What is looked for again and again, so that a long life costs no more at its end than at its beginning.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Sessions without an end.
    pub(super) open: BTreeSet<SessionId>,
    /// The trees on which each task's proof passed.
    pub(super) proofs: BTreeSet<(RunId, TaskId, Oid)>,
}

impl Known {
    fn note(&mut self, fleet: &Fleet, touched: &BTreeSet<Touched>) {
        for it in touched {
            match it {
                Touched::Session(id) => match fleet.sessions.get(id) {
                    Some(session) if session.end.is_none() => drop(self.open.insert(*id)),
                    _ => drop(self.open.remove(id)),
                },
                Touched::Evidence(id) => {
                    let proof = fleet.evidence.get(id).filter(|it| it.gate == Gate::Verify && it.passed());
                    let of = proof
                        .and_then(|it| Some((it.subject.run, it.subject.task.clone()?, it.tree.clone())));
                    self.proofs.extend(of);
                }
                _ => {}
            }
        }
    }
}
