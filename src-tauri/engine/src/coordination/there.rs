//! Landing by another forge: where a project's policy says so, a published pull request with a yes is not landed here. Its forge is asked
//! to - once it is checked here, answered and published as it has the yes -, and what the forge tells of it ends it: landed, or sent back.
//! While a person holds the line, pauses it or takes the yes away by another head, the forge is asked to let go of it.
//!
//! Refuses: to move the default branch here. What landed there comes here as a commit that a ref of ours keeps, and a record.

use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::{Line, Project};
use pilothouse_contract::published::{self, Happened, Published, Stage};
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::run::RunState;
use pilothouse_contract::{At, Event, EvidenceId, Oid, ProjectId, PullId};
use serde::{Deserialize, Serialize};

use super::Work;
use super::effect::{Effect, NotSent};

/// What is said of one that is not on its way any more, the first time.
const GONE: &str = "it is not on its way there any more; that is looked at once more";
/// What is said of one that landed there and is not here.
const NOT_HAD: &str = "it landed there, and what landed could not be had";

/// What a forge tells of a pull request that it is to land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    /// It is open.
    Open {
        /// The head that it has there.
        head: Oid,
        /// The branch that it is to land on there.
        base: String,
        /// Whether it is on its way: in the queue, or by itself.
        taken: bool,
        /// Whether it clashes with what it is to land on.
        clashes: bool,
        /// What it waits for, in words.
        says: String,
    },
    /// It has landed.
    Merged {
        /// As which commit.
        commit: Option<Oid>,
        /// The head that landed.
        head: Oid,
        /// The branch that it landed on.
        base: String,
    },
    /// It was closed.
    Closed,
    /// The forge knows none by that name, or shows it to us no more.
    Unknown,
}

/// What came of asking a forge for a landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "asked")]
pub enum LandAsked {
    /// It is the forge's now.
    Taken {
        /// How, in words.
        says: String,
    },
    /// It cannot be asked for yet.
    Later {
        /// Why.
        says: String,
    },
    /// Another head is wanted by now, or none.
    Stale,
}

