//! What comes beside the road in a simulation: notes, looks, questions and answers, a holder that is replaced, a machine that
//! slept, starts that are refused, worktrees that are gone. Each comes at any moment and is held against what it must not do: none
//! of it asks for an effect, says more than it is, or is told twice.

use pilothouse_contract::run::TouchKind;
use pilothouse_contract::spec::Remark;
use pilothouse_contract::worktree::WorktreeState;

use super::*;

/// Each of them comes in one of so many steps.
const ONE_IN: u32 = 60;
/// Who looks again within this long still looks.
const ONE_LOOK_MS: i64 = 5 * 60_000;

/// What was stored of it, and has to be found again at the end.
#[derive(Debug, Default)]
pub(super) struct Beside {
    notes: BTreeMap<RunId, Vec<String>>,
    /// Who holds a session since its holder was replaced.
    holders: BTreeMap<SessionId, u32>,
    /// Attempts whose worktree was gone before what they made was read.
    unread: BTreeSet<AttemptId>,
    count: u32,
}

impl Sim {
    /// One of them, now and then.
    pub(super) fn come_beside(&mut self) {
        match self.rng.u32(0..ONE_IN) {
            0 => self.note(),
            1 => self.peek(),
            2 => self.question(),
            3 => self.answer(),
            4 => self.replace_holder(),
            5 => self.sleep(),
            6 => self.start_refused(),
            7 => self.lose_worktree(),
            _ => {}
        }
    }

    /// Hands it in. Gives what was stored of it: nothing if it was refused, or waits for a disk with room.
    fn told(&mut self, input: Input, who: Who) -> Vec<Event> {
        let (records, next) = (self.journal.records.len(), self.journal.next);
        let says = format!("{input:?}");
        self.take(input, who, None);
        if self.journal.next != next {
            self.fault(BreachKind::Untrue, format!("an effect came of {says}"));
        }
        let new: Vec<Event> = self.journal.records.iter().skip(records).map(|it| it.event.clone()).collect();
        self.beside.count += u32::from(!new.is_empty());
        self.out.beside = self.beside.count;
        new
    }

    /// What was stored has to be all that, or nothing.
    fn expect(&mut self, what: &str, new: &[Event], fits: bool) {
        if !new.is_empty() && !fits {
            self.fault(BreachKind::Untrue, format!("{what} came to more or less than it is: {new:?}"));
        }
    }

    fn a_person() -> Who {
        Who::Person("sim".to_owned())
    }

    fn note(&mut self) {
        let Some(run) = self.rng.choice(self.journal.fleet.runs.keys()).copied() else { return };
        let text = format!("note {}", self.journal.records.len());
        let new = self.told(Input::NoteRun { run, text: text.clone() }, Self::a_person());
        let noted = |touch: &pilothouse_contract::run::Touch| touch.kind == TouchKind::Noted;
        let fits = matches!(&new[..], [Event::RunNoted { note, .. }, Event::RunTouched { touch, .. }]
            if note.text == text && noted(touch));
        self.expect("a note", &new, fits);
        if fits {
            self.beside.notes.entry(run).or_default().push(text);
        }
    }

    fn peek(&mut self) {
        let Some(session) = self.rng.choice(self.journal.fleet.sessions.keys()).copied() else { return };
        let at_work = |sim: &Self| {
            let it = sim.journal.fleet.sessions.get(&session);
            it.is_some_and(|it| it.kind == SessionKind::Agent && it.end.is_none())
        };
        let works = at_work(self);
        let new = self.told(Input::Peeked { session }, Self::a_person());
        let fits =
            matches!(&new[..], [Event::RunTouched { touch, .. }] if touch.kind == TouchKind::Peek && works);
        self.expect("a look", &new, fits);
    }

    fn question(&mut self) {
        let open = self.journal.fleet.sessions.values().filter(|it| it.end.is_none()).map(|it| it.id);
        let Some(session) = self.rng.choice(open.collect::<Vec<_>>()) else { return };
        let choices = vec!["yes".to_owned(), "no".to_owned()];
        let asks = format!("Question {}?", self.rng.u32(0..3));
        let ask = Input::AskQuestion { session, asks: asks.clone(), choices };
        let new = self.told(ask.clone(), Who::Session(session));
        self.expect("a question", &new, matches!(&new[..], [Event::QuestionAsked { .. }]));
        // Whoever lost the engine asks again in the same words.
        let again = self.told(ask, Who::Session(session));
        let known = self.journal.fleet.questions_of(session).filter(|it| it.asks == asks).count();
        if known > 1 || (!new.is_empty() && !again.is_empty()) {
            self.fault(BreachKind::Doubled, format!("session {session} asked the same {known} times"));
        }
    }

    fn answer(&mut self) {
        let Some(question) = self.rng.choice(self.journal.fleet.questions.keys()).copied() else { return };
        let was_open = self
            .journal
            .fleet
            .questions
            .get(&question)
            .is_some_and(pilothouse_contract::question::Question::is_open);
        let answer = Input::AnswerQuestion { question, text: "yes".to_owned() };
        let new = self.told(answer, Self::a_person());
        let fits = match &new[..] {
            [Event::QuestionAnswered { .. }, Event::RunTouched { touch, .. }] => {
                was_open && touch.kind == TouchKind::Answered
            }
            _ => false,
        };
        self.expect("an answer", &new, fits);
    }

