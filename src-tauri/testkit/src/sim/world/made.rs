//! What a simulated agent made of its task, as the engine reads it out of its worktree: what it was asked for, nothing, something
//! else besides, or a lie. Refuses to judge it.

use super::*;

impl World {
    pub(super) fn read(&mut self, attempt: AttemptId, fleet: &Fleet) -> Option<Candidate> {
        let it = fleet.attempts.get(&attempt)?;
        let run = fleet.runs.get(&it.run)?;
        let name = format!("{}/{}", run.item, it.task);
        let mut marks = self.marks(&it.base);
        let mut paths = vec![format!("item{}/{}", run.item.0, it.task)];
        match self.manner(attempt) {
            Manner::Idles => return None,
            Manner::Lies => marks.insert(format!("lie {name}")),
            Manner::Strays => {
                paths.push("elsewhere".to_owned());
                marks.insert(format!("stray {name}"));
                marks.insert(name)
            }
            _ => marks.insert(name),
        };
        if run.task(&it.task).is_some_and(|task| task.spec.files.is_none()) {
            // A task whose scope is not known cannot stray; it may write anything.
            marks.retain(|mark| !mark.starts_with("stray"));
        }
        let tree = tree(&marks);
        let commit = self.commit(marks, vec![it.base.clone()]);
        Some(Candidate {
            onto: it.base.clone(),
            commit,
            tick: None,
            tree,
            paths,
            lines: 1,
            patch: "patch".to_owned(),
        })
    }
}
