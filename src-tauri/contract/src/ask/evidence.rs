//! Evidence: one record with its output.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::ids::EvidenceId;

asks! {
    /// One record with its output.
    Show {
        /// Which.
        evidence: EvidenceId,
    }
    /// A record's page.
    EvidencePage {
        /// The record.
        evidence: Evidence,
        /// The end of its output, at most 64 KiB, as text.
        output: String,
        /// Bytes of output before that.
        left_out: u64,
    }
}
