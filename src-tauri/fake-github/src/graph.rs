//! GraphQL: a query is parsed and checked by the official schema, reckoned in points by GitHub's own rule, and answered field by
//! field. What this double does not know is an error that says so, and never a value that was made up.

use std::cell::RefCell;
use std::collections::BTreeSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonMap;
use serde_json::{Map, Value, json};

use crate::nodes::Made;
use crate::world::{Node, World};
use crate::{mutations, nodes, official};

/// A connection gives at most so many at once.
const PAGE: u64 = 100;

/// What came of a query.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) body: Value,
    pub(crate) points: u64,
}

/// A query that is good by the schema.
pub(crate) struct Query {
    document: apollo_compiler::validation::Valid<ExecutableDocument>,
    name: Option<String>,
    variables: JsonMap,
    pub(crate) points: u64,
    pub(crate) nodes: u64,
    pub(crate) is_mutation: bool,
}

fn refusal(says: &str) -> Value {
    json!({ "errors": [{ "message": says }] })
}

/// Reads and checks a query.
///
/// # Errors
/// The answer that GitHub gives instead.
pub(crate) fn read(body: &Value) -> Result<Query, Value> {
    let schema = official::schema().map_err(|error| refusal(&error))?;
    let text = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| refusal("A query attribute must be specified and must be a string."))?;
    let document = ExecutableDocument::parse_and_validate(schema, text, "query.graphql")
        .map_err(|error| refusal(&error.errors.to_string()))?;
    let name =
        body.get("operationName").and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
    let variables: JsonMap = body
        .get("variables")
        .filter(|it| it.is_object())
        .and_then(|it| serde_json::from_value(it.clone()).ok())
        .unwrap_or_default();
    let operation =
        document.operations.get(name.as_deref()).map_err(|error| refusal(&error.message().to_string()))?;
    let given = body.get("variables").cloned().unwrap_or_default();
    let mut reckoned = Reckoned { document: &document, variables: &given, operation, requests: 1, nodes: 0 };
    reckoned.walk(&operation.selection_set, 1);
    let (requests, nodes) = (reckoned.requests, reckoned.nodes);
    let is_mutation = operation.is_mutation();
    if nodes > 500_000 {
        return Err(
            json!({ "errors": [{ "type": "MAX_NODE_LIMIT_EXCEEDED", "message": format!("This query requests up to {nodes} possible nodes which exceeds the maximum limit of 500,000.") }] }),
        );
    }
    // GitHub's rule: requests that would be needed for each connection, by a hundred, rounded, at least one.
    let points = (requests.saturating_add(50) / 100).max(1);
    Ok(Query { document, name, variables, points, nodes, is_mutation })
}

struct Reckoned<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Value,
    operation: &'a Operation,
    requests: u64,
    nodes: u64,
}

impl Reckoned<'_> {
    fn walk(&mut self, set: &SelectionSet, times: u64) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let mut below = times;
                    let number = |name: &str| {
                        let argument = field.arguments.iter().find(|it| it.name == name)?;
                        if let Some(variable) = argument.value.as_variable() {
                            let given = self.variables.get(variable.as_str()).and_then(Value::as_u64);
                            let preset = self.operation.variables.iter().find(|it| it.name == *variable);
                            return given
                                .or_else(|| u64::try_from(preset?.default_value.as_ref()?.to_i32()?).ok());
                        }
                        u64::try_from(argument.value.to_i32()?).ok()
                    };
                    if field.ty().inner_named_type().as_str().ends_with("Connection") {
                        below = times.saturating_mul(number("first").or_else(|| number("last")).unwrap_or(1));
                        self.requests = self.requests.saturating_add(times);
                        self.nodes = self.nodes.saturating_add(below);
                    } else if field.name == "nodes" && set.ty == "Query" {
                        let ids = self.variables.get("ids").and_then(Value::as_array).map_or(1, Vec::len);
                        below = u64::try_from(ids).unwrap_or(1).max(1);
                    }
                    self.walk(&field.selection_set, below);
                }
                Selection::InlineFragment(it) => self.walk(&it.selection_set, times),
                Selection::FragmentSpread(it) => {
                    if let Some(fragment) = self.document.fragments.get(&it.fragment_name) {
                        self.walk(&fragment.selection_set.clone(), times);
                    }
                }
            }
        }
    }
}

