//! A parked run goes on: by the spec and the policy that the default branch holds now, on its own branch brought up to
//! date. What is done stays done; a pull request that was sent back is proposed anew once the tasks are done.
//!
//! Refuses: to begin anything before the branch holds what was approved.

use pilothouse_contract::attempt::Attempt;
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::run::{Run, RunState, TaskRun, TaskState, Touch, TouchKind};
use pilothouse_contract::spec::TaskSpec;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{AttemptId, Event, Fault, Oid, RunId};

use super::Work;
use super::checkpoint::phases;
use super::effect::{Effect, HeadChange, Merged};
use super::input::RunFacts;
use super::outside::changes;
use super::runs::task_run;

/// What takes a change back has no tasks to work at, and is not gone on with.
///
/// # Errors
/// If a run is one that takes a change back.
pub(crate) fn made_anew(run: &Run) -> Result<(), Fault> {
    let Some(pull) = run.takes_back else { return Ok(()) };
    Err(Fault::refused(format!(
        "{} takes {pull} back and was made for another state of things: it is made anew, not gone on with",
        run.id
    ))
    .command("put this one away", format!("pilothouse run stop {}", run.id))
    .command("and take it back anew", format!("pilothouse pr revert {pull} WHY")))
}

impl Work<'_> {
    /// A person lets a parked run go on.
    pub(super) fn go_on(&mut self, run: &Run, item: &Item, facts: RunFacts) -> Result<(), Fault> {
        if let Some(attempt) = run.integrating {
            return Err(Fault::refused(format!(
                "{} cannot go on this moment: what {attempt} made is being put on its branch",
                run.id
            ))
            .command("try again in a moment", format!("pilothouse run start {}", item.slug)));
        }
        made_anew(run)?;
        let outside = changes(run, &facts);
        let tasks = merged(&run.tasks, facts.spec.tasks.clone());
        if tasks.iter().all(|task| matches!(task.state, TaskState::DoneBefore | TaskState::Skipped)) {
            return Err(Fault::refused(format!(
                "every task of {} is ticked by now, and {} made none of them: there is nothing to go on with",
                item.slug, run.id
            ))
            .command("put the run away", format!("pilothouse run stop {}", run.id)));
        }
        let touch = Touch { at: self.now, by: self.who.clone(), kind: TouchKind::Restarted, session: None };
        self.emit(Event::RunTouched { run: run.id, touch });
        let found = facts.spec.phases.clone();
        self.emit(Event::ItemRead {
            item: Item { base: facts.base.clone(), spec: facts.spec, moved: self.now, ..item.clone() },
        });
        let parked: Vec<_> = tasks
            .iter()
            .filter(|task| matches!(task.state, TaskState::Parked { .. }))
            .map(|task| task.spec.id.clone())
            .collect();
        let phases = phases(&found, &tasks, &run.phases);
        self.emit(Event::RunResumed {
            run: run.id,
            approved: facts.base,
            policy: Box::new(facts.policy),
            tasks,
            phases,
            outside,
        });
        for task in parked {
            self.emit(Event::TaskRestarted { run: run.id, task });
        }
        self.move_item(run.item, ItemState::Running, &format!("carried by {}", run.id), &[]);
        let at = run.head.clone().unwrap_or_else(|| run.base.clone());
        self.effect(Effect::MakeBranch { run: run.id, at, adopt: true });
        Ok(())
    }

    /// The item branch is made; or stands where our record has it, or further on.
    pub(super) fn branch_made(&mut self, run: RunId, made: Result<Oid, String>) {
        let Some(it) = self.live_run(run) else { return };
        // A run that was parked while it went on, and goes on again, asked twice: by the answer of the one it is past the other.
        if it.head.is_some() && !it.settling {
            return;
        }
        let stands = match made {
            Ok(stands) => stands,
            Err(why) => {
                let why = format!("its branch {} could not be made: {why}", it.branch.short());
                self.park_run(run, Stop::Branch, &why, &[]);
                return;
            }
        };
        if it.head.as_ref() != Some(&stands) {
            let why = match &it.head {
                None => format!("{} made at {}", it.branch.short(), stands.short()),
                Some(head) => format!(
                    "somebody went on from {} on {}: adopted, for a person let the run go on",
                    head.short(),
                    it.branch.short()
                ),
            };
            self.engine(Event::HeadMoved { run, from: it.head.clone(), to: stands.clone(), why });
            if let Some(attempt) = self.put_there(&it, &stands) {
                self.task_done(run, attempt);
            } else if let Some(head) = &it.head {
                self.branch_was_moved(run, head, &stands);
            }
        }
        if it.settling {
            self.effect(Effect::TakeIn { run, head: stands, main: it.approved_at().clone() });
        } else {
            self.carry_on(run);
        }
    }

    /// The attempt whose verified work the branch was moved to without our hearing of it: git failed, or we died, between the
    /// move and the word of it.
    fn put_there(&self, run: &Run, stands: &Oid) -> Option<AttemptId> {
        let proved =
            |it: &&Attempt| {
                it.candidate.as_ref().is_some_and(|made| {
                    made.tick.as_ref() == Some(stands)
                        && it.evidence.iter().filter_map(|id| self.fleet.evidence.get(id)).any(|proof| {
                            proof.gate == Gate::Verify && proof.passed() && proof.tree == made.tree
                        })
                })
            };
        let open = |it: &&Attempt| run.task(&it.task).is_some_and(|task| !task.state.is_done());
        let mut of = self.fleet.attempts.values().filter(|it| it.run == run.id);
        of.find(|it| proved(it) && open(it)).map(|it| it.id)
    }

    /// The default branch was merged into the item branch, as a commit; or they clash.
    pub(super) fn taken_in(&mut self, run: RunId, head: &Oid, main: &Oid, merged: Merged) {
        let Some(it) = self.live_run(run).filter(|it| it.settling && it.head.as_ref() == Some(head)) else {
            return;
        };
        match merged {
            Merged::Made { result } if result.commit == *head => self.settled(run, main),
            Merged::Made { result } => {
                let change = HeadChange::Main { main: main.clone() };
                self.effect(Effect::Advance { run, old: head.clone(), new: result.commit, change });
            }
            Merged::Clash { paths } => {
                let onto =
                    self.fleet.projects.get(&it.project).map(|it| it.default_branch.short().to_owned());
                let onto = onto.unwrap_or_default();
                // What a draft is approved at is on no branch: its commit is what is merged by hand.
                let (onto, merge) = match self.unlanded(it.item) {
                    Some(_) => (format!("{onto} with its draft"), main.short().to_owned()),
                    None => (onto.clone(), onto),
                };
                let slug = self.fleet.slug_of(it.item);
                let branch = it.branch.short();
                let why = format!(
                    "{onto} at {} clashes with its branch {branch} in {}: merge it there by hand (`git switch {branch}`, \
                     `git merge {merge}`, mend, commit, switch back), then `pilothouse run start {slug}`",
                    main.short(),
                    paths.join(", ")
                );
                self.park_run(run, Stop::Clash { paths }, &why, &[]);
            }
            Merged::Failed { why } => {
                let why = format!(
                    "the default branch at {} could not be merged into its branch: {why}",
                    main.short()
                );
                self.park_run(run, Stop::Merge, &why, &[]);
            }
        }
    }

    /// The item branch holds what was approved: tasks may begin.
    pub(super) fn settled(&mut self, run: RunId, main: &Oid) {
        if self.live_run(run).is_none_or(|it| !it.settling) {
            return;
        }
        let why = format!("its branch holds the default branch at {}", main.short());
        self.move_run(run, RunState::Running, &why);
        self.carry_on(run);
    }
}

/// The tasks of a run by a newer task file: done ones stay done and keep their commit, a ticked box counts, the others
/// are as the file has them now. A task that is done and that the file does not hold any more stays in front: its
/// commit is on the branch and must not land unnamed.
fn merged(known: &[TaskRun], found: Vec<TaskSpec>) -> Vec<TaskRun> {
    let gone = known.iter().filter(|task| {
        matches!(task.state, TaskState::Done { .. }) && !found.iter().any(|spec| spec.id == task.spec.id)
    });
    let mut tasks: Vec<TaskRun> = gone.cloned().collect();
    for spec in found {
        let fresh = task_run(spec);
        tasks.push(match known.iter().find(|task| task.spec.id == fresh.spec.id) {
            None => fresh,
            Some(task) => {
                let state = match (&task.state, &fresh.state) {
                    (TaskState::Done { .. }, _) => task.state.clone(),
                    (TaskState::Parked { .. }, TaskState::Waiting) => task.state.clone(),
                    _ => fresh.state,
                };
                TaskRun {
                    spec: fresh.spec,
                    state,
                    attempts: task.attempts.clone(),
                    failures: 0,
                    rests: None,
                    goes_on: None,
                }
            }
        });
    }
    tasks
}