impl Work<'_> {
    /// Looks at those of a project that its forge is to land.
    pub(super) fn mind_forge(&mut self, project: &Project) {
        // One that was sent back is minded as long as its forge has it.
        let minds = |it: &&Pull| {
            let has = it.published.as_ref().is_some_and(|it| it.landing.is_some());
            let landed = matches!(it.state, PullState::Landed { .. });
            let open = !it.state.is_over() && self.fleet.lands_there(it);
            it.project == project.id && !landed && (has || open)
        };
        let all: Vec<Pull> = self.fleet.pulls.values().filter(minds).cloned().collect();
        for it in all {
            let id = it.id;
            let Some(published) = it.published.clone() else {
                self.say_landable(&it, "approved; it lands by its forge once it is published");
                continue;
            };
            let wanted = self.is_wanted_there(project, &it) && published.has(&it.head);
            match &published.landing {
                // One that landed there is the forge's to tell, and one that is let go of is let go of.
                Some(landing) if matches!(landing.stage, Stage::Merged { .. } | Stage::LettingGo) => {}
                Some(landing) if !wanted || landing.head != it.head => {
                    self.engine(Event::Publish { pull: id, what: Happened::LandNot });
                    self.effect(Effect::LetGo { pull: id });
                }
                None if wanted => {
                    self.say_landable(&it, &format!("approved; {} is asked to land it", published.host));
                    let what = Happened::LandAsked { head: it.head.clone() };
                    self.engine(Event::Publish { pull: id, what });
                    self.effect(Effect::AskLanding { pull: id, head: it.head });
                }
                _ => {}
            }
        }
    }

    fn say_landable(&mut self, it: &Pull, why: &str) {
        let stands = it.state == PullState::WaitsForApproval && it.is_approved();
        if stands {
            self.move_pull(it.id, PullState::Landable, why, &[]);
            self.move_item(it.item, ItemState::Landable, why, &[]);
        }
    }

    /// Whether it is to land there now, as far as we are concerned.
    fn is_wanted_there(&self, project: &Project, it: &Pull) -> bool {
        let checked = matches!(it.state, PullState::WaitsForApproval | PullState::Landable);
        let run = self.live_run(it.run);
        let may = run.is_some_and(|run| !run.is_paused()) && self.fleet.halt.is_none();
        let held = project.held.is_some() || project.line != Line::Open;
        self.fleet.lands_there(it)
            && checked
            && may
            && !held
            && it.is_approved()
            && self.yes_counts(it)
            && self.review_keeps(it, it.approval.as_ref()).is_none()
    }

    /// A forge was asked for a landing.
    pub(super) fn land_was_asked(&mut self, pull: PullId, head: &Oid, asked: Result<LandAsked, NotSent>) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        let landing = it.published.and_then(|it| it.landing).filter(|it| it.head == *head);
        let asks = |stage: &Stage| matches!(stage, Stage::Asked | Stage::Later | Stage::Taken);
        let Some(landing) = landing.filter(|it| asks(&it.stage)) else { return };
        let what = match asked {
            Ok(LandAsked::Stale) => return,
            Ok(LandAsked::Taken { says }) => Happened::LandTaken { says },
            Ok(LandAsked::Later { says }) => Happened::LandLater { says },
            Err(NotSent { fault, .. }) => Happened::LandLater { says: fault.message },
        };
        let same = match &what {
            Happened::LandTaken { says } => landing.stage == Stage::Taken && landing.says == *says,
            Happened::LandLater { says } => landing.stage == Stage::Later && landing.says == *says,
            _ => false,
        };
        if same {
            return;
        }
        if let Happened::LandTaken { says } = &what {
            self.move_item(it.item, ItemState::Landing, says, &[]);
        }
        self.engine(Event::Publish { pull, what });
    }

    /// A forge was asked to let go of one, and did, or it was over there already, or it could not be asked: then it is asked again when it
    /// tells how that one stands.
    pub(super) fn let_go(&mut self, pull: PullId, how: Result<Option<Told>, NotSent>) {
        let published = self.fleet.pulls.get(&pull).and_then(|it| it.published.as_ref());
        let Some((host, landing)) = published.and_then(|it| Some((&it.host, it.landing.as_ref()?))) else {
            return;
        };
        if landing.stage != Stage::LettingGo {
            return;
        }
        match how {
            Ok(None) => self.engine(Event::Publish { pull, what: Happened::LandFree }),
            // What was over by then is no landing that was called off.
            Ok(Some(told)) => self.told_there(pull, self.now, told),
            Err(NotSent { fault, .. }) => {
                let says = format!(
                    "it may still land: {host} could not be asked to let go of it, and is once it tells how it stands: {}",
                    fault.message
                );
                if landing.says != says {
                    self.engine(Event::Publish { pull, what: Happened::LandSays { says } });
                }
            }
        }
    }

    /// A forge tells how one stands there that it is to land; it was asked at `asked`.
    pub(super) fn told_there(&mut self, pull: PullId, asked: At, told: Told) {
        let Some(it) = self.fleet.pulls.get(&pull).cloned() else { return };
        let Some(published) = it.published.clone() else { return };
        let Some(landing) = published.landing.clone() else { return };
        let name = published.full_name();
        if matches!(it.state, PullState::Landed { .. }) {
            return;
        }
        if it.state.is_over() {
            self.told_of_over(&it, &landing, asked, &told);
            return;
        }
        match told {
            Told::Merged { head, commit, base } => {
                let not_ours = not_what_is_here(&it, &published, &landing.head, &head, &base);
                match (not_ours, commit) {
                    (Some(why), _) => self.ended_there(pull, &why),
                    (None, None) => {}
                    (None, Some(commit)) => self.merged_there(pull, &landing, commit),
                }
            }
            Told::Closed => self.ended_there(pull, &format!("{name} was closed there")),
            Told::Unknown => {
                let says = format!(
                    "{} does not tell of {name}: it is gone there, or not shown to us",
                    published.host
                );
                if landing.says != says {
                    self.engine(Event::Publish { pull, what: Happened::LandSays { says } });
                }
            }
            Told::Open { taken, .. } if landing.stage == Stage::LettingGo => {
                self.still_taken(pull, &landing, asked, taken);
            }
            // What was asked before it was taken says nothing about it.
            Told::Open { head, base, taken, .. } if head != landing.head || base != published.base => {
                if asked > landing.at {
                    let says = other(&published, &landing.head, &head, &base);
                    self.other_there(pull, &published, &landing, taken, says);
                }
            }
            Told::Open { clashes: true, .. } => {
                self.bounce(pull, &format!("{name} clashes there with {}", published.base), &[]);
            }
            Told::Open { taken, says, .. } => match landing.stage {
                // What was asked before it was taken says nothing about it, and a forge may take a moment to know what it did itself:
                // it is believed when it says so twice.
                Stage::Taken if !taken && asked > landing.at => {
                    if landing.says == GONE {
                        let why = "thrown out of the queue there, or is not to land by itself any more";
                        self.bounce(pull, &format!("{name} was {why}"), &[]);
                    } else {
                        self.engine(Event::Publish {
                            pull,
                            what: Happened::LandSays { says: GONE.to_owned() },
                        });
                    }
                }
                Stage::Taken if taken && says != landing.says => {
                    self.engine(Event::Publish { pull, what: Happened::LandSays { says } });
                }
                Stage::Later => self.effect(Effect::AskLanding { pull, head: landing.head }),
                _ => {}
            },
        }
    }

    /// It landed there, with what has the yes.
    fn merged_there(&mut self, pull: PullId, landing: &published::Landing, commit: Oid) {
        let known = matches!(&landing.stage, Stage::Merged { commit: known } if *known == commit);
        if !known {
            let what = Happened::LandMerged { commit: commit.clone() };
            self.engine(Event::Publish { pull, what });
        }
        // What could not be had is asked for again.
        if !known || landing.says.starts_with(NOT_HAD) {
            self.effect(Effect::FetchLanded { pull, commit });
        }
    }

    /// It is over there, and not as a landing of what is here: there is nothing left to let go of.
    fn ended_there(&mut self, pull: PullId, why: &str) {
        self.engine(Event::Publish { pull, what: Happened::LandFree });
        self.bounce(pull, why, &[]);
    }

    /// Somebody gave it another head there or another branch to land on: nobody said yes to that. Whatever is on its way there is let go of;
    /// what is not yet waits for that to be mended, and is said.
    fn other_there(
        &mut self,
        pull: PullId,
        published: &Published,
        landing: &published::Landing,
        taken: bool,
        says: String,
    ) {
        match landing.stage {
            Stage::Later if !taken && landing.says == says => {}
            Stage::Later if !taken => {
                self.engine(Event::Publish { pull, what: Happened::LandLater { says } });
            }
            Stage::Asked | Stage::Later | Stage::Taken => {
                self.engine(Event::Publish { pull, what: Happened::LandNot });
                let says = format!("{says}; {} is asked to let go of it", published.host);
                self.engine(Event::Publish { pull, what: Happened::LandSays { says } });
                self.effect(Effect::LetGo { pull });
            }
            Stage::LettingGo | Stage::Merged { .. } => {}
        }
    }

    /// One that is let go of is asked for again as long as it is on its way there.
    fn still_taken(&mut self, pull: PullId, landing: &published::Landing, asked: At, taken: bool) {
        if landing.stage != Stage::LettingGo || asked <= landing.at {
            return;
        }
        if taken {
            self.effect(Effect::LetGo { pull });
        } else {
            self.engine(Event::Publish { pull, what: Happened::LandFree });
        }
    }

    /// What a forge tells of one that was sent back here meanwhile.
    fn told_of_over(&mut self, it: &Pull, landing: &published::Landing, asked: At, told: &Told) {
        match told {
            Told::Open { taken, .. } => self.still_taken(it.id, landing, asked, *taken),
            Told::Closed => self.engine(Event::Publish { pull: it.id, what: Happened::LandFree }),
            Told::Unknown => {}
            Told::Merged { .. } => {
                self.engine(Event::Publish { pull: it.id, what: Happened::LandFree });
                let name = it.published.as_ref().map(published::Published::full_name).unwrap_or_default();
                let says = format!("{} was sent back here, and {name} landed there all the same", it.id);
                self.engine(Event::Notice { project: Some(it.project), says });
            }
        }
    }

    /// What landed there is here, or could not be had.
    pub(super) fn landed_there(&mut self, pull: PullId, commit: &Oid, fetched: Result<(), NotSent>) {
        let Some(it) = self.fleet.pulls.get(&pull).filter(|it| !it.state.is_over()).cloned() else { return };
        let Some(published) = &it.published else { return };
        let Some(landing) = &published.landing else { return };
        if !matches!(&landing.stage, Stage::Merged { commit: landed } if landed == commit) {
            return;
        }
        if let Err(NotSent { fault, .. }) = fetched {
            // It is fetched when the forge tells of it once more.
            let says = format!("{NOT_HAD}: {}", fault.message);
            if landing.says != says {
                self.engine(Event::Publish { pull, what: Happened::LandSays { says } });
            }
            return;
        }
        // It may have another head since it landed there: that one has not.
        if let Some(why) = not_what_is_here(&it, published, &landing.head, &landing.head, &published.base) {
            self.ended_there(pull, &why);
            return;
        }
        let evidence: Vec<EvidenceId> = it.checks.iter().filter_map(|check| check.evidence).collect();
        let why = format!("{} landed it as {}", published.full_name(), commit.short());
        self.move_pull(pull, PullState::Landed { commit: commit.clone() }, &why, &evidence);
        self.move_run(it.run, RunState::Landed, &why);
        self.move_item(it.item, ItemState::Landed, &why, &evidence);
        self.after_landing(&it, commit);
        self.effect(Effect::DropBranch { project: it.project, branch: it.from.clone(), at: it.head.clone() });
    }

    /// Whether a commit is what a forge landed for us and is recorded as landed: who brings the default branch to just that one takes in
    /// only what was said yes to, if it is on from where it stood.
    pub(super) fn was_landed_there(&self, project: ProjectId, commit: &Oid) -> bool {
        self.fleet.pulls.values().filter(|it| it.project == project).any(|it| {
            let there = it.published.as_ref().and_then(|it| it.landing.as_ref());
            let merged =
                there.is_some_and(|it| matches!(&it.stage, Stage::Merged { commit: it } if it == commit));
            merged && matches!(&it.state, PullState::Landed { commit: it } if it == commit)
        })
    }
}

/// Why what landed there is not a landing of what is here; nothing if it is.
fn not_what_is_here(it: &Pull, of: &Published, yes: &Oid, head: &Oid, base: &str) -> Option<String> {
    let name = of.full_name();
    if head != yes {
        return Some(format!(
            "{name} landed with {} and not with {}, which has the yes",
            head.short(),
            yes.short()
        ));
    }
    if base != of.base {
        return Some(format!("{name} landed on {base} there and not on {}", of.base));
    }
    let newer = *head != it.head;
    newer.then(|| {
        format!(
            "{name} landed with {} while {} has {} by now: the first is on {base} there, and what came after it is not",
            head.short(),
            it.id,
            it.head.short()
        )
    })
}

/// How one stands otherwise there than it has the yes here, in words.
pub(crate) fn other(of: &Published, yes: &Oid, head: &Oid, base: &str) -> String {
    if head == yes {
        format!("somebody has it land on {base} there and not on {}", of.base)
    } else {
        format!("somebody else pushed {} there, and {} has the yes", head.short(), yes.short())
    }
}
