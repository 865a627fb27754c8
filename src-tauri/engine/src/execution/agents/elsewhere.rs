//! Sessions of agents that people started in terminals of their own, found by the agents' logs. Claude Code's only: of the
//! others no log is read yet.
//!
//! It looks and touches nothing. A log is found by where it lies and known by what stands in it; the file that tells what a
//! session does lies beside a secret of the same name, which is never opened.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use pilothouse_contract::elsewhere::{Elsewhere, ElsewhereStep};
use pilothouse_contract::run::Adapter;
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, ProjectId, text};
use pilothouse_holder::proc;
use rustix::fs::OFlags;
use serde_json::Value;

use super::{claude_log, reader};

/// So many are told of: those that were written last.
const MOST: usize = 200;
/// What a session was asked first stands near the beginning of its log.
pub(super) const HEAD: u64 = 256 * 1024;
/// A title is cut after so many characters.
const TITLE: usize = 200;
/// No more of a log is read at once.
const LOG_MAX: u64 = 256 * 1024 * 1024;
/// What a process of Claude Code is called.
const NAMES: [&str; 3] = ["claude", "node", "bun"];

/// Where it is looked, and what is not told of.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    /// Claude Code's own folder.
    pub(crate) claude: PathBuf,
    /// Folders, each with the project that it belongs to.
    pub(crate) folders: Vec<(ProjectId, PathBuf)>,
    /// Below this nobody but our own agents works.
    pub(crate) not_below: PathBuf,
    /// The agents' ids of the sessions that we started.
    pub(crate) ours: HashSet<String>,
}

/// Finds them, what was written last first. What cannot be read is left out.
#[must_use]
pub(crate) fn find(grounds: &Grounds) -> Vec<Elsewhere> {
    let mut logs: Vec<(PathBuf, Metadata)> = Vec::new();
    for folder in entries(&grounds.claude.join("projects")) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if grounds.folders.iter().any(|(_, it)| claude_log::may_be_of(&name, it)) {
            let files = entries(&folder).filter(|it| it.extension().is_some_and(|it| it == "jsonl"));
            logs.extend(
                files.filter_map(|it| Some((it.clone(), it.metadata().ok().filter(Metadata::is_file)?))),
            );
        }
    }
    logs.sort_by(|(a, one), (b, other)| written(other).cmp(&written(one)).then_with(|| a.cmp(b)));
    let runs = running(&grounds.claude.join("sessions"));
    let read = logs.into_iter().filter_map(|(file, metadata)| one(grounds, &runs, &file, &metadata));
    read.take(MOST).collect()
}

pub(super) fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|it| Some(it.ok()?.path()))
}

fn written(metadata: &Metadata) -> At {
    let since = metadata.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    At(since.and_then(|it| i64::try_from(it.as_millis()).ok()).unwrap_or_default())
}

fn one(
    grounds: &Grounds,
    runs: &HashMap<String, (u32, Option<String>)>,
    file: &Path,
    metadata: &Metadata,
) -> Option<Elsewhere> {
    let native = file.file_stem()?.to_str().filter(|it| is_id(it))?.to_owned();
    if grounds.ours.contains(&native) {
        return None;
    }
    let (mut cwd, mut title, mut began) = (None, None, None);
    for line in BufReader::new(open(file).ok()?.take(HEAD)).split(b'\n') {
        let line = String::from_utf8_lossy(&line.ok()?).into_owned();
        cwd = cwd.or_else(|| claude_log::started_in(&line));
        for (_, at, kind) in reader(Adapter::ClaudeCode)(&line).unwrap_or_default() {
            began = began.or(at);
            if let StepKind::Prompt { text } = kind {
                title.get_or_insert(text);
            }
        }
        if cwd.is_some() && title.is_some() {
            break;
        }
    }
    let is_plain = |it: &Path| it.components().all(|part| !matches!(part, Component::ParentDir));
    let cwd = cwd.filter(|it| is_plain(it) && !it.starts_with(&grounds.not_below))?;
    // The deepest folder that it lies in says whose it is: a repository may lie in another.
    let of = grounds.folders.iter().filter(|(_, it)| cwd.starts_with(it));
    let (project, _) = of.max_by_key(|(_, it)| it.components().count())?;
    let (process, claims) = runs.get(&native).cloned().unzip();
    Some(Elsewhere {
        native,
        agent: "claude".to_owned(),
        project: *project,
        cwd: cwd.display().to_string(),
        title: text::line(title.unwrap_or_default().trim(), TITLE),
        file: file.display().to_string(),
        bytes: metadata.len(),
        began,
        written: written(metadata),
        process,
        held: None,
        claims: claims.flatten(),
    })
}

/// Whether a log's name may be the id of a session. It becomes an argument of a program and a line that people copy, and any
/// program of the user's can have written it. What begins with `agent-` is the log of a part of another session.
pub(super) fn is_id(name: &str) -> bool {
    name.len() <= 100
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && !name.starts_with('-')
        && !name.starts_with("agent-")
}

/// Opens what is a file, and waits for nobody.
pub(super) fn open(file: &Path) -> io::Result<File> {
    let nobody = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(nobody).open(file)?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no file")) }
}

