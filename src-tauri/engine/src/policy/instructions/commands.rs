//! Whether a command that instructions cite exists: scripts of npm, targets of make and just, aliases of cargo, files, programs.
//!
//! Refuses to run anything, and to say of what it cannot read that it is missing.

use std::collections::BTreeSet;

use super::{Files, World, folder_of, join, name_of};
use crate::policy::runnable::{
    ALIASES, JUSTFILES, MAKEFILES, aliases, is_of_cargo, is_of_shell, recipes, scripts, targets,
};

/// Folders of what is built: what is named in them need not be there yet.
const MADE: [&str; 8] = ["target", "node_modules", "dist", "build", "out", ".venv", "venv", "bin"];

/// What can be run in a repository.
#[derive(Debug, Default)]
pub(super) struct Runnable {
    scripts: Option<BTreeSet<String>>,
    targets: Option<BTreeSet<String>>,
    /// Whether a makefile has targets that cannot be read from it alone.
    more_targets: bool,
    recipes: Option<BTreeSet<String>>,
    more_recipes: bool,
    aliases: BTreeSet<String>,
}

/// What is wrong with a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) says: String,
    pub(super) remedy: String,
    pub(super) blocking: bool,
}

/// Whether a file says what can be run.
pub(super) fn is_manifest(path: &str) -> bool {
    let name = name_of(path);
    name == "package.json"
        || MAKEFILES.contains(&name)
        || JUSTFILES.contains(&name)
        || ALIASES.iter().any(|it| path == *it || path.ends_with(&format!("/{it}")))
}

impl Runnable {
    /// Reads what there is.
    pub(super) fn of(files: &Files) -> Self {
        let mut all = Self::default();
        for (path, source) in files.iter().filter(|(path, _)| is_manifest(path)) {
            let text = String::from_utf8_lossy(&source.bytes);
            match name_of(path) {
                "package.json" => {
                    all.scripts.get_or_insert_default().extend(scripts(&text).unwrap_or_default());
                }
                "config.toml" | "config" => all.aliases.extend(aliases(&text)),
                name if JUSTFILES.contains(&name) => {
                    all.more_recipes |=
                        text.lines().any(|it| it.starts_with("import ") || it.starts_with("mod "));
                    all.recipes.get_or_insert_default().extend(recipes(&text));
                }
                _ => {
                    all.more_targets |= text.lines().any(|it| {
                        it.starts_with("include ")
                            || it.starts_with("-include ")
                            || it.contains('%')
                            || it.starts_with("$(")
                    });
                    all.targets.get_or_insert_default().extend(targets(&text));
                }
            }
        }
        all
    }

    /// What is wrong with the commands of a line; nothing if all may exist. `whole` is false for a few words in a sentence, which are
    /// only a command where they begin with a runner.
    pub(super) fn wrong(&self, from: &str, line: &str, whole: bool, world: &World<'_>) -> Vec<Wrong> {
        pieces(line).iter().filter_map(|piece| self.of_one(from, piece, whole, world)).collect()
    }