/// What resolvers share.
pub(crate) struct Within<'w> {
    pub(crate) world: RefCell<&'w mut World>,
    pub(crate) who: String,
    /// Whose mergeability was looked at without being known.
    looked: RefCell<BTreeSet<(String, u64)>>,
    points: u64,
    nodes: u64,
}

struct Object<'o, 'w> {
    within: &'o Within<'w>,
    value: Map<String, Value>,
}

/// Answers a query.
pub(crate) fn answer(world: &mut World, who: &str, query: &Query) -> Answered {
    let points = query.points;
    let within = Within {
        world: RefCell::new(world),
        who: who.to_owned(),
        looked: RefCell::default(),
        points,
        nodes: query.nodes,
    };
    let kind = if query.is_mutation { "Mutation" } else { "Query" };
    let root =
        Object { within: &within, value: [("__typename".to_owned(), kind.into())].into_iter().collect() };
    let done = match official::schema() {
        Ok(schema) => Execution::new(schema, &query.document)
            .enable_schema_introspection(true)
            .raw_variable_values(&query.variables)
            .operation_name(query.name.as_deref())
            .and_then(|it| it.execute_sync(&root))
            .map_err(|error| error.message().to_string()),
        Err(error) => Err(error),
    };
    let body = match done {
        Ok(done) => {
            let mut body = serde_json::to_value(&done).unwrap_or_default();
            for error in body.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
                typed(error);
            }
            if body.get("errors").and_then(Value::as_array).is_some_and(Vec::is_empty)
                && let Some(body) = body.as_object_mut()
            {
                body.remove("errors");
            }
            body
        }
        Err(error) => refusal(&error),
    };
    let looked = within.looked.take();
    drop(root);
    let world = within.world.into_inner();
    for (repo, number) in looked {
        world.reckon(&repo, number);
    }
    Answered { body, points }
}

/// GitHub's errors have a type beside the message; a resolver only has the message.
fn typed(error: &mut Value) {
    let Some(error) = error.as_object_mut() else { return };
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let message = message.trim_start_matches("resolver error: ").to_owned();
    if let Some((kind, says)) = message.split_once("::") {
        error.insert("type".to_owned(), kind.into());
        error.insert("message".to_owned(), says.into());
    }
}

pub(crate) fn error(kind: &str, says: &str) -> FieldError {
    FieldError { message: format!("{kind}::{says}") }
}

impl ObjectValue for Object<'_, '_> {
    fn type_name(&self) -> &str {
        self.value.get("__typename").and_then(Value::as_str).unwrap_or_default()
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let arguments = serde_json::to_value(info.arguments()).unwrap_or_default();
        let field = info.field_name();
        let found = match self.type_name() {
            "Query" => self.root(field, &arguments),
            "Mutation" => {
                let input = arguments.get("input").unwrap_or(&Value::Null);
                let mut made = mutations::perform(self.within, field, input)?;
                if let Some(made) = made.as_object_mut() {
                    made.insert(
                        "clientMutationId".to_owned(),
                        input.get("clientMutationId").cloned().unwrap_or_default(),
                    );
                }
                Ok(Some(made))
            }
            _ => Ok(None),
        }?;
        if matches!(field, "mergeable" | "mergeStateStatus")
            && self.value.get("mergeable").and_then(Value::as_str) == Some("UNKNOWN")
            && let Some((repo, number)) = self.own_pull()
        {
            self.within.looked.borrow_mut().insert((repo, number));
        }
        let found = match found {
            Some(found) => found,
            None => match self.deeper(field, &arguments)? {
                Some(found) => found,
                None => self.value.get(field).cloned().ok_or_else(|| FieldError {
                    message: format!("this double does not know {}.{field}", self.type_name()),
                })?,
            },
        };
        let listed = info.field_selections().iter().any(|it| lists(info.document(), &it.selection_set));
        self.within.given(found, &arguments, listed)
    }
}

