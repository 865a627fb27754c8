//! Scenes: what a program draws for a key, of everything that a terminal keeps: cells with colours and looks, cursors, modes,
//! both screens, stops, character sets, what scrolls. None of it asks the terminal anything, so that what is to stand in the
//! log is known to the byte.

/// So many there are; then they come again.
const SCENES: usize = 48;

const WORDS: [&str; 10] = [
    "words ",
    "a",
    "lqqk",
    "\t",
    "0123456789",
    "你好",
    "e\u{301}",
    "👩‍👩‍👧",
    "─│┌",
    "what is said at some length, so that it goes on in the next line. ",
];
const MODES: [&str; 22] = [
    "\x1b[?1h",
    "\x1b[?1l",
    "\x1b[?6h",
    "\x1b[?6l",
    "\x1b[?7l",
    "\x1b[?7h",
    "\x1b[?25l",
    "\x1b[?25h",
    "\x1b[?1000h",
    "\x1b[?1000l",
    "\x1b[?1006h",
    "\x1b[?1006l",
    "\x1b[?1004h",
    "\x1b[?1004l",
    "\x1b[?2004h",
    "\x1b[?2004l",
    "\x1b[4h",
    "\x1b[4l",
    "\x1b[20h",
    "\x1b[20l",
    "\x1b=",
    "\x1b>",
];
const LOOKS: [&str; 14] = [
    "\x1b[m",
    "\x1b[1;31m",
    "\x1b[44m",
    "\x1b[38;5;99m",
    "\x1b[48:2::1:2:3m",
    "\x1b[4:3;58:5:7m",
    "\x1b[7m",
    "\x1b[9m",
    "\x1b[3;2m",
    "\x1b[97;100m",
    "\x1b]8;id=a;https://example.invalid/a\x1b\\",
    "\x1b]8;;\x1b\\",
    "\x1b[8m",
    "\x1b[0;32m",
];
const OTHER: [&str; 20] = [
    "\x1b7",
    "\x1b8",
    "\x1b[s",
    "\x1b[u",
    "\x1bH",
    "\x1b[g",
    "\x1b[3g",
    "\x1b(0",
    "\x1b(B",
    "\x1b)0",
    "\x0e",
    "\x0f",
    "\x1b[3 q",
    "\x1b[q",
    "\x1bM",
    "\x1bD",
    "\x1bE",
    "\x1b]4;9;rgb:12/34/56\x1b\\",
    "\x1b]104\x1b\\",
    "\x1b[?2026hat once\x1b[?2026l",
];

/// The scenes of a seed.
pub(super) fn scenes(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    (0..SCENES).map(|_| scene(rng)).collect()
}

fn scene(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut all = String::new();
    for _ in 0..rng.usize(4..60) {
        let any =
            |rng: &mut fastrand::Rng, of: &[&str]| rng.choice(of).copied().unwrap_or_default().to_owned();
        let (a, b) = (rng.u32(1..50), rng.u32(1..160));
        let piece = match rng.u32(0..24) {
            0..=6 => any(rng, &WORDS),
            7 | 8 => "\r\n".to_owned(),
            9 => any(rng, &["\r", "\n", "\x08", "\x0b"]),
            10 | 11 => format!("\x1b[{a};{b}H"),
            12 | 13 => {
                let command = any(
                    rng,
                    &[
                        "A", "B", "C", "D", "E", "F", "G", "I", "Z", "d", "`", "@", "P", "X", "L", "M", "S",
                        "T",
                    ],
                );
                format!("\x1b[{}{command}", a % 13)
            }
            14 => any(rng, &["\x1b[J", "\x1b[1J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K"]),
            15 => any(rng, &["\x1b[5;20r", "\x1b[2;9r", "\x1b[r", "\x1b[r", "\x1b[1;1r"]),
            16 | 17 => any(rng, &MODES),
            18..=20 => any(rng, &LOOKS),
            21 => any(rng, &["\x1b[?1049h", "\x1b[?1049l", "\x1b[?1049l", "\x1b[?47h\x1b[?47l"]),
            _ => any(rng, &OTHER),
        };
        all.push_str(&piece);
    }
    // Something to be seen in any case.
    all.push('.');
    all.into_bytes()
}
