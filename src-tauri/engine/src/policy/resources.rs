//! What a task takes by `Uses`: a name is one thing that one task has at a time, unless `resources:` of `WORKFLOW.md` says how
//! many there are of it.
//!
//! Refuses to guess: `simulator:2` is two of them only where `simulator` is declared; elsewhere it is a name like `port:5432`.

use std::collections::BTreeMap;

use pilothouse_contract::spec::TaskSpec;

/// What a task takes of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The resource.
    pub name: &'a str,
    /// How much of it.
    pub count: u32,
    /// How much of it there is.
    pub of: u32,
}

impl Need<'_> {
    /// Whether it is the same thing for every project of this machine: a port, or what says so.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        self.name.starts_with("port:") || self.name.starts_with("machine:")
    }
}

/// What one word of `Uses` takes.
#[must_use]
pub fn need<'a>(word: &'a str, declared: &BTreeMap<String, u32>) -> Need<'a> {
    let counted = word.rsplit_once(':').and_then(|(name, count)| {
        let count: u32 = count.parse().ok().filter(|it| *it > 0)?;
        Some(Need { name, count, of: *declared.get(name)? })
    });
    counted.unwrap_or_else(|| Need { name: word, count: 1, of: declared.get(word).copied().unwrap_or(1) })
}

/// What a task takes, each resource once.
#[must_use]
pub fn needs<'a>(task: &'a TaskSpec, declared: &BTreeMap<String, u32>) -> Vec<Need<'a>> {
    let mut all: Vec<Need<'a>> = Vec::new();
    for it in task.uses.iter().map(|word| need(word, declared)) {
        match all.iter_mut().find(|known| known.name == it.name) {
            // Naming one thing twice takes it once.
            Some(known) if declared.contains_key(it.name) => known.count += it.count,
            Some(_) => {}
            None => all.push(it),
        }
    }
    all
}

/// What a task takes more of than there is, and so would wait for without end.
#[must_use]
pub fn too_much<'a>(task: &'a TaskSpec, declared: &BTreeMap<String, u32>) -> Option<Need<'a>> {
    needs(task, declared).into_iter().find(|it| it.count > it.of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(uses: &[&str]) -> TaskSpec {
        TaskSpec { uses: uses.iter().map(|it| (*it).to_owned()).collect(), ..TaskSpec::default() }
    }

    #[test]
    fn a_number_counts_only_where_the_name_is_declared() {
        let declared = BTreeMap::from([("simulator".to_owned(), 2)]);
        let word = |word| need(word, &declared);
        assert_eq!(word("simulator"), Need { name: "simulator", count: 1, of: 2 });
        assert_eq!(word("simulator:2"), Need { name: "simulator", count: 2, of: 2 });
        assert_eq!(word("port:5432"), Need { name: "port:5432", count: 1, of: 1 });
        assert_eq!(word("db"), Need { name: "db", count: 1, of: 1 });
        assert!(word("port:5432").is_of_the_machine() && !word("db").is_of_the_machine());
    }

    #[test]
    fn the_same_name_twice_is_one_thing_or_two_of_many() {
        let declared = BTreeMap::from([("simulator".to_owned(), 2)]);
        assert_eq!(needs(&task(&["db", "db"]), &declared).len(), 1);
        assert_eq!(too_much(&task(&["db", "db"]), &declared), None);
        let twice = task(&["simulator:2", "simulator"]);
        assert_eq!(
            too_much(&twice, &declared).map(|it| (it.name, it.count, it.of)),
            Some(("simulator", 3, 2))
        );
    }
}