/// Whether nodes of a connection are asked for, and not only how many there are.
fn lists(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.selections.iter().any(|it| match it {
        Selection::Field(it) => matches!(it.name.as_str(), "nodes" | "edges"),
        Selection::InlineFragment(it) => lists(document, &it.selection_set),
        Selection::FragmentSpread(it) => {
            document.fragments.get(&it.fragment_name).is_some_and(|it| lists(document, &it.selection_set))
        }
    })
}

impl Object<'_, '_> {
    fn text<'a>(&'a self, key: &str) -> &'a str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn own_pull(&self) -> Option<(String, u64)> {
        Some((self.value.get("__repo")?.as_str()?.to_owned(), self.value.get("number")?.as_u64()?))
    }

    fn root(&self, field: &str, arguments: &Value) -> Result<Option<Value>, FieldError> {
        let world = self.within.world.borrow();
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
        let missing = |id: &str| {
            error("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'"))
        };
        Ok(Some(match field {
            "viewer" => nodes::user(&world, &self.within.who, true),
            "rateLimit" => json!({
                "__typename": "RateLimit", "cost": self.within.points, "limit": crate::limits::HOURLY,
                "nodeCount": self.within.nodes, "used": world.limits.graphql.used + self.within.points,
                "remaining": world.limits.graphql.left().saturating_sub(self.within.points),
                "resetAt": crate::world::stamp(world.limits.graphql.reset),
            }),
            "repository" => {
                let full = format!("{}/{}", text("owner"), text("name"));
                let Some(repo) = world.repo(&full) else {
                    let says = format!("Could not resolve to a Repository with the name '{full}'.");
                    return Err(error("NOT_FOUND", &says));
                };
                nodes::repo(&world, repo, &self.within.who)
            }
            "user" => nodes::user(&world, text("login"), false),
            "node" => nodes::node(&world, text("id"), &self.within.who).ok_or_else(|| missing(text("id")))?,
            "nodes" => {
                let ids = arguments.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
                let found = ids.iter().map(|it| {
                    nodes::node(&world, it.as_str().unwrap_or_default(), &self.within.who).unwrap_or_default()
                });
                Value::Array(found.collect())
            }
            "search" => nodes::search(&world, text("query"), text("type"), &self.within.who)
                .map_err(|says| FieldError { message: says })?,
            _ => return Ok(None),
        }))
    }

    /// Fields that need what was asked for, or the world.
    fn deeper(&self, field: &str, arguments: &Value) -> Result<Option<Value>, FieldError> {
        let world = self.within.world.borrow();
        let who = self.within.who.as_str();
        let found = match (self.type_name(), field) {
            ("Repository", "pullRequests") => {
                world.repo(self.text("nameWithOwner")).map(|repo| nodes::pulls(&world, repo, arguments, who))
            }
            ("Repository", "pullRequest" | "issueOrPullRequest") => {
                let number = arguments.get("number").and_then(Value::as_u64).unwrap_or_default();
                let repo = world.repo(self.text("nameWithOwner"));
                let found = repo.and_then(|it| Some((it, it.pulls.get(&number)?)));
                let Some((repo, pull)) = found else {
                    let says = format!("Could not resolve to a PullRequest with the number of {number}.");
                    return Err(error("NOT_FOUND", &says));
                };
                Some(nodes::pull(&world, repo, pull, who))
            }
            ("Repository", "ref") => {
                let name = arguments.get("qualifiedName").and_then(Value::as_str).unwrap_or_default();
                let branch = name.trim_start_matches("refs/heads/");
                let repo = world.repo(self.text("nameWithOwner"));
                Some(repo.and_then(|it| nodes::branch(it, branch)).unwrap_or_default())
            }
            ("PullRequest", "repository" | "baseRepository" | "headRepository") => {
                let repo = self.own_pull().and_then(|(repo, _)| world.repo(&repo).cloned());
                repo.map(|it| nodes::repo(&world, &it, who))
            }
            ("User", "pullRequests") => Some(nodes::pulls_of(&world, self.text("login"), arguments, who)),
            ("CheckRun" | "StatusContext", "isRequired") => {
                let full = self.text("__repo");
                let name =
                    self.value.get("name").or_else(|| self.value.get("context")).and_then(Value::as_str);
                let required = world.repo(full).map(|it| it.required_checks.clone()).unwrap_or_default();
                Some(name.is_some_and(|name| required.iter().any(|it| it == name)).into())
            }
            _ => None,
        };
        Ok(found)
    }
}

