//! Builds the pages of the window into `ui/dist`: the Leptos crate to wasm, its bindings by the library that always
//! matches, and the files beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::step;

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds them.
pub(crate) fn build() -> Result<()> {
    let target = step::target().join("ui");
    step::run("Compile the pages", &mut compile(&target))?;
    let dist = step::top().join("ui/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).context("ui/dist could not be made anew")?;
    }
    fs::create_dir_all(&dist)?;
    let wasm = target.join(TARGET).join("wasm/pilothouse-ui.wasm");
    Bindgen::new()
        .input_path(&wasm)
        .web(true)?
        .typescript(false)
        // Two fifths of it would be names of functions that nobody reads in a page.
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name("pilothouse_ui")
        .generate(&dist)
        .context("the bindings of the pages could not be made")?;
    for file in ["index.html", "before.js", "start.js", "bridge.js", "terminal.js", "mark.js"] {
        fs::copy(step::top().join("ui").join(file), dist.join(file)).with_context(|| file.to_owned())?;
    }
    for folder in ["style", "vendor"] {
        copy_folder(&step::top().join("ui").join(folder), &dist.join(folder))?;
    }
    let size = fs::metadata(dist.join("pilothouse_ui_bg.wasm"))?.len();
    println!("== the pages are {} KiB of wasm", size / 1024);
    Ok(())
}

/// By rustup's compiler where it has the target, or else by Debian's own, which builds the standard library too.
fn compile(target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "build",
            "--package",
            "pilothouse-ui",
            "--profile",
            "wasm",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target);
    let sysroot =
        Command::new("rustc").args(["--print", "sysroot"]).output().map(|it| it.stdout).unwrap_or_default();
    let sysroot = String::from_utf8_lossy(&sysroot).trim().to_owned();
    if Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        println!("the wasm target is rustup's");
        return command;
    }
    println!("the wasm target is built by Debian's compiler, for rustup has none here");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    command
        .args(["-Zbuild-std=std,panic_abort"])
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
            format!("{sysroot}/lib/rustlib/{host}/bin/rust-lld"),
        );
    command
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
