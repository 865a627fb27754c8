//! Reads a task file line by line. Never fails: what is odd becomes a remark with its line, and a task that cannot be
//! worked makes the remark blocking.

use std::collections::BTreeMap;

use pilothouse_contract::TaskId;
use pilothouse_contract::spec::{Phase, Remark, Spec, TaskSpec, Verify};

use super::meta;
use super::requirements::requirements;
use crate::policy::scope;

/// The files of a spec folder, as text.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder, relative to the top of the repository.
    pub folder: String,
    /// `spec.md`, if there is one.
    pub spec: Option<String>,
    /// `tasks.md`, if there is one.
    pub tasks: Option<String>,
    /// The other files' paths relative to the folder.
    pub others: Vec<String>,
}

/// Reads a whole spec folder.
#[must_use]
pub fn read_spec(sources: &Sources) -> Spec {
    let mut spec = Spec { folder: sources.folder.clone(), ..Spec::default() };
    if let Some(text) = &sources.spec {
        (spec.title, spec.summary) = title_and_summary(text);
        spec.requirements = requirements(text);
    } else {
        spec.remarks.push(remark("spec.md", 0, "is missing: write what is wanted and why", false));
    }
    let slug = sources.folder.rsplit('/').next().unwrap_or(&sources.folder);
    if !may_be_in_a_ref(slug) {
        let says = format!(
            "the folder's name '{slug}' cannot be part of a branch's name: rename it to digits, letters and dashes, \
             as in 012-invoice-export"
        );
        spec.remarks.push(remark("spec.md", 0, &says, true));
    }
    if spec.title.is_empty() {
        spec.title = sources.folder.rsplit('/').next().unwrap_or(&sources.folder).to_owned();
    }
    match &sources.tasks {
        Some(text) => {
            let read = read_tasks(text);
            spec.phases = read.phases;
            spec.tasks = read.tasks;
            spec.remarks.extend(read.remarks);
        }
        None => {
            spec.remarks.push(remark("tasks.md", 0, "is missing: without tasks nothing can be run", true))
        }
    }
    for phase in &spec.phases {
        if let Some(detail) = phase.detail.as_ref().filter(|detail| !sources.others.contains(detail)) {
            spec.remarks.push(remark(
                "tasks.md",
                0,
                &format!("phase '{}' names {detail}, which is not there", phase.title),
                false,
            ));
        }
    }
    spec
}

/// The first heading and the first paragraph under a heading that says Summary, or else the first paragraph.
fn title_and_summary(text: &str) -> (String, String) {
    let mut title = String::new();
    let mut first = String::new();
    let mut summary = String::new();
    let mut in_summary = false;
    let mut open = true;
    for line in text.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            if title.is_empty() {
                heading.clone_into(&mut title);
            }
            in_summary = heading.to_lowercase().contains("summary");
            open = true;
        } else if line.is_empty() {
            open = open && (if in_summary { &summary } else { &first }).is_empty();
        } else if open && !line.starts_with("- ") {
            let into = if in_summary { &mut summary } else { &mut first };
            if !into.is_empty() {
                into.push(' ');
            }
            into.push_str(line);
        }
    }
    (title, if summary.is_empty() { first } else { summary })
}

/// What a task file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFile {
    /// Phases in order.
    pub phases: Vec<Phase>,
    /// Tasks in order.
    pub tasks: Vec<TaskSpec>,
    /// What is odd.
    pub remarks: Vec<Remark>,
}

pub(super) fn remark(file: &str, line: usize, says: &str, blocking: bool) -> Remark {
    Remark { file: file.to_owned(), line, says: says.to_owned(), blocking }
}

/// A checkbox line, taken apart. Offsets are bytes within the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Box<'a> {
    /// Its indentation in bytes.
    pub(super) indent: usize,
    /// Where the one byte of the state stands.
    pub(super) state_at: usize,
    /// The state.
    pub(super) state: char,
    /// Marked as optional.
    pub(super) optional: bool,
    /// The rest of the line.
    pub(super) rest: &'a str,
}

