//! What a file of instructions cites: links, imports, paths and commands, each with its place; and its paragraphs, to find what is said twice.
//!
//! Refuses to take longer than the file is long: whatever is not closed soon is text.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What is not closed within so many bytes is not looked at.
const NEAR: usize = 512;
/// Of a line that is longer columns are not counted behind here.
const COLUMN_MAX: usize = 8 * 1024;
/// Parentheses in a link's target are not followed deeper.
const DEEP: usize = 8;
/// Paragraphs shorter than this may be the same by chance.
const PARAGRAPH_MIN: usize = 160;

/// Something that is cited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cited {
    /// From 1.
    pub(super) line: usize,
    /// In signs from 1.
    pub(super) column: usize,
    /// What it is.
    pub(super) what: What,
}

/// What can be cited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// `[…](target)`, or `[…]: target`.
    Link(String),
    /// `@target`.
    Import(String),
    /// A path in a code span.
    Mention(String),
    /// A command in a code span.
    Span(String),
    /// A command in a block of a shell.
    Command(String),
}

/// What was found in a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    /// In the order of the file.
    pub(super) cited: Vec<Cited>,
    /// Long paragraphs: the line where they begin, and what they come to.
    pub(super) paragraphs: Vec<(usize, u64)>,
    /// How many lines there are.
    pub(super) lines: usize,
}

/// A fenced block that is open.
#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: char,
    count: usize,
    shell: Shell,
}

/// Whether commands stand in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shell {
    /// Every line is one.
    All,
    /// Those behind a prompt are.
    Prompted,
    /// None is.
    None,
}

/// Looks through a text.
pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let mut fence: Option<Fence> = None;
    let (mut comment, mut goes_on, mut until) = (false, false, None::<String>);
    let mut paragraph = Paragraph::default();
    for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let number = number + 1;
        scan.lines = number;
        let bare = line.trim_start();
        if let Some(open) = fence {
            if closes(open, bare) {
                (fence, goes_on, until) = (None, false, None);
            } else if let Some(end) = &until {
                if bare.trim_end() == end {
                    until = None;
                }
            } else {
                let command = command_of(open.shell, bare).filter(|_| !goes_on);
                goes_on = bare.ends_with('\\');
                if let Some(command) = command {
                    until = here_document(command);
                    let before = line.len().saturating_sub(command.len());
                    scan.cited.push(Cited {
                        line: number,
                        column: column(line, before),
                        what: What::Command(command.trim_end_matches('\\').trim_end().to_owned()),
                    });
                }
            }
            continue;
        }
        if comment {
            comment = !line.contains("-->");
            continue;
        }
        if let Some(open) = opens(bare) {
            paragraph.end(&mut scan);
            fence = Some(open);
            continue;
        }
        if bare.starts_with("<!--") && !bare.contains("-->") {
            comment = true;
            continue;
        }
        if bare.is_empty() || bare.starts_with(['#', '|']) {
            paragraph.end(&mut scan);
        } else {
            paragraph.add(number, bare);
        }
        inline(line, number, &mut scan.cited);
    }
    paragraph.end(&mut scan);
    scan
}

/// Words gathered until a paragraph ends.
#[derive(Default)]
struct Paragraph {
    begins: usize,
    words: String,
}

impl Paragraph {
    fn add(&mut self, line: usize, text: &str) {
        if self.words.is_empty() {
            self.begins = line;
        }
        for word in text.split_whitespace() {
            self.words.extend(word.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase));
            self.words.push(' ');
        }
    }

    fn end(&mut self, scan: &mut Scan) {
        if self.words.len() >= PARAGRAPH_MIN {
            let mut hasher = DefaultHasher::new();
            self.words.trim_end().hash(&mut hasher);
            scan.paragraphs.push((self.begins, hasher.finish()));
        }
        self.words.clear();
    }
}

fn opens(line: &str) -> Option<Fence> {
    let mark = line.chars().next().filter(|it| matches!(it, '`' | '~'))?;
    let count = line.chars().take_while(|it| *it == mark).count();
    let info = line.get(count..)?.trim();
    if count < 3 || mark == '`' && info.contains('`') {
        return None;
    }
    let language = info.split([' ', ',', '{']).next().unwrap_or_default().to_lowercase();
    let shell = match language.as_str() {
        "sh" | "bash" | "shell" | "zsh" => Shell::All,
        "" | "console" | "shell-session" | "shellsession" | "terminal" => Shell::Prompted,
        _ => Shell::None,
    };
    Some(Fence { mark, count, shell })
}

fn closes(open: Fence, line: &str) -> bool {
    let count = line.chars().take_while(|it| *it == open.mark).count();
    count >= open.count && line.get(count..).is_some_and(|it| it.trim().is_empty())
}

fn command_of(shell: Shell, line: &str) -> Option<&str> {
    let prompted = line.strip_prefix("$ ").map(str::trim_start);
    match shell {
        Shell::All => Some(prompted.unwrap_or(line)).filter(|it| !it.is_empty() && !it.starts_with('#')),
        Shell::Prompted => prompted,
        Shell::None => None,
    }
}

