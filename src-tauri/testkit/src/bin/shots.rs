//! `shots OUT`: pictures of the window, one for each scene, theme and size, named `SCENE-THEME-WIDTHxHEIGHT.png`.
//!
//! A scene is a line in `SCENES`: what home it is in, and what a person does until there is something to see.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::path::PathBuf;
use std::process::ExitCode;

use pilothouse_contract::pull::PullState;
use pilothouse_contract::{Event, Record};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::window::{Options, Window};

const SIZES: [(u32, u32); 3] = [(1280, 800), (960, 640), (1440, 900)];
const THEMES: [&str; 2] = ["light", "dark"];

/// In which home a scene is.
#[derive(Clone, Copy, PartialEq)]
enum In {
    /// One in which nothing has happened yet.
    Fresh,
    /// One in which a rehearsal has landed and another waits for a person.
    Rehearsal,
}

/// What a person does.
#[derive(Clone, Copy)]
enum Step {
    /// Sees a text in something.
    Sees(&'static str, &'static str),
    /// Presses keys together.
    #[allow(dead_code, reason = "for the scenes that come")]
    Keys(&'static str),
    /// Clicks on something.
    #[allow(dead_code, reason = "for the scenes that come")]
    Clicks(&'static str),
}

struct Scene {
    name: &'static str,
    home: In,
    steps: &'static [Step],
}

const SCENES: &[Scene] = &[
    Scene { name: "first-run", home: In::Fresh, steps: &[Step::Sees("body", "Add a repository")] },
    Scene { name: "board", home: In::Rehearsal, steps: &[Step::Sees("body", "lighthouse")] },
];

fn main() -> ExitCode {
    let Some(out) = std::env::args().nth(1).map(PathBuf::from) else {
        println!("usage: shots OUT");
        return ExitCode::from(2);
    };
    if let Err(error) = std::fs::create_dir_all(&out) {
        println!("{} cannot be made: {error}", out.display());
        return ExitCode::from(2);
    }
    for kind in [In::Fresh, In::Rehearsal] {
        let home = Home::new();
        if kind == In::Rehearsal {
            home.json(&["rehearse", "--headless", "--speed", "100"]);
            rehearse_until_asked(&home);
        }
        let mut window = Window::open(&home, Options::default());
        for scene in SCENES.iter().filter(|it| it.home == kind) {
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
    for step in scene.steps {
        match *step {
            Step::Sees(css, text) => window.wait_text(css, text),
            Step::Keys(keys) => window.keys(keys),
            Step::Clicks(css) => window.click(css),
        }
    }
}

/// Starts a rehearsal whose landing waits for a person, and waits until it does.
fn rehearse_until_asked(home: &Home) {
    let before = home.history().last().map_or(0, |it| it.seq);
    home.json(&["rehearse", "--no-window", "--speed", "100"]);
    let asks = |it: &Record| matches!(it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. });
    if home.events(before).any(|it| asks(&it)) {
        println!("a rehearsal waits for a person");
    }
}
