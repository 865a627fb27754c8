//! Changes over real git: whatever files are called and hold.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use pilothouse_contract::PullId;
use pilothouse_contract::ask::change::{Ends, File, ROWS_MAX, Row, Status};

use super::*;

struct Scene {
    folder: tempfile::TempDir,
    changes: Changes,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), changes: Changes::default() };
        scene.git(&["init", "-q", "-b", "main"]);
        scene
    }

    fn git(&self, args: &[&str]) -> String {
        let out = Command::new("git")
            .current_dir(self.folder.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "core.autocrlf=false"])
            .args(args)
            .output()
            .unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    fn write(&self, name: &[u8], bytes: &[u8]) {
        let path = self.folder.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn commit(&self) -> Oid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "it"]);
        Oid(self.git(&["rev-parse", "HEAD"]))
    }

    fn between(&self, from: &Oid, to: &Oid) -> Between {
        Between { git_dir: self.folder.path().join(".git"), from: from.clone(), to: to.clone() }
    }

    /// The file of a path: as it is told, what there is to say of it, and its rows.
    async fn file(&self, between: &Between, path: &str) -> (File, Vec<String>, Vec<Row>) {
        let entries = self.changes.files(between).await.unwrap();
        let entry = entries.iter().find(|it| it.told().path == path);
        let entry = entry.unwrap_or_else(|| panic!("no {path:?} in {entries:?}"));
        let body = self.changes.body(between, entry).await.unwrap();
        (entry.told(), body.head(false).notes, body.rows(false, 0, ROWS_MAX))
    }
}

fn added(rows: &[Row]) -> Vec<String> {
    rows.iter().filter(|it| !it.is_same()).filter_map(|it| Some(it.line.clone()?.text)).collect()
}

