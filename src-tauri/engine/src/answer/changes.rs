//! What changes hold, for whoever looks: files, and rows of one of them.

use std::path::PathBuf;

use pilothouse_contract::ask::change::{Change, Files, Of, Page, Rows};
use pilothouse_contract::{Answer, Fault, Oid};

use super::Desk;
use super::attempts::no_attempt;
use crate::execution::attempts::Matter;
use crate::execution::changes::Between;
use crate::integration::forge;
use crate::policy::change::Entry;
use crate::ports::git::GitError;

fn by_git(error: GitError) -> Fault {
    Fault::environment(error.to_string())
}

impl Desk {
    /// Both ends of a change as it is now, and its commit if it is one.
    async fn between(&self, of: Of) -> Result<(Between, Option<Oid>), Fault> {
        match of {
            Of::Pull(id) => {
                let pull = self.pull(id)?;
                let project = self.project(pull.project)?;
                let from = forge::base(&project, &pull).await.map_err(by_git)?;
                let git_dir = PathBuf::from(&project.git_dir);
                Ok((Between { git_dir, from, to: pull.head.clone() }, Some(pull.head)))
            }
            Of::Attempt(id) => {
                let matter = self.look(|fleet| Matter::of(fleet, id), || no_attempt(id))?;
                let (from, commit, to) = self.ends_of(&matter).await?;
                Ok((Between { git_dir: PathBuf::from(&matter.project.git_dir), from, to }, commit))
            }
        }
    }

    /// The git folder of what changes something.
    fn folder_of(&self, of: Of) -> Result<PathBuf, Fault> {
        let git_dir = match of {
            Of::Pull(id) => self.project(self.pull(id)?.project)?.git_dir,
            Of::Attempt(id) => self.look(|fleet| Matter::of(fleet, id), || no_attempt(id))?.project.git_dir,
        };
        Ok(PathBuf::from(git_dir))
    }
}

impl Answer<Files> for Desk {
    async fn answer(&self, call: Files) -> Result<Change, Fault> {
        let (between, commit) = self.between(call.of).await?;
        let changes = &self.engine.inner.changes;
        let entries = changes.files(&between).await.map_err(by_git)?;
        changes.note(call.of, &between);
        let files = entries.iter().map(Entry::told).collect();
        Ok(Change { from: between.from, to: between.to, commit, files })
    }
}

impl Answer<Rows> for Desk {
    async fn answer(&self, call: Rows) -> Result<Page, Fault> {
        let changes = &self.engine.inner.changes;
        let between = Between { git_dir: self.folder_of(call.of)?, from: call.from, to: call.to };
        // Only what was listed is shown: a caller names no objects of their own. After a restart that is looked up again.
        if !changes.was_shown(call.of, &between) {
            let (is, _) = self.between(call.of).await?;
            if is != between {
                let says = format!(
                    "the change is not from {} to {} any more: it is from {} to {} now",
                    between.from.short(),
                    between.to.short(),
                    is.from.short(),
                    is.to.short()
                );
                return Err(Fault::refused(says).hint("list its files again"));
            }
            changes.note(call.of, &between);
        }
        let entries = changes.files(&between).await.map_err(by_git)?;
        let entry = entries.get(call.file as usize).ok_or_else(|| {
            Fault::missing(format!("the change has no file {}: it has {}", call.file, entries.len()))
                .hint("files are counted from 0, as they are listed")
        })?;
        let body = changes.body(&between, entry).await.map_err(by_git)?;
        let head = call.head.then(|| body.head(call.split));
        Ok(Page { head, at: call.at, rows: body.rows(call.split, call.at, call.most) })
    }
}
