//! Items and their tasks.

use pilothouse_contract::item::Item;
use pilothouse_contract::run::{TaskRun, TaskState};
use pilothouse_contract::{Answer, Fault, Fleet, ItemId, ask};

use super::Desk;
use crate::coordination::schedule;

impl Desk {
    pub(super) fn item(&self, item: ItemId) -> Result<Item, Fault> {
        self.look(|fleet| fleet.items.get(&item).cloned(), || format!("there is no item {item}"))
    }
}

impl Answer<ask::item::List> for Desk {
    async fn answer(&self, call: ask::item::List) -> Result<Vec<Item>, Fault> {
        let listed = |fleet: &Fleet, it: &Item| {
            fleet.projects.get(&it.project).is_some_and(|project| !project.removed)
        };
        let fleet = self.engine.fleet();
        let items = fleet.items.values().filter(|it| listed(&fleet, it));
        Ok(items.filter(|it| call.project.is_none_or(|project| it.project == project)).cloned().collect())
    }
}

impl Answer<ask::item::Read> for Desk {
    async fn answer(&self, call: ask::item::Read) -> Result<Vec<Item>, Fault> {
        self.see_main(call.project).await?;
        let project = self.project(call.project)?;
        self.read_items(&project).await?;
        Ok(self.engine.fleet().items.values().filter(|it| it.project == call.project).cloned().collect())
    }
}

impl Answer<ask::item::Show> for Desk {
    async fn answer(&self, call: ask::item::Show) -> Result<ask::item::ItemPage, Fault> {
        let item = self.item(call.item)?;
        let fleet = self.engine.fleet();
        let runs: Vec<_> = fleet.runs.values().filter(|it| it.item == item.id).cloned().collect();
        let of_item = |run: pilothouse_contract::RunId| runs.iter().any(|it| it.id == run);
        Ok(ask::item::ItemPage {
            pulls: fleet.pulls.values().filter(|it| it.item == item.id).cloned().collect(),
            evidence: fleet.evidence.values().filter(|it| of_item(it.subject.run)).cloned().collect(),
            item,
            runs: runs.clone(),
        })
    }
}

impl Answer<ask::task::List> for Desk {
    async fn answer(&self, call: ask::task::List) -> Result<ask::task::Tasks, Fault> {
        let item = self.item(call.item)?;
        let fleet = self.engine.fleet();
        let run = fleet.run_of(item.id).cloned();
        let tasks = match &run {
            Some(run) => {
                let waits = schedule::waits(&fleet, run);
                let wait = |task: &TaskRun| {
                    waits.iter().find(|(id, _)| *id == task.spec.id).map(|(_, wait)| wait.clone())
                };
                run.tasks
                    .iter()
                    .map(|task| ask::task::TaskLine { wait: wait(task), task: task.clone() })
                    .collect()
            }
            None => item
                .spec
                .tasks
                .iter()
                .map(|spec| ask::task::TaskLine { wait: None, task: not_run(spec) })
                .collect(),
        };
        Ok(ask::task::Tasks {
            slug: item.slug,
            run: run.map(|it| it.id),
            phases: item.spec.phases,
            tasks,
            remarks: item.spec.remarks,
        })
    }
}

fn not_run(spec: &pilothouse_contract::spec::TaskSpec) -> TaskRun {
    let state = if spec.done { TaskState::DoneBefore } else { TaskState::Waiting };
    TaskRun { spec: spec.clone(), state, attempts: Vec::new(), failures: 0, rests: None, goes_on: None }
}
