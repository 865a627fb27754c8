//! The engine: one owner loop that takes inputs, decides, stores, tells, and has effects performed. Crash-only: what it
//! knows is in the store, in the repositories and in the holders' folders; opening it again carries on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use std::time::Duration;

use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{At, Fault, Fleet, Record, SessionId, Who};
use tokio::sync::{broadcast, mpsc, oneshot};
use uuid::Uuid;

use crate::coordination::{Decision, Effect, EffectKey, Input, Outcome, PendingEffect, Schedules, decide};
use crate::execution::attempts::Attempts;
use crate::execution::checks::Checks;
use crate::execution::held::{Key, Sessions, Told};
use crate::execution::recovery::Remover;
use crate::execution::trees::Trees;
use crate::execution::watch::Watch;
use crate::perform::Start;
use crate::ports::folders::{cannot_use, make_private};
use crate::ports::{clock, git};
use crate::store::{OutboxEnd, OutboxRow, Store, Written};

/// While the store cannot be written it is tried again after this long.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; private to the user.
    pub data: PathBuf,
    /// The folder of worktrees.
    pub worktrees: PathBuf,
    /// The folder of sockets; its name is short, for their paths end at 104 bytes.
    pub sockets: PathBuf,
    /// The holder.
    pub hold: PathBuf,
    /// The command line program, for hooks.
    pub program: PathBuf,
    /// How often the watcher started the engine before.
    pub restarts: u32,
    /// After this long without a byte the screen of a session is parked.
    pub park: Duration,
    /// The watcher's process: what died elsewhere and came to it is nobody's hand.
    pub watcher: u32,
}

/// The engine. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) trees: Trees,
    pub(crate) remover: Remover,
    pub(crate) checks: Checks,
    pub(crate) attempts: Attempts,
    pub(crate) watch: Watch,
    pub(crate) started: At,
    pub(crate) activity: Mutex<BTreeMap<pilothouse_contract::WorktreeId, At>>,
    pub(crate) specs_read: Mutex<BTreeMap<pilothouse_contract::ProjectId, pilothouse_contract::Oid>>,
    /// Worktrees whose removal is under way: missing is as it should be.
    pub(crate) removing: Mutex<BTreeSet<pilothouse_contract::WorktreeId>>,
    /// One launch at a time. What is not stored of sessions that are asked for.
    pub(crate) launches: tokio::sync::Mutex<BTreeMap<SessionId, Start>>,
    /// What stood in the way of landings that wait for a checkout, at their last try, and when that was.
    pub(crate) obstacles:
        Mutex<BTreeMap<pilothouse_contract::PullId, (crate::integration::lander::Obstacles, At)>>,
    /// What came up since a project was trusted and was told, by place and hash.
    pub(crate) drift_told: Mutex<BTreeSet<(pilothouse_contract::ProjectId, String, String)>>,
    pub(crate) forges: crate::forges::Forges,
    pub(crate) changes: crate::execution::changes::Changes,
    namespace: Uuid,
    fleet: RwLock<Fleet>,
    /// Why the store cannot be written, and since when.
    alarm: Mutex<Option<(At, Fault)>>,
    pending: Mutex<usize>,
    orders: mpsc::UnboundedSender<Order>,
    records: broadcast::Sender<Arc<Vec<Record>>>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// An input on its way to the owner loop.
struct Order {
    input: Input,
    who: Who,
    /// The effect that came to its end, with its outcome.
    done: Option<(EffectKey, Outcome)>,
    reply: Option<oneshot::Sender<Result<Taken, Fault>>>,
}

/// What came of an order.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What happened.
    pub(crate) records: Vec<Record>,
    /// The ends of the effects that were asked for, as they come.
    pub(crate) outcomes: Vec<oneshot::Receiver<Outcome>>,
}

/// The owner loop's own state.
struct Core {
    engine: Engine,
    fleet: Fleet,
    next: EffectKey,
    waiting: BTreeMap<EffectKey, oneshot::Sender<Outcome>>,
    /// Orders of the engine's own that could not be stored yet, in order.
    stuck: VecDeque<Order>,
    schedules: Schedules,
}

