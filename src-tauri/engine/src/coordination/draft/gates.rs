//! Gates before a run: held, told, or overridden with a reason that is counted.
//!
//! Refuses to begin a run of an item that was begun here before its gates hold.

use pilothouse_contract::card::{Began, Happened};
use pilothouse_contract::evidence::{Evidence, Gate, Verdict};
use pilothouse_contract::gate::{Gates, Holds, Override, SpecGate, Stand};
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::spec::{Spec, Verify};
use pilothouse_contract::{EvidenceId, Fault, Fleet, ItemId, Oid, RunId, Who};

use super::{BECAUSE_MAX, cut};
use crate::coordination::Work;
use crate::coordination::input::RunFacts;
use crate::policy::stands;

impl Work<'_> {
    pub(in crate::coordination) fn override_gate(
        &mut self,
        item: ItemId,
        gate: SpecGate,
        tree: Oid,
        because: &str,
    ) -> Result<(), Fault> {
        let slug = self.item(item)?.slug.clone();
        let because = cut(because, BECAUSE_MAX, "a gate is overridden with a reason, and that is counted")
            .map_err(|fault| {
                let command =
                    format!("pilothouse spec gate {slug} --override {} --because REASON", gate.word());
                fault.command("say why", command)
            })?;
        let given = Override { gate, tree, by: self.who.clone(), at: self.now, because };
        self.card(item, Happened::Overridden { given }, true);
        Ok(())
    }

    /// Refuses, in words, to begin a run whose gates do not hold. Those of an item that came with the repository are told with the run,
    /// unless the policy wants them held.
    pub(in crate::coordination) fn mind_gates(&self, item: &Item, facts: &RunFacts) -> Result<(), Fault> {
        let begun_here = self.draft(item.id).is_some();
        if !begun_here && facts.policy.gates == Gates::Report {
            return Ok(());
        }
        let closed: Vec<_> = stands::closed(&facts.gates).collect();
        let agreed = facts.gates.iter().any(|it| it.gate == SpecGate::G4 && it.holds == Holds::Yes);
        if begun_here && closed.is_empty() && !agreed && !self.is_a_person() {
            let says = format!("nobody said yes to the spec of {} yet, and {} cannot", item.slug, self.who);
            return Err(Fault::refused(says)
                .command("say it by starting the run", format!("pilothouse run start {}", item.slug)));
        }
        let Some(first) = closed.first() else { return Ok(()) };
        let names: Vec<&str> = closed.iter().map(|it| it.gate.word()).collect();
        let lines = closed.iter().flat_map(|it| {
            let found = it.found.iter().filter(|it| it.remark.blocking);
            found.map(|found| {
                format!(
                    "{} {}:{}: {}",
                    it.gate.word(),
                    found.remark.file,
                    found.remark.line,
                    found.remark.says
                )
            })
        });
        let says = format!("{} may not be run yet: {} do not hold", item.slug, names.join(", "));
        let says = if let [one] = closed.as_slice() {
            format!(
                "{} may not be run yet: {} ({}) does not hold",
                item.slug,
                one.gate.word(),
                one.gate.looks_at()
            )
        } else {
            says
        };
        Err(Fault::refused(says)
            .command("see what is missing", format!("pilothouse spec gate {}", item.slug))
            .command(
                "or let it past, with a reason that is kept",
                format!(
                    "pilothouse spec gate {} --override {} --because REASON",
                    item.slug,
                    first.gate.word()
                ),
            )
            .because(lines.collect::<Vec<_>>().join("\n")))
    }

    fn is_a_person(&self) -> bool {
        matches!(self.who, Who::Person(_))
    }

    /// Writes down how the gates stood when a run began, or went on.
    pub(in crate::coordination) fn note_gates(&mut self, item: ItemId, run: RunId, mut gates: Vec<Stand>) {
        // Whoever starts it says yes to what it begins from. To what was begun here a person said so before if this is none.
        let says_yes = self.is_a_person() || self.draft(item).is_none();
        for it in gates.iter_mut().filter(|it| it.gate == SpecGate::G4 && says_yes) {
            it.holds = Holds::Yes;
            it.says = format!("{} said yes to this very spec by starting {run}", self.who);
        }
        // What was to be looked at is on the item branch now.
        if let Some(worktree) = self.draft(item).and_then(|it| it.worktree) {
            self.discard(worktree);
        }
        if !gates.is_empty() {
            self.card(item, Happened::Began { began: Began { run, gates } }, true);
        }
    }

    /// Why proofs of a run may hold before any work, if a person let that through.
    pub(in crate::coordination) fn excused(&self, run: RunId) -> Option<String> {
        let item = self.fleet.runs.get(&run)?.item;
        let began = self.fleet.cards.get(&item)?.began.as_ref().filter(|it| it.run == run)?;
        let stand = began.gates.iter().find(|it| it.gate == SpecGate::G6 && it.holds == Holds::Overridden)?;
        stand.overridden.as_ref().map(|it| it.because.clone())
    }
}

/// Whether somebody is at an item: it was begun here and is not over, or a run carries it. What is parked or stopped with nobody at it
/// takes no room.
pub(crate) fn is_under_way(fleet: &Fleet, item: &Item) -> bool {
    let draft = fleet.cards.get(&item.id).and_then(|card| card.draft.as_ref());
    let carried = fleet.run_of(item.id).is_some_and(|run| run.state.is_live());
    let rests = item.state == ItemState::Parked && draft.is_some_and(|it| it.sitting.is_none());
    let over = matches!(item.state, ItemState::Landed | ItemState::Abandoned);
    carried || (draft.is_some() && !over && !rests)
}

/// The red checks of an item's newest run, the newest of each task, with whether its proof held before any work. What was tried with
/// another proof than its task has now says nothing of this one.
pub(crate) fn red_checks(fleet: &Fleet, item: &Item, spec: &Spec) -> Vec<(EvidenceId, bool)> {
    let Some(run) = fleet.run_of(item.id) else { return Vec::new() };
    let tried = |it: &Evidence| {
        let task = spec.tasks.iter().find(|task| Some(&task.id) == it.subject.task.as_ref())?;
        let Verify::Commands(commands) = &task.verify else { return None };
        let same = commands.join(" && ") == it.command
            && run.task(&task.id).is_some_and(|known| known.spec.expect == task.expect);
        same.then_some(task)
    };
    let of = |it: &&Evidence| it.subject.run == run.id && it.gate == Gate::RedCheck;
    let mut newest = std::collections::BTreeMap::new();
    for it in fleet.evidence.values().filter(of) {
        let Some(task) = tried(it) else { continue };
        // What could not be found out is no word against it, and a guard may hold.
        let vacuous = it.verdict == Verdict::Failed && task.proof.as_deref() != Some("guard");
        newest.insert(&task.id, (it.id, vacuous));
    }
    newest.into_values().collect()
}
