//! Who takes part: ten sessions, whoever watches them, and the window on one of them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pilothouse_client::FromSession;
use pilothouse_contract::wire::View;
use pilothouse_contract::{Fault, SessionId, text};
use serde_json::Value;

use super::{pid_of, scenes};
use crate::claude::Claude;
use crate::home::Home;
use crate::model::Script;
use crate::must;
use crate::process::Fifo;
use crate::seat::Seat;
use crate::window::{Options, Window};

/// Sessions that count, in a terminal; one more counts behind a pipe, and less, for its log has another bound.
const COUNTERS: usize = 4;
const PIPE_PART: u64 = 10;
/// What the agent is asked last, and what it says to that.
const FAREWELL: &str = "Fare well";
const ANSWER: &str = "Fair winds and a following sea";
/// So many answers the agent has before it has only one left.
const ANSWERS: usize = 400;

/// Everybody.
pub(super) struct Cast {
    pub(super) counters: Vec<Counter>,
    pub(super) drawers: Vec<Drawer>,
    pub(super) watch: Watch,
}

impl Cast {
    pub(super) fn assemble(home: &Home, agent: &Agent, lines: u64, rng: &mut fastrand::Rng) -> Self {
        let in_terminals = (0..COUNTERS).map(|n| Counter::begin(home, n, lines, true));
        let counters: Vec<Counter> =
            in_terminals.chain([Counter::begin(home, COUNTERS, lines / PIPE_PART, false)]).collect();
        let mut drawers: Vec<Drawer> = (0..2).map(|n| Drawer::painter(home, n, rng)).collect();
        let text = home.path().join("text");
        let said = (1..=2000).map(|n| format!("{n}: all that is said here is said {n} times\n"));
        must(std::fs::write(&text, said.collect::<String>()));
        let text = text.display().to_string();
        if has("less") {
            let keys: Keys = &[b" ", b"b", b"j", b"G", b"g"];
            drawers.push(Drawer::begin(home, "pager", &["less", &text], Plays::Keys(keys)));
        }
        if has("vi") {
            let keys: Keys = &[b"\x06", b"\x02", b"xu", b"Onew\x1b", b"dd"];
            drawers.push(Drawer::begin(home, "editor", &["vi", &text], Plays::Keys(keys)));
        }
        drawers.extend(agent.begin(home));
        let watch = Watch::open(home, &drawers);
        Self { counters, drawers, watch }
    }

    /// Gives the terminal of one of them another size. Nothing says when it has arrived; until then the seat is kept.
    pub(super) fn resize(&self, home: &Home, rng: &mut fastrand::Rng) -> (Seat, String) {
        let counting = self.counters.iter().filter(|it| it.in_terminal).map(|it| it.session);
        let all: Vec<SessionId> = counting.chain(self.drawers.iter().map(|it| it.session)).collect();
        let session = rng.choice(all).unwrap_or(SessionId(0));
        let (columns, rows) = (rng.u16(40..170), rng.u16(8..50));
        let mut seat = must(Seat::view(home, &View::typing(session)));
        // Whoever has not got the keyboard yet sets no size.
        while !matches!(must(seat.next()), FromSession::Screen(..)) {}
        must(seat.resize(columns, rows));
        (seat, format!("made {session} {columns} × {rows}"))
    }
}

/// Whether the machine has a program.
///
/// # Panics
/// If it has not, and everything is to be shown.
fn has(program: &str) -> bool {
    let looked =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let has = looked.is_ok_and(|it| it.success());
    assert!(has || !crate::is_all(), "{program} is not installed: run cargo xtask test");
    has
}

/// A program that counts: told to go on by a word, and to end by the end of the words.
pub(super) struct Counter {
    pub(super) session: SessionId,
    pub(super) in_terminal: bool,
    words: Option<File>,
    written: PathBuf,
    pub(super) viewer: Viewer,
    /// So far, if it does as it is told.
    pub(super) lines: u64,
    each: u64,
}

