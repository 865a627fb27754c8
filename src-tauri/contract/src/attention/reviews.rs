//! Pull requests whose review goes on only by a person: what keeps it, and what lets it go on.

use super::{Alarm, Deed, Family, Priority, answer, call};
use crate::ask;
use crate::board::Subject;
use crate::fleet::Fleet;
use crate::review::Stage;

pub(super) fn reviews(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for pull in fleet.pulls.values().filter(|it| !it.state.is_over()) {
        let Some(stands) = pull.review.stands.as_ref().filter(|it| it.stage == Stage::Person) else {
            continue;
        };
        // What is parked is asked about once, and a project that is off the list not at all.
        let Some(run) = fleet.runs.get(&pull.run).filter(|it| it.state.is_live()) else { continue };
        if fleet.projects.get(&pull.project).is_none_or(|it| it.removed) {
            continue;
        }
        let open = pull.review.unanswered().count();
        let mut answers = Vec::new();
        if open == 0 {
            let read = Some(pull.head.clone());
            answers.push(answer("Approve and land", call(ask::pull::Approve { pull: pull.id, head: read })));
        }
        answers.push(answer("Open", Deed::Open(Subject::Pull(pull.id))));
        // Only where somebody is left who did not look at just this: nobody looks twice.
        if pull.review.fresh(&run.policy.review).is_some() {
            let again = ask::review::Ask { pull: pull.id, agent: None, because: None };
            answers.push(answer("Review it once more", call(again)));
        }
        list.push(Alarm {
            key: format!("review {} {}", pull.id, stands.since.0),
            family: Family::NeedsYou,
            priority: Priority::P3,
            call: pull.id.to_string().to_uppercase(),
            subject: Some(Subject::Pull(pull.id)),
            project: Some(pull.project),
            since: stands.since,
            asks: match open {
                0 => format!("Is {} good enough to land?", pull.title),
                1 => "A finding waits for your answer".to_owned(),
                n => format!("{n} findings wait for your answer"),
            },
            says: stands.why.clone(),
            next: "It does not land meanwhile".to_owned(),
            answers,
        });
    }
}
