//! What has to do with the window: building it (for `cargo xtask bench window` too), `cargo xtask run`, which shows a
//! rehearsal in it, and `cargo xtask shots`, which takes pictures of it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::need::{self, Need};
use crate::step;

/// What building the window needs.
pub(crate) const NEEDS: [Need; 4] = [need::GIT, need::CC, need::WEBKIT, need::WASM];
/// What looking at it needs where nobody sits.
pub(crate) const UNSEEN: [Need; 3] = [need::XVFB, need::DRIVER, need::DBUS];

/// Builds the pages and every program. `cargo xtask test` builds just the same, so that nothing is compiled twice: cargo
/// compiles a library again for another choice of packages, because it may then have other features.
pub(crate) fn build() -> Result<()> {
    let pages = ["run", "--quiet", "--package", "xtask", "--features", "pages", "--", "pages"];
    step::cargo("Build the pages", &pages, &[])?;
    let programs = ["build", "--workspace", "--exclude", "pilothouse-ui", "--bins"];
    step::cargo("Build the programs", &programs, &[])
}

/// Builds the pages and the programs as they ship. Says what it does on standard error.
pub(crate) fn build_released() -> Result<()> {
    need::all(&NEEDS, false)?;
    need::all(&UNSEEN, false)?;
    step::cargo_quietly(&["run", "--quiet", "--package", "xtask", "--features", "pages", "--", "pages"])?;
    let ours = ["pilothouse-desktop", "pilothouse-cli", "pilothouse-holder"];
    let packages = ours.iter().flat_map(|it| ["--package", it]);
    step::cargo_quietly(&["build", "--release", "--bins"].into_iter().chain(packages).collect::<Vec<_>>())
}

/// The same, and what looks at the window.
pub(crate) fn build_for_figures() -> Result<()> {
    build_released()?;
    step::cargo_quietly(&["build", "--package", "pilothouse-testkit", "--bin", "figures"])
}

/// Shows a rehearsal: in the window, or here where there is no display.
pub(crate) fn run(yes: bool, rest: &[String]) -> Result<ExitCode> {
    let home =
        std::env::var_os("PILOTHOUSE_HOME").map_or_else(|| step::target().join("rehearsal"), PathBuf::from);
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    let display = cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set);
    let bin = step::target().join("debug");
    let ours = |name: &str| {
        let mut command = Command::new(bin.join(name));
        command.env("PILOTHOUSE_HOME", &home);
        command
    };
    if !display {
        need::all(&[need::GIT, need::CC], yes)?;
        step::cargo("Build", &["build", "--bins"], &[])?;
        println!(
            "\nThere is no display (DISPLAY and WAYLAND_DISPLAY are not set), so the rehearsal is shown here."
        );
        return step::ended(ours("pilothouse").args(["rehearse", "--headless"]).args(rest));
    }
    need::all(&NEEDS, yes)?;
    build()?;
    let begun = ours("pilothouse").args(["rehearse", "--no-window"]).args(rest).status()?;
    if !begun.success() {
        bail!("the rehearsal could not be started; what it said stands above");
    }
    println!(
        "\nThe window shows it. Closing it, or Ctrl-C here, ends this; the engine goes on in {}.",
        home.display()
    );
    step::ended(&mut ours("pilothouse-desktop"))
}

/// Takes pictures of every scene, theme and size.
pub(crate) fn shots(yes: bool, out: Option<PathBuf>) -> Result<ExitCode> {
    need::all(&NEEDS, yes)?;
    need::all(&UNSEEN, yes)?;
    build()?;
    let out = out.unwrap_or_else(|| step::target().join("shots"));
    let bin = step::target().join("debug");
    let out = absolute(&out)?;
    let taken = step::ended(Command::new(bin.join("shots")).arg(&out).env("PILOTHOUSE_BIN_DIR", &bin))?;
    if taken != ExitCode::SUCCESS {
        // What lies there may be of an earlier time.
        return Ok(taken);
    }
    // Those of the README come with them.
    for theme in ["light", "dark"] {
        let (from, to) = (format!("board-{theme}-1440x900.png"), format!("assets/window-{theme}.png"));
        std::fs::copy(out.join(&from), step::top().join(&to)).with_context(|| from)?;
        println!("{to}");
    }
    Ok(taken)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}
