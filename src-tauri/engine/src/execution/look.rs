//! What in a repository can run commands: shown to a person before they trust it, and held against what they saw ever
//! after (promise P11). Reads only, and runs nothing of the repository's.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pilothouse_contract::layout::Layout;
use pilothouse_contract::project::{Found, FoundKind, Project, Trust};
use pilothouse_contract::spec::{Spec, TaskSpec, Verify};
use pilothouse_contract::{Fault, text};
use sha2::{Digest, Sha256};

use super::repository::{specs_at, workflow_at};
use crate::ports::git::{Git, GitError};

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

/// A text is shown up to so many characters; its hash is of all of it.
const SHOWN: usize = 4000;

fn found(kind: FoundKind, place: &str, says: &str, whole: &[u8]) -> Found {
    let mut shown = text::plain(says.trim_end(), true);
    let length = shown.chars().count();
    if length > SHOWN {
        shown = shown.chars().take(SHOWN).collect();
        shown.push_str(&format!("… ({} characters more)", length - SHOWN));
    }
    Found { kind, place: text::line(place, 300), says: shown, hash: hex(&Sha256::digest(whole), 16) }
}

fn hex(bytes: &[u8], most: usize) -> String {
    bytes.iter().take(most).map(|byte| format!("{byte:02x}")).collect()
}

/// Looks at a project's repository, and at specs that lie on branches of their own as yet. Returns what was found, and a digest of it: trust is
/// for what a person saw.
///
/// # Errors
/// In words, if git cannot read it.
pub async fn look(project: &Project, drafts: &[Spec]) -> Result<(Vec<Found>, String), Fault> {
    let in_words = |error: GitError| Fault::environment(error.to_string());
    let git = Git::at(Path::new(&project.git_dir));
    let mut list = outside_commits(project).await.map_err(in_words)?;
    for (file, kind) in AGENT_FILES {
        if let Some(bytes) = git.file(&project.main, file).await.map_err(in_words)? {
            list.extend(entries_of(file, kind, &bytes));
        }
    }
    match workflow_at(&git, &project.main).await {
        Ok(workflow) => {
            list.extend(commands(&workflow.commands()));
        }
        Err(fault) => {
            let says = &fault.message;
            list.push(found(FoundKind::Workflow, "WORKFLOW.md", says, says.as_bytes()));
        }
    }
    for item in specs_at(&git, &project.main).await.map_err(in_words)? {
        // What is never carried runs nothing.
        if !matches!(item.spec.layout, Layout::TaskMaster | Layout::Bmad) {
            list.extend(proofs(&item.spec, |_| true));
        }
    }
    list.extend(drafts.iter().flat_map(|it| proofs(it, |_| true)));
    list.sort_by(|a, b| (a.kind, &a.place, &a.says).cmp(&(b.kind, &b.place, &b.says)));
    // A draft may have come to the default branch.
    list.dedup();
    let digest = Sha256::digest(serde_json::to_vec(&list).unwrap_or_default());
    Ok((list, hex(&digest, 8)))
}

/// The proofs of a spec's tasks, and what its phases run at their ends.
fn proofs(spec: &Spec, of: impl Fn(&TaskSpec) -> bool) -> Vec<Found> {
    let file = spec.tasks_at();
    let mut list = Vec::new();
    for task in spec.tasks.iter().filter(|it| of(it)) {
        if let Verify::Commands(commands) = &task.verify {
            let says = commands.join("\n");
            list.push(found(FoundKind::Verify, &format!("{file} {}", task.id), &says, says.as_bytes()));
        }
    }
    for phase in spec.phases.iter().filter(|it| !it.checkpoint.is_empty()) {
        let place = format!("{file} checkpoint of {}", phase.title);
        let says = phase.checkpoint.join("\n");
        list.push(found(FoundKind::Verify, &place, &says, says.as_bytes()));
    }
    list
}

