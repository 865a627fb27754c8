//! Trackers feed the queue: the issues of a project's tracker are read as often as its `WORKFLOW.md` says, first those that runs were
//! queued for, then those that are to be worked. An issue is worked by the item whose `spec.md` names it.
//!
//! Refuses: to write to a tracker, to begin anything for an issue that no spec names - nobody would know when it is done -, and to take a
//! read that failed for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pilothouse_contract::claim::{Claim, Standing};
use pilothouse_contract::item::ItemState;
use pilothouse_contract::window::Begins;
use pilothouse_contract::{Event, ItemId, ProjectId, RunId, Who, ask, text};
use pilothouse_symphony::Issue;
use pilothouse_symphony::issue::normal;
use pilothouse_symphony::tracker::{self, Tracker, TrackerError};
use pilothouse_symphony::workflow::{Feed, process_env};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::answer::{Caller, Desk};
use crate::coordination::Input;
use crate::engine::Engine;

/// A tracker that is read.
struct Reader {
    engine: Engine,
    project: ProjectId,
    feed: Feed,
    tracker: Arc<dyn Tracker>,
    /// What was told of trouble, so that it is told once.
    told: BTreeSet<String>,
}

/// What an event means for the files that say which trackers are read.
fn changes_workflows(event: &Event) -> bool {
    matches!(
        event,
        Event::WorkflowSeen { .. }
            | Event::MainMoved { .. }
            | Event::ProjectAdded { .. }
            | Event::ProjectRemoved { .. }
            | Event::ProjectTrusted { .. }
    )
}

impl Engine {
    /// Looks which version of each project's `WORKFLOW.md` is in force whenever that may have changed, and reads the trackers that those
    /// name, each by itself, for as long as the engine lives.
    pub(crate) async fn mind_workflows(self) {
        let mut told = self.subscribe();
        let mut readers: BTreeMap<ProjectId, (Feed, JoinHandle<()>)> = BTreeMap::new();
        loop {
            self.look_at_workflows().await;
            self.set_readers(&mut readers).await;
            loop {
                match told.recv().await {
                    Ok(records) if !records.iter().any(|it| changes_workflows(&it.event)) => {}
                    Err(RecvError::Closed) => return,
                    // What was missed may have been such an event.
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                }
            }
        }
    }

    async fn set_readers(&self, readers: &mut BTreeMap<ProjectId, (Feed, JoinHandle<()>)>) {
        let projects: Vec<_> = self.fleet().listed().cloned().collect();
        let mut feeds = BTreeMap::new();
        for project in projects {
            if let Ok(Some(feed)) = self.conduct_of(project.id).await.map(|it| it.feed) {
                feeds.insert(project.id, (feed, project.path));
            }
        }
        readers.retain(|project, (feed, reader)| {
            let stays = feeds.get(project).is_some_and(|(it, _)| it == feed);
            if !stays {
                reader.abort();
            }
            stays
        });
        for (project, (feed, path)) in feeds {
            if readers.contains_key(&project) {
                continue;
            }
            match tracker::open(&feed.tracker, Path::new(&path), &process_env) {
                Ok(tracker) => {
                    let reader = Reader {
                        engine: self.clone(),
                        project,
                        feed: feed.clone(),
                        tracker,
                        told: BTreeSet::new(),
                    };
                    readers.insert(project, (feed, tokio::spawn(reader.read_on())));
                }
                Err(error) => {
                    let says = format!("its tracker cannot be read: {error}");
                    self.tell(Input::Notice { project: Some(project), says: text::line(&says, 400) });
                }
            }
        }
    }
}

impl Reader {
    async fn read_on(mut self) {
        loop {
            let pause = match self.poll().await {
                Ok(()) => {
                    self.told.clear();
                    self.feed.poll_interval_ms
                }
                Err(error) => {
                    self.trouble(format!("its tracker gave no answer: {error}"));
                    match error {
                        TrackerError::RateLimited { wait_ms } => wait_ms.max(self.feed.poll_interval_ms),
                        _ => self.feed.poll_interval_ms,
                    }
                }
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn trouble(&mut self, says: String) {
        let says = text::line(&says, 400);
        if self.told.insert(says.clone()) {
            self.engine.tell(Input::Notice { project: Some(self.project), says });
        }
    }

    /// What is claimed is looked at first, then new issues are looked for.
    async fn poll(&mut self) -> Result<(), TrackerError> {
        let claimed: Vec<(RunId, Claim)> = {
            let fleet = self.engine.fleet();
            let live = fleet.runs.values().filter(|it| it.project == self.project && it.state.is_live());
            live.filter_map(|it| Some((it.id, it.claim.clone()?))).collect()
        };
        if !claimed.is_empty() {
            let ids: Vec<String> = claimed.iter().map(|(_, it)| it.id.clone()).collect();
            let found = self.tracker.by_ids(&ids).await?.issues;
            let seen = claimed.iter().map(|(run, it)| (*run, self.standing(it, &found))).collect();
            let _ending = self.engine.ask(Input::IssuesSeen { seen }, Who::Engine).await;
        }
        let mut issues = self.tracker.by_states(&self.feed.tracker.active_states).await?.issues;
        issues.retain(|it| {
            it.is_whole() && self.feed.tracker.is_active(&it.state) && self.feed.tracker.is_routable(it)
        });
        issues.sort_by_key(Issue::rank);
        for issue in issues {
            if let Some(item) = self.item_for(&issue) {
                self.queue(item, &issue).await;
            }
        }
        Ok(())
    }

    fn standing(&self, claim: &Claim, found: &[Issue]) -> Standing {
        let key = &claim.identifier;
        let settings = &self.feed.tracker;
        match found.iter().find(|it| it.id == claim.id) {
            None => Standing::Away { says: format!("its issue {key} cannot be seen any more") },
            Some(it) if settings.is_terminal(&it.state) => {
                Standing::Over { state: text::line(&it.state, 60) }
            }
            Some(it) if settings.is_active(&it.state) && settings.is_routable(it) => Standing::Active,
            Some(it) => Standing::Away {
                says: format!(
                    "its issue {key} is {} and not to be worked for now",
                    text::line(&it.state, 60)
                ),
            },
        }
    }

    /// The planned item that names an issue, unless the issue is claimed already.
    fn item_for(&self, issue: &Issue) -> Option<ItemId> {
        let fleet = self.engine.fleet();
        let is_claimed = fleet.runs.values().any(|it| {
            it.project == self.project
                && it.state.is_live()
                && it.claim.as_ref().is_some_and(|it| it.id == issue.id)
        });
        let key = normal(&issue.identifier);
        let mut items = fleet.items.values().filter(|it| it.project == self.project);
        let names = |it: &&pilothouse_contract::item::Item| {
            it.state == ItemState::Planned && it.spec.issue.as_deref().map(normal).as_ref() == Some(&key)
        };
        items.find(names).filter(|_| !is_claimed).map(|it| it.id)
    }

    async fn queue(&mut self, item: ItemId, issue: &Issue) {
        let key = text::line(&issue.identifier, 80);
        let claim = Claim {
            id: issue.id.clone(),
            identifier: key.clone(),
            url: issue.url.as_ref().map(|it| text::line(it, 300)),
        };
        let call = ask::run::Start { begins: Some(Begins::Queued), ..ask::run::Start::of(item) };
        let desk = Desk { engine: self.engine.clone(), caller: Caller::Policy(format!("issue {key}")) };
        if let Err(fault) = desk.start_run(call, None, Some(claim)).await {
            self.trouble(format!("issue {key} was not queued: {}", fault.message));
        }
    }
}
