//! The engine socket's frames. A frame is a length (u32, little endian, of what follows), a tag (one byte) and a
//! payload; payloads are JSON, but for terminal bytes. The codec is chosen here and nowhere else.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::fault::Fault;

/// No frame is longer than this; a longer one is a broken or hostile peer.
pub const FRAME_MAX: usize = 64 * 1024 * 1024;

/// What a frame carries. The numbers are the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// Both ways, first: [`Hello`].
    Hello = 1,
    /// To the engine: a [`crate::Request`].
    Request = 2,
    /// From the engine: the encoded reply.
    Reply = 3,
    /// From the engine: a [`Fault`].
    Fault = 4,
    /// To the engine: [`Subscribe`].
    Subscribe = 5,
    /// From the engine: a [`crate::Fleet`], the snapshot.
    Snapshot = 6,
    /// From the engine: a list of [`crate::Record`], the deltas.
    Records = 7,
    /// To the engine: [`Attach`].
    Attach = 8,
    /// From the engine: an offset (u64, little endian) and the terminal's bytes from there.
    Bytes = 9,
    /// To the engine: bytes typed.
    Input = 10,
    /// To the engine: [`Size`].
    Resize = 11,
    /// From the engine: the session ended; [`Ended`].
    Ended = 12,
    /// To the engine: [`View`].
    View = 13,
    /// From the engine, to whoever sent a [`View`]: the screen as it is at an offset, to be painted on an empty terminal.
    /// The offset (u64), columns (u16) and rows (u16), little endian, and the escape sequences. Bytes go on from there.
    Screen = 14,
    /// From the engine, to whoever sent a [`View`]: who has the keyboard now; [`LeaseSeen`].
    Lease = 15,
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Request,
            3 => Self::Reply,
            4 => Self::Fault,
            5 => Self::Subscribe,
            6 => Self::Snapshot,
            7 => Self::Records,
            8 => Self::Attach,
            9 => Self::Bytes,
            10 => Self::Input,
            11 => Self::Resize,
            12 => Self::Ended,
            13 => Self::View,
            14 => Self::Screen,
            15 => Self::Lease,
            _ => return None,
        })
    }
}

/// The first frame of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The sender's program version.
    pub version: String,
}

/// Asks for the event stream. The answer is a snapshot, or, when `after` is given and the engine still has what
/// follows it, the records alone; then deltas for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The number of the last record the subscriber has.
    pub after: Option<u64>,
}

/// Asks for a session's bytes from an offset on, for ever or to the end of what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which session.
    pub session: crate::ids::SessionId,
    /// From this byte of its log on; a negative number counts from the end.
    pub from: i64,
    /// Whether to go on with what comes.
    pub follow: bool,
    /// Whether the viewer takes the keyboard. Only one may have it; with an agent at a task it is recorded as an
    /// intervention.
    pub keyboard: bool,
}

/// Asks for a session as a viewer with a terminal of its own sees it: painted first, then byte by byte; painted anew when
/// the viewer falls far behind; and told who has the keyboard. What the program asks its terminal is answered by the
/// engine, so a viewer's own terminal must not answer it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Which session.
    pub session: crate::ids::SessionId,
    /// From this byte on, if the viewer has what is before it; else from a painting of the screen.
    #[serde(default)]
    pub from: Option<u64>,
    /// So many lines above the screen are painted too.
    #[serde(default)]
    pub lines_above: u32,
    /// Whether the viewer takes the keyboard. Only one may have it; with an agent at a task it is recorded as an
    /// intervention.
    #[serde(default)]
    pub keyboard: bool,
    /// Whether it had it already before the connection was lost: it is not taken from whoever took it since.
    #[serde(default)]
    pub again: bool,
    /// Whether it is taken even while the session waits for an answer that can be given in the queue.
    #[serde(default)]
    pub despite_question: bool,
    /// Milliseconds between two paintings of a flood: while more comes than anybody reads, only the screen is painted, so
    /// often at the most, and once with the lines above it when the flood is over. At 0 all bytes are sent as long as the
    /// viewer keeps up.
    #[serde(default)]
    pub flood_ms: u16,
}

impl View {
    /// A session from its screen on, without the keyboard.
    #[must_use]
    pub fn of(session: crate::ids::SessionId) -> Self {
        Self {
            session,
            from: None,
            lines_above: 0,
            keyboard: false,
            again: false,
            despite_question: false,
            flood_ms: 0,
        }
    }

    /// The same with the keyboard.
    #[must_use]
    pub fn typing(session: crate::ids::SessionId) -> Self {
        Self { keyboard: true, ..Self::of(session) }
    }
}

/// Who has the keyboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseSeen {
    /// Who; nobody if none.
    pub lease: Option<crate::session::Lease>,
    /// Whether it is this viewer.
    pub yours: bool,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// The end of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The session's exit code, if it ended with one.
    pub code: Option<i32>,
    /// What is known, in words.
    pub why: String,
}

/// Encodes a value as a payload.
///
/// # Errors
/// `Bug` if the value cannot be written as JSON, which no type of this crate can be.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|error| Fault::bug("a value could not be encoded").because(error))
}

/// Decodes a payload.
///
/// # Errors
/// `Refused` if the bytes are not a value of that type: the peer speaks another protocol.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        Fault::refused("the other side sent something that this version cannot read").because(error)
    })
}

/// Writes a frame.
#[must_use]
pub fn frame(tag: Tag, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(payload.len() + 5);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(tag as u8);
    out.extend_from_slice(payload);
    out
}

/// What [`take_frame`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// A whole frame; its bytes were taken out of the buffer.
    Frame(Tag, Vec<u8>),
    /// Not enough bytes yet.
    More,
    /// Not our protocol.
    Broken,
}

/// Takes one frame off the front of a buffer of received bytes.
#[must_use]
pub fn take_frame(buffer: &mut Vec<u8>) -> Taken {
    let Some(length) = buffer.first_chunk::<4>().map(|head| u32::from_le_bytes(*head) as usize) else {
        return Taken::More;
    };
    if length == 0 || length > FRAME_MAX {
        return Taken::Broken;
    }
    let Some(body) = buffer.get(4..4 + length) else { return Taken::More };
    let Some((tag, payload)) = body.split_first() else { return Taken::Broken };
    let Some(tag) = Tag::of(*tag) else { return Taken::Broken };
    let payload = payload.to_vec();
    buffer.drain(..4 + length);
    Taken::Frame(tag, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let mut sent = frame(Tag::Hello, b"{}");
        sent.extend(frame(Tag::Bytes, &[7; 300]));
        let mut buffer = Vec::new();
        let mut got = Vec::new();
        for byte in sent {
            buffer.push(byte);
            while let Taken::Frame(tag, payload) = take_frame(&mut buffer) {
                got.push((tag, payload.len()));
            }
        }
        assert_eq!(got, [(Tag::Hello, 2), (Tag::Bytes, 300)]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn nonsense_is_called_broken() {
        assert_eq!(take_frame(&mut vec![255, 255, 255, 255, 1]), Taken::Broken);
        assert_eq!(take_frame(&mut vec![1, 0, 0, 0, 99]), Taken::Broken);
    }
}
