//! Landing by the forge that a pull request is published at: it is asked to, told to let go, and followed; and what landed there is
//! fetched. Whatever the forge did meanwhile is looked at first.
//!
//! Refuses: to move any branch here.

use pilothouse_contract::published::{Published, Stage};
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::{Fault, Oid, PullId, RefName};

use super::{Account, TURN, git_in_words};
use crate::coordination::{Input, LandAsked, NotSent, Publishing, Told};
use crate::engine::Engine;
use crate::integration::forge;
use crate::integration::forge::github::landing::{Asked, End, There};
use crate::integration::forge::github::publish::NotDone;
use crate::ports::clock;
use crate::ports::git::Git;
use crate::ports::git::remote::Talk;

impl Engine {
    /// A forge answers: what could not be sent there before is tried again, and those that are to land there are followed.
    pub(crate) async fn forge_answers(&self, host: &str) {
        let at = |it: &Pull| it.published.clone().filter(|of| of.host == host);
        let (waits, lands) = {
            let fleet = self.fleet();
            let under_way = |it: &Pull| self.inner.forges.under_way.has(it.id, &it.head);
            let waits =
                |it: &Pull| at(it).and_then(|of| of.trouble).is_some_and(|it| it.again) && !under_way(it);
            let lands = |it: &Pull| {
                let over = matches!(it.state, PullState::Landed { .. });
                let of = at(it).filter(|of| !over && of.landing.is_some())?;
                Some((it.id, of.named?.id))
            };
            let lands: Vec<(PullId, String)> = fleet.pulls.values().filter_map(lands).collect();
            (fleet.pulls.values().any(waits), lands)
        };
        if waits && self.inner.forges.quiet(host).is_none() {
            self.tell(Input::Publishing(Publishing::Again { host: host.to_owned() }));
        }
        if lands.is_empty() {
            return;
        }
        let asked = clock::now();
        let Ok(account) = self.account(host).await else { return };
        let ids: Vec<String> = lands.iter().map(|it| it.1.clone()).collect();
        let there = match account.github.there(&ids).await {
            Ok(there) => there,
            Err(error) => {
                tracing::warn!(host, %error, "how pull requests stand that are to land there was not told");
                return;
            }
        };
        for (pull, id) in lands {
            let told = there.iter().find(|it| it.id == id).map_or(Told::Unknown, told);
            self.tell(Input::Publishing(Publishing::Tells { pull, asked, told }));
        }
    }

    /// Asks a forge to land just that head.
    pub(crate) async fn ask_to_land(&self, pull: PullId, head: &Oid) -> Result<LandAsked, NotSent> {
        let _turn = TURN.lock().await;
        let wanted = |of: &Published| {
            let asks = |stage: &Stage| matches!(stage, Stage::Asked | Stage::Later | Stage::Taken);
            of.landing.as_ref().is_some_and(|it| it.head == *head && asks(&it.stage)) && of.has(head)
        };
        let Some((of, account)) = self.at_its_forge(pull, wanted).await? else { return Ok(LandAsked::Stale) };
        let say = |error: NotDone| self.not_done(&error, &of, &account.login);
        let mut there = self.stands(&of, &account).await?;
        // It reckons what it is asked for, and says so the next time.
        if there.status == "UNKNOWN" {
            there = self.stands(&of, &account).await?;
        }
        if there.end == End::Open && (there.head != *head || there.base != of.base) {
            let says = crate::coordination::other(&of, head, &there.head, &there.base);
            return Ok(LandAsked::Later { says });
        }
        Ok(match account.github.ask_to_land(&there, head).await.map_err(say)? {
            Asked::Taken(says) => {
                // What follows is told by the forge. Of what it did not take nothing follows soon: whoever looked would only ask again.
                self.inner.forges.look_soon(&of.host);
                LandAsked::Taken { says }
            }
            Asked::Later(says) => LandAsked::Later { says },
        })
    }

