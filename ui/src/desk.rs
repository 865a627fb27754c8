//! The desk: the mirror, the place, and what a person does. Deeds go to the engine; what comes of them is seen in the
//! mirror, never assumed. A fault stays until it is dismissed.

use std::collections::BTreeSet;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask;
use pilothouse_contract::attention::{Alarm, Deed};
use pilothouse_contract::board::{Strip, Subject};
use pilothouse_contract::{Call, Fault, ProjectId, Request};

use crate::ipc;
use crate::mirror::Mirror;
use crate::place::{Confirm, Overlay, Place, View};

/// A deed that can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// What was done.
    pub(crate) says: String,
    /// The call that undoes it.
    pub(crate) deed: Request,
}

/// Everything that a part of the page needs. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk {
    /// The fleet.
    pub(crate) mirror: Mirror,
    /// Where the window is.
    pub(crate) place: Place,
    /// The last fault, until it is dismissed.
    pub(crate) fault: RwSignal<Option<Fault>>,
    /// What is being done, in words.
    pub(crate) doing: RwSignal<Vec<(Request, String)>>,
    /// The last deed that can be undone.
    pub(crate) undo: RwSignal<Option<Undo>>,
    /// What agents read before they work.
    pub(crate) instructions: crate::instructions::Instructions,
    /// What happened while nobody was here.
    pub(crate) away: crate::brief::Away,
    /// What is looked at of a change.
    pub(crate) diff: crate::diff::Look,
    /// What the desk of specs and plans shows.
    pub(crate) specs: crate::specdesk::Specs,
    /// The alarms that are put off now.
    pub(crate) shelved: Memo<BTreeSet<String>>,
}

/// The desk of this page.
pub(crate) fn desk() -> Desk {
    expect_context()
}

impl Desk {
    /// Calls the engine, shows what is under way, and the fault if there is one.
    pub(crate) fn act(self, says: &str, request: Request) {
        self.act_then(says, request, |_, _| {});
    }

    /// The same, and goes on with the reply.
    pub(crate) fn act_then(self, says: &str, request: Request, then: impl FnOnce(Self, &[u8]) + 'static) {
        // Twice the same at once is once.
        if self.doing.with_untracked(|all| all.iter().any(|it| it.0 == request)) {
            return;
        }
        self.doing.update(|all| all.push((request.clone(), says.to_owned())));
        spawn_local(async move {
            let done = ipc::request(&request).await;
            self.doing.update(|all| all.retain(|it| it.0 != request));
            match done {
                Ok(reply) => {
                    let undo = undo_of(&request);
                    if undo.is_some() {
                        self.undo.set(undo);
                    }
                    then(self, &reply);
                }
                Err(fault) => self.fault.set(Some(fault)),
            }
        });
    }

    /// Does what an answer says.
    pub(crate) fn perform(self, label: &str, deed: &Deed) {
        match deed {
            Deed::Call(request) => match what_it_costs(request) {
                Some((asks, says)) => {
                    let deed = request.clone();
                    self.place.overlay.set(Some(Overlay::Confirm(Confirm {
                        asks,
                        says,
                        label: label.to_owned(),
                        deed,
                    })));
                }
                None => self.act(label, (**request).clone()),
            },
            Deed::Open(subject) => self.place.open_subject(subject.clone()),
            Deed::Reply(question) => self.place.overlay.set(Some(Overlay::Reply(*question))),
        }
    }

    /// The strips of the project that is shown.
    pub(crate) fn strips(self) -> Vec<Arc<Strip>> {
        let project = self.place.project.get();
        let filter = self.place.filter.get().to_lowercase();
        self.mirror.strips.with(|all| {
            all.iter()
                .filter(|it| project.is_none_or(|project| it.project == project))
                .filter(|it| {
                    filter.is_empty()
                        || it.title.to_lowercase().contains(&filter)
                        || it.call.to_lowercase().contains(&filter)
                        || it.why.to_lowercase().contains(&filter)
                })
                .cloned()
                .collect()
        })
    }

