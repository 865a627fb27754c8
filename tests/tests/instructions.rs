//! The instructions of a project in the real window, by keyboard alone: drawn, moved in, what is wrong with its remedy, and where a limit cuts.

use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};

#[test]
fn what_agents_read_is_drawn_and_gone_through_by_keyboard_alone() {
    let repo = Repo::with_instructions();
    let home = Home::trusting(&repo);
    let before = repo.git(&["status", "--porcelain", "--ignored"]);
    let window = Window::open(&home, Options::default());
    window.wait(".stage h1");
    window.keys("ctrl+k");
    window.wait("[data-name=ask]:focus");
    window.type_text("instructions of this");
    window.keys("enter");
    window.wait(".graph [data-file='web/map/AGENTS.md']");
    // What blocks is chosen first: its remedy stands beside it.
    window.wait_text("[data-name=instruction] h1", "AGENTS.md");
    window.wait_text("[data-name=findings]", "no package.json has such a script");
    window.wait_text("[data-name=findings]", "mend the path, or take the link out");
    let chosen = || {
        window
            .eval("return document.querySelector('.graph [aria-selected=true]')?.dataset.file ?? ''")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(chosen(), "AGENTS.md");
    // Across to the next column, and down to the file that is cut: its line is drawn, and said.
    window.keys("l");
    window.until("a file of the second column", || chosen() != "AGENTS.md");
    for _ in 0..20 {
        if chosen() == "web/AGENTS.md" {
            break;
        }
        let now = chosen();
        window.keys("j");
        window.until("the next file", || chosen() != now);
    }
    assert_eq!(chosen(), "web/AGENTS.md");
    window.wait("[data-file='web/AGENTS.md'] [data-name=cutline]");
    window.wait_text("[data-name=cut]", "Codex reads the first");
    assert!(
        window.find("[data-file='web/map/AGENTS.md'][data-unread]"),
        "of what lies behind the cut nothing is read"
    );
    // What is wrong is mended, and read again.
    let agents = repo.read("AGENTS.md").replace("npm run tide-table", "npm run build");
    repo.write("AGENTS.md", &agents);
    window.keys("r");
    window.until("one finding less", || {
        !window
            .eval("return document.querySelector('[data-name=findings]').textContent")
            .to_string()
            .contains("tide-table")
    });
    // Names that would turn letters around are shown as text.
    let words =
        window.eval("return document.querySelector('[data-name=instructions]').textContent").to_string();
    assert!(words.contains("drow.md") && !words.contains('\u{202e}'), "{words}");
    repo.git(&["checkout", "--", "AGENTS.md"]);
    assert_eq!(repo.git(&["status", "--porcelain", "--ignored"]), before, "nothing was written into it");
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}