/// Takes a checkbox line apart. A bracket that holds something else than a state is a legend and no task.
pub(super) fn checkbox(line: &str) -> Option<Box<'_>> {
    let body = line.trim_start_matches([' ', '\t']);
    let indent = line.len() - body.len();
    let after_bullet = body.strip_prefix(['-', '*', '+'])?;
    let inner = after_bullet.trim_start_matches([' ', '\t']);
    let gap = after_bullet.len() - inner.len();
    if gap == 0 {
        return None;
    }
    let mut chars = inner.strip_prefix('[')?.chars();
    let state = chars.next()?;
    if !matches!(state, ' ' | 'x' | 'X' | '-' | '~') {
        return None;
    }
    let rest = chars.as_str().strip_prefix(']')?;
    let (optional, rest) = rest.strip_prefix('*').map_or((false, rest), |rest| (true, rest));
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    Some(Box { indent, state_at: indent + 1 + gap + 1, state, optional, rest: rest.trim() })
}

/// Splits `T001`, `**2.1**.`, `3:` off the front of a task's text.
pub(super) fn split_id(text: &str) -> Option<(&str, &str)> {
    let bold = text.strip_prefix("**");
    let inner = bold.unwrap_or(text);
    let length = id_length(inner)?;
    let (id, mut rest) = (inner.get(..length)?, inner.get(length..)?);
    // The mark may stand inside or outside the bold.
    rest = rest.strip_prefix(['.', ':', ')']).unwrap_or(rest);
    if bold.is_some() {
        rest = rest.strip_prefix("**").unwrap_or(rest);
        rest = rest.strip_prefix(['.', ':', ')']).unwrap_or(rest);
    }
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| (id, rest.trim()))
}

/// The length of an id at the front: `T` and three or more digits; or numbers with dots, an optional letter and
/// `-word` or `-word-n` behind it.
fn id_length(text: &str) -> Option<usize> {
    let digits =
        |from: usize| text.get(from..).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let at = |place: usize| text.as_bytes().get(place).copied();
    if matches!(at(0), Some(b'T')) {
        let count = digits(1);
        return (count >= 3).then_some(1 + count);
    }
    let mut end = digits(0);
    if end == 0 {
        return None;
    }
    for _ in 0..3 {
        let more = digits(end + 1);
        if at(end) != Some(b'.') || more == 0 {
            break;
        }
        end += 1 + more;
    }
    let dotted = end > digits(0);
    if at(end).is_some_and(|byte| byte.is_ascii_lowercase())
        && !at(end + 1).is_some_and(|byte| byte.is_ascii_alphanumeric())
    {
        end += 1;
    }
    if dotted && at(end) == Some(b'-') {
        let word = text.get(end + 1..).map_or(0, |rest| {
            rest.bytes()
                .take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
                .count()
        });
        if word > 0 {
            end += 1 + word;
        }
    }
    Some(end)
}

/// Whether a line opens or closes a fenced block, and with what.
pub(super) fn fence(line: &str) -> Option<(char, usize)> {
    let body = line.trim_start();
    let mark = body.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let count = body.chars().take_while(|it| *it == mark).count();
    (count >= 3).then_some((mark, count))
}

/// Lines of a file without those inside fenced blocks, with their number from 0.
pub(super) fn outside_fences<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (usize, &'a str)> {
    let mut open: Option<(char, usize)> = None;
    lines.enumerate().filter(move |(_, line)| match (open, fence(line)) {
        (None, Some(mark)) => {
            open = Some(mark);
            false
        }
        (None, None) => true,
        (Some((mark, count)), Some((closing, length))) if mark == closing && length >= count => {
            open = None;
            false
        }
        (Some(_), _) => false,
    })
}

