//! From an idea to a plan: an author drafts, somebody of another family refines until nothing of weight is found, the author plans. Each
//! session is a fresh one in a worktree of its own; what it left is read before anything follows from it.
//!
//! Refuses: to take a session's word for what its files say, and to let a family review itself without a reason that is kept.

mod gates;
mod said;

use pilothouse_contract::card::{
    Draft, Due, Excuse, Finding, Happened, Pass, Reading, Role, Sat, Sitting, Stage, Used, Verdict, Writer,
};
use pilothouse_contract::gate::SpecGate;
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::project::{Project, Trust};
use pilothouse_contract::run::{Policy, Run, RunState};
use pilothouse_contract::session::Ending;
use pilothouse_contract::spec::Spec;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{Event, Fault, ItemId, Oid, ProjectId, SessionId};

pub(crate) use gates::{is_under_way, red_checks};

use super::Work;
use super::effect::Effect;
use super::seat::Chair;
use crate::policy::family;

/// No refinement is followed by another one after so many.
pub const PASSES_MAX: usize = 4;
/// A session that leaves something undone is followed by a fresh one, up to so many for the same.
const ROUNDS_MAX: u32 = 2;
/// A plan takes more: what its gate says is told to whoever comes next.
const PLANS_MAX: u32 = 3;

/// Why something is so is said in so many signs.
pub(super) const BECAUSE_MAX: usize = 500;

/// What can happen to a draft, by people and by sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drafting {
    /// A person begins an item from an idea.
    Begin(Box<DraftFacts>),
    /// A person has it refined.
    Refine(Box<RefineFacts>),
    /// A session that refines says of a lens what it showed; nothing if that is nothing. Its number is given here.
    Says {
        /// Which session.
        session: SessionId,
        /// Through which lens.
        lens: String,
        /// What.
        found: Option<Finding>,
        /// What was looked at, if nothing was found.
        says: String,
    },
    /// The author of a spec says what becomes of a finding.
    Settles {
        /// Which session.
        session: SessionId,
        /// Its number.
        finding: u32,
        /// What.
        verdict: Verdict,
    },
    /// A person lets an item past a gate.
    Override {
        /// Which item.
        item: ItemId,
        /// Which gate.
        gate: SpecGate,
        /// The hash of the spec that they let past.
        tree: Oid,
        /// Why.
        because: String,
    },
}

/// Everything that a new item needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFacts {
    /// The project.
    pub project: ProjectId,
    /// Its short name, which is free.
    pub slug: String,
    /// The commit of the default branch that it is written on.
    pub base: Oid,
    /// What its skeleton says.
    pub spec: Spec,
    /// The draft; its head is the commit of the skeleton, which no branch need point to yet.
    pub draft: Draft,
}

/// Everything that a refinement needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefineFacts {
    /// The item.
    pub item: ItemId,
    /// Who refines.
    pub by: Writer,
    /// What its sessions are started under from now on.
    pub policy: Policy,
    /// What is looked through.
    pub lenses: Vec<String>,
    /// Why it may be one of the author's own family.
    pub because: Option<String>,
    /// Where its branch stands: at its head, or where somebody went on from there.
    pub tip: Oid,
    /// What an item that came with the repository is refined as, if it never was; its head is the default branch's commit.
    pub taken_up: Option<Box<Draft>>,
}

/// What was read of a session at a draft once it was over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DraftRead {
    /// What the session used.
    pub used: Used,
    /// What the draft is now.
    pub reading: Reading,
    /// The same as the engine's own reading of an item.
    pub spec: Spec,
}

