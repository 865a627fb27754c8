//! The real window, driven as a person drives it: on a display of its own that nobody sees, over a home of a test, by
//! WebDriver. Everything it starts ends with it.
//!
//! Refuses: any look behind the page. What a test wants to know about the engine it asks the engine.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::home::{Home, moved_to};
use crate::process::{kill_at_once, stat_field};

/// So long is something waited for in the page.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long may a window take to open.
const OPENS: Duration = Duration::from_secs(30);
/// So long until the page is looked at again.
const AGAIN: Duration = Duration::from_millis(30);

/// A bus that starts nothing by itself: what a desktop's bus would start for a window (portals, a file system mount)
/// outlives a test, and makes it slower.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#;

/// How a window is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Its inner width.
    pub width: u32,
    /// Its inner height.
    pub height: u32,
    /// `light`, `dark` or `system`.
    pub theme: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 1280, height: 800, theme: "system" }
    }
}

/// An open window.
#[derive(Debug)]
pub struct Window {
    runtime: Runtime,
    program: PathBuf,
    home: PathBuf,
    env: Vec<(String, String)>,
    display: Child,
    display_name: String,
    /// The leader of the group of everything that belongs to one opening of the window: its bus, its driver, itself.
    group: Option<Child>,
    client: Option<Client>,
    options: Options,
}

impl Window {
    /// Opens the window over a home.
    ///
    /// # Panics
    /// If it cannot be opened: then a program is missing, or the window ends at once.
    #[must_use]
    pub fn open(home: &Home, options: Options) -> Self {
        let program = home.program("pilothouse-desktop");
        assert!(program.is_file(), "{} is not built: run cargo xtask test", program.display());
        let (display, display_name) = display();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap_or_else(|error| panic!("no runtime: {error}"));
        let mut window = Self {
            runtime,
            program,
            home: home.path().to_owned(),
            env: home.env().to_vec(),
            display,
            display_name,
            group: None,
            client: None,
            options,
        };
        window.begin();
        window.theme(options.theme);
        window.resize(options.width, options.height);
        window
    }

    /// Sets the theme, which the page keeps over openings too, and loads the page anew.
    ///
    /// # Panics
    /// If the window does not answer.
    pub fn theme(&mut self, theme: &'static str) {
        self.options.theme = theme;
        self.until("the page's scripts", || self.eval("return typeof window.__keep") == json!("function"));
        self.eval(&format!("window.__keep('ph.theme', '{theme}')"));
        self.keeps();
        self.reload();
    }

    /// Waits until everything is kept that the page wants to find again.
    ///
    /// # Panics
    /// If that does not come to an end.
    pub fn keeps(&self) {
        self.until("everything is kept", || self.eval("return window.__keeping?.() === null") == json!(true));
    }

    /// Opens the window. Driver and window find each other by a port that the driver guesses to be free; where several
    /// tests do so at once it can be wrong, and then waits for ever. So this tries again.
    fn begin(&mut self) {
        let mut why = String::new();
        for _ in 0..3 {
            match self.try_begin() {
                Ok(()) => return,
                Err(says) => {
                    why = format!("{says}\n{}", self.says());
                    self.end_group();
                }
            }
        }
        panic!("{why}");
    }