/// Reads `tasks.md`.
#[must_use]
pub fn read_tasks(text: &str) -> TaskFile {
    let mut file = TaskFile::default();
    // The current task, by its place in the list, with its indentation; and whether lines below the heading are the
    // phase's own.
    let mut current: Option<(usize, usize)> = None;
    let mut in_phase_head = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in outside_fences(text.lines()) {
        let number = number + 1;
        if let Some(title) = heading(line) {
            file.phases.push(Phase { title, ..Phase::default() });
            current = None;
            in_phase_head = true;
        } else if let Some(found) = checkbox(line) {
            current = None;
            in_phase_head = false;
            if let Some((id, rest)) = split_id(found.rest) {
                let task = task_of(&found, id, rest, number, file.phases.len().checked_sub(1));
                if task.partial && !task.optional {
                    let says = format!(
                        "the box of {id} holds '{}', which does not say whether it is to be worked: write [ ] if it is, \
                         [x] if it is done, or delete the task",
                        found.state
                    );
                    file.remarks.push(remark("tasks.md", number, &says, true));
                }
                current = Some((file.tasks.len(), found.indent));
                file.tasks.push(task);
            } else if looks_like_an_id(found.rest) {
                let says = format!(
                    "'{}' begins like a task but its id is none: write T and three digits, or numbers with dots",
                    found.rest
                );
                file.remarks.push(remark("tasks.md", number, &says, true));
            }
        } else if let Some((key, value)) = meta::line(line) {
            let indent = line.len() - line.trim_start().len();
            match current {
                Some((place, of)) if indent > of => {
                    if let Some(task) = file.tasks.get_mut(place) {
                        meta::put(task, key, value, number, &mut file.remarks);
                    }
                }
                _ if in_phase_head && indent == 0 => {
                    if let Some(phase) = file.phases.last_mut() {
                        meta::put_phase(phase, key, value);
                    }
                }
                _ => {}
            }
        } else if looks_broken(line) {
            let says = "looks like a task whose box is broken: a task line is '- [ ] T001 title'";
            file.remarks.push(remark("tasks.md", number, says, true));
        }
    }
    check(&mut file);
    file
}

/// Headings of two to four marks are phases; the first level is the file's title.
fn heading(line: &str) -> Option<String> {
    let marks = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = line.get(marks..)?;
    if !(2..=4).contains(&marks) || !rest.starts_with(' ') {
        return None;
    }
    Some(rest.trim().trim_end_matches('#').trim().to_owned())
}

fn task_of(found: &Box<'_>, id: &str, mut rest: &str, line: usize, phase: Option<usize>) -> TaskSpec {
    let mut task = TaskSpec {
        id: TaskId(id.to_owned()),
        phase,
        line,
        done: matches!(found.state, 'x' | 'X'),
        partial: matches!(found.state, '-' | '~'),
        optional: found.optional,
        ..TaskSpec::default()
    };
    while let Some((marker, after)) = marker(rest) {
        match marker {
            "P" => task.parallel = true,
            story if story.starts_with("US") => task.covers.push(story.to_owned()),
            priority => task.other.push(("priority".to_owned(), priority.to_owned())),
        }
        rest = after;
    }
    // `- [x] T001 ~~title~~` and a tail `— 3f2a9c1` stay part of the title, as written; dependencies are lifted.
    if let Some((title, depends)) = tail_depends(rest) {
        task.depends = Some(depends);
        rest = title;
    }
    rest.clone_into(&mut task.title);
    task
}

/// `[P]`, `(P)`, `[US1]`, `[P1]` in front of a title.
fn marker(text: &str) -> Option<(&str, &str)> {
    let (close, inner) = match text.strip_prefix('[') {
        Some(inner) => (']', inner),
        None => (')', text.strip_prefix('(')?),
    };
    let (word, rest) = inner.split_once(close)?;
    let known = word == "P"
        || word
            .strip_prefix("US")
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()))
        || (close == ']'
            && word.strip_prefix('P').is_some_and(|digit| matches!(digit, "0" | "1" | "2" | "3" | "4")));
    (known && rest.starts_with([' ', '\t'])).then(|| (word, rest.trim_start()))
}