impl Engine {
    /// Opens the engine over its data folder and carries on where it stood.
    ///
    /// # Errors
    /// In words, if the data folder cannot be used.
    pub async fn open(options: Options) -> Result<Self, Fault> {
        make_private(&options.data)?;
        for folder in ["sessions", "recovery", "attempts", "scratch"] {
            make_private(&options.data.join(folder))?;
        }
        make_private(&options.worktrees)?;
        let worktrees =
            options.worktrees.canonicalize().map_err(|error| cannot_use(&options.worktrees, &error))?;
        let store = Store::open(&options.data).await?;
        let loaded = store.load().await?;
        let home = store.meta("home", || Uuid::new_v4().to_string()).await?;
        let namespace = Uuid::parse_str(&home).unwrap_or_default();
        let (ended, ends) = mpsc::unbounded_channel();
        let (orders, taken) = mpsc::unbounded_channel();
        let (signs, told) = mpsc::unbounded_channel();
        let sessions = Sessions::new(&options.data.join("sessions"), &options.sockets, &options.hold, ended)
            .parking_after(options.park);
        let trees = Trees::new(&home, &worktrees);
        let rehearsal = crate::rehearsal::write_agent(&options.data)
            .map_err(|error| cannot_use(&options.data, &error))?;
        let pending = pending_of(&loaded.pending, &options.data)?;
        let version = git::version().await.map_or_else(|error| error.to_string(), |(_, words)| words);
        let environment = format!("{} {}, git {version}", std::env::consts::OS, std::env::consts::ARCH);
        let engine = Self {
            inner: Arc::new(Inner {
                remover: Remover::new(&trees, &options.data.join("recovery")),
                checks: Checks::new(&trees, &sessions, &options.program, &environment),
                attempts: Attempts::new(
                    &trees,
                    &sessions,
                    &options.data.join("attempts"),
                    &rehearsal,
                    &options.program,
                ),
                watch: Watch::new(signs),
                started: clock::now(),
                activity: Mutex::default(),
                specs_read: Mutex::default(),
                removing: Mutex::default(),
                launches: tokio::sync::Mutex::default(),
                obstacles: Mutex::default(),
                drift_told: Mutex::default(),
                forges: crate::forges::Forges::default(),
                changes: crate::execution::changes::Changes::default(),
                namespace,
                fleet: RwLock::new(loaded.fleet.clone()),
                alarm: Mutex::default(),
                pending: Mutex::new(pending.len()),
                orders,
                // Whoever falls behind by more reads it from the store: meanwhile all of it would be kept in memory.
                records: broadcast::channel(256).0,
                stop: tokio::sync::watch::channel(false).0,
                options: Options { worktrees, ..options },
                store,
                sessions,
                trees,
            }),
        };
        engine.inner.attempts.reap_hooks().await;
        engine.begin(loaded.fleet, EffectKey(loaded.next_effect), pending, taken);
        tokio::spawn(engine.clone().hear_sessions(ends));
        tokio::spawn(engine.clone().heed_signs(told));
        tokio::spawn(engine.clone().mind_nights());
        tokio::spawn(engine.clone().mind_workflows());
        tokio::spawn(engine.clone().mind_forges());
        Ok(engine)
    }

    /// Takes up what an earlier engine left: sessions that run, checks that run, effects that are not done.
    fn begin(
        &self,
        fleet: Fleet,
        next: EffectKey,
        pending: Vec<PendingEffect>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let checks: Vec<Key> = pending
            .iter()
            .filter_map(|it| match &it.effect {
                Effect::Check(asked) => fleet.sessions.get(&asked.session).map(Key::from),
                _ => None,
            })
            .collect();
        self.inner.checks.expect(&checks);
        for effect in &pending {
            if let Effect::Discard { worktree } = &effect.effect {
                self.set_removing(*worktree, true);
            }
        }
        let running: Vec<SessionId> = fleet
            .sessions
            .values()
            .filter(|it| it.end.is_none() && it.running.is_some() && it.kind != SessionKind::Check)
            .map(|it| it.id)
            .collect();
        self.tell(Input::EngineStarted { restarts: self.inner.options.restarts });
        let core = Core {
            engine: self.clone(),
            fleet,
            next,
            waiting: BTreeMap::new(),
            stuck: VecDeque::new(),
            schedules: Schedules::default(),
        };
        tokio::spawn(core.run(orders));
        for session in running {
            self.follow_session(session);
        }
        for effect in pending {
            self.perform_soon(effect);
        }
        let engine = self.clone();
        tokio::spawn(async move {
            engine.rewatch().await;
            engine.look_everywhere().await;
            engine.finish_trajectories().await;
            // What they left running may have come to its end since.
            let left: Vec<Key> = {
                let fleet = engine.fleet();
                let left = fleet
                    .sessions
                    .values()
                    .filter(|it| it.end.as_ref().is_some_and(|end| !end.left_running.is_empty()));
                left.map(Key::from).collect()
            };
            left.into_iter().for_each(|it| engine.inner.sessions.drop_group(it));
            for folder in engine.inner.remover.sweep(clock::now()).await {
                tracing::info!(folder = %folder.display(), "swept: removed too long ago to be brought back");
            }
        });
    }

