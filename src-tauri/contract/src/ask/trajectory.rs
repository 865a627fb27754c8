//! Trajectories: those of our sessions, those that were imported, and what is sought and counted in both.

use serde::{Deserialize, Serialize};

use crate::archive::{ArchivedLog, By, Filters};
use crate::elsewhere::ElsewhereStep;
use crate::ids::{LogId, SessionId};
use crate::time::At;
use crate::trajectory::{Step, Trajectory};

asks! {
    /// The trajectories that are stored, newest first.
    List {}
    /// One session's steps.
    Show {
        /// Which session.
        session: SessionId,
        /// From this step on.
        from: u32,
        /// At most so many.
        most: u32,
    }
    /// A trajectory's page.
    TrajectoryPage {
        /// The trajectory.
        trajectory: Trajectory,
        /// Its steps.
        steps: Vec<Step>,
    }
    /// The logs of agents below a folder, or where the agents of this machine keep theirs. Those that were written first come first.
    Logs {
        /// An absolute path of a folder, or of a log.
        folder: Option<String>,
    }
    /// Imports one log. Again, it changes nothing but what changed in the log.
    Import {
        /// The file.
        file: String,
        /// Which session, where a file holds several.
        native: Option<String>,
    }
    /// The imported logs, those that were written last first.
    Archive {
        /// At most so many.
        most: u32,
    }
    /// One imported log's steps.
    ShowLog {
        /// Which.
        log: LogId,
        /// From this step on.
        from: u32,
        /// At most so many.
        most: u32,
    }
    /// An imported log's page.
    LogPage {
        /// The log.
        log: ArchivedLog,
        /// Its steps.
        steps: Vec<ElsewhereStep>,
    }
    /// Steps in which all of some words stand; the last word may be the beginning of one.
    Search {
        /// The words. What stands in double quotes is one phrase.
        words: String,
        /// Which steps come into question.
        filters: Filters,
        /// The best first, instead of the newest.
        ranked: bool,
        /// At most so many.
        most: u32,
    }
    /// Tokens and money, from the records of single calls, each counted once.
    Usage {
        /// By what they are added up.
        by: By,
        /// Only calls that say that they were made from this moment on.
        since: Option<At>,
    }
}
