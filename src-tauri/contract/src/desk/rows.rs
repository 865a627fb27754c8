//! The desk's pages in rows: the same words on the command line and in the window, each with its place and its remedy. What blocks and what
//! is asked comes first.
//!
//! Refuses a word that no fact of the page backs. Other people's text is made fit for one line here, once.

use super::{
    AskState, CiteState, Covered, GateCount, Meter, Noted, PhaseLook, Place, PlanPage, Proof, ProofState,
    Red, Register, ScopeLook, Section, SectionState, Source, SpecPage, SpecQuestion, TaskLook,
};
use crate::layout::{Because, Diagnostic};
use crate::spec::Verify;
use crate::text;

/// A row says at most so much, in signs.
const WIDTH: usize = 300;

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// As it should be.
    Holds,
    /// To be known, and no more.
    Notes,
    /// Not as it should be.
    Advises,
    /// Nothing goes on with it.
    Blocks,
}

impl Sign {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Notes => "notes",
            Self::Advises => "advises",
            Self::Blocks => "blocks",
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How it stands.
    pub sign: Sign,
    /// The word at its left.
    pub label: String,
    /// What it says.
    pub says: String,
    /// How it is mended; empty where nothing is to be.
    pub remedy: String,
    /// Where it stands.
    pub place: Option<Place>,
}

/// Rows below one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The heading.
    pub title: &'static str,
    /// What it comes to.
    pub sum: String,
    /// The rows; without any, what there is instead.
    pub rows: Vec<Row>,
    /// What is said where there is no row.
    pub none: &'static str,
}

fn row(sign: Sign, label: &str, says: &str, remedy: &str, place: Option<&Place>) -> Row {
    let one = |it: &str| text::line(it, WIDTH);
    Row { sign, label: one(label), says: one(says), remedy: one(remedy), place: place.cloned() }
}

/// A number with its thing.
fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

fn joined<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The rows of a spec.
#[must_use]
pub fn spec(page: &SpecPage) -> Vec<Part> {
    let blocking = page.questions.iter().filter(|it| it.state == AskState::Blocks).count();
    let filled = page.sections.iter().filter(|it| it.state == SectionState::Filled).count();
    let exempt = page.sections.iter().filter(|it| it.state == SectionState::NotApplicable).count();
    let missing = page.sections.len() - filled - exempt;
    let lost = page.citations.iter().filter(|it| matches!(it.state, CiteState::Missing | CiteState::Moved));
    let assumed = page.noted.iter().filter(|it| !it.decided).count();
    // What is where it is said to be comes after what is not.
    let mut cited: Vec<&super::Citation> = page.citations.iter().collect();
    cited.sort_by_key(|it| match it.state {
        CiteState::Missing => 0,
        CiteState::Moved => 1,
        CiteState::New => 2,
        CiteState::Exists => 3,
    });
    vec![
        gates(&page.gates),
        Part {
            title: "Questions",
            sum: format!("{blocking} of {} block", page.questions.len()),
            rows: page.questions.iter().map(question).collect(),
            none: "No question is open.",
        },
        Part {
            title: "Sections",
            sum: format!("{filled} filled, {exempt} not applicable, {missing} missing"),
            rows: page.sections.iter().map(section).collect(),
            none: "This layout has no sections that are known.",
        },
        Part {
            title: "Size",
            sum: count(page.meters.len(), "file"),
            rows: page.meters.iter().map(|it| meter(it, "divide it")).collect(),
            none: "No file of it could be read.",
        },
        Part {
            title: "Cited",
            sum: format!("{} of {} not where they are said to be", lost.count(), page.citations.len()),
            rows: cited.into_iter().map(citation).collect(),
            none: "It cites no path and no symbol: name the code that it is about between backticks.",
        },
        Part {
            title: "Assumptions and decisions",
            sum: format!("{} assumed, {} decided", assumed, page.noted.len() - assumed),
            rows: page.noted.iter().map(noted).collect(),
            none: "None is written down.",
        },
        Part {
            title: "Risks and compatibility",
            sum: count(page.registers.iter().map(|it| it.rows.len()).sum(), "row"),
            rows: page.registers.iter().flat_map(register).collect(),
            none: "No table of either.",
        },
        findings(&page.findings),
    ]
}

