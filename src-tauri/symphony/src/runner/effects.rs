//! Effects, performed aside: each is a task that ends in an input. Owns how long a tracker may take, and that a task which
//! breaks is told as what it was. Refuses to decide anything.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::worker::{self, Bench};
use super::{Loop, Order, look};
use crate::coordination::{Effect, Input, Job, Outcome, WorkerEvent};
use crate::observability::Record;
use crate::tracker::{Page, TrackerError};
use crate::workspace::{self, Surroundings};

/// How long a tracker may take for one read.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(60);

/// The answer of a tracker, or why there is none in time.
pub(super) async fn in_time(
    read: impl Future<Output = Result<Page, TrackerError>>,
) -> Result<Page, TrackerError> {
    let late = || TrackerError::Request(format!("no answer within {} s", READ_LIMIT.as_secs()));
    tokio::time::timeout(READ_LIMIT, read).await.unwrap_or_else(|_| Err(late()))
}

fn send(orders: &mpsc::UnboundedSender<Order>, input: Input) {
    // The loop is gone: so is everybody who could want it.
    let _gone = orders.send(Order::Input(input));
}

/// Tells of records that a tracker's adapter left out.
fn dropped(orders: &mpsc::UnboundedSender<Order>, page: &Page) {
    for says in &page.dropped {
        let _gone = orders.send(Order::Tell(Record::warn("record_dropped", says.clone())));
    }
}

impl Loop {
    /// Has an effect performed.
    pub(super) fn perform(&mut self, effect: Effect) {
        let orders = self.handle.orders.clone();
        let tracker = self.tracker.clone();
        match effect {
            Effect::Log(record) => self.log.tell(&record),
            Effect::Sweep { ids } => {
                let here: Vec<String> = ids
                    .into_iter()
                    .filter(|id| self.state.places.get(id).is_some_and(|(_, path)| path.is_dir()))
                    .collect();
                tokio::spawn(async move {
                    let answer = in_time(tracker.by_ids(&here)).await.map(|it| it.issues);
                    send(&orders, Input::Swept(answer));
                });
            }
            Effect::Refresh { poll, ids } => {
                tokio::spawn(async move {
                    let answer = in_time(tracker.by_ids(&ids)).await.map(|it| it.issues);
                    send(&orders, Input::Refreshed { poll, answer });
                });
            }
            Effect::Fetch { poll, states } => {
                tokio::spawn(async move {
                    let answer = in_time(tracker.by_states(&states)).await;
                    if let Ok(page) = &answer {
                        dropped(&orders, page);
                    }
                    send(&orders, Input::Candidates { poll, answer: answer.map(|it| it.issues) });
                });
            }
            Effect::RefreshOne { id, token } => {
                tokio::spawn(async move {
                    let ids = [id.clone()];
                    let answer = in_time(tracker.by_ids(&ids)).await;
                    let answer = answer.map(|it| it.issues.into_iter().find(|it| it.id == id));
                    send(&orders, Input::RetryRefreshed { id, token, answer });
                });
            }
            Effect::WakeTick { token, at } => self.wake(at, Some(token), None),
            Effect::WakeRetry { id, token, at } => {
                self.wake(at, None, Some(Input::RetryDue { id, token }));
            }
            Effect::Start(job) => self.begin(*job),
            Effect::Stop { run } => {
                if let Some(stop) = self.workers.get(&run) {
                    stop.send_replace(true);
                }
            }
            Effect::Clean { id, identifier, path } => {
                let hook = self.state.settings.hooks.before_remove.clone();
                let limit = Duration::from_millis(self.state.settings.hooks.timeout_ms);
                let notes = self.folder.join("agents");
                // Of its own, for others may be removed at the same time, and what bears a mark ends with its hook.
                let whose = crate::workflow::hash(id.as_bytes());
                let mark = self.mark(format_args!("remove-{}", whose.get(..16).unwrap_or_default()));
                let mut around = Surroundings::of_folder(&path, &mark, &notes, &tracker.secret_names());
                (around.issue_id, around.identifier) = (id.clone(), identifier.clone());
                let tell = orders.clone();
                tokio::spawn(async move {
                    let error = clean(&identifier, path, hook, limit, around, &tell).await.err();
                    send(&orders, Input::Cleaned { id, error });
                });
            }
        }
    }

    /// Marks what a run starts: by the loop's folder too, for other loops count their runs from 1 as well.
    fn mark(&self, run: impl std::fmt::Display) -> String {
        let folder = crate::workflow::hash(self.folder.to_string_lossy().as_bytes());
        format!("{}-{run}", folder.get(..12).unwrap_or_default())
    }

    fn wake(&self, at: i64, tick: Option<u64>, input: Option<Input>) {
        let orders = self.handle.orders.clone();
        let (watch, folder) = (self.watch.clone(), self.folder.clone());
        let wait = u64::try_from(at - self.clock.now()).unwrap_or_default();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if let Some((look, good, lifts)) = look(watch, folder).await {
                let look = Box::new(look);
                let _gone = orders.send(Order::Looked { input, tick, look, good, lifts });
            }
        });
    }

    fn begin(&mut self, job: Job) {
        let run = job.run;
        let (stop, stopped) = watch::channel(false);
        self.workers.insert(run, stop);
        let (say, mut events) = mpsc::unbounded_channel::<WorkerEvent>();
        let bench = Bench {
            prompt: self.workflow.prompt.clone(),
            tracker: self.tracker.clone(),
            folder: self.folder.clone(),
            mark: self.mark(run),
            tell: tell(self.handle.orders.clone()),
            say,
            stop: stopped,
        };
        let orders = self.handle.orders.clone();
        let forward = orders.clone();
        let forwarded = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                send(&forward, Input::Said { run, event });
            }
        });
        tokio::spawn(async move {
            // In a task of its own, so that even a defect of ours is this attempt's failure and nobody else's.
            let worked = tokio::spawn(worker::work(bench, job)).await;
            let outcome =
                worked.unwrap_or_else(|error| Outcome::Failed(format!("the worker broke: {error}")));
            let _told = forwarded.await;
            send(&orders, Input::Ended { run, outcome });
        });
    }
}

/// How a worker tells something to people.
pub(super) type Tell = Box<dyn Fn(Record) + Send + Sync>;

fn tell(orders: mpsc::UnboundedSender<Order>) -> Tell {
    Box::new(move |record| {
        let _gone = orders.send(Order::Tell(record));
    })
}

/// Removes a workspace: first its hook, whose failure is told and changes nothing.
async fn clean(
    identifier: &str,
    path: PathBuf,
    hook: Option<String>,
    limit: Duration,
    around: Surroundings,
    orders: &mpsc::UnboundedSender<Order>,
) -> Result<(), String> {
    let root = path.parent().unwrap_or(Path::new("/")).to_owned();
    // What is removed was made here for this issue, whatever stands in a file.
    if path != workspace::path_of(&root, identifier) {
        return Err(format!("{} is not the workspace of {identifier}", path.display()));
    }
    workspace::contained(&root, &path).map_err(|error| error.to_string())?;
    if let Some(script) = hook.filter(|_| path.is_dir()) {
        let (_never, stop) = watch::channel(false);
        if let Err(error) = workspace::run_hook("before_remove", &script, &around, limit, stop).await {
            let record = Record::warn("hook_failed", error.to_string()).field("issue_identifier", identifier);
            let _gone = orders.send(Order::Tell(record));
        }
    }
    tokio::task::spawn_blocking(move || workspace::remove(&root, &path))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}