    /// The open alarms of the project that is shown, without those that were put off.
    pub(crate) fn alarms(self) -> Vec<Alarm> {
        let project = self.place.project.get();
        let family = self.place.family.get();
        let shelved = self.shelved.get();
        self.mirror.alarms.with(|all| {
            all.iter()
                .filter(|it| project.is_none() || it.project.is_none() || it.project == project)
                .filter(|it| family.is_none_or(|family| it.family == family))
                .filter(|it| !shelved.contains(&it.key))
                .cloned()
                .collect()
        })
    }

    /// Whether what is shown is of more than one project, so that it has to be said of which.
    pub(crate) fn among_several(self) -> bool {
        self.place.project.get().is_none() && self.mirror.fleet.with(|it| it.listed().nth(1).is_some())
    }

    /// A project's name.
    pub(crate) fn name_of(self, project: ProjectId) -> Option<String> {
        self.mirror.fleet.with(|it| it.projects.get(&project).map(|it| it.name.clone()))
    }

    /// How many alarms there are in other projects than the one that is shown.
    pub(crate) fn elsewhere(self) -> usize {
        let Some(project) = self.place.project.get() else { return 0 };
        let shelved = self.shelved.get();
        self.mirror.alarms.with(|all| {
            let other =
                |it: &&Alarm| it.project.is_some_and(|it| it != project) && !shelved.contains(&it.key);
            all.iter().filter(other).count()
        })
    }

    /// The most urgent alarm of a subject.
    pub(crate) fn alarm_of(self, subject: &Subject) -> Option<Alarm> {
        self.mirror.alarms.with(|all| all.iter().find(|it| it.subject.as_ref() == Some(subject)).cloned())
    }

    /// What the stage shows.
    pub(crate) fn on_stage(self) -> Option<Subject> {
        match self.place.view.get() {
            View::Pulls => self.place.pull.get(),
            View::Board => self.place.subject.get(),
            View::Desk => crate::specdesk::item(self),
            // What cannot be seen cannot be acted on.
            View::Worktrees | View::Trajectories | View::Wall | View::Brief | View::Instructions => None,
        }
    }

    /// The project of what the stage shows.
    pub(crate) fn project_on_stage(self) -> Option<ProjectId> {
        if self.place.view.get() == View::Desk {
            return self.place.desk.with(|it| it.as_ref().map(|it| it.project));
        }
        let subject = self.on_stage()?;
        self.mirror.fleet.with(|fleet| subject.project(fleet))
    }

    /// Undoes the last deed that can be undone.
    pub(crate) fn undo_last(self) {
        if let Some(undo) = self.undo.get_untracked() {
            self.undo.set(None);
            self.act("Undo", undo.deed);
        }
    }
}

/// What is asked once before a deed that cannot simply be taken back.
fn what_it_costs(request: &Request) -> Option<(String, String)> {
    Some(match request {
        Request::ProjectTakeBack(_) => (
            "Take the move back?".to_owned(),
            "The default branch goes back to where Pilothouse left it. What it pointed to is kept by a ref below refs/pilothouse/recovery.".to_owned(),
        ),
        Request::RunStop(ask::run::Stop { run }) => (
            format!("Stop {run}?"),
            "Its sessions are ended, and its pull request is sent back if it has one. Its worktrees and branches stay.".to_owned(),
        ),
        Request::SessionKill(ask::session::Kill { session }) => (
            format!("End {session}?"),
            "Everything it started is ended too, and its run is parked. What it wrote stays in its worktree.".to_owned(),
        ),
        _ => return None,
    })
}

fn undo_of(request: &Request) -> Option<Undo> {
    match request {
        Request::WorktreeRemove(ask::worktree::Remove { worktree }) => Some(Undo {
            says: format!("Removed {worktree}"),
            deed: ask::worktree::Undo { worktree: *worktree }.request(),
        }),
        _ => None,
    }
}
