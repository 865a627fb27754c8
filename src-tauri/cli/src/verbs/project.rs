//! `pilothouse project …`

use clap::Subcommand;
use pilothouse_contract::after::Rates;
use pilothouse_contract::project::{FoundKind, Line, Project, Trust};
use pilothouse_contract::risk::RiskClass;
use pilothouse_contract::{Fault, ask};

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short, table, whole};
use crate::screen;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a git repository
    Add {
        /// Its folder
        #[arg(default_value = ".")]
        path: std::path::PathBuf,
    },
    /// The repositories on the list
    List,
    /// Look at what in a repository can run commands; with --yes, allow it
    Trust {
        /// Its name or id
        project: String,
        /// Allow what is shown: agents and the repository's own commands then run with your rights
        #[arg(long)]
        yes: bool,
    },
    /// Take a repository off the list; the repository itself stays as it is
    Remove {
        /// Its name or id
        project: String,
    },
    /// See how changes of a risk class went; with --on and that very line they land without your yes once checked and reviewed
    AutoLand {
        /// Its name or id
        project: String,
        /// low, medium or high
        #[arg(value_parser = class)]
        class: RiskClass,
        /// Switch it on
        #[arg(long, conflicts_with = "off")]
        on: bool,
        /// Switch it off
        #[arg(long)]
        off: bool,
        /// How it went so far, as it is shown without this: who switches it on has seen it
        #[arg(long, requires = "on")]
        seen: Option<String>,
    },
    /// Say yes to a move of the default branch that stopped the line
    Adopt {
        /// Its name or id
        project: String,
    },
    /// Take such a move back; what it pointed to is kept under refs/pilothouse/recovery
    TakeBack {
        /// Its name or id
        project: String,
    },
}

fn class(word: &str) -> Result<RiskClass, String> {
    RiskClass::of(word).ok_or_else(|| "it is low, medium or high".to_owned())
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Add { path } => add(&path, out).await,
        Verb::List => list(out).await,
        Verb::Trust { project, yes } => trust(&project, yes, out).await,
        Verb::Remove { project } => {
            let it = desk::project(&project).await?;
            desk::call(ask::project::Remove { project: it.id }).await?;
            out.value(&serde_json::json!({ "removed": it.id }), |_| {
                format!("{} is off the list. Its repository {} is as it was.", it.name, it.path)
            });
            Ok(HOLDS)
        }
        Verb::AutoLand { project, class, on, off, seen: told } => {
            let it = desk::project(&project).await?;
            let seen = desk::call(ask::after::Desk { project: Some(it.id) }).await?.rates;
            let says = seen.iter().find(|it| it.class == class).map(Rates::says).unwrap_or_default();
            if (on && told.is_none()) || (!on && !off) {
                let is_on = it.auto_land.contains(&class);
                let word = if is_on { "on" } else { "off" };
                out.value(&seen, |_| {
                    let how = format!(
                        "pilothouse project auto-land {} {} --on --seen '{says}'",
                        it.name,
                        class.word()
                    );
                    format!("It is {word} in {}. So far: {says}\nTo switch it on: {how}", it.name)
                });
                return Ok(if is_on { HOLDS } else { desk::does_not_hold() });
            }
            let page = desk::call(ask::after::AutoLand {
                project: it.id,
                class,
                on,
                seen: told.unwrap_or_default(),
            })
            .await?;
            let word =
                if on { "land by themselves now, once checked and reviewed" } else { "wait for a yes again" };
            out.value(&page, |_| {
                format!("Changes of {} risk in {} {word}. So far: {says}", class.word(), it.name)
            });
            Ok(HOLDS)
        }
        Verb::Adopt { project } => {
            let it = desk::project(&project).await?;
            let it = desk::call(ask::project::Adopt { project: it.id }).await?;
            out.value(&it, |it| {
                format!("{} stands at {}; the line is open.", it.default_branch.short(), it.main.short())
            });
            Ok(HOLDS)
        }
        Verb::TakeBack { project } => {
            let it = desk::project(&project).await?;
            let it = desk::call(ask::project::TakeBack { project: it.id }).await?;
            out.value(&it, |it| {
                format!(
                    "{} stands at {} again; the line is open.",
                    it.default_branch.short(),
                    it.main.short()
                )
            });
            Ok(HOLDS)
        }
    }
}

