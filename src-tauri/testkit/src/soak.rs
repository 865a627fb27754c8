//! A soak: real engine, real holders, real git and agents of every manner for as long as one likes, while what is ours is
//! killed with `kill -9`, one at a time, the next once every session is in two hands again. Afterwards everything is held
//! against git and the history: nothing lost, nothing done twice, every end typed, and memory that stays where it was.
//!
//! Refuses: any judgement of speed.

mod figures;
mod lanes;
mod reckon;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pilothouse_contract::ask;
use serde_json::{Value, json};

pub use figures::{Flatness, Sample};

use crate::home::Home;
use crate::process::{PATIENCE, ended, kill_at_once};
use crate::seat::call;

/// Between two kills lies at least this and at most three times as much.
const GAP: Duration = Duration::from_secs(5);
/// Who waits looks again after this.
const LOOK: Duration = Duration::from_millis(250);

/// What it came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Gives what agents do and what is killed when.
    pub seed: u64,
    /// How long work was begun for, in seconds; what had begun came to its end after it.
    pub seconds: f64,
    /// Runs that landed.
    pub landed: u32,
    /// Runs that a person stopped, after they had parked too often.
    pub stopped: u32,
    /// How often a run was parked, by the typed failure of what parked it.
    pub parked: BTreeMap<String, u32>,
    /// Failures of attempts, by their word.
    pub failures: BTreeMap<String, u32>,
    /// Parked runs that were let go on.
    pub let_go_on: u32,
    /// Questions of agents that were answered.
    pub answered: u32,
    /// Kills, by what was killed.
    pub kills: BTreeMap<&'static str, u32>,
    /// Tasks of which git was asked.
    pub tasks: u32,
    /// Tasks that are done by the record and not on their branch in git.
    pub lost: u32,
    /// Tasks whose change is there more than once, and attempts that were merged more than once.
    pub doubled: u32,
    /// Runs, attempts, sessions, questions and effects that never came to a typed end.
    pub untyped_ends: u32,
    /// Sessions that ended without anybody knowing how.
    pub sessions_lost: u32,
    /// Sessions whose output is whole and whose exit code nobody could learn.
    pub ends_unknown: u32,
    /// Sessions there were.
    pub sessions: u32,
    /// What did not hold, in words.
    pub faults: Vec<String>,
    /// What our processes held, from minute to minute.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// How flat it was; nothing if it was too short to tell.
    #[must_use]
    pub fn flatness(&self) -> Option<Flatness> {
        Flatness::of(&self.samples)
    }

    /// Whether every promise was kept, and memory stayed where it was.
    #[must_use]
    pub fn holds(&self) -> bool {
        let bad = self.lost + self.doubled + self.untyped_ends + self.sessions_lost;
        self.landed > 0 && bad == 0 && self.faults.is_empty() && self.flatness().is_none_or(|it| it.is_flat())
    }

    /// As a document.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "minutes": (self.seconds / 6.0).round() / 10.0,
            "seed": self.seed,
            "runs": self.landed + self.stopped,
            "landed": self.landed,
            "stopped": self.stopped,
            "parked": self.parked,
            "let_go_on": self.let_go_on,
            "failures": self.failures,
            "answered": self.answered,
            "sessions": self.sessions,
            "kills": self.kills,
            "tasks": self.tasks,
            "lost": self.lost,
            "doubled": self.doubled,
            "untyped_ends": self.untyped_ends,
            "sessions_lost": self.sessions_lost,
            "ends_unknown": self.ends_unknown,
            "faults": self.faults,
            "samples": self.samples,
            "flatness": self.flatness(),
            "flat": self.flatness().map(|it| it.is_flat()),
            "holds": self.holds(),
        })
    }
}

/// What all who take part share.
struct Soak {
    home: Home,
    begun: Instant,
    length: Duration,
    /// Calls hold it to read, so that no kill meets one; whoever kills holds it to write. What a kill costs those who
    /// call is shown elsewhere; here it meets what happens by itself.
    calm: RwLock<()>,
    /// Nobody works any more.
    over: AtomicBool,
    runs_ended: AtomicU32,
    out: Mutex<Outcome>,
}

impl Soak {
    /// How far it is, from 0 to 1 and beyond.
    fn passed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() / self.length.as_secs_f64().max(1.0)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits, as long as it goes on. Returns whether it does.
    fn wait(&self, length: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < length && !self.is_over() {
            std::thread::sleep(LOOK.min(length));
        }
        !self.is_over()
    }

    /// Does something while nothing is killed.
    fn calmly<T>(&self, does: impl FnOnce(&Home) -> T) -> T {
        let _calm = self.calm.read().unwrap_or_else(PoisonError::into_inner);
        does(&self.home)
    }

