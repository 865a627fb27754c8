//! What a model makes of good bytes, and that bad ones harm nobody.

use super::*;

mod older;
mod reference;

fn drawn(bytes: &[u8]) -> Alacritty {
    let mut model = Alacritty::new(40, 10);
    model.feed(bytes);
    model
}

/// A generator of its own, so that a failure is found again.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let parts: [&[u8]; 24] = [
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
        b"\x1b_",
        b";",
        b"?",
        b"38:2::1:2:3",
        b"m",
        b"H",
        b"r",
        b"L",
        b"@",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\r\n",
        b"\xf0\x9f\x98\x80",
        b"\xff\xc3",
        b"\x07",
        b"\x1b\\",
        b"99999999999",
        b"J",
        b"\x0e",
        b"\x1bc",
        b"text",
    ];
    let mut all = Vec::new();
    while all.len() < length {
        let it = next();
        match it % 3 {
            0 => all.push((it >> 32) as u8),
            _ => all.extend_from_slice(parts[(it >> 32) as usize % parts.len()]),
        }
    }
    all
}

#[test]
fn a_screen_is_text() {
    let mut model = drawn(b"one\r\ntwo \x1b[31mred\x1b[0m\r\n\x1b[5;3Hthere \xe4\xbd\xa0\xe5\xa5\xbd");
    let text = model.text();
    assert_eq!((text[0].as_str(), text[1].as_str(), text[4].as_str()), ("one", "two red", "  there 你好"));
    assert_eq!(text.len(), 10);
}

#[test]
fn a_painting_makes_the_same_screen() {
    let lines: String = (1..60).map(|n| format!("\x1b[3{}mline {n} of some\x1b[0m\r\n", n % 8)).collect();
    let long = "wrapped ".repeat(30);
    let scenes: Vec<Vec<u8>> = vec![
        b"plain".to_vec(),
        lines.clone().into_bytes(),
        format!("{lines}{long}").into_bytes(),
        b"\x1b[1;4;38;5;200;48;2;1;2;3mstyled\x1b[0m \x1b[7minverse\x1b[9;4:3mcurl".to_vec(),
        b"\x1b[?25l\x1b[?2004h\x1b[?1000h\x1b[?1006h\x1b=\x1b[?1hmodes".to_vec(),
        "x".repeat(40).into_bytes(),
        "你好".repeat(15).into_bytes(),
        b"\x1b(0lqqk\x1b(B box \x1b]8;;https://example.org\x07link\x1b]8;;\x07".to_vec(),
        format!("{lines}\x1b[?1049h\x1b[H\x1b[2J\x1b[44mother screen\x1b[5;5Hhere").into_bytes(),
        b"e\xcc\x81 combined\x1b[3;10H\x1b[42m\x1b[K".to_vec(),
    ];
    for (n, scene) in scenes.iter().enumerate() {
        let mut model = drawn(scene);
        let mut again = drawn(&model.snapshot(500));
        assert_eq!(model.text(), again.text(), "scene {n}");
        assert_eq!(
            String::from_utf8_lossy(&model.snapshot(500)),
            String::from_utf8_lossy(&again.snapshot(500)),
            "scene {n}"
        );
        // And they go on alike: where the next character comes, and in which colours.
        model.feed(b"Z\r\nnext\x1b[?1049l!");
        again.feed(b"Z\r\nnext\x1b[?1049l!");
        assert_eq!(model.text(), again.text(), "scene {n}, going on");
    }
}

