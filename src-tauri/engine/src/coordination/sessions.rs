//! Sessions: asked for, started, ended. What their end means is for whoever asked for them.

use pilothouse_contract::attempt::{AttemptState, Failure};
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::money::Money;
use pilothouse_contract::run::{NOTE_MAX, Note, RunState, Touch, TouchKind};
use pilothouse_contract::session::{End, Ending, Running, Session, SessionKind};
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{AttemptId, Event, Fault, ProjectId, RunId, SessionId, text};

use super::Work;
use super::effect::Effect;
use super::input::SessionFacts;

/// A session's name is at most so long, in signs.
const TITLE_MAX: usize = 200;

/// Looks of the same person at the same session that are less apart are one.
const ONE_LOOK_MS: i64 = 5 * 60_000;

impl Work<'_> {
    /// A person starts any command.
    pub(super) fn start_session(&mut self, facts: SessionFacts) -> Result<(), Fault> {
        if let Some(project) = facts.project {
            self.project(project)?;
        }
        let id = self.fleet.next_session();
        self.emit(Event::SessionAsked {
            session: Session {
                project: facts.project,
                mode: facts.mode,
                limits: facts.limits,
                ..Session::of_a_person(id, facts.argv, facts.cwd, self.now)
            },
        });
        self.effect(Effect::Launch { session: id });
        Ok(())
    }

    pub(super) fn launched(&mut self, session: SessionId, started: Result<Running, String>) {
        let Some(it) = self.fleet.sessions.get(&session).cloned() else { return };
        self.launched_with_its_tree(&it, started.is_ok());
        if it.end.is_some() {
            return;
        }
        match started {
            Ok(running) => {
                if it.running.is_none() {
                    self.engine(Event::SessionRuns { session, running });
                }
            }
            Err(why) => {
                self.session_ended(session, End::of(self.now, Ending::NotStarted { why }), false);
            }
        }
    }

    /// A session ended. The first word counts.
    pub(super) fn session_ended(&mut self, session: SessionId, end: End, did_nothing: bool) {
        let Some(it) = self.fleet.sessions.get(&session).filter(|it| it.end.is_none()).cloned() else {
            return;
        };
        let how = end.how.clone();
        self.engine(Event::SessionEnded { session, end });
        self.withdraw_questions(session);
        // What a check's end means comes with the check's own outcome.
        if let (SessionKind::Agent, Some(attempt)) = (it.kind, it.attempt) {
            self.agent_ended(attempt, &how, did_nothing);
        } else if it.gate == Some(Gate::Completeness) {
            self.judge_ended(&it);
        } else if let Some((item, _)) = self.sitting(session) {
            self.sitting_ended(item, session, &how);
        } else if it.kind == SessionKind::Agent && it.pull.is_some() {
            self.review_sat(&it, &how);
        } else {
            self.left_draft(session);
        }
    }

    /// A person ends a session. An agent's attempt fails by it, and is not tried again behind the person's back.
    pub(super) fn kill_session(&mut self, session: SessionId) -> Result<(), Fault> {
        let it = self
            .fleet
            .sessions
            .get(&session)
            .ok_or_else(|| Fault::missing(format!("there is no session {session}")))?
            .clone();
        if it.end.is_some() {
            return Err(Fault::refused(format!("session {session} has ended already")));
        }
        if it.kind == SessionKind::Check {
            return Err(Fault::refused(format!(
                "session {session} gathers evidence: it ends by itself or at its time limit"
            ))
            .hint("stop the run if its result is not wanted"));
        }
        self.touch(&it, TouchKind::Ended);
        match it.attempt.filter(|id| self.fleet.attempts.get(id).is_some_and(|it| !it.state.is_over())) {
            Some(attempt) => {
                let run = it.run.unwrap_or_default();
                self.park_run(
                    run,
                    Stop::SessionEnded { session },
                    &format!("a person ended session {session}"),
                    &[],
                );
                self.fail_attempt(attempt, Failure::Stopped, "a person ended its session", &[]);
            }
            None => {
                if let Some((item, _)) = self.sitting(session) {
                    self.stop_draft(item, session);
                } else if let Some((pull, _)) = self.sits_at(session) {
                    self.stop_review(pull, session);
                    return Ok(());
                }
                self.effect(Effect::EndSession { session });
            }
        }
        Ok(())
    }

    /// A person calls a session something else.
    pub(super) fn rename_session(&mut self, session: SessionId, title: &str) -> Result<(), Fault> {
        let it = self.fleet.sessions.get(&session);
        let it = it.ok_or_else(|| Fault::missing(format!("there is no session {session}")))?;
        let title = title.trim();
        if title.is_empty() || title.chars().count() > TITLE_MAX || text::plain(title, false) != title {
            return Err(Fault::refused(format!(
                "a session is called by one line of at most {TITLE_MAX} signs, without control signs"
            )));
        }
        if it.title != title {
            self.emit(Event::SessionRenamed { session, title: title.to_owned() });
        }
        Ok(())
    }

    /// Somebody typed into a session. In a run that is an intervention.
    pub(super) fn typed(&mut self, session: SessionId) {
        if let Some(it) = self.fleet.sessions.get(&session).cloned() {
            self.touch(&it, TouchKind::Intervention);
        }
    }

    /// A person looked at what an agent does while it does it. Who comes back within a few minutes, as a window does that
    /// was opened anew, still looks.
    pub(super) fn peeked(&mut self, session: SessionId) {
        let Some(it) = self.fleet.sessions.get(&session).filter(|it| it.kind == SessionKind::Agent).cloned()
        else {
            return;
        };
        let works =
            it.attempt.and_then(|it| self.fleet.attempts.get(&it)).is_some_and(|it| !it.state.is_over());
        let touches = it.run.and_then(|run| self.fleet.runs.get(&run)).map(|it| &it.touches);
        let mut peeks = touches.into_iter().flatten().rev().filter(|it| it.kind == TouchKind::Peek);
        let still = peeks.any(|last| {
            last.session == Some(session) && last.by == self.who && self.now.since_ms(last.at) < ONE_LOOK_MS
        });
        if works && it.end.is_none() && !still {
            self.touch(&it, TouchKind::Peek);
        }
    }

    /// A person leaves a note. Agents at work are left alone: whoever begins after it reads it.
    pub(super) fn note_run(&mut self, run: RunId, text: &str) -> Result<(), Fault> {
        let it = self.run(run)?;
        let text = text.trim();
        if !it.state.is_live() && it.state != RunState::Parked {
            return Err(Fault::refused(format!(
                "{run} is {}: no agent of it begins any more",
                it.state.word()
            )));
        }
        if text.is_empty() {
            return Err(Fault::refused("a note without words says nothing"));
        }
        if text.chars().count() > NOTE_MAX {
            return Err(Fault::refused(format!("a note holds at most {NOTE_MAX} signs"))
                .hint("put what is longer into the spec, commit it, and let the run go on"));
        }
        let note = Note { at: self.now, by: self.who.clone(), text: text.to_owned() };
        let touch = Touch { at: self.now, by: self.who.clone(), kind: TouchKind::Noted, session: None };
        self.emit(Event::RunNoted { run, note });
        self.emit(Event::RunTouched { run, touch });
        Ok(())
    }

    fn touch(&mut self, session: &Session, kind: TouchKind) {
        if let Some(run) = session.run {
            let touch = Touch { at: self.now, by: self.who.clone(), kind, session: Some(session.id) };
            self.emit(Event::RunTouched { run, touch });
        }
    }

    /// It gets nowhere: the attempt fails and its session is ended.
    pub(super) fn fuse_blown(&mut self, session: SessionId, fuse: Fuse) {
        let Some(it) = self.fleet.sessions.get(&session).filter(|it| it.end.is_none()) else { return };
        if it.gate == Some(Gate::Completeness) && fuse.failure().is_some() {
            // What it did not say then is asked of a fresh one, once.
            self.effect(Effect::EndSession { session });
            return;
        }
        let Some(attempt) = it.attempt.filter(|_| it.kind == SessionKind::Agent) else { return };
        let why = match fuse.minds {
            Minds::Silence => format!("no output and no changed file for {} s", fuse.limit),
            Minds::Time => format!("its session worked for {} s, and no more is allowed", fuse.spent),
            Minds::Tokens => format!("it used {} tokens of {}", fuse.spent, fuse.limit),
            Minds::Money => format!("it cost {} of {}", Money(fuse.spent), Money(fuse.limit)),
            Minds::Repeats => format!("the same call brought the same answer {} times", fuse.spent),
            Minds::Context | Minds::Tries | Minds::Paths => fuse.to_string(),
        };
        match fuse.failure() {
            Some(failure) => self.fail_attempt(attempt, failure, &why, &[]),
            None if fuse.minds == Minds::Context => self.hand_over(attempt, session, fuse.spent),
            // Told elsewhere.
            None => {}
        }
    }

    /// It changed what no task may: it is ended at once, and not only told so when it is done.
    pub(super) fn paths_touched(&mut self, attempt: AttemptId, paths: Vec<String>) {
        if self.fleet.attempts.get(&attempt).is_some_and(|it| it.state == AttemptState::Working) {
            let why = format!("it changed protected paths while it worked: {}", paths.join(", "));
            self.fail_attempt(attempt, Failure::ScopeDrift { paths }, &why, &[]);
        }
    }

    pub(super) fn live_session_of(&self, project: ProjectId) -> Option<SessionId> {
        let mut sessions = self.fleet.sessions.values();
        sessions.find(|it| it.project == Some(project) && it.end.is_none()).map(|it| it.id)
    }
}
