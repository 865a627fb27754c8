//! The viewer's own terminal: its size, and its raw mode while the keyboard is taken.

use std::io::IsTerminal;

use pilothouse_contract::wire::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The size of the terminal, or a usual one where there is none.
pub(crate) fn size() -> Size {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { columns: size.ws_col, rows: size.ws_row },
        _ => Size { columns: 120, rows: 40 },
    }
}

/// Whether somebody sits at a terminal.
pub(crate) fn somebody_sits_here() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Raw mode for as long as this lives.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Every key goes to the program, until this is dropped.
    pub(crate) fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
