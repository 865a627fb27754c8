//! `call`: bytes in, bytes out. The page encodes a request, the engine answers it; nothing is looked into but whether
//! it is a request at all.

use pilothouse_client::Engine;
use pilothouse_contract::{Fault, Request, wire};
use tauri::State;
use tauri::ipc::{InvokeBody, Response};

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
    Ok(Response::new(engine.call(&request).await?))
}

#[cfg(test)]
mod tests {
    use pilothouse_contract::{Call, ask};
    use pilothouse_testkit::home::kill_at_once;
    use tauri::ipc::InvokeResponseBody;

    use super::*;
    use crate::rig::Rig;

    fn call(rig: &Rig, label: &str, bytes: Vec<u8>) -> Result<Vec<u8>, serde_json::Value> {
        match rig.invoke(label, "call", InvokeBody::Raw(bytes))? {
            InvokeResponseBody::Raw(reply) => Ok(reply),
            InvokeResponseBody::Json(json) => panic!("no bytes: {json}"),
        }
    }

    #[test]
    fn a_call_goes_to_the_engine_and_its_reply_comes_back() {
        let rig = Rig::new();
        let list = wire::encode(&ask::project::List {}.request()).unwrap();
        assert_eq!(call(&rig, "main", list.clone()).unwrap(), b"[]");
        let run = ask::run::Show { run: pilothouse_contract::RunId(9) };
        let fault = call(&rig, "main", wire::encode(&run.request()).unwrap());
        assert_eq!(fault.unwrap_err()["message"], "there is no run r9");
        // The connection that was kept is no good any more.
        kill_at_once(rig.home.engine_pid());
        assert_eq!(call(&rig, "main", list).unwrap(), b"[]");
    }

    #[test]
    fn nonsense_and_windows_without_a_right_are_refused() {
        let rig = Rig::new();
        let fault = rig.invoke("main", "call", InvokeBody::Json(serde_json::json!({}))).unwrap_err();
        assert_eq!(fault["message"], "a call comes as bytes");
        let fault = call(&rig, "main", b"{\"call\":\"engine-eat\"}".to_vec()).unwrap_err();
        assert_eq!(fault["code"], "refused");
        let list = wire::encode(&ask::project::List {}.request()).unwrap();
        for (command, body) in [
            ("call", InvokeBody::Raw(list)),
            ("subscribe", InvokeBody::Json(serde_json::json!({ "channel": "__CHANNEL__:1" }))),
            (
                "attach",
                InvokeBody::Json(serde_json::json!({ "order": { "do": "close", "id": 1 }, "channel": null })),
            ),
        ] {
            let refused = rig.invoke("other", command, body).unwrap_err();
            assert!(refused.to_string().contains("not allowed"), "{command}: {refused}");
        }
    }
}
