//! GitHub's own descriptions of itself: the GraphQL schema, the OpenAPI description, and recorded webhooks. Published by GitHub
//! as npm packages, set up below `target/github` by `cargo xtask`; nothing of them is in this repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use serde_json::{Value, json};

/// Where they lie: `PILOTHOUSE_GITHUB`, or `target/github` at the top of this repository.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("PILOTHOUSE_GITHUB").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/github/node_modules/@octokit"),
        PathBuf::from,
    )
}

fn read(path: &str) -> Result<String, String> {
    let place = folder().join(path);
    std::fs::read_to_string(&place).map_err(|error| {
        format!(
            "{} cannot be read ({error}): `cargo xtask fake-github` or `cargo xtask test` sets it up",
            place.display()
        )
    })
}

/// The GraphQL schema. It has two fields twice, which is no reason to refuse it.
///
/// # Errors
/// If it is not there.
pub fn schema() -> Result<&'static Valid<Schema>, String> {
    static SCHEMA: OnceLock<Result<Valid<Schema>, String>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let text = read("graphql-schema/schema.graphql")?;
            Ok(Schema::parse_and_validate(text, "schema.graphql")
                .unwrap_or_else(|error| Valid::assume_valid(error.partial)))
        })
        .as_ref()
        .map_err(Clone::clone)
}

fn openapi() -> Result<&'static Value, String> {
    static API: OnceLock<Result<Value, String>> = OnceLock::new();
    API.get_or_init(|| {
        let text = read("openapi/generated/api.github.com.json")?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// Recorded webhooks of a kind: what GitHub really sent.
///
/// # Errors
/// If they are not there.
pub fn webhooks(kind: &str) -> Result<Vec<Value>, String> {
    let all: Value = serde_json::from_str(&read("webhooks-examples/api.github.com/index.json")?)
        .map_err(|error| error.to_string())?;
    let of_kind = all
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it.get("name").and_then(Value::as_str) == Some(kind));
    Ok(of_kind.filter_map(|it| it.get("examples")?.as_array().cloned()).flatten().collect())
}

/// OpenAPI 3.0 says `nullable` where JSON Schema says another type, and has words that JSON Schema does not know.
fn converted(it: &Value) -> Value {
    match it {
        Value::Array(all) => Value::Array(all.iter().map(converted).collect()),
        Value::Object(fields) => {
            let mut out: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(key, value)| {
                    !(matches!(
                        key.as_str(),
                        "nullable" | "discriminator" | "example" | "examples" | "format"
                    ) && (!value.is_object() || *key == "discriminator"))
                })
                .map(|(key, value)| (key.clone(), converted(value)))
                .collect();
            if let Some(Value::String(at)) = out.get_mut("$ref") {
                *at = at.replace("#/components/", "#/$defs/");
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                return json!({ "anyOf": [{ "type": "null" }, out] });
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// The path of the description that fits a real one.
fn path_of<'a>(api: &'a Value, path: &str) -> Option<(&'a String, &'a Value)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.trim_matches('/').split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(pattern, part)| pattern == part || pattern.starts_with('{'))
    };
    let mut all: Vec<_> =
        api.get("paths")?.as_object()?.iter().filter(|(pattern, _)| fits(pattern)).collect();
    all.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    all.first().copied()
}

/// Holds the body of an answer against the description. Says what is wrong with it.
///
/// # Errors
/// That, in words.
pub fn check_answer(method: &str, path: &str, status: u16, body: &Value) -> Result<(), String> {
    type Kept = Mutex<BTreeMap<String, std::sync::Arc<jsonschema::Validator>>>;
    static KEPT: OnceLock<Kept> = OnceLock::new();
    let api = openapi()?;
    let path = path.split('?').next().unwrap_or(path);
    let (pattern, found) = path_of(api, path).ok_or_else(|| format!("GitHub has no {path}"))?;
    let operation =
        found.get(method.to_lowercase()).ok_or_else(|| format!("GitHub takes no {method} at {pattern}"))?;
    let mut answer = operation
        .pointer(&format!("/responses/{status}"))
        .ok_or_else(|| format!("GitHub never answers {status} to {method} {pattern}"))?;
    if let Some(at) = answer.get("$ref").and_then(Value::as_str) {
        answer = api.pointer(at.trim_start_matches('#')).ok_or_else(|| format!("{at} is missing"))?;
    }
    let Some(schema) = answer.pointer("/content/application~1json/schema") else {
        return if body.is_null() {
            Ok(())
        } else {
            Err(format!("{status} to {method} {pattern} has no body"))
        };
    };
    let kept = KEPT.get_or_init(Mutex::default);
    let key = format!("{method} {pattern} {status}");
    let known = kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let validator = match known {
        Some(it) => it,
        None => {
            let mut whole = converted(schema);
            let parts = api.get("components").map(converted).unwrap_or_default();
            if let Value::Object(whole) = &mut whole {
                whole.insert("$defs".to_owned(), parts);
            }
            let made = jsonschema::validator_for(&whole).map_err(|error| format!("{key}: {error}"))?;
            let made = std::sync::Arc::new(made);
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), made.clone());
            made
        }
    };
    let wrong: Vec<String> =
        validator.iter_errors(body).take(5).map(|it| format!("{}: {it}", it.instance_path())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{key}: {}", wrong.join("; "))) }
}
