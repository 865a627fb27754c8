//! What can be run in a repository by name: what a shell and cargo bring along, and the scripts, targets, recipes and aliases that files
//! name. Read as far as text tells.
//!
//! Refuses to run anything, and to judge a command: that is for whoever knows where it stands.

use std::collections::BTreeSet;

/// The files that name make's targets.
pub(super) const MAKEFILES: [&str; 3] = ["Makefile", "makefile", "GNUmakefile"];
/// The files that name just's recipes.
pub(super) const JUSTFILES: [&str; 3] = ["justfile", "Justfile", ".justfile"];
/// The files that name cargo's aliases.
pub(super) const ALIASES: [&str; 2] = [".cargo/config.toml", ".cargo/config"];

/// What a shell brings along, and so is no program to look for.
const SHELL: [&str; 61] = [
    "!", "(", ".", ":", "[", "[[", "alias", "bg", "break", "builtin", "case", "cd", "command", "continue",
    "declare", "disown", "do", "done", "echo", "elif", "else", "esac", "eval", "exec", "exit", "export",
    "false", "fg", "fi", "for", "function", "hash", "if", "in", "jobs", "kill", "let", "local", "popd",
    "printf", "pushd", "pwd", "read", "return", "set", "shift", "source", "test", "then", "times", "trap",
    "true", "type", "ulimit", "umask", "unset", "until", "wait", "while", "{", "}",
];

/// What cargo can do by itself.
const CARGO: [&str; 44] = [
    "add",
    "b",
    "bench",
    "build",
    "c",
    "check",
    "clean",
    "clippy",
    "config",
    "d",
    "doc",
    "fetch",
    "fix",
    "fmt",
    "generate-lockfile",
    "help",
    "info",
    "init",
    "install",
    "locate-project",
    "login",
    "logout",
    "metadata",
    "miri",
    "new",
    "owner",
    "package",
    "pkgid",
    "publish",
    "r",
    "remove",
    "report",
    "rm",
    "run",
    "rustc",
    "rustdoc",
    "search",
    "t",
    "test",
    "tree",
    "uninstall",
    "update",
    "vendor",
    "version",
];

/// Whether a shell brings a word along.
pub(super) fn is_of_shell(word: &str) -> bool {
    SHELL.contains(&word)
}

/// Whether cargo brings a command along.
pub(super) fn is_of_cargo(verb: &str) -> bool {
    CARGO.contains(&verb)
}

/// The scripts of a `package.json`; nothing if it is none.
pub(super) fn scripts(text: &str) -> Option<BTreeSet<String>> {
    let manifest = serde_json::from_str::<serde_json::Value>(text).ok()?;
    let named = manifest.get("scripts").and_then(|it| it.as_object());
    Some(named.into_iter().flatten().map(|(name, _)| name.clone()).collect())
}

/// The aliases of a configuration of cargo.
pub(super) fn aliases(text: &str) -> Vec<String> {
    let (mut inside, mut all) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.starts_with("[alias]");
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim().trim_matches('"');
            match name.strip_prefix("alias.") {
                Some(name) => all.push(name.to_owned()),
                None if inside => all.push(name.to_owned()),
                None => {}
            }
        }
    }
    all
}

/// The targets of a makefile.
pub(super) fn targets(text: &str) -> Vec<String> {
    let rule = |line: &str| {
        let (names, rest) = line.split_once(':')?;
        let plain =
            !line.starts_with(['\t', ' ', '#', '.']) && !rest.starts_with('=') && !names.contains('=');
        plain.then(|| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    text.lines().filter_map(rule).flatten().collect()
}

/// The recipes and aliases of a justfile.
pub(super) fn recipes(text: &str) -> Vec<String> {
    let rule = |line: &str| {
        if let Some(alias) = line.strip_prefix("alias ") {
            return alias.split(":=").next().map(|it| it.trim().to_owned());
        }
        let (head, rest) = line.split_once(':')?;
        let plain = !line.starts_with([' ', '\t', '#', '[']) && !rest.starts_with('=');
        plain.then(|| head.trim_start_matches('@').split_whitespace().next().map(str::to_owned))?
    };
    text.lines().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_name_is_read() {
        assert_eq!(targets("a b: c\nX := y\n.PHONY: a\n\tx: y\nz:\n"), ["a", "b", "z"]);
        assert_eq!(
            recipes("set x := 1\nalias b:=build\nalias t := test\n@build a: x\n_own:\n  y: z\n"),
            ["b", "t", "build", "_own"]
        );
        assert_eq!(
            aliases("[build]\nx = 1\n[alias]\nxtask = \"run\"\n[other]\nalias.z = \"y\"\n"),
            ["xtask", "z"]
        );
        assert_eq!(
            scripts("{\"scripts\": {\"b\": \"x\", \"a\": \"y\"}}").unwrap(),
            ["a", "b"].map(str::to_owned).into()
        );
        assert!(scripts("{}").unwrap().is_empty() && scripts("{").is_none());
    }
}
