//! A stand-in for the engine, for benches of the window only: it speaks the engine's side of the socket over a made-up
//! fleet and lets more happen than real agents could on one machine.
//!
//! Refuses: any test. It decides nothing, stores nothing and keeps no promise; whoever wants to know what an engine does
//! asks an engine.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pilothouse_client::Places;
use pilothouse_contract::ask::engine::EngineStatus;
use pilothouse_contract::ask::run::RunPage;
use pilothouse_contract::ask::session::SessionLine;
use pilothouse_contract::attempt::{Attempt, AttemptState};
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::project::{Line, Project, Trust};
use pilothouse_contract::room::Slots;
use pilothouse_contract::run::{
    Adapter, AgentChoice, Approval, Completeness, Policy, Run, RunState, TaskRun, TaskState,
};
use pilothouse_contract::spec::{Spec, TaskSpec, Verify};
use pilothouse_contract::trajectory::Trajectory;
use pilothouse_contract::wire::{self, Hello, Tag, Taken, take_frame};
use pilothouse_contract::{
    At, AttemptId, Event, Fault, Fleet, ItemId, Oid, PROTOCOL, ProjectId, Record, RefName, Request, RunId,
    TaskId, Who, WorktreeId,
};

/// So many batches a second: one for each frame of a usual display.
const BATCHES: u32 = 60;

/// What a strip goes through, again and again: mostly within its bay, and once a round to the next bay and back.
const ROUND: [AttemptState; 10] = [
    AttemptState::Preparing,
    AttemptState::RedCheck,
    AttemptState::Working,
    AttemptState::RedCheck,
    AttemptState::Working,
    AttemptState::RedCheck,
    AttemptState::Working,
    AttemptState::RedCheck,
    AttemptState::Verifying,
    AttemptState::ScopeAudit,
];

/// The stand-in. It ends when this is dropped; a window that is still open then starts an engine.
#[derive(Debug)]
pub struct Feeder {
    told: Arc<Mutex<Told>>,
    socket: PathBuf,
}

/// What it tells.
#[derive(Debug)]
struct Told {
    fleet: Fleet,
    /// Who follows.
    followers: Vec<UnixStream>,
    data: String,
    over: bool,
}

