//! `WORKFLOW.md`: front matter between two `---` lines, our settings under the one key `pilothouse:`, and what it says around attempts
//! (see [`super::conduct`]). The rest of the file belongs to others. Format of the front matter: YAML 1.2; the keys are listed in the
//! project's README.

use pilothouse_contract::after::SamplePolicy;
use pilothouse_contract::card::Writer;
use pilothouse_contract::gate::Gates;
use pilothouse_contract::money::{Money, Price};
use pilothouse_contract::queue;
use pilothouse_contract::risk::RiskRules;
use pilothouse_contract::run::{Adapter, AgentChoice, Approval, Completeness, LandsBy, Policy};
use pilothouse_contract::session::Limits;
use pilothouse_symphony::workflow::halves;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::conduct::Conduct;
use super::family;
use super::reviewers::{self, ReviewSettings};
use super::scope;
use super::shim;

/// Paths that no task may write, whatever its scope says: the spec that it is measured by, and the policy.
pub const PROTECTED: [&str; 3] = ["specs/", "WORKFLOW.md", ".agents/"];
/// Files that two tasks may not touch at once, whatever their scopes say.
pub const HOT: [&str; 10] = [
    "**/Cargo.lock",
    "**/package-lock.json",
    "**/pnpm-lock.yaml",
    "**/yarn.lock",
    "**/poetry.lock",
    "**/uv.lock",
    "**/go.sum",
    "**/Gemfile.lock",
    "**/composer.lock",
    "**/flake.lock",
];

/// What a refinement looks through where the file names nothing else.
const LENSES: [&str; 5] = ["routing", "caching", "edge cases", "failure modes", "consent"];
/// So many items may be under way where the file says nothing else.
const WIP: u32 = 10;

/// Whether a text can be the name of a lens: it is typed in a command.
#[must_use]
pub fn is_a_lens(text: &str) -> bool {
    let plain = |it: char| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_' | '&' | ',');
    !text.trim().is_empty() && text.trim() == text && text.chars().count() <= 60 && text.chars().all(plain)
}

/// The states that attempts can be held before, by their words.
const LIMITED: [&str; 3] = ["red-check", "working", "verifying"];

/// What is wrong with a `WORKFLOW.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("WORKFLOW.md: {0}")]
pub struct BadWorkflow(pub String);

#[derive(Debug, Deserialize)]
struct Front {
    pilothouse: Option<Settings>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    agent: Option<String>,
    agents: BTreeMap<String, Command>,
    checks: Vec<String>,
    approve: Option<Approval>,
    attempts: Option<u32>,
    slots: Option<u32>,
    queue: queue::Limits,
    landing: LandsBy,
    best_of: Option<u32>,
    project_slots: Option<u32>,
    state_slots: BTreeMap<String, u32>,
    resources: BTreeMap<String, u32>,
    retry_s: Option<u32>,
    retry_max_s: Option<u32>,
    stall_s: Option<u32>,
    attempt_s: Option<u32>,
    tokens: Option<u64>,
    money: Option<Dollars>,
    run_tokens: Option<u64>,
    run_money: Option<Dollars>,
    prices: BTreeMap<String, Price>,
    quiet: Vec<String>,
    inner_loop_s: Option<u32>,
    repeats: Option<u32>,
    context: Option<u64>,
    run_s: Option<u64>,
    check_s: Option<u32>,
    rerun: Option<bool>,
    completeness: Option<Completeness>,
    judge: Option<String>,
    reviewer: Option<String>,
    review: ReviewSettings,
    risk: RiskRules,
    sample: SamplePolicy,
    lenses: Option<Vec<String>>,
    gates: Gates,
    wip: Option<u32>,
    memory_max: Option<String>,
    cpu_max: Option<String>,
    protected: Vec<String>,
    always: Vec<String>,
    hot: Option<Vec<String>>,
    warm: Vec<String>,
    env: Vec<String>,
    done_lines: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    command: Vec<String>,
    #[serde(default)]
    resume: Vec<String>,
    #[serde(default)]
    family: Option<String>,
}

/// A sum that is written in dollars.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Dollars(Money);

impl TryFrom<f64> for Dollars {
    type Error = String;

    fn try_from(dollars: f64) -> Result<Self, String> {
        Money::of_dollars(dollars)
            .map(Self)
            .ok_or_else(|| format!("{dollars} is no sum in dollars: write it like 2.50"))
    }
}

