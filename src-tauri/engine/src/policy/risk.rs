//! The risk of a change: rules over its paths and over features of its diff, each with what it named. Built-in rules hold unless the
//! repository's own say more, or leave paths out.
//!
//! Refuses to read anything: it is told which paths changed, by how many lines, and what the changed lines say.

use std::collections::BTreeMap;

use pilothouse_contract::Oid;
use pilothouse_contract::risk::{Hit, Risk, RiskClass, RiskRules};

use super::scope::Globs;

/// From so many changed lines on a change is medium, where nothing else is said.
const LINES: u32 = 400;
/// And high from so many times as many.
const HIGH_TIMES: u32 = 4;
/// From so many files on a change is medium.
const FILES: usize = 30;
/// So many rules that hit are kept.
const HITS_MAX: usize = 12;

/// Paths that are high for everybody: what holds data, what runs with rights, what lets it be released.
const HIGH: [&str; 7] = [
    "**/migrations/**",
    "**/migrate/**",
    "**/*.sql",
    "**/schema.prisma",
    ".github/workflows/**",
    ".gitlab-ci.yml",
    ".githooks/**",
];
/// Paths that only tell.
const TELLS: [&str; 5] = ["**/*.md", "**/*.txt", "**/*.adoc", "**/*.rst", "docs/**"];
/// Files that are no text and run nowhere.
const PICTURES: [&str; 8] =
    ["**/*.png", "**/*.jpg", "**/*.jpeg", "**/*.gif", "**/*.webp", "**/*.ico", "**/*.woff", "**/*.woff2"];
/// Words of money and of rights, where they are a part of a path.
const PATH_WORDS: [&str; 26] = [
    "auth",
    "oauth",
    "login",
    "password",
    "passwords",
    "passwd",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "permission",
    "permissions",
    "crypto",
    "acl",
    "rbac",
    "session",
    "sessions",
    "payment",
    "payments",
    "billing",
    "invoice",
    "invoices",
    "refund",
    "refunds",
    "payout",
    "payouts",
];
/// The same in a changed line of code: fewer, for lines say much that means nothing.
const LINE_WORDS: [&str; 18] = [
    "password",
    "passwd",
    "secret",
    "private_key",
    "api_key",
    "oauth",
    "authorize",
    "authenticate",
    "is_admin",
    "payment",
    "billing",
    "refund",
    "payout",
    "charge_card",
    "drop table",
    "alter table",
    "delete from",
    "grant all",
];

/// A path that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The path.
    pub path: String,
    /// Lines added.
    pub added: u32,
    /// Lines taken away.
    pub removed: u32,
    /// Whether it is gone.
    pub gone: bool,
    /// Whether git takes it for no text: how much of it changed nobody counts.
    pub binary: bool,
}

/// Everything that risk is reckoned from.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The head.
    pub head: &'a Oid,
    /// What it touches against where it began.
    pub touched: &'a [Touched],
    /// Its lines, as git prints them without lines around them; a part of them, if they are many.
    pub diff: &'a str,
    /// Whether that is a part.
    pub cut: bool,
    /// Paths that are written by the engine itself: ticks and evidence of the item.
    pub own: &'a str,
}

/// What a repository says besides its risk rules.
#[derive(Debug, Clone, Copy)]
pub struct Besides<'a> {
    /// Globs that no task may write.
    pub protected: &'a [String],
    /// Globs of files that are generated from others and say what is fetched.
    pub hot: &'a [String],
}

