//! What the machine needs: each thing with how to see whether it is there, and the one line that installs it. That line
//! is run where it may be: as root, with `--yes`, or where CI is set.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step;

/// A thing that is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// What people call it.
    pub(crate) name: &'static str,
    /// A shell line that succeeds if it is there.
    pub(crate) there: &'static str,
    /// Shell lines that install it, tried in order.
    pub(crate) install: &'static [&'static str],
    /// Whether they want to be root.
    pub(crate) root: bool,
}

/// git, new enough.
pub(crate) const GIT: Need = Need {
    name: "git 2.38 or newer",
    there: "git --version | awk '{ split($3, v, \".\"); exit !(v[1] > 2 || (v[1] == 2 && v[2] >= 38)) }'",
    install: &["apt-get install -y git"],
    root: true,
};
/// A C compiler, for SQLite.
pub(crate) const CC: Need = Need {
    name: "a C compiler",
    there: "cc --version",
    install: &["apt-get install -y gcc libc6-dev"],
    root: true,
};
/// What the window links.
pub(crate) const WEBKIT: Need = Need {
    name: "the libraries of the window (WebKitGTK)",
    there: "pkg-config --exists webkit2gtk-4.1 ayatana-appindicator3-0.1 librsvg-2.0",
    install: &[
        "apt-get install -y pkg-config libwebkit2gtk-4.1-dev libayatana-appindicator3-dev librsvg2-dev",
    ],
    root: true,
};
/// A display that nobody sees.
pub(crate) const XVFB: Need = Need {
    name: "a display without a screen (Xvfb)",
    there: "command -v Xvfb",
    install: &["apt-get install -y xvfb"],
    root: true,
};
/// What drives the window in tests.
pub(crate) const DRIVER: Need = Need {
    name: "the driver of the window (WebKitWebDriver)",
    there: "command -v WebKitWebDriver",
    install: &["apt-get install -y webkit2gtk-driver"],
    root: true,
};
/// A message bus of a test's own.
pub(crate) const DBUS: Need = Need {
    name: "a message bus (dbus-run-session)",
    there: "command -v dbus-run-session",
    install: &["apt-get install -y dbus"],
    root: true,
};
/// The compiler's libraries for pages; from rustup, or else from Debian's own compiler.
pub(crate) const WASM: Need = Need {
    name: "Rust's wasm target",
    there: "test -d \"$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib\" || test -d /usr/lib/rustlib/src/rust/library",
    install: &[
        "timeout 300 rustup target add wasm32-unknown-unknown",
        "apt-get install -y rustc-web rust-web-src",
    ],
    root: false,
};
/// npm, for the agent program that the tests drive.
pub(crate) const NPM: Need =
    Need { name: "npm", there: "npm --version", install: &["apt-get install -y npm"], root: true };
/// A shell that mounts in a namespace of its own, for the tests of full and read-only disks.
pub(crate) const UNSHARE: Need = Need {
    name: "namespaces of one's own (unshare)",
    there: "unshare --user --map-root-user --mount true",
    install: &["apt-get install -y util-linux"],
    root: true,
};
/// What benches of terminals are held against.
pub(crate) const TMUX: Need =
    Need { name: "tmux", there: "tmux -V", install: &["apt-get install -y tmux"], root: true };
/// Claude Code, pinned: newer versions are for a commit that says so.
pub(crate) const CLAUDE: Need = Need {
    name: "Claude Code 2.1.329 below target/agents",
    there: "target/agents/node_modules/.bin/claude --version | grep -q '^2.1.329 '",
    install: &[
        "npm install --prefix target/agents --no-audit --no-fund --loglevel=error @anthropic-ai/claude-code@2.1.329",
    ],
    root: false,
};

/// GitHub's own descriptions of itself, pinned like the agent: what the double of GitHub is held against.
pub(crate) const GITHUB: Need = Need {
    name: "GitHub's own descriptions below target/github",
    there: "cd target/github/node_modules/@octokit && grep -q '\"version\": \"15.26.1\"' graphql-schema/package.json && grep -q '\"version\": \"23.0.2\"' openapi/package.json && grep -q '\"version\": \"7.6.1\"' webhooks-examples/package.json",
    install: &[
        "npm install --prefix target/github --ignore-scripts --no-audit --no-fund --loglevel=error @octokit/graphql-schema@15.26.1 @octokit/openapi@23.0.2 @octokit/webhooks-examples@7.6.1",
    ],
    root: false,
};
/// GitHub's own program: another client that has to agree with ours.
pub(crate) const GH: Need =
    Need { name: "gh", there: "gh --version", install: &["apt-get install -y gh"], root: true };
/// A keyring for a test of its own.
pub(crate) const KEYRING: Need = Need {
    name: "a keyring (gnome-keyring)",
    there: "command -v gnome-keyring-daemon",
    install: &["apt-get install -y gnome-keyring"],
    root: true,
};

/// What tests draw with beside an agent.
pub(crate) const PAGER: Need = Need {
    name: "a pager (less)",
    there: "command -v less",
    install: &["apt-get install -y less"],
    root: true,
};
/// The same.
pub(crate) const EDITOR: Need = Need {
    name: "an editor (vi)",
    there: "command -v vi",
    install: &["apt-get install -y vim-tiny"],
    root: true,
};

/// Where [`CLAUDE`] is.
pub(crate) fn claude() -> PathBuf {
    step::top().join("target/agents/node_modules/.bin/claude")
}

/// Sees to it that everything is there.
pub(crate) fn all(needs: &[Need], yes: bool) -> Result<()> {
    for need in needs {
        one(need, yes)?;
    }
    Ok(())
}

fn one(need: &Need, yes: bool) -> Result<()> {
    if holds(need.there) {
        return Ok(());
    }
    let lines: Vec<String> = need.install.iter().map(|line| line_for(line)).collect();
    println!("\n{} is missing. It is installed by:\n    {}", need.name, lines.join("\n  or\n    "));
    if !(yes
        || is_root()
        || std::env::var_os("CI").is_some()
        || (!need.root && !std::io::stdin().is_terminal()))
    {
        bail!("run that line, or `cargo xtask` again with --yes, which runs it for you");
    }
    for line in &lines {
        println!("\n$ {line}");
        let done =
            Command::new("sh").args(["-c", line]).current_dir(step::top()).stdin(Stdio::null()).status()?;
        if done.success() && holds(need.there) {
            return Ok(());
        }
        println!("that did not help ({done})");
    }
    bail!("{} could not be installed; by hand: {}", need.name, lines.join(" or "))
}

fn holds(line: &str) -> bool {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(step::top())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|it| it.success())
}

/// Package lists may be missing or old; who is not root asks to be.
fn line_for(line: &str) -> String {
    let line = line.replace("apt-get install", "DEBIAN_FRONTEND=noninteractive apt-get install -q");
    match (line.contains("apt-get"), is_root()) {
        (true, true) => format!("apt-get update -q && {line}"),
        (true, false) => format!("sudo sh -c 'apt-get update -q && {line}'"),
        (false, _) => line,
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n")
}
