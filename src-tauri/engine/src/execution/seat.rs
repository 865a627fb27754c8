//! A fresh session that carries no attempt - a judge, or whoever sits at a draft - in a worktree of its own, with a brief of its own.
//!
//! Refuses to know what it is asked: that stands in the brief.

use std::path::Path;
use std::time::Duration;

use pilothouse_contract::project::Project;
use pilothouse_contract::run::{AgentChoice, Policy};
use pilothouse_contract::session::{Mode, Running, Session};
use pilothouse_contract::worktree::Worktree;

use super::attempts::Attempts;
use super::held::ToHold;
use super::trees::name_of;
use super::{agents, env, fence};

/// Who sits where, with what.
pub(super) struct Seat<'a> {
    pub(super) session: &'a Session,
    pub(super) uuid: &'a str,
    pub(super) project: &'a Project,
    pub(super) worktree: &'a Worktree,
    pub(super) agent: &'a AgentChoice,
    pub(super) policy: &'a Policy,
    /// The name of the folder that its brief is kept in.
    pub(super) folder: String,
    pub(super) brief: &'a str,
}

impl Attempts {
    /// Makes the worktree, writes the brief and starts the session, or finds that done.
    pub(super) async fn sit_down(&self, seat: Seat<'_>) -> Result<Running, String> {
        let Seat { session, uuid, project, worktree, agent, policy, folder, brief } = seat;
        let in_words = |error: std::io::Error| format!("its folder could not be made: {error}");
        self.trees
            .make(
                Path::new(&project.git_dir),
                &name_of(worktree),
                &worktree.path,
                Some(&worktree.branch),
                &worktree.base,
            )
            .await
            .map_err(|error| error.to_string())?;
        let folder = self.folder.join(folder);
        let brief_file = folder.join("brief.md");
        tokio::fs::create_dir_all(&folder).await.map_err(in_words)?;
        tokio::fs::write(&brief_file, brief).await.map_err(in_words)?;
        let place = self.sessions.place(session.into());
        let sitting = agents::Sitting {
            session: session.id,
            folder: place.folder(),
            brief,
            brief_file: &brief_file,
            uuid,
            resumes: false,
            rehearsal: &self.rehearsal,
        };
        let mut names = agents::variables(agent);
        names.extend(policy.env.iter().cloned());
        let mut environment = env::of(session.id, &names, &self.program);
        agents::complete(agent, &sitting, &mut environment);
        let cwd = self.trees.path(&worktree.path);
        fence::raise(&folder, project, &cwd, &worktree.branch, &mut environment)
            .await
            .map_err(|error| format!("its fence could not be raised: {error}"))?;
        let what = ToHold {
            argv: agents::command(agent, &sitting),
            cwd,
            mode: Mode::Pty,
            size: (120, 40),
            limit: Duration::from_secs(u64::from(policy.attempt_s)),
            limits: session.limits,
            keep_rest: false,
            env: environment,
        };
        self.sessions.start(session.into(), &what).await
    }
}