/// Reckons the risk of a change.
#[must_use]
pub fn weigh(change: &Change<'_>, rules: &RiskRules, besides: Besides<'_>) -> Risk {
    let named = |globs: &[&str]| Globs::of(&globs.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let (own_high, own_medium, own_low) =
        (Globs::of(&rules.high), Globs::of(&rules.medium), Globs::of(&rules.low));
    let (high, tells, pictures) = (named(&HIGH), named(&TELLS), named(&PICTURES));
    let (protected, hot) = (Globs::of(besides.protected), Globs::of(besides.hot));
    let below = format!("{}/", change.own.trim_end_matches('/'));
    let theirs = |path: &str| change.own.is_empty() || (path != change.own && !path.starts_with(&below));
    let touched: Vec<&Touched> = change.touched.iter().filter(|it| theirs(&it.path)).collect();
    let mut hits: Vec<Hit> = Vec::new();
    let mut hit = |class, rule: String| {
        if !hits.iter().any(|it| it.rule == rule) {
            hits.push(Hit { class, rule });
        }
    };
    let looked_at = |path: &str| !own_low.matches(path);
    for it in &touched {
        let path = it.path.as_str();
        if own_high.matches(path) {
            hit(RiskClass::High, format!("a path that WORKFLOW.md calls high: {path}"));
        } else if own_medium.matches(path) {
            hit(RiskClass::Medium, format!("a path that WORKFLOW.md calls medium: {path}"));
        }
        if !looked_at(path) {
            continue;
        }
        if protected.matches(path) {
            hit(RiskClass::High, format!("a protected path: {path}"));
        }
        if high.matches(path) {
            hit(RiskClass::High, format!("data, rights or release: {path}"));
        }
        if let Some(word) = path_word(path, &rules.words).filter(|_| !tells.matches(path)) {
            hit(RiskClass::High, format!("`{word}` in the path {path}"));
        }
        if is_test(path) && it.gone {
            hit(RiskClass::High, format!("a test is gone: {path}"));
        } else if is_test(path) && it.removed > it.added {
            hit(RiskClass::Medium, format!("a test got {} lines shorter: {path}", it.removed - it.added));
        }
        if it.binary && !it.gone && !pictures.matches(path) && !tells.matches(path) {
            hit(RiskClass::Medium, format!("nobody can read what changed in {path}"));
        }
        if hot.matches(path) {
            hit(RiskClass::Medium, format!("what is fetched changes: {path}"));
        }
    }
    let known = LINE_WORDS.iter().copied().chain(rules.words.iter().map(String::as_str));
    let words: Vec<(&str, String)> = known.map(|it| (it, it.to_lowercase())).collect();
    for (path, line) in lines(change.diff) {
        if theirs(path) && looked_at(path) && !tells.matches(path) && !is_test(path) {
            let (lower, apart) = (line.to_lowercase(), apart(line));
            for (word, _) in words.iter().filter(|it| says(&lower, &it.1) || says(&apart, &it.1)) {
                hit(RiskClass::High, format!("`{word}` in a changed line of {path}"));
            }
        }
    }
    let all: u32 = touched
        .iter()
        .filter(|it| looked_at(&it.path) && !tells.matches(&it.path) && !hot.matches(&it.path))
        .fold(0, |sum, it| sum.saturating_add(it.added).saturating_add(it.removed));
    let limit = rules.lines.unwrap_or(LINES).max(1);
    if all >= limit.saturating_mul(HIGH_TIMES) {
        hit(
            RiskClass::High,
            format!("{all} lines are changed, of {} at most", limit.saturating_mul(HIGH_TIMES)),
        );
    } else if all >= limit {
        hit(RiskClass::Medium, format!("{all} lines are changed, of {limit} at most"));
    }
    if touched.len() >= FILES {
        hit(RiskClass::Medium, format!("{} files are changed", touched.len()));
    }
    if change.cut {
        hit(RiskClass::Medium, "it is too long for each of its lines to be looked at".to_owned());
    }
    hits.sort_by_key(|it| std::cmp::Reverse(it.class));
    let first = hits.first().cloned().unwrap_or_else(|| {
        let only_tells = !touched.is_empty() && touched.iter().all(|it| tells.matches(&it.path));
        let rule =
            if only_tells { "nothing but documents" } else { "no rule names anything that it changes" };
        Hit { class: RiskClass::Low, rule: rule.to_owned() }
    });
    hits.truncate(HITS_MAX);
    Risk { class: first.class, rule: first.rule, hits, areas: areas(&touched), head: change.head.clone() }
}

/// So many areas are named.
const AREAS_MAX: usize = 4;

/// The areas that a change touches, most of it first: the two upper folders of each path.
fn areas(touched: &[&Touched]) -> Vec<String> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for it in touched {
        let folders = it.path.rsplit_once('/').map_or("", |(folders, _)| folders);
        let area: Vec<&str> = folders.split('/').take(2).collect();
        let area = if folders.is_empty() { "the top".to_owned() } else { area.join("/") };
        *all.entry(area).or_default() += 1 + u64::from(it.added) + u64::from(it.removed);
    }
    let mut all: Vec<(String, u64)> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter().take(AREAS_MAX).map(|it| it.0).collect()
}

