//! What a pull request of ours is on another forge: the branch that was pushed, the pull request that was opened there for it, and why
//! that did not go. What the forge said is a claim of others.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, PullId};
use crate::time::At;

/// Of the heads that were to be pushed so many of the newest are kept.
const HEADS: usize = 20;

/// A pull request of ours on another forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The forge's host.
    pub host: String,
    /// The repository there, as `owner/name`.
    pub repo: String,
    /// The branch there, which is ours alone.
    pub branch: String,
    /// The branch there that it is to land on.
    pub base: String,
    /// Heads that were to be pushed, the newest last: the branch stands at one of them, or somebody else moved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Oid>,
    /// The head that is there, once one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<Oid>,
    /// What the forge calls it, once it is open there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// Why the newest head is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Its landing there, while the forge is to land it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<Landing>,
    /// When a person said that it is to be there.
    pub since: At,
}

/// A landing by another forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The head that has the yes.
    pub head: Oid,
    /// How far it is.
    pub stage: Stage,
    /// What it waits for there, in words.
    pub says: String,
    /// Since when it is to land.
    pub since: At,
    /// When it came to this stage.
    pub at: At,
}

/// How far a landing by another forge is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// The forge is being asked.
    Asked,
    /// It cannot be asked yet; it is tried again when the forge tells how it stands.
    Later,
    /// It is the forge's.
    Taken,
    /// It is not to land now, and the forge is asked to let go of it.
    LettingGo,
    /// It landed there, and what landed is being fetched or is here.
    Merged {
        /// What landed.
        commit: Oid,
    },
}

/// What a forge calls a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its number there.
    pub number: u64,
    /// By which the forge's interface knows it.
    pub id: String,
    /// Where a browser shows it.
    pub url: String,
}

/// Why something did not go at a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// In words.
    pub why: String,
    /// Whether it is tried again by itself once the forge answers.
    #[serde(default)]
    pub again: bool,
    /// Since when.
    pub since: At,
}

/// Something that happened to it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Happened {
    /// A head is to be there.
    Asked {
        /// Where, if that was said just now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// Which.
        head: Oid,
    },
    /// It is there, and open as a pull request.
    Sent {
        /// Which head.
        head: Oid,
        /// What the forge calls the pull request.
        named: Named,
    },
    /// It is not there.
    Failed {
        /// Why.
        why: String,
        /// Whether it is tried again by itself.
        again: bool,
    },
    /// The forge is to land it.
    LandAsked {
        /// Which head.
        head: Oid,
    },
    /// The forge has taken it.
    LandTaken {
        /// How, in words.
        says: String,
    },
    /// The forge cannot be asked yet.
    LandLater {
        /// Why.
        says: String,
    },
    /// It stands otherwise there.
    LandSays {
        /// How.
        says: String,
    },
    /// It landed there.
    LandMerged {
        /// As which commit.
        commit: Oid,
    },
    /// The forge is not to land it now, and is asked to let go of it.
    LandNot,
    /// The forge let go of it.
    LandFree,
}

/// Where a pull request of ours is to be on a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The host.
    pub host: String,
    /// The repository there, as `owner/name`.
    pub repo: String,
    /// The branch there.
    pub branch: String,
    /// What it is to land on there.
    pub base: String,
}

impl Happened {
    /// The word in lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "publish-asked",
            Self::Sent { .. } => "published",
            Self::Failed { .. } => "publish-failed",
            Self::LandAsked { .. } => "forge-asked",
            Self::LandTaken { .. } => "forge-took",
            Self::LandLater { .. } => "forge-waits",
            Self::LandSays { .. } => "forge-tells",
            Self::LandMerged { .. } => "forge-landed",
            Self::LandNot => "forge-told-to-let-go",
            Self::LandFree => "forge-let-go",
        }
    }

    /// What happened, in words that follow its name.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Asked { place: Some(it), head } => {
                format!("is to be published at {}/{} with {}", it.host, it.repo, head.short())
            }
            Self::Asked { place: None, head } => format!("is to be published with {}", head.short()),
            Self::Sent { head, named } => format!("is published with {}: {}", head.short(), named.url),
            Self::Failed { why, .. } => format!("is not published: {why}"),
            Self::LandAsked { head } => format!("is to land there with {}", head.short()),
            Self::LandTaken { says } | Self::LandLater { says } | Self::LandSays { says } => {
                format!("there: {says}")
            }
            Self::LandMerged { commit } => format!("landed there as {}", commit.short()),
            Self::LandNot => "is not to land there now".to_owned(),
            Self::LandFree => "does not land there now".to_owned(),
        }
    }
}

