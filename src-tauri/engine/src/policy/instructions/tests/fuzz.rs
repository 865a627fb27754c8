//! Whatever bytes come: no reader panics, none takes long, and each place that is named is one of its file. For as long as
//! `PILOTHOUSE_FUZZ_SECONDS` says; `PILOTHOUSE_SEED` gives the beginning.

use std::time::{Duration, Instant};

use super::{Source, look, repo_of};
use crate::policy::skills::exits;
use crate::policy::tests::chance::{Chance, each_seed};

/// What grammars trip over.
const PIECES: [&str; 40] = [
    "[a](",
    ")",
    "](",
    "<",
    ">",
    "`",
    "``",
    "```",
    "```sh\n",
    "~~~\n",
    "@",
    "@a.md",
    "@../../x.md",
    "@/etc/passwd",
    "[x]: ",
    "(((((",
    "\n",
    "\r\n",
    "---\n",
    "name: ",
    "description: ",
    ": ",
    "<!--",
    "-->",
    "npm run ",
    "make ",
    "just ",
    "cargo ",
    "&& ",
    "|",
    "<<EOF\n",
    "\"",
    "'",
    "$(",
    "%2e%2e/",
    "\u{feff}",
    "日本",
    "\u{202e}\u{1b}[2J",
    "docs/a.md",
    "../",
];

const PATHS: [(&str, &str); 12] = [
    ("AGENTS.md", "# A\n\n[a](docs/a.md) `docs/b.md`\n\n```sh\nnpm run build && make check | just x\n```\n"),
    ("a/AGENTS.override.md", "x\n"),
    ("a/b/AGENTS.md", "[up](../../docs/a.md)\n"),
    ("CLAUDE.md", "@AGENTS.md\n@docs/a.md\n"),
    ("docs/a.md", "@b.md\n"),
    ("docs/b.md", "@a.md\n[x]: ../AGENTS.md\n"),
    (".agents/skills/x/SKILL.md", "---\nname: x\ndescription: \"d\"\n---\nbody `pilothouse check spec`\n"),
    (".agents/skills/x/evals/evals.json", "{\"evals\": [{\"prompt\": \"p\", \"assertions\": [\"a\"]}]}"),
    ("package.json", "{\"scripts\": {\"build\": \"x\"}}"),
    ("Makefile", "check: x\n\ttrue\n"),
    ("justfile", "x:\n  true\n"),
    (".cargo/config.toml", "[alias]\nxtask = \"run\"\n"),
];

fn mutated(chance: &mut Chance, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..chance.below(12) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(4) {
            0 => drop(bytes.splice(at..at, PIECES[chance.below(PIECES.len())].bytes())),
            1 if at < bytes.len() => bytes[at] = u8::try_from(chance.below(256)).unwrap(),
            2 => {
                let to = (at + chance.below(20)).min(bytes.len());
                bytes.drain(at..to);
            }
            _ => {
                let piece = PIECES[chance.below(PIECES.len())].repeat(chance.below(200));
                drop(bytes.splice(at..at, piece.bytes()));
            }
        }
    }
    bytes
}

#[test]
fn whatever_bytes_come_no_reader_breaks_or_hangs() {
    each_seed(2, |seed| {
        let mut chance = Chance::of(seed);
        let mut all = Vec::new();
        for (path, text) in PATHS {
            if chance.below(5) > 0 {
                let bytes = mutated(&mut chance, text);
                let size = u64::try_from(bytes.len()).unwrap();
                all.push((path, Source { bytes, size }));
            }
        }
        let (tree, files) = repo_of(&all);
        let begun = Instant::now();
        let graph = look(&tree, &files);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "seed {seed} took {took:?}");
        for it in &graph.findings {
            let lines = files.get(&it.file).map_or(0, |it| it.bytes.split(|it| *it == b'\n').count());
            assert!(it.line <= lines, "seed {seed}: {it:?} of {lines} lines");
            assert!(!it.says.is_empty() && !it.remedy.is_empty(), "seed {seed}: {it:?}");
        }
        assert!(
            graph.edges.iter().all(|it| it.from < graph.nodes.len() && it.to < graph.nodes.len()),
            "seed {seed}"
        );
        let json = mutated(
            &mut chance,
            "{\"kind\": \"refine\", \"subject\": \"s\", \"findings\": [{\"id\": \"R1\", \"place\": \"a:1\"}]}",
        );
        drop(exits::findings("f.json", &json, &|_| Some(1)));
        drop(exits::lessons("f.json", &json, &|_| true));
    });
}

/// Sizes at which anything that looks at each pair does not come back.
#[test]
fn long_and_tangled_files_come_back_soon() {
    let huge = |piece: &str| piece.repeat(1024 * 1024 / piece.len());
    for piece in [
        "[a](",
        "](",
        "`",
        "@a/",
        "`` ` ",
        "[x]: y\n",
        "[a](b.md) ",
        "@AGENTS.md\n",
        "```sh\n",
        "$ make x\n",
        "<!--\n",
        "(",
        "@x.md",
        "a b c d e f g h\n\n",
    ] {
        let text = huge(piece);
        let (tree, files) = repo_of(&[
            ("AGENTS.md", text.as_str().into()),
            ("CLAUDE.md", format!("```sh\n{text}").as_str().into()),
        ]);
        let begun = Instant::now();
        let graph = look(&tree, &files);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{piece:?}: {took:?}");
        assert!(graph.findings.len() <= 501, "{piece:?}: {}", graph.findings.len());
        println!("{piece:?}: {took:?}, {} findings", graph.findings.len());
    }
    // A thousand documents, each of which imports the next and the first.
    let texts: Vec<(String, String)> =
        (0..1000).map(|it| (format!("d{it}.md"), format!("@d{}.md\n@d0.md\n", it + 1))).collect();
    let mut all: Vec<(&str, Source)> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str().into())).collect();
    all.push(("CLAUDE.md", "@d0.md\n".into()));
    let (tree, files) = repo_of(&all);
    let begun = Instant::now();
    let graph = look(&tree, &files);
    assert_eq!(graph.nodes.len(), 1001);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
