//! Sifts a terminal's bytes for a viewer: what an agent's screen needs goes through; what would reach beyond the screen
//! does not. Taken out are the string sequences (OSC with its clipboard and links, DCS, APC, PM, SOS), the printer, and
//! queries: the engine answers them, and the viewer's own terminal would type its answers into the program or its shell.
//! The controls U+0080 to U+009F are taken for the escapes that they stand for.
//!
//! Source of the syntax: ECMA-48, and xterm's documentation of control sequences.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Csi,
    String,
    StringEscape,
}

/// A sieve with what it holds back of a sequence that is not whole yet.
#[derive(Debug)]
pub(crate) struct Sieve {
    state: State,
    held: Vec<u8>,
    /// Whether the last byte was the first of those that begin U+0080 to U+00BF.
    lead: bool,
    /// Whether what the viewer's terminal reports goes to the program.
    types: bool,
}

/// The first byte in UTF-8 of U+0080 to U+00BF.
const LEAD: u8 = 0xc2;

/// A sequence longer than this is none.
const LONGEST: usize = 256;

impl Sieve {
    /// A sieve that holds nothing back yet, for somebody who types or only watches.
    pub(crate) fn new(types: bool) -> Self {
        Self { state: State::Ground, held: Vec::new(), lead: false, types }
    }

    /// Sifts a piece.
    pub(crate) fn sift(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.take(*byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.lead) {
            match byte {
                0x80..=0x9f => return self.control(byte - 0x40, out),
                _ => self.step(LEAD, out),
            }
        }
        if byte == LEAD {
            self.lead = true;
        } else {
            self.step(byte, out);
        }
    }

    /// A control of eight bits, by the second byte of its escape. In a string it is the end, or something new.
    fn control(&mut self, second: u8, out: &mut Vec<u8>) {
        if second == b'\\' && matches!(self.state, State::String | State::StringEscape) {
            self.state = State::Ground;
        } else {
            self.begin();
            self.step(second, out);
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Ground if byte == 0x1b => self.hold(byte, State::Escape),
            State::Ground => out.push(byte),
            State::Escape => match byte {
                b'[' => self.hold(byte, State::Csi),
                b']' | b'P' | b'_' | b'^' | b'X' => {
                    self.held.clear();
                    self.state = State::String;
                }
                0x1b => self.begin(),
                // DECID: a query of old.
                b'Z' => self.drop_held(),
                // Intermediates of a longer escape.
                0x20..=0x2f => self.hold(byte, State::Escape),
                _ => self.release(byte, out),
            },
            State::Csi => match byte {
                // Media copy reaches the viewer's printer, whoever has the keyboard.
                b'i' => self.drop_held(),
                0x40..=0x7e if self.is_query(byte) => self.drop_held(),
                0x40..=0x7e => self.release(byte, out),
                0x1b => self.begin(),
                _ if self.held.len() > LONGEST => self.drop_held(),
                _ => self.held.push(byte),
            },
            State::String => match byte {
                0x07 | 0x18 | 0x1a => self.state = State::Ground,
                0x1b => self.state = State::StringEscape,
                _ => {}
            },
            State::StringEscape => match byte {
                b'\\' => self.state = State::Ground,
                // Not the end of the string, but the beginning of something new.
                _ => {
                    self.begin();
                    self.step(byte, out);
                }
            },
        }
    }

