//! What an open pull request waits for: each cause with its age and what ends it. One pure function of the fleet, so that the command
//! line and the window say the same.

use serde::{Deserialize, Serialize};

use crate::after::yes_counts;
use crate::fleet::Fleet;
use crate::ids::PullId;
use crate::project::Line;
use crate::published;
use crate::pull::{Pull, PullState};
use crate::review::Stage;
use crate::run::RunState;
use crate::session::SessionKind;
use crate::time::At;

/// One cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullWait {
    /// For what.
    #[serde(flatten)]
    pub on: On,
    /// In words.
    pub says: String,
    /// Since when.
    pub since: At,
    /// What ends it.
    pub ends: String,
}

/// What a pull request can wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "on")]
pub enum On {
    /// Its merge result is being made.
    Merge,
    /// A check of it runs.
    Check {
        /// Which, from 1.
        n: usize,
        /// Of how many.
        of: usize,
    },
    /// A check of it is asked for, and every worktree for checks of its project is taken.
    Worktree {
        /// How many there are.
        of: u32,
    },
    /// Those ahead of it in the queue.
    Queue {
        /// The one right ahead.
        behind: PullId,
        /// How many are ahead.
        ahead: usize,
    },
    /// Those ahead of it, with whose texts its own clash.
    Clash {
        /// Where.
        paths: Vec<String>,
    },
    /// Somebody's yes.
    Approval,
    /// Its review: whoever looks, or answers to so many findings.
    Review {
        /// How many are open.
        open: usize,
    },
    /// The line, which is stopped or held.
    Line,
    /// Changes in the checkout of the default branch.
    Checkout {
        /// The checkout.
        checkout: String,
        /// Where.
        paths: Vec<String>,
    },
    /// A person paused its run, or everything.
    Paused,
    /// Its run is parked: nothing of it goes on by itself.
    Parked,
    /// It is being landed.
    Landing,
    /// The forge that it is published at, which has not got its head, or is to land it.
    Forge {
        /// Its host.
        host: String,
    },
}

fn wait(on: On, since: At, says: String, ends: String) -> PullWait {
    PullWait { on, says, since, ends }
}

/// What an open pull request waits for, what a person can end first; nothing of one that is over.
#[must_use]
pub fn waits(fleet: &Fleet, pull: &Pull) -> Vec<PullWait> {
    let mut all = Vec::new();
    if pull.state.is_over() {
        return all;
    }
    // While its run is parked nothing else of ours that it waits for comes.
    if let Some(run) = fleet.runs.get(&pull.run).filter(|it| it.state == RunState::Parked) {
        let says = format!("{} is parked: {}", run.id, run.why);
        let ends = match run.takes_back {
            Some(back) => format!("pilothouse run stop {}, and pilothouse pr revert {back} WHY", run.id),
            None => {
                let item = fleet.items.get(&run.item).map(|it| it.slug.clone()).unwrap_or_default();
                format!("pilothouse run start {item}, or pilothouse run stop {}", run.id)
            }
        };
        all.push(wait(On::Parked, run.moved, says, ends));
        // What was asked of a forge comes all the same.
        all.extend(forge(fleet, pull).filter(|_| pull.published.is_some()));
        return all;
    }
    let is_approved = pull.is_approved();
    if !is_approved && pull.state == PullState::WaitsForApproval {
        let says = "nobody said yes yet".to_owned();
        all.push(wait(On::Approval, pull.moved, says, format!("pilothouse pr approve {}", pull.id)));
    }
    let counts = fleet.projects.get(&pull.project).is_none_or(|it| yes_counts(it, pull));
    if is_approved && !counts && pull.state != PullState::Landing {
        let says = "changes of its class do not land by themselves any more".to_owned();
        all.push(wait(On::Approval, pull.moved, says, format!("pilothouse pr approve {}", pull.id)));
    }
    all.extend(review(pull));
    if is_approved {
        all.extend(line(fleet, pull));
    }
    all.extend(paused(fleet, pull));
    all.extend(forge(fleet, pull));
    match &pull.state {
        PullState::WaitsForCheckout { checkout, paths } => {
            let on = On::Checkout { checkout: checkout.clone(), paths: paths.clone() };
            let ends = "commit, stash or undo them there; it lands by itself then".to_owned();
            all.push(wait(on, pull.moved, pull.why.clone(), ends));
        }
        PullState::Landing => {
            let says = "it is being landed".to_owned();
            all.push(wait(On::Landing, pull.moved, says, "its end, which is near".to_owned()));
        }
        _ => {
            all.extend(check(fleet, pull));
            all.extend(queue(fleet, pull));
        }
    }
    all
}

fn review(pull: &Pull) -> Option<PullWait> {
    let stands = pull.review.stands.as_ref()?;
    let open: Vec<String> = pull.review.unanswered().map(|it| it.number.to_string()).collect();
    let by_hand = format!("an answer to each: pilothouse pr answer {}", pull.id);
    let on = On::Review { open: open.len() };
    match stands.stage {
        Stage::Off | Stage::Done if open.is_empty() => None,
        Stage::Person if open.is_empty() => {
            let ends = format!("a yes, or another look: pilothouse pr review {} --agent NAME", pull.id);
            Some(wait(on, stands.since, stands.why.clone(), ends))
        }
        Stage::Reviewing | Stage::Answering => {
            let ends = if open.is_empty() { "the end of its session".to_owned() } else { by_hand };
            Some(wait(on, stands.since, stands.why.clone(), ends))
        }
        _ => {
            let says = format!("nobody answered what was found in it: {}", open.join(", "));
            Some(wait(on, stands.since, says, by_hand))
        }
    }
}

