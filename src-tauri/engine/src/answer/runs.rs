//! Runs: started from the approved commit, stopped, shown; and the rehearsal.

use pilothouse_contract::claim::Claim;
use pilothouse_contract::fuse;
use pilothouse_contract::item::Item;
use pilothouse_contract::project::Project;
use pilothouse_contract::run::{Adapter, AgentChoice, Approval, Run, RunState};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{Answer, Fault, Oid, RefName, RunId, ask};

use super::Desk;
use crate::coordination::{Input, RunFacts, made_anew, schedule};
use crate::execution::drafting::laid_at;
use crate::execution::held::tree;
use crate::execution::repository;
use crate::observability::{brief, receipt};
use crate::perform::{git_of, now};
use crate::policy::scope;
use crate::ports::clock::hours;

impl Desk {
    fn run(&self, run: RunId) -> Result<Run, Fault> {
        self.look(|fleet| fleet.runs.get(&run).cloned(), || format!("there is no run {run}"))
    }

    /// Starts a run with an agent that is known already.
    pub(crate) async fn start_run(
        &self,
        call: ask::run::Start,
        agent: Option<AgentChoice>,
        claim: Option<Claim>,
    ) -> Result<Run, Fault> {
        let item = self.item(call.item)?;
        // What a person committed a moment ago counts, whether the watcher has told of it or not.
        self.see_main(item.project).await?;
        let project = self.project(item.project)?;
        self.engine.as_trusted(&project).await?;
        self.engine.look_at_workflow(&project).await?;
        let git = git_of(&project);
        let in_words = |error: crate::ports::git::GitError| Fault::environment(error.to_string());
        let workflow = repository::workflow_at(&git, &project.main).await?;
        let earlier = self.engine.fleet().run_of(item.id).cloned();
        let parked = earlier.filter(|it| it.state == RunState::Parked && !call.fresh);
        parked.as_ref().map_or(Ok(()), made_anew)?;
        let settled = parked.as_ref().map(Run::approved_at);
        // Where the default branch does not hold it yet, its own branch does, and lands with the work.
        let drafted = self.engine.begins_from(&item, &project, settled).await?;
        let base = drafted.clone().unwrap_or_else(|| project.main.clone());
        let spec = self.spec_at(&item, &project, &base, drafted.is_some()).await?;
        // What cannot be run in any case is told first.
        if !spec.remarks.iter().any(|it| it.blocking) {
            self.engine.as_shown(&project, &spec)?;
        }
        let gates = self.engine.gates_at(&item, &project, &base, workflow.wip()).await?;
        // Where neither the call nor the file chooses an agent, a run that goes on keeps the one it has.
        let kept = parked.as_ref().filter(|_| call.agent.is_none() && !workflow.names_agent());
        let agent = match (agent, call.command) {
            (Some(agent), _) => agent,
            (None, Some(command)) if !command.is_empty() => AgentChoice {
                name: command.first().cloned().unwrap_or_default(),
                adapter: Adapter::Command,
                command,
                resume: Vec::new(),
            },
            (None, _) => match kept {
                Some(run) => run.policy.agent.clone(),
                None => workflow
                    .agent(call.agent.as_deref())
                    .map_err(|error| Fault::refused(error.to_string()))?,
            },
        };
        self.engine.commands_shown(&project, &workflow, &[&agent.name])?;
        let program = agent.command.first().map(String::as_str).unwrap_or_default();
        if !crate::execution::agents::is_there(program) {
            return Err(Fault::refused(format!("the agent program '{program}' is not on this machine"))
                .hint(format!(
                    "install it so that '{program}' is on the PATH, then run `pilothouse engine restart`"
                ))
                .command(
                    "or choose another agent",
                    format!("pilothouse run start {} --agent rehearsal", item.id),
                ));
        }
        let mut policy = workflow.policy(agent);
        policy.protected.extend(scope::kept_by_the_engine(&spec));
        if let Some(approve) = call.approve.filter(|it| *it != policy.approve) {
            policy.approve = approve;
            policy.source.push_str(&format!(", approval as {} asked at the start", self.who()));
        }
        // A yes that was kept for a person is not given away by letting the run go on; only by saying so.
        let persons = parked.as_ref().is_some_and(|it| it.policy.approve == Approval::Person);
        if persons && call.approve.is_none() {
            policy.approve = Approval::Person;
        }
        if let Some(slots) = call.slots {
            policy.slots = slots.max(1);
        }
        let window = call.begins.as_ref().map(|it| hours::window(it, now())).transpose();
        let window = window.map_err(Fault::refused)?;
        let branch = self.free_branch(&git, &item.slug, "item").await.map_err(in_words)?;
        tree::can_limit(policy.limits).map_err(|why| {
            Fault::refused(why)
                .hint("take memory_max and cpu_max out of WORKFLOW.md, or work where they can be kept")
        })?;
        let edited = match &parked {
            Some(run) => self.engine.edited_since(run).await,
            None => Vec::new(),
        };
        let (item_id, fresh) = (item.id, call.fresh);
        let facts =
            RunFacts { item: item_id, spec, base, branch, policy, fresh, window, edited, claim, gates };
        self.act(Input::StartRun(Box::new(facts))).await?;
        let run = self.engine.fleet().run_of(item.id).cloned();
        run.ok_or_else(|| Fault::bug("the run was started and is not there"))
    }

