//! What is built in is what lies in `skills/`, all of it, in its form, with what a skill of ours needs.

use std::collections::BTreeSet;
use std::path::Path;

use pilothouse_contract::skill::Stage;

use crate::policy::instructions::Files;
use crate::policy::skills::{BUNDLED, EVALS_MIN, form, name_for};

fn below(folder: &Path, top: &Path, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, top, all);
        } else {
            all.insert(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn everything_in_the_folder_is_built_in_and_nothing_else() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skills");
    let mut there = BTreeSet::new();
    below(&top, &top, &mut there);
    let built_in: BTreeSet<String> = BUNDLED.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(built_in, there);
    assert_eq!(built_in.len(), BUNDLED.len());
}

#[test]
fn each_stage_has_a_skill_in_its_form_that_says_when_it_is_done() {
    let files: Files = BUNDLED.iter().map(|(path, text)| ((*path).to_owned(), (*text).into())).collect();
    for stage in Stage::ALL {
        let name = name_for(stage);
        let own: Files = files
            .iter()
            .filter(|(path, _)| path.starts_with(&format!("{name}/")))
            .map(|(path, it)| (path.clone(), it.clone()))
            .collect();
        let form = form(&name, &own);
        assert_eq!(form.findings, [], "{name}");
        assert!(
            form.skill.lines < 300 && form.skill.tokens < 5000,
            "{name}: {} lines, {} tokens",
            form.skill.lines,
            form.skill.tokens
        );
        assert!(form.skill.evals >= EVALS_MIN, "{name}: {} evals", form.skill.evals);
        assert!(form.skill.commands.iter().any(|it| it.starts_with("pilothouse check ")), "{name}");
        let text = std::str::from_utf8(&own[&format!("{name}/SKILL.md")].bytes).unwrap();
        let (_, ends) =
            text.split_once("## Done when").unwrap_or_else(|| panic!("{name} does not say when it is done"));
        for code in ["| 0 |", "| 1 |", "| 2 |"] {
            assert!(ends.contains(code), "{name} does not say what exit code {code} means");
        }
        assert!(own.keys().any(|it| it.contains("/references/")), "{name} has no references");
    }
}
