//! The one list of calls: each with its reply and its access level. An engine that does not answer one of them does
//! not compile.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use crate::ask;
use crate::elsewhere::Elsewhere;
use crate::event::Record;
use crate::fault::Fault;
use crate::item::Item;
use crate::project::Project;
use crate::pull::Pull;
use crate::question::Question;
use crate::rows;
use crate::run::Run;
use crate::session::Session;
use crate::wire;
use crate::worktree::Worktree;

/// What a call may do. A program inside a session gets `Read` only; see [`Access::Hook`] for the one exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looks, changes nothing.
    Read,
    /// Tells a fact from inside a session.
    Hook,
    /// Changes something.
    Act,
    /// Takes something away (so that it can be brought back).
    Destroy,
}

/// A call of the list.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// What comes back.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// What it may do.
    const ACCESS: Access;
    /// Its name in the list.
    const NAME: &'static str;
    /// The call as a request of the list.
    fn request(self) -> Request;
}

/// The side that answers a call.
pub trait Answer<C: Call> {
    /// Answers it, or says why not.
    fn answer(&self, call: C) -> impl Future<Output = Result<C::Reply, Fault>> + Send;
}

macro_rules! calls {
    ($( $(#[$doc:meta])* $variant:ident($call:path) -> $reply:ty, $access:ident; )*) => {
        /// Any call, as it crosses the boundary.
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "call", content = "with", rename_all = "kebab-case")]
        pub enum Request { $( $(#[$doc])* $variant($call), )* }

        $(
            impl Call for $call {
                type Reply = $reply;
                const ACCESS: Access = Access::$access;
                const NAME: &'static str = stringify!($variant);
                fn request(self) -> Request { Request::$variant(self) }
            }
        )*

        impl Request {
            /// What the call may do.
            #[must_use]
            pub fn access(&self) -> Access {
                match self { $( Self::$variant(_) => Access::$access, )* }
            }

            /// Its name in the list.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => stringify!($variant), )* }
            }
        }

        /// Hands a request to the one who answers it; the reply comes back encoded.
        ///
        /// # Errors
        /// Whatever the answer says, or `Bug` if the reply cannot be encoded.
        pub async fn dispatch<E>(engine: &E, request: Request) -> Result<Vec<u8>, Fault>
        where E: Sync $( + Answer<$call> )*
        {
            match request { $( Request::$variant(call) => wire::encode(&engine.answer(call).await?), )* }
        }
    };
}

calls! {
    /// Who answers, since when, and with what.
    EngineStatus(ask::engine::Status) -> ask::engine::EngineStatus, Read;
    /// What goes on and what stops when something ends.
    EngineSurvives(ask::engine::Survives) -> Vec<ask::engine::Survival>, Read;
    /// Asks the engine to end.
    EngineStop(ask::engine::Stop) -> (), Act;
    /// Keeps the machine awake while runs are carried, or not any more.
    EngineKeepAwake(ask::engine::KeepAwake) -> (), Act;
    /// Chooses how much may be worked at once over all projects.
    EngineSetSlots(ask::engine::SetSlots) -> (), Act;

    /// Adds a repository.
    ProjectAdd(ask::project::Add) -> Project, Act;
    /// The projects on the list.
    ProjectList(ask::project::List) -> Vec<Project>, Read;
    /// What in a repository can run commands.
    ProjectLook(ask::project::Look) -> ask::project::ProjectPage, Read;
    /// What agents read there before they work.
    ProjectInstructions(ask::project::Instructions) -> crate::instructions::Graph, Read;
    /// Says yes to that.
    ProjectTrust(ask::project::Trust) -> Project, Act;
    /// Takes a project off the list.
    ProjectRemove(ask::project::Remove) -> (), Destroy;
    /// Says yes to a move of the default branch that stopped the line.
    ProjectAdopt(ask::project::Adopt) -> Project, Act;
    /// Takes such a move back.
    ProjectTakeBack(ask::project::TakeBack) -> Project, Destroy;
    /// Holds the line of a project.
    ProjectHoldLine(ask::project::HoldLine) -> Project, Act;
    /// Lets it go again.
    ProjectOpenLine(ask::project::OpenLine) -> Project, Act;

    /// Items.
    ItemList(ask::item::List) -> Vec<Item>, Read;
    /// Reads the spec folders anew.
    ItemRead(ask::item::Read) -> Vec<Item>, Act;
    /// One item.
    ItemShow(ask::item::Show) -> ask::item::ItemPage, Read;

    /// Items of every layout.
    DeskList(ask::desk::List) -> Vec<crate::desk::DeskOf>, Read;
    /// One of them: its spec and its plan at its base commit.
    DeskOpen(ask::desk::Open) -> crate::desk::DeskPage, Read;
    /// The lines that a finding names.
    DeskText(ask::desk::Text) -> crate::desk::DeskText, Read;
    /// Begins an item from an idea.
    DraftNew(ask::draft::New) -> ask::draft::DraftPage, Act;
    /// Has its spec refined by another family, and its plan written.
    DraftRefine(ask::draft::Refine) -> ask::draft::DraftPage, Act;
    /// Its draft and its gates.
    DraftShow(ask::draft::Show) -> ask::draft::DraftPage, Read;
    /// Lets it past a gate, with a reason.
    GateOverride(ask::draft::Override) -> ask::draft::DraftPage, Act;

    /// Starts a run.
    RunStart(ask::run::Start) -> Run, Act;
    /// Stops a run.
    RunStop(ask::run::Stop) -> Run, Act;
    /// Puts a queued run before all others.
    RunFirst(ask::run::First) -> Run, Act;
    /// Leaves a note for the agents of a run that begin after it.
    RunNote(ask::run::Note) -> Run, Act;
    /// Pauses runs, or lets them go on.
    RunPause(ask::run::Pause) -> Vec<Run>, Act;
    /// Runs.
    RunList(ask::run::List) -> Vec<Run>, Read;
    /// Why what waits in runs that are carried does.
    RunWaits(ask::run::Waits) -> Vec<ask::run::RunWaits>, Read;
    /// One run.
    RunShow(ask::run::Show) -> ask::run::RunPage, Read;
    /// What it took so far.
    RunTook(ask::took::Show) -> ask::took::Took, Read;
    /// Its receipt.
    RunReceipt(ask::run::Receipt) -> ask::run::ReceiptPage, Read;

    /// The tasks of an item.
    TaskList(ask::task::List) -> ask::task::Tasks, Read;

    /// One attempt.
    AttemptShow(ask::attempt::Show) -> ask::attempt::AttemptPage, Read;
    /// What it changed.
    AttemptDiff(ask::attempt::Diff) -> ask::attempt::AttemptDiff, Read;
    /// The files that attempts changed.
    AttemptTouched(ask::attempt::Touched) -> Vec<ask::attempt::TouchedFiles>, Read;

    /// The files that a change changes.
    ChangeFiles(ask::change::Files) -> ask::change::Change, Read;
    /// Rows of one of them.
    ChangeRows(ask::change::Rows) -> ask::change::Page, Read;

    /// Sessions.
    SessionList(ask::session::List) -> Vec<ask::session::SessionLine>, Read;
    /// Waits until every session is in two hands.
    SessionSteady(ask::session::Steady) -> Vec<ask::session::SessionLine>, Read;
    /// What runs of each session.
    SessionProcesses(ask::session::Processes) -> Vec<ask::session::ProcessesLine>, Read;
    /// Writes down that a person looks at an agent at work.
    SessionPeek(ask::session::Peek) -> (), Read;
    /// A session's screen.
    SessionScreen(ask::session::Screen) -> ask::session::ScreenPage, Read;
    /// The last rows of sessions, for tiles.
    SessionRows(rows::Rows) -> Vec<rows::Tile>, Read;
    /// Sessions that were started elsewhere.
    SessionElsewhere(ask::session::Elsewhere) -> Vec<Elsewhere>, Read;
    /// What one of them did.
    SessionReadElsewhere(ask::session::ReadElsewhere) -> ask::session::ElsewherePage, Read;
    /// Goes on with one of them here.
    SessionGoOnElsewhere(ask::session::GoOnElsewhere) -> Session, Act;
    /// Starts any command as a held session.
    SessionStart(ask::session::Start) -> Session, Act;
    /// Calls a session something else.
    SessionRename(ask::session::Rename) -> Session, Act;
    /// Types into sessions.
    SessionType(ask::session::Type) -> Vec<ask::session::TypedLine>, Act;
    /// Ends a session.
    SessionKill(ask::session::Kill) -> Session, Destroy;
    /// Has every session held by the holder that is installed now.
    SessionUpgrade(ask::session::Upgrade) -> ask::session::Upgraded, Act;
    /// Ends what a session that is over left running.
    SessionClean(ask::session::Clean) -> ask::session::Cleaned, Destroy;

    /// Questions of agents.
    QuestionList(ask::question::List) -> Vec<Question>, Read;
    /// Answers one.
    QuestionAnswer(ask::question::Answer) -> Question, Act;

    /// Worktrees.
    WorktreeList(ask::worktree::List) -> Vec<Worktree>, Read;
    /// Removes a worktree so that it can be brought back.
    WorktreeRemove(ask::worktree::Remove) -> Worktree, Destroy;
    /// Brings it back.
    WorktreeUndo(ask::worktree::Undo) -> Worktree, Act;

    /// Pull requests.
    PullList(ask::pull::List) -> Vec<ask::pull::PullRow>, Read;
    /// One pull request.
    PullShow(ask::pull::Show) -> ask::pull::PullPage, Read;
    /// Says yes to it.
    PullApprove(ask::pull::Approve) -> Pull, Act;
    /// Lands it.
    PullLand(ask::pull::Land) -> Pull, Act;
    /// Has somebody review it.
    PullReview(ask::review::Ask) -> Pull, Act;
    /// Says what is to be changed in it.
    PullComment(ask::review::Comment) -> Pull, Act;
    /// Answers what was found in it.
    PullAnswer(ask::review::Answer) -> Pull, Act;

    /// What forges tell of their open pull requests, and how old that is.
    ForgeList(ask::forge::List) -> ask::forge::ForgePage, Read;
    /// A person logged in to a forge.
    ForgeJoin(ask::forge::Join) -> (), Act;
    /// A person logged out of a forge.
    ForgeLeave(ask::forge::Leave) -> (), Act;
    /// Asks forges now.
    ForgeRefresh(ask::forge::Refresh) -> ask::forge::ForgePage, Act;
    /// The log of a check that ran at a forge.
    ForgeLog(ask::forge::Log) -> ask::forge::CheckLog, Act;
    /// Sends a pull request of ours to the forge of its project, or says what would be sent.
    PullPublish(ask::forge::Publish) -> crate::published::Page, Act;
    /// What landed and waits for a look, with debt and rates.
    SampleDesk(ask::after::Desk) -> ask::after::DeskPage, Read;
    /// Says what somebody thinks of a change that landed.
    SampleVerdict(ask::after::Sample) -> Pull, Act;
    /// Says that something was wrong with one.
    SampleEscape(ask::after::Escape) -> Pull, Act;
    /// Opens a pull request that takes one back.
    PullTakeBack(ask::after::TakeBack) -> Run, Act;
    /// Lets changes of a class land by themselves, or not any more.
    ProjectAutoLand(ask::after::AutoLand) -> ask::after::AutoLandPage, Act;
    /// Lands one though a person holds the line.
    PullEscape(ask::pull::Escape) -> Pull, Act;

    /// What happened since a moment.
    BriefShow(ask::brief::Show) -> crate::brief::Brief, Read;
    /// One evidence record.
    EvidenceShow(ask::evidence::Show) -> ask::evidence::EvidencePage, Read;
    /// Trajectories.
    TrajectoryList(ask::trajectory::List) -> Vec<crate::trajectory::Trajectory>, Read;
    /// One trajectory.
    TrajectoryShow(ask::trajectory::Show) -> ask::trajectory::TrajectoryPage, Read;
    /// The logs that could be imported.
    TrajectoryLogs(ask::trajectory::Logs) -> Vec<crate::archive::FoundLog>, Read;
    /// Imports one.
    TrajectoryImport(ask::trajectory::Import) -> crate::archive::Imported, Act;
    /// Those that were.
    TrajectoryArchive(ask::trajectory::Archive) -> Vec<crate::archive::ArchivedLog>, Read;
    /// One of them.
    TrajectoryShowLog(ask::trajectory::ShowLog) -> ask::trajectory::LogPage, Read;
    /// Steps in which words stand.
    TrajectorySearch(ask::trajectory::Search) -> crate::archive::Found, Read;
    /// Tokens and money.
    TrajectoryUsage(ask::trajectory::Usage) -> crate::archive::Usage, Read;
    /// History.
    EventSince(ask::event::Since) -> Vec<Record>, Read;

    /// Starts a rehearsal.
    RehearsalStart(ask::rehearsal::Start) -> ask::rehearsal::Rehearsal, Act;
    /// The fence in an agent's git refused a move of a ref.
    HookRefRefused(ask::hook::RefRefused) -> (), Hook;
    /// A session asks its person something.
    HookAsk(ask::hook::Ask) -> crate::ids::QuestionId, Hook;
    /// What the session that judges a run's completeness says of one requirement.
    HookVerdict(ask::hook::Verdict) -> (), Hook;
    /// What a session that refines a spec, or reviews a change, says of one lens.
    HookFinding(ask::draft::Finding) -> (), Hook;
    /// What the author of a spec or of a change says of a finding.
    HookSettle(ask::draft::Settle) -> (), Hook;
    /// The quiet wrapper ran something inside a session.
    HookQuiet(ask::took::Quiet) -> (), Hook;
    /// Where a session's question stands.
    HookAnswered(ask::hook::Answered) -> Question, Hook;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PullId;

    #[test]
    fn a_request_round_trips_and_knows_its_access() {
        let request = ask::pull::Land { pull: PullId(3) }.request();
        assert_eq!(request.access(), Access::Act);
        let bytes = wire::encode(&request).unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), r#"{"call":"pull-land","with":{"pull":"pr3"}}"#);
        assert_eq!(wire::decode::<Request>(&bytes).unwrap(), request);
    }
}
