//! Skills by the built program, on real repositories: installed, kept where somebody edited them, checked; without an engine. And what agents
//! are told of them.

use std::collections::BTreeMap;
use std::path::Path;

use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::{Home, Ran};
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

const STAGES: [&str; 7] = ["spec", "refine", "plan", "implement", "review", "land", "distill"];

fn on(home: &Home, verb: &[&str], path: &Path, more: &[&str]) -> Ran {
    let path = path.display().to_string();
    let args: Vec<&str> = verb.iter().copied().chain([path.as_str()]).chain(more.iter().copied()).collect();
    home.try_json(&args)
}

/// Every file below a folder, git's own left out; links are not followed.
fn below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut all, mut edge) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = edge.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() && entry.file_name() != ".git" {
                edge.push(path);
            } else if kind.is_file() {
                all.insert(
                    path.strip_prefix(folder).unwrap().display().to_string(),
                    std::fs::read(path).unwrap(),
                );
            }
        }
    }
    all
}

fn did<'a>(ran: &'a Value, path: &str) -> Option<&'a str> {
    ran["files"].as_array().unwrap().iter().find(|it| it["path"] == path).and_then(|it| it["did"].as_str())
}

fn spec_of(repo: &Repo) -> String {
    repo.read(".agents/skills/pilothouse-spec/SKILL.md")
}