    fn begin(&mut self) {
        self.held.clear();
        self.hold(0x1b, State::Escape);
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    fn release(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        out.push(byte);
        self.state = State::Ground;
    }

    fn drop_held(&mut self) {
        self.held.clear();
        self.state = State::Ground;
    }

    /// Whether it has a terminal report the mouse, focus and pastes, which would come as if they had been typed.
    fn reports(&self) -> bool {
        let Some(modes) = self.held.strip_prefix(b"\x1b[?") else { return false };
        let is_report = |it: &[u8]| {
            matches!(
                it,
                b"1000" | b"1002" | b"1003" | b"1004" | b"1005" | b"1006" | b"1015" | b"1016" | b"2004"
            )
        };
        modes.split(|byte| *byte == b';').all(is_report)
    }

    /// Device attributes, status reports, mode and version queries, window reports.
    fn is_query(&self, last: u8) -> bool {
        let has = |byte: u8| self.held.contains(&byte);
        match last {
            b'c' | b'n' => true,
            b'p' => has(b'$'),
            b'q' => has(b'>'),
            // Keys in another form: where they end, no key leaves any more, and the shell after it gets them so.
            b'u' => self.held.iter().any(|it| (b'<'..=b'?').contains(it)),
            b'm' => has(b'>'),
            b'h' => !self.types && self.reports(),
            b't' => true,
            // DECREQTPARM; with an intermediate it fills a rectangle or says how.
            b'x' => !has(b'$') && !has(b'*'),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sifted(text: &str) -> String {
        sifted_for(true, text)
    }

    fn sifted_for(types: bool, text: &str) -> String {
        let mut sieve = Sieve::new(types);
        // Byte by byte, so that no sequence comes whole.
        let out: Vec<u8> = text.bytes().flat_map(|byte| sieve.sift(&[byte])).collect();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_screen_goes_through_and_nothing_beyond_it() {
        assert_eq!(
            sifted("a\x1b[1;31mred\x1b[0m \x1b[2J\x1b(B\x1b7ü"),
            "a\x1b[1;31mred\x1b[0m \x1b[2J\x1b(B\x1b7ü"
        );
        assert_eq!(sifted("a\x1b]52;c;ZXZpbA==\x07b"), "ab");
        assert_eq!(sifted("a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b"), "alinkb");
        assert_eq!(sifted("a\x1bP+q544e\x1b\\b\x1b_x\x1b\\c"), "abc");
        assert_eq!(sifted("a\x1b[6nb\x1b[cc\x1b[>0qd\x1b[?ue\x1b[?2026$pf\x1b[21tg"), "abcdefg");
        // Keys in another form, by which nobody could leave; a cursor that is put back is something else.
        assert_eq!(sifted("a\x1b[>1ub\x1b[=5;1uc\x1b[<ud\x1b[>4;2me\x1b[uf"), "abcde\x1b[uf");
        let reports = "a\x1b[?1000;1006hb\x1b[?1004hc\x1b[?2004hd\x1b[?1000le\x1b[?25;1049hf";
        assert_eq!(sifted(reports), reports);
        assert_eq!(sifted_for(false, reports), "abcd\x1b[?1000le\x1b[?25;1049hf");
        assert_eq!(sifted("a\x1b]0;never ended"), "a");
        assert_eq!(
            sifted("\x1b]0;t\x1b[31mx"),
            "\x1b[31mx",
            "a string that is broken off by a new sequence ends"
        );
    }

    #[test]
    fn controls_of_eight_bits_are_the_escapes_they_stand_for() {
        assert_eq!(sifted("a\u{9d}52;c;ZXZpbA==\u{9c}b"), "ab", "OSC and ST");
        assert_eq!(sifted("a\x1b]52;c;ZXZpbA==\u{9c}b"), "ab", "a string ends at U+009C");
        assert_eq!(sifted("a\x1bPq\u{9c}b\u{90}q\x1b\\\u{9f}x\u{9c}\u{98}y\u{9c}\u{9e}z\u{9c}c"), "abc");
        assert_eq!(sifted("a\u{9b}6nb\u{9a}c\x1b[\u{9b}6nd"), "abcd", "queries");
        assert_eq!(sifted("\u{9b}1mred\u{9b}0m"), "\x1b[1mred\x1b[0m");
        assert_eq!(
            sifted("\x1b]0;t\u{9b}1mx"),
            "\x1b[1mx",
            "a string that is broken off by a new sequence ends"
        );
        assert_eq!(sifted("£ é ¿ ö"), "£ é ¿ ö", "letters with the same first byte go through");
    }

    #[test]
    fn neither_the_printer_nor_terminal_parameters_are_reached() {
        assert_eq!(sifted("a\x1b[5ib\x1b[?4ic\x1b[xd\x1b[1xe"), "abcde");
        assert_eq!(sifted("\x1b[88;1;1;2;2$x"), "\x1b[88;1;1;2;2$x");
    }
}
