//! How bodies of steps are packed: by zstd, with a dictionary of what steps look like once there are enough of them to learn it from.
//! Each packed body says itself with which; one that is not packed is JSON and begins with a brace.
//!
//! Refuses to lose a step: a body that nobody can unpack any more is said to be one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilothouse_contract::At;
use pilothouse_contract::trajectory::StepKind;
use sha2::{Digest, Sha256};
use sqlx::Row;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

use super::super::{NewStep, Store, StoreError};

/// A body that is longer is packed, in bytes: by itself, and with a dictionary.
const ALONE_FROM: usize = 200;
const PACKED_FROM: usize = 48;
/// How hard it is tried.
const LEVEL: i32 = 3;
/// A dictionary is learned once so many steps are stored, from them.
const LEARNED_FROM: i64 = 10_000;
/// So long is a dictionary, in bytes.
const DICTIONARY: usize = 110 * 1024;
/// Longer bodies teach nothing that shorter ones do not, in bytes.
const LESSON: usize = 8 * 1024;
/// No body is longer, in bytes.
const BODY_MAX: u64 = 256 * 1024 * 1024;
/// So much of a step can be found by its words, in bytes.
const INDEXED: usize = 64 * 1024;

/// What bodies are packed with.
#[derive(Default)]
pub(in crate::store) struct Packs {
    newest: Option<EncoderDictionary<'static>>,
    all: HashMap<u32, DecoderDictionary<'static>>,
}

impl std::fmt::Debug for Packs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Packs").field(&self.all.len()).finish()
    }
}

/// Those of a database, once they were read.
pub(in crate::store) type Shelf = Arc<Mutex<Option<Arc<Packs>>>>;

/// A step as it is stored.
#[derive(Debug)]
pub struct Prepared {
    pub(super) native: String,
    pub(super) at: Option<At>,
    pub(super) kind: &'static str,
    pub(super) tool: Option<String>,
    pub(super) failed: bool,
    /// Beginning of a hash of the body.
    pub(super) mark: i64,
    pub(super) body: Vec<u8>,
    pub(super) words: Option<String>,
}

impl Packs {
    fn of(bodies: Vec<Vec<u8>>) -> Self {
        let newest = bodies.last().map(|it| EncoderDictionary::copy(it, LEVEL));
        let each = bodies.iter().filter_map(|it| {
            Some((zstd_safe::get_dict_id_from_dict(it)?.get(), DecoderDictionary::copy(it)))
        });
        Self { newest, all: each.collect() }
    }

    fn prepare(&self, steps: Vec<NewStep>) -> Vec<Prepared> {
        let mut pack = match &self.newest {
            Some(it) => Compressor::with_prepared_dictionary(it),
            None => Compressor::new(LEVEL),
        }
        .ok();
        let from = if self.newest.is_some() { PACKED_FROM } else { ALONE_FROM };
        let prepared = steps.into_iter().map(|(native, at, kind)| {
            let body = serde_json::to_vec(&kind).unwrap_or_default();
            let mark = first(&body);
            let small = pack.as_mut().filter(|_| body.len() > from).and_then(|it| it.compress(&body).ok());
            let body = small.filter(|it| it.len() < body.len()).unwrap_or(body);
            let tool = tool(&kind).map(str::to_owned);
            Prepared {
                native: short(&native),
                at,
                kind: kind.word(),
                tool,
                failed: failed(&kind),
                mark,
                body,
                words: words(&kind),
            }
        });
        prepared.collect()
    }

    /// A body; one that cannot be read is said to be none, for the log is still there.
    pub(super) fn unpack(&self, body: &[u8]) -> StepKind {
        let read =
            if body.first() == Some(&b'{') { serde_json::from_slice(body).ok() } else { self.unpacked(body) };
        read.unwrap_or_else(|| StepKind::Unread { name: "a step that cannot be unpacked".to_owned() })
    }

