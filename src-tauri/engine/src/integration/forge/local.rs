//! Our own forge seen as any other: its open pull requests in the words of all forges, out of the fleet as it stood when it was asked.

use std::future::ready;

use pilothouse_contract::Fleet;
use pilothouse_contract::forge::{
    Capabilities, Check, CheckState, Decision, ForgePull, Merge, Queue, Review, Tip,
};
use pilothouse_contract::pull::{Pull, PullState};

use super::ask::{Asking, Forge, Reading};

/// Its host.
pub const HOST: &str = "local";

/// The local forge, as it stands.
#[derive(Debug, Clone)]
pub struct Local {
    open: Vec<ForgePull>,
}

impl Local {
    /// Out of a fleet.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        let open = fleet.pulls.values().filter(|it| !it.state.is_over());
        Self { open: open.map(|it| seen(fleet, it)).collect() }
    }

    fn told(&self, fits: impl Fn(&ForgePull) -> bool) -> Reading {
        Reading { pulls: self.open.iter().filter(|it| fits(it)).cloned().collect(), ..Reading::default() }
    }
}

impl Forge for Local {
    fn can(&self) -> Capabilities {
        Capabilities { queue: true, auto_merge: true, ..Capabilities::default() }
    }

    fn open<'a>(&'a self, repos: &'a [String]) -> Asking<'a, Reading> {
        Box::pin(ready(Ok(self.told(|it| repos.contains(&it.repo)))))
    }

    fn again<'a>(&'a self, ids: &'a [String]) -> Asking<'a, Reading> {
        Box::pin(ready(Ok(self.told(|it| ids.contains(&it.id)))))
    }
}

fn seen(fleet: &Fleet, it: &Pull) -> ForgePull {
    let project = fleet.projects.get(&it.project);
    let approved = it.approval.as_ref().filter(|_| it.is_approved());
    let checks: Vec<Check> = it
        .checks
        .iter()
        .map(|check| Check {
            name: check.command.clone(),
            state: match check.passed {
                None => CheckState::Pending,
                Some(true) => CheckState::Passed,
                Some(false) => CheckState::Failed,
            },
            url: None,
            run: None,
        })
        .collect();
    let waits = |reason: &str| Merge::Blocked { reasons: vec![reason.to_owned()] };
    ForgePull {
        host: HOST.to_owned(),
        repo: project.map(|it| it.name.clone()).unwrap_or_default(),
        number: u64::from(it.id.0),
        project: Some(it.project),
        id: it.id.to_string(),
        url: None,
        title: it.title.clone(),
        author: fleet.runs.get(&it.run).map(|it| it.id.to_string()).unwrap_or_default(),
        draft: false,
        head: Tip { name: it.from.short().to_owned(), oid: it.head.clone() },
        base: Tip {
            name: it.onto.short().to_owned(),
            oid: project.map_or_else(|| it.head.clone(), |it| it.main.clone()),
        },
        size: it.size,
        merge: match &it.state {
            PullState::Checking => Merge::Unknown,
            PullState::WaitsForApproval => waits("it has nobody's yes"),
            PullState::WaitsForCheckout { .. } => waits("the checkout of the default branch is in the way"),
            PullState::WaitsForLine => waits("the line is stopped"),
            _ => Merge::Clean,
        },
        checks_all: checks.len() as u64,
        checks,
        decision: if approved.is_some() { Decision::Approved } else { Decision::Required },
        reviews: approved
            .map(|yes| Review { by: yes.by.to_string(), says: "approved".to_owned() })
            .into_iter()
            .collect(),
        threads: Vec::new(),
        threads_all: 0,
        queue: (it.state == PullState::Landing).then(|| Queue {
            position: 1,
            state: "landing".to_owned(),
            seconds: None,
        }),
        by_queue: true,
        auto_merge: approved.is_some(),
        updated: it.moved,
        untold: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use pilothouse_contract::pull::{Body, PullApproval, PullCheck, Size};
    use pilothouse_contract::{At, EvidenceId, ItemId, Oid, ProjectId, PullId, RefName, RunId, Who};

    use super::*;

    fn pull(id: u32, state: PullState) -> Pull {
        Pull {
            id: PullId(id),
            project: ProjectId(1),
            item: ItemId(1),
            run: RunId(1),
            title: "Change".to_owned(),
            body: Body::default(),
            onto: RefName("refs/heads/main".to_owned()),
            from: RefName("refs/heads/work".to_owned()),
            head: Oid("a".repeat(40)),
            commits: 1,
            size: Size { files: 1, added: 2, removed: 3 },
            state,
            why: String::new(),
            result: None,
            checks: vec![
                PullCheck { command: "make".to_owned(), evidence: Some(EvidenceId(1)), passed: Some(true) },
                PullCheck { command: "make test".to_owned(), evidence: None, passed: None },
            ],
            checking: None,
            given_up: Vec::new(),
            queued: None,
            published: None,
            review: pilothouse_contract::review::Review::default(),
            approval: None,
            after: pilothouse_contract::after::After::default(),
            bounces: 0,
            opened: At(1),
            moved: At(2),
        }
    }

    #[test]
    fn ours_is_told_in_the_words_of_all_forges() {
        let mut fleet = Fleet::default();
        let yes = |head: &str| PullApproval {
            by: Who::Person("mona".to_owned()),
            head: Oid(head.repeat(40)),
            at: At(3),
        };
        let landed = PullState::Landed { commit: Oid("b".repeat(40)) };
        for it in [
            pull(1, PullState::Checking),
            pull(2, PullState::WaitsForApproval),
            Pull { approval: Some(yes("a")), ..pull(3, PullState::Landing) },
            Pull { approval: Some(yes("c")), ..pull(4, PullState::WaitsForLine) },
            pull(5, landed),
        ] {
            fleet.pulls.insert(it.id, it);
        }
        let forge = Local::of(&fleet);
        let told = forge.open(&[String::new()]).now_or_never().unwrap().unwrap();
        let all: Vec<_> = told
            .pulls
            .iter()
            .map(|it| (it.number, it.merge.words(), it.decision, it.queue.is_some()))
            .collect();
        let blocked = |why: &str| format!("blocked: {why}");
        assert_eq!(
            all,
            [
                (1, "not known yet".to_owned(), Decision::Required, false),
                (2, blocked("it has nobody's yes"), Decision::Required, false),
                (3, "may land".to_owned(), Decision::Approved, true),
                (4, blocked("the line is stopped"), Decision::Required, false),
            ],
            "what has landed is not open, and a yes to another head is none"
        );
        assert_eq!((told.pulls[0].tally(), told.pulls[0].head.name.as_str()), ((1, 0, 1), "work"));
        let again = forge.again(&["pr3".to_owned()]).now_or_never().unwrap().unwrap();
        assert_eq!(again.pulls.iter().map(|it| it.number).collect::<Vec<_>>(), [3]);
        assert!(forge.open(&["other".to_owned()]).now_or_never().unwrap().unwrap().pulls.is_empty());
        assert!(forge.can().queue && !forge.can().threads);
    }
}