/// What a run of a spec would run as proofs and nobody was shown, for it is new or changed since a person trusted the project. What says
/// the same as one that was shown is no other, wherever it stands. Tasks that are ticked have their proofs run on the merge result.
#[must_use]
pub fn proofs_since_trusted(project: &Project, spec: &Spec) -> Vec<Found> {
    let Trust::Given { found: seen, .. } = &project.trust else { return Vec::new() };
    let known = |it: &Found| seen.iter().any(|seen| seen.kind == it.kind && seen.hash == it.hash);
    proofs(spec, |it| it.done || !it.optional).into_iter().filter(|it| !known(it)).collect()
}

/// The same of what a `WORKFLOW.md` says: of commands and what they get, what nobody was shown to stand there.
#[must_use]
pub fn commands_since_trusted(project: &Project, used: &[(String, String)]) -> Vec<Found> {
    unseen(project, commands(used))
}

/// Commands of a `WORKFLOW.md`, as they are found: where, what.
#[must_use]
pub fn commands(all: &[(String, String)]) -> Vec<Found> {
    let of = |(place, command): &(String, String)| {
        found(FoundKind::Workflow, &format!("WORKFLOW.md {place}"), command, command.as_bytes())
    };
    all.iter().map(of).collect()
}

/// What can run commands and stands in no commit: hooks and git's settings, those of single worktrees too.
///
/// # Errors
/// See [`GitError`].
pub async fn outside_commits(project: &Project) -> Result<Vec<Found>, GitError> {
    let git = Git::at(Path::new(&project.git_dir));
    let mut list = Vec::new();
    for hook in hooks(&git, Path::new(&project.path)).await? {
        let name = hook.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = std::fs::read(&hook).unwrap_or_default();
        let says = format!("runs on {name}:\n{}", String::from_utf8_lossy(&bytes));
        list.push(found(FoundKind::Hook, &hook.display().to_string(), &says, &bytes));
    }
    list.extend(settings(project).await?);
    Ok(list)
}

/// Git's settings that run commands, those of single worktrees too.
async fn settings(project: &Project) -> Result<Vec<Found>, GitError> {
    let git_dir = Path::new(&project.git_dir);
    let git = Git::at(git_dir);
    let mut list = Vec::new();
    let mut settings = git.list(&["config", "--local", "--includes", "--list", "-z"]).await?;
    for file in worktree_settings(git_dir) {
        let file = file.to_string_lossy().into_owned();
        // A file that git cannot read is one that it will not heed either.
        settings.extend(
            git.list(&["config", "--file", &file, "--includes", "--list", "-z"]).await.unwrap_or_default(),
        );
    }
    for setting in settings {
        let (name, value) = setting.split_once('\n').unwrap_or((&setting, ""));
        if runs_commands(name, value) {
            list.push(found(FoundKind::GitCommand, name, value, value.as_bytes()));
        }
    }
    Ok(list)
}

/// What can run commands, stands in no commit, and is not what a person saw when they trusted the project. A worktree's
/// own settings may bring up what was seen already: the same name with the same value is nothing new.
///
/// # Errors
/// See [`GitError`].
pub async fn new_since_trusted(project: &Project) -> Result<Vec<Found>, GitError> {
    if matches!(project.trust, Trust::Undecided) {
        return Ok(Vec::new());
    }
    Ok(unseen(project, outside_commits(project).await?))
}

/// The same of git's settings alone: quicker, and all that our own calls of git can be made to run.
///
/// # Errors
/// See [`GitError`].
pub async fn settings_since_trusted(project: &Project) -> Result<Vec<Found>, GitError> {
    if matches!(project.trust, Trust::Undecided) {
        return Ok(Vec::new());
    }
    Ok(unseen(project, settings(project).await?))
}

/// What is not among what a person saw when they trusted a project.
fn unseen(project: &Project, now: Vec<Found>) -> Vec<Found> {
    let Trust::Given { found: seen, .. } = &project.trust else { return Vec::new() };
    let known = |it: &Found| {
        seen.iter().any(|seen| seen.kind == it.kind && seen.place == it.place && seen.hash == it.hash)
    };
    now.into_iter().filter(|it| !known(it)).collect()
}

