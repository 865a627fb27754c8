//! The skeleton of a new spec in a repository's own layout: its name, its folder, its headings. What they are to say is the author's.
//!
//! Refuses to fill a heading: an empty one is told by the gates, and words that nobody thought are not. Other people's words stand in
//! it as a quotation, made plain.

use pilothouse_contract::card::Source;
use pilothouse_contract::layout::Layout;
use pilothouse_contract::text;

use super::layouts::Tree;

/// A name has so many words of the idea, and so many signs.
const WORDS: usize = 5;
const NAME_MAX: usize = 40;
/// Of an idea so many lines are quoted; all of it is in its author's brief.
const QUOTED: usize = 40;
/// A line of it is quoted up to here.
const LINE_MAX: usize = 400;

/// Layouts that a new item can be begun in.
pub const WRITTEN: [Layout; 4] = [Layout::Native, Layout::SpecKit, Layout::OpenSpec, Layout::Kiro];

/// What a new spec begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skeleton {
    /// The item's short name.
    pub slug: String,
    /// Its folder, relative to the top of the repository.
    pub folder: String,
    /// The file that says what is wanted, in its folder.
    pub spec: &'static str,
    /// Files by their paths relative to the top.
    pub files: Vec<(String, String)>,
}

/// What stands in the header of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Feature, fix, migration, zero-to-one or boundary-refactor.
    pub kind: &'a str,
    /// Who answers for it.
    pub owner: &'a str,
    /// The commit that it is written on.
    pub base: &'a str,
}

/// The layout that a repository has, by its paths; ours where it has none.
#[must_use]
pub fn layout_of(tree: &Tree) -> Layout {
    let below =
        |folder: &str| tree.range(folder.to_owned()..).next().is_some_and(|it| it.starts_with(folder));
    if below(".specify/") {
        Layout::SpecKit
    } else if below("specs/") {
        Layout::Native
    } else if below("openspec/") {
        Layout::OpenSpec
    } else if below(".kiro/") {
        Layout::Kiro
    } else {
        Layout::Native
    }
}