impl Work<'_> {
    pub(super) fn drafting(&mut self, input: Drafting) -> Result<(), Fault> {
        match input {
            Drafting::Begin(facts) => self.begin_draft(*facts),
            Drafting::Refine(facts) => self.refine(*facts),
            Drafting::Says { session, lens, found, says } => self.refiner_says(session, &lens, found, &says),
            Drafting::Settles { session, finding, verdict } => self.author_settles(session, finding, verdict),
            Drafting::Override { item, gate, tree, because } => {
                self.override_gate(item, gate, tree, &because)
            }
        }
    }

    fn begin_draft(&mut self, facts: DraftFacts) -> Result<(), Fault> {
        let DraftFacts { project, slug, base, spec, draft } = facts;
        self.may_sit(&self.project(project)?.clone())?;
        if self.fleet.items.values().any(|it| it.project == project && it.slug == slug) {
            return Err(Fault::refused(format!("{slug} was taken this very moment")).hint("ask again"));
        }
        let id = self.fleet.next_item();
        let why = format!("begun from {}", draft.source.says());
        let item = Item { id, project, slug, state: ItemState::Drafting, why, base, spec, moved: self.now };
        self.emit(Event::ItemRead { item });
        self.emit(Event::Card { item: id, what: Happened::Begun { project, draft: Box::new(draft) } });
        self.sit(id, Due { role: Role::Draft, round: 1 });
        Ok(())
    }

    /// Whether agents may be started in a project.
    pub(super) fn may_sit(&self, project: &Project) -> Result<(), Fault> {
        if project.trust == Trust::Undecided {
            let says = format!("{} is not trusted yet, and agents run with your rights", project.name);
            return Err(Fault::refused(says).command(
                "look at what in it can run commands, and decide",
                format!("pilothouse project trust {}", project.name),
            ));
        }
        Ok(())
    }

    fn refine(&mut self, facts: RefineFacts) -> Result<(), Fault> {
        let item = self.item(facts.item)?.clone();
        self.may_sit(&self.project(item.project)?.clone())?;
        let known = self.draft(item.id).cloned();
        let begins = known.is_none();
        let draft = known
            .or_else(|| facts.taken_up.as_deref().cloned())
            .ok_or_else(|| Fault::bug("nobody said what is refined"))?;
        if let Some(run) = self.fleet.run_of(item.id).filter(|it| it.state.is_live()) {
            return Err(Fault::refused(format!(
                "{} is carried by {}: its spec is settled",
                item.slug, run.id
            )));
        }
        if !draft.stage.rests() {
            let says = format!("{} is {} already", item.slug, draft.stage.word());
            return Err(Fault::refused(says)
                .command("see where it stands", format!("pilothouse spec gate {}", item.slug)));
        }
        if let Some(left) = draft.unread.as_ref().filter(|it| !self.is_over(it.session)) {
            return Err(Fault::refused(format!("{} is still ending", left.session)).hint("ask again"));
        }
        if item.state == ItemState::Landed {
            return Err(Fault::refused(format!("{} has landed: its spec is settled", item.slug))
                .command("begin a new item", "pilothouse spec new"));
        }
        let excuse = self.excuse(&draft, &facts, &item.slug)?;
        if begins {
            let what = Happened::Begun { project: item.project, draft: Box::new(draft.clone()) };
            self.card(item.id, what, true);
        }
        let policy = Policy { agent: draft.author.agent.clone(), ..facts.policy };
        self.card(item.id, Happened::Taken { policy: Box::new(policy), lenses: facts.lenses.clone() }, true);
        if facts.tip != draft.head {
            self.card(item.id, Happened::Adopted { head: facts.tip.clone() }, true);
        }
        if let Some(left) = self.readable(&draft, &facts.tip) {
            let session = left.session;
            let stage = match left.due.role {
                Role::Draft => Stage::Drafting,
                Role::Refine | Role::Settle => Stage::Refining,
                Role::Plan => Stage::Planning,
            };
            self.move_draft(item.id, stage, &format!("what {session} left is read first"));
            let sitting = Sitting { due: Due { round: 1, ..left.due }, ..left };
            self.card(item.id, Happened::Sits { sitting }, false);
            self.effect(Effect::ReadDraft { item: item.id, session });
            return Ok(());
        }
        if draft.reading.is_none() && facts.tip == draft.head {
            // Its author never came to write it.
            self.move_draft(item.id, Stage::Drafting, "its draft is asked for anew");
            self.sit(item.id, Due { role: Role::Draft, round: 1 });
            return Ok(());
        }
        match draft.open_pass() {
            // What was found counts, whoever goes on.
            Some(pass) if !pass.findings.is_empty() || pass.by == facts.by => {
                let role = if pass.open_lenses().next().is_some() { Role::Refine } else { Role::Settle };
                let why = format!("refinement {} goes on", pass.number);
                self.move_draft(item.id, Stage::Refining, &why);
                self.sit(item.id, Due { role, round: 1 });
            }
            open => {
                if open.is_some() {
                    let what = Happened::PassEnded { after: facts.tip, diff: String::new() };
                    self.card(item.id, what, false);
                }
                self.begin_pass(item.id, facts.by, excuse);
            }
        }
        Ok(())
    }

    fn is_over(&self, session: SessionId) -> bool {
        self.fleet.sessions.get(&session).is_none_or(|it| it.end.is_some())
    }

    /// The session whose work is still to be read, if it can be: nobody went on elsewhere since, and its worktree stands.
    fn readable(&self, draft: &Draft, tip: &Oid) -> Option<Sitting> {
        let left = draft.unread.as_ref().filter(|it| it.base == draft.head && *tip == draft.head)?;
        // Who only looks leaves nothing in files.
        let written = left.due.role != Role::Refine;
        let stands = self.fleet.worktrees.get(&left.worktree).map(|it| &it.state);
        (written && stands == Some(&WorktreeState::Live)).then(|| left.clone())
    }

    /// Whether somebody may refine what an author wrote: of another family, or with a reason.
    fn excuse(&self, draft: &Draft, facts: &RefineFacts, slug: &str) -> Result<Option<Excuse>, Fault> {
        let by = &facts.by;
        let Some(why) = family::errs_alike(&draft.author, by) else { return Ok(None) };
        let because = facts.because.as_deref().map(str::trim).filter(|it| !it.is_empty());
        let Some(because) = because else {
            return Err(Fault::refused(format!("{slug} is not refined by that: {why}"))
                .hint("choose an agent of another family with --agent, or say an agent's family in WORKFLOW.md: agents.NAME.family")
                .command(
                    "or say why it may be all the same",
                    format!("pilothouse spec refine {slug} --agent {} --because REASON", by.agent.name),
                ));
        };
        let because = because.chars().take(BECAUSE_MAX).collect();
        Ok(Some(Excuse { by: self.who.clone(), because }))
    }

    fn begin_pass(&mut self, item: ItemId, by: Writer, excuse: Option<Excuse>) {
        let Some(draft) = self.draft(item).cloned() else { return };
        let number = u32::try_from(draft.passes.len() + 1).unwrap_or(u32::MAX);
        let pass = Pass {
            number,
            by,
            excuse,
            lenses: draft.lenses,
            before: draft.head,
            clear: Vec::new(),
            findings: Vec::new(),
            used: Used::default(),
            after: None,
            diff: String::new(),
            began: self.now,
            ended: None,
        };
        let why = format!("refinement {number}, by {}", pass.by.says());
        self.card(item, Happened::PassBegun { pass }, false);
        self.move_draft(item, Stage::Refining, &why);
        self.sit(item, Due { role: Role::Refine, round: 1 });
    }

    /// A fresh session sits down to a draft; once nothing is paused.
    fn sit(&mut self, item: ItemId, due: Due) {
        if self.fleet.halt.is_some() {
            self.card(item, Happened::Due { due }, false);
            return;
        }
        let Some(draft) = self.draft(item).cloned() else { return };
        let Some(project) = self.fleet.items.get(&item).map(|it| it.project) else { return };
        let (session, worktree) = (self.fleet.next_session(), self.fleet.next_worktree());
        let slug = self.fleet.slug_of(item);
        let Some(its) = self.fleet.projects.get(&project) else { return };
        let name = its.name.clone();
        // What was asked for long ago may have been forbidden since.
        let why = if its.removed {
            Some(format!("{name} was removed from the list"))
        } else {
            self.may_sit(its).err().map(|fault| fault.message)
        };
        if let Some(why) = why {
            self.move_draft(item, Stage::Stopped, &format!("nobody sits down to it: {why}"));
            return;
        }
        let folder = draft.branch.folder();
        let by = match (due.role, draft.open_pass()) {
            (Role::Refine, Some(pass)) => pass.by.clone(),
            _ => draft.author.clone(),
        };
        let title = match due.role {
            Role::Draft => format!("Draft of {slug}"),
            Role::Refine => format!("Refinement of {slug}"),
            Role::Settle => format!("Answers for {slug}"),
            Role::Plan => format!("Plan of {slug}"),
        };
        let argv = by.agent.command.clone();
        let sitting = Sitting { session, worktree, base: draft.head.clone(), due, by };
        self.card(item, Happened::Sits { sitting }, false);
        self.seat(Chair {
            session,
            worktree,
            project,
            run: None,
            pull: None,
            gate: None,
            path: format!("{name}/{slug}-{}-{session}", due.role.word()),
            branch: format!("{folder}/{}-{session}", due.role.word()),
            base: draft.head,
            title,
            argv,
            limits: draft.policy.limits,
        });
    }

    /// Sessions that were due while everything was paused sit down.
    pub(super) fn sit_those_due(&mut self) {
        let due = |it: &pilothouse_contract::card::Card| Some((it.item, it.draft.as_ref()?.due?));
        let all: Vec<(ItemId, Due)> = self.fleet.cards.values().filter_map(due).collect();
        for (item, due) in all {
            self.sit(item, due);
        }
    }

    /// The draft that a session sits at.
    pub(super) fn sitting(&self, session: SessionId) -> Option<(ItemId, Sitting)> {
        let of = |card: &pilothouse_contract::card::Card| {
            let sitting = card.draft.as_ref()?.sitting.as_ref()?;
            (sitting.session == session).then(|| (card.item, sitting.clone()))
        };
        self.fleet.cards.values().find_map(of)
    }

    /// A session at a draft ended. What it left is read first.
    pub(super) fn sitting_ended(&mut self, item: ItemId, session: SessionId, how: &Ending) {
        if let Ending::NotStarted { why } = how {
            let why = format!("its session could not be started: {why}");
            self.move_draft(item, Stage::Stopped, &why);
            return;
        }
        self.effect(Effect::ReadDraft { item, session });
    }

    /// A person ends a session at a draft: no other one follows behind their back.
    pub(super) fn stop_draft(&mut self, item: ItemId, session: SessionId) {
        let written = self.sitting(session).filter(|(_, it)| it.due.role != Role::Refine);
        let left =
            written.map(|(_, it)| format!("; what it left in {} is read when it goes on", it.worktree));
        let why = format!("{} ended {session}{}", self.who, left.unwrap_or_default());
        self.move_draft(item, Stage::Stopped, &why);
    }

    /// A session ended that was at a draft which stopped before. What an author left stays for its reading.
    pub(super) fn left_draft(&mut self, session: SessionId) {
        let mut unread = self.fleet.cards.values().filter_map(|it| it.draft.as_ref()?.unread.as_ref());
        let looked = |it: &&Sitting| it.session == session && it.due.role == Role::Refine;
        if let Some(worktree) = unread.find(looked).map(|it| it.worktree) {
            self.discard(worktree);
        }
    }

    pub(super) fn draft_read(
        &mut self,
        item: ItemId,
        session: SessionId,
        read: Result<Box<DraftRead>, String>,
    ) {
        let Some((_, sitting)) = self.sitting(session) else { return };
        let read = match read {
            Ok(read) => *read,
            Err(why) => {
                let mut why = format!("what its session left could not be read: {why}");
                if sitting.due.role == Role::Refine {
                    self.discard(sitting.worktree);
                } else {
                    why.push_str(&format!("; it lies in {}", sitting.worktree));
                }
                self.move_draft(item, Stage::Stopped, &why);
                return;
            }
        };
        let Some(before) = self.draft(item).cloned() else { return };
        let role = sitting.due.role;
        let by = sitting.by.agent.name.clone();
        let sat = Sat { session, role, by, used: read.used };
        self.card(item, Happened::Read { sat, reading: read.reading.clone() }, false);
        if role == Role::Refine {
            self.discard(sitting.worktree);
        } else {
            if let Some(earlier) = before.worktree.filter(|it| *it != sitting.worktree) {
                self.discard(earlier);
            }
            if let Some(known) = self.fleet.items.get(&item).cloned() {
                let base = read.reading.commit.clone();
                self.engine(Event::ItemRead {
                    item: Item { base, spec: read.spec, moved: self.now, ..known },
                });
            }
        }
        match role {
            Role::Draft => self.drafted(item, &sitting, &read.reading),
            Role::Refine => self.looked_through(item, &sitting),
            Role::Settle => self.answered(item, &sitting, &read.reading),
            Role::Plan => self.plan_read(item, &sitting, &read.reading),
        }
    }

    fn again(&mut self, item: ItemId, sitting: &Sitting, most: u32, why: &str) {
        let due = Due { round: sitting.due.round + 1, ..sitting.due };
        if due.round > most {
            self.move_draft(item, Stage::Stopped, why);
        } else {
            self.sit(item, due);
        }
    }

    fn drafted(&mut self, item: ItemId, sitting: &Sitting, reading: &Reading) {
        let nothing = reading.commit == sitting.base;
        let blocks = reading.blocks("G1");
        if nothing || (blocks.is_some() && sitting.due.round < ROUNDS_MAX) {
            let why = format!("{} ended and wrote nothing below its folder", sitting.by.says());
            self.again(item, sitting, ROUNDS_MAX, &why);
            return;
        }
        let why = match blocks {
            None => "its draft is written, and waits for its refinement".to_owned(),
            Some(first) => format!("its draft is written, and its shape does not hold yet: {first}"),
        };
        self.move_draft(item, Stage::Drafted, &why);
    }

    fn looked_through(&mut self, item: ItemId, sitting: &Sitting) {
        let Some(pass) = self.draft(item).and_then(Draft::open_pass).cloned() else { return };
        let open: Vec<&str> = pass.open_lenses().collect();
        if !open.is_empty() {
            let why = format!("its refiner ended without a word on {}", open.join(", "));
            self.again(item, sitting, ROUNDS_MAX, &why);
        } else if pass.findings.is_empty() {
            self.end_pass(item, pass.before, String::new());
        } else {
            self.sit(item, Due { role: Role::Settle, round: 1 });
        }
    }

    fn answered(&mut self, item: ItemId, sitting: &Sitting, reading: &Reading) {
        let Some(pass) = self.draft(item).and_then(Draft::open_pass).cloned() else { return };
        let open: Vec<String> = pass.unsettled().map(|it| it.number.to_string()).collect();
        if !open.is_empty() {
            let why = format!("its author ended without a verdict on the findings {}", open.join(", "));
            self.again(item, sitting, ROUNDS_MAX, &why);
        } else if pass.findings.iter().any(Finding::accepted) && reading.commit == pass.before {
            let why = "its author accepted findings and changed nothing by them";
            self.again(item, sitting, ROUNDS_MAX, why);
        } else {
            self.end_pass(item, reading.commit.clone(), reading.diff.clone());
        }
    }

    /// A pass is over: another one follows while something of weight was accepted, and then the plan.
    fn end_pass(&mut self, item: ItemId, after: Oid, diff: String) {
        self.card(item, Happened::PassEnded { after, diff }, false);
        let Some(draft) = self.draft(item).cloned() else { return };
        let Some(pass) = draft.passes.last() else { return };
        let made = draft.passes.len() - draft.earlier.min(draft.passes.len());
        if pass.weighty() > 0 && made < PASSES_MAX {
            self.begin_pass(item, pass.by.clone(), pass.excuse.clone());
            return;
        }
        let why = match pass.weighty() {
            0 => format!("refinement {} accepted nothing of medium or above", pass.number),
            n => format!(
                "{made} refinements are the most that are made: the last one still accepted {n} of weight"
            ),
        };
        self.move_draft(item, Stage::Refined, &why);
        self.move_draft(item, Stage::Planning, &format!("{why}; its plan is being written"));
        self.sit(item, Due { role: Role::Plan, round: 1 });
    }

    fn plan_read(&mut self, item: ItemId, sitting: &Sitting, reading: &Reading) {
        let lacks = reading.blocks("G5").or_else(|| reading.blocks("G1")).or_else(|| {
            let first = reading.scopeless.first()?;
            Some(format!("{first} names no Files, so nobody knows what it may write"))
        });
        match lacks {
            Some(why) => self.again(item, sitting, PLANS_MAX, &format!("its plan does not hold: {why}")),
            None => {
                let why = "each of its tasks has a scope, an order and a proof";
                self.move_draft(item, Stage::Planned, why);
            }
        }
    }

    /// The draft of an item that did not land: the default branch does not hold its spec.
    pub(super) fn unlanded(&self, item: ItemId) -> Option<&Draft> {
        let landed = |run: &Run| run.item == item && run.state == RunState::Landed;
        self.draft(item).filter(|_| !self.fleet.runs.values().any(landed))
    }

    pub(super) fn draft(&self, item: ItemId) -> Option<&Draft> {
        self.fleet.cards.get(&item)?.draft.as_ref()
    }

    fn move_draft(&mut self, item: ItemId, to: Stage, why: &str) {
        self.card(item, Happened::Moved { to, why: why.to_owned() }, false);
        let state = match to {
            Stage::Drafting | Stage::Drafted => ItemState::Drafting,
            Stage::Refining | Stage::Refined => ItemState::Refining,
            Stage::Planning => ItemState::Planning,
            Stage::Planned => ItemState::Planned,
            Stage::Stopped => ItemState::Parked,
        };
        self.move_item(item, state, why, &[]);
    }

    /// Writes down what happened to a card: by whoever asked for it, or by the engine's own rules.
    pub(super) fn card(&mut self, item: ItemId, what: Happened, asked: bool) {
        let event = Event::Card { item, what };
        if asked { self.emit(event) } else { self.engine(event) }
    }
}

/// A text that says something, cut.
pub(super) fn cut(says: &str, most: usize, else_says: &str) -> Result<String, Fault> {
    let says = says.trim();
    if says.is_empty() {
        return Err(Fault::refused(else_says.to_owned()));
    }
    Ok(says.chars().take(most).collect())
}
