//! GitHub's answers as it writes them, and what they mean in the words of all forges. What is missing in them is missing, and no
//! reason to take nothing.

use pilothouse_contract::forge::{
    Budget, Check, CheckState, Decision, ForgePull, Merge, Part, Queue, Review, Thread, Tip,
};
use pilothouse_contract::pull::Size;
use pilothouse_contract::{At, Oid, text};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use pilothouse_symphony::tracker::net;

use super::super::ask::{ForgeError, Reading};
use super::http;

/// An answer by GraphQL.
#[derive(Debug, Deserialize)]
pub(super) struct Graph<T> {
    data: Option<T>,
    #[serde(default = "Vec::new")]
    errors: Vec<Wrong>,
}

/// What went wrong, beside an answer or instead of one.
#[derive(Debug, Deserialize)]
pub(super) struct Wrong {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) message: String,
    /// The part that is missing because of it.
    path: Option<Vec<Value>>,
    code: Option<String>,
}

impl Wrong {
    /// Whether it is one of GitHub's limits: they come with a status of 200, too.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self.kind.as_deref(), Some("RATE_LIMITED" | "RATE_LIMIT"))
            || self.code.as_deref() == Some("graphql_rate_limit")
            || net::limits(&self.message)
    }

    /// The place of the thing of which it says that there is none by that id, if that is all that it says.
    pub(super) fn none_at(&self) -> Option<usize> {
        match self.path.as_deref()? {
            [nodes, at] if nodes == "nodes" && self.kind.as_deref() == Some("NOT_FOUND") => place(at),
            _ => None,
        }
    }
}

fn place(it: &Value) -> Option<usize> {
    usize::try_from(it.as_u64()?).ok()
}

/// What an answer leaves out, and says so.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Of which of the things that were asked for by their ids there are none, by their places.
    pub(super) none: Vec<usize>,
    /// Which parts of which of the things in its list, by their places.
    pub(super) parts: Vec<(usize, Part)>,
    /// Whether something else went wrong: then others may be missing without a word.
    pub(super) more: bool,
}

impl Missing {
    /// The parts that are missing of the thing at a place.
    pub(super) fn of(&self, place: usize) -> Vec<Part> {
        let mut parts: Vec<Part> = self.parts.iter().filter(|it| it.0 == place).map(|it| it.1).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

impl<T> Graph<T> {
    /// What it leaves out by its own words.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        for it in &self.errors {
            if let Some(at) = it.none_at() {
                missing.none.push(at);
                continue;
            }
            let below = match it.path.as_deref().unwrap_or_default() {
                [search, rest @ ..] if search == "search" => rest,
                path => path,
            };
            let field = |it: &Value| {
                Some(match it.as_str()? {
                    "statusCheckRollup" => Part::Checks,
                    "latestReviews" => Part::Reviews,
                    "reviewThreads" => Part::Threads,
                    "mergeQueueEntry" | "autoMergeRequest" => Part::Landing,
                    _ => return None,
                })
            };
            match below {
                [nodes, at, name, ..] if nodes == "nodes" => match place(at).zip(field(name)) {
                    Some(part) => missing.parts.push(part),
                    None => missing.more = true,
                },
                _ => missing.more = true,
            }
        }
        missing
    }

    /// What was asked for. A part that is missing for a reason - a repository that the token may not see - costs the rest nothing.
    pub(super) fn data(self, headers: &HeaderMap) -> Result<T, ForgeError> {
        if self.errors.iter().any(Wrong::is_limit) {
            return Err(ForgeError::Limited(http::wait(headers)));
        }
        self.data.ok_or_else(|| {
            let says =
                self.errors.first().map_or("without data and without a word", |it| it.message.as_str());
            ForgeError::Odd(text::line(says, 200))
        })
    }
}

/// What a search found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) search: Search,
}

