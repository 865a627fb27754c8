//! How risky a change is, by the rule that says so, and how strongly it was verified, by the commands that did.
//!
//! Refuses to judge a change itself: rules stand in `policy`, and what a command proves is known by its words alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Gate};
use crate::fleet::Fleet;
use crate::ids::{EvidenceId, Oid, TaskId};
use crate::pull::Pull;
use crate::run::{Run, TaskState};

/// How much can go wrong by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskClass {
    /// No rule names anything that it changes.
    #[default]
    Low,
    /// Somebody would want to know of it.
    Medium,
    /// Money, rights, data or the rules themselves.
    High,
}

impl RiskClass {
    /// All of them, the riskiest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The class of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// One rule that names something of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The class it sets.
    pub class: RiskClass,
    /// The rule, and what of the change it names.
    pub rule: String,
}

/// The risk of a change at one head.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Risk {
    /// The class.
    pub class: RiskClass,
    /// The rule that set it, and what of the change it names.
    pub rule: String,
    /// Every rule that named something, the riskiest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
    /// The areas of the repository that it changes most, by their folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
    /// The head that was looked at.
    pub head: Oid,
}

/// What a repository says of risk: globs, words, sizes. Where it says nothing, what is built in holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskRules {
    /// Globs of paths that are high, besides what is built in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub high: Vec<String>,
    /// Globs of paths that are medium.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub medium: Vec<String>,
    /// Globs of paths that no rule looks at, unless one of the two above names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<String>,
    /// Words that are high where they stand in a path or in a changed line, besides what is built in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// From so many changed lines on a change is medium, and from four times as many on it is high; 400 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// What commands prove, by a part of their words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proofs: BTreeMap<String, Strength>,
}

impl RiskRules {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How much a command proves, from the weakest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// It can be built, has the right form, or is there.
    Compile,
    /// Parts do what they should.
    Unit,
    /// Parts do it together.
    Integration,
    /// Whoever uses it gets what they want.
    Outcome,
    /// The same, with the real thing outside.
    Real,
}

impl Strength {
    /// All of them, the weakest first.
    pub const ALL: [Self; 5] = [Self::Compile, Self::Unit, Self::Integration, Self::Outcome, Self::Real];

    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Unit => "unit",
            Self::Integration => "integration",
            Self::Outcome => "outcome",
            Self::Real => "real",
        }
    }
}

/// Words of commands and what they prove. The strongest that is found counts, so that a script which does all is not taken for less.
const WORDS: [(Strength, &[&str]); 5] = [
    (Strength::Real, &["staging", "production", "real-world", "smoke"]),
    (
        Strength::Outcome,
        &["e2e", "end-to-end", "playwright", "cypress", "selenium", "acceptance", "cucumber", "scenario"],
    ),
    (Strength::Integration, &["integration", "--test", "contract-test", "docker-compose", "testcontainers"]),
    (
        Strength::Unit,
        &[
            "test", "tests", "pytest", "jest", "vitest", "mocha", "rspec", "phpunit", "nextest", "unittest",
            "spec", "ctest", "tox", "bats",
        ],
    ),
    (
        Strength::Compile,
        &[
            "build",
            "check",
            "clippy",
            "tsc",
            "vet",
            "lint",
            "eslint",
            "ruff",
            "mypy",
            "fmt",
            "compile",
            "javac",
            "gcc",
            "grep",
            "make",
            "typecheck",
            "prettier",
            "diff",
        ],
    ),
];

/// What a command proves, by the repository's own word or else by its words; nothing if neither says anything.
#[must_use]
pub fn strength(command: &str, rules: &RiskRules) -> Option<Strength> {
    let own = rules.proofs.iter().filter(|(part, _)| command.contains(part.as_str()));
    if let Some((_, strength)) = own.max_by_key(|(part, _)| part.len()) {
        return Some(*strength);
    }
    let lower = command.to_lowercase();
    lower.split(['&', '|', ';', '\n']).filter_map(|it| by_words(it.trim())).max()
}

/// What one command of a line proves.
fn by_words(command: &str) -> Option<Strength> {
    // These only look whether something is there.
    if ["test ", "[ ", "! test ", "! [ "].iter().any(|it| command.starts_with(it)) {
        return Some(Strength::Compile);
    }
    let words = command.split(|it: char| !(it.is_alphanumeric() || it == '-'));
    let words: Vec<&str> = words.flat_map(|it| it.split('-').chain([it])).collect();
    WORDS.iter().find(|(_, of)| words.iter().any(|it| of.contains(it))).map(|it| it.0)
}

/// What shows something of one strength.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How much.
    pub strength: Strength,
    /// By which evidence.
    pub evidence: Vec<EvidenceId>,
}

/// A task whose proof proves nothing, as far as anybody looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacuous {
    /// Which.
    pub task: TaskId,
    /// Why.
    pub why: String,
}

