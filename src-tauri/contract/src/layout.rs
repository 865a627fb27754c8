//! The layouts that people already have - spec-kit, OpenSpec, Kiro and others - read into one form: items with phases and tasks, each
//! with the bytes where it stands and the hash of its line as it was read.
//!
//! Refuses to say more than a file says: what a layout has no word for is left out, never guessed.

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::spec::{Phase, Remark, Requirement, TaskSpec, is_false};

/// A layout of specs and tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Ours: the folder of spec-kit, with phase files.
    #[default]
    Native,
    /// GitHub's spec-kit.
    SpecKit,
    /// OpenSpec.
    OpenSpec,
    /// Kiro.
    Kiro,
    /// cc-sdd, which extends Kiro's.
    CcSdd,
    /// Open Mercato: a spec, and a run as a folder or a file.
    OpenMercato,
    /// A Ralph loop's `prd.json`.
    Ralph,
    /// task-master.
    TaskMaster,
    /// Superpowers.
    Superpowers,
    /// agent-os 2.
    AgentOs,
    /// BMAD.
    Bmad,
}

impl Layout {
    /// Whether its folders lie where ours do, and are read as ours are.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Native | Self::SpecKit)
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
    pub(crate) fn is_native(&self) -> bool {
        *self == Self::Native
    }

    /// Its name, as its users say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::SpecKit => "spec-kit",
            Self::OpenSpec => "OpenSpec",
            Self::Kiro => "Kiro",
            Self::CcSdd => "cc-sdd",
            Self::OpenMercato => "Open Mercato",
            Self::Ralph => "Ralph",
            Self::TaskMaster => "task-master",
            Self::Superpowers => "Superpowers",
            Self::AgentOs => "agent-os",
            Self::Bmad => "BMAD",
        }
    }
}

/// A range of bytes in a file, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// What a file says of a task's state. We write two of them: open and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Not begun.
    #[default]
    Open,
    /// At work, by the file.
    Working,
    /// Partly done, or passed over: the file does not say which.
    Partial,
    /// Made, and not looked at yet.
    Review,
    /// Put off.
    Deferred,
    /// Waits for something outside.
    Blocked,
    /// Will not be done.
    Cancelled,
    /// Done.
    Done,
}

impl Mark {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Working => "working",
            Self::Partial => "partial",
            Self::Review => "review",
            Self::Deferred => "deferred",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }
}

/// Something that is not as it should be, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Where, what, how to mend it, and whether it blocks. The file is relative to the top of the repository.
    #[serde(flatten)]
    pub remark: Remark,
    /// The column, in signs from 1; 0 for the whole line.
    pub column: usize,
}

/// One phase.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaidPhase {
    /// What its heading and its meta lines say.
    #[serde(flatten)]
    pub phase: Phase,
    /// The line of its heading, from 1; 0 if it has none.
    pub line: usize,
}

/// A step within a task, with a box of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it says.
    pub title: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its state.
    pub state: Mark,
    /// The bytes of its line, the line's end not included.
    pub span: Span,
    /// The hash of its line as it was read.
    pub hash: String,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaidTask {
    /// What it is, in our own words. Its phase counts in the item's phases.
    #[serde(flatten)]
    pub spec: TaskSpec,
    /// What the file says of its state.
    pub state: Mark,
    /// The file, relative to the top of the repository.
    pub file: String,
    /// The bytes of its block: its line and what belongs to it.
    pub span: Span,
    /// The bytes of its line, the line's end not included.
    pub row: Span,
    /// The bytes that say its state.
    pub mark: Span,
    /// The hash of its line as it was read: who writes shows it, and is refused if the line is another by then.
    pub hash: String,
    /// The heading below the phase's that it stands under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The task that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// Whether it only holds others, and is done when they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub holds: bool,
    /// Whether the file gives it no id: this one is made of its place and its words, and never written.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unnamed: bool,
    /// Its steps, where a layout has such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// How many boxes a layout's own tools count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Boxes {
    /// Ticked.
    pub done: usize,
    /// In all.
    pub total: usize,
}

/// One piece of work in somebody's layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaidItem {
    /// Whose.
    pub layout: Layout,
    /// Its short name: of its folder, its file, or its tag.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its folder or file, relative to the top of the repository.
    pub path: String,
    /// What it was read from.
    pub files: Vec<String>,
    /// Where its layout keeps it, if that says how far it is: archived, implemented, approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What it wants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// Phases in file order.
    pub phases: Vec<LaidPhase>,
    /// Tasks in file order.
    pub tasks: Vec<LaidTask>,
    /// Boxes as its own tools count them.
    pub boxes: Boxes,
    /// What is not as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl LaidItem {
    /// An item with nothing in it.
    #[must_use]
    pub fn new(layout: Layout, name: &str, path: &str) -> Self {
        Self {
            layout,
            name: name.to_owned(),
            title: name.to_owned(),
            path: path.to_owned(),
            files: Vec::new(),
            stage: None,
            requirements: Vec::new(),
            phases: Vec::new(),
            tasks: Vec::new(),
            boxes: Boxes::default(),
            diagnostics: Vec::new(),
        }
    }
}

/// Why a task waits, of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// Others must be done first.
    Dependency,
    /// Another may write the same files.
    Scope,
    /// Another takes what there is one of.
    Resource,
    /// There are no more slots.
    Slot,
}

/// One reason why a task is not in an earlier wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Of which kind.
    pub because: Because,
    /// For whom, the last of them if there are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<TaskId>,
    /// In words.
    pub says: String,
}

/// One task in a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InWave {
    /// Which.
    pub task: TaskId,
    /// Why it is not in the wave before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waits>,
}

/// The open tasks of an item in waves: those of one wave may run at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waves {
    /// In order.
    pub waves: Vec<Vec<InWave>>,
    /// Tasks that never come to it: they wait in a circle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<TaskId>,
}

/// What one gate says of an item, as far as files can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLook {
    /// Its name in the design, as `G5`.
    pub gate: String,
    /// What it looks at.
    pub looks_at: String,
    /// Whether nothing that it found blocks.
    pub holds: bool,
    /// What it found, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Diagnostic>,
}
