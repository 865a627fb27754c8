//! The form of skills, what stages must leave, and which skill a repository has for a stage.

mod bundle;

use pilothouse_contract::layout::Diagnostic;
use pilothouse_contract::skill::Stage;

use super::{Form, exits, for_stage, form, theirs};
use crate::policy::instructions::{Files, Source};

fn formed(folder: &str, text: &str) -> Form {
    form(folder, &Files::from([(format!("{folder}/SKILL.md"), Source::from(text))]))
}

fn says(form: &Form) -> Vec<(usize, bool, &str)> {
    form.findings.iter().map(|it| (it.line, it.blocking, it.says.as_str())).collect()
}

#[test]
fn the_form_is_held_and_readers_are_lenient_where_agents_are() {
    let good = formed(
        ".agents/skills/tidy",
        "---\nname: tidy\ndescription: Tidies\nother: 1\n---\nDo it, then `pilothouse check plan .`\n",
    );
    assert_eq!(says(&good), []);
    assert_eq!((good.skill.name.as_str(), good.skill.description.as_str()), ("tidy", "Tidies"));
    assert_eq!(good.skill.commands, ["pilothouse check plan ."]);
    // A colon that is not quoted is read as agents read it, and told.
    let colon = formed("x/tidy", "---\nname: tidy\ndescription: Use when: it is untidy\n---\nbody\n");
    assert_eq!(colon.skill.description, "Use when: it is untidy");
    assert!(
        matches!(says(&colon).as_slice(), [(3, false, says)] if says.contains("not quoted")),
        "{colon:?}"
    );
    for (text, wanted) in [
        ("no front matter\n", "has no front matter"),
        ("---\nname: tidy\ndescription: d\n", "has no front matter"),
        ("---\nname: other\ndescription: d\n---\nx\n", "lies in a folder called 'tidy'"),
        ("---\nname: tidy\n---\nx\n", "has no description"),
        ("---\nname: tidy\ndescription: d\n---\n  \n", "says nothing"),
        ("---\nname: Tidy Up\ndescription: d\n---\nx\n", "has a name that is none"),
    ] {
        let form = formed("skills/tidy", text);
        assert!(says(&form).iter().any(|it| it.1 && it.2.contains(wanted)), "{wanted}: {form:?}");
        assert!(form.findings.iter().all(|it| !it.remedy.is_empty()));
    }
    let long = formed(
        "skills/tidy",
        &format!("---\nname: tidy\ndescription: {}\n---\n{}", "d".repeat(1025), "x\n".repeat(600)),
    );
    assert!(says(&long).iter().any(|it| it.1 && it.2.contains("1025 signs")), "{:?}", says(&long));
    assert!(says(&long).iter().any(|it| !it.1 && it.2.contains("604 lines")), "{:?}", says(&long));
}

#[test]
fn evaluations_are_counted_and_those_that_cannot_fail_are_told() {
    let with = |evals: &str| {
        form(
            "skills/t",
            &Files::from([
                ("skills/t/SKILL.md".to_owned(), "---\nname: t\ndescription: d\n---\nx\n".into()),
                ("skills/t/evals/evals.json".to_owned(), evals.into()),
            ]),
        )
    };
    let two = with(
        "{\"evals\": [{\"prompt\": \"p\", \"assertions\": [\"a\"]}, {\"prompt\": \"p\", \"must_not\": [\"b\"]}]}",
    );
    assert_eq!((two.skill.evals, two.findings.len()), (2, 0));
    let empty = with("{\"evals\": [{\"prompt\": \"p\", \"assertions\": [\"a\"]}, {\"prompt\": \"p\"}]}");
    assert!(empty.findings[0].says.contains("number 2") && empty.findings[0].blocking);
    let broken = with("{\"evals\": [\n  {]}");
    assert_eq!((broken.findings[0].line, broken.findings[0].blocking), (2, true), "{broken:?}");
}

#[test]
fn a_repository_s_own_skills_go_before_ours() {
    let ours: Vec<String> =
        Stage::ALL.iter().map(|it| format!(".agents/skills/pilothouse-{}/SKILL.md", it.word())).collect();
    let with = |more: &[&str]| -> Vec<String> {
        ours.iter().cloned().chain(more.iter().map(|it| (*it).to_owned())).collect()
    };
    let uses = |paths: &[String], stage: Stage| {
        for_stage(paths.iter().map(String::as_str), stage).map(|it| (it.of, it.path))
    };
    let alone = with(&[]);
    for stage in Stage::ALL {
        assert_eq!(
            uses(&alone, stage),
            Some(("Pilothouse".to_owned(), format!(".agents/skills/pilothouse-{}/SKILL.md", stage.word())))
        );
    }
    let kit = with(&[
        ".claude/commands/speckit.specify.md",
        ".claude/commands/speckit.implement.md",
        ".claude/commands/speckit.tasks.md",
        ".claude/commands/speckit.plan.md",
    ]);
    assert_eq!(
        uses(&kit, Stage::Spec),
        Some(("spec-kit".to_owned(), ".claude/commands/speckit.specify.md".to_owned()))
    );
    assert_eq!(uses(&kit, Stage::Plan).unwrap().1, ".claude/commands/speckit.tasks.md");
    assert_eq!(uses(&kit, Stage::Review).unwrap().0, "Pilothouse");
    let mercato = with(&[
        ".ai/skills/om-code-review/SKILL.md",
        ".ai/skills/om-implement-spec/SKILL.md",
        ".agents/skills/om-spec-writing/SKILL.md",
        ".agents/skills/om-spec-writing/references/plan.md",
    ]);
    assert_eq!(
        uses(&mercato, Stage::Review),
        Some(("Open Mercato".to_owned(), ".ai/skills/om-code-review/SKILL.md".to_owned()))
    );
    assert_eq!(uses(&mercato, Stage::Implement).unwrap().1, ".ai/skills/om-implement-spec/SKILL.md");
    assert_eq!(uses(&mercato, Stage::Spec).unwrap().1, ".agents/skills/om-spec-writing/SKILL.md");
    let powers =
        with(&[".claude/skills/writing-plans/SKILL.md", ".claude/skills/test-driven-development/SKILL.md"]);
    assert_eq!(uses(&powers, Stage::Plan).unwrap().0, "Superpowers");
    assert_eq!(uses(&powers, Stage::Implement).unwrap().1, ".claude/skills/test-driven-development/SKILL.md");
    assert_eq!(uses(&["docs/SKILL.md".to_owned()], Stage::Plan), None);
    let all = theirs(kit.iter().chain(&powers).map(String::as_str));
    assert_eq!(
        all.iter().map(|it| it.stage).collect::<Vec<_>>(),
        [Stage::Spec, Stage::Plan, Stage::Implement]
    );
}

