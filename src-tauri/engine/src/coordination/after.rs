//! After a landing: which changes a person looks at, what they say, what escaped, and a change that is taken back as a pull request
//! like any other. And the one switch that lets changes of a class land by themselves.
//!
//! Refuses: verdicts and switches by anybody but a person, which is found out before an input is made; a revert of what has not landed,
//! or is being taken back.

use pilothouse_contract::after::{Escape, Happened, Sampled, Verdict, auto_landed, class, yes_counts};
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::review::{self, Answer, Finding, Reply, ReviewPolicy};
use pilothouse_contract::risk::RiskClass;
use pilothouse_contract::run::{Completeness, Policy, Run, RunState};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{Event, Fault, Oid, ProjectId, PullId, RefName, Who};

use super::Work;
use super::draft::{BECAUSE_MAX, cut};
use super::effect::Effect;

/// Nobody looks longer at one change, in minutes.
const MINUTES_MAX: u32 = 24 * 60;

/// What people do after a landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Afterwards {
    /// A person looked at a change that landed.
    Sample {
        /// Which.
        pull: PullId,
        /// What they say.
        verdict: Verdict,
        /// What it took, in minutes.
        minutes: u32,
        /// In words.
        says: String,
    },
    /// Something was wrong with a change that landed.
    Escape {
        /// Which.
        pull: PullId,
        /// What.
        says: String,
        /// The pull request that mends it.
        mended_by: Option<PullId>,
    },
    /// A person takes a change back.
    TakeBack(Box<TakeBackFacts>),
    /// A person lets changes of a class land by themselves, or not any more.
    AutoLand {
        /// In which project.
        project: ProjectId,
        /// Of which class.
        class: RiskClass,
        /// Whether they do.
        on: bool,
        /// The rates that the person saw.
        seen: String,
    },
}

/// Everything that a revert needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeBackFacts {
    /// What is taken back.
    pub pull: PullId,
    /// The commit that does: on top of what landed, with the tree of before. No branch points to it yet.
    pub head: Oid,
    /// Where the default branch stands.
    pub base: Oid,
    /// A branch name that is free.
    pub branch: RefName,
    /// Why.
    pub because: String,
    /// What the default branch is held to now.
    pub checks: Vec<String>,
}

