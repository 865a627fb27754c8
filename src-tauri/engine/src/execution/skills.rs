//! Our skills in a repository: put into `.agents/skills`, with the links that Claude Code needs, and held against what this program brings.
//!
//! Refuses to overwrite what somebody edited, unless it is told to and keeps a copy; to write through a link out of the repository; and to
//! touch a file that it did not write.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use pilothouse_contract::Fault;
use pilothouse_contract::skill::{Installed, SkillFile, Standing};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::policy::skills::BUNDLED;

/// Where skills are put.
const ROOT: &str = ".agents/skills";
/// Where Claude Code looks.
const CLAUDE: &str = ".claude/skills";
/// What was written, by its hash.
const MANIFEST: &str = ".agents/skills/.pilothouse.json";

/// How to install.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Replace what was edited too, keeping a copy.
    pub force: bool,
    /// Make copies for Claude Code where links could be made.
    pub copy: bool,
}

/// What was written here, and by which program.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    version: String,
    files: BTreeMap<String, String>,
}

impl Manifest {
    fn read(top: &Path) -> Result<Self, Fault> {
        match lies(top, MANIFEST) {
            Lies::Nothing => Ok(Self::default()),
            Lies::Bytes(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Fault::refused(format!("{MANIFEST} cannot be read: {error}")).hint(
                    "bring it back from git; or delete it, and what differs from what is brought is kept as edited",
                )
            }),
            // What was written is written down in it: without it nothing is.
            Lies::Barred(why) => Err(Fault::refused(format!("{MANIFEST} {why}"))
                .hint("put a folder or a file of the repository in the place of the link")),
        }
    }

    fn write(&self, top: &Path) -> Result<(), Fault> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        put(top, MANIFEST, text.as_bytes())
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

/// What lies at a path: its bytes, nothing, or something that must not be written through.
enum Lies {
    Nothing,
    Bytes(Vec<u8>),
    Barred(String),
}

/// Looks at a path below the top, one step after another.
fn lies(top: &Path, path: &str) -> Lies {
    let mut at = top.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let last = parts.peek().is_none();
        match at.symlink_metadata().map(|it| it.file_type()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Lies::Nothing,
            Err(error) => return Lies::Barred(format!("cannot be looked at: {error}")),
            Ok(kind) if kind.is_symlink() => {
                let inside = at.canonicalize().is_ok_and(|it| it.starts_with(top));
                if last || !inside {
                    return Lies::Barred(if last {
                        "is a link".to_owned()
                    } else {
                        format!("lies behind a link out of the repository: {}", at.display())
                    });
                }
            }
            Ok(kind) if last && kind.is_file() || !last && kind.is_dir() => {}
            Ok(_) => return Lies::Barred("is in the way, and no plain file or folder".to_owned()),
        }
    }
    match std::fs::read(&at) {
        Ok(bytes) => Lies::Bytes(bytes),
        Err(error) => Lies::Barred(format!("cannot be read: {error}")),
    }
}

/// Writes a file whole: a reader sees the old one or the new one.
fn put(top: &Path, path: &str, bytes: &[u8]) -> Result<(), Fault> {
    let whole = top.join(path);
    let failed =
        |error: std::io::Error| Fault::environment(format!("{} cannot be written: {error}", whole.display()));
    let folder = whole.parent().unwrap_or(top);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let coming = folder.join(format!(".pilothouse-{}", std::process::id()));
    let mut file = std::fs::File::options().write(true).create_new(true).open(&coming).map_err(failed)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&coming, &whole));
    if written.is_err() {
        let _left = std::fs::remove_file(&coming);
    }
    written.map_err(failed)
}

/// Every file that is brought, by its path in the repository. `copied` names skills that Claude Code has copies of.
fn brought(copied: &[String]) -> BTreeMap<String, &'static str> {
    let mut all: BTreeMap<String, &str> =
        BUNDLED.iter().map(|(path, text)| (format!("{ROOT}/{path}"), *text)).collect();
    for name in copied {
        let of = |path: &str| path.strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('/'));
        all.extend(
            BUNDLED
                .iter()
                .filter(|(path, _)| of(path))
                .map(|(path, text)| (format!("{CLAUDE}/{path}"), *text)),
        );
    }
    all
}

