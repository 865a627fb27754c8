//! Review of pull requests: agents of another family look at every new patch, findings of theirs and of people are answered once each,
//! by the author in a fresh session or by a person, and after so many rounds a person decides.
//!
//! Refuses: to look at the same patch twice in the same way, to let a family review itself without a reason that is kept, and to let
//! anything land over a finding that nobody answered.

mod said;

use pilothouse_contract::card::{Excuse, Writer};
use pilothouse_contract::pull::{Pull, PullApproval, PullState};
use pilothouse_contract::review::{Finding, Happened, Reply, Role, Round, Sitting, Stage};
use pilothouse_contract::risk::Risk;
use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::session::{Ending, Session};
use pilothouse_contract::{Event, Fault, Oid, PullId, RunId, SessionId, Who};
use serde::{Deserialize, Serialize};

use super::Work;
use super::draft::BECAUSE_MAX;
use super::effect::{Effect, HeadChange};
use super::seat::Chair;
use crate::policy::{family, scope};

/// A session that leaves something unsaid is followed by a fresh one, up to so many for the same.
const TRIES_MAX: u32 = 2;
/// So many strays are named.
const NAMED_MAX: usize = 5;

/// What can happen to a review, by people and by sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewing {
    /// A person asks for a round.
    Ask {
        /// Which pull request.
        pull: PullId,
        /// Who looks.
        by: Writer,
        /// Why it may be one of the author's own family.
        because: Option<String>,
    },
    /// A person says something of a change. Number, author and head are given here.
    Comment {
        /// Which pull request.
        pull: PullId,
        /// What.
        finding: Box<Finding>,
    },
    /// A person answers a finding.
    Answer {
        /// Which pull request.
        pull: PullId,
        /// Its number.
        finding: u32,
        /// What becomes of it.
        reply: Reply,
        /// In words.
        says: String,
    },
    /// A session that reviews says what a lens showed; nothing if that is nothing.
    Says {
        /// Which session.
        session: SessionId,
        /// Through which lens.
        lens: String,
        /// What.
        said: Said,
    },
    /// The session of an author says what becomes of a finding.
    Settles {
        /// Which session.
        session: SessionId,
        /// Its number.
        finding: u32,
        /// What becomes of it.
        reply: Reply,
        /// In words.
        says: String,
    },
}

/// What a reviewer says of one lens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It showed nothing; what was looked at.
    Nothing(String),
    /// It showed something that is less than everything which may be said.
    Below,
    /// It showed this. Its number is given here.
    Found(Box<Finding>),
}

/// What a session of an author left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRead {
    /// The commit on top of the head, if it changed something.
    pub commit: Option<Oid>,
    /// The paths that it changed.
    pub paths: Vec<String>,
}

/// Whoever has the same configuration looks in the same way.
fn key_of(by: &Writer, lenses: &[String]) -> String {
    let family = by.family.as_deref().unwrap_or_default();
    format!("{} ({family}) {} [{}]", by.agent.name, by.agent.command.join(" "), lenses.join(", "))
}