impl Feeder {
    /// Answers at the engine's socket of a data folder, with one run of so many tasks, each with an attempt at work.
    ///
    /// # Panics
    /// If the socket cannot be opened.
    #[must_use]
    pub fn begin(places: &Places, strips: u32) -> Self {
        let socket = places.socket();
        // As the engine makes them: nobody connects through a folder that others may enter.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&places.data);
        made.and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(&places.sockets))
            .unwrap_or_else(|error| panic!("{}: {error}", places.sockets.display()));
        let listener =
            UnixListener::bind(&socket).unwrap_or_else(|error| panic!("{}: {error}", socket.display()));
        let told = Told {
            fleet: fleet(strips),
            followers: Vec::new(),
            data: places.data.display().to_string(),
            over: false,
        };
        let told = Arc::new(Mutex::new(told));
        let tells = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if lock(&tells).over {
                    return;
                }
                let tells = Arc::clone(&tells);
                std::thread::spawn(move || serve(stream, &tells));
            }
        });
        Self { told, socket }
    }

    /// Lets so many events a second happen to each strip, evenly, and comes back when that is over with how many there
    /// were. A window that does not read makes them fewer.
    #[must_use]
    pub fn flow(&self, lasts: Duration, each: u32) -> u64 {
        let begun = Instant::now();
        let attempts: Vec<AttemptId> = lock(&self.told).fleet.attempts.keys().copied().collect();
        let strips = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        let (mut batch, mut sent) = (0u32, 0u64);
        while begun.elapsed() < lasts {
            batch += 1;
            // What is due by now, so that a rate that does not divide evenly is still kept.
            let due = u64::from(batch) * u64::from(strips) * u64::from(each) / u64::from(BATCHES);
            let events = (sent..due).filter_map(|n| {
                let n = usize::try_from(n).ok()?;
                // Neighbours are at different places of the round, or the whole board would jump at once.
                let (at, round) = (n % attempts.len(), n / attempts.len());
                let to = *ROUND.get((round + at) % ROUND.len())?;
                let why = format!("step {round} of the stand-in, {} to go", 1000 - round % 1000);
                Some(Event::AttemptMoved { attempt: *attempts.get(at)?, to, why, evidence: Vec::new() })
            });
            self.tell(events.collect());
            sent = due;
            std::thread::sleep((begun + Duration::from_secs(1) * batch / BATCHES) - Instant::now());
        }
        sent
    }

    /// Lets one attempt fail with a text that its strip then shows: the end of a flow, for whoever wants to see that the
    /// window has come to it.
    pub fn last(&self, why: &str) {
        let attempt = lock(&self.told).fleet.attempts.keys().next().copied().unwrap_or_default();
        let to = AttemptState::Failed;
        self.tell(vec![Event::AttemptMoved { attempt, to, why: why.to_owned(), evidence: Vec::new() }]);
    }

    fn tell(&self, events: Vec<Event>) {
        let mut told = lock(&self.told);
        let told = &mut *told;
        let at = now();
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let record = Record { seq: told.fleet.seq + 1, at, who: Who::Engine, event };
            told.fleet.apply(&record);
            records.push(record);
        }
        let frame = wire::frame(Tag::Records, &wire::encode(&records).unwrap_or_default());
        told.followers.retain_mut(|it| it.write_all(&frame).is_ok());
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let followers = {
            let mut told = lock(&self.told);
            told.over = true;
            std::mem::take(&mut told.followers)
        };
        for it in followers {
            let _gone_already = it.shutdown(Shutdown::Both);
        }
        // Whoever waits for callers sees that it is over.
        let _woken = UnixStream::connect(&self.socket);
        let _gone_already = std::fs::remove_file(&self.socket);
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_millis()).unwrap_or_default())
}

/// One caller, until it leaves.
fn serve(mut stream: UnixStream, told: &Mutex<Told>) {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while let Taken::Frame(tag, payload) = take_frame(&mut received) {
            if heed(&mut stream, told, tag, &payload).is_err() {
                return;
            }
        }
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => received.extend(piece.iter().take(length)),
            _ => return,
        }
    }
}

fn heed(stream: &mut UnixStream, told: &Mutex<Told>, tag: Tag, payload: &[u8]) -> std::io::Result<()> {
    let (tag, answer) = match tag {
        Tag::Hello => {
            let hello = Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() };
            (Tag::Hello, wire::encode(&hello))
        }
        Tag::Subscribe => {
            // Under the lock to the end: nothing may happen between the snapshot and the first record.
            let mut told = lock(told);
            let snapshot = wire::encode(&told.fleet).unwrap_or_default();
            stream.write_all(&wire::frame(Tag::Snapshot, &snapshot))?;
            told.followers.push(stream.try_clone()?);
            return Ok(());
        }
        Tag::Request => (Tag::Reply, wire::decode(payload).and_then(|request| answer(&lock(told), &request))),
        _ => (Tag::Reply, Err(Fault::refused("the stand-in for benches holds no sessions"))),
    };
    let frame = match answer {
        Ok(payload) => wire::frame(tag, &payload),
        Err(fault) => wire::frame(Tag::Fault, &wire::encode(&fault).unwrap_or_default()),
    };
    stream.write_all(&frame)
}

