//! What must hold when a skill has done its work, as far as files tell: findings of a refinement or a review, lessons, the paths of a change.
//!
//! Pure: bytes and paths in, what is wrong out, each with its place and its remedy. It refuses to weigh a finding; it asks whether somebody can.

use pilothouse_contract::layout::{Diagnostic, LaidItem, LaidTask};
use serde::Deserialize;

use crate::policy::scope;
use crate::policy::specs::remark;

/// More findings than these are noise: nobody answers them.
const FINDINGS_MAX: usize = 20;

/// The findings of a refinement or a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Findings {
    kind: Kind,
    subject: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    lenses: Vec<Lens>,
    findings: Vec<Found>,
}

/// What the findings are of.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A spec.
    Refine,
    /// A change.
    Review,
}

/// What was looked for, and what came of it.
#[derive(Debug, Deserialize)]
struct Lens {
    lens: String,
    #[serde(default)]
    answer: String,
}

/// One finding.
#[derive(Debug, Deserialize)]
struct Found {
    id: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    place: String,
    #[serde(default)]
    claim: String,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    remedy: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    because: String,
    #[serde(default)]
    applied: String,
}

/// A file whose marks are gathered.
struct Marks<'a> {
    path: &'a str,
    text: &'a str,
    all: Vec<Diagnostic>,
}

impl Marks<'_> {
    /// Something is wrong about whatever has an id: at the line where that stands.
    fn about(&mut self, id: &str, says: String) {
        let quoted = serde_json::to_string(id).unwrap_or_default();
        let is_its_id = |at: &usize| {
            let before = self.text.get(..*at).unwrap_or_default().trim_end();
            before.strip_suffix(':').is_some_and(|it| it.trim_end().ends_with("\"id\""))
        };
        let all = || self.text.match_indices(&quoted).map(|(at, _)| at);
        let at = all().find(is_its_id).or_else(|| all().next()).filter(|_| !id.is_empty());
        let (line, column) = at.map_or((0, 0), |at| crate::policy::layouts::place(self.text.as_bytes(), at));
        self.all.push(Diagnostic { remark: remark(self.path, line, &says, true), column });
    }
}

/// Reads JSON; what is none is told with its place.
fn read<'a, T: Deserialize<'a>>(
    path: &str,
    bytes: &'a [u8],
    form: &str,
) -> Result<(T, &'a str), Vec<Diagnostic>> {
    let broken = |line: usize, column: usize, says: String| {
        Err(vec![Diagnostic { remark: remark(path, line, &says, true), column }])
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (line, column) = crate::policy::layouts::place(bytes, error.valid_up_to());
            return broken(
                line,
                column,
                "holds a byte here that is no UTF-8 text: save the file as UTF-8".to_owned(),
            );
        }
    };
    match serde_json::from_str(text) {
        Ok(it) => Ok((it, text)),
        Err(error) => broken(error.line(), error.column(), format!("cannot be read: {error}; write {form}")),
    }
}

