//! Plans of other people, as the packages that this is built of ship them: read, ticked and brought back to the same bytes. They are copied
//! when the test runs, and stand in no repository of ours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilothouse_testkit::home::Home;
use serde_json::Value;

/// Where layouts lie.
const ROOTS: [&str; 14] = [
    "specs",
    ".specify",
    "openspec",
    ".kiro",
    ".ai",
    ".taskmaster",
    "docs/superpowers",
    "docs/plans",
    "docs/stories",
    "agent-os",
    "_bmad-output",
    "scripts/ralph",
    "tasks",
    "prd.json",
];

/// The folders of all packages: those of cargo for this machine, and those of npm that the tests of agents install.
fn packages() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Those of other systems were never fetched.
    let args = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    let output = Command::new(env!("CARGO")).args(args).current_dir(top).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |it: &Value| Some(Path::new(it["manifest_path"].as_str()?).parent()?.to_owned());
    let all = metadata["packages"].as_array().unwrap().iter().filter(|it| !it["source"].is_null());
    let mut all: BTreeSet<PathBuf> = all.filter_map(of).collect();
    let below = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|it| it.path()).collect()
    };
    for package in below(&top.join("target/agents/node_modules")) {
        let scope = package.file_name().is_some_and(|it| it.to_string_lossy().starts_with('@'));
        all.extend(if scope { below(&package) } else { vec![package] });
    }
    all.into_iter().collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        // Not with its permissions: what a registry keeps is read-only.
        std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
    }
}

#[test]
fn plans_that_packages_ship_are_read_ticked_and_come_back_to_the_same_bytes() {
    let home = Home::new();
    let (mut looked, mut ticked) = (0, 0);
    let mut shipped = Vec::new();
    for package in packages() {
        looked += 1;
        let has: Vec<&str> = ROOTS.into_iter().filter(|it| package.join(it).exists()).collect();
        if has.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        for root in &has {
            copy(&package.join(root), &folder.path().join(root));
        }
        let listed = home.try_json(&["spec", "list", &folder.path().display().to_string()]);
        let name = package.file_name().unwrap().to_string_lossy().into_owned();
        if listed.code != 0 {
            // A folder of that name holds something else: that is said, and nothing is made of it.
            assert!(listed.fault().contains("holds no spec or plan"), "{name}: {listed:?}");
            println!("{name} has {has:?}, and no plan in it");
            continue;
        }
        for item in listed.json()["items"].as_array().unwrap() {
            let tasks = item["tasks"].as_array().unwrap();
            println!("{name}: {} with {} tasks, {}", item["path"], tasks.len(), item["layout"]);
            shipped.push(item["path"].to_string());
            for task in tasks {
                let file = folder.path().join(task["file"].as_str().unwrap());
                let before = std::fs::read(&file).unwrap();
                let at = |span: &str, end: &str| usize::try_from(task[span][end].as_u64().unwrap()).unwrap();
                let row = String::from_utf8_lossy(&before[at("row", "from")..at("row", "to")]).into_owned();
                assert!(row.contains(task["title"].as_str().unwrap().split(' ').next().unwrap()), "{row}");
                let (given, id) = (file.display().to_string(), task["id"].as_str().unwrap());
                let hash = task["hash"].as_str().unwrap();
                let ran = home.try_json(&["spec", "tick", &given, id, "--hash", hash]);
                assert_eq!(ran.code, 0, "{name} {id}: {ran:?}");
                let after = std::fs::read(&file).unwrap();
                assert_eq!(before.len(), after.len(), "{name} {id}");
                let places: Vec<usize> = (0..before.len()).filter(|it| before[*it] != after[*it]).collect();
                assert!(places.iter().all(|it| (before[*it], after[*it]) == (b' ', b'x')), "{name} {id}");
                assert_eq!(places.is_empty(), task["state"] == "done", "{name} {id}");
                // Without the tick it is what it was.
                let mut back = after;
                for place in places {
                    back[place] = b' ';
                }
                assert_eq!(back, before);
                std::fs::write(&file, back).unwrap();
                ticked += 1;
            }
        }
    }
    println!("{looked} packages looked at, {} plans with {ticked} tasks", shipped.len());
    assert!(looked > 100, "the packages were not found");
    assert!(ticked > 0, "no package ships a plan any more: take another one in here, or this test out");
}
