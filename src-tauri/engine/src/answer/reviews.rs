//! Reviews of pull requests: asked for, said, answered.

use pilothouse_contract::pull::Pull;
use pilothouse_contract::review::{Finding, Priority, Reply};
use pilothouse_contract::{Answer, Fault, Oid, PullId, SessionId, ask, text};

use super::Desk;
use crate::coordination::{Input, Reviewing, Said};
use crate::execution::repository;
use crate::perform::git_of;

/// What a reviewer may call less than all that counts.
const BELOW: [&str; 4] = ["P3", "P4", "low", "below"];

/// `src/a.rs:12` as a path and a line; a path alone has none.
fn place(at: &str) -> (String, u32) {
    let at = at.trim();
    match at.rsplit_once(':').map(|(path, line)| (path, line.parse())) {
        Some((path, Ok(line))) => (path.to_owned(), line),
        _ => (at.to_owned(), 0),
    }
}

/// What a reviewer says, by the word for how much it matters.
///
/// # Errors
/// If it is no such word: what is grave in other words is not to be taken for less.
pub(super) fn said(call: &ask::draft::Finding) -> Result<Said, Fault> {
    if call.severity == "nothing" {
        return Ok(Said::Nothing(call.says.clone()));
    }
    if BELOW.iter().any(|it| it.eq_ignore_ascii_case(&call.severity)) {
        return Ok(Said::Below);
    }
    let priority = Priority::of(&call.severity).ok_or_else(|| {
        Fault::refused(format!("'{}' is no priority of a finding", text::line(&call.severity, 40)))
            .hint("say P0, P1 or P2; P3 for what matters less, which is counted and no more; or nothing")
    })?;
    let (path, line) = place(&call.at);
    let found = Finding::said(priority, path, line, call.says.clone());
    Ok(Said::Found(Box::new(Finding { why: call.why.clone(), mend: call.proposes.clone(), ..found })))
}

impl Desk {
    /// Whether a session sits at a pull request.
    pub(super) fn sits_at_pull(&self, session: SessionId) -> bool {
        let fleet = self.engine.fleet();
        let sits = |it: &Pull| it.review.sitting.as_ref().is_some_and(|it| it.session == session);
        fleet.pull_of_session(session).is_some_and(sits)
    }

    async fn reviewed(&self, pull: PullId, input: Reviewing) -> Result<Pull, Fault> {
        self.act(Input::Reviewing(input)).await?;
        self.pull(pull)
    }
}

impl Answer<ask::review::Ask> for Desk {
    async fn answer(&self, call: ask::review::Ask) -> Result<Pull, Fault> {
        let it = self.pull(call.pull)?;
        self.see_main(it.project).await?;
        let project = self.project(it.project)?;
        self.engine.as_trusted(&project).await?;
        let by = match &call.agent {
            Some(name) => {
                let workflow = repository::workflow_at(&git_of(&project), &project.main).await?;
                let by = workflow.writer(Some(name)).map_err(|error| Fault::refused(error.to_string()))?;
                self.engine.commands_shown(&project, &workflow, &[name])?;
                by
            }
            None => {
                let policy = self.engine.fleet().runs.get(&it.run).map(|it| it.policy.review.clone());
                let policy = policy.unwrap_or_default();
                it.review.fresh(&policy).cloned().ok_or_else(|| {
                    let why = if policy.off.is_empty() {
                        "whoever is named looked at it already"
                    } else {
                        &policy.off
                    };
                    Fault::refused(why.to_owned())
                        .command("name somebody", format!("pilothouse pr review {} --agent NAME", call.pull))
                })?
            }
        };
        self.reviewed(call.pull, Reviewing::Ask { pull: call.pull, by, because: call.because }).await
    }
}

impl Answer<ask::review::Comment> for Desk {
    async fn answer(&self, call: ask::review::Comment) -> Result<Pull, Fault> {
        let it = self.pull(call.pull)?;
        let path = call.path.trim().trim_start_matches("./").to_owned();
        if path.is_empty() && call.line > 0 {
            return Err(Fault::refused("a line is one of a file: name the file too"));
        }
        if !path.is_empty() {
            let git = git_of(&self.project(it.project)?);
            let file =
                git.file(&it.head, &path).await.map_err(|error| Fault::environment(error.to_string()))?;
            let shown = text::line(&path, 200);
            match file {
                None => {
                    let says = format!("{shown} is no file of {} at {}", call.pull, it.head.short());
                    return Err(Fault::refused(says)
                        .command("see what it changes", format!("pilothouse pr show {} --diff", call.pull)));
                }
                Some(bytes) => {
                    let lines = bytes.split(|it| *it == b'\n').count();
                    if call.line as usize > lines {
                        return Err(Fault::refused(format!(
                            "{shown} has {lines} lines, and no line {}",
                            call.line
                        )));
                    }
                }
            }
        }
        let finding = Box::new(Finding::said(call.priority, path, call.line, call.says));
        self.reviewed(call.pull, Reviewing::Comment { pull: call.pull, finding }).await
    }
}

impl Answer<ask::review::Answer> for Desk {
    async fn answer(&self, call: ask::review::Answer) -> Result<Pull, Fault> {
        let ask::review::Answer { pull, finding, reply, says } = call;
        let reply = match reply {
            Reply::Accepted { commit: Some(named) } => {
                Reply::Accepted { commit: Some(self.brings(&self.pull(pull)?, &named).await?) }
            }
            reply => reply,
        };
        self.reviewed(pull, Reviewing::Answer { pull, finding, reply, says }).await
    }
}

impl Desk {
    /// The commit of that name, if a pull request brings it.
    async fn brings(&self, pull: &Pull, named: &Oid) -> Result<Oid, Fault> {
        let project = self.project(pull.project)?;
        let git = git_of(&project);
        let shown = text::line(named.as_str(), 80);
        let is_hex = named.as_str().len() >= 4 && named.as_str().bytes().all(|it| it.is_ascii_hexdigit());
        let in_words = |error: crate::ports::git::GitError| Fault::environment(error.to_string());
        let found = if is_hex { git.commit_of(named.as_str()).await.map_err(in_words)? } else { None };
        let found =
            found.ok_or_else(|| Fault::refused(format!("'{shown}' is no commit: write it as git does")))?;
        let is_there = git.is_ancestor(&found, &pull.head).await.map_err(in_words)?;
        if !is_there || git.is_ancestor(&found, &project.main).await.map_err(in_words)? {
            return Err(Fault::refused(format!("{} does not bring the commit {shown}", pull.id))
                .hint("name one of its own commits: what mends a finding is in the change"));
        }
        Ok(found)
    }
}
