//! Reads a task file line by line. Never fails: what is odd becomes a remark with its line, and a task that cannot be
//! worked makes the remark blocking.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::Span;
use pilothouse_contract::spec::{Phase, Remark, Spec, TaskSpec};

use super::check::check;
use super::lines::lines;
use super::meta;
use super::requirements::requirements;
use super::sidecar::fill;

/// The files of a spec folder, as text.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder, relative to the top of the repository.
    pub folder: String,
    /// `spec.md`, if there is one.
    pub spec: Option<String>,
    /// `tasks.md`, if there is one.
    pub tasks: Option<String>,
    /// `tasks.scope.md`, if there is one.
    pub scope: Option<String>,
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
        spec.issue = issue(text);
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
            let read = read_beside(text, sources.scope.as_deref());
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

/// The key in the first line `Issue: ABC-123`, which may be an item of a list or bold.
fn issue(text: &str) -> Option<String> {
    let marks: &[char] = &['-', '*', ' ', '`', '_'];
    let mut keys = lines(text).filter(|it| !it.hidden).filter_map(|it| {
        let line = it.text.trim_matches(marks);
        let (key, value) = line.split_once(':')?;
        key.trim_matches(marks).eq_ignore_ascii_case("issue").then(|| value.trim_matches(marks).to_owned())
    });
    let is_key =
        |it: &String| !it.is_empty() && it.chars().count() <= 80 && !it.contains(char::is_whitespace);
    keys.find(is_key)
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

pub(in crate::policy) fn remark(file: &str, line: usize, says: &str, blocking: bool) -> Remark {
    Remark { file: file.to_owned(), line, says: says.to_owned(), blocking }
}

/// A checkbox line, taken apart. Offsets are bytes within the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Box<'a> {
    /// Its indentation in bytes.
    pub(in crate::policy) indent: usize,
    /// Where the one byte of the state stands.
    pub(in crate::policy) state_at: usize,
    /// The state.
    pub(in crate::policy) state: char,
    /// Marked as optional.
    pub(in crate::policy) optional: bool,
    /// The rest of the line.
    pub(in crate::policy) rest: &'a str,
}

/// Takes a checkbox line apart. A bracket that holds something else than a state is a legend and no task.
pub(in crate::policy) fn checkbox(line: &str) -> Option<Box<'_>> {
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

/// Splits `T001`, `**2.1**.`, `3:` off the front of a task's text; and whether a star behind it says that it is optional.
pub(in crate::policy) fn split_id(text: &str) -> Option<(&str, &str, bool)> {
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
    let (starred, rest) = match rest.strip_prefix('*') {
        Some(after) if bold.is_none() => (true, after),
        _ => (false, rest),
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| (id, rest.trim(), starred))
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

/// What of a layout's task files differs from ours.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Grammar<'a> {
    /// The file's name in remarks.
    pub(in crate::policy) file: &'a str,
    /// Which headings begin a phase, by their number of marks and their words.
    pub(in crate::policy) heading: fn(usize, &str) -> bool,
    /// Whether this is ours, and a run begins with it: a box that says neither, and an id that is none, then block it; and a
    /// `Verify` without backticks is a command.
    pub(in crate::policy) ours: bool,
    /// Whether a box without an id is a task, too.
    pub(in crate::policy) unnamed: bool,
}

/// Our own.
pub(in crate::policy) const OURS: Grammar<'static> =
    Grammar { file: "tasks.md", heading: |marks, _| (2..=4).contains(&marks), ours: true, unnamed: false };

/// Where a task stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Place {
    /// Its indentation in bytes.
    pub(in crate::policy) indent: usize,
    /// The bytes of its line.
    pub(in crate::policy) row: Span,
    /// The byte of its state.
    pub(in crate::policy) state_at: usize,
    /// That state.
    pub(in crate::policy) state: char,
    /// Where its block ends.
    pub(in crate::policy) end: usize,
}

/// A file of tasks with places.
#[derive(Debug, Default)]
pub(in crate::policy) struct Placed {
    /// What it says.
    pub(in crate::policy) file: TaskFile,
    /// Of each phase the number of marks of its heading, and its line.
    pub(in crate::policy) heads: Vec<(usize, usize)>,
    /// Where each task stands.
    pub(in crate::policy) places: Vec<Place>,
    /// Boxes that are no tasks: checklists.
    pub(in crate::policy) others: usize,
}

