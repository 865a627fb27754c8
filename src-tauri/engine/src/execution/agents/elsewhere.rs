//! Sessions of agents that people started in terminals of their own, found by the agents' logs: Claude Code's, Codex's, Gemini
//! CLI's and opencode's, each in a file of its own.
//!
//! It looks and touches nothing. A log is found by where it lies and known by what stands in it. Whether a session runs is told
//! by what its program notes of itself, or by who writes its log; where neither is so it is said that nobody knows.

pub(crate) mod archive;
mod claude;
mod codex;
mod gemini;
pub(crate) mod opencode;
mod parts;
mod running;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use pilothouse_contract::elsewhere::{Elsewhere, ElsewhereStep};
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, ProjectId};
use rustix::fs::OFlags;

use super::LineRead;
use crate::policy::redact;
use running::Look;

/// So many are told of: those that were written last.
const MOST: usize = 200;
/// What a session was asked first stands near the beginning of its log.
pub(super) const HEAD: u64 = 256 * 1024;
/// A title is cut after so many characters.
const TITLE: usize = 200;
/// No more of a log is read at once.
const LOG_MAX: u64 = 256 * 1024 * 1024;

/// Where it is looked, and what is not told of.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    /// The agents' own folders.
    pub(crate) homes: Homes,
    /// What opencode's database says of its sessions, each in a line of JSON.
    pub(crate) opencode: Vec<String>,
    /// Folders, each with the project that it belongs to.
    pub(crate) folders: Vec<(ProjectId, PathBuf)>,
    /// Below this nobody but our own agents works.
    pub(crate) not_below: PathBuf,
    /// The agents' ids of the sessions that we started.
    pub(crate) ours: HashSet<String>,
}

/// Where each agent program keeps what it knows; an empty path is nowhere.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    claude: PathBuf,
    codex: PathBuf,
    gemini: PathBuf,
    /// opencode's database.
    pub(crate) opencode: PathBuf,
}

impl Homes {
    /// By the environment.
    pub(crate) fn find() -> Self {
        Self::by(|name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from))
    }

    fn by(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let in_home = |name: &str| variable("HOME").map(|it| it.join(name));
        let data =
            variable("XDG_DATA_HOME").or_else(|| in_home(".local/share")).map(|it| it.join("opencode"));
        let opencode = variable("OPENCODE_DB").unwrap_or_else(|| PathBuf::from("opencode.db"));
        Self {
            claude: variable("CLAUDE_CONFIG_DIR").or_else(|| in_home(".claude")).unwrap_or_default(),
            codex: variable("CODEX_HOME").or_else(|| in_home(".codex")).unwrap_or_default(),
            gemini: variable("GEMINI_CLI_HOME")
                .or_else(|| variable("HOME"))
                .map(|it| it.join(".gemini"))
                .unwrap_or_default(),
            // A path that is whole stays as it is.
            opencode: data.map(|it| it.join(opencode)).unwrap_or_default(),
        }
    }
}

impl Grounds {
    /// Which project a folder belongs to. The deepest folder that it lies in says it: a repository may lie in another.
    fn project_of(&self, cwd: &Path) -> Option<ProjectId> {
        let is_plain = cwd.components().all(|part| !matches!(part, Component::ParentDir));
        if !is_plain || cwd.starts_with(&self.not_below) {
            return None;
        }
        let of = self.folders.iter().filter(|(_, it)| cwd.starts_with(it));
        of.max_by_key(|(_, it)| it.components().count()).map(|(project, _)| *project)
    }
}

/// An agent program's sessions, as its logs tell of them.
trait Program {
    /// What it is called: its command, and how people know it.
    fn name(&self) -> &'static str;
    /// The logs of sessions that may be of a project. What cannot be read is left out.
    fn logs(&self, grounds: &Grounds) -> Vec<Log>;
    /// What stands at the beginning of one; nothing if it is none of a session that a person has.
    fn head(&self, grounds: &Grounds, log: &Log) -> Option<Head>;
    /// Whether it runs.
    fn runs(&self, log: &Log, head: &Head, look: &Look) -> Runs;
}

/// A log that was found.
#[derive(Debug)]
struct Log {
    /// The file, or the one that it is a part of.
    file: PathBuf,
    bytes: u64,
    written: At,
    /// What is known of it, where it is a part of a file.
    says: Option<opencode::Row>,
}

impl Log {
    fn of(file: PathBuf) -> Option<Self> {
        let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let since = metadata.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        let written = At(since.and_then(|it| i64::try_from(it.as_millis()).ok()).unwrap_or_default());
        Some(Self { file, bytes: metadata.len(), written, says: None })
    }
}

/// What stands at the beginning of a log.
#[derive(Debug, Default)]
struct Head {
    native: String,
    cwd: PathBuf,
    title: Option<String>,
    began: Option<At>,
}

/// Whether a session runs.
#[derive(Debug, PartialEq, Eq)]
enum Runs {
    No,
    /// In a process, with what that says that it does.
    In(u32, Option<String>),
    /// Nobody knows; why not.
    Unsure(String),
}

