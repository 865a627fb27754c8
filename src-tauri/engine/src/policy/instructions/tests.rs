//! The instruction graph: what leads where, what is wrong, and where a limit cuts.

mod fuzz;

use pilothouse_contract::instructions::{EdgeKind, FindingKind, Graph, NodeKind};

use super::{Entry, Files, Source, Tree, World, graph, leads_to, roots};

/// A repository of texts, read as it is on a disk: first what agents read, then what that leads to.
fn repo(files: &[(&str, &str)]) -> (Tree, Files) {
    let all: Vec<(&str, Source)> = files.iter().map(|(path, text)| (*path, Source::from(*text))).collect();
    repo_of(&all)
}

fn repo_of(all: &[(&str, Source)]) -> (Tree, Files) {
    let mut tree = Tree::new();
    for (path, _) in all {
        let mut folder = *path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            tree.entry(above.to_owned()).or_insert(Entry::Folder);
            folder = above;
        }
        tree.insert((*path).to_owned(), Entry::File);
    }
    (tree.clone(), loaded(&tree, all))
}

fn loaded(tree: &Tree, all: &[(&str, Source)]) -> Files {
    let mut files = Files::new();
    let mut queue = roots(tree);
    while let Some(path) = queue.pop() {
        let Some((_, source)) = all.iter().find(|(it, _)| *it == path) else { continue };
        if files.contains_key(&path) {
            continue;
        }
        queue.extend(leads_to(tree, &path, source));
        files.insert(path, source.clone());
    }
    files
}

fn look(tree: &Tree, files: &Files) -> Graph {
    let has = |path: &str| tree.contains_key(path);
    let program = |it: &str| ["sh", "git", "cargo", "npm", "make", "just", "cat"].contains(&it);
    graph(tree, files, &World { has: &has, program: &program })
}

fn graph_of(files: &[(&str, &str)]) -> Graph {
    let (tree, files) = repo(files);
    look(&tree, &files)
}

/// What is wrong: what, where, and whether it blocks.
fn found(graph: &Graph) -> Vec<(FindingKind, &str, usize, usize, bool)> {
    graph.findings.iter().map(|it| (it.kind, it.file.as_str(), it.line, it.column, it.blocking)).collect()
}

fn edges(graph: &Graph) -> Vec<(&str, &str, EdgeKind, usize)> {
    let path = |at: usize| graph.nodes[at].path.as_str();
    graph.edges.iter().map(|it| (path(it.from), path(it.to), it.kind, it.line)).collect()
}

#[test]
fn kin_links_imports_and_mentions_make_a_graph() {
    let graph = graph_of(&[
        ("AGENTS.md", "# A\n\nRead [the rules](docs/rules.md#x), and `docs/more.md`.\n"),
        ("CLAUDE.md", "@AGENTS.md\n\nWrite to me@example.org, or `@not-this.md`.\n"),
        ("web/AGENTS.md", "# Web\n"),
        ("web/ui/AGENTS.md", "See [up](../../docs/rules.md).\n"),
        ("docs/rules.md", "[deeper]: deep.md\n"),
        ("docs/more.md", "x\n"),
        ("docs/deep.md", "x\n"),
        ("docs/unrelated.md", "x\n"),
        (".cursor/rules/a.mdc", "x\n"),
        (".github/copilot-instructions.md", "x\n"),
        ("src/main.rs", "fn main() {}\n"),
    ]);
    assert_eq!(found(&graph), [], "{graph:#?}");
    assert!(graph.holds);
    let nodes: Vec<(&str, usize, NodeKind)> =
        graph.nodes.iter().map(|it| (it.path.as_str(), it.depth, it.kind)).collect();
    assert_eq!(
        nodes,
        [
            ("AGENTS.md", 0, NodeKind::Agents),
            ("CLAUDE.md", 0, NodeKind::Claude),
            (".cursor/rules/a.mdc", 0, NodeKind::Cursor),
            (".github/copilot-instructions.md", 0, NodeKind::Copilot),
            ("web/AGENTS.md", 1, NodeKind::Agents),
            ("docs/more.md", 1, NodeKind::Document),
            ("docs/rules.md", 1, NodeKind::Document),
            ("web/ui/AGENTS.md", 2, NodeKind::Agents),
            ("docs/deep.md", 2, NodeKind::Document),
        ]
    );
    let edges = edges(&graph);
    for edge in [
        ("AGENTS.md", "docs/rules.md", EdgeKind::Link, 3),
        ("AGENTS.md", "docs/more.md", EdgeKind::Mention, 3),
        ("CLAUDE.md", "AGENTS.md", EdgeKind::Import, 1),
        ("AGENTS.md", "web/AGENTS.md", EdgeKind::Nested, 0),
        ("web/AGENTS.md", "web/ui/AGENTS.md", EdgeKind::Nested, 0),
        ("docs/rules.md", "docs/deep.md", EdgeKind::Link, 1),
    ] {
        assert!(edges.contains(&edge), "{edge:?} is not among {edges:?}");
    }
    assert_eq!(graph.bytes, graph.nodes.iter().map(|it| it.bytes).sum::<u64>());
}