/// What ends the text that a command is handed in its own lines.
fn here_document(command: &str) -> Option<String> {
    let (_, behind) = command.split_once("<<")?;
    let word = behind.trim_start_matches('-').trim_start().trim_start_matches(['\'', '"', '\\']);
    let word: String = word.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The column of a byte of a line.
fn column(line: &str, at: usize) -> usize {
    if at > COLUMN_MAX { 0 } else { line.get(..at).map_or(0, |it| it.chars().count() + 1) }
}

/// What one line cites outside of blocks.
fn inline(line: &str, number: usize, cited: &mut Vec<Cited>) {
    let mut add = |at: usize, what: What| cited.push(Cited { line: number, column: column(line, at), what });
    let bytes = line.as_bytes();
    if let Some(target) = defined(line) {
        add(0, What::Link(target.to_owned()));
        return;
    }
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'`' => {
                let count = bytes.get(at..).unwrap_or_default().iter().take_while(|it| **it == b'`').count();
                let from = at + count;
                match closing(bytes, from, count) {
                    Some(to) => {
                        let span = line.get(from..to).unwrap_or_default().trim();
                        if let Some(what) = spanned(span) {
                            add(from, what);
                        }
                        at = to + count - 1;
                    }
                    None => at = from - 1,
                }
            }
            b']' if bytes.get(at + 1) == Some(&b'(') => {
                if let Some(target) = target(line, at + 2) {
                    add(at + 2, What::Link(target.to_owned()));
                }
                at += 1;
            }
            b'@' if at == 0 || bytes.get(at - 1).is_some_and(|it| b" \t(*-".contains(it)) => {
                let path: &str = line.get(at + 1..).unwrap_or_default();
                let end = path.find(|it: char| it.is_whitespace() || "`\"'<>()[],;:".contains(it));
                let path = path.get(..end.unwrap_or(path.len()).min(NEAR)).unwrap_or_default();
                let path = path.trim_end_matches(['.', '!', '?', '*']);
                if is_path(path) {
                    add(at, What::Import(path.to_owned()));
                }
                at += path.len();
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where a code span ends that was opened by so many marks.
fn closing(bytes: &[u8], from: usize, count: usize) -> Option<usize> {
    let most = bytes.len().min(from.saturating_add(NEAR));
    let mut at = from;
    while at < most {
        if bytes.get(at) == Some(&b'`') {
            let run = bytes.get(at..).unwrap_or_default().iter().take_while(|it| **it == b'`').count();
            if run == count {
                return Some(at);
            }
            at += run;
        } else {
            at += 1;
        }
    }
    None
}

/// The target of `[name]: target` on a line of its own.
fn defined(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('[')?;
    let (name, target) = rest.split_once("]: ")?;
    let named = !name.is_empty() && name.len() < NEAR && !name.contains([']', '[']) && !name.starts_with('^');
    target.split_whitespace().next().filter(|it| named && it.len() < NEAR)
}

/// The target of a link whose bracket was just opened.
fn target(line: &str, from: usize) -> Option<&str> {
    let rest = line.get(from..)?;
    let most = (0..=rest.len().min(NEAR)).rev().find(|it| rest.is_char_boundary(*it))?;
    let near = rest.get(..most)?;
    if let Some(bracketed) = near.strip_prefix('<') {
        return bracketed.split_once('>').map(|(target, _)| target);
    }
    let (mut depth, mut end) = (0_usize, None);
    for (at, sign) in near.char_indices() {
        match sign {
            '(' if depth == DEEP => break,
            '(' => depth += 1,
            ')' if depth == 0 => {
                end = Some(at);
                break;
            }
            ')' => depth -= 1,
            _ => {}
        }
    }
    near.get(..end?)?.split_whitespace().next()
}

/// What a code span cites, if anything.
fn spanned(span: &str) -> Option<What> {
    let single = !span.contains(char::is_whitespace);
    if single {
        let file = [".md", ".mdc"].iter().any(|it| span.len() > it.len() && span.ends_with(it));
        let plain = !span.contains(['*', '<', '{', '$', '|', '"', '…']);
        return (file && plain && !span.contains("NNN")).then(|| What::Mention(span.to_owned()));
    }
    (span.len() < NEAR).then(|| What::Span(span.to_owned()))
}

/// Whether what follows an `@` is a path, and no name of a person or a package.
fn is_path(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').is_some_and(|(stem, ending)| {
        (!stem.is_empty() || text.contains('/'))
            && !ending.is_empty()
            && ending.len() <= 8
            && ending.chars().all(|it| it.is_ascii_alphanumeric())
    });
    let rooted = ["./", "../", "~/", "/"].iter().any(|it| text.starts_with(it));
    text.len() > 1 && (ending || rooted && !name.is_empty()) && !text.contains('@')
}
