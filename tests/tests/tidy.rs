//! What reviewers would otherwise say again and again.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file is at most this long, its tests left out.
const LINES_MAX: usize = 600;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files that are in the repository, or will be.
fn files(ending: &str) -> Vec<PathBuf> {
    let list = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(top())
        .output()
        .unwrap();
    String::from_utf8(list.stdout)
        .unwrap()
        .split('\0')
        .filter(|it| it.ends_with(ending))
        .map(|it| top().join(it))
        .filter(|it| it.exists())
        .collect()
}

#[test]
fn every_source_file_says_what_it_owns() {
    for file in files(".rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with what it owns", file.display());
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        assert!(
            file.file_name().is_none_or(|name| name != "mod.rs"),
            "{}: modules lie beside their folder",
            file.display()
        );
    }
}

#[test]
fn nothing_is_left_undone_and_no_test_is_passed_over() {
    // Put together here, so that this file is not found by itself.
    let words = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["dbg", "!("].concat(),
    ];
    for file in files(".rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} holds {word}", file.display());
        }
    }
}

#[test]
fn names_are_nouns_of_the_field() {
    let banned = ["Manager", "Helper", "Util", "Service", "Handler"];
    for file in files(".rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().map(str::trim_start) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(at) = words.iter().position(|it| matches!(*it, "struct" | "enum" | "trait" | "type"))
            else {
                continue;
            };
            let name = words
                .get(at + 1)
                .map(|it| it.trim_end_matches(|c: char| !c.is_alphanumeric()))
                .unwrap_or_default();
            let name = name.split(['<', '(', '{', ';']).next().unwrap_or_default();
            assert!(!banned.iter().any(|it| name.ends_with(it)), "{}: {name}", file.display());
        }
    }
}

#[test]
fn links_in_documents_lead_somewhere() {
    for file in files(".md") {
        let text = std::fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let path = link.split('#').next().unwrap_or_default();
            assert!(file.parent().unwrap().join(path).exists(), "{}: {link} leads nowhere", file.display());
        }
    }
}
