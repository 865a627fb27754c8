//! Contrast, worked out anew from the tokens: what is text can be read, what is a control can be seen, in every theme.
//! Formulas: WCAG 2.2 (relative luminance, contrast ratio) and CSS Color 4 (OKLCH to linear sRGB).

use std::collections::BTreeMap;

type Tokens = BTreeMap<String, [f64; 3]>;

const SURFACES: [&str; 4] = ["bg", "panel", "raised", "well"];

/// The tokens' own file, without its comments.
fn css() -> String {
    let css =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/style/tokens.css")).unwrap();
    let mut parts = css.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |css, part| css + part.split_once("*/").unwrap().1)
}

/// What stands between the braces after a selector.
fn block<'a>(css: &'a str, selector: &str) -> &'a str {
    let at = css.find(&format!("{selector} {{")).unwrap_or_else(|| panic!("{selector} is not in tokens.css"));
    css[at..].split_once('{').unwrap().1.split_once('}').unwrap().0
}

/// The colours of a block, over those that were there; what is no colour takes away the one that was.
fn read(tokens: &mut Tokens, block: &str) {
    for declaration in block.split(';') {
        let Some((name, value)) = declaration.trim().strip_prefix("--").and_then(|it| it.split_once(':'))
        else {
            continue;
        };
        let value = value.trim();
        let colour = if let Some(other) = value.strip_prefix("var(--") {
            tokens.get(other.trim_end_matches(')')).copied()
        } else {
            luminous(value)
        };
        // What cannot be read hides what was there too, so that whoever asks for it learns of it.
        match colour {
            Some(colour) => tokens.insert(name.trim().to_owned(), colour),
            None => tokens.remove(name.trim()),
        };
    }
}

/// A colour as linear sRGB; nothing if it is none, or lets through what is behind it.
fn luminous(value: &str) -> Option<[f64; 3]> {
    if let Some(hex) = value.strip_prefix('#') {
        let of = |at: usize| {
            let it = f64::from(u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?) / 255.0;
            Some(if it <= 0.04045 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) })
        };
        return Some([of(0)?, of(2)?, of(4)?]);
    }
    let inner = value.strip_prefix("oklch(")?.strip_suffix(')')?;
    let numbers: Vec<f64> = inner.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [l, c, h] = numbers[..] else { return None };
    let (a, b) = (c * h.to_radians().cos(), c * h.to_radians().sin());
    let cube = |it: f64| it * it * it;
    let (l, m, s) = (
        cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b),
        cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b),
        cube(l - 0.089_484_177_5 * a - 1.291_485_548_0 * b),
    );
    let clip = |it: f64| it.clamp(0.0, 1.0);
    Some([
        clip(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
        clip(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
        clip(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
    ])
}

fn ratio(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Every theme with its tokens.
fn themes() -> Vec<(&'static str, Tokens)> {
    let css = css();
    let (mut light, high) = (Tokens::new(), ":root[data-contrast=\"high\"]");
    read(&mut light, block(&css, ":root, :root[data-theme=\"light\"]"));
    let mut dark = light.clone();
    read(&mut dark, block(&css, ":root[data-theme=\"dark\"]"));
    let (mut light_high, mut dark_high) = (light.clone(), dark.clone());
    read(&mut light_high, block(&css, high));
    read(&mut dark_high, block(&css, high));
    read(&mut dark_high, block(&css, &format!("{high}[data-theme=\"dark\"]")));
    vec![("light", light), ("dark", dark), ("light, high", light_high), ("dark, high", dark_high)]
}

#[test]
fn the_formulas_give_the_known_ratios() {
    let (white, black) = (luminous("oklch(1 0 0)").unwrap(), luminous("#000000").unwrap());
    assert!((ratio(white, black) - 21.0).abs() < 0.01);
    let grey = luminous("#777777").unwrap();
    assert!((ratio(grey, white) - 4.48).abs() < 0.01);
}

#[test]
fn what_is_no_colour_hides_the_one_that_was() {
    let mut tokens = Tokens::new();
    read(&mut tokens, "--ink: #000000; --bg: #ffffff; --edge: var(--ink)");
    assert_eq!((tokens.len(), tokens["edge"]), (3, tokens["ink"]));
    read(&mut tokens, "--ink: oklch(50% 0 0); --bg: var(--none)");
    assert_eq!(tokens.keys().collect::<Vec<_>>(), ["edge"]);
}

#[test]
fn text_can_be_read_and_controls_can_be_seen_in_every_theme() {
    let mut faint = Vec::new();
    for (theme, tokens) in themes() {
        let mut holds = |over: &str, under: &str, least: f64| {
            let of = |name: &str| tokens.get(name).copied().unwrap_or_else(|| panic!("{theme}: no --{name}"));
            let is = ratio(of(over), of(under));
            if is < least {
                faint.push(format!("{theme}: {over} on {under} is {is:.2}, under {least}"));
            }
        };
        for under in SURFACES {
            for over in ["ink", "ink-2", "ink-3", "accent"] {
                holds(over, under, 4.5);
            }
            for over in ["edge", "focus", "p1-edge", "p2-edge", "p3-edge"] {
                holds(over, under, 3.0);
            }
        }
        for (over, under) in [("ink", "select"), ("ink-2", "select"), ("ink", "add"), ("ink", "rem")] {
            holds(over, under, 4.5);
        }
        for p in ["p1", "p2", "p3"] {
            holds(&format!("{p}-on"), &format!("{p}-fill"), 4.5);
        }
        holds("on-accent", "accent", 4.5);
        for hue in ["red", "green", "yellow", "blue", "magenta", "cyan"] {
            holds(&format!("ansi-{hue}"), "well", 4.5);
        }
    }
    assert!(faint.is_empty(), "{}", faint.join("\n"));
}
