//! The meta lines under a task or a phase: `- Key: value`, also in Kiro's italic form `- _Key: value_`. Keys are read
//! in any case and under their usual other names; unknown keys are kept as written.

use pilothouse_contract::TaskId;
use pilothouse_contract::spec::{Phase, Remark, Scope, TaskSpec, Verify};

use super::read::{Grammar, remark};

/// Takes a meta line apart.
pub(super) fn line(text: &str) -> Option<(&str, &str)> {
    let body = text.trim();
    let body = body.strip_prefix(['-', '*', '+'])?.strip_prefix([' ', '\t'])?.trim();
    let body = body.strip_prefix('_').map_or(body, |inner| inner.strip_suffix('_').unwrap_or(inner));
    let body = body.strip_prefix("**").map_or(body, |inner| inner);
    let (key, value) = body.split_once(':')?;
    let key = key.trim().trim_end_matches("**");
    let value = value.trim().trim_start_matches("**").trim();
    let fits = !key.is_empty() && key.chars().count() <= 24 && !key.contains(['`', '/', '[', ']', '(']);
    fits.then_some((key, value))
}

/// The words between backticks; if there are none, the whole value.
fn quoted(value: &str) -> Vec<String> {
    let inside: Vec<String> = value
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect();
    if inside.is_empty() && !value.is_empty() { vec![value.to_owned()] } else { inside }
}

/// A list of task ids; the word `none` is the empty list.
pub(super) fn ids(value: &str) -> Vec<TaskId> {
    value
        .split([',', ' ', ';'])
        .map(|it| it.trim_matches(['`', '.', '*', '_']))
        .filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("none") && !matches!(*it, "-" | "—" | "and"))
        .map(TaskId::from)
        .collect()
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|it| it.trim().trim_matches('`').to_owned()).filter(|it| !it.is_empty()).collect()
}

/// Puts a meta line into its phase.
pub(super) fn put_phase(phase: &mut Phase, key: &str, value: &str) {
    match key.to_lowercase().as_str() {
        "detail" => phase.detail = quoted(value).into_iter().next(),
        "done when" => phase.done_when = Some(value.to_owned()),
        "checkpoint" => phase.checkpoint = quoted(value),
        _ => {}
    }
}

/// Puts a meta line into its task.
pub(super) fn put(
    task: &mut TaskSpec,
    key: &str,
    value: &str,
    number: usize,
    grammar: &Grammar<'_>,
    remarks: &mut Vec<Remark>,
) {
    let twice = match key.to_lowercase().as_str() {
        "files" | "owned_files" | "owned files" => {
            let twice = task.files.is_some();
            task.files = Some(scope(value));
            twice
        }
        "verify" | "verification" | "run" | "test" | "test strategy" | "commands"
            if grammar.ours || value.contains('`') =>
        {
            let twice = task.verify != Verify::Unsaid;
            task.verify = verify(value);
            twice
        }
        "expect" | "expected" => task.expect.replace(quoted(value).concat()).is_some(),
        "proof" => task.proof.replace(value.to_lowercase()).is_some(),
        "depends" | "dependencies" | "depends on" => task.depends.replace(ids(value)).is_some(),
        "covers" | "requirements" | "ac" => {
            task.covers.extend(list(value));
            false
        }
        "uses" => {
            task.uses.extend(list(value));
            false
        }
        "tier" | "model" => task.tier.replace(value.to_owned()).is_some(),
        "gate" => task.gate.replace(value.to_lowercase()).is_some(),
        _ => {
            task.other.push((key.to_owned(), value.to_owned()));
            false
        }
    };
    if twice {
        let says = format!("{} has {key} twice: the last one counts", task.id);
        remarks.push(remark(grammar.file, number, &says, false));
    }
}

/// `` `a.rs` (new), `b/*.rs`, !`c` ``.
fn scope(value: &str) -> Scope {
    let mut scope = Scope::default();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((glob, behind)) = after.split_once('`') else { break };
        let (excluded, glob) = match glob.strip_prefix('!') {
            Some(glob) => (true, glob),
            None => (before.trim_end().ends_with('!'), glob),
        };
        let glob = glob.trim().to_owned();
        if excluded {
            scope.exclude.push(glob);
        } else {
            if behind.trim_start().starts_with("(new)") {
                scope.new.push(glob.clone());
            }
            scope.include.push(glob);
        }
        rest = behind;
    }
    if scope.include.is_empty() && scope.exclude.is_empty() {
        // Without backticks: the words between commas, as long as they are paths and not sentences.
        scope.include = list(value)
            .into_iter()
            .map(|it| it.trim_end_matches("(new)").trim().to_owned())
            .filter(|it| !it.contains(' '))
            .collect();
    }
    scope
}

fn verify(value: &str) -> Verify {
    let reason = |word: &str| {
        let rest = value.get(word.len()..).filter(|_| value.to_lowercase().starts_with(word))?;
        Some(rest.trim_start_matches([' ', '—', '-', ':']).trim().to_owned())
    };
    if value.is_empty() {
        Verify::Unsaid
    } else if let Some(reason) = reason("manual") {
        Verify::Manual(reason)
    } else if let Some(what) = reason("human") {
        Verify::Human(what)
    } else {
        Verify::Commands(quoted(value))
    }
}