    fn note(&self, note: impl FnOnce(&mut Outcome)) {
        note(&mut self.out.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fault(&self, says: String) {
        self.note(|out| out.faults.push(says));
    }

    /// Kills what is ours, one after the other. In the middle half the engine is left alone, so that what it gathers in
    /// a long life shows.
    fn kill(&self, mut rng: fastrand::Rng) {
        while self.wait(GAP.mul_f64(1.0 + 2.0 * rng.f64())) {
            let _alone = self.calm.write().unwrap_or_else(PoisonError::into_inner);
            let said = ended(&mut self.home.command(&["--json", "session", "steady"]));
            let lines: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
            let Some(lines) = lines.as_array() else {
                self.fault(format!(
                    "the sessions were not in two hands: {}",
                    String::from_utf8_lossy(&said.stderr).trim()
                ));
                continue;
            };
            let holders: Vec<u32> = lines
                .iter()
                .filter_map(|it| u32::try_from(it.pointer("/session/running/holder")?.as_u64()?).ok())
                .collect();
            let long_life = (0.25..0.75).contains(&self.passed());
            let (what, pid) = match rng.u32(0..6) {
                0 | 1 if !long_life => ("engine", Some(self.home.engine_pid())),
                2 => ("watcher", self.home.watcher_pid()),
                _ => ("holder", rng.choice(holders)),
            };
            let Some(pid) = pid else { continue };
            kill_at_once(pid);
            self.note(|out| *out.kills.entry(what).or_default() += 1);
            // Whoever has died is there again before anybody calls.
            wake(&self.home);
        }
    }

    /// The person at the desk: answers what agents ask.
    fn answer(&self) {
        while self.wait(LOOK * 4) {
            let open = self.calmly(|home| call(home, ask::question::List { all: false })).unwrap_or_default();
            for question in open {
                let text =
                    question.choices.first().cloned().unwrap_or_else(|| "as you think best".to_owned());
                let answer = ask::question::Answer { question: question.id, text, policy: None };
                // Its session may have ended meanwhile.
                let answered = self.calmly(|home| call(home, answer)).is_ok();
                self.note(|out| out.answered += u32::from(answered));
            }
        }
    }

    /// Takes a sample each minute, and one at the beginning.
    fn sample(&self) {
        let mut minute = 0;
        loop {
            let sample = self.calmly(|home| {
                Sample::take(home, self.begun.elapsed(), self.runs_ended.load(Ordering::Relaxed))
            });
            self.note(|out| out.samples.extend(sample));
            minute += 1;
            let next = Duration::from_secs(60) * minute;
            if !self.wait(next.saturating_sub(self.begun.elapsed())) {
                return;
            }
        }
    }
}

/// Calls the engine, which starts it where nobody has.
fn wake(home: &Home) {
    let begun = Instant::now();
    while home.try_json(&["project", "list"]).code != 0 {
        assert!(begun.elapsed() < PATIENCE, "no engine comes");
    }
}

/// Runs it. The home comes too: it holds much, and is gone once it is dropped.
///
/// # Panics
/// If something does not come that has to, such as an engine after a kill.
#[must_use]
pub fn run(length: Duration, seed: u64) -> (Outcome, Home) {
    let home = Home::new();
    wake(&home);
    let soak = Soak {
        home,
        begun: Instant::now(),
        length,
        calm: RwLock::default(),
        over: AtomicBool::new(false),
        runs_ended: AtomicU32::new(0),
        out: Mutex::new(Outcome { seed, ..Outcome::default() }),
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let lasting: Vec<lanes::Lasting> =
        ["shop", "yard"].map(|name| lanes::Lasting::new(&soak.home, name, rng.fork())).into();
    std::thread::scope(|scope| {
        scope.spawn(|| soak.answer());
        scope.spawn(|| soak.sample());
        let kills = rng.fork();
        scope.spawn(|| soak.kill(kills));
        let works: Vec<_> = lasting.into_iter().map(|lane| scope.spawn(|| lane.carry(&soak))).collect();
        let rehearses = scope.spawn(|| lanes::rehearse(&soak, rng));
        let repos: Vec<_> = works.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let rehearsed = rehearses.join();
        soak.over.store(true, Ordering::Relaxed);
        // A lane that ended before its time is no lane that found nothing.
        let whole = |why| -> ! { std::panic::resume_unwind(why) };
        let repos: Vec<_> = repos.into_iter().map(|it| it.unwrap_or_else(|why| whole(why))).collect();
        let rehearsed = rehearsed.unwrap_or_else(|why| whole(why));
        reckon::reckon(&soak, &repos, &rehearsed);
    });
    let mut out = soak.out.into_inner().unwrap_or_else(PoisonError::into_inner);
    out.seconds = soak.length.as_secs_f64();
    (out, soak.home)
}