/// What is wrong with the findings of a refinement or a review. `lines` says how many lines a file of the repository has.
#[must_use]
pub fn findings(path: &str, bytes: &[u8], lines: &dyn Fn(&str) -> Option<usize>) -> Vec<Diagnostic> {
    let form = "{\"kind\": \"refine\" or \"review\", \"subject\": …, \"author\": …, \"by\": …, \"lenses\": [{\"lens\", \"answer\"}], \"findings\": [{\"id\", \"severity\", \"place\", \"claim\", \"evidence\", \"remedy\", \"verdict\"}]}";
    let (it, text) = match read::<Findings>(path, bytes, form) {
        Ok(it) => it,
        Err(broken) => return broken,
    };
    let mut marks = Marks { path, text, all: Vec::new() };
    if it.subject.trim().is_empty() {
        marks.about("subject", "names no subject: say which spec or which commit was looked at".to_owned());
    }
    if it.author.trim().is_empty() || it.by.trim().is_empty() {
        marks.about(
            "by",
            "does not say who made the subject and who looked at it: fill author and by".to_owned(),
        );
    } else if it.author.trim().eq_ignore_ascii_case(it.by.trim()) {
        let says = format!(
            "was looked at by who made it, {}: let another model do it, of another vendor if there is one",
            it.by
        );
        marks.about("by", says);
    }
    if it.kind == Kind::Refine && it.lenses.is_empty() {
        marks.about("lenses", "names no lens: list each that was used, with its answer".to_owned());
    }
    for lens in it.lenses.iter().filter(|it| it.answer.trim().is_empty()) {
        marks.about(
            &lens.lens,
            format!("the lens '{}' has no answer: say what it found, or 'nothing, because'", lens.lens),
        );
    }
    if it.findings.len() > FINDINGS_MAX {
        let says = format!("has {} findings: keep the {FINDINGS_MAX} that matter most", it.findings.len());
        marks.about("findings", says);
    }
    for (at, found) in it.findings.iter().enumerate() {
        let mut wrong = |says: &str| marks.about(&found.id, format!("finding {}: {says}", found.id));
        if found.id.trim().is_empty() {
            wrong("has no id: give each one of its own");
        } else if it.findings.iter().skip(at + 1).any(|other| other.id == found.id) {
            wrong("has the id of another: give each one of its own");
        }
        let Some(severity) = severity(&found.severity) else {
            wrong("has no severity: high, medium or low (P0, P1 or P2)");
            continue;
        };
        for (what, text) in
            [("claim", &found.claim), ("evidence", &found.evidence), ("remedy", &found.remedy)]
        {
            if text.trim().is_empty() {
                wrong(&format!("has no {what}: without it nobody can act on it"));
            }
        }
        if let Some(says) = misplaced(&found.place, lines) {
            wrong(&says);
        }
        let verdict = found.verdict.trim();
        match verdict {
            "" if it.kind == Kind::Review => {}
            "accepted" if severity >= 1 && it.kind == Kind::Refine && found.applied.trim().is_empty() => {
                wrong("is accepted and not applied: change the spec, and name the place in applied");
            }
            "accepted" => {}
            "rejected" | "deferred" if found.because.trim().is_empty() => {
                wrong(&format!("is {verdict} without a reason: say why in because"));
            }
            "deferred" if severity == 2 => {
                wrong("is high and cannot be deferred: accept it, or reject it with a reason")
            }
            "rejected" | "deferred" => {}
            _ => wrong("has no verdict: accepted, rejected or deferred, by the author"),
        }
    }
    marks.all
}

/// How much a finding matters, from 0.
fn severity(word: &str) -> Option<u8> {
    match word.trim().to_lowercase().as_str() {
        "high" | "p0" => Some(2),
        "medium" | "p1" => Some(1),
        "low" | "p2" => Some(0),
        _ => None,
    }
}

/// What is wrong with a place `file:line`.
fn misplaced(place: &str, lines: &dyn Fn(&str) -> Option<usize>) -> Option<String> {
    let place = place.trim();
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse::<usize>().ok()),
        None => (place, None),
    };
    let Some(line) = line else { return Some("has no place: write file:line".to_owned()) };
    match lines(file) {
        None => Some(format!("names {file}, which is not there: mend its place")),
        Some(count) if line == 0 || line > count => {
            Some(format!("names line {line} of {file}, which has {count}: mend its place"))
        }
        Some(_) => None,
    }
}

/// What was learned.
#[derive(Debug, Deserialize)]
struct Lessons {
    lessons: Vec<Lesson>,
    #[serde(default)]
    rejected: Vec<Rejected>,
}

/// One lesson.
#[derive(Debug, Deserialize)]
struct Lesson {
    id: String,
    #[serde(default)]
    lesson: String,
    #[serde(default)]
    seen: Vec<String>,
    #[serde(default)]
    severe: bool,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    change: String,
    #[serde(default)]
    because: String,
}

