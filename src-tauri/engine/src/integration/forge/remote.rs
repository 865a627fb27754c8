//! Which repository of which forge a project is of, by the address of its remote `origin`.

use pilothouse_contract::project::Project;

use crate::ports::git::{Git, GitError};

/// A repository of a forge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// The host, with a port if it is an unusual one.
    pub host: String,
    /// `owner/name`.
    pub repo: String,
}

/// The remote of a project; nothing if it has none, or one that lies on this machine's disk.
///
/// # Errors
/// See [`GitError`].
pub async fn of(project: &Project) -> Result<Option<Remote>, GitError> {
    let git = Git::at(std::path::Path::new(&project.git_dir));
    match git.text(&["config", "--get", "remote.origin.url"]).await {
        Ok(url) => Ok(read(&url)),
        Err(error) if error.code() == Some(1) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads an address: `https://host/owner/name.git`, `git@host:owner/name.git`, `ssh://git@host/owner/name`.
#[must_use]
pub fn read(url: &str) -> Option<Remote> {
    let (host, path) = match url.split_once("://") {
        Some((scheme, rest)) if matches!(scheme, "https" | "http" | "ssh" | "git") => {
            let (host, path) = rest.split_once('/')?;
            let host = host.rsplit('@').next()?;
            // The port of ssh is none of the interface's.
            (if scheme == "ssh" { host.split(':').next()? } else { host }, path)
        }
        Some(_) => return None,
        None => {
            let (host, path) = url.split_once(':')?;
            (host.rsplit('@').next()?, path)
        }
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let is_name = |it: &str| {
        !it.is_empty()
            && !it.starts_with('.')
            && it.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    let good =
        is_name(owner) && is_name(name) && parts.next().is_none() && is_host && host.contains(['.', ':']);
    let host = if host == "ssh.github.com" { "github.com" } else { host };
    good.then(|| Remote { host: host.to_ascii_lowercase(), repo: format!("{owner}/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_read_by_its_address_and_what_is_none_is_none() {
        let good = [
            ("https://github.com/a/b.git", "github.com a/b"),
            ("https://x-access-token:secret@github.com/a/b", "github.com a/b"),
            ("git@github.com:a/b.git", "github.com a/b"),
            ("ssh://git@GitHub.com:22/a/b.git/", "github.com a/b"),
            ("ssh://git@ssh.github.com:443/a/b.git", "github.com a/b"),
            ("http://127.0.0.1:8931/octo-org/the.cabin.git", "127.0.0.1:8931 octo-org/the.cabin"),
        ];
        for (url, is) in good {
            let found = read(url).map(|it| format!("{} {}", it.host, it.repo));
            assert_eq!(found.as_deref(), Some(is), "{url}");
        }
        let none = [
            "/srv/git/b.git",
            "../b",
            "file:///srv/a/b",
            "https://github.com/a",
            "https://gitlab.com/a/b/c",
            "C:\\a\\b",
            "https://host.test/../b",
            "x:a/b",
        ];
        for url in none {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
