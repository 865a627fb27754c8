//! What this GitHub holds: people, tokens, repositories, pull requests with checks, reviews and threads, queues. Plain facts and
//! how they are found; what changes them lies in `life`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::limits::Limits;

/// Everything.
#[derive(Debug, Default)]
pub struct World {
    /// Seconds since 1970; nothing means by the machine's clock.
    pub frozen: Option<i64>,
    /// People and bots, by login, with their names.
    pub users: BTreeMap<String, String>,
    /// Tokens that are good, and whose they are.
    pub tokens: BTreeMap<String, String>,
    /// Repositories by `owner/name`.
    pub repos: BTreeMap<String, Repo>,
    /// What may be asked how often, and what goes wrong by script.
    pub limits: Limits,
    /// Every request that came, oldest first.
    pub asked: Vec<Asked>,
    /// Logins by device that are under way, by device code.
    pub devices: BTreeMap<String, Device>,
    /// Who may only read, and where: a login and a repository.
    pub readers: BTreeSet<(String, String)>,
    /// Whether apps may log in by device.
    pub no_device_flow: bool,
    /// Where it is reached.
    pub url: String,
    /// Below this lie the repositories that git reaches.
    pub root: PathBuf,
    pub(crate) last: u64,
}

/// One request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, with what was asked behind it.
    pub path: String,
    /// Its body, if it was text.
    pub body: String,
    /// The status of its answer.
    pub status: u16,
    /// The body of the answer, if it was JSON.
    pub answer: Value,
    /// What it cost, in points of GraphQL.
    pub points: u64,
}

/// A login by device.
#[derive(Debug, Clone)]
pub struct Device {
    /// What a person types.
    pub user_code: String,
    /// Who said yes, or that somebody said no.
    pub answer: Option<Result<String, String>>,
    /// It may be asked again from then on.
    pub not_before: i64,
    /// Seconds between two asks.
    pub interval: i64,
    /// It is over then.
    pub expires: i64,
}

/// A repository.
#[derive(Debug, Clone, Default)]
pub struct Repo {
    /// A number that is in the ids of all it holds.
    pub id: u64,
    /// Its owner.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// Its default branch.
    pub main: String,
    /// Where branches stand, as far as anybody told or git knows.
    pub branches: BTreeMap<String, String>,
    /// Whether git knows it, too.
    pub has_git: bool,
    /// Checks that have to pass before anything lands.
    pub required_checks: Vec<String>,
    /// So many have to say yes.
    pub required_reviews: usize,
    /// Whether changes land by a queue.
    pub has_queue: bool,
    /// Whether a pull request may land by itself once it can.
    pub auto_merge: bool,
    /// Who waits in the queue, first first.
    pub queue: Vec<Queued>,
    /// Its pull requests by number.
    pub pulls: BTreeMap<u64, Pull>,
    /// Logs of checks, by the check's number.
    pub logs: BTreeMap<u64, String>,
}

/// One in a merge queue.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its number there.
    pub id: u64,
    /// The pull request.
    pub pull: u64,
    /// Its head when it was put there.
    pub head: String,
    /// Since when.
    pub since: i64,
    /// `AWAITING_CHECKS`, `LOCKED`, `MERGEABLE`, `QUEUED` or `UNMERGEABLE`.
    pub state: String,
}

/// A pull request.
#[derive(Debug, Clone, Default)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// `OPEN`, `CLOSED` or `MERGED`.
    pub state: String,
    /// The branch that it comes from.
    pub head_ref: String,
    /// Where that stands.
    pub head: String,
    /// The branch that it lands on.
    pub base_ref: String,
    /// Files, lines added, lines taken away.
    pub size: (u64, u64, u64),
    /// Whether it clashes, where git does not say.
    pub clashes: bool,
    /// What is known of that: `MERGEABLE` or `CONFLICTING`, once somebody has asked.
    pub mergeable: Option<String>,
    /// What ran on it.
    pub checks: Vec<Check>,
    /// What was said of it as a whole.
    pub reviews: Vec<Review>,
    /// Whose review is asked for.
    pub wanted: BTreeSet<String>,
    /// What was said of its lines.
    pub threads: Vec<Thread>,
    /// Whether it lands by itself once it can, by which method, and since when.
    pub auto: Option<(String, i64)>,
    /// When it was opened.
    pub created: i64,
    /// When it changed last.
    pub updated: i64,
    /// When it landed.
    pub merged: Option<i64>,
    /// What landed.
    pub merge_commit: Option<String>,
}

