//! Safe removal over real git and a real file system.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{At, Oid, ProjectId, RefName, WorktreeId};

use super::{KEPT, Remover};
use crate::execution::trees::{Tree, TreeError, Trees, name_of};

fn git(at: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .current_dir(at)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid"])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

struct Scene {
    _folder: tempfile::TempDir,
    root: PathBuf,
    repo: PathBuf,
    trees: Trees,
    worktree: Worktree,
    tree: Tree,
}

/// A worktree with everything that could be lost: commits, staged, changed, deleted, untracked and ignored files,
/// links, an executable, an empty folder.
async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let repo = root.join("repo");
    std::fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    for (name, text) in
        [("a.txt", "a\n"), ("b.txt", "b\n"), ("gone.txt", "gone\n"), (".gitignore", "target/\n")]
    {
        std::fs::write(repo.join(name), text).unwrap();
    }
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "first"]);
    let trees = Trees::new("home", &root.join("worktrees"));
    let worktree = Worktree {
        id: WorktreeId(3),
        project: ProjectId(1),
        attempt: None,
        path: "demo/w3".to_owned(),
        branch: RefName::branch("pilothouse/001/t001-a1"),
        base: Oid(git(&repo, &["rev-parse", "HEAD"])),
        state: WorktreeState::Live,
        seen: None,
        asked: At(0),
    };
    let tree = trees
        .make(&repo.join(".git"), &name_of(&worktree), &worktree.path, Some(&worktree.branch), &worktree.base)
        .await
        .unwrap();
    let at = &tree.path;
    std::fs::write(at.join("committed.txt"), "by the agent\n").unwrap();
    git(at, &["add", "committed.txt"]);
    git(at, &["commit", "-qm", "agent"]);
    std::fs::write(at.join("a.txt"), "staged\n").unwrap();
    git(at, &["add", "a.txt"]);
    std::fs::write(at.join("a.txt"), "staged and changed\n").unwrap();
    std::fs::remove_file(at.join("gone.txt")).unwrap();
    std::fs::create_dir_all(at.join("target/deep")).unwrap();
    std::fs::write(at.join("target/deep/cache"), vec![7; 5000]).unwrap();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::write(at.join("new file ü.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at.join("new file ü.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/hostname", at.join("link")).unwrap();
    Scene { root, repo, trees, worktree, tree, _folder: folder }
}

/// Every file, folder and link below a folder, with its bytes and rights.
fn bytes(at: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut edge = vec![at.to_owned()];
    while let Some(folder) = edge.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            let content = if data.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if data.is_dir() {
                edge.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            all.insert(path.strip_prefix(at).unwrap().to_owned(), (data.permissions().mode(), content));
        }
    }
    all
}

/// The paths that are not the same on both sides.
fn differ(a: &BTreeMap<PathBuf, (u32, Vec<u8>)>, b: &BTreeMap<PathBuf, (u32, Vec<u8>)>) -> Vec<PathBuf> {
    a.keys().chain(b.keys()).filter(|path| a.get(*path) != b.get(*path)).cloned().collect()
}

impl Scene {
    fn git_dir(&self) -> PathBuf {
        self.repo.join(".git")
    }

    fn remover(&self) -> Remover {
        Remover::new(&self.trees, &self.root.join("recovery"))
    }
}

