//! Forges are asked for as long as a person is logged in to them: each at its own pace, for the repositories that projects have their
//! `origin` at, all in one question. What they say is stored and told as news; why they say nothing is stored as well, and what was
//! known stays, with its age.
//!
//! Refuses: to ask a host that no person logged in to, whatever a repository's settings name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pilothouse_contract::ask::forge::ForgePage;
use pilothouse_contract::forge::{Budget, ForgePull, Merge, Part, Reach};
use pilothouse_contract::{At, Event, Fault, ProjectId, text};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::coordination::Input;
use crate::engine::Engine;
use crate::integration::forge::ask::{Forge, ForgeError, Reading};
use crate::integration::forge::github::{GitHub, client};
use crate::integration::forge::pace::{Next, Pace};
use crate::integration::forge::remote::{self, Remote};
use crate::integration::forge::tokens::{self, Source};
use crate::ports::clock;
use crate::publishing::under_way::UnderWay;

/// Of one reading at most so much news is told one by one.
const NEWS_MAX: usize = 50;

/// Of those that a forge did not tell of so many are asked for each time.
const MISSED_MAX: usize = 50;

/// Who waits for an answer of a forge.
type Door = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// What the engine keeps of forges in memory.
#[derive(Debug, Default)]
pub(crate) struct Forges {
    /// By host: where a question can be put at once, and when it is asked by itself.
    doors: Mutex<BTreeMap<String, (Door, Times)>>,
    /// Which repository of which forge a project is of.
    remotes: Mutex<BTreeMap<ProjectId, Remote>>,
    /// Hosts that want nothing sent to them before a moment.
    quiet: Mutex<BTreeMap<String, At>>,
    /// What is being sent there and fetched from there.
    pub(crate) under_way: UnderWay,
    /// Something of the list of forges changed, so often.
    changes: watch::Sender<u64>,
    /// And so much of it is heeded.
    heeded: watch::Sender<u64>,
}

/// When a host is asked by itself, and until when nobody gets it asked.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    next: Option<At>,
    held: Option<At>,
}

type Doors<'a> = std::sync::MutexGuard<'a, BTreeMap<String, (Door, Times)>>;

impl Forges {
    fn doors(&self) -> Doors<'_> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A person logged in or out. Comes back once that is heeded.
    pub(crate) async fn changed(&self) {
        let mut heeded = self.heeded.subscribe();
        let mut n = 0;
        self.changes.send_modify(|it| {
            *it += 1;
            n = *it;
        });
        let _ending = heeded.wait_for(|it| *it >= n).await;
    }

    /// A host wants nothing sent to it before that moment.
    pub(crate) fn be_quiet(&self, host: &str, until: At) {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), until);
    }

    /// For how long a host wants nothing sent to it yet.
    pub(crate) fn quiet(&self, host: &str) -> Option<Duration> {
        let until = self.quiet.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()?;
        let left = u64::try_from(until.since_ms(clock::now())).ok().filter(|it| *it > 0)?;
        Some(Duration::from_millis(left))
    }

    /// Has a host asked soon: something was done there. Nobody waits for it.
    pub(crate) fn look_soon(&self, host: &str) {
        if let Some((door, _)) = self.doors().get(host) {
            let _ending = door.send(oneshot::channel().0);
        }
    }

    fn repos(&self, host: &str) -> BTreeMap<String, ProjectId> {
        let remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        remotes
            .iter()
            .filter(|(_, it)| it.host == host)
            .map(|(project, it)| (it.repo.clone(), *project))
            .collect()
    }
}

/// One forge that is asked.
struct Asker {
    engine: Engine,
    reach: Reach,
    forge: Option<GitHub>,
    pace: Pace,
    known: BTreeMap<(String, u64), ForgePull>,
    /// Whether it ever told anything, to this engine or one before.
    was_heard: bool,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    trouble: Option<String>,
    /// From where on those are asked again that a forge did not tell of.
    missed: usize,
    /// What it did not tell when it was asked for everything last.
    left_out: Option<String>,
}

