//! The holder socket's frames, binary and few: a length (u32, little endian, of what follows), a tag (one byte), a
//! payload of fixed shape. The holder never sends output: it says how far the log has grown, and whoever wants bytes
//! reads the log. So a slow peer costs nothing and catching up is the same as following.
//!
//! Version 1 had neither [`ToHolder::Typed`] nor [`ToHolder::Share`] nor [`ToHolder::Leave`]: a holder of it keeps its
//! descriptors to itself, and its death ends its session.

/// The version of this protocol. Old holders outlive new engines, so both sides say theirs first.
pub const VERSION: u32 = 2;

/// No frame is longer than this.
pub const FRAME_MAX: usize = 1024 * 1024;

/// To the holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToHolder {
    /// First: the peer's version.
    Hello(u32),
    /// Bytes for the program's standard input. Version 1; nothing is said of what becomes of them.
    Input(Vec<u8>),
    /// The terminal's new size: columns, rows.
    Resize(u16, u16),
    /// End the program and everything it started: politely, then after this many milliseconds by force.
    Stop(u32),
    /// Bytes for the program's standard input, and the peer's own offset of the first. What became of them is said by
    /// [`FromHolder::Took`] or [`FromHolder::Dropped`]; of what neither was said when the holder died, nothing is known.
    Typed(u64, Vec<u8>),
    /// Hand out duplicates of what is held; the answer is [`FromHolder::Shared`].
    Share,
    /// Go, and leave the program running: the peer has a successor for this holder. With the path of a program: let that
    /// one go on in this holder's place, as the same process; whoever does not know that yet just goes.
    Leave(Vec<u8>),
}

/// From the holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromHolder {
    /// First: the holder's version.
    Hello(u32),
    /// The log holds this many bytes now.
    Grew(u64),
    /// It is over; `exit.json` is written.
    Ended,
    /// With it come the descriptors of [`crate::hands::Hands`]; whether the program's process is among them.
    Shared(bool),
    /// The program's terminal has taken everything that this peer typed before an offset of its own.
    Took(u64),
    /// Bytes up to this offset of the peer's own were thrown away: the program takes nothing.
    Dropped(u64),
    /// So many bytes of output were not kept so far: the disk or the log is full.
    Lost(u64),
    /// After the greeting: which program file the holder runs, as [`crate::build`] has it. One that does not say it is
    /// older than this word.
    Build(String),
}

impl ToHolder {
    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        match self {
            Self::Hello(version) => build(1, &version.to_le_bytes()),
            Self::Input(bytes) => build(2, bytes),
            Self::Resize(columns, rows) => {
                let mut payload = columns.to_le_bytes().to_vec();
                payload.extend_from_slice(&rows.to_le_bytes());
                build(3, &payload)
            }
            Self::Stop(grace_ms) => build(4, &grace_ms.to_le_bytes()),
            Self::Typed(offset, bytes) => {
                let mut payload = offset.to_le_bytes().to_vec();
                payload.extend_from_slice(bytes);
                build(5, &payload)
            }
            Self::Share => build(6, &[]),
            Self::Leave(program) => build(7, program),
        }
    }

    fn read(tag: u8, payload: &[u8]) -> Option<Self> {
        match tag {
            1 => Some(Self::Hello(u32::from_le_bytes(payload.try_into().ok()?))),
            2 => Some(Self::Input(payload.to_vec())),
            3 => {
                let (columns, rows) = payload.split_first_chunk::<2>()?;
                Some(Self::Resize(u16::from_le_bytes(*columns), u16::from_le_bytes(rows.try_into().ok()?)))
            }
            4 => Some(Self::Stop(u32::from_le_bytes(payload.try_into().ok()?))),
            5 => {
                let (offset, bytes) = payload.split_first_chunk::<8>()?;
                Some(Self::Typed(u64::from_le_bytes(*offset), bytes.to_vec()))
            }
            6 => Some(Self::Share),
            7 => Some(Self::Leave(payload.to_vec())),
            _ => None,
        }
    }
}