/// A check of a commit, or a status.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The commit.
    pub commit: String,
    /// `QUEUED`, `IN_PROGRESS` or `COMPLETED`.
    pub status: String,
    /// `SUCCESS`, `FAILURE` and so on, once it is completed.
    pub conclusion: Option<String>,
    /// Whether it is a status of the older kind.
    pub is_status: bool,
    /// When it began.
    pub started: i64,
    /// When it ended.
    pub ended: Option<i64>,
}

/// A review.
#[derive(Debug, Clone)]
pub struct Review {
    /// Its number.
    pub id: u64,
    /// Who.
    pub author: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub state: String,
    /// What it says.
    pub body: String,
    /// When.
    pub at: i64,
    /// For which commit.
    pub commit: String,
}

/// A thread at a line.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Its number.
    pub id: u64,
    /// The file.
    pub path: String,
    /// The line.
    pub line: u64,
    /// Who settled it.
    pub resolved: Option<String>,
    /// Whether its line is gone.
    pub outdated: bool,
    /// Number, who, what, when.
    pub comments: Vec<(u64, String, String, i64)>,
}

/// What a node's id leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Repo(String),
    Pull(String, u64),
    Thread(String, u64, u64),
    User(String),
}

/// A moment as GitHub writes it.
pub(crate) fn stamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|it| it.to_string()).unwrap_or_default()
}

impl World {
    /// Now.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.frozen.unwrap_or_else(|| jiff::Timestamp::now().as_second())
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A repository by `owner/name`, however that is written.
    #[must_use]
    pub fn repo(&self, full: &str) -> Option<&Repo> {
        self.repos.get(full).or_else(|| {
            self.repos.iter().find(|(name, _)| name.eq_ignore_ascii_case(full)).map(|(_, repo)| repo)
        })
    }

    /// The same, to change it.
    pub fn repo_mut(&mut self, full: &str) -> Option<&mut Repo> {
        let name = self.repo(full)?.full();
        self.repos.get_mut(&name)
    }

    /// A pull request.
    #[must_use]
    pub fn pull(&self, repo: &str, number: u64) -> Option<&Pull> {
        self.repo(repo)?.pulls.get(&number)
    }

    /// The same, to change it.
    pub fn pull_mut(&mut self, repo: &str, number: u64) -> Option<&mut Pull> {
        self.repo_mut(repo)?.pulls.get_mut(&number)
    }

    pub(crate) fn node(&self, id: &str) -> Option<Node> {
        let by_id = |n: &str| {
            let n: u64 = n.parse().ok()?;
            self.repos.values().find(|it| it.id == n)
        };
        let mut parts = id.split('_');
        match parts.next()? {
            "U" => id
                .strip_prefix("U_")
                .filter(|it| self.users.contains_key(*it))
                .map(|it| Node::User(it.to_owned())),
            "R" => Some(Node::Repo(by_id(parts.next()?)?.full())),
            "PR" => {
                let repo = by_id(parts.next()?)?;
                let number = parts.next()?.parse().ok()?;
                repo.pulls.contains_key(&number).then(|| Node::Pull(repo.full(), number))
            }
            "PRRT" => {
                let repo = by_id(parts.next()?)?;
                let thread: u64 = parts.next()?.parse().ok()?;
                let pull = repo.pulls.values().find(|it| it.threads.iter().any(|it| it.id == thread))?;
                Some(Node::Thread(repo.full(), pull.number, thread))
            }
            _ => None,
        }
    }