#[tokio::test]
async fn undo_restores_byte_for_byte() {
    let scene = scene().await;
    let (files, admin) = (bytes(&scene.tree.path), bytes(&scene.tree.admin));
    let status = git(&scene.tree.path, &["status", "--porcelain=v2", "--ignored"]);
    let recovery = scene.remover().remove(&scene.worktree, &scene.git_dir(), At(1000)).await.unwrap();
    assert!(!scene.tree.path.exists());
    assert!(!git(&scene.repo, &["worktree", "list"]).contains("w3"));
    assert!(!git(&scene.repo, &["branch", "--list", "pilothouse/*"]).contains("t001"));
    assert_eq!(recovery.bundled, 2, "the script and the link");
    assert_eq!(recovery.until, At(1000).plus_ms(KEPT.as_millis() as i64));
    // Git may collect garbage: what the refs keep stays.
    git(&scene.repo, &["reflog", "expire", "--expire=now", "--all"]);
    git(&scene.repo, &["gc", "-q", "--prune=now"]);
    for reference in &recovery.refs {
        git(&scene.repo, &["cat-file", "-e", reference.as_str()]);
    }
    assert_eq!(scene.remover().restore(&recovery).await.unwrap(), Vec::<String>::new());
    assert_eq!(differ(&bytes(&scene.tree.path), &files), Vec::<PathBuf>::new());
    assert_eq!(differ(&bytes(&scene.tree.admin), &admin), Vec::<PathBuf>::new());
    assert_eq!(git(&scene.tree.path, &["status", "--porcelain=v2", "--ignored"]), status);
    assert_eq!(scene.remover().restore(&recovery).await.unwrap(), Vec::<String>::new(), "twice is once");
    scene.trees.find(&scene.git_dir(), &name_of(&scene.worktree), &scene.worktree.path).await.unwrap();
}

#[tokio::test]
async fn without_the_renamed_folder_refs_and_bundle_bring_back_what_git_knows() {
    let scene = scene().await;
    let mut files = bytes(&scene.tree.path);
    let recovery = scene.remover().remove(&scene.worktree, &scene.git_dir(), At(1000)).await.unwrap();
    std::fs::remove_dir_all(Path::new(&recovery.folder).join("tree")).unwrap();
    let lost = scene.remover().restore(&recovery).await.unwrap();
    assert!(lost.iter().any(|it| it.contains("ignores")), "{lost:?}");
    files.retain(|path, _| {
        !path.starts_with("target") && path != Path::new("empty") && path != Path::new(".git")
    });
    let mut back = bytes(&scene.tree.path);
    back.remove(Path::new(".git"));
    assert_eq!(differ(&back, &files), Vec::<PathBuf>::new());
    assert!(
        git(&scene.tree.path, &["diff", "--cached", "--name-only"]).contains("a.txt"),
        "the index is back"
    );
}

