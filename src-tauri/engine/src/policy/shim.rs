//! Shims: small scripts that stand before a program on an agent's search path and hand some of its subcommands to the quiet wrapper.
//! Everything else goes to the program itself, unseen.
//!
//! Refuses what a shell could read another way, programs that are named by a path, and to come between a program and whoever reads
//! what it says: a command that asks for its output in full, or in a format for programs, is left alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Who asks for one of these wants the output itself.
const AS_IT_IS: [&str; 12] = [
    "--help",
    "-h",
    "--version",
    "-V",
    "--list",
    "--nocapture",
    "--no-capture",
    "--show-output",
    "--message-format",
    "--message-format=*",
    "--json",
    "--format=*",
];

/// A command that is to be quiet: the program, and the words that must follow it.
///
/// # Errors
/// In words, what is wrong with it.
pub fn of(command: &str) -> Result<(String, Vec<String>), &'static str> {
    let mut words = command.split_whitespace().map(str::to_owned);
    let program = words.next().ok_or("is empty")?;
    let plain = |it: &str| it.chars().all(|it| it.is_ascii_alphanumeric() || "._+-=:@,/".contains(it));
    if program.contains('/') || program.starts_with(['-', '.']) {
        return Err("begins with no name of a program: write it like `cargo test`");
    }
    let words: Vec<String> = words.collect();
    if !plain(&program) || !words.iter().all(|it| plain(it)) {
        return Err("has signs that a shell reads another way: write it like `cargo test`");
    }
    Ok((program, words))
}

/// The shims of a list of commands: the program's name, and the script. `folder` is where they lie.
#[must_use]
pub fn scripts(commands: &[String], folder: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (program, words) in commands.iter().filter_map(|it| of(it).ok()) {
        all.entry(program).or_default().push(words);
    }
    all.into_iter()
        .map(|(program, subcommands)| (program.clone(), script(&program, &subcommands, folder)))
        .collect()
}

fn script(program: &str, subcommands: &[Vec<String>], folder: &str) -> String {
    let folder = quoted(folder);
    let mut says = format!(
        "#!/bin/sh\n\
         # Set by Pilothouse for the length of one session, as `quiet:` in WORKFLOW.md says.\n\
         own={folder}\n\
         real=\n\
         IFS=:\n\
         for folder in $PATH; do\n\
         \x20   if [ \"$folder\" != \"$own\" ] && [ -f \"$folder/{program}\" ] && [ -x \"$folder/{program}\" ]; then\n\
         \x20       real=$folder/{program}\n\
         \x20       break\n\
         \x20   fi\n\
         done\n\
         unset IFS\n\
         if [ -z \"$real\" ]; then\n\
         \x20   echo \"{program}: not found\" >&2\n\
         \x20   exit 127\n\
         fi\n\
         quiet=\n"
    );
    says.push_str("case \"$*\" in\n");
    for words in subcommands {
        let words = quoted(&words.join(" "));
        // The words alone, or with more behind them.
        let _ = writeln!(says, "{words} | {words}\\ *) quiet=yes ;;");
    }
    if subcommands.iter().any(Vec::is_empty) {
        says.push_str("*) quiet=yes ;;\n");
    }
    says.push_str("esac\n");
    let as_it_is: Vec<String> = AS_IT_IS.iter().map(|it| (*it).to_owned()).collect();
    let _ = write!(
        says,
        "for word in \"$@\"; do\n\
         \x20   case \"$word\" in\n\
         \x20   {}) quiet= ;;\n\
         \x20   esac\n\
         done\n\
         # What it calls in turn hears its programs as they are.\n\
         if [ -n \"$quiet\" ] && [ -z \"$PILOTHOUSE_QUIET\" ] && [ -x \"$PILOTHOUSE_BIN\" ]; then\n\
         \x20   exec \"$PILOTHOUSE_BIN\" quiet -- \"$real\" \"$@\"\n\
         fi\n\
         PILOTHOUSE_QUIET=1\n\
         export PILOTHOUSE_QUIET\n\
         exec \"$real\" \"$@\"\n",
        as_it_is.join(" | ")
    );
    says
}

/// A text as one word for a shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_plain_words_are_commands() {
        assert_eq!(of("cargo test"), Ok(("cargo".to_owned(), vec!["test".to_owned()])));
        assert_eq!(
            of(" npm  run test:unit "),
            Ok(("npm".to_owned(), vec!["run".to_owned(), "test:unit".to_owned()]))
        );
        for bad in ["", "/bin/ls", "./x", "cargo $(x)", "cargo 'a'", "ca`x` y", "-x", "cargo *"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_of_one_program_share_a_script() {
        let commands = ["cargo test", "cargo build", "npm test"].map(str::to_owned);
        let all = scripts(&commands, "/a b/it's");
        assert_eq!(all.keys().collect::<Vec<_>>(), ["cargo", "npm"]);
        let cargo = &all["cargo"];
        assert!(
            cargo.contains("'test' | 'test'\\ *) quiet=yes ;;\n'build' | 'build'\\ *) quiet=yes ;;"),
            "{cargo}"
        );
        assert!(cargo.contains("own='/a b/it'\\''s'\n"), "{cargo}");
    }
}