/// Whether git runs it when the engine calls git, or may find there what it runs: those are held back until a person
/// looked. More settings may be pulled in for some folders only, so that asking the repository does not tell them.
#[must_use]
pub fn runs_in_our_git(found: &Found) -> bool {
    let name = found.place.to_lowercase();
    found.kind == FoundKind::GitCommand
        && (name.starts_with("filter.")
            || name.starts_with("include.")
            || name.starts_with("includeif.")
            || (name.starts_with("merge.") && name.ends_with(".driver")))
}

/// The executable hooks of a repository as its settings have them for a checkout.
///
/// # Errors
/// See [`GitError`].
pub async fn hooks(git: &Git, checkout: &Path) -> Result<Vec<PathBuf>, GitError> {
    let folder = git.hooks_folder(checkout).await?;
    let Ok(list) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let runs = |path: &PathBuf| {
        let mode = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|it| it.permissions().mode());
        // A name that holds what a terminal or a shell would heed is no hook's.
        let named = path.file_name().and_then(|it| it.to_str()).is_some_and(|name| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
        });
        named && mode.is_some_and(|mode| mode & 0o111 != 0)
    };
    Ok(list.flatten().map(|entry| entry.path()).filter(runs).collect())
}

/// Settings files of single worktrees. Source: git's documentation of `extensions.worktreeConfig`.
fn worktree_settings(git_dir: &Path) -> Vec<PathBuf> {
    let each = std::fs::read_dir(git_dir.join("worktrees")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = each.map(|entry| entry.path().join("config.worktree")).collect();
    files.push(git_dir.join("config.worktree"));
    files.retain(|it| it.is_file());
    files.sort();
    files
}

/// One entry for each thing that a settings file of an agent program or an editor starts, as far as we know its format;
/// else the whole file.
fn entries_of(file: &str, kind: FoundKind, bytes: &[u8]) -> Vec<Found> {
    let whole = || vec![found(kind, file, &String::from_utf8_lossy(bytes), bytes)];
    let Ok(serde_json::Value::Object(top)) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return whole();
    };
    let mut list = Vec::new();
    for (key, value) in &top {
        let children = value.as_object().filter(|_| {
            matches!(key.as_str(), "mcpServers" | "mcp_servers" | "servers" | "mcp" | "hooks" | "env")
        });
        match children {
            Some(children) => list.extend(children.iter().map(|(name, child)| {
                let kind = if key.to_lowercase().contains("server") { FoundKind::McpServer } else { kind };
                let says = serde_json::to_string(child).unwrap_or_default();
                found(kind, &format!("{file} {key} {name}"), &says, says.as_bytes())
            })),
            None => {
                let says = serde_json::to_string(value).unwrap_or_default();
                list.push(found(kind, &format!("{file} {key}"), &says, says.as_bytes()));
            }
        }
    }
    if list.is_empty() { whole() } else { list }
}

