//! Whether what a `Verify` runs can be found: its program, and the script, the target or the test that it names.
//!
//! Refuses to run anything, and to say that something is missing where a shell would have to be asked: what holds a variable or a
//! substitution is taken to be there.

use std::collections::BTreeSet;

use pilothouse_contract::desk::ProofState;
use pilothouse_contract::layout::LaidItem;
use pilothouse_contract::spec::Verify;

use super::{Facts, Made, Tree, Wants};
use crate::policy::runnable::{
    ALIASES, JUSTFILES, MAKEFILES, aliases, is_of_cargo, is_of_shell, recipes, scripts, targets,
};

/// What only runs what comes behind it.
const BEFORE: [&str; 6] = ["time", "env", "nice", "sudo", "exec", "command"];
/// Programs whose first word is the script that they run.
const RUNS_SCRIPT: [&str; 11] =
    ["sh", "bash", "zsh", "dash", "python", "python3", "node", "ruby", "perl", "php", "tsx"];
/// So many manifests are looked at for the names of their crates.
const MANIFESTS_MAX: usize = 200;

/// What must be looked up for it.
pub(super) fn wants(item: &LaidItem, tree: &Tree, wants: &mut Wants) {
    let commands = item.tasks.iter().flat_map(|it| match &it.spec.verify {
        Verify::Commands(all) => all.as_slice(),
        _ => &[],
    });
    let mut programs = BTreeSet::new();
    for command in commands {
        for words in simple(command) {
            let words = bare(&words);
            let Some(program) = words.first() else { continue };
            programs.insert(program.clone());
            if let Some(folder) = folder_of(words) {
                let names = ["package.json", "Makefile", "makefile", "justfile", "Justfile"];
                wants.files.extend(names.map(|it| format!("{folder}/{it}")));
            }
        }
    }
    let any = |of: &[&str]| of.iter().any(|it| programs.contains(*it));
    let mut also = |names: &[&str]| wants.files.extend(names.iter().map(|it| (*it).to_owned()));
    if any(&["npm", "pnpm", "yarn", "bun"]) {
        also(&["package.json"]);
    }
    if any(&["make", "gmake"]) {
        also(&MAKEFILES);
    }
    if any(&["just"]) {
        also(&JUSTFILES);
    }
    if any(&["cargo"]) {
        also(&ALIASES);
        let manifests = tree.iter().filter(|it| *it == "Cargo.toml" || it.ends_with("/Cargo.toml"));
        wants.files.extend(manifests.take(MANIFESTS_MAX).cloned());
    }
}

/// What came of looking for one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    There,
    /// A task makes it.
    Made,
    Missing(String),
}

/// Whether all that a command names can be found; `made` is what tasks of the plan may write.
pub(super) fn resolve(command: &str, facts: &Facts<'_>, made: &Made) -> (ProofState, String) {
    let mut state = ProofState::Resolves;
    for words in simple(command) {
        let words = bare(&words);
        let Some(name) = words.first() else { continue };
        let named = match program(name, facts, made) {
            Found::There => names(name, words.get(1..).unwrap_or_default(), facts, made),
            other => other,
        };
        match named {
            Found::There => {}
            Found::Made => state = ProofState::New,
            Found::Missing(says) => return (ProofState::Missing, says),
        }
    }
    (state, String::new())
}

/// Whether only a shell could say what a word is.
fn is_open(word: &str) -> bool {
    word.contains(['$', '`', '*', '?', '{'])
}

fn program(name: &str, facts: &Facts<'_>, made: &Made) -> Found {
    if is_of_shell(name) || is_open(name) {
        return Found::There;
    }
    if name.contains('/') {
        if name.starts_with('/') {
            return if (facts.program)(name) { Found::There } else { Found::Missing(no_program(name)) };
        }
        return path(name, facts, made);
    }
    if (facts.program)(name) { Found::There } else { Found::Missing(no_program(name)) }
}

fn no_program(name: &str) -> String {
    format!("the program '{name}' is not on the PATH: mend the command, or install it")
}