fn answer(told: &Told, request: &Request) -> Result<Vec<u8>, Fault> {
    let fleet = &told.fleet;
    match request {
        Request::EngineStatus(_) => wire::encode(&EngineStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            started: At(0),
            restarts: 0,
            data: told.data.clone(),
            worktrees: told.data.clone(),
            // A number that moves would be news every time that somebody asks; the feed tells it anyway.
            seq: 0,
            outdated: false,
            outdated_holders: 0,
            live_sessions: 0,
            pending_effects: 0,
            keep_awake: false,
            slots: Slots::default(),
            halt: None,
            alarms: Vec::new(),
        }),
        Request::SessionList(_) => wire::encode(&Vec::<SessionLine>::new()),
        Request::EventSince(_) => wire::encode(&Vec::<Record>::new()),
        Request::TrajectoryList(_) => wire::encode(&Vec::<Trajectory>::new()),
        Request::ProjectList(_) => wire::encode(&fleet.projects.values().collect::<Vec<_>>()),
        Request::ItemList(_) => wire::encode(&fleet.items.values().collect::<Vec<_>>()),
        Request::RunList(_) => wire::encode(&fleet.runs.values().collect::<Vec<_>>()),
        Request::RunTook(_) => wire::encode(&pilothouse_contract::ask::took::Took::default()),
        Request::RunShow(show) => {
            let run = fleet.runs.get(&show.run).cloned();
            wire::encode(&RunPage {
                gates: Vec::new(),
                fuses: Vec::new(),
                run: run.ok_or_else(|| Fault::refused(format!("the stand-in has no run {}", show.run)))?,
                waits: Vec::new(),
                took: pilothouse_contract::ask::took::Took::default(),
                attempts: fleet.attempts.values().cloned().collect(),
                evidence: Vec::new(),
                pull: None,
                history: Vec::new(),
            })
        }
        other => Err(Fault::refused(format!("the stand-in for benches does not answer {}", other.name()))),
    }
}

/// One project, one item, one run, and as many tasks with attempts at work as there are to be strips.
fn fleet(strips: u32) -> Fleet {
    let (at, oid) = (now(), Oid("0".repeat(40)));
    let (project, item, run) = (ProjectId(1), ItemId(1), RunId(1));
    let specs: Vec<TaskSpec> = (1..=strips)
        .map(|n| TaskSpec {
            id: TaskId(format!("T{n:03}")),
            title: format!("Part {n} of a piece of work that is cut into many"),
            phase: Some(0),
            line: usize::try_from(n).unwrap_or_default() + 2,
            verify: Verify::Commands(vec![format!("sh tests/t{n}.sh")]),
            ..TaskSpec::default()
        })
        .collect();
    let task = |(spec, n): (&TaskSpec, u32)| TaskRun {
        spec: spec.clone(),
        state: TaskState::Active { attempt: AttemptId(n) },
        attempts: vec![AttemptId(n)],
        failures: 0,
        rests: None,
        goes_on: None,
    };
    let tasks: Vec<TaskRun> = specs.iter().zip(1..).map(task).collect();
    let attempt = |(spec, n): (&TaskSpec, u32)| {
        let it = Attempt {
            state: AttemptState::Working,
            why: "the stand-in began".to_owned(),
            ..Attempt::leased(AttemptId(n), run, spec.id.clone(), oid.clone(), WorktreeId(n), at)
        };
        (it.id, it)
    };
    let attempts = specs.iter().zip(1..).map(attempt).collect();
    let person = || Who::Person("bench".to_owned());
    let spec = Spec {
        folder: "specs/001-many".to_owned(),
        title: "Many tasks at once".to_owned(),
        summary: "To see what a full board costs.".to_owned(),
        tasks: specs,
        ..Spec::default()
    };
    Fleet {
        seq: 1,
        projects: [(
            project,
            Project {
                id: project,
                name: "stand-in".to_owned(),
                path: "/stand-in".to_owned(),
                git_dir: "/stand-in/.git".to_owned(),
                default_branch: RefName::branch("main"),
                main: oid.clone(),
                trust: Trust::Given { at, by: person(), found: Vec::new() },
                line: Line::Open,
                added: at,
                removed: false,
                auto_land: Vec::new(),
                held: None,
                fates: Vec::new(),
                workflow: None,
            },
        )]
        .into(),
        items: [(
            item,
            Item {
                id: item,
                project,
                slug: "001-many".to_owned(),
                state: ItemState::Running,
                why: "a run carries it".to_owned(),
                base: oid.clone(),
                spec,
                moved: at,
            },
        )]
        .into(),
        runs: [(
            run,
            Run {
                id: run,
                project,
                item,
                state: RunState::Running,
                why: "started".to_owned(),
                policy: policy(strips),
                base: oid.clone(),
                approved: oid.clone(),
                settling: false,
                takes_back: None,
                stop: None,
                stopped_by: Vec::new(),
                window: None,
                rank: 0,
                phases: Vec::new(),
                paused: None,
                branch: RefName::branch("pilothouse/001-many/work"),
                head: Some(oid),
                tasks,
                audit: None,
                integrating: None,
                pull: None,
                by: person(),
                started: at,
                moved: at,
                outside: None,
                claim: None,
                touches: Vec::new(),
                notes: Vec::new(),
            },
        )]
        .into(),
        attempts,
        ..Fleet::default()
    }
}