    /// The fleet as it is stored. Not to be held across an await.
    pub(crate) fn fleet(&self) -> RwLockReadGuard<'_, Fleet> {
        self.inner.fleet.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<Record>>> {
        self.inner.records.subscribe()
    }

    /// What the engine cannot do just now.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let mut alarms: Vec<String> = {
            let alarm = self.inner.alarm.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let hint = |fault: &Fault| fault.hints.first().map(|it| it.text.clone()).unwrap_or_default();
            alarm.iter().map(|(_, fault)| format!("{}. {}", fault.message, hint(fault))).collect()
        };
        alarms.extend(self.inner.sessions.stranded().into_iter().map(|(session, why)| {
            format!(
                "Nobody holds {session}: its holder died and no other one could take over ({why}). It is tried again now and \
                 then; end it: pilothouse session kill {session}"
            )
        }));
        let unwritten = self.inner.sessions.unwritten();
        if !unwritten.is_empty() {
            let names: Vec<String> = unwritten.iter().map(|(session, _)| session.to_string()).collect();
            let bytes: u64 = unwritten.iter().map(|(_, bytes)| bytes).sum();
            alarms.push(format!(
                "What {} said was not all written down ({bytes} bytes so far): the disk or the log is full. The programs go on. \
                 Free some space for {}",
                names.join(", "),
                self.inner.options.data.display()
            ));
        }
        alarms
    }

    /// How many effects are asked for and not done.
    pub(crate) fn pending_effects(&self) -> u32 {
        let pending = self.inner.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        u32::try_from(*pending).unwrap_or(u32::MAX)
    }

    /// Notes that a worktree is being removed, or brought back.
    pub(crate) fn set_removing(&self, worktree: pilothouse_contract::WorktreeId, removing: bool) {
        let mut set = self.inner.removing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if removing {
            set.insert(worktree)
        } else {
            set.remove(&worktree)
        };
    }

    /// Whether a worktree is being removed.
    pub(crate) fn is_removing(&self, worktree: pilothouse_contract::WorktreeId) -> bool {
        self.inner.removing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(&worktree)
    }

    /// What a session is known by outside the fleet; nothing if there is no such session.
    pub(crate) fn key(&self, session: SessionId) -> Option<Key> {
        self.fleet().sessions.get(&session).map(Key::from)
    }

    /// The id that we choose for an agent's own session: always the same for the same session of ours.
    pub(crate) fn native_id(&self, session: SessionId) -> String {
        Uuid::new_v5(&self.inner.namespace, session.to_string().as_bytes()).to_string()
    }

    /// Hands in something that happened, by the engine's own observation.
    pub(crate) fn tell(&self, input: Input) {
        let order = Order { input, who: Who::Engine, done: None, reply: None };
        // The loop is gone only while the engine ends.
        let _ending = self.inner.orders.send(order);
    }

    /// Hands in a deed; says what came of it once it is stored.
    pub(crate) async fn ask(&self, input: Input, who: Who) -> Result<Taken, Fault> {
        let (reply, answer) = oneshot::channel();
        let order = Order { input, who, done: None, reply: Some(reply) };
        let gone = || Fault::environment("the engine is ending").hint("ask again: it is started anew");
        self.inner.orders.send(order).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Asks the engine to end.
    pub(crate) fn stop(&self) {
        self.inner.stop.send_replace(true);
    }

    /// Comes back once the engine was asked to end.
    pub async fn stopped(&self) {
        let mut stop = self.inner.stop.subscribe();
        let _ended = stop.wait_for(|it| *it).await;
    }

    /// Folds the store's log into it. Called last.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    /// Has an effect performed; its outcome comes back as an order.
    pub(crate) fn perform_soon(&self, pending: PendingEffect) {
        let engine = self.clone();
        tokio::spawn(async move {
            let effect = pending.effect.clone();
            let performing = engine.clone();
            let task = pending.clone();
            // A panic in one effect must not take the engine, nor leave the effect undone without a word.
            let outcome = match tokio::spawn(async move { performing.perform(&task).await }).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::error!(effect = effect.word(), %error, "an effect panicked");
                    crate::perform::failed(&engine, &effect, &format!("a defect of Pilothouse: {error}"))
                }
            };
            let follow = match (&effect, &outcome) {
                (Effect::Launch { session }, Outcome::Launched(Ok(_))) => Some(*session),
                _ => None,
            };
            let order = Order {
                input: Input::Done { effect, outcome: outcome.clone() },
                who: Who::Engine,
                done: Some((pending.key, outcome)),
                reply: None,
            };
            let _ending = engine.inner.orders.send(order);
            // Only now, so that its end cannot be told before its beginning.
            if let Some(session) = follow {
                engine.follow_session(session);
            }
        });
    }

    /// Hears of replaced holders and ended sessions.
    async fn hear_sessions(self, mut told: mpsc::UnboundedReceiver<(SessionId, Told)>) {
        while let Some((session, told)) = told.recv().await {
            // A check's end comes with its outcome.
            let check = self.fleet().sessions.get(&session).is_some_and(|it| it.kind == SessionKind::Check);
            match told {
                Told::Replaced { holder, uncertain_bytes: Some(0), planned: true } => {
                    self.tell(Input::HolderUpgraded { session, holder });
                }
                Told::Replaced { holder, uncertain_bytes, .. } => {
                    self.tell(Input::HolderReplaced { session, holder, uncertain_bytes });
                }
                Told::Notice(says) => {
                    let project = self.fleet().sessions.get(&session).and_then(|it| it.project);
                    self.tell(Input::Notice { project, says });
                }
                Told::Ended(end) if !check => drop(tokio::spawn(self.clone().told_of_end(session, end))),
                Told::Ended(_) => {}
            }
        }
    }
}

