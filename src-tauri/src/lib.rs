//! The shell: a window that relays calls to the engine. Holds no truth; may be killed and opened again at any moment.
//!
//! Refuses: any engine, any database, any git, any key.

mod call;

use std::path::PathBuf;
use std::process::ExitCode;

use pilothouse_client::Places;
use pilothouse_contract::Fault;

/// Where the engine is, and how it is started.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Its places.
    pub places: Places,
    /// The command line program, which starts it on demand.
    pub program: PathBuf,
}

impl Engine {
    fn find() -> Result<Self, Fault> {
        let program = std::env::current_exe()
            .map_err(|error| Fault::environment(format!("this program cannot be found: {error}")))?
            .with_file_name("pilothouse");
        Ok(Self { places: Places::find()?, program })
    }
}

/// Opens the window, and comes back when it is closed.
#[must_use]
pub fn run() -> ExitCode {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(fault) => {
            complain(&fault.message);
            return ExitCode::from(2);
        }
    };
    match build(tauri::Builder::default(), engine).run(tauri::generate_context!()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the window could not be opened: {error}"));
            ExitCode::from(2)
        }
    }
}

/// The commands, on whatever runtime: the real one, or the one of tests.
#[must_use]
pub fn build<R: tauri::Runtime>(builder: tauri::Builder<R>, engine: Engine) -> tauri::Builder<R> {
    builder.manage(engine).invoke_handler(tauri::generate_handler![call::call])
}

#[allow(clippy::print_stderr, reason = "there is no window that could say it")]
fn complain(says: &str) {
    eprintln!("pilothouse-desktop: {says}");
}
