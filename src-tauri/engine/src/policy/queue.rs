//! The merge queue: what is checked next, what may land, who is refused. One pure function, [`plan`], from the state of a
//! chain of candidates to what follows; the same state gives the same answer.
//!
//! Each entry is merged onto the one before it, the first onto the default branch. A candidate that passes its checks takes
//! all before it along: its tree holds them. As many checks as may run at once stand at the ends of batches, each on top of
//! the last (a speculative window). A batch is as large as lets about seven of ten pass, by how many entries failed lately.
//! Where a batch fails it is cut in place until one entry is left, and that one is checked once more before it is refused.
//! A single entry that fails on top of others that are not known to be good is set aside meanwhile: those behind it go on
//! without it, and none of them lands before it was decided.
//!
//! Refuses: to let anything land but a candidate whose very checks passed; to refuse an entry while another one that is not
//! known to be good stands below it.

/// About seven of ten batches of this many, divided by how many of all entries fail, pass.
const BATCH: f64 = 0.35;
/// Before anybody knows better: one of so many entries fails.
const PRIOR: f64 = 20.0;
/// So many of the last entries tell how many fail.
pub const RESULTS: usize = 50;

/// The merge of an entry with what is ahead of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<C> {
    /// What it was made on: the candidate before it, or the default branch.
    pub onto: C,
    /// The commit.
    pub commit: C,
}

/// How the checks of a candidate stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks {
    /// They run.
    pub running: bool,
    /// They all passed: on this tree, whoever asked.
    pub passed: bool,
    /// So often they failed.
    pub failed: u32,
}

/// Somebody in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<K, C> {
    /// Who.
    pub key: K,
    /// Its newest candidate, if one was made.
    pub candidate: Option<Candidate<C>>,
    /// A candidate is being made on that.
    pub making: Option<C>,
    /// It could not be merged with that, for texts clash.
    pub clash: Option<C>,
    /// The checks of its candidate.
    pub checks: Checks,
}

/// The state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue<K, C> {
    /// Where the default branch stands.
    pub main: C,
    /// Who is in it, the first one first.
    pub entries: Vec<Entry<K, C>>,
    /// Whether the last entries landed, the newest last; the others were refused for their checks.
    pub results: Vec<bool>,
    /// So many checks may run at once.
    pub parallel: usize,
    /// So many entries at most share one check.
    pub batch: usize,
    /// So often the check of an entry by itself may fail before it is refused.
    pub tries: u32,
    /// A landing is under way: the next one has to wait for its end.
    pub landing: bool,
}

/// Why an entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its text clashes with the default branch.
    Clash,
    /// The checks failed on its candidate, and all below it is known to be good.
    Checks,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<K, C> {
    /// The checks that run for its candidate tell nothing any more.
    GiveUp(K),
    /// It is sent back.
    Refuse(K, Refusal),
    /// Its candidate is made on that.
    Make(K, C),
    /// The checks of its candidate are begun, or begun again.
    Check(K),
    /// The default branch moves to its candidate: it and all of them ahead of it land.
    Land(K),
}

/// How large a batch may be by what came of the last entries.
#[must_use]
pub fn batch_of(results: &[bool], most: usize) -> usize {
    let last = results.get(results.len().saturating_sub(RESULTS)..).unwrap_or_default();
    let bad = last.iter().filter(|landed| !**landed).count();
    let p = (bad as f64 + 1.0) / (last.len() as f64 + PRIOR);
    // At least one and no more than anybody wants, so that it fits.
    (BATCH / p).round().clamp(1.0, most.max(1) as f64) as usize
}

/// The chain as it stands: those that are in it, by their places among the entries.
#[derive(Debug)]
struct Chain<C> {
    links: Vec<usize>,
    tip: C,
    /// Set aside, and nothing below them is unknown: they are checked once more.
    again: Vec<usize>,
    /// The chain has to end before whoever was set aside first; so many links may land.
    lands: Option<usize>,
    /// Who has no candidate on the tip yet.
    wants: Option<usize>,
    /// It is being made.
    making: bool,
    /// The last link failed, with others before it that nobody checked by themselves.
    failed: bool,
}