/// A word of money or rights that is a part of a path: it begins and ends where a sign, a hump or a digit cuts, so that `OAuth2Client`
/// holds `auth`, `oauth` and `oauth2`.
fn path_word<'a>(path: &str, own: &'a [String]) -> Option<&'a str> {
    // Each sign in small letters, with whether the path may be cut before it.
    let mut signs: Vec<(char, bool)> = Vec::new();
    let mut before = '/';
    let mut all = path.chars().peekable();
    while let Some(sign) = all.next() {
        let kind = |it: char| (it.is_alphabetic(), it.is_alphanumeric());
        let turns = kind(before) != kind(sign) || !sign.is_alphanumeric();
        let cut = turns || begins_word(before, sign, all.peek().copied());
        signs.extend(sign.to_lowercase().enumerate().map(|(n, it)| (it, n == 0 && cut)));
        before = sign;
    }
    let is_part = |word: &str| {
        let word: Vec<char> = word.to_lowercase().chars().collect();
        !word.is_empty()
            && signs.windows(word.len()).enumerate().any(|(at, it)| {
                it.first().is_some_and(|it| it.1)
                    && signs.get(at + word.len()).is_none_or(|it| it.1)
                    && it.iter().map(|it| it.0).eq(word.iter().copied())
            })
    };
    own.iter()
        .map(String::as_str)
        .find(|it| is_part(it))
        .or_else(|| PATH_WORDS.into_iter().find(|it| is_part(it)))
}

/// Whether a word begins with a sign among others that stand together: a capital after a small letter or a digit, or the last one of
/// several before a small one, as in `DBPassword`.
fn begins_word(before: char, sign: char, next: Option<char>) -> bool {
    let after_capital = before.is_uppercase() && next.is_some_and(char::is_lowercase);
    sign.is_uppercase() && (before.is_lowercase() || before.is_numeric() || after_capital)
}

/// A line in small letters in which words that stand together by their humps stand apart: `clientSecret` as `client_secret`.
fn apart(line: &str) -> String {
    let mut apart = String::with_capacity(line.len() + 8);
    let mut before = ' ';
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        if begins_word(before, sign, signs.peek().copied()) {
            apart.push('_');
        }
        apart.extend(sign.to_lowercase());
        before = sign;
    }
    apart
}

/// Whether a line in small letters holds a word by itself: `secret` stands in `client_secret`, and not in `secretary`.
fn says(line: &str, word: &str) -> bool {
    !word.is_empty()
        && line.match_indices(word).any(|(at, _)| {
            let next = line.get(at + word.len()..).and_then(|it| it.chars().next());
            let last = line.get(..at).and_then(|it| it.chars().next_back());
            !next.is_some_and(char::is_alphabetic) && !last.is_some_and(char::is_alphabetic)
        })
}

/// Whether a path is a test by its name.
#[must_use]
pub fn is_test(path: &str) -> bool {
    let lower = path.to_lowercase();
    let folder = lower
        .split('/')
        .rev()
        .skip(1)
        .any(|it| matches!(it, "test" | "tests" | "spec" | "__tests__" | "e2e"));
    let name = lower.rsplit('/').next().unwrap_or_default();
    let by_name = ["test_", "t-"].iter().any(|it| name.starts_with(it))
        || ["_test.", ".test.", "_spec.", ".spec.", "tests."].iter().any(|it| name.contains(it));
    by_name || (folder && !name.starts_with('.'))
}

