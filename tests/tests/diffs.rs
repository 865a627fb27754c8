//! What an attempt changed: its worktree as it is while it works, its commit once it is read; whatever its files are
//! called. And a change of any length, by the command line and in the real window.

use pilothouse_contract::event::Event;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::review::Happened;
use pilothouse_testkit::agent::{ShellAgent, task_file, two_families};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::json;

#[test]
fn an_attempt_shows_what_it_changed_while_it_works_and_after() {
    let workflow = "---\npilothouse:\n  attempts: 1\n---\n";
    let repo = Repo::with_tasks(&[("T001", "a", "grep -q two a")]);
    repo.commit(&[("WORKFLOW.md", workflow), ("a", "one\n")], "Say how");
    let home = Home::trusting(&repo);
    let unknown = home.try_json(&["task", "diff", "001-work", "T009"]);
    assert!(unknown.fault().contains("has no task 'T009'"), "{unknown:?}");
    let untried = home.try_json(&["task", "diff", "001-work", "T001"]);
    assert!(untried.fault().contains("nobody has tried"), "{untried:?}");
    // A changed file, one that git does not know with a name that would paint on a terminal, and a pause to look.
    let agent = ShellAgent::new(
        "echo two > a; printf 'x\\033[2Jy' > \"$(printf 'n\\033]0;evil\\007\\nm')\"
         \"$PILOTHOUSE_BIN\" hook ask 'Enough?' --choice yes",
    );
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    let mut events = home.events(0);
    assert!(events.any(|it| matches!(it.event, Event::QuestionAsked { .. })));
    let live = home.json(&["task", "diff", "001-work", "T001"]);
    assert!(live["commit"].is_null() && live["cut"] == false, "{live}");
    assert_eq!(live["onto"].as_str().unwrap(), repo.git(&["rev-parse", "main"]));
    let diff = live["diff"].as_str().unwrap();
    assert!(diff.contains("-one\n+two\n") && diff.contains("+x\u{1b}[2Jy"), "{diff}");
    assert!(diff.contains(r#"b/n\033]0;evil\a\nm"#), "{diff}");
    let shown = home.run(&["task", "diff", "001-work", "T001"]);
    assert!(shown.out.contains("+x␛[2Jy") && !shown.out.contains('\u{1b}'), "{shown:?}");
    // Looking left the agent's own index as it was.
    let worktree = home.json(&["worktree", "list"])[0]["path"].as_str().unwrap().to_owned();
    let status =
        std::process::Command::new("git").args(["-C", &worktree, "status", "--porcelain"]).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.starts_with(" M a\n?? ") && status.lines().count() == 2, "{status}");
    let page = home.json(&["task", "show", "001-work", "T001"]);
    assert!(page["brief"].as_str().unwrap().contains("## Your task: T001"), "{page}");
    let kinds: Vec<&str> = page["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["session"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!((kinds, page["evidence"].as_array().unwrap().len()), (vec!["check", "agent"], 1));
    home.json(&["question", "answer", "q1", "yes"]);
    // The other file is outside its scope: the attempt fails, and what it made can still be looked at.
    assert!(events.any(|it| matches!(it.event, Event::AttemptFailed { .. })));
    let read = home.json(&["task", "diff", "001-work", "T001"]);
    let commit = read["commit"].as_str().unwrap();
    assert_eq!(repo.git(&["rev-parse", &format!("{commit}^")]), read["onto"].as_str().unwrap());
    assert_eq!(read["diff"], live["diff"], "what was read is what was seen");
}

/// A hundred thousand lines, in which lines stand that name themselves.
const LONG: u32 = 100_000;

/// A repository with a pull request that changes `a` in two places, adds a long file and one with a name that is no name, and whose author
/// answers a comment on line 5 of `a`, and no other.
fn opened() -> (Home, Repo, [ShellAgent; 2]) {
    let writer = ShellAgent::new(&format!(
        "case \"$(head -n 1 \"$1\")\" in\n'# Findings on '*) grep -q 'a:5' \"$1\" && \"$PILOTHOUSE_BIN\" hook settle 1 rejected 'five is meant' ;;\n\
         *) sed -i -e 's/^line 5 .*/line 5 is new/' -e 's/^line 35 .*/line 35 is new/' a; seq -f 'long %.0f' 1 {LONG} > long.txt; mkdir -p odd; \
         printf '<u>&</u>\\n' > 'odd/x<b>.txt'; chmod +x odd/*; printf '\\tkept\\n' > odd/last ;;\nesac"
    ));
    let critic = ShellAgent::new("\"$PILOTHOUSE_BIN\" hook finding right nothing 'all of it'");
    let workflow = format!(
        "---\npilothouse:\n  agent: writer\n  approve: person\n  completeness: 'off'\n  review: {{ agents: [critic], lenses: [right] }}\n  agents:\n{}---\n",
        two_families(&writer, &critic)
    );
    let tasks = task_file(&[("T001", "a`, `long.txt`, `odd/", "grep -q new a")]);
    let a: String = (1..=40).map(|it| format!("line {it} is old\n")).collect();
    let files = [
        ("WORKFLOW.md", workflow.as_str()),
        ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be new.\n"),
        ("specs/001-work/tasks.md", &tasks),
        ("a", &a),
    ];
    let repo = Repo::new("shop", &files);
    let home = Home::trusting(&repo);
    home.json(&["run", "start", "001-work"]);
    let mut events = home.events(0);
    assert!(events.any(|it| matches!(it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. })));
    (home, repo, [writer, critic])
}

#[test]
fn a_change_of_any_length_is_listed_and_its_files_are_read_page_by_page() {
    let (home, repo, _agents) = opened();
    let change = home.json(&["pr", "diff", "pr1"]);
    let (from, to) = (change["from"].as_str().unwrap(), change["to"].as_str().unwrap());
    // Git counts the same.
    let mut counts: Vec<String> = Vec::new();
    for it in change["files"].as_array().unwrap() {
        let path = it["path"].as_str().unwrap();
        counts.push(format!("{}\t{}\t{path}", it["added"], it["removed"]));
    }
    assert_eq!(counts.join("\n"), repo.git(&["diff", "--numstat", from, to]));
    let stat = home.run(&["pr", "diff", "pr1", "--stat"]).out;
    assert!(stat.contains("A  +100000  -0       long.txt") && stat.contains("files, +1000"), "{stat}");
    // A page in the middle, and what there is to say of the whole.
    let page = home.json(&["pr", "diff", "pr1", "--file", "long.txt", "--at", "70000", "--most", "2"]);
    assert_eq!((&page["head"]["rows"], page["rows"].as_array().unwrap().len()), (&json!(LONG), 2));
    assert_eq!(page["rows"][1], json!({ "new": 70_002, "line": { "text": "long 70002" } }));
    // For people: what is unchanged is folded with its count.
    let shown = home.run(&["pr", "diff", "pr1", "--file", "a"]).out;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.starts_with(&["M a", " line 1 is old"]), "{shown}");
    assert!(lines.contains(&"-line 5 is old") && lines.contains(&"+line 35 is new"), "{shown}");
    assert!(lines.contains(&"@@ 23 unchanged") && !shown.contains("line 20"), "{shown}");
    let odd = home.json(&["pr", "diff", "pr1", "--file", "odd/x<b>.txt"]);
    assert_eq!(odd["head"]["notes"], json!(["A new file that can be executed."]));
    // A tab is one, for people too.
    let last = home.run(&["pr", "diff", "pr1", "--file", "odd/last"]).out;
    assert!(last.contains("\n+\tkept"), "{last:?}");
    let none = home.try_json(&["pr", "diff", "pr1", "--file", "b"]).fault();
    assert!(none.contains("the change has no file 'b'"), "{none}");
    // The attempt that made it tells the same of its part.
    let attempt = home.json(&["task", "diff", "001-work", "T001", "--file", "a"]);
    let of_pull = home.json(&["pr", "diff", "pr1", "--file", "a"]);
    assert_eq!(attempt["rows"], of_pull["rows"]);
}

