//! `pilothouse forge …`: login, status, logout. A token goes from here into its keeping and to the forge, and nowhere else: not to the
//! engine by a call, not into an argument, a variable or a log.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use clap::Subcommand;
use pilothouse_client::Places;
use pilothouse_contract::ask::forge::{CheckLog, ForgePage};
use pilothouse_contract::forge::{CheckState, ForgePull, Reach};
use pilothouse_contract::{At, Fault, ask, text};
use pilothouse_engine::integration::forge::ask::ForgeError;
use pilothouse_engine::integration::forge::device::{self, Turn};
use pilothouse_engine::integration::forge::github::{GitHub, client};
use pilothouse_engine::integration::forge::tokens::{self, Source, Token};
use serde_json::json;

use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, short, span, table};

/// The app that people say yes to when they log in by device, if there is one of theirs.
const APP: &str = "PILOTHOUSE_GITHUB_CLIENT";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Log in: by gh's token where gh has one, else by a token that you paste, or by device
    Login {
        /// The host
        #[arg(default_value = "github.com")]
        host: String,
        /// Take the token from standard input
        #[arg(long, conflicts_with = "device")]
        token: bool,
        /// Log in by a code that you type in a browser; needs an app of yours, see --client
        #[arg(long)]
        device: bool,
        /// The app's client id, or by PILOTHOUSE_GITHUB_CLIENT
        #[arg(long)]
        client: Option<String>,
        /// Keep the token in a file of yours alone, unencrypted, and not in the system's keyring
        #[arg(long)]
        file: bool,
    },
    /// The forges, whether they answer, how old what is known is, and what may still be asked
    Status,
    /// Log out of a host: the token is thrown away here, and nobody is asked any more
    Logout {
        /// The host
        #[arg(default_value = "github.com")]
        host: String,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Login { host, token, device, client, file } => {
            let host = host.trim().to_ascii_lowercase();
            let (given, from_gh) = match (token, device) {
                (true, _) => (pasted(out)?, false),
                (_, true) => (
                    by_device(out, &host, client.or_else(|| std::env::var(APP).ok()).as_deref()).await?,
                    false,
                ),
                _ => match in_thread({
                    let host = host.clone();
                    move || tokens::of_gh(&host)
                })
                .await?
                {
                    Some(it) => (it, true),
                    None if std::io::stdin().is_terminal() => (pasted(out)?, false),
                    None => {
                        return Err(Fault::refused(format!("gh has no token for {host}"))
                            .command("log in by gh", format!("gh auth login --hostname {host}"))
                            .command(
                                "or give a token on standard input",
                                format!("pilothouse forge login {host} --token"),
                            )
                            .command(
                                "or log in by device",
                                format!("pilothouse forge login {host} --device"),
                            ));
                    }
                },
            };
            login(
                out,
                &host,
                given,
                if from_gh {
                    Source::Gh
                } else if file {
                    Source::File
                } else {
                    Source::Keyring
                },
            )
            .await
        }
        Verb::Status => {
            let page = desk::call(ask::forge::List { project: None }).await?;
            out.value(&page.forges, |_| status(&page));
            Ok(if page.forges.iter().all(|it| it.trouble.is_none()) { HOLDS } else { does_not_hold() })
        }
        Verb::Logout { host } => {
            let host = host.trim().to_ascii_lowercase();
            let page = desk::call(ask::forge::List { project: None }).await?;
            let Some(it) = page.forges.iter().find(|it| it.host == host) else {
                return Err(Fault::missing(format!("nobody is logged in to {host}"))
                    .command("see where you are", "pilothouse forge status"));
            };
            let source = Source::of(&it.source).unwrap_or(Source::Gh);
            let data = Places::find()?.data;
            let left = host.clone();
            // Whoever logged in by a file once and by the keyring later has both. As long as one stays, one is logged in.
            in_thread(move || {
                tokens::forget(&data, &left, Source::File)?;
                if source == Source::Keyring { tokens::forget(&data, &left, source) } else { Ok(()) }
            })
            .await?;
            desk::call(ask::forge::Leave { host: host.clone() }).await?;
            let says = match source {
                Source::Gh => format!(
                    "{host} is not asked any more. The token is gh's, and stays there: gh auth logout"
                ),
                _ => format!(
                    "{host} is not asked any more, and its token is thrown away here. It is still good: revoke it there"
                ),
            };
            out.value(&json!({ "host": host, "left": true }), |_| says);
            Ok(HOLDS)
        }
    }
}

/// Keyrings and other programs take their time.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::bug(error.to_string()))?.map_err(Fault::environment)
}

