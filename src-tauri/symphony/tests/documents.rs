//! What has to be written down is, and every test that names a row names one that there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows() -> Vec<(String, String, String)> {
    serde_json::from_str(&read(&folder().join("rows.json"))).unwrap()
}

fn sources() -> Vec<PathBuf> {
    let mut edge =
        vec![folder().join("src"), folder().join("tests"), folder().join("../../tests/tests/symphony.rs")];
    let mut found = Vec::new();
    while let Some(next) = edge.pop() {
        if next.is_dir() {
            edge.extend(std::fs::read_dir(next).unwrap().map(|it| it.unwrap().path()));
        } else if next.extension().is_some_and(|it| it == "rs") {
            found.push(next);
        }
    }
    found
}

/// The names of all tests that show a row, each with its row.
fn tests() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in sources() {
        for line in read(&file).lines().map(str::trim) {
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn row_");
            let Some(name) = name.and_then(|it| it.split('(').next()) else { continue };
            let mut words = name.split('_');
            let (section, number) = (words.next().unwrap(), words.next().unwrap());
            let row = match section {
                "n" | "h" => format!("{}-{number}", section.to_uppercase()),
                _ => format!("{section}.{number}"),
            };
            found.insert((row, format!("row_{name}")));
        }
    }
    found
}

#[test]
fn every_test_of_a_row_names_one_that_there_is() {
    let rows: BTreeSet<String> = rows().into_iter().map(|(id, _, _)| id).collect();
    for (row, test) in tests() {
        assert!(rows.contains(&row), "{test} names no row");
    }
}

#[test]
fn the_table_has_every_row_and_every_test() {
    let table = read(&folder().join("CONFORMANCE.md"));
    let again = "run cargo xtask conformance";
    for (id, level, what) in rows() {
        let line = table.lines().find(|it| it.starts_with(&format!("| {id} | {level} | {what} |")));
        let line = line.unwrap_or_else(|| panic!("{id} is not in the table: {again}"));
        let named: BTreeSet<&str> = line.split('`').filter(|it| it.starts_with("row_")).collect();
        let there = tests();
        let there: BTreeSet<&str> =
            there.iter().filter(|(row, _)| *row == id).map(|(_, test)| test.as_str()).collect();
        assert_eq!(named, there, "{id}: {again}");
        let holds = line.contains("| holds |");
        assert_eq!(holds, !there.is_empty(), "{id} holds exactly if a test shows it: {again}");
    }
}

#[test]
fn of_every_row_that_no_test_shows_it_is_said_why_and_of_no_other() {
    let why: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&read(&folder().join("not-shown.json"))).unwrap();
    let shown: BTreeSet<String> = tests().into_iter().map(|(row, _)| row).collect();
    let not_shown: BTreeSet<String> =
        rows().into_iter().map(|(id, _, _)| id).filter(|id| !shown.contains(id)).collect();
    assert_eq!(why.keys().cloned().collect::<BTreeSet<_>>(), not_shown);
    let table = read(&folder().join("CONFORMANCE.md"));
    for (id, says) in &why {
        let line = table.lines().find(|it| it.starts_with(&format!("| {id} |"))).unwrap();
        assert!(line.ends_with(&format!("| {says} |")), "{id}: run cargo xtask conformance");
    }
}

#[test]
fn row_3_11_each_tracker_has_a_profile_with_all_its_parts() {
    for kind in pilothouse_symphony::tracker::KINDS {
        let text = read(&folder().join(format!("docs/{kind}.md")));
        for part in [
            "Kind",
            "Provider keys",
            "Secrets",
            "Defaults",
            "Scope",
            "Paging",
            "Id and reference",
            "Normalisation",
            "Tools",
            "Errors",
        ] {
            assert!(text.contains(&format!("- **{part}**: ")), "docs/{kind}.md does not say: {part}");
        }
    }
}

#[test]
fn row_n_32_approval_sandbox_questions_and_trust_are_written_down() {
    let text = read(&folder().join("docs/posture.md"));
    for part in ["## Trust", "## Approval", "## Sandbox", "## Workspaces", "## Ends", "## Cost"] {
        assert!(text.contains(part), "{part}");
    }
}