#[test]
fn skills_are_installed_linked_kept_when_edited_and_replaced_only_with_a_copy() {
    let home = Home::new();
    let repo = Repo::new("shop", &[("README.md", "# Shop\n"), ("sub/a.txt", "a\n")]);
    let before = below(repo.path());

    // Looking first writes nothing.
    let dry = on(&home, &["skills", "install"], repo.path(), &["--dry-run"]);
    assert_eq!(
        (dry.code, did(&dry.json(), ".agents/skills/pilothouse-spec/SKILL.md")),
        (0, Some("written")),
        "{dry:?}"
    );
    assert_eq!(below(repo.path()), before);

    // From anywhere within it.
    let ran = on(&home, &["skills", "install"], &repo.path().join("sub"), &[]);
    assert_eq!((ran.code, ran.json()["holds"].as_bool()), (0, Some(true)), "{ran:?}");
    let installed = below(repo.path());
    for stage in STAGES {
        let path = format!(".agents/skills/pilothouse-{stage}/SKILL.md");
        let by_claude = repo.path().join(format!(".claude/skills/pilothouse-{stage}/SKILL.md"));
        assert_eq!(std::fs::read(by_claude).unwrap(), installed[&path], "Claude Code reads the same");
        assert!(repo.path().join(format!(".claude/skills/pilothouse-{stage}")).is_symlink());
    }
    let checked = on(&home, &["skills", "check"], repo.path(), &[]);
    assert_eq!(
        (checked.code, checked.json()["skills"].as_array().map(Vec::len)),
        (0, Some(7)),
        "{checked:?}"
    );
    assert!(checked.json()["skills"].as_array().unwrap().iter().all(|it| it["evals"].as_u64() >= Some(5)));

    // Again: nothing to do, and nothing is written.
    let again = on(&home, &["skills", "install"], repo.path(), &[]);
    assert!(again.json()["files"].as_array().unwrap().iter().all(|it| it["did"].is_null()), "{again:?}");
    assert_eq!(below(repo.path()), installed);

    // What somebody edits is theirs.
    let own = format!("{}\nOur own step.\n", spec_of(&repo));
    repo.write(".agents/skills/pilothouse-spec/SKILL.md", &own);
    std::fs::remove_file(repo.path().join(".agents/skills/pilothouse-plan/references/tasks.md")).unwrap();
    let checked = on(&home, &["skills", "check"], repo.path(), &[]);
    let drift = checked.json()["drift"].clone();
    assert_eq!((checked.code, drift.as_array().map(Vec::len)), (1, Some(2)), "{checked:?}");
    let ran = on(&home, &["skills", "install"], repo.path(), &[]);
    assert_eq!(ran.code, 1, "that something of ours is not there as it is brought is said: {ran:?}");
    assert_eq!(did(&ran.json(), ".agents/skills/pilothouse-spec/SKILL.md"), Some("kept"));
    assert_eq!(did(&ran.json(), ".agents/skills/pilothouse-plan/references/tasks.md"), Some("written"));
    assert_eq!(spec_of(&repo), own);
    let checked = on(&home, &["skills", "check"], repo.path(), &[]);
    assert_eq!(
        (checked.code, checked.json()["drift"][0]["standing"].as_str()),
        (0, Some("edited")),
        "{checked:?}"
    );

    // Only with a yes, and a copy is kept.
    let asked = on(&home, &["skills", "install"], repo.path(), &["--force"]);
    assert!(
        asked.code == 2
            && asked.fault().contains("pilothouse-spec/SKILL.md")
            && asked.fault().contains("--yes"),
        "{asked:?}"
    );
    assert_eq!(spec_of(&repo), own);
    let forced = on(&home, &["skills", "install"], repo.path(), &["--force", "--yes"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_eq!(repo.read(".agents/skills/pilothouse-spec/SKILL.md.yours"), own);
    assert_eq!(spec_of(&repo).as_bytes(), installed[".agents/skills/pilothouse-spec/SKILL.md"]);
    assert!(!home.data().join("engine.lock").exists(), "no engine was started for it");
}

#[test]
fn an_upgrade_replaces_what_nobody_touched_and_takes_away_what_is_not_brought_any_more() {
    // The SHA-256 of "as it was\n".
    const AS_IT_WAS: &str = "ba500d3dbc53099f0fdf200762d128ca6769ab4672defd7ee4067dbe528b8f39";
    let home = Home::new();
    let repo = Repo::new("shop", &[("README.md", "# Shop\n")]);
    assert_eq!(on(&home, &["skills", "install"], repo.path(), &[]).code, 0);
    // As if an earlier program had written these: two that nobody touched, and one that somebody edited since.
    let (spec, gone, plan) = (
        ".agents/skills/pilothouse-spec/SKILL.md",
        ".agents/skills/pilothouse-old/SKILL.md",
        ".agents/skills/pilothouse-plan/SKILL.md",
    );
    let brought = spec_of(&repo);
    repo.write(spec, "as it was\n");
    repo.write(gone, "as it was\n");
    repo.write(plan, "as somebody wrote it\n");
    repo.write("README.md", "as it was\n");
    let manifest = ".agents/skills/.pilothouse.json";
    let mut told: Value = serde_json::from_str(&repo.read(manifest)).unwrap();
    for path in [spec, gone, plan, "README.md", ".agents/skills/pilothouse-x/../../../README.md"] {
        told["files"][path] = AS_IT_WAS.into();
    }
    repo.write(manifest, &told.to_string());
    let checked = on(&home, &["skills", "check"], repo.path(), &[]);
    assert_eq!(checked.code, 1, "{checked:?}");
    let ran = on(&home, &["skills", "install"], repo.path(), &[]).json();
    assert_eq!(
        (did(&ran, spec), did(&ran, gone), did(&ran, plan)),
        (Some("replaced"), Some("removed"), Some("kept")),
        "{ran:#}"
    );
    assert_eq!(spec_of(&repo), brought);
    assert!(!repo.path().join(gone).exists());
    assert_eq!(repo.read(plan), "as somebody wrote it\n");
    assert_eq!(repo.read("README.md"), "as it was\n", "a manifest that names other files moves nobody");
}

#[test]
fn nothing_is_written_through_a_link_and_where_links_cannot_be_there_are_copies() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("mine"), "mine\n").unwrap();
    let repo = Repo::new("shop", &[("README.md", "# Shop\n")]);
    std::os::unix::fs::symlink(outside.path(), repo.path().join(".agents")).unwrap();
    let ran = on(&home, &["skills", "install"], repo.path(), &[]);
    assert!(ran.code == 2 && ran.fault().contains("link out of the repository"), "{ran:?}");
    assert_eq!(below(outside.path()).into_keys().collect::<Vec<_>>(), ["mine"], "{ran:?}");

    // One file is a link to somewhere: it stays, and what it leads to as well.
    let repo = Repo::new("shop", &[("README.md", "# Shop\n")]);
    std::fs::create_dir_all(repo.path().join(".agents/skills/pilothouse-spec")).unwrap();
    let linked = repo.path().join(".agents/skills/pilothouse-spec/SKILL.md");
    std::os::unix::fs::symlink(outside.path().join("mine"), &linked).unwrap();
    let ran = on(&home, &["skills", "install"], repo.path(), &[]);
    assert_eq!(
        (ran.code, did(&ran.json(), ".agents/skills/pilothouse-spec/SKILL.md")),
        (1, Some("kept")),
        "{ran:?}"
    );
    assert_eq!(std::fs::read_to_string(outside.path().join("mine")).unwrap(), "mine\n");
    assert!(linked.is_symlink());

    // Copies instead of links; they are held against what is brought too.
    let repo = Repo::new("shop", &[("README.md", "# Shop\n")]);
    let ran = on(&home, &["skills", "install"], repo.path(), &["--copy"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let copy = ".claude/skills/pilothouse-land/SKILL.md";
    assert!(!repo.path().join(".claude/skills/pilothouse-land").is_symlink());
    assert_eq!(repo.read(copy), repo.read(".agents/skills/pilothouse-land/SKILL.md"));
    let lint = on(&home, &["harness", "lint"], repo.path(), &[]);
    assert_eq!(lint.code, 0, "copies are not said to be said twice: {lint:?}");
    repo.write(copy, "mine\n");
    let again = on(&home, &["skills", "install"], repo.path(), &[]).json();
    assert_eq!(did(&again, copy), Some("kept"), "{again:#}");
    assert_eq!(repo.read(copy), "mine\n");
}

#[test]
fn ours_stays_out_of_a_stage_for_which_the_repository_has_its_own() {
    let home = Home::new();
    let repo = Repo::new("shop", &[(".claude/commands/speckit.specify.md", "x\n")]);
    let ran = on(&home, &["skills", "install"], repo.path(), &[]);
    assert_eq!(
        (ran.code, ran.json()["left_out"].clone()),
        (0, serde_json::json!(["pilothouse-spec"])),
        "{ran:?}"
    );
    assert!(!repo.path().join(".agents/skills/pilothouse-spec").exists());
    assert!(!repo.path().join(".claude/skills/pilothouse-spec").exists());
    assert!(repo.path().join(".claude/skills/pilothouse-plan/SKILL.md").is_file());
    assert_eq!(on(&home, &["skills", "check"], repo.path(), &[]).code, 0, "what was left out is not missed");
    let listed = home.json(&["skills", "list", &repo.name()]);
    let uses = |stage: usize| listed[stage]["uses"]["of"].as_str().map(str::to_owned);
    assert_eq!(
        (uses(0).as_deref(), uses(1).as_deref()),
        (Some("spec-kit"), Some("Pilothouse")),
        "{listed:#}"
    );
    let all = on(&home, &["skills", "install"], repo.path(), &["--all"]);
    assert_eq!(did(&all.json(), ".agents/skills/pilothouse-spec/SKILL.md"), Some("written"), "{all:?}");
}

#[test]
fn what_is_wrong_with_a_skill_is_told_with_its_line_and_its_remedy() {
    let home = Home::new();
    let good = "---\nname: good\ndescription: Does\n---\nRun `pilothouse check plan specs/001-x --json`, then `pilothouse pr show pr1`.\n";
    let repo = Repo::new(
        "shop",
        &[
            (".agents/skills/good/SKILL.md", good),
            // F15: a colon that is not quoted, a wrong name of the folder, no description.
            (
                ".agents/skills/colon/SKILL.md",
                "---\nname: colon\ndescription: Use: when there is one\n---\nx\n",
            ),
        ],
    );
    let ran = on(&home, &["skills", "check"], repo.path(), &[]);
    assert_eq!((ran.code, ran.json()["findings"][0]["line"].as_u64()), (0, Some(3)), "{ran:?}");
    repo.write(".agents/skills/wrong/SKILL.md", "---\nname: other\ndescription: d\n---\nx\n");
    repo.write(".agents/skills/mute/SKILL.md", "---\nname: mute\n---\nx\n");
    repo.write(".agents/skills/cites/SKILL.md", "---\nname: cites\ndescription: d\n---\n\n```sh\npilothouse check everything\npilothouse spec list --frobnicate\n```\n");
    let ran = on(&home, &["skills", "check"], repo.path(), &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let said = ran.json();
    let says: Vec<&str> =
        said["findings"].as_array().unwrap().iter().map(|it| it["says"].as_str().unwrap()).collect();
    for wanted in [
        "lies in a folder called 'wrong'",
        "has no description",
        "knows no 'everything'",
        "knows no '--frobnicate'",
    ] {
        assert!(says.iter().any(|it| it.contains(wanted)), "{wanted}: {says:#?}");
    }
    let people = home.run(&["skills", "check", &repo.name()]);
    assert!(
        people.out.contains("blocks  skill .agents/skills/wrong/SKILL.md:2:1")
            && people.out.contains("→ give both the same name"),
        "{people:?}"
    );
    let empty = Repo::new("empty", &[("README.md", "x\n")]);
    let nothing = on(&home, &["skills", "check"], empty.path(), &[]);
    assert!(nothing.code == 2 && nothing.fault().contains("skills install"), "{nothing:?}");
}

#[test]
fn an_agent_is_told_of_the_skill_of_its_stage_and_the_repository_s_own_goes_first() {
    let brief_of = |files: &[(&str, &str)]| {
        let repo = Repo::with_tasks(&[("T001", "a.txt", "test -f a.txt")]);
        repo.commit(files, "More");
        let home = Home::trusting(&repo);
        let ran = home.carry(&ShellAgent::new("touch a.txt"));
        assert_eq!(ran.code, 0, "{ran:?}");
        let attempts = home.data().join("attempts");
        let folder = std::fs::read_dir(&attempts)
            .unwrap()
            .filter_map(Result::ok)
            .map(|it| it.path())
            .find(|it| it.join("brief.md").is_file());
        std::fs::read_to_string(folder.unwrap().join("brief.md")).unwrap()
    };
    let plain = brief_of(&[("README.md", "x\n")]);
    assert!(!plain.contains("says the skill"), "{plain}");
    let ours = ".agents/skills/pilothouse-implement/SKILL.md";
    let told = brief_of(&[(ours, "---\nname: pilothouse-implement\ndescription: d\n---\nx\n")]);
    assert!(told.contains(&format!("says the skill `pilothouse-implement`: read {ours} first")), "{told}");
    let theirs = ".ai/skills/om-implement-spec/SKILL.md";
    let told = brief_of(&[(ours, "x\n"), (theirs, "x\n")]);
    assert!(told.contains(&format!("says the skill `om-implement-spec`: read {theirs} first")), "{told}");
    assert!(!told.contains("pilothouse-implement"), "{told}");
}

#[test]
fn what_a_stage_leaves_is_held_against_what_files_tell() {
    let home = Home::new();
    let repo =
        Repo::with_tasks(&[("T001", "src/a.txt", "test -f src/a.txt"), ("T002", "src/b.txt", "false")]);
    let change = |more: &[&str]| on(&home, &["check", "change"], repo.path(), more);
    let found = |ran: &Ran| -> Vec<String> {
        ran.json()["found"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| format!("{} {}", it["file"].as_str().unwrap(), it["says"].as_str().unwrap()))
            .collect()
    };
    let nothing = change(&["--task", "T001"]);
    assert!(nothing.code == 1 && found(&nothing)[0].contains("nothing is changed"), "{nothing:?}");
    repo.git(&["switch", "--quiet", "-c", "work"]);
    repo.commit(&[("src/a.txt", "a\n")], "Committed");
    repo.write("src/b.txt", "not committed, and of another task\n");
    let ran = change(&["--task", "T001", "--base", "main"]);
    assert_eq!((ran.code, found(&ran).len()), (1, 1), "{ran:?}");
    assert!(found(&ran)[0].starts_with("src/b.txt ") && found(&ran)[0].contains("scope of T001"), "{ran:?}");
    std::fs::remove_file(repo.path().join("src/b.txt")).unwrap();
    let ran = change(&["--task", "T001", "--base", "main"]);
    assert_eq!((ran.code, ran.json()["changed"].clone()), (0, serde_json::json!(["src/a.txt"])), "{ran:?}");
    assert_eq!(ran.json()["verify"]["with"][0], "test -f src/a.txt");
    let tasks = repo.read("specs/001-work/tasks.md").replacen("[ ]", "[x]", 1);
    repo.write("specs/001-work/tasks.md", &tasks);
    let ran = change(&["--task", "T001", "--base", "main"]);
    assert!(ran.code == 1 && found(&ran)[0].contains("which no task changes"), "{ran:?}");
    // An attempt begins behind the work and the ticks of others, and is told where.
    repo.commit(&[("specs/001-work/tasks.md", &tasks)], "Tick T001");
    repo.write("src/b.txt", "the second task's\n");
    let ran = change(&["--task", "T002", "--base", "main"]);
    assert_eq!((ran.code, found(&ran).len()), (1, 2), "{ran:?}");
    let home = home.with_env("PILOTHOUSE_BASE", repo.git(&["rev-parse", "HEAD"]).trim());
    let change = |more: &[&str]| on(&home, &["check", "change"], repo.path(), more);
    let ran = change(&["--task", "T002"]);
    assert_eq!((ran.code, ran.json()["changed"].clone()), (0, serde_json::json!(["src/b.txt"])), "{ran:?}");
    std::fs::remove_file(repo.path().join("src/b.txt")).unwrap();
    let unknown = change(&["--task", "T009"]);
    assert!(unknown.code == 2 && unknown.fault().contains("no task T009"), "{unknown:?}");
    let unknown = change(&["--task", "T002", "--base", "no-such"]);
    assert!(unknown.code == 2 && unknown.fault().contains("--base"), "{unknown:?}");

    repo.write("review.json", "{\"kind\": \"review\", \"subject\": \"abc\", \"author\": \"a\", \"by\": \"b\", \"findings\": [{\"id\": \"V1\", \"severity\": \"P0\", \"place\": \"src/a.txt:1\", \"claim\": \"c\", \"evidence\": \"e\", \"remedy\": \"r\"}]}");
    let file = repo.path().join("review.json");
    assert_eq!(on(&home, &["check", "findings"], &file, &[]).code, 0);
    repo.write("review.json", &repo.read("review.json").replace("a.txt:1", "a.txt:2"));
    let ran = on(&home, &["check", "findings"], &file, &[]);
    assert!(ran.code == 1 && found(&ran)[0].contains("names line 2 of src/a.txt, which has 1"), "{ran:?}");
    repo.write("lessons.json", "{\"lessons\": [{\"id\": \"L1\", \"lesson\": \"x\", \"seen\": [\"r1\"], \"encoding\": \"doc\", \"change\": \"src/a.txt\"}]}");
    let ran = on(&home, &["check", "lessons"], &repo.path().join("lessons.json"), &[]);
    assert!(ran.code == 1 && found(&ran)[0].contains("one run only"), "{ran:?}");
    let missing = on(&home, &["check", "findings"], &repo.path().join("no-such.json"), &[]);
    assert_eq!(missing.code, 2, "{missing:?}");
}
