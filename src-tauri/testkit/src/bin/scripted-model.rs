//! The scripted model as a program: reads a script file, says where it listens in one JSON line, serves until killed.
//!
//! `scripted-model SCRIPT.json [--port N]`

use std::io::Write;
use std::process::ExitCode;

use pilothouse_testkit::model::{Script, ScriptedModel};

fn main() -> ExitCode {
    let started = started(std::env::args().skip(1));
    let said = started.and_then(|model| {
        let line = serde_json::json!({"listening": model.url(), "port": model.port()});
        let mut out = std::io::stdout().lock();
        // Flushed by hand: whoever waits for the line reads it through a pipe.
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|cause| cause.to_string())?;
        Ok(model)
    });
    match said {
        Ok(_serving) => loop {
            std::thread::park();
        },
        Err(why) => {
            // There is nobody left to tell when stderr is closed too.
            let _unheard = writeln!(std::io::stderr(), "scripted-model: {why}");
            ExitCode::from(2)
        }
    }
}

fn started(mut arguments: impl Iterator<Item = String>) -> Result<ScriptedModel, String> {
    let mut file = None;
    let mut port = 0;
    while let Some(argument) = arguments.next() {
        if argument == "--port" {
            let number = arguments.next().ok_or("--port wants a number")?;
            port = number.parse().map_err(|_| format!("not a port: {number}"))?;
        } else if argument.starts_with('-') || file.is_some() {
            return Err(format!("what is {argument}? Usage: scripted-model SCRIPT.json [--port N]"));
        } else {
            file = Some(argument);
        }
    }
    let file = file.ok_or("which script? Usage: scripted-model SCRIPT.json [--port N]")?;
    let text = std::fs::read_to_string(&file).map_err(|cause| format!("cannot read {file}: {cause}"))?;
    let script = Script::from_json(&text).map_err(|cause| format!("{file}: {cause}"))?;
    ScriptedModel::start_on(script, port).map_err(|cause| cause.to_string())
}
