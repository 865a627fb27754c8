//! Skills: which there are for which stage of the work, whose they are, and how those of ours stand in a repository.
//!
//! Refuses to judge a skill by its words: its form, its size and its commands can be checked, what it is worth cannot.

use serde::{Deserialize, Serialize};

use crate::instructions::Finding;

/// A stage of the work that a skill is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// From an idea to a spec.
    Spec,
    /// The spec attacked by somebody else.
    Refine,
    /// From the spec to tasks.
    Plan,
    /// One task.
    Implement,
    /// A change judged.
    Review,
    /// A change brought to the default branch.
    Land,
    /// What was learned, kept.
    Distill,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Spec, Self::Refine, Self::Plan, Self::Implement, Self::Review, Self::Land, Self::Distill];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Refine => "refine",
            Self::Plan => "plan",
            Self::Implement => "implement",
            Self::Review => "review",
            Self::Land => "land",
            Self::Distill => "distill",
        }
    }
}

/// The skill or command that a repository has for a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSkill {
    /// The stage.
    pub stage: Stage,
    /// Its name.
    pub name: String,
    /// Its file, relative to the top of the repository.
    pub path: String,
    /// Whose it is: `Pilothouse`, `spec-kit`, `Superpowers` and so on; or `this repository`.
    pub of: String,
}

/// How a file of a skill of ours stands in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is not there.
    Missing,
    /// It is what this program brings.
    Current,
    /// It is what an earlier program brought, untouched.
    Older,
    /// Somebody changed it, or it was there before.
    Edited,
    /// It is what an earlier program brought, and this one does not any more.
    Dropped,
    /// It is, or lies behind, a link that leads out of the repository, or no plain file.
    Barred,
}

/// A file of a skill of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillFile {
    /// Relative to the top of the repository.
    pub path: String,
    /// How it stood.
    pub standing: Standing,
    /// What was done, or would be: `written`, `replaced`, `removed`, `kept`; nothing if there was nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// Why it was kept, or where a copy lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What `skills install` did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Installed {
    /// Whether everything of ours is there as this program brings it.
    pub holds: bool,
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// Files, in order.
    pub files: Vec<SkillFile>,
    /// What Claude Code reads: its path, and `link`, `copy` or why neither.
    pub links: Vec<(String, String)>,
    /// Stages for which the repository has something of its own, which goes before ours.
    pub theirs: Vec<StageSkill>,
    /// Skills of ours that are not brought for that.
    pub left_out: Vec<String>,
}

/// What `skills check` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SkillsChecked {
    /// Whether nothing blocking was found.
    pub holds: bool,
    /// Skills that were looked at, by their folders.
    pub skills: Vec<CheckedSkill>,
    /// Files of ours that are not what this program brings.
    pub drift: Vec<SkillFile>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// A skill as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CheckedSkill {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the top of the repository.
    pub path: String,
    /// What it says it is for.
    pub description: String,
    /// Lines of its `SKILL.md`.
    pub lines: usize,
    /// About so many tokens of it.
    pub tokens: u64,
    /// Cases of its evaluation.
    pub evals: usize,
    /// Commands of this program that it names.
    pub commands: Vec<String>,
}
