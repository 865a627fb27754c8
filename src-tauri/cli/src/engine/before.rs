//! What is said before something ends: what goes on and what stops, by name, and what an upgrade would do. Looks, and
//! changes nothing.

use std::process::Stdio;
use std::time::Duration;

use pilothouse_client::{Client, Places};
use pilothouse_contract::underway::{self, Plan, Through, Underway};
use pilothouse_contract::{FaultCode, ItemId, ask};

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short, table};

/// A holder that can be begun says so within this.
const ANSWERS: Duration = Duration::from_secs(5);

/// What goes on and what stops, in each case; and what is under way.
pub(super) async fn survives(out: Out) -> End {
    let mut engine = desk::engine().await?;
    let lines = engine.call(ask::engine::Survives {}).await?;
    let named = if out.json { Vec::new() } else { named(&mut engine).await? };
    out.value(&lines, |lines| {
        let row = |it: &ask::engine::Survival| {
            let fate = |it: ask::engine::Fate| it.word().to_owned();
            vec![it.when.clone(), fate(it.sessions), fate(it.loops), it.why.clone()]
        };
        let mut says =
            table(&["WHEN", "SESSIONS", "LOOPS", "WHY"], &lines.iter().map(row).collect::<Vec<_>>());
        if named.is_empty() {
            says.push_str("\nNothing is under way.");
        } else {
            let row = |it: &Underway| vec![it.name.clone(), short(&it.title, 60), short(&it.says, 100)];
            says.push('\n');
            says.push_str(&table(
                &["UNDER WAY", "WHAT", "WHOSE"],
                &named.iter().map(row).collect::<Vec<_>>(),
            ));
        }
        says
    });
    Ok(HOLDS)
}

/// Sessions and runs that are under way.
async fn named(engine: &mut Client) -> Result<Vec<Underway>, pilothouse_contract::Fault> {
    let sessions = engine.call(ask::session::List { all: false }).await?;
    let runs = engine.call(ask::run::List { project: None }).await?;
    let items = engine.call(ask::item::List { project: None }).await?;
    let title =
        |id: ItemId| items.iter().find(|it| it.id == id).map_or_else(|| id.to_string(), |it| it.slug.clone());
    let mut named = underway::sessions(sessions.iter().map(|it| &it.session));
    named.extend(underway::runs(runs.iter(), title));
    Ok(named)
}

/// What an upgrade would do now. Starts no engine: one that does not run is not upgraded.
pub(super) async fn plan(out: Out) -> End {
    let mut engine = match Client::connect(&Places::find()?).await {
        Err(fault) if fault.code == FaultCode::Unreachable => {
            out.value(&serde_json::json!({ "running": false }), |_| {
                "The engine does not run. The next call starts the installed one.".to_owned()
            });
            return Ok(HOLDS);
        }
        other => other?,
    };
    let status = engine.call(ask::engine::Status {}).await?;
    let lines = engine.call(ask::session::List { all: false }).await?;
    let plan = Plan::of(&status, &lines);
    let holder = holder().await;
    let document = serde_json::json!({
        "running": true,
        "plan": plan,
        "holder": holder.as_ref().ok(),
        "fault": holder.as_ref().err(),
    });
    out.value(&document, |_| says(&plan, &holder));
    Ok(if holder.is_ok() { HOLDS } else { desk::does_not_hold() })
}

fn says(plan: &Plan, holder: &Result<String, String>) -> String {
    let mut says = format!("The engine that runs is process {}, version {}", plan.pid, plan.version);
    says.push_str(if plan.engine_outdated {
        ": another program than the installed one. It ends and that one begins; loops stand still for that moment and go on.\n"
    } else {
        ", the installed one.\n"
    });
    if let Err(why) = holder {
        says.push_str(&format!(
            "The installed holder cannot be begun ({why}), so no session would be given to it.\n"
        ));
    }
    let rows = plan.sessions.iter().map(|it| {
        vec![it.session.to_string(), short(&it.title, 40), it.through.word().to_owned(), it.why.clone()]
    });
    if plan.sessions.is_empty() {
        says.push_str("No session lives.");
    } else {
        says.push_str(&table(&["SESSION", "WHAT", "IN AN UPGRADE", "WHY"], &rows.collect::<Vec<_>>()));
        says.push_str("\nNo program ends by it.");
    }
    let keeps = plan.count(Through::KeepsIts);
    if plan.is_wanted() && holder.is_ok() {
        says.push_str("\nGo over to the installed programs: pilothouse engine upgrade");
    } else if keeps > 0 {
        says.push_str("\nThere is nothing to go over to for the others.");
    } else {
        says.push_str("\nThere is nothing to do.");
    }
    says
}

/// What the installed holder says of itself, or why it cannot be begun.
async fn holder() -> Result<String, String> {
    let program = desk::program().map_err(|it| it.message)?.with_file_name("pilothouse-hold");
    let mut command = tokio::process::Command::new(&program);
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let ran = tokio::time::timeout(ANSWERS, command.output()).await;
    let ran = ran.map_err(|_| "it does not come to an end".to_owned())?.map_err(|it| it.to_string())?;
    let said = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    if ran.status.success() && said.starts_with("pilothouse-hold ") {
        return Ok(said);
    }
    let complained = String::from_utf8_lossy(&ran.stderr);
    Err(complained.lines().next().unwrap_or("it is no holder").to_owned())
}
