//! What each tool says when something fails, as it says it, and that nothing of it is lost that matters.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn ran<'a>(command: &'a str, exit: i32, output: &str) -> Ran<'a> {
    Ran {
        command,
        exit: Some(exit),
        ended: if exit == 0 { "exit code 0 after 3.1 s" } else { "exit code 1 after 3.1 s" },
        whole: "/home/p/quiet/1.log",
        bytes: output.len() as u64,
    }
}

fn shown(command: &str, exit: i32, output: &str) -> String {
    let it = distil(output.as_bytes(), &ran(command, exit, output), Lens::of(command));
    assert_eq!((it.shown_bytes, it.whole_bytes), (it.shown.len() as u64, output.len() as u64));
    it.shown
}

/// Lines that nobody needs, so that an output is long.
fn noise(n: usize) -> String {
    (0..n).fold(String::new(), |mut all, n| {
        let _ = writeln!(all, "   Compiling crate-{n} v0.{n}.0");
        all
    })
}

const CARGO: &str = "\u{1b}[1m\u{1b}[32m    Finished\u{1b}[0m `test` profile\n     Running unittests src/lib.rs\n\nrunning 3 tests\ntest csv::holds ... ok\ntest csv::quotes ... FAILED\ntest csv::empty - should panic ... FAILED\n\nfailures:\n\n---- csv::quotes stdout ----\n\nthread 'csv::quotes' (7) panicked at src/csv.rs:40:9:\nassertion `left == right` failed\n  left: \"a\"\n right: \"b\"\n\n\nfailures:\n    csv::empty\n    csv::quotes\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\nerror: test failed, to rerun pass `--lib`\n";

#[test]
fn what_went_well_is_one_line_with_what_was_counted() {
    let good = format!(
        "{}running 2 tests\ntest a ... ok\n\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n",
        noise(200)
    );
    let says = shown("cargo test", 0, &good);
    assert_eq!(
        says,
        "cargo test: exit code 0 after 3.1 s: 15 passed, 1 ignored (6 KiB: /home/p/quiet/1.log)"
    );
    assert_eq!(shown("sh t.sh", 0, "parse: 7 cases hold\n"), "parse: 7 cases hold");
    assert_eq!(shown("true", 0, ""), "true: exit code 0 after 3.1 s, no output");
    let pytest = format!("{}\n======= 12 passed, 1 skipped in 0.31s =======\n", noise(2));
    assert!(shown("pytest -q", 0, &pytest).contains(": 12 passed, 1 skipped in 0.31s ("));
    let node = format!("{}ℹ tests 3\nℹ pass 3\nℹ fail 0\n", noise(2));
    assert!(shown("npm test", 0, &node).contains(": 3 passed ("));
    assert!(shown("go test ./...", 0, "ok  \tx/a\t0.1s\nok  \tx/b\t0.2s\n").contains(": 2 packages hold ("));
}

#[test]
fn cargo_is_told_by_its_failures_and_its_errors() {
    let output = format!("{}{CARGO}", noise(300));
    let says = shown("cargo test --offline", 1, &output);
    assert!(
        says.starts_with(
            "cargo test --offline: exit code 1 after 3.1 s\n2 tests failed:\n  csv::quotes\n  csv::empty\n"
        ),
        "{says}"
    );
    for part in [
        "panicked at src/csv.rs:40:9",
        " right: \"b\"",
        "test result: FAILED. 1 passed; 2 failed",
        "lines left out …]",
    ] {
        assert!(says.contains(part), "{part} is missing:\n{says}");
    }
    assert!(!says.contains("Compiling") && !says.contains('\u{1b}'), "{says}");
    assert!(says.ends_with(": /home/p/quiet/1.log") && says.len() < 1200, "{says}");
    let compiler = format!(
        "{}warning: unused variable: `x`\n --> src/lib.rs:1:5\n\nerror[E0425]: cannot find value `y` in this scope\n --> src/lib.rs:3:5\n  |\n3 |     y\n  |     ^ not found in this scope\n\nerror: could not compile `shop` (lib) due to 1 previous error\n",
        noise(90)
    );
    let says = shown("cargo build", 101, &compiler);
    assert!(says.contains("3 |     y") && says.contains("could not compile `shop`"), "{says}");
    assert!(!says.contains("unused variable"), "warnings of what does not build are noise: {says}");
    let nextest = format!(
        "{}        PASS [   0.003s] (1/2) shop csv::holds\n        FAIL [   0.004s] (2/2) shop csv::quotes\n  stdout ───\n    left: 1\n     Summary [   0.009s] 2 tests run: 1 passed, 1 failed\n",
        noise(90)
    );
    let says = shown("cargo nextest run", 100, &nextest);
    assert!(says.contains("1 test failed:\n  shop csv::quotes\n") && says.contains("left: 1"), "{says}");
}