/// `title (depends on T001, T002)`.
fn tail_depends(text: &str) -> Option<(&str, Vec<TaskId>)> {
    let open = text.rfind('(')?;
    let inner = text.get(open + 1..)?.strip_suffix(')')?;
    let list = inner.get(.."depends on ".len()).filter(|head| head.eq_ignore_ascii_case("depends on "))?;
    let ids = inner.get(list.len()..)?;
    Some((text.get(..open)?.trim_end(), meta::ids(ids)))
}

/// `T1`, `T01:`: somebody meant an id.
fn looks_like_an_id(text: &str) -> bool {
    let text = text.trim_start_matches("**");
    let Some(rest) = text.strip_prefix(['T', 't']) else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && rest.get(digits..).is_some_and(|after| !after.starts_with(|it: char| it.is_alphanumeric()))
}

/// `- [] T001`, `- [ x ] T001`, `-[ ] T001`, `[ ] T001`: a box that no tool recognises, in front of an id.
fn looks_broken(line: &str) -> bool {
    let body = line.trim_start();
    let bare = body.trim_start_matches(['-', '*', '+']).trim_start();
    let Some(inner) = bare.strip_prefix('[') else { return false };
    let Some((state, rest)) = inner.split_once(']') else {
        return inner.contains(" T0");
    };
    state.trim().len() <= 1
        && split_id(rest.trim_start_matches('*').trim()).is_some_and(|(id, _)| id.starts_with('T'))
}

/// What can only be seen once the file is read: ids twice, dependencies on nothing or in a circle, tasks without proof.
fn check(file: &mut TaskFile) {
    let mut lines: BTreeMap<TaskId, usize> = BTreeMap::new();
    for task in &file.tasks {
        if let Some(first) = lines.insert(task.id.clone(), task.line) {
            let says =
                format!("{} stands here and in line {first}: ids are unique and never given twice", task.id);
            file.remarks.push(remark("tasks.md", task.line, &says, true));
        }
    }
    for task in &file.tasks {
        for needed in task.depends.iter().flatten() {
            if !lines.contains_key(needed) {
                let says = format!("{} depends on {needed}, which is no task of this file", task.id);
                file.remarks.push(remark("tasks.md", task.line, &says, true));
            }
        }
        if task.done || task.optional {
            continue;
        }
        match &task.verify {
            Verify::Unsaid => {
                let says = format!(
                    "{} has no Verify: add '  - Verify: `command`', the proof that it is done",
                    task.id
                );
                file.remarks.push(remark("tasks.md", task.line, &says, true));
            }
            Verify::Manual(_) | Verify::Human(_) => {
                let says = format!("{} is verified by hand: the run will park there for a person", task.id);
                file.remarks.push(remark("tasks.md", task.line, &says, false));
            }
            Verify::Commands(_) => {}
        }
        if task.files.as_ref().is_some_and(|scope| scope.include.is_empty()) {
            let says = format!(
                "{}: Files names no path that it may write: write paths or globs between backticks, as in 'Files: \
                 `src/csv.rs`', or delete the line if they are not known",
                task.id
            );
            file.remarks.push(remark("tasks.md", task.line, &says, true));
        }
        if let Some(bad) = task
            .files
            .iter()
            .flat_map(|it| it.include.iter().chain(&it.exclude))
            .find_map(|it| scope::glob(it).err())
        {
            file.remarks.push(remark("tasks.md", task.line, &format!("{}: {bad}", task.id), true));
        }
        if let Some(bad) = task.expect.as_ref().and_then(|it| regex::Regex::new(it).err()) {
            file.remarks.push(remark(
                "tasks.md",
                task.line,
                &format!("{}: Expect is no regular expression: {bad}", task.id),
                true,
            ));
        }
    }
    if let Some(circle) = circle(&file.tasks, &file.phases) {
        let line = lines.get(&circle).copied().unwrap_or(0);
        file.remarks.push(remark(
            "tasks.md",
            line,
            &format!(
                "{circle} waits for itself, by way of others: look at Depends and at the order of the phases"
            ),
            true,
        ));
    }
    file.remarks.sort_by_key(|it| it.line);
}

