//! `pilothouse spec tick|append|annotate`: what the engine writes into a task file, by hand. Each begins by reading the file as it is, and is
//! refused where a task's line is another than the one that was read.
//!
//! Refuses to write a layout whose own tools do: task-master's is asked to, if it is installed; BMAD's is named.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use pilothouse_contract::Fault;
use pilothouse_contract::layout::{LaidItem, LaidTask, Layout};
use pilothouse_engine::execution::agents;
use pilothouse_engine::policy::layouts::edit::{self, Fresh, Refused, Written};
use serde::Serialize;

use super::replace::replace;
use super::tree::Desk;
use crate::desk::{End, HOLDS};
use crate::out::Out;

/// So often it is read anew where somebody else writes the same file.
const TRIES: usize = 200;
/// task-master's own command line.
const TASK_MASTER: &str = "task-master";

/// How to write.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The hash of the task's line as it was read (`spec list --json`): if the line is another by now, nothing is written
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// Write nothing, and show what would change as a unified diff
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tick {
    /// A spec's folder or file, or a repository
    path: PathBuf,
    /// The task's id
    task: String,
    /// The commit that did it: written where the layout has a place for it, else as a `Done` line
    #[arg(long, value_name = "SHA", value_parser = commit)]
    done: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Annotate {
    /// A spec's folder or file, or a repository
    path: PathBuf,
    /// The task's id
    task: String,
    /// As `Verify`, `Files`, `Depends`
    key: String,
    /// As the file is to hold it: commands and paths between backticks
    value: String,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Append {
    /// A spec's folder or file
    path: PathBuf,
    /// The phase's title
    title: String,
    /// A task: its title, and on further lines what it says, as 'Verify: `cargo test`'; may be given many times
    #[arg(long = "task", value_name = "TEXT", required = true)]
    tasks: Vec<String>,
    /// Write nothing, and show what would change as a unified diff
    #[arg(long)]
    dry_run: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Changed {
    layout: Layout,
    item: String,
    file: String,
    /// Whether there is anything to change.
    changes: bool,
    /// Whether it was written.
    written: bool,
    diff: String,
    /// The program that was asked to, where a layout's own tools write.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Vec<String>>,
}

pub(crate) fn tick(args: &Tick, out: Out) -> End {
    let desk = Desk::open(&args.path)?;
    let (item, task) = task_of(&desk, &args.task)?;
    let was = as_read(task, &args.how);
    if item.layout == Layout::TaskMaster {
        return theirs(&desk, item, &was, args, out);
    }
    // A row of Open Mercato's has a place of its own for the commit.
    let (commit, done) = match item.layout {
        Layout::OpenMercato => (args.done.as_deref(), None),
        _ => (None, args.done.as_deref()),
    };
    carry_out(desk, args.how.dry_run, out, |desk| {
        let (item, _) = task_of(desk, &args.task)?;
        let written = edit::tick(desk.found(item)?, &desk.files, &item.name, &was, commit, done);
        Ok((item.clone(), written.map_err(in_words)?))
    })
}

pub(crate) fn annotate(args: &Annotate, out: Out) -> End {
    let desk = Desk::open(&args.path)?;
    let was = as_read(task_of(&desk, &args.task)?.1, &args.how);
    carry_out(desk, args.how.dry_run, out, |desk| {
        let (item, _) = task_of(desk, &args.task)?;
        let (found, name) = (desk.found(item)?, &item.name);
        let written = edit::annotate(found, &desk.files, name, &was, &args.key, &args.value);
        Ok((item.clone(), written.map_err(in_words)?))
    })
}

pub(crate) fn append(args: &Append, out: Out) -> End {
    let tasks = args.tasks.iter().map(|it| fresh(it)).collect::<Result<Vec<Fresh>, Fault>>()?;
    let desk = Desk::open(&args.path)?;
    carry_out(desk, args.dry_run, out, |desk| {
        let items = desk.items()?;
        let [item] = items.as_slice() else {
            let paths: Vec<&str> = items.iter().map(|it| it.path.as_str()).collect();
            return Err(Fault::refused(format!("there are {} items here", items.len()))
                .hint(format!("name one of them: {}", paths.join(", "))));
        };
        let last = || item.tasks.last().map(|it| it.file.as_str());
        let named = || item.files.iter().find(|it| it.ends_with("tasks.md")).map(String::as_str);
        let file = desk.file_of(item).or_else(last).or_else(named).unwrap_or(&item.path);
        let written = edit::append(desk.found(item)?, &desk.files, &item.name, file, &args.title, &tasks);
        Ok(((*item).clone(), written.map_err(in_words)?))
    })
}

/// Writes what comes of a repository as it is at the moment, or shows it. Where somebody else wrote meanwhile it is read anew.
fn carry_out(
    mut desk: Desk,
    dry_run: bool,
    out: Out,
    write: impl Fn(&Desk) -> Result<(LaidItem, Written), Fault>,
) -> End {
    for _ in 0..TRIES {
        let (item, made) = write(&desk)?;
        let was = desk.files.get(&made.file).map(Vec::as_slice).unwrap_or_default();
        let changes = made.bytes != was;
        if dry_run || !changes || replace(&desk.top, &made.file, was, &made.bytes)? {
            let (layout, name) = (item.layout, item.name);
            let written = changes && !dry_run;
            told(
                out,
                &Changed { layout, item: name, file: made.file, changes, written, diff: made.diff, by: None },
            );
            return Ok(HOLDS);
        }
        desk = desk.again()?;
    }
    Err(Fault::refused("somebody else writes this file all the time").hint("try again when it is at rest"))
}

fn told(out: Out, changed: &Changed) {
    out.value(changed, |it| match (it.changes, it.written) {
        (false, _) => format!("{} says so already: nothing is changed", it.file),
        (true, false) => it.diff.clone(),
        (true, true) => format!("{}{} is written", it.diff, it.file),
    });
}

/// The one item that holds a task, and the task.
fn task_of<'a>(desk: &'a Desk, id: &str) -> Result<(&'a LaidItem, &'a LaidTask), Fault> {
    let items = desk.items()?;
    let fits = |it: &&LaidTask| it.spec.id.as_str().eq_ignore_ascii_case(id);
    let held = items.iter().filter_map(|item| Some((*item, item.tasks.iter().find(fits)?)));
    let held: Vec<(&LaidItem, &LaidTask)> = held.collect();
    match held.as_slice() {
        [one] => Ok(*one),
        [] => Err(Fault::missing(format!("there is no task {id} here"))
            .command("see which there are", format!("pilothouse spec list {}", desk.top.display()))),
        many => {
            let paths: Vec<&str> = many.iter().map(|(it, _)| it.path.as_str()).collect();
            Err(Fault::refused(format!("{id} is a task of {} items here", many.len()))
                .hint(format!("name one of them: {}", paths.join(", "))))
        }
    }
}

fn as_read(task: &LaidTask, how: &How) -> LaidTask {
    let hash = how.hash.clone().unwrap_or_else(|| task.hash.clone());
    LaidTask { hash, ..task.clone() }
}

fn in_words(refused: Refused) -> Fault {
    let fault = Fault::refused(refused.to_string());
    match refused {
        Refused::Changed { .. } | Refused::Missing { .. } => fault
            .hint("read it again with `pilothouse spec list --json`, and give the hash that it says then"),
        _ => fault,
    }
}

/// A task as it is typed: its title, and its keys with their values on lines of their own.
fn fresh(text: &str) -> Result<Fresh, Fault> {
    let mut lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
    let title = lines.next().unwrap_or_default().to_owned();
    let meta = lines.map(|line| match line.split_once(':') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(Fault::refused(format!("'{line}' is no key with a value"))
            .hint("write it as 'Verify: `cargo test`', a line for each")),
    });
    Ok(Fresh { meta: meta.collect::<Result<_, _>>()?, title })
}

fn commit(text: &str) -> Result<String, String> {
    let fits = (4..=64).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
    if fits { Ok(text.to_owned()) } else { Err("a commit is named by 4 to 64 hexadecimal digits".to_owned()) }
}

/// Asks task-master's own command line, if there is one, and looks whether it did.
fn theirs(desk: &Desk, item: &LaidItem, was: &LaidTask, args: &Tick, out: Out) -> End {
    // It says who is to write; and before that whether what was read still holds.
    let Err(why) = edit::tick(desk.found(item)?, &desk.files, &item.name, was, None, None) else {
        let diff = String::new();
        let (layout, name, file) = (item.layout, item.name.clone(), was.file.clone());
        told(out, &Changed { layout, item: name, file, changes: false, written: false, diff, by: None });
        return Ok(HOLDS);
    };
    if !matches!(why, Refused::Theirs(_)) {
        return Err(in_words(why));
    }
    let mut command = vec![
        TASK_MASTER.to_owned(),
        "set-status".to_owned(),
        format!("--id={}", was.spec.id),
        "--status=done".to_owned(),
    ];
    // Files of older versions have no tags, and those versions no such word.
    let tagged =
        desk.files.get(&item.path).and_then(|it| serde_json::from_slice::<serde_json::Value>(it).ok());
    if tagged.is_some_and(|it| !it.get("tasks").is_some_and(serde_json::Value::is_array)) {
        command.push(format!("--tag={}", item.name));
    }
    let mut changed = Changed {
        layout: item.layout,
        item: item.name.clone(),
        file: was.file.clone(),
        changes: true,
        written: false,
        diff: String::new(),
        by: Some(command.clone()),
    };
    if args.how.dry_run {
        out.value(&changed, |_| format!("would run, in {}: {}", desk.top.display(), command.join(" ")));
        return Ok(HOLDS);
    }
    if !agents::is_there(TASK_MASTER) {
        return Err(Fault::refused(format!(
            "task-master keeps {} itself, and its program is not on this machine: nothing was written",
            was.file
        ))
        .command("install it", "npm install --global task-master-ai")
        .command("or run it where it is", command.join(" ")));
    }
    let ran = Command::new(TASK_MASTER).args(command.iter().skip(1)).current_dir(&desk.top).output();
    let ran =
        ran.map_err(|error| Fault::environment(format!("task-master could not be started: {error}")))?;
    let after = desk.again()?;
    let is_done = task_of(&after, &args.task).is_ok_and(|(_, it)| it.spec.done);
    if !(ran.status.success() && is_done) {
        let says = [ran.stdout.as_slice(), ran.stderr.as_slice()].concat();
        return Err(Fault::refused(format!(
            "task-master did not set {} to done ({})",
            was.spec.id, ran.status
        ))
        .hint("look at what it said, and run it by hand")
        .because(String::from_utf8_lossy(&says)));
    }
    changed.written = true;
    out.value(&changed, |it| format!("{} is set to done in {} by task-master", was.spec.id, it.file));
    Ok(HOLDS)
}
