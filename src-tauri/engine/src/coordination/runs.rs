//! Runs: started, scheduled, parked, assembled into a pull request.

use pilothouse_contract::attempt::{Attempt, AttemptState};
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::project::{Line, Trust};
use pilothouse_contract::run::{Run, RunState, TaskRun, TaskState, Touch, TouchKind, Wait};
use pilothouse_contract::spec::{TaskSpec, Verify};
use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{
    AttemptId, Event, EvidenceId, Fault, ItemId, Oid, ProjectId, PullId, RefName, RunId, TaskId, Who,
};

use super::effect::{Advanced, Effect, HeadChange};
use super::input::{ItemFound, RunFacts};
use super::{Work, schedule};

impl Work<'_> {
    /// Spec folders as they stand at the tip of the default branch. Items that are under way keep what they were
    /// started with.
    pub(super) fn items_found(&mut self, project: ProjectId, found: Vec<ItemFound>) -> Result<(), Fault> {
        self.project(project)?;
        for ItemFound { slug, base, spec } in found {
            let known = self.fleet.items.values().find(|it| it.project == project && it.slug == slug);
            let blocking: Vec<&str> =
                spec.remarks.iter().filter(|it| it.blocking).map(|it| it.says.as_str()).collect();
            let open = spec.tasks.iter().any(|task| !task.done && !task.optional);
            let (state, why) = if let Some(first) = blocking.first() {
                (
                    ItemState::Drafting,
                    format!("{} things in its spec keep a run from starting: {first}", blocking.len()),
                )
            } else if open {
                (ItemState::Planned, "every open task can be worked".to_owned())
            } else {
                (ItemState::Landed, "every task was ticked when the spec was read".to_owned())
            };
            if let Some(known) = known {
                let settled = matches!(known.state, ItemState::Drafting | ItemState::Planned);
                if !settled || (known.spec == spec && known.state == state) {
                    continue;
                }
            }
            let id = known.map_or_else(|| self.fleet.next_item(), |it| it.id);
            let item = Item { id, project, slug, state, why, base, spec, moved: self.now };
            self.engine(Event::ItemRead { item });
        }
        Ok(())
    }

    /// A person starts a run, or lets a parked one go on.
    pub(super) fn start_run(&mut self, facts: RunFacts) -> Result<(), Fault> {
        let item = self.item(facts.item)?.clone();
        let project = self.project(item.project)?.clone();
        let command = format!("pilothouse project trust {}", project.name);
        if project.trust == Trust::Undecided {
            let says = format!("{} is not trusted yet, and agents run with your rights", project.name);
            return Err(
                Fault::refused(says).command("look at what in it can run commands, and decide", command)
            );
        }
        if let Line::Stopped { named, .. } = &project.line {
            let says = format!(
                "the line of {} is stopped: {} was moved by {named}",
                project.name,
                project.default_branch.short()
            );
            return Err(line_hints(Fault::refused(says), &project.name));
        }
        if let Some(run) = self.fleet.run_of(item.id).cloned() {
            if run.state.is_live() {
                return Err(Fault::refused(format!("{} is carried by {} already", item.slug, run.id))
                    .command("see where it stands", format!("pilothouse run show {}", run.id)));
            }
            if run.state == RunState::Parked && !facts.fresh {
                self.go_on(&run);
                return Ok(());
            }
        }
        let blocking: Vec<_> = facts.spec.remarks.iter().filter(|it| it.blocking).collect();
        if let Some(first) = blocking.first() {
            let says =
                format!("{} cannot be run: {} line {}: {}", item.slug, first.file, first.line, first.says);
            let detail = blocking
                .iter()
                .map(|it| format!("{}:{}: {}", it.file, it.line, it.says))
                .collect::<Vec<_>>()
                .join("\n");
            return Err(Fault::refused(says)
                .hint(format!(
                    "mend {}/tasks.md, commit it on {}",
                    facts.spec.folder,
                    project.default_branch.short()
                ))
                .because(detail));
        }
        if !facts.spec.tasks.iter().any(|task| !task.done && !task.optional) {
            return Err(Fault::refused(format!(
                "every task of {} is ticked already: there is nothing to do",
                item.slug
            )));
        }
        self.emit(Event::ItemRead {
            item: Item {
                base: facts.base.clone(),
                spec: facts.spec.clone(),
                moved: self.now,
                ..item.clone()
            },
        });
        let id = self.fleet.next_run();
        let run = Run {
            id,
            project: project.id,
            item: item.id,
            state: RunState::Running,
            why: "started".to_owned(),
            policy: facts.policy,
            base: facts.base.clone(),
            branch: facts.branch,
            head: None,
            tasks: facts.spec.tasks.into_iter().map(task_run).collect(),
            integrating: None,
            pull: None,
            by: self.who.clone(),
            started: self.now,
            moved: self.now,
            touches: Vec::new(),
        };
        self.emit(Event::RunStarted { run });
        self.move_item(item.id, ItemState::Running, &format!("carried by {id}"), &[]);
        self.effect(Effect::MakeBranch { run: id, at: facts.base });
        Ok(())
    }

    /// A parked run goes on: parked tasks get new tries, a bounced pull request is merged and checked anew.
    fn go_on(&mut self, run: &Run) {
        let touch = Touch { at: self.now, by: self.who.clone(), kind: TouchKind::Restarted, session: None };
        self.emit(Event::RunTouched { run: run.id, touch });
        for task in run.tasks.iter().filter(|task| matches!(task.state, TaskState::Parked { .. })) {
            self.emit(Event::TaskRestarted { run: run.id, task: task.spec.id.clone() });
        }
        let state = if run.pull.is_some() { RunState::InPull } else { RunState::Running };
        self.emit(Event::RunMoved { run: run.id, to: state, why: "a person let it go on".to_owned() });
        self.move_item(run.item, ItemState::Running, &format!("carried by {}", run.id), &[]);
        let at = run.head.clone().unwrap_or_else(|| run.base.clone());
        self.effect(Effect::MakeBranch { run: run.id, at });
    }

    /// A person stops a run.
    pub(super) fn stop_run(&mut self, run: RunId) -> Result<(), Fault> {
        let it = self.run(run)?.clone();
        if !(it.state.is_live() || it.state == RunState::Parked) {
            return Err(Fault::refused(format!("{run} is {} already", it.state.word())));
        }
        if let Some(pull) = it.pull.and_then(|pull| self.fleet.pulls.get(&pull))
            && matches!(pull.state, pilothouse_contract::pull::PullState::Landing)
        {
            return Err(Fault::refused(format!("{} is being landed this moment: wait for its end", pull.id)));
        }
        self.emit(Event::RunMoved { run, to: RunState::Stopped, why: "stopped by a person".to_owned() });
        for attempt in self.open_attempts(run) {
            self.fail_attempt(
                attempt,
                pilothouse_contract::attempt::Failure::Stopped,
                "the run was stopped",
                &[],
            );
        }
        if let Some(pull) =
            it.pull.filter(|pull| self.fleet.pulls.get(pull).is_some_and(|it| !it.state.is_over()))
        {
            self.move_pull(pull, pilothouse_contract::pull::PullState::Bounced, "its run was stopped", &[]);
        }
        self.move_item(it.item, ItemState::Parked, "its run was stopped", &[]);
        Ok(())
    }

    /// The item branch is made, or put back.
    pub(super) fn branch_made(&mut self, run: RunId, made: Result<(), String>) {
        let Some(it) = self.live_run(run) else { return };
        match made {
            Err(why) => {
                self.park_run(run, &format!("its branch {} could not be made: {why}", it.branch.short()))
            }
            Ok(()) => {
                if it.head.is_none() {
                    let why = format!("{} made at {}", it.branch.short(), it.base.short());
                    self.engine(Event::HeadMoved { run, from: None, to: it.base.clone(), why });
                }
                if let Some(pull) = it.pull {
                    self.merge_again(pull, "a person let it go on");
                } else {
                    self.carry_on(run);
                }
            }
        }
    }

    /// Starts what may start; if nothing runs and nothing can, the run is assembled or parked.
    pub(super) fn carry_on(&mut self, run: RunId) {
        let Some(it) = self.live_run(run).filter(|it| it.state == RunState::Running) else { return };
        self.next_integration(run);
        let ready: Vec<TaskId> = schedule::waits(&it)
            .into_iter()
            .filter(|(_, wait)| *wait == Wait::Ready)
            .map(|(task, _)| task)
            .collect();
        for task in ready {
            self.start_task(run, &task);
        }
        let Some(it) = self.fleet.runs.get(&run) else { return };
        if it.tasks.iter().any(|task| matches!(task.state, TaskState::Active { .. })) {
            return;
        }
        if it.tasks.iter().all(|task| task.state.is_done()) {
            self.assemble(run);
            return;
        }
        let parked: Vec<String> = it
            .tasks
            .iter()
            .filter_map(|task| match &task.state {
                TaskState::Parked { why } => Some(format!("{}: {why}", task.spec.id)),
                _ => None,
            })
            .collect();
        self.park_run(run, &parked.join("; "));
    }

    /// Begins an attempt at a task, or parks the task if it is for a person.
    fn start_task(&mut self, run: RunId, task: &TaskId) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let (Some(head), Some(spec)) = (it.head.clone(), it.task(task).map(|task| task.spec.clone())) else {
            return;
        };
        if let Some(why) = for_a_person(&spec) {
            let to = TaskState::Parked { why: why.clone() };
            self.engine(Event::TaskMoved { run, task: task.clone(), to, why, evidence: Vec::new() });
            return;
        }
        let number = it.task(task).map_or(0, |task| task.attempts.len()) + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let (project, branch) = (it.project, it.branch.clone());
        let slug = self.fleet.items.get(&it.item).map(|item| item.slug.clone()).unwrap_or_default();
        let project_name = self.fleet.projects.get(&project).map(|it| it.name.clone()).unwrap_or_default();
        let id = self.fleet.next_attempt();
        let worktree = self.fleet.next_worktree();
        let name = format!("{slug}-{}-{id}", task.as_str().to_lowercase().replace('.', "-"));
        self.engine(Event::WorktreeAsked {
            worktree: Worktree {
                id: worktree,
                project,
                attempt: Some(id),
                // Relative to the folder of worktrees; whoever makes it knows where that is.
                path: format!("{project_name}/{name}"),
                branch: attempt_branch(&branch, task, id),
                base: head.clone(),
                state: WorktreeState::Making,
                seen: None,
                asked: self.now,
            },
        });
        self.engine(Event::AttemptStarted {
            attempt: Attempt {
                id,
                run,
                task: task.clone(),
                number,
                state: AttemptState::Leased,
                why: format!("try {number} of {}", it_tries(self.fleet.runs.get(&run))),
                base: head,
                worktree,
                session: None,
                brief: None,
                candidate: None,
                evidence: Vec::new(),
                failure: None,
                started: self.now,
                moved: self.now,
            },
        });
        self.clear_earlier(run, task);
        self.move_attempt(id, AttemptState::Preparing, "its worktree and its brief are being made", &[]);
        self.effect(Effect::Prepare { attempt: id });
    }

    /// A new attempt needs no look at the ones before it: their worktrees go (and can be brought back).
    fn clear_earlier(&mut self, run: RunId, task: &TaskId) {
        let Some(attempts) =
            self.fleet.runs.get(&run).and_then(|it| it.task(task)).map(|it| it.attempts.clone())
        else {
            return;
        };
        let earlier = attempts.iter().rev().skip(1).filter_map(|id| self.fleet.attempts.get(id));
        let worktrees: Vec<_> = earlier.map(|it| it.worktree).collect();
        for worktree in worktrees {
            self.discard(worktree);
        }
    }

    /// Every task is done: the evidence is written down on the item branch, before the pull request's checks, so that
    /// landing changes no checked tree.
    fn assemble(&mut self, run: RunId) {
        let Some(it) = self.fleet.runs.get(&run).cloned() else { return };
        let Some(head) = it.head.clone() else { return };
        let done = it.tasks.iter().filter(|task| matches!(task.state, TaskState::Done { .. })).count();
        let why = format!("{done} tasks done and verified");
        self.engine(Event::RunMoved { run, to: RunState::Assembled, why: why.clone() });
        self.move_item(it.item, ItemState::Assembled, &why, &[]);
        self.effect(Effect::WriteRecord { run, head });
    }

    pub(super) fn record_written(&mut self, run: RunId, head: &Oid, made: Result<Oid, String>) {
        let Some(it) = self.live_run(run).filter(|it| it.head.as_ref() == Some(head)) else { return };
        match made {
            Ok(new) => {
                self.effect(Effect::Advance { run, old: head.clone(), new, change: HeadChange::Record })
            }
            Err(why) => self.park_run(it.id, &format!("its evidence record could not be written: {why}")),
        }
    }

    /// The item branch was moved, or not.
    pub(super) fn advanced(&mut self, run: RunId, old: &Oid, new: &Oid, change: HeadChange, moved: Advanced) {
        let Some(it) = self.fleet.runs.get(&run).filter(|it| it.head.as_ref() == Some(old)).cloned() else {
            return;
        };
        match moved {
            Advanced::Moved => {
                let why = match &change {
                    HeadChange::Task { attempt } => {
                        let task = self
                            .fleet
                            .attempts
                            .get(attempt)
                            .map(|it| it.task.to_string())
                            .unwrap_or_default();
                        format!("{task} committed and ticked")
                    }
                    HeadChange::Record => "evidence written down".to_owned(),
                };
                self.engine(Event::HeadMoved { run, from: Some(old.clone()), to: new.clone(), why });
                match change {
                    HeadChange::Task { attempt } => self.task_done(run, attempt),
                    HeadChange::Record => self.effect(Effect::Propose { run, head: new.clone() }),
                }
            }
            Advanced::Elsewhere { found, named } => {
                let reference = it.branch.clone();
                self.engine(Event::RefTouched {
                    project: it.project,
                    session: None,
                    reference,
                    from: Some(old.clone()),
                    to: found,
                    prevented: false,
                    named: named.clone(),
                });
                let why = format!("its branch {} was moved by {named}", it.branch.short());
                self.park_run(run, &why);
            }
            Advanced::Failed { why } => {
                let why = format!("its branch {} could not be moved: {why}", it.branch.short());
                self.park_run(run, &why);
            }
        }
    }

    /// Parks a run, once. What still works on it is stopped, so that a parked run is at rest.
    pub(super) fn park_run(&mut self, run: RunId, why: &str) {
        let Some(it) = self.live_run(run) else { return };
        self.engine(Event::RunMoved { run, to: RunState::Parked, why: why.to_owned() });
        for attempt in self.open_attempts(run) {
            self.fail_attempt(
                attempt,
                pilothouse_contract::attempt::Failure::Stopped,
                "its run was parked",
                &[],
            );
        }
        self.move_item(it.item, ItemState::Parked, why, &[]);
    }

    pub(super) fn open_attempts(&self, run: RunId) -> Vec<AttemptId> {
        let attempts = self.fleet.attempts.values();
        attempts.filter(|it| it.run == run && !it.state.is_over()).map(|it| it.id).collect()
    }

    pub(super) fn move_item(&mut self, item: ItemId, to: ItemState, why: &str, evidence: &[EvidenceId]) {
        if self.fleet.items.get(&item).is_some_and(|it| it.state != to || it.why != why) {
            self.engine(Event::ItemMoved { item, to, why: why.to_owned(), evidence: evidence.to_vec() });
        }
    }

    /// The run, if it is live.
    pub(super) fn live_run(&self, run: RunId) -> Option<Run> {
        self.fleet.runs.get(&run).filter(|it| it.state.is_live()).cloned()
    }

    pub(super) fn run(&self, run: RunId) -> Result<&Run, Fault> {
        self.fleet.runs.get(&run).ok_or_else(|| Fault::missing(format!("there is no run {run}")))
    }

    pub(super) fn item(&self, item: ItemId) -> Result<&Item, Fault> {
        self.fleet.items.get(&item).ok_or_else(|| Fault::missing(format!("there is no item {item}")))
    }

    /// The name under which policy says yes.
    pub(super) fn policy_of(&self, run: RunId) -> Who {
        Who::Policy(self.fleet.runs.get(&run).map(|it| it.policy.source.clone()).unwrap_or_default())
    }

    /// Runs that carry pull requests of a project.
    pub(super) fn pulls_of(&self, project: ProjectId) -> Vec<PullId> {
        self.fleet
            .pulls
            .values()
            .filter(|it| it.project == project && !it.state.is_over())
            .map(|it| it.id)
            .collect()
    }
}

