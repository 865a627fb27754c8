//! `cargo xtask conformance`: runs the tests whose names begin with the row of the Symphony specification that they show,
//! joins them with the list of all rows, and writes the table. A row holds only if a test of it passed just now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::step;

/// Where the crate lies.
const CRATE: &str = "src-tauri/symphony";

/// One row.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    level: String,
    what: String,
    /// `holds`, `not shown`, `fails`, or `skipped`.
    verdict: &'static str,
    tests: Vec<String>,
    /// Why no test shows it.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

/// The row that a test's name begins with: `row_4_9_abnormal…` is 4.9, `row_n_13_…` is N-13.
fn row_of(name: &str, known: &[String]) -> Option<String> {
    let rest = name.rsplit("::").next()?.strip_prefix("row_")?;
    let words: Vec<&str> = rest.split('_').collect();
    let (section, number) = (words.first()?, words.get(1)?);
    let id = match *section {
        "n" | "h" => format!("{}-{number}", section.to_uppercase()),
        _ => format!("{section}.{number}"),
    };
    known.contains(&id).then_some(id)
}

/// Runs tests and says of each whose name begins with a row whether it passed.
fn tested(args: &[&str]) -> Result<Vec<(String, bool)>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["test", "--no-fail-fast", "--package"])
        .args(args)
        .args(["--", "row_"])
        .env("PILOTHOUSE_BIN_DIR", step::target().join("debug"))
        .current_dir(step::top())
        .stderr(Stdio::inherit());
    let output = command.output().with_context(|| step::words(&command))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let verdicts = text.lines().filter_map(|line| {
        let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
        // What is searched for is found in the middle of other names too.
        let of_a_row = name.rsplit("::").next()?.starts_with("row_");
        of_a_row.then(|| (name.to_owned(), verdict.trim() == "ok"))
    });
    let verdicts: Vec<(String, bool)> = verdicts.collect();
    if verdicts.is_empty() {
        bail!("{} ran no test; its output is above", step::words(&command));
    }
    if !fits(output.status.success(), &verdicts) {
        bail!(
            "{} ended with {}, which its verdicts do not explain: something did not build, or broke before it said how \
             it ended; its output is above",
            step::words(&command),
            output.status
        );
    }
    Ok(verdicts)
}

/// Whether a run ended as its tests did: well exactly if all of them passed.
fn fits(well: bool, verdicts: &[(String, bool)]) -> bool {
    well == verdicts.iter().all(|(_, passed)| *passed)
}

/// Runs everything and writes the table. 0 if nothing failed.
pub(crate) fn run(json: bool) -> Result<ExitCode> {
    let list = step::top().join(CRATE).join("rows.json");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let rows: Vec<(String, String, String)> = serde_json::from_str(&text)?;
    let list = step::top().join(CRATE).join("not-shown.json");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let mut why: BTreeMap<String, String> = serde_json::from_str(&text)?;
    let known: Vec<String> = rows.iter().map(|(id, _, _)| id.clone()).collect();
    step::cargo_quietly(&[
        "build",
        "--bins",
        "--package",
        "pilothouse-cli",
        "--package",
        "pilothouse-holder",
    ])?;
    let mut tests = tested(&["pilothouse-symphony"])?;
    // Its program of the tests is built by now.
    tests.extend(tested(&["pilothouse-tests", "--test", "symphony"])?);
    let mut by_row: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for (name, passed) in tests {
        let Some(row) = row_of(&name, &known) else { bail!("the test {name} names no known row") };
        by_row.entry(row).or_default().push((name, passed));
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(id, level, what)| {
            let tests = by_row.remove(&id).unwrap_or_default();
            let verdict = match (tests.is_empty(), tests.iter().all(|(_, passed)| *passed)) {
                (true, _) if id.starts_with("8.") => "skipped",
                (true, _) => "not shown",
                (false, true) => "holds",
                (false, false) => "fails",
            };
            let mut tests: Vec<String> = tests
                .into_iter()
                .map(|(name, _)| name.rsplit("::").next().unwrap_or_default().to_owned())
                .collect();
            tests.sort();
            tests.dedup();
            let why = why.remove(&id).unwrap_or_default();
            Row { id, level, what, verdict, tests, why }
        })
        .collect();
    std::fs::write(step::top().join(CRATE).join("CONFORMANCE.md"), table(&rows))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{}", counts(&rows));
    }
    let failed = rows.iter().any(|it| it.verdict == "fails");
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn counts(rows: &[Row]) -> String {
    let count = |verdict: &str| rows.iter().filter(|it| it.verdict == verdict).count();
    format!(
        "{} rows: {} hold, {} fail, {} not shown, {} skipped",
        rows.len(),
        count("holds"),
        count("fails"),
        count("not shown"),
        count("skipped")
    )
}

fn table(rows: &[Row]) -> String {
    let mut out = format!(
        "# Conformance with the Symphony specification\n\nWritten by `cargo xtask conformance`, which runs the tests and is the \
         only thing that edits this file. A row without a test that passed is *not shown*, and \
         `not-shown.json` says why. Rows with numbers are those of the \
         specification's list of tests, N its other demands, H what we demand beyond it. Rows 8 need real services.\n\n{}.\n\n\
         | row | level | what | verdict | tests |\n|---|---|---|---|---|\n",
        counts(rows)
    );
    for row in rows {
        let tests: Vec<String> = row.tests.iter().map(|it| format!("`{it}`")).collect();
        let _never = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            row.id,
            row.level,
            row.what,
            row.verdict,
            if tests.is_empty() { row.why.clone() } else { tests.join(", ") }
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ended_badly_while_all_that_was_heard_passed_is_no_proof() {
        let verdicts =
            |passed: &[bool]| passed.iter().map(|it| ("row_1_1".to_owned(), *it)).collect::<Vec<_>>();
        assert!(fits(true, &verdicts(&[true, true])) && fits(false, &verdicts(&[true, false])));
        assert!(!fits(false, &verdicts(&[true, true])), "one did not build, or was killed");
        assert!(!fits(true, &verdicts(&[true, false])));
    }

    #[test]
    fn a_tests_name_begins_with_its_row() {
        let known = ["4.9", "N-13", "H-1", "1.1"].map(str::to_owned);
        let of = |name: &str| row_of(name, &known);
        assert_eq!(of("a::tests::row_4_9_abnormal_exits"), Some("4.9".to_owned()));
        assert_eq!(of("row_n_13_a_new_retry"), Some("N-13".to_owned()));
        assert_eq!(of("row_h_1_a_stalled"), Some("H-1".to_owned()));
        assert_eq!(of("row_1_13_a_command"), None, "another row than 1.1");
        assert_eq!(of("nothing"), None);
    }
}