/// A path that must be in the tree, or be made.
fn path(word: &str, facts: &Facts<'_>, made: &Made) -> Found {
    let bare = word.trim_start_matches("./");
    if bare.is_empty()
        || is_open(bare)
        || bare.starts_with(['/', '~'])
        || bare.starts_with("..")
        || facts.has(bare)
    {
        return Found::There;
    }
    if made.matches(bare) {
        return Found::Made;
    }
    Found::Missing(format!(
        "{bare} is not in the repository, and no task makes it: mend the path, or add it to the Files of the task that does"
    ))
}

/// What a program is told to run.
fn names(program: &str, args: &[String], facts: &Facts<'_>, made: &Made) -> Found {
    match program {
        "npm" | "pnpm" | "yarn" | "bun" => script(program, args, facts, made),
        "make" | "gmake" => target(args, &MAKEFILES, "target", targets, facts, made),
        "just" => target(args, &JUSTFILES, "recipe", recipes, facts, made),
        "cargo" => cargo(args, facts, made),
        "pytest" => first(args, |it| it.contains('/') || it.ends_with(".py"), facts, made),
        "go" => first(args, |it| it.starts_with("./"), facts, made),
        it if RUNS_SCRIPT.contains(&it) => {
            // What is given as text, or as a module, is no file.
            if args.first().is_some_and(|it| it.starts_with('-')) {
                return Found::There;
            }
            first(args.get(..1).unwrap_or_default(), |_| true, facts, made)
        }
        _ => Found::There,
    }
}

/// The words of it that are paths.
fn first(args: &[String], is: impl Fn(&str) -> bool, facts: &Facts<'_>, made: &Made) -> Found {
    let mut found = Found::There;
    for word in args.iter().filter(|it| !it.starts_with('-') && is(it)) {
        let bare = word.split("::").next().unwrap_or(word).trim_end_matches("...");
        match path(bare, facts, made) {
            Found::There => {}
            Found::Made => found = Found::Made,
            missing => return missing,
        }
    }
    found
}

/// The folder that a command is told to work in.
fn folder_of(words: &[String]) -> Option<&str> {
    let at = words.iter().position(|it| ["-C", "--prefix", "--dir", "--cwd"].contains(&it.as_str()))?;
    words.get(at + 1).map(|it| it.trim_start_matches("./").trim_end_matches('/'))
}

/// The words that are neither options nor their values.
fn plain<'a>(args: &'a [String], valued: &[&str]) -> Vec<&'a str> {
    let mut all = Vec::new();
    let mut skip = false;
    for word in args {
        if word == "--" {
            break;
        }
        if !skip && !word.starts_with('-') && !word.contains('=') {
            all.push(word.as_str());
        }
        skip = !skip && valued.contains(&word.as_str());
    }
    all
}

fn beside<'a>(args: &[String], names: &[&str], facts: &'a Facts<'_>) -> (String, Option<&'a str>) {
    let folder = folder_of(args).map(|it| format!("{it}/")).unwrap_or_default();
    let all = names.iter().map(|it| format!("{folder}{it}"));
    let found = all.clone().find(|it| facts.tree.contains(it));
    let path = found.clone().or_else(|| all.clone().next()).unwrap_or_default();
    (path, found.and_then(|it| facts.text(&it)))
}

fn script(program: &str, args: &[String], facts: &Facts<'_>, made: &Made) -> Found {
    if args.iter().any(|it| is_open(it) || ["-w", "--workspace", "--filter", "-F"].contains(&it.as_str())) {
        return Found::There;
    }
    let words = plain(args, &["-C", "--prefix", "--dir", "--cwd"]);
    let name = match words.as_slice() {
        ["run" | "run-script", name, ..] => *name,
        ["test" | "t" | "tst", ..] if program != "bun" => "test",
        ["start", ..] => "start",
        _ => return Found::There,
    };
    let (path, text) = beside(args, &["package.json"], facts);
    let Some(text) = text else { return no_file(&path, facts, made) };
    let Some(known) = scripts(text).filter(|it| !it.contains(name)) else { return Found::There };
    // A plan may change the manifest too.
    if made.matches(&path) {
        return Found::Made;
    }
    Found::Missing(unknown(&path, "script", name, known.iter().map(String::as_str)))
}

