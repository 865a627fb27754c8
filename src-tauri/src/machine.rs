//! The end of the machine, as logind tells of it before it comes: the page is told, and the machine waits a moment for
//! whoever reads it. How long at most is logind's to say (InhibitDelayMaxSec, 5 s where nobody set it).
//!
//! Refuses: to keep a machine from going down. Where no logind answers, nothing is told.

use futures::StreamExt;
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::OwnedFd;

/// What logind offers; its end is what counts here.
#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Logind {
    /// Keeps something from happening for as long as the descriptor is open, here for a moment at most.
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;

    /// The machine is about to go down, or after all is not.
    #[zbus(signal)]
    fn prepare_for_shutdown(&self, start: bool) -> zbus::Result<()>;
}

/// How the page says that the machine may go.
#[derive(Debug)]
pub(crate) struct Machine(UnboundedSender<()>);

impl Machine {
    /// Nobody reads any more: it need not wait.
    pub(crate) fn let_go(&self) {
        let _nobody_waits = self.0.send(());
    }
}

/// Listens for as long as the window is open.
pub(crate) fn listen<R: Runtime>(app: &AppHandle<R>) {
    let (tells, said) = unbounded_channel();
    app.manage(Machine(tells));
    let app = app.clone();
    drop(tauri::async_runtime::spawn(async move {
        // Without a bus, or without a logind on it, there is nothing to hear: what is known stands in what survives.
        let _none = heed(&app, said).await;
    }));
}

async fn heed<R: Runtime>(app: &AppHandle<R>, mut said: UnboundedReceiver<()>) -> zbus::Result<()> {
    let bus = zbus::Connection::system().await?;
    let logind = LogindProxy::new(&bus).await?;
    let mut told = logind.receive_prepare_for_shutdown().await?;
    let waits =
        async || logind.inhibit("shutdown", "Pilothouse", "Says what stops with the machine", "delay").await;
    let mut held = Some(waits().await?);
    let mut goes = false;
    loop {
        tokio::select! {
            signal = told.next() => {
                let Some(signal) = signal else { return Ok(()) };
                let ends = signal.args()?.start;
                goes = ends;
                if !ends && held.is_none() {
                    held = Some(waits().await?);
                }
                let page = app.get_webview_window("main");
                let event = format!("dispatchEvent(new CustomEvent('ph-machine', {{ detail: {ends} }}))");
                let told = page.is_some_and(|it| it.eval(event).is_ok());
                // Without a page nobody reads it.
                if ends && !told {
                    held = None;
                }
            }
            word = said.recv() => {
                if word.is_none() {
                    return Ok(());
                }
                // A dialog that closes because the machine stays up after all leaves what waits for the next time.
                if goes {
                    held = None;
                }
            }
        }
    }
}