impl Within<'_> {
    /// What an id leads to.
    pub(crate) fn node(&self, id: &str) -> Result<Node, FieldError> {
        let missing =
            || error("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'"));
        self.world.borrow().node(id).ok_or_else(missing)
    }

    fn given<'a>(
        &'a self,
        value: Value,
        arguments: &Value,
        listed: bool,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        Ok(match value {
            Value::Object(mut fields) if fields.contains_key("__typename") => {
                if let Some(Value::Array(all)) = fields.remove("__all") {
                    page(&mut fields, all, arguments, listed)?;
                }
                ResolvedValue::object(Object { within: self, value: fields })
            }
            Value::Array(all) => {
                let all: Result<Vec<_>, _> =
                    all.into_iter().map(|it| self.given(it, &Value::Null, false)).collect();
                ResolvedValue::list(all?)
            }
            leaf => ResolvedValue::leaf(
                serde_json::from_value::<apollo_compiler::response::JsonValue>(leaf).unwrap_or_default(),
            ),
        })
    }
}

/// Cuts a page out of all, by first and after, or last and before.
fn page(
    fields: &mut Map<String, Value>,
    all: Made,
    arguments: &Value,
    listed: bool,
) -> Result<(), FieldError> {
    let name = fields.get("__typename").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| arguments.get(key).and_then(Value::as_u64);
    let place = |key: &str| {
        let cursor = arguments.get(key).and_then(Value::as_str)?;
        cursor.strip_prefix("cursor:")?.parse::<usize>().ok()
    };
    let (first, last) = (number("first"), number("last"));
    let Some(size) = first.or(last).or((!listed).then_some(0)) else {
        let says = format!(
            "You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        );
        return Err(error("MISSING_PAGINATION_BOUNDARIES", &says));
    };
    if size > PAGE {
        let says = format!(
            "Requesting {size} records on the `{name}` connection exceeds the `first` limit of {PAGE} records."
        );
        return Err(error("EXCESSIVE_PAGINATION", &says));
    }
    let size = usize::try_from(size).unwrap_or_default();
    let total = all.len();
    let (from, to) =
        (place("after").map_or(0, |it| it + 1).min(total), place("before").unwrap_or(total).min(total));
    let (from, to) = if first.is_some() {
        (from, (from + size).min(to).max(from))
    } else {
        (to.saturating_sub(size).max(from), to.max(from))
    };
    let shown: Vec<Value> = all.into_iter().skip(from).take(to - from).collect();
    let cursor = |n: usize| format!("cursor:{n}");
    let edge = name.replace("Connection", "Edge");
    let edges = shown
        .iter()
        .enumerate()
        .map(|(n, node)| json!({ "__typename": edge, "cursor": cursor(from + n), "node": node }));
    fields.insert("edges".to_owned(), Value::Array(edges.collect()));
    let ends = |n: usize| if shown.is_empty() { Value::Null } else { cursor(n).into() };
    let info = json!({
        "__typename": "PageInfo", "hasNextPage": to < total, "hasPreviousPage": from > 0,
        "startCursor": ends(from), "endCursor": ends(to.saturating_sub(1)),
    });
    fields.insert("pageInfo".to_owned(), info);
    fields.entry("totalCount").or_insert_with(|| total.into());
    fields.insert("nodes".to_owned(), Value::Array(shown));
    Ok(())
}
