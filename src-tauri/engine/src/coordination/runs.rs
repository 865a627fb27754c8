//! Runs: started, scheduled, parked, assembled into a pull request.

use std::collections::{HashMap, HashSet};

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::layout::Layout;
use pilothouse_contract::phase::{Checkpoint, PhaseRun};
use pilothouse_contract::project::{Line, Project, Trust};
use pilothouse_contract::run::{Run, RunState, TaskRun, TaskState};
use pilothouse_contract::spec::{Spec, TaskSpec};
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{
    AttemptId, Event, EvidenceId, Fault, ItemId, Oid, ProjectId, PullId, RunId, TaskId, Who,
};

use super::checkpoint::phases;
use super::effect::{Advanced, Effect, HeadChange};
use super::input::{ItemFound, RunFacts};
use super::{Work, schedule};
use crate::policy::resources;

/// What the items of a project are known by. A repository may name thousands alike.
#[derive(Debug, Default)]
struct Names {
    ours: HashMap<String, ItemId>,
    others: HashMap<(String, String), ItemId>,
    taken: HashSet<String>,
    /// The first number that was not tried behind a short name.
    next: HashMap<String, u32>,
}

impl Names {
    fn add(&mut self, item: &Item) {
        self.taken.insert(item.slug.clone());
        if item.spec.layout.is_ours() {
            self.ours.entry(item.slug.clone()).or_insert(item.id);
        } else {
            let place = (item.spec.folder.clone(), item.spec.name.clone());
            self.others.entry(place).or_insert(item.id);
        }
    }

    /// Ours are known by their folders' names, and others by where they lie: two layouts may give one name.
    fn known(&self, slug: &str, spec: &Spec) -> Option<ItemId> {
        if spec.layout.is_ours() {
            return self.ours.get(slug).copied();
        }
        self.others.get(&(spec.folder.clone(), spec.name.clone())).copied()
    }

    /// A short name that no other item has.
    fn free(&mut self, slug: &str, layout: Layout) -> String {
        let named = format!("{slug}-{}", layout.name().to_lowercase().replace(' ', "-"));
        if let Some(free) = [slug.to_owned(), named].into_iter().find(|it| !self.taken.contains(it)) {
            return free;
        }
        let next = self.next.entry(slug.to_owned()).or_insert(2);
        loop {
            let numbered = format!("{slug}-{next}");
            *next = next.saturating_add(1);
            if !self.taken.contains(&numbered) {
                return numbered;
            }
        }
    }
}

