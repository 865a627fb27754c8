//! `pilothouse skills install|check|list`: our skills in a repository, held against their form and against what this program brings. Exit
//! code 0 if it holds, 1 if not, 2 if nothing could be looked at. Needs no engine, and runs nothing of the repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pilothouse_contract::Fault;
use pilothouse_contract::instructions::{Finding, FindingKind, NodeKind};
use pilothouse_contract::skill::{Installed, SkillFile, SkillsChecked, Stage, StageSkill, Standing};
use pilothouse_engine::execution::instructions::{Looked, look, top_of};
use pilothouse_engine::execution::skills::{self, How};
use pilothouse_engine::policy::instructions::{Files, kind_of, skill_of};
use pilothouse_engine::policy::skills::{BUNDLED, EVALS_MIN, Form, for_stage, form, name_for, theirs};
use serde::Serialize;

use super::harness::said;
use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Put the skills into .agents/skills, with the links that Claude Code needs; what you edited is kept
    Install {
        /// A repository, or a folder in one
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Replace what was edited too; a copy is kept beside it
        #[arg(long)]
        force: bool,
        /// Yes to what --force says it replaces
        #[arg(long)]
        yes: bool,
        /// Copies for Claude Code instead of links
        #[arg(long)]
        copy: bool,
        /// Ours too for stages for which the repository has something of its own
        #[arg(long)]
        all: bool,
    },
    /// Form, sizes, evaluations and commands of the skills that are there, and whether ours are what this program brings
    Check {
        /// A repository, or a folder in one
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Which skill each stage uses here
    List {
        /// A repository, or a folder in one
        #[arg(default_value = ".")]
        path: PathBuf,
    },
}

pub(crate) fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Install { path, dry_run, force, yes, copy, all } => {
            install(&top_of(&path)?, How { dry_run, force, copy }, yes, all, out)
        }
        Verb::Check { path } => check(&top_of(&path)?, out),
        Verb::List { path } => list(&top_of(&path)?, out),
    }
}

fn install(top: &Path, how: How, yes: bool, all: bool, out: Out) -> End {
    if how.force && !how.dry_run && !yes {
        let edited: Vec<String> = skills::look(top)?
            .into_iter()
            .filter(|it| it.standing == Standing::Edited)
            .map(|it| it.path)
            .collect();
        if !edited.is_empty() {
            return Err(Fault::refused(format!(
                "--force would replace what was edited here: {}",
                edited.join(", ")
            ))
            .hint("a copy of each is kept beside it, with .yours at its end")
            .command(
                "if that is what you want",
                format!("pilothouse skills install {} --force --yes", top.display()),
            ));
        }
    }
    let theirs = theirs(look(top)?.paths());
    let names: Vec<String> = theirs.iter().filter(|_| !all).map(|it| name_for(it.stage)).collect();
    let mut done = skills::install(top, how, &names)?;
    done.theirs = theirs;
    out.value(&done, shown);
    Ok(if done.holds { HOLDS } else { does_not_hold() })
}

fn shown(done: &Installed) -> String {
    let mut text = String::new();
    let acted: Vec<&SkillFile> = done.files.iter().filter(|it| it.did.is_some()).collect();
    for it in &acted {
        let why = it.why.as_ref().map(|it| format!("  {}", short(it, 200))).unwrap_or_default();
        let _ = writeln!(text, "{:<9} {}{why}", it.did.as_deref().unwrap_or_default(), it.path);
    }
    if acted.is_empty() {
        text.push_str("Everything is there as this program brings it.\n");
    } else if done.dry_run {
        text.push_str("Nothing was written: --dry-run.\n");
    }
    for (path, did) in &done.links {
        let _ = writeln!(text, "{path}: {did}");
    }
    text.push_str(&own(&done.theirs));
    for it in &done.left_out {
        let _ = writeln!(text, "{it} is left out for that: --all brings it");
    }
    text
}

/// What of others is used instead of ours.
fn own(theirs: &[StageSkill]) -> String {
    theirs.iter().fold(String::new(), |mut text, it| {
        let _ = writeln!(
            text,
            "{} uses {} of {} ({}), which was here",
            it.stage.word(),
            short(&it.name, 60),
            it.of,
            it.path
        );
        text
    })
}

/// The skills of a working tree, each looked through.
fn forms(looked: &Looked) -> Vec<Form> {
    let folders =
        looked.files.keys().filter(|it| kind_of(it) == Some(NodeKind::Skill)).filter_map(|it| skill_of(it));
    let own = |folder: &str| -> Files {
        let below = format!("{folder}/");
        let all = looked.files.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
        all.map(|(path, source)| (path.clone(), source.clone())).collect()
    };
    folders.map(|folder| form(folder, &own(folder))).collect()
}

