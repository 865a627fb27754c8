//! Verbs, a file a noun. Each asks the engine and prints what it says.

pub(crate) mod attach;
pub(crate) mod brief;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod harness;
pub(crate) mod hook;
pub(crate) mod item;
pub(crate) mod line;
pub(crate) mod plan;
pub(crate) mod pr;
mod pr_review;
pub(crate) mod project;
pub(crate) mod question;
pub(crate) mod quiet;
pub(crate) mod receipt;
pub(crate) mod rehearse;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod session;
pub(crate) mod skills;
pub(crate) mod spec;
pub(crate) mod symphony;
pub(crate) mod task;
pub(crate) mod trajectory;
pub(crate) mod worktree;
