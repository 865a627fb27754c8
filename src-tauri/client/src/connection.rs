//! One connection to the engine: calls one after the other, or a stream of events, or a session's bytes.

use std::io;

use pilothouse_contract::wire::{
    self, Attach, Ended, Hello, LeaseSeen, Size, Subscribe, Tag, Taken, View, take_frame,
};
use pilothouse_contract::{Call, Fault, FaultCode, Fleet, PROTOCOL, Record, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::Places;

/// A connection that calls.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    version: String,
}

/// Nobody answers at the socket.
fn unreachable(error: &io::Error) -> Fault {
    Fault::new(FaultCode::Unreachable, "the engine does not answer")
        .command("see what is wrong", "pilothouse doctor")
        .because(error)
}

impl Client {
    /// Connects to the engine that runs.
    ///
    /// # Errors
    /// `Unreachable` if none does; `Refused` if it speaks another protocol, or is another user's.
    pub async fn connect(places: &Places) -> Result<Self, Fault> {
        places.check_sockets()?;
        let stream = UnixStream::connect(places.socket()).await.map_err(|error| unreachable(&error))?;
        let peer = stream.peer_cred().map_err(|error| unreachable(&error))?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Err(Fault::refused(format!(
                "what answers at {} belongs to another user",
                places.socket().display()
            ))
            .hint("set PILOTHOUSE_HOME to a folder of yours"));
        }
        let mut client = Self { stream, received: Vec::new(), version: String::new() };
        let hello = Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() };
        client.send(Tag::Hello, &wire::encode(&hello)?).await?;
        match client.receive().await? {
            (Tag::Hello, payload) => {
                let theirs: Hello = wire::decode(&payload)?;
                client.version = theirs.version;
                if theirs.protocol != PROTOCOL {
                    let says = format!(
                        "the engine that runs is version {} and speaks another protocol than this program",
                        client.version
                    );
                    return Err(Fault::refused(says)
                        .command("start the engine of this version", "pilothouse engine restart"));
                }
                Ok(client)
            }
            (_, payload) => Err(wire::decode::<Fault>(&payload).unwrap_or_else(|fault| fault)),
        }
    }

    /// The engine's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Calls.
    ///
    /// # Errors
    /// Whatever the engine says, or `Unreachable` if it ended meanwhile.
    pub async fn call<C: Call>(&mut self, call: C) -> Result<C::Reply, Fault> {
        wire::decode(&self.call_any(&call.request()).await?)
    }

    /// Calls, for whoever hands the encoded reply on.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_any(&mut self, request: &Request) -> Result<Vec<u8>, Fault> {
        self.send(Tag::Request, &wire::encode(request)?).await?;
        match self.receive().await? {
            (Tag::Reply, payload) => Ok(payload),
            (Tag::Fault, payload) => Err(wire::decode(&payload)?),
            (tag, _) => Err(Fault::bug(format!("the engine answered a call with {tag:?}"))),
        }
    }

    /// Follows events: from a snapshot on, or from what comes after a number.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn subscribe(mut self, after: Option<u64>) -> Result<Feed, Fault> {
        self.send(Tag::Subscribe, &wire::encode(&Subscribe { after })?).await?;
        Ok(Feed { client: self })
    }

    /// Attaches to a session.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn attach(mut self, attach: &Attach) -> Result<Attachment, Fault> {
        self.send(Tag::Attach, &wire::encode(attach)?).await?;
        Ok(Attachment { client: self })
    }

    /// Looks at a session as a viewer with a terminal of its own.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn view(mut self, view: &View) -> Result<Attachment, Fault> {
        self.send(Tag::View, &wire::encode(view)?).await?;
        Ok(Attachment { client: self })
    }

    /// Whether it can be used for another call: the engine has neither left nor said anything unasked. A look, and no
    /// promise: the engine may leave right after it.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let waits = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.received.is_empty() && self.stream.try_read(&mut [0; 1]).is_err_and(|error| waits(&error))
    }

    async fn send(&mut self, tag: Tag, payload: &[u8]) -> Result<(), Fault> {
        send(&mut self.stream, tag, payload).await
    }

    async fn receive(&mut self) -> Result<(Tag, Vec<u8>), Fault> {
        receive(&mut self.stream, &mut self.received).await
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), tag: Tag, payload: &[u8]) -> Result<(), Fault> {
    stream.write_all(&wire::frame(tag, payload)).await.map_err(|error| unreachable(&error))
}

/// The next frame. Can be dropped half-way: what was received stays.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> Result<(Tag, Vec<u8>), Fault> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match take_frame(received) {
            Taken::Frame(tag, payload) => return Ok((tag, payload)),
            Taken::Broken => {
                return Err(Fault::refused("what answers at the engine's socket is no Pilothouse"));
            }
            Taken::More => {}
        }
        match stream.read(&mut piece).await {
            Ok(0) => return Err(unreachable(&io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => received.extend(piece.get(..length).unwrap_or_default()),
            Err(error) => return Err(unreachable(&error)),
        }
    }
}

/// A stream of events.
#[derive(Debug)]
pub struct Feed {
    client: Client,
}

