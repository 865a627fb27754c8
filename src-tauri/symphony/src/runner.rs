//! The loop: it waits for what happens, lets `coordination` decide, keeps what has to outlive it, and has effects performed
//! aside. Owns the one state, and who may change it: nobody else. Refuses to wait for a tracker, an agent or a folder itself,
//! so it always answers.

mod effects;
mod folders;
mod once;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use crate::coordination::{self, Input, Stage, State};
use crate::observability::{Kept, Log, Record, Sink, Snapshot, Store, snapshot};
use crate::tracker::{self, Tracker};
use crate::workflow::{Look, Settings, Trust, Watch, Workflow, WorkflowError};
use crate::{process, workspace};
pub use folders::state_folder;
use once::Once;

/// Why the loop does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The workflow file cannot be used.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// The folder of the workspaces, or that of the state, cannot be used.
    #[error("the folder {path} cannot be used: {cause}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another loop works there.
    #[error("another loop already works below {0}; end it, or choose another workspace.root")]
    Taken(PathBuf),
}

/// What a loop is started with.
pub struct Options {
    /// The workflow file.
    pub workflow: PathBuf,
    /// What of it a person said yes to.
    pub trust: Trust,
    /// In the place of `workspace.root`.
    pub root: Option<PathBuf>,
    /// Where what it knows is kept, in a folder for each root: the user's own, and nowhere that an agent may write.
    pub state: PathBuf,
    /// Whether it ends after one poll and what that began.
    pub once: bool,
    /// Where its log goes.
    pub sink: Box<dyn Sink>,
    /// In the place of the tracker that the file names; it stays the one over all changes of the file.
    pub tracker: Option<Arc<dyn Tracker>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("workflow", &self.workflow).finish_non_exhaustive()
    }
}

/// How a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// How many reads and attempts failed; of one round also how many issues it left to a person, or undone.
    pub failures: u64,
}

/// Something for the loop.
enum Order {
    Input(Input),
    /// The time of a poll or a retry, with a look at the file.
    Looked {
        input: Option<Input>,
        tick: Option<u64>,
        look: Box<Look>,
        good: Arc<Workflow>,
        lifts: Vec<(PathBuf, String)>,
    },
    Tell(Record),
    Snapshot(oneshot::Sender<Snapshot>),
    PollNow(oneshot::Sender<bool>),
    Shutdown,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSnapshot {
    /// The loop did not answer in time.
    #[error("snapshot_timeout: the loop did not answer in time")]
    Timeout,
    /// There is no loop any more.
    #[error("snapshot_unavailable: the loop does not run")]
    Unavailable,
}

/// The way to a loop that runs.
#[derive(Clone)]
pub struct Handle {
    orders: mpsc::UnboundedSender<Order>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    /// What is now.
    ///
    /// # Errors
    /// If the loop does not answer within the limit, or is gone.
    pub async fn snapshot(&self, limit: Duration) -> Result<Snapshot, NoSnapshot> {
        let (to, answer) = oneshot::channel();
        self.orders.send(Order::Snapshot(to)).map_err(|_| NoSnapshot::Unavailable)?;
        match tokio::time::timeout(limit, answer).await {
            Err(_) => Err(NoSnapshot::Timeout),
            Ok(Err(_)) => Err(NoSnapshot::Unavailable),
            Ok(Ok(snapshot)) => Ok(snapshot),
        }
    }

    /// Polls now. Whether a poll that was under way or due is that one.
    ///
    /// # Errors
    /// If the loop is gone.
    pub async fn poll_now(&self) -> Result<bool, NoSnapshot> {
        let (to, answer) = oneshot::channel();
        self.orders.send(Order::PollNow(to)).map_err(|_| NoSnapshot::Unavailable)?;
        answer.await.map_err(|_| NoSnapshot::Unavailable)
    }

    /// Lets a parked or blocked issue go on.
    pub fn lift(&self, issue: &str) {
        let _gone = self.orders.send(Order::Input(Input::Lift { issue: issue.to_owned() }));
    }

    /// Ends the loop: workers are stopped, with their hooks, and what they did is kept for the next start.
    pub fn shut_down(&self) {
        let _gone = self.orders.send(Order::Shutdown);
    }
}

/// A loop that is about to run.
pub struct Loop {
    state: State,
    orders: mpsc::UnboundedReceiver<Order>,
    handle: Handle,
    watch: Arc<Mutex<Watch>>,
    workflow: Arc<Workflow>,
    tracker: Arc<dyn Tracker>,
    fixed_tracker: bool,
    store: Store,
    log: Log,
    folder: PathBuf,
    workers: BTreeMap<u64, watch::Sender<bool>>,
    once: Option<Once>,
    unkept: bool,
    clock: Clock,
    _locks: [std::fs::File; 2],
}

impl std::fmt::Debug for Loop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loop").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Milliseconds since the Unix epoch that never go back.
#[derive(Debug, Clone, Copy)]
struct Clock {
    begun: Instant,
    at: i64,
}

impl Clock {
    fn new() -> Self {
        Self { begun: Instant::now(), at: jiff::Timestamp::now().as_millisecond() }
    }

