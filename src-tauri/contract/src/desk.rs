//! The desk: what a spec and a plan say of themselves before anything runs, in any layout, as they lie at one commit. A spec page holds the
//! matrix of its sections, what it cites, its size, its questions and its tables; a plan page its phases, waves, coverage, proofs and scopes.
//!
//! Refuses to tell more than the bytes of that commit do, and what was recorded of them: what nobody looked at yet is said to be unknown.

use serde::{Deserialize, Serialize};

use crate::ids::{EvidenceId, ItemId, Oid, ProjectId, TaskId};
use crate::layout::{Diagnostic, Layout, Mark, Waits};
use crate::spec::{Verify, is_false};

pub mod rows;

/// A line of a file, relative to the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
}

impl Place {
    /// A line of a file.
    #[must_use]
    pub fn new(file: &str, line: usize) -> Self {
        Self { file: file.to_owned(), line }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// One item of a repository, as the desk lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskItem {
    /// Whose layout.
    pub layout: Layout,
    /// Its short name; with its path it is known by it.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its folder or file.
    pub path: String,
    /// Where its layout keeps it, if that says how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// How many phases it has.
    pub phases: usize,
    /// How many of its tasks are done.
    pub done: usize,
    /// How many tasks it has, those left out that only hold others.
    pub tasks: usize,
    /// How much of it could not be read as it should be.
    pub remarks: usize,
    /// The engine's item that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
}

/// The items of one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskOf {
    /// Which project.
    pub project: ProjectId,
    /// The commit that they were read from.
    pub commit: Oid,
    /// Its items, by layout and path.
    pub items: Vec<DeskItem>,
    /// Why they could not be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Everything that the desk shows of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskPage {
    /// What it is.
    pub item: DeskItem,
    /// The commit that it was read from; nothing if that is a working tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// Its spec.
    pub spec: SpecPage,
    /// Its plan.
    pub plan: PlanPage,
}

/// Some lines of a file at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskText {
    /// The file.
    pub file: String,
    /// The number of the first line here.
    pub from: usize,
    /// The lines.
    pub lines: Vec<String>,
    /// How many lines the file has.
    pub all: usize,
}

/// How a section of a spec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionState {
    /// It says something.
    Filled,
    /// It says why it does not apply.
    NotApplicable,
    /// It is not there, or says nothing.
    Missing,
}

/// A cell of the matrix: one section that the layout knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it is called.
    pub name: String,
    /// How it stands.
    pub state: SectionState,
    /// Whether a gate wants it; without it the others are advice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needed: bool,
    /// Where it stands, or should.
    pub place: Place,
    /// How long it is, in lines that say something.
    pub lines: usize,
    /// Why it does not apply, or how to mend that it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// How what is cited stands at the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CiteState {
    /// It is there.
    Exists,
    /// It is not there, and a task is to make it.
    New,
    /// It is not where it is said to be, and is found elsewhere.
    Moved,
    /// It is nowhere.
    Missing,
}

/// A path, a symbol or a heading that is cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// As it is written.
    pub cited: String,
    /// Where that stands.
    pub place: Place,
    /// How it stands.
    pub state: CiteState,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Place>,
    /// What is wrong and how to mend it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// How long a file is, beside its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// The file.
    pub file: String,
    /// Its lines.
    pub lines: usize,
    /// About so many tokens.
    pub tokens: usize,
    /// So many lines at most; nothing where only tokens count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_max: Option<usize>,
    /// So many tokens at most.
    pub tokens_max: usize,
}

impl Meter {
    /// Whether it is longer than it should be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tokens > self.tokens_max || self.lines_max.is_some_and(|it| self.lines > it)
    }
}

/// How a question of a spec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskState {
    /// Nobody answered it: it blocks.
    Blocks,
    /// A default stands for an answer.
    Defaulted,
    /// It is answered.
    Answered,
}

/// A question that a spec asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecQuestion {
    /// What it asks.
    pub asks: String,
    /// How it stands.
    pub state: AskState,
    /// Where.
    pub place: Place,
    /// What it costs to leave it, and how to mend it; empty if it is answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// Where an assumption or a decision comes from, as far as it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A person said it.
    Person,
    /// A default, which may be overturned.
    Default,
    /// It does not say.
    Unknown,
}

/// An assumption or a decision that a spec records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Whether it is a decision; else it is assumed.
    pub decided: bool,
    /// What it says.
    pub says: String,
    /// Where it comes from.
    pub source: Source,
    /// Where it stands.
    pub place: Place,
}

