//! A fresh session that carries no attempt - a judge, whoever sits at a draft or at a pull request - and the worktree of its own: asked
//! for in one way.
//!
//! Refuses to know what it is for; whoever asks for it keeps that.

use pilothouse_contract::evidence::Gate;
use pilothouse_contract::session::{Limits, Mode, Session, SessionKind};
use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{Event, Oid, ProjectId, PullId, RefName, RunId, SessionId, WorktreeId};

use super::Work;
use super::effect::Effect;

/// Who is to sit where.
#[derive(Debug)]
pub(super) struct Chair {
    pub(super) session: SessionId,
    pub(super) worktree: WorktreeId,
    pub(super) project: ProjectId,
    pub(super) run: Option<RunId>,
    pub(super) pull: Option<PullId>,
    pub(super) gate: Option<Gate>,
    /// The worktree's place below the folder of all worktrees.
    pub(super) path: String,
    /// Its branch.
    pub(super) branch: String,
    pub(super) base: Oid,
    pub(super) title: String,
    pub(super) argv: Vec<String>,
    pub(super) limits: Limits,
}

impl Work<'_> {
    /// Asks for the worktree and for the session.
    pub(super) fn seat(&mut self, chair: Chair) {
        let Chair { session, worktree, project, run, pull, gate, path, branch, base, title, argv, limits } =
            chair;
        self.engine(Event::WorktreeAsked {
            worktree: Worktree {
                id: worktree,
                project,
                attempt: None,
                path,
                branch: RefName(branch),
                base,
                state: WorktreeState::Making,
                seen: None,
                asked: self.now,
            },
        });
        self.engine(Event::SessionAsked {
            session: Session {
                id: session,
                project: Some(project),
                run,
                attempt: None,
                pull,
                gate,
                worktree: Some(worktree),
                kind: SessionKind::Agent,
                title,
                argv,
                cwd: String::new(),
                mode: Mode::Pty,
                limits,
                asked: self.now,
                running: None,
                end: None,
            },
        });
        self.effect(Effect::Launch { session });
    }
}
