//! `pilothouse worktree …`

use clap::Subcommand;
use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{WorktreeId, ask};

use crate::desk::{self, End, HOLDS, id};
use crate::out::{Out, clock, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Worktrees that stand
    List {
        /// Only of this project
        project: Option<String>,
        /// Also those that were removed and can be brought back
        #[arg(long)]
        all: bool,
    },
    /// Remove a worktree so that it can be brought back, byte for byte
    Remove {
        /// Its id
        #[arg(value_parser = id::<WorktreeId>)]
        worktree: WorktreeId,
    },
    /// Bring a removed worktree back
    Undo {
        /// Its id
        #[arg(value_parser = id::<WorktreeId>)]
        worktree: WorktreeId,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { project, all } => {
            let project = desk::maybe_project(project.as_ref()).await?;
            let worktrees = desk::call(ask::worktree::List { project: project.map(|it| it.id), all }).await?;
            out.value(&worktrees, |worktrees| list(worktrees));
        }
        Verb::Remove { worktree } => {
            let it = desk::call(ask::worktree::Remove { worktree }).await?;
            out.value(&it, |it| match &it.state {
                WorktreeState::Removed { recovery } => format!(
                    "{} is removed. Until {} UTC it can be brought back: pilothouse worktree undo {}",
                    it.id,
                    clock(recovery.until),
                    it.id
                ),
                state => format!("{} is {}.", it.id, state.word()),
            });
        }
        Verb::Undo { worktree } => {
            let it = desk::call(ask::worktree::Undo { worktree }).await?;
            out.value(&it, |it| format!("{} is back: {}", it.id, it.path));
        }
    }
    Ok(HOLDS)
}

fn list(worktrees: &[Worktree]) -> String {
    if worktrees.is_empty() {
        return "No worktrees stand. Those that were removed: pilothouse worktree list --all".to_owned();
    }
    let rows: Vec<Vec<String>> = worktrees
        .iter()
        .map(|it| {
            let seen = it.seen.as_ref().map_or_else(String::new, |seen| {
                format!("{} changed, {} untracked ({})", seen.changed, seen.untracked, seen.watched)
            });
            vec![
                it.id.to_string(),
                it.state.word().to_owned(),
                it.attempt.map(|it| it.to_string()).unwrap_or_default(),
                it.branch.short().to_owned(),
                seen,
                it.path.clone(),
            ]
        })
        .collect();
    table(&["WORKTREE", "STATE", "ATTEMPT", "BRANCH", "SEEN", "PATH"], &rows)
}
