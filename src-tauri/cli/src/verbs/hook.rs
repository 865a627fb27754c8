//! `pilothouse hook …`: what programs inside sessions say to the engine. Quick and quiet, but for a question, which
//! waits for its answer as long as it takes.
//!
//! Refuses: starting an engine. Whoever is inside a session waits for a person to start it again.

use std::time::Duration;

use clap::Subcommand;
use pilothouse_client::{Client, FromFeed, Places};
use pilothouse_contract::audit::Shown;
use pilothouse_contract::card::Verdict;
use pilothouse_contract::question::Question;
use pilothouse_contract::session::MARK;
use pilothouse_contract::{Event, Fault, FaultCode, QuestionId, SessionId, ask};

use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::Out;

/// A lost engine is looked for after this long at first, and never more seldom than [`SELDOM`].
const SOON: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The fence refused a move of a ref
    RefRefused {
        /// The ref
        reference: String,
        /// Where it stood
        from: String,
        /// Where it was to go
        to: String,
    },
    /// Say of one requirement whether it is met, if you were asked to judge that
    Verdict {
        /// Its id, as FR-001
        requirement: String,
        /// met, or missing
        #[arg(value_parser = ["met", "missing"])]
        shown: String,
        /// The evidence that shows it, as e12,e15; or what is missing, in one sentence
        by: String,
    },
    /// Say what you found through a lens, if you were asked to refine a spec or to review a change; or that it showed nothing
    Finding {
        /// The lens
        lens: String,
        /// How bad it is: low to critical in a spec, P0 to P2 in a change; or nothing
        severity: String,
        /// What is missing or goes wrong; or what you looked at
        says: String,
        /// Where, as spec.md:12
        #[arg(long, default_value = "")]
        at: String,
        /// Text for the spec, or how to mend the change
        #[arg(long, default_value = "")]
        proposes: String,
        /// What happens by it
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Say what becomes of a finding on your spec or your change
    Settle {
        /// Its number
        finding: u32,
        /// accepted, or rejected; a finding on a change may be deferred
        #[arg(value_parser = ["accepted", "rejected", "deferred"])]
        verdict: String,
        /// What you change by it, why it is not so, or why it waits
        because: String,
        /// The entry that says so, if it is deferred
        #[arg(long, required_if_eq("verdict", "deferred"))]
        tracker: Option<String>,
    },
    /// Ask your person something and wait for the answer, which comes on standard output; exit 1 if none will come.
    /// The same words again wait on for the same answer
    Ask {
        /// What you want to know
        question: String,
        /// What may be answered, up to six times; without it, anything
        #[arg(long)]
        choice: Vec<String>,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    let session: SessionId = std::env::var(MARK).ok().and_then(|it| it.parse().ok()).ok_or_else(|| {
        Fault::refused("this is for programs inside a session of Pilothouse")
            .hint("agents of a run are in one, and whatever `pilothouse hold` starts")
    })?;
    let places = Places::find()?;
    match verb {
        Verb::RefRefused { reference, from, to } => {
            // An engine that does not run is not started for this.
            let mut client = Client::connect(&places).await?;
            client.call(ask::hook::RefRefused { session, reference, from, to }).await?;
            Ok(HOLDS)
        }
        Verb::Verdict { requirement, shown, by } => {
            let shown = if shown == "met" {
                let ids = by.split([',', ' ']).map(str::trim).filter(|it| !it.is_empty());
                let evidence =
                    ids.map(|it| it.parse().map_err(|_| no_evidence(it))).collect::<Result<_, _>>()?;
                Shown::Met { evidence }
            } else {
                Shown::Missing { why: by }
            };
            let mut client = Client::connect(&places).await?;
            client.call(ask::hook::Verdict { session, requirement, shown }).await?;
            Ok(HOLDS)
        }
        Verb::Finding { lens, severity, says, at, proposes, why } => {
            let mut client = Client::connect(&places).await?;
            client.call(ask::draft::Finding { session, lens, severity, says, at, proposes, why }).await?;
            Ok(HOLDS)
        }
        Verb::Settle { finding, verdict, because, tracker } => {
            let tracker = tracker.filter(|_| verdict == "deferred");
            let verdict = Verdict { accepted: verdict == "accepted", because };
            let mut client = Client::connect(&places).await?;
            client.call(ask::draft::Settle { session, finding, verdict, tracker }).await?;
            Ok(HOLDS)
        }
        Verb::Ask { question, choice } => {
            let asked = ask::hook::Ask { session, asks: question, choices: choice };
            say(&answered(&places, &asked).await?, out)
        }
    }
}

fn no_evidence(word: &str) -> Fault {
    Fault::refused(format!("'{word}' is no evidence: name it as in e12"))
}

fn say(question: &Question, out: Out) -> End {
    if let Some(why) = &question.withdrawn {
        out.value(question, |_| String::new());
        out.aside(&format!("{} was withdrawn: {why}", question.id));
        return Ok(does_not_hold());
    }
    out.value(question, |it| it.answer.as_ref().map(|it| it.text.clone()).unwrap_or_default());
    Ok(HOLDS)
}

/// Asks and waits, over deaths of the engine too: the same words again are the same question.
async fn answered(places: &Places, asked: &ask::hook::Ask) -> Result<Question, Fault> {
    let mut pause = SOON;
    loop {
        match answered_by_this_engine(places, asked, &mut pause).await {
            // Without its home there will be no engine, and nobody to answer.
            Err(fault) if fault.code == FaultCode::Unreachable && places.data.is_dir() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(SELDOM);
            }
            other => return other,
        }
    }
}

async fn answered_by_this_engine(
    places: &Places,
    asked: &ask::hook::Ask,
    pause: &mut Duration,
) -> Result<Question, Fault> {
    let mut client = Client::connect(places).await?;
    *pause = SOON;
    // Whatever settles the question after this number comes with the feed: nothing falls in between.
    let seq = client.call(ask::engine::Status {}).await?.seq;
    let id = client.call(asked.clone()).await?;
    let question = client.call(ask::hook::Answered { question: id }).await?;
    if !question.is_open() {
        return Ok(question);
    }
    let mut feed = client.subscribe(Some(seq)).await?;
    loop {
        if let FromFeed::Records(records) = feed.next().await?
            && records.iter().any(|it| settles(&it.event, id))
        {
            return Client::connect(places).await?.call(ask::hook::Answered { question: id }).await;
        }
    }
}

fn settles(event: &Event, id: QuestionId) -> bool {
    match event {
        Event::QuestionAnswered { question, .. } | Event::QuestionWithdrawn { question, .. } => {
            *question == id
        }
        _ => false,
    }
}
