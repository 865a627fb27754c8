//! `pilothouse doctor`: what is missing on this machine, each with its cure. Starts nothing.

use std::path::Path;
use std::process::Command;

use pilothouse_client::{Client, Places};
use pilothouse_contract::FaultCode;
use pilothouse_engine::execution::agents;
use pilothouse_engine::ports::git;
use serde::Serialize;

use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Look {
    what: String,
    ok: bool,
    /// Whether Pilothouse cannot work without it.
    needed: bool,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

fn look(what: &str, ok: bool, needed: bool, says: impl Into<String>, mend: &str) -> Look {
    Look { what: what.to_owned(), ok, needed, says: says.into(), mend: (!ok).then(|| mend.to_owned()) }
}

pub(crate) async fn run(_args: Args, out: Out) -> End {
    let mut looks = Vec::new();
    looks.push(match git::version().await {
        Ok((number, words)) => {
            let (major, minor) = git::OLDEST;
            look("git", number >= git::OLDEST, true, words, &format!("install git {major}.{minor} or newer"))
        }
        Err(error) => look("git", false, true, error.to_string(), "install git"),
    });
    looks.push(look(
        "sh",
        agents::is_there("sh"),
        true,
        "runs proofs and checks",
        "install a POSIX shell as sh",
    ));
    let hold = desk::program()?.with_file_name("pilothouse-hold");
    looks.push(look(
        "holder",
        hold.is_file(),
        true,
        hold.display().to_string(),
        "install pilothouse-hold beside pilothouse",
    ));
    match Places::find() {
        Ok(places) => {
            looks.push(data_folder(&places.data));
            looks.push(engine(&places).await);
        }
        Err(fault) => {
            looks.push(look("places", false, true, fault.message, "set PILOTHOUSE_HOME to a folder of yours"))
        }
    }
    for (name, package) in
        [("claude", "npm install -g @anthropic-ai/claude-code"), ("codex", "npm install -g @openai/codex")]
    {
        let says = version_of(name).unwrap_or_else(|| "not found on the PATH".to_owned());
        looks.push(look(name, agents::is_there(name), false, says, &format!("if you want it: {package}")));
    }
    let well = looks.iter().all(|it| it.ok || !it.needed);
    out.value(&looks, |looks| {
        let rows: Vec<Vec<String>> = looks
            .iter()
            .map(|it| {
                let verdict = match (it.ok, it.needed) {
                    (true, _) => "ok",
                    (false, true) => "MISSING",
                    (false, false) => "not there",
                };
                vec![
                    it.what.clone(),
                    verdict.to_owned(),
                    it.says.clone(),
                    it.mend.clone().unwrap_or_default(),
                ]
            })
            .collect();
        table(&["WHAT", "", "SAYS", "TO MEND"], &rows)
    });
    Ok(if well { HOLDS } else { does_not_hold() })
}

fn data_folder(data: &Path) -> Look {
    // The nearest folder that is there decides whether the rest can be made.
    let there = data.ancestors().find(|it| it.is_dir()).unwrap_or(data);
    let writable =
        rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    let says = format!("{}, {} MiB free", data.display(), free_mib(there));
    look("data folder", writable, true, says, "make it writable for you, or set PILOTHOUSE_HOME")
}

fn free_mib(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder)
        .map(|it| it.f_bavail.saturating_mul(it.f_frsize) / (1024 * 1024))
        .unwrap_or_default()
}

async fn engine(places: &Places) -> Look {
    match Client::connect(places).await {
        Ok(client) => look("engine", true, false, format!("runs, version {}", client.version()), ""),
        Err(fault) if fault.code == FaultCode::Unreachable => {
            look("engine", true, false, "does not run; the next call starts it", "")
        }
        Err(fault) => look("engine", false, true, fault.message, "pilothouse engine restart"),
    }
}

fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let says = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    (!says.is_empty()).then_some(says)
}