#[test]
fn an_emulator_that_breaks_begins_anew_and_another_one_does_not_notice() {
    let (mut broken, mut next) = (drawn(b"\x1b[?1049hone \x1b[6n"), drawn(b"two"));
    broken.resize(30, 8);
    // No bytes that do so are known, so the emulator is broken from within.
    broken.within(|watched, _| -> () {
        watched.term.grid_mut().cursor.point.line = Line(5);
        panic!("the emulator broke, as this test wants it to");
    });
    assert_eq!((broken.broken(), next.broken()), (1, 0));
    // Empty, as large as it was, and whole: on the first screen, with what was to be answered forgotten.
    assert_eq!((broken.size(), broken.is_alternate(), broken.answers()), ((30, 8), false, Vec::new()));
    assert_eq!(broken.text(), vec![String::new(); 8]);
    broken.feed(b"on it goes\x1b[6n");
    next.feed(b" and three");
    assert_eq!((broken.text()[0].as_str(), next.text()[0].as_str()), ("on it goes", "two and three"));
    assert_eq!((broken.answers(), broken.broken()), (b"\x1b[1;11R".to_vec(), 1));
    let mut again = Alacritty::new(30, 8);
    again.feed(&broken.snapshot(LIVE_LINES));
    assert_eq!(again.text(), broken.text());
}

#[test]
fn what_a_program_asks_is_answered_once() {
    let mut model = drawn(b"ab\x1b[6n\x1b[c\x1b]11;?\x07\x1b[18t");
    let answers = String::from_utf8(model.answers()).unwrap();
    assert!(answers.starts_with("\x1b[1;3R\x1b[?6c\x1b]11;rgb:0000/0000/0000"), "{answers:?}");
    assert!(answers.ends_with("\x1b[8;10;40t"), "{answers:?}");
    assert!(model.answers().is_empty());
    // The clipboard is nobody's to read or write here.
    model.feed(b"\x1b]52;c;aGVsbG8=\x07\x1b]52;c;?\x07");
    assert!(model.answers().is_empty());
}

#[test]
fn what_a_program_says_of_itself_is_heeded_and_painted() {
    let mut model = drawn(b"\x1b[5n\x1b]7501;?\x1b\\\x1b[c");
    let answers = String::from_utf8(model.answers()).unwrap();
    let heeded = "\x1b]7501;?:states=idle,working,done,blocked,error:kinds=permission,question,auth\x1b\\";
    assert_eq!(answers, format!("\x1b[0n{heeded}\x1b[?6c"), "in the order in which it was asked");
    assert_eq!(model.claim(), None);
    model.feed(b"\x1b]7501;state=blocked:kind=permission:msg=YXBwcm92ZQ==\x07");
    let mut again = drawn(&model.snapshot(10));
    assert_eq!(again.claim().map(|it| it.says.as_str()), Some("approve"));
    same(&mut model, &mut again, "with a claim");
    assert!(model.answers().is_empty(), "a report asks nothing");
    model.feed(b"\x1bc");
    assert_eq!(model.claim(), None);
}

#[test]
fn a_program_that_asks_and_never_listens_gets_no_more_than_its_share() {
    let mut model = drawn(&b"\x1b[c".repeat(500_000));
    assert!(model.answers().len() <= ANSWERS_MAX);
}

#[test]
fn a_command_without_an_end_is_thrown_away() {
    let mut model = drawn(b"before\x1b]0;");
    for _ in 0..200 {
        model.feed(&[b'x'; 64 * 1024]);
    }
    model.feed(b"\x07after\x1b]0;title\x1b\\!");
    assert_eq!(model.text()[0], "beforeafter!");
}

