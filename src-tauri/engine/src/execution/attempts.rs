//! Attempts on disk: a worktree and a brief made, an agent started in it, and what it made read back as a commit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::attempt::{Attempt, Candidate, Failure};
use pilothouse_contract::evidence::{Evidence, Verdict};
use pilothouse_contract::item::Item;
use pilothouse_contract::project::Project;
use pilothouse_contract::run::Run;
use pilothouse_contract::session::{Mode, Running, Session};
use pilothouse_contract::skill::{Stage, StageSkill};
use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{At, Fleet, Oid, RefName};
use pilothouse_holder::log::LogReader;
use sha2::{Digest, Sha256};

use super::brief::{self, Before, Handed};
use super::held::{Key, Sessions, ToHold};
use super::recovery::snapshot;
use super::trees::{TreeError, Trees, at, name_of};
use super::{agents, env, fence, laid, repository};
use crate::policy::conduct::{About, Conduct};
use crate::policy::quiet;
use crate::policy::skills;
use crate::ports::git::{Author, Git};

/// Everything an attempt is about, read out of the fleet in one go.
#[derive(Debug, Clone)]
pub struct Matter {
    /// The attempt.
    pub attempt: Attempt,
    /// Its run.
    pub run: Run,
    /// Its project.
    pub project: Project,
    /// Its worktree.
    pub worktree: Worktree,
    /// The item, with the spec that it works by.
    pub item: Item,
    /// What the project's `WORKFLOW.md` says around attempts, of the version that is in force. That stands in the repository.
    pub conduct: Conduct,
    /// How the attempt before it failed.
    pub failed: Option<Failure>,
    /// That in words, and what says so.
    pub before: Option<(Before, Option<Said>)>,
    /// Whether it goes on in its own session.
    pub resumes: bool,
    /// What the session before left, if a fresh one goes on for it. That stands in the agent's log, which the fleet does not hold.
    pub handed: Option<Handed>,
}

/// The session whose output tells of a failure.
#[derive(Debug, Clone)]
pub struct Said {
    session: Key,
    /// The check that failed, if it was one; else it is the agent's own.
    check: Option<Evidence>,
}

impl Matter {
    /// Reads it out of the fleet; nothing if something of it is not there.
    #[must_use]
    pub fn of(fleet: &Fleet, attempt: pilothouse_contract::AttemptId) -> Option<Self> {
        let attempt = fleet.attempts.get(&attempt)?.clone();
        let run = fleet.runs.get(&attempt.run)?.clone();
        let project = fleet.projects.get(&run.project)?.clone();
        let worktree = fleet.worktrees.get(&attempt.worktree)?.clone();
        let item = fleet.items.get(&run.item)?.clone();
        let task = run.task(&attempt.task)?;
        let place = task.attempts.iter().position(|it| *it == attempt.id)?;
        // Those that try the same at once are no earlier tries.
        let earlier = task.attempts.get(..place)?.iter().rev().filter_map(|id| fleet.attempts.get(id));
        let earlier = earlier.filter(|it| it.contest.is_none() || it.contest != attempt.contest);
        // One that could not even begin tells nothing of the work.
        let earlier = earlier.filter(|it| it.failure != Some(Failure::NotResumed));
        let last = earlier.filter_map(|it| Some((it, it.failure.as_ref()?))).next();
        let failed = last.map(|(_, failure)| failure.clone());
        let before = last.map(|(it, failure)| {
            let mut evidence = it.evidence.iter().rev().filter_map(|id| fleet.evidence.get(id));
            // Only of the last one: what failed before that held when it was run again.
            let failed = evidence.next().filter(|it| it.verdict != Verdict::Passed);
            let is_a_check = failed.is_some_and(|it| it.session.is_none());
            let words = Before {
                word: failure.word().to_owned(),
                why: it.why.clone(),
                distilled: false,
                output: String::new(),
            };
            let check = failed.and_then(|it| Some((it.session?, Some(it.clone()))));
            let own = it.session.filter(|_| !is_a_check).map(|it| (it, None));
            let said = check
                .or(own)
                .and_then(|(id, check)| Some(Said { session: fleet.sessions.get(&id)?.into(), check }));
            (words, said)
        });
        let resumes = fleet.resumed_by(&attempt).is_some();
        let conduct = Conduct::default();
        Some(Self { attempt, run, project, worktree, item, conduct, failed, before, resumes, handed: None })
    }

