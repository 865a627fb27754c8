//! The judge of a run's completeness: a fresh session in a worktree of its own at the item branch's head, with a brief that holds the
//! requirements and the evidence and no history of the work.
//!
//! Refuses to take its word for anything: verdicts go to the engine by `pilothouse hook verdict`, which checks what they name.

use std::fmt::Write as _;

use pilothouse_contract::project::Project;
use pilothouse_contract::run::{AgentChoice, Run, TaskState};
use pilothouse_contract::session::{Running, Session};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{Fleet, text};

use super::agents;
use super::attempts::Attempts;
use super::seat::Seat;

/// Everything a judge is about.
#[derive(Debug, Clone)]
pub struct Case {
    /// The run that it judges.
    pub(crate) run: Run,
    project: Project,
    worktree: Worktree,
    brief: String,
}

impl Case {
    /// Reads it out of the fleet; nothing if something of it is not there.
    #[must_use]
    pub fn of(fleet: &Fleet, session: &Session) -> Option<Self> {
        let run = fleet.runs.get(&session.run?)?.clone();
        let spec = &fleet.items.get(&run.item)?.spec;
        Some(Self {
            project: fleet.projects.get(&run.project)?.clone(),
            worktree: fleet.worktrees.get(&session.worktree?)?.clone(),
            brief: brief(fleet, &run, spec),
            run,
        })
    }

    fn agent(&self) -> &AgentChoice {
        self.run.policy.judge.as_ref().unwrap_or(&self.run.policy.agent)
    }
}

impl Attempts {
    /// Makes the judge's worktree, writes its brief and starts it, or finds that done. Fails in words for people.
    ///
    /// # Errors
    /// If it could not be started, with the reason and the cure.
    pub async fn launch_judge(&self, case: &Case, session: &Session, uuid: &str) -> Result<Running, String> {
        let agent = case.agent();
        let program = agent.command.first().map(String::as_str).unwrap_or_default();
        if !agents::is_there(program) {
            return Err(format!(
                "the agent program '{program}' that judges is not on this machine: install it, or choose another one with \
                 judge: in WORKFLOW.md"
            ));
        }
        self.sit_down(Seat {
            session,
            uuid,
            project: &case.project,
            worktree: &case.worktree,
            agent,
            policy: &case.run.policy,
            folder: format!("judge-{}", session.id),
            brief: &case.brief,
        })
        .await
    }
}

/// The brief: what is wanted, what was proved, and how to say what follows. It is the same for the same run.
fn brief(fleet: &Fleet, run: &Run, spec: &Spec) -> String {
    let mut brief = format!(
        "# Is {} complete?\n\n{}\n\nYou did not make this change, and nobody tells you that it is good. Every task is done and its proof \
         holds. Find out whether each requirement below is really met by what is in this folder. Read the code and the tests; run \
         what helps. Change nothing.\n\n## Requirements\n\n",
        text::line(&spec.title, 200),
        text::plain(&spec.summary, true)
    );
    for it in &spec.requirements {
        let _ = writeln!(brief, "- {}: {}", it.id, text::line(&it.text, 1000));
    }
    brief.push_str("\n## Evidence\n\n");
    for task in &run.tasks {
        if !matches!(task.state, TaskState::Done { .. } | TaskState::DoneBefore) {
            continue;
        }
        let attempt = fleet.taken(run, task);
        if attempt.is_none() {
            let title = text::line(&task.spec.title, 200);
            let _ = writeln!(
                brief,
                "- no evidence: {} {title} was done before Pilothouse carried it",
                task.spec.id
            );
        }
        let Some(proof) = attempt.and_then(|it| fleet.proof_of(it)) else { continue };
        let covers = if task.spec.covers.is_empty() {
            String::new()
        } else {
            format!(", meant for {}", task.spec.covers.join(", "))
        };
        let title = text::line(&task.spec.title, 200);
        let command = text::line(&proof.command, 300);
        let _ = writeln!(brief, "- {}: {} {title}{covers}: `{command}` holds", proof.id, task.spec.id);
    }
    for it in fleet.checkpoints_of(run) {
        let command = text::line(&it.command, 300);
        let _ = writeln!(brief, "- {}: checkpoint of a phase: `{command}` holds", it.id);
    }
    brief.push_str(
        "\n## What to do\n\nFor every requirement run exactly one of these, with its id:\n\n    \
         \"$PILOTHOUSE_BIN\" hook verdict FR-001 met e12,e15\n    \
         \"$PILOTHOUSE_BIN\" hook verdict FR-001 missing \"what is not there, in one sentence\"\n\nSay `met` only if the evidence that \
         you name would fail were it not met. A requirement that no evidence shows is missing, however good the code looks. Then end \
         with exit code 0.\n",
    );
    brief
}
