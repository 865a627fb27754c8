//! The way to the engine, and from what people type to ids: things are named by id, and projects and items by their
//! short names too.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use pilothouse_client::{Client, Places, ensure_engine};
use pilothouse_contract::item::Item;
use pilothouse_contract::project::Project;
use pilothouse_contract::{Call, Fault, FaultCode, ask};

/// The end of a verb: an exit code, or why it could not be run.
pub(crate) type End = Result<ExitCode, Fault>;

/// It holds.
pub(crate) const HOLDS: ExitCode = ExitCode::SUCCESS;

/// It does not hold.
pub(crate) fn does_not_hold() -> ExitCode {
    ExitCode::from(1)
}

/// This very program.
pub(crate) fn program() -> Result<PathBuf, Fault> {
    std::env::current_exe()
        .map_err(|error| Fault::environment(format!("this program cannot be found: {error}")))
}

/// A connection to the engine, which is started if it does not run.
pub(crate) async fn engine() -> Result<Client, Fault> {
    ensure_engine(&Places::find()?, &program()?).await
}

/// A connection to the engine that runs: whoever only follows starts none.
pub(crate) async fn running() -> Result<Client, Fault> {
    Client::connect(&Places::find()?).await
}

/// How often a lost engine is looked for before it is called lost.
const TRIES: u32 = 20;

/// The patience of whoever follows an engine that may die: its watcher starts it again.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    lost: u32,
}

impl Patience {
    /// It answers.
    pub(crate) fn found(&mut self) {
        self.lost = 0;
    }

    /// Waits a little for an engine that does not answer.
    ///
    /// # Errors
    /// The fault itself, if it is another, or if the engine is lost for good.
    pub(crate) async fn after(&mut self, fault: Fault) -> Result<(), Fault> {
        if fault.code != FaultCode::Unreachable || self.lost >= TRIES {
            return Err(fault);
        }
        self.lost += 1;
        tokio::time::sleep(Duration::from_millis(u64::from(self.lost) * 50)).await;
        Ok(())
    }
}

/// One call.
pub(crate) async fn call<C: Call>(call: C) -> Result<C::Reply, Fault> {
    engine().await?.call(call).await
}

/// A project by id or name.
pub(crate) async fn project(named: &str) -> Result<Project, Fault> {
    let all = call(ask::project::List {}).await?;
    let found = all.iter().find(|it| it.id.to_string() == named || it.name == named).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        let fault = Fault::missing(format!("there is no project '{named}'"));
        match names.as_slice() {
            [] => fault.command("add a repository first", "pilothouse project add PATH"),
            names => fault.hint(format!("there are: {}", names.join(", "))),
        }
    })
}

/// A project by id or name, if one is named.
pub(crate) async fn maybe_project(named: Option<&String>) -> Result<Option<Project>, Fault> {
    match named {
        Some(named) => project(named).await.map(Some),
        None => Ok(None),
    }
}

/// An item by id, short name, or `project/short-name`.
pub(crate) async fn item(named: &str) -> Result<Item, Fault> {
    let items = call(ask::item::List { project: None }).await?;
    let projects = call(ask::project::List {}).await?;
    let name_of = |item: &Item| {
        projects.iter().find(|it| it.id == item.project).map(|it| it.name.clone()).unwrap_or_default()
    };
    let fits = |it: &&Item| {
        it.id.to_string() == named || it.slug == named || format!("{}/{}", name_of(it), it.slug) == named
    };
    let found: Vec<&Item> = items.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Fault::missing(format!("there is no item '{named}'"))
            .command("see which there are", "pilothouse item list")),
        several => {
            let names: Vec<String> =
                several.iter().map(|it| format!("{} ({}/{})", it.id, name_of(it), it.slug)).collect();
            Err(Fault::refused(format!("'{named}' can be any of {}", names.join(", ")))
                .hint("name it by its id"))
        }
    }
}

/// An id as typed.
pub(crate) fn id<T: std::str::FromStr<Err = pilothouse_contract::BadId>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: pilothouse_contract::BadId| error.to_string())
}
