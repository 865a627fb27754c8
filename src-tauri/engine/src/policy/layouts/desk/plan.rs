//! The plan page: phases with their files, waves with why each task waits, coverage both ways, proofs, scopes on the tree.
//!
//! Refuses to say the same twice: what a gate finds and a part of the page shows is not listed among the findings.

use std::collections::{BTreeMap, HashMap, HashSet};

use pilothouse_contract::desk::{Covered, PhaseLook, Place, PlanPage, Proof, Red, ScopeLook, TaskLook};
use pilothouse_contract::layout::{Diagnostic, InWave, LaidItem, LaidTask, Layout};
use pilothouse_contract::spec::{Requirement, TaskSpec, Verify};

use super::super::waves::waves;
use super::{Docs, Facts, Made, meter, proofs};
use crate::policy::layouts::Files;
use crate::policy::scope::{self, Globs};
use crate::policy::specs::{lines, proofs as unproved, shape};

pub(super) const WILD: [char; 5] = ['*', '?', '[', '{', ']'];

/// The page, but for its gates.
pub(super) fn page(docs: &Docs<'_>, files: &Files, facts: &Facts<'_>) -> PlanPage {
    let item = docs.item;
    let laid = waves(item, facts.limits);
    let tasks = tasks(docs, facts, &laid.waves, &laid.stuck);
    PlanPage {
        gates: Vec::new(),
        phases: phases(item, files),
        waves: laid.waves.len(),
        slots: facts.limits.slots,
        coverage: coverage(docs),
        scopes: scopes(item, facts),
        findings: findings(item),
        tasks,
    }
}

fn worked(item: &LaidItem) -> impl Iterator<Item = &LaidTask> {
    item.tasks.iter().filter(|it| !it.holds)
}

fn place(task: &LaidTask) -> Place {
    Place::new(&task.file, task.spec.line)
}

fn tasks<'a>(
    docs: &Docs<'a>,
    facts: &Facts<'_>,
    waves: &[Vec<InWave>],
    stuck: &[pilothouse_contract::TaskId],
) -> Vec<TaskLook> {
    let item = docs.item;
    let in_wave: HashMap<&str, (usize, &InWave)> = waves
        .iter()
        .enumerate()
        .flat_map(|(wave, all)| all.iter().map(move |it| (it.task.as_str(), (wave, it))))
        .collect();
    let stuck: HashSet<&str> = stuck.iter().map(pilothouse_contract::TaskId::as_str).collect();
    // `1` is known by way of `1.2`.
    let whole = |id: &'a str| id.match_indices('.').filter_map(|(at, _)| id.get(..at)).chain([id]);
    let known: HashSet<&str> = item.requirements.iter().flat_map(|it| whole(&it.id)).collect();
    let look = |task: &LaidTask| {
        let spec = &task.spec;
        let found = in_wave.get(spec.id.as_str());
        TaskLook {
            id: spec.id.clone(),
            title: spec.title.clone(),
            phase: spec.phase,
            wave: found.map(|it| it.0),
            waits: found.map(|it| it.1.waits.clone()).unwrap_or_default(),
            stuck: stuck.contains(spec.id.as_str()),
            state: task.state,
            place: place(task),
            verify: spec.verify.clone(),
            proofs: if spec.done { Vec::new() } else { proofs_of(spec, facts, docs.made()) },
            files: spec.files.as_ref().map(|it| it.include.clone()),
            covers: spec.covers.clone(),
            strays: spec.covers.iter().filter(|it| is_stray(it, &known, item.layout)).cloned().collect(),
            optional: spec.optional,
        }
    };
    worked(item).map(look).collect()
}

/// Whether what a task covers is named like a requirement, and is none.
fn is_stray(id: &str, known: &HashSet<&str>, layout: Layout) -> bool {
    let numbered = match layout {
        Layout::Kiro | Layout::CcSdd => id.bytes().all(|it| it.is_ascii_digit() || it == b'.'),
        _ => id.contains('-') && id.bytes().any(|it| it.is_ascii_digit()),
    };
    numbered && !known.is_empty() && !known.contains(id)
}