    fn of_one(&self, from: &str, words: &[String], whole: bool, world: &World<'_>) -> Option<Wrong> {
        let (first, rest) = words.split_first()?;
        if first.contains(['<', '{', '[', '$', '…', '*', '"', '\'', '`', '=', '#', '>']) {
            return None;
        }
        let mut named =
            rest.iter().map(String::as_str).filter(|it| !it.starts_with(['-', '+']) && !it.contains('='));
        let elsewhere = rest.iter().any(|it| {
            ["-C", "--prefix", "--filter", "-F", "-w", "--workspace", "--cwd", "-f", "--justfile"]
                .contains(&it.as_str())
        });
        let blocks = |says: String, remedy: String| Some(Wrong { says, remedy, blocking: true });
        let lacks = |cited: &str, kind: &str, name: &str, known: Option<&BTreeSet<String>>, file: &str| {
            let why = match known {
                Some(known) if known.contains(name) => return None,
                Some(_) => format!("no {file} has such a {kind}"),
                // Of a few words in a sentence nobody knows whether they are a command.
                None if !whole => return None,
                None => format!("there is no {file}"),
            };
            blocks(
                format!("cites `{cited}`, and {why}"),
                format!("add the {kind} '{name}', or cite one that exists"),
            )
        };
        let open = |it: &str| {
            !it.chars().all(|it| it.is_alphanumeric() || "-_:./".contains(it))
                || it.chars().all(|it| it.is_uppercase() || "_-".contains(it))
        };
        match first.as_str() {
            "npm" | "pnpm" | "yarn" | "bun" if !elsewhere => {
                let verb = named.next()?;
                let script = match verb {
                    "run" | "run-script" => named.next()?,
                    "test" | "start" if first != "bun" => verb,
                    _ => return None,
                };
                if open(script) {
                    return None;
                }
                let cited = format!("{first} {}", said(verb, script));
                lacks(&cited, "script", script, self.scripts.as_ref(), "package.json")
            }
            "make" | "gmake" if !elsewhere => {
                let target = named.find(|it| !open(it) && !it.chars().all(|it| it.is_ascii_digit()))?;
                if self.more_targets {
                    return None;
                }
                lacks(&format!("make {target}"), "target", target, self.targets.as_ref(), "Makefile")
            }
            "just" if !elsewhere => {
                let recipe = named.next().filter(|it| !open(it))?;
                if self.more_recipes || recipe.contains("::") {
                    return None;
                }
                lacks(&format!("just {recipe}"), "recipe", recipe, self.recipes.as_ref(), "justfile")
            }
            "cargo" => {
                let verb = named.next().filter(|it| !open(it))?;
                if is_of_cargo(verb)
                    || self.aliases.contains(verb)
                    || (world.program)(&format!("cargo-{verb}"))
                {
                    return None;
                }
                // What is installed differs from machine to machine, an alias does not.
                let says = format!(
                    "cites `cargo {verb}`, which is no command of cargo, no alias of .cargo/config.toml, and no program cargo-{verb} here"
                );
                let blocking = verb == "xtask";
                Some(Wrong {
                    says,
                    remedy: format!(
                        "add the alias '{verb}', say how cargo-{verb} is installed, or cite another command"
                    ),
                    blocking,
                })
            }
            path if path.contains('/') && whole => {
                let bare = path.trim_start_matches("./");
                let top = bare.split('/').next().unwrap_or_default();
                let here = join(folder_of(from), bare).is_some_and(|it| (world.has)(&it));
                if path.starts_with(['/', '~'])
                    || path.contains("..")
                    || MADE.contains(&top)
                    || here
                    || (world.has)(bare)
                {
                    return None;
                }
                blocks(
                    format!("cites `{path}`, and there is no such file"),
                    "mend the path, or leave the command out".to_owned(),
                )
            }
            program if whole && is_name(program) => {
                if is_of_shell(program) || (world.program)(program) {
                    return None;
                }
                Some(Wrong {
                    says: format!("cites the program '{program}', which is not on this machine's PATH"),
                    remedy: "say how it is installed, or cite another one".to_owned(),
                    blocking: false,
                })
            }
            _ => None,
        }
    }
}

fn said(verb: &str, script: &str) -> String {
    if verb == script { script.to_owned() } else { format!("{verb} {script}") }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|it: char| it.is_ascii_lowercase())
        && word.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || "-_.".contains(it))
}

/// The commands of a line, each in words: without what is set for them, what they are begun by, and what is a remark.
fn pieces(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut quote = None;
    let end = |words: &mut Vec<String>, all: &mut Vec<Vec<String>>| {
        let begun = |it: &String| {
            matches!(
                it.as_str(),
                "sudo" | "time" | "env" | "(" | "{" | "!" | "if" | "then" | "do" | "else" | "while"
            ) || it.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
            })
        };
        let from = words.iter().position(|it| !begun(it)).unwrap_or(words.len());
        let rest = words.split_off(from);
        if !rest.is_empty() {
            all.push(rest);
        }
        words.clear();
    };
    for sign in line.chars() {
        match (quote, sign) {
            (Some(open), _) => {
                if sign == open {
                    quote = None;
                }
                word.push(sign);
            }
            (None, '"' | '\'') => {
                quote = Some(sign);
                word.push(sign);
            }
            (None, '#') if word.is_empty() => break,
            (None, ';' | '|' | '&') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                end(&mut words, &mut all);
            }
            (None, _) if sign.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (None, _) => word.push(sign),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    end(&mut words, &mut all);
    all
}