#[test]
fn python_is_told_by_its_failures() {
    let pytest = format!(
        "{}tests/test_a.py F.E\n\n=================================== ERRORS ====================================\n______________________ ERROR at setup of test_base _______________________\nfixture 'db' not found\n================================== FAILURES ===================================\n__________________________________ test_sum ___________________________________\n\n    def test_sum():\n>       assert add(1, 1) == 3\nE       assert 2 == 3\n\ntests/test_a.py:4: AssertionError\n=========================== short test summary info ===========================\nFAILED tests/test_a.py::test_sum - assert 2 == 3\nERROR tests/test_a.py::test_base\n==================== 1 failed, 1 passed, 1 error in 0.12s =====================\n",
        noise(90)
    );
    let says = shown("python -m pytest", 1, &pytest);
    assert!(
        says.contains(
            "2 tests failed:\n  tests/test_a.py::test_sum - assert 2 == 3\n  tests/test_a.py::test_base\n"
        ),
        "{says}"
    );
    assert!(says.contains("E       assert 2 == 3") && says.contains("fixture 'db' not found"), "{says}");
    let quiet = pytest.split("=========================== short").next().unwrap();
    assert!(
        shown("pytest -rN", 1, quiet)
            .contains("2 tests failed:\n  ERROR at setup of test_base\n  test_sum\n")
    );
    let unittest = format!(
        "{}.F\n======================================================================\nFAIL: test_sum (test_a.T.test_sum)\n----------------------------------------------------------------------\nTraceback (most recent call last):\n  File \"test_a.py\", line 5\nAssertionError: 2 != 3\n\n----------------------------------------------------------------------\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n",
        noise(90)
    );
    let says = shown("python -m unittest", 1, &unittest);
    assert!(
        says.contains("1 test failed:\n  test_sum (test_a.T.test_sum)\n") && says.contains("2 != 3"),
        "{says}"
    );
}

#[test]
fn the_runners_of_node_are_told_by_their_failures() {
    let jest = format!(
        "{}PASS src/a.test.js\nFAIL src/sum.test.js\n  sum\n    ✓ adds (1 ms)\n    ✕ carries (3 ms)\n\n  ● sum › carries\n\n    expect(received).toBe(expected)\n\n    Expected: 3\n    Received: 2\n\nTest Suites: 1 failed, 1 passed, 2 total\nTests:       1 failed, 2 passed, 3 total\n",
        noise(90)
    );
    let says = shown("npx jest", 1, &jest);
    assert!(says.contains("\n  carries\n  sum › carries\n") && says.contains("Received: 2"), "{says}");
    assert!(says.contains("Tests:       1 failed, 2 passed") && !says.contains("✓ adds"), "{says}");
    let vitest = format!(
        "{} ❯ src/sum.test.ts (2 tests | 1 failed) 6ms\n   × sum > carries 4ms\n\n⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯\n\n FAIL  src/sum.test.ts > sum > carries\nAssertionError: expected 2 to be 3\n ❯ src/sum.test.ts:7:20\n⎯⎯⎯⎯⎯⎯⎯⎯[1/1]⎯\n\n Test Files  1 failed (1)\n      Tests  1 failed | 1 passed (2)\n",
        noise(90)
    );
    let says = shown("npx vitest run", 1, &vitest);
    assert!(
        says.contains("\n  src/sum.test.ts > sum > carries\n") && says.contains("expected 2 to be 3"),
        "{says}"
    );
    let spec = format!(
        "{}✔ adds (0.5ms)\n✖ carries (1.25ms)\nℹ tests 2\nℹ fail 1\n\n✖ failing tests:\n\ntest at sum.test.js:5:1\n✖ carries (1.25ms)\n  AssertionError [ERR_ASSERTION]: 2 !== 3\n",
        noise(90)
    );
    let says = shown("node --test", 1, &spec);
    assert!(says.contains("1 test failed:\n  carries\n") && says.contains("2 !== 3"), "{says}");
    let tap = format!(
        "{}TAP version 13\nok 1 - adds\nnot ok 2 - carries\n  ---\n  error: '2 !== 3'\n  ...\nnot ok 3 - later # TODO\n# fail 1\n",
        noise(90)
    );
    let says = shown("npm test", 1, &tap);
    assert!(says.contains("1 test failed:\n  carries\n") && says.contains("error: '2 !== 3'"), "{says}");
    let mocha = format!(
        "{}  sum\n    ✔ adds\n    1) carries\n\n\n  1 passing (4ms)\n  1 failing\n\n  1) sum\n       carries:\n     AssertionError: 2 == 3\n",
        noise(90)
    );
    let says = shown("npx mocha", 1, &mocha);
    assert!(says.contains("\n  carries\n") && says.contains("AssertionError: 2 == 3"), "{says}");
}