fn unknown<'a>(file: &str, kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.take(8).collect();
    let has =
        if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    format!("{file} has no {kind} '{name}': mend the command, or add it there; {has}")
}

fn no_file(path: &str, facts: &Facts<'_>, made: &Made) -> Found {
    if facts.tree.contains(path) {
        // It is there and could not be read as text.
        return Found::There;
    }
    if made.matches(path) {
        return Found::Made;
    }
    Found::Missing(format!("there is no {path}: mend the command, or write the file"))
}

fn target(
    args: &[String],
    files: &[&str],
    kind: &str,
    of: fn(&str) -> Vec<String>,
    facts: &Facts<'_>,
    made: &Made,
) -> Found {
    if args.iter().any(|it| is_open(it) || ["-f", "--file", "--justfile", "-n"].contains(&it.as_str())) {
        return Found::There;
    }
    let wanted = plain(args, &["-C", "-j", "-I", "--directory", "--working-directory", "-d"]);
    // A recipe takes what stands behind it.
    let wanted = if kind == "recipe" { wanted.get(..1).unwrap_or_default() } else { &wanted };
    let (path, text) = beside(args, files, facts);
    let Some(text) = text else { return no_file(&path, facts, made) };
    let known = of(text);
    let more =
        text.lines().any(|it| it.starts_with("include") || it.starts_with("import") || it.contains('%'));
    match wanted.iter().find(|it| !known.iter().any(|known| known == *it)) {
        None => Found::There,
        Some(_) if more => Found::There,
        Some(_) if made.matches(&path) => Found::Made,
        Some(name) => Found::Missing(unknown(&path, kind, name, known.iter().map(String::as_str))),
    }
}

fn cargo(args: &[String], facts: &Facts<'_>, made: &Made) -> Found {
    let toolchain = args.first().is_some_and(|it| it.starts_with('+'));
    let args = args.get(usize::from(toolchain)..).unwrap_or_default();
    let Some(verb) = args.iter().find(|it| !it.starts_with('-')).filter(|it| !is_open(it)) else {
        return Found::There;
    };
    if !is_of_cargo(verb) {
        let alias = |path: &str| aliases(facts.text(path).unwrap_or_default()).contains(verb);
        if ALIASES.iter().any(|it| alias(it)) || (facts.program)(&format!("cargo-{verb}")) {
            return Found::There;
        }
        if ALIASES.iter().any(|it| made.matches(it)) {
            return Found::Made;
        }
        return Found::Missing(format!(
            "cargo has no command '{verb}', and .cargo/config.toml no alias of that name: mend the command, or install cargo-{verb}"
        ));
    }
    let behind = |names: &[&str]| {
        let at = args.iter().position(|it| names.contains(&it.as_str()))?;
        let inline = || {
            args.iter().find_map(|it| names.iter().find_map(|name| it.strip_prefix(name)?.strip_prefix('=')))
        };
        args.get(at + 1).map(String::as_str).or_else(inline)
    };
    let manifests =
        || facts.beside.keys().filter(|it| it.ends_with("Cargo.toml")).filter_map(|it| facts.text(it));
    if let Some(package) =
        behind(&["-p", "--package"]).filter(|it| !is_open(it) && !it.contains(['@', '#', '/']))
    {
        let names = || manifests().filter_map(package_of);
        let could = made.matches("Cargo.toml") || made.matches(&format!("crates/{package}/Cargo.toml"));
        if names().next().is_some() && !names().any(|it| it == package) {
            if could {
                return Found::Made;
            }
            return Found::Missing(unknown("the workspace", "crate", package, names()));
        }
    }
    if let Some(test) = behind(&["--test"]).filter(|it| !is_open(it)) {
        let ends = [format!("tests/{test}.rs"), format!("tests/{test}/main.rs")];
        let fits = |it: &str| ends.iter().any(|end| it == end || it.ends_with(&format!("/{end}")));
        let named = manifests().any(|it| it.lines().any(|line| line.trim() == format!("name = \"{test}\"")));
        if !named && !facts.tree.iter().any(|it| fits(it)) {
            if ends.iter().any(|it| {
                made.matches(it) || made.matches(&format!("{}{it}", folder_of_package(facts, args)))
            }) {
                return Found::Made;
            }
            let says = "is not there, and no task makes it: mend the name, or add the file to the Files of the task that does";
            return Found::Missing(format!("the test {} {says}", ends.first().map_or("", String::as_str)));
        }
    }
    Found::There
}

