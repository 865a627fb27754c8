//! Talking with a repository somewhere else by HTTP, with a token: looking where a branch stands, and pushing one. It is done from a
//! repository of its own for that moment, which borrows the objects and has none of the project's settings: whoever may write those -
//! agents may - could have a token sent through a proxy of theirs.
//!
//! Refuses: to hand the token over by an argument, a variable or a file. A shell reads it out of a pipe that only this user may open,
//! when git asks for it, and only for the address that it is for. Nothing is forced but what is where we left it.

use std::io::Write;
use std::path::{Path, PathBuf};

use pilothouse_contract::Oid;

use super::{Git, GitError, finish, refusal};

/// So many times git may ask for the token in one command.
const ASKS: usize = 4;
/// Whatever the user's settings say of these: no helper of theirs keeps the token, and no push brings more than was asked for.
const PLAIN: [&str; 11] = [
    "credential.helper=",
    "credential.useHttpPath=false",
    "http.followRedirects=false",
    "http.extraHeader=",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "protocol.allow=never",
    "protocol.http.allow=always",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
];

/// One talk.
#[derive(Debug)]
pub struct Talk {
    git: Git,
    url: String,
    secret: Secret,
    folder: tempfile::TempDir,
}

/// A token has no text.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Talk {
    /// Begins one: from the repository with this git folder, with the one at that address, by this token.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn begin(git_dir: &Path, url: &str, token: &str) -> Result<Self, GitError> {
        let folder = tempfile::TempDir::with_prefix("pilothouse-talk-").map_err(GitError::NotThere)?;
        let own = folder.path().join("git");
        let init = ["init", "--quiet", "--bare", "--template="];
        let mut command = Git { git_dir: None, work_tree: None, index: None, from: None }.command(&init);
        command.arg(&own);
        done(finish(command, "init", b"").await?, "init", token)?;
        let borrowed: PathBuf = git_dir.join("objects");
        let mut line = borrowed.into_os_string().into_encoded_bytes();
        line.push(b'\n');
        let write = || {
            std::fs::create_dir_all(own.join("objects/info"))?;
            std::fs::write(own.join("objects/info/alternates"), &line)?;
            // What is cut off there is cut off here.
            match std::fs::copy(git_dir.join("shallow"), own.join("shallow")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        write().map_err(GitError::NotThere)?;
        let pipe = folder.path().join("token");
        let mut command = tokio::process::Command::new("mkfifo");
        command.args(["-m", "600"]).arg(&pipe);
        done(finish(command, "mkfifo", b"").await?, "mkfifo", token)?;
        Ok(Self { git: Git::at(&own), url: url.to_owned(), secret: Secret(token.to_owned()), folder })
    }

    /// Where a branch stands there; nothing if there is none.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn tip(&self, branch: &str) -> Result<Option<Oid>, GitError> {
        let name = format!("refs/heads/{branch}");
        let said = self.run(&["ls-remote", "--refs", &self.url, &name], None).await?;
        let of = |line: &str| line.split_once('\t').filter(|it| it.1 == name).map(|it| Oid(it.0.to_owned()));
        Ok(said.lines().find_map(of))
    }

    /// Brings a branch there to a commit, from where it must stand; `None` means that it must not be there.
    ///
    /// # Errors
    /// See [`GitError`]; then it stands where it stood.
    pub async fn push(&self, commit: &Oid, branch: &str, old: Option<&Oid>) -> Result<(), GitError> {
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", old.map_or("", Oid::as_str));
        let what = format!("{}:refs/heads/{branch}", commit.as_str());
        let args = ["push", "--porcelain", "--no-verify", "--no-signed", &lease, &self.url, &what];
        self.run(&args, None).await.map(drop)
    }

    /// Brings a branch from there into the project's objects, and says where it stands. No ref of the project is moved. What the project has
    /// of it already is said, for this repository has no refs that would tell: else all that came before would be sent once more.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn fetch(&self, git_dir: &Path, branch: &str, have: &[Oid]) -> Result<Oid, GitError> {
        for (n, it) in have.iter().enumerate() {
            // What is not there any more saves nothing.
            let name = format!("refs/have/{n}");
            let _not_had = self.git.text(&["update-ref", &name, it.as_str()]).await;
        }
        let what = format!("+refs/heads/{branch}:refs/heads/there");
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &self.url, &what];
        self.run(&args, Some(&git_dir.join("objects"))).await?;
        self.git.text(&["rev-parse", "--verify", "refs/heads/there"]).await.map(Oid)
    }

    async fn run(&self, args: &[&str], objects: Option<&Path>) -> Result<String, GitError> {
        let pipe = self.folder.path().join("token");
        // Whoever has both ends waits for nobody, and what was not read is gone with them.
        let mut both =
            std::fs::OpenOptions::new().read(true).write(true).open(&pipe).map_err(GitError::NotThere)?;
        let line = format!("{}\n", self.secret.0);
        both.write_all(line.repeat(ASKS).as_bytes()).map_err(GitError::NotThere)?;
        // The shell itself reads and writes: no program has the token as an argument or in its environment.
        let helper = format!(
            "!f() {{ test \"$1\" = get || exit 0; IFS= read -r it < '{}' && printf 'username=x-access-token\\npassword=%s\\n' \"$it\"; }}; f",
            pipe.display().to_string().replace('\'', "'\\''")
        );
        let mut settings: Vec<String> = PLAIN.iter().map(|it| (*it).to_owned()).collect();
        // Those that a person's settings have for this host are none of ours either: an empty one forgets all before it.
        for helper in ["", &helper] {
            settings.push(format!("credential.{}.helper={helper}", of_host(&self.url)));
        }
        let mut words: Vec<&str> = Vec::new();
        for it in &settings {
            words.extend(["-c", it]);
        }
        words.extend(args);
        let mut command = self.git.command(&words);
        command.env_remove("GIT_ASKPASS").env_remove("SSH_ASKPASS");
        if let Some(objects) = objects {
            command.env("GIT_OBJECT_DIRECTORY", objects);
        }
        let name = args.first().copied().unwrap_or_default();
        let output = finish(command, name, b"").await;
        drop(both);
        done(output?, name, &self.secret.0)
    }
}

/// The address of the host alone.
fn of_host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}

/// What a command said, or why it did not go, without a token that the other side may have said back.
fn done(output: std::process::Output, name: &str, token: &str) -> Result<String, GitError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(match refusal(name.to_owned(), &output) {
        GitError::Failed { command, code, says } => {
            // By --porcelain why a ref was refused stands in what is said to others.
            let more = String::from_utf8_lossy(&output.stdout);
            let says = format!("{says}\n{more}").replace(token, "[token]");
            GitError::Failed { command, code, says: says.trim().to_owned() }
        }
        other => other,
    })
}
