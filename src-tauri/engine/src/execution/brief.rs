//! The brief of an attempt: everything a fresh session is told, and nothing of other tasks' history. Stable parts come
//! first. Pure text; its hash is kept with the attempt.

use std::fmt::Write as _;

use pilothouse_contract::run::{Note, Policy};
use pilothouse_contract::skill::StageSkill;
use pilothouse_contract::spec::{Phase, Spec, TaskSpec, Verify};
use pilothouse_contract::text;

/// A brief is at most this long, in bytes; what was left out is said in it. One argument of a program holds 131,071
/// bytes on Linux.
pub const LENGTH_MAX: usize = 96 * 1024;

/// Notes take at most so many bytes of it, the newest first.
const NOTES_MAX: usize = 24 * 1024;

/// Words of a `WORKFLOW.md` take at most so many bytes of it.
const WORDS_MAX: usize = 32 * 1024;

/// What went wrong before.
#[derive(Debug, Clone)]
pub struct Before {
    /// How it failed, one word of the closed list.
    pub word: String,
    /// Why, in words.
    pub why: String,
    /// Whether the output is what is worth reading of it, and not its end.
    pub distilled: bool,
    /// The output that says so, if a command said it.
    pub output: String,
}

/// What a session leaves to the one that goes on in its worktree, because its own context is full.
#[derive(Debug, Clone, Default)]
pub struct Handed {
    /// Of so many tokens.
    pub fill: u64,
    /// What changed there since its base, file by file.
    pub changed: String,
    /// The last command that failed, and what it said.
    pub failed: Option<(String, String)>,
    /// What the agent said last, oldest first.
    pub said: Vec<String>,
}

/// Everything a brief is made of.
#[derive(Debug, Clone)]
pub struct Sources<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The task.
    pub task: &'a TaskSpec,
    /// What it is run under.
    pub policy: &'a Policy,
    /// What the project's `WORKFLOW.md` tells agents, if anything.
    pub words: Option<&'a str>,
    /// The text of its phase's file, if it has one.
    pub phase_text: Option<&'a str>,
    /// The last failure of an earlier attempt.
    pub before: Option<&'a Before>,
    /// What the session before left, if this one goes on for it; that is no failure.
    pub handed: Option<&'a Handed>,
    /// What people want every agent of the run to know, oldest first.
    pub notes: &'a [&'a Note],
    /// What the repository has for this stage of the work, by the approved commit.
    pub skill: Option<&'a StageSkill>,
}

/// The rule that names the skill or command of a stage.
#[must_use]
pub(super) fn skill_rule(skill: &StageSkill) -> String {
    format!(
        "- How this is done in this repository says the skill `{}`: read {} first and follow it. Where it says otherwise than these rules, \
         these hold.\n",
        text::line(&skill.name, 80),
        text::line(&skill.path, 200)
    )
}

/// Writes the brief.
#[must_use]
pub fn write(from: &Sources<'_>) -> String {
    let mut brief = String::new();
    let mut left_out: Vec<&str> = Vec::new();
    let _ = write!(
        brief,
        "You work on one task in a git worktree of its own. When you are done, end your session; the change is read \
         from the files as they stand then.\n\n\
         Rules:\n\
         - Change only files in the task's scope. Everything else is refused.\n\
         - Do not tick the task, and do not edit {}: that is done by the engine.\n\
         - Do not move other branches, push, or open pull requests. Committing is allowed and not needed.\n\
         - The proof below is run again by the engine, in a clean checkout of what you leave. Output that says it \
         passes counts for nothing.\n\
         - Run what says much, builds and tests above all, as `\"$PILOTHOUSE_BIN\" quiet -- COMMAND`: you are shown one line if \
         it goes well, else what failed, and where the whole output is kept.\n",
        place(from.spec)
    );
    brief.push_str(&from.skill.map(skill_rule).unwrap_or_default());
    brief.push('\n');
    if let Some(words) = from.words {
        let whole = words.trim();
        let words = start_of(whole, WORDS_MAX);
        let rest =
            if words.len() < whole.len() { "\n(Cut here: the rest stands in WORKFLOW.md.)" } else { "" };
        let _ = write!(
            brief,
            "# How this project is worked\n\nWhere this says otherwise, the rules above hold.\n\n{words}{rest}\n\n"
        );
    }
    let _ = write!(brief, "# {}\n\n{}\n\n", from.spec.title, from.spec.summary);
    if let Some(phase) = from.task.phase.and_then(|number| from.spec.phases.get(number)) {
        write_phase(&mut brief, phase);
    }
    let mut rest = String::new();
    write_task(&mut rest, from.task, from.policy);
    match (from.handed, from.before) {
        (Some(handed), _) => write_handed(&mut rest, handed),
        (None, Some(before)) => write_before(&mut rest, before),
        (None, None) => {}
    }
    if write_notes(&mut rest, from.notes) {
        left_out.push("older notes");
    }
    if let Some(text) = from.phase_text {
        if brief.len() + text.len() + rest.len() < LENGTH_MAX {
            let _ = write!(brief, "{}\n\n", text.trim());
        } else {
            left_out.push("the phase file, which is too long");
        }
    }
    brief.push_str(&rest);
    if !left_out.is_empty() {
        let _ = write!(
            brief,
            "\nLeft out here: {}. Read it in {} if you need it.\n",
            left_out.join(", "),
            if from.spec.is_file() { from.spec.folder.clone() } else { format!("{}/", from.spec.folder) }
        );
    }
    cut(brief)
}

