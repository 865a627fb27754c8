//! What every forge can be asked, in one way: its open pull requests, some of them again, and what it can do at all. Why there was no
//! answer is one of a closed list, for what follows differs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use pilothouse_contract::forge::{Budget, Capabilities, ForgePull};

/// An answer that is awaited.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ForgeError>> + Send + 'a>>;

/// A forge.
pub trait Forge: Send + Sync + fmt::Debug {
    /// What it can do.
    fn can(&self) -> Capabilities;

    /// Every open pull request of these repositories (`owner/name`).
    fn open<'a>(&'a self, repos: &'a [String]) -> Asking<'a, Reading>;

    /// These pull requests once more, by the forge's ids; those that are not open any more are told as over.
    fn again<'a>(&'a self, ids: &'a [String]) -> Asking<'a, Reading>;
}

/// What a forge told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The pull requests.
    pub pulls: Vec<ForgePull>,
    /// Those that it says are not open any more, by its ids.
    pub over: Vec<String>,
    /// What may still be asked, if it says.
    pub budget: Option<Budget>,
    /// So many requests it took.
    pub calls: u32,
    /// Whether it did not tell of all that there are: there are more than it tells at once, or it left some out. Then one that is
    /// missing need not be over.
    pub cut: bool,
}

/// Why a forge gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// Nobody answers there.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The token is not good, or not any more.
    #[error("it does not take the token (401): log in again")]
    Unauthorized,
    /// The token may not do that.
    #[error("the token may not do that: {0}")]
    Forbidden(String),
    /// It wants no more questions for a while.
    #[error("it wants no more questions for {} s", .0.as_secs())]
    Limited(Duration),
    /// It said something that is no answer.
    #[error("its answer is none: {0}")]
    Odd(String),
}

impl ForgeError {
    /// The same without a secret that the other side may have said back.
    #[must_use]
    pub(crate) fn without(self, secret: &str) -> Self {
        // First hidden, then cut: a part of a secret is one.
        let hidden = |says: String| pilothouse_contract::text::line(&says.replace(secret, "[token]"), 220);
        match self {
            Self::Unreachable(says) => Self::Unreachable(hidden(says)),
            Self::Forbidden(says) => Self::Forbidden(hidden(says)),
            Self::Odd(says) => Self::Odd(hidden(says)),
            other => other,
        }
    }
}
