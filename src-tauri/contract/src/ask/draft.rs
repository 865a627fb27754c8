//! New items, their refinement and their gates: what can be asked, and the page that answers.

use serde::{Deserialize, Serialize};

use crate::card::{Card, Source, Verdict};
use crate::gate::{SpecGate, Stand};
use crate::ids::{ItemId, ProjectId, SessionId};
use crate::item::Item;
use crate::layout::Layout;

asks! {
    /// Begins an item from an idea: a skeleton of its spec on a branch of its own, and a session that drafts it.
    New {
        /// In which project.
        project: ProjectId,
        /// The idea.
        source: Source,
        /// In whose layout; the repository's own if none.
        layout: Option<Layout>,
        /// Who drafts it; the policy's agent if none.
        agent: Option<String>,
        /// Feature, fix, migration, zero-to-one or boundary-refactor.
        kind: String,
        /// Who answers for it; who calls if none.
        owner: Option<String>,
        /// Who answers for it when it breaks at night; the owner if none.
        nights: Option<String>,
    }
    /// Has the spec of an item refined until nothing of weight is found, and its plan written.
    Refine {
        /// Which.
        item: ItemId,
        /// Who refines; the policy's reviewer, or an agent of another family, if none.
        agent: Option<String>,
        /// What is looked through; the policy's lenses if none.
        lenses: Vec<String>,
        /// Why it may be an agent of the author's own family.
        because: Option<String>,
    }
    /// One item's draft and gates.
    Show {
        /// Which.
        item: ItemId,
    }
    /// Lets an item past a gate, for this very spec.
    Override {
        /// Which.
        item: ItemId,
        /// Which gate.
        gate: SpecGate,
        /// Why.
        because: String,
    }
    /// An item's draft and gates.
    DraftPage {
        /// The item.
        item: Item,
        /// Its card.
        card: Card,
        /// The folder of the newest spec on this machine, for whoever wants to look, if it is not on the default branch yet.
        folder: Option<String>,
        /// Each gate, looked at now.
        gates: Vec<Stand>,
    }
    /// What a session that refines a spec, or reviews a change, says of one lens.
    Finding {
        /// The session the caller says it is in; checked against its ancestry.
        session: SessionId,
        /// Through which lens.
        lens: String,
        /// How bad it is, by its word: of a spec low to critical, of a change P0 to P2; `nothing` if the lens showed nothing.
        severity: String,
        /// What was found, or what was looked at.
        says: String,
        /// Where, as `spec.md:12`.
        at: String,
        /// The text that is proposed, or how it is mended.
        proposes: String,
        /// What happens by it.
        #[serde(default)]
        why: String,
    }
    /// What the author of a spec or of a change says of a finding.
    Settle {
        /// The session the caller says it is in; checked against its ancestry.
        session: SessionId,
        /// Its number.
        finding: u32,
        /// What becomes of it.
        verdict: Verdict,
        /// The entry that says so, if it is mended later; of a change alone.
        #[serde(default)]
        tracker: Option<String>,
    }
}