impl Counter {
    fn begin(home: &Home, n: usize, lines: u64, in_terminal: bool) -> Self {
        let words = Fifo::new(home.path().join(format!("words-{n}")));
        let written = home.path().join(format!("written-{n}"));
        let raw = if in_terminal { "stty raw -echo; " } else { "" };
        let script = format!(
            "{raw}exec 3<{words}; n=0
             while read -r go <&3; do seq $((n + 1)) $((n + {lines})); n=$((n + {lines})); done
             echo $n >{written}.tmp; mv {written}.tmp {written}",
            written = written.display()
        );
        let session = if in_terminal {
            home.start(&["sh", "-c", &script])
        } else {
            let begun = home.json(&["session", "start", "--pipe", "--", "sh", "-c", &script]);
            let id = begun.get("id").and_then(Value::as_str).and_then(|it| it.parse().ok());
            id.unwrap_or_else(|| panic!("{begun}"))
        };
        // Comes back once the program has opened its end.
        let words = Some(must(OpenOptions::new().write(true).open(words.path())));
        let viewer = Viewer::open(home, session);
        Self { session, in_terminal, words, written, viewer, lines: 0, each: lines }
    }

    pub(super) fn go_on(&mut self) {
        if let Some(words) = &mut self.words {
            must(words.write_all(b"go\n"));
            self.lines += self.each;
        }
    }

    /// Waits until the last line that it was told to write is there; not if it never comes, which others count.
    pub(super) fn settle(&self, home: &Home) {
        let from = pilothouse_contract::wire::Attach {
            session: self.session,
            from: -64,
            follow: true,
            keyboard: false,
        };
        let last = format!("{}\n", self.lines);
        let _lost = Seat::attach(home, &from).and_then(|mut seat| seat.until(&last));
    }

    /// Tells it to end.
    pub(super) fn end(&mut self) {
        self.words = None;
    }

    /// How many lines it says it wrote, once it has ended.
    pub(super) fn says(&self) -> Option<u64> {
        std::fs::read_to_string(&self.written).ok()?.trim().parse().ok()
    }
}

/// `pilothouse attach`: what it shows goes into a file.
pub(super) struct Viewer {
    pub(super) shown: PathBuf,
    child: Child,
}

impl Viewer {
    fn open(home: &Home, session: SessionId) -> Self {
        let shown = home.path().join(format!("shown-{session}"));
        let child = Self::attach(home, session, &shown);
        Self { shown, child }
    }

    /// From where the one before it came to.
    fn attach(home: &Home, session: SessionId, shown: &Path) -> Child {
        let file = must(OpenOptions::new().create(true).append(true).open(shown));
        let from = must(file.metadata()).len().to_string();
        let mut command = home.command(&["attach", &session.to_string(), "--raw", "--from", &from]);
        must(command.stdout(Stdio::from(OwnedFd::from(file))).stderr(Stdio::null()).spawn())
    }

    pub(super) fn kill_and_open(&mut self, home: &Home, session: SessionId) {
        self.kill();
        self.child = Self::attach(home, session, &self.shown);
    }

    /// It ends by itself once it has shown the last byte.
    pub(super) fn wait(&mut self) {
        let _status = self.child.wait();
    }

    fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.kill();
    }
}

type Keys = &'static [&'static [u8]];

/// What is pressed.
enum Plays {
    /// Any key, and the next scene is drawn.
    Scenes(Vec<Vec<u8>>),
    /// One of these.
    Keys(Keys),
    /// A word is written, mended and sent.
    Prompts,
}

/// A program that draws.
pub(super) struct Drawer {
    pub(super) name: &'static str,
    pub(super) session: SessionId,
    pub(super) pid: u32,
    plays: Plays,
    pressed: usize,
}

impl Drawer {
    fn begin(home: &Home, name: &'static str, argv: &[&str], plays: Plays) -> Self {
        let session = home.start(argv);
        Self { name, session, pid: pid_of(home, session), plays, pressed: 0 }
    }

