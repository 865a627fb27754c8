//! Which bytes of a line that was changed differ from its counterpart, by words.
//!
//! Refuses to mark lines that have little in common: a mark under everything says nothing.

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// Lines of more words are not compared: nobody reads marks in them.
const WORDS_MAX: usize = 400;

/// Ranges of bytes.
pub(super) type Marks = Vec<(u32, u32)>;

/// What differs in the old line, and what in the new one.
pub(super) fn differing(old: &str, new: &str) -> (Marks, Marks) {
    let (before, now) = (words(old), words(new));
    if before.len() > WORDS_MAX || now.len() > WORDS_MAX {
        return (Vec::new(), Vec::new());
    }
    let text = |line: &str, all: &[(usize, usize)]| -> Vec<String> {
        all.iter().map(|(from, to)| line.get(*from..*to).unwrap_or_default().to_owned()).collect()
    };
    let (old_words, new_words) = (text(old, &before), text(new, &now));
    let ops = capture_diff_slices(Algorithm::Myers, &old_words, &new_words);
    let (mut out, mut added) = (Vec::new(), Vec::new());
    let mut same = 0;
    for op in ops {
        if op.tag() == DiffTag::Equal {
            let alike = old_words.get(op.old_range()).unwrap_or_default();
            same += alike.iter().map(|it| it.trim().len()).sum::<usize>();
            continue;
        }
        mark(&mut out, before.get(op.old_range()).unwrap_or_default());
        mark(&mut added, now.get(op.new_range()).unwrap_or_default());
    }
    let longer = old.trim().len().max(new.trim().len());
    // Less than a quarter in common: another line, and no changed one.
    if same * 4 < longer {
        return (Vec::new(), Vec::new());
    }
    (joined(old, out), joined(new, added))
}

fn mark(marks: &mut Marks, words: &[(usize, usize)]) {
    if let (Some((from, _)), Some((_, to))) = (words.first(), words.last()) {
        marks.push((u32::try_from(*from).unwrap_or(u32::MAX), u32::try_from(*to).unwrap_or(u32::MAX)));
    }
}

/// Marks that nothing but blanks lies between are one.
fn joined(line: &str, marks: Marks) -> Marks {
    let mut all: Marks = Vec::new();
    for (from, to) in marks {
        match all.last_mut() {
            Some((_, end))
                if line.get(*end as usize..from as usize).is_some_and(|it| it.trim().is_empty()) =>
            {
                *end = to;
            }
            _ => all.push((from, to)),
        }
    }
    all
}

/// Words as ranges of bytes: letters and digits together, blanks together, every other sign alone.
fn words(line: &str) -> Vec<(usize, usize)> {
    #[derive(PartialEq)]
    enum Kind {
        Word,
        Blank,
        Sign,
    }
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => Kind::Word,
        _ if c.is_whitespace() => Kind::Blank,
        _ => Kind::Sign,
    };
    let mut all: Vec<(usize, usize)> = Vec::new();
    let mut last = Kind::Sign;
    for (at, c) in line.char_indices() {
        let (of, end) = (kind(c), at + c.len_utf8());
        match all.last_mut() {
            Some(word) if of == last && of != Kind::Sign => word.1 = end,
            _ => all.push((at, end)),
        }
        last = of;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_by_words_and_another_line_is_not() {
        assert_eq!(differing("let größe = 1;", "let größe = 20;"), (vec![(14, 15)], vec![(14, 16)]));
        assert_eq!(differing("a b c d", "a x y d"), (vec![(2, 5)], vec![(2, 5)]));
        assert_eq!(differing("call(a)", "call(a, b)"), (vec![], vec![(6, 9)]));
        assert_eq!(differing("fn one() {", "struct Two;"), (vec![], vec![]));
        assert_eq!(differing("", ""), (vec![], vec![]));
        let long = "a ".repeat(WORDS_MAX);
        assert_eq!(differing(&long, "a"), (vec![], vec![]));
    }
}
