//! What is wrong with the whole of the instructions: cuts, circles, what is said twice, what is too long, skills that are not in their form.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pilothouse_contract::instructions::{Chain, EdgeKind, Finding, FindingKind, NodeKind};
use pilothouse_contract::text::size;

use super::{Draft, Entry, Files, skill_of, text_of};
use crate::policy::skills;

/// Imports are followed so deep by those who follow them.
const HOPS: usize = 5;
/// Shorter files may be the same by chance.
const SAME_MIN: u64 = 160;
/// Above this Claude Code says itself that it is too long.
const CLAUDE: usize = 40_000;
/// So much Copilot's review reads of one file.
const COPILOT: usize = 4000;
/// So much of names and descriptions of skills Codex lists at the beginning.
const SKILL_LIST: usize = 8000;

/// A finding that lacks its words.
pub(super) struct Wordless<'a>(&'a mut Vec<Finding>, Finding);

impl Wordless<'_> {
    /// Says it.
    pub(super) fn words(self, says: &str, remedy: &str) {
        self.0.push(Finding { says: says.to_owned(), remedy: remedy.to_owned(), ..self.1 });
    }
}

impl Draft<'_> {
    pub(super) fn find(
        &mut self,
        kind: FindingKind,
        file: &str,
        (line, column): (usize, usize),
        blocking: bool,
    ) -> Wordless<'_> {
        let finding = Finding {
            kind,
            file: file.to_owned(),
            line,
            column,
            says: String::new(),
            remedy: String::new(),
            blocking,
        };
        Wordless(&mut self.findings, finding)
    }

    /// Where limits cut, each place once, for the folder where most is lost.
    pub(super) fn cuts(&mut self, chains: &[Chain]) {
        let mut worst: BTreeMap<(&str, u64), &Chain> = BTreeMap::new();
        for chain in chains {
            let Some(cut) = &chain.cut else { continue };
            let known = worst.entry((&cut.file, cut.byte)).or_insert(chain);
            if known.cut.as_ref().is_some_and(|it| it.lost < cut.lost) {
                *known = chain;
            }
        }
        for chain in worst.into_values() {
            let Some(cut) = &chain.cut else { continue };
            let folder = if chain.folder.is_empty() { "the top" } else { &chain.folder };
            let behind = match cut.behind.as_slice() {
                [] => String::new(),
                all => format!(", and nothing of {}", all.join(", ")),
            };
            let says = format!(
                "{} reads {} for work in {folder}, and cuts without a word: of this file it reads the first {} bytes, up to line {}{behind}; {} are lost",
                chain.program,
                size(chain.limit),
                cut.byte,
                cut.line,
                size(cut.lost)
            );
            let remedy = "move what not every task needs into documents that it links to, or into the AGENTS.md of the folder it is about";
            self.find(FindingKind::Cut, &cut.file, (cut.line, cut.column), true).words(&says, remedy);
        }
    }

    /// Imports that go in a circle, or deeper than they are followed.
    pub(super) fn circles(&mut self) {
        let mut next: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for ((from, to), (kind, line)) in &self.edges {
            if *kind == EdgeKind::Import {
                next.entry(*from).or_default().push((*to, *line));
            }
        }
        // White, grey, black, without a stack of the program's own: a chain may be as long as there are files.
        let mut seen: BTreeMap<usize, bool> = BTreeMap::new();
        let mut found = Vec::new();
        for start in next.keys() {
            if seen.contains_key(start) {
                continue;
            }
            seen.insert(*start, true);
            let mut way = vec![(*start, 0_usize)];
            while let Some((at, tried)) = way.last_mut() {
                match next.get(at).and_then(|it| it.get(*tried)) {
                    Some((to, line)) => {
                        *tried += 1;
                        match seen.get(to) {
                            Some(true) => found.push((*at, *to, *line)),
                            Some(false) => {}
                            None => {
                                seen.insert(*to, true);
                                way.push((*to, 0));
                            }
                        }
                    }
                    None => {
                        seen.insert(*at, false);
                        way.pop();
                    }
                }
            }
        }
        for (from, to, line) in found {
            let (Some(from), Some(to)) = (self.nodes.get(from), self.nodes.get(to)) else { continue };
            let (path, says) = (from.path.clone(), format!("imports {}, which leads back here", to.path));
            self.find(FindingKind::Circle, &path, (line, 1), true)
                .words(&says, "take one of the imports out");
        }
        self.deep(&next);
    }

    fn deep(&mut self, next: &BTreeMap<usize, Vec<(usize, usize)>>) {
        let begins = |at: &usize| self.nodes.get(*at).is_some_and(|it| it.kind != NodeKind::Document);
        let mut far: BTreeMap<usize, usize> =
            next.keys().filter(|it| begins(it)).map(|it| (*it, 0)).collect();
        let mut queue: VecDeque<usize> = far.keys().copied().collect();
        let mut found = Vec::new();
        while let Some(at) = queue.pop_front() {
            let hops = far.get(&at).copied().unwrap_or_default();
            for (to, line) in next.get(&at).into_iter().flatten() {
                if far.contains_key(to) {
                    continue;
                }
                far.insert(*to, hops + 1);
                if hops + 1 > HOPS {
                    found.push((at, *line));
                } else {
                    queue.push_back(*to);
                }
            }
        }
        for (at, line) in found {
            let Some(path) = self.nodes.get(at).map(|it| it.path.clone()) else { continue };
            let says = format!(
                "imports what lies more than {HOPS} imports deep, and is not followed by Claude Code"
            );
            self.find(FindingKind::Circle, &path, (line, 1), false).words(&says, "import it from further up");
        }
    }

    /// The same files, and the same long paragraphs.
    pub(super) fn twice(&mut self) {
        let mut whole: BTreeMap<&[u8], &str> = BTreeMap::new();
        let mut said: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        let mut found: Vec<(FindingKind, String, usize, String, String)> = Vec::new();
        let mut copies: BTreeSet<usize> = BTreeSet::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if matches!(self.tree.get(&node.path), Some(Entry::Alias(_))) {
                continue;
            }
            let Some(source) =
                self.files.get(&node.path).filter(|it| (SAME_MIN..=super::FILE_MAX).contains(&it.size))
            else {
                continue;
            };
            match whole.get(source.bytes.as_slice()) {
                // What is a copy for an agent that follows no links has the same place below another root.
                Some(first) if !is_same_place(first, &node.path) => {
                    let says = format!("holds the same bytes as {first}");
                    let remedy = format!(
                        "keep one: `@{first}` imports it for Claude Code, a link of the file system does for all"
                    );
                    found.push((FindingKind::Duplicate, node.path.clone(), 0, says, remedy));
                    copies.insert(at);
                }
                Some(_) => drop(copies.insert(at)),
                None => drop(whole.insert(&source.bytes, &node.path)),
            }
        }
        for (at, scan) in self.scans.iter().enumerate().filter(|(at, _)| !copies.contains(at)) {
            let Some(node) = self.nodes.get(at) else { continue };
            for (line, hash) in &scan.paragraphs {
                match said.get(hash).and_then(|(first, line)| Some((self.nodes.get(*first)?, line))) {
                    Some((first, first_line)) => {
                        let says = format!("says what {}:{first_line} says", first.path);
                        found.push((
                            FindingKind::Duplicate,
                            node.path.clone(),
                            *line,
                            says,
                            "say it once, and link to it".to_owned(),
                        ));
                    }
                    None => drop(said.insert(*hash, (at, *line))),
                }
            }
        }
        for (kind, path, line, says, remedy) in found {
            self.find(kind, &path, (line, 0), false).words(&says, &remedy);
        }
    }

    /// What is longer than its readers like.
    pub(super) fn long(&mut self) {
        let mut found = Vec::new();
        for node in &self.nodes {
            let (most, who) = match node.kind {
                NodeKind::Claude => {
                    (CLAUDE, "Claude Code says itself that more than 40,000 signs of it make it slow")
                }
                NodeKind::Copilot => (COPILOT, "Copilot's review reads the first 4,000 signs of it"),
                _ => continue,
            };
            let signs = self.files.get(&node.path).and_then(text_of).map_or(0, |it| it.chars().count());
            if signs > most {
                found.push((node.path.clone(), format!("has {signs} signs: {who}")));
            }
        }
        for (path, says) in found {
            self.find(FindingKind::Long, &path, (0, 0), false)
                .words(&says, "say less in it, and link to the rest");
        }
    }

    /// Whether skills are in their form, and the list of them is short enough.
    pub(super) fn forms(&mut self) {
        let mut listed: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for node in self.nodes.iter().filter(|it| it.kind == NodeKind::Skill) {
            let Some(folder) = skill_of(&node.path) else { continue };
            if matches!(self.tree.get(&node.path), Some(Entry::Alias(_))) {
                continue;
            }
            let below = format!("{folder}/");
            let own: Files = self
                .files
                .range(below.clone()..)
                .take_while(|(path, _)| path.starts_with(&below))
                .map(|(path, source)| (path.clone(), source.clone()))
                .collect();
            let form = skills::form(folder, &own);
            let root = folder.rsplit_once('/').map_or("", |(root, _)| root).to_owned();
            *listed.entry(root).or_default() += form.skill.name.len() + form.skill.description.len();
            found.extend(form.findings);
        }
        self.findings.extend(found);
        for (root, signs) in listed.into_iter().filter(|(_, signs)| *signs > SKILL_LIST) {
            let says = format!(
                "holds skills whose names and descriptions have {signs} signs: Codex lists the first {SKILL_LIST}"
            );
            self.find(FindingKind::Long, &root, (0, 0), false)
                .words(&says, "shorten descriptions, or keep fewer skills");
        }
    }
}

/// Whether two paths are the same below two roots of skills.
fn is_same_place(one: &str, other: &str) -> bool {
    let below = |path: &str| {
        let folder = skill_of(path)?;
        let root = folder.rsplit_once('/')?.0.len();
        path.get(root..).map(str::to_owned)
    };
    below(one).is_some_and(|it| below(other) == Some(it))
}
