//! `pilothouse pr …`: ours, and beside them those that forges tell of, each with the age of what is known.

use clap::Subcommand;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::ask::forge::ForgePage;
use pilothouse_contract::ask::pull::PullRow;
use pilothouse_contract::forge::ForgePull;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::review::Priority;
use pilothouse_contract::{At, Fault, PullId, ask, text};
use pilothouse_engine::ports::clock;
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::{change, forge, pr_publish, pr_review};
use crate::desk::{self, End, HOLDS, does_not_hold, id};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Pull requests and where they stand, ours and those of forges
    List {
        /// Only of this project
        project: Option<String>,
        /// Ask the forges now
        #[arg(long)]
        fresh: bool,
    },
    /// What, why, how verified, checks, and with --diff the change
    Show {
        /// Its id, or what a forge calls it: owner/name#7, or host/owner/name#7
        pull: String,
        /// Also the change
        #[arg(long)]
        diff: bool,
    },
    /// What it changes: all of it, its files alone, or rows of one file
    Diff {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        #[command(flatten)]
        look: change::Look,
    },
    /// Say yes to a pull request's present head; it lands once its checks passed
    Approve {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
    },
    /// Have somebody of another model family look at its present head
    Review {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// Who looks; whoever WORKFLOW.md names under review: and did not look yet, if none
        #[arg(long)]
        agent: Option<String>,
        /// Why it may be an agent of the author's own family
        #[arg(long, requires = "agent")]
        because: Option<String>,
    },
    /// Say what is to be changed; its author answers it like any other finding
    Comment {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// What is to be changed
        says: String,
        /// In which file
        #[arg(long, default_value = "")]
        path: String,
        /// In which line of it, as the head has it
        #[arg(long, default_value_t = 0, requires = "path")]
        line: u32,
        /// How much it matters: P0, P1 or P2
        #[arg(long, default_value = "P1", value_parser = pr_review::priority)]
        priority: Priority,
    },
    /// Answer a finding, once: by a commit of the change, by an entry that says when, or by a reason
    Answer {
        /// The id of the pull request
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// The finding's number
        finding: u32,
        /// In words: what was changed, why it waits, why it is not so
        says: String,
        /// It is mended by this commit
        #[arg(long, conflicts_with_all = ["tracker", "push_back"])]
        accept: Option<String>,
        /// It is mended later, as this entry says: an issue, or a line of a file
        #[arg(long, conflicts_with = "push_back")]
        tracker: Option<String>,
        /// It is not so, or does not matter
        #[arg(long)]
        push_back: bool,
    },
    /// Take back what it landed: opens a pull request that is checked and lands like any other
    Revert {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// Why
        because: String,
    },
    /// The checks that ran on a pull request of a forge, and with --log what one of them wrote
    Checks {
        /// What the forge calls it: owner/name#7, or host/owner/name#7
        pull: String,
        /// The log of the check of this name
        #[arg(long)]
        log: Option<String>,
    },
    /// Send it to the forge of its project: its head to a branch of its own, and a pull request there
    Publish {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// Send nothing, and show what would be sent
        #[arg(long)]
        dry_run: bool,
    },
    /// Land it now, or hear what is missing
    Land {
        /// Its id
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// Though a person holds the line; it is recorded and counted
        #[arg(long, requires = "why")]
        escape: bool,
        /// Why
        #[arg(long, requires = "escape")]
        why: Option<String>,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { project, fresh } => {
            let project = desk::maybe_project(project.as_ref()).await?.map(|it| it.id);
            if fresh {
                desk::call(ask::forge::Refresh { host: None }).await?;
            }
            let ours = desk::call(ask::pull::List { project }).await?;
            let page = desk::call(ask::forge::List { project }).await?;
            let all = All { ours: &ours, theirs: page.pulls.iter().map(|it| told(&page, it)).collect() };
            out.value(&all, |_| format!("{}{}", list(&ours), forge::pulls(&page)));
            Ok(HOLDS)
        }
        Verb::Show { pull, .. } if pull.contains('#') => {
            let page = desk::call(ask::forge::List { project: None }).await?;
            let it = told(&page, of_forge(&page, &pull)?);
            out.value(&it, |it| forge::pull(it.pull, it.known));
            Ok(HOLDS)
        }
        Verb::Show { pull, diff } => {
            let pull = id::<PullId>(&pull)
                .map_err(|why| Fault::missing(why).hint("a forge's is called owner/name#7"))?;
            let page = desk::call(ask::pull::Show { pull }).await?;
            out.value(&page, |page| page_of(page, diff));
            Ok(HOLDS)
        }
        Verb::Diff { pull, look } => {
            change::show(Of::Pull(pull), &look, out).await?;
            Ok(HOLDS)
        }
        Verb::Approve { pull } => {
            let pull = desk::call(ask::pull::Approve { pull, head: None }).await?;
            out.value(&pull, |it| {
                let says = format!(
                    "{} has your yes for {}. It is {}: {}",
                    it.id,
                    it.head.short(),
                    it.state.word(),
                    short(&it.why, 160)
                );
                says + &pr_review::open(it)
            });
            Ok(HOLDS)
        }
        Verb::Review { pull, agent, because } => {
            let pull = desk::call(ask::review::Ask { pull, agent, because }).await?;
            out.value(&pull, |it| format!("{}: {}", it.id, short(&it.review.says(), 200)));
            Ok(HOLDS)
        }
        Verb::Comment { pull, says, path, line, priority } => {
            let pull = desk::call(ask::review::Comment { pull, path, line, priority, says }).await?;
            out.value(&pull, |it| {
                let number = it.review.findings.last().map_or(0, |it| it.number);
                format!("Finding {number} on {}: {}", it.id, short(&it.review.says(), 200))
            });
            Ok(HOLDS)
        }
        Verb::Answer { pull, finding, says, accept, tracker, push_back } => {
            let reply = pr_review::reply(accept, tracker, push_back)?;
            let pull = desk::call(ask::review::Answer { pull, finding, reply, says }).await?;
            out.value(&pull, |it| format!("{}: {}", it.id, short(&it.review.says(), 200)));
            Ok(HOLDS)
        }
        Verb::Revert { pull, because } => {
            let run = desk::call(ask::after::TakeBack { pull, because }).await?;
            out.value(&run, |it| format!("{} takes back {pull}: pilothouse run show {}", it.id, it.id));
            Ok(HOLDS)
        }
        Verb::Checks { pull, log: None } => {
            let page = desk::call(ask::forge::List { project: None }).await?;
            let it = of_forge(&page, &pull)?;
            out.value(&it.checks, |_| forge::checks(it));
            Ok(HOLDS)
        }
        Verb::Checks { pull, log: Some(check) } => {
            let log = desk::call(ask::forge::Log { pull, check }).await?;
            out.value(&log, forge::log);
            Ok(HOLDS)
        }
        Verb::Publish { pull, dry_run } => {
            let page = desk::call(ask::forge::Publish { pull, dry: dry_run }).await?;
            out.value(&page, |it| if dry_run { pr_publish::would(it) } else { pr_publish::sent(it) });
            Ok(HOLDS)
        }
        Verb::Land { pull, why, .. } => {
            let pull = match why {
                Some(why) => desk::call(ask::pull::Escape { pull, why }).await?,
                None => desk::call(ask::pull::Land { pull }).await?,
            };
            out.value(&pull, |it| format!("{} is {}: {}", it.id, it.state.word(), short(&it.why, 200)));
            Ok(if matches!(pull.state, PullState::Landed { .. }) { HOLDS } else { does_not_hold() })
        }
    }
}