/// What of a spec nobody but the engine writes.
fn place(spec: &Spec) -> String {
    if spec.is_file() { spec.folder.clone() } else { format!("anything below {}/", spec.folder) }
}

/// Writes the brief of an agent that goes on in its own session: it knows its task, and is told what became of its work.
#[must_use]
pub fn write_on(from: &Sources<'_>) -> String {
    let mut brief = String::from(
        "You go on in your own session, in the same worktree: every file is as you left it. The task is not done yet. The rules are \
         the same: change only files in its scope, and end your session when its proof holds.\n\n",
    );
    write_task(&mut brief, from.task, from.policy);
    if let Some(before) = from.before {
        let _ =
            write!(brief, "\n## What you did so far was not enough ({})\n\n{}\n", before.word, before.why);
        write_output(&mut brief, before);
    }
    write_notes(&mut brief, from.notes);
    cut(brief)
}

fn write_phase(brief: &mut String, phase: &Phase) {
    let _ = write!(brief, "## {}\n\n", phase.title);
    if let Some(done_when) = &phase.done_when {
        let _ = write!(brief, "Done when: {done_when}\n\n");
    }
}

fn write_task(brief: &mut String, task: &TaskSpec, policy: &Policy) {
    let _ = write!(brief, "## Your task: {} {}\n\n", task.id, task.title);
    match &task.files {
        Some(scope) => {
            let _ = writeln!(brief, "Scope, the only files you may change: {}", list(&scope.include));
            if !scope.exclude.is_empty() {
                let _ = writeln!(brief, "But not: {}", list(&scope.exclude));
            }
        }
        None => brief.push_str("Scope: not declared; change as little as the task needs.\n"),
    }
    if !policy.always.is_empty() {
        let _ = writeln!(brief, "Besides that you may change: {}", list(&policy.always));
    }
    if let Verify::Commands(commands) = &task.verify {
        let _ = writeln!(brief, "Proof, must exit 0: {}", list(commands));
    }
    if let Some(expect) = &task.expect {
        let _ = writeln!(brief, "Its output must match: `{expect}`");
    }
    if !task.covers.is_empty() {
        let _ = writeln!(brief, "Covers: {}", task.covers.join(", "));
    }
    for (key, value) in &task.other {
        let _ = writeln!(brief, "{key}: {value}");
    }
}

/// Writes the notes, oldest first. Returns whether older ones had no room.
fn write_notes(brief: &mut String, notes: &[&Note]) -> bool {
    let mut room = NOTES_MAX;
    let newest = notes.iter().rev().take_while(|it| {
        room = room.saturating_sub(it.text.len());
        room > 0
    });
    let shown = newest.count();
    if shown > 0 {
        brief.push_str("\n## Notes from the people you work for\n\n");
    }
    for note in notes.iter().skip(notes.len() - shown) {
        let _ = writeln!(brief, "{}\n", indented(&note.text));
    }
    shown < notes.len()
}

fn write_before(brief: &mut String, before: &Before) {
    let _ = write!(
        brief,
        "\n## An earlier try failed ({})\n\n{}\nIts work is not here: you start from a clean tree. Do not repeat what it did wrong.\n",
        before.word, before.why
    );
    write_output(brief, before);
}

fn write_handed(brief: &mut String, handed: &Handed) {
    let _ = write!(
        brief,
        "\n## Handed over\n\nAn agent worked on this task before you, in this very worktree, until its context was full of {} tokens. What it \
         changed is here, committed or not: look at it first, go on from there, and do not begin anew. What follows is what it left, in \
         its words and not checked.\n",
        handed.fill
    );
    if handed.changed.is_empty() {
        brief.push_str("\nNothing is changed yet.\n");
    } else {
        let _ = write!(brief, "\nChanged so far:\n\n{}\n", indented(&handed.changed));
    }
    if let Some((command, said)) = &handed.failed {
        let _ = write!(brief, "\nThe last command that failed: `{command}`\n\n{}\n", indented(said));
    }
    if !handed.said.is_empty() {
        let _ = write!(brief, "\nWhat it said last:\n\n{}\n", indented(&handed.said.join("\n\n")));
    }
}

fn write_output(brief: &mut String, before: &Before) {
    if !before.output.is_empty() {
        let what = if before.distilled { "What it said of the failure" } else { "The end of its output" };
        let _ = write!(brief, "\n{what}:\n\n{}\n", indented(&before.output));
    }
}

