//! `attach`: what the page orders of its viewers, each a task of its own (see `viewer.rs`), and of the window around them.

use pilothouse_client::{Engine, Kept, Order};
use pilothouse_contract::Fault;
use pilothouse_contract::wire::{Size, View};
use serde::Deserialize;
use tauri::ipc::JavaScriptChannelId;
use tauri::{Manager, Runtime, State, Webview};
use tokio::sync::mpsc::unbounded_channel;

use crate::page::{Page, Task, Viewer};
use crate::viewer::show;

/// What the page wishes; `id` is the page's own number for a viewer.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Wish {
    /// Shows a session.
    Open {
        /// The viewer.
        id: u32,
        /// What it shows, from where, and whether it takes the keyboard.
        #[serde(flatten)]
        view: View,
    },
    /// Types.
    Input {
        /// The viewer.
        id: u32,
        /// What was typed.
        bytes: Vec<u8>,
    },
    /// Sets the terminal's size.
    Resize {
        /// The viewer.
        id: u32,
        /// The size.
        #[serde(flatten)]
        size: Size,
    },
    /// The page has shown everything before an offset.
    Ack {
        /// The viewer.
        id: u32,
        /// The offset.
        offset: u64,
    },
    /// Ends a viewer.
    Close {
        /// The viewer.
        id: u32,
    },
    /// Opens an address outside, in the browser of whoever sits here; the page asked them.
    Visit {
        /// Of the web, and nothing else.
        address: String,
    },
    /// Keeps something of the page's from one opening to the next.
    Keep {
        /// What it is.
        name: String,
        /// What is kept of it.
        value: String,
    },
    /// The machine may go down: nobody reads any more what stops with it.
    LetGo,
    /// Closes the window, and every viewer with it.
    Leave,
}

/// Follows an order of the page.
///
/// # Errors
/// In words, if it is no order, or cannot be followed as things are.
#[tauri::command]
pub(crate) async fn attach<R: Runtime>(
    webview: Webview<R>,
    order: serde_json::Value,
    channel: Option<JavaScriptChannelId>,
    engine: State<'_, Engine>,
    page: State<'_, Page>,
    keeps: State<'_, Kept>,
) -> Result<(), Fault> {
    let wish = serde_json::from_value(order)
        .map_err(|error| Fault::refused("that is no order for a viewer").because(error))?;
    if let Wish::Keep { name, value } = wish {
        let keeps = keeps.inner().clone();
        let kept = tauri::async_runtime::spawn_blocking(move || keeps.keep(&name, &value)).await;
        return kept.unwrap_or_else(|error| Err(Fault::bug(error.to_string())));
    }
    let engine = engine.inner().clone();
    page.with(|open| {
        open.viewers.retain(|_, it| !it.orders.is_closed());
        let (id, order) = match wish {
            Wish::Open { id, view } => {
                let Some(channel) = channel else {
                    return Err(Fault::refused(format!("viewer {id} has no channel for what it shows")));
                };
                if open.viewers.contains_key(&id) {
                    return Err(Fault::refused(format!("viewer {id} is open already"))
                        .hint("close it first, or choose another number"));
                }
                let (orders, come) = unbounded_channel();
                let shows = show(engine, view, channel.channel_on(webview), come);
                let _task = Task(tauri::async_runtime::spawn(shows));
                open.viewers.insert(id, Viewer { orders, _task });
                return Ok(());
            }
            Wish::Close { id } => {
                open.viewers.remove(&id);
                return Ok(());
            }
            Wish::Visit { address } => return visit(&address),
            Wish::LetGo => {
                #[cfg(target_os = "linux")]
                if let Some(machine) = webview.try_state::<crate::machine::Machine>() {
                    machine.let_go();
                }
                return Ok(());
            }
            Wish::Leave => {
                open.viewers.clear();
                webview.app_handle().exit(0);
                return Ok(());
            }
            // Was followed above: it is no viewer's.
            Wish::Keep { .. } => return Ok(()),
            Wish::Ack { id, offset } => (id, Order::Ack(offset)),
            Wish::Resize { id, size } => (id, Order::Resize(size)),
            Wish::Input { id, bytes } => (id, Order::Input(bytes)),
        };
        // A session can end while the page takes note of its last bytes or fits its pane.
        let needed = matches!(order, Order::Input(_));
        let sent = open.viewers.get(&id).is_some_and(|it| it.orders.send(order).is_ok());
        if sent || !needed {
            return Ok(());
        }
        Err(Fault::missing(format!("viewer {id} is not open, so nothing was typed")).hint("open it first"))
    })
}

/// An address that is longer than this is none.
const ADDRESS_MAX: usize = 8192;

/// Opens an address of the web by the system's own way.
fn visit(address: &str) -> Result<(), Fault> {
    let of_the_web = tauri::Url::parse(address)
        .ok()
        .filter(|it| matches!(it.scheme(), "http" | "https") && address.len() <= ADDRESS_MAX);
    let address = of_the_web.ok_or_else(|| {
        Fault::refused("only addresses of the web are opened, http and https").hint("copy it instead")
    })?;
    open::that_detached(address.as_str()).map_err(|error| {
        Fault::environment("no browser could be started").because(error).hint("copy the link instead")
    })
}
