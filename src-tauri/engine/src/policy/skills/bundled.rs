//! The skills that this program brings, built in from `skills/` at the top of its repository. A test holds this list against that folder.

use pilothouse_contract::skill::Stage;

macro_rules! bundled {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../../../../skills/", $path)))),*] };
}

/// Every file of every skill, by its path below a root of skills.
pub const BUNDLED: &[(&str, &str)] = bundled![
    "pilothouse-distill/SKILL.md",
    "pilothouse-distill/evals/evals.json",
    "pilothouse-distill/references/lessons.md",
    "pilothouse-implement/SKILL.md",
    "pilothouse-implement/evals/evals.json",
    "pilothouse-implement/references/proofs.md",
    "pilothouse-land/SKILL.md",
    "pilothouse-land/evals/evals.json",
    "pilothouse-land/references/failures.md",
    "pilothouse-plan/SKILL.md",
    "pilothouse-plan/evals/evals.json",
    "pilothouse-plan/references/layouts.md",
    "pilothouse-plan/references/tasks.md",
    "pilothouse-refine/SKILL.md",
    "pilothouse-refine/evals/evals.json",
    "pilothouse-refine/references/findings.md",
    "pilothouse-refine/references/lenses.md",
    "pilothouse-review/SKILL.md",
    "pilothouse-review/evals/evals.json",
    "pilothouse-review/references/findings.md",
    "pilothouse-spec/SKILL.md",
    "pilothouse-spec/evals/evals.json",
    "pilothouse-spec/references/layouts.md",
    "pilothouse-spec/references/sections.md",
];

/// What our skill for a stage is called.
#[must_use]
pub fn name_for(stage: Stage) -> String {
    format!("pilothouse-{}", stage.word())
}