fn line(fleet: &Fleet, pull: &Pull) -> Vec<PullWait> {
    let Some(project) = fleet.projects.get(&pull.project) else { return Vec::new() };
    let mut all = Vec::new();
    if let Line::Stopped { named, at, .. } = &project.line {
        let says = format!("the line is stopped: {} was moved by {named}", project.default_branch.short());
        let ends = format!("pilothouse project adopt {0}, or pilothouse project take-back {0}", project.name);
        all.push(wait(On::Line, *at, says, ends));
    }
    if let Some(held) = project.held.as_ref().filter(|held| !pull.escapes(held)) {
        let says = format!("{} holds the line: {}", held.by, held.why);
        let ends = format!(
            "pilothouse line open {}, or for this one alone pilothouse pr land {} --escape --why WHY",
            project.name, pull.id
        );
        all.push(wait(On::Line, held.at, says, ends));
    }
    all
}

fn paused(fleet: &Fleet, pull: &Pull) -> Option<PullWait> {
    if let Some(halt) = &fleet.halt {
        let says = format!("{} paused everything", halt.by);
        return Some(wait(On::Paused, halt.at, says, "pilothouse run go-on".to_owned()));
    }
    let paused = fleet.runs.get(&pull.run)?.paused.as_ref()?;
    let says = format!("{} paused {}", paused.by, pull.run);
    Some(wait(On::Paused, paused.at, says, format!("pilothouse run go-on {}", pull.run)))
}

fn forge(fleet: &Fleet, pull: &Pull) -> Option<PullWait> {
    let by_hand = format!("pilothouse pr publish {}", pull.id);
    let Some(it) = &pull.published else {
        let says = "it lands by its forge, and is not published there".to_owned();
        let wanted = fleet.lands_there(pull) && pull.is_approved();
        return wanted.then(|| wait(On::Forge { host: String::new() }, pull.moved, says, by_hand));
    };
    let on = || On::Forge { host: it.host.clone() };
    if let Some(trouble) = &it.trouble {
        let ends =
            if trouble.again { format!("{} answers; it is tried again then", it.host) } else { by_hand };
        return Some(wait(on(), trouble.since, trouble.why.clone(), ends));
    }
    let landing = it.landing.as_ref()?;
    let says = format!("{}: {}", it.full_name(), landing.says);
    let ends = match landing.stage {
        published::Stage::Later => {
            format!("it may land there; it is looked at whenever {} is asked", it.host)
        }
        published::Stage::Asked | published::Stage::LettingGo | published::Stage::Merged { .. } => {
            "its end, which is near".to_owned()
        }
        published::Stage::Taken => format!("{} lands it, or throws it out", it.host),
    };
    Some(wait(on(), landing.since, says, ends))
}

fn check(fleet: &Fleet, pull: &Pull) -> Option<PullWait> {
    let making = pull.queued.as_ref().is_some_and(|it| it.making.is_some());
    if making || (pull.state == PullState::Checking && pull.result.is_none()) {
        let says = "its merge result is being made".to_owned();
        return Some(wait(On::Merge, pull.moved, says, "its end, which is near".to_owned()));
    }
    let session = pull.checking.and_then(|id| fleet.sessions.get(&id)).filter(|it| it.end.is_none())?;
    let slots = fleet.runs.get(&pull.run).map_or(1, |it| it.policy.slots).max(1);
    let open = fleet.sessions.values().filter(|it| {
        it.kind == SessionKind::Check
            && it.end.is_none()
            && it.project == session.project
            && it.id < session.id
    });
    // Nobody tells when a check comes to its turn; whoever was asked for first has it first.
    if open.count() >= slots as usize {
        let says = format!("all {slots} worktrees for checks of its project are taken");
        return Some(wait(
            On::Worktree { of: slots },
            session.asked,
            says,
            "the end of another check".to_owned(),
        ));
    }
    let command = session.argv.first().cloned().unwrap_or_default();
    let n = pull.checks.iter().position(|it| it.command == command).map_or(1, |it| it + 1);
    let of = pull.checks.len().max(n);
    let says = format!("check {n} of {of} runs: `{command}`");
    Some(wait(On::Check { n, of }, session.asked, says, "its end".to_owned()))
}

fn queue(fleet: &Fleet, pull: &Pull) -> Vec<PullWait> {
    let Some(queued) = &pull.queued else { return Vec::new() };
    let ahead = fleet.pulls.values().filter(|it| {
        it.project == pull.project
            && !it.state.is_over()
            && it.queued.as_ref().is_some_and(|it| it.turn < queued.turn)
    });
    let mut ahead: Vec<(u64, PullId)> =
        ahead.filter_map(|it| Some((it.queued.as_ref()?.turn, it.id))).collect();
    ahead.sort_unstable();
    let mut all = Vec::new();
    if let Some((_, behind)) = ahead.last().copied() {
        let n = ahead.len();
        let says = format!("{n} ahead of it in the queue, {behind} the last of them");
        let ends = format!("{behind} lands, or is sent back");
        all.push(wait(On::Queue { behind, ahead: n }, queued.since, says, ends));
    }
    if let Some(clash) = &queued.clash {
        let says = format!("its text clashes with what is ahead of it: {}", clash.paths.join(", "));
        let ends =
            "those ahead of it land, and it is sent back, or leave the queue, and it goes on".to_owned();
        all.push(wait(On::Clash { paths: clash.paths.clone() }, queued.since, says, ends));
    }
    all
}
