//! The way to the engine: the only file that names the shell's commands.

use js_sys::Uint8Array;
use pilothouse_contract::{Call, Fault, wire};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The shell's own way in; a page without a shell does not have it.
    #[wasm_bindgen(js_namespace = ["window", "__TAURI_INTERNALS__"], catch)]
    async fn invoke(command: &str, payload: JsValue) -> Result<JsValue, JsValue>;
}

/// Calls the engine.
///
/// # Errors
/// Whatever the engine says, or why it cannot be reached.
pub(crate) async fn call<C: Call>(call: C) -> Result<C::Reply, Fault> {
    let request = wire::encode(&call.request())?;
    let reply = invoke("call", Uint8Array::from(request.as_slice()).into()).await.map_err(fault)?;
    wire::decode(&Uint8Array::new(&reply).to_vec())
}

/// What a command refused with: a fault, or words of the shell's.
fn fault(error: JsValue) -> Fault {
    serde_wasm_bindgen::from_value(error.clone()).unwrap_or_else(|_| {
        Fault::bug(error.as_string().unwrap_or_else(|| "the shell did not answer".to_owned()))
    })
}
