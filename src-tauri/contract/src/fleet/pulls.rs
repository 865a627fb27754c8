//! The part of the fold that moves pull requests, and what is read of their chain.

use super::{Fleet, Touched};
use crate::event::{Event, Record};
use crate::evidence::Gate;
use crate::ids::{Oid, ProjectId, SessionId};
use crate::pull::{Pull, PullCheck, PullState};
use crate::run::LandsBy;
use crate::session::{Session, SessionKind};

/// So many of the last ends in its queue a project keeps.
const FATES: usize = 50;

impl Fleet {
    /// Folds what happened to a pull request.
    pub(super) fn fold_pull(&mut self, record: &Record) -> [Option<Touched>; 2] {
        let at = record.at;
        let one = match &record.event {
            Event::PullOpened { pull } => {
                self.pulls.insert(pull.id, Pull::clone(pull));
                let run = self.run(pull.run, |it| it.pull = Some(pull.id));
                return [Some(Touched::Pull(pull.id)), run];
            }
            Event::PullRenewed { pull, head, body, commits, size } => self.pull(*pull, |it| {
                // The yes was for another head.
                it.approval = it.approval.take().filter(|approval| approval.head == *head);
                it.head = head.clone();
                it.body = body.clone();
                it.commits = *commits;
                it.size = *size;
                it.result = None;
                it.checks.clear();
                it.queued = None;
            }),
            Event::PullMerged { pull, result, checks } => self.pull(*pull, |it| {
                it.result = Some(result.clone());
                it.checks = checks
                    .iter()
                    .map(|command| PullCheck { command: command.clone(), evidence: None, passed: None })
                    .collect();
                if let Some(queued) = &mut it.queued {
                    (queued.making, queued.clash, queued.with, queued.failed) = (None, None, None, 0);
                }
            }),
            Event::PullChecked { pull, command, evidence, passed } => self.pull(*pull, |it| {
                if let Some(check) = it.checks.iter_mut().find(|check| check.command == *command) {
                    check.evidence = Some(*evidence);
                    check.passed = Some(*passed);
                }
                if let Some(queued) = it.queued.as_mut().filter(|_| !passed) {
                    queued.failed += 1;
                }
            }),
            Event::PullApproved { pull, approval } => {
                self.pull(*pull, |it| it.approval = Some(approval.clone()))
            }
            Event::PullQueued { pull, queued } => self.pull(*pull, |it| it.queued = Some(queued.clone())),
            Event::PullCheckGivenUp { pull, session } => self.pull(*pull, |it| {
                it.checking = it.checking.filter(|checking| checking != session);
                it.given_up.push(*session);
            }),
            Event::PullMoved { pull, to, why, evidence } => {
                let moved = self.pull(*pull, |it| {
                    it.state = to.clone();
                    it.why.clone_from(why);
                    it.moved = at;
                    it.bounces += u32::from(*to == PullState::Bounced);
                });
                let fate = match to {
                    PullState::Landed { .. } => Some(true),
                    // Sent back by what shows it: by a check.
                    PullState::Bounced if !evidence.is_empty() => Some(false),
                    _ => None,
                };
                let of = self.pulls.get(pull).filter(|it| it.queued.is_some()).map(|it| it.project);
                let project = of.zip(fate).and_then(|(project, landed)| self.note_fate(project, landed));
                if *to == PullState::Bounced {
                    let _same = self.pull(*pull, |it| it.queued = None);
                }
                return [moved, project];
            }
            _ => None,
        };
        [one, None]
    }

    fn note_fate(&mut self, project: ProjectId, landed: bool) -> Option<Touched> {
        self.project(project, |it| {
            it.fates.push(landed);
            let over = it.fates.len().saturating_sub(FATES);
            it.fates.drain(..over);
        })
    }

    /// A check of a merge result is asked for.
    pub(super) fn pull_is_checked(&mut self, session: &Session) -> Option<Touched> {
        let checks = session.kind == SessionKind::Check && session.gate == Some(Gate::Landing);
        let pull = session.pull.filter(|_| checks)?;
        self.pull(pull, |it| it.checking = Some(session.id))
    }

    /// A session ended that may have been one.
    pub(super) fn pull_check_over(&mut self, session: SessionId) -> Option<Touched> {
        let pull = self.sessions.get(&session).and_then(|it| it.pull)?;
        self.pull(pull, |it| {
            it.checking = it.checking.filter(|checking| *checking != session);
            it.given_up.retain(|it| *it != session);
        })
    }

    /// Whether another forge is to land it, once it has its yes.
    #[must_use]
    pub fn lands_there(&self, pull: &Pull) -> bool {
        self.runs.get(&pull.run).is_some_and(|it| it.policy.landing == LandsBy::Github)
    }

    /// The pull request that a session has to do with: it checks it, or sits at it.
    #[must_use]
    pub fn pull_of_session(&self, session: SessionId) -> Option<&Pull> {
        self.pulls.get(&self.sessions.get(&session)?.pull?)
    }

    /// Those whose merge results the one of a pull request was made on, the first one first, itself at the end; and what the
    /// first one was made on.
    #[must_use]
    pub fn chain_of<'a>(&'a self, pull: &'a Pull) -> (Vec<&'a Pull>, Option<&'a Oid>) {
        let (mut chain, mut base) = (vec![pull], pull.result.as_ref().map(|it| &it.onto));
        let made = |it: &&Pull, on: &Oid| {
            it.project == pull.project
                && !it.state.is_over()
                && it.result.as_ref().is_some_and(|it| it.commit == *on)
        };
        while let Some(on) = base
            && let Some(before) = self.pulls.values().find(|it| made(it, on))
            && chain.iter().all(|it| it.id != before.id)
        {
            chain.push(before);
            base = before.result.as_ref().map(|it| &it.onto);
        }
        chain.reverse();
        (chain, base)
    }
}