/// The rows of a plan; its tasks are drawn and are no rows of their own.
#[must_use]
pub fn plan(page: &PlanPage) -> Vec<Part> {
    let uncovered = page.coverage.iter().filter(|it| it.tasks.is_empty()).count();
    let aimless = page.tasks.iter().filter(|it| it.covers.is_empty() && !it.is_over());
    let open = || page.tasks.iter().filter(|it| !it.is_over());
    let proofs: Vec<(&TaskLook, &Proof)> =
        open().flat_map(|task| task.proofs.iter().map(move |it| (task, it))).collect();
    let lost = proofs.iter().filter(|(_, it)| it.state == ProofState::Missing).count();
    let hot = page.scopes.iter().filter(|it| it.hot).count();
    let mut coverage: Vec<Row> = page.coverage.iter().map(covered).collect();
    coverage.extend(open().filter_map(|it| covers(it, !page.coverage.is_empty())));
    vec![
        gates(&page.gates),
        Part {
            title: "Why tasks wait",
            sum: format!("{} in {}", count(open().count(), "open task"), count(page.waves, "wave")),
            rows: open().flat_map(waits).collect(),
            none: "No task waits for another.",
        },
        Part {
            title: "Phases",
            sum: count(page.phases.len(), "phase"),
            rows: page.phases.iter().map(phase).collect(),
            none: "It is in no phases.",
        },
        Part {
            title: "Coverage",
            sum: format!(
                "{uncovered} of {} uncovered, {} without one",
                count(page.coverage.len(), "requirement"),
                count(aimless.count(), "task")
            ),
            rows: coverage,
            none: "The spec has no requirement with an id.",
        },
        Part {
            title: "Proofs",
            sum: format!("{lost} of {} cannot be run", count(proofs.len(), "command")),
            rows: open().flat_map(proof).collect(),
            none: "No task is open.",
        },
        Part {
            title: "Scopes on the tree",
            sum: format!("{}, {hot} hot", count(page.scopes.len(), "path")),
            rows: page.scopes.iter().map(scope).collect(),
            none: "No task says which files it may write, so each runs alone: add '  - Files: `path`'.",
        },
        findings(&page.findings),
    ]
}

fn gates(all: &[GateCount]) -> Part {
    let broken = all.iter().filter(|it| !it.holds).count();
    let rows = all.iter().map(|it| {
        let sign = if it.holds { Sign::Holds } else { Sign::Blocks };
        let says = match (it.blocks, it.advises) {
            (0, 0) => format!("{} holds", it.looks_at),
            (0, advises) => format!("{} holds, {} beside it", it.looks_at, count(advises, "remark")),
            (blocks, 0) => format!("{}: {blocks} in its way", it.looks_at),
            (blocks, advises) => {
                format!("{}: {blocks} in its way, {} beside them", it.looks_at, count(advises, "remark"))
            }
        };
        row(sign, &it.gate, &says, "", None)
    });
    Part {
        title: "Gates",
        sum: format!("{} of {} hold", all.len() - broken, all.len()),
        rows: rows.collect(),
        none: "Files tell nothing of a gate here.",
    }
}

fn findings(all: &[Diagnostic]) -> Part {
    let blocking = all.iter().filter(|it| it.remark.blocking).count();
    let rows = all.iter().map(|it| {
        let sign = if it.remark.blocking { Sign::Blocks } else { Sign::Advises };
        let place = Place::new(&it.remark.file, it.remark.line);
        // Findings carry their remedy behind a colon.
        let (says, remedy) = it.remark.says.split_once(": ").unwrap_or((&it.remark.says, ""));
        row(sign, if it.remark.blocking { "blocks" } else { "remark" }, says, remedy, Some(&place))
    });
    Part {
        title: "Findings",
        sum: if all.is_empty() { "none".to_owned() } else { format!("{blocking} of {} block", all.len()) },
        rows: rows.collect(),
        none: "Nothing else was found.",
    }
}

fn question(it: &SpecQuestion) -> Row {
    let (sign, label) = match it.state {
        AskState::Blocks => (Sign::Blocks, "open"),
        AskState::Defaulted => (Sign::Advises, "by default"),
        AskState::Answered => (Sign::Holds, "answered"),
    };
    row(sign, label, &it.asks, &it.says, Some(&it.place))
}

