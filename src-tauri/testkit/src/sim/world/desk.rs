//! What the person at the desk does in the made-up repository.

use super::*;

impl World {
    /// A person works on the default branch: what they do is there, with its tick.
    pub fn person_does(&mut self, names: &[String]) {
        let Some(onto) = self.main() else { return };
        let mut marks = self.marks(&onto);
        for name in names {
            marks.insert(name.clone());
            marks.insert(format!("tick {name}"));
        }
        self.by_hand += 1;
        marks.insert(format!("by hand {}", self.by_hand));
        let moved = self.commit(marks, vec![onto]);
        self.refs.insert(main_ref(), moved);
        self.moved_by = Some(("a person".to_owned(), None));
    }

    /// A person commits to an item branch.
    pub fn person_goes_on(&mut self, branch: &RefName) {
        let Some(onto) = self.refs.get(branch).cloned() else { return };
        let mut marks = self.marks(&onto);
        self.by_hand += 1;
        marks.insert(format!("by hand {}", self.by_hand));
        let moved = self.commit(marks, vec![onto]);
        self.refs.insert(branch.clone(), moved);
    }

    /// A person puts an item branch somewhere else, or deletes it.
    pub fn person_misplaces(&mut self, branch: &RefName) {
        if self.rng.bool() {
            self.refs.remove(branch);
        } else if let Some(main) = self.main() {
            self.refs.insert(branch.clone(), main);
        }
    }
}
