//! The list of files that git gives with `diff-tree --raw --numstat -z`, whatever they are called.

use std::collections::BTreeMap;

use pilothouse_contract::ask::change::{File, Status};

/// A file of a change, as git tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: Vec<u8>,
    /// Its path before, where it was renamed.
    pub old: Option<Vec<u8>>,
    /// What happened to it.
    pub status: Status,
    /// How much of it is the same, in percent, where it was renamed.
    pub same: Option<u8>,
    /// Its mode before and now.
    pub modes: (String, String),
    /// Its object before and now; noughts where there is none.
    pub objects: (String, String),
    /// Lines added and taken out; nothing if git counts none because it is binary.
    pub lines: Option<(u32, u32)>,
}

/// The mode of a link.
const LINK: &str = "120000";
/// The mode of a submodule.
const SUBMODULE: &str = "160000";

impl Entry {
    /// Whether it is a submodule on either side: then it is a commit of another repository, and no text.
    #[must_use]
    pub fn is_submodule(&self) -> bool {
        self.modes.0 == SUBMODULE || self.modes.1 == SUBMODULE
    }

    /// The object before, if there was one.
    #[must_use]
    pub fn before(&self) -> Option<&str> {
        Some(self.objects.0.as_str()).filter(|it| !it.bytes().all(|it| it == b'0'))
    }

    /// The object now, if there is one.
    #[must_use]
    pub fn now(&self) -> Option<&str> {
        Some(self.objects.1.as_str()).filter(|it| !it.bytes().all(|it| it == b'0'))
    }

    /// It as it is told.
    #[must_use]
    pub fn told(&self) -> File {
        let (added, removed) = self.lines.unwrap_or_default();
        File {
            path: name(&self.path),
            old: self.old.as_deref().map(name),
            status: self.status,
            added,
            removed,
            binary: self.lines.is_none() && !self.is_submodule(),
        }
    }

    /// What rows cannot show of it, by its names and modes alone.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(old) = &self.old {
            let same = self.same.map(|it| format!(", {it} % the same")).unwrap_or_default();
            notes.push(format!("Renamed from {}{same}.", name(old)));
        }
        let (before, now) = (self.modes.0.as_str(), self.modes.1.as_str());
        if self.is_submodule() {
            let short = |it: Option<&str>| it.map(|it| it.get(..7).unwrap_or(it).to_owned());
            let is = |mode: &str| mode == SUBMODULE;
            notes.push(match (short(self.before()), short(self.now())) {
                (Some(old), Some(new)) if is(before) && is(now) => {
                    format!(
                        "A submodule, moved from commit {old} to {new}. What changed in it is not shown here."
                    )
                }
                (_, Some(new)) if is(now) => format!("Became a submodule, at commit {new}."),
                (Some(old), _) => format!("Was a submodule, at commit {old}, and is none any more."),
                _ => "A submodule.".to_owned(),
            });
            return notes;
        }
        match (before == LINK, now == LINK) {
            (true, true) => notes.push("A symbolic link; its line is where it leads.".to_owned()),
            (false, true) if self.before().is_some() => {
                notes.push("Was a file and is a symbolic link now; its line is where it leads.".to_owned());
            }
            (false, true) => notes.push("A new symbolic link; its line is where it leads.".to_owned()),
            (true, false) if self.now().is_some() => {
                notes.push("Was a symbolic link and is a file now.".to_owned())
            }
            (true, false) => notes.push("A symbolic link that is gone; its line is where it led.".to_owned()),
            (false, false) => match (before, now) {
                ("100644", "100755") => notes.push("Can be executed now, and could not before.".to_owned()),
                ("100755", "100644") => notes.push("Could be executed before, and cannot now.".to_owned()),
                ("000000", "100755") => notes.push("A new file that can be executed.".to_owned()),
                _ => {}
            },
        }
        if self.before().is_some() && self.before() == self.now() {
            notes.push("What it holds is the same.".to_owned());
        }
        notes
    }
}

/// A path in text: bytes that are no UTF-8 are written out, so that two names are never told as one.
fn name(path: &[u8]) -> String {
    let mut says = String::new();
    for chunk in path.utf8_chunks() {
        says.push_str(chunk.valid());
        for byte in chunk.invalid() {
            says.push_str(&format!("\\x{byte:02x}"));
        }
    }
    says
}

