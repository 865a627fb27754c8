//! `shots OUT`: pictures of the window, one for each scene, theme and size, named `SCENE-THEME-WIDTHxHEIGHT.png`.
//!
//! A scene is a line in `SCENES`: what home it is in, and what a person does until there is something to see.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::RunState;
use pilothouse_contract::{Event, Record};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

const SIZES: [(u32, u32); 3] = [(1280, 800), (960, 640), (1440, 900)];
const THEMES: [&str; 2] = ["light", "dark"];

/// In which home a scene is.
#[derive(Clone, Copy, PartialEq)]
enum In {
    /// One in which nothing has happened yet.
    Fresh,
    /// One in which agents are at work and one of them asks.
    Asking,
    /// One with a question, a run that cannot go on, and a default branch that somebody else moved.
    Trouble,
    /// One after a night: something landed, something is parked, somebody else moved a default branch, an agent asks.
    Night,
    /// One in which a pull request waits for a person.
    Review,
    /// One in which everything landed.
    Quiet,
    /// One with sessions that a person started.
    Shells,
    /// One with a repository of specs in four layouts.
    Specs,
    /// One with a repository that has much for agents to read.
    Reading,
}

/// What a person does.
#[derive(Clone, Copy)]
enum Step {
    /// Sees a text in something.
    Sees(&'static str, &'static str),
    /// Types a text.
    Types(&'static str),
    /// Presses keys together.
    Keys(&'static str),
    /// Clicks on something.
    Clicks(&'static str),
}

struct Scene {
    name: &'static str,
    home: In,
    steps: &'static [Step],
}

use Step::{Clicks, Keys, Sees, Types};

const QUESTION: &str = "[data-bay=Working] .strip[data-p]";

const SCENES: &[Scene] = &[
    Scene { name: "first-run", home: In::Fresh, steps: &[Sees("body", "Add a repository")] },
    Scene {
        name: "board",
        home: In::Asking,
        steps: &[
            Keys("ctrl+1"),
            Clicks(QUESTION),
            Keys("e"),
            Sees("[data-name=timeline]", "Attempt 1 started"),
        ],
    },
    Scene {
        name: "diff",
        home: In::Asking,
        steps: &[
            Keys("ctrl+1"),
            Clicks("[data-bay=Landed] h2"),
            Clicks(QUESTION),
            Keys("p"),
            Clicks("[data-task=T001]"),
            Keys("d"),
            Sees("[data-name=diff]", "tide_parse"),
        ],
    },
    Scene {
        name: "checks",
        home: In::Asking,
        steps: &[Keys("c"), Sees("[data-name=checks]", "G7 verify"), Sees("[data-name=took]", "Quiet")],
    },
    Scene {
        name: "closed",
        home: In::Asking,
        steps: &[Clicks(QUESTION), Keys("t"), Sees("[data-name=closed]", "Hands off")],
    },
    Scene {
        name: "terminal",
        home: In::Asking,
        steps: &[Keys("p"), Clicks("[data-task=T001]"), Keys("t"), Sees(".hands", "539 B")],
    },
    Scene {
        name: "plan",
        home: In::Asking,
        steps: &[Clicks(QUESTION), Keys("p"), Sees("[data-name=gates]", "G7 verify")],
    },
    Scene {
        name: "new-item",
        home: In::Asking,
        steps: &[Keys("ctrl+shift+o"), Sees("[data-name=new-item]", "What is to be built?")],
    },
    Scene {
        name: "refinement",
        home: In::Asking,
        steps: &[Clicks(QUESTION), Keys("ctrl+shift+l"), Sees("[data-name=refinement]", "shape of the spec")],
    },
    Scene {
        name: "worktrees",
        home: In::Asking,
        steps: &[Keys("ctrl+2"), Sees("[data-name=removed]", "until")],
    },
    Scene {
        name: "trajectory",
        home: In::Asking,
        steps: &[
            Keys("ctrl+4"),
            Clicks("[data-trajectory]:last-child"),
            Sees("[data-name=trajectory]", "I take T00"),
        ],
    },
    Scene {
        name: "palette",
        home: In::Asking,
        steps: &[Keys("ctrl+1"), Keys("ctrl+k"), Sees("[data-name=palette]", "Show all keys")],
    },
    Scene {
        name: "keys",
        home: In::Asking,
        steps: &[Keys("Escape"), Keys("ctrl+/"), Sees("[data-name=keys]", "In the queue")],
    },
    Scene {
        name: "trouble",
        home: In::Trouble,
        steps: &[
            Keys("ctrl+1"),
            Clicks(QUESTION),
            Keys("e"),
            Sees("[data-name=timeline]", "Attempt 1 started"),
        ],
    },
    Scene {
        name: "queue",
        home: In::Trouble,
        steps: &[Keys("ctrl+j"), Sees(".queue", "was moved by somebody else")],
    },
    Scene {
        name: "brief",
        home: In::Night,
        steps: &[Keys("ctrl+6"), Sees("[data-name=brief]", "What it took")],
    },
    Scene {
        name: "pull-request",
        home: In::Review,
        steps: &[
            Keys("ctrl+3"),
            Sees("[data-name=landbar]", "your yes"),
            Sees("[data-name=pull]", "How verified"),
        ],
    },
    Scene { name: "quiet", home: In::Quiet, steps: &[Sees(".status", "landed"), Keys("ctrl+1")] },
    Scene {
        name: "receipt",
        home: In::Quiet,
        steps: &[Keys("ctrl+3"), Sees(".stage h1", "tide"), Keys("ctrl+shift+p"), Sees(".receipt", "Hands")],
    },
    Scene {
        name: "elsewhere",
        home: In::Quiet,
        steps: &[
            Keys("ctrl+4"),
            Sees(".hits .part", "other terminals"),
            Keys("End"),
            Sees("[data-name=trajectory]", "The harbour wall"),
        ],
    },
    Scene {
        name: "project",
        home: In::Quiet,
        steps: &[
            Keys("ctrl+k"),
            Types("project lighthouse"),
            Keys("Enter"),
            Sees("[data-name=landings]", "escaped"),
        ],
    },
    Scene {
        name: "found",
        home: In::Quiet,
        steps: &[
            Keys("ctrl+4"),
            Keys("/"),
            Types("tabl"),
            Sees("[data-name=found][data-words=tabl]", "Said in"),
            Keys("Enter"),
            Keys("End"),
            Sees(".turn[aria-current]", "table"),
        ],
    },
    Scene {
        name: "split",
        home: In::Shells,
        steps: &[
            Keys("home"),
            Sees(".term", "total"),
            Keys("ctrl+shift+d"),
            Sees("[data-name=palette]", "Beside: s2"),
            Keys("Enter"),
            Sees(".termpane[data-active] .term", "total"),
        ],
    },
    Scene {
        name: "wall",
        home: In::Shells,
        steps: &[Keys("ctrl+5"), Sees("[data-tile=s2]", "spool"), Keys("end")],
    },
    Scene {
        name: "desk",
        home: In::Specs,
        steps: &[
            Keys("ctrl+7"),
            Keys("home"),
            Sees("[data-part=Questions]", "by its code"),
            Keys("Enter"),
            Keys("["),
            Keys("]"),
            Keys("j"),
            Keys("j"),
            Keys("j"),
            Sees("[data-part=Cited]", "src/tables/table.rs"),
        ],
    },
    Scene {
        name: "desk-plan",
        home: In::Specs,
        steps: &[
            Keys("ctrl+7"),
            Keys("home"),
            Sees(".stage h1", "Tide tables"),
            Keys("Enter"),
            Keys("p"),
            Keys("Right"),
            Sees("[data-name=about]", "T004"),
        ],
    },
    Scene {
        name: "desk-line",
        home: In::Specs,
        steps: &[
            Keys("ctrl+7"),
            Keys("home"),
            Sees(".stage h1", "Tide tables"),
            Keys("Enter"),
            Keys("p"),
            Keys("Right"),
            Keys("Enter"),
            Sees("[data-name=line] [data-here]", "T004"),
        ],
    },
    Scene {
        name: "instructions",
        home: In::Reading,
        steps: &[
            Keys("ctrl+1"),
            Keys("ctrl+k"),
            Sees("[data-name=ask]:focus", ""),
            Types("instructions of this"),
            Keys("Enter"),
            Sees("[data-name=findings]", "cuts without a word"),
            Keys("home"),
            Keys("l"),
            Sees("[data-name=cut]", "Codex reads"),
        ],
    },
    Scene {
        name: "type",
        home: In::Shells,
        steps: &[
            Keys("ctrl+shift+b"),
            Sees("[data-name=type]", "and press Enter"),
            Clicks("[data-name=type-all]"),
        ],
    },
];

fn main() -> ExitCode {
    let Some(out) = std::env::args().nth(1).map(PathBuf::from) else {
        println!("usage: shots OUT [SCENE]…");
        return ExitCode::from(2);
    };
    if let Err(error) = std::fs::create_dir_all(&out) {
        println!("{} cannot be made: {error}", out.display());
        return ExitCode::from(2);
    }
    let named: Vec<String> = std::env::args().skip(2).collect();
    let wanted = |it: &&Scene| named.is_empty() || named.iter().any(|name| name == it.name);
    for kind in [
        In::Fresh,
        In::Asking,
        In::Trouble,
        In::Night,
        In::Review,
        In::Quiet,
        In::Shells,
        In::Specs,
        In::Reading,
    ] {
        if !SCENES.iter().filter(wanted).any(|it| it.home == kind) {
            continue;
        }
        let home = Home::new();
        let _repository = prepare(&home, kind);
        let mut window = Window::open(&home, Options::default());
        for scene in SCENES.iter().filter(wanted).filter(|it| it.home == kind) {
            for theme in THEMES {
                for (width, height) in SIZES {
                    window.theme(theme);
                    window.resize(width, height);
                    play(&window, scene);
                    let name = format!("{}-{theme}-{width}x{height}.png", scene.name);
                    window.screenshot(&out.join(&name));
                    println!("{name}");
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn play(window: &Window, scene: &Scene) {
    // The page was loaded anew for its theme: a key before it listens would be lost.
    window.wait(".stage h1, .stage .calm, .hits li, .livetile, .briefing li");
    for step in scene.steps {
        match *step {
            Sees(css, text) => window.wait_text(css, text),
            Keys(keys) => window.keys(keys),
            Types(text) => window.type_text(text),
            Clicks(css) => window.click(css),
        }
    }
}

/// A person has talked with an agent in another terminal.
fn talk(home: &Home) {
    let project = home.json(&["project", "list"]);
    let project = project.pointer("/0/path").and_then(Value::as_str).unwrap_or_default().to_owned();
    let call = |id: &str, tool: &str, input: Value| json!([{ "type": "tool_use", "id": id, "name": tool, "input": input }]);
    let result =
        |id: &str, text: &str| json!([{ "type": "tool_result", "tool_use_id": id, "content": text }]);
    let said = [
        ("user", json!("Why does the table say low water twice on the 3rd?")),
        ("assistant", json!([{ "type": "text", "text": "I look at how days are cut." }])),
        ("assistant", call("c1", "Bash", json!({ "command": "grep -n midnight lib/*.sh" }))),
        ("user", result("c1", "lib/next.sh:14: # past midnight\nlib/next.sh:22: midnight=$((24 * 60))")),
        ("assistant", call("c2", "Bash", json!({ "command": "sh tests/t-next.sh" }))),
        ("user", result("c2", "ok 3 of 3")),
        (
            "assistant",
            json!([{ "type": "text", "text": "The harbour wall's gauge has two low waters on that day: 00:12 and 12:41. The table is right." }]),
        ),
    ];
    home.talk_elsewhere(Path::new(&project), "7d20c1", &said);
}

/// Brings a home to where its scenes are; a repository that they need is handed back, and is there as long as it is held.
fn prepare(home: &Home, kind: In) -> Option<Repo> {
    let rehearse = |script: &str, until: fn(&Event) -> bool| {
        let before = home.history().last().map_or(0, |it| it.seq);
        home.json(&["rehearse", "--no-window", "--speed", "20", "--script", script]);
        if home.events(before).any(|it: Record| until(&it.event)) {
            println!("{script} is ready");
        }
    };
    let asks = |it: &Event| matches!(it, Event::QuestionAsked { .. });
    let parks = |it: &Event| matches!(it, Event::RunMoved { to: RunState::Parked, .. });
    let waits = |it: &Event| matches!(it, Event::PullMoved { to: PullState::WaitsForApproval, .. });
    match kind {
        In::Fresh => {}
        In::Quiet => {
            home.json(&["rehearse", "--headless", "--speed", "100"]);
            talk(home);
            home.json(&["trajectory", "import"]);
        }
        In::Shells => {
            for script in
                ["ls -la /usr; exec sh", "ls -la /var --color=always; exec sh", "git --version; exec sh"]
            {
                home.json(&["session", "start", "--", "sh", "-c", script]);
            }
        }
        In::Specs => {
            let repo = pilothouse_testkit::desks::four_layouts();
            home.trust(&repo);
            return Some(repo);
        }
        In::Reading => {
            let repo = Repo::with_instructions();
            home.trust(&repo);
            return Some(repo);
        }
        In::Asking => rehearse("voyage", asks),
        In::Trouble => {
            rehearse("failer", parks);
            rehearse("main-mover", parks);
            rehearse("voyage", asks);
        }
        In::Night => {
            home.json(&["rehearse", "--headless", "--speed", "100"]);
            rehearse("failer", parks);
            rehearse("main-mover", parks);
            rehearse("voyage", asks);
        }
        In::Review => {
            rehearse("voyage", asks);
            home.json(&["question", "answer", "q1", "1"]);
            if home.events(0).any(|it| waits(&it.event)) {
                println!("a pull request waits");
            }
        }
    }
    None
}