/// What follows from the state of a queue. Steps are to be done in their order; the answer to the state after them may
/// hold more.
#[must_use]
pub fn plan<K: Copy + PartialEq, C: Clone + PartialEq>(queue: &Queue<K, C>) -> Vec<Step<K, C>> {
    let chain = match walk(queue) {
        Ok(chain) => chain,
        Err(refuse) => return vec![refuse],
    };
    let at = |link: usize| chain.links.get(link).and_then(|place| queue.entries.get(*place));
    let checks = |link: usize| at(link).map(|it| it.checks).unwrap_or_default();
    let mut steps = Vec::new();
    // The last of those that passed holds all before it.
    let passed = (0..chain.links.len()).rev().find(|link| checks(*link).passed);
    let may_land = passed.filter(|_| !queue.landing).and_then(|last| {
        let most = chain.lands.unwrap_or(usize::MAX);
        (0..=last).rev().find(|link| *link < most && checks(*link).passed)
    });
    if let Some(entry) = may_land.and_then(at) {
        steps.push(Step::Land(entry.key));
    }
    let low = passed.map_or(0, |it| it + 1);
    let high = if chain.failed { chain.links.len() - 1 } else { chain.links.len() };
    // What those that land now were checked for by themselves tells nothing any more. Where none may land yet it does: it
    // tells of whoever was set aside.
    let moot = |link: usize| may_land.is_some_and(|it| link <= it) || link >= high;
    let (mut running, mut busy) = (Vec::new(), 0);
    for (place, entry) in queue.entries.iter().enumerate().filter(|(_, it)| it.checks.running) {
        match chain.links.iter().position(|it| *it == place) {
            None if chain.again.contains(&place) => busy += 1,
            Some(link) if !moot(link) => {
                busy += 1;
                running.extend((link >= low).then_some(link));
            }
            _ => steps.push(Step::GiveUp(entry.key)),
        }
    }
    let again: Vec<_> = chain.again.iter().filter_map(|it| queue.entries.get(*it)).collect();
    let mut free = queue.parallel.max(1).saturating_sub(busy);
    for entry in again.into_iter().filter(|it| !it.checks.running) {
        if free > 0 {
            free -= 1;
            steps.push(Step::Check(entry.key));
        }
    }
    let begin = if chain.failed {
        cuts(low, high, &running, free)
    } else {
        let (begin, more) = window(queue, &chain, low, &running, free);
        let wants = chain.wants.filter(|_| more && !chain.making);
        if let Some(entry) = wants.and_then(|it| queue.entries.get(it)) {
            steps.push(Step::Make(entry.key, chain.tip.clone()));
        }
        begin
    };
    steps.extend(begin.into_iter().filter_map(at).map(|it| Step::Check(it.key)));
    steps
}

