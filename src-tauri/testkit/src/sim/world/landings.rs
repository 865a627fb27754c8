//! What is wrong with what is to land in the simulated world, known beforehand: items that fail by themselves, pairs that break each
//! other, pairs whose texts clash. And whether the default branch is red, by what really passed and not by what is on record.

use pilothouse_contract::spec::Verify;

use super::*;

/// A command that holds for every tree on which nothing is wrong.
pub(in crate::sim) const ALL: &str = "all";

/// What is wrong, by the numbers of items.
#[derive(Debug, Default)]
pub(in crate::sim) struct Wrong {
    /// It is known, and nothing is by chance.
    pub(in crate::sim) is_known: bool,
    /// Those that fail wherever they are.
    pub(in crate::sim) bad: BTreeSet<u32>,
    /// Those that hold each by itself and not together.
    pub(in crate::sim) broken: BTreeSet<(u32, u32)>,
    /// Those whose texts clash, until one of them has the other one's.
    pub(in crate::sim) clash: BTreeSet<(u32, u32)>,
}

/// The numbers of the items that some marks hold work of.
fn items(marks: &Marks) -> BTreeSet<u32> {
    let of = |mark: &String| mark.strip_prefix('i')?.split_once('/')?.0.parse().ok();
    marks.iter().filter_map(of).collect()
}

impl World {
    /// Whether what some marks hold fails, whoever asks.
    pub(super) fn is_broken(&self, marks: &Marks) -> bool {
        let items = items(marks);
        self.wrong.bad.iter().any(|it| items.contains(it))
            || self.wrong.broken.iter().any(|(a, b)| items.contains(a) && items.contains(b))
    }

    /// Whether the texts of two commits clash.
    pub(super) fn clashes(&self, onto: &Oid, head: &Oid) -> bool {
        let (onto, head) = (items(&self.marks(onto)), items(&self.marks(head)));
        let one =
            |a: &u32, b: &u32| onto.contains(a) && !head.contains(a) && head.contains(b) && !onto.contains(b);
        self.wrong.clash.iter().any(|(a, b)| one(a, b) || one(b, a))
    }

    /// What did not pass on the tree that the default branch was moved to, of all that those want that came with the move.
    pub(super) fn red(&self, from: &Oid, to: &Oid, fleet: &Fleet) -> Vec<Breach> {
        let Some(tree) = self.tree_of(to) else { return Vec::new() };
        let (before, now) = (self.history(from), self.history(to));
        let came = fleet.pulls.values().filter(|it| now.contains(&it.head) && !before.contains(&it.head));
        let mut faults = Vec::new();
        for run in came.filter_map(|it| fleet.runs.get(&it.run)) {
            let mut wanted = run.policy.checks.clone();
            if wanted.is_empty() {
                let worked = run.tasks.iter().filter(|it| it.state != TaskState::Skipped);
                let proofs = worked.filter_map(|it| match &it.spec.verify {
                    Verify::Commands(commands) => Some(commands.clone()),
                    _ => None,
                });
                wanted = proofs.flatten().collect();
            }
            for command in wanted {
                if !self.green.contains(&(tree.clone(), command.clone())) {
                    let says = format!(
                        "the default branch is at {to} with {}, and `{command}` never passed there",
                        run.item
                    );
                    faults.push(BreachKind::Red.of(says));
                }
            }
        }
        faults
    }
}
