//! What a change changes: its files, and the rows of one of them, page by page.
//!
//! Refuses to bring a whole change at once: it may be as long as it likes, and a page is not.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, Oid, PullId};

/// What changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// A pull request: its head against the merge base.
    Pull(PullId),
    /// An attempt: its candidate, or else what its worktree holds now, against its base.
    Attempt(AttemptId),
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// What it holds or its mode changed.
    Modified,
    /// It has another name.
    Renamed,
    /// It is of another kind: a link, a file, a submodule.
    Retyped,
}

impl Status {
    /// The letter that git has for it.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Added => "A",
            Self::Deleted => "D",
            Self::Modified => "M",
            Self::Renamed => "R",
            Self::Retyped => "T",
        }
    }

    /// It in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "new",
            Self::Deleted => "deleted",
            Self::Modified => "changed",
            Self::Renamed => "renamed",
            Self::Retyped => "of another kind",
        }
    }
}

/// How a line ends, where that is worth saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// As lines do there.
    #[default]
    Usually,
    /// With CR LF, where not all lines of both sides do.
    CrLf,
    /// Not at all: it is the last one, and nothing ends it.
    Never,
}

asks! {
    /// The files of a change.
    Files {
        /// Of what.
        of: Of,
    }
    /// Rows of one file of a change.
    Rows {
        /// Of what.
        of: Of,
        /// From which commit, as the files were listed.
        from: Oid,
        /// To which commit or tree, as the files were listed; refused if the change is no longer that.
        to: Oid,
        /// The file, by its place in that list.
        file: u32,
        /// Both sides beside each other; else below each other.
        split: bool,
        /// From this row on.
        at: u32,
        /// At most so many; never more than [`ROWS_MAX`].
        most: u32,
        /// Also what there is to say of the whole file.
        head: bool,
    }
    /// The files of a change, in git's order.
    Change {
        /// What it is held against.
        from: Oid,
        /// What it leads to: a commit, or the tree of a worktree as it was just now.
        to: Oid,
        /// That, if it is a commit.
        commit: Option<Oid>,
        /// The files.
        files: Vec<File>,
    }
    /// A file of a change.
    File {
        /// Its path; bytes that are no UTF-8 are written `\xff`.
        path: String,
        /// Its path before, where it was renamed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        /// What happened to it.
        status: Status,
        /// Lines added.
        added: u32,
        /// Lines taken out.
        removed: u32,
        /// Whether git takes it for binary, and counts no lines.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        binary: bool,
    }
    /// Rows of a file.
    Page {
        /// What there is to say of the whole file, if it was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head: Option<Head>,
        /// The number of the first row, counted from 0 over the whole file with all that is unchanged.
        at: u32,
        /// The rows.
        rows: Vec<Row>,
    }
    /// What there is to say of a whole file.
    Head {
        /// How many rows it has, with all that is unchanged.
        rows: u32,
        /// Unchanged rows that are far from any change: from which row on, and how many.
        gaps: Vec<(u32, u32)>,
        /// The first row that changed of each hunk.
        hunks: Vec<u32>,
        /// What rows cannot show: another mode, a link, a submodule, other line ends, that it is binary.
        notes: Vec<String>,
    }
    /// A row: a line that is the same on both sides, one that was taken out, one that was added, or two beside each other.
    Row {
        /// The number of the line before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<u32>,
        /// The number of the line now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<u32>,
        /// What was taken out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out: Option<Line>,
        /// What was added, or is the same on both sides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<Line>,
    }
    /// A line.
    Line {
        /// Its text, without its end.
        text: String,
        /// Which bytes of it differ from its counterpart: from, to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<(u32, u32)>,
        /// How many bytes of it are left out, for it is longer than anybody reads.
        #[serde(default, skip_serializing_if = "is_nought")]
        more: u32,
        /// How it ends.
        #[serde(default, skip_serializing_if = "is_usual")]
        ends: Ends,
    }
}

/// No page holds more rows.
pub const ROWS_MAX: u32 = 1000;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_nought(n: &u32) -> bool {
    *n == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_usual(ends: &Ends) -> bool {
    *ends == Ends::Usually
}

impl Change {
    /// How many lines were added and taken out in all.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.files.iter().fold((0, 0), |(added, removed), it| {
            (added + u64::from(it.added), removed + u64::from(it.removed))
        })
    }
}

impl Row {
    /// Whether it is the same on both sides.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.old.is_some() && self.new.is_some() && self.out.is_none()
    }
}

impl Line {
    /// Its text in parts, each with whether it differs from its counterpart.
    pub fn parts(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut from = 0;
        let mut parts = Vec::new();
        for (start, end) in &self.marks {
            let (start, end) = (*start as usize, *end as usize);
            parts.push((self.text.get(from..start), false));
            parts.push((self.text.get(start..end), true));
            from = end;
        }
        parts.push((self.text.get(from..), false));
        // Marks that lie outside the text mark nothing, and lose none of it.
        let whole = parts.iter().all(|it| it.0.is_some());
        let parts = if whole { parts } else { vec![(Some(self.text.as_str()), false)] };
        parts.into_iter().filter_map(|(text, differs)| Some((text?, differs))).filter(|it| !it.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_falls_into_parts_and_loses_nothing_whatever_its_marks_say() {
        let line = |text: &str, marks: &[(u32, u32)]| Line {
            text: text.to_owned(),
            marks: marks.to_vec(),
            more: 0,
            ends: Ends::Usually,
        };
        let it = line("let a = 1;", &[(4, 5), (8, 9)]);
        let parts: Vec<_> = it.parts().collect();
        assert_eq!(parts, [("let ", false), ("a", true), (" = ", false), ("1", true), (";", false)]);
        for odd in [&[(1, 2)][..], &[(0, 99)], &[(5, 3)], &[(3, 5), (1, 2)]] {
            let it = line("äöü", odd);
            assert_eq!(it.parts().map(|it| it.0).collect::<String>(), "äöü", "{odd:?}");
        }
    }
}