    fn now(&self) -> i64 {
        self.at + i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }
}

/// Asks the loop of a root, running or not, to let an issue go on: it does at its next poll. `state` is that of [`Options`].
///
/// # Errors
/// [`std::io::ErrorKind::NotFound`] if no loop ever worked below the root, or why the request cannot be written.
pub fn request_lift(state: &Path, root: &Path, issue: &str) -> std::io::Result<()> {
    let known = state_folder(state, root);
    if !known.is_dir() {
        let says = format!("no loop has worked below {}", root.display());
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, says));
    }
    let folder = known.join("lift");
    std::fs::create_dir_all(&folder)?;
    crate::observability::write_whole(&folder.join(workspace::key(issue)), issue.as_bytes())
}

/// What people asked for, and where: it is taken away once it is done.
fn lifts(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder.join("lift")).into_iter().flatten().flatten();
    // One that is still being written begins with a dot.
    let whole = entries.filter(|it| !it.file_name().to_string_lossy().starts_with('.'));
    whole.filter_map(|it| Some((it.path(), std::fs::read_to_string(it.path()).ok()?))).collect()
}

impl Loop {
    /// Reads the file, takes the root for itself, ends what a killed loop left behind, and takes up what was kept.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: Options) -> Result<(Self, Handle), StartError> {
        let watch = Watch::new(&options.workflow, options.trust, options.root)?;
        let workflow = watch.good();
        let fixed_tracker = options.tracker.is_some();
        let tracker = match options.tracker {
            Some(tracker) => tracker,
            None => open(&workflow)?,
        };
        let root = workflow.settings.workspace_root.clone();
        folders::root(&root).map_err(|cause| StartError::Folder { path: root.clone(), cause })?;
        let folder = state_folder(&options.state, &root);
        let failed = |cause| StartError::Folder { path: folder.clone(), cause };
        folders::state(&folder).map_err(failed)?;
        let store = Store::open(&folder).map_err(failed)?;
        let lock = std::fs::File::create(folder.join("lock")).map_err(failed)?;
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(StartError::Taken(root));
        }
        // A loop with another home has another lock; the root is the same one.
        let root_lock =
            std::fs::File::open(&root).map_err(|cause| StartError::Folder { path: root.clone(), cause })?;
        let taken = rustix::fs::flock(&root_lock, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if taken == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(StartError::Taken(root));
        }
        let mut log = Log::new(options.sink);
        log.hide(tracker.secrets());
        for mark in process::reap(&folder.join("agents")).await {
            log.tell(&Record::warn("reaped", "a killed loop had left it running").field("mark", mark));
        }
        let (kept, says): (Kept, Option<String>) = store.read().map_err(failed)?;
        if let Some(says) = says {
            log.tell(&Record::error("state_unreadable", says));
        }
        let clock = Clock::new();
        let (to, orders) = mpsc::unbounded_channel();
        let handle = Handle { orders: to };
        let state = State::begin(Arc::new(workflow.settings.clone()), kept, clock.now());
        let once = options.once.then(|| Once::begin(&state));
        let this = Self {
            state,
            orders,
            handle: handle.clone(),
            watch: Arc::new(Mutex::new(watch)),
            workflow,
            tracker,
            fixed_tracker,
            store,
            log,
            folder,
            workers: BTreeMap::new(),
            once,
            unkept: false,
            clock,
            _locks: [lock, root_lock],
        };
        Ok((this, handle))
    }

    /// Runs until it is told to end, or with `once` until there is nothing more to do.
    pub async fn run(mut self) -> End {
        let said = format!("working below {}", self.state.settings.workspace_root.display());
        self.log.tell(&Record::info("started", said));
        self.warn();
        self.take(Input::Begin);
        while !self.is_over() {
            let Some(order) = self.orders.recv().await else { break };
            match order {
                Order::Input(input) => self.take(input),
                Order::Looked { input, tick, look, good, lifts } => {
                    let preflight = self.looked(*look, good);
                    for (path, issue) in lifts {
                        // Two looks may have seen the same one.
                        if std::fs::remove_file(path).is_ok() {
                            self.take(Input::Lift { issue });
                        }
                    }
                    match tick {
                        Some(token) => self.take(Input::Tick { token, preflight }),
                        None => self.take(Input::Settings(preflight)),
                    }
                    if let Some(input) = input {
                        self.take(input);
                    }
                }
                Order::Tell(record) => self.log.tell(&record),
                Order::Snapshot(to) => {
                    let _gone = to.send(snapshot(&self.state, self.clock.now()));
                }
                Order::PollNow(to) => {
                    let now = self.clock.now();
                    let coalesced = self.state.stage != Stage::Idle || self.state.next_poll_at <= now;
                    self.take(Input::PollNow);
                    let _gone = to.send(coalesced);
                }
                Order::Shutdown => self.take(Input::Shutdown),
            }
        }
        self.log.tell(&Record::info("ended", ""));
        let undone = self.once.as_ref().map_or(0, |it| it.undone(&self.state));
        End { failures: self.state.failures + undone }
    }

    fn is_over(&self) -> bool {
        let state = &self.state;
        let still = state.running.is_empty() && state.cleaning.is_empty();
        let over = self.once.as_ref().is_some_and(|it| it.is_over(state, self.clock.now()));
        still && (state.ending || over)
    }

    /// The file as it is now: why nothing new may begin, or the settings in force.
    fn looked(&mut self, look: Look, good: Arc<Workflow>) -> Result<Arc<Settings>, String> {
        match look {
            Look::Same => {}
            Look::Applied => {
                let message = format!("version {} is in force", good.hash.get(..12).unwrap_or_default());
                self.log.tell(&Record::info("workflow_reloaded", message));
                if !self.fixed_tracker {
                    match open(&good) {
                        Ok(tracker) => self.tracker = tracker,
                        Err(error) => return Err(error.to_string()),
                    }
                }
                self.log.hide(self.tracker.secrets());
                self.workflow = good;
                self.warn();
            }
            Look::Broken { error, new } => {
                if new {
                    let record = Record::error("workflow_invalid", error.to_string());
                    self.log.tell(&record.field("code", error.code()));
                }
                return Err(format!("{}: {error}", error.code()));
            }
            Look::Untrusted { commands, new } => {
                let names: Vec<&str> = commands.iter().map(|(name, _)| name.as_str()).collect();
                let says = format!(
                    "the file now says something else that needs a yes ({}): read it and start again with --trust",
                    names.join(", ")
                );
                if new {
                    self.log.tell(&Record::error("workflow_untrusted", says.clone()));
                }
                return Err(says);
            }
        }
        Ok(Arc::new(self.workflow.settings.clone()))
    }

    fn warn(&mut self) {
        for says in self.workflow.settings.warnings.clone() {
            self.log.tell(&Record::warn("workflow_warning", says));
        }
    }

    fn take(&mut self, mut input: Input) {
        if self.once.as_ref().is_some_and(|it| !it.admits(&mut input)) {
            return;
        }
        let shown = match (&self.once, &input) {
            (Some(_), Input::Candidates { answer, .. }) => Some(answer.clone().unwrap_or_default()),
            _ => None,
        };
        let mut again = false;
        let chatter = matches!(&input, Input::Said { event: coordination::WorkerEvent::Agent { .. }, .. });
        if let Input::Ended { run, .. } = &input {
            self.workers.remove(run);
            let id = self.state.running.iter().find(|(_, it)| it.run == *run).map(|(id, _)| id.clone());
            if let (Some(once), Some(id)) = (&mut self.once, id) {
                again = once.ended(id);
            }
        }
        let now = self.clock.now();
        let blank = State::begin(self.state.settings.clone(), Kept::default(), 0);
        let state = std::mem::replace(&mut self.state, blank);
        let (state, effects) = coordination::decide(state, input, now);
        self.state = state;
        if let (Some(once), Some(shown)) = (&mut self.once, shown) {
            once.fetched(&shown, &self.state);
        }
        if !chatter {
            self.keep();
        }
        for effect in effects {
            self.perform(effect);
        }
        if again {
            self.take(Input::PollNow);
        }
    }

    fn keep(&mut self) {
        match self.store.keep(&self.state) {
            Ok(()) => self.unkept = false,
            Err(error) if !self.unkept => {
                self.unkept = true;
                let says = format!("a restart would not know this: {error}");
                self.log.tell(&Record::error("state_not_kept", says));
            }
            Err(_) => {}
        }
    }
}

fn open(workflow: &Workflow) -> Result<Arc<dyn Tracker>, WorkflowError> {
    let folder = workflow.path.parent().unwrap_or(Path::new("/"));
    tracker::open(&workflow.settings.tracker, folder, &crate::workflow::process_env)
}

/// A look at the file and at what people asked for, aside from the loop.
async fn look(
    watch: Arc<Mutex<Watch>>,
    folder: PathBuf,
) -> Option<(Look, Arc<Workflow>, Vec<(PathBuf, String)>)> {
    let looked = tokio::task::spawn_blocking(move || {
        let lifts = lifts(&folder);
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let look = watch.look();
        (look, watch.good(), lifts)
    });
    looked.await.ok()
}
