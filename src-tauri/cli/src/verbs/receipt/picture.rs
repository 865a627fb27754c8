//! The picture of a receipt: one fixed layout in the window's colours and fonts, drawn as SVG and put into pixels here, with no
//! program, no font and no file of the machine.
//!
//! Refuses markup: other people's text is made plain, cut and escaped before it comes near the SVG.

use std::fmt::Write as _;
use std::sync::Arc;

use pilothouse_contract::evidence::Gate;
use pilothouse_contract::receipt::Receipt;
use pilothouse_contract::run::{self, RunState};
use pilothouse_contract::{At, Who, text};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

/// Its size, in pixels.
const WIDTH: u32 = 1200;
const HEIGHT: u32 = 675;
const FONTS: [&[u8]; 3] = [
    include_bytes!("../../../fonts/inter-regular.ttf"),
    include_bytes!("../../../fonts/inter-semibold.ttf"),
    include_bytes!("../../../fonts/jetbrains-mono.ttf"),
];
/// The light theme's tokens, as they come out in sRGB.
const PANEL: &str = "#f1f3f4";
const RAISED: &str = "#fafbfc";
const LINE: &str = "#c8cbce";
const INK: &str = "#1e2226";
const INK_2: &str = "#494e52";
const INK_3: &str = "#5c6166";

/// A text's look.
#[derive(Clone, Copy)]
struct Look {
    size: f32,
    strong: bool,
    mono: bool,
    colour: &'static str,
}

const TITLE: Look = Look { size: 34.0, strong: true, mono: false, colour: INK };
const FIGURE: Look = Look { size: 28.0, strong: true, mono: false, colour: INK };
const LABEL: Look = Look { size: 15.0, strong: false, mono: false, colour: INK_3 };
const UNDER: Look = Look { size: 15.0, strong: false, mono: false, colour: INK_2 };
const SAYS: Look = Look { size: 17.0, strong: false, mono: false, colour: INK };
const CALL: Look = Look { size: 17.0, strong: false, mono: true, colour: INK_2 };

/// Puts an SVG of ours into pixels.
///
/// # Errors
/// In words; a defect of ours.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, String> {
    let mut fonts = Database::new();
    FONTS.iter().for_each(|it| fonts.load_font_data(it.to_vec()));
    let options = Options { fontdb: Arc::new(fonts), font_family: "Inter".to_owned(), ..Options::default() };
    let tree =
        Tree::from_str(svg, &options).map_err(|error| format!("the receipt's picture is no SVG: {error}"))?;
    let mut pixels = Pixmap::new(WIDTH, HEIGHT).ok_or("no picture of that size")?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| format!("the receipt's picture could not be packed: {error}"))
}

/// The receipt as SVG.
pub(super) fn svg(it: &Receipt) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"{PANEL}\"/>\
         <path d=\"M56 63 72 52l16 11M61 63v17h22V63M54 82h36M67 69h10\" fill=\"none\" stroke=\"{INK_2}\" stroke-width=\"2.4\"/>"
    );
    put(&mut out, (104.0, 78.0), 300.0, "Pilothouse receipt", Look { colour: INK_2, strong: true, ..SAYS });
    let run = format!("{} · {} · {}", it.run, it.item, it.project);
    put_right(&mut out, (1144.0, 78.0), 700.0, &run, CALL);
    let title = if it.title.is_empty() { &it.item } else { &it.title };
    put(&mut out, (56.0, 144.0), 1088.0, title, TITLE);
    let why = if it.why.is_empty() { String::new() } else { format!(": {}", it.why) };
    put(
        &mut out,
        (56.0, 180.0),
        1088.0,
        &format!("{}{why}", it.state.word()),
        Look { colour: INK_2, ..SAYS },
    );
    for (n, (label, figure, under)) in figures(it).iter().enumerate() {
        let (column, row) = ((n % 4) as f32, (n / 4) as f32);
        let (x, y) = (56.0 + column * 276.0, 212.0 + row * 142.0);
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"260\" height=\"126\" rx=\"2\" fill=\"{RAISED}\" stroke=\"{LINE}\"/>"
        );
        put(&mut out, (x + 20.0, y + 33.0), 220.0, label, LABEL);
        put(&mut out, (x + 20.0, y + 72.0), 220.0, figure, FIGURE);
        put(&mut out, (x + 20.0, y + 102.0), 220.0, under, UNDER);
    }
    for (n, (label, says)) in lines(it).iter().enumerate() {
        let y = 528.0 + n as f32 * 32.0;
        put(&mut out, (56.0, y), 120.0, label, Look { size: 17.0, ..LABEL });
        put(&mut out, (190.0, y), 954.0, says, SAYS);
    }
    let _ = write!(out, "<path d=\"M56 622h1088\" stroke=\"{LINE}\"/>");
    let count = format!("Every figure is counted from rows: pilothouse run show {}", it.run);
    put(&mut out, (56.0, 650.0), 800.0, &count, LABEL);
    put_right(&mut out, (1144.0, 650.0), 280.0, "What no row tells is unknown.", LABEL);
    out.push_str("</svg>");
    out
}