#[test]
fn dead_links_orphans_and_what_leads_outside_are_named_with_their_place() {
    let graph = graph_of(&[
        (
            "AGENTS.md",
            "Go [here](gone.md).\n\n  and [there](../other/AGENTS.md) [web](https://example.org) [top](#a)\n",
        ),
        ("CLAUDE.md", "@docs/gone.md and @~/.claude/mine.md\n"),
        ("GEMINI.md", "| tides | `docs/tides.md` |\n| boats | `docs/boats.md` or `made.md` |\n"),
        ("docs/tides.md", "x\n"),
        ("AGENT.md", "nobody reads this\n"),
        (".agents/skills/x/SKILL.md", "---\nname: x\ndescription: d\n---\nSee [a](references/a.md).\n"),
        (".agents/skills/x/references/a.md", "a\n"),
        (".agents/skills/x/references/b.md", "b\n"),
    ]);
    assert_eq!(
        found(&graph),
        [
            (FindingKind::DeadLink, "AGENTS.md", 1, 11, true),
            (FindingKind::Outside, "AGENTS.md", 3, 15, true),
            (FindingKind::DeadLink, "CLAUDE.md", 1, 1, true),
            (FindingKind::Orphan, ".agents/skills/x/references/b.md", 0, 0, false),
            (FindingKind::Orphan, "AGENT.md", 0, 0, false),
            (FindingKind::Outside, "CLAUDE.md", 1, 19, false),
            (FindingKind::DeadLink, "GEMINI.md", 2, 12, false),
        ],
        "{graph:#?}"
    );
    assert!(!graph.holds && graph.findings.iter().all(|it| !it.remedy.is_empty()));
    assert!(graph.findings[3].remedy.contains(".agents/skills/x/SKILL.md"));
}