/// Both ways out of a stopped line.
pub(super) fn line_hints(fault: Fault, project: &str) -> Fault {
    fault
        .command("say yes to the move", format!("pilothouse project adopt {project}"))
        .command("take the move back", format!("pilothouse project take-back {project}"))
}

fn it_tries(run: Option<&Run>) -> u32 {
    run.map_or(0, |run| run.policy.attempts)
}

fn task_run(spec: TaskSpec) -> TaskRun {
    let state = if spec.done {
        TaskState::DoneBefore
    } else if spec.optional {
        TaskState::Skipped
    } else {
        TaskState::Waiting
    };
    TaskRun { spec, state, attempts: Vec::new(), failures: 0 }
}

/// Why a task is not for an agent; nothing if it is.
fn for_a_person(spec: &TaskSpec) -> Option<String> {
    if let Some(gate) = spec.gate.as_ref().filter(|gate| gate.contains("human")) {
        return Some(format!("its gate is '{gate}'"));
    }
    match &spec.verify {
        Verify::Commands(_) => None,
        Verify::Manual(why) => Some(format!("it is verified by hand: {why}")),
        Verify::Human(what) => Some(format!("a person verifies it: {what}")),
        Verify::Unsaid => Some("it has no Verify".to_owned()),
    }
}

/// `pilothouse/001-tide/item` → `pilothouse/001-tide/t003-a7`.
fn attempt_branch(item: &RefName, task: &TaskId, attempt: AttemptId) -> RefName {
    let folder = item.as_str().rsplit_once('/').map_or(item.as_str(), |(folder, _)| folder);
    RefName(format!("{folder}/{}-{attempt}", task.as_str().to_lowercase().replace(['.', ' '], "-")))
}