/// The figures: what, how much, and what belongs to it.
fn figures(it: &Receipt) -> [(&'static str, String, String); 8] {
    let tokens = it.tokens;
    let told = match (tokens.sessions, it.sessions) {
        (0, _) => "no session's log tells of any".to_owned(),
        (some, all) if some < all => format!("by the logs of {some} of {all} sessions"),
        _ => format!("{} of them written", count(tokens.output)),
    };
    let used = if tokens.sessions == 0 { "unknown".to_owned() } else { count(tokens.read() + tokens.output) };
    let sum = |of: fn(&pilothouse_contract::receipt::GateCount) -> u32| it.checks.iter().map(of).sum::<u32>();
    let (held, broke, unknown) = (sum(|it| it.passed), sum(|it| it.failed), sum(|it| it.unknown));
    let merge = it.checks.iter().find(|it| it.gate == Gate::Landing);
    let merge = merge.map_or("merge result unchecked".to_owned(), |it| {
        format!("merge result {} of {}", it.passed, it.all())
    });
    let caught = match (broke, unknown) {
        (0, 0) => merge,
        (broke, 0) => format!("{broke} did not; {merge}"),
        (broke, unknown) => format!("{broke} did not, {unknown} unknown; {merge}"),
    };
    let (commits, size, landed, yes) = match &it.change {
        // They are counted when it is opened.
        None => (
            "not counted".to_owned(),
            "no pull request yet".to_owned(),
            "no".to_owned(),
            "no pull request yet".to_owned(),
        ),
        Some(change) => {
            let size = change.size;
            let yes = match &change.approved {
                None => "no yes yet".to_owned(),
                // Which one stands in the receipt in words; here is no room for it.
                Some(Who::Policy(_)) => "yes by policy".to_owned(),
                Some(who) => format!("yes by {who}"),
            };
            (
                change.commits.to_string(),
                format!("{}, +{} −{}", many(size.files, "file"), size.added, size.removed),
                change.landed.as_ref().map_or("no".to_owned(), |it| it.short().to_owned()),
                yes,
            )
        }
    };
    let failed = if it.failed == 0 { "none failed".to_owned() } else { format!("{} failed", it.failed) };
    [
        ("Agents", many(it.sessions, "session"), format!("{}, at most {} at once", it.agent, it.at_once)),
        ("Agents' time", span(it.agents_ms), format!("in {} by the clock", span(it.took_ms))),
        ("Tokens", used, told),
        money(it),
        (
            "Tasks done",
            format!("{} of {}", it.done, it.tasks),
            format!("{}, {failed}", many(it.attempts, "attempt")),
        ),
        ("Checks that held", format!("{held} of {}", held + broke + unknown), caught),
        ("Commits", commits, size),
        ("Landed", landed, yes),
    ]
}

/// What it cost, and of how much of it nobody knows; which models have no price has no room here.
fn money(it: &Receipt) -> (&'static str, String, String) {
    let money = &it.money;
    let under = match (money.sessions, money.unknown, money.told) {
        (0, ..) => "no session yet".to_owned(),
        (all, 0, told) if told == all => "by the program's own count".to_owned(),
        (_, 0, _) => "by known prices".to_owned(),
        (all, unknown, _) => format!("unknown for {unknown} of {}", many(all, "session")),
    };
    ("Money", money.sum(), under)
}

fn lines(it: &Receipt) -> [(&'static str, String); 3] {
    let (from, to) = (clock(it.started), it.ended.map_or_else(|| "now".to_owned(), clock));
    let touched = run::touched(&it.touches);
    let hands = if touched.is_empty() { "off".to_owned() } else { touched };
    let ends = if matches!(it.state, RunState::Landed | RunState::Stopped) { "" } else { ", not over" };
    [
        ("Untouched", format!("{} at the longest", span(it.untouched_ms))),
        ("Hands", hands),
        ("Time", format!("{from} to {to} UTC{ends}")),
    ]
}

/// Puts a text on one line, cut where its room ends.
fn put(out: &mut String, at: (f32, f32), room: f32, says: &str, look: Look) {
    anchored(out, at, room, says, look, "start");
}

fn put_right(out: &mut String, at: (f32, f32), room: f32, says: &str, look: Look) {
    anchored(out, at, room, says, look, "end");
}

fn anchored(out: &mut String, (x, y): (f32, f32), room: f32, says: &str, look: Look, anchor: &str) {
    let family = if look.mono { "JetBrains Mono NL" } else { "Inter" };
    let weight = if look.strong { 600 } else { 400 };
    let Look { size, colour, .. } = look;
    let says = escaped(&fitting(says, room, look));
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-family=\"{family}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{colour}\" \
         text-anchor=\"{anchor}\" font-feature-settings=\"'tnum'\">{says}</text>"
    );
}

/// How wide a sign may be, in parts of the font's size. Rather too wide than too narrow: what is cut is marked, what runs over is
/// not.
fn width(c: char, look: Look) -> f32 {
    let wide = u32::from(c) >= 0x1100 && !(0x1e00..0x2e80).contains(&u32::from(c));
    match c {
        _ if wide => 1.1,
        _ if look.mono => 0.6,
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')'
        | '[' | ']' | ' ' => 0.33,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' | '—' => 0.9,
        _ if c.is_uppercase() => 0.7,
        _ => 0.58,
    }
}

/// A text made plain, on one line, cut where its room ends.
fn fitting(says: &str, room: f32, look: Look) -> String {
    let says = text::line(says, 400);
    let wide = |c: char| width(c, look) * look.size;
    if says.chars().map(wide).sum::<f32>() <= room {
        return says;
    }
    let mut left = room - wide('…');
    let mut cut: String = says
        .chars()
        .take_while(|c| {
            left -= wide(*c);
            left >= 0.0
        })
        .collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// Text in which nothing is markup, and nothing that XML does not know.
fn escaped(says: &str) -> String {
    let mut out = String::new();
    for c in says.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn many(n: u32, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// A number with its thousands apart.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let apart = digits.as_bytes().rchunks(3).rev().map(|it| String::from_utf8_lossy(it).into_owned());
    apart.collect::<Vec<_>>().join(" ")
}

fn span(ms: i64) -> String {
    pilothouse_contract::brief::page::span(ms)
}

fn clock(at: At) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0);
    at.map(|it| it.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a title may hold that a picture would heed, or that would not fit.
    const HOSTILE: &str = "</text><image href='file:///etc/passwd'/><script>x</script> & \"q\" \u{1b}[31m \u{202e}evil \u{ffff} 潮汐表 ";

    fn receipt(title: &str) -> Receipt {
        serde_json::from_value(serde_json::json!({
            "run": "r1", "project": "lighthouse", "item": "001-tide-table", "title": title, "state": "landed",
            "why": title, "started": 0, "ended": 30_000_000, "took_ms": 30_000_000, "tasks": 6, "done": 6, "attempts": 7,
            "failed": 1, "agent": title, "sessions": 7, "at_once": 3, "agents_ms": 61_000_000,
            "tokens": { "sessions": 7, "input": 1_234_567, "cached": 0, "output": 54_321 },
            "checks": [{ "gate": "verify", "passed": 9, "failed": 1, "unknown": 0 }], "touches": [],
            "untouched_ms": 29_000_000,
            "change": { "pull": "pr1", "commits": 13, "size": { "files": 13, "added": 118, "removed": 7 },
                "approved": { "kind": "person", "name": title }, "landed": "0123456789abcdef" },
        }))
        .unwrap()
    }

    fn pixels(png: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgba);
        (info.width, info.height, bytes)
    }

    #[test]
    fn it_is_a_picture_of_its_size_with_words_in_it() {
        let drawn = png(&svg(&receipt("A tide table"))).unwrap();
        let (width, height, bytes) = pixels(&drawn);
        assert_eq!((width, height), (WIDTH, HEIGHT));
        let dark = |from: u32, to: u32| {
            let row = usize::try_from(WIDTH).unwrap() * 4;
            let of = |y: u32| usize::try_from(y).unwrap() * row;
            bytes[of(from)..of(to)].chunks(4).filter(|it| it[0] < 0x60 && it[3] == 0xff).count()
        };
        // The title, each row of figures, the lines below: ink in each of them.
        for (from, to) in [(110, 150), (212, 338), (354, 480), (505, 600)] {
            assert!(dark(from, to) > 500, "nothing is written between {from} and {to}");
        }
        // Another title is another picture: it is the words that are drawn, and not boxes for what no font has.
        let (_, _, other) = pixels(&png(&svg(&receipt("A wind rose"))).unwrap());
        assert_ne!(bytes, other);
    }

    #[test]
    fn what_it_cost_is_a_sum_or_unknown_and_never_nothing() {
        let with = |sessions, unknown, told, known| {
            let mut it = receipt("x");
            it.money.sessions = sessions;
            (it.money.unknown, it.money.told, it.money.known) =
                (unknown, told, pilothouse_contract::money::Money(known));
            let (_, figure, under) = money(&it);
            (figure, under)
        };
        let says = |figure: &str, under: &str| (figure.to_owned(), under.to_owned());
        assert_eq!(with(7, 0, 7, 1_240_000), says("$1.24", "by the program's own count"));
        assert_eq!(with(7, 2, 5, 1_240_000), says("at least $1.24", "unknown for 2 of 7 sessions"));
        assert_eq!(with(1, 1, 0, 0), says("unknown", "unknown for 1 of 1 session"));
        assert!(svg(&receipt("x")).contains(">Money<"));
    }

    #[test]
    fn hostile_text_is_text_in_it() {
        let hostile = svg(&receipt(HOSTILE));
        for markup in ["<image", "<script", "</text><", "\u{1b}", "\u{202e}", "\u{ffff}"] {
            let times = hostile.matches(markup).count();
            let own = if markup == "</text><" { svg(&receipt("x")).matches(markup).count() } else { 0 };
            assert_eq!(times, own, "{markup} in {hostile}");
        }
        assert!(hostile.contains("&lt;/text&gt;&lt;image href=&apos;"), "{hostile}");
        assert_eq!(pixels(&png(&hostile).unwrap()).0, WIDTH);
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        let long = fitting(&"wide ".repeat(200), 220.0, UNDER);
        assert!(long.ends_with("wide…") || long.ends_with('…'), "{long}");
        assert!(long.chars().map(|c| width(c, UNDER) * UNDER.size).sum::<f32>() <= 220.0);
        assert_eq!(fitting("short", 220.0, UNDER), "short");
    }
}
