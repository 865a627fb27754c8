//! The shell: a window that relays calls to the engine, and events and terminals to the page. Holds no truth; may be
//! killed and opened again at any moment.
//!
//! Refuses: any engine, any database, any git, any key.

mod attach;
mod call;
#[cfg(target_os = "linux")]
mod card;
#[cfg(target_os = "linux")]
mod machine;
mod page;
mod subscribe;
mod viewer;
mod window;

use std::process::ExitCode;

use pilothouse_client::Engine;
use tauri::Manager;
use tauri::webview::PageLoadEvent;

/// Opens the window, and comes back when it is closed.
#[must_use]
pub fn run() -> ExitCode {
    #[cfg(target_os = "linux")]
    card::heed();
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(fault) => {
            complain(&fault.message);
            return ExitCode::from(2);
        }
    };
    let app = build(tauri::Builder::default(), engine).build(tauri::generate_context!());
    match app.and_then(|app| window::open(&app).map(|()| app)) {
        Ok(app) => {
            #[cfg(target_os = "linux")]
            machine::listen(app.handle());
            let mut leaving = window::Leaving::default();
            app.run(move |app, event| leaving.heed(app, &event));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("the window could not be opened: {error}"));
            ExitCode::from(2)
        }
    }
}

/// The commands, on whatever runtime: the real one, or the one of tests.
#[must_use]
pub fn build<R: tauri::Runtime>(builder: tauri::Builder<R>, engine: Engine) -> tauri::Builder<R> {
    builder
        .manage(engine)
        .manage(page::Page::default())
        .on_page_load(|webview, load| {
            // The channels of the page that was here lead nowhere now.
            if load.event() == PageLoadEvent::Started {
                webview.state::<page::Page>().leave();
            }
        })
        .invoke_handler(tauri::generate_handler![call::call, subscribe::subscribe, attach::attach])
}

#[allow(clippy::print_stderr, reason = "there is no window that could say it")]
fn complain(says: &str) {
    eprintln!("pilothouse-desktop: {says}");
}

/// A real engine, and a page without a webview: what it is told is heard here.
#[cfg(test)]
mod rig {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use pilothouse_client::Engine;
    use pilothouse_contract::wire::{Tag, View};
    use pilothouse_testkit::home::Home;
    use serde_json::{Value, json};
    use tauri::ipc::{CallbackFn, InvokeBody, InvokeResponseBody};
    use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder};
    use tauri::webview::InvokeRequest;
    use tauri::{App, Manager, WebviewUrl, WebviewWindowBuilder};

    /// So long is a message waited for.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    type Message = (u32, Vec<u8>);

    pub(crate) struct Rig {
        pub(crate) home: Home,
        pub(crate) app: App<MockRuntime>,
        heard: Receiver<Message>,
        /// What was heard while another channel was listened to.
        later: std::cell::RefCell<Vec<Message>>,
    }

    impl Drop for Rig {
        fn drop(&mut self) {
            // Before the home goes: a feed would start its engine again.
            self.app.state::<crate::page::Page>().leave();
        }
    }

    impl Rig {
        pub(crate) fn new() -> Self {
            let home = Home::new();
            home.json(&["engine", "start"]);
            let places = home.places();
            // Whatever starts the engine from here must start it in this home. Written by a shell, for a file that
            // this process has open for writing cannot be run.
            let program = home.path().join("pilothouse");
            let real = home.program("pilothouse");
            let wrapper = format!(
                "printf '#!/bin/sh\\nPILOTHOUSE_HOME={} exec {} \"$@\"\\n' >{program} && chmod +x {program}",
                home.path().display(),
                real.display(),
                program = program.display(),
            );
            assert!(std::process::Command::new("sh").args(["-c", &wrapper]).status().unwrap().success());
            let (tells, heard): (Sender<Message>, _) = channel();
            let tells = Mutex::new(tells);
            let builder = mock_builder().channel_interceptor(move |_, channel, _, body| {
                let InvokeResponseBody::Raw(bytes) = body else { panic!("a message that is no bytes") };
                // A test that has seen enough listens no more.
                let _over = tells.lock().unwrap().send((channel.0, bytes.clone()));
                true
            });
            // The real manifest and capabilities, and the real window.
            let context: tauri::Context<MockRuntime> = tauri::generate_context!();
            let app = crate::build(builder, Engine::new(places, program)).build(context).unwrap();
            crate::window::open(&app).unwrap();
            Self { home, app, heard, later: std::cell::RefCell::default() }
        }

        /// What the page of a window gets for a command.
        pub(crate) fn invoke(
            &self,
            label: &str,
            command: &str,
            body: InvokeBody,
        ) -> Result<InvokeResponseBody, Value> {
            let window = self.app.get_webview_window(label).unwrap_or_else(|| {
                WebviewWindowBuilder::new(&self.app, label, WebviewUrl::default()).build().unwrap()
            });
            let request = InvokeRequest {
                cmd: command.to_owned(),
                callback: CallbackFn(0),
                error: CallbackFn(1),
                url: if cfg!(windows) { "http://tauri.localhost" } else { "tauri://localhost" }
                    .parse()
                    .unwrap(),
                body,
                headers: tauri::http::HeaderMap::default(),
                invoke_key: INVOKE_KEY.to_owned(),
            };
            get_ipc_response(&window, request)
        }

        pub(crate) fn subscribe(&self, channel: u32) {
            let body = json!({ "channel": format!("__CHANNEL__:{channel}") });
            self.invoke("main", "subscribe", InvokeBody::Json(body)).unwrap();
        }

        /// Gives an order without a channel.
        pub(crate) fn order(&self, order: Value) -> Result<(), Value> {
            self.invoke("main", "attach", InvokeBody::Json(json!({ "order": order }))).map(drop)
        }

        /// Opens a viewer with its number as its channel.
        pub(crate) fn open(&self, id: u32, view: &View) -> Result<(), Value> {
            let mut order = json!(view);
            order["do"] = json!("open");
            order["id"] = json!(id);
            let body = json!({ "order": order, "channel": format!("__CHANNEL__:{id}") });
            self.invoke("main", "attach", InvokeBody::Json(body)).map(drop)
        }

        /// The next message of a channel: its tag and what belongs to it.
        pub(crate) fn next(&self, channel: u32) -> (u8, Vec<u8>) {
            let mut later = self.later.borrow_mut();
            let at = later.iter().position(|it| it.0 == channel);
            let (_, mut message) = at.map(|at| later.remove(at)).unwrap_or_else(|| {
                loop {
                    let message = self.heard.recv_timeout(PATIENCE).expect("nothing more is heard");
                    if message.0 == channel {
                        return message;
                    }
                    later.push(message);
                }
            });
            (message.remove(0), message)
        }

        /// Whether something came for a channel that nobody listened to.
        pub(crate) fn is_silent(&self, channel: u32) -> bool {
            let mut later = self.later.borrow_mut();
            later.extend(self.heard.try_iter());
            later.iter().all(|it| it.0 != channel)
        }

        /// The next piece of a session: its offset and bytes.
        pub(crate) fn bytes(&self, channel: u32) -> (u64, Vec<u8>) {
            let (tag, payload) = loop {
                let (tag, payload) = self.next(channel);
                if tag != Tag::Lease as u8 {
                    break (tag, payload);
                }
            };
            assert_eq!(tag, Tag::Bytes as u8, "{}", String::from_utf8_lossy(&payload));
            let (offset, bytes) = payload.split_first_chunk::<8>().unwrap();
            (u64::from_le_bytes(*offset), bytes.to_vec())
        }
    }
}
