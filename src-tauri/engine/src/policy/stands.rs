//! How the gates of an item stand: what files say (`layouts/gates.rs`), what its card says, and what a person overrode, in one list.
//!
//! Refuses to look at anything: files and cards are inputs.

use pilothouse_contract::card::{Card, Draft, Stage};
use pilothouse_contract::gate::{Holds, SpecGate, Stand};
use pilothouse_contract::layout::{Diagnostic, GateLook};
use pilothouse_contract::spec::Remark;
use pilothouse_contract::{At, EvidenceId, Oid};

/// What is known of an item.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Its short name.
    pub slug: &'a str,
    /// The file or folder of its spec.
    pub folder: &'a str,
    /// Its card, if it has one.
    pub card: Option<&'a Card>,
    /// What its files say.
    pub looks: &'a [GateLook],
    /// The commit that was looked at.
    pub commit: &'a Oid,
    /// The hash of its spec there.
    pub tree: &'a Oid,
    /// When.
    pub at: At,
    /// How many items of its project are under way, this one among them, and how many may be.
    pub under_way: (usize, u32),
    /// Red checks of its tasks that ran, with whether each proof held before any work.
    pub red: &'a [(EvidenceId, bool)],
}

/// All gates, in order.
#[must_use]
pub fn stands(it: &Known<'_>) -> Vec<Stand> {
    SpecGate::ALL.into_iter().map(|gate| stand(it, gate)).collect()
}

/// What keeps a run from beginning.
pub fn closed(stands: &[Stand]) -> impl Iterator<Item = &Stand> {
    stands.iter().filter(|it| it.holds == Holds::No)
}

fn stand(it: &Known<'_>, gate: SpecGate) -> Stand {
    let draft = it.card.and_then(|card| card.draft.as_ref());
    let mut found: Vec<Diagnostic> =
        it.looks.iter().filter(|look| look.gate == gate.word()).flat_map(|look| look.found.clone()).collect();
    let mut evidence = Vec::new();
    let mut later = None;
    let says = match gate {
        SpecGate::G0 => intake(it, draft, &mut found),
        SpecGate::G1 => of_files(it, gate, "its sections and what it cites were looked at"),
        SpecGate::G2 => refined(it, draft, &mut found),
        SpecGate::G3 => {
            of_files(it, gate, "its tables of risks and of what it is compatible with were looked at")
        }
        SpecGate::G4 => match it.card.and_then(|card| said_yes(card, it.tree)) {
            Some(says) => says,
            None => {
                later = Some(());
                "whoever starts the run says yes to this very spec".to_owned()
            }
        },
        SpecGate::G5 => of_files(it, gate, "proofs, scopes, order and coverage of its tasks were looked at"),
        SpecGate::G6 => {
            evidence = it.red.iter().map(|(id, _)| *id).collect();
            let vacuous = it.red.iter().filter(|(_, held)| *held).count();
            if it.red.is_empty() {
                later = Some(());
                "the run tries each proof on the untouched tree before its task is worked".to_owned()
            } else {
                if vacuous > 0 {
                    let says = format!(
                        "{vacuous} proofs held before any work, and prove nothing: mend their Verify, or mark them as guards"
                    );
                    found.push(blocking(it.folder, &says));
                }
                format!("{} proofs were tried on the untouched tree", it.red.len())
            }
        }
    };
    let holds = !found.iter().any(|it| it.remark.blocking);
    let overridden = it.card.and_then(|card| card.overridden(gate, it.tree)).cloned();
    let holds = match (holds, later, &overridden) {
        (false, _, Some(_)) => Holds::Overridden,
        (false, _, None) => Holds::No,
        (true, Some(()), Some(_)) => Holds::Overridden,
        (true, Some(()), None) => Holds::Later,
        (true, None, _) => Holds::Yes,
    };
    Stand {
        gate,
        holds,
        says,
        commit: it.commit.clone(),
        tree: it.tree.clone(),
        at: it.at,
        found,
        evidence,
        overridden,
    }
}

/// What was said of a yes to this very spec when a run began.
fn said_yes(card: &Card, tree: &Oid) -> Option<String> {
    let yes = card.began.as_ref()?.gates.iter().find(|it| it.gate == SpecGate::G4)?;
    (yes.holds == Holds::Yes && yes.tree == *tree).then(|| yes.says.clone())
}

fn blocking(file: &str, says: &str) -> Diagnostic {
    told(file, says, true)
}

fn told(file: &str, says: &str, blocking: bool) -> Diagnostic {
    Diagnostic {
        remark: Remark { file: file.to_owned(), line: 0, says: says.to_owned(), blocking },
        column: 0,
    }
}

fn of_files(it: &Known<'_>, gate: SpecGate, looked: &str) -> String {
    let looks: Vec<&GateLook> = it.looks.iter().filter(|look| look.gate == gate.word()).collect();
    if looks.is_empty() {
        return "its layout has nothing of the kind to look at".to_owned();
    }
    match looks.iter().flat_map(|it| &it.found).filter(|it| it.remark.blocking).count() {
        0 => looked.to_owned(),
        n => format!("{looked}: {n} things block"),
    }
}