fn pasted(out: Out) -> Result<Token, Fault> {
    if std::io::stdin().is_terminal() {
        out.aside("Paste a token (it is shown as you type; end with Enter and Ctrl-D):");
    }
    let mut text = String::new();
    let read = std::io::stdin().take(4_096).read_to_string(&mut text);
    read.map_err(|error| Fault::environment(format!("standard input cannot be read: {error}")))?;
    Token::read(&text).ok_or_else(|| {
        Fault::refused("that is no token: it is one word without spaces").hint("give it on standard input")
    })
}

async fn by_device(out: Out, host: &str, app: Option<&str>) -> Result<Token, Fault> {
    let Some(app) = app else {
        return Err(Fault::refused("a login by device needs an app that is registered at the forge")
            .hint(format!("name its client id by --client or {APP}"))
            .command("or log in by gh", format!("gh auth login --hostname {host}")));
    };
    let client = client().map_err(|error| in_words(host, &error))?;
    let code = device::begin(&client, host, app).await.map_err(|error| in_words(host, &error))?;
    out.aside(&format!("Type {} at {}", code.user_code, code.verification_uri));
    let mut wait = code.first_wait();
    loop {
        tokio::time::sleep(wait).await;
        match code.ask(&client, host, app, wait).await.map_err(|error| in_words(host, &error))? {
            Turn::Done(token) => return Ok(token),
            Turn::Wait(next) => wait = next.max(Duration::from_secs(1)),
            Turn::Over(why) => {
                return Err(Fault::refused(format!("the login is over: {why}")).hint("begin it again"));
            }
        }
    }
}

fn in_words(host: &str, error: &ForgeError) -> Fault {
    let fault = Fault::environment(format!("{host}: {error}"));
    match error {
        ForgeError::Unauthorized => {
            fault.hint("the token is wrong, revoked or over its time: make a new one")
        }
        ForgeError::Unreachable(_) => fault.hint("try again once it can be reached; nothing was changed"),
        _ => fault,
    }
}

async fn login(out: Out, host: &str, token: Token, source: Source) -> End {
    let asked = GitHub::new(host, token.clone(), client().map_err(|error| in_words(host, &error))?);
    let who = asked.whoami().await.map_err(|error| in_words(host, &error))?;
    let data = Places::find()?.data;
    // The engine makes the data folder, and only then may there be a file in it.
    desk::engine().await?;
    let kept = {
        let host = host.to_owned();
        in_thread(move || tokens::keep(&data, &host, source, &token)).await
    };
    if let Err(fault) = kept {
        return Err(fault
            .command("keep it where gh does", format!("gh auth login --hostname {host}"))
            .hint("or say --file, and it is kept unencrypted in a file that only you may read"));
    }
    desk::call(ask::forge::Join {
        host: host.to_owned(),
        login: who.clone(),
        source: source.word().to_owned(),
    })
    .await?;
    let page = desk::call(ask::forge::Refresh { host: Some(host.to_owned()) }).await?;
    let n = page.pulls.iter().filter(|it| it.host == host).count();
    let kept = match source {
        Source::Keyring => "the token is in the keyring",
        Source::Gh => "the token stays where gh has it",
        Source::File => "the token is in a file that only you may read, unencrypted",
    };
    let value = json!({ "host": host, "login": who, "source": source.word(), "pulls": n });
    out.value(&value, |_| {
        format!("Logged in to {host} as {who}; {kept}. {n} open pull requests of your projects there.")
    });
    Ok(HOLDS)
}

