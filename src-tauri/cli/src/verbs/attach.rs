//! `pilothouse attach` and `pilothouse hold`: a session's terminal, to watch; with the keyboard taken deliberately, to
//! type into.

use std::io::{IsTerminal, Write};

use pilothouse_client::FromSession;
use pilothouse_contract::session::Mode;
use pilothouse_contract::wire::{Attach, Ended};
use pilothouse_contract::{Fault, SessionId};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use super::session;
use crate::desk::{self, End, HOLDS, Patience, does_not_hold, id};
use crate::out::Out;
use crate::screen::{self, Raw};
use crate::sift::Sieve;

/// Ctrl-\ gives the keyboard back and leaves the session running.
const LEAVE: u8 = 0x1c;

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
    /// Every byte as it is, even to a terminal: the agent's escape sequences then reach yours
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    /// The project it belongs to
    #[arg(long)]
    project: Option<String>,
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
    let ended = view(attach, args.raw || !std::io::stdout().is_terminal()).await?;
    Ok(say_end(ended.as_ref(), out))
}

pub(crate) async fn hold(args: HoldArgs, out: Out) -> End {
    let started = session::start(args.project.as_ref(), Mode::Pty, args.command).await?;
    let keyboard = screen::somebody_sits_here();
    if keyboard {
        out.text(&format!(
            "Session {}. Ctrl-\\ leaves it running; pilothouse attach {} comes back.",
            started.id, started.id
        ));
    }
    let attach = Attach { session: started.id, from: 0, follow: true, keyboard };
    let ended = view(attach, !std::io::stdout().is_terminal()).await?;
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
async fn view(mut attach: Attach, raw: bool) -> Result<Option<Ended>, Fault> {
    let _raw_mode = if attach.keyboard { Raw::begin() } else { None };
    let mut sieve = Sieve::new(attach.keyboard);
    let mut patience = Patience::default();
    loop {
        match view_once(&mut attach, raw, &mut sieve, &mut patience).await {
            // The engine died: its watcher starts it again, and the output goes on where it was.
            Err(fault) => patience.after(fault).await?,
            Ok(ended) => return Ok(ended),
        }
    }
}

async fn view_once(
    attach: &mut Attach,
    raw: bool,
    sieve: &mut Sieve,
    patience: &mut Patience,
) -> Result<Option<Ended>, Fault> {
    let mut attachment = desk::running().await?.attach(attach).await?;
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
                    attach.from = i64::try_from(offset).unwrap_or_default() + i64::try_from(bytes.len()).unwrap_or_default();
                    let shown = if raw { bytes } else { sieve.sift(&bytes) };
                    let mut out = std::io::stdout();
                    if out.write_all(&shown).and_then(|()| out.flush()).is_err() {
                        // Whoever read this has read enough.
                        return Ok(None);
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