#[test]
fn commands_that_are_cited_exist_or_are_told() {
    let text = "# Commands\n\n```sh\nnpm run build && npm run gone   # both\nX=1 make check\nmake gone\njust lint; just gone\ncargo xtask test\ncargo alias-that-is-not\n./tools/run.sh --all\n./tools/gone.sh\nfrobnicate --now\ncat > x <<'EOF'\nnpm run inside-a-document\nEOF\nnpm run $NAME\nnpm test\nnpm --prefix web run other\n```\n\nIn words: `npm run absent`, `make it so`, `cargo test csv`, `grep -q x`.\n\n```yaml\nnpm run in-yaml\n```\n";
    let graph = graph_of(&[
        ("AGENTS.md", text),
        ("package.json", "{\"scripts\": {\"build\": \"x\", \"test\": \"y\"}}"),
        ("Makefile", "VAR := 1\ncheck: a b\n\ttrue\nit so: check\n"),
        ("justfile", "set shell := ['sh']\n@lint arg='x':\n  true\n"),
        (".cargo/config.toml", "[alias]\nxtask = \"run -p xtask --\"\n"),
        ("tools/run.sh", ""),
    ]);
    let says: Vec<(usize, bool, &str)> =
        graph.findings.iter().map(|it| (it.line, it.blocking, it.says.as_str())).collect();
    let expected = [
        (4, true, "`npm run gone`"),
        (6, true, "`make gone`"),
        (7, true, "`just gone`"),
        (11, true, "`./tools/gone.sh`"),
        (21, true, "`npm run absent`"),
        (9, false, "`cargo alias-that-is-not`"),
        (12, false, "'frobnicate'"),
    ];
    assert_eq!(says.len(), expected.len(), "{says:#?}");
    for ((line, blocking, cites), said) in expected.iter().zip(&says) {
        assert_eq!((line, blocking), (&said.0, &said.1), "{cites}: {says:#?}");
        assert!(said.2.contains(cites), "{cites}: {says:#?}");
    }
    assert!(graph.findings.iter().all(|it| it.kind == FindingKind::MissingCommand));
}

#[test]
fn the_byte_at_which_codex_cuts_is_found() {
    // Lines of 64 bytes: 400 of them are 25,600 bytes, so 7,168 are left for what follows.
    let line = format!("{}\n", "x".repeat(63));
    let (top, below) = (line.repeat(400), format!("ä{}", line.repeat(300)));
    let files = [
        ("AGENTS.md", top.as_str()),
        ("web/AGENTS.md", below.as_str()),
        ("web/ui/AGENTS.md", "x\n"),
        ("lib/AGENTS.md", "short\n"),
    ];
    let graph = graph_of(&files);
    let cut = graph.findings.iter().find(|it| it.kind == FindingKind::Cut).unwrap();
    assert_eq!((cut.file.as_str(), cut.blocking), ("web/AGENTS.md", true));
    let chain = graph.chains.iter().find(|it| it.folder == "web/ui").unwrap();
    let at = chain.cut.clone().unwrap();
    assert_eq!((at.byte, at.line), (7168, 112));
    assert_eq!((cut.line, cut.column), (at.line, at.column));
    assert_eq!(at.lost, chain.bytes - chain.limit);
    assert_eq!(at.behind, ["web/ui/AGENTS.md"]);
    // The bytes before it are what is read, and the one behind them is in the line that is named.
    assert_eq!(below.as_bytes()[..7168].iter().filter(|it| **it == b'\n').count() + 1, at.line);
    assert!(cut.says.contains("first 7168 bytes") && cut.says.contains("web/ui/AGENTS.md"), "{}", cut.says);
    assert!(graph.chains.iter().any(|it| it.folder == "lib" && it.cut.is_none()));
    // One file of just the limit is read whole; one byte more is not.
    let just = |bytes: usize| graph_of(&[("AGENTS.md", &"y".repeat(bytes))]);
    assert!(just(32_768).holds);
    let over = just(32_769);
    assert_eq!(over.chains[0].cut.as_ref().map(|it| (it.byte, it.lost)), Some((32_768, 1)));
    // An override counts in place of its neighbour, which is told.
    let graph = graph_of(&[("AGENTS.md", &"y".repeat(40_000)), ("AGENTS.override.md", "short\n")]);
    assert!(graph.holds, "{:#?}", graph.findings);
    assert!(graph.findings.iter().any(|it| it.kind == FindingKind::Orphan && it.file == "AGENTS.md"));
}