    /// Starts a bus, a driver and by it the window.
    fn try_begin(&mut self) -> Result<(), String> {
        let port = free_port();
        let (bus, log) = (self.home.join("bus.conf"), self.log());
        let log = std::fs::write(&bus, BUS).and_then(|()| File::create(&log));
        let log = log.unwrap_or_else(|error| panic!("{}: {error}", self.home.display()));
        let mut driver = Command::new("dbus-run-session");
        moved_to(&self.home, &mut driver)
            .arg("--config-file")
            .arg(bus)
            .args(["--", "WebKitWebDriver", &format!("--port={port}")])
            .env("DISPLAY", &self.display_name)
            .env_remove("WAYLAND_DISPLAY")
            // Without these two the window does not let itself be driven, and the driver waits for it for ever.
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        let group = driver.spawn().unwrap_or_else(|error| {
            panic!("no WebKitWebDriver with a bus ({error}): cargo xtask test installs both")
        });
        self.group = Some(group);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > OPENS {
                return Err(format!("WebKitWebDriver does not answer on port {port}"));
            }
            std::thread::sleep(AGAIN);
        }
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let window = json!({ "binary": self.program, "args": [] });
        builder.capabilities([("webkitgtk:browserOptions".to_owned(), window)].into_iter().collect());
        let url = format!("http://127.0.0.1:{port}");
        let opened =
            self.runtime.block_on(async { tokio::time::timeout(OPENS, builder.connect(&url)).await });
        let opened = opened.map_err(|_| format!("the window did not open within {} s", OPENS.as_secs()))?;
        self.client = Some(opened.map_err(|error| format!("the window cannot be driven: {error}"))?);
        Ok(())
    }

    /// Ends the window as its driver does, and opens it again over the same home.
    ///
    /// # Panics
    /// If it does not open.
    pub fn reopen(&mut self) {
        if let Some(client) = self.client.take() {
            let _gone_already =
                self.runtime.block_on(async { tokio::time::timeout(PATIENCE, client.close()).await });
        }
        self.end_group();
        self.begin();
        self.resize(self.options.width, self.options.height);
    }

    /// Ends the window's process at once, as a crash does. `reopen` opens it again.
    ///
    /// # Panics
    /// If there is no window.
    pub fn kill(&mut self) {
        let pid = self.pid().unwrap_or_else(|| panic!("there is no window to end"));
        self.client = None;
        kill_at_once(pid);
        self.end_group();
    }

    /// The window's process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.processes()
            .into_iter()
            .find(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.program))
    }

    /// Everything that belongs to this opening of the window: its bus, its driver, itself, and the webview's processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.group.as_ref().map(|it| members(it.id())).unwrap_or_default()
    }

    /// Its own processes, by what they are: the window's, and those of its webview. Not what drives it.
    #[must_use]
    pub fn kinds(&self) -> Vec<(&'static str, u32)> {
        let kind = |pid: u32| {
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            match program.file_name()?.to_str()? {
                _ if program == self.program => Some("window"),
                "WebKitWebProcess" => Some("webview, page"),
                "WebKitNetworkProcess" => Some("webview, network"),
                "WebKitGPUProcess" => Some("webview, graphics"),
                _ => None,
            }
        };
        self.processes().into_iter().filter_map(|pid| Some((kind(pid)?, pid))).collect()
    }

    /// Where the window and its driver write what they complain of.
    fn log(&self) -> PathBuf {
        self.home.join("window.log")
    }

    fn says(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        format!("the window and its driver said:\n{}", String::from_utf8_lossy(&log))
    }

    fn end_group(&mut self) {
        if let Some(mut group) = self.group.take() {
            let _gone_already = Command::new("kill")
                .args(["-9", "--", &format!("-{}", group.id())])
                .stderr(Stdio::null())
                .status();
            let _reaped = group.wait();
        }
    }

    /// Does something with the page.
    fn page<T, F: Future<Output = Result<T, fantoccini::error::CmdError>>>(
        &self,
        what: &str,
        does: impl FnOnce(Client) -> F,
    ) -> T {
        match self.attempt(does) {
            Ok(it) => it,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    fn attempt<T, F: Future<Output = Result<T, fantoccini::error::CmdError>>>(
        &self,
        does: impl FnOnce(Client) -> F,
    ) -> Result<T, String> {
        let client = self.client.clone().ok_or("the window is not open")?;
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, does(client)).await })
            .map_err(|_| "the window does not answer".to_owned())?
            .map_err(|error| error.to_string())
    }

    /// Whether something is in the page now.
    #[must_use]
    pub fn find(&self, css: &str) -> bool {
        self.eval(&format!("return document.querySelector({}) !== null", quoted(css))) == json!(true)
    }

    /// The text that something shows; empty if it is not there.
    #[must_use]
    pub fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", quoted(css));
        self.eval(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until something is in the page.
    ///
    /// # Panics
    /// If it does not come. The message holds a screenshot's path and the page.
    pub fn wait(&self, css: &str) {
        self.until(&format!("{css} in the page"), || self.find(css));
    }

    /// Waits until something shows a text.
    ///
    /// # Panics
    /// If it does not. The message holds a screenshot's path and the page.
    pub fn wait_text(&self, css: &str, contains: &str) {
        self.until(&format!("“{contains}” in {css}"), || self.text(css).contains(contains));
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// If it does not come to hold. The message holds a screenshot's path and the page.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.until_done(what, || if holds() { Ok(()) } else { Err(String::new()) });
    }

    /// Tries something until it is done.
    fn until_done(&self, what: &str, does: impl Fn() -> Result<(), String>) {
        let begun = Instant::now();
        while let Err(why) = does() {
            if begun.elapsed() > PATIENCE {
                self.fail(&format!("waited {} s for {what}{why}", PATIENCE.as_secs()));
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Ends a test, with all there is to see.
    fn fail(&self, why: &str) -> ! {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let shot = std::env::temp_dir().join(format!("ph-window-{}-{number}.png", std::process::id()));
        let seen = match self.attempt(|client| async move { client.screenshot().await }) {
            Ok(png) if std::fs::write(&shot, &png).is_ok() => format!("it looked like {}", shot.display()),
            _ => "no screenshot could be taken".to_owned(),
        };
        let source =
            self.attempt(|client| async move { client.source().await }).unwrap_or_else(|error| error);
        let told = self.attempt(|client| async move {
            client
                .execute("return { errors: window.__errors, violations: window.__violations, terminal: window.__terminal?.() }", vec![])
                .await
        });
        panic!("{why}; {seen}\nthe page tells of {told:?}\n{}\n{source}", self.says())
    }

    /// Clicks on something, once it is there. If the page puts another in its place between the look and the click, or takes it
    /// away for a moment, it is clicked once it can be.
    ///
    /// # Panics
    /// If it does not come, or cannot be clicked.
    pub fn click(&self, css: &str) {
        self.wait(css);
        self.until_done(&format!("a click on {css}"), || {
            self.attempt(|client| async move { client.find(Locator::Css(css)).await?.click().await })
                .map_err(|error| format!(": {error}"))
        });
    }

    /// Presses keys together, like `ctrl+k` or `Escape`.
    ///
    /// # Panics
    /// If there is no such key.
    pub fn keys(&self, keys: &str) {
        let mut values: Vec<char> = Vec::new();
        for name in keys.split('+') {
            values.push(key(name).unwrap_or_else(|| panic!("there is no key {name}")));
        }
        let down = values.iter().map(|value| KeyAction::Down { value: *value });
        let up = values.iter().rev().map(|value| KeyAction::Up { value: *value });
        let actions = down.chain(up).fold(KeyActions::new("keyboard".to_owned()), InputSource::then);
        self.page(&format!("keys {keys}"), |client| async move { client.perform_actions(actions).await });
    }

    /// Types a text to whatever has the focus.
    ///
    /// # Panics
    /// If the window does not answer.
    pub fn type_text(&self, text: &str) {
        let actions = text.chars().fold(KeyActions::new("keyboard".to_owned()), |actions, value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.page("typing", |client| async move { client.perform_actions(actions).await });
    }

    /// Runs a script in the page. `return` says what comes back.
    ///
    /// # Panics
    /// If it fails.
    pub fn eval(&self, js: &str) -> Value {
        self.page(&format!("the script {js}"), |client| async move { client.execute(js, vec![]).await })
    }

    /// Loads the page anew.
    ///
    /// # Panics
    /// If the window does not answer.
    pub fn reload(&self) {
        self.page("loading the page anew", |client| async move { client.refresh().await });
    }

    /// Writes what is seen to a PNG.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn screenshot(&self, path: &Path) {
        // The driver takes it with the page's next frame, and a page at rest draws none: something that cannot be seen
        // is drawn until it has one.
        self.eval(
            "const dot = document.createElement('i'); dot.style.cssText = 'position:fixed;top:0;left:0;width:1px;height:1px;pointer-events:none'; \
             document.body.append(dot); let n = 0; \
             window.__dot = [dot, setInterval(() => { dot.style.background = n++ % 2 ? 'transparent' : 'rgb(0 0 0 / 0.004)' }, 50)]",
        );
        let png = self.page("a screenshot", |client| async move { client.screenshot().await });
        self.eval("const [dot, timer] = window.__dot; clearInterval(timer); dot.remove()");
        std::fs::write(path, png).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Sets the inner size of the window, and waits until the page has it.
    ///
    /// # Panics
    /// If it does not take it.
    pub fn resize(&mut self, width: u32, height: u32) {
        (self.options.width, self.options.height) = (width, height);
        self.page("a new size", |client| async move { client.set_window_rect(0, 0, width, height).await });
        self.until(&format!("a window of {width} × {height}"), || {
            self.eval("return [innerWidth, innerHeight]") == json!([width, height])
        });
    }

    /// Everything that the page was kept from by its content security policy.
    ///
    /// # Panics
    /// If the page does not keep them: then nobody would know.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.kept("__violations")
    }

    /// Errors on the console, and promises that failed without anybody's noticing.
    ///
    /// # Panics
    /// If the page does not keep them: then nobody would know.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.kept("__errors")
    }

    fn kept(&self, name: &str) -> Vec<String> {
        let kept = self.eval(&format!(
            "return window.{name}?.map(it => typeof it === 'string' ? it : JSON.stringify(it))"
        ));
        let Value::Array(kept) = kept else { panic!("the page keeps no {name}: ui/start.js does") };
        kept.into_iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.client = None;
        self.end_group();
        let _gone_already = self.display.kill();
        let _reaped = self.display.wait();
    }
}

/// A display that nobody sees, large enough for every size that is looked at.
fn display() -> (Child, String) {
    let mut command = Command::new("Xvfb");
    command
        .args(["-displayfd", "1", "-screen", "0", "1920x1200x24", "-nolisten", "tcp"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("no Xvfb ({error}): cargo xtask test installs it"));
    let mut number = String::new();
    if let Some(out) = child.stdout.take() {
        let _none_said = BufReader::new(out).read_line(&mut number);
    }
    assert!(!number.trim().is_empty(), "Xvfb ended before it had a display");
    (child, format!(":{}", number.trim()))
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|it| it.local_addr())
        .map_or_else(|error| panic!("no free port: {error}"), |it| it.port())
}

/// The processes of a group.
fn members(group: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat_field(*pid, 5).and_then(|it| it.parse().ok()) == Some(group)).collect()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn key(name: &str) -> Option<char> {
    let key = match name.to_lowercase().as_str() {
        "ctrl" => Key::Control,
        "shift" => Key::Shift,
        "alt" => Key::Alt,
        "meta" => Key::Meta,
        "enter" => Key::Enter,
        "escape" => Key::Escape,
        "tab" => Key::Tab,
        "space" => return Some(' '),
        "backspace" => Key::Backspace,
        "delete" => Key::Delete,
        "up" => Key::Up,
        "down" => Key::Down,
        "left" => Key::Left,
        "right" => Key::Right,
        "home" => Key::Home,
        "end" => Key::End,
        "pageup" => Key::PageUp,
        "pagedown" => Key::PageDown,
        "f1" => Key::F1,
        "f2" => Key::F2,
        "f6" => Key::F6,
        "f8" => Key::F8,
        _ => {
            let mut letters = name.chars();
            let only = letters.next()?;
            return letters.next().is_none().then_some(only);
        }
    };
    Some(key.into())
}
