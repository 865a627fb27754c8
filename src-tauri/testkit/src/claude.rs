//! Claude Code beside a scripted model: the real program, with a folder of its own for what it knows, so that it neither
//! reads nor writes what whoever runs the tests has of it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::home::Home;
use crate::model::{Script, ScriptedModel};
use crate::must;

/// The key that the program calls the model with. It asks once whether to use one, unless it was told before.
const KEY: &str = "scripted";

/// What the program needs to be here and nowhere else: a model, and a folder for what it knows.
#[derive(Debug)]
pub struct Claude {
    model: ScriptedModel,
    config: TempDir,
    temp: TempDir,
    path: String,
}

impl Claude {
    /// The program, where `cargo xtask test` put it; nothing if this runs by hand without it.
    ///
    /// # Panics
    /// If everything is to be shown and it is not there.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PILOTHOUSE_CLAUDE").map(PathBuf::from);
        assert!(path.is_some() || !crate::is_all(), "Claude Code is not installed: run cargo xtask test");
        path
    }

    /// Beside a model that says what a script says.
    ///
    /// # Panics
    /// If the model cannot be started.
    #[must_use]
    pub fn new(program: &Path, script: Script) -> Self {
        let folder = program.parent().unwrap_or(Path::new("/")).display();
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            model: must(ScriptedModel::start(script)),
            config: must(TempDir::new()),
            temp: must(TempDir::new()),
            path: format!("{folder}:{path}"),
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &ScriptedModel {
        &self.model
    }

    /// The logs that it wrote, one a session.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        files_below(&self.config.path().join("projects"))
    }

    /// What it needs in its environment.
    #[must_use]
    pub fn environment(&self) -> [(&str, String); 6] {
        [
            ("PATH", self.path.clone()),
            ("ANTHROPIC_BASE_URL", self.model.url()),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            ("CLAUDE_CONFIG_DIR", self.config.path().display().to_string()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ("TMPDIR", self.temp.path().display().to_string()),
        ]
    }

    /// A home in which it can be started.
    #[must_use]
    pub fn home(&self) -> Home {
        self.environment().iter().fold(Home::new(), |home, (name, value)| home.with_env(name, value))
    }

    /// Answers beforehand what it asks a person when it is started in a terminal for the first time, in this folder.
    ///
    /// # Panics
    /// If that cannot be written down.
    pub fn is_known_in(&self, folder: &Path) {
        let trusted: Value = [(folder.display().to_string(), json!({ "hasTrustDialogAccepted": true }))]
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into();
        let known = json!({
            "hasCompletedOnboarding": true,
            "theme": "dark",
            "customApiKeyResponses": { "approved": [KEY], "rejected": [] },
            "projects": trusted,
        });
        must(std::fs::write(self.config.path().join(".claude.json"), known.to_string()));
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    entries.flat_map(|it| if it.is_dir() { files_below(&it) } else { vec![it] }).collect()
}
