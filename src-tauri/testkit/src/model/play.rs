//! Where every agent session stands in the script, and which step its next request gets.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::answer::Answer;
use super::request::ModelRequest;
use super::script::{Failure, Scenario, Script};
use super::{Outcome, SeenRequest};

/// What a request without tools is answered: titles, summaries and probes are not part of a script.
const SIDE_TEXT: &str = "A side note of the scripted model.";
/// What is answered when nothing is left in the script.
const LAST_TEXT: &str = "The script has nothing more to say.";

/// The script in play, over all sessions of one server.
#[derive(Debug)]
pub(super) struct Play {
    script: Script,
    /// Part of every answer's id. It differs from start to start: a session that goes on with another server must
    /// not get the same ids again, because whoever counts its tokens counts by them.
    run: String,
    answers: u64,
    places: HashMap<String, Place>,
    seen: Vec<SeenRequest>,
}

/// Where one session stands.
#[derive(Debug, Default)]
struct Place {
    /// The scenario, by number.
    scenario: Option<usize>,
    /// The next step.
    step: usize,
    /// How many of that step's failures have been served.
    failures: usize,
    /// How many prompts the session had when it last asked; another number means that somebody spoke.
    prompts: usize,
    /// Whether the last answer had actions, so that the turn goes on.
    amid: bool,
}

/// What to send.
#[derive(Debug)]
pub(super) enum Reply {
    /// An answer of the model.
    Answer(Answer),
    /// An answer of the model that goes wrong.
    Spoilt(Answer, Failure),
    /// A refusal, in words.
    Refusal(String),
}

impl Play {
    pub(super) fn new(script: Script) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}", since_1970.as_micros());
        Self { script, run, answers: 0, places: HashMap::new(), seen: Vec::new() }
    }

    pub(super) fn seen(&self) -> &[SeenRequest] {
        &self.seen
    }

    /// Notes a request that never came to an answer.
    pub(super) fn note_refused(&mut self, why: String) {
        self.seen.push(SeenRequest {
            session: String::new(),
            scenario: None,
            step: None,
            prompt: String::new(),
            outcome: Outcome::Refused(why),
        });
    }

    /// Chooses the reply to a request and moves its session on.
    pub(super) fn reply(&mut self, request: &ModelRequest) -> Reply {
        self.answers += 1;
        let id = format!("{}_{:05}", self.run, self.answers);
        let mut seen = SeenRequest {
            session: request.session.clone(),
            scenario: None,
            step: None,
            prompt: request.prompt().chars().take(200).collect(),
            outcome: Outcome::Side,
        };
        let reply = if request.tools.is_empty() {
            Reply::Answer(Answer::plain(request, id, SIDE_TEXT))
        } else {
            self.step(request, id, &mut seen)
        };
        self.seen.push(seen);
        reply
    }

    fn step(&mut self, request: &ModelRequest, id: String, seen: &mut SeenRequest) -> Reply {
        let place = self.places.entry(request.session.clone()).or_default();
        place.listen(&self.script.scenarios, request);
        let scenario = place.scenario.and_then(|number| self.script.scenarios.get(number));
        seen.scenario = scenario.map(|scenario| scenario.name.clone());
        let Some(step) = scenario.and_then(|scenario| scenario.steps.get(place.step)) else {
            place.amid = false;
            seen.outcome = Outcome::Ended;
            return Reply::Answer(Answer::plain(request, id, LAST_TEXT));
        };
        seen.step = Some(place.step);
        let answer = match Answer::of(request, id, step) {
            Ok(answer) => answer,
            Err(why) => {
                seen.outcome = Outcome::Refused(why.clone());
                return Reply::Refusal(why);
            }
        };
        if let Some(failure) = step.fail.get(place.failures) {
            place.failures += 1;
            seen.outcome = Outcome::Failed(in_words(failure));
            return Reply::Spoilt(answer, failure.clone());
        }
        place.step += 1;
        place.failures = 0;
        place.amid = !step.actions.is_empty();
        seen.outcome = Outcome::Served;
        Reply::Answer(answer)
    }
}

impl Place {
    /// Chooses a scenario if somebody spoke since the last request. A request that is only tried again, or that
    /// brings tool results, changes nothing; a prompt that no scenario is waiting for goes on with the current one.
    fn listen(&mut self, scenarios: &[Scenario], request: &ModelRequest) {
        let spoke = request.prompts.len() != self.prompts;
        self.prompts = request.prompts.len();
        if !spoke {
            return;
        }
        let fits = |scenario: &Scenario| match &scenario.when {
            Some(pattern) => pattern.found_in(request.prompt()),
            // What is said in the middle of a turn is for that turn, unless a scenario waits for these very words.
            None => !self.amid,
        };
        let Some(chosen) = scenarios.iter().position(fits) else { return };
        if self.scenario != Some(chosen) {
            (self.scenario, self.step, self.failures) = (Some(chosen), 0, 0);
        }
    }
}

fn in_words(failure: &Failure) -> String {
    match failure {
        Failure::Status(failure) => format!("status {}", failure.status),
        Failure::Cut(failure) => format!("cut after {} events", failure.cut_after_events),
        Failure::Hang(failure) => format!("silent for {} ms", failure.hang_ms),
    }
}
