//! `pilothouse spec new|refine|gate`: an item from an idea, its refinement by another family, and its gates.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pilothouse_contract::ask::draft::{self, DraftPage};
use pilothouse_contract::card::{Happened, Pass, Source, Stage};
use pilothouse_contract::gate::{Holds, SpecGate, Stand};
use pilothouse_contract::layout::Layout;
use pilothouse_contract::project::Project;
use pilothouse_contract::{Event, Fault, ItemId, ask};
use pilothouse_symphony::tracker::{self, FileTracker, Tracker};
use pilothouse_symphony::workflow::TrackerSettings;

use super::said;
use super::tree::file;
use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, clock, short};
use crate::progress::each_record;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Begin an item from a sentence, a file or an issue: a skeleton of its spec on a branch of its own, drafted by an agent
    New {
        /// What is wanted, in a sentence
        #[arg(required_unless_present_any = ["file", "issue"], conflicts_with_all = ["file", "issue"])]
        sentence: Option<String>,
        /// A file that says it
        #[arg(long, value_name = "FILE", conflicts_with = "issue")]
        file: Option<PathBuf>,
        /// An issue that says it: PATH#ID of a folder or file of issues, or owner/name#12 on GitHub (token in GITHUB_TOKEN)
        #[arg(long, value_name = "REF")]
        issue: Option<String>,
        /// In which layout; the repository's own without it
        #[arg(long, value_parser = ["native", "spec-kit", "openspec", "kiro"])]
        layout: Option<String>,
        /// The project's name or id; the one that this folder belongs to without it
        #[arg(long)]
        project: Option<String>,
        /// Who drafts it; WORKFLOW.md's agent without it
        #[arg(long)]
        agent: Option<String>,
        /// What it is: feature, fix, migration, zero-to-one or boundary-refactor
        #[arg(long, default_value = "feature")]
        kind: String,
        /// Who answers for it; you without it
        #[arg(long)]
        owner: Option<String>,
        /// Who answers for it when it breaks at night
        #[arg(long, value_name = "NAME")]
        nights: Option<String>,
        /// Come back once the draft is written; exit 1 if it stopped before
        #[arg(long)]
        wait: bool,
    },
    /// Have its spec refined by an agent of another model family until nothing of weight is found, and then its plan written
    Refine {
        /// The item's id or short name
        item: String,
        /// Who refines; WORKFLOW.md's reviewer, or an agent of another family, without it
        #[arg(long)]
        agent: Option<String>,
        /// What is looked through, up to a few times; WORKFLOW.md's lenses without it
        #[arg(long)]
        lens: Vec<String>,
        /// Why it may be an agent of the author's own family, or of one that nobody knows
        #[arg(long, value_name = "REASON")]
        because: Option<String>,
        /// Come back once the plan holds; exit 1 if it stopped before
        #[arg(long)]
        wait: bool,
    },
    /// How its gates stand, each with its evidence; exit 1 if one does not hold. Or let it past one, with a reason
    Gate {
        /// The item's id or short name
        item: String,
        /// The gate to let it past, as G3
        #[arg(long = "override", value_name = "GATE", requires = "because")]
        past: Option<String>,
        /// Why
        #[arg(long, value_name = "REASON")]
        because: Option<String>,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::New { sentence, file, issue, layout, project, agent, kind, owner, nights, wait } => {
            let source = source(sentence, file, issue).await?;
            let project = match project {
                Some(named) => desk::project(&named).await?,
                None => project_here().await?,
            };
            let layout = layout.as_deref().and_then(layout_of);
            let seq = desk::call(ask::engine::Status {}).await?.seq;
            let call = draft::New { project: project.id, source, layout, agent, kind, owner, nights };
            let page = desk::call(call).await?;
            finish(page, wait.then_some(seq), Stage::Drafted, out).await
        }
        Verb::Refine { item, agent, lens, because, wait } => {
            let item = desk::item(&item).await?;
            let seq = desk::call(ask::engine::Status {}).await?.seq;
            let page = desk::call(draft::Refine { item: item.id, agent, lenses: lens, because }).await?;
            finish(page, wait.then_some(seq), Stage::Planned, out).await
        }
        Verb::Gate { item, past, because } => {
            let item = desk::item(&item).await?;
            let page = match past {
                None => desk::call(draft::Show { item: item.id }).await?,
                Some(word) => {
                    let gate = SpecGate::of(&word).ok_or_else(|| {
                        let names: Vec<&str> = SpecGate::ALL.iter().map(|it| it.word()).collect();
                        Fault::refused(format!("'{}' is no gate", short(&word, 20)))
                            .hint(format!("there are {}", names.join(", ")))
                    })?;
                    let because = because.unwrap_or_default();
                    desk::call(draft::Override { item: item.id, gate, because }).await?
                }
            };
            let holds = page.gates.iter().all(|it| it.holds != Holds::No);
            out.value(&page, show);
            Ok(if holds { HOLDS } else { does_not_hold() })
        }
    }
}