fn check(top: &Path, out: Out) -> End {
    let looked = look(top)?;
    let mut checked = SkillsChecked::default();
    for form in forms(&looked) {
        let ours = Stage::ALL.iter().any(|it| name_for(*it) == form.skill.name);
        let file = format!("{}/SKILL.md", form.skill.path);
        let mut find = |says: String, remedy: &str, blocking: bool| {
            checked.findings.push(Finding {
                kind: FindingKind::Skill,
                file: file.clone(),
                line: 0,
                column: 0,
                says,
                remedy: remedy.to_owned(),
                blocking,
            });
        };
        if ours && form.skill.evals < EVALS_MIN {
            let says = format!("has {} cases of evaluation", form.skill.evals);
            find(says, "write at least five into evals/evals.json", true);
        }
        if ours && !form.skill.commands.iter().any(|it| it.starts_with("pilothouse check ")) {
            let says = "names no command of pilothouse check that says when it is done".to_owned();
            find(says, "name one, with what its exit codes mean", true);
        }
        for command in &form.skill.commands {
            if let Err(word) = parses(command) {
                let says =
                    format!("cites `{}`, and this program knows no '{word}' there", short(command, 120));
                find(says, "cite a command that exists; pilothouse --help lists them", true);
            }
        }
        checked.findings.extend(form.findings);
        checked.skills.push(form.skill);
    }
    if skills::are_installed(top) {
        let all = skills::look(top)?;
        let drifted = |it: &&SkillFile| it.standing != Standing::Current && !skills::is_left_out(&all, it);
        checked.drift = all.iter().filter(drifted).cloned().collect();
    }
    if checked.skills.is_empty() && checked.drift.is_empty() {
        return Err(Fault::missing(format!("there is no skill in {}", top.display()))
            .command("bring ours there", format!("pilothouse skills install {}", top.display())));
    }
    // What somebody edited is theirs, and said; what is missing or older is not what people think they have.
    let drifts = checked.drift.iter().any(|it| it.standing != Standing::Edited);
    checked.holds = !drifts && checked.findings.iter().all(|it| !it.blocking);
    out.value(&checked, found);
    Ok(if checked.holds { HOLDS } else { does_not_hold() })
}

fn found(checked: &SkillsChecked) -> String {
    let row = |it: &pilothouse_contract::skill::CheckedSkill| {
        vec![
            it.path.clone(),
            it.lines.to_string(),
            it.tokens.to_string(),
            it.evals.to_string(),
            short(&it.description, 60),
        ]
    };
    let rows: Vec<Vec<String>> = checked.skills.iter().map(row).collect();
    let mut text = table(&["SKILL", "LINES", "TOKENS", "EVALS", "DESCRIPTION"], &rows);
    for it in &checked.drift {
        let (weight, says) = match it.standing {
            Standing::Edited => ("remark", "was edited here, and is kept"),
            Standing::Missing => ("blocks", "is missing: pilothouse skills install brings it"),
            Standing::Older | Standing::Dropped => {
                ("blocks", "is of an earlier program: pilothouse skills install brings the one of this")
            }
            _ => ("blocks", "cannot be written to: it is a link, or behind one that leads out"),
        };
        let _ = writeln!(text, "{weight}  {}: {says}", it.path);
    }
    for it in &checked.findings {
        text.push_str(&said(it));
    }
    text
}

/// Whether this program knows a command: its nouns, its verbs and its options. What stands for something else is passed over.
fn parses(command: &str) -> Result<(), String> {
    let grammar = crate::grammar();
    let mut at = &grammar;
    for word in command.split_whitespace().skip(1) {
        if word == "--" || ["|", ">", "&&", "||", ";"].contains(&word) {
            break;
        }
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or(option);
            let knows = |it: &clap::Command| it.get_arguments().any(|it| it.get_long() == Some(name));
            if name != "help" && !knows(at) && !knows(&grammar) {
                return Err(word.to_owned());
            }
        } else if at.has_subcommands() {
            let bare = word.trim_matches(|it: char| !it.is_alphanumeric() && it != '-');
            match at.find_subcommand(bare) {
                Some(below) => at = below,
                // Words in capitals or dots stand for whatever one likes.
                None if bare.is_empty() || bare.chars().all(|it| !it.is_lowercase()) => break,
                None if at.get_positionals().next().is_some() => break,
                None => return Err(word.to_owned()),
            }
        }
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Listed {
    stage: Stage,
    /// Ours.
    name: String,
    description: String,
    /// How many files of ours are there as this program brings them, and how many there are.
    current: usize,
    files: usize,
    /// What the stage uses here; nothing if nothing is installed.
    uses: Option<StageSkill>,
}

fn list(top: &Path, out: Out) -> End {
    let looked = look(top)?;
    let files = skills::look(top)?;
    let all: Vec<Listed> = Stage::ALL
        .iter()
        .map(|stage| {
            let name = name_for(*stage);
            let bundled: Files = BUNDLED
                .iter()
                .filter(|(path, _)| path.starts_with(&format!("{name}/")))
                .map(|(path, text)| ((*path).to_owned(), (*text).into()))
                .collect();
            let of = |it: &&SkillFile| it.path.starts_with(&format!(".agents/skills/{name}/"));
            Listed {
                stage: *stage,
                description: form(&name, &bundled).skill.description,
                current: files.iter().filter(of).filter(|it| it.standing == Standing::Current).count(),
                files: bundled.len(),
                uses: for_stage(looked.paths(), *stage),
                name,
            }
        })
        .collect();
    out.value(&all, |all| {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|it| {
                let uses = it
                    .uses
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), |it| format!("{} ({})", short(&it.name, 40), it.of));
                vec![
                    it.stage.word().to_owned(),
                    uses,
                    format!("{}/{}", it.current, it.files),
                    short(&it.description, 70),
                ]
            })
            .collect();
        table(&["STAGE", "USES HERE", "OURS", "WHAT OURS DOES"], &rows)
    });
    Ok(HOLDS)
}