fn section(it: &Section) -> Row {
    let place = Some(&it.place);
    match it.state {
        SectionState::Filled => row(Sign::Holds, &it.name, &count(it.lines, "line"), "", place),
        SectionState::NotApplicable => {
            row(Sign::Notes, &it.name, &format!("not applicable: {}", it.says), "", place)
        }
        SectionState::Missing => {
            let sign = if it.needed { Sign::Blocks } else { Sign::Advises };
            row(sign, &it.name, "missing", &it.says, place)
        }
    }
}

fn meter(it: &Meter, remedy: &str) -> Row {
    let over = it.is_over();
    let most = it.lines_max.map(|most| format!(" of {most}")).unwrap_or_default();
    let says = format!("{} lines{most}, about {} of {} tokens", it.lines, it.tokens, it.tokens_max);
    let name = it.file.rsplit('/').next().unwrap_or(&it.file);
    let remedy =
        if over { format!("{remedy}, for no agent is handed so much at once") } else { String::new() };
    let sign = if over { Sign::Advises } else { Sign::Holds };
    row(sign, name, &says, &remedy, Some(&Place::new(&it.file, 1)))
}

fn citation(it: &super::Citation) -> Row {
    let found = it.found.as_ref().map(ToString::to_string).unwrap_or_default();
    let (sign, label, says) = match it.state {
        CiteState::Exists => (Sign::Holds, "there", format!("{} is at {found}", it.cited)),
        CiteState::New => (Sign::Notes, "new", format!("{} is made by this work", it.cited)),
        CiteState::Moved => (Sign::Advises, "moved", format!("{} is at {found}", it.cited)),
        CiteState::Missing => (Sign::Advises, "missing", format!("{} is not there", it.cited)),
    };
    row(sign, label, &says, &it.says, Some(&it.place))
}

fn noted(it: &Noted) -> Row {
    let label = if it.decided { "decided" } else { "assumed" };
    let (sign, source) = match (it.source, it.decided) {
        (Source::Person, _) => (Sign::Holds, "by a person: "),
        (Source::Default, _) => (Sign::Notes, "by default: "),
        (Source::Unknown, _) => (Sign::Notes, ""),
    };
    row(sign, label, &format!("{source}{}", it.says), "", Some(&it.place))
}

fn register(it: &Register) -> Vec<Row> {
    if let Some(because) = it.because.as_ref().filter(|_| it.rows.is_empty()) {
        return vec![row(Sign::Notes, &it.name, &format!("none: {because}"), "", Some(&it.place))];
    }
    if it.rows.is_empty() {
        let remedy = "write a row for each, or 'not applicable because'";
        let sign = if it.needed { Sign::Blocks } else { Sign::Advises };
        return vec![row(sign, &it.name, "no row", remedy, Some(&it.place))];
    }
    let rows = it.rows.iter().map(|of| {
        let cells =
            of.cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(n, cell)| {
                it.heads.get(n).map_or_else(|| cell.clone(), |head| format!("{head} {cell}"))
            });
        let says = cells.collect::<Vec<_>>().join(" · ");
        let (sign, remedy) = match of.empty.as_slice() {
            [] => (Sign::Holds, String::new()),
            empty => (Sign::Advises, format!("fill {}", empty.join(", "))),
        };
        row(sign, &it.name, &says, &remedy, Some(&Place::new(&it.place.file, of.line)))
    });
    rows.collect()
}

fn waits(task: &TaskLook) -> Vec<Row> {
    if task.stuck {
        let remedy = "look at Depends and at the order of the phases";
        let says = format!("{} waits for itself, by way of others", task.id);
        return vec![row(Sign::Blocks, "circle", &says, remedy, Some(&task.place))];
    }
    let rows = task.waits.iter().map(|it| {
        let label = because(it.because);
        row(Sign::Notes, label, &format!("{}: {}", task.id, it.says), "", Some(&task.place))
    });
    rows.collect()
}

/// A reason why a task waits, in one word.
#[must_use]
pub fn because(it: Because) -> &'static str {
    match it {
        Because::Dependency => "dependency",
        Because::Scope => "scope",
        Because::Resource => "resource",
        Because::Slot => "slot",
    }
}

