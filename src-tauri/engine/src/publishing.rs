//! Sends pull requests of ours to the forge that their project's `origin` lies at: the head to a branch that is ours alone, and a pull
//! request there, once. Whatever was done before - by an engine that died in between - is found and gone on with.
//!
//! Refuses: to push to what others land on, over what somebody else pushed, and to open a second one where the first is closed.

mod landing;
pub(crate) mod under_way;

use pilothouse_contract::forge::ForgePull;
use pilothouse_contract::published::{Named, Page, Place, Published};
use pilothouse_contract::{Fault, Oid, PullId, text};
use tokio::sync::Mutex;

use crate::coordination::{Input, NotSent, Publishing};
use crate::engine::Engine;
use crate::integration::forge::ask::ForgeError;
use crate::integration::forge::github::landing::End;
use crate::integration::forge::github::publish::{Known, NotDone, Opened};
use crate::integration::forge::github::{Addresses, GitHub, client};
use crate::integration::forge::remote;
use crate::integration::forge::tokens::{self, Source, Token};
use crate::policy::publication;
use crate::ports::clock;
use crate::ports::git::GitError;
use crate::ports::git::remote::Talk;

/// One at a time: what was sent first is there before anything is sent on top of it, and forges count how much is made at once.
static TURN: Mutex<()> = Mutex::const_new(());
/// What somebody else said is told up to this length.
const SAID_MAX: usize = 300;

/// An account at a forge.
struct Account {
    github: GitHub,
    token: Token,
    login: String,
}

impl Engine {
    /// Where a pull request of ours goes, and with what words.
    ///
    /// # Errors
    /// In words, if it can go nowhere.
    pub(crate) async fn publish_page(&self, pull: PullId) -> Result<Page, Fault> {
        let (it, project) = {
            let fleet = self.fleet();
            let it = fleet.pulls.get(&pull).cloned();
            let it = it.ok_or_else(|| Fault::missing(format!("there is no pull request {pull}")))?;
            let project = fleet.projects.get(&it.project).cloned();
            (it, project.ok_or_else(|| Fault::missing(format!("the project of {pull} is gone")))?)
        };
        let found = remote::of(&project).await.map_err(|error| Fault::environment(error.to_string()))?;
        let Some(found) = found else {
            return Err(Fault::refused(format!(
                "{} has no origin at a forge, so {pull} can be sent nowhere",
                project.name
            ))
            .command(
                "name its repository there",
                format!("git -C {} remote add origin https://github.com/OWNER/NAME.git", project.path),
            ));
        };
        let forges = self.inner.store.forges().await?;
        let Some(reach) = forges.into_iter().find(|it| it.host == found.host) else {
            return Err(not_logged_in(&found.host));
        };
        Ok(Page {
            pull,
            remote: format!("{}/{}.git", Addresses::of(&found.host).web, found.repo),
            place: Place {
                host: found.host,
                repo: found.repo,
                branch: it.from.short().to_owned(),
                base: it.onto.short().to_owned(),
            },
            login: reach.login,
            head: it.head.clone(),
            title: publication::title(&it),
            body: publication::body(&it),
            published: it.published,
        })
    }

    /// Sends a head; nothing if another one is wanted by now, or if just that one is being sent: that says how it went.
    pub(crate) async fn publish(&self, pull: PullId, head: &Oid) -> Result<Option<Named>, NotSent> {
        let Some(_begun) = self.inner.forges.under_way.begin(pull, head) else { return Ok(None) };
        let _turn = TURN.lock().await;
        let (it, published, git_dir) = {
            let fleet = self.fleet();
            let Some(it) = fleet.pulls.get(&pull).filter(|it| it.head == *head && !it.state.is_over()) else {
                return Ok(None);
            };
            let Some(published) = it.published.clone() else { return Ok(None) };
            let Some(project) = fleet.projects.get(&it.project) else { return Ok(None) };
            (it.clone(), published, std::path::PathBuf::from(&project.git_dir))
        };
        let account = self.account(&published.host).await?;
        let (github, of) = (&account.github, &published);
        let say = |error: NotDone| self.not_done(&error, of, &account.login);
        let known = github.before(&of.repo, &of.branch).await.map_err(say)?;
        may_go(of, &known)?;
        // What still lands there by itself would land with what nobody said yes to.
        let lands = self.fleet().lands_there(&it);
        if let Some(named) = of.named.as_ref().filter(|_| lands && of.there.as_ref() != Some(head)) {
            let there = github.there(std::slice::from_ref(&named.id)).await.map_err(say)?;
            for it in &there {
                if it.end != End::Open {
                    // It ended since it was looked for: that is told, and nothing is pushed below it.
                    let told = landing::told(it);
                    self.tell(Input::Publishing(Publishing::Tells { pull, asked: clock::now(), told }));
                    return Err(not_open(of, named));
                }
                github.take_back(it).await.map_err(say)?;
            }
        }
        let by_git = |error: GitError| git_in_words(&error, of, &account.login);
        let talk =
            Talk::begin(&git_dir, &github.remote(&of.repo), account.token.open()).await.map_err(by_git)?;
        match talk.tip(&of.branch).await.map_err(by_git)? {
            Some(there) if there == *head => {}
            Some(there) if !of.heads.contains(&there) => return Err(moved(of, Some(&there))),
            stands => talk.push(head, &of.branch, stands.as_ref()).await.map_err(by_git)?,
        }
        if let Some(named) = opened(of, &known) {
            return Ok(Some(named));
        }
        let (title, body) = (publication::title(&it), publication::body(&it));
        match github.create(&known, &of.branch, &of.base, &title, &body).await {
            Ok(named) => Ok(Some(named)),
            // Its answer to one that it did open may have been lost.
            Err(NotDone::Refused(says)) => {
                let known = github.before(&of.repo, &of.branch).await.map_err(say)?;
                opened(of, &known).map(Some).ok_or_else(|| say(NotDone::Refused(says)))
            }
            Err(error) => Err(say(error)),
        }
    }

