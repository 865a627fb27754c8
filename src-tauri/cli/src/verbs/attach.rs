//! `pilothouse attach` and `pilothouse hold`: a session's terminal, to watch; with the keyboard taken deliberately, to
//! type into.

use std::io::{IsTerminal, Write};

use pilothouse_client::FromSession;
use pilothouse_contract::session::Mode;
use pilothouse_contract::wire::{Attach, Ended, View};
use pilothouse_contract::{Fault, SessionId, text};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use super::session;
use crate::desk::{self, End, HOLDS, Patience, does_not_hold, id};
use crate::out::Out;
use crate::screen::{self, Raw};
use crate::sift::Sieve;

/// Ctrl-\ gives the keyboard back and leaves the session running.
const LEAVE: u8 = 0x1c;
/// So many lines above the screen are shown to whoever takes the keyboard.
const LINES_ABOVE: u32 = 500;
/// The first screen, empty.
const AFRESH: &[u8] = b"\x1b[?1049l\x1b[m\x1b[H\x1b[2J";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    #[arg(value_parser = id::<SessionId>)]
    session: SessionId,
    /// From this byte of its output on; negative counts from the end
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    from: i64,
    /// End when there is no more for now
    #[arg(long)]
    no_follow: bool,
    /// Take the keyboard (recorded; Ctrl-\ leaves)
    #[arg(long)]
    keyboard: bool,
    /// Take it even while the session waits for an answer that `question answer` can give
    #[arg(long)]
    despite_question: bool,
    /// Every byte as it is, even to a terminal: the agent's escape sequences then reach yours
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    /// The project it belongs to
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    limits: session::LimitArgs,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    let attach = Attach {
        session: args.session,
        from: args.from,
        follow: !args.no_follow,
        keyboard: args.keyboard && screen::somebody_sits_here(),
    };
    if args.keyboard && !attach.keyboard {
        return Err(Fault::refused("the keyboard can only be taken at a terminal"));
    }
    let raw = args.raw || !std::io::stdout().is_terminal();
    let ended = view(attach, raw, args.despite_question).await?;
    Ok(say_end(ended.as_ref(), out))
}

pub(crate) async fn hold(args: HoldArgs, out: Out) -> End {
    let started = session::start(args.project.as_ref(), Mode::Pty, args.limits, args.command).await?;
    let keyboard = screen::somebody_sits_here();
    if keyboard {
        out.text(&format!(
            "Session {}. Ctrl-\\ leaves it running; pilothouse attach {} comes back.",
            started.id, started.id
        ));
    }
    let attach = Attach { session: started.id, from: 0, follow: true, keyboard };
    let ended = view(attach, !std::io::stdout().is_terminal(), false).await?;
    Ok(say_end(ended.as_ref(), out))
}

/// 0 if it ended well or was left running, 1 if it ended badly.
fn say_end(ended: Option<&Ended>, out: Out) -> std::process::ExitCode {
    match ended {
        None => {
            out.text("\nLeft running.");
            HOLDS
        }
        Some(Ended { code: Some(0) | None, .. }) => HOLDS,
        Some(_) => does_not_hold(),
    }
}

/// Shows a session's output, over deaths of the engine too. Nothing if the viewer left before it ended.
async fn view(mut attach: Attach, raw: bool, despite_question: bool) -> Result<Option<Ended>, Fault> {
    let _raw_mode = if attach.keyboard { Raw::begin() } else { None };
    let mut sieve = Sieve::new();
    let mut patience = Patience::default();
    // With the keyboard, what is shown is what was shown to others; the rest of the log is for those who read it.
    let begins = |from: i64| u64::try_from(from).ok().filter(|from| *from > 0);
    let mut keyboard = attach.keyboard.then(|| View {
        from: begins(attach.from),
        lines_above: LINES_ABOVE,
        keyboard: true,
        despite_question,
        ..View::of(attach.session)
    });
    loop {
        match view_once(&mut attach, keyboard.as_mut(), raw, &mut sieve, &mut patience).await {
            // The engine died: its watcher starts it again, and the output goes on where it was.
            Err(fault) => patience.after(fault).await?,
            Ok(ended) => return Ok(ended),
        }
        if let Some(view) = &mut keyboard {
            view.from = begins(attach.from);
            view.again = true;
        }
    }
}

#[allow(clippy::print_stderr, reason = "what is shown goes to standard output, and this is about it")]
fn note(says: &str) {
    eprintln!("{says}");
}

/// Asks by the one or the other.
async fn ask(attach: &Attach, keyboard: Option<&View>) -> Result<pilothouse_client::Attachment, Fault> {
    let engine = desk::running().await?;
    match keyboard {
        Some(view) => engine.view(view).await,
        None => engine.attach(attach).await,
    }
}

async fn view_once(
    attach: &mut Attach,
    mut keyboard: Option<&mut View>,
    raw: bool,
    sieve: &mut Sieve,
    patience: &mut Patience,
) -> Result<Option<Ended>, Fault> {
    let mut attachment = ask(attach, keyboard.as_deref()).await?;
    patience.found();
    let mut typed = [0; 4096];
    let mut keys = tokio::io::stdin();
    let mut resized =
        signal(SignalKind::window_change()).map_err(|error| Fault::environment(error.to_string()))?;
    if attach.keyboard {
        attachment.resize(screen::size()).await?;
    }
    loop {
        tokio::select! {
            piece = attachment.next() => match piece? {
                FromSession::Bytes(offset, bytes) => {
                    if let Some(dropped) = u64::try_from(attach.from).ok().and_then(|from| offset.checked_sub(from))
                        && dropped > 0
                    {
                        note(&format!("({dropped} bytes before this are no longer in the log)"));
                    }
                    attach.from = i64::try_from(offset).unwrap_or_default() + i64::try_from(bytes.len()).unwrap_or_default();
                    let shown = if raw { bytes } else { sieve.sift(&bytes) };
                    let mut out = std::io::stdout();
                    if out.write_all(&shown).and_then(|()| out.flush()).is_err() {
                        // Whoever read this has read enough.
                        return Ok(None);
                    }
                }
                FromSession::Screen(offset, _, paint) => {
                    attach.from = i64::try_from(offset).unwrap_or_default();
                    // What was cut off before it has no end here.
                    *sieve = Sieve::new();
                    let shown = if raw { paint } else { sieve.sift(&paint) };
                    let mut out = std::io::stdout();
                    let painted = out.write_all(AFRESH).and_then(|()| out.write_all(&shown));
                    if painted.and_then(|()| out.flush()).is_err() {
                        return Ok(None);
                    }
                }
                FromSession::Lease(seen) => {
                    if let Some(view) = keyboard.as_mut().filter(|_| !seen.yours) {
                        // Nor is it taken back when an engine comes and goes.
                        view.keyboard = false;
                    }
                    if let Some(lease) = seen.lease.filter(|_| !seen.yours) {
                        let says = format!("\r\n{} has the keyboard now; this only watches.\r\n", text::line(&lease.who, 60));
                        let _nobody_reads = std::io::stdout().write_all(says.as_bytes());
                    }
                }
                FromSession::Ended(ended) => return Ok(Some(ended)),
            },
            read = keys.read(&mut typed), if attach.keyboard => {
                let length = read.unwrap_or(0);
                let bytes = typed.get(..length).unwrap_or_default();
                if length == 0 || bytes.contains(&LEAVE) {
                    return Ok(None);
                }
                attachment.input(bytes).await?;
            }
            _ = resized.recv(), if attach.keyboard => attachment.resize(screen::size()).await?,
        }
    }
}
