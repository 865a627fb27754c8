//! Projects, and their line: the default branch is where our record has it, or the line stops until a person says yes
//! to the move or takes it back (promise P3).

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::project::{Found, Line, Move, Project, Trust};
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{RunState, TaskState};
use pilothouse_contract::{AttemptId, Event, Fault, Oid, ProjectId, PullId, RefName, SessionId};

use super::Work;
use super::effect::Effect;
use super::input::ProjectFacts;

impl Work<'_> {
    pub(super) fn add_project(&mut self, facts: ProjectFacts) -> Result<(), Fault> {
        if let Some(known) = self.fleet.listed().find(|it| it.git_dir == facts.git_dir) {
            return Err(Fault::refused(format!("{} is on the list already, as {}", facts.path, known.name)));
        }
        // One that was taken off the list comes back as itself, with its history. Its trust was given for what it could
        // run then; nobody has looked since.
        let known =
            self.fleet.projects.values().find(|it| it.removed && it.git_dir == facts.git_dir).cloned();
        let taken = |name: &str| self.fleet.listed().any(|it| it.name == name);
        let name = std::iter::once(facts.name.clone())
            .chain((2..).map(|n| format!("{}-{n}", facts.name)))
            .find(|name| !taken(name))
            .unwrap_or(facts.name);
        let project = Project {
            id: known.as_ref().map_or_else(|| self.fleet.next_project(), |it| it.id),
            name,
            path: facts.path,
            git_dir: facts.git_dir,
            default_branch: facts.default_branch,
            main: facts.main,
            trust: Trust::Undecided,
            line: Line::Open,
            added: self.now,
            removed: false,
            auto_land: Vec::new(),
            held: known.as_ref().and_then(|it| it.held.clone()),
            fates: known.as_ref().map(|it| it.fates.clone()).unwrap_or_default(),
            workflow: None,
        };
        self.emit(Event::ProjectAdded { project });
        Ok(())
    }

    pub(super) fn trust_project(&mut self, project: ProjectId, found: Vec<Found>) -> Result<(), Fault> {
        self.project(project)?;
        self.emit(Event::ProjectTrusted { project, found });
        Ok(())
    }

    pub(super) fn remove_project(&mut self, project: ProjectId) -> Result<(), Fault> {
        let it = self.project(project)?.clone();
        if let Some(run) = self.fleet.runs.values().find(|run| run.project == project && run.state.is_live())
        {
            return Err(Fault::refused(format!("{} carries work of {}", run.id, it.name))
                .command("stop it first", format!("pilothouse run stop {}", run.id)));
        }
        if let Some(session) = self.live_session_of(project) {
            return Err(Fault::refused(format!("session {session} runs in {}", it.name))
                .command("end it first", format!("pilothouse session kill {session}")));
        }
        self.emit(Event::ProjectRemoved { project });
        Ok(())
    }

    /// The default branch was looked at. While nothing is under way a move is followed; else it stops the line.
    pub(super) fn main_seen(
        &mut self,
        project: ProjectId,
        found: Option<Oid>,
        named: &str,
        attempt: Option<AttemptId>,
        forward: bool,
    ) -> Result<(), Fault> {
        let it = self.project(project)?.clone();
        if found.as_ref() == Some(&it.main) {
            if it.line != Line::Open {
                let why = format!("{} is back where it was", it.default_branch.short());
                self.engine(Event::LineChanged { project, line: Line::Open, why });
                self.open_again(project);
            }
            return Ok(());
        }
        // Our own landing is seen before its end is told: the landing's outcome will say the same.
        let landing =
            self.pulls_of(project).into_iter().filter_map(|id| self.fleet.pulls.get(&id)).any(|pull| {
                pull.state == PullState::Landing
                    && pull.result.as_ref().map(|result| &result.commit) == found.as_ref()
            });
        if landing {
            return Ok(());
        }
        self.main_elsewhere(&it, found, named, attempt, forward);
        Ok(())
    }

    /// The default branch is not where our record has it.
    pub(super) fn main_elsewhere(
        &mut self,
        project: &Project,
        found: Option<Oid>,
        named: &str,
        attempt: Option<AttemptId>,
        forward: bool,
    ) {
        if let Line::Stopped { found: known, .. } = &project.line
            && *known == found
        {
            return;
        }
        if found.as_ref() == Some(&project.main) {
            return;
        }
        let busy = self
            .fleet
            .runs
            .values()
            .any(|run| run.project == project.id && run.state.is_live() && run.state != RunState::Queued)
            || self.live_session_of(project.id).is_some();
        // Back or aside to something that landed once is a move like any other.
        let ours = forward && found.as_ref().is_some_and(|it| self.was_landed_there(project.id, it));
        if let (true, Some(to)) = (!busy || ours, &found) {
            self.engine(Event::MainMoved {
                project: project.id,
                from: project.main.clone(),
                to: to.clone(),
                how: Move::Followed { named: named.to_owned() },
            });
            return;
        }
        let session = attempt.and_then(|id| self.fleet.attempts.get(&id)).and_then(|it| it.session);
        self.engine(Event::RefTouched {
            project: project.id,
            session,
            reference: project.default_branch.clone(),
            from: Some(project.main.clone()),
            to: found.clone(),
            prevented: false,
            named: named.to_owned(),
        });
        let place =
            found.as_ref().map_or_else(|| "deleted".to_owned(), |oid| format!("moved to {}", oid.short()));
        let why =
            format!("{} was {place} by {named}, outside of any landing", project.default_branch.short());
        let line =
            Line::Stopped { expected: project.main.clone(), found, named: named.to_owned(), at: self.now };
        self.engine(Event::LineChanged { project: project.id, line, why: why.clone() });
        if let Some(attempt) = attempt {
            let failure = Failure::MovedRef { reference: project.default_branch.0.clone() };
            self.fail_attempt(attempt, failure, &why, &[]);
            self.park_task_of(attempt, &why);
        }
    }

    /// An attempt may have ended before its move was seen: its task is parked all the same, unless it is done.
    fn park_task_of(&mut self, attempt: AttemptId, why: &str) {
        let Some(it) = self.fleet.attempts.get(&attempt).cloned() else { return };
        let Some(run) = self.live_run(it.run) else { return };
        let waiting = run.task(&it.task).is_some_and(|task| task.state == TaskState::Waiting);
        if waiting {
            let to = TaskState::Parked { why: why.to_owned() };
            self.engine(Event::TaskMoved {
                run: run.id,
                task: it.task,
                to,
                why: why.to_owned(),
                evidence: Vec::new(),
            });
            self.carry_on(run.id);
        }
    }

    /// A person says yes to where the default branch stands.
    pub(super) fn adopt_main(&mut self, project: ProjectId, found: Oid) -> Result<(), Fault> {
        let it = self.project(project)?.clone();
        self.stopped(&it)?;
        self.emit(Event::MainMoved { project, from: it.main, to: found.clone(), how: Move::Adopted });
        self.emit(Event::LineChanged {
            project,
            line: Line::Open,
            why: format!("{} adopted by a person", found.short()),
        });
        self.open_again(project);
        Ok(())
    }

    /// A person takes the move back.
    pub(super) fn take_back_main(&mut self, project: ProjectId) -> Result<(), Fault> {
        let it = self.project(project)?.clone();
        let found = self.stopped(&it)?;
        self.effect(Effect::TakeBack { project, found, to: it.main });
        Ok(())
    }

    pub(super) fn taken_back(&mut self, project: ProjectId, how: Result<(), Fault>) {
        let Some(it) = self.fleet.projects.get(&project).cloned() else { return };
        match how {
            Ok(()) => {
                let why = format!("{} taken back to {}", it.default_branch.short(), it.main.short());
                self.emit(Event::LineChanged { project, line: Line::Open, why });
                self.open_again(project);
            }
            Err(fault) => {
                let says =
                    format!("the move of {} could not be taken back: {fault}", it.default_branch.short());
                self.engine(Event::Notice { project: Some(project), says });
            }
        }
    }

    pub(super) fn open_again(&mut self, project: ProjectId) {
        let waiting: Vec<PullId> = self
            .pulls_of(project)
            .into_iter()
            .filter(|id| self.fleet.pulls.get(id).is_some_and(|it| it.state == PullState::WaitsForLine))
            .collect();
        for pull in waiting {
            self.move_pull(pull, PullState::Landable, "the line is open again", &[]);
        }
        self.begin_queued();
    }

    fn stopped(&self, project: &Project) -> Result<Option<Oid>, Fault> {
        match &project.line {
            Line::Stopped { found, .. } => Ok(found.clone()),
            Line::Open => Err(Fault::refused(format!(
                "the line of {} is open: there is nothing to settle",
                project.name
            ))),
        }
    }

    /// The fence in an agent's git held: it is named and recorded, and nothing was moved.
    pub(super) fn ref_refused(
        &mut self,
        session: SessionId,
        reference: RefName,
        from: Option<Oid>,
        to: Option<Oid>,
    ) -> Result<(), Fault> {
        let it = self
            .fleet
            .sessions
            .get(&session)
            .ok_or_else(|| Fault::missing(format!("there is no session {session}")))?;
        let Some(project) = it.project else { return Ok(()) };
        let named = format!("session {session} ({})", it.title);
        self.engine(Event::RefTouched {
            project,
            session: Some(session),
            reference,
            from,
            to,
            prevented: true,
            named,
        });
        Ok(())
    }

    /// A program inside a session asked for what only a person may do.
    pub(super) fn call_refused(&mut self, session: Option<SessionId>, asked: String, why: String) {
        let it = session.and_then(|session| self.fleet.sessions.get(&session));
        let (project, run) = (it.and_then(|it| it.project), it.and_then(|it| it.run));
        self.emit(Event::Refused { project, run, session, asked, why });
    }

    pub(super) fn project(&self, project: ProjectId) -> Result<&Project, Fault> {
        self.fleet
            .projects
            .get(&project)
            .filter(|it| !it.removed)
            .ok_or_else(|| Fault::missing(format!("there is no project {project}")))
    }
}
