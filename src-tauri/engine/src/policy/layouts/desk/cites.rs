//! What a spec cites - paths, symbols, headings - held against the tree: there, moved, missing, or made by this very work.
//!
//! Refuses to take any word in code for a symbol: it ends in `()`, or names whose it is by `::`.

use std::collections::{BTreeSet, HashMap, HashSet};

use pilothouse_contract::desk::{Citation, CiteState, Place};

use super::{Docs, Facts, Made, Tree, Wants, parts};
use crate::policy::specs::lines;

/// So many are held against the tree at most.
const CITED_MAX: usize = 1000;
/// What stands before a name where it is defined.
const DEFINES: [&str; 18] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "type",
    "mod",
    "const",
    "static",
    "class",
    "def",
    "function",
    "interface",
    "func",
    "let",
    "var",
    "module",
    "macro_rules!",
    "union",
];

/// What is cited, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cited<'a> {
    /// A path, and a line of it.
    Path { path: &'a str, line: Option<usize> },
    /// A symbol, and the file that it is said to be in.
    Symbol { name: &'a str, file: Option<&'a str> },
    /// A heading of another file, or of this one.
    Link { file: String, anchor: Option<&'a str> },
}

impl Cited<'_> {
    fn path(&self) -> Option<&str> {
        match self {
            Self::Path { path, .. } => Some(path),
            Self::Symbol { file, .. } => *file,
            Self::Link { file, .. } => Some(file),
        }
    }
}

/// One place that cites something.
struct Mention<'a> {
    file: &'a str,
    line: usize,
    written: &'a str,
    cited: Cited<'a>,
    /// Whether it is said to be new.
    new: bool,
}

fn mentions<'a>(docs: &Docs<'a>, tree: &Tree) -> Vec<Mention<'a>> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, text) in docs.prose() {
        for line in lines(text).filter(|it| !it.hidden && !docs.is_tasks(file, it.span.from)) {
            let in_code = code(line.text).filter_map(|(part, behind)| {
                let new = behind.trim_start().to_ascii_lowercase().starts_with("(new");
                of_code(part, tree).map(|it| (part, it, new))
            });
            let of_links = links(line.text).filter_map(|it| Some((it, of_link(file, it)?, false)));
            for (written, cited, new) in in_code.chain(of_links) {
                if all.len() < CITED_MAX && seen.insert((file, written)) {
                    all.push(Mention { file, line: line.number, written, cited, new });
                }
            }
        }
    }
    all
}

/// What stands between backticks, and what comes behind.
fn code(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut at = 0;
    line.split('`').enumerate().filter_map(move |(number, part)| {
        at += part.len() + 1;
        (number % 2 == 1 && !part.is_empty()).then(|| (part, line.get(at..).unwrap_or_default()))
    })
}

/// Where links lead that stay in the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|it| it.split_once(')').map(|it| it.0.trim())).filter(|it| {
        let outside = it.contains("://") || it.starts_with("mailto:") || it.starts_with('<');
        !outside && !it.is_empty() && !it.contains(char::is_whitespace)
    })
}

fn of_link<'a>(from: &str, link: &'a str) -> Option<Cited<'a>> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let anchor = anchor.filter(|it| !it.is_empty());
    if path.is_empty() {
        return anchor.map(|it| Cited::Link { file: from.to_owned(), anchor: Some(it) });
    }
    let folder = from.rsplit_once('/').map_or("", |it| it.0);
    let mut way: Vec<&str> = if path.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|it| !it.is_empty()).collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // What leads out of the repository is nobody's to look at.
            ".." => drop(way.pop()?),
            part => way.push(part),
        }
    }
    Some(Cited::Link { file: way.join("/"), anchor })
}

fn is_name(text: &str) -> bool {
    let mut signs = text.chars();
    signs.next().is_some_and(|it| it.is_alphabetic() || it == '_')
        && signs.all(|it| it.is_alphanumeric() || it == '_')
}