    /// What an item's spec says at a commit.
    pub(super) async fn spec_at(
        &self,
        item: &Item,
        project: &Project,
        base: &Oid,
        drafted: bool,
    ) -> Result<Spec, Fault> {
        let git = git_of(project);
        let in_words = |error: crate::ports::git::GitError| Fault::environment(error.to_string());
        if drafted {
            return Ok(laid_at(&git, base, &item.spec.folder).await.map_err(in_words)?.spec());
        }
        let found = repository::specs_at(&git, base).await.map_err(in_words)?;
        found.into_iter().find(|it| it.spec.is_of(&item.spec)).map(|it| it.spec).ok_or_else(|| {
            Fault::refused(format!(
                "{} is not on {} any more",
                item.spec.folder,
                project.default_branch.short()
            ))
            .hint("commit it there again, then start the run")
        })
    }

    /// A name for a branch of an item, with that last part, that no ref and no run has: what an earlier life of the database left stays.
    pub(super) async fn free_branch(
        &self,
        git: &crate::ports::git::Git,
        slug: &str,
        last: &str,
    ) -> Result<RefName, crate::ports::git::GitError> {
        for n in 1..10_000 {
            let folder = if n == 1 { format!("pilothouse/{slug}") } else { format!("pilothouse/{slug}-{n}") };
            let branch = RefName::branch(&format!("{folder}/{last}"));
            let taken = self.engine.fleet().runs.values().any(|it| it.branch == branch);
            if !taken && git.commit_of(branch.as_str()).await?.is_none() {
                return Ok(branch);
            }
        }
        Ok(RefName::branch(&format!("pilothouse/{slug}-last/{last}")))
    }
}

impl Answer<ask::run::Start> for Desk {
    async fn answer(&self, call: ask::run::Start) -> Result<Run, Fault> {
        self.start_run(call, None, None).await
    }
}

impl Answer<ask::run::Stop> for Desk {
    async fn answer(&self, call: ask::run::Stop) -> Result<Run, Fault> {
        self.act(Input::StopRun { run: call.run }).await?;
        self.run(call.run)
    }
}

impl Answer<ask::run::First> for Desk {
    async fn answer(&self, call: ask::run::First) -> Result<Run, Fault> {
        self.act(Input::RankFirst { run: call.run }).await?;
        self.run(call.run)
    }
}

impl Answer<ask::run::Note> for Desk {
    async fn answer(&self, call: ask::run::Note) -> Result<Run, Fault> {
        self.act(Input::NoteRun { run: call.run, text: call.text }).await?;
        self.run(call.run)
    }
}