    /// The log of a check of a forge's pull request, and whether its beginning was left out; nothing if the forge keeps none.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn check_log(
        &self,
        it: &ForgePull,
        check: &str,
    ) -> Result<Option<(String, bool)>, Fault> {
        let account = self.account(&it.host).await.map_err(|not| not.fault)?;
        let log = account.github.log(&it.repo, &it.head.oid, check).await;
        let log = log.map_err(|error| in_words(&error, &it.host, &it.repo, &account.login).fault)?;
        Ok(log.map(|log| (log.text, log.cut)))
    }

    /// Why something was not done. A forge that says how long it wants nothing more gets nothing for as long.
    fn not_done(&self, error: &NotDone, of: &Published, login: &str) -> NotSent {
        if let NotDone::Forge(ForgeError::Limited(wait)) = error {
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            self.inner.forges.be_quiet(&of.host, clock::now().plus_ms(wait));
        }
        in_words(error, &of.host, &of.repo, login)
    }

    /// Who is logged in at a host.
    async fn account(&self, host: &str) -> Result<Account, NotSent> {
        let stays = |fault: Fault| NotSent { fault, again: false };
        if let Some(left) = self.inner.forges.quiet(host) {
            return Err(in_words(&NotDone::Forge(ForgeError::Limited(left)), host, "", ""));
        }
        let forges = self.inner.store.forges().await.map_err(|error| stays(error.into()))?;
        let reach = forges.into_iter().find(|it| it.host == host);
        let reach = reach.ok_or_else(|| stays(not_logged_in(host)))?;
        let (data, name, source) =
            (self.inner.options.data.clone(), reach.host.clone(), Source::of(&reach.source));
        let found = tokio::task::spawn_blocking(move || match source {
            Some(source) => tokens::find(&data, &name, source),
            None => Err("nobody knows where its token is".to_owned()),
        });
        let found = found.await.map_err(|error| stays(Fault::bug(error.to_string())))?;
        let token = found.map_err(|why| {
            let says = format!("the token for {host} cannot be had: {}", text::line(&why, SAID_MAX));
            stays(Fault::environment(says).command("log in again", format!("pilothouse forge login {host}")))
        })?;
        let client = client().map_err(|error| stays(Fault::environment(error.to_string())))?;
        Ok(Account { github: GitHub::new(host, token.clone(), client), token, login: reach.login })
    }
}

fn not_logged_in(host: &str) -> Fault {
    Fault::refused(format!("nobody is logged in to {host}, so nothing can be sent there"))
        .command("log in", format!("pilothouse forge login {host}"))
}

/// The one that is open there: ours by its name, wherever somebody has it land by now, or else the one for the branch and what it is to
/// land on.
fn opened(of: &Published, known: &Known) -> Option<Named> {
    let is_it = |it: &&Opened| match &of.named {
        Some(named) => it.named.id == named.id,
        None => it.base == of.base,
    };
    known.open.iter().find(is_it).map(|it| it.named.clone())
}

/// Whether anything may be sent, before anything is.
fn may_go(of: &Published, known: &Known) -> Result<(), NotSent> {
    let stays = |says: String, hint: &str| NotSent { fault: Fault::refused(says).hint(hint), again: false };
    if known.main.as_deref() == Some(of.branch.as_str()) {
        let says = format!(
            "{} is the default branch of {}/{}: nothing is pushed there",
            of.branch, of.host, of.repo
        );
        return Err(stays(says, "what is to land comes from a branch of its own"));
    }
    let open = |it: &Named| known.open.iter().any(|known| known.named.id == it.id);
    match of.named.as_ref().filter(|it| !open(it)) {
        Some(named) => Err(not_open(of, named)),
        None => Ok(()),
    }
}