fn proofs_of(spec: &TaskSpec, facts: &Facts<'_>, made: &Made) -> Vec<Proof> {
    let Verify::Commands(commands) = &spec.verify else { return Vec::new() };
    // They were run as one.
    let red = facts.red.get(&(spec.id.clone(), commands.join(" && ")));
    let proof = |command: &String| {
        let (state, says) = proofs::resolve(command, facts, made);
        Proof {
            command: command.clone(),
            state,
            says,
            red: red.map_or(Red::NotYetKnown, |it| it.0),
            evidence: red.map(|it| it.1),
        }
    };
    commands.iter().map(proof).collect()
}

/// Requirements with the tasks that cover them: one that covers `1` covers `1.2` too.
fn coverage(docs: &Docs<'_>) -> Vec<Covered> {
    let mut by: HashMap<&str, Vec<(usize, &LaidTask)>> = HashMap::new();
    for (number, task) in worked(docs.item).enumerate() {
        for id in &task.spec.covers {
            by.entry(id).or_default().push((number, task));
        }
    }
    let texts: Vec<(&str, Vec<&str>)> = docs
        .texts
        .iter()
        .filter(|(path, _)| !path.ends_with("tasks.md"))
        .map(|(path, text)| (*path, lines(text).map(|it| it.text).collect()))
        .collect();
    let spec = super::gates::spec_of(docs.item).unwrap_or(&docs.item.path);
    let one = |it: &Requirement| {
        let above = it.id.match_indices('.').filter_map(|(at, _)| it.id.get(..at));
        let found: BTreeMap<usize, &LaidTask> =
            above.chain([it.id.as_str()]).filter_map(|id| by.get(id)).flatten().copied().collect();
        // It stands in a file that holds its id in that line, or in the one that says what is wanted.
        let names = |all: &[&str]| {
            it.line.checked_sub(1).and_then(|at| all.get(at)).is_some_and(|line| line.contains(&it.id))
        };
        let stands = texts.iter().find(|(_, all)| names(all)).map_or(spec, |(path, _)| *path);
        Covered {
            id: it.id.clone(),
            text: it.text.clone(),
            place: Place::new(stands, it.line),
            tasks: found.into_values().map(|it| it.spec.id.clone()).collect(),
            needed: docs.item.layout == Layout::Native,
        }
    };
    docs.item.requirements.iter().map(one).collect()
}

fn phases(item: &LaidItem, files: &Files) -> Vec<PhaseLook> {
    let first = worked(item).next().map_or(item.path.as_str(), |it| it.file.as_str());
    let mut own: HashMap<usize, (&str, usize, usize)> = HashMap::new();
    for task in worked(item) {
        if let Some(phase) = task.spec.phase {
            let of = own.entry(phase).or_insert((&task.file, 0, 0));
            *of = (of.0, of.1 + usize::from(task.spec.done), of.2 + 1);
        }
    }
    let of = |(number, it): (usize, &pilothouse_contract::layout::LaidPhase)| {
        let (stands, done, tasks) = own.get(&number).copied().unwrap_or((first, 0, 0));
        let path = it.phase.detail.as_ref().map(|it| format!("{}/{it}", item.path));
        let text = path.as_ref().and_then(|it| std::str::from_utf8(files.get(it)?).ok());
        let meter = path.as_ref().zip(text).map(|(path, text)| meter(path, text, true));
        let says = match (&path, &meter) {
            (Some(_), None) => "write it, or mend the name",
            (Some(_), Some(meter)) if meter.is_over() => "keep it shorter, for each agent is handed it",
            (None, _) if item.layout == Layout::Native => {
                "add '- Detail: phases/NN-slug.md', so that who works there is handed that file and no more"
            }
            _ => "",
        };
        PhaseLook {
            title: it.phase.title.clone(),
            place: Place::new(stands, it.line),
            file: path,
            meter,
            done_when: it.phase.done_when.clone(),
            done,
            tasks,
            says: says.to_owned(),
        }
    };
    item.phases.iter().enumerate().map(of).collect()
}

