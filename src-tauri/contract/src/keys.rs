//! Keys by name, as a terminal sends them (ECMA-48 and xterm's control sequences, in their normal modes): what a person
//! writes to type into a session from afar. Knows no keyboards and no layouts.

/// What words type: one that names a key is that key, everything else is typed as it stands.
///
/// Names: `Enter`, `Tab`, `Escape`, `Space`, `Backspace`, `Delete`, `Insert`, `Up`, `Down`, `Left`, `Right`, `Home`, `End`,
/// `PageUp`, `PageDown`, `F1` to `F12`; `C-x` is x with Ctrl, `M-x` with Alt, `S-Tab` Tab with Shift.
#[must_use]
pub fn typed<T: AsRef<str>>(words: &[T]) -> Vec<u8> {
    words.iter().flat_map(|word| key(word.as_ref()).unwrap_or_else(|| word.as_ref().into())).collect()
}

/// What one key sends, if the word names one.
#[must_use]
pub fn key(name: &str) -> Option<Vec<u8>> {
    if let Some(rest) = name.strip_prefix("M-") {
        let mut alt = vec![0x1b];
        alt.extend(key(rest).or_else(|| one_sign(rest).map(|it| it.to_string().into_bytes()))?);
        return Some(alt);
    }
    if let Some(sign) = name.strip_prefix("C-").and_then(one_sign) {
        return control(sign).map(|it| vec![it]);
    }
    let sends: &[u8] = match name {
        "Enter" => b"\r",
        "Tab" => b"\t",
        "S-Tab" => b"\x1b[Z",
        "Escape" => b"\x1b",
        "Space" => b" ",
        "Backspace" => b"\x7f",
        "Delete" => b"\x1b[3~",
        "Insert" => b"\x1b[2~",
        "Up" => b"\x1b[A",
        "Down" => b"\x1b[B",
        "Right" => b"\x1b[C",
        "Left" => b"\x1b[D",
        "Home" => b"\x1b[H",
        "End" => b"\x1b[F",
        "PageUp" => b"\x1b[5~",
        "PageDown" => b"\x1b[6~",
        "F1" => b"\x1bOP",
        "F2" => b"\x1bOQ",
        "F3" => b"\x1bOR",
        "F4" => b"\x1bOS",
        "F5" => b"\x1b[15~",
        "F6" => b"\x1b[17~",
        "F7" => b"\x1b[18~",
        "F8" => b"\x1b[19~",
        "F9" => b"\x1b[20~",
        "F10" => b"\x1b[21~",
        "F11" => b"\x1b[23~",
        "F12" => b"\x1b[24~",
        _ => return None,
    };
    Some(sends.to_vec())
}

fn one_sign(text: &str) -> Option<char> {
    let mut signs = text.chars();
    signs.next().filter(|_| signs.next().is_none())
}

/// The control character of a sign, as keyboards make it.
fn control(sign: char) -> Option<u8> {
    match sign {
        'a'..='z' | 'A'..='Z' | '@' | '[' | '\\' | ']' | '^' | '_' => {
            u8::try_from(sign.to_ascii_uppercase()).ok().map(|it| it & 0x1f)
        }
        '?' => Some(0x7f),
        ' ' => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keys_and_the_rest_is_typed() {
        assert_eq!(typed(&["make test", "Enter"]), b"make test\r");
        assert_eq!(typed(&["C-c", "C-C", "C-[", "C-?", "M-b", "M-Left"]), b"\x03\x03\x1b\x7f\x1bb\x1b\x1b[D");
        // No key of that name: words.
        assert_eq!(typed(&["C-", "C-ab", "M-", "enter", "F13", "ü"]), "C-C-abM-enterF13ü".as_bytes());
        assert_eq!(typed::<&str>(&[]), b"");
    }
}
