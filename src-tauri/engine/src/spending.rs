//! Spending: what the sessions of a run used and cost, by the store and the prices in force; budgets of runs, held against that;
//! and what the quiet wrapper tells of.
//!
//! Refuses to believe the wrapper more than it must: how long an output is, its log says.

use std::path::PathBuf;

use pilothouse_contract::ask::took::Took;
use pilothouse_contract::evidence::Evidence;
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::money::{MoneyCount, PriceTable, Prices};
use pilothouse_contract::pace::{self, Sample};
use pilothouse_contract::receipt::TokenCount;
use pilothouse_contract::run::{Policy, Run, RunState, TouchKind};
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{At, RunId, SessionId, ask, text};

use crate::coordination::{Input, slow};
use crate::engine::Engine;
use crate::execution::held::Key;
use crate::observability::quiet as observed;
use crate::perform::now;
use crate::policy::{prices, quiet};
use crate::store::{QuietRun, StoreError};

/// Where the quiet wrapper keeps the logs of a session, in the session's folder.
const QUIET: &str = "quiet";

impl Engine {
    /// The prices that are in force for a run. The user's own are read anew each time: whoever mends them sees it at once.
    pub(crate) fn prices(&self, policy: &Policy) -> Prices {
        prices::of(policy, self.own_prices())
    }

    /// Those that are in force outside of any run.
    pub(crate) fn prices_everywhere(&self) -> Prices {
        prices::everywhere(self.own_prices())
    }

    fn own_prices(&self) -> Option<Result<PriceTable, String>> {
        let file = self.inner.options.data.join(prices::FILE);
        let place = file.display().to_string();
        match std::fs::read_to_string(&file) {
            Ok(text) => Some(prices::read(&text, &place)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(format!("{place}: {error}"))),
        }
    }

    /// Sessions of a run's agents that ever ran.
    pub(crate) fn agents_of(&self, run: RunId) -> Vec<SessionId> {
        let fleet = self.fleet();
        let of = fleet
            .sessions
            .values()
            .filter(|it| it.run == Some(run) && it.kind == SessionKind::Agent && it.running.is_some());
        of.map(|it| it.id).collect()
    }

    /// What a run took so far.
    pub(crate) async fn took(&self, run: &Run) -> Result<Took, StoreError> {
        let sessions = self.agents_of(run.id);
        let ran = self.inner.store.quiet_runs(&sessions, At(0)).await?;
        let (tokens, money) = self.spent(run, &sessions).await?;
        let checks: Vec<Sample> = {
            let fleet = self.fleet();
            fleet
                .evidence
                .values()
                .filter(|it| it.subject.run == run.id)
                .filter_map(Evidence::sample)
                .collect()
        };
        let samples = checks.into_iter().chain(ran.iter().map(observed::sample));
        Ok(Took {
            paces: pace::paces(samples, run.policy.inner_loop_s),
            inner_loop_s: run.policy.inner_loop_s,
            quiet: observed::counted(&ran),
            budget: budget(run, &tokens, &money),
            tokens,
            money,
        })
    }

    /// What a run's agents used and cost, those of abandoned attempts included.
    async fn spent(&self, run: &Run, sessions: &[SessionId]) -> Result<(TokenCount, MoneyCount), StoreError> {
        let prices = self.prices(&run.policy);
        let accounts = self.inner.store.accounts(sessions, At(0), &prices).await?;
        let (mut tokens, mut money) = (TokenCount::default(), MoneyCount::default());
        for session in sessions {
            let account = accounts.get(session).map(|it| it.all.clone()).unwrap_or_default();
            tokens.count(&account.tokens(), &account.tokens());
            money.count(&account, &prices);
        }
        Ok((tokens, money))
    }

