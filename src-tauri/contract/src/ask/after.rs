//! After landings: what a person is to look at, what they say, what is taken back, and the switch by which changes land by themselves.

use serde::{Deserialize, Serialize};

use crate::after::{Debt, Rates, Verdict};
use crate::ids::{ProjectId, PullId};
use crate::project::Project;
use crate::pull::Pull;
use crate::risk::RiskClass;

asks! {
    /// What waits for a look, with debt and rates.
    Desk {
        /// Of which project; of all if none.
        project: Option<ProjectId>,
    }
    /// Says what somebody thinks of a change that landed.
    Sample {
        /// Which.
        pull: PullId,
        /// What.
        verdict: Verdict,
        /// What the look took, in minutes.
        minutes: u32,
        /// In words.
        says: String,
    }
    /// Says that something was wrong with a change that landed.
    Escape {
        /// Which.
        pull: PullId,
        /// What.
        says: String,
        /// The pull request that mends it.
        mended_by: Option<PullId>,
    }
    /// Opens a pull request that takes a landed one back.
    TakeBack {
        /// Which is taken back.
        pull: PullId,
        /// Why.
        because: String,
    }
    /// Lets changes of a class land by themselves, or not any more.
    AutoLand {
        /// In which project.
        project: ProjectId,
        /// Of which class.
        class: RiskClass,
        /// Whether they do.
        on: bool,
        /// The rates that the person saw; refused if they are others by now.
        seen: String,
    }
    /// The desk of changes that landed.
    DeskPage {
        /// What waits for a look, the riskiest first, then by area.
        waits: Vec<Pull>,
        /// What nobody looked at, by risk.
        debt: Vec<Debt>,
        /// Escapes and rework, by risk.
        rates: Vec<Rates>,
    }
    /// What a switch stands at.
    AutoLandPage {
        /// The project.
        project: Project,
        /// The rates.
        rates: Vec<Rates>,
    }
}