impl Core {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        // Kept over the turns of the loop: orders that keep coming must not put the next try off for ever.
        let mut retry_at = tokio::time::Instant::now();
        loop {
            if self.stuck.is_empty() {
                retry_at = tokio::time::Instant::now() + STORE_RETRY;
            }
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order).await,
                    None => return,
                },
                () = tokio::time::sleep_until(retry_at), if !self.stuck.is_empty() => {
                    self.retry().await;
                    retry_at = tokio::time::Instant::now() + STORE_RETRY;
                }
            }
        }
    }

    /// Orders of the engine's own keep their order; a person's goes ahead of those that are stuck, for it is either
    /// stored at once or refused in words.
    async fn take(&mut self, order: Order) {
        if order.reply.is_none() && !self.stuck.is_empty() {
            self.stuck.push_back(order);
            return;
        }
        if let Some(stuck) = self.handle(order).await {
            self.stuck.push_back(stuck);
        }
    }

    async fn retry(&mut self) {
        while let Some(order) = self.stuck.pop_front() {
            if let Some(stuck) = self.handle(order).await {
                self.stuck.push_front(stuck);
                return;
            }
        }
    }

    /// Decides and stores. Gives an order of the engine's own back if it could not be stored.
    async fn handle(&mut self, order: Order) -> Option<Order> {
        let now = clock::now();
        let done = order.done.as_ref().map(|(key, outcome)| OutboxEnd {
            key: key.0,
            at: now,
            outcome: serde_json::to_string(outcome).unwrap_or_default(),
        });
        let (input, who) = (order.input.clone(), order.who.clone());
        let decided = decide(&mut self.fleet, &mut self.schedules, self.next, input, who, now);
        let decision = match decided {
            Ok(decision) => decision,
            Err(fault) => {
                // Most of what is refused is refused before anything moved.
                if self.fleet.seq != self.engine.fleet().seq {
                    self.fleet = self.engine.fleet().clone();
                }
                match order.reply {
                    Some(reply) => {
                        let _nobody = reply.send(Err(fault));
                        return None;
                    }
                    None => {
                        tracing::warn!(%fault, "an input of the engine's own was refused");
                        Decision::default()
                    }
                }
            }
        };
        if decision == Decision::default() && done.is_none() {
            if let Some(reply) = order.reply {
                let _nobody = reply.send(Ok(Taken { records: Vec::new(), outcomes: Vec::new() }));
            }
            return None;
        }
        let effects: Vec<OutboxRow> = decision.effects.iter().map(row_of).collect();
        let written = Written {
            records: &decision.records,
            effects: &effects,
            fleet: &self.fleet,
            touched: &decision.touched,
            done,
        };
        if let Err(error) = self.engine.inner.store.commit(&written).await {
            self.fleet = self.engine.fleet().clone();
            let fault = Fault::from(error);
            self.raise(Some(fault.clone()));
            return match order.reply {
                Some(reply) => {
                    let _nobody = reply.send(Err(fault));
                    None
                }
                None => Some(order),
            };
        }
        self.raise(None);
        self.publish(decision, order);
        None
    }

    /// It is stored: everybody may know, and it may be done.
    fn publish(&mut self, decision: Decision, order: Order) {
        {
            let mut shared =
                self.engine.inner.fleet.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for record in &decision.records {
                shared.apply(record);
            }
        }
        {
            let mut pending =
                self.engine.inner.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *pending += decision.effects.len();
            *pending -= usize::from(order.done.is_some()).min(*pending);
        }
        self.next = EffectKey(self.next.0 + decision.effects.len() as u64);
        if let Some((key, outcome)) = order.done
            && let Some(waits) = self.waiting.remove(&key)
        {
            let _nobody = waits.send(outcome);
        }
        let mut outcomes = Vec::new();
        if order.reply.is_some() {
            for effect in &decision.effects {
                let (end, comes) = oneshot::channel();
                self.waiting.insert(effect.key, end);
                outcomes.push(comes);
            }
        }
        let rewatch = decision.records.iter().any(|it| crate::signs::changes_what_is_watched(&it.event));
        let records = Arc::new(decision.records.clone());
        if !records.is_empty() {
            let _nobody = self.engine.inner.records.send(records);
        }
        for effect in decision.effects {
            self.engine.perform_soon(effect);
        }
        if rewatch {
            let engine = self.engine.clone();
            tokio::spawn(async move { engine.rewatch().await });
        }
        if let Some(reply) = order.reply {
            let _nobody = reply.send(Ok(Taken { records: decision.records, outcomes }));
        }
    }

    fn raise(&self, fault: Option<Fault>) {
        let mut alarm = self.engine.inner.alarm.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = alarm.as_ref().map_or_else(clock::now, |it| it.0);
        match (&*alarm, &fault) {
            (None, Some(fault)) => tracing::error!(%fault, "the store cannot be written"),
            (Some((_, was)), None) => {
                tracing::info!("the store can be written again");
                // While it stood nothing could be written down, this neither.
                let says =
                    format!("nothing could be stored for {} s: {was}", clock::now().since_ms(since) / 1000);
                self.engine.tell(Input::Notice { project: None, says });
            }
            _ => {}
        }
        *alarm = fault.map(|it| (since, it));
    }
}

fn row_of(pending: &PendingEffect) -> OutboxRow {
    OutboxRow {
        key: pending.key.0,
        at: pending.at,
        kind: pending.effect.word(),
        body: serde_json::to_string(&pending.effect).unwrap_or_default(),
    }
}

fn pending_of(rows: &[OutboxRow], data: &std::path::Path) -> Result<Vec<PendingEffect>, Fault> {
    let read = |row: &OutboxRow| {
        let effect = serde_json::from_str(&row.body).map_err(|error| {
            Fault::environment(format!(
                "{} asks for something that this version does not know",
                data.display()
            ))
            .hint("install the newer version again")
            .because(error)
        })?;
        Ok(PendingEffect { key: EffectKey(row.key), at: row.at, effect })
    };
    rows.iter().map(read).collect()
}