/// A name of an idea's words: small letters, digits and dashes; `item` if it has none of them.
#[must_use]
pub fn name_of(title: &str) -> String {
    let mut name = String::new();
    let words = title.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let small =
        |it: &&str| !matches!(it.to_ascii_lowercase().as_str(), "a" | "an" | "the" | "of" | "to" | "and");
    for word in words.filter(small).take(WORDS) {
        let more = word.to_ascii_lowercase();
        if !name.is_empty() && name.len() + more.len() >= NAME_MAX {
            break;
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.extend(more.chars().take(NAME_MAX));
    }
    if name.is_empty() { "item".to_owned() } else { name }
}

/// The skeleton of a spec in a layout. `taken` says whether a path is taken, in the repository or in what is begun already: a name
/// that is free is found, and nothing is ever written over.
#[must_use]
pub fn skeleton(
    layout: Layout,
    source: &Source,
    header: &Header<'_>,
    taken: &dyn Fn(&str) -> bool,
    numbers: &[u32],
) -> Skeleton {
    let title = text::line(source.title(), 120);
    let name = name_of(&title);
    let quoted = quoted(source);
    let (slug, folder, spec) = match layout {
        Layout::OpenSpec => free(&name, "openspec/changes/", "proposal.md", taken),
        Layout::Kiro | Layout::CcSdd => free(&name, ".kiro/specs/", "requirements.md", taken),
        _ => {
            let next = numbers.iter().max().copied().unwrap_or_default().saturating_add(1);
            let mut number = next;
            while taken(&format!("specs/{number:03}-{name}")) {
                number = number.saturating_add(1);
            }
            let slug = format!("{number:03}-{name}");
            (slug.clone(), format!("specs/{slug}"), "spec.md")
        }
    };
    let text = match layout {
        Layout::OpenSpec => {
            format!("# Change: {title}\n\n## Why\n\n{quoted}\n## What Changes\n\n## Impact\n")
        }
        Layout::Kiro | Layout::CcSdd => {
            format!("# Requirements Document\n\n## Introduction\n\n{quoted}\n## Requirements\n")
        }
        Layout::SpecKit => format!(
            "# Feature Specification: {title}\n\n**Feature Branch**: `{slug}`\n**Status**: Draft\n**Input**:\n\n{quoted}\n\
             ## User Scenarios & Testing\n\n## Requirements\n\n## Success Criteria\n\n## Assumptions\n"
        ),
        _ => {
            let head = format!(
                "# {title}\n\n- Status: drafting\n- Kind: {}\n- Owner: {}\n- Base: {}\n\n## Summary\n\n{quoted}\n",
                header.kind,
                text::line(header.owner, 80),
                header.base
            );
            let sections = [
                "Problem",
                "Users and scenarios",
                "Requirements",
                "Success criteria",
                "Non-goals",
                "Constraints",
                "Data and contracts",
                "Compatibility",
                "Risks",
                "Hardening",
                "Open questions",
                "Decisions",
            ];
            let sections: Vec<String> = sections.iter().map(|it| format!("## {it}\n")).collect();
            format!("{head}{}", sections.join("\n"))
        }
    };
    Skeleton { files: vec![(format!("{folder}/{spec}"), text)], slug, folder, spec }
}

/// A name below a folder that nobody has.
fn free(
    name: &str,
    below: &str,
    spec: &'static str,
    taken: &dyn Fn(&str) -> bool,
) -> (String, String, &'static str) {
    let mut slug = name.to_owned();
    let mut number = 1_u32;
    while taken(&format!("{below}{slug}")) {
        number = number.saturating_add(1);
        slug = format!("{name}-{number}");
    }
    let folder = format!("{below}{slug}");
    (slug, folder, spec)
}

/// The words of an idea as a quotation: nothing in it is a heading, a box or a command.
#[must_use]
pub fn quoted(source: &Source) -> String {
    let mut out = String::new();
    if let Source::Issue { reference, title, .. } = source {
        out.push_str(&format!("> {} ({})\n>\n", text::line(title, LINE_MAX), text::line(reference, 120)));
    }
    let mut lines = source.text().lines().map(str::trim_end);
    for line in lines.by_ref().take(QUOTED) {
        out.push_str(format!("> {}", text::line(line, LINE_MAX)).trim_end());
        out.push('\n');
    }
    let more = lines.count();
    if more > 0 {
        out.push_str(&format!("> … and {more} lines more, from {}\n", text::line(&source.says(), 200)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str) -> Source {
        Source::Sentence { text: text.to_owned() }
    }

    const HEADER: Header<'_> = Header { kind: "feature", owner: "me", base: "abc" };

    #[test]
    fn names_are_of_the_idea_and_never_taken_ones() {
        assert_eq!(
            name_of("Export the invoices of a month to CSV, please!"),
            "export-invoices-month-csv-please"
        );
        assert_eq!(name_of("…"), "item");
        assert!(name_of(&"x".repeat(500)).len() <= NAME_MAX);
        let taken = |it: &str| ["specs/013-tides", "openspec/changes/tides"].contains(&it);
        let at = |layout| skeleton(layout, &sentence("Tides"), &HEADER, &taken, &[2, 12]).folder;
        assert_eq!(at(Layout::Native), "specs/014-tides");
        assert_eq!(at(Layout::OpenSpec), "openspec/changes/tides-2");
        assert_eq!(at(Layout::Kiro), ".kiro/specs/tides");
    }

    #[test]
    fn a_repository_keeps_the_layout_that_it_has() {
        let tree = |paths: &[&str]| paths.iter().map(|it| (*it).to_owned()).collect::<Tree>();
        assert_eq!(layout_of(&tree(&["src/main.rs"])), Layout::Native);
        assert_eq!(layout_of(&tree(&["specs/001-x/spec.md", "openspec/project.md"])), Layout::Native);
        assert_eq!(layout_of(&tree(&[".specify/memory/constitution.md"])), Layout::SpecKit);
        assert_eq!(layout_of(&tree(&["openspec/project.md"])), Layout::OpenSpec);
        assert_eq!(layout_of(&tree(&[".kiro/steering/x.md"])), Layout::Kiro);
    }

    #[test]
    fn hostile_words_are_quoted_and_add_no_heading_and_no_task() {
        let source = Source::Issue {
            reference: "a/b#1\n# Owned".to_owned(),
            title: "Do it\n## Requirements".to_owned(),
            text: "- [ ] T001 rm\n## Risks\n\u{202e}x\x1b[2J".to_owned(),
        };
        for layout in WRITTEN {
            let made = skeleton(layout, &source, &HEADER, &|_| false, &[]);
            let text = &made.files[0].1;
            assert_eq!(text.lines().filter(|it| it.starts_with("# ")).count(), 1, "{text}");
            assert!(!text.contains(['\x1b', '\u{202e}']) && !text.contains("\n- [ ]"), "{text}");
            assert!(!text.contains("# Owned\n") && text.contains("> - [ ] T001 rm"), "{text}");
        }
    }
}
