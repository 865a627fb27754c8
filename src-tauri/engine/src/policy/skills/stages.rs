//! Which skill or command a repository has for a stage: its own before ours, as its names say.

use std::collections::BTreeMap;

use pilothouse_contract::skill::{Stage, StageSkill};

use super::name_for;
use crate::policy::instructions::{SKILL_ROOTS, skill_of};

/// Names of skills and commands of others, the better one for a stage first.
const KNOWN: [(&str, &str, Stage); 33] = [
    ("speckit-specify", "spec-kit", Stage::Spec),
    ("speckit-clarify", "spec-kit", Stage::Refine),
    ("speckit-analyze", "spec-kit", Stage::Refine),
    ("speckit-tasks", "spec-kit", Stage::Plan),
    ("speckit-plan", "spec-kit", Stage::Plan),
    ("speckit-implement", "spec-kit", Stage::Implement),
    ("openspec-propose", "OpenSpec", Stage::Spec),
    ("openspec-proposal", "OpenSpec", Stage::Spec),
    ("openspec-apply-change", "OpenSpec", Stage::Implement),
    ("openspec-apply", "OpenSpec", Stage::Implement),
    ("kiro-spec-requirements", "cc-sdd", Stage::Spec),
    ("kiro-validate-design", "cc-sdd", Stage::Refine),
    ("kiro-spec-tasks", "cc-sdd", Stage::Plan),
    ("kiro-spec-impl", "cc-sdd", Stage::Implement),
    ("brainstorming", "Superpowers", Stage::Spec),
    ("writing-plans", "Superpowers", Stage::Plan),
    ("test-driven-development", "Superpowers", Stage::Implement),
    ("executing-plans", "Superpowers", Stage::Implement),
    ("requesting-code-review", "Superpowers", Stage::Review),
    ("finishing-a-development-branch", "Superpowers", Stage::Land),
    ("write-spec", "this repository", Stage::Spec),
    ("spec-writing", "this repository", Stage::Spec),
    ("refine", "this repository", Stage::Refine),
    ("refine-spec", "this repository", Stage::Refine),
    ("write-plan", "this repository", Stage::Plan),
    ("implement-task", "this repository", Stage::Implement),
    ("implement", "this repository", Stage::Implement),
    ("code-review", "this repository", Stage::Review),
    ("review", "this repository", Stage::Review),
    ("review-pr", "this repository", Stage::Review),
    ("land", "this repository", Stage::Land),
    ("retro", "this repository", Stage::Distill),
    ("distill", "this repository", Stage::Distill),
];

/// Words in the names of Open Mercato's skills, the surer one first.
const MERCATO: [(&str, Stage); 12] = [
    ("spec-writing", Stage::Spec),
    ("code-review", Stage::Review),
    ("pre-implement", Stage::Refine),
    ("analy", Stage::Refine),
    ("implement", Stage::Implement),
    ("create-pr", Stage::Implement),
    ("review", Stage::Review),
    ("merge", Stage::Land),
    ("retro", Stage::Distill),
    ("spec", Stage::Spec),
    ("plan", Stage::Plan),
    ("lesson", Stage::Distill),
];

/// Folders of commands that agents offer by name.
const COMMANDS: [&str; 8] = [
    ".claude/commands",
    ".cursor/commands",
    ".github/prompts",
    ".github/agents",
    ".gemini/commands",
    ".codex/prompts",
    ".opencode/command",
    ".opencode/commands",
];

/// The folders in which all of them lie.
pub fn places() -> impl Iterator<Item = &'static str> {
    SKILL_ROOTS.into_iter().chain(COMMANDS)
}

/// The skills and commands of others in a repository, at most one for a stage, by the paths of its files.
#[must_use]
pub fn theirs<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<StageSkill> {
    let mut best: BTreeMap<Stage, (usize, usize, StageSkill)> = BTreeMap::new();
    for path in paths {
        let Some((name, root)) = named(path) else { continue };
        let Some((rank, of, stage)) = known(&name) else { continue };
        let found = StageSkill { stage, name, path: path.to_owned(), of: of.to_owned() };
        let better = best.get(&stage).is_none_or(|it| (rank, root) < (it.0, it.1));
        if better {
            best.insert(stage, (rank, root, found));
        }
    }
    best.into_values().map(|it| it.2).collect()
}

/// What a repository has for a stage: its own, else ours if it is installed.
#[must_use]
pub fn for_stage<'a>(paths: impl IntoIterator<Item = &'a str> + Clone, stage: Stage) -> Option<StageSkill> {
    let own = theirs(paths.clone()).into_iter().find(|it| it.stage == stage);
    own.or_else(|| {
        let name = name_for(stage);
        let ours = |root: &&str| format!("{root}/{name}/SKILL.md");
        let places: Vec<String> = SKILL_ROOTS.iter().take(2).map(ours).collect();
        let path = paths.into_iter().filter(|it| places.iter().any(|place| place == it)).min()?.to_owned();
        Some(StageSkill { stage, name: name.clone(), path, of: "Pilothouse".to_owned() })
    })
}

/// The name of the skill or the command that a path is, as its users call it, and how far behind its root stands.
fn named(path: &str) -> Option<(String, usize)> {
    if let Some(folder) = skill_of(path) {
        let root = SKILL_ROOTS.iter().position(|it| path.starts_with(&format!("{it}/")))?;
        let name = folder.rsplit('/').next()?;
        return (path.strip_prefix(folder) == Some("/SKILL.md")).then(|| (name.to_owned(), root));
    }
    let (at, root) = COMMANDS.iter().enumerate().find(|(_, it)| path.starts_with(&format!("{it}/")))?;
    let name = path.get(root.len() + 1..)?;
    let name = [".prompt.md", ".agent.md", ".md", ".toml"].iter().find_map(|it| name.strip_suffix(it))?;
    let name = name.replace(['/', '.'], "-").replace("opsx-", "openspec-");
    Some((name, SKILL_ROOTS.len() + at))
}

fn known(name: &str) -> Option<(usize, &'static str, Stage)> {
    if let Some(name) = name.strip_prefix("om-") {
        let (rank, (_, stage)) = MERCATO.iter().enumerate().find(|(_, (word, _))| name.contains(word))?;
        return Some((rank, "Open Mercato", *stage));
    }
    let (rank, (_, of, stage)) = KNOWN.iter().enumerate().find(|(_, (known, ..))| *known == name)?;
    Some((rank, of, *stage))
}