/// Walks along the entries: who is on the chain, who is set aside, who has no candidate yet. Or whom there is to refuse, after
/// which the chain is another one.
fn walk<K: Copy + PartialEq, C: Clone + PartialEq>(queue: &Queue<K, C>) -> Result<Chain<C>, Step<K, C>> {
    let mut chain = Chain {
        links: Vec::new(),
        tip: queue.main.clone(),
        again: Vec::new(),
        lands: None,
        wants: None,
        making: false,
        failed: false,
    };
    for (place, entry) in queue.entries.iter().enumerate() {
        if entry.clash.as_ref() == Some(&chain.tip) {
            if chain.tip == queue.main {
                return Err(Step::Refuse(entry.key, Refusal::Clash));
            }
            // Whoever it clashes with is ahead of it: once they have landed or left it is known with what.
            continue;
        }
        let Some(candidate) = entry.candidate.as_ref().filter(|it| it.onto == chain.tip) else {
            // It is made, and then those behind it are.
            chain.wants = Some(place);
            chain.making = entry.making.as_ref() == Some(&chain.tip);
            return Ok(chain);
        };
        if entry.checks.passed || entry.checks.failed == 0 {
            chain.links.push(place);
            chain.tip = candidate.commit.clone();
            continue;
        }
        let before = chain.links.last().and_then(|it| queue.entries.get(*it)).map(|it| it.checks);
        match before {
            // It is all that failed: below it is what is known to be good,
            None | Some(Checks { passed: true, .. }) => {
                if entry.checks.failed >= queue.tries.max(1) && !entry.checks.running {
                    return Err(Step::Refuse(entry.key, Refusal::Checks));
                }
                chain.again.push(place);
                chain.lands.get_or_insert(chain.links.len());
            }
            // or what is being found out,
            Some(Checks { running: true, .. }) => {
                chain.lands.get_or_insert(chain.links.len());
            }
            // or others of the same batch.
            Some(_) => {
                chain.links.push(place);
                chain.failed = true;
                return Ok(chain);
            }
        }
    }
    Ok(chain)
}

/// The ends of the next batches, as many as may be checked; and whether there should be more links than there are.
fn window<K, C>(
    queue: &Queue<K, C>,
    chain: &Chain<C>,
    low: usize,
    running: &[usize],
    free: usize,
) -> (Vec<usize>, bool) {
    let batch = batch_of(&queue.results, queue.batch);
    let mut begin = Vec::new();
    let mut next = running.iter().max().map_or(low, |it| it + 1);
    // While the next link is being made it is waited for: it takes milliseconds, and a check takes minutes.
    let whole = chain.wants.is_none();
    while begin.len() < free {
        let end = next + batch;
        if end <= chain.links.len() {
            begin.push(end - 1);
            next = end;
        } else {
            if whole && next < chain.links.len() {
                begin.push(chain.links.len() - 1);
            }
            return (begin, true);
        }
    }
    (begin, false)
}

