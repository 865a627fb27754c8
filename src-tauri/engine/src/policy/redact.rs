//! Secrets in texts that agents' logs hold: keys and tokens by their forms, private keys, passwords in addresses, and what stands
//! beside a telling name and looks like one. What is taken out is marked; the log that it came from stays as it is.
//!
//! Refuses to be sure: what has no form of its own and stands beside no telling name is not known for a secret.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use pilothouse_contract::trajectory::StepKind;
use regex::{Captures, Regex, RegexSet};

/// What stands for a secret.
pub const MARK: &str = "[secret taken out]";

/// A value beside a telling name is a secret from so many bits a character on: words have less.
const BITS: f64 = 3.0;

/// Nothing shorter than this many signs is a secret beside a telling name.
const SHORTEST: usize = 12;
/// By so many signs of it a value is judged.
const LOOKED_AT: usize = 512;

/// Forms, each with the group that is the secret. The last is a telling name alone: what stands behind it is judged by how it looks.
const FORMS: [&str; 5] = [
    r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    r"(?x)(?:\b|\\[nrt]|\x1b?\[[0-9;]*[A-Za-z])(
        sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}
        | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{22,} | glpat-[A-Za-z0-9_-]{20,}
        | xox[abposr]-[A-Za-z0-9-]{10,} | (?:AKIA|ASIA)[0-9A-Z]{16} | AIza[0-9A-Za-z_-]{35} | ya29\.[0-9A-Za-z_-]{20,}
        | npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{50,} | hf_[A-Za-z0-9]{30,} | lin_api_[A-Za-z0-9]{30,}
        | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{20,}
        | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    )",
    r#"(?i)authorization\\?["']?\s*[:=]\s*\\?["']?(?:bearer|basic|token)\s+([^\s"'\\]{8,})"#,
    r#"://[^/\s:@"']*:([^/\s@"']{3,})@"#,
    r#"(?i)\b[a-z0-9_.-]*(?:secret|token|passwd|password|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|credential)[a-z0-9_.-]*\\?["']?\s*[:=]\s*\\?["']?"#,
];

static ANY: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(FORMS).ok());
static EACH: LazyLock<Vec<Regex>> =
    LazyLock::new(|| FORMS.iter().filter_map(|it| Regex::new(it).ok()).collect());

/// A text without its secrets.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    let found = ANY.as_ref().map(|any| any.matches(text));
    let Some(found) = found.filter(regex::SetMatches::matched_any) else { return Cow::Borrowed(text) };
    let mut out = Cow::Borrowed(text);
    for (n, form) in EACH.iter().enumerate().filter(|(n, _)| found.matched(*n)) {
        let replaced = if n + 1 == FORMS.len() { beside_names(form, &out) } else { replaced(form, &out) };
        if let Cow::Owned(replaced) = replaced {
            out = Cow::Owned(replaced);
        }
    }
    out
}

fn replaced<'a>(form: &Regex, text: &'a str) -> Cow<'a, str> {
    form.replace_all(text, |it: &Captures<'_>| {
        let whole = it.get(0).map_or("", |it| it.as_str());
        let secret = it.get(1).map_or("", |it| it.as_str());
        // A group lies at one place in what was found, and the last of its kind is the value.
        let Some(at) = whole.rfind(secret) else { return MARK.to_owned() };
        let before = whole.get(..at).unwrap_or_default();
        let after = whole.get(at + secret.len()..).unwrap_or_default();
        format!("{before}{MARK}{after}")
    })
}