    fn painter(home: &Home, n: usize, rng: &mut fastrand::Rng) -> Self {
        let folder = home.path().join(format!("scenes-{n}"));
        must(std::fs::create_dir(&folder));
        let scenes = scenes::scenes(rng);
        for (n, scene) in scenes.iter().enumerate() {
            must(std::fs::write(folder.join(n.to_string()), scene));
        }
        let script = format!(
            "stty raw -echo; printf ready; n=0; \
             while :; do k=$(dd bs=1 count=1 2>/dev/null); n=$((n + 1)); cat {}/$((n % {})); done",
            folder.display(),
            scenes.len()
        );
        let it = Self::begin(home, "painter", &["sh", "-c", &script], Plays::Scenes(scenes));
        must(Seat::view(home, &View::of(it.session)).and_then(|mut seat| seat.until("ready")));
        it
    }

    fn key(&self, rng: &mut fastrand::Rng) -> &'static [u8] {
        const PROMPT: Keys = &[b"o", b"i", b"l", b"x", b"\x7f", b"\r"];
        match &self.plays {
            Plays::Scenes(_) => b"k",
            Plays::Keys(keys) => rng.choice(*keys).copied().unwrap_or_default(),
            Plays::Prompts => PROMPT.get(self.pressed % PROMPT.len()).copied().unwrap_or_default(),
        }
    }

    /// Presses a key and waits for what is drawn for it.
    pub(super) fn press(&mut self, home: &Home, rng: &mut fastrand::Rng, order: &[String]) {
        let key = self.key(rng);
        self.pressed += 1;
        if let Err(fault) = press(home, self.session, key) {
            panic!("{} ({}) draws nothing for {key:?}: {fault}; after {order:?}", self.name, self.session);
        }
    }

    /// Everything that stands in its log, where that is known to the byte.
    pub(super) fn said(&self) -> Option<Vec<u8>> {
        let Plays::Scenes(scenes) = &self.plays else { return None };
        let drawn = (1..=self.pressed).filter_map(|n| scenes.get(n % scenes.len()));
        Some([b"ready".as_slice()].into_iter().chain(drawn.map(Vec::as_slice)).collect::<Vec<_>>().concat())
    }

    /// Whether it still does what it is there for.
    pub(super) fn answers(&mut self, home: &Home, rng: &mut fastrand::Rng) -> bool {
        if !matches!(self.plays, Plays::Prompts) {
            let key = self.key(rng);
            self.pressed += 1;
            return press(home, self.session, key).is_ok();
        }
        let says = || -> Result<(), Fault> {
            let mut seat = Seat::view(home, &View::typing(self.session))?;
            // Behind what was begun; and what is sent must not look pasted.
            for keys in [FAREWELL, "\r"] {
                while !matches!(seat.next()?, FromSession::Screen(..)) {}
                seat.input(keys.as_bytes())?;
                while !matches!(seat.next()?, FromSession::Bytes(..)) {}
                seat = Seat::view(home, &View::typing(self.session))?;
            }
            while !home.json(&["session", "screen", &self.session.to_string()]).to_string().contains(ANSWER) {
                seat.next()?;
            }
            Ok(())
        };
        says().is_ok()
    }
}

/// Presses a key in a session and waits for what is drawn for it.
fn press(home: &Home, session: SessionId, key: &[u8]) -> Result<(), Fault> {
    let mut seat = Seat::view(home, &View::typing(session))?;
    // What it drew before, then what is new.
    while !matches!(seat.next()?, FromSession::Screen(..)) {}
    seat.input(key)?;
    loop {
        match seat.next()? {
            FromSession::Bytes(..) => return Ok(()),
            FromSession::Ended(ended) => {
                return Err(Fault::missing(format!("{session} ended: {}", ended.why)));
            }
            _ => {}
        }
    }
}

/// A real agent program, where it is installed, and what it needs.
pub(super) struct Agent {
    claude: Option<Claude>,
    folder: tempfile::TempDir,
}

impl Agent {
    pub(super) fn new() -> Self {
        let folder = must(tempfile::tempdir());
        let claude = Claude::program().map(|program| Claude::new(&program, script()));
        if let Some(claude) = &claude {
            must(std::fs::write(folder.path().join("notes.txt"), "The pump wants oil.\n"));
            claude.is_known_in(&must(folder.path().canonicalize()));
        }
        Self { claude, folder }
    }

    /// A home in which it can be started.
    pub(super) fn home(&self) -> Home {
        self.claude.as_ref().map_or_else(Home::new, Claude::home)
    }

