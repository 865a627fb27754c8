//! The made-up world of a simulation. Commits hold sets of marks instead of files. Performing an effect twice finds it
//! done, as the real executors do; what would be doubled all the same is counted and reported.

mod back;
mod checks;
mod desk;
mod judge;
mod landings;
mod made;
mod review;
mod sitting;

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Breach, BreachKind};
use super::trouble::lost;
use fastrand::Rng;
use pilothouse_contract::attempt::Candidate;
use pilothouse_contract::evidence::{Evidence, Gate, Verdict};
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::pull::{MergeResult, Pull, PullState};
use pilothouse_contract::run::TaskState;
use pilothouse_contract::session::{End, Ending, Running, Session, SessionKind};
use pilothouse_contract::window::Window;
use pilothouse_contract::worktree::Recovery;
use pilothouse_contract::{
    At, AttemptId, EvidenceId, Fault, Fleet, Oid, PullId, RefName, RunId, SessionId, WorktreeId,
};
use pilothouse_engine::coordination::{
    Advanced, CheckAsked, Checked, Effect, EffectKey, HeadChange, Input, Integrated, LandAsked, Landing,
    Measured, Merged, Outcome, PendingEffect,
};

/// The fuse of an agent whose context is full.
const FULL: Fuse = Fuse { minds: Minds::Context, spent: 170_000, limit: 160_000 };
/// The fuse of an agent that hangs.
const HUNG: Fuse = Fuse { minds: Minds::Silence, spent: 600, limit: 600 };

type Marks = BTreeSet<String>;

/// A commit.
#[derive(Debug)]
struct Object {
    marks: Marks,
    parents: Vec<Oid>,
    tree: Oid,
}

/// How an agent carries itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    Lies,
    Idles,
    Strays,
    Crashes,
    Hangs,
    MovesMain,
    Vanishes,
    Fills,
    Trespasses,
}

/// The world.
pub struct World {
    rng: Rng,
    objects: BTreeMap<Oid, Object>,
    refs: BTreeMap<RefName, Oid>,
    moved_by: Option<(String, Option<AttemptId>)>,
    /// Which effects started a session's program: more than one is a second start.
    starts: BTreeMap<SessionId, BTreeSet<EffectKey>>,
    told_to_end: BTreeSet<SessionId>,
    ended: BTreeMap<SessionId, Ending>,
    checks: BTreeMap<SessionId, Checked>,
    /// Under which id of its own each agent works.
    natives: BTreeMap<SessionId, String>,
    /// Which were to go on with a session, and did nothing.
    could_not_go_on: BTreeSet<SessionId>,
    worktrees: BTreeMap<WorktreeId, bool>,
    /// Worktrees that somebody else took away.
    lost: BTreeSet<WorktreeId>,
    manners: BTreeMap<AttemptId, Manner>,
    moves: BTreeMap<(RefName, Oid), u32>,
    checkout_dirty: bool,
    /// Checks that failed though they hold, each once.
    flaked: BTreeSet<(Oid, String)>,
    kind: bool,
    /// Which moved the default branch, from where, to where.
    landed: Vec<(PullId, Oid, Oid)>,
    faults: Vec<Breach>,
    /// What is wrong with what is to land.
    pub(super) wrong: landings::Wrong,
    /// On which trees which commands passed.
    green: BTreeSet<(Oid, String)>,
    /// Effects that failed.
    pub(super) failed: u32,
    /// Commits by hand.
    by_hand: u32,
    /// Where the default branch stood at the last look back, and pull requests that were held against it.
    floor: Option<Oid>,
    held: BTreeSet<PullId>,
    /// The commit before which everything is forgotten.
    cut: Option<Oid>,
    /// Commits that are kept and that one holds.
    below: BTreeSet<Oid>,
}

fn main_ref() -> RefName {
    RefName::branch("main")
}

/// The id that an agent's own session has if it goes on with no other.
fn own_id(session: SessionId) -> String {
    format!("own-{session}")
}