/// A table that a spec must have: risks, or what stays compatible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// What it is called.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// The words of its head; empty if it is a list.
    pub heads: Vec<String>,
    /// Its rows.
    pub rows: Vec<RegisterRow>,
    /// Why there is none, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Whether a gate wants a table, or why there is none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needed: bool,
}

/// A row of such a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRow {
    /// Its line.
    pub line: usize,
    /// Its cells.
    pub cells: Vec<String>,
    /// Which of the heads have nothing below them here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<String>,
}

/// What a gate says, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateCount {
    /// Its name, as `G5`.
    pub gate: String,
    /// What it looks at.
    pub looks_at: String,
    /// Whether nothing that it found blocks.
    pub holds: bool,
    /// So much of it blocks.
    pub blocks: usize,
    /// And so much is advice.
    pub advises: usize,
}

/// A spec, held against what its layout knows and what lies at the commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpecPage {
    /// Its gates, as far as files can tell.
    pub gates: Vec<GateCount>,
    /// Its questions, those that block first.
    pub questions: Vec<SpecQuestion>,
    /// The matrix.
    pub sections: Vec<Section>,
    /// How long its files are.
    pub meters: Vec<Meter>,
    /// What it cites, each once in a file.
    pub citations: Vec<Citation>,
    /// Assumptions and decisions.
    pub noted: Vec<Noted>,
    /// Risks, and what stays compatible.
    pub registers: Vec<Register>,
    /// What the gates found and nothing above says.
    pub findings: Vec<Diagnostic>,
}

/// A phase, and the file of its own that whoever works in it is handed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseLook {
    /// What it is called.
    pub title: String,
    /// Where its heading stands.
    pub place: Place,
    /// The file of its own, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How long that is; nothing if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Meter>,
    /// What must hold at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_when: Option<String>,
    /// How many of its tasks are done.
    pub done: usize,
    /// How many it has.
    pub tasks: usize,
    /// What is wrong and how to mend it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// Whether what a proof runs can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofState {
    /// Its program is there, and what it names.
    Resolves,
    /// What it names is made by a task of this plan.
    New,
    /// It is not there.
    Missing,
}

/// What the red check on the base tree said of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Red {
    /// It was not run yet.
    NotYetKnown,
    /// It fails there, as it should.
    Fails,
    /// It passes there: it proves nothing.
    Vacuous,
}

/// One command that proves a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The command.
    pub command: String,
    /// Whether it can be run.
    pub state: ProofState,
    /// What is not there, and how to mend it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// What the red check said.
    pub red: Red,
    /// The record of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
}

/// A task in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLook {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// Its phase, counted in the page's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<usize>,
    /// The wave that it comes in, from 0; nothing if it is over, optional, or never comes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// Why it is not in the wave before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waits>,
    /// Whether it waits in a circle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stuck: bool,
    /// What the file says of its state.
    pub state: Mark,
    /// Where it stands.
    pub place: Place,
    /// How it is proved, as it is written.
    pub verify: Verify,
    /// Each command of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proof>,
    /// What it may write; nothing if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// Requirements that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// Those of them that are no requirement of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<String>,
    /// Whether it is shown and never blocks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

impl TaskLook {
    /// Whether nothing is left to do of it, by its file.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, Mark::Done | Mark::Cancelled)
    }
}

/// A requirement, and who covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Its id.
    pub id: String,
    /// What it wants.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Tasks that cover it; none leaves it uncovered.
    pub tasks: Vec<TaskId>,
    /// Whether a gate wants it covered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needed: bool,
}

/// A glob that tasks may write, on the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLook {
    /// The glob, or the file.
    pub glob: String,
    /// Whose scope it is in.
    pub tasks: Vec<TaskId>,
    /// So many files of the tree it takes in.
    pub files: usize,
    /// Whether a task says that it makes it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub new: bool,
    /// Whether it takes in a hot file: whoever names one runs alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hot: bool,
    /// Where a task names it.
    pub place: Place,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// A plan: what would run when, and whether all of it can be proved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanPage {
    /// Its gate, as far as files can tell.
    pub gates: Vec<GateCount>,
    /// Its phases.
    pub phases: Vec<PhaseLook>,
    /// Its tasks in file order, those left out that only hold others.
    pub tasks: Vec<TaskLook>,
    /// How many waves its open tasks take.
    pub waves: usize,
    /// At most so many at once; nothing is any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
    /// Requirements with the tasks that cover them.
    pub coverage: Vec<Covered>,
    /// What tasks may write, by path.
    pub scopes: Vec<ScopeLook>,
    /// What the gate found and nothing above says.
    pub findings: Vec<Diagnostic>,
}