async fn add(path: &std::path::Path, out: Out) -> End {
    let path =
        std::path::absolute(path).map_err(|error| Fault::refused(format!("{}: {error}", path.display())))?;
    let project = desk::call(ask::project::Add { path: path.display().to_string() }).await?;
    let items = desk::call(ask::item::List { project: Some(project.id) }).await?;
    out.value(&project, |it| {
        let mut says = format!(
            "Added {} ({}): {}, work lands on {} (now {}).\n",
            it.name,
            it.id,
            it.path,
            it.default_branch.short(),
            it.main.short()
        );
        match items.len() {
            0 => says.push_str("No specs yet: write specs/001-NAME/{spec.md,tasks.md} and commit them.\n"),
            n => says.push_str(&format!("{n} items found: see pilothouse item list {}.\n", it.name)),
        }
        says.push_str(&format!(
            "Next: look at what in it can run commands: pilothouse project trust {}",
            it.name
        ));
        says
    });
    Ok(HOLDS)
}

async fn list(out: Out) -> End {
    let projects = desk::call(ask::project::List {}).await?;
    out.value(&projects, |projects| {
        if projects.is_empty() {
            return "No repositories yet. Add one: pilothouse project add PATH. Or watch a rehearsal: pilothouse rehearse --headless".to_owned();
        }
        let rows: Vec<Vec<String>> = projects.iter().map(row).collect();
        table(&["ID", "NAME", "BRANCH", "STANDS AT", "TRUST", "LINE", "PATH"], &rows)
    });
    Ok(HOLDS)
}

fn row(it: &Project) -> Vec<String> {
    let trust = match &it.trust {
        Trust::Undecided => "undecided".to_owned(),
        Trust::Given { by, .. } => format!("by {by}"),
    };
    let line = match &it.line {
        Line::Open if it.held.is_some() => {
            let held = it.held.as_ref();
            held.map(|it| format!("held by {}: {}", it.by, short(&it.why, 40))).unwrap_or_default()
        }
        Line::Open => "open".to_owned(),
        Line::Stopped { named, .. } => format!("stopped: moved by {}", short(named, 40)),
    };
    vec![
        it.id.to_string(),
        it.name.clone(),
        it.default_branch.short().to_owned(),
        it.main.short().to_owned(),
        trust,
        line,
        it.path.clone(),
    ]
}

async fn trust(named: &str, yes: bool, out: Out) -> End {
    let it = desk::project(named).await?;
    let page = desk::call(ask::project::Look { project: it.id }).await?;
    let mut says = format!("What in {} can run commands:\n\n", it.path);
    if page.found.is_empty() {
        says.push_str("  nothing was found\n");
    } else {
        // Whole: what would be cut off is what somebody would hide.
        let width = usize::from(screen::size().columns);
        for it in &page.found {
            says.push_str(&whole(&format!("{}: {}", kind(it.kind), it.place.replace('\n', " ")), 2, width));
            says.push_str(&whole(&it.says, 6, width));
        }
    }
    says.push_str(
        "\nAllowing means: agents start in worktrees of it, and its checks and hooks and what agents write run with your \
         rights. Pilothouse is no sandbox.\n",
    );
    if yes {
        let project = desk::call(ask::project::Trust { project: it.id, digest: page.digest }).await?;
        out.value(&project, |project| format!("{says}\nAllowed for {}.", project.name));
    } else {
        out.value(&page, |_| format!("{says}\nTo allow it: pilothouse project trust {} --yes", it.name));
    }
    Ok(HOLDS)
}

fn kind(kind: FoundKind) -> &'static str {
    match kind {
        FoundKind::Hook => "git hook",
        FoundKind::GitCommand => "git setting",
        FoundKind::McpServer => "MCP server",
        FoundKind::AgentSetting => "agent setting",
        FoundKind::Workflow => "workflow",
        FoundKind::Verify => "proof",
    }
}
