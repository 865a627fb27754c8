//! The last rows of sessions as text with its colours, for tiles: for many sessions at once, without a terminal on the page.
//! Whoever says what they have of a session gets nothing while that has not changed, and it costs nothing.

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;

/// Asks for the last rows of sessions. Of what there is no session there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Which, and what of each the caller has.
    pub sessions: Vec<Wanted>,
    /// So many rows of each, at most; the lowest that show anything.
    pub most: u16,
}

/// A session whose rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which.
    pub session: SessionId,
    /// What the caller has of it: the version that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<Version>,
}

/// What rows are of. The same version of a session has the same rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Everything before this byte of the log is in them.
    pub offset: u64,
    /// Columns of the terminal; 0 if it has none.
    pub columns: u16,
    /// Rows of the terminal; 0 if it has none.
    pub rows: u16,
}

/// The last rows of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Which.
    pub session: SessionId,
    /// What they are of.
    pub version: Version,
    /// The rows, the lowest one last; nothing if the caller has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Row>>,
    /// Where the cursor stands, if it shows: a row of these, and a column, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<(u16, u16)>,
}

/// A row: spans from its left edge on. Blanks at its end are left out.
pub type Row = Vec<Span>;

/// Text that looks alike. It went through [`crate::text::plain`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The text.
    pub text: String,
    /// Its colour; nothing is the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// The colour behind it; nothing is the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Colour>,
    /// How else it looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
}

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Colour {
    /// Of the palette: 0 to 15 are the theme's, the others those of xterm.
    Palette(u8),
    /// Red, green, blue.
    Exact([u8; 3]),
}

/// How text looks besides its colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// Bold.
    Bold,
    /// Dim.
    Dim,
    /// Italic.
    Italic,
    /// With a line below it.
    Underlined,
    /// With its two colours exchanged.
    Inverse,
    /// Struck out.
    Struck,
}

impl Tile {
    /// The rows without their looks.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let rows = self.rows.iter().flatten();
        rows.map(|row| row.iter().map(|it| it.text.as_str()).collect()).collect()
    }
}