#[tokio::test]
async fn whatever_can_happen_to_a_file_is_told_in_words_and_its_counts_are_gits() {
    let scene = Scene::new();
    let many: String = (0..40).map(|it| format!("line {it}\n")).collect();
    scene.write(b"plain", b"one\ntwo\nthree\n");
    scene.write(b"moved", many.as_bytes());
    scene.write(b"script", b"echo\n");
    scene.write(b"crlf", b"a\r\nb\r\n");
    scene.write(b"ends", b"a\nb\n");
    scene.write(b"bytes", b"\0\x01\x02");
    scene.write(b"latin", b"caf\xe9\n");
    scene.write(b"gone", b"was here\n");
    scene.write(b"kind", b"a file\n");
    symlink("plain", scene.folder.path().join("link")).unwrap();
    scene.git(&["add", "-A"]);
    let sub = "1111111111111111111111111111111111111111";
    scene.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{sub},sub")]);
    scene.git(&["commit", "-q", "-m", "first"]);
    let from = Oid(scene.git(&["rev-parse", "HEAD"]));

    scene.write(b"plain", b"one\n2\nthree\n");
    std::fs::remove_file(scene.folder.path().join("moved")).unwrap();
    scene.write(b"deep/there", format!("{many}more\n").as_bytes());
    std::fs::set_permissions(scene.folder.path().join("script"), PermissionsExt::from_mode(0o755)).unwrap();
    scene.write(b"crlf", b"a\r\nc\n");
    scene.write(b"ends", b"a\nb");
    scene.write(b"bytes", b"\0\x01\x02\x03");
    scene.write(b"latin", b"caf\xe8\n");
    std::fs::remove_file(scene.folder.path().join("gone")).unwrap();
    std::fs::remove_file(scene.folder.path().join("kind")).unwrap();
    symlink("plain", scene.folder.path().join("kind")).unwrap();
    std::fs::remove_file(scene.folder.path().join("link")).unwrap();
    symlink("script", scene.folder.path().join("link")).unwrap();
    scene.write(b"empty", b"");
    scene.write(b"n\x1b]0;evil\x07\nm\xff", b"x\n");
    scene.git(&["add", "-A", "--", ":!sub"]);
    let other = "2222222222222222222222222222222222222222";
    scene.git(&["update-index", "--cacheinfo", &format!("160000,{other},sub")]);
    scene.git(&["commit", "-q", "-m", "second"]);
    let to = Oid(scene.git(&["rev-parse", "HEAD"]));
    let between = scene.between(&from, &to);

    let (file, notes, rows) = scene.file(&between, "plain").await;
    assert_eq!((file.status, file.added, file.removed), (Status::Modified, 1, 1));
    assert_eq!((notes, rows.len(), added(&rows)), (vec![], 4, vec!["2".to_owned()]));
    let (file, notes, rows) = scene.file(&between, "deep/there").await;
    assert_eq!((file.status, file.old.as_deref(), file.added), (Status::Renamed, Some("moved"), 1));
    assert!(notes[0].starts_with("Renamed from moved, 9"), "{notes:?}");
    assert_eq!((rows.len(), added(&rows)), (41, vec!["more".to_owned()]));
    let (_, notes, rows) = scene.file(&between, "script").await;
    assert_eq!(notes, ["Can be executed now, and could not before.", "What it holds is the same."]);
    assert!(rows.is_empty());
    let (_, notes, rows) = scene.file(&between, "crlf").await;
    assert_eq!(notes, ["Its lines ended with CR LF before, and end with LF and CR LF mixed now."]);
    assert_eq!(rows[1].out.as_ref().map(|it| (it.text.as_str(), it.ends)), Some(("b", Ends::CrLf)));
    let (_, notes, rows) = scene.file(&between, "ends").await;
    assert_eq!(notes, ["Its last line had a line end before, and has none now."]);
    assert_eq!(rows[2].line.as_ref().map(|it| (it.text.as_str(), it.ends)), Some(("b", Ends::Never)));
    let (file, notes, rows) = scene.file(&between, "bytes").await;
    assert!(file.binary && rows.is_empty());
    assert_eq!(notes, ["A binary file: 3 bytes before, 4 bytes now."]);
    let (_, notes, rows) = scene.file(&between, "latin").await;
    assert_eq!((notes.len(), added(&rows)), (1, vec!["caf\u{fffd}".to_owned()]));
    let (file, notes, rows) = scene.file(&between, "gone").await;
    assert_eq!((file.status, file.removed, notes.len(), rows.len()), (Status::Deleted, 1, 0, 1));
    let (file, notes, _) = scene.file(&between, "kind").await;
    assert_eq!(file.status, Status::Retyped);
    assert!(notes[0].starts_with("Was a file and is a symbolic link now"), "{notes:?}");
    let (_, notes, rows) = scene.file(&between, "link").await;
    assert!(notes[0].starts_with("A symbolic link"), "{notes:?}");
    assert_eq!(added(&rows), ["script"]);
    let (_, notes, _) = scene.file(&between, "empty").await;
    assert_eq!(notes, ["It is empty."]);
    let (_, notes, rows) = scene.file(&between, "sub").await;
    assert!(notes[0].contains("from commit 1111111 to 2222222") && rows.is_empty(), "{notes:?}");
    let (file, _, _) = scene.file(&between, "n\x1b]0;evil\x07\nm\\xff").await;
    assert_eq!(file.status, Status::Added);

    // What rows say is what git says, file by file.
    let entries = scene.changes.files(&between).await.unwrap();
    assert_eq!(entries.len(), 13);
    for entry in entries.iter().filter(|it| !it.is_submodule()) {
        let Some((added, removed)) = entry.lines else { continue };
        let rows = scene.changes.body(&between, entry).await.unwrap().rows(false, 0, ROWS_MAX);
        let count = |holds: fn(&Row) -> bool| rows.iter().filter(|it| holds(it)).count();
        let counts = (count(|it| it.old.is_none()), count(|it| it.new.is_none()));
        assert_eq!(counts, (added as usize, removed as usize), "{:?}", entry.told());
    }
}

