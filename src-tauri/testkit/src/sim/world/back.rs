//! Looking back in a long life: what has landed is held against the default branch once, and then forgotten, so that the world
//! weighs no more at the end than at the beginning.

use pilothouse_contract::attempt::Attempt;
use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::worktree::WorktreeState;
use serde_json::Value;

use super::*;

impl World {
    /// What must hold at the end.
    #[must_use]
    pub fn final_faults(&self, fleet: &Fleet) -> Vec<Breach> {
        let mut faults = Vec::new();
        let main = self.main().unwrap_or_default();
        let marks = self.objects.get(&main).map(|it| it.marks.clone()).unwrap_or_default();
        let landed = |it: &&Pull| matches!(it.state, PullState::Landed { .. }) && !self.held.contains(&it.id);
        for pull in fleet.pulls.values().filter(landed) {
            let Some(run) = fleet.runs.get(&pull.run) else { continue };
            for task in &run.tasks {
                let name = format!("{}/{}", run.item, task.spec.id);
                if !marks.contains(&name) || !marks.contains(&format!("tick {name}")) {
                    let says = format!("{name} landed and is not on the default branch with its tick");
                    faults.push(BreachKind::Lost.of(says));
                }
                // What came before the last look back, by a person's hand, has no commit of its own any more.
                let before = self.cut.as_ref().is_some_and(|it| self.marks(it).contains(&name));
                let since = self
                    .history(&main)
                    .into_iter()
                    .filter(|it| !self.below.contains(it) && self.adds(it, &name))
                    .count();
                let commits = since + usize::from(before);
                if commits != 1 {
                    faults.push(BreachKind::Doubled.of(format!("{name} came with {commits} commits")));
                }
            }
        }
        if marks.iter().any(|mark| mark.contains("lie") || mark.contains("stray")) {
            let says = format!("the default branch holds what no gate may let through: {marks:?}");
            faults.push(BreachKind::Untrue.of(says));
        }
        // What nobody knows of any more is removed by nobody.
        for id in self.worktrees.iter().filter(|(_, stands)| **stands).map(|(id, _)| *id) {
            let state = fleet.worktrees.get(&id).map(|it| &it.state);
            if matches!(state, Some(WorktreeState::Gone { .. })) && !self.lost.contains(&id) {
                faults.push(BreachKind::Lost.of(format!("{id} stands, and is said to be gone")));
            }
        }
        faults
    }

    /// Holds what has landed since the last look against the default branch, and forgets the commits before that look and the
    /// marks of what has ended.
    pub fn look_back<'a>(&mut self, fleet: &Fleet, pending: impl Iterator<Item = &'a Effect>) -> Vec<Breach> {
        let Some(main) = self.main() else { return Vec::new() };
        let mut faults = self.final_faults(fleet);
        let floor = self.floor.take().unwrap_or_else(|| main.clone());
        if !self.descends(&main, &floor) {
            let says = format!("the default branch at {main} does not hold what it held at {floor}");
            faults.push(BreachKind::Lost.of(says));
        }
        let over = |it: &&Run| matches!(it.state, RunState::Landed | RunState::Stopped);
        let landed = fleet.pulls.values().filter(|it| matches!(it.state, PullState::Landed { .. }));
        self.held.extend(landed.map(|it| it.id));
        for run in fleet.runs.values().filter(over) {
            // Nobody keeps the branches of what was stopped for ever.
            self.refs.remove(&run.branch);
        }
        let mut edge: Vec<Oid> = self.refs.values().cloned().chain([floor.clone()]).collect();
        let mut named = |it: serde_json::Result<Value>| {
            names(&it.unwrap_or_default(), &self.objects, &mut edge);
        };
        fleet.projects.values().for_each(|it| named(serde_json::to_value(it)));
        let lives = |id: &RunId| fleet.runs.get(id).is_some_and(|it| !over(&it));
        fleet.runs.values().filter(|it| !over(it)).for_each(|it| named(serde_json::to_value(it)));
        let tried = |it: &&Attempt| lives(&it.run);
        fleet.attempts.values().filter(tried).for_each(|it| named(serde_json::to_value(it)));
        fleet.pulls.values().filter(|it| lives(&it.run)).for_each(|it| named(serde_json::to_value(it)));
        pending.for_each(|it| named(serde_json::to_value(it)));
        let mut kept = BTreeSet::new();
        while let Some(next) = edge.pop() {
            if kept.insert(next.clone()) && next != floor {
                edge.extend(self.objects.get(&next).map(|it| it.parents.clone()).unwrap_or_default());
            }
        }
        self.below.extend(self.history(&floor));
        self.below.retain(|it| kept.contains(it) && *it != floor);
        self.objects.retain(|oid, _| kept.contains(oid));
        let ended: BTreeSet<String> =
            fleet.runs.values().filter(over).map(|it| it.item.to_string()).collect();
        let open: BTreeSet<String> =
            fleet.runs.values().filter(|it| !over(it)).map(|it| it.item.to_string()).collect();
        let gone = |mark: &String| {
            let item = mark.trim_start_matches("tick ").split('/').next().unwrap_or_default();
            mark.starts_with("by hand")
                || mark.starts_with("outside")
                || (ended.contains(item) && !open.contains(item))
        };
        let gone: Marks = self.marks(&floor).into_iter().filter(gone).collect();
        for object in self.objects.values_mut() {
            object.marks.retain(|it| !gone.contains(it));
        }
        if let Some(it) = self.objects.get_mut(&floor) {
            it.parents.clear();
        }
        self.cut = Some(floor);
        // The next look goes back to where the record has it now: a move that is taken back is no floor.
        self.floor = fleet.projects.values().next().map(|it| it.main.clone());
        faults
    }
}

/// The commits that a document names.
fn names(it: &Value, objects: &BTreeMap<Oid, Object>, found: &mut Vec<Oid>) {
    match it {
        Value::String(text) => {
            let oid = Oid(text.clone());
            if objects.contains_key(&oid) {
                found.push(oid);
            }
        }
        Value::Array(all) => all.iter().for_each(|it| names(it, objects, found)),
        Value::Object(all) => all.values().for_each(|it| names(it, objects, found)),
        _ => {}
    }
}