    fn begin(&self, home: &Home) -> Option<Drawer> {
        self.claude.as_ref()?;
        let mut command =
            home.command(&["--json", "session", "start", "--", "claude", "--permission-mode", "manual"]);
        let said = must(command.current_dir(must(self.folder.path().canonicalize())).output());
        let begun: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        let id = begun.get("id").and_then(Value::as_str).and_then(|it| it.parse().ok());
        let session: SessionId = id.unwrap_or_else(|| panic!("the agent does not start: {said:?}"));
        let mut seat = must(Seat::view(home, &View::of(session)));
        // Where it waits for a prompt.
        while !home.json(&["session", "screen", &session.to_string()]).to_string().contains("? for shortcuts")
        {
            must(seat.next());
        }
        Some(Drawer { name: "agent", session, pid: pid_of(home, session), plays: Plays::Prompts, pressed: 0 })
    }
}

/// What the model says: at some length, after a thought, with a look into a file.
fn script() -> Script {
    let step = |n: usize| match n % 4 {
        0 => {
            serde_json::json!({ "thinking": "Oil, then.", "text": "I **oil** the pump:\n\n1. `open` it\n2. oil it\n3. close it\n" })
        }
        1 => {
            serde_json::json!({ "text": "I look at the notes.", "actions": [{ "read_file": { "path": "notes.txt" } }] })
        }
        2 => serde_json::json!({ "text": "The notes say so too." }),
        _ => {
            serde_json::json!({ "text": "```rust\nfn oil(pump: &mut Pump) {\n    pump.oil += 1;\n}\n```\n\nThat is all." })
        }
    };
    let script = serde_json::json!({ "scenarios": [
        { "name": "farewell", "when": FAREWELL, "steps": [{ "text": ANSWER }] },
        { "name": "talk", "steps": (0..ANSWERS).map(step).collect::<Vec<_>>() },
    ]});
    must(Script::from_json(&script.to_string()))
}

/// The window, on one of the sessions: at each opening on the next.
pub(super) struct Watch {
    pub(super) window: Window,
    opened: usize,
}

/// What a terminal in the window shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) columns: u64,
    pub(super) rows: u64,
    pub(super) text: Vec<String>,
}

impl Watch {
    fn open(home: &Home, drawers: &[Drawer]) -> Self {
        let it = Self { window: Window::open(home, Options::default()), opened: 0 };
        it.look_at_next(drawers);
        it
    }

    /// Opens it after its death.
    pub(super) fn open_again(&mut self, drawers: &[Drawer]) {
        self.window.reopen();
        self.opened += 1;
        self.look_at_next(drawers);
    }

    fn look_at_next(&self, drawers: &[Drawer]) {
        if let Some(it) = self.looks_at(drawers) {
            self.look_at(it.session);
        }
    }

    /// On whom it was opened last. Emulators disagree about some of what painters draw, and the page has another than the
    /// engine; so the window is on what people look at.
    pub(super) fn looks_at<'a>(&self, drawers: &'a [Drawer]) -> Option<&'a Drawer> {
        let all: Vec<&Drawer> = drawers.iter().filter(|it| !matches!(it.plays, Plays::Scenes(_))).collect();
        all.get(self.opened % all.len().max(1)).copied()
    }

    pub(super) fn look_at(&self, session: SessionId) {
        self.window.click(&format!(".strip[data-subject=S{}]", session.0));
        self.window.wait(&format!("[data-name=terminal][data-session={session}]"));
    }

    /// What it shows of a session; nothing if it shows none of it.
    pub(super) fn shows(&self, session: SessionId) -> Option<Shown> {
        let all = self.window.eval("return window.__screens()");
        let all = all.as_array()?;
        let it =
            all.iter().find(|it| it.get("session").and_then(Value::as_str) == Some(&session.to_string()))?;
        let rows = it.get("text")?.as_array()?.iter().filter_map(Value::as_str);
        Some(Shown {
            columns: it.get("columns")?.as_u64()?,
            rows: it.get("rows")?.as_u64()?,
            text: rows.map(|row| text::plain(row.trim_end(), false)).collect(),
        })
    }
}