    /// Whom words and hooks are about.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        let Self { item, run, attempt, failed, .. } = self;
        About { item, run, attempt, before: failed.as_ref() }
    }

    /// The repository.
    #[must_use]
    pub fn git(&self) -> Git {
        Git::at(Path::new(&self.project.git_dir))
    }
}

/// The skill or command that a repository has for a stage, at a commit: what an agent wrote since then counts for nothing.
///
/// # Errors
/// If git cannot tell.
pub async fn skill_for(git: &Git, commit: &Oid, stage: Stage) -> Result<Option<StageSkill>, TreeError> {
    let mut args = vec!["ls-tree", "-r", "-z", "--name-only", commit.as_str(), "--"];
    for place in skills::places() {
        args.push(place);
    }
    let paths = git.list(&args).await?;
    Ok(skills::for_stage(paths.iter().map(String::as_str), stage))
}

/// Prepares, starts and reads attempts.
#[derive(Debug, Clone)]
pub struct Attempts {
    pub(super) trees: Trees,
    pub(super) sessions: Sessions,
    pub(super) folder: PathBuf,
    pub(super) rehearsal: PathBuf,
    pub(super) program: PathBuf,
}

impl Attempts {
    /// Briefs are kept in `folder`; `rehearsal` is the script of the rehearsal's agents, `program` ours.
    #[must_use]
    pub fn new(trees: &Trees, sessions: &Sessions, folder: &Path, rehearsal: &Path, program: &Path) -> Self {
        Self {
            trees: trees.clone(),
            sessions: sessions.clone(),
            folder: folder.to_owned(),
            rehearsal: rehearsal.to_owned(),
            program: program.to_owned(),
        }
    }

    fn brief_file(&self, matter: &Matter) -> PathBuf {
        self.folder.join(matter.attempt.id.to_string()).join("brief.md")
    }

