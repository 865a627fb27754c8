//! Sessions: listed with their derived state, started, ended; and what hooks tell.

use std::collections::BTreeMap;
use std::path::Path;

use pilothouse_contract::ask::session::Cursor;
use pilothouse_contract::facts::Seen;
use pilothouse_contract::session::{Left, Session};
use pilothouse_contract::{Answer, Event, Fault, Oid, RefName, SessionId, ask, rows, text};
use pilothouse_holder::place::Place;
use pilothouse_holder::proc;

use super::{Caller, Desk};
use crate::coordination::{Input, Outcome, SessionFacts};
use crate::execution::agents::{is_in, is_there};
use crate::execution::held::model::sane;
use crate::execution::held::{Key, tree};
use crate::perform::{Start, now};

/// So many rows of a session are told at most.
const ROWS_MAX: u16 = 200;
/// A ref's name is at most so long, in bytes.
const REF_MAX: usize = 1024;

impl Desk {
    /// A session with its state as it is derived now.
    pub(super) fn session_line(&self, session: Session) -> ask::session::SessionLine {
        let (held, key) = (&self.engine.inner.sessions, Key::from(&session));
        let (pulse, trouble, lease, claim) =
            (held.pulse(key), held.trouble(key), held.lease(key), held.claim(key));
        let question = {
            let fleet = self.engine.fleet();
            let mut open = fleet.questions.values().filter(|it| it.blocks && it.is_open());
            open.find(|it| it.session == session.id).cloned()
        };
        let seen = Seen {
            pulse: pulse.as_ref(),
            trouble: trouble.as_ref(),
            question: question.as_ref(),
            claim: claim.as_ref(),
        };
        let derived = session.derived(&seen, now());
        let logged = pulse.map(|it| it.output_bytes).or(session.end.as_ref().map(|it| it.output_bytes));
        let cursor = Cursor { logged: logged.unwrap_or_default(), drawn: held.drawn_to(key) };
        let (state, why, facts) = (derived.state, derived.why(), derived.facts);
        ask::session::SessionLine { session, state, why, facts, cursor, pulse, trouble, lease, claim }
    }

    fn session(&self, session: SessionId) -> Result<Session, Fault> {
        self.look(|fleet| fleet.sessions.get(&session).cloned(), || format!("there is no session {session}"))
    }
}

impl Answer<ask::session::List> for Desk {
    async fn answer(&self, call: ask::session::List) -> Result<Vec<ask::session::SessionLine>, Fault> {
        let sessions: Vec<Session> = self
            .engine
            .fleet()
            .sessions
            .values()
            .filter(|it| call.all || it.end.is_none())
            .cloned()
            .collect();
        Ok(sessions.into_iter().map(|session| self.session_line(session)).collect())
    }
}

impl Answer<ask::session::Processes> for Desk {
    async fn answer(&self, _: ask::session::Processes) -> Result<Vec<ask::session::ProcessesLine>, Fault> {
        let held = &self.engine.inner.sessions;
        let live: Vec<_> = self
            .engine
            .fleet()
            .sessions
            .values()
            .filter(|it| it.end.as_ref().is_none_or(|end| !end.left_running.is_empty()))
            .filter_map(|it| {
                let running = it.running.as_ref()?;
                let alive = it.end.is_none().then_some((running.holder, running.pid));
                let left = it.end.as_ref().map(|end| end.left_running.clone()).unwrap_or_default();
                Some((it.id, held.place(it.into()), alive, left))
            })
            .collect();
        // Reads of /proc: one look for all.
        let look = move || {
            let look = proc::Look::now();
            let of = |(session, place, alive, left): (SessionId, Place, Option<(u32, u32)>, Vec<Left>)| {
                let programs = tree::running(&look, &place, alive, &left);
                let holder = alive.and_then(|(holder, _)| proc::one(holder));
                let ours = holder.as_ref().map(|it| it.pid);
                let all = holder.into_iter().chain(programs);
                let processes = all.map(|it| measured(it, ours)).collect();
                ask::session::ProcessesLine { session, processes }
            };
            live.into_iter().map(of).collect()
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| Fault::bug(error.to_string()))
    }
}