    /// How many requests came whose path begins so.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.asked.iter().filter(|it| it.path.starts_with(path)).count()
    }
}

impl Repo {
    /// `owner/name`.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Its id for GraphQL.
    #[must_use]
    pub fn node_id(&self) -> String {
        format!("R_{}", self.id)
    }

    /// The id of one of its pull requests for GraphQL.
    #[must_use]
    pub fn pull_id(&self, number: u64) -> String {
        format!("PR_{}_{number}", self.id)
    }

    /// The id of a thread for GraphQL.
    #[must_use]
    pub fn thread_id(&self, thread: u64) -> String {
        format!("PRRT_{}_{thread}", self.id)
    }

    /// Where a branch stands.
    #[must_use]
    pub fn tip(&self, branch: &str) -> String {
        self.branches.get(branch).cloned().unwrap_or_else(|| "0".repeat(40))
    }

    /// Its place in the queue, from 1.
    #[must_use]
    pub fn place(&self, pull: u64) -> Option<(usize, &Queued)> {
        let at = self.queue.iter().position(|it| it.pull == pull)?;
        Some((at + 1, self.queue.get(at)?))
    }

    /// Why a pull request may not land now, in GitHub's word: `DIRTY`, `UNKNOWN`, `DRAFT`, `BLOCKED`, `UNSTABLE`, `CLEAN`.
    #[must_use]
    pub fn merge_state(&self, pull: &Pull) -> &'static str {
        let required = |name: &String| pull.verdict(name) == Some("SUCCESS");
        match pull.mergeable.as_deref() {
            _ if pull.state != "OPEN" => "UNKNOWN",
            None => "UNKNOWN",
            Some("CONFLICTING") => "DIRTY",
            Some(_) if pull.draft => "DRAFT",
            Some(_) if !self.required_checks.iter().all(required) => "BLOCKED",
            Some(_) if matches!(self.decision(pull), Some("REVIEW_REQUIRED" | "CHANGES_REQUESTED")) => {
                "BLOCKED"
            }
            Some(_) if pull.rollup().is_some_and(|it| it != "SUCCESS") => "UNSTABLE",
            Some(_) => "CLEAN",
        }
    }

    /// What reviews come to.
    #[must_use]
    pub fn decision(&self, pull: &Pull) -> Option<&'static str> {
        let latest = pull.latest_reviews();
        let yes = latest.iter().filter(|it| it.state == "APPROVED").count();
        if latest.iter().any(|it| it.state == "CHANGES_REQUESTED") {
            Some("CHANGES_REQUESTED")
        } else if yes < self.required_reviews {
            Some("REVIEW_REQUIRED")
        } else if yes > 0 || self.required_reviews > 0 {
            Some("APPROVED")
        } else {
            None
        }
    }
}

impl Pull {
    /// The checks of its head.
    pub fn of_head(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|it| it.commit == self.head)
    }

    /// How the newest check of a name on its head ended.
    #[must_use]
    pub fn verdict(&self, name: &str) -> Option<&str> {
        self.of_head().filter(|it| it.name == name).last()?.conclusion.as_deref()
    }

    /// What all checks of its head come to; nothing if there are none.
    #[must_use]
    pub fn rollup(&self) -> Option<&'static str> {
        let mut any = None;
        for check in self.of_head() {
            match check.conclusion.as_deref() {
                None => any = any.filter(|it| *it == "FAILURE").or(Some("PENDING")),
                Some("SUCCESS" | "NEUTRAL" | "SKIPPED") => any = any.or(Some("SUCCESS")),
                Some(_) => any = Some("FAILURE"),
            }
        }
        any
    }

    /// The newest review of each person, comments left out.
    #[must_use]
    pub fn latest_reviews(&self) -> Vec<&Review> {
        let mut latest: BTreeMap<&str, &Review> = BTreeMap::new();
        for review in self.reviews.iter().filter(|it| it.state != "COMMENTED") {
            latest.insert(&review.author, review);
        }
        latest.into_values().collect()
    }
}