/// How many parts the diff has on the page.
fn nodes(window: &Window) -> u64 {
    let all = window.eval("return document.querySelectorAll('[data-name=diff] *').length");
    all.as_u64().unwrap_or_default()
}

#[test]
fn a_person_walks_a_change_by_keys_and_a_comment_on_a_line_reaches_its_author() {
    let (home, _repo, _agents) = opened();
    let window = Window::open(&home, Options { width: 1600, height: 900, ..Options::default() });
    window.wait(".strip[data-subject=PR1]");
    window.keys("ctrl+3");
    window.wait(".window[data-view=pulls] [data-name=diff] [data-path=a]");
    window.keys("f6");
    let marked = |line: &str| format!("[data-name=diff] .r[data-at][data-line='{line}']");
    // From hunk to hunk, and to the line behind it; what differs in it is marked.
    window.keys(".");
    window.wait("[data-name=diff] .r[data-at] [data-d='-'] u");
    window.keys("j");
    window.wait(&marked("5"));
    assert_eq!(window.text(&format!("{} u", marked("5"))), "new");
    // What is folded says how much it is, and opens.
    assert_eq!(window.text("[data-name=diff] [data-fold]").trim(), "23 lines unchanged");
    window.keys(".");
    window.wait("[data-name=diff] .r[data-at] [data-d='-']");
    window.keys(",");
    for _ in 0..5 {
        window.keys("j");
    }
    window.wait("[data-name=diff] .fold[data-at]");
    window.keys("enter");
    window.wait("[data-name=diff] .r[data-line='20']");
    assert!(!window.find("[data-name=diff] [data-fold]"));
    // Both sides beside each other: one row has both numbers, and no side is lost.
    assert!(window.find("[data-layout=unified]"));
    window.keys("u");
    window.wait("[data-layout=split]");
    // Rows have other numbers now: nothing is marked, for it would be another line.
    assert!(!window.find("[data-name=diff] .r[data-at]"));
    window.keys(".");
    window.wait(&marked("5"));
    let both = window.text(&marked("5"));
    assert!(both.contains("line 5 is old") && both.contains("line 5 is new"), "{both}");
    // It is said to a program that reads the window out.
    let said = format!("document.querySelector(\"{}\")", marked("5"));
    let says = window.eval(&format!("return {said}.ariaLabel"));
    assert_eq!(says, json!("Removed line 5: line 5 is old; Added line 5: line 5 is new"));
    let active = window.eval(&format!(
        "return document.querySelector('[data-name=diff] [role=listbox]').getAttribute('aria-activedescendant') === {said}.id"
    ));
    assert_eq!(active, json!(true));

    // A note for other agents says which line is meant, too.
    window.keys("n");
    window.wait("[data-name=note] [data-name=words]:focus");
    let noted = window.eval("return document.querySelector('[data-name=note] [data-name=words]').value");
    assert_eq!(noted, json!("a:5: "));
    window.keys("escape");
    window.until("no dialog", || !window.find("[data-name=note]"));
    // A comment on that line goes to whoever made the change, with the path and the line; and it is answered.
    window.keys("m");
    window.wait_text("[data-name=comment] [data-name=place]", "On a, line 5");
    window.wait("[data-name=words]:focus");
    window.type_text("Why five?");
    window.keys("ctrl+enter");
    window.until("no dialog", || !window.find("[data-name=comment]"));
    let answered = home
        .events(0)
        .any(|it| matches!(&it.event, Event::Review { what: Happened::Answered { finding: 1, .. }, .. }));
    assert!(answered);
    let finding = &home.json(&["pr", "show", "pr1"])["pull"]["review"]["findings"][0];
    assert_eq!(
        (&finding["path"], &finding["line"], &finding["what"]),
        (&json!("a"), &json!(5), &json!("Why five?"))
    );
    assert_eq!(finding["answer"]["says"], "five is meant", "{finding}");

    // The next file, and what was viewed of it.
    window.keys("v");
    window.wait("[data-name=files] [data-file='0'][data-viewed]");
    // Nobody has seen a file that is chosen and not shown yet, so nobody can say so.
    window.eval(
        "document.querySelector(\"[data-name=files] [data-file='1']\").click(); document.querySelector('[data-name=viewed]').click()",
    );
    window.wait("[data-name=diff] [data-path='long.txt']");
    assert!(window.find("[data-name=files] [data-file='0'][data-viewed]"));
    assert!(!window.find("[data-name=files] [data-file='1'][data-viewed]"));
    window.eval("document.querySelector('[data-name=diff] .rowscroll').focus()");
    window.keys("shift+k");
    window.wait("[data-name=diff] [data-path='a']");
    window.keys("shift+j");
    window.wait("[data-name=diff] [data-path='long.txt']");
    window.wait("[data-name=files] [data-file='1'][aria-selected=true]");
    // However long it is, the page holds what is seen of it; and each place of it can be gone to.
    window.wait("[data-name=diff] .r[data-line='1']");
    let few = nodes(&window);
    window.eval("document.querySelector('[data-name=diff] .rowscroll').focus()");
    window.keys("end");
    window.wait(&marked("100000"));
    window.wait_text(&marked("100000"), "long 100000");
    window.keys("pageup");
    window.until("a page above", || !window.find(&marked("100000")));
    window.eval("const it = document.querySelector('[data-name=diff] .rowscroll'); it.scrollTop = it.scrollHeight / 2");
    window.wait("[data-name=diff] .r[data-line='50000']");
    let many = nodes(&window);
    assert!(few < 1500 && many < 1500, "{few} at the top, {many} in the middle");
    window.keys("home");
    window.wait(&marked("1"));
    // The list is narrowed by words; the first file that fits is shown, as text whatever it is called.
    window.keys("shift+f");
    window.wait("[data-name=narrow-files]:focus");
    window.type_text("x<b");
    window.keys("enter");
    window.wait_text("[data-name=diff]", "x<b>.txt");
    window.wait_text("[data-name=diff] .r", "<u>&</u>");
    window.wait_text("[data-name=notes]", "can be executed");
    // What was viewed is, for this head, for whoever opens the window again.
    window.keeps();
    window.reload();
    window.wait("[data-name=files] [data-file='0'][data-viewed]");
    assert!(!window.find("[data-name=files] [data-file='1'][data-viewed]"));
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}
