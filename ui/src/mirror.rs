//! The mirror: the fleet as the engine has it, moved by the shared fold, once a frame. Everything that is shown derives
//! from here.
//!
//! Refuses to guess: while the engine is not heard, the mirror says since when.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::engine::EngineStatus;
use pilothouse_contract::ask::session::SessionLine;
use pilothouse_contract::attention::{Alarm, Sights, alarms};
use pilothouse_contract::board::{Strip, Waits, strips};
use pilothouse_contract::run::TaskState;
use pilothouse_contract::underway::Plan;
use pilothouse_contract::{At, Call, Fleet, Record, SessionId, ask, wire};

use crate::ipc::{self, FromFeed};

/// So many of the newest records are kept for the status line and the timelines.
const KEPT: usize = 2000;
/// So often running sessions are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// While nothing moves, so many turns pass between two looks.
const CALM_MOST: u32 = 4;
/// Nothing moved for so long: what is shown of it is a minute old and more.
const CALM_AFTER_MS: i64 = 60_000;
/// So far apart are the moves of ages then.
const CALM_TICK_MS: i64 = 5_000;
/// More messages than this do not wait for a frame.
const PILE: usize = 256;
/// What comes within this time is folded in at once: nobody reads faster, and a page that lays itself out for every event of
/// a busy fleet has no frames left for whoever types.
const GATHER: Duration = Duration::from_millis(100);
/// Where folding in takes long, so many times as long is gathered, that most frames are left to whoever types; but no longer
/// than this.
const SHARE: u64 = 5;
const GATHER_MOST: Duration = Duration::from_millis(250);

/// Whether the engine is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not yet.
    Opening,
    /// It is.
    Heard,
    /// Not since then.
    Lost {
        /// Since when.
        since: At,
        /// Why.
        why: String,
    },
}

/// The mirror. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mirror {
    /// The fleet.
    pub(crate) fleet: RwSignal<Fleet>,
    /// Whether the engine is heard.
    pub(crate) link: RwSignal<Link>,
    /// The newest records, oldest first.
    pub(crate) recent: RwSignal<VecDeque<Record>>,
    /// Running sessions with their derived state.
    pub(crate) sessions: RwSignal<BTreeMap<SessionId, SessionLine>>,
    /// Why tasks wait.
    waits: RwSignal<Waits>,
    /// What the engine says of itself.
    pub(crate) engine: RwSignal<Option<EngineStatus>>,
    /// Now, once a second, or some seconds while nothing moves: the one timer that moves ages.
    pub(crate) now: RwSignal<At>,
    /// What an upgrade would do now.
    pub(crate) upgrade: Memo<Option<Plan>>,
    /// Every strip.
    pub(crate) strips: Memo<Vec<Arc<Strip>>>,
    /// Every open alarm.
    pub(crate) alarms: Memo<Vec<Alarm>>,
}

/// The clock of this machine.
pub(crate) fn now() -> At {
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
    At(js_sys::Date::now() as i64)
}

impl Mirror {
    /// A mirror that nothing was heard for yet; starts to follow.
    pub(crate) fn start() -> Self {
        let fleet = RwSignal::new(Fleet::default());
        let sessions = RwSignal::new(BTreeMap::<SessionId, SessionLine>::new());
        let engine = RwSignal::new(None::<EngineStatus>);
        let ticks = RwSignal::new(now());
        let waits = RwSignal::new(Waits::new());
        let strips = Memo::new(move |_| {
            fleet.with(|fleet| waits.with(|waits| strips(fleet, waits).into_iter().map(Arc::new).collect()))
        });
        // Alarms that time raises may come some seconds late; that they are worked out every second is not needed.
        let slow = Memo::new(move |_| At(ticks.get().0 / 5000 * 5000));
        let open = Memo::new(move |_| {
            let pulses =
                sessions.with(|all| all.iter().filter_map(|(id, it)| Some((*id, it.pulse?))).collect());
            let engine = engine.with(|it| it.as_ref().map(|it| it.alarms.clone()).unwrap_or_default());
            fleet.with(|fleet| alarms(fleet, &Sights { pulses, engine, now: slow.get() }))
        });
        let upgrade = Memo::new(move |_| {
            let lines = sessions.with(|all| all.values().cloned().collect::<Vec<_>>());
            engine.with(|it| it.as_ref().map(|it| Plan::of(it, &lines)))
        });
        let mirror = Self {
            fleet,
            upgrade,
            link: RwSignal::new(Link::Opening),
            recent: RwSignal::new(VecDeque::new()),
            sessions,
            waits,
            engine,
            now: ticks,
            strips,
            alarms: open,
        };
        mirror.follow();
        mirror.tick();
        mirror.look();
        mirror
    }