/// Everything that is open. Of those that are known and that it did not tell of - there are too many, or it left them out - some are asked
/// for by themselves, others each time, for only so is it heard that one is over.
async fn whole(
    forge: &GitHub,
    names: &[String],
    known: Vec<String>,
    from: usize,
) -> Result<(Reading, Option<ForgeError>), ForgeError> {
    let mut reading = forge.open(names).await?;
    let mut then = None;
    if reading.cut {
        let told: BTreeSet<&str> = reading.pulls.iter().map(|it| it.id.as_str()).collect();
        let missing: Vec<String> = known.into_iter().filter(|it| !told.contains(it.as_str())).collect();
        let some =
            missing.iter().cycle().skip(from % missing.len().max(1)).take(MISSED_MAX.min(missing.len()));
        // What it told already holds, also if it says no more of the others. One that wants no more questions gets none.
        match forge.again(&some.cloned().collect::<Vec<_>>()).await {
            Ok(again) => {
                reading.pulls.extend(again.pulls);
                reading.over.extend(again.over);
                reading.calls += again.calls;
                let before = reading.budget.map_or(0, |it| it.cost);
                let both = |it: Budget| Budget { cost: it.cost.saturating_add(before), ..it };
                reading.budget = again.budget.map(both).or(reading.budget);
            }
            Err(error @ (ForgeError::Limited(_) | ForgeError::Unauthorized)) => then = Some(error),
            Err(error) => tracing::warn!(%error, "what it left out cannot be asked for"),
        }
    }
    Ok((reading, then))
}

impl Engine {
    /// Minds the forges, as long as the engine lives.
    pub(crate) async fn mind_forges(self) {
        let mut told = self.subscribe();
        let mut changes = self.inner.forges.changes.subscribe();
        let mut askers: BTreeMap<String, ((String, String), JoinHandle<()>)> = BTreeMap::new();
        loop {
            let n = *changes.borrow_and_update();
            match self.inner.store.forges().await {
                // Who is logged in nowhere has nobody looking for remotes either.
                Ok(reaches) if reaches.is_empty() && askers.is_empty() => {}
                Ok(reaches) => {
                    let moved = self.look_at_remotes().await;
                    self.set_askers(&mut askers, reaches, &moved).await;
                }
                Err(error) => tracing::warn!(%error, "the forges cannot be read"),
            }
            self.inner.forges.heeded.send_replace(n);
            loop {
                let moves = |it: &Event| {
                    matches!(
                        it,
                        Event::ProjectAdded { .. }
                            | Event::ProjectRemoved { .. }
                            | Event::EngineStarted { .. }
                    )
                };
                tokio::select! {
                    changed = changes.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    heard = told.recv() => match heard {
                        Err(RecvError::Closed) => return,
                        Ok(records) if !records.iter().any(|it| moves(&it.event)) => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => break,
                    },
                }
            }
        }
    }

    /// Reads where projects have their `origin`; the hosts for which that is another list than before.
    async fn look_at_remotes(&self) -> BTreeSet<String> {
        let projects: Vec<_> = self.fleet().listed().cloned().collect();
        let mut found = BTreeMap::new();
        for project in projects {
            match remote::of(&project).await {
                Ok(Some(remote)) => drop(found.insert(project.id, remote)),
                Ok(None) => {}
                Err(error) => tracing::warn!(project = %project.id, %error, "its remote cannot be read"),
            }
        }
        let mut remotes = self.inner.forges.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = |(project, it): &(&ProjectId, &Remote), other: &BTreeMap<ProjectId, Remote>| {
            other.get(project) != Some(it)
        };
        let new = found.iter().filter(|it| differs(it, &remotes)).map(|(_, it)| it.host.clone());
        let old = remotes.iter().filter(|it| differs(it, &found)).map(|(_, it)| it.host.clone());
        let moved = new.chain(old).collect();
        *remotes = found;
        moved
    }