/// How strongly a pull request was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProofMix {
    /// What holds, the weakest first; a strength that nothing shows is left out.
    pub shown: Vec<Shown>,
    /// What holds, and whose words say nothing of what it proves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<EvidenceId>,
    /// Tasks that no proof of theirs was seen to fail for before they were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vacuous: Vec<Vacuous>,
}

impl ProofMix {
    /// Of everything that holds on the way of a pull request: proofs of its tasks, checkpoints, checks of its merge result.
    #[must_use]
    pub fn of(fleet: &Fleet, pull: &Pull) -> Self {
        let Some(run) = fleet.runs.get(&pull.run) else { return Self::default() };
        let proofs = run.tasks.iter().filter_map(|task| fleet.proof_of(fleet.taken(run, task)?));
        let checks = pull.checks.iter().filter_map(|it| fleet.evidence.get(&it.evidence?));
        let mut all: Vec<&Evidence> =
            proofs.chain(fleet.checkpoints_of(run)).chain(checks).filter(|it| it.passed()).collect();
        all.sort_by_key(|it| it.id);
        all.dedup_by_key(|it| it.id);
        let rules = &run.policy.risk;
        let of = |wanted: Option<Strength>| -> Vec<EvidenceId> {
            all.iter().filter(|it| strength(&it.command, rules) == wanted).map(|it| it.id).collect()
        };
        let shown =
            Strength::ALL.into_iter().map(|strength| Shown { strength, evidence: of(Some(strength)) });
        Self {
            shown: shown.filter(|it| !it.evidence.is_empty()).collect(),
            unknown: of(None),
            vacuous: vacuous(fleet, run),
        }
    }

    /// In a line: `unit 3, integration 1; vacuous: T002`.
    #[must_use]
    pub fn says(&self) -> String {
        let mut parts: Vec<String> =
            self.shown.iter().map(|it| format!("{} {}", it.strength.word(), it.evidence.len())).collect();
        if !self.unknown.is_empty() {
            parts.push(format!("not known {}", self.unknown.len()));
        }
        if parts.is_empty() {
            parts.push("nothing holds yet".to_owned());
        }
        let says = parts.join(", ");
        let tasks: Vec<String> = self.vacuous.iter().map(|it| it.task.to_string()).collect();
        if tasks.is_empty() { says } else { format!("{says}; vacuous: {}", tasks.join(", ")) }
    }
}

fn vacuous(fleet: &Fleet, run: &Run) -> Vec<Vacuous> {
    let done = run.tasks.iter().filter(|task| matches!(task.state, TaskState::Done { .. }));
    let of = |task: &crate::run::TaskRun| {
        // A try that goes on where an earlier one stood has that one's red check.
        let tries = task.attempts.iter().filter_map(|id| fleet.attempts.get(id));
        let evidence = tries.flat_map(|it| &it.evidence).filter_map(|id| fleet.evidence.get(id));
        let mut red = evidence.filter(|it| it.gate == Gate::RedCheck);
        if red.any(Evidence::passed) {
            return None;
        }
        let why = "its proof was never seen to fail before the work".to_owned();
        Some(Vacuous { task: task.spec.id.clone(), why })
    };
    done.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_its_strongest_word_and_the_repositorys_own_word_goes_first() {
        let usual = RiskRules::default();
        for (command, known) in [
            ("cargo check --workspace", Some(Strength::Compile)),
            ("cargo test -p shop", Some(Strength::Unit)),
            ("cargo test --test landing", Some(Strength::Integration)),
            ("npm run test:e2e", Some(Strength::Outcome)),
            ("make build && make smoke", Some(Strength::Real)),
            ("sh tests/t-parse.sh", Some(Strength::Unit)),
            ("test -s made.txt", Some(Strength::Compile)),
            ("[ -s made.txt ]", Some(Strength::Compile)),
            ("grep -q x shared.txt && test -s y", Some(Strength::Compile)),
            ("test -d out && cargo test -p shop", Some(Strength::Unit)),
            ("./verify.sh", None),
        ] {
            assert_eq!(strength(command, &usual), known, "{command}");
        }
        let rules = RiskRules {
            proofs: BTreeMap::from([
                ("verify".to_owned(), Strength::Unit),
                ("verify.sh".to_owned(), Strength::Outcome),
            ]),
            ..RiskRules::default()
        };
        assert_eq!(strength("./verify.sh", &rules), Some(Strength::Outcome), "the longest part counts");
    }

    #[test]
    fn a_mix_says_what_holds_and_what_is_vacuous() {
        assert_eq!(ProofMix::default().says(), "nothing holds yet");
        let mix = ProofMix {
            shown: vec![Shown { strength: Strength::Unit, evidence: vec![EvidenceId(1), EvidenceId(2)] }],
            unknown: vec![EvidenceId(3)],
            vacuous: vec![Vacuous { task: "T002".into(), why: String::new() }],
        };
        assert_eq!(mix.says(), "unit 2, not known 1; vacuous: T002");
    }
}