impl Work<'_> {
    pub(super) fn reviewing(&mut self, input: Reviewing) -> Result<(), Fault> {
        match input {
            Reviewing::Ask { pull, by, because } => self.ask_review(pull, by, because.as_deref()),
            Reviewing::Comment { pull, finding } => self.comment(pull, *finding),
            Reviewing::Answer { pull, finding, reply, says } => {
                self.person_answers(pull, finding, reply, &says)
            }
            Reviewing::Says { session, lens, said } => self.reviewer_says(session, &lens, said),
            Reviewing::Settles { session, finding, reply, says } => {
                self.author_answers(session, finding, reply, &says)
            }
        }
    }

    /// The head of a pull request was looked at. Whatever was under way for an older one is over.
    pub(super) fn weighed(&mut self, pull: PullId, risk: Risk, patch: String) {
        self.leave_review(pull);
        self.review(pull, Happened::Weighed { risk, patch }, false);
        self.review_on(pull);
    }

    /// The pull request with its run, if anything of it may be reviewed.
    fn reviewable(&self, pull: PullId) -> Option<(Pull, Run)> {
        let it = self.fleet.pulls.get(&pull).filter(|it| !it.state.is_over())?;
        let run = self.live_run(it.run).filter(|it| it.state == RunState::InPull)?;
        Some((it.clone(), run))
    }

    /// What comes next: a reviewer who did not see this patch, else answers to what is open, else nothing.
    pub(super) fn review_on(&mut self, pull: PullId) {
        let Some((it, run)) = self.reviewable(pull) else { return };
        let (review, policy) = (&it.review, &run.policy.review);
        if review.patch.is_empty() || review.sitting.is_some() || review.unread.is_some() {
            return;
        }
        let open = review.open_round();
        if let Some(round) = open.filter(|it| it.patch == review.patch) {
            let why = format!("{} looks", round.by.says());
            self.stand(pull, Stage::Reviewing, &why);
            return self.sit_at_pull(pull, Role::Review, 1);
        }
        if open.is_some() {
            self.review(pull, Happened::RoundDropped {}, false);
            return self.review_on(pull);
        }
        let lenses = &policy.lenses;
        let fresh = |by: &&Writer| !review.looked(&key_of(by, lenses), &review.patch);
        if let Some(by) = policy.agents.iter().find(fresh).cloned() {
            let known = review.rounds.iter().any(|it| it.patch == review.patch);
            let most = policy.rounds.saturating_add(review.granted) as usize;
            if !known && review.patches() >= most {
                let why =
                    format!("{most} rounds are the most that are made, and its change is another one again");
                return self.stand(pull, Stage::Person, &why);
            }
            return self.begin_round(&it, by, lenses.clone(), None);
        }
        let open = review.unanswered().count();
        if open > 0 {
            let who = &run.policy.agent.name;
            self.stand(pull, Stage::Answering, &format!("{who} answers {open} findings"));
            return self.sit_at_pull(pull, Role::Answer, 1);
        }
        let looked: Vec<String> = {
            let of = |it: &&Round| it.patch == review.patch && it.ended.is_some();
            review.rounds.iter().filter(of).map(|it| it.by.says()).collect()
        };
        if looked.is_empty() {
            let off = if policy.off.is_empty() { "nobody is asked to review" } else { &policy.off };
            self.stand(pull, Stage::Off, off);
        } else {
            self.stand(pull, Stage::Done, &format!("looked at by {}", looked.join(" and ")));
        }
        self.approve_by_itself(pull);
    }

    fn begin_round(&mut self, it: &Pull, by: Writer, lenses: Vec<String>, excuse: Option<Excuse>) {
        let known = it.review.rounds.iter().find(|round| round.patch == it.review.patch).map(|it| it.number);
        let number = known.unwrap_or_else(|| it.review.newest_round().saturating_add(1));
        let why = format!("{} looks, round {number}", by.says());
        let round = Round {
            number,
            patch: it.review.patch.clone(),
            head: it.head.clone(),
            key: key_of(&by, &lenses),
            by,
            excuse,
            lenses,
            clear: Vec::new(),
            dropped: 0,
            began: self.now,
            ended: None,
        };
        self.review(it.id, Happened::RoundBegun { round }, false);
        self.stand(it.id, Stage::Reviewing, &why);
        self.sit_at_pull(it.id, Role::Review, 1);
    }

    /// The yes that needs no person, once its checks passed and its review is over.
    pub(super) fn approve_by_itself(&mut self, pull: PullId) {
        let Some((it, run)) = self.reviewable(pull) else { return };
        let by = self.by_itself(&it, &run).filter(|_| it.state == PullState::WaitsForApproval);
        if let Some(by) = by.filter(|_| !it.is_approved() && !self.policy_waits(&it)) {
            self.approve_as(pull, by);
        }
    }

    /// Whether the policy's own yes waits for the review.
    pub(super) fn policy_waits(&self, pull: &Pull) -> bool {
        let stage = pull.review.stands.as_ref().map(|it| it.stage);
        matches!(stage, Some(Stage::Reviewing | Stage::Answering | Stage::Person))
    }

    /// What keeps a pull request from landing by what is said of it; nothing if nothing does.
    pub(super) fn review_keeps(&self, pull: &Pull, yes: Option<&PullApproval>) -> Option<String> {
        let open: Vec<String> = pull.review.unanswered().map(|it| it.number.to_string()).collect();
        if !open.is_empty() {
            return Some(format!("nobody answered what was found in it: {}", open.join(", ")));
        }
        if !pull.review.uncommitted().is_empty() {
            return Some("what was accepted of the findings is not on its branch yet".to_owned());
        }
        let run = self.fleet.runs.get(&pull.run)?;
        if run.state != RunState::InPull {
            return Some("another head is on its way".to_owned());
        }
        // Where a person is to decide, a person's yes is the decision.
        let decided = || pull.review.stands.as_ref().is_some_and(|it| it.stage == Stage::Person);
        let waits = match yes.map(|it| &it.by) {
            Some(Who::Person(_)) => run.policy.review.person_waits && !decided(),
            _ => true,
        };
        (waits && self.policy_waits(pull)).then(|| "its review is not over".to_owned())
    }

    /// A fresh session sits down to a pull request; nobody while its run is paused.
    fn sit_at_pull(&mut self, pull: PullId, role: Role, round: u32) {
        let Some((it, run)) = self.reviewable(pull) else { return };
        if self.fleet.is_paused(&run) {
            return;
        }
        let author = Writer { agent: run.policy.agent.clone(), family: run.policy.review.author.clone() };
        let by = match (role, it.review.open_round()) {
            (Role::Review, Some(round)) => {
                if let Some(why) = family::errs_alike(&author, &round.by).filter(|_| round.excuse.is_none()) {
                    return self.stand(pull, Stage::Person, &format!("nobody looks at it: {why}"));
                }
                round.by.clone()
            }
            _ => author,
        };
        let Some(project) = self.fleet.projects.get(&it.project) else { return };
        if let Err(fault) = self.may_sit(project) {
            return self.stand(pull, Stage::Person, &format!("nobody sits down to it: {}", fault.message));
        }
        let name = project.name.clone();
        let (session, worktree) = (self.fleet.next_session(), self.fleet.next_worktree());
        let (slug, word) = (self.fleet.slug_of(it.item), role.word());
        let folder = run.branch.folder();
        let argv = by.agent.command.clone();
        let sitting = Sitting { session, worktree, base: it.head.clone(), role, round, by };
        self.review(pull, Happened::Sits { sitting }, false);
        self.seat(Chair {
            session,
            worktree,
            project: it.project,
            run: Some(run.id),
            pull: Some(pull),
            gate: None,
            path: format!("{name}/{slug}-{word}-{session}"),
            branch: format!("{folder}/{word}-{session}"),
            base: it.head,
            title: match role {
                Role::Review => format!("Review of {pull}: {slug}"),
                Role::Answer => format!("Answers for {pull}: {slug}"),
            },
            argv,
            limits: run.policy.limits,
        });
    }

    /// The pull request that a session sits at.
    pub(super) fn sits_at(&self, session: SessionId) -> Option<(PullId, Sitting)> {
        let it = self.fleet.pull_of_session(session)?;
        Some((it.id, it.review.sitting.clone().filter(|it| it.session == session)?))
    }

    /// A session at a pull request ended.
    pub(super) fn review_sat(&mut self, session: &Session, how: &Ending) {
        let Some((pull, sitting)) = self.sits_at(session.id) else {
            // Nobody waits for it any more. What an author left stays for its reading.
            let waits = |it: &Pull| it.review.unread.as_ref().is_some_and(|it| it.session == session.id);
            let read = self.fleet.pull_of_session(session.id).is_some_and(waits);
            if let Some(worktree) = session.worktree.filter(|_| !read) {
                self.discard(worktree);
            }
            return;
        };
        let answers = sitting.role == Role::Answer && !matches!(how, Ending::NotStarted { .. });
        self.review(pull, Happened::Rose { session: session.id, left: answers }, false);
        if let Ending::NotStarted { why } = how {
            self.stand(pull, Stage::Person, &format!("a session at it could not be started: {why}"));
        } else if answers {
            self.effect(Effect::ReadAnswer { pull, session: session.id });
        } else {
            self.discard(sitting.worktree);
            self.looked(pull, &sitting);
        }
    }

    fn looked(&mut self, pull: PullId, sitting: &Sitting) {
        let Some(it) = self.fleet.pulls.get(&pull) else { return };
        let open: Vec<String> = it.review.open_lenses().into_iter().map(str::to_owned).collect();
        if open.is_empty() {
            self.review(pull, Happened::RoundEnded {}, false);
            self.review_on(pull);
        } else {
            let why = format!("{} ended without a word on {}", sitting.by.says(), open.join(", "));
            self.once_more(pull, sitting, &why);
        }
    }

    /// The same is asked of a fresh session, or else of a person.
    fn once_more(&mut self, pull: PullId, sitting: &Sitting, why: &str) {
        if sitting.round < TRIES_MAX {
            self.sit_at_pull(pull, sitting.role, sitting.round + 1);
        } else {
            self.stand(pull, Stage::Person, why);
        }
    }

    /// What a session of the author left was read.
    pub(super) fn answer_read(&mut self, pull: PullId, session: SessionId, read: Result<AnswerRead, String>) {
        let unread = self.fleet.pulls.get(&pull).and_then(|it| it.review.unread.clone());
        let Some(sitting) = unread.filter(|it| it.session == session) else { return };
        let Some((it, run)) = self.reviewable(pull) else { return };
        let accepted = it.review.uncommitted();
        let open: Vec<String> = it.review.unanswered().map(|it| it.number.to_string()).collect();
        let strayed = |paths: &[String]| -> Vec<String> {
            paths.iter().filter(|path| strays(&run, path)).take(NAMED_MAX).cloned().collect()
        };
        let (why, again) = match read {
            Ok(AnswerRead { commit: Some(_), paths }) if !strayed(&paths).is_empty() => {
                let strayed = strayed(&paths).join(", ");
                (format!("{} changed what its tasks may not: {strayed}", sitting.by.says()), true)
            }
            Ok(AnswerRead { commit: Some(commit), .. })
                if !accepted.is_empty() && it.head == sitting.base =>
            {
                let change = HeadChange::Answer { pull, session };
                self.effect(Effect::Advance { run: run.id, old: sitting.base, new: commit, change });
                return;
            }
            Ok(AnswerRead { commit: None, .. }) if !accepted.is_empty() => {
                (format!("{} accepted findings and changed nothing by them", sitting.by.says()), true)
            }
            Ok(_) if open.is_empty() => (String::new(), false),
            Ok(_) => {
                let open = open.join(", ");
                (format!("{} ended without an answer to the findings {open}", sitting.by.says()), true)
            }
            Err(why) => (format!("what {} left could not be read: {why}", sitting.by.says()), true),
        };
        self.unread_gone(pull, &sitting);
        if again {
            self.once_more(pull, &sitting, &why);
        } else {
            self.review_on(pull);
        }
    }

    /// Nothing is taken of what an author left: what it accepted is open again.
    fn unread_gone(&mut self, pull: PullId, sitting: &Sitting) {
        let findings = self.fleet.pulls.get(&pull).map(|it| it.review.uncommitted()).unwrap_or_default();
        if !findings.is_empty() {
            self.review(pull, Happened::Reopened { findings }, false);
        }
        self.review(pull, Happened::Read { session: sitting.session, commit: None }, false);
        self.discard(sitting.worktree);
    }

    /// What an author changed is on the branch: it is proposed as a new head, and looked at like any other.
    pub(super) fn answer_taken(&mut self, run: RunId, pull: PullId, session: SessionId, commit: &Oid) {
        let unread = self.fleet.pulls.get(&pull).and_then(|it| it.review.unread.clone());
        self.review(pull, Happened::Read { session, commit: Some(commit.clone()) }, false);
        if let Some(sitting) = unread.filter(|it| it.session == session) {
            self.discard(sitting.worktree);
        }
        if self.live_run(run).is_some_and(|it| it.state == RunState::InPull) {
            self.move_run(
                run,
                RunState::Assembled,
                &format!("its findings are answered by {}", commit.short()),
            );
            self.effect(Effect::Propose { run, head: commit.clone() });
        }
    }

    /// Whoever sits at a pull request that is over, or whose run rests, gets up.
    pub(super) fn leave_review(&mut self, pull: PullId) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        if let Some(sitting) = &it.review.sitting {
            self.review(pull, Happened::Rose { session: sitting.session, left: false }, false);
            if self.fleet.sessions.get(&sitting.session).is_some_and(|it| it.end.is_none()) {
                self.effect(Effect::EndSession { session: sitting.session });
            }
        }
        if let Some(unread) = &it.review.unread {
            self.unread_gone(pull, unread);
        } else if it.review.sitting.is_some() {
            // What it accepted so far is on no commit.
            let findings = it.review.uncommitted();
            if !findings.is_empty() {
                self.review(pull, Happened::Reopened { findings }, false);
            }
        }
    }

    /// The pull request of a run that rests is left alone.
    pub(super) fn rest_review(&mut self, run: RunId) {
        if let Some(pull) = self.fleet.runs.get(&run).and_then(|it| it.pull) {
            self.leave_review(pull);
        }
    }

    /// A person ends a session at a pull request: no other one follows behind their back.
    pub(super) fn stop_review(&mut self, pull: PullId, session: SessionId) {
        let why = format!("{} ended {session}", self.who);
        self.leave_review(pull);
        self.stand(pull, Stage::Person, &why);
    }

    /// Nothing is paused any more: whoever was to sit down does.
    pub(super) fn review_those_due(&mut self) {
        let due = |it: &&Pull| {
            let stage = it.review.stands.as_ref().map(|it| it.stage);
            !it.state.is_over() && matches!(stage, Some(Stage::Reviewing | Stage::Answering))
        };
        let all: Vec<PullId> = self.fleet.pulls.values().filter(due).map(|it| it.id).collect();
        all.into_iter().for_each(|pull| self.review_on(pull));
    }

    /// A person asks for a round by somebody.
    fn ask_review(&mut self, pull: PullId, by: Writer, because: Option<&str>) -> Result<(), Fault> {
        let (it, run) = self.may_be_reviewed(pull)?;
        if self.fleet.is_paused(&run) {
            return Err(Fault::refused(format!("{} is paused, so nobody begins at it", run.id))
                .command("let it go on", format!("pilothouse run go-on {}", run.id)));
        }
        if let Some(sitting) = &it.review.sitting {
            return Err(Fault::refused(format!(
                "{} sits at it already, in {}",
                sitting.by.says(),
                sitting.session
            )));
        }
        if it.review.unread.is_some() || it.review.patch.is_empty() {
            return Err(Fault::refused(format!("{pull} gets another head this moment")).hint("ask again"));
        }
        let lenses = run.policy.review.lenses.clone();
        let lenses = if lenses.is_empty() { vec!["correctness".to_owned()] } else { lenses };
        if it.review.looked(&key_of(&by, &lenses), &it.review.patch) {
            return Err(Fault::refused(format!("{} looked at just this change before", by.says()))
                .hint("a change is not looked at twice in the same way: ask another agent"));
        }
        let author = Writer { agent: run.policy.agent.clone(), family: run.policy.review.author.clone() };
        let because = because.map(str::trim).filter(|it| !it.is_empty());
        let excuse = match (family::errs_alike(&author, &by), because) {
            (None, _) => None,
            (Some(_), Some(because)) => {
                let because = because.chars().take(BECAUSE_MAX).collect();
                Some(Excuse { by: self.who.clone(), because })
            }
            (Some(why), None) => {
                return Err(Fault::refused(format!("{pull} is not reviewed by that: {why}"))
                    .hint("choose an agent of another family with --agent, or say an agent's family in WORKFLOW.md: agents.NAME.family")
                    .command(
                        "or say why it may be all the same",
                        format!("pilothouse pr review {pull} --agent {} --because REASON", by.agent.name),
                    ));
            }
        };
        let most = run.policy.review.rounds.saturating_add(it.review.granted) as usize;
        let known = it.review.rounds.iter().any(|round| round.patch == it.review.patch);
        if !known && it.review.patches() >= most {
            self.review(pull, Happened::Granted {}, true);
        }
        if it.review.open_round().is_some() {
            self.review(pull, Happened::RoundDropped {}, false);
        }
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return Ok(()) };
        self.begin_round(&it, by, lenses, excuse);
        Ok(())
    }

    fn may_be_reviewed(&self, pull: PullId) -> Result<(Pull, Run), Fault> {
        let it = self.pull(pull)?;
        if it.state.is_over() {
            return Err(Fault::refused(format!("{pull} is {} already", it.state.word())));
        }
        self.reviewable(pull).ok_or_else(|| {
            Fault::refused(format!("the run of {pull} is not at its pull request this moment"))
                .hint("ask again, or let the run go on")
        })
    }

    fn stand(&mut self, pull: PullId, to: Stage, why: &str) {
        let stands = self.fleet.pulls.get(&pull).and_then(|it| it.review.stands.as_ref());
        if stands.is_none_or(|it| it.stage != to || it.why != why) {
            self.review(pull, Happened::Moved { to, why: why.to_owned() }, false);
        }
    }

    /// Writes down what happened to a review: by whoever asked for it, or by the engine's own rules.
    fn review(&mut self, pull: PullId, what: Happened, asked: bool) {
        let event = Event::Review { pull, what };
        if asked { self.emit(event) } else { self.engine(event) }
    }
}

/// Whether a path is none that the tasks of a run may write.
fn strays(run: &Run, path: &str) -> bool {
    let mut scopes = run.tasks.iter().map(|it| it.spec.files.as_ref());
    let inside = scopes.any(|it| it.is_none_or(|it| scope::allows(it, path)))
        || scope::any_matches(&run.policy.always, path);
    !inside || scope::any_matches(&run.policy.protected, path)
}