impl Work<'_> {
    pub(super) fn afterwards(&mut self, input: Afterwards) -> Result<(), Fault> {
        match input {
            Afterwards::Sample { pull, verdict, minutes, says } => self.sample(pull, verdict, minutes, &says),
            Afterwards::Escape { pull, says, mended_by } => self.lay_to(pull, &says, mended_by),
            Afterwards::TakeBack(facts) => self.take_back_pull(*facts),
            Afterwards::AutoLand { project, class, on, seen } => self.auto_land(project, class, on, seen),
        }
    }

    /// A pull request landed: whether a person looks at it follows from its commit.
    pub(super) fn after_landing(&mut self, pull: &Pull, commit: &Oid) {
        self.lay_what_came_late(pull.id);
        let policy = self.fleet.runs.get(&pull.run).map(|it| it.policy.sample).unwrap_or_default();
        if policy.draws(class(pull), commit) {
            let until = self.now.plus_ms(i64::from(policy.within_h) * 3_600_000);
            self.after(pull.id, Happened::Drawn { until }, false);
        }
        let Some(before) = pull.after.takes_back else { return };
        self.after(before, Happened::TakenBack { by: pull.id }, false);
        let says = format!("taken back by {}: {}", pull.id, pull.body.why);
        let by = self.fleet.runs.get(&pull.run).map_or(Who::Engine, |it| it.by.clone());
        let escape = Escape { says, mended_by: Some(pull.id), by, at: self.now };
        self.after(before, Happened::Escaped { escape }, false);
    }

    fn landed_pull(&self, pull: PullId) -> Result<Pull, Fault> {
        let it = self.pull(pull)?;
        if !matches!(it.state, PullState::Landed { .. }) {
            return Err(Fault::refused(format!("{pull} has not landed: it is {}", it.state.word())));
        }
        Ok(it.clone())
    }

    fn sample(&mut self, pull: PullId, verdict: Verdict, minutes: u32, says: &str) -> Result<(), Fault> {
        let it = self.landed_pull(pull)?;
        if let Some(known) = &it.after.sampled {
            return Err(Fault::refused(format!(
                "{} said {} of {pull} already",
                known.by,
                known.verdict.word()
            )));
        }
        if minutes > MINUTES_MAX {
            return Err(Fault::refused(format!("nobody looks at one change for {minutes} minutes")));
        }
        let says = says.trim();
        let says = match verdict {
            Verdict::Fine => says.chars().take(BECAUSE_MAX).collect(),
            _ => cut(says, BECAUSE_MAX, "say what is wrong with it")?,
        };
        let sampled = Sampled { verdict, minutes, says: says.clone(), by: self.who.clone(), at: self.now };
        self.after(pull, Happened::Sampled { sampled }, true);
        if verdict == Verdict::Fix {
            let escape = Escape { says, mended_by: None, by: self.who.clone(), at: self.now };
            self.after(pull, Happened::Escaped { escape }, true);
        }
        Ok(())
    }

    /// What was found while it was being landed could not hold it any more: it is laid to it.
    fn lay_what_came_late(&mut self, pull: PullId) {
        let Some(it) = self.fleet.pulls.get(&pull) else { return };
        let open: Vec<Finding> = it.review.unanswered().cloned().collect();
        for it in open {
            let says = "it was said while the change was being landed".to_owned();
            let reply = Reply::Deferred { tracker: format!("an escape of {pull}") };
            let answer = Answer { reply, says, by: Who::Engine, at: self.now };
            let what = review::Happened::Answered { finding: it.number, answer };
            self.engine(Event::Review { pull, what });
            let says = it.what.chars().take(BECAUSE_MAX).collect();
            let escape = Escape { says, mended_by: None, by: it.by, at: self.now };
            self.after(pull, Happened::Escaped { escape }, false);
        }
    }

    fn lay_to(&mut self, pull: PullId, says: &str, mended_by: Option<PullId>) -> Result<(), Fault> {
        let it = self.landed_pull(pull)?;
        if let Some(by) = mended_by {
            self.pull(by)?;
        }
        let says = cut(says, BECAUSE_MAX, "say what was wrong")?;
        if it.after.escapes.iter().any(|it| it.says == says) {
            return Err(Fault::refused(format!("just this is laid to {pull} already")));
        }
        let escape = Escape { says, mended_by, by: self.who.clone(), at: self.now };
        self.after(pull, Happened::Escaped { escape }, true);
        Ok(())
    }

    /// A pull request that takes another one back: a run without tasks carries it, so that it is checked and lands like any other.
    fn take_back_pull(&mut self, facts: TakeBackFacts) -> Result<(), Fault> {
        let TakeBackFacts { pull, head, base, branch, because, checks } = facts;
        let it = self.landed_pull(pull)?;
        let project = self.project(it.project)?.clone();
        super::runs::line_open(&project)?;
        let because = cut(&because, BECAUSE_MAX, "say why it is taken back")?;
        if let Some(by) = it.after.taken_back {
            return Err(Fault::refused(format!("{pull} was taken back by {by} already")));
        }
        let under_way =
            self.fleet.runs.values().find(|run| run.takes_back == Some(pull) && run.state.is_live());
        if let Some(run) = under_way {
            return Err(Fault::refused(format!("{pull} is being taken back by {} already", run.id))
                .command("see where it stands", format!("pilothouse run show {}", run.id)));
        }
        let Some(made) = self.fleet.runs.get(&it.run).cloned() else {
            return Err(Fault::missing(format!("the run of {pull} is not known any more")));
        };
        let policy = self.policy_back(&it, &made, checks);
        if policy.checks.is_empty() {
            return Err(Fault::refused(format!(
                "nothing is known that would check {} without {pull}: its own proofs fail then",
                project.name
            ))
            .hint("name checks: in WORKFLOW.md, which the default branch is held to whatever lands"));
        }
        let item = self.fleet.next_item();
        let mut slug = format!("revert-{pull}");
        if self.fleet.items.values().any(|it| it.project == project.id && it.slug == slug) {
            slug = format!("revert-{pull}-{}", item.0);
        }
        let spec = Spec {
            title: format!("Revert {pull}: {}", it.title),
            summary: because,
            name: slug.clone(),
            ..Spec::default()
        };
        let run = self.fleet.next_run();
        let why = format!("takes back {pull}");
        let state = ItemState::Running;
        let (base_of, moved) = (base.clone(), self.now);
        self.emit(Event::ItemRead {
            item: Item {
                id: item,
                project: project.id,
                slug,
                state,
                why: why.clone(),
                base: base_of,
                spec,
                moved,
            },
        });
        let begun = Run {
            id: run,
            item,
            state: RunState::Running,
            why,
            stop: None,
            stopped_by: Vec::new(),
            policy,
            base: base.clone(),
            approved: base,
            settling: false,
            paused: None,
            window: None,
            rank: 0,
            branch,
            head: None,
            tasks: Vec::new(),
            phases: Vec::new(),
            audit: None,
            integrating: None,
            outside: None,
            claim: None,
            pull: None,
            takes_back: Some(pull),
            by: self.who.clone(),
            started: self.now,
            moved: self.now,
            touches: Vec::new(),
            notes: Vec::new(),
            project: project.id,
        };
        self.emit(Event::RunStarted { run: Box::new(begun) });
        self.effect(Effect::MakeBranch { run, at: head, adopt: false });
        Ok(())
    }

    /// What a revert is carried under: what the change itself was, but with checks that held before it. Its own proofs fail without it.
    fn policy_back(&self, pull: &Pull, made: &Run, now: Vec<String>) -> Policy {
        let checks = if !now.is_empty() {
            now
        } else if made.policy.checks.is_empty() {
            let mut before = self.fleet.pulls.values().filter(|it| {
                let landed = matches!(it.state, PullState::Landed { .. });
                landed && it.project == pull.project && it.moved < pull.moved && it.after.taken_back.is_none()
            });
            let last = before.by_ref().max_by_key(|it| it.moved);
            last.map(|it| it.checks.iter().map(|it| it.command.clone()).collect()).unwrap_or_default()
        } else {
            made.policy.checks.clone()
        };
        let off = "it takes back what landed, and nobody reviews that by itself".to_owned();
        Policy {
            checks,
            completeness: Completeness::Off,
            review: ReviewPolicy { off, ..ReviewPolicy::default() },
            ..made.policy.clone()
        }
    }

    fn auto_land(
        &mut self,
        project: ProjectId,
        class: RiskClass,
        on: bool,
        seen: String,
    ) -> Result<(), Fault> {
        let it = self.project(project)?;
        if it.auto_land.contains(&class) == on {
            let says = if on { "land by themselves already" } else { "wait for a yes already" };
            return Err(Fault::refused(format!("changes of {} risk in {} {says}", class.word(), it.name)));
        }
        self.emit(Event::AutoLand { project, class, on, seen });
        if on {
            let waits: Vec<PullId> = self.pulls_of(project);
            waits.into_iter().for_each(|pull| self.approve_by_itself(pull));
        }
        Ok(())
    }

    /// By whom a pull request that is checked and reviewed is approved without a person: by its policy, or by the switch of its class.
    pub(super) fn by_itself(&self, pull: &Pull, run: &Run) -> Option<Who> {
        use pilothouse_contract::run::Approval;
        if run.policy.approve == Approval::Policy {
            return Some(self.policy_of(run.id));
        }
        let on = self.fleet.projects.get(&pull.project)?.auto_land.contains(&class(pull));
        let weighed = pull.review.risk.as_ref().is_some_and(|it| it.head == pull.head);
        (on && weighed).then(|| auto_landed(class(pull)))
    }

    /// Whether a yes still counts. What is being landed lands.
    pub(super) fn yes_counts(&self, pull: &Pull) -> bool {
        let project = self.fleet.projects.get(&pull.project);
        pull.state == PullState::Landing || project.is_some_and(|it| yes_counts(it, pull))
    }

    fn after(&mut self, pull: PullId, what: Happened, asked: bool) {
        let event = Event::After { pull, what };
        if asked { self.emit(event) } else { self.engine(event) }
    }
}