/// What a repository says about how it is worked, before a person chose an agent.
#[derive(Debug, Clone)]
pub struct Workflow {
    source: String,
    settings: Settings,
    conduct: Conduct,
}

/// The agents that are built in, by name.
#[must_use]
pub fn built_in(name: &str) -> Option<AgentChoice> {
    let choice = |adapter, command: &[&str]| {
        Some(AgentChoice {
            name: name.to_owned(),
            adapter,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            // What goes on with a session of these is the adapter's to say.
            resume: Vec::new(),
        })
    };
    match name {
        // Edits inside its worktree and shell commands are allowed; whatever else would ask is denied, for nobody is
        // there to answer. It is no sandbox: what the agent runs, it runs with the user's rights.
        "claude" => choice(
            Adapter::ClaudeCode,
            &[
                "claude",
                "--permission-mode",
                "acceptEdits",
                "--permission-prompts",
                "none",
                "--allowedTools",
                "Bash",
            ],
        ),
        "rehearsal" => choice(Adapter::Rehearsal, &["sh", "{agent_file}"]),
        // Its second family, which refines what the first one drafts.
        "rehearsal-critic" => choice(Adapter::Rehearsal, &["sh", "{agent_file}", "critic"]),
        _ => None,
    }
}

/// The names of the agents that are built in.
pub const BUILT_IN: [&str; 3] = ["claude", "rehearsal", "rehearsal-critic"];

impl Workflow {
    /// Reads the file's text. No text at all is a repository without settings.
    ///
    /// # Errors
    /// If the front matter is no YAML, or our key holds something that we do not know.
    pub fn read(text: Option<&str>, source: &str) -> Result<Self, BadWorkflow> {
        let conduct = Conduct::read(text)?;
        let Some(front) = text.and_then(|it| halves(it).0) else {
            let source = if text.is_some() { source } else { "built in" };
            return Ok(Self { source: source.to_owned(), settings: Settings::default(), conduct });
        };
        let front: Option<Front> =
            serde_saphyr::from_str(&front).map_err(|error| BadWorkflow(error.to_string()))?;
        let settings = front.and_then(|it| it.pilothouse).unwrap_or_default();
        let globs = settings.protected.iter().chain(&settings.always).chain(settings.hot.iter().flatten());
        let risk = &settings.risk;
        let globs = globs.chain(&risk.high).chain(&risk.medium).chain(&risk.low);
        for glob in globs {
            scope::glob(glob).map_err(|error| BadWorkflow(error.to_string()))?;
        }
        if let Some(bad) = settings.warm.iter().find(|it| it.contains("..") || it.starts_with('/')) {
            return Err(BadWorkflow(format!("warm: `{bad}` is not a folder inside the repository")));
        }
        for command in &settings.quiet {
            shim::of(command).map_err(|why| BadWorkflow(format!("quiet: `{command}` {why}")))?;
        }
        for (name, zero) in [
            ("attempts", settings.attempts),
            ("slots", settings.slots),
            ("queue.batch", Some(settings.queue.batch)),
            ("queue.parallel", Some(settings.queue.parallel)),
            ("project_slots", settings.project_slots),
            ("check_s", settings.check_s),
            ("stall_s", settings.stall_s),
            ("review.rounds", settings.review.rounds),
            ("risk.lines", settings.risk.lines),
        ] {
            if zero == Some(0) {
                return Err(BadWorkflow(format!("{name}: must be at least 1")));
            }
        }
        let has = |words: &[String], place: &str| words.iter().any(|it| it.contains(place));
        let unknown =
            |(_, it): &(&String, &Command)| has(&it.resume, "{native}") && !has(&it.command, "{uuid}");
        if let Some((name, _)) = settings.agents.iter().find(unknown) {
            return Err(BadWorkflow(format!(
                "agents.{name}: resume goes on with {{native}}, and nobody knows that id: give it to the command as {{uuid}}"
            )));
        }
        let zero = |(name, n): (&String, &u32)| (*n == 0).then(|| name.clone());
        if let Some(name) = settings.state_slots.iter().chain(&settings.resources).find_map(zero) {
            return Err(BadWorkflow(format!("{name}: must be at least 1")));
        }
        if let Some(name) = settings.state_slots.keys().find(|it| !LIMITED.contains(&it.as_str())) {
            return Err(BadWorkflow(format!(
                "state_slots: '{name}' is no state that attempts can be held before: those are {}",
                LIMITED.join(", ")
            )));
        }
        let workflow = Self { source: source.to_owned(), settings, conduct };
        workflow.limits().map_err(BadWorkflow)?;
        workflow.settings.reviewer.as_deref().map(|name| workflow.agent(Some(name))).transpose()?;
        for name in &workflow.settings.review.agents {
            workflow.agent(Some(name))?;
        }
        let lenses = workflow.settings.lenses.iter().flatten().chain(&workflow.settings.review.lenses);
        if let Some(bad) = lenses.clone().find(|it| !is_a_lens(it)) {
            return Err(BadWorkflow(format!(
                "lenses: '{bad}' is no name: write a word or two, at most 60 signs"
            )));
        }
        if workflow.settings.lenses.as_ref().is_some_and(Vec::is_empty) {
            return Err(BadWorkflow("lenses: name at least one, or leave it out".to_owned()));
        }
        workflow.settings.judge.as_deref().map(|name| workflow.agent(Some(name))).transpose()?;
        Ok(workflow)
    }

