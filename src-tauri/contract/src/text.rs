//! Other people's text is data (promise P11). Everything that came from an agent, a repository or a forge goes
//! through here before a terminal shows it.

/// Makes a text safe to print on a terminal: control characters, escape sequences and bidirectional overrides become
/// visible marks. Line breaks and tabs stay when `lines` is true, else they
/// become spaces.
#[must_use]
pub fn plain(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' if lines => out.push(c),
            '\n' | '\r' | '\t' => out.push(' '),
            // C0 controls and DEL have pictures of their own in Unicode.
            '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            // Bidirectional embeddings, overrides and isolates, and invisible marks that reorder or hide text.
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{61c}'
            | '\u{ad}'
            | '\u{180e}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// One line of at most `width` characters; a cut is marked.
#[must_use]
pub fn line(text: &str, width: usize) -> String {
    let text = plain(text, false);
    if text.chars().count() <= width {
        return text;
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// One line of at most `width` characters in which nothing is Markdown: nobody is mentioned by it, no issue is linked and no
/// address.
#[must_use]
pub fn markdown(text: &str, width: usize) -> String {
    let mut out = String::new();
    for c in line(text, width).chars() {
        if "\\`*_[]<>|#~&!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    for (whole, apart) in
        [("@", "@\u{2060}"), ("#", "#\u{2060}"), ("://", ":\u{2060}//"), ("www.", "www\u{2060}.")]
    {
        out = out.replace(whole, apart);
    }
    out
}

/// A size for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        1_048_576..1_073_741_824 => {
            format!("{}.{} MiB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576)
        }
        _ => format!("{}.{} GiB", bytes / 1_073_741_824, bytes % 1_073_741_824 * 10 / 1_073_741_824),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_no_markdown() {
        assert_eq!(markdown("a|b\n# [x](y) <img>", 99), "a\\|b \\#\u{2060} \\[x\\](y) \\<img\\>");
    }

    #[test]
    fn hostile_text_is_shown_as_text() {
        assert_eq!(plain("a\x1b[31mb\u{202e}c\nd", false), "a\u{241b}[31mb\u{fffd}c d");
        assert_eq!(plain("a\n\tb\r", true), "a\n\tb ");
        assert_eq!(line("abcdef", 4), "abc…");
    }
}
