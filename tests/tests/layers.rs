//! The architecture as a test: which crate may depend on which, what may never be reached from where, and which folder
//! of the engine may use which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Which of our crates each may name in its normal dependencies.
const EDGES: [(&str, &[&str]); 12] = [
    ("pilothouse-contract", &[]),
    ("pilothouse-client", &["pilothouse-contract"]),
    ("pilothouse-holder", &[]),
    ("pilothouse-engine", &["pilothouse-contract", "pilothouse-holder", "pilothouse-symphony"]),
    ("pilothouse-symphony", &["pilothouse-contract", "pilothouse-holder"]),
    (
        "pilothouse-cli",
        &[
            "pilothouse-client",
            "pilothouse-contract",
            "pilothouse-engine",
            "pilothouse-holder",
            "pilothouse-symphony",
        ],
    ),
    ("pilothouse-desktop", &["pilothouse-client", "pilothouse-contract"]),
    ("pilothouse-ui", &["pilothouse-contract"]),
    ("pilothouse-testkit", &["pilothouse-client", "pilothouse-contract", "pilothouse-engine"]),
    ("pilothouse-fake-github", &[]),
    ("pilothouse-tests", &[]),
    ("xtask", &[]),
];

/// What may never be reached from each, over any number of normal dependencies.
const NEVER: [(&str, &[&str]); 9] = [
    ("pilothouse-contract", &["tokio", "sqlx", "tauri", "leptos", "rustix", "libc"]),
    ("pilothouse-client", &["sqlx", "tauri", "leptos", "notify", "git2", "keyring", "portable-pty"]),
    (
        "pilothouse-holder",
        &["tokio", "sqlx", "git2", "tauri", "vte", "alacritty_terminal", "vt100", "pilothouse-contract"],
    ),
    (
        "pilothouse-engine",
        &["tauri", "leptos", "wry", "web-sys", "pilothouse-client", "apollo-compiler", "linux-keyutils"],
    ),
    ("pilothouse-fake-github", &["tauri", "sqlx", "pilothouse-engine", "pilothouse-contract"]),
    ("pilothouse-symphony", &["sqlx", "tauri", "leptos", "wry", "pilothouse-engine"]),
    // The double is true to the schema, so what it is made with is in no program that ships.
    ("pilothouse-cli", &["tauri", "wry", "leptos", "apollo-compiler", "jsonschema"]),
    ("pilothouse-desktop", &["pilothouse-engine", "sqlx", "git2", "notify", "keyring", "portable-pty"]),
    ("pilothouse-ui", &["rustix", "sqlx", "tauri", "portable-pty", "notify"]),
];

/// Which folders of the engine each may use. `answer`, `engine`, `perform`, `signs`, `serve` and `rehearsal` put them
/// together and may use all.
const LAYERS: [(&str, &[&str]); 7] = [
    ("policy", &["policy"]),
    ("coordination", &["coordination", "policy"]),
    ("execution", &["execution", "coordination", "policy", "ports"]),
    ("integration", &["integration", "coordination", "policy", "ports"]),
    ("observability", &["observability", "store", "ports"]),
    ("store", &["store"]),
    ("ports", &["ports"]),
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn metadata() -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names by package id, and normal dependencies by package id.
fn graph(metadata: &Value) -> (BTreeMap<String, String>, BTreeMap<String, Vec<String>>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["id"]), text(&it["name"])))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let normal =
        |dep: &&Value| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
    let edges = nodes
        .iter()
        .map(|node| {
            let deps =
                node["deps"].as_array().unwrap().iter().filter(normal).map(|dep| text(&dep["pkg"])).collect();
            (text(&node["id"]), deps)
        })
        .collect();
    (names, edges)
}

#[test]
fn crates_name_only_what_the_table_allows() {
    let (names, edges) = graph(&metadata());
    let id_of = |name: &str| {
        names.iter().find(|(_, it)| *it == name).unwrap_or_else(|| panic!("no crate {name}")).0.clone()
    };
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let members = metadata();
    let members: BTreeSet<String> = members["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| names[id.as_str().unwrap()].clone())
        .collect();
    assert_eq!(
        members.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        ours,
        "a crate without a row in the table"
    );
    for (name, allowed) in EDGES {
        for dep in &edges[&id_of(name)] {
            let dep = names[dep].as_str();
            assert!(!ours.contains(dep) || allowed.contains(&dep), "{name} may not depend on {dep}");
        }
    }
}

#[test]
fn what_must_never_be_reached_is_not_reached() {
    let (names, edges) = graph(&metadata());
    for (name, never) in NEVER {
        let start = names.iter().find(|(_, it)| *it == name).unwrap().0.clone();
        let mut way: BTreeMap<String, String> = BTreeMap::new();
        let mut edge = VecDeque::from([start.clone()]);
        while let Some(next) = edge.pop_front() {
            for dep in &edges[&next] {
                if *dep != start && !way.contains_key(dep) {
                    way.insert(dep.clone(), next.clone());
                    edge.push_back(dep.clone());
                }
            }
        }
        if let Some(dep) = way.keys().find(|dep| never.contains(&names[*dep].as_str())) {
            let mut path = vec![names[dep].as_str()];
            let mut at = dep;
            while let Some(before) = way.get(at) {
                path.push(&names[before]);
                at = before;
            }
            path.reverse();
            panic!("{} is reached: {}", names[dep], path.join(" → "));
        }
    }
}

/// Every source file below a folder, with its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut edge = vec![folder.to_owned()];
    while let Some(next) = edge.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                edge.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn folders_of_the_engine_use_only_what_the_table_allows() {
    let src = top().join("src-tauri/engine/src");
    for (layer, allowed) in LAYERS {
        let mut files = sources(&src.join(layer));
        let head = src.join(format!("{layer}.rs"));
        files.push((head.display().to_string(), std::fs::read_to_string(&head).unwrap()));
        for (file, text) in files {
            for (number, line) in text.lines().enumerate() {
                for used in line.split("crate::").skip(1) {
                    let used: String =
                        used.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
                    // A group, `crate::{a, b}`, would hide its edges from this test.
                    assert!(!used.is_empty(), "{file}:{}: name one module a line", number + 1);
                    assert!(
                        allowed.contains(&used.as_str()),
                        "{file}:{}: {layer} may not use {used}",
                        number + 1
                    );
                }
            }
        }
    }
    // The pure layers touch nothing of the world.
    let symphony = top().join("src-tauri/symphony/src/coordination");
    for layer in [src.join("policy"), src.join("coordination"), symphony] {
        // What tests them may look at a clock: of that nothing is built in.
        for (file, text) in sources(&layer).into_iter().filter(|(file, _)| !file.contains("/tests/")) {
            for word in [
                "std::fs",
                "std::process",
                "std::net",
                "tokio::",
                "SystemTime::now",
                "Instant::now",
                "sqlx::",
            ] {
                assert!(!text.contains(word), "{file} is pure and names {word}");
            }
        }
    }
}

#[test]
fn the_pages_name_the_shell_in_one_file_and_the_shell_stays_thin() {
    for (file, text) in sources(&top().join("ui/src")) {
        let shell = text.contains("invoke(") || text.contains("__TAURI");
        assert!(!shell || file.ends_with("ipc.rs"), "{file} speaks to the shell past ipc.rs");
    }
    let lines: usize = sources(&top().join("src-tauri/src"))
        .iter()
        .map(|(_, text)| text.split("#[cfg(test)]").next().unwrap_or_default().lines().count())
        .sum();
    assert!(lines <= 650, "the shell has {lines} lines; what is more belongs to the engine or the pages");
}
