//! The queue of approved pull requests of each project. What follows from its state is said by `policy::queue`; here it becomes
//! records and effects. It is looked at once at the end of each decision that touched it, so nobody has to remember to ask.
//!
//! Whoever has a yes for its head is in it, in the order of coming. Its merge result is made on the one ahead of it, and what is
//! checked is what would land. Out of the chain for now, and so not in anybody's way: what a person paused, and what waits
//! for a checkout with all that would land with it.

use std::collections::BTreeSet;

use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::{Line, Move, Project};
use pilothouse_contract::pull::{MergeResult, Pull, PullState};
use pilothouse_contract::queue::{Clash, Queued, Said};
use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::{Event, EvidenceId, Fault, Oid, ProjectId, PullId};

use super::Work;
use super::effect::{CheckAsked, Effect, Landing, Merged};
use super::pulls::{UNKNOWN_CHECKS_MAX, checks_of};
use crate::policy::queue::{Candidate, Checks, Entry, Queue, Refusal, Step, plan};

/// A reason holds at most so many signs.
const WHY_MAX: usize = 500;

/// Whether all its checks passed on its merge result.
fn has_passed(pull: &Pull) -> bool {
    pull.result.is_some() && pull.checks.iter().all(|check| check.passed == Some(true))
}

impl Work<'_> {
    /// Notes whose queue an event may have to do with.
    pub(super) fn note_queue(&mut self, event: &Event) {
        let of_pull = |pull: &PullId| self.fleet.pulls.get(pull).map(|it| it.project);
        let project = match event {
            Event::MainMoved { project, .. }
            | Event::LineChanged { project, .. }
            | Event::LineHeld { project, .. }
            | Event::AutoLand { project, .. } => Some(*project),
            Event::PullOpened { pull } => Some(pull.project),
            Event::PullRenewed { pull, .. }
            | Event::PullMerged { pull, .. }
            | Event::PullChecked { pull, .. }
            | Event::PullApproved { pull, .. }
            | Event::PullQueued { pull, .. }
            | Event::PullCheckGivenUp { pull, .. }
            | Event::Review { pull, .. }
            | Event::Publish { pull, .. }
            | Event::PullMoved { pull, .. } => of_pull(pull),
            Event::SessionEnded { session, .. } => {
                self.fleet.sessions.get(session).and_then(|it| it.pull).as_ref().and_then(of_pull)
            }
            Event::RunPaused { run, .. } | Event::RunMoved { run, .. } => {
                self.fleet.runs.get(run).and_then(|it| it.pull).as_ref().and_then(of_pull)
            }
            Event::AllPaused { .. } | Event::EngineStarted { .. } => {
                self.queues.extend(self.fleet.listed().map(|it| it.id));
                None
            }
            _ => None,
        };
        self.queues.extend(project);
    }

    /// Looks at the queues that were touched. Returns whether anything followed.
    pub(super) fn mind_queues(&mut self) -> bool {
        let before = self.decision.records.len();
        for project in std::mem::take(&mut self.queues) {
            let it = self.fleet.projects.get(&project).filter(|it| !it.removed).cloned();
            if let Some(it) = it {
                self.mind_queue(&it);
            }
        }
        self.decision.records.len() > before
    }

    fn mind_queue(&mut self, project: &Project) {
        self.mind_forge(project);
        self.let_in(project.id);
        // What is at work is worked to its end, and nothing begins.
        if self.fleet.halt.is_some() {
            return;
        }
        let queue = self.queue_of(project);
        for step in plan(&queue) {
            match step {
                Step::Land(pull) if project.line == Line::Open => self.land(project, pull),
                Step::Land(pull) => self.wait_for_line(pull),
                // Where the default branch stands is not known: whatever is begun now may be in vain.
                Step::Make(..) | Step::Check(_) if project.line != Line::Open => {}
                Step::GiveUp(pull) => self.give_up(pull),
                Step::Make(pull, onto) => self.make(project, &queue, pull, onto),
                Step::Check(pull) => self.check_next(pull),
                Step::Refuse(pull, why) => self.refuse(pull, why),
            }
        }
        self.say_where_they_stand(project.id);
    }

    /// Open pull requests of a project whose runs are live and that have a yes for their head.
    fn approved(&self, project: ProjectId) -> Vec<Pull> {
        let all = self.pulls_of(project).into_iter().filter_map(|id| self.fleet.pulls.get(&id));
        let here = |it: &&Pull| !self.fleet.lands_there(it);
        let live = |it: &&Pull| self.fleet.runs.get(&it.run).is_some_and(|run| run.state.is_live());
        // Nothing is in it over a finding that nobody answered; what is being landed lands.
        let kept = |it: &&Pull| {
            it.state == PullState::Landing || self.review_keeps(it, it.approval.as_ref()).is_none()
        };
        let mut all: Vec<Pull> = all
            .filter(|it| it.is_approved() && self.yes_counts(it))
            .filter(here)
            .filter(live)
            .filter(kept)
            .cloned()
            .collect();
        // What is being landed is before all others, whoever let it: nothing may be put between it and where it lands.
        let turn = |it: &Pull| it.queued.as_ref().map_or(u64::MAX, |it| it.turn);
        all.sort_by_key(|it| (it.state != PullState::Landing, turn(it), it.id));
        all
    }

    /// Whoever got a yes comes into the queue, behind those that are in it.
    fn let_in(&mut self, project: ProjectId) {
        for pull in self.approved(project).into_iter().filter(|it| it.queued.is_none()) {
            let failed = self.failures_of(&pull);
            let queued = Queued { turn: self.fleet.seq + 1, since: self.now, failed, ..NOBODY };
            self.engine(Event::PullQueued { pull: pull.id, queued });
        }
    }

    /// How often a check of its present merge result failed, before it came into the queue.
    fn failures_of(&self, pull: &Pull) -> u32 {
        let result = pull.result.as_ref().map(|it| &it.commit);
        let failed = self.fleet.evidence.values().filter(|it| {
            it.gate == Gate::Landing
                && it.subject.pull == Some(pull.id)
                && Some(&it.commit) == result
                && it.verdict == Verdict::Failed
        });
        // One that passed when it was run again is done with.
        if has_passed(pull) { 0 } else { u32::try_from(failed.count()).unwrap_or(u32::MAX) }
    }

    /// The state of a queue as the policy of it wants to know it.
    fn queue_of(&self, project: &Project) -> Queue<PullId, Oid> {
        let all = self.approved(project.id);
        let waits = |it: &&Pull| matches!(it.state, PullState::WaitsForCheckout { .. });
        let mut out: BTreeSet<PullId> = all.iter().filter(waits).map(|it| it.id).collect();
        for waiting in all.iter().filter(waits) {
            let (chain, base) = self.fleet.chain_of(waiting);
            // As long as it could land from where the default branch stands, those that would land with it wait with it.
            if base == Some(&project.main) {
                out.extend(chain.iter().map(|it| it.id));
            }
        }
        let run = |it: &Pull| self.fleet.runs.get(&it.run);
        let lands = |it: &Pull| it.state == PullState::Landing;
        let may = |it: &&Pull| {
            let paused = run(it).is_some_and(Run::is_paused);
            let held = project.held.as_ref().is_some_and(|held| !it.escapes(held));
            lands(it) || !(out.contains(&it.id) || paused || held)
        };
        let limits = || all.iter().filter_map(run).map(|it| &it.policy);
        let least = |of: fn(&pilothouse_contract::queue::Limits) -> u32| {
            limits().map(|it| of(&it.queue)).min().unwrap_or(1).max(1) as usize
        };
        Queue {
            main: project.main.clone(),
            entries: all.iter().filter(may).map(entry).collect(),
            results: project.fates.clone(),
            parallel: least(|it| it.parallel),
            batch: least(|it| it.batch),
            tries: if limits().all(|it| it.rerun) { 2 } else { 1 },
            landing: all.iter().any(lands),
        }
    }

    fn give_up(&mut self, pull: PullId) {
        let Some(session) = self.fleet.pulls.get(&pull).and_then(|it| it.checking) else { return };
        self.engine(Event::PullCheckGivenUp { pull, session });
        self.effect(Effect::EndSession { session });
    }

    fn make(&mut self, project: &Project, queue: &Queue<PullId, Oid>, pull: PullId, onto: Oid) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        let Some(queued) = it.queued else { return };
        let ahead = queue.entries.iter().take_while(|it| it.key != pull).last();
        let why = match ahead.filter(|_| onto != project.main) {
            Some(ahead) => {
                format!("behind {} in the queue; merged with what is ahead and checked", ahead.key)
            }
            None => format!("in the queue; merged with {} and checked", onto.short()),
        };
        self.engine(Event::PullQueued { pull, queued: Queued { making: Some(onto.clone()), ..queued } });
        self.move_pull(pull, PullState::Checking, &why, &[]);
        self.effect(Effect::Merge { pull, onto, head: it.head });
    }

    /// The merge of one in the queue was made, or not.
    pub(super) fn merged_in_queue(&mut self, it: &Pull, onto: &Oid, merged: Merged) {
        let Some(queued) = it.queued.clone().filter(|queued| queued.making.as_ref() == Some(onto)) else {
            // It is wanted on something else by now.
            return;
        };
        match merged {
            Merged::Made { result } => {
                let checks = self.checks_up_to(it, &result);
                self.engine(Event::PullMerged { pull: it.id, result, checks });
            }
            Merged::Clash { paths } => {
                let clash = Some(Clash { onto: onto.clone(), paths });
                self.engine(Event::PullQueued {
                    pull: it.id,
                    queued: Queued { making: None, clash, ..queued },
                });
            }
            Merged::Failed { why } => self.bounce(it.id, &format!("the merge could not be made: {why}"), &[]),
        }
    }

    /// What has to pass on a merge result: what its own run wants, and what those want that it holds and that have not landed.
    fn checks_up_to(&self, it: &Pull, result: &MergeResult) -> Vec<String> {
        let made = Pull { result: Some(result.clone()), ..it.clone() };
        let (chain, _) = self.fleet.chain_of(&made);
        let mut checks: Vec<String> = Vec::new();
        for run in chain.iter().filter_map(|it| self.fleet.runs.get(&it.run)) {
            for check in checks_of(run) {
                if !checks.contains(&check) {
                    checks.push(check);
                }
            }
        }
        checks
    }

    /// Asks for the next check of a merge result in the queue. What passed on the same tree before is not run again.
    fn check_next(&mut self, pull: PullId) {
        loop {
            let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
            let Some(result) = it.result.clone().filter(|_| it.checking.is_none()) else { return };
            let Some(check) = it.checks.iter().find(|check| check.passed != Some(true)) else { return };
            let command = check.command.clone();
            if let Some(evidence) = self.passed_before(it.project, &result.tree, &command) {
                self.engine(Event::PullChecked { pull, command, evidence, passed: true });
                continue;
            }
            let title = format!("check of {pull}: {command}");
            let asked = CheckAsked {
                session: self.fleet.next_session(),
                project: it.project,
                run: it.run,
                attempt: None,
                pull: Some(pull),
                phase: None,
                gate: Gate::Landing,
                commit: result.commit,
                commands: vec![command],
                expect: None,
            };
            self.ask_check(asked, &title);
            return;
        }
    }

    /// The evidence of a landing's check that held on that tree.
    fn passed_before(&self, project: ProjectId, tree: &Oid, command: &str) -> Option<EvidenceId> {
        let same = |it: &&pilothouse_contract::evidence::Evidence| {
            it.gate == Gate::Landing
                && it.subject.project == project
                && it.tree == *tree
                && it.command == command
                && it.passed()
        };
        let known = !tree.as_str().is_empty();
        self.fleet.evidence.values().rev().find(same).filter(|_| known).map(|it| it.id)
    }

    /// A check of one in the queue came back. What follows is the queue's to say.
    pub(super) fn queue_checked(&mut self, it: &Pull, asked: &CheckAsked, id: EvidenceId, verdict: Verdict) {
        let (pull, command) = (it.id, asked.commands.concat());
        let unknown = self.fleet.evidence.values().filter(|it| {
            it.subject.pull == Some(pull)
                && it.commit == asked.commit
                && it.command == command
                && it.verdict == Verdict::Unknown
        });
        if verdict == Verdict::Unknown && unknown.count() < UNKNOWN_CHECKS_MAX {
            return;
        }
        let passed = verdict == Verdict::Passed;
        self.engine(Event::PullChecked { pull, command, evidence: id, passed });
        if passed {
            // It keeps the place that it has among those that are checked.
            self.check_next(pull);
        }
    }

    fn refuse(&mut self, pull: PullId, why: Refusal) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        if why == Refusal::Clash {
            let paths = it.queued.and_then(|it| it.clash).map(|it| it.paths.join(", ")).unwrap_or_default();
            self.bounce(pull, &format!("it clashes with the default branch: {paths}"), &[]);
            return;
        }
        let Some(failed) = it.checks.iter().find(|check| check.passed == Some(false)) else {
            // What failed did so before, and how it ended when it was run again nobody knows: it is checked anew.
            if let Some(queued) = it.queued.filter(|it| it.failed > 0) {
                self.engine(Event::PullQueued { pull, queued: Queued { failed: 0, ..queued } });
            }
            return;
        };
        let why = failed.evidence.and_then(|id| self.fleet.evidence.get(&id)).map(|it| it.why.clone());
        let says = format!("`{}` failed on the merge result: {}", failed.command, why.unwrap_or_default());
        let evidence: Vec<EvidenceId> = failed.evidence.into_iter().collect();
        self.bounce(pull, &says, &evidence);
    }

    /// The default branch moves to a merge result that was checked, and all that it holds lands.
    fn land(&mut self, project: &Project, tip: PullId) {
        let Some(last) = self.fleet.pulls.get(&tip).cloned() else { return };
        let (chain, base) = self.fleet.chain_of(&last);
        let (Some(result), Some(base)) = (last.result.clone(), base.cloned()) else { return };
        // Guarded here once more, whatever anybody asked for: this very tree was checked, from this very place.
        if base != project.main || !has_passed(&last) {
            return;
        }
        let chain: Vec<Pull> = chain.into_iter().cloned().collect();
        let evidence: Vec<EvidenceId> = last.checks.iter().filter_map(|check| check.evidence).collect();
        for it in chain {
            let by = it.approval.as_ref().map(|approval| approval.by.to_string()).unwrap_or_default();
            let mut why = format!("checked on tree {} and approved by {by}", result.tree.short());
            if it.id != tip {
                why.push_str(&format!("; it lands with {tip}"));
            }
            // A merge that is still being made for it is wanted no more: what lands is what was checked, and stays so meanwhile.
            if let Some(queued) = it.queued.filter(|it| it.making.is_some()) {
                self.engine(Event::PullQueued { pull: it.id, queued: Queued { making: None, ..queued } });
            }
            self.move_item(it.item, ItemState::Landable, &why, &evidence);
            self.move_pull(it.id, PullState::Landing, &why, &evidence);
            self.move_item(it.item, ItemState::Landing, &why, &evidence);
        }
        self.effect(Effect::Land { pull: tip, old: base, new: result.commit });
    }

    /// What was checked for another one holds for this one, whose change it holds. Noted once it has landed and not before: by
    /// itself its own merge result was never checked.
    fn landed_with(&mut self, it: &Pull, last: &Pull) {
        if let Some(queued) = it.queued.clone() {
            let queued = Queued { with: Some(last.id), ..queued };
            self.engine(Event::PullQueued { pull: it.id, queued });
        }
        for check in &it.checks {
            let of = last.checks.iter().find(|of| of.command == check.command);
            if let Some(evidence) = of.and_then(|it| it.evidence) {
                let (pull, command) = (it.id, check.command.clone());
                self.engine(Event::PullChecked { pull, command, evidence, passed: true });
            }
        }
    }

    fn wait_for_line(&mut self, tip: PullId) {
        let Some(last) = self.fleet.pulls.get(&tip).cloned() else { return };
        let chain: Vec<(PullId, PullState)> =
            self.fleet.chain_of(&last).0.into_iter().map(|it| (it.id, it.state.clone())).collect();
        for (pull, state) in chain {
            if state != PullState::WaitsForLine {
                let why = "the line is stopped until a person settles it";
                self.move_pull(pull, PullState::WaitsForLine, why, &[]);
            }
        }
    }

    /// A person holds the line: what is being landed lands, and nothing after it but what a person lets through.
    pub(super) fn hold_line(&mut self, project: ProjectId, why: &str) -> Result<(), Fault> {
        let it = self.project(project)?;
        let name = it.name.clone();
        if let Some(held) = &it.held {
            return Err(Fault::refused(format!(
                "{} holds the line of {name} already: {}",
                held.by, held.why
            )));
        }
        let held = self.said(why)?;
        self.emit(Event::LineHeld { project, held: Some(held) });
        Ok(())
    }

    /// A person lets the line go again.
    pub(super) fn open_line(&mut self, project: ProjectId) -> Result<(), Fault> {
        let it = self.project(project)?;
        if it.held.is_none() {
            super::runs::line_open(it)?;
            return Err(Fault::refused(format!("the line of {} is open: nobody holds it", it.name)));
        }
        self.emit(Event::LineHeld { project, held: None });
        if self.project(project)?.line == Line::Open {
            self.open_again(project);
        }
        Ok(())
    }

    /// A person lets one land though the line is held. It still has to have a yes, and its checks to pass.
    pub(super) fn escape(&mut self, pull: PullId, why: &str) -> Result<(), Fault> {
        let it = self.pull(pull)?.clone();
        let project = self.project(it.project)?.clone();
        if project.held.is_none() {
            return Err(Fault::refused(format!("nobody holds the line of {}", project.name))
                .command("land it like any other", format!("pilothouse pr land {pull}")));
        }
        if it.state == PullState::Landing {
            return Err(Fault::refused(format!("{pull} is being landed this moment")));
        }
        if self.fleet.lands_there(&it) {
            return Err(Fault::refused(format!("{pull} lands by its forge, and nothing escapes to there"))
                .command("let the line go", format!("pilothouse line open {}", project.name)));
        }
        let Some(queued) = it.queued.clone().filter(|_| it.is_approved() && !it.state.is_over()) else {
            return Err(Fault::refused(format!("{pull} is {} and has nobody's yes", it.state.word()))
                .command("look at it and say yes", format!("pilothouse pr approve {pull}")));
        };
        super::runs::line_open(&project)?;
        let escape = Some(self.said(why)?);
        self.emit(Event::PullQueued { pull, queued: Queued { escape, ..queued } });
        self.move_pull(pull, PullState::Landable, "a person lets it land though the line is held", &[]);
        Ok(())
    }

    fn said(&self, why: &str) -> Result<Said, Fault> {
        let why = why.trim();
        if why.is_empty() || why.chars().count() > WHY_MAX {
            return Err(Fault::refused(format!(
                "the reason has to be 1 to {WHY_MAX} signs long: whoever waits reads it"
            )));
        }
        Ok(Said { by: self.who.clone(), at: self.now, why: why.to_owned() })
    }

    /// Whoever has a yes and nothing under way for it says why it stands there.
    fn say_where_they_stand(&mut self, project: ProjectId) {
        let held = self.fleet.projects.get(&project).and_then(|it| it.held.clone());
        for it in self.approved(project) {
            if let Some(held) = held.as_ref().filter(|held| !it.escapes(held)) {
                let stands = matches!(
                    it.state,
                    PullState::Landing | PullState::WaitsForLine | PullState::WaitsForCheckout { .. }
                );
                if !stands && it.checking.is_none() {
                    let why = format!("{} holds the line: {}", held.by, held.why);
                    self.move_pull(it.id, PullState::WaitsForLine, &why, &[]);
                }
                continue;
            }
            // Another merge result than it has is on its way, or wanted.
            let unmade = |it: &Queued| it.clash.is_some() || it.making.is_some();
            let unmade = it.queued.as_ref().is_some_and(unmade);
            let rests = it.state == PullState::Checking && it.checking.is_none();
            let main = || self.fleet.projects.get(&project).map(|it| &it.main);
            let to_land = rests && !unmade && has_passed(&it) && self.fleet.chain_of(&it).1 == main();
            if it.state == PullState::WaitsForApproval || to_land {
                self.move_pull(it.id, PullState::Landable, "approved; it lands when its turn comes", &[]);
            }
        }
    }

    /// A landing came to its end: that of one, and of those that land with it.
    pub(super) fn landing(&mut self, tip: PullId, new: &Oid, how: Landing) {
        let Some(it) = self.fleet.pulls.get(&tip).filter(|it| it.state == PullState::Landing).cloned() else {
            return;
        };
        let Some(project) = self.fleet.projects.get(&it.project).cloned() else { return };
        let others = self.pulls_of(project.id).into_iter().filter_map(|id| self.fleet.pulls.get(&id));
        let mut others: Vec<Pull> =
            others.filter(|it| it.state == PullState::Landing && it.id != tip).cloned().collect();
        others.sort_by_key(|it| it.queued.as_ref().map_or(0, |it| it.turn));
        match how {
            Landing::Landed => {
                let how = Move::Landing { pull: tip };
                self.engine(Event::MainMoved {
                    project: project.id,
                    from: project.main,
                    to: new.clone(),
                    how,
                });
                let checks = it.checks.iter().filter_map(|check| check.evidence);
                let evidence: Vec<EvidenceId> = checks.collect();
                for other in &others {
                    self.landed_with(other, &it);
                    self.landed(other, new, &evidence);
                }
                self.landed(&it, new, &evidence);
                return;
            }
            Landing::InTheWay { checkout, paths, says } => {
                let why = if paths.is_empty() {
                    format!("{checkout} cannot be moved along: {says}")
                } else {
                    format!("{checkout} has changes in the way: {}", paths.join(", "))
                };
                self.move_pull(tip, PullState::WaitsForCheckout { checkout, paths }, &why, &[]);
            }
            Landing::Elsewhere { found, named, attempt, forward } => {
                let why = format!("{} was moved by {named}", it.onto.short());
                for it in others.iter().chain([&it]) {
                    self.move_pull(it.id, PullState::WaitsForLine, &why, &[]);
                }
                self.main_elsewhere(&project, found, &named, attempt, forward);
                return;
            }
            Landing::Failed { why } => self.bounce(tip, &format!("the landing failed: {why}"), &[]),
        }
        for it in others {
            self.move_pull(it.id, PullState::Landable, &format!("it was to land with {tip}"), &[]);
        }
    }

    fn landed(&mut self, it: &Pull, new: &Oid, evidence: &[EvidenceId]) {
        let commit = it.result.as_ref().map_or_else(|| new.clone(), |it| it.commit.clone());
        let why = format!("{} stands at {}", it.onto.short(), new.short());
        self.move_pull(it.id, PullState::Landed { commit: commit.clone() }, &why, evidence);
        self.move_run(it.run, RunState::Landed, &why);
        self.move_item(it.item, ItemState::Landed, &why, evidence);
        self.after_landing(it, &commit);
        self.effect(Effect::DropBranch { project: it.project, branch: it.from.clone(), at: it.head.clone() });
        // What it was drafted on is in what landed; if somebody went on from there, it stays.
        if let Some((branch, at)) = self.draft(it.item).map(|it| (it.branch.clone(), it.head.clone())) {
            self.effect(Effect::DropBranch { project: it.project, branch, at });
        }
    }
}

/// A place in the queue of which nothing is known.
const NOBODY: Queued = Queued {
    turn: 0,
    since: pilothouse_contract::At(0),
    making: None,
    clash: None,
    failed: 0,
    with: None,
    escape: None,
};

fn entry(it: &Pull) -> Entry<PullId, Oid> {
    let lands = it.state == PullState::Landing;
    let result = it.result.as_ref().filter(|result| result.head == it.head);
    let queued = it.queued.as_ref();
    Entry {
        key: it.id,
        candidate: result.map(|it| Candidate { onto: it.onto.clone(), commit: it.commit.clone() }),
        making: queued.and_then(|it| it.making.clone()),
        clash: queued.and_then(|it| it.clash.as_ref()).map(|it| it.onto.clone()),
        checks: Checks {
            running: it.checking.is_some(),
            passed: lands || (result.is_some() && has_passed(it)),
            failed: queued.map_or(0, |it| it.failed),
        },
    }
}