/// Where a batch that failed is cut: evenly, or where checks run already, in the middle of the largest piece. Those from `low`
/// on and before `high`, which is the one that failed, are not known to be good or bad.
fn cuts(low: usize, high: usize, running: &[usize], free: usize) -> Vec<usize> {
    let among = high - low + 1;
    if running.is_empty() {
        let mut even: Vec<usize> = (1..=free).map(|n| low + (among * n).div_ceil(free + 1)).collect();
        even.retain(|end| *end > low && *end <= high);
        even.dedup();
        return even.into_iter().map(|end| end - 1).collect();
    }
    let mut ends: Vec<usize> = running.iter().map(|it| it + 1).chain([low, high + 1]).collect();
    let mut begin = Vec::new();
    for _ in 0..free {
        ends.sort_unstable();
        let pairs = ends.iter().zip(ends.iter().skip(1));
        // The first of the largest ones.
        let largest = pairs.max_by_key(|(a, b)| (*b - *a, usize::MAX - *a)).map(|(a, b)| (*a, *b));
        let Some((a, b)) = largest.filter(|(a, b)| b - a >= 2) else { break };
        let end = a + (b - a).div_ceil(2);
        ends.push(end);
        begin.push(end - 1);
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u32, onto: u32, checks: Checks) -> Entry<u32, u32> {
        let candidate = Some(Candidate { onto, commit: key });
        Entry { key, candidate, making: None, clash: None, checks }
    }

    /// Entries 1, 2, ... each on the one before it.
    fn chain(checks: &[Checks]) -> Queue<u32, u32> {
        let entries = (1..).zip(checks).map(|(key, it)| entry(key, key - 1, *it)).collect();
        Queue { main: 0, entries, results: vec![], parallel: 1, batch: 1, tries: 2, landing: false }
    }

    const OPEN: Checks = Checks { running: false, passed: false, failed: 0 };
    const RUNS: Checks = Checks { running: true, passed: false, failed: 0 };
    const HOLDS: Checks = Checks { running: false, passed: true, failed: 0 };

    fn failed(times: u32) -> Checks {
        Checks { failed: times, ..OPEN }
    }

    #[test]
    fn one_by_itself_is_made_checked_and_landed() {
        let mut queue = chain(&[OPEN]);
        queue.entries[0].candidate = None;
        assert_eq!(plan(&queue), [Step::Make(1, 0)]);
        queue.entries[0].making = Some(0);
        assert_eq!(plan(&queue), []);
        assert_eq!(plan(&chain(&[OPEN])), [Step::Check(1)]);
        assert_eq!(plan(&chain(&[RUNS])), []);
        assert_eq!(plan(&chain(&[HOLDS])), [Step::Land(1)]);
        assert_eq!(plan(&chain(&[failed(1)])), [Step::Check(1)]);
        assert_eq!(plan(&chain(&[failed(2)])), [Step::Refuse(1, Refusal::Checks)]);
    }

    #[test]
    fn a_batch_takes_all_before_it_along_and_one_that_fails_is_halved_in_place() {
        let mut queue = chain(&[OPEN; 8]);
        queue.batch = 4;
        assert_eq!(plan(&queue), [Step::Check(4)]);
        queue.parallel = 2;
        assert_eq!(plan(&queue), [Step::Check(4), Step::Check(8)]);
        let batch = |fourth, eighth| chain(&[OPEN, OPEN, OPEN, fourth, OPEN, OPEN, OPEN, eighth]);
        assert_eq!(plan(&Queue { batch: 4, ..batch(HOLDS, RUNS) })[0], Step::Land(4));
        // Whoever is behind the failed one was checked with it.
        assert_eq!(plan(&batch(failed(1), RUNS)), [Step::GiveUp(8), Step::Check(2)]);
        assert_eq!(plan(&Queue { parallel: 2, ..batch(failed(1), OPEN) }), [Step::Check(2), Step::Check(3)]);
        let halves = chain(&[OPEN, HOLDS, OPEN, failed(1)]);
        assert_eq!(plan(&halves), [Step::Land(2), Step::Check(3)]);
        // The last one that is left is checked once more by itself.
        assert_eq!(plan(&chain(&[OPEN, OPEN, HOLDS, failed(1)])), [Step::Land(3), Step::Check(4)]);
    }

    #[test]
    fn one_that_fails_on_top_of_what_is_not_known_to_be_good_is_set_aside() {
        let mut queue = chain(&[RUNS, failed(1), RUNS]);
        queue.parallel = 3;
        assert_eq!(plan(&queue), [Step::GiveUp(3), Step::Make(3, 1)]);
        queue.entries[2] = entry(3, 1, HOLDS);
        // It may not land before the one ahead of it was decided.
        assert_eq!(plan(&queue), []);
        queue.entries[0].checks = HOLDS;
        assert_eq!(plan(&queue), [Step::Land(1), Step::Check(2)]);
    }

    #[test]
    fn a_clash_with_somebody_ahead_waits_and_one_with_the_default_branch_is_refused() {
        let mut queue = chain(&[RUNS, OPEN, OPEN]);
        queue.parallel = 2;
        queue.entries[1] = Entry { candidate: None, clash: Some(1), ..entry(2, 1, OPEN) };
        assert_eq!(plan(&queue), [Step::Make(3, 1)], "whoever is behind it goes on without it");
        queue.main = 1;
        queue.entries.remove(0);
        assert_eq!(plan(&queue), [Step::Refuse(2, Refusal::Clash)]);
    }

    #[test]
    fn the_size_of_a_batch_follows_what_failed_lately() {
        assert_eq!(batch_of(&[], 16), 7);
        assert_eq!(batch_of(&[], 1), 1);
        assert_eq!(batch_of(&[true; 200], 64), 25, "of the last fifty");
        assert_eq!(batch_of(&[false; 50], 16), 1);
    }
}
