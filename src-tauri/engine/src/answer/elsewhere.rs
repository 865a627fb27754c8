//! Sessions that people started in terminals of their own: which there are, and what they did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pilothouse_contract::elsewhere::Elsewhere;
use pilothouse_contract::session::{Limits, Mode, Session};
use pilothouse_contract::{Answer, Fault, SessionId, ask};
use pilothouse_holder::proc;
use tokio::sync::Mutex;

use super::Desk;
use super::records::ROWS_MAX;
use crate::execution::agents::elsewhere::{self, Grounds, Homes};
use crate::perform::git_of;
use crate::store::opencode;

impl Desk {
    async fn elsewhere(&self) -> Result<Vec<Elsewhere>, Fault> {
        let homes = Homes::find();
        // Of the others there is still what their logs say.
        let rows = opencode::sessions(&homes.opencode).await.unwrap_or_else(|why| {
            tracing::debug!(why, "sessions of opencode are not told of");
            Vec::new()
        });
        let not_below = self.engine.inner.options.worktrees.clone();
        let projects: Vec<_> = self.engine.fleet().listed().cloned().collect();
        let mut folders = Vec::new();
        for project in projects {
            folders.push((project.id, PathBuf::from(&project.path)));
            // People have worktrees of their own. Where git does not tell of them there is still the checkout.
            let trees = git_of(&project).worktrees().await.unwrap_or_default().into_iter().skip(1);
            folders.extend(trees.map(|it| (project.id, it.path)));
        }
        // Somebody may have started one in a session that is held here.
        let (live, ours) = {
            let fleet = self.engine.fleet();
            let live = fleet.sessions.values().filter(|it| it.end.is_none());
            let live = live.filter_map(|it| Some((it.running.as_ref()?.pid, it.id)));
            let ours = fleet.sessions.keys().map(|it| self.engine.native_id(*it)).collect();
            (live.collect::<BTreeMap<u32, SessionId>>(), ours)
        };
        // Agents resolve links before they note a folder.
        let look = move || {
            let whole = |path: PathBuf| path.canonicalize().unwrap_or(path);
            let folders = folders.into_iter().map(|(project, path)| (project, whole(path))).collect();
            let grounds = Grounds { homes, opencode: rows, folders, not_below: whole(not_below), ours };
            let mut all = elsewhere::find(&grounds);
            let processes =
                if all.iter().any(|it| it.process.is_some()) { proc::all() } else { BTreeMap::new() };
            for it in &mut all {
                let parent = |pid: &u32| processes.get(pid).map(|it| it.parent);
                // Nothing is its own ancestor, but what is read one by one may look so.
                let mut line = std::iter::successors(it.process, parent).take(processes.len());
                it.held = line.find_map(|pid| live.get(&pid).copied());
            }
            all
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| Fault::bug(error.to_string()))
    }

    /// By what is found and not by what is said: an id is no path.
    async fn one_elsewhere(&self, native: &str) -> Result<Elsewhere, Fault> {
        let found = self.elsewhere().await?.into_iter().find(|it| it.native == native);
        found.ok_or_else(|| {
            Fault::missing(format!("no session elsewhere has the id {native}"))
                .command("see which there are", "pilothouse session elsewhere")
        })
    }
}

impl Answer<ask::session::GoOnElsewhere> for Desk {
    async fn answer(&self, call: ask::session::GoOnElsewhere) -> Result<Session, Fault> {
        // Two that are asked for at once would be two programs that write one log.
        static TURN: Mutex<()> = Mutex::const_new(());
        let _turn = TURN.lock().await;
        let it = self.one_elsewhere(&call.native).await?;
        let Some(argv) = it.resume() else {
            let (native, stands) = (&it.native, it.stands());
            return Err(if it.unsure.is_some() {
                Fault::refused(format!("two programs would write one log: {native} {stands}"))
                    .hint("end that program first, or go on with the session there")
            } else {
                Fault::refused(format!("{native} goes on already: it {stands}")).hint("end it there first")
            });
        };
        let same = argv.get(1..).unwrap_or_default();
        let begun = |it: &&Session| it.end.is_none() && it.argv.ends_with(same);
        if let Some(known) = self.engine.fleet().sessions.values().find(begun) {
            return Err(Fault::refused(format!("{} goes on already, in {}", it.native, known.id))
                .command("watch it", format!("pilothouse attach {}", known.id)));
        }
        let start = ask::session::Start {
            project: Some(it.project),
            argv,
            cwd: it.cwd,
            mode: Mode::Pty,
            columns: 120,
            rows: 40,
            limits: Limits::default(),
            environment: None,
        };
        self.answer(start).await
    }
}

impl Answer<ask::session::Elsewhere> for Desk {
    async fn answer(&self, _: ask::session::Elsewhere) -> Result<Vec<Elsewhere>, Fault> {
        self.elsewhere().await
    }
}

impl Answer<ask::session::ReadElsewhere> for Desk {
    async fn answer(&self, call: ask::session::ReadElsewhere) -> Result<ask::session::ElsewherePage, Fault> {
        let session = self.one_elsewhere(&call.native).await?;
        let file = PathBuf::from(&session.file);
        let agent = session.agent.clone();
        let read = if agent == "opencode" {
            opencode::parts(&file, &session.native).await.map(|rows| elsewhere::opencode::steps(&rows))
        } else {
            tokio::task::spawn_blocking(move || elsewhere::read(&agent, &file))
                .await
                .map_err(|error| Fault::bug(error.to_string()))?
                .map_err(|error| format!("{} cannot be read: {error}", session.file))
        };
        let read = read.map_err(Fault::environment)?;
        let steps_all = u32::try_from(read.steps.len()).unwrap_or(u32::MAX);
        let (from, most) = (call.from as usize, call.most.min(ROWS_MAX) as usize);
        let steps = read.steps.into_iter().skip(from).take(most).collect();
        Ok(ask::session::ElsewherePage { session, steps_all, damaged: read.damaged, steps })
    }
}
