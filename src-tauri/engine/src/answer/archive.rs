//! Importing agents' logs, and seeking and counting in all steps that are stored.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use pilothouse_contract::archive::{ArchivedLog, By, Filters, Found, FoundLog, Imported, Place, Usage};
use pilothouse_contract::session::{Session, SessionKind};
use pilothouse_contract::{Answer, Fault, Fleet, LogId, SessionId, ask};
use tokio::sync::Mutex;

use super::Desk;
use super::records::ROWS_MAX;
use crate::execution::agents::elsewhere::archive::{self as logs, About};
use crate::execution::agents::elsewhere::{self, Homes, Steps};
use crate::observability::archive;
use crate::ports::clock;
use crate::store::archive::NewLog;
use crate::store::opencode;

impl Answer<ask::trajectory::Logs> for Desk {
    async fn answer(&self, call: ask::trajectory::Logs) -> Result<Vec<FoundLog>, Fault> {
        let places = match call.folder.map(PathBuf::from) {
            None => logs::places(&Homes::find()),
            Some(folder) if !folder.is_absolute() => {
                return Err(Fault::refused(format!("{} is no absolute path", folder.display())));
            }
            Some(folder) if !folder.exists() => {
                return Err(Fault::missing(format!("there is no {}", folder.display()))
                    .hint("name a folder with logs of agents, such as ~/.codex or ~/.claude"));
            }
            Some(folder) => vec![folder],
        };
        let files = tokio::task::spawn_blocking(move || logs::below(&places));
        let files = files.await.map_err(|error| Fault::bug(error.to_string()))?;
        let known = self.engine.inner.store.archived_files().await?;
        let same: BTreeSet<(&str, u64, i64)> =
            known.iter().map(|((file, _), (bytes, written))| (file.as_str(), *bytes, written.0)).collect();
        let mut found = Vec::new();
        for it in files {
            let file = it.path.display().to_string();
            if it.is_database {
                // What cannot be read is told when it is imported: the file stands for what is in it.
                let Ok(rows) = opencode::all(&it.path).await else {
                    found.push(FoundLog {
                        file,
                        native: None,
                        bytes: it.bytes,
                        written: it.written,
                        known: false,
                    });
                    continue;
                };
                for (about, bytes, written) in logs::of_rows(&rows) {
                    let key = (file.clone(), about.native.clone());
                    let known = known.get(&key) == Some(&(bytes, written));
                    found.push(FoundLog {
                        file: file.clone(),
                        native: Some(about.native),
                        bytes,
                        written,
                        known,
                    });
                }
                continue;
            }
            let known = same.contains(&(file.as_str(), it.bytes, it.written.0));
            found.push(FoundLog { file, native: None, bytes: it.bytes, written: it.written, known });
        }
        found.sort_by_key(|it| it.written);
        Ok(found)
    }
}

/// What an import did not take, and why.
fn not(why: impl Into<String>) -> Imported {
    Imported { why: Some(why.into()), ..Imported::default() }
}

impl Desk {
    /// The session of ours that an agent calls so.
    fn ours(&self, native: &str) -> Option<SessionId> {
        let fleet = self.engine.fleet();
        fleet.sessions.keys().copied().find(|it| self.engine.native_id(*it) == native)
    }

    /// Why a log is closed: an agent of a run writes it now, by itself or by a helper, and to look at that is a touch.
    fn at_work(&self, about: &About, parent: Option<&str>) -> Option<String> {
        let whole = parent.and_then(|it| self.ours(it));
        let fleet = self.engine.fleet();
        let worktrees = &self.engine.inner.options.worktrees;
        let stands = |it: &&Session| {
            let there = about.cwd.starts_with(worktrees)
                && (about.cwd.starts_with(&it.cwd) || PathBuf::from(&it.cwd).starts_with(&about.cwd));
            it.run.is_some() && it.end.is_none() && (whole == Some(it.id) || there)
        };
        let session = fleet.sessions.values().find(stands)?.id;
        Some(format!(
            "it is written by an agent of {session}, which works now; it can be imported once that has ended"
        ))
    }