/// Reads `tasks.md`.
#[must_use]
pub fn read_tasks(text: &str) -> TaskFile {
    read_beside(text, None)
}

/// Reads `tasks.md` with what lies beside it.
fn read_beside(text: &str, scope: Option<&str>) -> TaskFile {
    let mut file = placed(text, &OURS).file;
    if let Some(scope) = scope {
        file.remarks.extend(fill("tasks.scope.md", scope, file.tasks.iter_mut()));
    }
    check(OURS.file, &file.phases, &file.tasks, &mut file.remarks);
    file
}

/// Reads a task file, and where everything stands in it.
pub(in crate::policy) fn placed(text: &str, grammar: &Grammar<'_>) -> Placed {
    let mut all = Placed::default();
    // The current task, by its place in the list, with its indentation; and whether lines below the heading are the
    // phase's own.
    let mut current: Option<(usize, usize)> = None;
    let mut in_phase_head = false;
    for line in lines(text) {
        let (number, words) = (line.number, line.text);
        let indent = words.len() - words.trim_start().len();
        let belongs = |it: &(usize, usize)| indent > it.1 && !words.trim().is_empty();
        if line.hidden {
            if let Some(place) = current.filter(belongs).and_then(|(place, _)| all.places.get_mut(place)) {
                place.end = line.end;
            }
            continue;
        }
        if let Some((marks, title)) = heading(words) {
            if (grammar.heading)(marks, &title) {
                all.file.phases.push(Phase { title, ..Phase::default() });
                all.heads.push((marks, number));
                in_phase_head = true;
            }
            current = None;
            continue;
        }
        if let Some(found) = checkbox(words) {
            current = None;
            in_phase_head = false;
            let named = split_id(found.rest).or_else(|| grammar.unnamed.then_some(("", found.rest, false)));
            if let Some((id, rest, starred)) = named {
                let mut task = task_of(&found, id, rest, number, all.file.phases.len().checked_sub(1));
                task.optional |= starred;
                if grammar.ours && task.partial && !task.optional {
                    let says = format!(
                        "the box of {id} holds '{}', which does not say whether it is to be worked: write [ ] if it is, \
                         [x] if it is done, or delete the task",
                        found.state
                    );
                    all.file.remarks.push(remark(grammar.file, number, &says, true));
                }
                current = Some((all.file.tasks.len(), found.indent));
                all.places.push(Place {
                    indent: found.indent,
                    row: line.span,
                    state_at: line.span.from + found.state_at,
                    state: found.state,
                    end: line.end,
                });
                all.file.tasks.push(task);
            } else if looks_like_an_id(found.rest) {
                let says = format!(
                    "'{}' begins like a task but its id is none: write T and three digits, or numbers with dots",
                    found.rest
                );
                all.file.remarks.push(remark(grammar.file, number, &says, grammar.ours));
            } else {
                all.others += 1;
            }
            continue;
        }
        let own = current.filter(belongs).map(|(place, _)| place);
        if let Some(place) = own.and_then(|it| all.places.get_mut(it)) {
            place.end = line.end;
        }
        if let Some((key, value)) = meta::line(words) {
            if let Some(task) = own.and_then(|it| all.file.tasks.get_mut(it)) {
                meta::put(task, key, value, number, grammar, &mut all.file.remarks);
            } else if in_phase_head
                && indent == 0
                && let Some(phase) = all.file.phases.last_mut()
            {
                meta::put_phase(phase, key, value);
            }
        } else if looks_broken(words) {
            let says = "looks like a task whose box is broken: a task line is '- [ ] T001 title'";
            all.file.remarks.push(remark(grammar.file, number, says, grammar.ours));
        }
    }
    all
}

/// A heading below the file's title: its number of marks and its words.
pub(in crate::policy) fn heading(line: &str) -> Option<(usize, String)> {
    let marks = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = line.get(marks..)?;
    if !(2..=6).contains(&marks) || !rest.starts_with(' ') {
        return None;
    }
    Some((marks, rest.trim().trim_end_matches('#').trim().to_owned()))
}

pub(in crate::policy) fn task_of(
    found: &Box<'_>,
    id: &str,
    mut rest: &str,
    line: usize,
    phase: Option<usize>,
) -> TaskSpec {
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
        && split_id(rest.trim_start_matches('*').trim()).is_some_and(|(id, ..)| id.starts_with('T'))
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