/// How a file stands.
fn standing(lies: &Lies, text: &str, written: Option<&String>) -> Standing {
    match lies {
        Lies::Nothing => Standing::Missing,
        Lies::Barred(_) => Standing::Barred,
        Lies::Bytes(bytes) if bytes == text.as_bytes() => Standing::Current,
        Lies::Bytes(bytes) if written == Some(&hash(bytes)) => Standing::Older,
        Lies::Bytes(_) => Standing::Edited,
    }
}

/// Our skills by their names.
fn names() -> Vec<&'static str> {
    let mut all: Vec<&str> = BUNDLED.iter().filter_map(|(path, _)| path.split('/').next()).collect();
    all.dedup();
    all
}

/// Whether skills of ours were installed there.
#[must_use]
pub fn are_installed(top: &Path) -> bool {
    top.join(MANIFEST).is_file()
}

/// Whether somebody left a whole skill out: none of its files is there.
#[must_use]
pub fn is_left_out(all: &[SkillFile], file: &SkillFile) -> bool {
    let skill = |path: &str| path.split('/').take(3).collect::<Vec<_>>().join("/");
    let own = skill(&file.path);
    file.standing == Standing::Missing
        && all.iter().filter(|it| skill(&it.path) == own).all(|it| it.standing == Standing::Missing)
}

/// How every file of ours stands; of those that were written and are not brought any more too.
///
/// # Errors
/// If it cannot be told what was written.
pub fn look(top: &Path) -> Result<Vec<SkillFile>, Fault> {
    let manifest = Manifest::read(top)?;
    let copied: Vec<String> = names()
        .into_iter()
        .filter(|name| manifest.files.keys().any(|it| it.starts_with(&format!("{CLAUDE}/{name}/"))))
        .map(str::to_owned)
        .collect();
    let brought = brought(&copied);
    let mut all: Vec<SkillFile> = brought
        .iter()
        .map(|(path, text)| {
            let lies = lies(top, path);
            let why = if let Lies::Barred(why) = &lies { Some(why.clone()) } else { None };
            SkillFile {
                path: path.clone(),
                standing: standing(&lies, text, manifest.files.get(path)),
                did: None,
                why,
            }
        })
        .collect();
    for (path, written) in
        manifest.files.iter().filter(|(path, _)| !brought.contains_key(*path) && is_ours(path))
    {
        if let Lies::Bytes(bytes) = lies(top, path) {
            let standing = if hash(&bytes) == *written { Standing::Dropped } else { Standing::Edited };
            all.push(SkillFile { path: path.clone(), standing, did: None, why: None });
        }
    }
    Ok(all)
}