#[test]
fn go_and_compilers_are_told_by_their_failures() {
    let go = format!(
        "{}=== RUN   TestHolds\n--- PASS: TestHolds (0.00s)\n=== RUN   TestSum\nwhat it said\n    sum_test.go:8: got 2, want 3\n--- FAIL: TestSum (0.00s)\n    --- FAIL: TestSum/carries (0.00s)\n        sum_test.go:9: no\nFAIL\nFAIL\tx/sum\t0.003s\n# x/other\nother/o.go:3:5: undefined: foo\nFAIL\tx/other [build failed]\n",
        noise(90)
    );
    let says = shown("go test -v ./...", 1, &go);
    assert!(says.contains("3 tests failed:\n  TestSum\n  TestSum/carries\n  x/other\n"), "{says}");
    for part in ["what it said", "got 2, want 3", "sum_test.go:9: no", "undefined: foo"] {
        assert!(says.contains(part), "{part} is missing:\n{says}");
    }
    assert!(!says.contains("TestHolds (0.00s)"), "{says}");
    let gcc = format!(
        "{}cc -c a.c\na.c: In function 'main':\na.c:3:5: error: 'x' undeclared\n    3 |     x = 1;\n      |     ^\nmake: *** [Makefile:2: a.o] Error 1\n",
        "cc -O2 -c other.c\n".repeat(200)
    );
    let says = shown("make", 2, &gcc);
    for part in ["In function 'main'", "3 |     x = 1;", "make: *** [Makefile:2: a.o] Error 1"] {
        assert!(says.contains(part), "{part} is missing:\n{says}");
    }
}

#[test]
fn an_unknown_output_is_looked_through_for_words_of_failure_and_else_shown_from_its_end() {
    let some = format!("{}reading a.cfg\nConfiguration refused: line 4 of a.cfg\n{}", noise(300), noise(300));
    let says = shown("./deploy", 1, &some);
    assert!(says.contains("reading a.cfg\nConfiguration refused: line 4"), "{says}");
    let none: String = (0..500).map(|n| format!("step {n}\n")).collect();
    let says = shown("./deploy", 1, &none);
    assert!(
        says.contains("step 499\n") && says.contains("step 441\n") && !says.contains("step 40\n"),
        "{says}"
    );
    // What is short is shown whole.
    let says = shown("sh t.sh", 1, "want:\n04:12 3.9 m\ngot:\n04:12 39 m\n");
    assert!(says.contains("want:\n04:12 3.9 m\ngot:\n04:12 39 m\n"), "{says}");
}

#[test]
fn tests_that_passed_are_counted_where_the_output_tells_of_them() {
    let told = |command: &str, output: &str| tests_passed(output.as_bytes(), Lens::of(command));
    let one =
        "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    assert_eq!(told("cargo test", &format!("{one}Doc-tests x\n{one}")), Some(10), "of all programs");
    assert_eq!(told("cargo nextest run", "Summary [   0.005s] 3 tests run: 3 passed, 0 skipped\n"), Some(3));
    assert_eq!(told("pytest -q", "===== 12 passed, 1 skipped in 0.12s =====\n"), Some(12));
    assert_eq!(told("python3 -m unittest", "Ran 7 tests in 0.001s\n\nOK\n"), Some(7));
    assert_eq!(told("npx jest", "Tests:       1 skipped, 8 passed, 9 total\n"), Some(8));
    assert_eq!(told("node --test", "ℹ tests 4\nℹ pass 4\nℹ fail 0\n"), Some(4));
    assert_eq!(told("sh -c 'npm test'", "\u{1b}[32m Tests  6 passed (6)\u{1b}[0m\n"), Some(6));
    for silent in ["ok  \tx/sum\t0.003s\n", "all good\n", "", "3 passed the gate\n"] {
        assert_eq!(told("./check", silent), None, "{silent:?}");
    }
}