/// What was not made a lesson.
#[derive(Debug, Deserialize)]
struct Rejected {
    lesson: String,
    #[serde(default)]
    because: String,
}

/// What is wrong with lessons. `has` says whether there is such a path in the repository.
#[must_use]
pub fn lessons(path: &str, bytes: &[u8], has: &dyn Fn(&str) -> bool) -> Vec<Diagnostic> {
    let form = "{\"lessons\": [{\"id\", \"lesson\", \"seen\": [runs], \"severe\", \"encoding\", \"change\"}], \"rejected\": [{\"lesson\", \"because\"}]}";
    let (it, text) = match read::<Lessons>(path, bytes, form) {
        Ok(it) => it,
        Err(broken) => return broken,
    };
    let mut marks = Marks { path, text, all: Vec::new() };
    for lesson in &it.lessons {
        let mut wrong = |says: &str| marks.about(&lesson.id, format!("lesson {}: {says}", lesson.id));
        if lesson.lesson.trim().is_empty() {
            wrong("says nothing: write what to do differently, in one sentence");
        }
        let mut seen: Vec<&str> =
            lesson.seen.iter().map(|it| it.trim()).filter(|it| !it.is_empty()).collect();
        seen.sort_unstable();
        seen.dedup();
        match (seen.len(), lesson.severe) {
            (0, _) => wrong("was seen in no run: name the runs in seen"),
            (1, false) => wrong(
                "was seen in one run only: wait for a second one, or say severe if it cost work or trust",
            ),
            _ => {}
        }
        if !["note", "doc", "skill", "lint", "test"].contains(&lesson.encoding.trim()) {
            wrong(
                "does not say how it is kept: encoding is note, doc, skill, lint or test, the strongest that can be",
            );
        }
        let change = lesson.change.trim();
        if change.is_empty() {
            wrong("changes nothing: name the file in change");
        } else if !has(change) {
            wrong(&format!("changes {change}, which is not there: make the change first, or mend the path"));
        } else if lesson.encoding.trim() == "skill"
            && change.ends_with("/SKILL.md")
            && lesson.because.trim().is_empty()
        {
            wrong(
                "changes a skill and does not say why a test, a lint or a document would not do: say it in because",
            );
        }
    }
    for rejected in it.rejected.iter().filter(|it| it.because.trim().is_empty()) {
        marks.about(
            &rejected.lesson,
            "is rejected without a reason: say why in because, or it comes back".to_owned(),
        );
    }
    marks.all
}

/// What is wrong with the paths that a change touches, given its task.
#[must_use]
pub fn change(
    item: &LaidItem,
    task: &LaidTask,
    changed: &[String],
    always: &[String],
    protected: &[String],
) -> Vec<Diagnostic> {
    let place = |path: &str, says: String| Diagnostic { remark: remark(path, 0, &says, true), column: 0 };
    let mut all = Vec::new();
    if changed.is_empty() {
        let says = format!(
            "nothing is changed since the base: do {}, or say why there is nothing to do",
            task.spec.id
        );
        all.push(place(&item.path, says));
    }
    for path in changed {
        let of_the_spec =
            path == &item.path || path.strip_prefix(item.path.as_str()).is_some_and(|it| it.starts_with('/'));
        if of_the_spec {
            all.push(place(
                path,
                "is of the spec, which no task changes: take it back with git checkout".to_owned(),
            ));
        } else if scope::any_matches(protected, path) {
            all.push(place(
                path,
                "is protected: take it back, and ask a person if it must change".to_owned(),
            ));
        } else if let Some(files) = &task.spec.files
            && !scope::allows(files, path)
            && !scope::any_matches(always, path)
        {
            let says =
                format!("is not in the scope of {}: take it back, or ask for Files to name it", task.spec.id);
            all.push(place(path, says));
        }
    }
    all
}
