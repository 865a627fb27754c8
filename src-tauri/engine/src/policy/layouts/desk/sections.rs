//! The matrix: which sections a layout knows, and how each of them stands in an item's files.
//!
//! Refuses to count a template's words for a section, and 'not applicable' without a reason for one.

use pilothouse_contract::desk::{Place, Section, SectionState};
use pilothouse_contract::layout::Layout;

use super::{Docs, parts};
use crate::policy::specs::{Line, lines};

/// A section: what it is called, words of which its heading holds one, and whether a gate wants it.
type Known = (&'static str, &'static [&'static str], bool);

/// What stands for the sections of a file that is not there.
#[derive(Clone, Copy, PartialEq)]
enum Absent {
    /// Each of them is missing.
    Each,
    /// The file is, as one.
    One,
    /// Nothing: such a file need not be.
    Nothing,
}

/// A file by how its path ends, and its sections.
type Sheet = (&'static str, Absent, &'static [Known]);

const NATIVE: &[Sheet] = &[(
    "/spec.md",
    Absent::Each,
    &[
        ("Summary", &["summary"], true),
        ("Problem", &["problem"], false),
        ("Users and scenarios", &["scenario", "users"], false),
        ("Requirements", &["requirement"], true),
        ("Success criteria", &["success"], true),
        ("Non-goals", &["non-goal", "non goal", "out of scope"], false),
        ("Constraints", &["constraint"], false),
        ("Data and contracts", &["data", "contract"], false),
        ("Compatibility", &["compatib"], true),
        ("Risks", &["risk"], true),
        ("Hardening", &["hardening"], false),
        ("Open questions", &["open question"], true),
        ("Decisions", &["decision"], false),
    ],
)];
const SPEC_KIT: &[Sheet] = &[(
    "/spec.md",
    Absent::Each,
    &[
        ("User scenarios", &["user scenario"], true),
        ("Edge cases", &["edge case"], false),
        ("Requirements", &["requirement"], true),
        ("Key entities", &["key entit"], false),
        ("Success criteria", &["success criteria"], true),
        ("Assumptions", &["assumption"], false),
    ],
)];
const OPEN_SPEC: &[Sheet] = &[
    (
        "/proposal.md",
        Absent::Each,
        &[
            ("Why", &["why"], true),
            ("What changes", &["what changes"], true),
            ("Capabilities", &["capabilit"], false),
            ("Impact", &["impact"], false),
        ],
    ),
    (
        "/design.md",
        Absent::Nothing,
        &[
            ("Context", &["context"], false),
            ("Goals and non-goals", &["goals"], false),
            ("Decisions", &["decision"], false),
            ("Risks", &["risk"], false),
        ],
    ),
];
const KIRO: &[Sheet] = &[
    (
        "/requirements.md",
        Absent::Each,
        &[
            ("Introduction", &["introduction"], false),
            ("Requirements", &["requirement"], false),
            ("Acceptance criteria", &["acceptance criteria"], false),
        ],
    ),
    KIRO_DESIGN,
];
const KIRO_BUG: &[Sheet] = &[
    (
        "/bugfix.md",
        Absent::Each,
        &[
            ("Current behaviour", &["current"], false),
            ("Expected behaviour", &["expected"], false),
            ("Unchanged behaviour", &["unchanged"], false),
        ],
    ),
    KIRO_DESIGN,
];
const KIRO_DESIGN: Sheet = (
    "/design.md",
    Absent::One,
    &[
        ("Overview", &["overview"], false),
        ("Architecture", &["architecture"], false),
        ("Components and interfaces", &["component", "interface"], false),
        ("Data models", &["data model"], false),
        ("Error handling", &["error"], false),
        ("Testing", &["testing", "test strategy"], false),
    ],
);
const MERCATO: &[Sheet] = &[(
    "",
    Absent::Each,
    &[
        ("TLDR", &["tldr", "tl;dr", "summary"], false),
        ("Overview", &["overview"], false),
        ("Problem", &["problem"], false),
        ("Solution", &["solution"], false),
        ("Architecture", &["architecture"], false),
        ("Data model", &["data model"], false),
        ("API", &["api"], false),
        ("UI", &["ui", "user interface"], false),
        ("Edge cases", &["edge case"], false),
        ("Risks", &["risk"], true),
        ("Phasing", &["phas"], true),
        ("Implementation plan", &["implementation"], false),
        ("Compliance", &["compliance"], false),
        ("Changelog", &["changelog"], false),
    ],
)];
const SUPERPOWERS: &[Sheet] = &[(
    "",
    Absent::Each,
    &[
        ("Goal", &["goal"], false),
        ("Architecture", &["architecture"], false),
        ("Tech stack", &["tech stack", "stack"], false),
        ("Global constraints", &["constraint"], false),
    ],
)];
const AGENT_OS: &[Sheet] = &[(
    "/spec.md",
    Absent::Each,
    &[
        ("Goal", &["goal", "overview"], false),
        ("User stories", &["user stor"], false),
        ("Requirements", &["requirement"], false),
        ("Existing code", &["existing code", "leverage"], false),
        ("Out of scope", &["out of scope"], false),
    ],
)];
const BMAD: &[Sheet] = &[(
    "",
    Absent::Each,
    &[
        ("Story", &["story"], false),
        ("Acceptance criteria", &["acceptance"], false),
        ("Tasks", &["task"], false),
        ("Dev notes", &["dev note"], false),
    ],
)];

fn sheets(docs: &Docs<'_>) -> &'static [Sheet] {
    match docs.item.layout {
        Layout::Native => NATIVE,
        Layout::SpecKit => SPEC_KIT,
        Layout::OpenSpec => OPEN_SPEC,
        Layout::Kiro | Layout::CcSdd if docs.text("/bugfix.md").is_some() => KIRO_BUG,
        Layout::Kiro | Layout::CcSdd => KIRO,
        Layout::OpenMercato => MERCATO,
        Layout::Superpowers => SUPERPOWERS,
        Layout::AgentOs => AGENT_OS,
        Layout::Bmad => BMAD,
        Layout::Ralph | Layout::TaskMaster => &[],
    }
}

/// The matrix of an item.
pub(super) fn matrix(docs: &Docs<'_>) -> Vec<Section> {
    sheets(docs).iter().flat_map(|sheet| of_sheet(docs, sheet)).collect()
}

/// The file that a sheet is about: by its ending, or the one that says what is wanted.
fn file<'a>(docs: &Docs<'a>, ends: &str) -> Option<(&'a str, &'a str)> {
    if ends.is_empty() {
        let path = super::gates::spec_of(docs.item)?;
        return docs.texts.iter().copied().find(|(it, _)| *it == path);
    }
    docs.text(ends)
}

fn of_sheet(docs: &Docs<'_>, (ends, absent, known): &Sheet) -> Vec<Section> {
    let Some((path, text)) = file(docs, ends) else {
        let place = Place::new(&format!("{}{ends}", docs.item.path), 0);
        let missing = |name: &str, needed: bool, says: &str| Section {
            name: name.to_owned(),
            state: SectionState::Missing,
            needed,
            place: place.clone(),
            lines: 0,
            says: says.to_owned(),
        };
        return match absent {
            Absent::Each => {
                let says = "the file is not there: write it";
                known.iter().map(|(name, _, needed)| missing(name, *needed, says)).collect()
            }
            Absent::One => {
                let name = ends.trim_start_matches('/').trim_end_matches(".md");
                vec![missing(name, false, "is not there: write how it is built")]
            }
            Absent::Nothing => Vec::new(),
        };
    };
    let have = heads(docs.item.layout, text);
    let one = |(name, words, needed): &Known| {
        let found = have.iter().find(|it| words.iter().any(|word| holds(&it.words, word)));
        let (state, line, lines, says) = match found {
            None => (
                SectionState::Missing,
                1,
                0,
                format!("add a section '{name}', with what holds or 'not applicable because …'"),
            ),
            Some(it) => stands(it),
        };
        let place = Place::new(path, line);
        Section { name: (*name).to_owned(), state, needed: *needed, place, lines, says }
    };
    known.iter().map(one).collect()
}

/// Whether a heading's words hold one; a very short one as a word of its own.
fn holds(words: &str, word: &str) -> bool {
    if word.len() > 3 {
        return words.contains(word);
    }
    words.split(|it: char| !it.is_alphanumeric()).any(|it| it == word)
}

/// A heading, or what stands for one, with what it says.
struct Head {
    words: String,
    line: usize,
    body: Vec<String>,
}

fn heads(layout: Layout, text: &str) -> Vec<Head> {
    let said = |it: &Line<'_>| it.text.trim().to_owned();
    let mut all: Vec<Head> = parts(text)
        .iter()
        .map(|it| Head {
            words: it.words.clone(),
            line: it.line,
            body: it.body.iter().map(said).filter(|it| says_something(it)).collect(),
        })
        .collect();
    if layout == Layout::Superpowers {
        // Its header is bold words with a colon, each with what it says behind.
        let bold = lines(text).filter(|it| !it.hidden).filter_map(|line| {
            let (name, rest) = line.text.trim().strip_prefix("**")?.split_once("**")?;
            let body =
                [name.split_once(':').map_or("", |it| it.1).trim(), rest.trim_start_matches(':').trim()];
            let body = body.into_iter().filter(|it| !it.is_empty()).map(str::to_owned).collect();
            Some(Head { words: name.to_lowercase(), line: line.number, body })
        });
        all.splice(0..0, bold.collect::<Vec<_>>());
    }
    all
}

/// Whether a line says anything: neither nothing, nor a comment, nor a rule.
fn says_something(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("<!--") && !line.bytes().all(|it| matches!(it, b'-' | b'*' | b'_'))
}

/// Whether a line is a template's: all of it in brackets, and no link and no box.
fn is_template(line: &str) -> bool {
    let bare = line.trim_start_matches(['-', '*', ' ']);
    bare.len() > 4 && bare.starts_with('[') && bare.ends_with(']')
}

fn stands(head: &Head) -> (SectionState, usize, usize, String) {
    let body: Vec<&String> = head.body.iter().filter(|it| !it.starts_with('#')).collect();
    let missing = |says: &str| (SectionState::Missing, head.line, 0, says.to_owned());
    if body.is_empty() {
        return missing("says nothing: fill it, or write 'not applicable because …'");
    }
    if body.iter().all(|it| is_template(it)) {
        return missing("holds only its template's words: write what is meant");
    }
    let whole = body.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ");
    let lower = whole.to_lowercase();
    let exempt = body.len() <= 3 && (lower.starts_with("not applicable") || lower.starts_with("n/a"));
    if !exempt {
        return (SectionState::Filled, head.line, body.len(), String::new());
    }
    let reason = ["because", "—", "–", ":", ";", ","].into_iter().find_map(|word| {
        // In small letters some signs are longer: places are looked for in what was written.
        let at = whole.to_ascii_lowercase().find(word)?;
        whole.get(at + word.len()..).map(str::trim).filter(|it| !it.is_empty())
    });
    match reason {
        Some(reason) => (SectionState::NotApplicable, head.line, body.len(), reason.to_owned()),
        None => missing("says 'not applicable' and not why: write 'not applicable because …'"),
    }
}