fn marks(found: &[Diagnostic]) -> Vec<(usize, &str)> {
    found.iter().map(|it| (it.remark.line, it.remark.says.as_str())).collect()
}

#[test]
fn findings_must_be_such_that_somebody_can_act_on_them() {
    let lines = |path: &str| (path == "spec.md").then_some(10);
    let good = "{\"kind\": \"refine\", \"subject\": \"s\", \"author\": \"a\", \"by\": \"b\", \"lenses\": [{\"lens\": \"truth\", \"answer\": \"R1\"}],\n\"findings\": [{\"id\": \"R1\", \"severity\": \"high\", \"place\": \"spec.md:10\", \"claim\": \"c\", \"evidence\": \"e\", \"remedy\": \"r\", \"verdict\": \"accepted\", \"applied\": \"spec.md:3\"}]}";
    assert_eq!(exits::findings("f.json", good.as_bytes(), &lines), []);
    for (from, to, line, wanted) in [
        ("\"answer\": \"R1\"", "\"answer\": \" \"", 1, "'truth' has no answer"),
        ("\"by\": \"b\"", "\"by\": \"A\"", 1, "looked at by who made it"),
        ("spec.md:10", "spec.md:11", 2, "names line 11 of spec.md, which has 10"),
        ("spec.md:10", "gone.md:1", 2, "gone.md, which is not there"),
        ("\"evidence\": \"e\"", "\"evidence\": \"\"", 2, "has no evidence"),
        ("\"high\"", "\"grave\"", 2, "has no severity"),
        ("\"accepted\"", "\"perhaps\"", 2, "has no verdict"),
        ("\"applied\": \"spec.md:3\"", "\"applied\": \"\"", 2, "accepted and not applied"),
        ("\"accepted\"", "\"rejected\"", 2, "rejected without a reason"),
        (
            "\"verdict\": \"accepted\"",
            "\"verdict\": \"deferred\", \"because\": \"x\"",
            2,
            "cannot be deferred",
        ),
    ] {
        let found = exits::findings("f.json", good.replace(from, to).as_bytes(), &lines);
        assert!(marks(&found).iter().any(|it| it.0 == line && it.1.contains(wanted)), "{wanted}: {found:?}");
    }
    // A review has no verdicts yet.
    let review = good.replace("\"refine\"", "\"review\"").replace("\"accepted\"", "\"\"");
    assert_eq!(exits::findings("f.json", review.as_bytes(), &lines), []);
    let broken = exits::findings("f.json", b"{\n  \"kind\": 1}", &lines);
    assert_eq!((broken[0].remark.line, broken[0].column > 0), (2, true), "{broken:?}");
}

#[test]
fn lessons_need_runs_a_form_and_their_change() {
    let has = |path: &str| path == "tests/a.rs";
    let good = "{\"lessons\": [{\"id\": \"L1\", \"lesson\": \"x\", \"seen\": [\"r1\", \"r2\"], \"encoding\": \"test\", \"change\": \"tests/a.rs\"}],\n\"rejected\": [{\"lesson\": \"y\", \"because\": \"z\"}]}";
    assert_eq!(exits::lessons("l.json", good.as_bytes(), &has), []);
    for (from, to, wanted) in [
        ("\"r2\"", "\"r1\"", "in one run only"),
        ("\"test\"", "\"hope\"", "encoding is note, doc"),
        ("tests/a.rs", "tests/b.rs", "which is not there"),
        ("\"because\": \"z\"", "\"because\": \"\"", "rejected without a reason"),
    ] {
        let found = exits::lessons("l.json", good.replace(from, to).as_bytes(), &has);
        assert!(marks(&found).iter().any(|it| it.1.contains(wanted)), "{wanted}: {found:?}");
    }
    let severe =
        good.replace("\"r1\", \"r2\"", "\"r1\"").replace("\"encoding\"", "\"severe\": true, \"encoding\"");
    assert_eq!(exits::lessons("l.json", severe.as_bytes(), &has), []);
}