/// Some pull requests once more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Again {
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) nodes: Vec<Option<Node>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Search {
    pub(super) issue_count: usize,
    pub(super) page_info: PageInfo,
    pub(super) nodes: Option<Vec<Option<Node>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl PageInfo {
    pub(super) fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimit {
    cost: u64,
    limit: u64,
    remaining: u64,
    reset_at: String,
}

impl RateLimit {
    pub(super) fn budget(&self) -> Budget {
        Budget { limit: self.limit, left: self.remaining, resets: moment(&self.reset_at), cost: self.cost }
    }
}

/// A list in a list: GitHub puts every one into an object of its own.
#[derive(Debug, Deserialize)]
struct Nodes<T> {
    #[serde(rename = "totalCount")]
    total: Option<u64>,
    nodes: Option<Vec<Option<T>>>,
}

impl<T> Nodes<T> {
    fn all(self) -> impl Iterator<Item = T> {
        self.nodes.into_iter().flatten().flatten()
    }
}

/// Something with an id: a pull request, or what is none.
#[derive(Debug, Deserialize)]
#[serde(tag = "__typename")]
pub(super) enum Node {
    PullRequest(Box<Pull>),
    #[serde(other)]
    Other,
}

impl Node {
    /// Puts it where it belongs.
    pub(super) fn tell(self, host: &str, untold: Vec<Part>, reading: &mut Reading) {
        match self {
            Self::PullRequest(it) if it.state == "OPEN" => reading.pulls.push(it.seen(host, untold)),
            Self::PullRequest(it) => reading.over.push(it.id),
            Self::Other => {}
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    id: String,
    number: u64,
    title: String,
    url: String,
    state: String,
    is_draft: bool,
    updated_at: String,
    author: Option<Actor>,
    repository: Repository,
    head_ref_name: String,
    head_ref_oid: String,
    base_ref_name: String,
    base_ref_oid: String,
    additions: u32,
    deletions: u32,
    changed_files: u32,
    mergeable: String,
    merge_state_status: String,
    review_decision: Option<String>,
    auto_merge_request: Option<AutoMerge>,
    is_merge_queue_enabled: bool,
    merge_queue_entry: Option<Entry>,
    latest_reviews: Option<Nodes<Reviewed>>,
    review_threads: Option<Nodes<Threaded>>,
    status_check_rollup: Option<Rollup>,
}

#[derive(Debug, Deserialize)]
struct Actor {
    login: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    name_with_owner: String,
}

#[derive(Debug, Deserialize)]
struct AutoMerge {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    position: u64,
    state: String,
    estimated_time_to_merge: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Reviewed {
    author: Option<Actor>,
    state: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Threaded {
    id: String,
    is_resolved: bool,
    is_outdated: bool,
    path: String,
    line: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Rollup {
    contexts: Nodes<Context>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "__typename", rename_all_fields = "camelCase")]
enum Context {
    CheckRun {
        name: String,
        status: String,
        conclusion: Option<String>,
        details_url: Option<String>,
        check_suite: Option<Suite>,
    },
    StatusContext {
        context: String,
        state: String,
        target_url: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suite {
    workflow_run: Option<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowRun {
    database_id: Option<u64>,
}

fn moment(written: &str) -> At {
    At(written.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).unwrap_or_default())
}

impl Context {
    fn seen(self) -> Check {
        match self {
            Self::CheckRun { name, status, conclusion, details_url, check_suite } => Check {
                name,
                state: match (status.as_str(), conclusion.as_deref()) {
                    ("COMPLETED", Some("SUCCESS")) => CheckState::Passed,
                    ("COMPLETED", Some("NEUTRAL" | "SKIPPED" | "STALE")) => CheckState::Skipped,
                    ("COMPLETED", _) => CheckState::Failed,
                    _ => CheckState::Pending,
                },
                url: details_url,
                run: check_suite.and_then(|it| it.workflow_run?.database_id),
            },
            Self::StatusContext { context, state, target_url } => Check {
                name: context,
                state: match state.as_str() {
                    "SUCCESS" => CheckState::Passed,
                    "PENDING" | "EXPECTED" => CheckState::Pending,
                    _ => CheckState::Failed,
                },
                url: target_url,
                run: None,
            },
        }
    }
}

/// GitHub says that something is in the way, and not what: that is told by what is known beside it.
fn merge(it: &Pull, checks: &[Check], untold: &[Part]) -> Merge {
    match (it.mergeable.as_str(), it.merge_state_status.as_str()) {
        ("CONFLICTING", _) | (_, "DIRTY") => Merge::Conflict,
        ("MERGEABLE", "CLEAN" | "HAS_HOOKS" | "UNSTABLE") => Merge::Clean,
        ("MERGEABLE", state @ ("BLOCKED" | "DRAFT" | "BEHIND")) => {
            let mut reasons = Vec::new();
            let any = |state| checks.iter().any(|it: &Check| it.state == state);
            let mut because = |so: bool, says: &str| {
                if so {
                    reasons.push(says.to_owned());
                }
            };
            because(it.is_draft, "a draft");
            because(state == "BEHIND", "behind its base");
            if state == "BLOCKED" {
                let decision = it.review_decision.as_deref();
                because(decision == Some("REVIEW_REQUIRED"), "a review is wanted");
                because(decision == Some("CHANGES_REQUESTED"), "changes are wanted");
                because(any(CheckState::Failed), "a check failed");
                because(any(CheckState::Pending), "checks run");
                because(untold.contains(&Part::Checks), "perhaps by a check: they are not told");
                because(untold.contains(&Part::Reviews), "perhaps by a review: they are not told");
                if reasons.is_empty() {
                    reasons.push("by a rule of the repository".to_owned());
                }
            }
            Merge::Blocked { reasons }
        }
        _ => Merge::Unknown,
    }
}

impl Pull {
    fn seen(mut self, host: &str, mut untold: Vec<Part>) -> ForgePull {
        // What went wrong deep in a part that is there costs only what is missing in it: a token may not see one thing of each check.
        untold.retain(|it| match it {
            Part::Checks => self.status_check_rollup.is_none(),
            Part::Reviews => self.latest_reviews.is_none(),
            Part::Threads => self.review_threads.is_none(),
            Part::Landing => self.merge_queue_entry.is_none() && self.auto_merge_request.is_none(),
        });
        let contexts = self.status_check_rollup.take().map(|it| it.contexts);
        let checks_all = contexts.as_ref().and_then(|it| it.total).unwrap_or_default();
        let checks: Vec<Check> = contexts.into_iter().flat_map(Nodes::all).map(Context::seen).collect();
        let merge = merge(&self, &checks, &untold);
        let reviews = self.latest_reviews.take().into_iter().flat_map(Nodes::all);
        let threads = self.review_threads.take();
        let threads_all = threads.as_ref().and_then(|it| it.total).unwrap_or_default();
        let threads: Vec<Threaded> = threads.into_iter().flat_map(Nodes::all).collect();
        let login = |it: Option<Actor>| it.map_or_else(|| "ghost".to_owned(), |it| it.login);
        ForgePull {
            host: host.to_owned(),
            repo: self.repository.name_with_owner,
            number: self.number,
            project: None,
            id: self.id,
            url: Some(self.url),
            title: self.title,
            author: login(self.author),
            draft: self.is_draft,
            head: Tip { name: self.head_ref_name, oid: Oid(self.head_ref_oid) },
            base: Tip { name: self.base_ref_name, oid: Oid(self.base_ref_oid) },
            size: Size { files: self.changed_files, added: self.additions, removed: self.deletions },
            merge,
            checks_all: checks_all.max(checks.len() as u64),
            checks,
            decision: match self.review_decision.as_deref() {
                Some("APPROVED") => Decision::Approved,
                Some("CHANGES_REQUESTED") => Decision::Changes,
                Some("REVIEW_REQUIRED") => Decision::Required,
                _ => Decision::None,
            },
            reviews: reviews
                .map(|it| Review { by: login(it.author), says: it.state.to_lowercase() })
                .collect(),
            threads_all: threads_all.max(threads.len() as u64),
            threads: threads
                .into_iter()
                .map(|it| Thread {
                    id: it.id,
                    path: it.path,
                    line: it.line,
                    resolved: it.is_resolved,
                    outdated: it.is_outdated,
                })
                .collect(),
            queue: self.merge_queue_entry.map(|it| Queue {
                position: it.position,
                state: it.state.to_lowercase().replace('_', " "),
                seconds: it.estimated_time_to_merge,
            }),
            by_queue: self.is_merge_queue_enabled,
            auto_merge: self.auto_merge_request.is_some(),
            updated: moment(&self.updated_at),
            untold,
        }
    }
}
