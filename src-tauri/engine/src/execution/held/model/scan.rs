//! Reads along with the emulator's parser, as far as it matters where something ends. What was read of a sequence or a sign
//! whose end has not come yet belongs to a painting, which would else show the rest of it as text. And an operating system
//! command is gathered whole by the parser: one that is too long is not given to it.
//!
//! States after the parser of Paul Williams (vt100.net).

use super::status::{HEAD, REPORT_MAX};

/// An operating system command that is longer than this is none: its end is awaited and the rest thrown away.
pub(super) const COMMAND_MAX: usize = 2 * 1024;
/// Of what has not ended, so much is kept: enough to know again that a command is too long.
const KEPT_MAX: usize = REPORT_MAX + COMMAND_MAX;

/// Where in what a program says we are.
#[derive(Debug, Default)]
pub(super) struct Scan {
    state: State,
    /// What has begun and not ended.
    kept: Vec<u8>,
    /// What the program said of its own state just now.
    report: Option<Vec<u8>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Between,
    Control,
    /// An operating system command of so many bytes.
    Command(usize),
    /// One that is too long.
    Dropped,
    /// Another string; whether the eighth bit ends it too.
    Text(bool),
}

impl Scan {
    /// What has begun and not ended.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// What the program said of its own state, if that was at the end of what was taken last.
    pub(super) fn report(&mut self) -> Option<Vec<u8>> {
        self.report.take()
    }