fn status(page: &ForgePage) -> String {
    if page.forges.is_empty() {
        return "Nobody is logged in to any forge: pilothouse forge login".to_owned();
    }
    let row = |it: &Reach| {
        let n = page.pulls.iter().filter(|pull| pull.host == it.host).count();
        let budget = it.budget.map_or_else(String::new, |it| format!("{} of {}", it.left, it.limit));
        vec![
            it.host.clone(),
            it.login.clone(),
            it.source.clone(),
            n.to_string(),
            known(it.known),
            budget,
            [
                Some(
                    it.trouble
                        .as_ref()
                        .or(it.left_out.as_ref())
                        .map_or_else(|| "answers".to_owned(), |it| short(it, 120)),
                ),
                held(it),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
        ]
    };
    let rows: Vec<Vec<String>> = page.forges.iter().map(row).collect();
    table(&["HOST", "AS", "TOKEN", "OPEN", "KNOWN", "POINTS", "STATE"], &rows)
}

/// Until when nobody gets it asked, if that is so.
fn held(it: &Reach) -> Option<String> {
    let now = At(jiff::Timestamp::now().as_millisecond());
    it.held.map(|until| format!("it is asked again in {}", span(until.since_ms(now).max(1000))))
}

fn known(at: Option<At>) -> String {
    let now = At(jiff::Timestamp::now().as_millisecond());
    at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", span(now.since_ms(at))))
}

/// The pull requests of forges as a table, and what is not known of them.
pub(crate) fn pulls(page: &ForgePage) -> String {
    let mut says = String::new();
    let row = |it: &ForgePull| {
        let queue = it.queue.as_ref().map_or_else(String::new, |it| format!("queue {}", it.position));
        vec![
            it.name(),
            short(&it.merge.words(), 40),
            format!("{}{}", it.checks_say(), if it.untold.is_empty() { "" } else { " (some not told now)" }),
            it.decision.words().to_owned(),
            it.threads_say(),
            queue,
            it.head.oid.short().to_owned(),
            short(&it.title, 50),
        ]
    };
    for reach in &page.forges {
        let rows: Vec<Vec<String>> = page.pulls.iter().filter(|it| it.host == reach.host).map(row).collect();
        says.push_str(&format!("\n\n{}, as it was {}", reach.host, known(reach.known)));
        if let Some(trouble) = reach.trouble.as_ref().or(reach.left_out.as_ref()) {
            says.push_str(&format!(" - {}", short(trouble, 160)));
        }
        if let Some(held) = held(reach) {
            says.push_str(&format!(" - {held}"));
        }
        says.push('\n');
        says.push_str(&match (rows.is_empty(), reach.known) {
            (true, None) => "Nothing is known of it yet.".to_owned(),
            (true, Some(_)) => "No open pull requests of your projects.".to_owned(),
            _ => table(&["PR", "MERGE", "CHECKS", "REVIEW", "THREADS", "QUEUE", "HEAD", "TITLE"], &rows),
        });
    }
    says
}

/// One pull request of a forge.
pub(crate) fn pull(it: &ForgePull, known_at: Option<At>) -> String {
    let mut says = format!(
        "{}: {}\n{}, by {}, as it was {}\n{} {} into {}: {} files, +{} -{}\n",
        it.full_name(),
        short(&it.title, 100),
        it.merge.words(),
        short(&it.author, 40),
        known(known_at),
        short(&it.head.name, 60),
        it.head.oid.short(),
        short(&it.base.name, 60),
        it.size.files,
        it.size.added,
        it.size.removed
    );
    if let Some(queue) = &it.queue {
        says.push_str(&format!("In the queue at {}: {}\n", queue.position, short(&queue.state, 40)));
    }
    if it.auto_merge {
        says.push_str("Lands by itself once it can\n");
    }
    if let Some(untold) = it.untold_says() {
        says.push_str(&format!("The forge left something out - {untold}\n"));
    }
    says.push_str(&format!("\n{}\n", checks(it)));
    says.push_str(&format!("\nReviews {}\n", it.decision.words()));
    for review in &it.reviews {
        says.push_str(&format!("  - {}: {}\n", short(&review.by, 40), short(&review.says, 40)));
    }
    says.push_str(&format!("\n{} open threads\n", it.threads_say()));
    for thread in it.threads.iter().filter(|it| !it.resolved) {
        let line = thread.line.map_or_else(String::new, |it| format!(":{it}"));
        says.push_str(&format!("  - {}{line}\n", short(&thread.path, 100)));
    }
    if let Some(url) = &it.url {
        says.push_str(&format!("\n{url}\n"));
    }
    says.push_str(&it.command());
    says
}

/// Its checks.
pub(crate) fn checks(it: &ForgePull) -> String {
    let mut says = format!("Checks: {}", it.checks_say());
    for check in &it.checks {
        says.push_str(&format!("\n  - {}: {}", state(check.state), short(&check.name, 100)));
    }
    says
}

/// What one of them wrote.
pub(crate) fn log(it: &CheckLog) -> String {
    let left_out = if it.cut { "(its end; what is before was left out)\n" } else { "" };
    let head = format!("{} of {}: {}", short(&it.check, 100), short(&it.pull, 120), state(it.state));
    format!("{head}\n{left_out}{}", text::plain(it.text.trim_end(), true))
}

fn state(it: CheckState) -> &'static str {
    match it {
        CheckState::Pending => "waits",
        CheckState::Passed => "passed",
        CheckState::Failed => "FAILED",
        CheckState::Skipped => "skipped",
    }
}
