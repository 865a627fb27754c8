//! Seeds that are about landing: many pull requests of one project at once, renewed, approved, held up, sent back and let go on, while
//! the engine is killed, effects fail, checks flake and the default branch is moved from outside. What is looked for: a default
//! branch that is red, one that was rewritten, work that is lost or came twice.

use pilothouse_contract::queue;

use super::*;

/// Runs one such seed to its end.
#[must_use]
pub fn land(seed: u64) -> Outcome {
    let mut sim = Sim::new(seed);
    sim.lands = true;
    sim.restarts_left = 12;
    sim.deeds_left = 20;
    sim.add_project();
    let items = sim.rng.u32(3..=8);
    sim.choose_wrongs(items);
    (1..=items).for_each(|item| sim.item(item));
    sim.live_out();
    let landed = |it: &&pilothouse_contract::pull::Pull| matches!(it.state, PullState::Landed { .. });
    let landed = || sim.journal.fleet.pulls.values().filter(landed);
    let with = |it: &&pilothouse_contract::pull::Pull| it.queued.as_ref().is_some_and(|it| it.with.is_some());
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (sim.out.landings, sim.out.together) = (count(landed().count()), count(landed().filter(with).count()));
    sim.out
}

impl Sim {
    fn choose_wrongs(&mut self, items: u32) {
        let (rng, wrong) = (&mut self.rng, &mut self.world.wrong);
        wrong.is_known = true;
        wrong.bad = (1..=items).filter(|_| rng.u32(0..12) == 0).collect();
        for b in 1..=items {
            for a in 1..b {
                if rng.u32(0..20) == 0 {
                    wrong.broken.insert((a, b));
                } else if rng.u32(0..20) == 0 {
                    wrong.clash.insert((a, b));
                }
            }
        }
    }

    /// The policy of a run that is to land beside others.
    pub(super) fn policy_of_many(&mut self, policy: Policy) -> Policy {
        let rng = &mut self.rng;
        let checks = match rng.u32(0..3) {
            0 => vec![],
            1 => vec!["all".to_owned()],
            _ => vec!["all".to_owned(), "all of it".to_owned()],
        };
        Policy {
            completeness: Completeness::Off,
            queue: queue::Limits { batch: rng.u32(1..=5), parallel: rng.u32(1..=3) },
            rerun: rng.u32(0..4) > 0,
            attempts: 3,
            checks,
            ..policy
        }
    }

    pub(super) fn spec_to_land(&mut self, item: u32) -> Spec {
        let task = |n: usize| {
            let id = TaskId(format!("T{n:03}"));
            TaskSpec {
                title: format!("item {item} task {n}"),
                line: n,
                files: Some(Scope { include: vec![format!("item{item}/{id}")], ..Scope::default() }),
                verify: Verify::Commands(vec![format!("verify {item} {id}")]),
                depends: Some(vec![]),
                id,
                ..TaskSpec::default()
            }
        };
        Spec {
            folder: format!("specs/{item:03}-sim"),
            title: format!("item {item}"),
            tasks: (1..=self.rng.usize(1..=2)).map(task).collect(),
            ..Spec::default()
        }
    }

    /// What comes to those that are to land: many a yes at once, and somebody's commit on the default branch.
    pub(super) fn come_to_queue(&mut self) {
        if !self.lands {
            return;
        }
        match self.rng.u32(0..60) {
            0 => {
                let waits = |it: &&pilothouse_contract::pull::Pull| !it.state.is_over() && !it.is_approved();
                let all: Vec<_> = self.journal.fleet.pulls.values().filter(waits).map(|it| it.id).collect();
                for pull in all {
                    self.person(Input::ApprovePull { pull, head: None });
                }
            }
            1 if self.deeds_left > 0 => {
                self.deeds_left -= 1;
                let (project, why) = (ProjectId(1), "as simulated".to_owned());
                self.person(Input::HoldLine { project, why });
            }
            2 | 3 => {
                let queued = self.journal.fleet.pulls.values().filter(|it| it.queued.is_some());
                let queued: Vec<_> = queued.map(|it| it.id).collect();
                if let Some(pull) = self.rng.choice(queued) {
                    self.person(Input::EscapePull { pull, why: "as simulated".to_owned() });
                }
            }
            4 if self.deeds_left > 0 && self.world.chance(3) => {
                self.deeds_left -= 1;
                self.world.person_does(&[]);
            }
            _ => {}
        }
    }
}
