//! Drafts that go on only by a person: what stopped them, and what lets them go on.

use super::{Alarm, Deed, Family, Priority, answer, call};
use crate::ask;
use crate::board::Subject;
use crate::card::Stage;
use crate::fleet::Fleet;

pub(super) fn drafts(fleet: &Fleet, list: &mut Vec<Alarm>) {
    let drafts = fleet.cards.values().filter_map(|card| Some((card.item, card.draft.as_ref()?)));
    for (item, draft) in drafts.filter(|it| it.1.stage == Stage::Stopped) {
        let Some(it) = fleet.items.get(&item) else { continue };
        // What a run carries, or carried, is the run's to tell of.
        let listed = fleet.projects.get(&it.project).is_some_and(|it| !it.removed);
        if !listed || fleet.run_of(item).is_some() {
            continue;
        }
        let again = ask::draft::Refine { item, agent: None, lenses: Vec::new(), because: None };
        list.push(Alarm {
            key: format!("draft {item} {}", draft.moved.0),
            family: Family::Blocked,
            priority: Priority::P3,
            call: it.slug.clone(),
            subject: Some(Subject::Item(item)),
            project: Some(it.project),
            since: draft.moved,
            asks: "A draft stopped".to_owned(),
            says: draft.why.clone(),
            next: "Nobody goes on with it".to_owned(),
            answers: vec![
                answer("Let it go on", call(again)),
                answer("Open", Deed::Open(Subject::Item(item))),
            ],
        });
    }
}
