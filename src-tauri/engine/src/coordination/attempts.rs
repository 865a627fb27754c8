//! Attempts: prepared, checked red, worked, verified, audited, integrated. Each step is taken on the outcome of the one
//! before; an outcome that comes for an attempt that moved on changes nothing.

use pilothouse_contract::attempt::{Attempt, AttemptState, Candidate, Failure};
use pilothouse_contract::evidence::{Evidence, Gate, Subject, Verdict};
use pilothouse_contract::run::{Run, TaskState};
use pilothouse_contract::session::{Ending, Limits, Mode, Session, SessionKind};
use pilothouse_contract::spec::{TaskSpec, Verify};
use pilothouse_contract::{AttemptId, Event, EvidenceId, Oid, RunId};

use super::Work;
use super::effect::{CheckAsked, Checked, Effect, HeadChange, Integrated};
use crate::policy::scope;

/// A check whose end is not known is asked for again so many times before it counts as failed.
pub(super) const UNKNOWN_CHECKS_MAX: usize = 3;

impl Work<'_> {
    pub(super) fn prepared(&mut self, attempt: AttemptId, made: Result<String, String>) {
        let Some((it, run)) = self.attempt_in(attempt, &[AttemptState::Preparing]) else {
            return self.prepared_late(attempt, made);
        };
        match made {
            Ok(hash) if it.continues.is_some() => {
                self.engine(Event::BriefWritten { attempt, hash });
                self.go_on_working(&it, &run);
            }
            Ok(hash) => {
                self.engine(Event::WorktreeMade { worktree: it.worktree });
                self.engine(Event::BriefWritten { attempt, hash });
                self.move_attempt(
                    attempt,
                    AttemptState::RedCheck,
                    "its proof must fail before the work",
                    &[],
                );
                self.check_attempt(attempt, Gate::RedCheck, &it.base);
            }
            Err(why) => {
                // That of one that goes on holds work, whatever kept it from being used.
                if it.continues.is_none() {
                    self.not_made(it.worktree);
                }
                self.fail_attempt(attempt, Failure::NotStarted, &why, &[]);
            }
        }
    }

    /// Asks for the proof of an attempt's task on a commit.
    pub(super) fn check_attempt(&mut self, attempt: AttemptId, gate: Gate, commit: &Oid) {
        if !self.admit(attempt) {
            return;
        }
        let Some(it) = self.fleet.attempts.get(&attempt).cloned() else { return };
        let Some(run) = self.fleet.runs.get(&it.run).cloned() else { return };
        let Some(spec) = run.task(&it.task).map(|task| task.spec.clone()) else { return };
        let Verify::Commands(commands) = spec.verify else { return };
        let word = if gate == Gate::RedCheck { "red check" } else { "verify" };
        let asked = CheckAsked {
            session: self.fleet.next_session(),
            project: run.project,
            run: run.id,
            attempt: Some(attempt),
            pull: None,
            phase: None,
            gate,
            commit: commit.clone(),
            commands,
            // What the output must say belongs to the proof: a filter that finds no test must not pass for red.
            expect: spec.expect,
        };
        self.ask_check(asked, &format!("{word} of {}", it.task));
    }

    /// Asks for a check in a session of its own.
    pub(super) fn ask_check(&mut self, asked: CheckAsked, title: &str) {
        self.engine(Event::SessionAsked {
            session: Session {
                id: asked.session,
                project: Some(asked.project),
                run: Some(asked.run),
                attempt: asked.attempt,
                pull: asked.pull,
                gate: Some(asked.gate),
                worktree: None,
                kind: SessionKind::Check,
                title: title.to_owned(),
                argv: asked.commands.clone(),
                cwd: String::new(),
                mode: Mode::Pipe,
                limits: Limits::default(),
                asked: self.now,
                running: None,
                end: None,
            },
        });
        self.effect(Effect::Check(asked));
    }

    /// A check came back: its evidence is written down, then judged.
    pub(super) fn checked(&mut self, asked: &CheckAsked, checked: Checked) {
        let pull = asked.pull.and_then(|id| self.fleet.pulls.get(&id));
        let given_up = pull.is_some_and(|it| it.given_up.contains(&asked.session));
        if let Some(running) = checked.running {
            self.engine(Event::SessionRuns { session: asked.session, running });
        }
        if self.fleet.sessions.get(&asked.session).is_some_and(|it| it.end.is_none()) {
            self.engine(Event::SessionEnded { session: asked.session, end: checked.end });
        }
        // It was ended before its time, and how far it came shows nothing.
        if given_up {
            return;
        }
        let mut evidence = checked.evidence;
        if asked.gate == Gate::RedCheck {
            self.judge_red(asked, &mut evidence);
        }
        self.note_flake(asked, &mut evidence);
        self.note_pace(&evidence);
        let (verdict, why) = (evidence.verdict, evidence.why.clone());
        let id = self.write_evidence(evidence);
        match (asked.attempt, asked.pull) {
            (Some(attempt), _) => self.attempt_checked(asked, attempt, id, verdict, &why),
            (None, Some(pull)) => self.pull_checked(asked, pull, id, verdict, &why),
            (None, None) => {
                if let Some(phase) = asked.phase {
                    self.phase_checked(asked, phase, id, verdict, &why);
                }
            }
        }
    }

    /// At the red check the sense is turned round: the gate holds if the proof does not.
    fn judge_red(&self, asked: &CheckAsked, evidence: &mut Evidence) {
        let spec = asked.attempt.and_then(|it| self.fleet.attempts.get(&it)).and_then(|it| self.spec_of(it));
        let guard = spec.is_some_and(|spec| spec.proof.as_deref() == Some("guard"));
        (evidence.verdict, evidence.why) = match evidence.verdict {
            Verdict::Failed => (Verdict::Passed, "the proof fails before the work, as it must".to_owned()),
            Verdict::Passed if guard => (Verdict::Passed, "the proof passes before the work and is marked as a guard".to_owned()),
            Verdict::Passed if let Some(because) = self.excused(asked.run) => {
                (Verdict::Passed, format!("the proof passes before the work, and G6 was overridden: {because}"))
            }
            Verdict::Passed => (
                Verdict::Failed,
                "the proof passes before any work, so it would prove nothing; write one that fails first, or mark it 'Proof: guard'".to_owned(),
            ),
            Verdict::Unknown => (Verdict::Unknown, evidence.why.clone()),
        };
    }

    pub(super) fn write_evidence(&mut self, evidence: Evidence) -> EvidenceId {
        let id = self.fleet.next_evidence();
        self.engine(Event::EvidenceGathered { evidence: Evidence { id, ..evidence } });
        id
    }

    fn attempt_checked(
        &mut self,
        asked: &CheckAsked,
        attempt: AttemptId,
        id: EvidenceId,
        verdict: Verdict,
        why: &str,
    ) {
        let at = if asked.gate == Gate::RedCheck { AttemptState::RedCheck } else { AttemptState::Verifying };
        let Some((it, run)) = self.attempt_in(attempt, &[at]) else { return };
        if verdict == Verdict::Unknown {
            let unknown = it
                .evidence
                .iter()
                .filter_map(|id| self.fleet.evidence.get(id))
                .filter(|it| it.gate == asked.gate && it.verdict == Verdict::Unknown)
                .count();
            if unknown + 1 < UNKNOWN_CHECKS_MAX {
                self.move_attempt(
                    attempt,
                    at,
                    &format!("asked again, for the last check gave no answer: {why}"),
                    &[id],
                );
                self.check_attempt(attempt, asked.gate, &asked.commit);
                return;
            }
        }
        if verdict == Verdict::Failed && self.may_be_flake(asked, id) {
            let says = format!("run once more on the same tree, in case it is a flake: {why}");
            self.move_attempt(attempt, at, &says, &[id]);
            self.check_attempt(attempt, asked.gate, &asked.commit);
            return;
        }
        match (asked.gate, verdict) {
            (Gate::RedCheck, Verdict::Passed) => {
                self.move_attempt(attempt, AttemptState::Working, why, &[id]);
                self.launch_agent(&it, &run);
            }
            (Gate::RedCheck, Verdict::Failed) => self.fail_attempt(attempt, Failure::Vacuous, why, &[id]),
            (_, Verdict::Passed) => self.verified(&it, &run, id, why),
            _ => self.fail_attempt(attempt, Failure::VerifyFailed, why, &[id]),
        }
    }

    /// Ends checks that still run, or are about to, and whose result nobody wants any more. Their end is told by the
    /// check's own outcome.
    pub(super) fn end_checks(&mut self, of: impl Fn(&Session) -> bool) {
        let unwanted: Vec<_> = self
            .fleet
            .sessions
            .values()
            .filter(|it| it.kind == SessionKind::Check && it.end.is_none() && of(it))
            .map(|it| it.id)
            .collect();
        for session in unwanted {
            self.effect(Effect::EndSession { session });
        }
    }

    pub(super) fn launch_agent(&mut self, attempt: &Attempt, run: &Run) {
        if !self.admit(attempt.id) {
            return;
        }
        let id = self.fleet.next_session();
        let title = run.task(&attempt.task).map(|task| task.spec.title.clone()).unwrap_or_default();
        self.engine(Event::SessionAsked {
            session: Session {
                id,
                project: Some(run.project),
                run: Some(run.id),
                attempt: Some(attempt.id),
                pull: None,
                gate: None,
                worktree: Some(attempt.worktree),
                kind: SessionKind::Agent,
                title: format!("{} {title}", attempt.task),
                argv: match (self.fleet.resumed_by(attempt), run.policy.agent.resume.as_slice()) {
                    (Some(_), resume @ [_, ..]) => resume.to_vec(),
                    _ => run.policy.agent.command.clone(),
                },
                cwd: String::new(),
                mode: Mode::Pty,
                limits: run.policy.limits,
                asked: self.now,
                running: None,
                end: None,
            },
        });
        self.effect(Effect::Launch { session: id });
    }

    /// The session of an attempt came to its end. Ending well is a claim and no more.
    pub(super) fn agent_ended(&mut self, attempt: AttemptId, how: &Ending, did_nothing: bool) {
        if let Some(it) = self.fleet.attempts.get(&attempt).filter(|it| it.state.is_over()) {
            let it = it.clone();
            self.clear_away(&it);
            return;
        }
        let Some((it, _)) = self.attempt_in(attempt, &[AttemptState::Working]) else { return };
        if let Some(fill) = it.hands_over {
            let why =
                format!("its context was full of {fill} tokens: a fresh session goes on where it stood");
            self.fail_attempt(attempt, Failure::HandedOver { fill }, &why, &[]);
            return;
        }
        let could_not = did_nothing && self.fleet.resumed_by(&it).is_some();
        match how {
            Ending::Exited { code } if could_not && *code != 0 => {
                let why =
                    format!("its session could not be gone on with: exit code {code} before it did anything");
                self.fail_attempt(attempt, Failure::NotResumed, &why, &[]);
            }
            Ending::Exited { code: 0 } => {
                self.move_attempt(
                    attempt,
                    AttemptState::ClaimedDone,
                    "its session ended with exit code 0, which is a claim",
                    &[],
                );
                self.effect(Effect::Read { attempt });
            }
            Ending::Exited { code } => {
                let why = format!("its agent ended with exit code {code}");
                self.fail_attempt(attempt, Failure::AgentExit { code: Some(*code) }, &why, &[]);
            }
            Ending::Signalled { signal } => {
                let why = format!("its agent was ended by signal {signal}");
                self.fail_attempt(attempt, Failure::AgentExit { code: None }, &why, &[]);
            }
            Ending::NotStarted { why } => self.fail_attempt(attempt, Failure::NotStarted, why, &[]),
            Ending::Lost { why } | Ending::Unknown { why } => {
                self.fail_attempt(attempt, Failure::Lost, why, &[]);
            }
        }
    }

    pub(super) fn candidate_read(&mut self, attempt: AttemptId, read: Result<Option<Candidate>, String>) {
        if self.attempt_in(attempt, &[AttemptState::ClaimedDone]).is_none() {
            return;
        }
        match read {
            Ok(Some(candidate)) => {
                let commit = candidate.commit.clone();
                let why = format!(
                    "{} changed; its proof is run on exactly that tree",
                    paths(candidate.paths.len())
                );
                self.engine(Event::CandidateRead { attempt, candidate });
                self.move_attempt(attempt, AttemptState::Verifying, &why, &[]);
                self.check_attempt(attempt, Gate::Verify, &commit);
            }
            Ok(None) => {
                self.fail_attempt(attempt, Failure::NothingMade, "it said done and changed nothing", &[])
            }
            Err(why) => {
                let why = format!("what it made could not be read: {why}");
                self.fail_attempt(attempt, Failure::Lost, &why, &[]);
            }
        }
    }

    /// The proof holds on the candidate's tree. An integrated candidate goes onto the branch; a fresh one is audited.
    fn verified(&mut self, attempt: &Attempt, run: &Run, id: EvidenceId, why: &str) {
        let Some(candidate) = attempt.candidate.clone() else { return };
        if let Some(tick) = candidate.tick.clone() {
            self.commit_task(attempt.id, run, &candidate, tick, &[id]);
            return;
        }
        self.move_attempt(attempt.id, AttemptState::ScopeAudit, why, &[id]);
        let strayed = strayed(run, attempt, &candidate.paths);
        let (verdict, says) = if strayed.is_empty() {
            (Verdict::Passed, format!("{} changed, all inside the scope", paths(candidate.paths.len())))
        } else {
            (Verdict::Failed, format!("changed outside its scope: {}", strayed.join(", ")))
        };
        let audit = self.write_evidence(Evidence {
            id: EvidenceId(0),
            gate: Gate::ScopeAudit,
            subject: Subject {
                project: run.project,
                run: run.id,
                task: Some(attempt.task.clone()),
                attempt: Some(attempt.id),
                pull: None,
                phase: None,
            },
            commit: candidate.commit.clone(),
            tree: candidate.tree.clone(),
            command: "scope audit".to_owned(),
            started: self.now,
            ended: self.now,
            took_ms: None,
            exit: None,
            verdict,
            why: says.clone(),
            output_hash: String::new(),
            output_bytes: 0,
            session: None,
            flaky_after: None,
            tests: None,
            environment: "engine".to_owned(),
        });
        if strayed.is_empty() {
            self.contend(attempt, run, &says, audit);
        } else {
            self.fail_attempt(attempt.id, Failure::ScopeDrift { paths: strayed }, &says, &[audit]);
        }
    }

    /// Lends the item branch to the next attempt that waits for it, in task order.
    pub(super) fn next_integration(&mut self, run: RunId) {
        let Some(it) = self.live_run(run).filter(|it| it.integrating.is_none()) else { return };
        let Some(head) = it.head.clone() else { return };
        let next = it.tasks.iter().find_map(|task| match task.state {
            TaskState::Active { attempt } => self
                .fleet
                .attempts
                .get(&attempt)
                .filter(|it| it.state == AttemptState::Integrating)
                .map(|it| it.id),
            _ => None,
        });
        if let Some(attempt) = next {
            self.engine(Event::Integrating { run, attempt: Some(attempt) });
            self.effect(Effect::Integrate { attempt, head });
        }
    }

    pub(super) fn integrated(&mut self, attempt: AttemptId, head: &Oid, made: Integrated) {
        let Some((it, run)) = self.attempt_in(attempt, &[AttemptState::Integrating]) else { return };
        if run.head.as_ref() != Some(head) || run.integrating != Some(attempt) {
            return;
        }
        match made {
            Integrated::Made { candidate } => {
                let same_tree = it.candidate.as_ref().is_some_and(|verified| verified.tree == candidate.tree);
                let tick = candidate.tick.clone();
                let commit = candidate.commit.clone();
                self.engine(Event::CandidateRead { attempt, candidate: candidate.clone() });
                match tick {
                    Some(tick) if same_tree => self.commit_task(attempt, &run, &candidate, tick, &[]),
                    _ => {
                        let why = "merged with what came to the item branch meanwhile; its proof is run again on that tree";
                        self.move_attempt(attempt, AttemptState::Verifying, why, &[]);
                        self.check_attempt(attempt, Gate::Verify, &commit);
                    }
                }
            }
            Integrated::Clash { paths } => {
                let why =
                    format!("it clashes with what came to the item branch meanwhile: {}", paths.join(", "));
                self.fail_attempt(attempt, Failure::Conflict { paths }, &why, &[]);
            }
            Integrated::Failed { why } => {
                self.fail_attempt(
                    attempt,
                    Failure::Lost,
                    &format!("its commit could not be made: {why}"),
                    &[],
                );
            }
        }
    }

    fn commit_task(
        &mut self,
        attempt: AttemptId,
        run: &Run,
        candidate: &Candidate,
        tick: Oid,
        evidence: &[EvidenceId],
    ) {
        let why =
            format!("verified on tree {}; one commit {}", candidate.tree.short(), candidate.commit.short());
        self.move_attempt(attempt, AttemptState::Committed, &why, evidence);
        self.effect(Effect::Advance {
            run: run.id,
            old: candidate.onto.clone(),
            new: tick,
            change: HeadChange::Task { attempt },
        });
    }

    /// The item branch holds the task's commit and its tick. Whatever became of the attempt meanwhile: what is on the
    /// branch is done.
    pub(super) fn task_done(&mut self, run: RunId, attempt: AttemptId) {
        if let Some(it) = self.fleet.attempts.get(&attempt).cloned() {
            let commit = it.candidate.as_ref().map(|it| it.commit.clone()).unwrap_or_default();
            let mut why = format!("verified, committed as {}, ticked", commit.short());
            if it.state == AttemptState::Committed {
                self.move_attempt(attempt, AttemptState::Merged, "on the item branch, ticked", &[]);
            } else {
                why.push_str(", though its attempt was ended before that was told");
            }
            let to = TaskState::Done { commit };
            self.engine(Event::TaskMoved {
                run,
                task: it.task.clone(),
                to,
                why,
                evidence: it.evidence.clone(),
            });
            self.clear_away(&it);
        }
        self.engine(Event::Integrating { run, attempt: None });
        self.carry_on(run);
    }

    /// The one bad end. The task is tried again while it has tries, or parked with the reason; what still runs is
    /// ended.
    pub(super) fn fail_attempt(
        &mut self,
        attempt: AttemptId,
        failure: Failure,
        why: &str,
        evidence: &[EvidenceId],
    ) {
        let Some(it) = self.fleet.attempts.get(&attempt).filter(|it| !it.state.is_over()).cloned() else {
            return;
        };
        let hopeless = matches!(failure, Failure::Vacuous | Failure::MovedRef { .. });
        let stopped = matches!(failure, Failure::Stopped);
        self.note_failed(&it, failure.clone(), why, evidence);
        let others_try_on = self.leaves_it_to_others(&it, &failure);
        let Some(run) = self.fleet.runs.get(&it.run).cloned() else { return };
        let failures = run.task(&it.task).map_or(0, |task| task.failures);
        let again = !hopeless && !stopped && failures < run.policy.attempts;
        let (to, says) = if again || stopped {
            (TaskState::Waiting, format!("try {} failed ({}): {why}", it.number, failure.word()))
        } else {
            let why = format!("{} ({} of {} tries failed)", why, failures, run.policy.attempts);
            (TaskState::Parked { why: why.clone() }, format!("{}: {why}", failure.word()))
        };
        if !others_try_on {
            let evidence =
                self.fleet.attempts.get(&attempt).map(|it| it.evidence.clone()).unwrap_or_default();
            self.engine(Event::TaskMoved { run: run.id, task: it.task.clone(), to, why: says, evidence });
            if again {
                self.keep_for_next(&it, &failure);
                self.rest(&run, &it.task, &failure, failures);
            }
        }
        self.end_work_of(&it);
        if others_try_on {
            self.choose(attempt);
        }
        self.carry_on(it.run);
    }

    /// Writes down that an attempt failed, and frees the item branch from it.
    pub(super) fn note_failed(&mut self, it: &Attempt, failure: Failure, why: &str, evidence: &[EvidenceId]) {
        let (attempt, why, evidence) = (it.id, why.to_owned(), evidence.to_vec());
        self.engine(Event::AttemptFailed { attempt, failure, why, evidence });
        let lent = self.fleet.runs.get(&it.run).and_then(|run| run.integrating);
        // While the branch is being moved to its commit nobody else gets it: only the end of the move tells where it stands.
        if lent == Some(attempt) && it.state != AttemptState::Committed {
            self.engine(Event::Integrating { run: it.run, attempt: None });
        }
    }

    /// Ends what still runs of an attempt that is over.
    pub(super) fn end_work_of(&mut self, it: &Attempt) {
        self.end_checks(|check| check.attempt == Some(it.id));
        let open = |id: &pilothouse_contract::SessionId| {
            self.fleet.sessions.get(id).is_some_and(|it| it.end.is_none())
        };
        match it.session.filter(open) {
            Some(session) => self.effect(Effect::EndSession { session }),
            None => self.clear_away(it),
        }
    }

    /// Removes the worktree of an attempt that is over (it can be brought back). That of a last attempt that failed
    /// and is not tried again stays: a person will want to look at it. So does one that the next try goes on in.
    fn clear_away(&mut self, attempt: &Attempt) {
        let run = self.fleet.runs.get(&attempt.run);
        let task = run.and_then(|run| run.task(&attempt.task));
        let is_last = task.is_some_and(|it| it.attempts.last() == Some(&attempt.id));
        let at_rest = task.is_some_and(|it| matches!(it.state, TaskState::Parked { .. }))
            || run.is_none_or(|run| !run.state.is_live());
        let failed = self.fleet.attempts.get(&attempt.id).is_some_and(|it| it.failure.is_some());
        if !(failed && is_last && at_rest) {
            self.discard(attempt.worktree);
        }
    }

    pub(super) fn move_attempt(
        &mut self,
        attempt: AttemptId,
        to: AttemptState,
        why: &str,
        evidence: &[EvidenceId],
    ) {
        self.engine(Event::AttemptMoved { attempt, to, why: why.to_owned(), evidence: evidence.to_vec() });
    }

    /// The attempt and its run, if it stands in one of these states and its run is live.
    fn attempt_in(&self, attempt: AttemptId, states: &[AttemptState]) -> Option<(Attempt, Run)> {
        let it = self.fleet.attempts.get(&attempt).filter(|it| states.contains(&it.state))?;
        Some((it.clone(), self.live_run(it.run)?))
    }

    fn spec_of(&self, attempt: &Attempt) -> Option<TaskSpec> {
        self.fleet.runs.get(&attempt.run)?.task(&attempt.task).map(|task| task.spec.clone())
    }
}

fn paths(count: usize) -> String {
    if count == 1 { "1 path".to_owned() } else { format!("{count} paths") }
}

/// The changed paths that are not in the task's scope or on the list of what every task may write, or are protected.
/// A task whose scope is not known may write anything that is not protected.
fn strayed(run: &Run, attempt: &Attempt, paths: &[String]) -> Vec<String> {
    let scope = run.task(&attempt.task).and_then(|task| task.spec.files.as_ref());
    let inside = |path: &str| {
        scope.is_none_or(|scope| scope::allows(scope, path)) || scope::any_matches(&run.policy.always, path)
    };
    paths
        .iter()
        .filter(|path| !inside(path) || scope::any_matches(&run.policy.protected, path))
        .cloned()
        .collect()
}
