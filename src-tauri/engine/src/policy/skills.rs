//! Skills: the form that the Agent Skills format asks for, those that this program brings, and which one a repository has for a stage.
//!
//! Pure: bytes and paths in, data out. It refuses to run what a skill brings, and to judge what it says.

mod bundled;
pub mod exits;
mod stages;

#[cfg(test)]
mod tests;

use pilothouse_contract::instructions::{Finding, FindingKind};
use pilothouse_contract::skill::CheckedSkill;
use serde::Deserialize;

use crate::policy::instructions::{Files, commands_in};

pub use bundled::{BUNDLED, name_for};
pub use stages::{for_stage, places, theirs};

/// Cases that each skill of ours is evaluated by, at least.
pub const EVALS_MIN: usize = 5;
/// A longer body is more than an agent takes in at once.
const BODY_LINES: usize = 500;
const BODY_TOKENS: usize = 5000;

/// A skill as it was found, with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What it is.
    pub skill: CheckedSkill,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// What stands before a skill's text. What it does not know it leaves.
#[derive(Debug, Default, Deserialize)]
struct Front {
    name: Option<String>,
    description: Option<String>,
    compatibility: Option<String>,
}

/// What a skill is evaluated by.
#[derive(Debug, Deserialize)]
struct Evals {
    evals: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
struct Case {
    prompt: String,
    #[serde(default)]
    assertions: Vec<String>,
    #[serde(default)]
    must_not: Vec<String>,
}

/// Where a skill's findings are gathered.
struct Finds<'a> {
    file: &'a str,
    all: Vec<Finding>,
}

impl Finds<'_> {
    fn add(&mut self, line: usize, says: &str, remedy: &str, blocking: bool) {
        self.all.push(Finding {
            kind: FindingKind::Skill,
            file: self.file.to_owned(),
            line,
            column: usize::from(line > 0),
            says: says.to_owned(),
            remedy: remedy.to_owned(),
            blocking,
        });
    }
}

/// Whether a skill is in its form, given its folder and the files in it.
#[must_use]
pub fn form(folder: &str, files: &Files) -> Form {
    let file = format!("{folder}/SKILL.md");
    let mut skill = CheckedSkill { path: folder.to_owned(), ..CheckedSkill::default() };
    let mut finds = Finds { file: &file, all: Vec::new() };
    let named = folder.rsplit('/').next().unwrap_or(folder);
    named.clone_into(&mut skill.name);
    let text = files.get(&file).map(|it| std::str::from_utf8(&it.bytes));
    let Some(Ok(text)) = text else {
        let says = if text.is_none() { "is missing" } else { "is no UTF-8 text" };
        finds.add(0, says, "write it: a name and a description in front, then what to do", true);
        return Form { skill, findings: finds.all };
    };
    skill.lines = text.lines().count();
    skill.tokens = u64::try_from(text.len().div_ceil(4)).unwrap_or(u64::MAX);
    skill.commands = commands_in(text);
    match front(text, &mut finds) {
        Some((front, body)) => {
            names(&front, named, &mut finds);
            if let Some(it) = front.description {
                skill.description = it;
            }
            if body.trim().is_empty() {
                finds.add(
                    0,
                    "says nothing behind its front matter",
                    "say what to do, step by step, and when it is done",
                    true,
                );
            }
        }
        None => finds.add(1, "has no front matter", "begin it with ---, name:, description: and ---", true),
    }
    if skill.lines > BODY_LINES || skill.tokens > u64::try_from(BODY_TOKENS).unwrap_or(u64::MAX) {
        let says = format!("has {} lines, about {} tokens", skill.lines, skill.tokens);
        finds.add(0, &says, "move what not every use needs into references/, and link to it", false);
    }
    let mut findings = finds.all;
    for (path, source) in files.iter().filter(|(path, _)| is_evals(folder, path)) {
        match serde_json::from_slice::<Evals>(&source.bytes) {
            Ok(it) => {
                skill.evals += it.evals.len();
                let empty = |it: &Case| {
                    it.prompt.trim().is_empty() || it.assertions.is_empty() && it.must_not.is_empty()
                };
                if let Some(at) = it.evals.iter().position(empty) {
                    let mut finds = Finds { file: path, all: Vec::new() };
                    let says = format!(
                        "has a case that cannot fail: number {} has no prompt, or nothing that must hold",
                        at + 1
                    );
                    finds.add(0, &says, "give it a prompt, and assertions or must_not", true);
                    findings.extend(finds.all);
                }
            }
            Err(error) => findings.push(Finding {
                kind: FindingKind::Skill,
                file: path.clone(),
                line: error.line(),
                column: error.column(),
                says: format!("cannot be read: {error}"),
                remedy: "write {\"evals\": [{\"prompt\": …, \"assertions\": […], \"must_not\": […]}]}"
                    .to_owned(),
                blocking: true,
            }),
        }
    }
    Form { skill, findings }
}

