//! What in a repository can run commands: shown to a person before they trust it (promise P11). Reads only.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pilothouse_contract::project::{Found, FoundKind, Project};
use pilothouse_contract::spec::Verify;
use pilothouse_contract::{Fault, text};
use sha2::{Digest, Sha256};

use super::repository::{specs_at, workflow_at};
use crate::ports::git::Git;

/// Files in which agent programs and editors are told to start servers or hooks.
const AGENT_FILES: [(&str, FoundKind); 8] = [
    (".mcp.json", FoundKind::McpServer),
    (".cursor/mcp.json", FoundKind::McpServer),
    (".vscode/mcp.json", FoundKind::McpServer),
    (".gemini/settings.json", FoundKind::AgentSetting),
    (".claude/settings.json", FoundKind::AgentSetting),
    (".claude/settings.local.json", FoundKind::AgentSetting),
    (".codex/config.toml", FoundKind::AgentSetting),
    ("opencode.json", FoundKind::AgentSetting),
];

/// Looks at a project's repository. Returns what was found, and a digest of it: trust is for what a person saw.
///
/// # Errors
/// In words, if git cannot read it.
pub async fn look(project: &Project) -> Result<(Vec<Found>, String), Fault> {
    let in_words = |error: crate::ports::git::GitError| Fault::environment(error.to_string());
    let git = Git::at(Path::new(&project.git_dir));
    let mut found = Vec::new();
    let mut add = |kind, place: String, says: &str| {
        found.push(Found { kind, place: text::line(&place, 120), says: text::line(says, 160) });
    };
    let hooks = git.hooks_folder().await.map_err(in_words)?;
    if let Ok(list) = std::fs::read_dir(&hooks) {
        for entry in list.flatten() {
            let path = entry.path();
            let runs = path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
            if runs && path.extension().is_none_or(|it| it != "sample") {
                let name = entry.file_name().to_string_lossy().into_owned();
                add(FoundKind::Hook, path.display().to_string(), &format!("runs on {name}"));
            }
        }
    }
    let settings = git.list(&["config", "--local", "--list", "-z"]).await.map_err(in_words)?;
    for setting in settings {
        let (name, value) = setting.split_once('\n').unwrap_or((&setting, ""));
        if runs_commands(name, value) {
            add(FoundKind::GitCommand, name.to_owned(), value);
        }
    }
    for (file, kind) in AGENT_FILES {
        if let Some(bytes) = git.file(&project.main, file).await.map_err(in_words)? {
            add(kind, file.to_owned(), &String::from_utf8_lossy(&bytes));
        }
    }
    match workflow_at(&git, &project.main).await {
        Ok(workflow) => {
            for (place, command) in workflow.commands() {
                add(FoundKind::Workflow, format!("WORKFLOW.md {place}"), &command);
            }
        }
        Err(fault) => add(FoundKind::Workflow, "WORKFLOW.md".to_owned(), &fault.message),
    }
    for item in specs_at(&git, &project.main).await.map_err(in_words)? {
        for task in &item.spec.tasks {
            if let Verify::Commands(commands) = &task.verify {
                let place = format!("{}/tasks.md {}", item.spec.folder, task.id);
                add(FoundKind::Verify, place, &commands.join(" && "));
            }
        }
    }
    found.sort_by(|a, b| (a.kind, &a.place, &a.says).cmp(&(b.kind, &b.place, &b.says)));
    let list = serde_json::to_vec(&found).unwrap_or_default();
    let digest: String = Sha256::digest(&list).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok((found, digest))
}

/// Settings of git whose value is run as a command, or pulls in more settings. Source: git's documentation of config.
fn runs_commands(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|it| name.ends_with(it));
    (name.starts_with("filter.") && ends(&[".clean", ".smudge", ".process"]))
        || (name.starts_with("diff.") && ends(&[".command", ".textconv"]))
        || (name.starts_with("merge.") && name.ends_with(".driver"))
        || (name.starts_with("alias.") && value.starts_with('!'))
        || (name.starts_with("include") && name.ends_with(".path"))
        || (name == "core.fsmonitor" && !matches!(value, "" | "true" | "false"))
        || matches!(
            name.as_str(),
            "core.sshcommand"
                | "core.editor"
                | "core.pager"
                | "core.askpass"
                | "core.hookspath"
                | "credential.helper"
                | "gpg.program"
                | "sequence.editor"
                | "diff.external"
                | "core.gitproxy"
        )
}
