//! `call`: bytes in, bytes out. The page encodes a request, the engine answers it; nothing is looked into but whether
//! it is a request at all.

use pilothouse_client::ensure_engine;
use pilothouse_contract::{Fault, Request, wire};
use tauri::State;
use tauri::ipc::{InvokeBody, Response};

use crate::Engine;

/// Relays one call to the engine, which is started if it does not run.
///
/// # Errors
/// Whatever the engine says, or why it cannot be reached.
#[tauri::command]
pub(crate) async fn call(
    request: tauri::ipc::Request<'_>,
    engine: State<'_, Engine>,
) -> Result<Response, Fault> {
    let InvokeBody::Raw(bytes) = request.body() else {
        return Err(Fault::refused("a call comes as bytes"));
    };
    let request: Request = wire::decode(bytes)?;
    let mut client = ensure_engine(&engine.places, &engine.program).await?;
    Ok(Response::new(client.call_any(&request).await?))
}

#[cfg(test)]
mod tests {
    use pilothouse_client::Places;
    use pilothouse_contract::{Call, ask};
    use pilothouse_testkit::home::Home;
    use tauri::ipc::{CallbackFn, InvokeResponseBody};
    use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder};
    use tauri::webview::InvokeRequest;
    use tauri::{Manager, WebviewUrl, WebviewWindowBuilder};

    use super::*;

    /// What the page of a window gets for a call.
    fn invoke(home: &Home, label: &str, body: InvokeBody) -> Result<InvokeResponseBody, serde_json::Value> {
        let places = Places::at(
            home.data(),
            &std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, Into::into),
        )
        .unwrap();
        let program = home.command(&[]).get_program().into();
        // The real manifest and capabilities; the window of the configuration is made with the app.
        let context: tauri::Context<MockRuntime> = tauri::generate_context!();
        let app = crate::build(mock_builder(), Engine { places, program }).build(context).unwrap();
        let window = app.get_webview_window(label).unwrap_or_else(|| {
            WebviewWindowBuilder::new(&app, label, WebviewUrl::default()).build().unwrap()
        });
        let request = InvokeRequest {
            cmd: "call".to_owned(),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: if cfg!(windows) { "http://tauri.localhost" } else { "tauri://localhost" }.parse().unwrap(),
            body,
            headers: tauri::http::HeaderMap::default(),
            invoke_key: INVOKE_KEY.to_owned(),
        };
        get_ipc_response(&window, request)
    }

    #[test]
    fn a_call_goes_to_the_engine_and_its_reply_comes_back() {
        let home = Home::new();
        home.json(&["engine", "start"]);
        let request = wire::encode(&ask::project::List {}.request()).unwrap();
        let Ok(InvokeResponseBody::Raw(reply)) = invoke(&home, "main", InvokeBody::Raw(request)) else {
            panic!("no bytes")
        };
        assert_eq!(reply, b"[]");
        let fault = invoke(
            &home,
            "main",
            InvokeBody::Raw(
                wire::encode(&ask::run::Show { run: pilothouse_contract::RunId(9) }.request()).unwrap(),
            ),
        );
        assert_eq!(fault.unwrap_err()["message"], "there is no run r9");
    }

    #[test]
    fn nonsense_and_windows_without_a_right_are_refused() {
        let home = Home::new();
        let fault = invoke(&home, "main", InvokeBody::Json(serde_json::json!({}))).unwrap_err();
        assert_eq!(fault["message"], "a call comes as bytes");
        let fault =
            invoke(&home, "main", InvokeBody::Raw(b"{\"call\":\"engine-eat\"}".to_vec())).unwrap_err();
        assert_eq!(fault["code"], "refused");
        let request = wire::encode(&ask::project::List {}.request()).unwrap();
        let refused = invoke(&home, "other", InvokeBody::Raw(request)).unwrap_err();
        assert!(refused.to_string().contains("not allowed"), "{refused}");
    }
}