    /// Asks a forge to let go of one. What is over there already is told.
    pub(crate) async fn let_go(&self, pull: PullId) -> Result<Option<Told>, NotSent> {
        let _turn = TURN.lock().await;
        let lets = |of: &Published| of.landing.as_ref().is_some_and(|it| it.stage == Stage::LettingGo);
        let Some((of, account)) = self.at_its_forge(pull, lets).await? else { return Ok(None) };
        let there = self.stands(&of, &account).await?;
        if there.end != End::Open {
            return Ok(Some(told(&there)));
        }
        let taken = account.github.take_back(&there).await;
        taken.map_err(|error| self.not_done(&error, &of, &account.login))?;
        Ok(None)
    }

    /// Fetches what a forge landed. A ref of ours keeps it. Nothing if that is under way.
    pub(crate) async fn fetch_landed(&self, pull: PullId, commit: &Oid) -> Option<Result<(), NotSent>> {
        let _begun = self.inner.forges.under_way.begin(pull, commit)?;
        Some(self.fetch(pull, commit).await)
    }

    async fn fetch(&self, pull: PullId, commit: &Oid) -> Result<(), NotSent> {
        let stays = |says: String| NotSent { fault: Fault::environment(says), again: true };
        let is_hex = commit.as_str().len() >= 40 && commit.as_str().bytes().all(|it| it.is_ascii_hexdigit());
        if !is_hex {
            return Err(stays("what the forge calls the commit is none".to_owned()));
        }
        let found = {
            let fleet = self.fleet();
            let found = fleet.pulls.get(&pull).and_then(|it| Some((it, fleet.projects.get(&it.project)?)));
            found.map(|(it, of)| (std::path::PathBuf::from(&of.git_dir), [of.main.clone(), it.head.clone()]))
        };
        let Some((git_dir, have)) = found else { return Err(stays("its project is gone".to_owned())) };
        let Some((of, account)) = self.at_its_forge(pull, |_| true).await? else {
            return Err(stays("it is not published".to_owned()));
        };
        let by_git = |error| git_in_words(&error, &of, &account.login);
        let remote = account.github.remote(&of.repo);
        let talk = Talk::begin(&git_dir, &remote, account.token.open()).await.map_err(by_git)?;
        let tip = talk.fetch(&git_dir, &of.base, &have).await.map_err(by_git)?;
        let git = Git::at(&git_dir);
        if !git.is_ancestor(commit, &tip).await.map_err(by_git)? {
            return Err(stays(format!("{} of {}/{} does not hold it", of.base, of.host, of.repo)));
        }
        let reference = RefName(format!("refs/pilothouse/pulls/{}/landed", pull.0));
        forge::keep(&git, &reference, commit).await.map_err(by_git)
    }

    /// Where one is published, and who is logged in there; nothing if it is not as it has to be.
    async fn at_its_forge(
        &self,
        pull: PullId,
        fits: impl Fn(&Published) -> bool,
    ) -> Result<Option<(Published, Account)>, NotSent> {
        let of = self.fleet().pulls.get(&pull).and_then(|it| it.published.clone());
        let Some(of) = of.filter(|of| of.named.is_some() && fits(of)) else { return Ok(None) };
        let account = self.account(&of.host).await?;
        Ok(Some((of, account)))
    }

    async fn stands(&self, of: &Published, account: &Account) -> Result<There, NotSent> {
        let ids: Vec<String> = of.named.iter().map(|it| it.id.clone()).collect();
        let there = account.github.there(&ids).await;
        let there = there.map_err(|error| self.not_done(&error, of, &account.login))?;
        there.into_iter().next().ok_or_else(|| NotSent {
            fault: Fault::environment(format!("{} does not tell of {}", of.host, of.full_name())),
            again: true,
        })
    }
}

pub(super) fn told(it: &There) -> Told {
    let (head, base) = (it.head.clone(), it.base.clone());
    match &it.end {
        End::Merged(commit) => Told::Merged { commit: commit.clone(), head, base },
        End::Closed => Told::Closed,
        End::Open => Told::Open { head, base, taken: it.is_taken(), clashes: it.clashes, says: it.says() },
    }
}