#[tokio::test]
async fn nothing_of_the_repository_runs_and_its_settings_change_nothing() {
    let scene = Scene::new();
    scene.write(b".gitattributes", b"*.txt diff=evil filter=evil\n");
    scene.write(b"a.txt", b"one\n\ntwo\n");
    let from = scene.commit();
    scene.write(b"a.txt", b"one\n\n2\n");
    let to = scene.commit();
    let witness = scene.folder.path().join("ran");
    let runs = format!("touch {}; cat", witness.display());
    for (name, value) in [
        ("diff.evil.command", runs.as_str()),
        ("diff.evil.textconv", &runs),
        ("diff.external", &runs),
        ("diff.noprefix", "true"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.algorithm", "patience"),
        ("diff.context", "0"),
        ("color.diff", "always"),
    ] {
        scene.git(&["config", name, value]);
    }
    let (_, notes, rows) = scene.file(&scene.between(&from, &to), "a.txt").await;
    assert_eq!((rows.len(), added(&rows), notes), (4, vec!["2".to_owned()], vec![]));
    assert!(!witness.exists());
}

#[tokio::test]
async fn a_long_file_is_read_once_and_what_is_kept_has_a_bound() {
    let scene = Scene::new();
    let long = |word: &str| (0..100_000).map(|it| format!("{word} {it}\n")).collect::<String>();
    scene.write(b"long", long("old").as_bytes());
    let from = scene.commit();
    scene.write(b"long", long("new").as_bytes());
    let to = scene.commit();
    let between = scene.between(&from, &to);
    let entries = scene.changes.files(&between).await.unwrap();
    let first = scene.changes.body(&between, &entries[0]).await.unwrap();
    assert_eq!((first.head(false).rows, first.head(true).rows), (200_000, 100_000));
    let middle = &first.rows(true, 50_000, 1)[0];
    assert_eq!((middle.old, middle.line.as_ref().unwrap().text.as_str()), (Some(50_001), "new 50000"));
    assert_eq!(middle.out.as_ref().unwrap().marks, [(0, 3)]);
    // The repository is gone, and every page of it is still there.
    let gone = scene.folder.path().join(".git");
    std::fs::rename(&gone, scene.folder.path().join("elsewhere")).unwrap();
    let again = scene.changes.body(&between, &entries[0]).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(again.rows(false, 199_990, 100).len(), 10);
    // What was used last stays when there is no room for all.
    let shelf: Shelf<u32, u32> = Shelf::default();
    for key in 0..4 {
        shelf.put(key, Arc::new(key), 3, 10);
        let _used = shelf.find(&0);
    }
    shelf.put(9, Arc::new(9), 11, 10);
    let kept: Vec<u32> = (0..10).filter(|it| shelf.find(it).is_some()).collect();
    // And what was put last, however heavy it is, for whoever wants it wants more of it.
    assert_eq!(kept, [9]);
}

#[tokio::test]
async fn a_file_of_more_lines_than_anybody_scrolls_through_is_said_and_not_held() {
    let scene = Scene::new();
    let from = scene.commit();
    scene.write(b"new", "\n".repeat(LINES_MAX + 1).as_bytes());
    scene.write(b"just", "\n".repeat(LINES_MAX).as_bytes());
    let to = scene.commit();
    let (_, notes, rows) = scene.file(&scene.between(&from, &to), "new").await;
    assert!(
        rows.is_empty() && notes.concat().contains("Too long") && notes.concat().contains("1000001 lines"),
        "{notes:?}"
    );
    let (_, notes, rows) = scene.file(&scene.between(&from, &to), "just").await;
    assert!(!rows.is_empty() && !notes.concat().contains("Too long"), "{notes:?}");
    scene.write(b"just", "x\n".repeat(LINES_MAX).as_bytes());
    let now = scene.commit();
    let (_, notes, rows) = scene.file(&scene.between(&to, &now), "just").await;
    assert!(
        rows.is_empty() && notes.concat().contains(" lines") && notes.concat().contains("Too long"),
        "{notes:?}"
    );
}

#[test]
fn what_was_shown_to_be_a_change_is_known_for_just_that() {
    let changes = Changes::default();
    let of = |to: &str| Between { git_dir: "/x".into(), from: Oid("a".into()), to: Oid(to.into()) };
    changes.note(Of::Pull(PullId(1)), &of("b"));
    assert!(changes.was_shown(Of::Pull(PullId(1)), &of("b")));
    assert!(!changes.was_shown(Of::Pull(PullId(1)), &of("c")));
    assert!(!changes.was_shown(Of::Pull(PullId(2)), &of("b")));
}
