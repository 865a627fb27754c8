//! Ids are types. Counted ids print as a letter and a number (`r12`), so that people can say and type them, and
//! are given out by the fold, never by a clock or by chance. Names that git or the user chose stay strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    /// What was given.
    pub given: String,
    /// What an id of this kind looks like.
    pub like: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not an id like {}", self.given, self.like)
    }
}

impl std::error::Error for BadId {}

macro_rules! counted {
    ($( $(#[$doc:meta])* $name:ident = $prefix:literal; )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// The id after this one.
            #[must_use]
            pub fn next(self) -> Self { Self(self.0 + 1) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!($prefix, "{}"), self.0) }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix($prefix)
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| BadId { given: text.to_owned(), like: concat!($prefix, "1") })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> { to.collect_str(self) }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )* };
}

counted! {
    /// A git repository that the user added.
    ProjectId = "p";
    /// One piece of work from idea to landed.
    ItemId = "i";
    /// The engine carrying an item.
    RunId = "r";
    /// One try at one task.
    AttemptId = "a";
    /// One live agent program, check or shell.
    SessionId = "s";
    /// A git worktree that Pilothouse made.
    WorktreeId = "w";
    /// A pull request on the local forge.
    PullId = "pr";
    /// A record that a command ran on a tree and what came of it.
    EvidenceId = "e";
    /// Something that an agent asks its person.
    QuestionId = "q";
    /// An imported log of an agent's session.
    LogId = "l";
}

macro_rules! named {
    ($( $(#[$doc:meta])* $name:ident; )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text of it.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.to_owned()) }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self { Self(text) }
        }
    )* };
}

named! {
    /// A task's id as its file has it, `T001`.
    TaskId;
    /// A git object id in hexadecimal, 40 digits (SHA-1) or 64 (SHA-256).
    Oid;
    /// A full ref name, `refs/heads/main`.
    RefName;
}

impl Oid {
    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl RefName {
    /// The branch name without `refs/heads/`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.strip_prefix("refs/heads/").unwrap_or(&self.0)
    }

    /// The name up to its last part: where the branches beside it lie.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(folder, _)| folder)
    }

    /// The full name of a branch.
    #[must_use]
    pub fn branch(name: &str) -> Self {
        Self(format!("refs/heads/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_words() {
        let id: PullId = "pr7".parse().unwrap();
        assert_eq!(id, PullId(7));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"pr7\"");
        assert_eq!(serde_json::from_str::<PullId>("\"pr7\"").unwrap(), id);
        assert_eq!("p7".parse::<PullId>().unwrap_err().to_string(), "'p7' is not an id like pr1");
    }
}