/// The changed lines of a diff that holds no lines around them, each with its path.
fn lines(diff: &str) -> impl Iterator<Item = (&str, &str)> {
    let (mut path, mut left) = ("", 0_u32);
    diff.lines().filter_map(move |line| {
        if left > 0 {
            return match line.strip_prefix(['+', '-']) {
                Some(text) => {
                    left -= 1;
                    Some((path, text))
                }
                None => None,
            };
        }
        // Git puts a name between quotes that has more than plain letters in it.
        let named = |sign: &str, side: &str| {
            let name = line.strip_prefix(sign)?;
            name.strip_prefix(side).or_else(|| name.strip_prefix('"')?.strip_prefix(side)?.strip_suffix('"'))
        };
        if let Some(named) = named("--- ", "a/").or_else(|| named("+++ ", "b/")) {
            path = named;
        } else if let Some(hunk) = line.strip_prefix("@@ -") {
            left = hunk.split(' ').take(2).map(length).sum();
        }
        None
    })
}

/// The length of `12,3` or `+14`.
fn length(side: &str) -> u32 {
    side.split_once(',').map_or(1, |(_, length)| length.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(path: &str, added: u32, removed: u32) -> Touched {
        Touched { path: path.to_owned(), added, removed, gone: false, binary: false }
    }

    fn weighed(all: &[Touched], diff: &str, rules: &RiskRules) -> (RiskClass, String) {
        let head = Oid("c".to_owned());
        let change = Change { head: &head, touched: all, diff, cut: false, own: "specs/001-x" };
        let (protected, hot) = (["specs/".to_owned()], ["**/Cargo.lock".to_owned()]);
        let risk = weigh(&change, rules, Besides { protected: &protected, hot: &hot });
        (risk.class, risk.rule)
    }

    #[test]
    fn each_rule_says_what_it_named_and_the_riskiest_counts() {
        let usual = RiskRules::default();
        for (path, class, rule) in [
            ("src/tide.rs", RiskClass::Low, "no rule names anything that it changes"),
            ("README.md", RiskClass::Low, "nothing but documents"),
            ("docs/payment.md", RiskClass::Low, "nothing but documents"),
            ("specs/001-x/tasks.md", RiskClass::Low, "no rule names anything that it changes"),
            ("specs/002-y/tasks.md", RiskClass::High, "a protected path: specs/002-y/tasks.md"),
            ("db/migrations/2.rb", RiskClass::High, "data, rights or release: db/migrations/2.rb"),
            ("src/UserAuth.ts", RiskClass::High, "`auth` in the path src/UserAuth.ts"),
            ("src/author.ts", RiskClass::Low, "no rule names anything that it changes"),
            ("Cargo.lock", RiskClass::Medium, "what is fetched changes: Cargo.lock"),
        ] {
            assert_eq!(weighed(&[touched(path, 1, 1)], "", &usual), (class, rule.to_owned()), "{path}");
        }
        let both = [touched("Cargo.lock", 1, 1), touched("src/billing/a.rs", 1, 0)];
        assert_eq!(weighed(&both, "", &usual).1, "`billing` in the path src/billing/a.rs");
    }

    #[test]
    fn tests_that_go_and_changes_that_are_long_are_told() {
        let usual = RiskRules::default();
        let binary = |path: &str| Touched { binary: true, ..touched(path, 0, 0) };
        assert_eq!(
            weighed(&[binary("vendor/tool.wasm")], "", &usual),
            (RiskClass::Medium, "nobody can read what changed in vendor/tool.wasm".to_owned())
        );
        assert_eq!(weighed(&[binary("assets/tide.png")], "", &usual).0, RiskClass::Low);
        for path in [
            "src/OAuth2Client.kt",
            "src/paymentV2.rs",
            "src/AWSSecret.kt",
            "src/HTTPAuth.go",
            "src/t\u{e4}glich/Billing.rs",
        ] {
            assert_eq!(weighed(&[touched(path, 1, 1)], "", &usual).0, RiskClass::High, "{path}");
        }
        let gone = Touched { gone: true, ..touched("tests/t-parse.sh", 0, 9) };
        assert_eq!(
            weighed(&[gone], "", &usual),
            (RiskClass::High, "a test is gone: tests/t-parse.sh".to_owned())
        );
        let shorter = [touched("src/a_test.go", 1, 4)];
        assert_eq!(weighed(&shorter, "", &usual).1, "a test got 3 lines shorter: src/a_test.go");
        let long = |lines| weighed(&[touched("src/a.rs", lines, 0)], "", &usual).0;
        assert_eq!((long(399), long(400), long(1600)), (RiskClass::Low, RiskClass::Medium, RiskClass::High));
        let rules = RiskRules { lines: Some(10), ..RiskRules::default() };
        assert_eq!(weighed(&[touched("src/a.rs", 6, 4)], "", &rules).0, RiskClass::Medium);
    }

    #[test]
    fn words_count_in_changed_lines_of_code_alone() {
        let usual = RiskRules::default();
        let diff = |path: &str, line: &str| {
            format!(
                "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1,2 @@ fn password\n-old\n+{line}\n+x\n"
            )
        };
        let of = |path: &str, line: &str| weighed(&[touched(path, 2, 1)], &diff(path, line), &usual);
        assert_eq!(of("src/a.rs", "let client_secret = 1;").1, "`secret` in a changed line of src/a.rs");
        for line in [
            "let clientSecret = 1;",
            "if user.isAdmin() {",
            "apiKey",
            "password2 = x",
            "chargeCard(9)",
            "DBPassword",
        ] {
            assert_eq!(of("src/a.rs", line).0, RiskClass::High, "{line}");
        }
        let quoted =
            diff("x", "oauth").replace("a/x", "\"a/s\\303\\244.rs\"").replace("b/x", "\"b/s\\303\\244.rs\"");
        assert_eq!(weighed(&[touched("s\u{e4}.rs", 2, 1)], &quoted, &usual).0, RiskClass::High, "{quoted}");
        assert_eq!(of("src/a.rs", "the secretary").0, RiskClass::Low);
        assert_eq!(of("src/a.md", "your password").0, RiskClass::Low);
        // A line that looks like a heading is a line.
        assert_eq!(of("src/a.rs", "++ b/password").1, "`password` in a changed line of src/a.rs");
        assert_eq!(of("src/a.rs", "x").0, RiskClass::Low, "what git names a hunk by has not changed");
    }

    #[test]
    fn the_repositorys_own_rules_add_and_leave_out() {
        let rules = RiskRules {
            high: vec!["core/**".to_owned()],
            low: vec!["db/migrations/".to_owned()],
            words: vec!["iban".to_owned()],
            ..RiskRules::default()
        };
        assert_eq!(
            weighed(&[touched("core/a.rs", 1, 0)], "", &rules).1,
            "a path that WORKFLOW.md calls high: core/a.rs"
        );
        assert_eq!(weighed(&[touched("db/migrations/2.sql", 1, 0)], "", &rules).0, RiskClass::Low);
        assert_eq!(weighed(&[touched("src/iban.rs", 1, 0)], "", &rules).1, "`iban` in the path src/iban.rs");
        let words = ["k8s", "s3", "OAuth2", "2fa", "tax_rate", "geb\u{fc}hr"].map(str::to_owned).to_vec();
        let rules = RiskRules { words, ..RiskRules::default() };
        for path in [
            "deploy/k8s/pod.yaml",
            "src/S3Client.ts",
            "src/s3_client.ts",
            "src/MyOAuth2.kt",
            "lib/oauth2/a.rb",
            "src/2fa.rs",
            "src/tax_rate.rs",
            "src/Geb\u{fc}hrTafel.rs",
        ] {
            assert_eq!(weighed(&[touched(path, 1, 0)], "", &rules).0, RiskClass::High, "{path}");
        }
        for path in ["src/as3.rs", "src/s30.rs", "src/12fa.rs"] {
            assert_eq!(weighed(&[touched(path, 1, 0)], "", &rules).0, RiskClass::Low, "{path}");
        }
    }
}