fn not_open(of: &Published, named: &Named) -> NotSent {
    let says = format!("{}/{}#{} is not open any more", of.host, of.repo, named.number);
    let fault = Fault::refused(says).hint("open it there again, and say it once more");
    NotSent { fault, again: false }
}

fn moved(of: &Published, there: Option<&Oid>) -> NotSent {
    let at = there.map_or_else(String::new, |it| format!(" stands at {} and", it.short()));
    let says = format!(
        "the branch {} of {}/{}{at} was moved by somebody else: nothing is pushed over it",
        of.branch, of.host, of.repo
    );
    NotSent {
        fault: Fault::refused(says)
            .hint("look at what came there; delete that branch or put it back, and say it once more"),
        again: false,
    }
}

fn in_words(error: &NotDone, host: &str, repo: &str, login: &str) -> NotSent {
    let environment = |says: String, again: bool| NotSent { fault: Fault::environment(says), again };
    match error {
        NotDone::Refused(says) => {
            let says = format!("{host} says no: {}", text::line(says, SAID_MAX));
            NotSent { fault: Fault::refused(says), again: false }
        }
        NotDone::Forge(ForgeError::Forbidden(says)) => {
            let says = format!("{login} may not do that at {host}/{repo}: {}", text::line(says, SAID_MAX));
            NotSent {
                fault: Fault::refused(says)
                    .hint(format!("let {login} write there, or log in with a token that may")),
                again: false,
            }
        }
        NotDone::Forge(ForgeError::Limited(wait)) => {
            let until = clock::now().plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            let until =
                jiff::Timestamp::from_millisecond(until.0).map(|it| it.strftime("%H:%M UTC").to_string());
            let says = format!(
                "{host} wants no more requests for {} s, until {}",
                wait.as_secs(),
                until.unwrap_or_default()
            );
            environment(says, true)
        }
        NotDone::Forge(ForgeError::Unauthorized) => {
            let fault = Fault::refused(format!("{host} does not take the token of {login} any more"));
            NotSent {
                fault: fault.command("log in again", format!("pilothouse forge login {host}")),
                again: false,
            }
        }
        NotDone::Forge(error @ ForgeError::Unreachable(_)) => environment(format!("{host}: {error}"), true),
        NotDone::Forge(error) => environment(format!("{host}: {error}"), false),
    }
}

/// What git says of a push in the words of its C locale, in ours.
fn git_in_words(error: &GitError, of: &Published, login: &str) -> NotSent {
    let says = match error {
        GitError::Failed { says, .. } => says.clone(),
        other => other.to_string(),
    };
    let (host, repo, branch) = (&of.host, &of.repo, &of.branch);
    let has = |any: &[&str]| any.iter().any(|it| says.contains(it));
    let said = || text::line(&said_there(&says), SAID_MAX);
    let refused = |says: String| NotSent { fault: Fault::refused(says), again: false };
    if has(&["stale info"]) {
        return moved(of, None);
    }
    if has(&["GH006", "GH013", "protected branch", "hook declined"]) {
        return refused(format!(
            "{host} protects the branch {branch} of {repo}, and nothing was pushed: {}",
            said()
        ));
    }
    if has(&["returned error: 403", "Permission to", "denied to"]) {
        let it = refused(format!("{login} may not push to {host}/{repo} (403): {}", said()));
        let fault = it.fault.hint(format!("let {login} write there, or log in with a token that may"));
        return NotSent { fault, ..it };
    }
    if has(&["Authentication failed", "could not read Username", "returned error: 401"]) {
        let fault = Fault::refused(format!("{host} does not take the token of {login} for a push"));
        return NotSent {
            fault: fault.command("log in again", format!("pilothouse forge login {host}")),
            again: false,
        };
    }
    if has(&["not found"]) {
        return refused(format!("{host} has no repository {repo}, or {login} may not see it"));
    }
    let again = matches!(error, GitError::TooLong { .. })
        || has(&[
            "Could not resolve host",
            "Failed to connect",
            "Couldn't connect",
            "unable to access",
            "hung up",
        ]);
    let says = format!("{branch} could not be pushed to {host}/{repo}: {}", text::line(&says, SAID_MAX));
    NotSent { fault: Fault::environment(says), again }
}

/// Of all that a push says, what the other side said, if it said anything.
fn said_there(says: &str) -> String {
    let theirs: Vec<&str> = says
        .lines()
        .filter_map(|it| it.trim().strip_prefix("remote:"))
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    if theirs.is_empty() { says.to_owned() } else { theirs.join(" ") }
}