fn tree(marks: &Marks) -> Oid {
    Oid(format!("tree-{:016x}", hash(marks.iter().flat_map(|it| it.bytes().chain([0])))))
}

fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl World {
    /// A world with one commit.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: Rng::with_seed(seed ^ 0x5eed),
            objects: BTreeMap::new(),
            refs: BTreeMap::new(),
            moved_by: None,
            starts: BTreeMap::new(),
            told_to_end: BTreeSet::new(),
            ended: BTreeMap::new(),
            checks: BTreeMap::new(),
            natives: BTreeMap::new(),
            could_not_go_on: BTreeSet::new(),
            worktrees: BTreeMap::new(),
            lost: BTreeSet::new(),
            manners: BTreeMap::new(),
            moves: BTreeMap::new(),
            checkout_dirty: false,
            flaked: BTreeSet::new(),
            kind: false,
            landed: Vec::new(),
            faults: Vec::new(),
            wrong: landings::Wrong::default(),
            green: BTreeSet::new(),
            failed: 0,
            by_hand: 0,
            floor: None,
            held: BTreeSet::new(),
            cut: None,
            below: BTreeSet::new(),
        };
        let first = world.commit(Marks::new(), vec![]);
        world.refs.insert(main_ref(), first);
        world
    }

    /// Where the default branch stands.
    #[must_use]
    pub fn main(&self) -> Option<Oid> {
        self.refs.get(&main_ref()).cloned()
    }

    /// Where a branch stands.
    pub(super) fn stands_at(&self, branch: &RefName) -> Option<Oid> {
        self.refs.get(branch).cloned()
    }

    /// Where the default branch stands, and who moved it last.
    #[must_use]
    pub fn main_and_who(&self) -> (Option<Oid>, String, Option<AttemptId>) {
        let (named, attempt) = self.moved_by.clone().unwrap_or_default();
        (self.main(), named, attempt)
    }

    /// The tree of a commit.
    #[must_use]
    pub fn tree_of(&self, commit: &Oid) -> Option<Oid> {
        self.objects.get(commit).map(|it| it.tree.clone())
    }

    /// The person tidied the checkout.
    pub fn clean_checkout(&mut self) {
        self.checkout_dirty = false;
    }

    /// From now on every agent is honest.
    pub fn be_kind(&mut self) {
        self.kind = true;
    }

    /// One time in so many, while the world is not kind.
    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        !self.kind && self.rng.u32(0..one_in) == 0
    }

    /// Somebody else takes a worktree away.
    pub(super) fn lose(&mut self, worktree: WorktreeId) {
        self.lost.insert(worktree);
    }

    /// A session that has not ended ends so.
    pub(super) fn end(&mut self, session: SessionId, how: Ending) {
        self.ended.entry(session).or_insert(how);
    }

    /// Whether a session was told to end.
    #[must_use]
    pub fn was_told_to_end(&self, session: SessionId) -> bool {
        self.told_to_end.contains(&session)
    }

    /// What went wrong since it was last asked.
    pub fn take_faults(&mut self, fleet: &Fleet) -> Vec<Breach> {
        let mut faults = std::mem::take(&mut self.faults);
        for (pull, from, commit) in &std::mem::take(&mut self.landed) {
            faults.extend(self.red(from, commit, fleet));
            let Some(it) = fleet.pulls.get(pull) else { continue };
            let tree = self.tree_of(commit).unwrap_or_default();
            for check in &it.checks {
                let proven = fleet.evidence.values().any(|it| {
                    // A long life forgets marks of what has ended, and with them how a tree was called.
                    let same = it.tree == tree || it.commit == *commit;
                    it.gate == Gate::Landing && it.passed() && same && it.command == check.command
                });
                if !proven {
                    let says = format!("{pull} landed a tree on which `{}` did not pass", check.command);
                    faults.push(BreachKind::Untrue.of(says));
                }
            }
        }
        faults
    }

    fn history(&self, from: &Oid) -> Vec<Oid> {
        let mut seen = BTreeSet::new();
        let mut edge = vec![from.clone()];
        while let Some(next) = edge.pop() {
            if seen.insert(next.clone()) {
                edge.extend(self.objects.get(&next).map(|it| it.parents.clone()).unwrap_or_default());
            }
        }
        seen.into_iter().collect()
    }

    /// Whether a commit, not a merge, brings a mark.
    fn adds(&self, commit: &Oid, mark: &str) -> bool {
        let Some(Object { marks, parents, .. }) = self.objects.get(commit) else { return false };
        let [parent] = parents.as_slice() else { return false };
        marks.contains(mark) && self.objects.get(parent).is_some_and(|it| !it.marks.contains(mark))
    }

    fn commit(&mut self, marks: Marks, parents: Vec<Oid>) -> Oid {
        let names: Vec<String> = parents.iter().map(|it| it.0.clone()).collect();
        let bytes = marks.iter().map(String::as_str).chain(["with"]).chain(names.iter().map(String::as_str));
        let hash = hash(bytes.flat_map(|it| it.bytes().chain([0])));
        let oid = Oid(format!("{hash:016x}"));
        self.objects.insert(oid.clone(), Object { tree: tree(&marks), marks, parents });
        oid
    }

    fn marks(&self, commit: &Oid) -> Marks {
        self.objects.get(commit).map(|it| it.marks.clone()).unwrap_or_default()
    }

    fn descends(&self, from: &Oid, old: &Oid) -> bool {
        self.history(from).contains(old)
    }

    /// A session's program starts. Done again after a kill it is found started; asked for again it is a second program.
    fn start(&mut self, session: SessionId, by: EffectKey) {
        let starts = self.starts.entry(session).or_default();
        if starts.insert(by) && starts.len() > 1 {
            self.faults.push(
                BreachKind::Doubled.of(format!("session {session} was started {} times", starts.len())),
            );
        }
    }

    fn move_ref(&mut self, reference: RefName, to: Oid) {
        let count = self.moves.entry((reference.clone(), to.clone())).or_default();
        *count += 1;
        if *count > 1 {
            self.faults.push(BreachKind::Doubled.of(format!("{reference} was moved to {to} {count} times")));
        }
        self.refs.insert(reference, to);
    }

    fn manner(&mut self, attempt: AttemptId) -> Manner {
        let kind = self.kind;
        let roll = self.rng.u32(0..if self.wrong.is_known { 200 } else { 20 });
        *self.manners.entry(attempt).or_insert(if kind {
            Manner::Honest
        } else {
            match roll {
                0 => Manner::Lies,
                1 => Manner::Idles,
                2 => Manner::Strays,
                3 => Manner::Crashes,
                4 => Manner::Hangs,
                5 => Manner::MovesMain,
                6 => Manner::Vanishes,
                7 | 8 => Manner::Fills,
                9 => Manner::Trespasses,
                _ => Manner::Honest,
            }
        })
    }

    /// What a running session does next, if it is its time.
    pub fn session_step(&mut self, session: &Session, now: At) -> Option<Input> {
        let id = session.id;
        if let Some(how) = self.ended.get(&id).cloned() {
            let end = End { output_bytes: 1, ..End::of(now, how) };
            let did_nothing = self.could_not_go_on.contains(&id);
            return Some(Input::SessionEnded { session: id, end, did_nothing });
        }
        if session.kind != SessionKind::Agent {
            return None;
        }
        let attempt = session.attempt?;
        // Its program does not find what it is to go on with.
        let is_on = self.natives.get(&id).is_some_and(|native| *native != own_id(id));
        let did_nothing = is_on && self.chance(6);
        if did_nothing {
            self.could_not_go_on.insert(id);
        }
        let how = match self.manner(attempt) {
            _ if did_nothing => Ending::Exited { code: 1 },
            Manner::Fills => return Some(Input::FuseBlown { session: id, fuse: FULL }),
            Manner::Trespasses => {
                return Some(Input::PathsTouched { attempt, paths: vec!["specs/x".to_owned()] });
            }
            Manner::Hangs => return Some(Input::FuseBlown { session: id, fuse: HUNG }),
            Manner::Crashes => Ending::Exited { code: 1 },
            Manner::Vanishes => lost(),
            Manner::MovesMain => {
                let onto = self.main()?;
                let mut marks = self.marks(&onto);
                marks.insert(format!("outside by {attempt}"));
                let moved = self.commit(marks, vec![onto]);
                self.refs.insert(main_ref(), moved);
                self.moved_by = Some((format!("attempt {attempt}"), Some(attempt)));
                Ending::Exited { code: 0 }
            }
            _ => Ending::Exited { code: 0 },
        };
        self.ended.insert(id, how.clone());
        let end = End { output_bytes: 1, ..End::of(now, how) };
        Some(Input::SessionEnded { session: id, end, did_nothing })
    }

    /// Does what is asked, or finds it done.
    pub(super) fn really(&mut self, pending: &PendingEffect, fleet: &Fleet, now: At) -> Outcome {
        match &pending.effect {
            Effect::MakeBranch { run, at, adopt } => {
                let Some(run) = fleet.runs.get(run) else { return Outcome::Branch(Err("gone".to_owned())) };
                if let Some(stands) = self.refs.get(&run.branch).cloned()
                    && *adopt
                    && self.descends(&stands, at)
                {
                    return Outcome::Branch(Ok(stands));
                }
                self.refs.insert(run.branch.clone(), at.clone());
                Outcome::Branch(Ok(at.clone()))
            }
            Effect::TakeIn { head, main, .. } => {
                if self.rng.u32(0..30) == 0 && !self.kind {
                    return Outcome::TakenIn(Merged::Clash { paths: vec!["shared".to_owned()] });
                }
                let commit = if self.descends(head, main) {
                    head.clone()
                } else if self.descends(main, head) {
                    main.clone()
                } else {
                    let marks: Marks = self.marks(head).union(&self.marks(main)).cloned().collect();
                    self.commit(marks, vec![head.clone(), main.clone()])
                };
                let tree = self.tree_of(&commit).unwrap_or_default();
                let result = MergeResult { onto: head.clone(), head: main.clone(), commit, tree };
                Outcome::TakenIn(Merged::Made { result })
            }
            Effect::Prepare { attempt } => {
                let goes_on = fleet.attempts.get(attempt).filter(|it| it.continues.is_some());
                if let Some(it) = goes_on.filter(|it| self.worktrees.get(&it.worktree) != Some(&true)) {
                    // One that was ended meanwhile needs none, and nobody can help what somebody deleted.
                    if !it.state.is_over() && !self.lost.contains(&it.worktree) {
                        let says = format!("{attempt} goes on in {}, which is not there", it.worktree);
                        self.faults.push(BreachKind::Lost.of(says));
                    }
                    return Outcome::Prepared(Err("its worktree is not there".to_owned()));
                }
                if let Some(attempt) = fleet.attempts.get(attempt) {
                    self.worktrees.insert(attempt.worktree, true);
                }
                if self.rng.u32(0..40) == 0 && !self.kind {
                    return Outcome::Prepared(Err("the disk is full".to_owned()));
                }
                Outcome::Prepared(Ok("brief".to_owned()))
            }
            Effect::Launch { session } => {
                if self.judge_cannot_begin(*session, fleet) {
                    return Outcome::Launched(Err("its brief could not be written".to_owned()));
                }
                self.start(*session, pending.key);
                let native = self.sit_down(*session, fleet);
                Outcome::Launched(Ok(Running { holder: 1, pid: 2, at: now, native }))
            }
            Effect::Check(asked) => {
                self.start(asked.session, pending.key);
                Outcome::Checked(Box::new(self.check(asked, fleet, now)))
            }
            Effect::Read { attempt } => {
                let lost = fleet.attempts.get(attempt).is_some_and(|it| self.lost.contains(&it.worktree));
                let gone = || Err("its worktree is gone".to_owned());
                Outcome::Read(if lost { gone() } else { Ok(self.read(*attempt, fleet)) })
            }
            Effect::Integrate { attempt, head } => Outcome::Integrated(self.integrate(*attempt, head, fleet)),
            Effect::Advance { run, old, new, change } => {
                Outcome::Advanced(self.advance(*run, old, new, change, fleet))
            }
            Effect::WriteRecord { run, head } => {
                let mut marks = self.marks(head);
                if !marks.insert(format!("record {run}")) {
                    return Outcome::RecordWritten(Ok(head.clone()));
                }
                Outcome::RecordWritten(Ok(self.commit(marks, vec![head.clone()])))
            }
            Effect::Propose { head, .. } => {
                let patch = self.tree_of(head).map(|it| it.0).unwrap_or_default();
                Outcome::Proposed(Ok(Measured { commits: 1, patch, ..Measured::default() }))
            }
            Effect::Merge { onto, head, .. } => {
                let by_chance = !self.wrong.is_known && self.rng.u32(0..30) == 0 && !self.kind;
                if by_chance || self.clashes(onto, head) {
                    return Outcome::Merged(Merged::Clash { paths: vec!["shared".to_owned()] });
                }
                let marks: Marks = self.marks(onto).union(&self.marks(head)).cloned().collect();
                let tree = tree(&marks);
                let commit = self.commit(marks, vec![onto.clone(), head.clone()]);
                Outcome::Merged(Merged::Made {
                    result: MergeResult { onto: onto.clone(), head: head.clone(), commit, tree },
                })
            }
            Effect::Land { pull, old, new } => Outcome::Landing(self.land(*pull, old, new)),
            Effect::TakeBack { found, to, .. } => {
                let stands = self.main();
                if stands != *found && stands.as_ref() != Some(to) {
                    return Outcome::TakenBack(Err(Fault::refused("it was moved again")));
                }
                self.refs.insert(main_ref(), to.clone());
                Outcome::TakenBack(Ok(()))
            }
            Effect::EndSession { session } => {
                self.told_to_end.insert(*session);
                self.ended.entry(*session).or_insert(Ending::Signalled { signal: 15 });
                Outcome::Done
            }
            Effect::Rest { .. } => Outcome::Done,
            Effect::Wait { run, .. } => {
                let window = fleet.runs.get(run).and_then(|it| it.window.as_ref());
                Outcome::Waited(window.filter(|it| it.daily.is_some()).map(Window::a_day_later))
            }
            Effect::Discard { worktree } => Outcome::Discarded(self.discard(*worktree, fleet, now)),
            Effect::Restore { worktree } => {
                self.worktrees.insert(*worktree, true);
                Outcome::Restored(Ok(vec![]))
            }
            Effect::ReadDraft { .. } => Outcome::DraftRead(Err("nobody drafts here".to_owned())),
            Effect::ReadAnswer { pull, session } => {
                Outcome::AnswerRead(self.read_answer(*pull, *session, fleet))
            }
            // Nobody publishes here.
            Effect::Publish { .. } => Outcome::Published(Ok(None)),
            Effect::AskLanding { .. } => Outcome::LandAsked(Ok(LandAsked::Stale)),
            Effect::FetchLanded { .. } => Outcome::Fetched(Ok(())),
            Effect::LetGo { .. } => Outcome::LetGo(Ok(None)),
            Effect::DropBranch { branch, .. } => {
                self.refs.remove(branch);
                Outcome::Done
            }
        }
    }

    fn integrate(&mut self, attempt: AttemptId, head: &Oid, fleet: &Fleet) -> Integrated {
        let Some(it) = fleet.attempts.get(&attempt) else {
            return Integrated::Failed { why: "gone".to_owned() };
        };
        let Some(candidate) = it.candidate.clone() else {
            return Integrated::Failed { why: "gone".to_owned() };
        };
        let Some(run) = fleet.runs.get(&it.run) else { return Integrated::Failed { why: "gone".to_owned() } };
        if candidate.onto != *head && self.rng.u32(0..15) == 0 && !self.kind {
            return Integrated::Clash { paths: vec!["shared".to_owned()] };
        }
        let before = self.marks(&candidate.onto);
        let made: Marks = self.marks(&candidate.commit).difference(&before).cloned().collect();
        let marks: Marks = self.marks(head).union(&made).cloned().collect();
        let tree = tree(&marks);
        let commit = self.commit(marks.clone(), vec![head.clone()]);
        let mut ticked = marks;
        ticked.insert(format!("tick {}/{}", run.item, it.task));
        let tick = self.commit(ticked, vec![commit.clone()]);
        Integrated::Made {
            candidate: Candidate { onto: head.clone(), commit, tick: Some(tick), tree, ..candidate },
        }
    }

    fn advance(&mut self, run: RunId, old: &Oid, new: &Oid, change: &HeadChange, fleet: &Fleet) -> Advanced {
        let Some(run) = fleet.runs.get(&run) else { return Advanced::Failed { why: "gone".to_owned() } };
        let stands = self.refs.get(&run.branch).cloned();
        if stands.as_ref() == Some(new) {
            return Advanced::Moved;
        }
        if self.rng.u32(0..60) == 0 && !self.kind && matches!(change, HeadChange::Task { .. }) {
            return Advanced::Elsewhere { found: None, named: "somebody".to_owned() };
        }
        // Asked for twice, as after a pause in which it was asked for: whoever comes late finds that it went on from there.
        let late = run.head.as_ref().is_some_and(|head| head != old && self.descends(head, new));
        if stands.as_ref() != Some(old) && late {
            return Advanced::Elsewhere { found: stands, named: "somebody".to_owned() };
        }
        if stands.as_ref() != Some(old) {
            self.faults
                .push(BreachKind::Untrue.of(format!("{} stands at {stands:?} and not at {old}", run.branch)));
            return Advanced::Elsewhere { found: stands, named: "somebody".to_owned() };
        }
        self.move_ref(run.branch.clone(), new.clone());
        Advanced::Moved
    }

    fn land(&mut self, pull: PullId, old: &Oid, new: &Oid) -> Landing {
        let stands = self.main().unwrap_or_default();
        if stands == *new || self.descends(&stands, new) {
            return Landing::Landed;
        }
        if stands != *old {
            let (named, attempt) = self.moved_by.clone().unwrap_or_default();
            return Landing::Elsewhere { found: Some(stands), named, attempt, forward: false };
        }
        if !self.checkout_dirty && self.rng.u32(0..10) == 0 && !self.kind {
            self.checkout_dirty = true;
        }
        if self.checkout_dirty {
            return Landing::InTheWay {
                checkout: "/sim".to_owned(),
                paths: vec!["shared".to_owned()],
                says: String::new(),
            };
        }
        self.moved_by = None;
        self.move_ref(main_ref(), new.clone());
        if !self.descends(new, old) {
            let says = format!("{pull} took the default branch from {old} to {new}, which does not hold it");
            self.faults.push(BreachKind::Rewritten.of(says));
        }
        self.landed.push((pull, old.clone(), new.clone()));
        Landing::Landed
    }

    fn discard(&mut self, worktree: WorktreeId, fleet: &Fleet, now: At) -> Result<Recovery, Fault> {
        let tree = fleet.worktrees.get(&worktree);
        let owner = tree.and_then(|it| it.attempt).and_then(|id| fleet.attempts.get(&id));
        if owner.is_some_and(|it| !it.state.is_over()) {
            self.faults.push(BreachKind::Lost.of(format!("{worktree} was removed under its attempt")));
        }
        let task = owner.and_then(|it| fleet.runs.get(&it.run)?.task(&it.task));
        if task.is_some_and(|it| it.goes_on.is_some() && it.goes_on == owner.map(|it| it.id)) {
            let says = format!("{worktree} was removed, and the next try was to go on there");
            self.faults.push(BreachKind::Lost.of(says));
        }
        if self.lost.contains(&worktree) {
            return Err(Fault::environment("it is not there"));
        }
        self.worktrees.insert(worktree, false);
        Ok(Recovery {
            folder: String::new(),
            refs: vec![],
            head: Oid::default(),
            bundled: 0,
            at: now,
            until: now.plus_ms(60_000),
        })
    }
}
