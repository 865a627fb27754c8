//! `pilothouse attach` and `pilothouse hold`: a session's terminal, to watch; with the keyboard taken deliberately, to
//! type into. At a terminal the screen is painted first, as for a window; into a pipe goes the log, byte by byte.

use std::io::{IsTerminal, Write};

use pilothouse_client::{Attachment, FromSession};
use pilothouse_contract::session::Mode;
use pilothouse_contract::wire::{Attach, Ended, LeaseSeen, Size, View};
use pilothouse_contract::{Fault, SessionId, text};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::session;
use crate::desk::{self, End, HOLDS, Patience, does_not_hold, id};
use crate::out::Out;
use crate::screen::{self, Raw};
use crate::sift::Sieve;

/// Ctrl-\ gives the keyboard back and leaves the session running.
const LEAVE: u8 = 0x1c;
/// So many lines above the screen are shown to whoever takes the keyboard.
const LINES_ABOVE: u32 = 500;
/// A terminal as a program finds it: no region that scrolls, no mouse, no word of focus, plain pastes and keys, the first screen,
/// usual signs and looks, a cursor that shows; where it stands.
const AS_BEFORE: &[u8] = b"\x1b7\x1b[r\x1b[?6l\x1b8\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?7h\x1b[4l\x1b[20l\x0f\x1b(B\x1b[?1047l\x1b[m\x1b[0 q\x1b[?25h";
/// The first screen, empty: behind [`AS_BEFORE`], for a painting is made for such a terminal.
const AFRESH: &[u8] = b"\x1b[?1049l\x1b[m\x1b[H\x1b[2J";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    #[arg(value_parser = id::<SessionId>)]
    session: SessionId,
    /// From this byte of its output on; negative counts from the end. Without it a terminal gets the screen as it is now, and
    /// a pipe everything
    #[arg(long, allow_hyphen_values = true)]
    from: Option<i64>,
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
        from: args.from.unwrap_or(0),
        follow: !args.no_follow,
        keyboard: args.keyboard && screen::somebody_sits_here(),
    };
    if args.keyboard && !attach.keyboard {
        return Err(Fault::refused("the keyboard can only be taken at a terminal"));
    }
    let raw = args.raw || !std::io::stdout().is_terminal();
    // What a log held since its beginning would run through a terminal for a long time.
    let painted = attach.keyboard || (!raw && args.from.is_none() && attach.follow);
    let ended = view(attach, raw, painted, args.despite_question).await?;
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
    let ended = view(attach, !std::io::stdout().is_terminal(), keyboard, false).await?;
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

/// Shows a session's output, over deaths of the engine too: painted, or the bytes of its log. Nothing if the viewer left
/// before it ended.
async fn view(
    attach: Attach,
    raw: bool,
    painted: bool,
    despite_question: bool,
) -> Result<Option<Ended>, Fault> {
    let _raw_mode = if attach.keyboard { Raw::begin() } else { None };
    let asks = painted.then(|| View {
        from: begins(attach.from),
        lines_above: LINES_ABOVE,
        keyboard: attach.keyboard,
        despite_question,
        ..View::of(attach.session)
    });
    // Whoever reads out of a pipe ends this as any other program.
    let at_terminal = std::io::stdout().is_terminal();
    let interrupted = at_terminal.then(|| heed(SignalKind::interrupt())).transpose()?;
    let (sieve, keys) = (Sieve::new(attach.keyboard), tokio::io::stdin());
    let mut viewer = Viewer { attach, asks, raw, sieve, keys, interrupted, seen: Seen::default() };
    let mut patience = Patience::default();
    loop {
        let came = match viewer.once(&mut patience).await {
            // The engine died: its watcher starts it again, and the output goes on where it was.
            Err(fault) => patience.after(fault).await.map(|()| None),
            Ok(ended) => Ok(Some(ended)),
        };
        match came {
            Ok(None) => {}
            Ok(Some(ended)) => {
                leave();
                return Ok(ended);
            }
            Err(fault) => {
                leave();
                return Err(fault);
            }
        }
        if let Some(view) = &mut viewer.asks {
            view.from = begins(viewer.attach.from);
            view.again = true;
        }
    }
}

fn begins(from: i64) -> Option<u64> {
    u64::try_from(from).ok().filter(|from| *from > 0)
}

fn heed(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|error| Fault::environment(error.to_string()))
}

/// The next signal of a kind that is heeded; else never.
async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(it) => drop(it.recv().await),
        None => std::future::pending().await,
    }
}

/// Leaves the terminal as others expect it, whatever the program made of it.
fn leave() {
    if std::io::stdout().is_terminal() {
        shown(&[AS_BEFORE]);
    }
}

/// Shows what comes, one after the other. False if whoever read it has read enough.
fn shown(parts: &[&[u8]]) -> bool {
    let mut out = std::io::stdout();
    parts.iter().try_for_each(|it| out.write_all(it)).and_then(|()| out.flush()).is_ok()
}

/// What a person at this terminal is told besides what the program shows.
#[derive(Debug, Default)]
struct Seen {
    /// Who else has the keyboard.
    theirs: Option<String>,
    /// Whether it was ours.
    ours: bool,
    /// What is to be said once there is a screen to say it on.
    says: Option<String>,
    /// Whether it was said that the screen is larger than this terminal.
    larger: bool,
}