/// Takes out what stands beside a telling name and looks like a secret. What does not is sought through in its turn: an address may hold
/// another name with a value of its own. However a text is made, each place of it is looked at a bounded number of times.
fn beside_names<'a>(name: &Regex, text: &'a str) -> Cow<'a, str> {
    let ends = |it: char| it.is_whitespace() || "\"'`,;\\)}]".contains(it);
    let (mut out, mut done, mut from) = (String::new(), 0, 0);
    while let Some(found) = name.find_at(text, from) {
        from = found.end();
        let behind = text.get(from..).unwrap_or_default();
        let head =
            behind.char_indices().nth(LOOKED_AT).map_or(behind, |(at, _)| behind.get(..at).unwrap_or(behind));
        let value = head.split(ends).next().unwrap_or_default();
        if value.chars().count() < SHORTEST || !looks_secret(value) {
            continue;
        }
        let end = from + behind.find(ends).unwrap_or(behind.len());
        out.push_str(text.get(done..from).unwrap_or_default());
        out.push_str(MARK);
        (done, from) = (end, end);
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// A step without its secrets.
#[must_use]
pub fn step(kind: StepKind) -> StepKind {
    let clean = |text: String| match redacted(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    };
    match kind {
        StepKind::Prompt { text } => StepKind::Prompt { text: clean(text) },
        StepKind::Message { text } => StepKind::Message { text: clean(text) },
        StepKind::Reasoning { text } => StepKind::Reasoning { text: clean(text) },
        StepKind::Call { call, tool, says, input } => StepKind::Call { call, tool, says: clean(says), input },
        StepKind::Result { call, failed, text } => StepKind::Result { call, failed, text: clean(text) },
        StepKind::Error { text } => StepKind::Error { text: clean(text) },
        other => other,
    }
}

/// Whether a value beside a telling name looks like a secret: no name of another one, no path, and not a word.
fn looks_secret(value: &str) -> bool {
    let stands_for =
        ["$", "<", "{", "%", "process.env", "env.", "os.environ", "/", "./", "~/", "http://", "https://"];
    if value == MARK
        || stands_for.iter().any(|it| value.starts_with(it))
        || value.contains("::")
        || value.contains('(')
    {
        return false;
    }
    let digits = value.bytes().any(|it| it.is_ascii_digit());
    let letters = value.bytes().any(|it| it.is_ascii_alphabetic());
    digits && letters && bits(value) >= BITS
}

/// Bits of Shannon's entropy a character.
#[allow(clippy::cast_precision_loss, reason = "counts of characters of a line")]
fn bits(text: &str) -> f64 {
    let mut counts = BTreeMap::<char, usize>::new();
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
    }
    let all = text.chars().count().max(1) as f64;
    counts.values().map(|n| *n as f64 / all).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_known() {
        assert_eq!(EACH.len(), FORMS.len());
        assert!(ANY.is_some());
    }

    #[test]
    fn secrets_go_and_what_stands_around_them_stays() {
        let aws = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
        let github = format!("ghp_{}", "a1B2".repeat(9));
        let model = format!("sk-ant-{}", "x9Yz".repeat(8));
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----";
        for (text, clean) in [
            (format!("use {aws} here"), format!("use {MARK} here")),
            (format!("GH_TOKEN={github}"), format!("GH_TOKEN={MARK}")),
            (format!("key: {model}."), format!("key: {MARK}.")),
            (format!("a\n{key}\nb"), format!("a\n{MARK}\nb")),
            ("Authorization: Bearer abcdef0123456789".to_owned(), format!("Authorization: Bearer {MARK}")),
            ("postgres://app:hunter2x@db/x".to_owned(), format!("postgres://app:{MARK}@db/x")),
            ("DB_PASSWORD='k3Jd82hWq0Zp'".to_owned(), format!("DB_PASSWORD='{MARK}'")),
            (r#"{"api_key": "k3Jd82hWq0Zp"}"#.to_owned(), format!(r#"{{"api_key": "{MARK}"}}"#)),
            (
                r#"{\"client_secret\":\"k3Jd82hWq0Zp\"}"#.to_owned(),
                format!(r#"{{\"client_secret\":\"{MARK}\"}}"#),
            ),
            (r"a\nk3: AKIAABCDEFGHIJKLMNOP".to_owned(), format!(r"a\nk3: {MARK}")),
            (r"a\nAKIAABCDEFGHIJKLMNOP\n".to_owned(), format!(r"a\n{MARK}\n")),
            (
                r#"{\"Authorization\": \"Bearer abcdef0123456789\"}"#.to_owned(),
                format!(r#"{{\"Authorization\": \"Bearer {MARK}\"}}"#),
            ),
            ("\u{1b}[32mAKIAABCDEFGHIJKLMNOP".to_owned(), format!("\u{1b}[32m{MARK}")),
            ("redis://:hunter2x@cache:6379/0".to_owned(), format!("redis://:{MARK}@cache:6379/0")),
            (
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----.".to_owned(),
                format!("{MARK}."),
            ),
            (
                "token_url=https://x.invalid/cb?access_token=k3Jd82hWq0Zp".to_owned(),
                format!("token_url=https://x.invalid/cb?access_token={MARK}"),
            ),
        ] {
            assert_eq!(redacted(&text), clean, "{text}");
            assert_eq!(redacted(&clean), clean, "what is clean stays as it is");
        }
    }

    #[test]
    fn however_a_text_is_made_it_is_read_to_its_end() {
        for piece in ["token=", "token:\"", "a.token-", "secret=http://", "-----BEGIN PRIVATE KEY", "://:"] {
            let text = piece.repeat((1 << 18) / piece.len());
            assert!(redacted(&text).len() <= text.len() + MARK.len());
        }
        let long = format!("DB_PASSWORD={} end", "k3Jd82hWq0Zp".repeat(100));
        assert_eq!(redacted(&long), format!("DB_PASSWORD={MARK} end"));
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "let token = next_token_of_the_line;",
            "password: <your password here>",
            "API_KEY=$MY_API_KEY_2 cargo run",
            "tokens: 1234567890123",
            "secret_path = /home/x/secrets/2024/file1",
            "max_tokens=100000000000",
            "const TOKEN = process.env.TOKEN_2_AND_MORE",
            "the token parser at src/token.rs:12",
            "https://example.invalid:8080/a@b",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn words_and_noise_are_told_apart() {
        assert!(bits("aaaaaaaaaaaa") < 1.0 && bits("k3Jd82hWq0Zp") > 3.4);
    }
}
