//! What was read of a sequence or a sign whose end has not come yet: a painting that left it out would show the rest of it
//! as text. And what no screen needs and a hostile program could fill memory with: endless signs without a width.
//!
//! States after the parser of Paul Williams (vt100.net), as far as it matters where something ends.

/// More signs without a width than this, one after the other, belong to no writing; the rest of them is left out.
const MARKS_MAX: usize = 16;
/// Of what has not ended, so much is kept.
const KEPT_MAX: usize = 4 * 1024;

/// The half of something.
#[derive(Debug, Default)]
pub(super) struct Half {
    state: State,
    kept: Vec<u8>,
    marks: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// So many bytes of a sign are to come.
    Sign(u8),
    Escape,
    Between,
    Control,
    /// A string; whether a bell ends it.
    Text(bool),
    TextEscape,
}

impl Half {
    /// What has begun and not ended.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.kept
    }

    /// Reads what comes. Gives it back without what is left out, if there is such.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut thinned: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|it| !it.is_empty()) {
            if self.state == State::Ground {
                // Plain text is most of everything.
                let plain = rest.iter().position(|it| *it == 0x1b || *it >= 0x80).unwrap_or(rest.len());
                if plain > 0 {
                    self.marks = 0;
                    if let Some(thinned) = &mut thinned {
                        thinned.extend_from_slice(rest.get(..plain).unwrap_or_default());
                    }
                    at += plain;
                    continue;
                }
            }
            let byte = rest.first().copied().unwrap_or_default();
            at += 1;
            let was_sign = matches!(self.state, State::Sign(_));
            self.state = self.next(byte);
            if self.kept.len() < KEPT_MAX {
                self.kept.push(byte);
            }
            if let Some(thinned) = &mut thinned {
                thinned.push(byte);
            }
            if self.state != State::Ground {
                continue;
            }
            if was_sign && self.is_mark() {
                self.marks += 1;
                if self.marks > MARKS_MAX {
                    let sign = self.kept.len();
                    // What was read of it in an earlier piece was passed on; half a sign more does not fill memory.
                    let thinned = thinned.get_or_insert_with(|| bytes.get(..at).unwrap_or_default().to_vec());
                    thinned.truncate(thinned.len().saturating_sub(sign));
                }
            } else if was_sign {
                self.marks = 0;
            }
            self.kept.clear();
        }
        thinned
    }

    fn next(&mut self, byte: u8) -> State {
        let again = |half: &mut Self| {
            half.kept.clear();
            State::Escape
        };
        match (self.state, byte) {
            (State::Sign(left), 0x80..=0xbf) => match left {
                0 | 1 => State::Ground,
                left => State::Sign(left - 1),
            },
            (State::Sign(_), _) => {
                self.kept.clear();
                self.state = State::Ground;
                self.next(byte)
            }
            (State::Ground, 0x1b) => State::Escape,
            (State::Ground, 0xc2..=0xdf) => State::Sign(1),
            (State::Ground, 0xe0..=0xef) => State::Sign(2),
            (State::Ground, 0xf0..=0xf4) => State::Sign(3),
            (State::Ground, _) | (_, 0x18 | 0x1a) | (State::TextEscape, b'\\') => State::Ground,
            (State::Text(true), 0x07) => State::Ground,
            (State::Text(_), 0x1b) => State::TextEscape,
            (State::Text(bell), _) => State::Text(bell),
            (_, 0x1b) => again(self),
            (State::TextEscape, _) => {
                // The escape ended the string and begins something else.
                self.kept.clear();
                self.kept.push(0x1b);
                self.state = State::Escape;
                self.next(byte)
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']') => State::Text(true),
            (State::Escape, b'P' | b'X' | b'^' | b'_') => State::Text(false),
            (State::Escape | State::Between, 0x20..=0x2f) => State::Between,
            (State::Escape | State::Between, 0x30..=0x7e) | (State::Control, 0x40..=0x7e) => State::Ground,
            (state, _) => state,
        }
    }

    /// Whether the sign that was just read has no width of its own: what combines, joins, or marks a direction.
    fn is_mark(&self) -> bool {
        let sign = std::str::from_utf8(&self.kept).ok().and_then(|it| it.chars().next());
        sign.is_some_and(|it| {
            matches!(u32::from(it), 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f
                | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2064 | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f
                | 0xfeff | 0xe0000..=0xe0fff)
                || unicode_width::UnicodeWidthChar::width(it) == Some(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_is_kept_until_it_ends() {
        for (says, kept) in [
            (&b"plain"[..], &b""[..]),
            (b"a\x1b[38;5;1", b"\x1b[38;5;1"),
            (b"a\x1b[38;5;12m", b""),
            (b"\x1b]8;;http://x", b"\x1b]8;;http://x"),
            (b"\x1b]8;;http://x\x07", b""),
            (b"\x1b]0;t\x1b", b"\x1b]0;t\x1b"),
            (b"\x1b]0;t\x1b\\", b""),
            (b"\x1b]0;t\x1b[3", b"\x1b[3"),
            (b"\x1bP1$r\x07x", b"\x1bP1$r\x07x"),
            (b"\x1b(", b"\x1b("),
            (b"\x1b(B", b""),
            (b"\xe2\x94", b"\xe2\x94"),
            (b"\xe2\x94\x80", b""),
            (b"\xe2x", b""),
            (b"\xe2\x1b[", b"\x1b["),
            (b"\x1b[12\x18", b""),
            (b"\x1b[12\x1b[", b"\x1b["),
        ] {
            let mut half = Half::default();
            assert_eq!(half.read(says), None);
            assert_eq!(half.bytes(), kept, "{}", says.escape_ascii());
            // In pieces it is the same.
            let mut half = Half::default();
            says.iter().for_each(|it| drop(half.read(&[*it])));
            assert_eq!(half.bytes(), kept, "{} in pieces", says.escape_ascii());
        }
    }

    #[test]
    fn endless_marks_are_thinned_and_writing_is_not() {
        let mut half = Half::default();
        let tower = format!("e{}x", "\u{301}".repeat(1000));
        let thinned = String::from_utf8(half.read(tower.as_bytes()).unwrap()).unwrap();
        assert_eq!(thinned.chars().filter(|it| *it == '\u{301}').count(), MARKS_MAX);
        assert!(thinned.starts_with('e') && thinned.ends_with('x'));
        assert_eq!(half.read("a\u{301}b\u{301} 👩‍👩‍👧 ─│".as_bytes()), None);
    }
}