fn of_code<'a>(part: &'a str, tree: &Tree) -> Option<Cited<'a>> {
    let bare = part.trim_start_matches("./");
    let odd = |it: char| it.is_whitespace() || "*?{}<>$|\"'=@,;[]\\!".contains(it);
    if bare.contains(odd)
        || bare.contains("://")
        || bare.starts_with(['/', '-', '#', '.', '~']) && !bare.starts_with(".github/")
    {
        return None;
    }
    let (head, tail) = match (bare.split_once("::"), bare.split_once('#'), bare.split_once(':')) {
        (Some((head, tail)), ..) if head.contains('/') => (head, Some(tail)),
        (None, Some((head, tail)), _) => (head, Some(tail)),
        (None, None, Some((head, tail))) => (head, Some(tail)),
        _ => (bare, None),
    };
    let name = head.rsplit('/').next().unwrap_or(head);
    let dotted = name.contains('.') && !name.starts_with('.') && !name.ends_with('.');
    let folder = head.ends_with('/') && head.len() > 1;
    let is_path = !head.contains(['(', ')'])
        && (head.contains('/') && (dotted || folder) || !head.contains('/') && dotted && tree.contains(head));
    if is_path {
        let last = |it: &'a str| it.trim_end_matches("()").rsplit("::").next().unwrap_or(it);
        let number = |it: &str| {
            let digits = it.trim_start_matches('L');
            digits.split(['-', ':', ',']).next().and_then(|it| it.parse::<usize>().ok())
        };
        return Some(match tail {
            Some(tail) if number(tail).is_some() => Cited::Path { path: head, line: number(tail) },
            Some(tail) if is_name(last(tail)) => Cited::Symbol { name: last(tail), file: Some(head) },
            _ => Cited::Path { path: head, line: None },
        });
    }
    let called = bare.strip_suffix("()");
    let words = called.unwrap_or(bare);
    let name = words.rsplit("::").next().unwrap_or(words);
    let scoped = words.contains("::");
    ((called.is_some() || scoped) && words.split("::").all(is_name))
        .then_some(Cited::Symbol { name, file: None })
}

/// What must be looked up for it.
pub(super) fn wants(docs: &Docs<'_>, tree: &Tree, wants: &mut Wants) {
    for it in mentions(docs, tree) {
        match it.cited {
            Cited::Path { line: None, .. } => {}
            Cited::Path { path, line: Some(_) } => drop(wants.files.insert(path.to_owned())),
            Cited::Symbol { name, file } => {
                wants.symbols.insert(name.to_owned());
                wants.files.extend(file.map(str::to_owned));
            }
            Cited::Link { file, anchor } => {
                if anchor.is_some() {
                    wants.files.insert(file);
                }
            }
        }
    }
}

/// What an item cites, and how it stands.
pub(super) fn citations(docs: &Docs<'_>, facts: &Facts<'_>) -> Vec<Citation> {
    let all = mentions(docs, facts.tree);
    let named: HashSet<&str> = all.iter().filter_map(|it| name_of(it.cited.path()?)).collect();
    let mut alike: HashMap<&str, Vec<&str>> = HashMap::new();
    for path in facts.tree {
        if let Some(name) = name_of(path).filter(|it| named.contains(it)) {
            alike.entry(name).or_default().push(path);
        }
    }
    let look = Look { facts, made: docs.made(), alike };
    all.iter().map(|it| citation(docs, &look, it)).collect()
}

fn name_of(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|it| !it.is_empty())
}

/// What citations are held against.
struct Look<'a> {
    facts: &'a Facts<'a>,
    /// What tasks may write.
    made: &'a Made,
    /// Files of the tree by the names that are cited.
    alike: HashMap<&'a str, Vec<&'a str>>,
}

fn citation(docs: &Docs<'_>, look: &Look<'_>, it: &Mention<'_>) -> Citation {
    let (state, found, says) = match &it.cited {
        Cited::Path { path, line } => of_path(look, it.new, path, *line),
        Cited::Symbol { name, file } => of_symbol(look, it.new, name, *file),
        Cited::Link { file, anchor } => of_heading(docs, look, file, *anchor),
    };
    Citation { cited: it.written.to_owned(), place: Place::new(it.file, it.line), state, found, says }
}

type Stands = (CiteState, Option<Place>, String);

fn missing(says: &str) -> Stands {
    (CiteState::Missing, None, says.to_owned())
}

fn of_path(look: &Look<'_>, new: bool, path: &str, line: Option<usize>) -> Stands {
    if look.facts.has(path) {
        let all = look.facts.text(path).map(|it| lines(it).count());
        return match (line, all) {
            (Some(line), Some(all)) if line > all => {
                missing(&format!("the file has {all} lines only: mend the number"))
            }
            (line, _) => (CiteState::Exists, Some(Place::new(path, line.unwrap_or(0))), String::new()),
        };
    }
    if new || look.made.matches(path.trim_end_matches('/')) {
        return (CiteState::New, None, String::new());
    }
    match elsewhere(look, path) {
        Some(other) => {
            let says = format!("mend the path: a file of that name lies at {other}");
            (CiteState::Moved, Some(Place::new(other, 0)), says)
        }
        None => missing("mend the path, or write '(new)' behind it"),
    }
}