impl Published {
    /// Nothing yet, at a place.
    #[must_use]
    fn at(place: Place, since: At) -> Self {
        let Place { host, repo, branch, base } = place;
        Self {
            host,
            repo,
            branch,
            base,
            heads: Vec::new(),
            there: None,
            named: None,
            trouble: None,
            landing: None,
            since,
        }
    }

    /// Folds what happened.
    pub(crate) fn apply(it: &mut Option<Self>, what: &Happened, at: At) {
        if let (Happened::Asked { place: Some(place), .. }, None) = (what, it.as_ref()) {
            *it = Some(Self::at(place.clone(), at));
        }
        let Some(it) = it else { return };
        match what {
            Happened::Asked { head, .. } => {
                it.heads.retain(|known| known != head);
                it.heads.push(head.clone());
                let over = it.heads.len().saturating_sub(HEADS);
                it.heads.drain(..over);
            }
            Happened::Sent { head, named } => {
                it.there = Some(head.clone());
                it.named = Some(named.clone());
                it.trouble = None;
            }
            Happened::Failed { why, again } => {
                let since = it.trouble.as_ref().filter(|it| it.why == *why).map_or(at, |it| it.since);
                it.trouble = Some(Trouble { why: why.clone(), again: *again, since });
            }
            Happened::LandAsked { head } => {
                let says = format!("{} is asked to land it", it.host);
                it.landing = Some(Landing { head: head.clone(), stage: Stage::Asked, says, since: at, at });
            }
            Happened::LandTaken { says } => it.land(Stage::Taken, says, at),
            Happened::LandLater { says } => it.land(Stage::Later, says, at),
            Happened::LandSays { says } => {
                if let Some(landing) = &mut it.landing {
                    landing.says.clone_from(says);
                }
            }
            Happened::LandMerged { commit } => {
                let says = format!("it landed there as {}", commit.short());
                it.land(Stage::Merged { commit: commit.clone() }, &says, at);
            }
            Happened::LandNot => {
                let says = format!("{} is asked to let go of it", it.host);
                it.land(Stage::LettingGo, &says, at);
            }
            Happened::LandFree => it.landing = None,
        }
    }

    fn land(&mut self, stage: Stage, says: &str, at: At) {
        if let Some(landing) = &mut self.landing {
            landing.stage = stage;
            says.clone_into(&mut landing.says);
            landing.at = at;
        }
    }

    /// Whether it is there with this head.
    #[must_use]
    pub fn has(&self, head: &Oid) -> bool {
        self.named.is_some() && self.there.as_ref() == Some(head)
    }

    /// What people call it: `host/owner/name#7`; without the number as long as it is not open.
    #[must_use]
    pub fn full_name(&self) -> String {
        let number = self.named.as_ref().map(|it| format!("#{}", it.number)).unwrap_or_default();
        format!("{}/{}{number}", self.host, self.repo)
    }

    /// How it stands there, in one sentence; `head` is what our pull request proposes.
    #[must_use]
    pub fn says(&self, head: &Oid) -> String {
        let name = self.full_name();
        match (&self.trouble, &self.there) {
            (Some(trouble), Some(there)) if there != head => {
                format!("{name} has {} and not {}: {}", there.short(), head.short(), trouble.why)
            }
            (Some(trouble), _) => format!("{name}: {}", trouble.why),
            (None, Some(there)) if there == head => format!("{name}, at {}", there.short()),
            _ => format!("{name}: {} is on its way there", head.short()),
        }
    }

    /// The command that shows it by GitHub's own program, once it is open.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        let host = if self.host == "github.com" { String::new() } else { format!("{}/", self.host) };
        self.named.as_ref().map(|it| format!("gh pr view {} -R {host}{}", it.number, self.repo))
    }
}

/// What is sent, or would be, when a pull request is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Which.
    pub pull: PullId,
    /// Where.
    pub place: Place,
    /// The address of the repository there, without any secret.
    pub remote: String,
    /// As whom.
    pub login: String,
    /// The commit.
    pub head: Oid,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// How it stands there; nothing if it was never there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}