/// Reads the list.
///
/// # Errors
/// What of it is not as git says it, in words.
pub fn read(said: &[u8]) -> Result<Vec<Entry>, String> {
    let mut parts = said.split(|it| *it == 0);
    let mut entries: Vec<Entry> = Vec::new();
    let mut counts: BTreeMap<Vec<u8>, Option<(u32, u32)>> = BTreeMap::new();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(part).into_owned();
        let mut next = || parts.next().map(<[u8]>::to_vec).ok_or_else(|| format!("nothing follows {text:?}"));
        if let Some(head) = text.strip_prefix(':') {
            entries.push(entry(head, &mut next)?);
            continue;
        }
        // Lines added, lines taken out, and the path; both paths behind it where it was renamed.
        let mut fields = part.splitn(3, |it| *it == b'\t');
        let (Some(added), Some(removed), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(format!("{text:?} is neither a file nor its counts"));
        };
        let number = |it: &[u8]| std::str::from_utf8(it).ok().and_then(|it| it.parse().ok());
        let lines = number(added).zip(number(removed));
        let path = if path.is_empty() {
            let _before = next()?;
            next()?
        } else {
            path.to_vec()
        };
        counts.insert(path, lines);
    }
    for it in &mut entries {
        it.lines = counts.get(&it.path).copied().flatten();
    }
    Ok(entries)
}

/// `100644 100644 aaaa bbbb M`, with the paths that follow.
fn entry(head: &str, next: &mut impl FnMut() -> Result<Vec<u8>, String>) -> Result<Entry, String> {
    let words: Vec<&str> = head.split(' ').collect();
    let [old_mode, new_mode, before, now, what] = words.as_slice() else {
        return Err(format!("{head:?} is no file of a change"));
    };
    let status = match what.as_bytes().first() {
        Some(b'A') => Status::Added,
        Some(b'D') => Status::Deleted,
        Some(b'M') => Status::Modified,
        Some(b'R') => Status::Renamed,
        Some(b'T') => Status::Retyped,
        _ => return Err(format!("{what:?} is nothing that happens to a file")),
    };
    let first = next()?;
    let (old, path) = if status == Status::Renamed { (Some(first), next()?) } else { (None, first) };
    Ok(Entry {
        path,
        old,
        status,
        same: what.get(1..).and_then(|it| it.parse().ok()),
        modes: ((*old_mode).to_owned(), (*new_mode).to_owned()),
        objects: ((*before).to_owned(), (*now).to_owned()),
        lines: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_are_told_apart_and_renames_have_both() {
        let said = b":100644 100644 aa bb M\0a\tb\nc\0:100644 100755 aa aa R100\0o\xffld\0new\0:000000 160000 00 cc A\0sub\0\
            1\t2\ta\tb\nc\0-\t-\t\0o\xffld\0new\x001\t0\tsub\0";
        let all = read(said).unwrap();
        let told: Vec<File> = all.iter().map(Entry::told).collect();
        assert_eq!((told[0].path.as_str(), told[0].added, told[0].removed), ("a\tb\nc", 1, 2));
        assert_eq!((told[1].old.as_deref(), told[1].binary), (Some("o\\xffld"), true));
        assert!(!told[2].binary && all[2].notes()[0].starts_with("Became a submodule, at commit cc"));
        assert_eq!(
            all[1].notes(),
            [
                "Renamed from o\\xffld, 100 % the same.",
                "Can be executed now, and could not before.",
                "What it holds is the same."
            ]
        );
    }

    #[test]
    fn what_is_no_list_is_said_and_not_guessed() {
        for odd in [&b":100644\0a\0"[..], b":1 2 3 4 M\0", b"5\0", b":1 2 3 4 Z\0a\0", b":1 2 3 4 R9\0a\0"] {
            // A list that ends with NUL has an empty part behind it, which is no path of a file.
            let odd = odd.strip_suffix(b"\0").unwrap_or(odd);
            assert!(read(odd).is_err(), "{odd:?}");
        }
    }
}