#[test]
fn bad_bytes_harm_nobody() {
    let mut torture: Vec<Vec<u8>> = vec![
        vec![b'x'; 1024 * 1024],
        vec![0xff; 100_000],
        b"\x1b[".repeat(100_000),
        b"\x1bP".iter().copied().chain(vec![b'q'; 1_000_000]).collect(),
        "\u{301}".repeat(200_000).into_bytes(),
        [b"\x1b[".as_slice(), &b"1;".repeat(100_000), b"m"].concat(),
        b"\x1b[99999999999999999999C\x1b[99999999999999999999B\x1b[4294967295;4294967295H\x1b[2147483647@"
            .to_vec(),
        b"\x1b[?2026h".iter().copied().chain(vec![b'y'; 5_000_000]).collect(),
        b"\x1b[22;0t".repeat(100_000),
        b"\x1b[1;1r\x1b[10;1r\x1b[0;0r\x1b[M\x1b[L\x1b[S\x1b[T".repeat(1000),
        b"\x1b[2J\x1b[?3h\x1b#8\x1b[?1049h\x1bc".repeat(1000),
        "👨‍👩‍👧‍👦🏳️‍🌈".repeat(5000).into_bytes(),
    ];
    torture.extend((0..200).map(|seed| noise(seed, 20_000)));
    for (n, bytes) in torture.iter().enumerate() {
        let mut model = Alacritty::new(40, 10);
        // In pieces that cut everything in two somewhere.
        for (k, piece) in bytes.chunks(4099).enumerate() {
            model.feed(piece);
            if k % 50 == 7 {
                model.resize(2 + (n % 90) as u16, 1 + (k % 60) as u16);
            }
        }
        let painting = model.snapshot(usize::MAX);
        assert!(painting.len() < 16 * 1024 * 1024, "torture {n}: {}", painting.len());
        let (columns, rows) = model.size();
        let mut again = Alacritty::new(columns, rows);
        again.feed(&painting);
        assert_eq!(model.text().len(), usize::from(rows));
        assert_eq!(model.broken() + again.broken(), 0, "torture {n} broke the emulator");
    }
}

/// Sequences of every class, whole, with numbers of all kinds.
fn scene(seed: u64, length: usize) -> Vec<u8> {
    let mut chance = Chance::of(seed);
    let mut all = Vec::new();
    while all.len() < length {
        let number = |chance: &mut Chance| match chance.below(8) {
            0 => String::new(),
            1 => "0".to_owned(),
            2 => (chance.below(70_000)).to_string(),
            _ => (1 + chance.below(12)).to_string(),
        };
        let (a, b) = (number(&mut chance), number(&mut chance));
        let one: String = match chance.below(24) {
            0..=3 => ["words ", "a", "lqqk", "\t", "0123456789", "你好", "e\u{301}", "👩‍👩‍👧", "─│┌", "\u{301}"]
                [chance.below(10)]
            .to_owned(),
            4 => "\r\n".to_owned(),
            5 => ["\r", "\n", "\x08", "\x0b", "\t\t"][chance.below(5)].to_owned(),
            6..=8 => format!("\x1b[{a}{}", &"ABCDEFGIZ`adeEF@PXLMST"[chance.below(22)..][..1]),
            9 | 10 => format!("\x1b[{a};{b}H"),
            11 => format!("\x1b[{}{}", ["", "0", "1", "2"][chance.below(4)], ["J", "K"][chance.below(2)]),
            12 => format!("\x1b[{a};{b}r"),
            13 => format!(
                "\x1b[?{}{}",
                [1, 6, 7, 25, 1000, 1006, 1004, 2004, 66][chance.below(9)],
                &"hl"[chance.below(2)..][..1]
            ),
            14 => format!("\x1b[{}{}", ["4", "20"][chance.below(2)], &"hl"[chance.below(2)..][..1]),
            15 => ["\x1b7", "\x1b8", "\x1b[s", "\x1b[u"][chance.below(4)].to_owned(),
            16 => ["\x1bH", "\x1b[g", "\x1b[3g"][chance.below(3)].to_owned(),
            17 => ["\x1b(0", "\x1b(B", "\x1b)0", "\x1b)B", "\x0e", "\x0f"][chance.below(6)].to_owned(),
            18 => [
                "\x1b[m",
                "\x1b[1;31m",
                "\x1b[44m",
                "\x1b[38;5;99m",
                "\x1b[48:2::1:2:3m",
                "\x1b[4:3;58:5:7m",
                "\x1b[7m",
            ][chance.below(7)]
            .to_owned(),
            19 => ["\x1bD", "\x1bE", "\x1bM", "\x1b[2 q", "\x1b[5 q", "\x1b=", "\x1b>"][chance.below(7)]
                .to_owned(),
            20 => ["\x1b[?1049h", "\x1b[?1049l"][chance.below(2)].to_owned(),
            21 => [
                "\x1b]8;id=a;http://x/\x07",
                "\x1b]8;;\x1b\\",
                "\x1b]4;3;#102030\x07",
                "\x1b]11;#010203\x07",
                "\x1b]0;t\x07",
            ][chance.below(5)]
            .to_owned(),
            22 => ["\x1b#8", "\x1b[!p", "\x1bP0;0q~\x1b\\", "\x1b_x\x1b\\", "\x1b[?2026h", "\x1b[?2026l"]
                [chance.below(6)]
            .to_owned(),
            _ if chance.below(6) == 0 => ["\x1bc", "\x1b[?3h", "\x1b[?3l"][chance.below(3)].to_owned(),
            _ => "some longer text that goes over the end of a line of forty columns".to_owned(),
        };
        all.extend_from_slice(one.as_bytes());
    }
    all
}