/// Waits for the draft to rest, if that is wanted, and shows it.
async fn finish(page: DraftPage, after: Option<u64>, wanted: Stage, out: Out) -> End {
    let Some(after) = after else {
        out.value(&page, show);
        return Ok(HOLDS);
    };
    let item = page.item.id;
    let mut rests = None;
    each_record(Some(after), |record, _| {
        if let Some(says) = of_item(&record.event, item) {
            out.aside(&format!("{}  {}", clock(record.at), short(&says, 300)));
        }
        match &record.event {
            Event::Card { item: of, what: Happened::Moved { to, .. } } if *of == item && to.rests() => {
                rests = Some(*to);
                false
            }
            _ => true,
        }
    })
    .await?;
    let page = desk::call(draft::Show { item }).await?;
    out.value(&page, show);
    Ok(if rests == Some(wanted) { HOLDS } else { does_not_hold() })
}

fn of_item(event: &Event, item: ItemId) -> Option<String> {
    match event {
        Event::Card { item: of, what } if *of == item => what.says(),
        _ => None,
    }
}

fn layout_of(word: &str) -> Option<Layout> {
    match word {
        "native" => Some(Layout::Native),
        "spec-kit" => Some(Layout::SpecKit),
        "openspec" => Some(Layout::OpenSpec),
        "kiro" => Some(Layout::Kiro),
        _ => None,
    }
}

/// The project that the working folder belongs to.
async fn project_here() -> Result<Project, Fault> {
    let here = std::env::current_dir().and_then(|it| it.canonicalize());
    let here = here.map_err(|error| Fault::environment(format!("the working folder is gone: {error}")))?;
    let all = desk::call(ask::project::List {}).await?;
    let holds = |it: &&Project| here.starts_with(Path::new(&it.path));
    // Of a repository within another one, the inner one.
    let found = all.iter().filter(holds).max_by_key(|it| it.path.len()).cloned();
    found.ok_or_else(|| {
        Fault::missing(format!("{} belongs to no project", here.display()))
            .command("add the repository first", "pilothouse project add .")
            .hint("or name a project with --project")
    })
}

async fn source(
    sentence: Option<String>,
    path: Option<PathBuf>,
    issue: Option<String>,
) -> Result<Source, Fault> {
    if let Some(path) = path {
        let name = path.display().to_string();
        let text = file(&path).ok_or_else(|| {
            Fault::missing(format!("{name} is no file that can be read"))
                .hint("name a plain text file of at most 8 MiB that says what is wanted")
        })?;
        return Ok(Source::File { path: name, text });
    }
    match issue {
        Some(reference) => read_issue(&reference).await,
        None => Ok(Source::Sentence { text: sentence.unwrap_or_default() }),
    }
}