/// Whether a task must be done before a later one that says nothing of `Depends`: earlier phases first, and within a phase
/// what stands above, but tasks marked parallel do not wait for each other. Optional tasks never hold others up.
#[must_use]
pub fn holds_up(earlier: &TaskSpec, later: &TaskSpec) -> bool {
    !earlier.optional && (earlier.phase != later.phase || !(earlier.parallel && later.parallel))
}

/// The tasks that must be done before the one at a place. Where `Depends` says nothing, the file decides: see [`holds_up`].
#[must_use]
pub fn needs(tasks: &[&TaskSpec], place: usize) -> Vec<TaskId> {
    let Some(task) = tasks.get(place) else { return Vec::new() };
    if let Some(named) = &task.depends {
        return named.clone();
    }
    tasks.iter().take(place).filter(|it| holds_up(it, task)).map(|it| it.id.clone()).collect()
}

/// Of the phases that have a checkpoint those whose checkpoint must hold before a task begins: those of the tasks that it names
/// under `Depends`, or else all before its own. Its own phase is never one of them.
pub fn gates(task: &TaskSpec, checked: &[usize], phase_of: impl Fn(&TaskId) -> Option<usize>) -> Vec<usize> {
    let comes_first = |phase: usize| match &task.depends {
        Some(named) => named.iter().any(|it| phase_of(it) == Some(phase)),
        None => task.phase.is_some_and(|own| phase < own),
    };
    checked.iter().copied().filter(|it| task.phase != Some(*it) && comes_first(*it)).collect()
}

/// Whether git lets a word stand between the slashes of a ref's name; see git-check-ref-format.
fn may_be_in_a_ref(word: &str) -> bool {
    let bad =
        |c: char| c.is_ascii_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '/');
    !(word.is_empty()
        || word.contains(bad)
        || word.contains("..")
        || word.contains("@{")
        || word.starts_with(['.', '-'])
        || word.ends_with('.')
        || word.ends_with(".lock"))
}

/// A task that waits for itself, by way of others, if there is one.
fn circle(tasks: &[TaskSpec], phases: &[Phase]) -> Option<TaskId> {
    let places: BTreeMap<&TaskId, Option<usize>> = tasks.iter().map(|it| (&it.id, it.phase)).collect();
    let of = |phase: usize| tasks.iter().filter(move |it| it.phase == Some(phase) && !it.optional);
    let checked: Vec<usize> =
        phases.iter().enumerate().filter(|(_, it)| !it.checkpoint.is_empty()).map(|(n, _)| n).collect();
    let tasks: Vec<&TaskSpec> = tasks.iter().collect();
    let all_needs = |place: usize, task: &TaskSpec| {
        let mut all = needs(&tasks, place);
        let gates = gates(task, &checked, |id| places.get(id).copied().flatten());
        all.extend(gates.into_iter().flat_map(of).map(|it| it.id.clone()));
        all
    };
    let mut left: BTreeMap<&TaskId, Vec<TaskId>> =
        tasks.iter().enumerate().map(|(place, task)| (&task.id, all_needs(place, task))).collect();
    loop {
        let free: Vec<&TaskId> = left
            .iter()
            .filter(|(_, needs)| needs.iter().all(|it| !left.contains_key(it)))
            .map(|(id, _)| *id)
            .collect();
        if free.is_empty() {
            return left.keys().next().map(|id| (*id).clone());
        }
        for id in free {
            left.remove(id);
        }
    }
}