    fn unpacked(&self, body: &[u8]) -> Option<StepKind> {
        let mut pack = match zstd_safe::get_dict_id_from_frame(body) {
            Some(id) => Decompressor::with_prepared_dictionary(self.all.get(&id.get())?).ok()?,
            None => Decompressor::new().ok()?,
        };
        let long = zstd_safe::get_frame_content_size(body).ok()??;
        let json = pack.decompress(body, usize::try_from(long.min(BODY_MAX)).ok()?).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl Store {
    /// What bodies are packed with.
    pub(super) async fn packs(&self) -> Result<Arc<Packs>, StoreError> {
        let known = self.packs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let bodies =
            sqlx::query_scalar("SELECT body FROM dictionary ORDER BY id").fetch_all(&self.read).await;
        let packs = Arc::new(Packs::of(bodies.map_err(|error| StoreError::of(&self.path, error))?));
        *self.packs.lock().unwrap_or_else(PoisonError::into_inner) = Some(packs.clone());
        Ok(packs)
    }

    /// Makes steps ready to be stored, beside whatever else is done meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn prepare(&self, steps: Vec<NewStep>) -> Result<Vec<Prepared>, StoreError> {
        let packs = self.packs().await?;
        let prepared = tokio::task::spawn_blocking(move || packs.prepare(steps)).await;
        Ok(prepared.unwrap_or_default())
    }

    /// Learns a dictionary if there is none and enough to learn from. Nobody else stores logs meanwhile.
    pub(super) async fn learn(&self) -> Result<(), StoreError> {
        let packs = self.packs().await?;
        if packs.newest.is_some() {
            return Ok(());
        }
        let in_words = |error| StoreError::of(&self.path, error);
        let most = LEARNED_FROM;
        let rows = sqlx::query("SELECT body FROM log_step ORDER BY id DESC LIMIT ?")
            .bind(most)
            .fetch_all(&self.write)
            .await
            .map_err(in_words)?;
        if i64::try_from(rows.len()).unwrap_or(0) < most {
            return Ok(());
        }
        let learned = tokio::task::spawn_blocking(move || {
            let bodies = rows.iter().filter_map(|it| serde_json::to_vec(&packs.unpack(it.get("body"))).ok());
            let lessons: Vec<Vec<u8>> = bodies.filter(|it| it.len() <= LESSON).collect();
            zstd::dict::from_samples(&lessons, DICTIONARY).ok()
        });
        // What cannot be learned from is packed without.
        let Some(body) = learned.await.ok().flatten() else { return Ok(()) };
        sqlx::query("INSERT INTO dictionary (body) VALUES (?)")
            .bind(body)
            .execute(&self.write)
            .await
            .map_err(in_words)?;
        *self.packs.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

/// What a step is found by; nothing if nobody looks for it.
pub(super) fn words(kind: &StepKind) -> Option<String> {
    let cut = |text: &str| text.get(..text.floor_char_boundary(INDEXED)).unwrap_or_default().to_owned();
    match kind {
        StepKind::Prompt { text }
        | StepKind::Message { text }
        | StepKind::Reasoning { text }
        | StepKind::Result { text, .. }
        | StepKind::Error { text } => Some(cut(text)),
        StepKind::Call { tool, says, .. } => Some(cut(&format!("{tool} {says}"))),
        StepKind::Tokens { .. } | StepKind::Cost { .. } | StepKind::Unread { .. } => None,
    }
}

fn tool(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::Call { tool, .. } => Some(tool),
        _ => None,
    }
}

fn failed(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Result { failed: true, .. })
}

/// A native id, short: the beginning of its hash. One that is short already stays as it is.
pub(super) fn short(native: &str) -> String {
    if native.len() == 12 && native.starts_with('#') {
        return native.to_owned();
    }
    format!("#{}", URL_SAFE_NO_PAD.encode(first(native.as_bytes()).to_be_bytes()))
}

/// The beginning of a hash.
fn first(bytes: &[u8]) -> i64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |sum, byte| (sum << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(n: u32) -> StepKind {
        StepKind::Call {
            call: format!("call_{n:08}"),
            tool: "Bash".to_owned(),
            says: format!("cargo test -p part_{}", n % 97),
            input: short(&n.to_string()),
        }
    }

    #[test]
    fn what_is_packed_with_a_dictionary_is_shorter_and_read_again_and_without_it_is_said_to_be_unreadable() {
        let lessons: Vec<Vec<u8>> = (0..3000).map(|n| serde_json::to_vec(&step(n)).unwrap()).collect();
        let known = Packs::of(vec![zstd::dict::from_samples(&lessons, 16 * 1024).unwrap()]);
        let pack = |packs: &Packs| packs.prepare(vec![("a".to_owned(), None, step(5000))]).remove(0).body;
        let (with, without) = (pack(&known), pack(&Packs::default()));
        assert!(with.len() * 2 < without.len(), "{} of {}", with.len(), without.len());
        for body in [&with, &without] {
            assert_eq!(known.unpack(body), step(5000));
        }
        let unread = Packs::default().unpack(&with);
        assert!(matches!(unread, StepKind::Unread { .. }), "{unread:?}");
        assert!(matches!(known.unpack(&with[..with.len() / 2]), StepKind::Unread { .. }));
    }

    #[test]
    fn a_short_id_is_one_already() {
        let id = short("tokens:msg_1:req_1");
        assert_eq!((id.len(), short(&id)), (12, id));
        assert_ne!(short("a"), short("b"));
    }
}