    /// Makes the worktree, or finds it made.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn make(&self, matter: &Matter) -> Result<(), TreeError> {
        let git_dir = Path::new(&matter.project.git_dir);
        let (tree, attempt) = (&matter.worktree, &matter.attempt);
        if attempt.continues.is_some() {
            // What it goes on with is there, or nothing is.
            self.trees.find(git_dir, &name_of(tree), &tree.path).await?;
        } else {
            self.trees.make(git_dir, &name_of(tree), &tree.path, Some(&tree.branch), &attempt.base).await?;
        }
        Ok(())
    }

    /// Writes the brief; the same text each time. Returns its hash. Fails in words for people.
    ///
    /// # Errors
    /// If something that it is made of cannot be read, or the words of `WORKFLOW.md` cannot be made for this attempt.
    pub async fn write_brief(&self, matter: &Matter) -> Result<String, String> {
        let words = matter.conduct.words(&matter.about()).map_err(|error| error.to_string())?;
        let text = self.brief(matter, words.as_deref()).await.map_err(|error| error.to_string())?;
        let file = self.brief_file(matter);
        let in_words = |error: std::io::Error| format!("{}: {error}", file.display());
        if let Some(folder) = file.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(in_words)?;
        }
        tokio::fs::write(&file, &text).await.map_err(in_words)?;
        Ok(Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What an attempt that goes on finds changed in its worktree, file by file.
    async fn changed(&self, matter: &Matter) -> Result<String, TreeError> {
        let folder = self.folder.join(matter.attempt.id.to_string());
        tokio::fs::create_dir_all(&folder).await.map_err(at(&folder))?;
        let tree = self.look_on(matter).await?;
        let args = ["diff", "--stat=100", matter.attempt.base.as_str(), tree.as_str()];
        let stat = matter.git().text(&args).await?;
        Ok(brief::last_lines(stat.as_bytes(), CHANGED_MAX))
    }

    async fn brief(&self, matter: &Matter, words: Option<&str>) -> Result<String, TreeError> {
        let Some(task) = matter.run.task(&matter.attempt.task) else { return Ok(String::new()) };
        let phase = task.spec.phase.and_then(|number| matter.item.spec.phases.get(number));
        let phase_text = match phase.and_then(|it| it.detail.as_ref()) {
            // Other layouts say in a task's own block what ours says in its phase's file.
            _ if !matter.item.spec.layout.is_ours() => {
                let approved = matter.run.approved_at();
                let words = laid::words_of(&matter.git(), approved, &matter.item.spec, &task.spec.id).await?;
                words.map(|it| format!("## The task as {} has it\n\n{it}", matter.item.spec.tasks_at()))
            }
            Some(detail) => {
                let path = format!("{}/{detail}", matter.item.spec.folder);
                // By the approved commit, not by the attempt's tree.
                matter
                    .git()
                    .file(matter.run.approved_at(), &path)
                    .await?
                    .map(|it| String::from_utf8_lossy(&it).into_owned())
            }
            None => None,
        };
        let before = matter.before.clone().map(|(mut before, said)| {
            if let Some(said) = said {
                let log = self.sessions.log(said.session);
                before.distilled = said.check.is_some();
                before.output = report(log, said.check.as_ref());
            }
            before
        });
        // Only what was there when it began, so that a brief that is written again is the same.
        let notes: Vec<_> = matter.run.notes.iter().filter(|it| it.at <= matter.attempt.started).collect();
        let mut handed = matter.handed.clone();
        if let Some(it) = &mut handed {
            it.changed = self.changed(matter).await?;
        }
        let skill = skill_for(&matter.git(), matter.run.approved_at(), Stage::Implement).await?;
        let write = if matter.resumes { brief::write_on } else { brief::write };
        Ok(write(&brief::Sources {
            spec: &matter.item.spec,
            task: &task.spec,
            policy: &matter.run.policy,
            words,
            phase_text: phase_text.as_deref(),
            before: before.as_ref(),
            handed: handed.as_ref(),
            notes: &notes,
            skill: skill.as_ref(),
        }))
    }

    /// Starts the agent of an attempt, or finds it started. Fails in words for people.
    ///
    /// # Errors
    /// If it could not be started, with the reason and the cure.
    pub async fn launch(&self, matter: &Matter, session: &Session, uuid: &str) -> Result<Running, String> {
        let agent = &matter.run.policy.agent;
        let program = agent.command.first().map(String::as_str).unwrap_or_default();
        if !agents::is_there(program) {
            return Err(format!(
                "the agent program '{program}' is not on this machine: install it, or choose another agent with \
                 `pilothouse run start {} --agent NAME`",
                matter.run.item
            ));
        }
        let brief_file = self.brief_file(matter);
        let brief = tokio::fs::read_to_string(&brief_file)
            .await
            .map_err(|error| format!("its brief {} could not be read: {error}", brief_file.display()))?;
        let place = self.sessions.place(session.into());
        let sitting = agents::Sitting {
            session: session.id,
            folder: place.folder(),
            brief: &brief,
            brief_file: &brief_file,
            uuid,
            resumes: matter.resumes,
            rehearsal: &self.rehearsal,
        };
        let mut names = agents::variables(agent);
        names.extend(matter.run.policy.env.iter().cloned());
        let mut environment = env::of(session.id, &names, &self.program);
        agents::complete(agent, &sitting, &mut environment);
        // What it may hold its change against: what earlier tasks did is not its own.
        env::set(&mut environment, "PILOTHOUSE_BASE", matter.worktree.base.as_str());
        let (name, email) = repository::agent_identity(matter.attempt.id, matter.attempt.task.as_str());
        for role in ["AUTHOR", "COMMITTER"] {
            env::set(&mut environment, &format!("GIT_{role}_NAME"), &name);
            env::set(&mut environment, &format!("GIT_{role}_EMAIL"), &email);
        }
        let folder = self.folder.join(matter.attempt.id.to_string());
        let cwd = self.trees.path(&matter.worktree.path);
        fence::raise(&folder, &matter.project, &cwd, &matter.worktree.branch, &mut environment)
            .await
            .map_err(|error| format!("its fence could not be raised: {error}"))?;
        fence::hush(&folder, &matter.run.policy.quiet, &mut environment)
            .map_err(|error| format!("its quiet commands could not be set up: {error}"))?;
        let what = ToHold {
            argv: agents::command(agent, &sitting),
            cwd,
            mode: Mode::Pty,
            size: (120, 40),
            limit: Duration::ZERO,
            limits: session.limits,
            // Nothing may write in its worktree once it is read.
            keep_rest: false,
            env: environment,
        };
        self.sessions.start(session.into(), &what).await
    }

    /// The brief of an attempt, as its agent has it; nothing until it is written.
    pub async fn brief_text(&self, attempt: pilothouse_contract::AttemptId) -> Option<String> {
        let file = self.folder.join(attempt.to_string()).join("brief.md");
        tokio::fs::read_to_string(file).await.ok()
    }

    /// The tree of what a worktree holds this moment, for somebody who looks on: nothing of it is kept by a ref, and
    /// the agent's own index is not asked.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn look_on(&self, matter: &Matter) -> Result<Oid, TreeError> {
        let git_dir = Path::new(&matter.project.git_dir);
        let tree = self.trees.find(git_dir, &name_of(&matter.worktree), &matter.worktree.path).await?;
        let scope = matter.run.task(&matter.attempt.task).and_then(|it| it.spec.files.as_ref());
        let named = scope.map(|it| it.include.clone()).unwrap_or_default();
        // An index for just this look: several may look at once, and the engine may be reading.
        let index =
            self.folder.join(matter.attempt.id.to_string()).join(format!("look-{}", uuid::Uuid::new_v4()));
        let made = snapshot(&tree, &matter.attempt.base, &index, &named).await;
        let _gone_already = tokio::fs::remove_file(&index).await;
        made
    }

    /// Reads what a worktree holds as a commit on its base; nothing if nothing changed.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn read(&self, matter: &Matter, now: At) -> Result<Option<Candidate>, TreeError> {
        let git_dir = Path::new(&matter.project.git_dir);
        let tree = self.trees.find(git_dir, &name_of(&matter.worktree), &matter.worktree.path).await?;
        let (git, base) = (matter.git(), &matter.attempt.base);
        let index = self.folder.join(matter.attempt.id.to_string()).join("index");
        // A file that the task names is part of its work, even if git ignores it.
        let scope = matter.run.task(&matter.attempt.task).and_then(|it| it.spec.files.as_ref());
        let named = scope.map(|it| it.include.clone()).unwrap_or_default();
        let made = snapshot(&tree, base, &index, &named).await?;
        let paths = git.changed(base, &made).await?;
        if paths.is_empty() {
            return Ok(None);
        }
        let author =
            Author { name: "Pilothouse".to_owned(), email: "attempt@pilothouse.invalid".to_owned(), at: now };
        let message = format!("What {} made for {}", matter.attempt.id, matter.attempt.task);
        let commit = git.commit(&made, &[base], &message, &author).await?;
        let patch = git.patch_id(base, &commit).await?;
        keep(&git, &RefName(format!("refs/pilothouse/attempts/{}", matter.attempt.id)), &commit).await?;
        let lines = git.lines_changed(base, &commit).await?;
        Ok(Some(Candidate { onto: base.clone(), commit, tick: None, tree: made, paths, lines, patch }))
    }
}

