//! Completeness: once every task is done, a fresh session holds each requirement of the spec against the evidence. What it says is
//! judgement; that it names evidence of this run that holds is checked here, and what follows is the policy's.

use pilothouse_contract::audit::{Audit, Judged, Shown};
use pilothouse_contract::evidence::{Evidence, Gate, Subject, Verdict};
use pilothouse_contract::run::{Completeness, Run};
use pilothouse_contract::session::{Session, SessionKind};
use pilothouse_contract::spec::Requirement;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{Event, EvidenceId, Fault, Oid, RunId, SessionId, WorktreeId};

use super::Work;
use super::effect::Effect;
use super::seat::Chair;

/// A session that leaves requirements unsaid is followed by another one, up to so many.
const ROUNDS_MAX: u32 = 2;
/// What is missing is told in at most so many signs.
const WHY_MAX: usize = 500;

impl Work<'_> {
    /// Whether a run whose tasks are done may be assembled: its audit is over, or there is none. Else one is asked for, once.
    pub(super) fn is_audited(&mut self, run: RunId) -> bool {
        let Some(it) = self.fleet.runs.get(&run) else { return false };
        if it.policy.completeness == Completeness::Off || self.requirements(it).is_empty() {
            return true;
        }
        match &it.audit {
            Some(audit) if it.head.as_ref() == Some(&audit.head) => audit.evidence.is_some(),
            // A judge is an agent like any other: it begins once the run goes on.
            _ if self.fleet.is_paused(it) => false,
            _ => {
                self.ask_judge(run, 1);
                false
            }
        }
    }

    /// What the approved spec wants.
    fn requirements(&self, run: &Run) -> Vec<Requirement> {
        self.fleet.items.get(&run.item).map(|it| it.spec.requirements.clone()).unwrap_or_default()
    }

    fn ask_judge(&mut self, run: RunId, round: u32) {
        let Some(it) = self.fleet.runs.get(&run).cloned() else { return };
        let Some(head) = it.head.clone() else { return };
        let (session, worktree) = (self.fleet.next_session(), self.fleet.next_worktree());
        let slug = self.fleet.slug_of(it.item);
        let project = self.fleet.projects.get(&it.project).map(|it| it.name.clone()).unwrap_or_default();
        let folder = it.branch.folder();
        let audit = Audit { head: head.clone(), session, round, verdicts: Vec::new(), evidence: None };
        self.engine(Event::AuditAsked { run, audit });
        let agent = it.policy.judge.as_ref().unwrap_or(&it.policy.agent);
        self.seat(Chair {
            session,
            worktree,
            project: it.project,
            run: Some(run),
            pull: None,
            gate: Some(Gate::Completeness),
            path: format!("{project}/{slug}-judge-{session}"),
            branch: format!("{folder}/judge-{session}"),
            base: head,
            title: format!("Completeness of {slug}"),
            argv: agent.command.clone(),
            limits: it.policy.limits,
        });
    }

    /// The judge says something of one requirement. What it says last counts.
    pub(super) fn judge_says(
        &mut self,
        session: SessionId,
        requirement: &str,
        shown: Shown,
    ) -> Result<(), Fault> {
        let runs = self.fleet.runs.values();
        let run = runs.filter(|it| it.state.is_live()).find(|it| {
            it.audit.as_ref().is_some_and(|audit| audit.session == session && audit.evidence.is_none())
        });
        let Some(run) = run.cloned() else {
            return Err(Fault::refused("no audit asks this session for its verdict"));
        };
        let known = self.requirements(&run);
        if !known.iter().any(|it| it.id == requirement) {
            let ids: Vec<&str> = known.iter().map(|it| it.id.as_str()).collect();
            return Err(Fault::refused(format!("the spec has no requirement {requirement}"))
                .hint(format!("it has {}", ids.join(", "))));
        }
        let verdict = match shown {
            Shown::Met { evidence } => Shown::Met { evidence: self.holding(&run, &evidence)? },
            Shown::Missing { why } if why.trim().is_empty() => {
                return Err(Fault::refused("say what is missing"));
            }
            Shown::Missing { why } => Shown::Missing { why: why.trim().chars().take(WHY_MAX).collect() },
            Shown::Unsaid => return Err(Fault::refused("say whether it is met or what is missing")),
        };
        let judged = Judged { requirement: requirement.to_owned(), verdict };
        self.emit(Event::Judged { run: run.id, judged });
        Ok(())
    }

    /// The evidence that was named, if all of it holds and is of what was taken: the proof of a try whose work is on the item branch,
    /// of this run or of an earlier one of its item, or the checkpoint that a phase of this run passed by.
    fn holding(&self, run: &Run, named: &[EvidenceId]) -> Result<Vec<EvidenceId>, Fault> {
        if named.is_empty() {
            return Err(Fault::refused("what is met is shown by evidence: name at least one, as in e12"));
        }
        for id in named {
            let is_of_item = |of: &RunId| self.fleet.runs.get(of).is_some_and(|it| it.item == run.item);
            let Some(it) = self.fleet.evidence.get(id).filter(|it| is_of_item(&it.subject.run)) else {
                return Err(Fault::refused(format!("{} has no evidence {id}", run.id)));
            };
            if !matches!(it.gate, Gate::Verify | Gate::Checkpoint) || !it.passed() {
                return Err(Fault::refused(format!(
                    "{id} shows nothing: only a proof or checkpoint that holds does"
                )));
            }
            let taken = match it.gate {
                Gate::Checkpoint => self.fleet.checkpoints_of(run).any(|held| held.id == *id),
                _ => run
                    .tasks
                    .iter()
                    .filter_map(|task| self.fleet.taken(run, task))
                    .any(|taken| it.subject.attempt == Some(taken.id)),
            };
            if !taken {
                let of = it.subject.attempt.map_or("a checkpoint".to_owned(), |it| it.to_string());
                return Err(Fault::refused(format!(
                    "{id} shows nothing of what stands here: it is of {of}, which is not what was taken"
                ))
                .hint("name evidence that the brief lists"));
            }
        }
        let mut named = named.to_vec();
        named.sort_unstable();
        named.dedup();
        Ok(named)
    }

    /// The worktree of a judge, or of who sits at a draft, is made by whoever starts it; a start that failed may have made it all the same.
    pub(super) fn launched_with_its_tree(&mut self, session: &Session, stands: bool) {
        let is_making = |id: &WorktreeId| {
            self.fleet.worktrees.get(id).is_some_and(|it| it.state == WorktreeState::Making)
        };
        let by_launch = session.kind == SessionKind::Agent && session.attempt.is_none();
        let Some(worktree) = session.worktree.filter(|_| by_launch).filter(is_making) else { return };
        if !stands {
            return self.not_made(worktree);
        }
        self.engine(Event::WorktreeMade { worktree });
        if session.end.is_some() {
            self.discard(worktree);
        }
    }

    /// The judge's session ended. One that left something unsaid is followed by a fresh one, once.
    pub(super) fn judge_ended(&mut self, session: &Session) {
        if let Some(worktree) = session.worktree {
            self.discard(worktree);
        }
        let Some(run) = session.run.and_then(|run| self.live_run(run)) else { return };
        let Some(audit) = run.audit.clone().filter(|it| it.session == session.id && it.evidence.is_none())
        else {
            return;
        };
        let requirements = self.requirements(&run);
        let unsaid = requirements.iter().filter(|it| *audit.verdict(&it.id) == Shown::Unsaid).count();
        if unsaid > 0 && audit.round < ROUNDS_MAX {
            self.ask_judge(run.id, audit.round + 1);
        } else {
            self.conclude(&run, audit, &requirements);
        }
    }

    fn conclude(&mut self, run: &Run, audit: Audit, requirements: &[Requirement]) {
        let of =
            |it: &Requirement| Judged { requirement: it.id.clone(), verdict: audit.verdict(&it.id).clone() };
        let verdicts: Vec<Judged> = requirements.iter().map(of).collect();
        let ids = |fits: fn(&Shown) -> bool| -> Vec<String> {
            verdicts.iter().filter(|it| fits(&it.verdict)).map(|it| it.requirement.clone()).collect()
        };
        let missing = ids(|it| matches!(it, Shown::Missing { .. }));
        let unsaid = ids(|it| *it == Shown::Unsaid);
        let (verdict, why) = if !missing.is_empty() {
            (Verdict::Failed, format!("not shown to be met: {}", missing.join(", ")))
        } else if !unsaid.is_empty() {
            (Verdict::Unknown, format!("its sessions ended without a word on {}", unsaid.join(", ")))
        } else {
            (Verdict::Passed, format!("{} requirements, each shown by evidence that holds", verdicts.len()))
        };
        let proofs = verdicts.iter().filter_map(|it| match &it.verdict {
            Shown::Met { evidence } => evidence.first(),
            _ => None,
        });
        // The tree of what was judged is known where the newest proof ran on that very commit.
        let tree = proofs.filter_map(|id| self.fleet.evidence.get(id)).find(|it| it.commit == audit.head);
        let tree = tree.map(|it| it.tree.clone()).unwrap_or_else(Oid::default);
        let started = self.fleet.sessions.get(&audit.session).map_or(self.now, |it| it.asked);
        let evidence = self.write_evidence(Evidence {
            id: EvidenceId(0),
            gate: Gate::Completeness,
            subject: Subject {
                project: run.project,
                run: run.id,
                task: None,
                attempt: None,
                phase: None,
                pull: None,
            },
            commit: audit.head.clone(),
            tree,
            command: "completeness, judged by a fresh session".to_owned(),
            started,
            ended: self.now,
            exit: None,
            verdict,
            why: why.clone(),
            output_hash: String::new(),
            output_bytes: 0,
            session: Some(audit.session),
            took_ms: None,
            flaky_after: None,
            tests: None,
            environment: "engine".to_owned(),
        });
        let gaps: Vec<String> = missing.into_iter().chain(unsaid).collect();
        self.engine(Event::Audited {
            run: run.id,
            audit: Audit { verdicts, evidence: Some(evidence), ..audit },
        });
        if run.policy.completeness == Completeness::Gate && !gaps.is_empty() {
            let why = format!("completeness: {why}");
            self.park_run(run.id, Stop::Gaps { requirements: gaps }, &why, &[evidence]);
        } else {
            self.carry_on(run.id);
        }
    }

    /// A run that is parked or stopped wants no verdict any more.
    pub(super) fn end_judge(&mut self, run: RunId) {
        let audit = self.fleet.runs.get(&run).and_then(|it| it.audit.as_ref());
        let session = audit.filter(|it| it.evidence.is_none()).map(|it| it.session);
        let open = session.filter(|id| self.fleet.sessions.get(id).is_some_and(|it| it.end.is_none()));
        if let Some(session) = open {
            self.effect(Effect::EndSession { session });
        }
    }
}
