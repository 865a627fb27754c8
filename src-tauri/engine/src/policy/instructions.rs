//! The instruction graph: `AGENTS.md` and its kin, skills, and what they lead to, as nodes and edges; with dead links, orphans, commands that
//! do not exist, what is said twice, and the byte at which a limit cuts.
//!
//! Pure: paths and bytes in, data out. It refuses to fail on any bytes, to follow a link out of the repository, and to run what is cited.

mod chains;
mod commands;
mod finds;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pilothouse_contract::instructions::{Edge, EdgeKind, Finding, FindingKind, Graph, Node, NodeKind};

pub use chains::CODEX;
use commands::Runnable;
use text::{Cited, Scan, What};

/// A file that is longer is measured and not read.
pub const FILE_MAX: u64 = 1024 * 1024;
/// More documents than these are not gone after.
pub const FILES_MAX: usize = 2000;
/// Among so many of the newest findings it is looked for one that says the same.
const ALIKE: usize = 64;
/// More findings than these are counted and not listed.
const FINDINGS_MAX: usize = 500;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link of the file system: where it leads to, if that is in the repository.
    Alias(Option<String>),
}

/// The paths of a repository, relative to its top, with forward slashes.
pub type Tree = BTreeMap<String, Entry>;

/// A file as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its bytes, or the first of them.
    pub bytes: Vec<u8>,
    /// How long it is.
    pub size: u64,
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), size: u64::try_from(text.len()).unwrap_or(u64::MAX) }
    }
}

/// Files by their paths.
pub type Files = BTreeMap<String, Source>;

/// What the world says, asked by whoever may look.
pub struct World<'a> {
    /// Whether there is such a path in the repository, ignored by git or not.
    pub has: &'a dyn Fn(&str) -> bool,
    /// Whether such a program can be found.
    pub program: &'a dyn Fn(&str) -> bool,
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder that a path lies in; empty for the top.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path from a folder on; nothing if it leads out of the repository.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|it| !it.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Where skills lie.
pub const SKILL_ROOTS: [&str; 7] = [
    ".agents/skills",
    ".claude/skills",
    ".codex/skills",
    ".github/skills",
    ".cursor/skills",
    ".ai/skills",
    "skills",
];

/// The folder of the skill that a path belongs to.
#[must_use]
pub fn skill_of(path: &str) -> Option<&str> {
    SKILL_ROOTS.iter().find_map(|root| {
        // Packages of a repository may have skills of their own.
        let at = match path.strip_prefix(root) {
            Some(rest) if rest.starts_with('/') => root.len() + 1,
            _ if root.starts_with('.') => path.find(&format!("/{root}/"))? + root.len() + 2,
            _ => return None,
        };
        let name = path.get(at..)?.split_once('/')?.0;
        path.get(..at + name.len())
    })
}

/// What a path is by its name, if an agent reads it by itself.
#[must_use]
pub fn kind_of(path: &str) -> Option<NodeKind> {
    let (folder, name) = (folder_of(path), name_of(path));
    let below =
        |folder: &str| path.starts_with(&format!("{folder}/")) || path.contains(&format!("/{folder}/"));
    match name {
        "AGENTS.md" | "AGENTS.override.md" => Some(NodeKind::Agents),
        "CLAUDE.md" => Some(NodeKind::Claude),
        "GEMINI.md" => Some(NodeKind::Gemini),
        ".cursorrules" => Some(NodeKind::Cursor),
        "copilot-instructions.md" if folder == ".github" => Some(NodeKind::Copilot),
        "SKILL.md" => skill_of(path).filter(|it| *it == folder).map(|_| NodeKind::Skill),
        _ if name.ends_with(".mdc") && below(".cursor/rules") => Some(NodeKind::Cursor),
        _ if name.ends_with(".md") && below(".claude/rules") => Some(NodeKind::Claude),
        _ if name.ends_with(".instructions.md") && below(".github/instructions") => Some(NodeKind::Copilot),
        _ => None,
    }
}

/// Whether a path is written for agents, and read by none unless something leads to it.
fn waits_for_a_link(path: &str) -> bool {
    let (folder, name) = (folder_of(path), name_of(path));
    let kin = ["agents.md", "agent.md", "claude.md", "gemini.md"].contains(&name.to_lowercase().as_str());
    let of_a_skill = || {
        skill_of(path).is_some_and(|skill| {
            !path.contains("/evals/")
                && !path.contains("/assets/")
                && (skill != folder || name != "README.md")
        })
    };
    kind_of(path).is_none() && name.ends_with(".md") && (kin || of_a_skill())
}

