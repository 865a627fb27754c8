//! Pull requests on the local forge: opened, merged as objects, checked on the merge result, approved. What follows a yes is the
//! queue's (see `queue.rs`).

use pilothouse_contract::after::After;
use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::item::ItemState;
use pilothouse_contract::pull::{Body, Pull, PullApproval, PullState, VerifiedLine};
use pilothouse_contract::review::Review;
use pilothouse_contract::run::{Run, RunState, TaskState};
use pilothouse_contract::spec::Verify;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{Event, EvidenceId, Fault, Oid, ProjectId, PullId, RunId, Who};

use super::Work;
use super::effect::{CheckAsked, Effect, Measured, Merged};

/// A check whose end is not known is asked for again so many times before it counts as failed.
pub(super) const UNKNOWN_CHECKS_MAX: usize = 3;

impl Work<'_> {
    /// The change is measured: its pull request opens, or the one that is open gets it as its new head.
    pub(super) fn proposed(&mut self, run: RunId, head: &Oid, facts: Result<Measured, String>) {
        let assembled = |it: &Run| it.head.as_ref() == Some(head) && it.state == RunState::Assembled;
        let Some(it) = self.live_run(run).filter(assembled) else { return };
        let Measured { commits, size, patch, risk } = match facts {
            Ok(facts) => facts,
            Err(why) => {
                self.park_run(run, Stop::Measure, &format!("its change could not be measured: {why}"), &[]);
                return;
            }
        };
        let Some(project) = self.fleet.projects.get(&it.project).cloned() else { return };
        let Some(item) = self.fleet.items.get(&it.item).cloned() else { return };
        let body = self.body(&it, &item.spec.summary);
        if let Some(pull) = it.pull {
            self.engine(Event::PullRenewed { pull, head: head.clone(), body, commits, size });
            self.in_pull(&it, &format!("{pull} proposes {} now", head.short()));
            self.merge_again(pull, "proposed anew");
            self.send(pull);
            self.weighed(pull, risk, patch);
            return;
        }
        let id = self.fleet.next_pull();
        self.engine(Event::PullOpened {
            pull: Box::new(Pull {
                id,
                project: it.project,
                item: it.item,
                run,
                title: item.spec.title.clone(),
                body,
                onto: project.default_branch.clone(),
                from: it.branch.clone(),
                head: head.clone(),
                commits,
                size,
                state: PullState::Checking,
                why: "opened".to_owned(),
                result: None,
                checks: Vec::new(),
                approval: None,
                review: Review::default(),
                after: After { takes_back: it.takes_back, ..After::default() },
                checking: None,
                given_up: Vec::new(),
                queued: None,
                bounces: 0,
                published: None,
                opened: self.now,
                moved: self.now,
            }),
        });
        self.in_pull(&it, &format!("{id} is open"));
        self.merge_again(id, "opened");
        self.weighed(id, risk, patch);
    }

    fn in_pull(&mut self, run: &Run, why: &str) {
        self.move_run(run.id, RunState::InPull, why);
        self.move_item(run.item, ItemState::PrOpen, why, &[]);
    }

    /// What, why, how verified; each line of the last is bound to the evidence that says so.
    fn body(&self, run: &Run, summary: &str) -> Body {
        let mut body = Body { why: summary.to_owned(), ..Body::default() };
        if let Some(it) = run.takes_back.and_then(|id| self.fleet.pulls.get(&id)) {
            body.what.push(format!("takes back {}: {}", it.id, it.title));
        }
        for task in &run.tasks {
            let TaskState::Done { commit } = &task.state else { continue };
            body.what.push(format!("{}: {} ({})", task.spec.id, task.spec.title, commit.short()));
            if let Some(proof) = self.fleet.made_by(task).and_then(|it| self.fleet.proof_of(it)) {
                let flaky =
                    if proof.flaky_after.is_some() { ", a flake: it failed there at first" } else { "" };
                let tree = proof.tree.short();
                let says = format!("{}: `{}` passed on tree {tree}{flaky}", task.spec.id, proof.command);
                body.verified.push(VerifiedLine { says, evidence: proof.id });
            }
        }
        if let Some(audit) = &run.audit
            && let Some(proof) = audit.evidence.and_then(|id| self.fleet.evidence.get(&id))
        {
            let says = format!("completeness: {}", proof.why);
            body.verified.push(VerifiedLine { says, evidence: proof.id });
        }
        body
    }

    /// Makes the merge result anew on the default branch as it stands.
    pub(super) fn merge_again(&mut self, pull: PullId, why: &str) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        let Some(project) = self.fleet.projects.get(&it.project) else { return };
        let onto = project.main.clone();
        self.move_pull(
            pull,
            PullState::Checking,
            &format!("{why}; merged with {} and checked", onto.short()),
            &[],
        );
        self.effect(Effect::Merge { pull, onto, head: it.head });
    }

    pub(super) fn merged(&mut self, pull: PullId, onto: &Oid, head: &Oid, merged: Merged) {
        if let Some((it, _)) = self.pull_in(pull, |state| !state.is_over()).filter(|it| it.0.queued.is_some())
        {
            if it.head == *head {
                self.merged_in_queue(&it, onto, merged);
            }
            return;
        }
        let Some((it, run)) = self.pull_in(pull, |state| *state == PullState::Checking) else { return };
        match merged {
            // An older head's says nothing about this one.
            Merged::Made { result } if result.head != it.head => {}
            Merged::Made { result } => {
                if self.fleet.projects.get(&it.project).is_some_and(|project| project.main != result.onto) {
                    self.merge_again(pull, "the default branch moved on");
                    return;
                }
                self.engine(Event::PullMerged { pull, result, checks: checks_of(&run) });
                self.next_check(pull);
            }
            Merged::Clash { paths } => {
                self.bounce(pull, &format!("it clashes with the default branch: {}", paths.join(", ")), &[]);
            }
            Merged::Failed { why } => self.bounce(pull, &format!("the merge could not be made: {why}"), &[]),
        }
    }

    /// Asks for the next check of the merge result, or takes stock once all have passed.
    fn next_check(&mut self, pull: PullId) {
        let Some((it, run)) = self.pull_in(pull, |state| *state == PullState::Checking) else { return };
        let Some(result) = it.result.clone() else { return };
        if let Some(check) = it.checks.iter().find(|check| check.passed.is_none()) {
            let asked = CheckAsked {
                session: self.fleet.next_session(),
                project: it.project,
                run: run.id,
                attempt: None,
                pull: Some(pull),
                phase: None,
                gate: Gate::Landing,
                commit: result.commit,
                commands: vec![check.command.clone()],
                expect: None,
            };
            let title = format!("check of {pull}: {}", check.command);
            self.ask_check(asked, &title);
            return;
        }
        let evidence: Vec<EvidenceId> = it.checks.iter().filter_map(|check| check.evidence).collect();
        let why = format!("{} checks passed on the merge result {}", it.checks.len(), result.tree.short());
        self.move_pull(pull, PullState::WaitsForApproval, &why, &evidence);
        self.move_item(it.item, ItemState::InReview, &why, &evidence);
        self.approve_by_itself(pull);
    }

    pub(super) fn pull_checked(
        &mut self,
        asked: &CheckAsked,
        pull: PullId,
        id: EvidenceId,
        verdict: Verdict,
        why: &str,
    ) {
        let Some((it, _)) = self.pull_in(pull, |state| !state.is_over()) else { return };
        // A check of an older merge result says nothing about this one.
        if it.result.as_ref().is_none_or(|result| result.commit != asked.commit) {
            return;
        }
        if it.queued.is_some() {
            self.queue_checked(&it, asked, id, verdict);
            return;
        }
        if it.state != PullState::Checking {
            return;
        }
        let command = asked.commands.concat();
        let unknown_before = self.fleet.evidence.values().filter(|it| {
            it.id != id && it.subject.pull == Some(pull) && it.commit == asked.commit && it.command == command
        });
        if verdict == Verdict::Unknown && unknown_before.count() + 1 < UNKNOWN_CHECKS_MAX {
            self.next_check(pull);
            return;
        }
        if verdict == Verdict::Failed && self.may_be_flake(asked, id) {
            self.next_check(pull);
            return;
        }
        let passed = verdict == Verdict::Passed;
        self.engine(Event::PullChecked { pull, command: command.clone(), evidence: id, passed });
        if passed {
            self.next_check(pull);
        } else {
            self.bounce(pull, &format!("`{command}` failed on the merge result: {why}"), &[id]);
        }
    }

    /// A person says yes. The yes is for the head they see.
    pub(super) fn approve_pull(&mut self, pull: PullId, read: Option<&Oid>) -> Result<(), Fault> {
        let it = self.pull(pull)?.clone();
        if read.is_some_and(|read| *read != it.head) {
            return Err(Fault::refused(format!(
                "{pull} was renewed meanwhile: its head is {} now",
                it.head.short()
            ))
            .hint("read it again, then approve it"));
        }
        if it.state.is_over() {
            return Err(Fault::refused(format!("{pull} is {} already", it.state.word())));
        }
        if let Some(run) = self.fleet.runs.get(&it.run).filter(|run| !run.state.is_live()) {
            return Err(Fault::refused(format!(
                "{} is {}: a yes brings nothing along",
                run.id,
                run.state.word()
            ))
            .command("let it go on", format!("pilothouse run start {}", it.item)));
        }
        let by = self.who.clone();
        self.approve_as(pull, by);
        Ok(())
    }

    pub(super) fn approve_as(&mut self, pull: PullId, by: Who) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        let approval = PullApproval { by: by.clone(), head: it.head.clone(), at: self.now };
        self.emit_as(by, Event::PullApproved { pull, approval });
    }

    /// A person asks for a landing: it is done, or they are told what is missing.
    pub(super) fn land_asked(&mut self, pull: PullId) -> Result<(), Fault> {
        let it = self.pull(pull)?.clone();
        let project = self.project(it.project)?.clone();
        match &it.state {
            PullState::Landed { commit } => {
                return Err(Fault::refused(format!("{pull} has landed as {}", commit.short())));
            }
            PullState::Bounced => {
                let fault = Fault::refused(format!("{pull} was sent back: {}", it.why));
                return Err(match it.after.takes_back {
                    Some(back) => fault
                        .command("put its run away", format!("pilothouse run stop {}", it.run))
                        .command("and take it back anew", format!("pilothouse pr revert {back} WHY")),
                    None => fault.command("let its run go on", format!("pilothouse run start {}", it.item)),
                });
            }
            PullState::Checking => {
                return Err(Fault::refused(format!("{pull} is still being checked: {}", it.why)));
            }
            PullState::Landing => return Err(Fault::refused(format!("{pull} is being landed this moment"))),
            _ => {}
        }
        if !it.is_approved() {
            return Err(Fault::refused(format!("{pull} has nobody's yes yet"))
                .command("look at it and say yes", format!("pilothouse pr approve {pull}")));
        }
        if let Some(why) = self.review_keeps(&it, it.approval.as_ref()) {
            return Err(Fault::refused(format!("{pull} does not land yet: {why}"))
                .command("see what was found", format!("pilothouse pr show {pull}")));
        }
        if self.fleet.lands_there(&it) && it.published.is_none() {
            return Err(Fault::refused(format!("{pull} lands by its forge, and is not published there"))
                .command("send it there", format!("pilothouse pr publish {pull}")));
        }
        super::runs::line_open(&project)?;
        if let Some(held) = project.held.as_ref().filter(|held| !it.escapes(held)) {
            return Err(Fault::refused(format!(
                "{} holds the line of {}: {}",
                held.by, project.name, held.why
            ))
            .command("let it go again", format!("pilothouse line open {}", project.name))
            .command("land this one alone", format!("pilothouse pr land {pull} --escape --why WHY")));
        }
        if self.fleet.halt.is_some() {
            return Err(Fault::refused("everything is paused, so nothing lands")
                .command("let it go on", "pilothouse run go-on"));
        }
        if self.fleet.runs.get(&it.run).is_some_and(Run::is_paused) {
            return Err(Fault::refused(format!("{} is paused, so nothing of it lands", it.run))
                .command("let it go on", format!("pilothouse run go-on {}", it.run)));
        }
        if let PullState::WaitsForCheckout { .. } | PullState::WaitsForLine = it.state {
            self.move_pull(pull, PullState::Landable, "asked for by a person", &[]);
        }
        Ok(())
    }

    /// Something changed in the checkout of the default branch: whoever waits for it tries again.
    pub(super) fn checkout_changed(&mut self, project: ProjectId) {
        let waiting: Vec<PullId> = self
            .pulls_of(project)
            .into_iter()
            .filter(|id| {
                self.fleet
                    .pulls
                    .get(id)
                    .is_some_and(|it| matches!(it.state, PullState::WaitsForCheckout { .. }))
            })
            .collect();
        for pull in waiting {
            self.move_pull(pull, PullState::Landable, "the checkout changed: tried again", &[]);
        }
    }

    /// Sends a pull request back; its run is parked with the reason.
    pub(super) fn bounce(&mut self, pull: PullId, why: &str, evidence: &[EvidenceId]) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        self.move_pull(pull, PullState::Bounced, why, evidence);
        self.park_run(it.run, Stop::Bounced { pull }, &format!("{pull} was sent back: {why}"), evidence);
    }

    pub(super) fn move_pull(&mut self, pull: PullId, to: PullState, why: &str, evidence: &[EvidenceId]) {
        if to.is_over() {
            self.leave_review(pull);
        }
        self.engine(Event::PullMoved { pull, to, why: why.to_owned(), evidence: evidence.to_vec() });
    }

    pub(super) fn pull(&self, pull: PullId) -> Result<&Pull, Fault> {
        self.fleet.pulls.get(&pull).ok_or_else(|| Fault::missing(format!("there is no pull request {pull}")))
    }

    /// The pull request and its run, if it stands in such a state and its run is live.
    fn pull_in(&self, pull: PullId, fits: impl Fn(&PullState) -> bool) -> Option<(Pull, Run)> {
        let it = self.fleet.pulls.get(&pull).filter(|it| fits(&it.state))?;
        Some((it.clone(), self.live_run(it.run)?))
    }
}

/// What is run on the merge result: the policy's checks, or else every proof of the tasks, each once.
pub(super) fn checks_of(run: &Run) -> Vec<String> {
    if !run.policy.checks.is_empty() {
        return run.policy.checks.clone();
    }
    let mut checks = Vec::new();
    for task in &run.tasks {
        if let (Verify::Commands(commands), false) = (&task.spec.verify, task.state == TaskState::Skipped) {
            for command in commands {
                if !checks.contains(command) {
                    checks.push(command.clone());
                }
            }
        }
    }
    checks
}