fn phase(it: &PhaseLook) -> Row {
    let done = format!("{} of {} done", it.done, count(it.tasks, "task"));
    let file = match (&it.file, &it.meter) {
        (Some(file), Some(meter)) => {
            format!(", {file}, about {} of {} tokens", meter.tokens, meter.tokens_max)
        }
        (Some(file), None) => format!(", {file} is not there"),
        (None, _) => String::new(),
    };
    let when = it.done_when.as_ref().map(|it| format!(", done when {it}")).unwrap_or_default();
    let sign = match (it.says.is_empty(), it.file.is_some() && it.meter.is_none()) {
        (true, _) => Sign::Holds,
        (false, true) => Sign::Blocks,
        (false, false) => Sign::Advises,
    };
    row(sign, &it.title, &format!("{done}{file}{when}"), &it.says, Some(&it.place))
}

fn covered(it: &Covered) -> Row {
    if it.tasks.is_empty() {
        let remedy = format!("add 'Covers: {}' to the task that does it", it.id);
        let sign = if it.needed { Sign::Blocks } else { Sign::Advises };
        return row(sign, &it.id, &format!("covered by no task: {}", it.text), &remedy, Some(&it.place));
    }
    row(Sign::Holds, &it.id, &format!("by {}: {}", joined(&it.tasks), it.text), "", Some(&it.place))
}

fn covers(it: &TaskLook, known: bool) -> Option<Row> {
    let label = it.id.to_string();
    if !it.strays.is_empty() {
        let says = format!("covers {}, which the spec does not know", joined(&it.strays));
        return Some(row(Sign::Advises, &label, &says, "mend the id", Some(&it.place)));
    }
    if it.covers.is_empty() {
        let remedy = "add 'Covers: ' with the requirement that it is for";
        return known.then(|| row(Sign::Notes, &label, "covers no requirement", remedy, Some(&it.place)));
    }
    Some(row(Sign::Holds, &label, &format!("covers {}", joined(&it.covers)), "", Some(&it.place)))
}

fn proof(task: &TaskLook) -> Vec<Row> {
    let (label, place) = (task.id.to_string(), Some(&task.place));
    match &task.verify {
        Verify::Unsaid => {
            let remedy = "add '  - Verify: `command`', the proof that it is done";
            let sign = if task.optional { Sign::Notes } else { Sign::Blocks };
            return vec![row(sign, &label, "has no proof", remedy, place)];
        }
        Verify::Manual(why) => {
            return vec![row(Sign::Notes, &label, &format!("by hand: {why}"), "", place)];
        }
        Verify::Human(what) => {
            return vec![row(Sign::Notes, &label, &format!("by a person: {what}"), "", place)];
        }
        Verify::Commands(_) => {}
    }
    let rows = task.proofs.iter().map(|it| {
        let (sign, state) = match (it.state, it.red) {
            (ProofState::Missing, _) => (Sign::Blocks, "cannot be run"),
            (_, Red::Vacuous) => (Sign::Blocks, "is vacuous: it passed before the work"),
            (ProofState::New, Red::NotYetKnown) => {
                (Sign::Holds, "is made by the plan; red check not yet known")
            }
            (ProofState::Resolves, Red::NotYetKnown) => (Sign::Holds, "resolves; red check not yet known"),
            (_, Red::Fails) => (Sign::Holds, "resolves; fails before the work, as it should"),
        };
        let remedy = match it.red {
            Red::Vacuous if it.says.is_empty() => "write one that fails until the task is done",
            _ => &it.says,
        };
        row(sign, &label, &format!("{} {state}", it.command), remedy, place)
    });
    rows.collect()
}

fn scope(it: &ScopeLook) -> Row {
    let label = match (it.hot, it.new, it.files) {
        (true, ..) => "hot".to_owned(),
        (_, true, 0) => "new".to_owned(),
        (.., n) => count(n, "file"),
    };
    let sign = if it.says.is_empty() { Sign::Holds } else { Sign::Advises };
    let says = format!("{} by {}", it.glob, joined(&it.tasks));
    row(sign, &label, &says, &it.says, Some(&it.place))
}