/// So many lines of what is changed are told to whoever goes on.
const CHANGED_MAX: usize = 60;
/// Of an output that is longer so much of its beginning and of its end is looked through, in bytes.
const HEAD: u64 = 2 * 1024 * 1024;
const TAIL: u64 = 14 * 1024 * 1024;
/// So much of the end of an agent's own terminal is looked at.
const TERMINAL: u64 = 16 * 1024;

/// What an output says of a failure. That of a check is distilled; an agent's own terminal is no output of a tool, and its last lines
/// say best how it ended.
fn report(mut log: LogReader, check: Option<&Evidence>) -> String {
    let bytes = log.end().unwrap_or_default();
    let Some(check) = check else {
        let tail = log.read_from(bytes.saturating_sub(TERMINAL), usize::MAX).unwrap_or_default();
        return brief::last_lines(&tail, 60);
    };
    let mut output = Vec::new();
    if bytes > HEAD + TAIL {
        let head = usize::try_from(HEAD).unwrap_or(usize::MAX);
        output = log.read_from(0, head).unwrap_or_default();
        output.push(b'\n');
    }
    let from = if bytes > HEAD + TAIL { bytes - TAIL } else { 0 };
    output.extend(log.read_from(from, usize::MAX).unwrap_or_default());
    let ended = check.exit.map_or_else(|| check.why.clone(), |code| format!("exit code {code}"));
    // Agents may look.
    let whole = format!("\"$PILOTHOUSE_BIN\" evidence show {}", check.id);
    // What does not match its `Expect` has failed with any exit code.
    let exit = check.exit.filter(|code| *code != 0);
    let ran = quiet::Ran { command: &check.command, exit, ended: &ended, whole: &whole, bytes };
    quiet::distil(&output, &ran, quiet::Lens::of(&check.command)).shown
}

/// Keeps a commit from being collected, under a ref of ours.
///
/// # Errors
/// See [`crate::ports::git::GitError`].
pub(crate) async fn keep(
    git: &Git,
    reference: &RefName,
    commit: &Oid,
) -> Result<(), crate::ports::git::GitError> {
    let stands = git.commit_of(reference.as_str()).await?;
    if stands.as_ref() != Some(commit) {
        git.move_ref(reference, commit, stands.as_ref(), "kept").await?;
    }
    Ok(())
}
