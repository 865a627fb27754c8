//! Lines of a file with the bytes where they stand, and whether they are hidden: in a fenced block, or in a comment over several lines.
//!
//! Refuses to lose a byte: whatever the line ends are and whether a mark begins the file, offsets are those of the file.

use pilothouse_contract::layout::Span;

/// One line.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Line<'a> {
    /// From 1.
    pub(in crate::policy) number: usize,
    /// Without its end.
    pub(in crate::policy) text: &'a str,
    /// Its bytes in the file, without its end.
    pub(in crate::policy) span: Span,
    /// Its last byte in the file, with its end.
    pub(in crate::policy) end: usize,
    /// Whether it is in a fenced block or a comment.
    pub(in crate::policy) hidden: bool,
}

/// The lines of a file.
pub(in crate::policy) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = text.len() - bare.len();
    let mut inside: Option<Inside> = None;
    bare.split_inclusive('\n').enumerate().map(move |(number, line)| {
        let from = at;
        at += line.len();
        let text = line.strip_suffix('\n').unwrap_or(line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let hidden = hides(&mut inside, text);
        Line { number: number + 1, text, span: Span { from, to: from + text.len() }, end: at, hidden }
    })
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Fence(char, usize),
    Comment,
}

fn hides(inside: &mut Option<Inside>, line: &str) -> bool {
    match (*inside, fence(line)) {
        (None, Some((mark, count))) => *inside = Some(Inside::Fence(mark, count)),
        (None, None) => {
            let body = line.trim_start();
            if !body.starts_with("<!--") || body.contains("-->") {
                return false;
            }
            *inside = Some(Inside::Comment);
        }
        (Some(Inside::Fence(mark, count)), Some((closing, length))) if mark == closing && length >= count => {
            *inside = None;
        }
        (Some(Inside::Comment), _) if line.contains("-->") => *inside = None,
        (Some(_), _) => {}
    }
    true
}

/// Whether a line opens or closes a fenced block, and with what.
fn fence(line: &str) -> Option<(char, usize)> {
    let body = line.trim_start();
    let mark = body.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let count = body.chars().take_while(|it| *it == mark).count();
    (count >= 3).then_some((mark, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_knows_its_bytes_and_what_is_hidden() {
        let text =
            "\u{feff}# a\r\n```\nin\n```\n<!-- one line --> x\n<!-- many\nhidden\n--> end\nlast <!-- open";
        let all: Vec<Line> = lines(text).collect();
        for line in &all {
            assert_eq!(&text[line.span.from..line.span.to], line.text);
        }
        assert_eq!(all.last().unwrap().end, text.len());
        let seen: Vec<usize> = all.iter().filter(|it| !it.hidden).map(|it| it.number).collect();
        assert_eq!(seen, [1, 5, 9]);
    }
}