fn list(words: &[String]) -> String {
    words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// As much of a text as so many bytes hold.
fn start_of(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn cut(mut brief: String) -> String {
    if brief.len() > LENGTH_MAX {
        brief.truncate(start_of(&brief, LENGTH_MAX - 100).len());
        brief.push_str("\n\n(Cut here: the brief is too long.)\n");
    }
    brief
}

/// The last lines of an output, as text for the next try.
#[must_use]
pub fn last_lines(output: &[u8], most: usize) -> String {
    // Terminals end lines with a carriage return and a line feed.
    let text = String::from_utf8_lossy(output).replace("\r\n", "\n");
    let text = pilothouse_contract::text::plain(&text, true);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(most)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::specs::read_tasks;
    use crate::policy::workflow::{Workflow, built_in};

    fn policy() -> Policy {
        Workflow::read(None, "").unwrap().policy(built_in("claude").unwrap())
    }

    #[test]
    fn a_brief_holds_its_task_and_no_other() {
        let file = read_tasks(
            "## Phase 1: Encoder\n- Done when: it round-trips\n- [ ] T001 Encode\n  - Files: `src/csv.rs`\n  - Verify: `cargo test csv`\n- [ ] T002 Other work\n  - Verify: `true`\n",
        );
        let spec = Spec {
            folder: "specs/001-x".to_owned(),
            title: "Export".to_owned(),
            summary: "They want it.".to_owned(),
            phases: file.phases.clone(),
            tasks: file.tasks.clone(),
            ..Spec::default()
        };
        let before = Before {
            word: "verify-failed".to_owned(),
            why: "exit code 1".to_owned(),
            distilled: true,
            output: "FAILED: 3".to_owned(),
        };
        let skill = StageSkill {
            stage: pilothouse_contract::skill::Stage::Implement,
            name: "speckit-implement".to_owned(),
            path: ".claude/commands/speckit.implement.md".to_owned(),
            of: "spec-kit".to_owned(),
        };
        let sources = Sources {
            spec: &spec,
            task: &spec.tasks[0],
            policy: &policy(),
            words: Some("Talk little."),
            phase_text: Some("Read docs/csv.md first."),
            before: Some(&before),
            handed: None,
            notes: &[],
            skill: Some(&skill),
        };
        let brief = write(&sources);
        for part in [
            "the rules above hold.\n\nTalk little.\n\n# Export",
            "They want it.",
            "it round-trips",
            "T001 Encode",
            "`src/csv.rs`",
            "`cargo test csv`",
            "Read docs/csv.md first.",
            "verify-failed",
            "What it said of the failure:\n\n    FAILED: 3",
            "`\"$PILOTHOUSE_BIN\" quiet -- COMMAND`",
            "the skill `speckit-implement`: read .claude/commands/speckit.implement.md first",
        ] {
            assert!(brief.contains(part), "{part} is missing:\n{brief}");
        }
        assert!(!brief.contains("Other work"), "{brief}");
        assert_eq!(write(&sources), brief);
    }

    #[test]
    fn who_goes_on_for_another_is_told_what_that_one_left() {
        let handed = Handed {
            fill: 165_000,
            changed: "src/csv.rs | 12 +++".to_owned(),
            failed: Some(("cargo test".to_owned(), "FAILED: quotes".to_owned())),
            said: vec!["Quotes are left.".to_owned()],
        };
        let note = Note {
            at: pilothouse_contract::At(1),
            by: pilothouse_contract::Who::Person("p".to_owned()),
            text: "No new crates.".to_owned(),
        };
        let brief = write(&Sources {
            spec: &Spec { folder: "specs/001-x".to_owned(), ..Spec::default() },
            task: &TaskSpec::default(),
            policy: &policy(),
            words: None,
            phase_text: None,
            before: None,
            handed: Some(&handed),
            notes: &[&note],
            skill: None,
        });
        for part in [
            "## Handed over",
            "full of 165000 tokens",
            "    src/csv.rs | 12 +++",
            "failed: `cargo test`\n\n    FAILED: quotes",
            "    Quotes are left.",
            "    No new crates.",
        ] {
            assert!(brief.contains(part), "{part} is missing:\n{brief}");
        }
        assert!(!brief.contains("An earlier try failed"), "{brief}");
    }

    #[test]
    fn a_long_phase_file_is_left_out_and_said_so() {
        let spec = Spec { folder: "specs/001-x".to_owned(), ..Spec::default() };
        let long = "x".repeat(LENGTH_MAX);
        let words = "w".repeat(WORDS_MAX + 1);
        let task = TaskSpec { title: "y".repeat(LENGTH_MAX * 2), ..TaskSpec::default() };
        let brief = write(&Sources {
            spec: &spec,
            task: &TaskSpec::default(),
            policy: &policy(),
            words: Some(&words),
            phase_text: Some(&long),
            before: None,
            handed: None,
            notes: &[],
            skill: None,
        });
        assert!(
            brief.contains("Left out here: the phase file")
                && brief.contains("the rest stands in WORKFLOW.md")
        );
        let cut = write(&Sources {
            spec: &spec,
            task: &task,
            policy: &policy(),
            words: None,
            phase_text: None,
            before: None,
            handed: None,
            notes: &[],
            skill: None,
        });
        assert!(cut.len() <= LENGTH_MAX && cut.contains("Cut here"));
    }
}