    #[allow(clippy::too_many_arguments, reason = "what is known of a log")]
    async fn keep(
        &self,
        about: About,
        file: String,
        bytes: u64,
        written: i64,
        read: Steps,
        parent: Option<String>,
    ) -> Result<Imported, Fault> {
        // One at a time: a log must not be stored twice at once, and what else is stored goes before.
        static TURN: Mutex<()> = Mutex::const_new(());
        let log = NewLog {
            agent: about.agent.to_owned(),
            native: about.native,
            file,
            cwd: about.cwd.display().to_string(),
            title: about.title,
            began: about.began,
            written: pilothouse_contract::At(written),
            bytes,
            damaged: read.damaged,
            parent,
        };
        let store = &self.engine.inner.store;
        let steps = store.prepare(read.with_ids()).await?;
        let _turn = TURN.lock().await;
        Ok(store.archive(&log, &steps).await?)
    }
}

impl Answer<ask::trajectory::Import> for Desk {
    async fn answer(&self, call: ask::trajectory::Import) -> Result<Imported, Fault> {
        let path = PathBuf::from(&call.file);
        if let Some(native) = call.native {
            // What cannot be read is no reason to leave out what comes after it.
            let (rows, parent) = match opencode::session(&path, &native).await {
                Ok(Some((row, parent))) => (vec![row], parent),
                Ok(None) => return Ok(not(format!("there is no session {native} in it any more"))),
                Err(why) => return Ok(not(why)),
            };
            let Some((about, bytes, written)) = logs::of_rows(&rows).pop() else {
                return Ok(not(format!("what it says of session {native} cannot be read")));
            };
            let parts = match opencode::parts(&path, &native).await {
                Ok(parts) => parts,
                Err(why) => return Ok(not(why)),
            };
            if let Some(why) = self.at_work(&about, parent.as_deref()) {
                return Ok(not(why));
            }
            let read = elsewhere::opencode::steps(&parts);
            return self.keep(about, call.file, bytes, written.0, read, parent).await;
        }
        // What it was before it is read: what is added meanwhile makes it another one.
        let look = move || {
            let file = logs::below(std::slice::from_ref(&path)).pop();
            let Some(file) = file else { return Err("it is no file any more".to_owned()) };
            if file.is_database {
                return Err("it is a database of opencode that cannot be read".to_owned());
            }
            let Some(about) = logs::about(&path) else {
                return Err("it is no log of an agent's session that Pilothouse knows".to_owned());
            };
            let parent = logs::works_for(&path);
            Ok((file, about, parent))
        };
        let looked =
            tokio::task::spawn_blocking(look).await.map_err(|error| Fault::bug(error.to_string()))?;
        let (file, about, parent) = match looked {
            Ok(looked) => looked,
            Err(why) => return Ok(not(why)),
        };
        if let Some(session) = self.ours(&about.native) {
            return Ok(not(format!("it is the log of {session}, whose trajectory is stored as it grows")));
        }
        if let Some(why) = self.at_work(&about, parent.as_deref()) {
            return Ok(not(why));
        }
        let agent = about.agent;
        let read =
            tokio::task::spawn_blocking(move || elsewhere::read(agent, &file.path).map(|read| (file, read)));
        let read = read.await.map_err(|error| Fault::bug(error.to_string()))?;
        match read {
            Ok((file, read)) => self.keep(about, call.file, file.bytes, file.written.0, read, parent).await,
            Err(error) => Ok(not(format!("it cannot be read: {error}"))),
        }
    }
}

impl Answer<ask::trajectory::Archive> for Desk {
    async fn answer(&self, call: ask::trajectory::Archive) -> Result<Vec<ArchivedLog>, Fault> {
        Ok(self.engine.inner.store.archived(call.most.min(ROWS_MAX)).await?)
    }
}

impl Answer<ask::trajectory::ShowLog> for Desk {
    async fn answer(&self, call: ask::trajectory::ShowLog) -> Result<ask::trajectory::LogPage, Fault> {
        let found =
            self.engine.inner.store.archived_steps(call.log, call.from, call.most.min(ROWS_MAX)).await?;
        let (log, steps) = found.ok_or_else(|| {
            Fault::missing(format!("there is no imported log {}", call.log))
                .command("see which there are", "pilothouse trajectory list --imported")
        })?;
        Ok(ask::trajectory::LogPage { log, steps })
    }
}