    /// Holds what a run's agents used against what they may, and hands in what is over. Whether something is.
    pub(crate) async fn mind_budget(&self, run: RunId) -> bool {
        let it = self.fleet().runs.get(&run).filter(|it| it.state == RunState::Running).cloned();
        let is_minded =
            |it: &Run| it.policy.run_tokens > 0 || !it.policy.run_money.is_zero() || it.policy.run_s > 0;
        let Some(it) = it.filter(is_minded) else {
            return false;
        };
        match self.spent(&it, &self.agents_of(run)).await {
            Ok((tokens, money)) => {
                let blown = budget(&it, &tokens, &money).into_iter().find(Fuse::is_blown);
                if let Some(fuse) = blown {
                    // Whoever asks wants it parked before going on.
                    let told =
                        self.ask(Input::OverBudget { run, fuse }, pilothouse_contract::Who::Engine).await;
                    if let Err(fault) = told {
                        tracing::warn!(%run, %fault, "it is over its budget and could not be parked");
                    }
                }
                blown.is_some()
            }
            Err(error) => {
                tracing::warn!(%run, %error, "what it used could not be looked up");
                false
            }
        }
    }

    /// Where the quiet wrapper keeps the logs of a session.
    fn quiet_logs(&self, session: Key) -> PathBuf {
        self.inner.sessions.place(session).folder().join(QUIET)
    }

    /// Takes what the quiet wrapper tells of. Told again, it changes nothing.
    pub(crate) async fn note_quiet(&self, call: &ask::took::Quiet) -> Result<(), StoreError> {
        let Some(key) = self.key(call.session) else { return Ok(()) };
        let log = self.quiet_logs(key).join(format!("{}.log", call.number));
        let whole = std::fs::metadata(log).map_or(0, |it| it.len());
        let run = QuietRun {
            session: call.session,
            number: call.number,
            at: now(),
            command: text::line(&call.command, 300),
            exit: call.exit,
            ms: call.ms,
            whole,
            shown: call.shown.min(quiet::SHOWN_MAX as u64),
            tests: call.tests,
        };
        let of = self.fleet().sessions.get(&call.session).and_then(|it| it.run);
        let before = match of {
            Some(of) => self.inner.store.quiet_runs(&self.agents_of(of), At(0)).await?,
            None => Vec::new(),
        };
        if !self.inner.store.put_quiet(&run).await? {
            return Ok(());
        }
        let (project, slow) = {
            let fleet = self.fleet();
            let Some(of) = of.and_then(|it| fleet.runs.get(&it)) else { return Ok(()) };
            let checks =
                fleet.evidence.values().filter(|it| it.subject.run == of.id).filter_map(Evidence::sample);
            let same =
                checks.chain(before.iter().map(observed::sample)).filter(|it| it.command == run.command);
            let before: Vec<u64> = same.map(|it| it.ms).collect();
            let over = pace::comes_over(&before, run.ms, of.policy.inner_loop_s);
            (of.project, over.map(|p95_ms| slow(of, &run.command, p95_ms)))
        };
        if let Some(says) = slow {
            self.tell(Input::Notice { project: Some(project), says });
        }
        Ok(())
    }
}

/// What would park a run for what all of its attempts use.
fn budget(run: &Run, tokens: &TokenCount, money: &MoneyCount) -> Vec<Fuse> {
    let policy = &run.policy;
    let seconds = under_way_s(run);
    let spent = tokens.input + tokens.cache_write + tokens.output;
    let all = [
        Fuse { minds: Minds::Tokens, spent, limit: policy.run_tokens },
        Fuse { minds: Minds::Money, spent: money.known.0, limit: policy.run_money.0 },
        Fuse { minds: Minds::Time, spent: seconds, limit: policy.run_s },
    ];
    all.into_iter().filter(|it| it.limit > 0).collect()
}

/// So long a run has been under way, in seconds by the clock on the wall. Whoever lets it go on gives it its time anew; what is over takes
/// none any more.
pub(crate) fn under_way_s(run: &Run) -> u64 {
    let until = if run.state.is_live() { now() } else { run.moved };
    let let_on = run.touches.iter().rev().find(|it| it.kind == TouchKind::Restarted);
    u64::try_from(until.since_ms(let_on.map_or(run.started, |it| it.at)) / 1000).unwrap_or_default()
}