/// The one that a forge calls so.
fn of_forge<'a>(page: &'a ForgePage, pull: &str) -> Result<&'a ForgePull, Fault> {
    let found = page.pulls.iter().find(|it| it.name() == pull || it.full_name() == pull);
    found.ok_or_else(|| {
        Fault::missing(format!("no forge tells of an open pull request {pull}"))
            .command("see which there are", "pilothouse pr list --fresh")
    })
}

/// Ours and those of forges, in one list.
struct All<'a> {
    ours: &'a [PullRow],
    theirs: Vec<Told<'a>>,
}

impl Serialize for All<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut all = to.serialize_seq(Some(self.ours.len() + self.theirs.len()))?;
        self.ours.iter().try_for_each(|it| all.serialize_element(it))?;
        self.theirs.iter().try_for_each(|it| all.serialize_element(it))?;
        all.end()
    }
}

/// One of a forge, with the age of what is known of it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    pull: &'a ForgePull,
    known: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
    command: String,
}

fn told<'a>(page: &'a ForgePage, it: &'a ForgePull) -> Told<'a> {
    let reach = page.forges.iter().find(|reach| reach.host == it.host);
    let trouble = reach.and_then(|it| it.trouble.as_deref());
    Told { pull: it, known: reach.and_then(|it| it.known), trouble, command: it.command() }
}