    /// What it says around attempts.
    #[must_use]
    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// Commands that the file holds, and variables that it hands to them, for the trust decision: where, what.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, String)> {
        self.told(|_| true).chain(self.conduct.commands()).collect()
    }

    /// Those of them that work with these agents uses. What is run around attempts waits for a yes by itself.
    #[must_use]
    pub fn used(&self, agents: &[&str]) -> Vec<(String, String)> {
        let judge = self.settings.judge.as_deref();
        let reviews = &self.settings.review.agents;
        let of =
            |name: &str| agents.contains(&name) || judge == Some(name) || reviews.iter().any(|it| it == name);
        self.told(of).collect()
    }

    /// What our own key says of them, with the agents that are asked for.
    fn told(&self, of: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, String)> {
        let own: Vec<_> = self.settings.agents.iter().filter(|(name, _)| of(name)).collect();
        let agents = own.iter().map(|(name, it)| (format!("agents.{name}"), it.command.join(" ")));
        let resumes = own.iter().filter(|(_, it)| !it.resume.is_empty());
        let resumes = resumes.map(|(name, it)| (format!("agents.{name}.resume"), it.resume.join(" ")));
        let checks = self.settings.checks.iter().map(|it| ("checks".to_owned(), it.clone()));
        let env = (!self.settings.env.is_empty())
            .then(|| ("env".to_owned(), format!("agents and checks get {}", self.settings.env.join(", "))));
        let quiet = self.settings.quiet.iter().map(|it| {
            let says = format!(
                "when agents run `{it}`, Pilothouse runs it for them and shows them what failed of it"
            );
            ("quiet".to_owned(), says)
        });
        agents.chain(resumes).chain(checks).chain(env).chain(quiet).collect::<Vec<_>>().into_iter()
    }

    /// What each agent may use at most.
    fn limits(&self) -> Result<Limits, String> {
        let memory = self.settings.memory_max.as_deref().map(Limits::memory).transpose();
        let cpu = self.settings.cpu_max.as_deref().map(Limits::cpu).transpose();
        Ok(Limits {
            memory_bytes: memory.map_err(|error| format!("memory_max: {error}"))?,
            cpu_percent: cpu.map_err(|error| format!("cpu_max: {error}"))?,
        })
    }

    /// Whether the file chooses an agent itself.
    #[must_use]
    pub fn names_agent(&self) -> bool {
        self.settings.agent.is_some()
    }

    /// The agent by name, or the file's own choice.
    ///
    /// # Errors
    /// If nobody by that name is known.
    pub fn agent(&self, name: Option<&str>) -> Result<AgentChoice, BadWorkflow> {
        let name = name.or(self.settings.agent.as_deref()).unwrap_or("claude");
        if let Some(own) = self.settings.agents.get(name) {
            if own.command.is_empty() {
                return Err(BadWorkflow(format!("agents.{name}: the command is empty")));
            }
            return Ok(AgentChoice {
                name: name.to_owned(),
                adapter: Adapter::Command,
                command: own.command.clone(),
                resume: own.resume.clone(),
            });
        }
        built_in(name).ok_or_else(|| {
            BadWorkflow(format!(
                "no agent is called '{name}': built in are {}; others stand under agents:",
                BUILT_IN.join(", ")
            ))
        })
    }

    /// An agent as an author or a refiner: with the family of its model, as the file says it or its command tells.
    ///
    /// # Errors
    /// If nobody by that name is known.
    pub fn writer(&self, name: Option<&str>) -> Result<Writer, BadWorkflow> {
        let agent = self.agent(name)?;
        let said = self.settings.agents.get(&agent.name).and_then(|it| it.family.as_ref());
        let family = said.map(|it| it.trim().to_lowercase()).or_else(|| family::of_agent(&agent));
        Ok(Writer { agent, family })
    }

    /// Who refines what another family wrote: the file's reviewer, else whoever of the agents that are known is of another one.
    #[must_use]
    pub fn reviewers(&self) -> Vec<Writer> {
        let named = self.settings.reviewer.iter().map(String::as_str);
        let own = self.settings.agents.keys().map(String::as_str);
        // The rehearsal's scripts have nothing to say of a spec.
        let names = named.chain(own).chain(BUILT_IN.into_iter().filter(|it| !it.starts_with("rehearsal")));
        names.filter_map(|it| self.writer(Some(it)).ok()).collect()
    }

    /// What a refinement looks through.
    #[must_use]
    pub fn lenses(&self) -> Vec<String> {
        let usual = || LENSES.iter().map(|it| (*it).to_owned()).collect();
        self.settings.lenses.clone().unwrap_or_else(usual)
    }

    /// So many items may be under way before a new one is too many.
    #[must_use]
    pub fn wip(&self) -> u32 {
        self.settings.wip.unwrap_or(WIP)
    }

    /// Who reviews what an agent made, and how.
    fn review(&self, author: &AgentChoice) -> pilothouse_contract::review::ReviewPolicy {
        let said = self.settings.agents.get(&author.name).and_then(|it| it.family.as_ref());
        let family = said.map(|it| it.trim().to_lowercase()).or_else(|| family::of_agent(author));
        let named = self.settings.review.agents.iter().filter_map(|it| self.writer(Some(it)).ok());
        reviewers::policy(&self.settings.review, Writer { agent: author.clone(), family }, named.collect())
    }

    /// The policy of a run with a chosen agent.
    #[must_use]
    pub fn policy(&self, agent: AgentChoice) -> Policy {
        let settings = self.settings.clone();
        let review = self.review(&agent);
        let mut protected: Vec<String> = PROTECTED.iter().map(|it| (*it).to_owned()).collect();
        protected.extend(settings.protected);
        Policy {
            source: self.source.clone(),
            agent,
            checks: settings.checks,
            approve: settings.approve.unwrap_or_default(),
            attempts: settings.attempts.unwrap_or(2),
            slots: settings.slots.unwrap_or(3),
            best_of: settings.best_of.unwrap_or(3),
            project_slots: settings.project_slots.unwrap_or_default(),
            queue: settings.queue,
            landing: settings.landing,
            state_slots: settings.state_slots,
            resources: settings.resources,
            retry_s: settings.retry_s.unwrap_or(10),
            retry_max_s: settings.retry_max_s.unwrap_or(300),
            stall_s: settings.stall_s.unwrap_or(600),
            attempt_s: settings.attempt_s.unwrap_or(4 * 3600),
            tokens: settings.tokens.unwrap_or_default(),
            money: settings.money.map(|it| it.0).unwrap_or_default(),
            run_tokens: settings.run_tokens.unwrap_or_default(),
            run_money: settings.run_money.map(|it| it.0).unwrap_or_default(),
            prices: settings.prices,
            quiet: settings.quiet,
            inner_loop_s: settings.inner_loop_s.unwrap_or(60),
            repeats: settings.repeats.unwrap_or(30),
            context: settings.context.unwrap_or(160_000),
            run_s: settings.run_s.unwrap_or_default(),
            check_s: settings.check_s.unwrap_or(600),
            rerun: settings.rerun.unwrap_or(true),
            completeness: settings.completeness.unwrap_or(Completeness::Report),
            // Read before, so it is known.
            judge: settings.judge.as_deref().and_then(|name| self.agent(Some(name)).ok()),
            gates: settings.gates,
            review,
            risk: settings.risk,
            sample: settings.sample,
            // Read before, so it can be read.
            limits: self.limits().unwrap_or_default(),
            protected,
            always: settings.always,
            hot: settings.hot.unwrap_or_else(|| HOT.iter().map(|it| (*it).to_owned()).collect()),
            warm: settings.warm,
            env: settings.env,
            done_lines: settings.done_lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_the_rest_is_left_to_others() {
        let text = "---\ntracker:\n  kind: linear\npilothouse:\n  agent: mine\n  agents:\n    mine: { command: [my-agent, '{brief_file}'] }\n  checks: [cargo test]\n  approve: policy\n  slots: 5\n  memory_max: 2GiB\n  cpu_max: 150%\n---\n\nWork well.\n";
        let workflow = Workflow::read(Some(text), "abc:WORKFLOW.md").unwrap();
        let policy = workflow.policy(workflow.agent(None).unwrap());
        assert_eq!(policy.agent.command, ["my-agent", "{brief_file}"]);
        assert_eq!((policy.approve, policy.slots, policy.attempts), (Approval::Policy, 5, 2));
        assert_eq!(policy.checks, ["cargo test"]);
        assert_eq!(policy.limits, Limits { memory_bytes: Some(2 << 30), cpu_percent: Some(150) });
        // The agent, the check, and which tracker is read.
        assert_eq!(workflow.commands().len(), 3);
    }

    #[test]
    fn money_is_read_in_dollars_and_commands_to_be_quiet_are_told_of() {
        let text = "---\npilothouse:\n  money: 2.5\n  run_money: 20\n  run_tokens: 5000\n  prices:\n    m: { input: 0.15, cached: 0.1, output: 4 }\n  quiet: [cargo test]\n---\n";
        let workflow = Workflow::read(Some(text), "abc:WORKFLOW.md").unwrap();
        let policy = workflow.policy(workflow.agent(None).unwrap());
        assert_eq!(
            (policy.money, policy.run_money, policy.run_tokens),
            (Money(2_500_000), Money(20_000_000), 5000)
        );
        let price = policy.prices.get("m").unwrap();
        assert_eq!(
            (price.input.0, price.cached.map(|it| it.0), price.cache_write),
            (150_000, Some(100_000), None)
        );
        assert_eq!(
            (policy.quiet.as_slice(), policy.inner_loop_s),
            (["cargo test".to_owned()].as_slice(), 60)
        );
        let told = workflow.commands();
        assert!(
            told.iter().any(|(place, says)| place == "quiet" && says.contains("`cargo test`")),
            "{told:?}"
        );
    }

    #[test]
    fn work_uses_the_checks_and_the_commands_of_its_own_agents() {
        let text = "---\nhooks: { before_run: make }\npilothouse:\n  agents: { a: { command: [a] }, b: { command: [b] }, c: { command: [c] } }\n  judge: c\n  checks: [make]\n  env: [TOKEN]\n---\n";
        let used = Workflow::read(Some(text), "x").unwrap().used(&["a", "claude"]);
        let places: Vec<&str> = used.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(places, ["agents.a", "agents.c", "checks", "env"]);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let bad = |body: &str| {
            Workflow::read(Some(&format!("---\npilothouse:\n  {body}\n---\n")), "x").unwrap_err().to_string()
        };
        assert!(bad("aprove: policy").contains("aprove"), "{}", bad("aprove: policy"));
        assert!(bad("protected: ['../x']").contains("../x"));
        assert!(bad("memory_max: lots").contains("memory_max: 'lots'"), "{}", bad("memory_max: lots"));
        let resume = bad("agents: { a: { command: [a], resume: [a, '{native}'] } }");
        assert!(resume.contains("agents.a: resume goes on with {native}"), "{resume}");
        assert!(bad("attempts: 0").contains("at least 1"));
        assert!(bad("queue: { batch: 0 }").contains("queue.batch: must be at least 1"));
        assert!(bad("landing: gitlab").contains("github"), "{}", bad("landing: gitlab"));
        assert!(bad("queue: { size: 4 }").contains("size"), "{}", bad("queue: { size: 4 }"));
        assert!(bad("money: -2").contains("no sum in dollars"), "{}", bad("money: -2"));
        assert!(
            bad("prices: { m: { input: 1 } }").contains("output"),
            "{}",
            bad("prices: { m: { input: 1 } }")
        );
        assert!(
            bad("quiet: ['/bin/sh x']").contains("quiet: `/bin/sh x` begins with"),
            "{}",
            bad("quiet: ['/bin/sh x']")
        );
        let none = Workflow::read(None, "x").unwrap();
        assert!(none.agent(Some("nobody")).unwrap_err().to_string().contains("no agent is called 'nobody'"));
        assert_eq!(none.policy(none.agent(None).unwrap()).source, "built in");
    }
}