/// Whether a path of the manifest may be one that we wrote: a manifest is a file of the repository, and may say anything.
fn is_ours(path: &str) -> bool {
    let below = [ROOT, CLAUDE].iter().find_map(|it| path.strip_prefix(it)?.strip_prefix('/'));
    below.is_some_and(|it| {
        it.starts_with("pilothouse-") && it.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

/// Puts our skills there; those of `theirs`, for whose stages the repository has something of its own, only if they are there already.
///
/// # Errors
/// If the disk says no. What was written until then is written down.
pub fn install(top: &Path, how: How, theirs: &[String]) -> Result<Installed, Fault> {
    let mut manifest = Manifest::read(top)?;
    let mut done = Installed { dry_run: how.dry_run, ..Installed::default() };
    let is_there = |name: &str| top.join(ROOT).join(name).symlink_metadata().is_ok();
    done.left_out = theirs.iter().filter(|it| !is_there(it)).cloned().collect();
    let (links, copied) = claude(top, how, &done.left_out);
    done.links = links;
    let mut brought = brought(&copied);
    let is_left_out = |path: &str| done.left_out.iter().any(|it| path.starts_with(&format!("{ROOT}/{it}/")));
    brought.retain(|path, _| !is_left_out(path));
    let mut failed = None;
    for (path, text) in &brought {
        let lies = lies(top, path);
        let standing = standing(&lies, text, manifest.files.get(path));
        let mut file = SkillFile { path: path.clone(), standing, did: None, why: None };
        let end = match (&lies, standing) {
            (_, Standing::Missing | Standing::Older) => {
                file.did =
                    Some(if standing == Standing::Missing { "written" } else { "replaced" }.to_owned());
                act(how, || put(top, path, text.as_bytes()))
            }
            (Lies::Bytes(bytes), Standing::Edited) if how.force => {
                let copy = free(top, path);
                file.did = Some("replaced".to_owned());
                file.why = Some(format!("what was there lies in {copy}"));
                act(how, || put(top, &copy, bytes).and_then(|()| put(top, path, text.as_bytes())))
            }
            (Lies::Barred(why), _) => {
                file.did = Some("kept".to_owned());
                file.why = Some(why.clone());
                Ok(false)
            }
            (_, Standing::Edited) => {
                file.did = Some("kept".to_owned());
                file.why =
                    Some("it was edited, or there before: --force replaces it and keeps a copy".to_owned());
                Ok(false)
            }
            _ => Ok(!how.dry_run),
        };
        match end {
            Ok(true) => drop(manifest.files.insert(path.clone(), hash(text.as_bytes()))),
            Ok(false) => {}
            Err(fault) => {
                failed = Some(fault);
                break;
            }
        }
        done.files.push(file);
    }
    let gone: Vec<(String, String)> = manifest
        .files
        .iter()
        .filter(|(path, _)| !brought.contains_key(*path) && is_ours(path))
        .map(|(path, written)| (path.clone(), written.clone()))
        .collect();
    for (path, written) in gone {
        let Lies::Bytes(bytes) = lies(top, &path) else { continue };
        let untouched = hash(&bytes) == written;
        let (did, why) = if untouched {
            ("removed", None)
        } else {
            ("kept", Some("it was edited, and is not brought any more".to_owned()))
        };
        if untouched && !how.dry_run && std::fs::remove_file(top.join(&path)).is_ok() {
            manifest.files.remove(&path);
        }
        let standing = if untouched { Standing::Dropped } else { Standing::Edited };
        done.files.push(SkillFile { path, standing, did: Some(did.to_owned()), why });
    }
    if !how.dry_run {
        env!("CARGO_PKG_VERSION").clone_into(&mut manifest.version);
        manifest.write(top)?;
    }
    if let Some(fault) = failed {
        return Err(fault);
    }
    done.holds = done.files.iter().all(|it| it.did.as_deref() != Some("kept"));
    Ok(done)
}

/// Does something, unless it is only to be said. Whether it was done.
fn act(how: How, does: impl FnOnce() -> Result<(), Fault>) -> Result<bool, Fault> {
    if how.dry_run { Ok(false) } else { does().map(|()| true) }
}

/// A path beside one that is free.
fn free(top: &Path, path: &str) -> String {
    let mut copy = format!("{path}.yours");
    let mut number = 2;
    while top.join(&copy).symlink_metadata().is_ok() {
        copy = format!("{path}.yours-{number}");
        number += 1;
    }
    copy
}

/// Makes the links that Claude Code needs. What was done about each, and the skills that it needs copies of.
fn claude(top: &Path, how: How, left_out: &[String]) -> (Vec<(String, String)>, Vec<String>) {
    let (mut links, mut copied) = (Vec::new(), Vec::new());
    // A folder of theirs that is a link to ours already shows everything.
    let whole = top.join(CLAUDE).canonicalize().ok();
    if whole.is_some() && whole == top.join(ROOT).canonicalize().ok() {
        return (vec![(CLAUDE.to_owned(), "leads to .agents/skills already".to_owned())], copied);
    }
    for name in names().into_iter().filter(|name| left_out.iter().all(|it| it != name)) {
        let path = format!("{CLAUDE}/{name}");
        let to = PathBuf::from(format!("../../{ROOT}/{name}"));
        let did = match lies(top, &path) {
            Lies::Nothing if how.copy => "copy".to_owned(),
            Lies::Nothing if how.dry_run => "link".to_owned(),
            Lies::Nothing => {
                let folder = top.join(CLAUDE);
                let made = std::fs::create_dir_all(&folder).and_then(|()| link(&to, &top.join(&path)));
                if made.is_ok() { "link".to_owned() } else { "copy".to_owned() }
            }
            Lies::Barred(_) if std::fs::read_link(top.join(&path)).is_ok_and(|it| it == to) => {
                "link".to_owned()
            }
            // A folder with copies that we made.
            Lies::Barred(_) if top.join(&path).symlink_metadata().is_ok_and(|it| it.is_dir()) => {
                "copy".to_owned()
            }
            Lies::Barred(why) => format!("kept: {why}"),
            Lies::Bytes(_) => "kept: a file is in the way".to_owned(),
        };
        if did == "copy" {
            copied.push(name.to_owned());
        }
        links.push((path, did));
    }
    (links, copied)
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn link(_to: &Path, _at: &Path) -> std::io::Result<()> {
    // Where it needs rights that few have, a copy is made.
    Err(ErrorKind::Unsupported.into())
}