/// The files that are looked at first: what agents read, what is written for them, and what says which commands there are.
#[must_use]
pub fn roots(tree: &Tree) -> Vec<String> {
    let wanted = |path: &String| {
        kind_of(path).is_some()
            || waits_for_a_link(path)
            || commands::is_manifest(path)
            || skill_of(path).is_some() && path.ends_with(".json") && path.contains("/evals/")
    };
    tree.iter()
        .filter(|(path, entry)| **entry != Entry::Folder && wanted(path))
        .map(|(path, _)| path.clone())
        .take(FILES_MAX)
        .collect()
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// To a path, whether there is something or not.
    Path(String),
    /// Out of the repository, on this machine.
    Outside,
    /// To another place of the same file, or to the web.
    Elsewhere,
}

fn resolve(from: &str, link: &str, tree: &Tree) -> Target {
    let bare = link.split(['#', '?']).next().unwrap_or_default();
    let scheme = bare.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
    });
    if bare.is_empty() || scheme || bare.starts_with("//") {
        return Target::Elsewhere;
    }
    let path = decoded(bare);
    if path.starts_with('~') || path.contains('\\') || path.get(1..3) == Some(":/") {
        return Target::Outside;
    }
    let found = match path.strip_prefix('/') {
        // By the rule of forges the top of the repository; by that of the file system somewhere else.
        Some(rest) => join("", rest).filter(|it| tree.contains_key(it)),
        None => join(folder_of(from), &path),
    };
    found.map_or(Target::Outside, Target::Path)
}

/// `%20` and its kin.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of a file, if it can be looked through.
fn text_of(source: &Source) -> Option<&str> {
    (source.size <= FILE_MAX).then(|| std::str::from_utf8(&source.bytes).ok()).flatten()
}

/// Whether what a file leads to is gone after.
fn is_document(path: &str) -> bool {
    [".md", ".mdc", ".markdown"].iter().any(|it| path.ends_with(it))
}