/// What a feed brings.
#[derive(Debug)]
pub enum FromFeed {
    /// Everything there is, once, first.
    Snapshot(Box<Fleet>),
    /// What happened since, without a gap.
    Records(Vec<Record>),
}

impl Feed {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended: connect again and ask for what comes after the last record.
    pub async fn next(&mut self) -> Result<FromFeed, Fault> {
        match self.client.receive().await? {
            (Tag::Snapshot, payload) => Ok(FromFeed::Snapshot(Box::new(wire::decode(&payload)?))),
            (Tag::Records, payload) => Ok(FromFeed::Records(wire::decode(&payload)?)),
            (Tag::Fault, payload) => Err(wire::decode(&payload)?),
            (tag, _) => Err(Fault::bug(format!("the engine's feed brought {tag:?}"))),
        }
    }
}

impl Feed {
    /// Waits for the next frame and leaves it as it came, for whoever hands it on: a snapshot, records, or a fault, after
    /// which the feed goes on. Can be dropped half-way.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn frame(&mut self) -> Result<(Tag, Vec<u8>), Fault> {
        match self.client.receive().await? {
            (tag @ (Tag::Snapshot | Tag::Records | Tag::Fault), payload) => Ok((tag, payload)),
            (tag, _) => Err(Fault::bug(format!("the engine's feed brought {tag:?}"))),
        }
    }
}

/// A session's bytes.
#[derive(Debug)]
pub struct Attachment {
    client: Client,
}

/// What an attachment brings.
#[derive(Debug)]
pub enum FromSession {
    /// Bytes of its output, and the offset of the first.
    Bytes(u64, Vec<u8>),
    /// The screen at an offset, with its size: to be painted on an empty terminal. Only for a [`View`].
    Screen(u64, Size, Vec<u8>),
    /// Who has the keyboard now. Only for a [`View`].
    Lease(LeaseSeen),
    /// There is no more.
    Ended(Ended),
}

impl Attachment {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// Whatever the engine says, or `Unreachable` if it ended: attach again from the last offset.
    pub async fn next(&mut self) -> Result<FromSession, Fault> {
        match self.client.receive().await? {
            (Tag::Bytes, payload) => {
                let (offset, bytes) = payload
                    .split_first_chunk::<8>()
                    .ok_or_else(|| Fault::bug("a piece of output came without its offset"))?;
                Ok(FromSession::Bytes(u64::from_le_bytes(*offset), bytes.to_vec()))
            }
            (Tag::Screen, payload) => {
                let short = || Fault::bug("a painting came without its size");
                let (offset, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
                let (columns, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let (rows, paint) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let size = Size { columns: u16::from_le_bytes(*columns), rows: u16::from_le_bytes(*rows) };
                Ok(FromSession::Screen(u64::from_le_bytes(*offset), size, paint.to_vec()))
            }
            (Tag::Lease, payload) => Ok(FromSession::Lease(wire::decode(&payload)?)),
            (Tag::Ended, payload) => Ok(FromSession::Ended(wire::decode(&payload)?)),
            (Tag::Fault, payload) => Err(wire::decode(&payload)?),
            (tag, _) => Err(Fault::bug(format!("an attachment brought {tag:?}"))),
        }
    }

    /// Types.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn input(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.client.send(Tag::Input, bytes).await
    }

    /// Sets the size of the terminal.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn resize(&mut self, size: Size) -> Result<(), Fault> {
        self.client.send(Tag::Resize, &wire::encode(&size)?).await
    }
}

impl Attachment {
    /// Apart into the session's frames and its keyboard, for whoever types while the frames wait.
    #[must_use]
    pub fn split(self) -> (Frames, Keyboard) {
        let (read, write) = self.client.stream.into_split();
        (Frames { stream: read, received: self.client.received }, Keyboard { stream: write })
    }
}

/// What an attachment brings, as it came, for whoever hands it on.
#[derive(Debug)]
pub struct Frames {
    stream: OwnedReadHalf,
    received: Vec<u8>,
}

impl Frames {
    /// Waits for the next frame: bytes, or the end. Can be dropped half-way.
    ///
    /// # Errors
    /// As [`Attachment::next`].
    pub async fn next(&mut self) -> Result<(Tag, Vec<u8>), Fault> {
        match receive(&mut self.stream, &mut self.received).await? {
            (tag @ (Tag::Bytes | Tag::Screen | Tag::Lease | Tag::Ended), payload) => Ok((tag, payload)),
            (Tag::Fault, payload) => Err(wire::decode(&payload)?),
            (tag, _) => Err(Fault::bug(format!("an attachment brought {tag:?}"))),
        }
    }
}

/// An attachment's keyboard.
#[derive(Debug)]
pub struct Keyboard {
    stream: OwnedWriteHalf,
}

impl Keyboard {
    /// Types.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn input(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        send(&mut self.stream, Tag::Input, bytes).await
    }

    /// Sets the size of the terminal.
    ///
    /// # Errors
    /// `Unreachable` if the engine ended.
    pub async fn resize(&mut self, size: Size) -> Result<(), Fault> {
        send(&mut self.stream, Tag::Resize, &wire::encode(&size)?).await
    }
}