#[test]
fn what_is_said_twice_is_named_with_both_places() {
    let paragraph = "Every amount is kept in minor units of its currency, and it is never a float, whatever the interface wants to show; who needs one converts it at the very edge of the program.\n";
    let once = format!("# One\n\n{paragraph}");
    let wrapped = format!("# Other\n\nx\n\n{}", paragraph.replace(", ", ",\n"));
    let graph = graph_of(&[
        ("AGENTS.md", &once),
        ("GEMINI.md", &wrapped),
        ("CLAUDE.md", &once),
        ("web/AGENTS.md", "short\n"),
    ]);
    let said: Vec<(&str, usize, &str)> =
        graph.findings.iter().map(|it| (it.file.as_str(), it.line, it.says.as_str())).collect();
    assert_eq!(
        said,
        [
            ("CLAUDE.md", 0, "holds the same bytes as AGENTS.md"),
            ("GEMINI.md", 5, "says what AGENTS.md:3 says")
        ],
        "{graph:#?}"
    );
    // Copies of skills for an agent that follows no links are none.
    let skill = format!("---\nname: x\ndescription: d\n---\n{paragraph}");
    let graph = graph_of(&[(".agents/skills/x/SKILL.md", &skill), (".claude/skills/x/SKILL.md", &skill)]);
    assert_eq!(found(&graph), []);
}

#[test]
fn circles_and_imports_that_are_too_deep_are_told_once() {
    let graph =
        graph_of(&[("CLAUDE.md", "x\n@a.md\n"), ("a.md", "@b.md\n"), ("b.md", "@a.md\n@CLAUDE.md\n")]);
    let circles: Vec<(&str, usize)> = graph
        .findings
        .iter()
        .filter(|it| it.kind == FindingKind::Circle)
        .map(|it| (it.file.as_str(), it.line))
        .collect();
    assert_eq!(circles, [("b.md", 1), ("b.md", 2)], "{graph:#?}");
    let names: Vec<String> = (0..9).map(|it| format!("d{it}.md")).collect();
    let texts: Vec<String> = (1..10).map(|it| format!("@d{it}.md\n")).collect();
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.extend([("CLAUDE.md", "@d0.md\n"), ("d9.md", "end\n")]);
    let graph = graph_of(&files);
    let deep: Vec<&str> = graph
        .findings
        .iter()
        .filter(|it| it.kind == FindingKind::Circle)
        .map(|it| it.file.as_str())
        .collect();
    assert_eq!(deep, ["d4.md"], "{graph:#?}");
}

#[test]
fn links_of_the_file_system_are_edges_and_those_that_lead_out_are_told() {
    let (mut tree, mut files) = repo(&[("AGENTS.md", "x\n")]);
    tree.insert("CLAUDE.md".to_owned(), Entry::Alias(Some("AGENTS.md".to_owned())));
    tree.insert("GEMINI.md".to_owned(), Entry::Alias(None));
    files.insert("CLAUDE.md".to_owned(), Source::from("x\n"));
    files.insert("GEMINI.md".to_owned(), Source::default());
    let graph = look(&tree, &files);
    assert_eq!(edges(&graph), [("CLAUDE.md", "AGENTS.md", EdgeKind::Alias, 0)]);
    assert_eq!(found(&graph), [(FindingKind::Outside, "GEMINI.md", 0, 0, true)]);
    assert_eq!(graph.bytes, 2, "what a link leads to is counted once");
}

#[test]
fn what_is_no_text_or_too_long_is_told_and_not_looked_through() {
    let long = Source { bytes: Vec::new(), size: 10 * 1024 * 1024 };
    let broken = Source { bytes: b"# A\nx \xff [a](b.md)\n".to_vec(), size: 18 };
    let (tree, files) = repo_of(&[("AGENTS.md", broken), ("CLAUDE.md", long)]);
    let graph = look(&tree, &files);
    assert_eq!(
        found(&graph),
        [
            (FindingKind::Unreadable, "AGENTS.md", 2, 3, true),
            (FindingKind::Unreadable, "CLAUDE.md", 0, 0, true)
        ]
    );
    assert_eq!(graph.nodes[1].bytes, 10 * 1024 * 1024);
}