/// A generator of its own, so that a failure is found again.
struct Chance(u64);

impl Chance {
    fn of(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// What a model shows and is, readable.
fn all_of(model: &mut Alacritty) -> String {
    let text = model.text().join("|\n");
    format!("{text}|\n{}", model.snapshot(usize::MAX).escape_ascii())
}

fn same(model: &mut Alacritty, again: &mut Alacritty, which: &str) {
    let (one, other) = (all_of(model), all_of(again));
    let from = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let part = |all: &str| {
        let around = from.saturating_sub(100).min(all.len())..(from + 60).min(all.len());
        all.as_bytes()[around].escape_ascii().to_string()
    };
    assert!(one == other, "{which}:\n  the model {}\nits painting {}", part(&one), part(&other));
}

/// A model and the one that its painting makes are the same, and stay so whatever comes.
fn paints_itself(seed: u64) {
    let mut chance = Chance::of(seed);
    let (columns, rows) = (20 + chance.below(60) as u16, 2 + chance.below(20) as u16);
    let mut model = Alacritty::new(columns, rows);
    let length = 1 + chance.below(1500);
    model.feed(&scene(seed, length));
    let mut again = Alacritty::new(columns, rows);
    again.feed(&model.snapshot(usize::MAX));
    same(&mut model, &mut again, &format!("seed {seed}, {columns}x{rows}"));
    let more = scene(seed ^ 0xffff_ffff, 300);
    model.feed(&more);
    again.feed(&more);
    same(
        &mut model,
        &mut again,
        &format!("seed {seed}, {columns}x{rows}, going on with {}", more.escape_ascii()),
    );
}

#[test]
fn a_model_and_what_its_painting_makes_are_the_same_and_go_on_alike() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let first: u64 = setting("PILOTHOUSE_SEED").unwrap_or(0);
    let seeds = setting("PILOTHOUSE_SEEDS").unwrap_or(2000);
    (first..first.saturating_add(seeds)).for_each(paints_itself);
}

/// Seeds that were not alike once.
#[test]
fn seeds_that_painted_something_else_once_do_so_no_more() {
    // The blank that a wide character left at the end of a line, before another character of other looks that came there.
    paints_itself(26_681);
    // What is left of a wide character with signs on it, half of which was written over at the end of a line.
    [38_291, 56_345, 81_601].into_iter().for_each(paints_itself);
}

#[test]
fn a_line_goes_on_only_at_its_end() {
    let long = "x".repeat(45);
    // The mark leaves the end with the last cell, which comes back there; and it stays where the end was.
    for (name, before, columns, after) in [
        ("taken away and put in", format!("{long}\x1b[H\x1b[P"), 40, "\x1b[H\x1b[4hy\r\n"),
        ("the other screen, wider", format!("\x1b[?1049h{long}\x1b[H"), 60, "\x1b[4h\x1b[20@\r\n"),
    ] {
        let (mut model, mut painted) = (drawn(before.as_bytes()), drawn(before.as_bytes()));
        model.resize(columns, 10);
        painted.resize(columns, 10);
        let mut again = Alacritty::new(columns, 10);
        again.feed(&painted.snapshot(usize::MAX));
        // This one was never painted.
        model.feed(after.as_bytes());
        again.feed(after.as_bytes());
        same(&mut model, &mut again, name);
    }
}

#[test]
fn a_painting_made_in_the_middle_of_anything_goes_on_as_if_it_had_not_been_made() {
    let says = "one \x1b[38;2;1;200;3mgreen\x1b[0m ┌─┐ é \x1b]8;id=a;http://x/\x1b\\link\x1b]8;;\x07 \x1b]0;title\x07\r\n\x1b(0qqq\x1b(B \x1bP$q\x1b\\end";
    let whole = drawn(says.as_bytes()).snapshot(10);
    for cut in 0..=says.len() {
        let (before, after) = says.as_bytes().split_at(cut);
        let mut second = drawn(&drawn(before).snapshot(10));
        second.feed(after);
        assert_eq!(
            second.snapshot(10).escape_ascii().to_string(),
            whole.escape_ascii().to_string(),
            "cut before byte {cut}"
        );
    }
}

#[test]
fn signs_without_a_width_do_not_fill_memory() {
    let mut model = drawn(b"e");
    for _ in 0..100 {
        model.feed("\u{301}".repeat(10_000).as_bytes());
    }
    assert!(model.snapshot(0).len() < 1000);
}

#[test]
fn a_few_bytes_are_no_endless_work() {
    // As programs use it: a line, and a screen of lines.
    let mut model = drawn(b"");
    model.feed(b"x\x1b[399b");
    assert_eq!(model.text(), vec!["x".repeat(40); 10]);
    // And as none does.
    let mut model = Alacritty::new(120, 40);
    let begun = std::time::Instant::now();
    for _ in 0..4 {
        model.feed(&b"x\x1b[65535b".repeat(2000));
    }
    model.feed(b"\x1bcand goes on");
    assert_eq!(model.text().first().map(String::as_str), Some("and goes on"));
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn what_is_held_back_is_drawn_whole() {
    let mut update = b"\x1b[?2026h".to_vec();
    for n in 0..2000 {
        update.extend_from_slice(format!("\r\nline {n} of a long transcript").as_bytes());
    }
    let mut model = Alacritty::new(120, 40);
    update.chunks(512).for_each(|piece| model.feed(piece));
    // Looked at before its end, and after it.
    let shown = |model: &mut Alacritty| model.text().last().cloned().unwrap_or_default();
    let mut early = Alacritty::new(120, 40);
    update.chunks(512).for_each(|piece| early.feed(piece));
    model.feed(b"\x1b[?2026l");
    assert_eq!(shown(&mut model), "line 1999 of a long transcript");
    assert_eq!(shown(&mut early), "line 1999 of a long transcript");
}

#[test]
fn links_without_number_fill_neither_memory_nor_a_painting() {
    let mut model = Alacritty::new(120, 40);
    let address = "a".repeat(1900);
    for n in 0..8000 {
        model.feed(format!("\x1b]8;;https://example.invalid/{n}/{address}\x07x").as_bytes());
    }
    assert!(model.snapshot(usize::MAX).len() < 8 * 1024 * 1024);
    // Two of them, in every other cell.
    model.feed(b"\x1bc");
    for n in 0..10_000 {
        model.feed(format!("\x1b]8;id=same{};https://example.invalid/{address}\x07x", n % 2).as_bytes());
    }
    let painted = model.snapshot(usize::MAX);
    assert!(painted.len() < 8 * 1024 * 1024, "{}", painted.len());
    // Text is text without its link, and links come again once there is room.
    model.feed(b"\x1bc\x1b]8;;https://example.invalid/\x07link");
    for _ in 0..3000 {
        model.feed(format!("\x1b[H\x1b]8;;https://example.invalid/{address}\x07link").as_bytes());
    }
    assert!(String::from_utf8(model.snapshot(0)).unwrap().contains(&address));
}

#[test]
fn what_a_program_set_before_is_in_the_painting() {
    for (name, before, after, rows) in [
        ("what scrolls", "\x1b[2;3rtop", "\x1b[2;1Ha\r\nb\r\nc", ["top", "b", "c", ""]),
        ("stops", "\x1b[3g\x1b[1;4H\x1bH\r", "\tx", ["   x", "", "", ""]),
        ("lines from where it scrolls", "\x1b[2;4r\x1b[?6h", "\x1b[1;1Hx", ["", "x", "", ""]),
        ("the saved cursor", "\x1b[3;5H\x1b(0\x1b7\x1b(B\x1b[H", "a\x1b8q", ["a", "", "    ─", ""]),
        (
            "the cursor saved on the other screen",
            "\x1b[?1049h\x1b[3;5H\x1b(0\x1b7\x1b(B\x1b[?1049l\x1b[H",
            "a\x1b[?1049h\x1b8q",
            ["", "", "    ─", ""],
        ),
        ("character sets", "\x1b)0\x0e", "q\x0fq", ["─q", "", "", ""]),
        ("no wrap", "\x1b[?7l\x1b[1;38H", "abcdef", ["                                     abf", "", "", ""]),
        ("insertion", "end\x1b[4h\r", "the ", ["the end", "", "", ""]),
        (
            "the pen of the screen below",
            "below\x1b[31m\x1b)0\x1b[?1049h\x1b[m\x1b[HX",
            "\x1b[?1049l\x0eq",
            ["below─", "", "", ""],
        ),
    ] {
        let mut model = Alacritty::new(40, 4);
        model.feed(before.as_bytes());
        let mut again = Alacritty::new(40, 4);
        again.feed(&model.snapshot(0));
        for model in [&mut model, &mut again] {
            model.feed(after.as_bytes());
        }
        same(&mut model, &mut again, name);
        assert_eq!(again.text(), rows, "{name}");
    }
}

/// As conformance suites of terminals ask it: what is done, and what stands there then.
#[test]
fn sequences_do_what_terminals_do() {
    for (says, rows) in [
        ("one\r\ntwo\x1b[1J", ["", "", "", ""]),
        ("one\r\ntwo\r\nthree\x1b[2;2H\x1b[1J", ["", "  o", "three", ""]),
        ("one\r\ntwo\x1b[1;2H\x1b[J", ["o", "", "", ""]),
        ("abcdef\x1b[1;3H\x1b[2P", ["abef", "", "", ""]),
        ("\x1b[1;40Hx\x1b[Zy", ["                                y      x", "", "", ""]),
        ("abcdef\x1b[1;3H\x1b[99P", ["ab", "", "", ""]),
        ("\x1b[2;3r\x1b[?6h\x1b[2Ba\x1b[9A\x1b[3Gb\x1b[Ec\x1b[Fd", ["", "d b", "c", ""]),
        ("abcdef\x1b[1;3H\x1b[2@", ["ab  cdef", "", "", ""]),
        ("abcdef\x1b[1;3H\x1b[2X", ["ab  ef", "", "", ""]),
        ("a\x1b[3b", ["aaaa", "", "", ""]),
        ("1\r\n2\r\n3\x1b[1;1H\x1b[L", ["", "1", "2", "3"]),
        ("1\r\n2\r\n3\x1b[1;1H\x1b[M", ["2", "3", "", ""]),
        ("1\r\n2\r\n3\x1b[2;3r\x1b[S", ["1", "3", "", ""]),
        ("1\r\n2\r\n3\x1b[2;3r\x1b[2;1H\x1bM", ["1", "", "2", ""]),
        ("1\r\n2\r\n3\x1b[9;9r\x1b[HX", ["X", "2", "3", ""]),
        ("\x1b[99;99Hx\x1b[0;0Hy", ["y", "", "", "                                       x"]),
        ("\tx\x1b[2Iy\x1b[Zz", ["        x               z", "", "", ""]),
        ("你好\x1b[1;2Hx", [" x好", "", "", ""]),
        ("你好\x1b[1;2H\x1b[P", [" 好", "", "", ""]),
        ("a\x1bP0;0;0q\"0;0;0;0#0;2;0;0;0~~~-\x1b\\b", ["ab", "", "", ""]),
        ("a\x1bPq\"1;1;99999999;99999999#1!99999999~\x1b\\b", ["ab", "", "", ""]),
        ("a\x1b_Gf=100,s=0,v=0;AAAA\x1b\\b", ["ab", "", "", ""]),
        ("a\x1b]1337;File=inline=1:AAAA\x07b", ["ab", "", "", ""]),
        ("\x1b[?2026hheld\x1b[?2026l back", ["held back", "", "", ""]),
        ("x\x1bcy", ["y", "", "", ""]),
    ] {
        let mut model = Alacritty::new(40, 4);
        model.feed(says.as_bytes());
        assert_eq!(model.text(), rows, "{}", says.escape_debug());
    }
}

#[test]
fn sizes_that_no_terminal_has_harm_nobody() {
    for (columns, rows) in [(0, 0), (1, 1), (2, 1), (0, u16::MAX), (u16::MAX, 0), (1, 1000), (1000, 1)] {
        let mut model = Alacritty::new(columns, rows);
        model.feed("wide 你好 \x1b[5;9r\x1b[?6h\x1b[9;9H👩‍👩‍👧\x1b[?1049hx".as_bytes());
        for (columns, rows) in [(3, 2), (columns, rows), (80, 24), (1, 1)] {
            model.resize(columns, rows);
            model.feed("\r\n更多 more\x1b[2;1H\x1b[L\x1b[?1049l".as_bytes());
            let (columns, rows) = model.size();
            let mut again = Alacritty::new(columns, rows);
            again.feed(&model.snapshot(usize::MAX));
            assert_eq!(again.text().len(), usize::from(rows));
        }
        assert_eq!(model.broken(), 0, "{columns}x{rows}");
    }
}

/// Scenes with bytes changed, left out and put in, and sizes that change meanwhile, for as long as is asked for.
#[test]
fn whatever_comes_a_model_neither_breaks_nor_grows() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let first: u64 = setting("PILOTHOUSE_SEED").unwrap_or(1);
    let seconds = setting("PILOTHOUSE_FUZZ_SECONDS").unwrap_or(3);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let mut seed = first;
    while std::time::Instant::now() < until {
        let mut chance = Chance::of(seed);
        let mut says = if chance.below(3) == 0 { noise(seed, 3000) } else { scene(seed, 3000) };
        for _ in 0..chance.below(60) {
            let at = chance.below(says.len());
            match chance.below(3) {
                0 => says[at] = chance.below(256) as u8,
                1 => drop(says.remove(at)),
                _ => says.insert(at, b"\x1b[];0\x9c\xe2"[chance.below(7)]),
            }
        }
        let mut model = Alacritty::new(chance.below(100) as u16, chance.below(50) as u16);
        let mut rest = says.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + chance.below(rest.len()));
            model.feed(piece);
            if chance.below(3) == 0 {
                model.resize(chance.below(150) as u16, chance.below(60) as u16);
            }
            rest = after;
        }
        let (columns, rows) = model.size();
        let painting = model.snapshot(usize::MAX);
        let mut again = Alacritty::new(columns, rows);
        again.feed(&painting);
        assert!(painting.len() < 4 * 1024 * 1024, "seed {seed}: {} bytes", painting.len());
        assert_eq!(model.broken() + again.broken(), 0, "seed {seed} broke the emulator");
        assert_eq!(
            (again.text().len(), model.last_rows(5).0.len().min(5)),
            (usize::from(rows), model.last_rows(5).0.len())
        );
        seed += 1;
    }
    println!("seeds {first} to {seed}");
}