/// Settings of git whose value is run as a command, or pulls in more settings. Source: git's documentation of config.
fn runs_commands(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let (section, key) =
        (name.split('.').next().unwrap_or_default(), name.rsplit('.').next().unwrap_or_default());
    match (section, key) {
        ("filter", "clean" | "smudge" | "process")
        | ("diff", "command" | "textconv" | "external")
        | ("merge", "driver")
        | ("mergetool" | "difftool" | "guitool" | "browser" | "man", "cmd")
        | ("trailer", "cmd" | "command")
        | ("credential", "helper")
        | ("gpg", "program" | "defaultkeycommand")
        | ("remote", "uploadpack" | "receivepack" | "vcs")
        | ("include" | "includeif", "path")
        | ("uploadpack", "packobjectshook")
        | ("sequence", "editor")
        | ("interactive", "difffilter")
        | ("init", "templatedir")
        | ("sendemail", "sendmailcmd" | "tocmd" | "cccmd" | "headercmd")
        | (
            "core",
            "sshcommand" | "editor" | "pager" | "askpass" | "hookspath" | "gitproxy" | "alternaterefscommand",
        ) => true,
        ("pager", _) => !matches!(value, "" | "true" | "false"),
        ("core", "fsmonitor") => !matches!(value, "" | "true" | "false"),
        ("alias" | "submodule", _) => value.starts_with('!'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_and_every_hook_is_an_entry_of_its_own() {
        let text = br#"{"mcpServers": {"a": {"command": "x"}, "b": {"url": "y"}}, "other": 1}"#;
        let list = entries_of(".mcp.json", FoundKind::McpServer, text);
        let places: Vec<&str> = list.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(places, [".mcp.json mcpServers a", ".mcp.json mcpServers b", ".mcp.json other"]);
        assert_eq!(
            entries_of("x.toml", FoundKind::AgentSetting, b"[mcp_servers.a]")[0].says,
            "[mcp_servers.a]"
        );
    }

    fn trusted(found: Vec<Found>) -> Project {
        let git = "/nowhere".to_owned();
        let by = pilothouse_contract::Who::Engine;
        Project {
            id: pilothouse_contract::ProjectId(1),
            name: "x".to_owned(),
            path: git.clone(),
            git_dir: git,
            default_branch: pilothouse_contract::RefName::branch("main"),
            main: "m0".into(),
            trust: Trust::Given { at: pilothouse_contract::At(1), by, found },
            line: pilothouse_contract::project::Line::Open,
            added: pilothouse_contract::At(1),
            removed: false,
            auto_land: Vec::new(),
            held: None,
            fates: Vec::new(),
            workflow: None,
        }
    }

    #[test]
    fn a_proof_that_nobody_saw_is_new_also_where_its_task_is_ticked() {
        let task = |done, optional| TaskSpec {
            id: "T001".into(),
            done,
            optional,
            verify: Verify::Commands(vec!["make".to_owned()]),
            ..TaskSpec::default()
        };
        let of = |task: TaskSpec| Spec { tasks: vec![task], ..Spec::default() };
        for (done, optional, new) in [(false, false, 1), (true, false, 1), (true, true, 1), (false, true, 0)]
        {
            let spec = of(task(done, optional));
            assert_eq!(proofs_since_trusted(&trusted(vec![]), &spec).len(), new, "{done} {optional}");
            let seen = trusted(proofs(&spec, |_| true));
            assert!(proofs_since_trusted(&seen, &spec).is_empty(), "{done} {optional}");
        }
    }

    #[test]
    fn a_command_of_the_workflow_is_new_where_it_says_something_else() {
        let says = |what: &str| [("checks".to_owned(), what.to_owned())];
        let project = trusted(commands(&says("make")));
        assert!(commands_since_trusted(&project, &says("make")).is_empty());
        let new = commands_since_trusted(&project, &says("make all"));
        assert_eq!(new.first().map(|it| it.place.as_str()), Some("WORKFLOW.md checks"));
    }

    #[test]
    fn a_change_beyond_what_is_shown_is_a_change() {
        let long = "x".repeat(SHOWN);
        let (a, b) = (format!("{long}a"), format!("{long}b"));
        let of = |text: &str| found(FoundKind::Hook, "h", text, text.as_bytes());
        assert_eq!(of(&a).says, of(&b).says);
        assert_ne!(of(&a), of(&b));
    }

    #[test]
    fn settings_that_run_something_are_known_wherever_they_stand() {
        for (name, value) in [
            ("filter.x.clean", "cmd"),
            ("credential.https://example.com.helper", "!cmd"),
            ("gpg.ssh.program", "cmd"),
            ("trailer.see.cmd", "cmd"),
            ("submodule.lib.update", "!cmd"),
            ("Core.HooksPath", ".hooks"),
            ("alias.x", "!cmd"),
            ("includeIf.gitdir:/x.path", "/y"),
            ("pager.log", "cmd"),
        ] {
            assert!(runs_commands(name, value), "{name}");
        }
        for (name, value) in
            [("user.name", "x"), ("alias.x", "log"), ("pager.log", "false"), ("core.fsmonitor", "true")]
        {
            assert!(!runs_commands(name, value), "{name}");
        }
    }
}
