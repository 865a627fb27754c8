//! The fence in an agent's git: a `reference-transaction` hook that refuses every ref but the attempt's own, and tells
//! the engine. It is set by the environment of the agent's session and by nothing in the repository, so the user's own
//! settings stay as they are; the user's other hooks run as before. It can be climbed: promise P3 rests on what is
//! behind it. And shims on the agent's search path, for commands that the policy wants quiet.
//!
//! Source: git's documentation of hooks (reference-transaction) and of `GIT_CONFIG_COUNT`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pilothouse_contract::RefName;
use pilothouse_contract::project::Project;

use super::{env, look};
use crate::policy::shim;
use crate::ports::git::Git;

/// Allowed are the attempt's own branch and what is a worktree's own anyway: HEAD and its kin (names without a slash),
/// `refs/worktree/`, `refs/bisect/`, `refs/rewritten/`.
const HOOK: &str = r#"#!/bin/sh
# Set by Pilothouse for the length of one session: this agent may move its own branch and nothing else.
[ "$1" = prepared ] || exit 0
refused=0
while read -r old new ref; do
    case "$ref" in
    "$PILOTHOUSE_REF" | refs/worktree/* | refs/bisect/* | refs/rewritten/*) ;;
    refs/*)
        echo "pilothouse: $ref is not this agent's to move; its own branch is $PILOTHOUSE_REF" >&2
        "$PILOTHOUSE_BIN" hook ref-refused "$ref" "$old" "$new" >/dev/null 2>&1 </dev/null
        refused=1
        ;;
    esac
done
exit $refused
"#;

/// Writes the hooks of a session and sets them in its environment. Of the user's own hooks those run on that a person
/// saw when they trusted the project; one that came since does not.
///
/// # Errors
/// Whatever the file system says.
pub async fn raise(
    folder: &Path,
    project: &Project,
    worktree: &Path,
    reference: &RefName,
    environment: &mut Vec<(String, OsString)>,
) -> std::io::Result<()> {
    let hooks = folder.join("hooks");
    std::fs::create_dir_all(&hooks)?;
    write_hook(&hooks.join("reference-transaction"), HOOK)?;
    let git = Git::at(Path::new(&project.git_dir));
    let new = look::new_since_trusted(project).await.map_err(std::io::Error::other)?;
    let own = look::hooks(&git, worktree).await.map_err(std::io::Error::other)?;
    for own in own.into_iter().filter(|own| !new.iter().any(|it| it.place == own.display().to_string())) {
        if let Some(name) = own.file_name().filter(|name| *name != "reference-transaction") {
            let call = format!("#!/bin/sh\nexec {} \"$@\"\n", quoted(&own));
            write_hook(&hooks.join(name), &call)?;
        }
    }
    env::set(environment, "PILOTHOUSE_REF", reference.as_str());
    env::set(environment, "GIT_CONFIG_COUNT", "1");
    env::set(environment, "GIT_CONFIG_KEY_0", "core.hooksPath");
    env::set(environment, "GIT_CONFIG_VALUE_0", hooks.as_os_str());
    Ok(())
}

fn write_hook(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Puts shims for commands that are to be quiet before everything else on the search path of a session: see [`shim`].
///
/// # Errors
/// Whatever the file system says.
pub fn hush(
    folder: &Path,
    quiet: &[String],
    environment: &mut Vec<(String, OsString)>,
) -> std::io::Result<()> {
    if quiet.is_empty() {
        return Ok(());
    }
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    for (program, script) in shim::scripts(quiet, &bin.to_string_lossy()) {
        write_hook(&bin.join(program), &script)?;
    }
    let path =
        environment.iter().find(|(name, _)| name == "PATH").map(|(_, it)| it.clone()).unwrap_or_default();
    let all = std::iter::once(bin).chain(std::env::split_paths(&path));
    env::set(environment, "PATH", std::env::join_paths(all).map_err(std::io::Error::other)?);
    Ok(())
}

fn quoted(path: &Path) -> String {
    shim::quoted(&path.to_string_lossy())
}
