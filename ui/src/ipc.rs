//! The way to the engine and to the window itself: the only file that names the shell's commands.

use js_sys::Uint8Array;
use pilothouse_contract::wire::Tag;
use pilothouse_contract::{Call, Event, Fault, Fleet, Record, Request, wire};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./bridge.js")]
extern "C" {
    #[wasm_bindgen(js_name = call, catch)]
    async fn shell_call(request: Uint8Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = subscribe, catch)]
    async fn shell_subscribe(heed: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = visit, catch)]
    async fn shell_visit(address: &str) -> Result<JsValue, JsValue>;
    /// The machine may go down: nobody reads any more what stops with it.
    pub(crate) fn let_go();
    /// Closes the window; everything else goes on.
    pub(crate) fn close_window();
    /// What is kept from one opening of the window to the next.
    pub(crate) fn kept(name: &str) -> Option<String>;
    /// Keeps it.
    pub(crate) fn keep(name: &str, value: &str);
}

/// Calls the engine.
///
/// # Errors
/// Whatever the engine says, or why it cannot be reached.
pub(crate) async fn call<C: Call>(call: C) -> Result<C::Reply, Fault> {
    wire::decode(&request(&call.request()).await?)
}

/// Calls the engine with any request; the reply comes encoded.
///
/// # Errors
/// As [`call`].
pub(crate) async fn request(request: &Request) -> Result<Vec<u8>, Fault> {
    let bytes = wire::encode(request)?;
    let reply = shell_call(Uint8Array::from(bytes.as_slice())).await.map_err(fault)?;
    Ok(Uint8Array::new(&reply).to_vec())
}

/// Opens an address in the browser of whoever sits here.
///
/// # Errors
/// If it is none of the web, or there is no browser.
pub(crate) async fn visit(address: &str) -> Result<(), Fault> {
    shell_visit(address).await.map(drop).map_err(fault)
}

/// What a command refused with: a fault, or words of the shell's.
fn fault(error: JsValue) -> Fault {
    serde_wasm_bindgen::from_value(error.clone()).unwrap_or_else(|_| {
        Fault::bug(error.as_string().unwrap_or_else(|| "the shell did not answer".to_owned()))
    })
}

/// What the feed brings.
#[derive(Debug)]
pub(crate) enum FromFeed {
    /// Everything there is.
    Snapshot(Box<Fleet>),
    /// What happened since.
    Records(Vec<Record>),
    /// The engine is not there; the shell tries again.
    Lost(Fault),
}

/// Follows the fleet for as long as the page lives.
///
/// # Errors
/// If the shell refuses.
pub(crate) async fn subscribe(heed: impl Fn(FromFeed) + 'static) -> Result<(), Fault> {
    let heed = Closure::<dyn Fn(Uint8Array)>::new(move |message: Uint8Array| {
        let message = message.to_vec();
        let Some((tag, payload)) = message.split_first() else { return };
        let news = match *tag {
            it if it == Tag::Snapshot as u8 => {
                wire::decode(payload).map(|it| FromFeed::Snapshot(Box::new(it)))
            }
            it if it == Tag::Records as u8 => wire::decode(payload).map(FromFeed::Records),
            _ => Ok(FromFeed::Lost(wire::decode(payload).unwrap_or_else(|fault| fault))),
        };
        heed(news.unwrap_or_else(FromFeed::Lost));
    });
    let done = shell_subscribe(heed.as_ref()).await.map(drop).map_err(fault);
    // It is called for as long as the page lives.
    heed.forget();
    done
}

/// Whether a record is worth a line in the status line: what people did and what came of work, not the small steps.
pub(crate) fn tells(record: &Record) -> bool {
    !matches!(
        record.event,
        Event::WorktreeSeen { .. }
            | Event::Integrating { .. }
            | Event::BriefWritten { .. }
            | Event::SessionAsked { .. }
            | Event::WorktreeAsked { .. }
            | Event::WorktreePassed { .. }
            | Event::ItemRead { .. }
    )
}