/// Reads an issue. A repository's own settings of a tracker are not asked: they name addresses, and who gets a token.
async fn read_issue(reference: &str) -> Result<Source, Fault> {
    let unclear = || {
        Fault::refused(format!("'{}' names no issue", short(reference, 120)))
            .hint("write PATH#ID for a folder or file of issues, or owner/name#12 for GitHub")
    };
    let (place, id) = reference
        .rsplit_once('#')
        .filter(|(place, id)| !place.is_empty() && !id.is_empty())
        .ok_or_else(unclear)?;
    let path = Path::new(place);
    let tracker: std::sync::Arc<dyn Tracker> = if path.exists() {
        std::sync::Arc::new(FileTracker::new(path.to_owned()))
    } else {
        let provider = [("repo".to_owned(), serde_json::Value::String(place.to_owned()))];
        let settings = TrackerSettings {
            kind: "github".to_owned(),
            provider: provider.into_iter().collect(),
            required_labels: Vec::new(),
            active_states: vec!["open".to_owned()],
            terminal_states: vec!["closed".to_owned()],
        };
        tracker::open(&settings, Path::new("/"), &|name| std::env::var(name).ok()).map_err(|error| {
            Fault::refused(format!("{place} is no path, and no repository of GitHub's: {error}"))
        })?
    };
    let page = tracker
        .by_ids(&[id.to_owned()])
        .await
        .map_err(|error| Fault::environment(format!("the issue could not be read: {error}")))?;
    let issue = page.issues.into_iter().next();
    let issue = issue.ok_or_else(|| Fault::missing(format!("{place} has no issue {id}")))?;
    Ok(Source::Issue {
        reference: issue.url.unwrap_or_else(|| reference.to_owned()),
        title: issue.title,
        text: issue.description.unwrap_or_default(),
    })
}

/// A draft with its refinements and gates.
pub(crate) fn show(page: &DraftPage) -> String {
    let mut text = format!("{} {}: {}\n", page.item.id, page.item.slug, page.item.state.word());
    if let Some(draft) = &page.card.draft {
        let _ = writeln!(text, "{}: {}", draft.stage.word(), short(&draft.why, 300));
        let _ = writeln!(
            text,
            "{} ({}), begun from {}, written by {} on {}",
            draft.folder,
            draft.layout.name(),
            short(&draft.source.says(), 120),
            draft.author.says(),
            draft.branch.short()
        );
        if let Some(folder) = &page.folder {
            let _ = writeln!(text, "to be looked at in {folder}");
        }
        if let Some(sitting) = &draft.sitting {
            let role = sitting.due.role.word();
            let _ = writeln!(text, "{} sits at it ({role}, {})", sitting.by.says(), sitting.session);
        }
        for pass in &draft.passes {
            text.push_str(&of_pass(pass));
        }
        if draft.tokens() > 0 {
            let _ = writeln!(text, "its sessions used {} tokens", draft.tokens());
        }
    }
    text.push('\n');
    for it in &page.gates {
        text.push_str(&of_gate(it));
    }
    let overridden = page.card.overrides.len();
    if overridden > 0 {
        let _ = writeln!(text, "{overridden} overrides so far");
    }
    text
}

fn of_pass(pass: &Pass) -> String {
    let mut text = format!("\nrefinement {}, by {}: {}\n", pass.number, pass.by.says(), pass.says());
    if let Some(excuse) = &pass.excuse {
        let _ = writeln!(text, "  let through by {}: {}", excuse.by, short(&excuse.because, 200));
    }
    for it in &pass.findings {
        let at = if it.at.is_empty() { String::new() } else { format!(" {}", short(&it.at, 60)) };
        let says = short(&it.says, 200);
        let _ =
            writeln!(text, "  {}. {} ({}){at}: {says}", it.number, it.severity.word(), short(&it.lens, 60));
        let verdict = it.verdict.as_ref().map(|it| {
            format!("{}: {}", if it.accepted { "accepted" } else { "rejected" }, short(&it.because, 200))
        });
        let _ = writeln!(text, "     {}", verdict.unwrap_or_else(|| "no verdict yet".to_owned()));
    }
    for it in &pass.clear {
        let _ = writeln!(text, "  {}: nothing found; {}", short(&it.lens, 60), short(&it.says, 160));
    }
    text
}

/// One gate on its lines, with its evidence.
pub(crate) fn of_gate(it: &Stand) -> String {
    let mut text = format!(
        "{} {}: {}\n  {} [{} at {}]\n",
        it.gate.word(),
        it.gate.looks_at(),
        it.holds.word(),
        short(&it.says, 300),
        it.commit.short(),
        clock(it.at)
    );
    if let Some(given) = &it.overridden {
        let _ = writeln!(
            text,
            "  overridden by {} at {}: {}",
            given.by,
            clock(given.at),
            short(&given.because, 300)
        );
    }
    for it in &it.found {
        let _ = writeln!(text, "    {}", said(it));
    }
    text
}
