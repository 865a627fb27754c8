//! What Codex reads by itself for work in a folder, and the byte at which its limit cuts that.
//!
//! The rule is Codex's own: from the top down to the folder one file each, `AGENTS.override.md` before `AGENTS.md`, 32 KiB of all together,
//! and what is beyond is left out without a word.

use std::collections::BTreeMap;

use pilothouse_contract::instructions::{Chain, Cut};

use super::{Files, Tree, folder_of, name_of};

/// So many bytes Codex reads.
pub const CODEX: u64 = 32 * 1024;
/// More chains than these are shown to nobody.
const CHAINS_MAX: usize = 64;

/// The file that counts in each folder that has one.
pub(super) fn heads(tree: &Tree) -> BTreeMap<&str, &str> {
    let mut heads = BTreeMap::new();
    for path in tree.keys() {
        match name_of(path) {
            "AGENTS.override.md" => drop(heads.insert(folder_of(path), path.as_str())),
            "AGENTS.md" => drop(heads.entry(folder_of(path)).or_insert(path.as_str())),
            _ => {}
        }
    }
    heads
}

/// The folders above one that have such a file, from the top down, and the folder itself.
pub(super) fn above<'a>(heads: &BTreeMap<&'a str, &'a str>, folder: &str) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    let mut at = Some(folder);
    while let Some(folder) = at {
        all.extend(heads.get(folder));
        at = (!folder.is_empty()).then(|| folder_of(folder));
    }
    all.reverse();
    all
}

/// The chains: those that are cut, and those that lead deepest; the longest first.
pub(super) fn chains(tree: &Tree, files: &Files) -> Vec<Chain> {
    let heads = heads(tree);
    let ends = |folder: &str| {
        let mut below = heads.range(folder..).skip(1).map(|(it, _)| *it);
        match folder {
            "" => heads.len() == 1,
            folder => {
                let prefix = format!("{folder}/");
                // What sorts between a folder and what lies below it begins with a sign before the slash.
                !below.by_ref().take_while(|it| it.starts_with(folder)).any(|it| it.starts_with(&prefix))
            }
        }
    };
    let mut all: Vec<Chain> = heads
        .keys()
        .map(|folder| chain(&heads, folder, files))
        .filter(|it| it.cut.is_some() || ends(&it.folder))
        .collect();
    all.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.folder.cmp(&other.folder)));
    all.truncate(CHAINS_MAX);
    all
}

fn chain(heads: &BTreeMap<&str, &str>, folder: &str, files: &Files) -> Chain {
    let read: Vec<String> = above(heads, folder).into_iter().map(str::to_owned).collect();
    let mut left = CODEX;
    let (mut bytes, mut cut) = (0, None::<Cut>);
    for path in &read {
        let Some(source) = files.get(path) else { continue };
        bytes += source.size;
        match &mut cut {
            Some(cut) => {
                cut.lost += source.size;
                cut.behind.push(path.clone());
            }
            None if source.size > left => {
                let at = usize::try_from(left).unwrap_or(usize::MAX);
                let (line, column) = crate::policy::layouts::place(&source.bytes, at);
                cut = Some(Cut {
                    file: path.clone(),
                    byte: left,
                    line,
                    column,
                    lost: source.size - left,
                    behind: Vec::new(),
                });
            }
            None => left -= source.size,
        }
    }
    Chain { program: "Codex".to_owned(), folder: folder.to_owned(), files: read, bytes, limit: CODEX, cut }
}