fn list(pulls: &[PullRow]) -> String {
    if pulls.is_empty() {
        return "No pull requests yet.".to_owned();
    }
    let now = clock::now();
    let rows: Vec<Vec<String>> = pulls
        .iter()
        .map(|ask::pull::PullRow { pull: it, waits }| {
            let waits = waits.first().map(|it| format!("{} ({})", it.says, age(now, it.since)));
            vec![
                it.id.to_string(),
                it.state.word().to_owned(),
                it.review.risk.as_ref().map_or("-", |it| it.class.word()).to_owned(),
                it.review.unanswered().count().to_string(),
                format!("+{} -{}", it.size.added, it.size.removed),
                it.head.short().to_owned(),
                short(&it.title, 50),
                short(waits.as_ref().unwrap_or(&it.why), 110),
            ]
        })
        .collect();
    table(&["PR", "STATE", "RISK", "OPEN", "SIZE", "HEAD", "TITLE", "WAITS FOR"], &rows)
}

fn age(now: At, since: At) -> String {
    match now.since_ms(since) / 1000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

pub(super) fn page_of(page: &ask::pull::PullPage, diff: bool) -> String {
    let it = &page.pull;
    let mut says = format!(
        "{}: {}\n{}: {}\n{} into {}: {} commits, {} files, +{} -{}\n",
        it.id,
        short(&it.title, 100),
        it.state.word(),
        short(&it.why, 200),
        it.from.short(),
        it.onto.short(),
        it.commits,
        it.size.files,
        it.size.added,
        it.size.removed
    );
    if !page.waits.is_empty() {
        let now = clock::now();
        says.push_str("\nWaits for\n");
        for wait in &page.waits {
            let says_so = short(&wait.says, 160);
            says.push_str(&format!(
                "  - {says_so}, for {}\n      ends by: {}\n",
                age(now, wait.since),
                short(&wait.ends, 160)
            ));
        }
    }
    says.push_str("\nWhat\n");
    for line in &it.body.what {
        says.push_str(&format!("  - {}\n", short(line, 120)));
    }
    says.push_str(&format!("\nWhy\n  {}\n\nHow verified\n", short(&it.body.why, 600)));
    for line in &it.body.verified {
        says.push_str(&format!("  - {} [{}]\n", short(&line.says, 140), line.evidence));
    }
    says.push_str(&pr_review::show(page));
    says.push_str("\nChecks on the merge result\n");
    if let Some(result) = &it.result {
        says.push_str(&format!(
            "  {} on {}, tree {}\n",
            result.commit.short(),
            result.onto.short(),
            result.tree.short()
        ));
    }
    for check in &it.checks {
        let verdict = match check.passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "not run yet",
        };
        let evidence = check.evidence.map(|it| format!(" [{it}]")).unwrap_or_default();
        says.push_str(&format!("  - {verdict}: {}{evidence}\n", short(&check.command, 120)));
    }
    match &it.approval {
        Some(yes) => says.push_str(&format!("\nApproved by {} for {}\n", yes.by, yes.head.short())),
        None if !it.state.is_over() => {
            says.push_str(&format!("\nNobody said yes yet: pilothouse pr approve {}\n", it.id))
        }
        None => {}
    }
    says.push_str(&pr_publish::line(it));
    says.push_str(&pr_review::after(it));
    if diff {
        says.push('\n');
        says.push_str(&text::plain(&page.diff, true));
        if page.cut {
            says.push_str("\n(cut at 1 MiB)");
        }
    }
    says
}