#[test]
fn tests_that_ran_are_counted_whether_they_passed_or_failed() {
    let told = |command: &str, output: &str| {
        let ran = Ran { command, exit: Some(1), ended: "", whole: "", bytes: output.len() as u64 };
        distil(output.as_bytes(), &ran, Lens::of(command)).tests.map(|it| (it.passed, it.failed))
    };
    let two = "test result: ok. 5 passed; 0 failed; 1 ignored; finished in 0.00s\ntest result: FAILED. 2 passed; 3 failed; 0 ignored\n";
    assert_eq!(told("cargo test", two), Some((7, 3)));
    let nextest = "Summary [   0.005s] 6 tests run: 3 passed (1 slow), 3 failed, 0 skipped\n";
    assert_eq!(told("cargo nextest run", nextest), Some((3, 3)));
    assert_eq!(told("pytest -q", "===== 2 failed, 12 passed, 1 error in 0.12s =====\n"), Some((12, 3)));
    assert_eq!(told("pytest -q", "1 failed, 9 passed, 2 warnings in 75.31s (0:01:15)\n"), Some((9, 1)));
    assert_eq!(told("pytest", "===== 2 failed in 0.12s =====\n"), Some((0, 2)));
    let unittest = "Ran 7 tests in 0.001s\n\nFAILED (failures=1, errors=2)\n";
    assert_eq!(told("python3 -m unittest", unittest), Some((4, 3)));
    assert_eq!(told("npx jest", "Tests:       2 failed, 8 passed, 10 total\n"), Some((8, 2)));
    assert_eq!(told("npx vitest", " Tests  1 failed | 6 passed (7)\n"), Some((6, 1)));
    assert_eq!(told("node --test", "# pass 4\n# fail 2\n"), Some((4, 2)));
    assert_eq!(told("npx mocha", "  9 passing (10ms)\n  1 failing\n"), Some((9, 1)));
    assert_eq!(told("go test -v ./...", "--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\n"), Some((1, 1)));
    for silent in ["--- FAIL: TestB (0.00s)\n", "12 passed the gate\n", "I ran 3 tests and 2 failed\n", ""] {
        assert_eq!(told("./check", silent), None, "{silent:?}");
    }
}

#[test]
fn colours_overwritten_lines_and_repeats_are_gone() {
    let output = format!(
        "{}\u{1b}]0;title\u{7}\u{1b}[31merror\u{1b}[0m: it broke\r\n 10 %\r 50 %\r100 %\r\n{}\u{1b}[2",
        noise(90),
        "error: again\n".repeat(50)
    );
    let says = shown("./deploy", 1, &output);
    assert!(says.contains("error: it broke\n100 %\n") && !says.contains(" 50 %"), "{says}");
    assert!(says.contains("error: again\n[… the same line 49 times more …]"), "{says}");
    assert!(!says.contains('\u{1b}') && !says.contains("title"), "{says}");
}