/// Files of the tree that a glob takes in, found below the part of it that is no pattern.
fn taken_in<'a>(facts: &'a Facts<'_>, glob: &'a str) -> Vec<&'a str> {
    let bare = glob.trim_end_matches('/');
    if !bare.contains(WILD) {
        if facts.tree.contains(bare) {
            return vec![bare];
        }
        return facts
            .tree
            .range(format!("{bare}/")..)
            .map(String::as_str)
            .take_while(|it| it.strip_prefix(bare).is_some_and(|it| it.starts_with('/')))
            .collect();
    }
    let fixed = bare.split(WILD).next().unwrap_or_default();
    let Ok(glob) = scope::glob(glob) else { return Vec::new() };
    let near =
        facts.tree.range(fixed.to_owned()..).map(String::as_str).take_while(|it| it.starts_with(fixed));
    near.filter(|it| glob.matches(it)).collect()
}

fn scopes(item: &LaidItem, facts: &Facts<'_>) -> Vec<ScopeLook> {
    let hot = Globs::of(&facts.limits.hot);
    let mut all: BTreeMap<&str, ScopeLook> = BTreeMap::new();
    for task in worked(item) {
        let Some(files) = &task.spec.files else { continue };
        for glob in &files.include {
            let it = all.entry(glob).or_insert_with(|| {
                let taken = taken_in(facts, glob);
                ScopeLook {
                    glob: glob.clone(),
                    tasks: Vec::new(),
                    files: taken.len(),
                    new: false,
                    hot: hot.matches(glob) || taken.iter().any(|it| hot.matches(it)),
                    place: place(task),
                    says: String::new(),
                }
            });
            it.new |= files.new.contains(glob);
            it.tasks.push(task.spec.id.clone());
        }
    }
    let done = worked(item).filter(|it| it.spec.done).map(|it| &it.spec.id).collect::<HashSet<_>>();
    let mut all: Vec<ScopeLook> = all.into_values().collect();
    for it in &mut all {
        // What is done may have been made, and be there since.
        let open = it.tasks.iter().any(|it| !done.contains(it));
        it.says = match (it.hot, it.new, it.files) {
            _ if !open => "",
            (true, ..) => {
                "it is hot, and who names a hot file runs alone: leave it to the last task of its phase"
            }
            (_, true, 1..) if !it.glob.contains(WILD) => {
                "it is there already: take '(new)' away, or name another"
            }
            (_, false, 0) => "nothing of it is in the tree: mend the path, or write '(new)' behind it",
            _ => "",
        }
        .to_owned();
    }
    all
}

/// What the shape of the tasks says beyond what is shown elsewhere on the page.
fn findings(item: &LaidItem) -> Vec<Diagnostic> {
    let mut by_file: Vec<&str> = worked(item).map(|it| it.file.as_str()).collect();
    by_file.dedup();
    let main = by_file.first().copied().unwrap_or(&item.path);
    let mut remarks = Vec::new();
    shape(main, item.tasks.iter().map(|it| &it.spec), &mut remarks);
    // How each is proved stands with its proofs.
    let quiet: Vec<TaskSpec> =
        worked(item).map(|it| TaskSpec { verify: Verify::Commands(Vec::new()), ..it.spec.clone() }).collect();
    unproved(main, quiet.iter(), &mut remarks);
    let mut all: Vec<Diagnostic> =
        remarks.into_iter().map(|remark| Diagnostic { remark, column: 0 }).collect();
    if item.tasks.is_empty() && item.diagnostics.is_empty() {
        let says = "has no tasks: without tasks nothing can be run";
        let remark = crate::policy::specs::remark(&item.path, 0, says, true);
        all.push(Diagnostic { remark, column: 0 });
    }
    all
}