impl Work<'_> {
    /// Spec folders as they stand at the tip of the default branch. Items that are under way keep what they were
    /// started with; a landed one is read anew, and is planned again if it holds open tasks again.
    pub(super) fn items_found(&mut self, project: ProjectId, found: Vec<ItemFound>) -> Result<(), Fault> {
        let main = self.project(project)?.main.clone();
        let mut names = Names::default();
        self.fleet.items.values().filter(|it| it.project == project).for_each(|it| names.add(it));
        for ItemFound { slug, base, spec } in found {
            let known = names.known(&slug, &spec).and_then(|id| self.fleet.items.get(&id));
            let slug = known.map_or_else(|| names.free(&slug, spec.layout), |it| it.slug.clone());
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
            let mut item = Item { id: ItemId(0), project, slug, state, why, base, spec, moved: self.now };
            match known {
                None => item.id = self.fleet.next_item(),
                Some(known) => {
                    let read_anew = match known.state {
                        ItemState::Drafting | ItemState::Planned => true,
                        // What was read before it landed, and is told only now, would have its tasks open.
                        ItemState::Landed => item.base == main,
                        _ => false,
                    };
                    if !read_anew || (known.spec == item.spec && known.state == item.state) {
                        continue;
                    }
                    item.id = known.id;
                    if known.state == ItemState::Landed && item.state == ItemState::Landed {
                        item.why.clone_from(&known.why);
                        item.moved = known.moved;
                    }
                }
            }
            names.add(&item);
            self.engine(Event::ItemRead { item });
        }
        Ok(())
    }

    /// A person starts a run, or lets a parked one go on.
    pub(super) fn start_run(&mut self, mut facts: RunFacts) -> Result<(), Fault> {
        let item = self.item(facts.item)?.clone();
        let project = self.project(item.project)?.clone();
        let command = format!("pilothouse project trust {}", project.name);
        if project.trust == Trust::Undecided {
            let says = format!("{} is not trusted yet, and agents run with your rights", project.name);
            return Err(
                Fault::refused(says).command("look at what in it can run commands, and decide", command)
            );
        }
        line_open(&project)?;
        let earlier = self.fleet.run_of(item.id).cloned();
        if let Some(run) = earlier.as_ref().filter(|run| run.state.is_live()) {
            return Err(Fault::refused(format!("{} is carried by {} already", item.slug, run.id))
                .command("see where it stands", format!("pilothouse run show {}", run.id)));
        }
        self.mind_gates(&item, &facts)?;
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
                    "mend {}, commit it on {}",
                    facts.spec.tasks_at(),
                    self.unlanded(item.id).map_or(&project.default_branch, |it| &it.branch).short()
                ))
                .because(detail));
        }
        let too_much = |task: &TaskSpec| {
            let need = resources::too_much(task, &facts.policy.resources)?;
            Some(format!("{} uses {} of {}, and there are {}", task.id, need.count, need.name, need.of))
        };
        if let Some(says) = facts.spec.tasks.iter().filter(|it| !it.done).find_map(too_much) {
            return Err(Fault::refused(format!("{} cannot be run: {says}", item.slug)).hint(
                "raise it under resources: of WORKFLOW.md, or lower what Uses of the task says, and commit that",
            ));
        }
        let gates = std::mem::take(&mut facts.gates);
        if let Some(run) = earlier.filter(|run| run.state == RunState::Parked && !facts.fresh) {
            if facts.window.is_some() {
                return Err(Fault::refused(format!(
                    "{} is parked, and goes on at once or not at all",
                    run.id
                ))
                .command("let it go on now", format!("pilothouse run start {}", item.slug)));
            }
            self.go_on(&run, &item, facts)?;
            self.note_gates(item.id, run.id, gates);
            return Ok(());
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
        let tasks: Vec<TaskRun> = facts.spec.tasks.into_iter().map(task_run).collect();
        let run = Run {
            id,
            project: project.id,
            item: item.id,
            state: if facts.window.is_some() { RunState::Queued } else { RunState::Running },
            why: if facts.window.is_some() { "queued" } else { "started" }.to_owned(),
            stop: None,
            stopped_by: Vec::new(),
            policy: facts.policy,
            base: facts.base.clone(),
            approved: facts.base.clone(),
            settling: false,
            paused: None,
            window: facts.window,
            rank: 0,
            branch: facts.branch,
            head: None,
            phases: phases(&facts.spec.phases, &tasks, &[]),
            tasks,
            audit: None,
            integrating: None,
            pull: None,
            takes_back: None,
            by: self.who.clone(),
            started: self.now,
            moved: self.now,
            outside: None,
            claim: facts.claim,
            touches: Vec::new(),
            notes: Vec::new(),
        };
        self.emit(Event::RunStarted { run: Box::new(run) });
        self.note_gates(item.id, id, gates);
        self.move_item(item.id, ItemState::Running, &format!("carried by {id}"), &[]);
        if self.run(id)?.state == RunState::Queued {
            self.queue(id);
        } else {
            self.effect(Effect::MakeBranch { run: id, at: facts.base, adopt: false });
        }
        Ok(())
    }

    /// A person stops a run.
    pub(super) fn stop_run(&mut self, run: RunId) -> Result<(), Fault> {
        self.stop_run_as(self.who.clone(), run, "stopped by a person")
    }

    /// Somebody stops a run, and says why.
    pub(super) fn stop_run_as(&mut self, who: Who, run: RunId, why: &str) -> Result<(), Fault> {
        let it = self.run(run)?.clone();
        if !(it.state.is_live() || it.state == RunState::Parked) {
            return Err(Fault::refused(format!("{run} is {} already", it.state.word())));
        }
        if let Some(pull) = it.pull.and_then(|pull| self.fleet.pulls.get(&pull))
            && matches!(pull.state, pilothouse_contract::pull::PullState::Landing)
        {
            return Err(Fault::refused(format!("{} is being landed this moment: wait for its end", pull.id)));
        }
        self.move_run_as(who, run, RunState::Stopped, why);
        self.end_rests(run);
        for attempt in self.open_attempts(run) {
            self.fail_attempt(attempt, Failure::Stopped, "the run was stopped", &[]);
        }
        self.end_checks(|it| it.run == Some(run) && it.attempt.is_none());
        self.end_judge(run);
        self.rest_review(run);
        if let Some(pull) =
            it.pull.filter(|pull| self.fleet.pulls.get(pull).is_some_and(|it| !it.state.is_over()))
        {
            self.move_pull(pull, pilothouse_contract::pull::PullState::Bounced, "its run was stopped", &[]);
        }
        self.move_item(it.item, ItemState::Parked, "its run was stopped", &[]);
        Ok(())
    }

    /// A person pauses a run, or lets it go on. What is so already stays so.
    pub(super) fn pause_run(&mut self, run: RunId, paused: bool) -> Result<(), Fault> {
        let it = self.run(run)?;
        if !it.state.is_live() {
            return Err(Fault::refused(format!("{run} is {}: nothing of it is carried", it.state.word())));
        }
        if !paused && self.fleet.halt.is_some() {
            return Err(Fault::refused(format!("everything is paused, and {run} with it"))
                .command("let everything go on", "pilothouse run go-on"));
        }
        if it.state == RunState::Queued && !paused && !it.is_paused() {
            let it = it.clone();
            return self.begin_now(&it);
        }
        let is_paused = it.is_paused();
        // Whoever says "go on" does not want to wait for what rests after a failed try either.
        if !paused && self.lift_rests(run) && !is_paused {
            self.carry_on(run);
        }
        if is_paused == paused {
            return Ok(());
        }
        self.emit(Event::RunPaused { run, paused });
        if !paused {
            self.goes_on(run);
        }
        Ok(())
    }

    /// A run is paused no more, by whomever: its tasks go on, whoever was to look at it sits down, and what waited begins.
    pub(super) fn goes_on(&mut self, run: RunId) {
        self.carry_on(run);
        self.review_those_due();
        self.begin_queued();
    }

    /// Starts what may start; if nothing runs and nothing can, the run is assembled or parked.
    pub(super) fn carry_on(&mut self, run: RunId) {
        // Before its branch is there, or while that is brought up to date, nothing begins.
        let carried = |it: &&Run| it.state == RunState::Running && !it.settling && it.head.is_some();
        if self.fleet.runs.get(&run).filter(carried).is_none() {
            return;
        }
        self.next_integration(run);
        self.check_phases(run);
        let more_later = loop {
            let Some(it) = self.fleet.runs.get(&run) else { return };
            let ready = self.schedules.ready(self.fleet, it);
            if ready.begin.is_empty() {
                break ready.more_later;
            }
            // One that is for a person is parked at once, and its place is another one's.
            for task in ready.begin {
                self.start_task(run, &task);
            }
        };
        let Some(it) = self.fleet.runs.get(&run) else { return };
        if it.tasks.iter().any(|task| matches!(task.state, TaskState::Active { .. })) {
            return;
        }
        let checking = |it: &PhaseRun| matches!(it.state, Checkpoint::Checking { .. });
        if it.phases.iter().any(checking) {
            return;
        }
        if it.tasks.iter().all(|task| task.state.is_done()) {
            if self.is_audited(run) {
                self.assemble(run);
            }
            return;
        }
        // Then the others begin, or it turns out that nothing can.
        let rests = |task: &TaskRun| task.state == TaskState::Waiting && task.rests.is_some();
        if more_later || self.fleet.is_paused(it) || it.tasks.iter().any(rests) {
            return;
        }
        let parked: Vec<(TaskId, String)> = it
            .tasks
            .iter()
            .filter_map(|task| match &task.state {
                TaskState::Parked { why } => Some((task.spec.id.clone(), format!("{}: {why}", task.spec.id))),
                _ => None,
            })
            .collect();
        // Nothing is for a person, and nothing begins: they wait for each other, which a spec that may be run does not let them.
        let stuck = || {
            let waits = schedule::waits(self.fleet, it);
            waits.into_iter().map(|(task, wait)| (task.clone(), format!("{task} {wait}"))).take(3).collect()
        };
        let parked = if parked.is_empty() { stuck() } else { parked };
        let (tasks, whys): (Vec<TaskId>, Vec<String>) = parked.into_iter().unzip();
        let tried = |id: &TaskId| it.task(id).and_then(|task| task.attempts.last());
        let last = tasks.iter().filter_map(tried).filter_map(|id| self.fleet.attempts.get(id));
        let evidence: Vec<EvidenceId> = last.filter_map(|it| it.evidence.last()).copied().collect();
        self.park_run(run, Stop::Tasks { tasks }, &whys.join("; "), &evidence);
    }

    /// Every task is done: the evidence is written down on the item branch, before the pull request's checks, so that
    /// landing changes no checked tree.
    fn assemble(&mut self, run: RunId) {
        let Some(it) = self.fleet.runs.get(&run).cloned() else { return };
        let Some(head) = it.head.clone() else { return };
        let done = it.tasks.iter().filter(|task| matches!(task.state, TaskState::Done { .. })).count();
        let why = format!("{done} tasks done and verified");
        self.move_run(run, RunState::Assembled, &why);
        // A window says when work begins. What is made may land whenever somebody says yes.
        self.go_on_with_window(&it);
        self.move_item(it.item, ItemState::Assembled, &why, &[]);
        if it.takes_back.is_some() {
            // It has no folder of a spec that anything could be written in.
            self.effect(Effect::Propose { run, head });
            return;
        }
        self.effect(Effect::WriteRecord { run, head });
    }

    pub(super) fn record_written(&mut self, run: RunId, head: &Oid, made: Result<Oid, String>) {
        let Some(it) = self.live_run(run).filter(|it| it.head.as_ref() == Some(head)) else { return };
        match made {
            // A run that went on and came to nothing new: what is written down there says it all.
            Ok(new) if new == *head => self.effect(Effect::Propose { run, head: new }),
            Ok(new) => {
                self.effect(Effect::Advance { run, old: head.clone(), new, change: HeadChange::Record })
            }
            Err(why) => {
                let why = format!("its evidence record could not be written: {why}");
                self.park_run(it.id, Stop::Record, &why, &[]);
            }
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
                    HeadChange::Answer { pull, .. } => format!("findings on {pull} answered"),
                    HeadChange::Main { main } => format!("the default branch taken in at {}", main.short()),
                };
                self.engine(Event::HeadMoved { run, from: Some(old.clone()), to: new.clone(), why });
                match change {
                    HeadChange::Task { attempt } => self.task_done(run, attempt),
                    HeadChange::Record => self.effect(Effect::Propose { run, head: new.clone() }),
                    HeadChange::Answer { pull, session } => self.answer_taken(run, pull, session, new),
                    HeadChange::Main { main } => self.settled(run, &main),
                }
            }
            Advanced::Elsewhere { found, named } => {
                self.free_branch(run);
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
                self.park_run(run, Stop::BranchMoved, &why, &[]);
            }
            Advanced::Failed { why } => {
                self.free_branch(run);
                let why = format!("its branch {} could not be moved: {why}", it.branch.short());
                self.park_run(run, Stop::Branch, &why, &[]);
            }
        }
    }

    /// Parks a run, once. What still works on it is stopped, so that a parked run is at rest.
    pub(super) fn park_run(&mut self, run: RunId, stop: Stop, why: &str, evidence: &[EvidenceId]) {
        let Some(it) = self.live_run(run) else { return };
        self.engine(Event::RunMoved {
            run,
            to: RunState::Parked,
            why: why.to_owned(),
            stop: Some(stop),
            evidence: evidence.to_vec(),
        });
        self.end_rests(run);
        let says = format!("its run was parked: {why}");
        for attempt in self.open_attempts(run) {
            self.fail_attempt(attempt, Failure::Stopped, &says, &[]);
        }
        self.end_checks(|it| it.run == Some(run) && it.attempt.is_none());
        self.end_judge(run);
        self.rest_review(run);
        self.move_item(it.item, ItemState::Parked, why, evidence);
    }

    /// A run goes along its road, by the engine's own rules.
    pub(super) fn move_run(&mut self, run: RunId, to: RunState, why: &str) {
        self.move_run_as(Who::Engine, run, to, why);
    }

    fn move_run_as(&mut self, who: Who, run: RunId, to: RunState, why: &str) {
        let event = Event::RunMoved { run, to, why: why.to_owned(), stop: None, evidence: Vec::new() };
        self.emit_as(who, event);
    }

    /// The item branch is not being moved by anybody any more.
    fn free_branch(&mut self, run: RunId) {
        if self.fleet.runs.get(&run).is_some_and(|it| it.integrating.is_some()) {
            self.engine(Event::Integrating { run, attempt: None });
        }
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

/// Whether the line of a project is open; if not, what stopped it and the ways out.
pub(super) fn line_open(project: &Project) -> Result<(), Fault> {
    let Line::Stopped { found, named, .. } = &project.line else { return Ok(()) };
    let (name, branch) = (&project.name, project.default_branch.short());
    let take_back = format!("pilothouse project take-back {name}");
    Err(match found {
        Some(_) => Fault::refused(format!("the line of {name} is stopped: {branch} was moved by {named}"))
            .command("say yes to the move", format!("pilothouse project adopt {name}"))
            .command("take the move back", take_back),
        None => {
            let says =
                format!("{name} has no branch {branch} any more, and that is the branch that work lands on");
            Fault::refused(says).command("bring it back where it stood", take_back)
        }
    })
}

/// A task as a run begins with it.
pub(super) fn task_run(spec: TaskSpec) -> TaskRun {
    let state = if spec.done {
        TaskState::DoneBefore
    } else if spec.optional {
        TaskState::Skipped
    } else {
        TaskState::Waiting
    };
    TaskRun { spec, state, attempts: Vec::new(), failures: 0, rests: None, goes_on: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_items_with_one_name_get_names_of_their_own() {
        let mut names = Names::default();
        for _ in 0..20_000 {
            let free = names.free("export", Layout::Kiro);
            assert!(names.taken.insert(free));
        }
        assert!(names.taken.contains("export") && names.taken.contains("export-kiro"));
        assert!(names.taken.contains("export-2") && names.taken.contains("export-19999"));
    }
}