/// Failed and other tests as each tool tells of them, with noise around.
fn told(tool: usize, tests: &[(String, bool)]) -> (&'static str, String) {
    let mut out = noise(120);
    let failed = || tests.iter().filter(|(_, failed)| *failed).map(|(name, _)| name);
    let mut add = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    match tool {
        0 => {
            for (name, failed) in tests {
                add(format!("test {name} ... {}", if *failed { "FAILED" } else { "ok" }));
            }
            add("\nfailures:\n".to_owned());
            failed().for_each(|name| {
                add(format!(
                    "---- {name} stdout ----\nthread '{name}' panicked at a.rs:1:1:\n{}",
                    "saying more\n".repeat(30)
                ))
            });
            add("failures:".to_owned());
            failed().for_each(|name| add(format!("    {name}")));
            ("cargo test", out)
        }
        1 => {
            for (name, failed) in tests {
                add(format!(
                    "tests/test_a.py::{name} {}   [ 50%]",
                    if *failed { "FAILED" } else { "PASSED" }
                ));
            }
            add("============ FAILURES ============".to_owned());
            failed().for_each(|name| {
                add(format!("____________ {name} ____________\n{}", "E   assert 1 == 2\n".repeat(30)))
            });
            add("======== short test summary info ========".to_owned());
            failed().for_each(|name| add(format!("FAILED tests/test_a.py::{name} - assert 1 == 2")));
            ("pytest", out)
        }
        2 => {
            for (name, failed) in tests {
                add(format!("    {} {name} (5 ms)", if *failed { "✕" } else { "✓" }));
            }
            failed().for_each(|name| {
                add(format!("  ● suite › {name}\n\n{}", "    at x (a.js:1:1)\n".repeat(30)))
            });
            ("npx jest", out)
        }
        3 => {
            for (n, (name, failed)) in tests.iter().enumerate() {
                add(format!("{} {n} - {name}", if *failed { "not ok" } else { "ok" }));
            }
            ("npm test", out)
        }
        _ => {
            for (name, failed) in tests {
                add(format!("=== RUN   {name}\nsaying more"));
                add(format!(
                    "--- {}: {name} (0.00s)\n    a_test.go:1: no",
                    if *failed { "FAIL" } else { "PASS" }
                ));
            }
            ("go test -v ./...", out)
        }
    }
}

proptest! {
    #[test]
    fn no_name_of_a_failed_test_is_lost(
        tool in 0..5_usize,
        tests in proptest::collection::vec(("[a-z][a-z_]{2,40}(::[a-z_]{3,30}){0,2}", any::<bool>()), 1..90),
    ) {
        let tests: Vec<(String, bool)> = tests.into_iter().enumerate().map(|(n, (name, failed))| (format!("{name}{n}x"), failed)).collect();
        let (command, output) = told(tool, &tests);
        let says = shown(command, 1, &output);
        prop_assert!(says.len() <= SHOWN_MAX, "{} bytes", says.len());
        for (name, _) in tests.iter().filter(|(_, failed)| *failed) {
            prop_assert!(says.contains(name.as_str()), "{name} is lost in:\n{says}");
        }
        let names = says.split("failed:\n").nth(1).unwrap_or_default();
        for (name, _) in tests.iter().filter(|(_, failed)| !*failed) {
            let listed = names.lines().take_while(|it| it.starts_with("  ")).any(|it| it.trim() == name);
            prop_assert!(!listed, "{name} did not fail:\n{says}");
        }
    }

    #[test]
    fn whatever_it_is_the_shown_is_bounded_and_plain(
        parts in proptest::collection::vec(prop_oneof![
            "\\PC{0,60}",
            Just("error: \u{1b}[31m".to_owned()),
            Just("\u{1b}]0;x".to_owned()),
            Just("---- a stdout ----".to_owned()),
            Just("failures:".to_owned()),
            Just("=== FAILURES ===".to_owned()),
            Just("x".repeat(30_000)),
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(|it| String::from_utf8_lossy(&it).into_owned()),
        ], 0..120),
        exit in 0..2_i32,
        command in prop_oneof![Just("cargo test"), Just("pytest"), Just("npx jest"), Just("go test"), Just("make")],
    ) {
        let says = shown(command, exit, &parts.join("\n"));
        prop_assert!(says.len() <= SHOWN_MAX, "{} bytes", says.len());
        prop_assert!(says.chars().all(|it| it == '\n' || it == '\t' || !it.is_control()), "{says:?}");
        prop_assert!(exit != 0 || says.lines().count() <= 1, "{says}");
    }
}

#[test]
fn more_names_than_fit_are_counted() {
    let all: String =
        (0..2_000).map(|n| format!("test the::long::name::of::a::test_{n} ... FAILED\n")).collect();
    let says = shown("cargo test", 101, &all);
    assert!(says.len() <= SHOWN_MAX && says.contains("2000 tests failed:"), "{}", says.len());
    assert!(says.contains(" more, in the whole output"), "{says}");
}
