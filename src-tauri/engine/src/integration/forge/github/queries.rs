//! The questions by GraphQL. Each is held against GitHub's own schema by a test, and its answer against `answers`.

/// What is read of a pull request. Three connections, so a page of fifty costs two points; no connection is nested in another one
/// here, for that would make it seventeen.
const PULL: &str = "fragment Pull on PullRequest {
  id number title url state isDraft updatedAt author { login }
  repository { nameWithOwner }
  headRefName headRefOid baseRefName baseRefOid additions deletions changedFiles
  mergeable mergeStateStatus reviewDecision
  autoMergeRequest { enabledAt }
  isMergeQueueEnabled mergeQueueEntry { position state estimatedTimeToMerge }
  latestReviews(first: 10) { nodes { author { login } state } }
  reviewThreads(first: 30) { totalCount nodes { id isResolved isOutdated path line } }
  statusCheckRollup { contexts(first: 60) { totalCount nodes { __typename
    ... on CheckRun { name status conclusion detailsUrl checkSuite { workflowRun { databaseId } } }
    ... on StatusContext { context state targetUrl } } } }
}";

/// Every open pull request that a search finds.
#[must_use]
pub fn open() -> String {
    format!(
        "query Open($words: String!, $first: Int!, $after: String) {{
  rateLimit {{ cost limit remaining resetAt }}
  search(type: ISSUE, query: $words, first: $first, after: $after) {{
    issueCount pageInfo {{ hasNextPage endCursor }} nodes {{ __typename ...Pull }}
  }}
}}
{PULL}"
    )
}

/// Some of them once more.
#[must_use]
pub fn again() -> String {
    format!(
        "query Again($ids: [ID!]!) {{
  rateLimit {{ cost limit remaining resetAt }}
  nodes(ids: $ids) {{ __typename ...Pull }}
}}
{PULL}"
    )
}

/// A pull request that was opened or found by us, in as few words as we need.
const OURS: &str = "fragment Ours on PullRequest { id number url baseRefName isCrossRepository }";

/// A repository, and what is open from one of its branches.
#[must_use]
pub fn before() -> String {
    format!(
        "query Before($owner: String!, $name: String!, $branch: String!) {{
  repository(owner: $owner, name: $name) {{
    id defaultBranchRef {{ name }}
    pullRequests(headRefName: $branch, states: [OPEN], first: 20) {{ nodes {{ ...Ours }} }}
  }}
}}
{OURS}"
    )
}

/// Opens a pull request.
#[must_use]
pub fn create() -> String {
    format!(
        "mutation Create($input: CreatePullRequestInput!) {{
  createPullRequest(input: $input) {{ pullRequest {{ ...Ours }} }}
}}
{OURS}"
    )
}

/// How pull requests stand that are to land there.
#[must_use]
pub fn there() -> String {
    "query There($ids: [ID!]!) {
  nodes(ids: $ids) { ... on PullRequest {
    id state headRefOid baseRefName mergeable mergeStateStatus isMergeQueueEnabled
    mergeQueueEntry { position state } autoMergeRequest { enabledAt } mergeCommit { oid }
    repository { mergeCommitAllowed squashMergeAllowed }
  } }
}"
    .to_owned()
}

/// A change of a landing, by its name there: into the queue and out of it, by itself or not, or now.
#[must_use]
pub fn landing(field: &str) -> String {
    let mut letters = field.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!(
        "mutation Land($input: {first}{}Input!) {{ {field}(input: $input) {{ __typename }} }}",
        letters.as_str()
    )
}