    async fn set_askers(
        &self,
        askers: &mut BTreeMap<String, ((String, String), JoinHandle<()>)>,
        reaches: Vec<Reach>,
        moved: &BTreeSet<String>,
    ) {
        let key = |it: &Reach| (it.login.clone(), it.source.clone());
        askers.retain(|host, (known, asker)| {
            let stays =
                reaches.iter().any(|it| it.host == *host && key(it) == *known) && !asker.is_finished();
            if !stays {
                asker.abort();
                self.inner.forges.doors().remove(host);
            }
            stays
        });
        let kept = self.inner.store.forge_pulls().await.unwrap_or_default();
        for reach in reaches {
            if askers.contains_key(&reach.host) {
                // Another project is there by now, or one is not any more.
                if moved.contains(&reach.host)
                    && let Some((door, _)) = self.inner.forges.doors().get(&reach.host)
                {
                    let _ending = door.send(oneshot::channel().0);
                }
                continue;
            }
            let (door, asked) = mpsc::unbounded_channel();
            self.inner.forges.doors().insert(reach.host.clone(), (door, Times::default()));
            let of_it = kept.iter().filter(|it| it.host == reach.host);
            let asker = Asker {
                engine: self.clone(),
                forge: None,
                pace: Pace::default(),
                known: of_it.map(|it| ((it.repo.clone(), it.number), it.clone())).collect(),
                was_heard: reach.known.is_some(),
                asked,
                missed: 0,
                left_out: reach.left_out.clone(),
                trouble: reach.trouble.clone(),
                reach: reach.clone(),
            };
            askers.insert(reach.host.clone(), (key(&reach), tokio::spawn(asker.ask_on())));
        }
    }

    /// Asks forges now, and comes back once they said something or could not.
    pub(crate) async fn refresh_forges(&self, host: Option<&str>) {
        // An engine that has just begun knows no forges yet, and a project may have another `origin` by now.
        self.inner.forges.changed().await;
        let asked: Vec<oneshot::Receiver<()>> = {
            let doors = self.inner.forges.doors();
            let fits = doors.iter().filter(|(name, _)| host.is_none_or(|host| host == name.as_str()));
            fits.filter_map(|(_, (door, _))| {
                let (done, waits) = oneshot::channel();
                door.send(done).ok().map(|()| waits)
            })
            .collect()
        };
        for answer in asked {
            let _ended_meanwhile = answer.await;
        }
    }

    /// What is known of forges.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn forge_page(&self, project: Option<ProjectId>) -> Result<ForgePage, Fault> {
        let mut page = ForgePage {
            forges: self.inner.store.forges().await?,
            pulls: self.inner.store.forge_pulls().await?,
        };
        let doors = self.inner.forges.doors();
        for it in &mut page.forges {
            let times = doors.get(&it.host).map(|(_, times)| *times).unwrap_or_default();
            (it.next, it.held) = (times.next, times.held.filter(|it| clock::now() < *it));
            it.can = crate::integration::forge::github::CAN;
        }
        drop(doors);
        // Two projects may be of one repository: its pull requests are both's.
        let remotes = self.inner.forges.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |it: &ForgePull, project: ProjectId| {
            let of = |remote: &Remote| remote.host == it.host && remote.repo.eq_ignore_ascii_case(&it.repo);
            it.project == Some(project) || remotes.get(&project).is_some_and(of)
        };
        page.pulls.retain(|it| project.is_none_or(|project| is_of(it, project)));
        Ok(page)
    }
}