/// A file of the same name that shares most of its way.
fn elsewhere<'a>(look: &Look<'a>, path: &str) -> Option<&'a str> {
    let shared =
        |it: &str| it.rsplit('/').zip(path.rsplit('/')).take_while(|(one, other)| one == other).count();
    let all = look.alike.get(name_of(path)?)?.iter().copied();
    // Of several as near the first by its path.
    all.map(|it| (shared(it), it)).reduce(|best, it| if it.0 > best.0 { it } else { best }).map(|it| it.1)
}

fn of_symbol(look: &Look<'_>, new: bool, name: &str, file: Option<&str>) -> Stands {
    if let Some(file) = file {
        if !look.facts.has(file) {
            let stands = of_path(look, new, file, None);
            let Some(found) = defined(look.facts, name) else { return stands };
            return (CiteState::Moved, Some(found), "mend the path: it is there now".to_owned());
        }
        if let Some(found) = within(look.facts, name, file) {
            return (CiteState::Exists, Some(found), String::new());
        }
    }
    let found = defined(look.facts, name);
    match (found, file) {
        (Some(found), None) => (CiteState::Exists, Some(found), String::new()),
        _ if new => (CiteState::New, None, String::new()),
        (Some(found), Some(file)) => {
            let says = format!("mend the path: {file} does not hold it");
            (CiteState::Moved, Some(found), says)
        }
        (None, Some(file)) => missing(&format!(
            "{file} does not hold it, and no other file: mend the name, or write '(new)' behind it"
        )),
        (None, None) => missing("no file holds it: mend the name, or write '(new)' behind it"),
    }
}

/// Whether a line defines a name rather than uses it.
fn defines(line: &str, name: &str) -> bool {
    let mut before = "";
    for word in line.split(|it: char| !(it.is_alphanumeric() || it == '_' || it == '!')) {
        if word == name && DEFINES.contains(&before) {
            return true;
        }
        if !word.is_empty() {
            before = word;
        }
    }
    false
}

/// Whether a line holds a name as a word.
pub(super) fn holds(line: &str, name: &str) -> bool {
    line.split(|it: char| !(it.is_alphanumeric() || it == '_')).any(|it| it == name)
}

/// Where a file holds a name: where it is defined, else where it stands first.
fn within(facts: &Facts<'_>, name: &str, file: &str) -> Option<Place> {
    let all = || lines(facts.text(file).unwrap_or_default()).filter(|it| holds(it.text, name));
    let line = all().find(|it| defines(it.text, name)).or_else(|| all().next())?;
    Some(Place::new(file, line.number))
}

/// Where the tree holds a name.
fn defined(facts: &Facts<'_>, name: &str) -> Option<Place> {
    let all = facts.symbols.get(name)?;
    let found = all.iter().find(|(_, line)| defines(line, name)).or_else(|| all.first());
    found.map(|(place, _)| place.clone())
}

fn of_heading(docs: &Docs<'_>, look: &Look<'_>, file: &str, anchor: Option<&str>) -> Stands {
    if !look.facts.has(file) {
        return of_path(look, false, file, None);
    }
    let own = docs.texts.iter().find(|it| it.0 == file).map(|it| it.1);
    let (Some(anchor), Some(text)) = (anchor, own.or_else(|| look.facts.text(file))) else {
        return (CiteState::Exists, Some(Place::new(file, 0)), String::new());
    };
    if let Some(line) = anchor.strip_prefix('L').and_then(|it| it.parse::<usize>().ok()) {
        return of_path(look, false, file, Some(line));
    }
    match parts(text).iter().find(|it| slug(&it.title) == anchor.to_lowercase()) {
        Some(it) => (CiteState::Exists, Some(Place::new(file, it.line)), String::new()),
        None if lines(text)
            .next()
            .is_some_and(|it| slug(it.text.trim_start_matches(['#', ' '])) == anchor.to_lowercase()) =>
        {
            (CiteState::Exists, Some(Place::new(file, 1)), String::new())
        }
        None => missing(&format!("{file} has no such heading: mend the link")),
    }
}

/// A heading as links name it.
fn slug(title: &str) -> String {
    let signs = title.trim().chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        it if it.is_alphanumeric() => Some(it),
        _ => None,
    });
    signs.flat_map(char::to_lowercase).collect()
}