    fn replace_holder(&mut self) {
        let held = |it: &&Session| it.kind == SessionKind::Agent && it.end.is_none() && it.running.is_some();
        let held = self.journal.fleet.sessions.values().filter(held).map(|it| it.id);
        let Some(session) = self.rng.choice(held.collect::<Vec<_>>()) else { return };
        let holder = self.rng.u32(100..1_000_000);
        let input = Input::HolderReplaced { session, holder, uncertain_bytes: Some(0) };
        let new = self.told(input, Who::Engine);
        let fits = matches!(&new[..], [Event::HolderReplaced { .. }]);
        self.expect("a holder that was replaced", &new, fits);
        if fits {
            self.beside.holders.insert(session, holder);
        } else {
            // It is told once the disk has room, unless the engine is killed before.
            self.beside.holders.remove(&session);
        }
    }

    fn sleep(&mut self) {
        // Rarely and not for long: else a life would mostly wait for the next day's window.
        if self.rng.u32(0..8) > 0 {
            return;
        }
        let ms = self.rng.i64(60_000..3_600_000);
        self.now = self.now.plus_ms(ms);
        let new = self.told(Input::MachineSlept { ms }, Who::Engine);
        self.expect("a sleep", &new, matches!(&new[..], [Event::MachineSlept { .. }]));
    }

    /// Whatever stands of the run: what is carried is not started again, and a spec with faults is not started at all.
    fn start_refused(&mut self) {
        let Some(run) = self.rng.choice(self.journal.fleet.runs.values()).cloned() else { return };
        let Some(Input::StartRun(mut facts)) = self.go_on(&run) else { return };
        if !run.state.is_live() {
            facts.spec.remarks.push(Remark {
                file: "tasks.md".to_owned(),
                line: 1,
                says: "it has a fault".to_owned(),
                blocking: true,
            });
        }
        let new = self.told(Input::StartRun(facts), Self::a_person());
        if !new.is_empty() {
            let says = format!("{} was started although it may not be: {new:?}", run.id);
            self.fault(BreachKind::Doubled, says);
        }
    }

    fn lose_worktree(&mut self) {
        if !self.world.chance(2) {
            return;
        }
        let live = self.journal.fleet.worktrees.values().filter(|it| it.state == WorktreeState::Live);
        let Some(it) = self.rng.choice(live.collect::<Vec<_>>()).cloned() else { return };
        self.world.lose(it.id);
        let attempt = it.attempt.and_then(|id| self.journal.fleet.attempts.get(&id));
        // What was read already is a commit, and needs no worktree any more; it may be on its way to be stored.
        let reads = |of: AttemptId| {
            let read = |it: &Effect| matches!(it, Effect::Read { attempt } if *attempt == of);
            self.in_hand.iter().any(|it| read(&it.0.effect)) || !self.stuck.is_empty()
        };
        let unread = attempt.filter(|it| !it.state.is_over() && it.candidate.is_none() && !reads(it.id));
        self.beside.unread.extend(unread.map(|it| it.id));
        let lost = Input::WorktreeLost { worktree: it.id, why: "somebody deleted it".to_owned() };
        let new = self.told(lost, Who::Engine);
        self.expect("a lost worktree", &new, matches!(&new[..], [Event::WorktreeGone { .. }]));
    }

    /// What must hold of it at the end.
    pub(super) fn beside_holds(&self) -> Vec<Breach> {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        for run in fleet.runs.values() {
            let told = self.beside.notes.get(&run.id).cloned().unwrap_or_default();
            let found: Vec<&str> = run.notes.iter().map(|it| it.text.as_str()).collect();
            let touched = run.touches.iter().filter(|it| it.kind == TouchKind::Noted).count();
            if found != told || touched != told.len() {
                faults.push(BreachKind::Lost.of(format!("{} was left {told:?} and has {found:?}", run.id)));
            }
            let mut looks: BTreeMap<Option<SessionId>, At> = BTreeMap::new();
            for touch in run.touches.iter().filter(|it| it.kind == TouchKind::Peek) {
                let before = looks.insert(touch.session, touch.at);
                if before.is_some_and(|before| touch.at.since_ms(before) < ONE_LOOK_MS) {
                    faults.push(BreachKind::Doubled.of(format!("{} counts one look twice", run.id)));
                }
            }
        }
        for it in fleet.questions.values() {
            if it.is_open() || (it.answer.is_some() && it.withdrawn.is_some()) {
                faults.push(BreachKind::UntypedEnd.of(format!("{} has no end, or two", it.id)));
            }
        }
        for (session, holder) in &self.beside.holders {
            let known = fleet.sessions.get(session).and_then(|it| it.running.as_ref()).map(|it| it.holder);
            if known != Some(*holder) {
                let says = format!("session {session} is held by {holder}, and by {known:?} it says");
                faults.push(BreachKind::Untrue.of(says));
            }
        }
        for attempt in &self.beside.unread {
            if fleet.attempts.get(attempt).is_some_and(|it| it.state == AttemptState::Merged) {
                let says = format!("{attempt} is merged, and its worktree was gone before it was read");
                faults.push(BreachKind::Untrue.of(says));
            }
        }
        faults
    }
}