/// The sessions that run now by what Claude Code notes of them: its id, with its process and what it says that it does.
fn running(folder: &Path) -> HashMap<String, (u32, Option<String>)> {
    let noted = entries(folder).filter_map(|file| {
        let process = file.file_name()?.to_str()?.strip_suffix(".json")?.parse::<u32>().ok()?;
        // What it noted stays behind if it is killed, and its number is given to others.
        proc::one(process).filter(|it| !it.zombie && NAMES.contains(&it.name.as_str()))?;
        let note: Value = serde_json::from_reader(open(&file).ok()?.take(HEAD)).ok()?;
        let text = |name: &str| note.get(name).and_then(Value::as_str);
        let waits = text("waitingFor").map(|it| format!("waiting: {it}"));
        let claims = waits.or_else(|| text("status").map(str::to_owned)).map(|it| text::line(&it, TITLE));
        Some((text("sessionId")?.to_owned(), (process, claims)))
    });
    noted.collect()
}

/// What a log says.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// All of it, in order.
    pub(crate) steps: Vec<ElsewhereStep>,
    /// Lines that were damaged.
    pub(crate) damaged: u32,
}

/// Reads a log from its beginning.
///
/// # Errors
/// Whatever the file system says, and what is longer than 256 MiB.
pub(crate) fn read(file: &Path) -> io::Result<Steps> {
    let log = open(file)?;
    if log.metadata()?.len() > LOG_MAX {
        return Err(io::Error::other("it is longer than 256 MiB, and no more is read at once"));
    }
    let mut all = Steps::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in BufReader::new(log.take(LOG_MAX)).split(b'\n') {
        let line = line?;
        let Some(steps) = reader(Adapter::ClaudeCode)(&String::from_utf8_lossy(&line)) else {
            all.damaged += 1;
            continue;
        };
        for (native, at, kind) in steps {
            // The same id again replaces the step.
            match places.get(&native).and_then(|it| all.steps.get_mut(*it)) {
                Some(known) => (known.at, known.kind) = (at, kind),
                None => {
                    places.insert(native, all.steps.len());
                    let ordinal = u32::try_from(all.steps.len()).unwrap_or(u32::MAX);
                    all.steps.push(ElsewhereStep { ordinal, at, kind });
                }
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(grounds: &Grounds, cwd: &Path, native: &str, asks: &str) -> PathBuf {
        let file = claude_log::log_path(&grounds.claude, cwd, native);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let line = |kind: &str, rest: Value| {
            let mut it = serde_json::json!({ "type": kind, "cwd": cwd, "timestamp": "2026-11-20T10:00:00Z" });
            it.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            it.to_string()
        };
        let lines = [
            line("summary", serde_json::json!({})),
            line("user", serde_json::json!({ "uuid": "u1", "message": { "content": asks } })),
            "cut sho".to_owned(),
            line("user", serde_json::json!({ "uuid": "u1", "message": { "content": asks } })),
        ];
        fs::write(&file, lines.join("\n")).unwrap();
        file
    }

    #[test]
    fn who_works_in_a_project_is_found_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let grounds = Grounds {
            claude: at("claude"),
            folders: vec![(ProjectId(1), at("a")), (ProjectId(2), at("a/inner"))],
            not_below: at("a/trees"),
            ours: HashSet::from(["mine".to_owned()]),
        };
        let file = log(&grounds, &at("a"), "one", "Mend\nthe \u{1b}[31mpump");
        log(&grounds, &at("a/inner/deep"), "two", "Oil it");
        log(&grounds, &at("a"), "mine", "ours");
        log(&grounds, &at("a/trees/t1"), "tree", "an agent's own");
        // What could be taken for something else than an id, and what leads out of the project.
        log(&grounds, &at("a"), "--dangerous", "an option");
        log(&grounds, &at("a"), "x;id", "a line for a shell");
        log(&grounds, &at("a"), "agent-1", "a part of another");
        log(&grounds, &at("a/../b"), "out", "elsewhere");
        // Another folder with the same name of dashes.
        log(&grounds, &at("a-inner"), "twin", "not in any project");
        let found = find(&grounds);
        let mut said: Vec<_> =
            found.iter().map(|it| (it.native.as_str(), it.project, it.title.as_str())).collect();
        said.sort_unstable();
        assert_eq!(said, [("one", ProjectId(1), "Mend the ␛[31mpump"), ("two", ProjectId(2), "Oil it")]);
        let one = found.iter().find(|it| it.native == "one").unwrap();
        assert_eq!((one.process, one.began), (None, Some(At(1_795_168_800_000))));
        let steps = read(&file).unwrap();
        assert_eq!((steps.steps.len(), steps.damaged), (2, 1), "{steps:?}");
    }

    #[test]
    fn what_runs_says_so_and_what_was_left_behind_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let note = |process: u32, session: &str| {
            let note = serde_json::json!({ "sessionId": session, "status": "waiting", "waitingFor": "permission prompt" });
            fs::write(folder.path().join(format!("{process}.json")), note.to_string()).unwrap();
        };
        // A program by the name of the agent, and one by another.
        let claude = folder.path().join("claude");
        std::os::unix::fs::symlink("/bin/sleep", &claude).unwrap();
        let mut runs = std::process::Command::new(&claude).arg("60").spawn().unwrap();
        note(runs.id(), "runs");
        note(std::process::id(), "another program");
        note(4_000_000_000, "over");
        fs::write(folder.path().join(format!("{}.key", runs.id())), "a secret").unwrap();
        let found = running(folder.path());
        runs.kill().unwrap();
        runs.wait().unwrap();
        let says = Some("waiting: permission prompt".to_owned());
        assert_eq!(found, HashMap::from([("runs".to_owned(), (runs.id(), says))]));
    }
}