fn measured(process: proc::Process, holder: Option<u32>) -> ask::session::ProcessLine {
    let (cpu_ms, memory_bytes) = proc::usage(process.pid).unwrap_or_default();
    let ours = Some(process.pid) == holder;
    ask::session::ProcessLine { pid: process.pid, name: process.name, ours, cpu_ms, memory_bytes }
}

impl Answer<ask::session::Steady> for Desk {
    async fn answer(&self, _: ask::session::Steady) -> Result<Vec<ask::session::SessionLine>, Fault> {
        self.engine.inner.sessions.steady().await;
        self.answer(ask::session::List { all: false }).await
    }
}

impl Answer<ask::session::Peek> for Desk {
    async fn answer(&self, call: ask::session::Peek) -> Result<(), Fault> {
        self.session(call.session)?;
        self.peek(call.session).await;
        Ok(())
    }
}

impl Answer<ask::session::Screen> for Desk {
    async fn answer(&self, call: ask::session::Screen) -> Result<ask::session::ScreenPage, Fault> {
        let id = call.session;
        let session = self.session(id)?;
        self.peek(id).await;
        let drawn = self.engine.inner.sessions.drawn((&session).into(), 0, None).await;
        let drawn = drawn
            .map_err(|error| Fault::environment(format!("the screen of {id} cannot be drawn: {error}")))?
            .ok_or_else(|| {
                Fault::refused(format!("session {id} is held by pipes and has no screen"))
                    .command("read its output", format!("pilothouse attach {id} --no-follow"))
            })?;
        let text = drawn.text.iter().map(|it| text::plain(it, false)).collect();
        Ok(ask::session::ScreenPage {
            offset: drawn.offset,
            columns: drawn.columns,
            rows: drawn.rows,
            text,
            alternate: drawn.alternate,
        })
    }
}

impl Answer<rows::Rows> for Desk {
    async fn answer(&self, call: rows::Rows) -> Result<Vec<rows::Tile>, Fault> {
        let most = call.most.clamp(1, ROWS_MAX);
        // Each once: there are no more of them than sessions.
        let once: BTreeMap<SessionId, rows::Wanted> =
            call.sessions.into_iter().map(|it| (it.session, it)).collect();
        let wanted = once.into_values().filter_map(|it| {
            let key = self.engine.fleet().sessions.get(&it.session)?.into();
            Some((it, key))
        });
        let tile = async |(wanted, key): (rows::Wanted, Key)| {
            let id = wanted.session;
            let last = self.engine.inner.sessions.last_rows(key, most, wanted.have).await;
            // One that cannot be drawn is left out, and the others are told of.
            let last =
                last.inspect_err(|error| tracing::warn!(session = %id, %error, "its rows cannot be drawn"));
            let last = last.ok()?;
            let mut rows = last.rows;
            for span in rows.iter_mut().flatten().flatten() {
                span.text = text::plain(&span.text, false);
            }
            Some(rows::Tile { session: id, version: last.version, rows, cursor: last.cursor })
        };
        // All at once: those that have to be drawn wait for their turns together.
        let tiles = futures::future::join_all(wanted.collect::<Vec<_>>().into_iter().map(tile)).await;
        Ok(tiles.into_iter().flatten().collect())
    }
}