/// Whose a session is: the agent that its run names, or the program that a person started.
fn agent_of(fleet: &Fleet, session: &Session) -> String {
    let run = session.run.and_then(|it| fleet.runs.get(&it)).filter(|_| session.kind == SessionKind::Agent);
    if let Some(run) = run {
        return run.policy.agent.name.clone();
    }
    let program = session.argv.first().map(PathBuf::from).unwrap_or_default();
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether a session of ours comes into question. What agents of a run say while they work is closed: to look at it is a touch.
fn comes(fleet: &Fleet, session: &Session, filters: &Filters) -> bool {
    if session.run.is_some() && session.end.is_none() {
        return false;
    }
    let project = || session.project.and_then(|it| fleet.projects.get(&it)).map(|it| it.path.clone());
    let below = |folder: &String| {
        let lies = |path: &str| PathBuf::from(path).starts_with(folder);
        lies(&session.cwd) || project().is_some_and(|it| lies(&it))
    };
    filters.agent.as_ref().is_none_or(|it| *it == agent_of(fleet, session))
        && filters.folder.as_ref().is_none_or(below)
}

impl Answer<ask::trajectory::Search> for Desk {
    async fn answer(&self, call: ask::trajectory::Search) -> Result<Found, Fault> {
        let begun = Instant::now();
        let Some(words) = archive::words(&call.words) else {
            return Err(Fault::refused("there is no word in what is sought").hint("name at least one word"));
        };
        let most = call.most.clamp(1, ROWS_MAX);
        let sessions: Vec<SessionId> = {
            let fleet = self.engine.fleet();
            fleet.sessions.values().filter(|it| comes(&fleet, it, &call.filters)).map(|it| it.id).collect()
        };
        let store = &self.engine.inner.store;
        let one_more = most.saturating_add(1);
        let mut found = store.search_logs(&words.matches, &call.filters, call.ranked, one_more).await?;
        let ours = store.search_steps(&words.matches, &call.filters, &sessions, call.ranked, one_more);
        found.extend(ours.await?);
        let fleet = self.engine.fleet();
        let about = |place| match place {
            Place::Session(id) => fleet
                .sessions
                .get(&id)
                .map(|it| (agent_of(&fleet, it), it.title.clone(), it.cwd.clone()))
                .unwrap_or_default(),
            Place::Log(_) => Default::default(),
        };
        let (hits, more) = archive::hits(&words, found, call.ranked, most as usize, about);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Found { hits, more, micros })
    }
}

impl Answer<ask::trajectory::Usage> for Desk {
    async fn answer(&self, call: ask::trajectory::Usage) -> Result<Usage, Fault> {
        let store = &self.engine.inner.store;
        let used = store.used(call.since).await?;
        let logs: std::collections::HashMap<LogId, String> = match call.by {
            By::Agent => store.archived(u32::MAX).await?.into_iter().map(|it| (it.id, it.agent)).collect(),
            _ => Default::default(),
        };
        let parts = store.archived_parts().await?.into_iter().filter_map(|(part, native, whole)| {
            let whole = whole.map(Place::Log).or_else(|| self.ours(&native).map(Place::Session))?;
            Some((Place::Log(part), whole))
        });
        let parts: std::collections::HashMap<Place, Place> = parts.collect();
        let prices = self.engine.prices_everywhere();
        let fleet = self.engine.fleet();
        let item = |session: &Session| {
            let run = fleet.runs.get(&session.run?)?;
            Some(fleet.items.get(&run.item)?.slug.clone())
        };
        let of = |place| match (call.by, place) {
            (By::Session, place) => Some(place.to_string()),
            (By::Agent, Place::Log(id)) => logs.get(&id).cloned(),
            (By::Agent, Place::Session(id)) => fleet.sessions.get(&id).map(|it| agent_of(&fleet, it)),
            (By::Item, Place::Session(id)) => item(fleet.sessions.get(&id)?),
            (By::Task, Place::Session(id)) => {
                let session = fleet.sessions.get(&id)?;
                let task = &fleet.attempts.get(&session.attempt?)?.task;
                Some(format!("{}/{task}", item(session)?))
            }
            _ => None,
        };
        Ok(archive::usage(call.by, &used, &prices, of, clock::day, |it| parts.get(&it).copied()))
    }
}
