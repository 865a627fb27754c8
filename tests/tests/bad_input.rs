//! Bad input gets a sentence that says what and how to mend it, and loses nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pilothouse_contract::event::Event;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::{Home, moved_to, ran};
use pilothouse_testkit::process::{ended, kill_at_once};
use pilothouse_testkit::repo::Repo;

const TASKS: &str = "specs/001-work/tasks.md";

#[test]
fn what_is_no_repository_is_refused_with_the_cure() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let none = home.try_json(&["project", "add", path]).fault();
    assert!(none.contains("is not a git repository") && none.contains("init"), "{none}");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(home.try_json(&["project", "add", file.to_str().unwrap()]).fault().contains("is not a folder"));
    assert!(home.try_json(&["project", "add", "/no/such/place"]).fault().contains("cannot be looked at"));
    let git = |args: &[&str]| {
        assert!(Command::new("git").args(args).current_dir(path).output().unwrap().status.success())
    };
    git(&["init", "--quiet", "--bare", "bare.git"]);
    assert!(
        home.try_json(&["project", "add", &format!("{path}/bare.git")]).fault().contains("bare repository")
    );
    git(&["init", "--quiet", "empty"]);
    let empty = home.try_json(&["project", "add", &format!("{path}/empty")]).fault();
    assert!(empty.contains("no commits yet") && empty.contains("--allow-empty"), "{empty}");
    git(&["init", "--quiet", "loose"]);
    let here = ["-C", "loose", "-c", "user.name=t", "-c", "user.email=t@example.invalid"];
    git(&[&here[..], &["commit", "--quiet", "--allow-empty", "-m", "x"]].concat());
    git(&["-C", "loose", "branch", "-m", "topic"]);
    git(&["-C", "loose", "switch", "--quiet", "--detach"]);
    git(&["-C", "loose", "branch", "-D", "topic"]);
    let loose = home.try_json(&["project", "add", &format!("{path}/loose")]).fault();
    assert!(loose.contains("stands on no branch") && loose.contains("switch -c main"), "{loose}");
    assert_eq!(home.json(&["project", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_repository_is_added_once_and_comes_back_as_itself() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    let again = home.try_json(&["project", "add", &repo.name()]).fault();
    assert!(again.contains("on the list already, as shop"), "{again}");
    // From below, and from a worktree of it, it is the same repository.
    repo.write("deep/er/x", "x");
    assert!(
        home.try_json(&["project", "add", &format!("{}/deep/er", repo.name())])
            .fault()
            .contains("on the list already")
    );
    home.json(&["project", "remove", "shop"]);
    assert!(repo.path().join("deep/er/x").exists());
    let back = home.json(&["project", "add", &repo.name()]);
    assert_eq!((back["id"].as_str(), back["trust"]["state"].as_str()), (Some("p1"), Some("undecided")));
    let refused = home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"]).fault();
    assert!(refused.contains("not trusted yet"), "what it can run may be another since: {refused}");
}

#[test]
fn a_git_folder_that_is_kept_apart_and_a_bare_one_with_worktrees_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let place = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let git = |at: &str, args: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
        let done = Command::new("git").args(identity).args(args).current_dir(root.join(at)).output().unwrap();
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let home = Home::new();
    git("", &["init", "-q", "-b", "main", "--separate-git-dir", &place("apart.git"), "shop"]);
    git("shop", &["commit", "-q", "--allow-empty", "-m", "x"]);
    git("shop", &["worktree", "add", "-q", "-b", "other", &place("linked")]);
    let refused = home.try_json(&["project", "add", &place("linked")]).fault();
    assert!(
        refused.contains("kept apart") && refused.contains("add the folder of the main checkout"),
        "{refused}"
    );
    std::fs::create_dir(root.join("shop/deep")).unwrap();
    let added = home.json(&["project", "add", &place("shop/deep")]);
    assert_eq!(
        (added["path"].as_str(), added["name"].as_str()),
        (Some(place("shop").as_str()), Some("shop"))
    );
    git("", &["clone", "-q", "--bare", "shop", "bare.git"]);
    git("bare.git", &["worktree", "add", "-q", &place("desk"), "main"]);
    let added = home.json(&["project", "add", &place("desk")]);
    assert_eq!(added["path"].as_str(), Some(place("desk").as_str()));
    home.json(&["project", "trust", "desk", "--yes"]);
}

/// Puts something that looks like a signature into the commit that main stands at.
fn sign_head(repo: &Repo) {
    let commit = repo.git(&["cat-file", "commit", "HEAD"]);
    let signature = "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n none\n -----END PGP SIGNATURE-----\n\n";
    let file = repo.path().with_file_name("signed");
    std::fs::write(&file, format!("{}\n", commit.replacen("\n\n", signature, 1))).unwrap();
    let signed = repo.git(&["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
    repo.git(&["update-ref", "-m", "signed", "refs/heads/main", &signed]);
}

#[test]
fn nothing_starts_before_a_person_looked_and_trusted() {
    let repo = Repo::with_tasks(&[("T001", "a", "touch pwned && test -e a")]);
    let mark = repo.path().with_file_name("ran");
    for hook in ["post-checkout", "reference-transaction", "pre-commit"] {
        let path = repo.path().join(".git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    repo.git(&["config", "core.fsmonitor", &format!("touch {}", mark.display())]);
    // A signed commit, and a program that looks at signatures.
    let program = repo.path().with_file_name("look-at-signature");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    sign_head(&repo);
    repo.git(&["config", "gpg.program", program.to_str().unwrap()]);
    repo.git(&["config", "log.showSignature", "true"]);
    repo.git(&["-c", "core.fsmonitor=false", "log", "-g", "-1", "main", "--"]);
    assert!(mark.exists(), "git as such looks at signatures");
    std::fs::remove_file(&mark).unwrap();
    let home = Home::new();
    home.json(&["project", "add", &repo.name()]);
    let refused = home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"]).fault();
    assert!(refused.contains("not trusted yet") && refused.contains("project trust shop"), "{refused}");
    let looked = home.json(&["project", "trust", "shop"]);
    let found: Vec<&str> =
        looked["found"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(found, ["hook", "hook", "hook", "git-command", "git-command", "verify"], "{looked}");
    assert!(!mark.exists(), "looking ran something");
    assert_eq!(home.json(&["project", "list"])[0]["trust"]["state"], "undecided", "looking is not trusting");
}

#[test]
fn what_an_agent_sets_in_git_is_not_run_until_a_person_looked_again() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let mark = repo.path().with_file_name("ran");
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new(&format!(
        "git config filter.x.clean 'touch {}; cat'\n\
         echo '* filter=x' >> \"$(git rev-parse --git-common-dir)/info/attributes\"\necho a > a",
        mark.display()
    ));
    let ran = home.carry(&agent);
    assert_eq!((ran.code, ran.json()["state"].as_str()), (1, Some("parked")), "{ran:?}");
    assert!(!mark.exists(), "it was run");
    let says = "filter.x.clean was set since you trusted shop";
    let history = home.history();
    let notices = history.iter().filter(
        |it| matches!(&it.event, Event::Notice { says: it, .. } if it.starts_with(says) && it.contains("project trust shop")),
    );
    assert_eq!(notices.count(), 1, "a person is told once");
    assert!(
        history.iter().any(|it| matches!(&it.event, Event::AttemptFailed { why, .. } if why.contains(says))),
        "the attempt says why"
    );
    let refused = home.carry(&agent).fault();
    assert!(refused.contains(says) && refused.contains("pilothouse project trust shop"), "{refused}");
    assert!(!mark.exists(), "it was run");
    // Looked at and taken out, or looked at and trusted: either way it goes on.
    home.json(&["project", "trust", "shop", "--yes"]);
    assert_eq!(home.carry(&agent).json()["state"], "landed");
    assert!(mark.exists(), "what was trusted is run");
}

#[test]
fn a_hook_that_came_after_the_trust_is_told_and_stops_new_runs() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    let hook = repo.path().join(".git/hooks/post-checkout");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let agent = ShellAgent::new("echo a > a");
    let refused = home.carry(&agent).fault();
    assert!(refused.contains("post-checkout was set since you trusted shop"), "{refused}");
    assert!(home.events(0).any(
        |it| matches!(&it.event, Event::Notice { says, .. } if says.contains("post-checkout was set since"))
    ));
    std::fs::remove_file(&hook).unwrap();
    assert_eq!(home.carry(&agent).json()["state"], "landed");
}

#[test]
fn a_broken_task_line_is_named_with_its_line_and_mended_by_a_commit() {
    let repo = Repo::with_tasks(&[]);
    let broken = "## Phase 1: x\n\n- [] T001 Make a\n  - Files: `a`\n  - Verify: `test -e a`\n";
    repo.commit(&[(TASKS, broken)], "Say what");
    let home = Home::trusting(&repo);
    assert_eq!(home.json(&["item", "list"])[0]["state"], "drafting");
    let refused = home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"]).fault();
    assert!(refused.contains("tasks.md line 3") && refused.contains("a task line is"), "{refused}");
    repo.commit(&[(TASKS, &task_file(&[("T001", "a", "test -e a")]))], "Mend it");
    // What was committed a moment ago counts, once its proof was seen: it is another than the one that the broken line had none of.
    home.trust_again(&repo);
    assert_eq!(home.carry(&ShellAgent::new("echo a > a")).json()["state"], "landed");
}

#[test]
fn tasks_without_proof_and_settings_that_nobody_knows_are_refused() {
    let repo = Repo::with_tasks(&[]);
    repo.commit(&[(TASKS, "## Phase 1: x\n\n- [ ] T001 Make a\n  - Files: `a`\n")], "Say what");
    let home = Home::trusting(&repo);
    assert!(
        home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"])
            .fault()
            .contains("T001 has no Verify")
    );
    let tasks = task_file(&[("T001", "a", "test -e a")]);
    repo.commit(&[(TASKS, &tasks), ("WORKFLOW.md", "---\npilothouse:\n  aprove: policy\n---\n")], "Oops");
    let refused = home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"]).fault();
    assert!(refused.contains("WORKFLOW.md") && refused.contains("aprove"), "{refused}");
}

#[test]
fn a_missing_agent_program_is_said_before_anything_begins() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    let missing =
        home.try_json(&["run", "start", "001-work", "--command", "no-such-agent {brief_file}"]).fault();
    assert!(
        missing.contains("'no-such-agent' is not on this machine") && missing.contains("install it"),
        "{missing}"
    );
    let unknown = home.try_json(&["run", "start", "001-work", "--agent", "nobody"]).fault();
    assert!(unknown.contains("no agent is called 'nobody'") && unknown.contains("claude"), "{unknown}");
    assert_eq!(home.json(&["run", "list"]).as_array().unwrap().len(), 0);
    assert!(
        home.try_json(&["session", "start", "--", "no-such-program"]).fault().contains("not on this machine")
    );
}

#[test]
fn a_proof_that_passes_before_the_work_is_called_vacuous() {
    let repo = Repo::with_tasks(&[("T001", "a", "true")]);
    let home = Home::trusting(&repo);
    let ran = home.carry(&ShellAgent::new("echo a > a"));
    assert_eq!((ran.code, ran.json()["state"].as_str()), (1, Some("parked")));
    assert!(ran.json()["why"].as_str().unwrap().contains("passes before any work"), "{}", ran.out);
    assert_eq!(
        home.json(&["session", "list", "--all"]).as_array().unwrap().len(),
        1,
        "no agent was started for it"
    );
}

#[test]
fn names_that_nothing_has_are_answered_with_what_there_is() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    assert!(home.try_json(&["run", "start", "nothing"]).fault().contains("there is no item 'nothing'"));
    assert!(home.try_json(&["project", "trust", "shoop"]).fault().contains("there are: shop"));
    for (args, says) in [
        (&["run", "show", "r9"][..], "there is no run r9"),
        (&["pr", "show", "pr9"], "there is no pull request pr9"),
        (&["worktree", "remove", "w9"], "there is no worktree w9"),
        (&["evidence", "show", "e9"], "there is no evidence e9"),
        (&["session", "kill", "s9"], "there is no session s9"),
    ] {
        let ran = home.try_json(args);
        assert!(ran.fault().contains(says), "{args:?}: {ran:?}");
    }
    assert_eq!(home.run(&["run", "show", "nine"]).code, 2);
}

#[test]
fn a_data_folder_that_may_not_be_written_is_named() {
    // Root may write anywhere, so the folder is one that nobody can make: below a file.
    let file = tempfile::NamedTempFile::new().unwrap();
    let home = Home::new();
    let ran =
        ran(home.command(&["project", "list", "--json"]).env("PILOTHOUSE_HOME", file.path().join("below")));
    assert!(ran.fault().contains("cannot be used") && ran.fault().contains("PILOTHOUSE_HOME"), "{ran:?}");
}

/// What a script said that ran apart.
struct Apart {
    out: String,
    /// All of it, for whoever reads of a failure.
    context: String,
}

impl Apart {
    /// What it said below a head: `== NAME`.
    fn part(&self, name: &str) -> &str {
        self.out.split("== ").find(|it| it.starts_with(name)).unwrap_or_default()
    }
}

/// Runs a shell script in a mount namespace of its own, where it may mount. Its first argument is our program.
fn apart(script: &str, home: &Home) -> Apart {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    let output = ended(moved_to(home.path(), &mut command).arg(home.program("pilothouse")));
    let out = String::from_utf8(output.stdout).unwrap();
    let context = format!("{out}\n{}", String::from_utf8_lossy(&output.stderr));
    Apart { out, context }
}

#[test]
fn a_read_only_data_folder_and_a_full_one_are_said_in_words_and_lose_nothing() {
    let home = Home::new();
    let script = r#"set -e
        mount -t tmpfs -o size=3m tmpfs "$PILOTHOUSE_HOME"
        "$1" engine start > /dev/null
        "$1" project list --json > "$PILOTHOUSE_HOME/before"
        # Full: everything that is left is taken.
        cat /dev/zero > "$PILOTHOUSE_HOME/filler" 2>/dev/null || true
        git init -q /tmp/full-$$ && git -C /tmp/full-$$ -c user.name=t -c user.email=t@example.invalid commit -q --allow-empty -m x
        echo "== full"; "$1" project add /tmp/full-$$ --json || echo "code $?"
        echo "== reads"; "$1" project list --json; echo "code $?"
        rm "$PILOTHOUSE_HOME/filler"
        echo "== freed"; "$1" project add /tmp/full-$$ --json > /dev/null; echo "code $?"
        "$1" engine stop > /dev/null
        # Whoever watched the engine ends a moment after it, and has its log open until then.
        until mount -o remount,ro "$PILOTHOUSE_HOME" 2>/dev/null; do sleep 0.05; done
        echo "== read-only"; "$1" project list --json || echo "code $?"
        mount -o remount,rw "$PILOTHOUSE_HOME"
        echo "== again"; "$1" project list --json; "$1" engine stop > /dev/null
        rm -rf /tmp/full-$$"#;
    let said = apart(script, &home);
    let (part, context) = (|name| said.part(name), &said.context);
    assert!(
        part("full").contains("the disk is full") && part("full").contains("nothing was changed"),
        "{context}"
    );
    assert!(part("full").contains("code 2"), "{context}");
    assert!(
        part("reads").contains("[]") && part("reads").contains("code 0"),
        "a full disk can be read: {context}"
    );
    assert!(part("freed").contains("code 0"), "{context}");
    assert!(
        part("read-only").contains("cannot be used: Read-only")
            && part("read-only").contains("PILOTHOUSE_HOME"),
        "{context}"
    );
    assert!(part("again").contains("\"id\": \"p1\""), "nothing was lost: {context}");
}

#[test]
fn a_full_disk_stops_the_log_with_one_alarm_until_there_is_room_and_the_program_goes_on() {
    let home = Home::new();
    // Room for two segments and a little more; the program says more than that, and then does its work. Once something is
    // taken away there is room for a third.
    let script = r#"set -e
        mount -t tmpfs -o size=64m tmpfs "$PILOTHOUSE_HOME"
        head -c 20m /dev/zero >"$PILOTHOUSE_HOME/something"
        "$1" engine start > /dev/null
        mkfifo "$PILOTHOUSE_HOME/says"
        "$1" session start -- sh -c 'stty raw; seq 1 6000000; echo worked >"$PILOTHOUSE_HOME/says"; read word; while :; do echo again; sleep 0.1; done' > /dev/null
        read -r word <"$PILOTHOUSE_HOME/says"
        echo "== worked"; echo "$word"
        echo "== status"; "$1" engine status --json || echo "code $?"
        # Its holder dies while there is no room for anything.
        cat /dev/zero > "$PILOTHOUSE_HOME/filler" 2>/dev/null || true
        kill -9 "$("$1" session list --json | sed -n 's/.*"holder": \([0-9]*\).*/\1/p')"
        echo "== steady"; "$1" session steady --json
        echo "== freed"
        rm "$PILOTHOUSE_HOME/filler" "$PILOTHOUSE_HOME/something"
        "$1" session send s1 -- C-j > /dev/null
        for turn in $(seq 1000); do "$1" engine status > /dev/null && break; done
        "$1" engine status
        "$1" engine restart > /dev/null
        "$1" engine status
        echo "well for $turn"
        "$1" session kill s1 > /dev/null
        echo "== ended"; "$1" session list --all --json
        echo "== log"; "$1" attach s1 --raw --no-follow | head -c 12; echo
        "$1" attach s1 --raw --no-follow | tail -c 6
        "$1" engine stop > /dev/null"#;
    let said = apart(script, &home);
    let (part, context) = (|name| said.part(name), &said.context);
    assert_eq!(part("worked"), "worked\nworked\n", "{context}");
    assert_eq!(part("status").matches("was not all written down").count(), 1, "{context}");
    assert!(part("status").contains("What s1 said") && part("status").contains("code 1"), "{context}");
    let steady: serde_json::Value =
        serde_json::from_str(part("steady").trim_start_matches("steady\n")).expect(context);
    let held = &steady[0]["pulse"];
    assert!(held["held"] == true && held["kept"] == true && steady[0]["trouble"].is_null(), "{context}");
    let ended: serde_json::Value =
        serde_json::from_str(part("ended").trim_start_matches("ended\n")).expect(context);
    let end = &ended[0]["session"]["end"];
    assert!(end["lost_bytes"].as_u64().unwrap() > 1_000_000, "{context}");
    assert!(end["output_bytes"].as_u64().unwrap() >= 32 * 1024 * 1024, "{context}");
    assert!(part("log").starts_with("log\n1\n2\n3\n4"), "{context}");
    assert!(part("log").trim_end().ends_with("again"), "{context}");
    assert!(context.contains("well for "), "it is well again, and stays so for another engine: {context}");
}

#[test]
fn a_log_that_others_could_read_is_refused() {
    let home = Home::new();
    home.json(&["engine", "start"]);
    let sessions = home.data().join("sessions");
    let mode = |mode| std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    let refused = home.try_json(&["session", "start", "--", "true"]);
    assert!(refused.fault().contains("may be entered by others (mode 755)"), "{refused:?}");
    assert!(refused.fault().contains(&format!("chmod 700 {}", sessions.display())), "{refused:?}");
    mode(0o700);
    home.start(&["true"]);
}

#[test]
fn of_many_engines_one_lives_and_the_others_say_who() {
    let home = Home::new();
    let mut starts: Vec<_> = (0..20)
        .map(|_| home.command(&["engine", "start", "--json"]).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut pids: Vec<u64> = Vec::new();
    for start in starts.drain(..) {
        let output = start.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        pids.push(status["engine"]["pid"].as_u64().unwrap());
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 1, "twenty callers found {} engines", pids.len());
    // In the foreground, where a person looks on.
    let second = home.try_json(&["engine"]);
    assert!(
        second.fault().contains(&format!(
            "an engine runs already for {}: process {}",
            home.data().display(),
            pids[0]
        )),
        "{second:?}"
    );
    assert_eq!(u64::from(home.engine_pid()), pids[0]);
    // One that was killed leaves nothing in the way of the next.
    kill_at_once(u32::try_from(pids[0]).unwrap());
    assert_eq!(home.json(&["project", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_lock_that_outlives_its_engine_is_waited_for() {
    let home = Home::new();
    home.json(&["engine", "start"]);
    home.json(&["engine", "stop"]);
    // As a child holds it that was forked off when the engine was killed: nobody answers, and the lock is taken.
    let path = home.data().join("engine.lock");
    let lock = std::fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let start = home.command(&["engine", "start", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !others_have_open(&path) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no engine came for the lock");
        std::thread::yield_now();
    }
    drop(lock);
    let output = start.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(home.engine_pid() > 0);
}

/// Whether another process has a file open.
fn others_have_open(path: &Path) -> bool {
    let me = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|it| it.file_name().to_str() != Some(&me)).any(|it| {
        let open = std::fs::read_dir(it.path().join("fd")).into_iter().flatten().flatten();
        open.filter_map(|it| std::fs::read_link(it.path()).ok()).any(|it| it == path)
    })
}

#[test]
fn what_is_no_database_is_left_alone() {
    let home = Home::new();
    home.json(&["engine", "start"]);
    home.json(&["engine", "stop"]);
    let path = home.data().join("pilothouse.db");
    std::fs::write(&path, "not a database, and longer than a header is. ".repeat(40)).unwrap();
    let ran = home.try_json(&["project", "list"]);
    assert!(ran.fault().contains("is damaged") && ran.fault().contains("put back a copy"), "{ran:?}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("not a database"));
}