impl Answer<ask::session::Start> for Desk {
    async fn answer(&self, call: ask::session::Start) -> Result<Session, Fault> {
        let program = call.argv.first().ok_or_else(|| Fault::refused("no command was given"))?;
        if !Path::new(&call.cwd).is_dir() {
            return Err(Fault::refused(format!("the folder {} is not there", call.cwd)));
        }
        let path = call.environment.as_ref().and_then(|it| it.0.iter().find(|(name, _)| name == "PATH"));
        let is_there = match path {
            Some((_, path)) => is_in(program, path.as_ref()),
            None => is_there(program),
        };
        if !is_there && !Path::new(&call.cwd).join(program).is_file() {
            return Err(Fault::refused(format!("the program '{program}' is not on this machine"))
                .hint("check its name, or install it"));
        }
        tree::can_limit(call.limits).map_err(Fault::refused)?;
        let facts = SessionFacts {
            project: call.project,
            argv: call.argv.clone(),
            cwd: call.cwd,
            mode: call.mode,
            limits: call.limits,
        };
        // It is launched in its turn, so not before what belongs to it is there.
        let mut turn = self.engine.inner.launches.lock().await;
        let taken = self.engine.ask(Input::StartSession(facts), self.who()).await?;
        let asked = taken.records.iter().find_map(|it| match &it.event {
            Event::SessionAsked { session } => Some(session.id),
            _ => None,
        });
        if let Some(session) = asked {
            turn.insert(
                session,
                Start { size: sane(call.columns, call.rows), environment: call.environment },
            );
        }
        drop(turn);
        for outcome in taken.outcomes {
            if let Ok(Outcome::Launched(Err(why))) = outcome.await {
                return Err(Fault::environment(format!("the session could not be started: {why}")));
            }
        }
        self.session(asked.ok_or_else(|| Fault::bug("the session was asked for and not told"))?)
    }
}

impl Answer<ask::session::Rename> for Desk {
    async fn answer(&self, call: ask::session::Rename) -> Result<Session, Fault> {
        self.act(Input::RenameSession { session: call.session, title: call.title }).await?;
        self.session(call.session)
    }
}

impl Answer<ask::session::Kill> for Desk {
    async fn answer(&self, call: ask::session::Kill) -> Result<Session, Fault> {
        let mut records = self.engine.subscribe();
        self.act_to_end(Input::KillSession { session: call.session }).await?;
        // That it is over is told by whoever follows it.
        while self.session(call.session)?.end.is_none() {
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = records.recv().await {
                break;
            }
        }
        self.session(call.session)
    }
}

impl Answer<ask::session::Upgrade> for Desk {
    async fn answer(&self, _: ask::session::Upgrade) -> Result<ask::session::Upgraded, Fault> {
        let came = self.engine.inner.sessions.upgrade().await.map_err(|why| {
            Fault::environment(format!("{why}; sessions go on with the holders that they have"))
                .hint("install pilothouse-hold beside pilothouse, of the same version")
        })?;
        let mut upgraded = ask::session::Upgraded { upgraded: Vec::new(), not: Vec::new() };
        for (session, came) in came {
            match came {
                Ok(()) => upgraded.upgraded.push(session),
                Err(why) => upgraded.not.push(ask::session::NotUpgraded { session, why }),
            }
        }
        Ok(upgraded)
    }
}

impl Answer<ask::session::Clean> for Desk {
    async fn answer(&self, call: ask::session::Clean) -> Result<ask::session::Cleaned, Fault> {
        let session = self.session(call.session)?;
        let Some(end) = &session.end else {
            return Err(Fault::refused(format!("session {} lives, and what it started with it", session.id))
                .command(
                    "end it with everything it started",
                    format!("pilothouse session kill {}", session.id),
                ));
        };
        let (ended, left) = self.engine.inner.sessions.clean((&session).into(), end).await;
        if !ended.is_empty() {
            let says = format!("what session {} left running was ended: {}", session.id, ended.join(", "));
            self.act(Input::Notice { project: session.project, says }).await?;
        }
        Ok(ask::session::Cleaned { ended, left })
    }
}

impl Answer<ask::hook::RefRefused> for Desk {
    async fn answer(&self, call: ask::hook::RefRefused) -> Result<(), Fault> {
        // What the caller says of itself counts only if its ancestry says the same.
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for hooks inside the session that they speak of"));
        }
        // Git lets no ref have such a name, so nothing true is lost.
        let told = [&call.reference, &call.from, &call.to];
        if told.iter().any(|it| it.len() > REF_MAX || text::plain(it, false) != **it) {
            return Err(Fault::refused("a ref whose name is no plain line cannot be told of"));
        }
        let oid = |text: &str| {
            (!text.is_empty() && !text.bytes().all(|it| it == b'0')).then(|| Oid(text.to_owned()))
        };
        let input = Input::RefRefused {
            session: call.session,
            reference: RefName(call.reference.clone()),
            from: oid(&call.from),
            to: oid(&call.to),
        };
        self.act(input).await.map(drop)
    }
}