/// The documents that a file leads to.
#[must_use]
pub fn leads_to(tree: &Tree, path: &str, source: &Source) -> Vec<String> {
    let Some(text) = text_of(source).filter(|_| is_document(path) || kind_of(path).is_some()) else {
        return Vec::new();
    };
    let scan = text::scan(text);
    let led = scan.cited.iter().filter_map(|it| led(path, &it.what, tree).map(|(path, _)| path));
    led.filter(|it| is_document(it)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The path in the tree that something cited leads to, and how.
fn led(from: &str, what: &What, tree: &Tree) -> Option<(String, EdgeKind)> {
    let there = |link: &str| match resolve(from, link, tree) {
        Target::Path(path) => tree.contains_key(&path).then_some(path),
        _ => None,
    };
    match what {
        What::Link(link) => there(link).map(|it| (it, EdgeKind::Link)),
        What::Import(link) => there(link).map(|it| (it, EdgeKind::Import)),
        What::Mention(link) => there(link)
            .or_else(|| join("", link).filter(|it| tree.contains_key(it)))
            .map(|it| (it, EdgeKind::Mention)),
        What::Span(_) | What::Command(_) => None,
    }
}

/// What is gathered on the way.
struct Draft<'a> {
    tree: &'a Tree,
    files: &'a Files,
    world: &'a World<'a>,
    nodes: Vec<Node>,
    number: BTreeMap<String, usize>,
    edges: BTreeMap<(usize, usize), (EdgeKind, usize)>,
    scans: Vec<Scan>,
    findings: Vec<Finding>,
}

/// The graph of what was read.
#[must_use]
pub fn graph(tree: &Tree, files: &Files, world: &World<'_>) -> Graph {
    let mut draft = Draft {
        tree,
        files,
        world,
        nodes: Vec::new(),
        number: BTreeMap::new(),
        edges: BTreeMap::new(),
        scans: Vec::new(),
        findings: Vec::new(),
    };
    draft.gather();
    draft.link();
    draft.nest();
    draft.measure();
    let chains = chains::chains(tree, files);
    draft.cuts(&chains);
    draft.circles();
    draft.twice();
    draft.long();
    draft.forms();
    draft.done(chains)
}

impl Draft<'_> {
    /// Makes a node of each file, and looks through it.
    fn gather(&mut self) {
        for (path, source) in self.files {
            let kind = kind_of(path);
            if kind.is_none() && !is_document(path) {
                continue;
            }
            let alias = matches!(self.tree.get(path), Some(Entry::Alias(_)));
            let scan = if alias { Scan::default() } else { self.looked_through(path, source) };
            self.number.insert(path.clone(), self.nodes.len());
            self.scans.push(scan);
            self.nodes.push(Node {
                path: path.clone(),
                kind: kind.unwrap_or(NodeKind::Document),
                bytes: source.size,
                tokens: source.size.div_ceil(4),
                depth: 0,
                orphan: false,
            });
        }
    }

    fn looked_through(&mut self, path: &str, source: &Source) -> Scan {
        if source.size > FILE_MAX {
            self.find(FindingKind::Unreadable, path, (0, 0), true).words(
                &format!(
                    "is {} long, and is not looked through",
                    pilothouse_contract::text::size(source.size)
                ),
                "divide it: no agent reads so much before it works",
            );
            return Scan::default();
        }
        match std::str::from_utf8(&source.bytes) {
            Ok(text) => text::scan(text),
            Err(error) => {
                let place = crate::policy::layouts::place(&source.bytes, error.valid_up_to());
                self.find(FindingKind::Unreadable, path, place, true).words(
                    "holds a byte here that is no UTF-8 text, and is not looked through",
                    "save the file as UTF-8",
                );
                Scan::default()
            }
        }
    }

    /// Follows what each file cites.
    fn link(&mut self) {
        let runnable = Runnable::of(self.files);
        for (from, scan) in std::mem::take(&mut self.scans).into_iter().enumerate() {
            let Some(path) = self.nodes.get(from).map(|it| it.path.clone()) else { continue };
            match self.tree.get(&path) {
                Some(Entry::Alias(Some(to))) => {
                    if let Some(to) = self.number.get(to) {
                        self.edges.insert((from, *to), (EdgeKind::Alias, 0));
                    }
                }
                Some(Entry::Alias(None)) => self.find(FindingKind::Outside, &path, (0, 0), true).words(
                    "is a link of the file system out of the repository, or to nothing",
                    "put a file in its place, or link to one of the repository",
                ),
                _ => {}
            }
            for cited in &scan.cited {
                self.follow(from, &path, cited, &runnable);
            }
            self.scans.push(scan);
        }
    }

    fn follow(&mut self, from: usize, path: &str, cited: &Cited, runnable: &Runnable) {
        let place = (cited.line, cited.column);
        if let Some((to, kind)) = led(path, &cited.what, self.tree) {
            if let Some(to) = self.number.get(&to).copied().filter(|it| *it != from) {
                self.edges.entry((from, to)).or_insert((kind, cited.line));
            }
            return;
        }
        match &cited.what {
            What::Link(link) => match resolve(path, link, self.tree) {
                Target::Path(to) if !(self.world.has)(&to) => self.dead(path, place, "links to", link, true),
                Target::Outside => self.outside(path, place, link, true),
                _ => {}
            },
            What::Import(link) => match resolve(path, link, self.tree) {
                Target::Path(to) if !(self.world.has)(&to) => {
                    // An address, a decorator or a package looks like one too.
                    let sure = is_document(link) || ["./", "../"].iter().any(|it| link.starts_with(it));
                    self.dead(path, place, "imports", link, sure);
                }
                Target::Outside => self.outside(path, place, link, false),
                _ => {}
            },
            What::Span(line) | What::Command(line) => {
                let whole = matches!(cited.what, What::Command(_));
                for wrong in runnable.wrong(path, line, whole, self.world) {
                    // What is missing everywhere is said once of a file.
                    let said = |it: &Finding| {
                        it.kind == FindingKind::MissingCommand && it.file == path && it.says == wrong.says
                    };
                    if self.findings.iter().rev().take(ALIKE).any(said) {
                        continue;
                    }
                    self.find(FindingKind::MissingCommand, path, place, wrong.blocking)
                        .words(&wrong.says, &wrong.remedy);
                }
            }
            What::Mention(link) => {
                // Rows that say where to read; skills and documents name files that are only to be made.
                let kind = self.nodes.get(from).map(|it| it.kind);
                let routes =
                    link.contains('/') && !matches!(kind, None | Some(NodeKind::Skill | NodeKind::Document));
                let here = join(folder_of(path), link).is_some_and(|it| (self.world.has)(&it));
                let there = join("", link).is_some_and(|it| (self.world.has)(&it));
                if routes && !here && !there {
                    self.dead(path, place, "names", link, false);
                }
            }
        }
    }

    fn dead(&mut self, path: &str, place: (usize, usize), verb: &str, link: &str, blocking: bool) {
        self.find(FindingKind::DeadLink, path, place, blocking)
            .words(&format!("{verb} {link}, which is not there"), "mend the path, or take the link out");
    }

    fn outside(&mut self, path: &str, place: (usize, usize), link: &str, blocking: bool) {
        self.find(FindingKind::Outside, path, place, blocking).words(
            &format!("leads to {link}, out of the repository, and is not followed"),
            "bring the file into the repository: others do not have it",
        );
    }

    /// Files that are read after those of the folders above.
    fn nest(&mut self) {
        let heads = chains::heads(self.tree);
        let mut nested = Vec::new();
        for (folder, path) in &heads {
            let above = chains::above(&heads, folder);
            if let (Some(node), Some(depth)) = (self.number.get(*path).copied(), above.len().checked_sub(1)) {
                let parent = depth.checked_sub(1).and_then(|it| above.get(it));
                nested.push((node, depth, parent.and_then(|it| self.number.get(*it)).copied()));
            }
            let shadowed =
                if folder.is_empty() { "AGENTS.md".to_owned() } else { format!("{folder}/AGENTS.md") };
            if name_of(path) == "AGENTS.override.md" && self.tree.contains_key(&shadowed) {
                self.find(FindingKind::Orphan, &shadowed, (0, 0), false).words(
                    "is not read by Codex, for AGENTS.override.md lies beside it",
                    "say in one of them what both say",
                );
            }
        }
        for (node, depth, parent) in nested {
            if let Some(it) = self.nodes.get_mut(node) {
                it.depth = depth;
            }
            if let Some(parent) = parent {
                self.edges.entry((parent, node)).or_insert((EdgeKind::Nested, 0));
            }
        }
    }

    /// How deep each lies, and what nothing leads to.
    fn measure(&mut self) {
        let mut queue: VecDeque<usize> = (0..self.nodes.len())
            .filter(|it| self.nodes.get(*it).is_some_and(|it| it.kind != NodeKind::Document))
            .collect();
        let mut reached: BTreeSet<usize> = queue.iter().copied().collect();
        let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in self.edges.keys() {
            next.entry(*from).or_default().push(*to);
        }
        while let Some(at) = queue.pop_front() {
            let depth = self.nodes.get(at).map_or(0, |it| it.depth);
            for to in next.get(&at).into_iter().flatten() {
                if reached.insert(*to) {
                    if let Some(it) = self.nodes.get_mut(*to) {
                        it.depth = depth + 1;
                    }
                    queue.push_back(*to);
                }
            }
        }
        let lost: Vec<usize> = (0..self.nodes.len()).filter(|it| !reached.contains(it)).collect();
        for at in lost {
            let Some(node) = self.nodes.get_mut(at) else { continue };
            node.orphan = true;
            let path = node.path.clone();
            let skill = skill_of(&path).map(str::to_owned);
            let remedy = match skill {
                Some(skill) => format!("link to it from {skill}/SKILL.md, or delete it"),
                None => {
                    "link to it from AGENTS.md, give it the name that agents read, or delete it".to_owned()
                }
            };
            self.find(FindingKind::Orphan, &path, (0, 0), false)
                .words("is written for agents, and nothing leads to it", &remedy);
        }
    }

    /// Puts it together: what blocks first, and not more than anybody reads.
    fn done(mut self, chains: Vec<pilothouse_contract::instructions::Chain>) -> Graph {
        self.findings.sort_by(|one, other| {
            let key = |it: &Finding| (!it.blocking, it.file.clone(), it.line, it.column, it.kind);
            key(one).cmp(&key(other))
        });
        self.findings.dedup();
        let holds = self.findings.iter().all(|it| !it.blocking);
        let more = self.findings.len().saturating_sub(FINDINGS_MAX);
        if more > 0 {
            self.findings.truncate(FINDINGS_MAX);
            self.find(FindingKind::Long, "", (0, 0), false)
                .words(&format!("{more} more findings are not listed"), "mend these first");
        }
        // What is only led to is not counted as read at once, but is a part of the whole all the same.
        let counted =
            || self.nodes.iter().filter(|it| !matches!(self.tree.get(&it.path), Some(Entry::Alias(_))));
        let (bytes, tokens) =
            counted().fold((0, 0), |(bytes, tokens), it| (bytes + it.bytes, tokens + it.tokens));
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|it| self.nodes.get(*it).map(|it| (it.depth, it.kind, it.path.clone())));
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(it) = place.get_mut(*old) {
                *it = new;
            }
        }
        let at = |old: &usize| place.get(*old).copied().unwrap_or_default();
        let mut edges: Vec<Edge> = self
            .edges
            .iter()
            .map(|((from, to), (kind, line))| Edge { from: at(from), to: at(to), kind: *kind, line: *line })
            .collect();
        edges.sort_by_key(|it| (it.from, it.to));
        let nodes = order.iter().filter_map(|it| self.nodes.get(*it).cloned()).collect();
        Graph { holds, bytes, tokens, nodes, edges, chains, findings: self.findings }
    }
}

/// The commands of this program that a text names, whether in a sentence or in a block.
#[must_use]
pub fn commands_in(text: &str) -> Vec<String> {
    let ours = |it: Cited| match it.what {
        What::Span(line) | What::Command(line) => line.starts_with("pilothouse ").then_some(line),
        _ => None,
    };
    let mut all: Vec<String> = text::scan(text).cited.into_iter().filter_map(ours).collect();
    all.sort();
    all.dedup();
    all
}