/// Whether a path is an evaluation of the skill in a folder.
fn is_evals(folder: &str, path: &str) -> bool {
    let below = path.strip_prefix(folder).and_then(|it| it.strip_prefix("/evals/"));
    below.is_some_and(|it| it.ends_with(".json") && !it.contains('/'))
}

/// The front matter and what follows it. One that is no YAML is read line by line, as agents do.
fn front<'a>(text: &'a str, finds: &mut Finds<'_>) -> Option<(Front, &'a str)> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = bare.strip_prefix("---\n").or_else(|| bare.strip_prefix("---\r\n"))?;
    let (mut at, mut end) = (0, None);
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            end = Some((at, at + line.len()));
            break;
        }
        at += line.len();
    }
    let (to, from) = end?;
    let (yaml, body) = (rest.get(..to)?, rest.get(from..)?);
    if let Ok(front) = serde_saphyr::from_str::<Front>(yaml) {
        return Some((front, body));
    }
    let value = |key: &str| {
        let found = yaml.lines().enumerate().find_map(|(number, line)| {
            let value = line.strip_prefix(key)?.strip_prefix(':')?.trim();
            Some((number + 2, value.trim_matches(['"', '\'']).to_owned()))
        });
        found.filter(|(_, value)| !value.is_empty())
    };
    let line =
        |found: &Option<(usize, String)>| found.as_ref().filter(|(_, it)| it.contains(": ")).map(|it| it.0);
    let (name, description, compatibility) = (value("name"), value("description"), value("compatibility"));
    let at = line(&description).or_else(|| line(&name)).unwrap_or(2);
    finds.add(
        at,
        "is no YAML here: a value with a colon and a blank in it is not quoted, or something is not closed",
        "put the value in quotes",
        false,
    );
    let front = Front {
        name: name.map(|it| it.1),
        description: description.map(|it| it.1),
        compatibility: compatibility.map(|it| it.1),
    };
    Some((front, body))
}

fn names(front: &Front, folder: &str, finds: &mut Finds<'_>) {
    match front.name.as_deref() {
        None | Some("") => finds.add(2, "has no name", &format!("write name: {folder}"), true),
        Some(name) => {
            let plain = name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
            let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
            if !plain || hyphens || name.len() > 64 {
                finds.add(
                    2,
                    &format!("has a name that is none: '{name}'"),
                    "use at most 64 small letters, digits and single hyphens",
                    true,
                );
            }
            if name != folder {
                finds.add(
                    2,
                    &format!("is called '{name}' and lies in a folder called '{folder}'"),
                    "give both the same name: agents look for the folder",
                    true,
                );
            }
        }
    }
    match front.description.as_deref().map(str::trim) {
        None | Some("") => finds.add(
            2,
            "has no description, so agents pass it over",
            "say in description: what it does and when to use it",
            true,
        ),
        Some(it) if it.chars().count() > 1024 => {
            finds.add(
                2,
                &format!("has a description of {} signs", it.chars().count()),
                "shorten it to 1,024",
                true,
            );
        }
        Some(_) => {}
    }
    if front.compatibility.as_ref().is_some_and(|it| it.chars().count() > 500) {
        finds.add(2, "has more than 500 signs in compatibility", "shorten it", true);
    }
}