    /// Follows the fleet. What comes after a silence is folded in with the next frame, what comes on its heels is gathered.
    fn follow(self) {
        let waiting = Rc::new(RefCell::new(Vec::<FromFeed>::new()));
        let folded = Rc::new(Cell::new(0.0));
        let cost_ms = Rc::new(Cell::new(0_u64));
        let heed = move |news: FromFeed| {
            let (first, many) = {
                let mut waiting = waiting.borrow_mut();
                waiting.push(news);
                (waiting.len() == 1, waiting.len() > PILE)
            };
            if many {
                // The frame that was asked for does not come: the page was hidden meanwhile.
                self.fold(waiting.take());
                return;
            }
            if first {
                let (waiting, folded) = (Rc::clone(&waiting), Rc::clone(&folded));
                let silent_ms = js_sys::Date::now() - folded.get();
                let gather =
                    Duration::from_millis(cost_ms.get().saturating_mul(SHARE)).clamp(GATHER, GATHER_MOST);
                let cost_ms = Rc::clone(&cost_ms);
                let fold = move || {
                    let begun = js_sys::Date::now();
                    folded.set(begun);
                    self.fold(waiting.take());
                    // Until the frame after it: what it takes to lay out and to paint counts too.
                    request_animation_frame(move || {
                        #[allow(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "a few milliseconds"
                        )]
                        cost_ms.set((js_sys::Date::now() - begun).max(0.0) as u64);
                    });
                };
                // A page that nobody sees gets no frames, and must not pile up what comes.
                if document().hidden() {
                    set_timeout(fold, GATHER);
                } else if silent_ms >= gather.as_secs_f64() * 1000.0 {
                    request_animation_frame(fold);
                } else {
                    set_timeout(move || request_animation_frame(fold), gather);
                }
            }
        };
        spawn_local(async move {
            if let Err(fault) = ipc::subscribe(heed).await {
                self.link.set(Link::Lost { since: now(), why: fault.message });
            }
        });
    }

    fn fold(self, news: Vec<FromFeed>) {
        for news in news {
            match news {
                FromFeed::Snapshot(snapshot) => {
                    self.fleet.set(*snapshot);
                    self.link.set(Link::Heard);
                    // Records that came while nobody listened are in the snapshot; the newest are read for the eye.
                    spawn_local(self.read_recent());
                }
                FromFeed::Records(records) => {
                    let fresh: Vec<Record> = self.fleet.with_untracked(|fleet| {
                        records.into_iter().filter(|it| it.seq > fleet.seq).collect()
                    });
                    if fresh.is_empty() {
                        continue;
                    }
                    self.fleet.update(|fleet| {
                        for record in &fresh {
                            fleet.apply(record);
                        }
                    });
                    self.keep(fresh);
                    if self.link.get_untracked() != Link::Heard {
                        self.link.set(Link::Heard);
                    }
                }
                FromFeed::Lost(fault) => {
                    if !matches!(self.link.get_untracked(), Link::Lost { .. }) {
                        self.link.set(Link::Lost { since: now(), why: fault.message });
                    }
                }
            }
        }
    }

    fn keep(self, records: Vec<Record>) {
        self.recent.update(|kept| {
            kept.extend(records);
            while kept.len() > KEPT {
                kept.pop_front();
            }
        });
    }

    async fn read_recent(self) {
        let seq = self.fleet.with_untracked(|fleet| fleet.seq);
        let last = self.recent.with_untracked(|kept| kept.back().map_or(0, |it| it.seq));
        let from = last.max(seq.saturating_sub(200));
        if let Ok(mut records) = ipc::call(ask::event::Since { seq: from, most: 200 }).await {
            let last = self.recent.with_untracked(|kept| kept.back().map_or(0, |it| it.seq));
            records.retain(|it| it.seq > last);
            self.keep(records);
        }
    }

    /// Moves the ages. Those of a fleet in which nothing moved for a minute are told in minutes and more: they are looked at
    /// less often, for a page that works every second is what a window at rest costs.
    fn tick(self) {
        let moved = StoredValue::new(now());
        Effect::new(move |_| {
            self.fleet.with(|it| it.seq);
            self.sessions.track();
            moved.set_value(now());
        });
        let turn = move || {
            let now = now();
            let calm =
                now.since_ms(moved.get_value()) >= CALM_AFTER_MS && self.link.get_untracked() == Link::Heard;
            if !calm || now.since_ms(self.now.get_untracked()) >= CALM_TICK_MS {
                self.now.set(now);
            }
        };
        set_interval(turn, Duration::from_secs(1));
    }

    /// Looks at what moves and is never stored: pulses of sessions, and the engine's own state.
    fn look(self) {
        // One look at a time, so that no older answer comes after a newer one.
        let looks = StoredValue::new(false);
        let (lines, status) = (StoredValue::new(Vec::<u8>::new()), StoredValue::new(Vec::<u8>::new()));
        // How many looks in a row found nothing new, and how many turns are let pass because of that.
        let calm = StoredValue::new((0_u32, 0_u32));
        let again = move || {
            if self.link.get_untracked() != Link::Heard || looks.get_value() {
                return;
            }
            looks.set_value(true);
            spawn_local(async move {
                let mut news = false;
                // What is the same by its bytes is not read: at rest that is all that a look costs.
                let new = |told: Result<Vec<u8>, _>, known: StoredValue<Vec<u8>>| {
                    told.ok().filter(|it| known.with_value(|known| known != it))
                };
                if let Some(bytes) =
                    new(ipc::request(&ask::session::List { all: false }.request()).await, lines)
                    && let Ok(list) = wire::decode::<Vec<SessionLine>>(&bytes)
                {
                    lines.set_value(bytes);
                    self.sessions.set(list.into_iter().map(|it| (it.session.id, it)).collect());
                    news = true;
                }
                if let Some(bytes) = new(ipc::request(&ask::engine::Status {}.request()).await, status)
                    && let Ok(said) = wire::decode::<EngineStatus>(&bytes)
                {
                    status.set_value(bytes);
                    self.engine.set(Some(said));
                }
                self.look_at_waits().await;
                let equal = if news { 0 } else { calm.get_value().0.saturating_add(1) };
                calm.set_value((equal, (equal / 2).min(CALM_MOST)));
                looks.set_value(false);
            });
        };
        // Whatever was told since then is a reason to look at once.
        let heard = StoredValue::new(0);
        let turn = move || {
            let seq = self.fleet.with_untracked(|it| it.seq);
            match calm.get_value() {
                (equal, pass @ 1..) if heard.get_value() == seq => calm.set_value((equal, pass - 1)),
                _ => {
                    heard.set_value(seq);
                    again();
                }
            }
        };
        set_interval(turn, LOOK);
        // A session that is new, or the first that is heard, is looked at when it is told.
        let told =
            Memo::new(move |_| (self.link.get() == Link::Heard, self.fleet.with(|it| it.sessions.len())));
        Effect::new(move |_| {
            told.track();
            again();
        });
    }

    /// Why tasks wait is worked out by the engine; asked for only while any does.
    async fn look_at_waits(self) {
        let any = self.fleet.with_untracked(|fleet| {
            let live = fleet.runs.values().filter(|it| it.state.is_live());
            live.flat_map(|it| &it.tasks).any(|it| it.state == TaskState::Waiting)
        });
        let all = if any { ipc::call(ask::run::Waits {}).await.unwrap_or_default() } else { Vec::new() };
        let of = |it: ask::run::RunWaits| {
            it.waits.into_iter().map(move |wait| ((it.run, wait.task), wait.wait)).collect::<Vec<_>>()
        };
        let waits: Waits = all.into_iter().flat_map(of).collect();
        if self.waits.with_untracked(|known| *known != waits) {
            self.waits.set(waits);
        }
    }

    /// The last sign of progress of a strip: its record, or its session's output.
    pub(crate) fn progress(self, strip: &Strip) -> At {
        let output = strip.session.and_then(|id| {
            self.sessions.with(|all| all.get(&id).and_then(|it| it.pulse.as_ref()?.last_output))
        });
        output.map_or(strip.since, |it| it.max(strip.since))
    }
}