impl Asker {
    async fn ask_on(mut self) {
        loop {
            let now = clock::now();
            let repos = self.engine.inner.forges.repos(&self.reach.host);
            // Where no project is there is nothing to ask for, and nobody is asked.
            let next = if repos.is_empty() && self.known.is_empty() { None } else { Some(self.pace.at()) };
            let held = self.pace.held(now);
            if let Some((_, times)) = self.engine.inner.forges.doors().get_mut(&self.reach.host) {
                *times = Times { next: next.map(|it| it.max(now)), held };
            }
            let due = async {
                match next {
                    Some(next) => {
                        let wait = u64::try_from(next.since_ms(now)).unwrap_or_default();
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let mut waiting = Vec::new();
            tokio::select! {
                () = due => {}
                asked = self.asked.recv() => match asked {
                    Some(asked) => {
                        waiting.push(asked);
                        self.pace.wanted();
                        // A person asks, who may have logged in anew.
                        self.forge = None;
                    }
                    None => return,
                },
            }
            // Who asks while it is asked gets the same answer.
            while let Ok(asked) = self.asked.try_recv() {
                waiting.push(asked);
            }
            let repos = self.engine.inner.forges.repos(&self.reach.host);
            let nothing = repos.is_empty() && self.known.is_empty();
            if !nothing && self.pace.held(clock::now()).is_none() {
                self.turn(&repos).await;
            }
            for it in waiting {
                let _nobody_waits = it.send(());
            }
        }
    }

    async fn turn(&mut self, repos: &BTreeMap<String, ProjectId>) {
        let now = clock::now();
        let moving: Vec<String> =
            self.known.values().filter(|it| it.is_moving()).map(|it| it.id.clone()).collect();
        let what = if moving.is_empty() { Next::All } else { self.pace.what(now) };
        let known: Vec<(String, String)> =
            self.known.values().map(|it| (it.id.clone(), it.repo.to_lowercase())).collect();
        let from = self.missed;
        let reading = match self.forge().await {
            Ok(forge) if what == Next::All => {
                let names: Vec<String> = repos.keys().cloned().collect();
                let listed: BTreeSet<String> = names.iter().map(|it| it.to_lowercase()).collect();
                let known = known.into_iter().filter(|(_, repo)| listed.contains(repo)).map(|it| it.0);
                whole(forge, &names, known.collect(), from).await
            }
            Ok(forge) => forge.again(&moving).await.map(|it| (it, None)),
            Err(error) => Err(error),
        };
        let now = clock::now();
        match reading {
            Ok((reading, then)) => {
                if reading.cut {
                    self.missed = self.missed.wrapping_add(MISSED_MAX);
                }
                let known = self.heard(repos, what, reading, now).await;
                self.engine.forge_answers(&self.reach.host).await;
                self.pace.answered(now, what, self.known.values().any(ForgePull::is_moving), known.as_ref());
                if let Some(error) = then {
                    if error == ForgeError::Unauthorized {
                        self.forge = None;
                    }
                    self.pace.failed(now, &error);
                    self.silent(&error).await;
                }
            }
            Err(error) => {
                if error == ForgeError::Unauthorized {
                    // Another one may be there by the next time.
                    self.forge = None;
                }
                self.pace.failed(now, &error);
                self.silent(&error).await;
            }
        }
    }

    async fn forge(&mut self) -> Result<&GitHub, ForgeError> {
        if self.forge.is_none() {
            let data = self.engine.inner.options.data.clone();
            let host = self.reach.host.clone();
            let source = Source::of(&self.reach.source);
            let found = tokio::task::spawn_blocking(move || match source {
                Some(source) => tokens::find(&data, &host, source),
                None => Err("nobody knows where its token is".to_owned()),
            });
            let token = found.await.map_err(|error| ForgeError::Odd(error.to_string()))?;
            let token =
                token.map_err(|why| ForgeError::Forbidden(format!("the token cannot be had: {why}")))?;
            self.forge = Some(GitHub::new(&self.reach.host, token, client()?));
        }
        self.forge.as_ref().ok_or(ForgeError::Unauthorized)
    }

    async fn heard(
        &mut self,
        repos: &BTreeMap<String, ProjectId>,
        what: Next,
        reading: Reading,
        now: At,
    ) -> Option<Budget> {
        let lower: BTreeMap<String, ProjectId> =
            repos.iter().map(|(name, it)| (name.to_lowercase(), *it)).collect();
        let mut open: BTreeMap<(String, u64), ForgePull> = BTreeMap::new();
        for mut it in reading.pulls {
            it.project = lower.get(&it.repo.to_lowercase()).copied();
            // A search finds what it likes; what is of no project of ours is not kept.
            if it.project.is_some() {
                if let Some(before) = self.known.get(&(it.repo.clone(), it.number)) {
                    it.keep(before);
                }
                open.insert((it.repo.clone(), it.number), it);
            }
        }
        let over: BTreeSet<&str> = reading.over.iter().map(String::as_str).collect();
        let is_over = |key: &(String, u64), it: &ForgePull| {
            // All that is open was told, or it is said to be over: what is only missing may well be open.
            let told = (what == Next::All && !reading.cut) || over.contains(it.id.as_str());
            let unlisted = !lower.contains_key(&it.repo.to_lowercase());
            (told || unlisted) && !open.contains_key(key)
        };
        let over: Vec<ForgePull> =
            self.known.iter().filter(|(key, it)| is_over(key, it)).map(|(_, it)| it.clone()).collect();
        if what == Next::All {
            // Those that are known, that it did not tell of, and that are not over: they stand as they were.
            let old =
                self.known.iter().filter(|(key, it)| !open.contains_key(*key) && !is_over(key, it)).count();
            self.left_out = reading.cut.then(|| match old {
                0 => "it does not tell of all that there are".to_owned(),
                old => format!("it left some out: {old} are shown as they were before"),
            });
        }
        let fresh: Vec<&ForgePull> =
            open.iter().filter(|(key, it)| self.known.get(*key) != Some(*it)).map(|(_, it)| it).collect();
        let gone: Vec<&ForgePull> = over.iter().collect();
        let stored = self
            .engine
            .inner
            .store
            .forge_told(
                &self.reach.host,
                (what == Next::All).then_some(now),
                (reading.budget.as_ref(), self.left_out.as_deref()),
                &fresh,
                &gone,
            )
            .await;
        if let Err(error) = stored {
            // What is not stored is not known: the next answer is compared with what is.
            tracing::warn!(host = self.reach.host, %error, "what the forge told could not be stored");
            return reading.budget;
        }
        if self.trouble.take().is_some() {
            self.say(None, &self.reach.host, "answers again");
        }
        if self.was_heard {
            for it in fresh.iter().take(NEWS_MAX) {
                let before = self.known.get(&(it.repo.clone(), it.number));
                for says in news(before, it) {
                    self.say(it.project, &it.full_name(), &says);
                }
            }
            // One that no project lists any more may well be open.
            let listed = |it: &&ForgePull| lower.contains_key(&it.repo.to_lowercase());
            for it in over.iter().filter(listed).take(NEWS_MAX) {
                self.say(it.project, &it.full_name(), "is not open any more");
            }
        } else {
            self.say(None, &self.reach.host, &format!("{} open pull requests", open.len()));
        }
        self.was_heard = true;
        for it in &over {
            self.known.remove(&(it.repo.clone(), it.number));
        }
        self.known.extend(open);
        reading.budget
    }

    async fn silent(&mut self, error: &ForgeError) {
        let why = text::line(&error.to_string(), 300);
        if let Err(error) = self.engine.inner.store.forge_silent(&self.reach.host, &why).await {
            tracing::warn!(host = self.reach.host, %error, "why the forge is silent could not be stored");
        }
        // Said once for each silence, however its words change.
        if self.trouble.is_none() {
            self.say(None, &self.reach.host, &why);
        }
        self.trouble = Some(why);
    }

    fn say(&self, project: Option<ProjectId>, pull: &str, says: &str) {
        self.engine.tell(Input::ForgeSaid {
            project,
            pull: text::line(pull, 200),
            says: text::line(says, 300),
        });
    }
}

/// What is new of a pull request, each in a few words.
fn news(before: Option<&ForgePull>, now: &ForgePull) -> Vec<String> {
    let Some(before) = before else { return vec![format!("opened by {}: {}", now.author, now.title)] };
    let mut news = Vec::new();
    if before.head.oid != now.head.oid {
        news.push(format!("proposes {} now", now.head.oid.short()));
    }
    let (passed, failed, pending) = now.tally();
    if before.tally() != now.tally() && !now.untold.contains(&Part::Checks) {
        news.push(format!("checks: {passed} passed, {failed} failed, {pending} wait"));
    }
    // Until a forge has reckoned it, it tells nothing.
    if before.merge != now.merge
        && now.untold.is_empty()
        && before.untold.is_empty()
        && ![&before.merge, &now.merge].contains(&&Merge::Unknown)
    {
        news.push(now.merge.words());
    }
    if before.decision != now.decision {
        news.push(now.decision.words().to_owned());
    }
    if before.open_threads() != now.open_threads() {
        news.push(format!("{} open threads", now.open_threads()));
    }
    match (&before.queue, &now.queue) {
        (was, Some(is)) if was.as_ref() != Some(is) => {
            news.push(format!("in the queue at {}: {}", is.position, is.state))
        }
        (Some(_), None) => news.push("left the queue".to_owned()),
        _ => {}
    }
    if before.auto_merge != now.auto_merge {
        news.push(
            if now.auto_merge { "lands by itself once it can" } else { "does not land by itself any more" }
                .to_owned(),
        );
    }
    news.retain(|it| !it.is_empty());
    news
}
