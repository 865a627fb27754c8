//! Lines that are no live ones any more: painted as if they were, bounded, and known to be all or not.

use super::*;

/// A scene, with lines in it so that much scrolls away.
fn long_scene(seed: u64) -> Vec<u8> {
    let mut chance = Chance::of(seed ^ 0x5eed);
    let mut all = Vec::new();
    for part in 0..30 {
        all.extend_from_slice(&scene(seed * 31 + part, 1 + chance.below(60)));
        for n in 0..chance.below(120) {
            let line = match chance.below(6) {
                0 => format!("\x1b[3{}mcolour {n} of {part}\r\n", n % 8),
                1 => format!("{}\r\n", "你好 ".repeat(chance.below(40))),
                2 => "words that go over the end of a line ".repeat(1 + chance.below(9)),
                3 => "\r\n".repeat(chance.below(9)),
                4 => format!("\x1b[{}S", chance.below(30)),
                _ => format!("line {n} of {part}\r\n"),
            };
            all.extend_from_slice(line.as_bytes());
        }
    }
    all
}

#[test]
fn older_lines_are_painted_as_if_they_were_live() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let first: u64 = setting("PILOTHOUSE_SEED").unwrap_or(0);
    let seeds = setting("PILOTHOUSE_SEEDS").unwrap_or(60);
    let mut packed = 0;
    for seed in first..first.saturating_add(seeds) {
        let mut chance = Chance::of(seed);
        let (columns, rows) = (20 + chance.below(60) as u16, 2 + chance.below(20) as u16);
        let says = long_scene(seed);
        let (mut all, mut model) =
            (Alacritty::keeping(columns, rows, LINES_MAX), Alacritty::new(columns, rows));
        for piece in says.chunks(1 + chance.below(5000)) {
            all.feed(piece);
            model.feed(piece);
        }
        packed += usize::from(model.untold.older.lines() > 0);
        assert_eq!(all.lines_above(), model.lines_above(), "seed {seed}");
        assert!(model.reaches(usize::MAX), "seed {seed}");
        same(&mut all, &mut model, &format!("seed {seed}, {columns}x{rows}"));
    }
    assert!(packed * 2 > seeds as usize, "only {packed} of {seeds} have older lines");
}

#[test]
fn as_many_lines_are_painted_as_are_asked_for() {
    let mut model = Alacritty::new(40, 10);
    for n in 0..5000 {
        model.feed(format!("line {n} \x1b[3{}mand more\x1b[m\r\n", n % 8).as_bytes());
    }
    for lines in [0, 1, 200, 1000, 1001, 3000, 4990] {
        let painted = String::from_utf8(model.snapshot(lines)).unwrap();
        let first = painted.split("line ").nth(1).unwrap().split(' ').next().unwrap();
        assert_eq!(first, (4991 - lines).to_string(), "{lines} lines");
    }
    // A line that began before is painted from its beginning, and what stands beside it is not lost.
    let mut model = Alacritty::new(40, 10);
    for n in 0..800 {
        model.feed(format!("begins {n} {} ends {n}\r\n", "long ".repeat(30)).as_bytes());
    }
    let mut again = Alacritty::new(40, 10);
    again.feed(&model.snapshot(2001));
    assert!((2001..2010).contains(&again.lines_above()), "{}", again.lines_above());
    let painted = String::from_utf8(again.snapshot(usize::MAX)).unwrap();
    assert!(painted.starts_with("begins "), "{}", &painted[..40]);
}

#[test]
fn older_lines_are_bounded_and_it_is_known_whether_they_are_all() {
    let mut model = Alacritty::new(120, 40);
    let line = |n: u32| {
        format!("{n} \x1b[38;5;{}mthe quick brown fox\x1b[m reads a line of usual length\r\n", n % 200)
    };
    (0..30_000).for_each(|n| model.feed(line(n).as_bytes()));
    assert!((LINES_MAX..LINES_MAX + 3000).contains(&model.lines_above()), "{}", model.lines_above());
    assert!(model.reaches(usize::MAX), "nobody has more");
    let (chunks, ..) = model.older().packed();
    let bytes: usize = chunks.iter().map(|it| it.packed.len()).sum();
    assert!(bytes < 300 * 1024, "{bytes} bytes");
    // Lines without order cannot be packed, and there are fewer of them.
    let mut model = Alacritty::new(1000, 40);
    let mut chance = Chance::of(7);
    for _ in 0..12_000 {
        let signs: String = (0..900).map(|_| char::from(b'!' + chance.below(90) as u8)).collect();
        model.feed(signs.as_bytes());
        model.feed(b"\r\n");
    }
    assert!(!model.reaches(usize::MAX) && model.lines_above() > 1000, "{}", model.lines_above());
    let (chunks, ..) = model.older().packed();
    let bytes: usize = chunks.iter().map(|it| it.packed.len()).sum();
    assert!(bytes < 1200 * 1024, "{bytes} bytes");
    // Where more comes than can be kept none is.
    let mut model = Alacritty::new(120, 40);
    model.hurry(true);
    (0..3000).for_each(|n| model.feed(line(n).as_bytes()));
    assert!(!model.reaches(usize::MAX) && model.older().lines() == 0);
    // But always as many as whoever looks gets without a wait, whatever becomes of its size meanwhile.
    for n in 0..2000 {
        model.feed(format!("{n}\r\n").as_bytes());
        assert!(model.lines_above() >= LEAST_LINES, "{} after {n}", model.lines_above());
        if n % 100 == 99 {
            model.resize(if n % 200 == 99 { 60 } else { 120 }, 40);
        }
    }
    model.hurry(false);
    (0..12_000).for_each(|n| model.feed(line(n).as_bytes()));
    assert!(model.reaches(usize::MAX));
    // A program that takes away what is above its screen takes these too.
    model.feed(b"\x1b[3J");
    assert_eq!((model.lines_above(), model.reaches(usize::MAX)), (0, true));
}

#[test]
fn an_older_line_ends_where_lines_get_another_length() {
    let mut model = Alacritty::new(40, 10);
    for n in 0..3000 {
        model.feed(format!("{n} {} end\r\n", "over the end of a line ".repeat(3)).as_bytes());
    }
    for columns in [70, 41, 40, 20, 90] {
        model.resize(columns, 10);
        model.feed(b"\r\nhere\r\n");
        let text = model.text();
        let mut again = Alacritty::new(columns, 10);
        again.feed(&model.snapshot(usize::MAX));
        assert_eq!(again.text(), text, "{columns} columns");
        let screen = String::from_utf8(again.snapshot(0)).unwrap();
        assert_eq!(screen, String::from_utf8(model.snapshot(0)).unwrap(), "{columns} columns");
    }
    assert_eq!(model.broken(), 0);
}