impl Seen {
    /// Notes who has the keyboard now.
    fn lease(&mut self, seen: LeaseSeen) {
        let theirs = seen.lease.filter(|_| !seen.yours).map(|it| text::line(&it.who, 60));
        if theirs != self.theirs {
            self.says = Some(match &theirs {
                Some(who) if self.ours => format!("{who} has the keyboard now; this only watches"),
                Some(who) => format!("{who} has the keyboard"),
                None if seen.yours => "The keyboard is yours".to_owned(),
                None => "Nobody has the keyboard".to_owned(),
            });
            self.theirs = theirs;
        }
        self.ours |= seen.yours;
    }

    /// Notes the size of the screen, which only whoever has the keyboard sets.
    fn size(&mut self, size: Size) {
        let here = screen::size();
        if !self.ours && !self.larger && (size.columns > here.columns || size.rows > here.rows) {
            self.larger = true;
            let says = format!("Its screen is {} × {}, larger than this terminal", size.columns, size.rows);
            self.says.get_or_insert(says);
        }
    }

    /// Says it on the last row, and goes back to where the program was.
    fn say(&mut self) {
        if let Some(says) = self.says.take().filter(|_| std::io::stdout().is_terminal()) {
            let line = format!("\x1b7\x1b[999;1H\x1b[2K\x1b[7m {says} \x1b[m\x1b8");
            let _nobody_reads = shown(&[line.as_bytes()]);
        }
    }
}

#[allow(clippy::print_stderr, reason = "what is shown goes to standard output, and this is about it")]
fn note(says: &str) {
    eprintln!("{says}");
}

/// Somebody who watches from a terminal or out of a pipe, and perhaps types.
struct Viewer {
    attach: Attach,
    /// What is asked for by a view; without it the bytes of the log are.
    asks: Option<View>,
    raw: bool,
    sieve: Sieve,
    /// One for all connections: a read that is under way takes the next key, whoever waits for it.
    keys: tokio::io::Stdin,
    interrupted: Option<Signal>,
    seen: Seen,
}

impl Viewer {
    async fn ask(&self) -> Result<Attachment, Fault> {
        let engine = desk::running().await?;
        match &self.asks {
            Some(view) => engine.view(view).await,
            None => engine.attach(&self.attach).await,
        }
    }

    /// Over one connection.
    async fn once(&mut self, patience: &mut Patience) -> Result<Option<Ended>, Fault> {
        let mut attachment = self.ask().await?;
        patience.found();
        // Whoever goes on from a byte gets no painting first.
        let mut drawn = self.asks.as_ref().is_some_and(|it| it.from.is_some());
        let mut typed = [0; 4096];
        let mut resized = heed(SignalKind::window_change())?;
        if self.attach.keyboard {
            attachment.resize(screen::size()).await?;
        }
        loop {
            tokio::select! {
                piece = attachment.next() => match piece? {
                    FromSession::Bytes(offset, bytes) => {
                        self.goes_on(offset, bytes.len());
                        let bytes = if self.raw { bytes } else { self.sieve.sift(&bytes) };
                        if !shown(&[&bytes]) {
                            return Ok(None);
                        }
                    }
                    FromSession::Screen(offset, size, paint) => {
                        self.attach.from = i64::try_from(offset).unwrap_or_default();
                        // What was cut off before it has no end here.
                        self.sieve = Sieve::new(self.attach.keyboard);
                        let paint = if self.raw { paint } else { self.sieve.sift(&paint) };
                        if !shown(&[AS_BEFORE, AFRESH, &paint]) {
                            return Ok(None);
                        }
                        drawn = true;
                        self.seen.size(size);
                        self.seen.say();
                    }
                    FromSession::Lease(lease) => {
                        if let Some(view) = self.asks.as_mut().filter(|_| !lease.yours) {
                            // Nor is it taken back when an engine comes and goes.
                            view.keyboard = false;
                        }
                        self.seen.lease(lease);
                        // A painting that is still to come would wipe it away.
                        if drawn {
                            self.seen.say();
                        }
                    }
                    FromSession::Ended(ended) => return Ok(Some(ended)),
                },
                read = self.keys.read(&mut typed), if self.attach.keyboard => {
                    let length = read.unwrap_or(0);
                    let bytes = typed.get(..length).unwrap_or_default();
                    if length == 0 || bytes.contains(&LEAVE) {
                        return Ok(None);
                    }
                    attachment.input(bytes).await?;
                }
                // Who only watches leaves by the usual key, and the terminal is put in order first.
                () = came(&mut self.interrupted) => return Ok(None),
                _ = resized.recv(), if self.attach.keyboard => attachment.resize(screen::size()).await?,
            }
        }
    }

    /// Notes how far the log was shown, and says what is no longer in it.
    fn goes_on(&mut self, offset: u64, length: usize) {
        let before = u64::try_from(self.attach.from).ok();
        if let Some(dropped) = before.and_then(|from| offset.checked_sub(from)).filter(|it| *it > 0) {
            note(&format!("({dropped} bytes before this are no longer in the log)"));
        }
        let end = i64::try_from(offset).unwrap_or_default() + i64::try_from(length).unwrap_or_default();
        self.attach.from = end;
    }
}
