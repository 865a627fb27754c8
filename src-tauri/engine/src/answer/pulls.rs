//! Pull requests: listed, shown with the evidence of every line, approved, landed.

use pilothouse_contract::pull::Pull;
use pilothouse_contract::risk::ProofMix;
use pilothouse_contract::waits::waits;
use pilothouse_contract::{Answer, EvidenceId, Fault, PullId, ask};

use super::Desk;
use crate::coordination::Input;
use crate::integration::forge;

impl Desk {
    pub(super) fn pull(&self, pull: PullId) -> Result<Pull, Fault> {
        self.look(|fleet| fleet.pulls.get(&pull).cloned(), || format!("there is no pull request {pull}"))
    }
}

impl Answer<ask::pull::List> for Desk {
    async fn answer(&self, call: ask::pull::List) -> Result<Vec<ask::pull::PullRow>, Fault> {
        let fleet = self.engine.fleet();
        let pulls =
            fleet.pulls.values().filter(|it| call.project.is_none_or(|project| it.project == project));
        let row = |it: &Pull| ask::pull::PullRow { pull: it.clone(), waits: waits(&fleet, it) };
        Ok(pulls.map(row).collect())
    }
}

impl Answer<ask::pull::Show> for Desk {
    async fn answer(&self, call: ask::pull::Show) -> Result<ask::pull::PullPage, Fault> {
        let pull = self.pull(call.pull)?;
        let project = self.project(pull.project)?;
        let (diff, cut) =
            forge::diff(&project, &pull).await.map_err(|error| Fault::environment(error.to_string()))?;
        let lines = pull.body.verified.iter().map(|line| line.evidence);
        let bound: Vec<EvidenceId> =
            lines.chain(pull.checks.iter().filter_map(|check| check.evidence)).collect();
        let fleet = self.engine.fleet();
        let evidence = bound.iter().filter_map(|id| fleet.evidence.get(id)).cloned().collect();
        let mix = ProofMix::of(&fleet, &pull);
        let run = fleet.runs.get(&pull.run);
        let agent = run.map(|it| it.policy.agent.name.clone()).unwrap_or_default();
        let touches = run.map(|it| it.touches.clone()).unwrap_or_default();
        let waits = waits(&fleet, &pull);
        Ok(ask::pull::PullPage { pull, waits, evidence, diff, cut, mix, agent, touches })
    }
}

impl Answer<ask::pull::Approve> for Desk {
    async fn answer(&self, call: ask::pull::Approve) -> Result<Pull, Fault> {
        self.act(Input::ApprovePull { pull: call.pull, head: call.head }).await?;
        self.pull(call.pull)
    }
}

impl Answer<ask::pull::Land> for Desk {
    async fn answer(&self, call: ask::pull::Land) -> Result<Pull, Fault> {
        self.act_to_end(Input::LandPull { pull: call.pull }).await?;
        self.pull(call.pull)
    }
}

impl Answer<ask::pull::Escape> for Desk {
    async fn answer(&self, call: ask::pull::Escape) -> Result<Pull, Fault> {
        self.act_to_end(Input::EscapePull { pull: call.pull, why: call.why }).await?;
        self.pull(call.pull)
    }
}
