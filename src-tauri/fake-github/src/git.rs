//! Git behind this GitHub: bare repositories below one folder, read and changed by the git command line, and served over smart
//! HTTP by `git http-backend`. Of a repository without git every answer is "nobody knows".

use std::path::{Path, PathBuf};
use std::process::Stdio;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use tokio::io::AsyncWriteExt;

use crate::world::{Pull, Repo};

fn dir(root: &Path, repo: &Repo) -> PathBuf {
    root.join(&repo.owner).join(format!("{}.git", repo.name))
}

fn git(root: &Path, repo: &Repo, args: &[&str]) -> Option<(bool, String)> {
    if !repo.has_git {
        return None;
    }
    let ran = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(dir(root, repo))
        .args(args)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|it| ("PATH", it)))
        .envs([("LC_ALL", "C"), ("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "GitHub"), ("GIT_AUTHOR_EMAIL", "noreply@github.localhost")])
        .envs([("GIT_COMMITTER_NAME", "GitHub"), ("GIT_COMMITTER_EMAIL", "noreply@github.localhost")])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    Some((ran.status.success(), String::from_utf8_lossy(&ran.stdout).trim_end().to_owned()))
}

/// Makes a bare repository that takes pushes.
///
/// # Errors
/// If git cannot.
pub(crate) fn make(root: &Path, repo: &Repo) -> std::io::Result<()> {
    let place = dir(root, repo);
    let made = std::process::Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch", &repo.main])
        .arg(&place)
        .stdin(Stdio::null())
        .status()?;
    let set = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(&place)
        .args(["config", "http.receivepack", "true"])
        .status()?;
    if made.success() && set.success() { Ok(()) } else { Err(std::io::Error::other("git could not make it")) }
}

/// Has pushes to some branches refused, in GitHub's words.
///
/// # Errors
/// If the hook cannot be written.
pub(crate) fn protect(root: &Path, repo: &Repo, pattern: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let hook = dir(root, repo).join("hooks/update");
    let says = format!(
        "#!/bin/sh\ncase \"$1\" in\nrefs/heads/{pattern})\n  echo \"error: GH006: Protected branch update failed for $1.\" >&2\n  \
         echo 'error: Changes must be made through a pull request.' >&2\n  exit 1;;\nesac\n"
    );
    std::fs::create_dir_all(dir(root, repo).join("hooks"))?;
    std::fs::write(&hook, says)?;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755))
}

pub(crate) fn read_branches(root: &Path, repo: &mut Repo) {
    let listed =
        git(root, repo, &["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"]);
    let Some((true, listed)) = listed else { return };
    repo.branches = listed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, tip)| (name.to_owned(), tip.to_owned()))
        .collect();
}

/// Files, lines added, lines taken away.
pub(crate) fn size(root: &Path, repo: &Repo, onto: &str, head: &str) -> Option<(u64, u64, u64)> {
    let (true, said) = git(root, repo, &["diff", "--numstat", &format!("{}...{head}", repo.tip(onto))])?
    else {
        return None;
    };
    let mut all = (0, 0, 0);
    for line in said.lines() {
        let mut words = line.split('\t').map(|it| it.parse::<u64>().unwrap_or_default());
        all = (all.0 + 1, all.1 + words.next().unwrap_or_default(), all.2 + words.next().unwrap_or_default());
    }
    Some(all)
}

pub(crate) fn clashes(root: &Path, repo: &Repo, base: &str, head: &str) -> Option<bool> {
    git(root, repo, &["merge-tree", "--write-tree", "--name-only", base, head]).map(|(clean, _)| !clean)
}

/// Lands a pull request; nothing if git does not know the repository.
pub(crate) fn land(root: &Path, repo: &Repo, pull: &Pull, method: &str) -> Option<Result<String, ()>> {
    let base = repo.tip(&pull.base_ref);
    let (clean, tree) = git(root, repo, &["merge-tree", "--write-tree", &base, &pull.head])?;
    if !clean {
        return Some(Err(()));
    }
    let message = format!("{} (#{})", pull.title, pull.number);
    let mut args = vec!["commit-tree", &tree, "-p", &base];
    if method == "MERGE" {
        args.extend(["-p", &pull.head]);
    }
    args.extend(["-m", &message]);
    let (true, commit) = git(root, repo, &args)? else { return Some(Err(())) };
    let (moved, _) =
        git(root, repo, &["update-ref", &format!("refs/heads/{}", pull.base_ref), &commit, &base])?;
    Some(if moved { Ok(commit) } else { Err(()) })
}

/// Whether a path is one of git's, and whether it may change anything: the repository and the rest.
pub(crate) fn path_of(path: &str) -> Option<(String, String)> {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (owner, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_gits = matches!(rest, "info/refs" | "git-upload-pack" | "git-receive-pack");
    is_gits.then(|| (format!("{owner}/{}", name.trim_end_matches(".git")), rest.to_owned()))
}

/// One request of git's own, answered by git itself.
pub(crate) async fn serve(
    root: &Path,
    repo: &Repo,
    request: (&str, &str, &str),
    headers: &HeaderMap,
    who: Option<&str>,
    body: &[u8],
) -> std::io::Result<Response<Body>> {
    let (method, rest, query) = request;
    let header =
        |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env_clear()
        .envs(std::env::var_os("PATH").map(|it| ("PATH", it)))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{}/{}.git/{rest}", repo.owner, repo.name))
        .env("REQUEST_METHOD", method)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(who) = who {
        command.env("REMOTE_USER", who);
    }
    let mut child = command.spawn()?;
    let mut input = child.stdin.take();
    let write = async {
        if let Some(input) = &mut input {
            // Git may have said all it has to say before it read all.
            let _closed = input.write_all(body).await;
        }
        drop(input);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?.stdout;
    let end = output.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(output.get(..end).unwrap_or_default()).into_owned();
    let rest = output.get(end + 4..).unwrap_or_default().to_vec();
    let mut answer = Response::builder();
    for (name, value) in head.lines().filter_map(|it| it.split_once(": ")) {
        answer = if name.eq_ignore_ascii_case("status") {
            answer.status(value.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(500))
        } else {
            answer.header(name, value)
        };
    }
    let empty = || Response::new(Body::empty());
    let failed = head.is_empty().then_some(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = answer.body(Body::from(rest)).unwrap_or_else(|_| empty());
    if let Some(failed) = failed {
        *answer.status_mut() = failed;
    }
    Ok(answer)
}