fn policy(slots: u32) -> Policy {
    Policy {
        review: Default::default(),
        risk: Default::default(),
        sample: Default::default(),
        queue: pilothouse_contract::queue::Limits::default(),
        completeness: Completeness::Off,
        judge: None,
        gates: pilothouse_contract::gate::Gates::Report,
        best_of: 1,
        project_slots: 0,
        state_slots: BTreeMap::new(),
        resources: BTreeMap::new(),
        source: "built in".to_owned(),
        agent: AgentChoice {
            name: "stand-in".to_owned(),
            adapter: Adapter::Command,
            command: vec!["true".to_owned()],
            resume: Vec::new(),
        },
        checks: Vec::new(),
        approve: Approval::Person,
        attempts: 3,
        slots,
        stall_s: 600,
        attempt_s: 14_400,
        tokens: 500_000,
        money: pilothouse_contract::money::Money::default(),
        run_tokens: 0,
        run_money: pilothouse_contract::money::Money::default(),
        prices: std::collections::BTreeMap::new(),
        quiet: Vec::new(),
        inner_loop_s: 60,
        repeats: 12,
        context: 0,
        run_s: 0,
        retry_s: 10,
        retry_max_s: 300,
        check_s: 600,
        rerun: true,
        limits: pilothouse_contract::session::Limits::default(),
        protected: Vec::new(),
        always: Vec::new(),
        hot: Vec::new(),
        warm: Vec::new(),
        env: Vec::new(),
        landing: pilothouse_contract::run::LandsBy::Local,
        done_lines: false,
    }
}

#[cfg(test)]
mod tests {
    use pilothouse_client::{Client, FromFeed};
    use pilothouse_contract::ask;

    use super::*;

    #[tokio::test]
    async fn a_client_takes_it_for_an_engine_and_mirrors_what_it_tells() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::at(home.path().to_owned(), &std::env::temp_dir()).unwrap();
        let feeder = Feeder::begin(&places, 3);
        let mut client = Client::connect(&places).await.unwrap();
        let page = client.call(ask::run::Show { run: RunId(1) }).await.unwrap();
        assert_eq!(page.run.tasks.len(), 3);
        let mut feed = client.subscribe(None).await.unwrap();
        let FromFeed::Snapshot(mut mirror) = feed.next().await.unwrap() else { panic!("no snapshot") };
        let sent = feeder.flow(Duration::from_millis(100), 20);
        assert!(sent > 0);
        feeder.last("the end");
        while mirror.seq < 1 + sent + 1 {
            let FromFeed::Records(records) = feed.next().await.unwrap() else { panic!("no records") };
            for record in &records {
                assert_eq!(record.seq, mirror.seq + 1, "without a gap");
                mirror.apply(record);
            }
        }
        assert_eq!(*mirror, lock(&feeder.told).fleet);
        assert_eq!(mirror.attempts[&AttemptId(1)].why, "the end");
        drop(feeder);
        assert!(feed.next().await.is_err(), "it leaves as an engine does");
    }
}