/// The folder of the crate that a command is about, with a slash behind.
fn folder_of_package(facts: &Facts<'_>, args: &[String]) -> String {
    let at = args.iter().position(|it| it == "-p" || it == "--package");
    let Some(name) = at.and_then(|it| args.get(it + 1)) else { return String::new() };
    let fits = |it: &&String| it.ends_with("Cargo.toml") && facts.text(it).and_then(package_of) == Some(name);
    let path = facts.beside.keys().find(fits);
    path.and_then(|it| it.strip_suffix("Cargo.toml")).unwrap_or_default().to_owned()
}

/// The name of a manifest's crate.
fn package_of(manifest: &str) -> Option<&str> {
    let behind = manifest.lines().skip_while(|it| it.trim() != "[package]").skip(1);
    let mut of = behind.take_while(|it| !it.trim_start().starts_with('['));
    of.find_map(|it| {
        it.trim().strip_prefix("name")?.trim_start().strip_prefix('=')?.trim().trim_matches('"').into()
    })
}

/// The words of a simple command without what is set before it.
fn bare(words: &[String]) -> &[String] {
    let is_set = |it: &String| {
        it.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        })
    };
    let before = |it: &String| BEFORE.contains(&it.as_str()) || it == "!" || is_set(it);
    let mut begins = words.iter().take_while(|it| before(it)).count();
    if words.get(begins).is_some_and(|it| it == "timeout") {
        begins += 1;
        let own = |it: &&String| it.starts_with(|it: char| it == '-' || it.is_ascii_digit());
        begins += words.get(begins..).unwrap_or_default().iter().take_while(own).count();
    }
    words.get(begins..).unwrap_or_default()
}

/// A command taken apart into simple ones, as a shell would, without asking one.
fn simple(command: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut signs = command.chars().peekable();
    let end = |word: &mut Option<String>, all: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(last)) = (word.take(), all.last_mut()) {
            last.push(word);
        }
    };
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some(open), sign) if open == sign => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(signs.next()),
            (Some(_), sign) => word.get_or_insert_default().push(sign),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(sign);
            }
            // What stands in a redirection is no word of the command: `2>&1` holds no command's end.
            (None, '>' | '<') => {
                word = word.filter(|it| !it.bytes().all(|it| it.is_ascii_digit()));
                end(&mut word, &mut all);
                while signs.peek().is_some_and(|it| matches!(it, '>' | '<' | '&' | ' ')) {
                    signs.next();
                }
                while signs.peek().is_some_and(|it| !it.is_whitespace() && !";&|".contains(*it)) {
                    signs.next();
                }
            }
            (None, '&' | '|' | ';' | '\n') => {
                end(&mut word, &mut all);
                all.push(Vec::new());
            }
            (None, sign) if sign.is_whitespace() => end(&mut word, &mut all),
            (None, sign) => word.get_or_insert_default().push(sign),
        }
    }
    end(&mut word, &mut all);
    all.retain(|it| !it.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_apart_as_a_shell_would() {
        let words = |it: &str| simple(it).iter().map(|it| it.join("|")).collect::<Vec<_>>();
        assert_eq!(words("a 'b; c' && d\\ e | f"), ["a|b; c", "d e", "f"]);
        assert_eq!(words("make 2>&1 >out; x \"y 'z'\""), ["make", "x|y 'z'"]);
        let bare = |it: &str| bare(&simple(it)[0]).join(" ");
        assert_eq!(bare("A=1 env B=2 timeout -k 5 60 npm test"), "npm test");
        assert_eq!(bare("! grep x y"), "grep x y");
        assert!(simple("  ").is_empty());
    }
}