#[tokio::test]
async fn a_path_swapped_between_look_and_deed_is_put_back_and_refused() {
    let scene = scene().await;
    let before = bytes(&scene.tree.path);
    let victim = scene.root.join("victim");
    std::fs::create_dir(&victim).unwrap();
    std::fs::write(victim.join("precious"), "precious").unwrap();
    for swap in ["folder", "link"] {
        let (path, aside, victim) = (scene.tree.path.clone(), scene.root.join("aside"), victim.clone());
        let remover = scene.remover().with_between(move || {
            std::fs::rename(&path, &aside).unwrap();
            if swap == "folder" {
                std::fs::rename(&victim, &path).unwrap();
            } else {
                symlink(&victim, &path).unwrap();
            }
        });
        let refused = remover.remove(&scene.worktree, &scene.git_dir(), At(2000)).await.unwrap_err();
        assert!(matches!(refused, TreeError::NotOurs { .. }), "{refused}");
        assert!(refused.to_string().contains("swapped"), "{refused}");
        // What stands there now was not touched.
        assert_eq!(std::fs::read_to_string(scene.tree.path.join("precious")).unwrap(), "precious");
        if swap == "folder" {
            std::fs::rename(&scene.tree.path, scene.root.join("victim")).unwrap();
        } else {
            std::fs::remove_file(&scene.tree.path).unwrap();
        }
        std::fs::rename(scene.root.join("aside"), &scene.tree.path).unwrap();
        assert_eq!(differ(&bytes(&scene.tree.path), &before), Vec::<PathBuf>::new());
    }
    // And without a swap it goes, although two tries were broken off.
    scene.remover().remove(&scene.worktree, &scene.git_dir(), At(2000)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_ours_is_refused_in_words() {
    let scene = scene().await;
    let why = |error: TreeError| error.to_string();
    let remover = scene.remover();
    // The main checkout, by a record that was led astray.
    std::fs::rename(&scene.tree.path, scene.root.join("kept")).unwrap();
    std::fs::rename(&scene.repo, &scene.tree.path).unwrap();
    let moved = scene.tree.path.join(".git");
    assert!(
        why(remover.remove(&scene.worktree, &moved, At(1)).await.unwrap_err())
            .contains("repository of its own")
    );
    std::fs::rename(&scene.tree.path, &scene.repo).unwrap();
    // A link.
    symlink(scene.root.join("kept"), &scene.tree.path).unwrap();
    assert!(
        why(remover.remove(&scene.worktree, &scene.git_dir(), At(1)).await.unwrap_err())
            .contains("symbolic link")
    );
    std::fs::remove_file(&scene.tree.path).unwrap();
    // A copy: another inode in its place.
    std::fs::create_dir(&scene.tree.path).unwrap();
    std::fs::copy(scene.root.join("kept/.git"), scene.tree.path.join(".git")).unwrap();
    assert!(
        why(remover.remove(&scene.worktree, &scene.git_dir(), At(1)).await.unwrap_err())
            .contains("another folder")
    );
    std::fs::remove_dir_all(&scene.tree.path).unwrap();
    std::fs::rename(scene.root.join("kept"), &scene.tree.path).unwrap();
    // A worktree that a person made.
    git(
        &scene.repo,
        &["worktree", "add", "-q", "-b", "own", scene.root.join("worktrees/demo/own").to_str().unwrap()],
    );
    let own = Worktree { path: "demo/own".to_owned(), ..scene.worktree.clone() };
    assert!(
        why(remover.remove(&own, &scene.git_dir(), At(1)).await.unwrap_err()).contains("did not make it")
    );
    // One that another Pilothouse made.
    let stranger =
        Remover::new(&Trees::new("other", &scene.root.join("worktrees")), &scene.root.join("recovery"));
    assert!(
        why(stranger.remove(&scene.worktree, &scene.git_dir(), At(1)).await.unwrap_err())
            .contains("another Pilothouse")
    );
    assert!(scene.tree.path.join("committed.txt").exists());
}

#[tokio::test]
async fn undo_never_overwrites() {
    let scene = scene().await;
    let recovery = scene.remover().remove(&scene.worktree, &scene.git_dir(), At(1000)).await.unwrap();
    std::fs::create_dir_all(&scene.tree.path).unwrap();
    std::fs::write(scene.tree.path.join("mine"), "mine").unwrap();
    let refused = scene.remover().restore(&recovery).await.unwrap_err();
    assert!(refused.to_string().contains("something else stands there"), "{refused}");
    assert_eq!(std::fs::read_to_string(scene.tree.path.join("mine")).unwrap(), "mine");
}

#[tokio::test]
async fn only_what_is_too_old_is_swept() {
    let scene = scene().await;
    let recovery = scene.remover().remove(&scene.worktree, &scene.git_dir(), At(1000)).await.unwrap();
    assert!(scene.remover().sweep(recovery.until).await.is_empty());
    assert_eq!(scene.remover().sweep(recovery.until.plus_ms(1)).await.len(), 1);
    assert!(!Path::new(&recovery.folder).exists());
    assert!(git(&scene.repo, &["for-each-ref", "refs/pilothouse/recovery"]).is_empty());
}

#[tokio::test]
async fn a_worktree_of_another_life_of_the_database_is_not_taken_for_its_namesake() {
    let scene = scene().await;
    let committed = git(&scene.tree.path, &["rev-parse", "HEAD"]);
    // The database was put back from a copy and gives the same id to something else.
    let other = Worktree { asked: At(77), ..scene.worktree.clone() };
    let refused = scene.remover().remove(&other, &scene.git_dir(), At(1000)).await.unwrap_err();
    assert!(matches!(refused, TreeError::NotOurs { .. }), "{refused}");
    assert!(scene.tree.path.join("committed.txt").exists());
    let made = scene
        .trees
        .make(&scene.git_dir(), &name_of(&other), &other.path, Some(&other.branch), &other.base)
        .await
        .unwrap();
    assert!(!made.path.join("committed.txt").exists(), "a fresh tree");
    let aside = made.path.with_file_name("w3.aside-1");
    assert!(aside.join("new file ü.sh").exists(), "what stood there is moved aside, not lost");
    let kept = git(&scene.repo, &["for-each-ref", "--format=%(objectname)", "refs/pilothouse/recovery"]);
    assert_eq!(kept, committed, "and its commits are kept");
}