    /// How many bytes from the front belong together, and whether the parser may have them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.state == State::Dropped {
            return match bytes.iter().position(|it| matches!(it, 0x07 | 0x18 | 0x1a | 0x1b)) {
                // The escape that ends it begins something else.
                Some(at) => {
                    let ends = usize::from(bytes.get(at) != Some(&0x1b));
                    self.state = State::Ground;
                    self.kept.clear();
                    (at + ends, false)
                }
                None => (bytes.len(), false),
            };
        }
        // Where what has begun and not ended begins.
        let mut begun = (self.state != State::Ground).then_some(0);
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let until = |ends: fn(u8) -> bool| rest.iter().position(|it| ends(*it));
            let next = match self.state {
                State::Ground => until(|it| it == 0x1b),
                State::Escape | State::Between => Some(0),
                State::Control => until(|it| matches!(it, 0x40..=0x7e | 0x18 | 0x1a | 0x1b)),
                State::Command(_) => until(|it| matches!(it, 0x07 | 0x18 | 0x1a | 0x1b)),
                State::Text(_) => until(|it| matches!(it, 0x18 | 0x1a | 0x1b | 0x9c)),
                State::Dropped => None,
            };
            if let State::Command(length) = self.state {
                let more = next.unwrap_or(rest.len());
                let is_report = length + more > COMMAND_MAX && self.is_report(bytes, begun);
                let most = if is_report { REPORT_MAX } else { COMMAND_MAX };
                if length + more > most {
                    let passes = at + most.saturating_sub(length);
                    self.keep(bytes.get(begun.unwrap_or_default()..passes + 1).unwrap_or_default());
                    self.state = State::Dropped;
                    return (passes, true);
                }
                self.state = State::Command(length + more);
            }
            let Some(byte) = next.and_then(|next| rest.get(next)) else { break };
            at += next.unwrap_or_default() + 1;
            let was = self.state;
            let ends = matches!(was, State::Command(_)) && matches!(byte, 0x07 | 0x1b);
            if ends && self.is_report(bytes, begun) {
                let said = bytes.get(begun.unwrap_or_default()..at - 1).unwrap_or_default();
                let said = [self.kept.as_slice(), said].concat();
                self.report = said.get(HEAD.len()..).map(<[u8]>::to_vec);
            }
            self.state = match (was, *byte) {
                (_, 0x1b) => State::Escape,
                (_, 0x18 | 0x1a) => State::Ground,
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']') => State::Command(0),
                (State::Escape, b'P') => State::Text(true),
                (State::Escape, b'X' | b'^' | b'_') => State::Text(false),
                (State::Escape | State::Between, 0x20..=0x2f) => State::Between,
                (State::Escape | State::Between, 0x30..=0x7e) => State::Ground,
                (State::Text(false), 0x9c) | (State::Escape | State::Between, _) => was,
                _ => State::Ground,
            };
            if *byte == 0x1b {
                self.kept.clear();
                begun = Some(at - 1);
            } else if self.state == State::Ground {
                self.kept.clear();
                begun = None;
            }
            if self.report.is_some() {
                // What is asked before it is answered before it, and what is asked behind it behind it.
                break;
            }
        }
        let taken = if self.report.is_some() { at } else { bytes.len() };
        let bytes = bytes.get(..taken).unwrap_or_default();
        match begun {
            Some(begun) => self.keep(bytes.get(begun..).unwrap_or_default()),
            None => self.keep_sign(bytes),
        }
        (taken, true)
    }

    /// Whether what has begun is what a program says of its own state.
    fn is_report(&self, bytes: &[u8], begun: Option<usize>) -> bool {
        let here = bytes.get(begun.unwrap_or_default()..).unwrap_or_default();
        self.kept.iter().chain(here).take(HEAD.len()).eq(HEAD)
    }

    fn keep(&mut self, bytes: &[u8]) {
        // What is done in the middle of a sequence is done already.
        let is_text = matches!(self.state, State::Command(_) | State::Text(_) | State::Dropped);
        let kept = bytes.iter().filter(|it| is_text || **it == 0x1b || **it >= 0x20);
        self.kept.extend(kept.take(KEPT_MAX.saturating_sub(self.kept.len())));
    }

    /// Keeps the beginning of a sign at the very end of plain text.
    fn keep_sign(&mut self, bytes: &[u8]) {
        let last = bytes.len().saturating_sub(4);
        self.kept.extend(bytes.get(last..).unwrap_or_default());
        let begins = self.kept.iter().rposition(|it| *it >= 0xc0 || *it < 0x80);
        let sign = begins.and_then(|begins| self.kept.get(begins..)).unwrap_or_default().to_vec();
        let is_half =
            std::str::from_utf8(&sign).is_err_and(|it| it.valid_up_to() == 0 && it.error_len().is_none());
        self.kept = if is_half { sign } else { Vec::new() };
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
            (b"\x1b[3\n8", b"\x1b[38"),
            (b"\x1b]8;;http://x", b"\x1b]8;;http://x"),
            (b"\x1b]8;;http://x\x07", b""),
            // The escape ended the command, and the parser has it.
            (b"\x1b]0;t\x1b", b"\x1b"),
            (b"\x1b]0;t\x1b\\", b""),
            (b"\x1b]0;t\x1b[3", b"\x1b[3"),
            (b"\x1bP1$r\x07x", b"\x1bP1$r\x07x"),
            (b"\x1bPq\x9cx", b""),
            (b"\x1b(", b"\x1b("),
            (b"\x1b(B", b""),
            (b"\xe2\x94", b"\xe2\x94"),
            (b"ab\xf0\x9f\x98", b"\xf0\x9f\x98"),
            (b"\xe2\x94\x80", b""),
            (b"\xe2x", b""),
            (b"\x94\x94", b""),
            (b"\xe2\x1b[", b"\x1b["),
            (b"\x1b[12\x18", b""),
            (b"\x1b[12\x1b[", b"\x1b["),
        ] {
            let mut scan = Scan::default();
            assert_eq!(scan.take(says), (says.len(), true));
            assert_eq!(scan.kept(), kept, "{}", says.escape_ascii());
            // In pieces it is the same.
            let mut scan = Scan::default();
            says.iter().for_each(|it| assert_eq!(scan.take(&[*it]), (1, true)));
            assert_eq!(scan.kept(), kept, "{} in pieces", says.escape_ascii());
        }
    }

    #[test]
    fn a_command_that_is_too_long_is_dropped_to_its_end_however_it_is_cut() {
        let says = [b"a\x1b]0;".as_slice(), &[b'x'; 3 * COMMAND_MAX], b"\x1b\\b\x1b]0;y\x07c"].concat();
        for cut in [1, 7, COMMAND_MAX, says.len()] {
            let (mut scan, mut passed) = (Scan::default(), Vec::new());
            for piece in says.chunks(cut) {
                let mut rest = piece;
                while !rest.is_empty() {
                    let (length, passes) = scan.take(rest);
                    passed.extend_from_slice(if passes { &rest[..length] } else { &[] });
                    rest = &rest[length..];
                }
            }
            let expected =
                [b"a\x1b]".as_slice(), b"0;", &vec![b'x'; COMMAND_MAX - 2], b"\x1b\\b\x1b]0;y\x07c"].concat();
            assert_eq!(
                passed.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "cut to {cut}"
            );
            assert_eq!(scan.kept(), b"");
        }
    }

    #[test]
    fn what_a_program_says_of_itself_is_taken_out_however_it_is_cut() {
        let long = [b"\x1b]7501;state=done:msg=".as_slice(), &[b'x'; 3000], b"\x07"].concat();
        let says = [
            b"a\x1b]7501;state=idle\x1b\\b\x1b[c".as_slice(),
            &long,
            b"\x1b]0;7501;\x07\x1b]7501;state=x\x18c",
        ]
        .concat();
        for cut in [1, 2, 7, 100, says.len()] {
            let (mut scan, mut reports, mut passed) = (Scan::default(), Vec::new(), Vec::new());
            for piece in says.chunks(cut) {
                let mut rest = piece;
                while !rest.is_empty() {
                    let (length, passes) = scan.take(rest);
                    assert!(passes, "cut to {cut}");
                    passed.extend_from_slice(&rest[..length]);
                    reports.extend(scan.report().map(|it| (passed.len(), it)));
                    rest = &rest[length..];
                }
            }
            assert_eq!(passed, says, "the parser has it all");
            let ends =
                |it: &str| says.windows(it.len()).position(|at| at == it.as_bytes()).unwrap() + it.len();
            assert_eq!(reports.len(), 2, "cut to {cut}");
            assert_eq!(reports[0], (ends("state=idle\u{1b}"), b"state=idle".to_vec()));
            assert_eq!((reports[1].0, reports[1].1.len()), (ends("xx\u{7}"), 3015));
            assert_eq!(scan.kept(), b"");
        }
        // One that is too long is none.
        let mut scan = Scan::default();
        let endless = [b"\x1b]7501;state=done:msg=".as_slice(), &[b'x'; 2 * REPORT_MAX]].concat();
        let (taken, passes) = scan.take(&endless);
        assert!(passes && taken < endless.len());
        let (taken, passes) = scan.take(&[&endless[taken..], b"\x07".as_slice()].concat());
        assert!(!passes && taken > REPORT_MAX);
        assert_eq!((scan.report(), scan.kept()), (None, &b""[..]));
    }
}