impl FromHolder {
    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        match self {
            Self::Hello(version) => build(65, &version.to_le_bytes()),
            Self::Grew(published) => build(66, &published.to_le_bytes()),
            Self::Ended => build(67, &[]),
            Self::Shared(process) => build(68, &[u8::from(*process)]),
            Self::Took(offset) => build(69, &offset.to_le_bytes()),
            Self::Dropped(offset) => build(70, &offset.to_le_bytes()),
            Self::Lost(bytes) => build(71, &bytes.to_le_bytes()),
            Self::Build(id) => build(72, id.as_bytes()),
        }
    }

    fn read(tag: u8, payload: &[u8]) -> Option<Self> {
        match tag {
            65 => Some(Self::Hello(u32::from_le_bytes(payload.try_into().ok()?))),
            66 => Some(Self::Grew(u64::from_le_bytes(payload.try_into().ok()?))),
            67 => Some(Self::Ended),
            68 => Some(Self::Shared(*payload.first()? != 0)),
            69 => Some(Self::Took(u64::from_le_bytes(payload.try_into().ok()?))),
            70 => Some(Self::Dropped(u64::from_le_bytes(payload.try_into().ok()?))),
            71 => Some(Self::Lost(u64::from_le_bytes(payload.try_into().ok()?))),
            72 => Some(Self::Build(String::from_utf8(payload.to_vec()).ok()?)),
            _ => None,
        }
    }
}

/// What was found at the front of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A frame; its bytes were taken out.
    Frame(T),
    /// A frame of a newer version that this one does not know; its bytes were taken out.
    Unknown,
    /// Not enough bytes yet.
    More,
    /// Not our protocol.
    Broken,
}

/// Takes one frame to the holder off the front of a buffer.
#[must_use]
pub fn take_to_holder(buffer: &mut Vec<u8>) -> Taken<ToHolder> {
    take(buffer, ToHolder::read)
}

/// Takes one frame from the holder off the front of a buffer.
#[must_use]
pub fn take_from_holder(buffer: &mut Vec<u8>) -> Taken<FromHolder> {
    take(buffer, FromHolder::read)
}

fn build(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap_or(u32::MAX);
    let mut frame = length.to_le_bytes().to_vec();
    frame.push(tag);
    frame.extend_from_slice(payload);
    frame
}

fn take<T>(buffer: &mut Vec<u8>, read: impl Fn(u8, &[u8]) -> Option<T>) -> Taken<T> {
    let Some(length) = buffer.first_chunk::<4>().map(|head| u32::from_le_bytes(*head) as usize) else {
        return Taken::More;
    };
    if length == 0 || length > FRAME_MAX {
        return Taken::Broken;
    }
    let Some(body) = buffer.get(4..4 + length) else { return Taken::More };
    let taken = body.split_first().and_then(|(tag, payload)| read(*tag, payload));
    buffer.drain(..4 + length);
    taken.map_or(Taken::Unknown, Taken::Frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_round_trips() {
        for sent in [
            ToHolder::Hello(1),
            ToHolder::Input(vec![0, 255]),
            ToHolder::Resize(80, 24),
            ToHolder::Stop(2000),
            ToHolder::Typed(7, b"x".to_vec()),
            ToHolder::Share,
            ToHolder::Leave(Vec::new()),
            ToHolder::Leave(b"/a/program".to_vec()),
        ] {
            let mut buffer = sent.frame();
            assert_eq!(take_to_holder(&mut buffer), Taken::Frame(sent));
            assert!(buffer.is_empty());
        }
        for sent in [
            FromHolder::Hello(1),
            FromHolder::Grew(u64::MAX),
            FromHolder::Ended,
            FromHolder::Shared(true),
            FromHolder::Took(9),
            FromHolder::Dropped(10),
            FromHolder::Lost(11),
            FromHolder::Build("a-b".to_owned()),
        ] {
            let mut buffer = sent.frame();
            assert_eq!(take_from_holder(&mut buffer), Taken::Frame(sent));
        }
    }

    #[test]
    fn a_frame_of_a_newer_version_is_passed_over_and_nonsense_is_refused() {
        let mut buffer = build(40, b"later");
        buffer.extend(ToHolder::Hello(2).frame());
        assert_eq!(take_to_holder(&mut buffer), Taken::Unknown);
        assert_eq!(take_to_holder(&mut buffer), Taken::Frame(ToHolder::Hello(2)));
        assert_eq!(take_to_holder(&mut vec![0, 0, 0, 0]), Taken::Broken);
        assert_eq!(take_to_holder(&mut vec![9]), Taken::More);
    }
}
