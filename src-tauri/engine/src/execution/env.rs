//! The environment of children (promise P9): empty, plus a list of names. Nothing else of the engine's environment
//! reaches an agent or a check. What a person starts has that person's own.

use std::ffi::OsString;
use std::path::Path;

use pilothouse_contract::SessionId;
use pilothouse_contract::ask::session::Environment;
use pilothouse_contract::session::{MARK, Mode};

/// What every child gets, if the engine has it.
const EVERYBODY: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The environment of a child of a session, with the names that a policy or an adapter adds.
#[must_use]
pub fn of(session: SessionId, more: &[String], program: &Path) -> Vec<(String, OsString)> {
    let mut env = of_nobody(more, program);
    env.push((MARK.to_owned(), session.to_string().into()));
    env
}

/// The environment of what belongs to no session.
#[must_use]
pub fn of_nobody(more: &[String], program: &Path) -> Vec<(String, OsString)> {
    let named = EVERYBODY.iter().map(|it| (*it).to_owned()).chain(more.iter().cloned());
    let mut env: Vec<(String, OsString)> =
        named.filter_map(|name| std::env::var_os(&name).map(|value| (name, value))).collect();
    env.push(("PILOTHOUSE_BIN".to_owned(), program.as_os_str().to_owned()));
    // A home that was moved must be found by what the child calls; see the fence.
    env.extend(std::env::var_os("PILOTHOUSE_HOME").map(|home| ("PILOTHOUSE_HOME".to_owned(), home)));
    env
}

/// What tells of the terminal that somebody starts a session from, and is not so in the session's own.
const OF_A_TERMINAL: [&str; 24] = [
    "TERM",
    "TERMINFO",
    "TERMCAP",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "COLUMNS",
    "LINES",
    "GPG_TTY",
    "SSH_TTY",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "ZELLIJ",
    "ZELLIJ_SESSION_NAME",
    "ZELLIJ_PANE_ID",
    "WINDOWID",
    "VTE_VERSION",
    "KONSOLE_VERSION",
    "KITTY_WINDOW_ID",
    "KITTY_PID",
    "WEZTERM_PANE",
    "ALACRITTY_WINDOW_ID",
    "ITERM_SESSION_ID",
];

/// The environment of what a person starts: the one of whoever starts it, or the engine's own, with what a session adds.
#[must_use]
pub fn of_a_person(
    session: SessionId,
    theirs: Option<Environment>,
    mode: Mode,
    program: &Path,
) -> Vec<(String, OsString)> {
    let is_theirs = theirs.is_some();
    let own =
        || std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
    let told = |it: Environment| it.0.into_iter().map(|(name, value)| (name, value.into())).collect();
    let mut env: Vec<_> = theirs.map_or_else(own, told);
    env.retain(|(name, _)| !OF_A_TERMINAL.contains(&name.as_str()));
    for (name, value) in of(session, &[], program) {
        // Theirs go before those of the same name that the engine has.
        if !is_theirs || !EVERYBODY.contains(&name.as_str()) {
            set(&mut env, &name, value);
        }
    }
    if mode == Mode::Pty {
        set(&mut env, "TERM", "xterm-256color");
    }
    env
}

/// Sets a variable, replacing one of that name.
pub fn set(env: &mut Vec<(String, OsString)>, name: &str, value: impl Into<OsString>) {
    env.retain(|(known, _)| known != name);
    env.push((name.to_owned(), value.into()));
}

#[cfg(test)]
mod tests {
    #[test]
    fn holders_and_clients_name_the_variable_alike() {
        assert_eq!(pilothouse_holder::proc::HELD, pilothouse_contract::session::HELD);
    }
}
