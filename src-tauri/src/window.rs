//! The one window: its size, where the page keeps what it keeps, its colour before there is a page, and its closing, before
//! which the page says what goes on.

use std::fs::DirBuilder;
#[cfg(unix)]
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant};

use pilothouse_client::{Engine, Kept};
use tauri::utils::config::Color;
use tauri::{
    App, AppHandle, Manager, RunEvent, Runtime, Theme, WebviewUrl, WebviewWindowBuilder, WindowEvent,
};

/// The page's `--bg`, so that it does not flash when the page comes.
const LIGHT: Color = Color(230, 232, 234, 255);
/// The same of a dark system.
const DARK: Color = Color(19, 21, 24, 255);

/// Opens it.
///
/// # Errors
/// If the data folder cannot be made, or there is no display.
pub(crate) fn open<R: Runtime>(app: &App<R>) -> tauri::Result<()> {
    // What the page keeps lies with everything else of a home, so that two homes never meet.
    let keeps = app.state::<Engine>().places.data.join("window");
    let mut folder = DirBuilder::new();
    #[cfg(unix)]
    folder.mode(0o700);
    folder.recursive(true).create(&keeps)?;
    let kept = Kept::below(keeps.clone());
    // Before any script of a page runs; a page that is loaded anew knows by itself what it kept since.
    let opened = format!("window.__opened = {};", serde_json::to_string(&kept.all())?);
    app.manage(kept);
    let window = WebviewWindowBuilder::new(app, "main", WebviewUrl::default())
        .title("Pilothouse")
        .inner_size(1280.0, 800.0)
        .min_inner_size(960.0, 640.0)
        .data_directory(keeps)
        .initialization_script(opened)
        .background_color(DARK)
        .visible(false)
        .build()?;
    // Only a window knows whether the system is dark.
    if !matches!(window.theme(), Ok(Theme::Dark)) {
        window.set_background_color(Some(LIGHT))?;
    }
    window.show()
}

/// The closing of the window: asked of the page first. Who asks twice gets it at once, so no page can keep a window open.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    asked: Option<Instant>,
}

/// A second wish within this time counts as the second one.
const TWICE: Duration = Duration::from_secs(10);

impl Leaving {
    /// Heeds what happens to the window.
    pub(crate) fn heed<R: Runtime>(&mut self, app: &AppHandle<R>, event: &RunEvent) {
        let RunEvent::WindowEvent { label, event: WindowEvent::CloseRequested { api, .. }, .. } = event
        else {
            return;
        };
        let twice = self.asked.is_some_and(|it| it.elapsed() < TWICE);
        self.asked = Some(Instant::now());
        let page = app.get_webview_window(label).filter(|_| !twice);
        // A page that is told closes the window itself, or asks its person.
        if page.is_some_and(|it| it.eval("dispatchEvent(new Event('ph-leaving'))").is_ok()) {
            api.prevent_close();
        }
    }
}