impl Answer<ask::run::Pause> for Desk {
    async fn answer(&self, call: ask::run::Pause) -> Result<Vec<Run>, Fault> {
        let Some(run) = call.run else {
            self.act(Input::PauseAll { paused: call.paused }).await?;
            let fleet = self.engine.fleet();
            return Ok(fleet.runs.values().filter(|it| it.state.is_live()).cloned().collect());
        };
        self.act(Input::PauseRun { run, paused: call.paused }).await?;
        Ok(vec![self.run(run)?])
    }
}

impl Answer<ask::run::List> for Desk {
    async fn answer(&self, call: ask::run::List) -> Result<Vec<Run>, Fault> {
        let fleet = self.engine.fleet();
        let runs = fleet.runs.values().filter(|it| call.project.is_none_or(|project| it.project == project));
        Ok(runs.cloned().collect())
    }
}

impl Answer<ask::run::Show> for Desk {
    async fn answer(&self, call: ask::run::Show) -> Result<ask::run::RunPage, Fault> {
        let run = self.run(call.run)?;
        let history = self.engine.inner.store.records_of(run.id).await?;
        let took = self.engine.took(&run).await?;
        let fleet = self.engine.fleet();
        let live = fleet.sessions.values().filter(|it| it.run == Some(run.id) && it.end.is_none());
        let fuses = live.filter_map(|it| {
            let pulse = self.engine.inner.sessions.pulse(it.into());
            let fuses = fuse::of(&fleet, it, pulse.as_ref(), now());
            Some(ask::run::AttemptFuses { attempt: it.attempt?, fuses }).filter(|it| !it.fuses.is_empty())
        });
        Ok(ask::run::RunPage {
            fuses: fuses.collect(),
            took,
            waits: schedule::waits(&fleet, &run)
                .into_iter()
                .map(|(task, wait)| ask::run::TaskWait { task, wait })
                .collect(),
            attempts: fleet.attempts.values().filter(|it| it.run == run.id).cloned().collect(),
            evidence: fleet.evidence.values().filter(|it| it.subject.run == run.id).cloned().collect(),
            pull: run.pull.and_then(|pull| fleet.pulls.get(&pull)).cloned(),
            gates: {
                let began = fleet.cards.get(&run.item).and_then(|card| card.began.as_ref());
                began.filter(|it| it.run == run.id).map(|it| it.gates.clone()).unwrap_or_default()
            },
            history,
            run,
        })
    }
}

impl Answer<ask::run::Waits> for Desk {
    async fn answer(&self, _: ask::run::Waits) -> Result<Vec<ask::run::RunWaits>, Fault> {
        let fleet = self.engine.fleet();
        let live = fleet.runs.values().filter(|it| matches!(it.state, RunState::Running | RunState::Queued));
        let of = |run: &Run| {
            let waits = schedule::waits(&fleet, run);
            let waits = waits.into_iter().map(|(task, wait)| ask::run::TaskWait { task, wait });
            ask::run::RunWaits { run: run.id, waits: waits.collect() }
        };
        Ok(live.map(of).filter(|it| !it.waits.is_empty()).collect())
    }
}

impl Answer<ask::run::Receipt> for Desk {
    async fn answer(&self, call: ask::run::Receipt) -> Result<ask::run::ReceiptPage, Fault> {
        let run = self.run(call.run)?;
        let took = self.engine.took(&run).await?;
        let slept = self.engine.inner.store.records_of_kinds(&brief::SLEEP, run.started, u64::MAX).await?;
        let asleep = brief::asleep(&slept);
        let receipt = receipt::of(&self.engine.fleet(), &run, took, &asleep, now());
        let lines = receipt::lines(&receipt);
        Ok(ask::run::ReceiptPage { markdown: receipt::markdown(&receipt, &lines), lines, receipt })
    }
}

impl Answer<ask::rehearsal::Start> for Desk {
    async fn answer(&self, call: ask::rehearsal::Start) -> Result<ask::rehearsal::Rehearsal, Fault> {
        crate::rehearsal::start(self, call).await
    }
}