/// G0: who answers for it, and whether there is room.
fn intake(it: &Known<'_>, draft: Option<&Draft>, found: &mut Vec<Diagnostic>) -> String {
    let Some(draft) = draft else {
        return "it came with the repository: whoever committed it took it in".to_owned();
    };
    let (under_way, most) = it.under_way;
    if under_way > usize::try_from(most).unwrap_or(usize::MAX) {
        let says = format!(
            "{under_way} items are under way and {most} may be: land or give up one first, or raise wip in WORKFLOW.md"
        );
        found.push(blocking(it.folder, &says));
    }
    let nights = match &draft.nights {
        Some(nights) => nights.clone(),
        None => {
            let says = format!(
                "nobody said who answers for it when it breaks at night: {} is taken to, as its owner",
                draft.owner
            );
            found.push(told(it.folder, &says, false));
            draft.owner.clone()
        }
    };
    format!(
        "{}, owned by {}, at night by {nights}; {under_way} of {most} items under way",
        draft.kind, draft.owner
    )
}

/// G2: at least one pass by another family, nothing accepted left unapplied, no open question.
fn refined(it: &Known<'_>, draft: Option<&Draft>, found: &mut Vec<Diagnostic>) -> String {
    let Some(draft) = draft else {
        let says = format!(
            "nobody of another model family looked at it here: `pilothouse spec refine {}` has somebody do",
            it.slug
        );
        // Those that came with the repository may be refined where they came from.
        found.push(told(it.folder, &says, false));
        return "its open questions were looked at; how it was refined is not known here".to_owned();
    };
    let ended: Vec<_> = draft.passes.iter().filter(|pass| pass.ended.is_some()).collect();
    let by_others = ended.iter().filter(|pass| pass.is_of_others(&draft.author)).count();
    let refine = format!("pilothouse spec refine {}", it.slug);
    if ended.is_empty() {
        found.push(blocking(it.folder, &format!("nobody refined it: {refine}")));
    } else if by_others == 0 {
        let says = format!(
            "none of its {} refinements is shown to be by another family than {}: {refine} --agent NAME",
            ended.len(),
            draft.author.says()
        );
        match ended.iter().rev().find_map(|pass| pass.excuse.as_ref()) {
            Some(excuse) => {
                let says = format!("{says}; {} let that through: {}", excuse.by, excuse.because);
                found.push(told(it.folder, &says, false));
            }
            None => found.push(blocking(it.folder, &says)),
        }
    }
    if draft.open_pass().is_some() {
        found.push(blocking(it.folder, "a refinement of it is under way: wait for its end"));
    } else if draft.stage == Stage::Stopped && !ended.is_empty() {
        found.push(told(it.folder, &format!("it stopped: {}", draft.why), false));
    }
    if let Some(weighty) = ended.last().map(|it| it.weighty()).filter(|it| *it > 0) {
        let says = format!(
            "its last refinement still had {weighty} accepted findings of medium or above: it was the last one that is made"
        );
        found.push(told(it.folder, &says, false));
    }
    let findings: usize = ended.iter().map(|pass| pass.findings.len()).sum();
    format!("{} refinements, {by_others} of them by another family; {findings} findings", ended.len())
}

#[cfg(test)]
mod tests {
    use pilothouse_contract::Who;
    use pilothouse_contract::gate::Override;

    use super::*;

    fn known<'a>(card: Option<&'a Card>, looks: &'a [GateLook], oids: &'a (Oid, Oid)) -> Known<'a> {
        Known {
            slug: "001-x",
            folder: "specs/001-x",
            card,
            looks,
            commit: &oids.0,
            tree: &oids.1,
            at: At(1),
            under_way: (1, 10),
            red: &[],
        }
    }

    #[test]
    fn an_override_counts_for_the_very_spec_that_it_was_given_for() {
        let looks = [GateLook {
            gate: "G3".to_owned(),
            looks_at: String::new(),
            holds: false,
            found: vec![blocking("specs/001-x/spec.md", "no table")],
        }];
        let oids = (Oid("c1".to_owned()), Oid("t1".to_owned()));
        let holds = |card: Option<&Card>, oids| {
            stands(&known(card, &looks, oids)).into_iter().find(|it| it.gate == SpecGate::G3).unwrap().holds
        };
        assert_eq!(holds(None, &oids), Holds::No);
        let mut card = Card::of(pilothouse_contract::ItemId(1));
        card.overrides.push(Override {
            gate: SpecGate::G3,
            tree: oids.1.clone(),
            by: Who::Person("me".to_owned()),
            at: At(1),
            because: "known".to_owned(),
        });
        assert_eq!(holds(Some(&card), &oids), Holds::Overridden);
        assert_eq!(holds(Some(&card), &(Oid("c2".to_owned()), Oid("t2".to_owned()))), Holds::No);
    }

    #[test]
    fn a_proof_that_held_before_any_work_closes_its_gate() {
        let oids = (Oid("c1".to_owned()), Oid("t1".to_owned()));
        let holds = |held| {
            let red = [(EvidenceId(1), false), (EvidenceId(2), held)];
            let all = stands(&Known { red: &red, ..known(None, &[], &oids) });
            all.into_iter().find(|it| it.gate == SpecGate::G6).unwrap().holds
        };
        assert_eq!((holds(true), holds(false)), (Holds::No, Holds::Yes));
    }

    #[test]
    fn what_came_with_the_repository_is_not_held_for_how_it_was_refined() {
        let oids = (Oid("c1".to_owned()), Oid("t1".to_owned()));
        let all = stands(&known(None, &[], &oids));
        assert_eq!(closed(&all).count(), 0, "{all:?}");
        assert_eq!(all.len(), 7);
        assert!(
            all.iter()
                .filter(|it| it.holds == Holds::Later)
                .map(|it| it.gate)
                .eq([SpecGate::G4, SpecGate::G6])
        );
    }
}
