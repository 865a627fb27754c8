//! Follows agents' session logs. A log is read when its session shows output and once more at its end; how far it was
//! read is stored with the steps, so nothing is lost or doubled over a restart.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::money::Prices;
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, SessionId};
use tokio::sync::watch;

use crate::store::{NewStep, Spent, Store, StoreError, TrajectoryRead};

/// Output comes in bursts; a log is read this long after the first of one.
const PAUSE: Duration = Duration::from_millis(200);
/// A log is read this long after the last reading at the latest.
const SLOWLY: Duration = Duration::from_secs(10);
/// A piece of a log that is read at once, in bytes.
const PIECE: u64 = 4 * 1024 * 1024;

/// Reads a line of a log: its steps, or nothing if it is damaged.
pub type ReadLine = fn(&str) -> Option<Vec<(String, Option<At>, StepKind)>>;

/// What is followed.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The session.
    pub session: SessionId,
    /// The one that it goes on with, whose log is the same file.
    pub goes_on: Option<SessionId>,
    /// Its log; it need not be there yet.
    pub file: PathBuf,
    /// How a line is read.
    pub read_line: ReadLine,
    /// So many calls in a row are compared.
    pub repeats: u32,
    /// What its calls cost.
    pub prices: Prices,
}

/// Follows a log until `ended` says so, then reads the rest. `signs` changes whenever there may be more. After each reading
/// `tell` gets what was spent so far.
pub async fn follow<T: Send + Sync>(
    store: Store,
    followed: Followed,
    mut signs: watch::Receiver<T>,
    ended: fn(&T) -> bool,
    tell: impl Fn(Spent) + Send,
) {
    let mut told_at = None;
    let (mut read, before) = match so_far(&store, &followed).await {
        Ok((read, _)) if read.whole => return,
        Ok(known) => known,
        Err(error) => {
            tracing::warn!(session = %followed.session, %error, "its trajectory cannot be stored");
            return;
        }
    };
    let followed = Following { of: &followed, before };
    loop {
        let over = ended(&signs.borrow_and_update());
        if let Err(error) = take(&store, &followed, &mut read, over).await {
            let session = followed.of.session;
            tracing::warn!(%session, %error, "its trajectory could not be read further");
        }
        let of = followed.of;
        if told_at != Some(read.to)
            && let Ok(spent) = store.spent(of.session, of.repeats, &of.prices).await
        {
            told_at = Some(read.to);
            tell(spent);
        }
        if over {
            return;
        }
        // The sender goes away when the session is over.
        // An agent may say nothing on its terminal while its log grows.
        if matches!(tokio::time::timeout(SLOWLY, signs.changed()).await, Ok(Err(_))) {
            let _last = take(&store, &followed, &mut read, true).await;
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads a log that nobody writes any more to its end.
pub async fn finish(store: &Store, followed: &Followed) {
    let Ok((mut read, before)) = so_far(store, followed).await else { return };
    if read.whole {
        return;
    }
    if let Err(error) = take(store, &Following { of: followed, before }, &mut read, true).await {
        tracing::warn!(session = %followed.session, %error, "its trajectory could not be read to its end");
    }
}

/// Notes where the log of a session begins that goes on with another one, before its program adds to it: what there is now is all the
/// other one's, and is read whole. A session that has begun keeps its beginning.
pub async fn begin_after(store: &Store, earlier: &Followed, session: SessionId) -> Result<(), StoreError> {
    if store.trajectory_read(session).await?.is_some() {
        return Ok(());
    }
    finish(store, earlier).await;
    let mut read = store.trajectory_read(earlier.session).await?.unwrap_or_default();
    read.file = earlier.file.display().to_string();
    // Also if there is no log, or it cannot be read: from here on it is another one's.
    store.put_steps(earlier.session, &TrajectoryRead { whole: true, ..read.clone() }, &[]).await?;
    store.put_steps(session, &TrajectoryRead { damaged: 0, whole: false, ..read }, &[]).await
}

/// Something is read of a log with this in mind.
struct Following<'a> {
    of: &'a Followed,
    /// What the program said that the session cost before it was gone on with: it goes on counting from there.
    before: Option<StepKind>,
}

/// How far a log was read, and what its program counts from.
async fn so_far(
    store: &Store,
    followed: &Followed,
) -> Result<(TrajectoryRead, Option<StepKind>), StoreError> {
    let mut read = store.trajectory_read(followed.session).await?.unwrap_or_default();
    read.file = followed.file.display().to_string();
    let before = match followed.goes_on {
        Some(earlier) => store.told_cost(earlier).await?,
        None => None,
    };
    Ok((read, before))
}

/// Takes what is new of a log. The last line may be half written: it is left for the next time, unless the log is over.
async fn take(
    store: &Store,
    Following { of: followed, before }: &Following<'_>,
    read: &mut TrajectoryRead,
    over: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    loop {
        let (file, from) = (followed.file.clone(), read.to);
        let piece = tokio::task::spawn_blocking(move || piece_of(&file, from)).await??;
        let Some(piece) = piece else {
            if over && !read.whole && read.to > 0 {
                read.whole = true;
                store.put_steps(followed.session, read, &[]).await?;
            }
            return Ok(());
        };
        let last = piece.len() as u64 == PIECE;
        let whole = match piece.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line longer than a piece, or the last one of a log that is over.
            None if over || last => piece.len(),
            None => return Ok(()),
        };
        let whole = if over && !last { piece.len() } else { whole };
        let mut steps: Vec<NewStep> = Vec::new();
        for line in String::from_utf8_lossy(piece.get(..whole).unwrap_or_default()).lines() {
            match (followed.read_line)(line) {
                Some(new) => steps.extend(new.into_iter().map(|(native, at, kind)| {
                    let kind = match before {
                        Some(before) => kind.since(before),
                        None => kind,
                    };
                    (native, at, kind)
                })),
                None => read.damaged += 1,
            }
        }
        read.to += whole as u64;
        read.whole = over && !last;
        store.put_steps(followed.session, read, &steps).await?;
        if !last {
            return Ok(());
        }
    }
}

/// The next piece of a file; nothing if there is no more, or no file.
fn piece_of(file: &Path, from: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut file = match std::fs::File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    file.seek(SeekFrom::Start(from))?;
    let mut piece = Vec::new();
    file.take(PIECE).read_to_end(&mut piece)?;
    Ok((!piece.is_empty()).then_some(piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_line(line: &str) -> Option<Vec<(String, Option<At>, StepKind)>> {
        let (id, text) = line.split_once(':')?;
        Some(vec![(id.to_owned(), None, StepKind::Message { text: text.to_owned() })])
    }

    async fn words(store: &Store) -> Vec<String> {
        let steps = store.steps(SessionId(1), 0, 99).await.unwrap();
        steps.into_iter().map(|it| format!("{}:{:?}", it.native, it.kind)).collect()
    }

    #[tokio::test]
    async fn half_a_line_waits_for_its_end_and_reading_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let file = folder.path().join("log");
        let followed = Followed {
            session: SessionId(1),
            goes_on: None,
            file: file.clone(),
            read_line,
            repeats: 9,
            prices: Prices::default(),
        };
        let mut read = TrajectoryRead::default();
        let following = Following { of: &followed, before: None };
        let add = |text: &str| {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&file)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        };
        take(&store, &following, &mut read, false).await.unwrap();
        add("a:one\nb:tw");
        take(&store, &following, &mut read, false).await.unwrap();
        assert_eq!(words(&store).await.len(), 1);
        add("o\nnonsense\nc:thr");
        take(&store, &following, &mut read, false).await.unwrap();
        take(&store, &following, &mut read, false).await.unwrap();
        assert_eq!(words(&store).await.len(), 2);
        take(&store, &following, &mut read, true).await.unwrap();
        let all = words(&store).await;
        assert_eq!(all.len(), 3, "a log that is over is read to its last byte");
        assert_eq!((read.damaged, read.whole), (1, true));
        // An engine that lost its mind about how far it had read.
        let mut anew = TrajectoryRead::default();
        take(&store, &following, &mut anew, true).await.unwrap();
        assert_eq!(words(&store).await, all);
    }
}