/// Finds them, what was written last first. What cannot be read is left out.
#[must_use]
pub(crate) fn find(grounds: &Grounds) -> Vec<Elsewhere> {
    let programs: [&dyn Program; 4] =
        [&claude::Claude::new(&grounds.homes.claude), &codex::Codex, &gemini::Gemini, &opencode::Opencode];
    let mut logs: Vec<(&dyn Program, Log)> = Vec::new();
    for program in programs {
        logs.extend(program.logs(grounds).into_iter().map(|log| (program, log)));
    }
    logs.sort_by(|(_, a), (_, b)| b.written.cmp(&a.written).then_with(|| a.file.cmp(&b.file)));
    // All processes are looked at, once, if it matters what runs.
    let look = OnceCell::new();
    let mut known = HashSet::new();
    let read = logs.into_iter().filter_map(|(program, log)| {
        let head = program.head(grounds, &log).filter(|it| is_id(&it.native))?;
        let project = grounds.project_of(&head.cwd)?;
        // A session that went on may have another log; the one that was written last tells of it.
        if grounds.ours.contains(&head.native) || !known.insert((program.name(), head.native.clone())) {
            return None;
        }
        let (process, claims, unsure) = match program.runs(&log, &head, look.get_or_init(Look::now)) {
            Runs::No => (None, None, None),
            Runs::In(process, claims) => (Some(process), claims, None),
            Runs::Unsure(why) => (None, None, Some(why)),
        };
        Some(Elsewhere {
            native: head.native,
            agent: program.name().to_owned(),
            project,
            cwd: head.cwd.display().to_string(),
            title: archive::headed(&head.title.unwrap_or_default()),
            file: log.file.display().to_string(),
            bytes: log.bytes,
            began: head.began,
            written: log.written,
            process,
            held: None,
            claims,
            unsure,
        })
    });
    read.take(MOST).collect()
}

pub(super) fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|it| Some(it.ok()?.path()))
}

/// What ends in `.jsonl` in a folder.
fn logs_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    entries(folder).filter(|it| it.extension().is_some_and(|it| it == "jsonl"))
}

/// Whether what a log calls its session may be the id of one. It becomes an argument of a program and a line that people copy,
/// and any program of the user's can have written it. What begins with `agent-` is the log of a part of another session.
pub(super) fn is_id(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
        && !name.starts_with('-')
        && !name.starts_with("agent-")
}

/// Opens what is a file, and waits for nobody.
pub(super) fn open(file: &Path) -> io::Result<File> {
    let nobody = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(nobody).open(file)?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no file")) }
}

/// The first lines of a log, as far as they lie near its beginning.
fn first_lines(file: &Path) -> impl Iterator<Item = String> + use<> {
    let opened = open(file).into_iter();
    let lines = opened.flat_map(|it| BufReader::new(it.take(HEAD)).split(b'\n').map_while(Result::ok));
    lines.map(|it| String::from_utf8_lossy(&it).into_owned())
}

/// What a log says.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// All of it, in order, without secrets.
    pub(crate) steps: Vec<ElsewhereStep>,
    /// Lines that were damaged.
    pub(crate) damaged: u32,
    places: HashMap<String, usize>,
}

impl Steps {
    /// The steps with the agent's own id of each.
    pub(crate) fn with_ids(self) -> Vec<(String, Option<At>, StepKind)> {
        let mut ids: Vec<(usize, String)> = self.places.into_iter().map(|(id, place)| (place, id)).collect();
        ids.sort_unstable();
        ids.into_iter().zip(self.steps).map(|((_, id), step)| (id, step.at, step.kind)).collect()
    }

    /// Takes what a line said. The same id again replaces the step.
    fn take(&mut self, line: LineRead) {
        let Some(steps) = line else {
            self.damaged += 1;
            return;
        };
        for (native, at, kind) in steps {
            let kind = redact::step(kind);
            match self.places.get(&native).and_then(|it| self.steps.get_mut(*it)) {
                Some(known) => (known.at, known.kind) = (at, kind),
                None => {
                    self.places.insert(native, self.steps.len());
                    let ordinal = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
                    self.steps.push(ElsewhereStep { ordinal, at, kind });
                }
            }
        }
    }
}

/// Reads the log of a session of an agent from its beginning.
///
/// # Errors
/// Whatever the file system says, and what is longer than 256 MiB.
pub(crate) fn read(agent: &str, file: &Path) -> io::Result<Steps> {
    let log = open(file)?;
    if log.metadata()?.len() > LOG_MAX {
        return Err(io::Error::other("it is longer than 256 MiB, and no more is read at once"));
    }
    let mut all = Steps::default();
    let mut reader: Box<dyn FnMut(&str) -> LineRead> = match agent {
        "codex" => {
            // It tells of a call as its model sees it, and as it was done; the latter says more.
            let known = codex::done(lines(open(file)?));
            let mut reader = codex::Reader::knowing(known);
            Box::new(move |line| reader.line(line))
        }
        "gemini" => Box::new(gemini::read_line),
        _ => Box::new(claude::read_line),
    };
    for line in lines(log) {
        all.take(reader(&line?));
    }
    Ok(all)
}

fn lines(log: File) -> impl Iterator<Item = io::Result<String>> {
    let lines = BufReader::new(log.take(LOG_MAX)).split(b'\n');
    lines.map(|it| it.map(|it| String::from_utf8_lossy(&it).into_owned()))
}

/// What a person asked, if a line says so.
fn asked(line: &LineRead) -> Option<String> {
    line.iter().flatten().find_map(|(.., kind)| match kind {
        StepKind::Prompt { text } => Some(text.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
