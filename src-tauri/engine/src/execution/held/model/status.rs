//! What a program says of its own state: the Program Status Protocol (OSC 7501). A program that asks whether anybody heeds it
//! is answered; what it says then is kept as a claim, and nothing follows from it.
//!
//! Only what is said of the program itself is kept. Reports with an `id` are of parts of it, such as agents that work for an
//! agent. Source: the protocol's specification, revision 0.4.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pilothouse_contract::facts::{Claim, Claimed, WaitsFor};
use pilothouse_contract::text;

/// What stands before each report and question.
pub(super) const HEAD: &[u8] = b"\x1b]7501;";
/// A report has at most so many bytes.
pub(super) const REPORT_MAX: usize = 4096;
/// What it says in words has at most so many.
const TEXT_MAX: usize = 2048;
/// So many characters of that are kept.
const SAYS: usize = 200;
/// The answer to whoever asks.
const HEEDED: &str =
    "\x1b]7501;?:states=idle,working,done,blocked,error:kinds=permission,question,auth\x1b\\";

/// The report that stands.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Status {
    claim: Option<Claim>,
    /// As it was said.
    report: String,
}

impl Status {
    /// Takes what came after the head. The answer, if it was a question.
    pub(super) fn take(&mut self, said: &[u8]) -> Option<String> {
        let said =
            std::str::from_utf8(said).ok().filter(|it| it.bytes().all(|it| matches!(it, 0x20..=0x7e)))?;
        if said == "?" {
            return Some(HEEDED.to_owned());
        }
        match read(said) {
            Some(Report::Of(claim)) => *self = Self { claim: Some(claim), report: said.to_owned() },
            Some(Report::Clear) => *self = Self::default(),
            None => {}
        }
        None
    }

    /// What the program claims.
    pub(super) fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// What says it once more.
    pub(super) fn painted(&self) -> Vec<u8> {
        match &self.claim {
            Some(_) => [HEAD, self.report.as_bytes(), b"\x1b\\"].concat(),
            None => Vec::new(),
        }
    }
}

enum Report {
    Of(Claim),
    Clear,
}

/// Reads a report; nothing if it is none, or of a part of the program.
fn read(said: &str) -> Option<Report> {
    let mut claim =
        Claim { state: Claimed::Idle, waits_for: None, says: String::new(), percent: None, at: None };
    let (mut state, mut title) = (None, String::new());
    for field in said.split(':') {
        let (name, value) = field.split_once('=')?;
        match name {
            "state" => state = Some(value),
            "kind" => {
                claim.waits_for = match value {
                    "permission" => Some(WaitsFor::Permission),
                    "question" => Some(WaitsFor::Question),
                    "auth" => Some(WaitsFor::Auth),
                    _ => None,
                }
            }
            "progress" => claim.percent = value.parse().ok().filter(|it| *it <= 100),
            "title" => title = words(value)?,
            "msg" => claim.says = words(value)?,
            "id" => return None,
            // Its name is known, and later revisions may say more.
            _ => {}
        }
    }
    claim.state = match state? {
        "idle" => Claimed::Idle,
        "working" => Claimed::Working,
        "done" => Claimed::Done,
        "blocked" => Claimed::Blocked,
        "error" => Claimed::Error,
        "clear" => return Some(Report::Clear),
        _ => return None,
    };
    if claim.state != Claimed::Blocked {
        claim.waits_for = None;
    }
    if claim.says.is_empty() {
        claim.says = title;
    }
    Some(Report::Of(claim))
}

/// What is written in base64, as one plain line; nothing if it is none, or too long.
fn words(value: &str) -> Option<String> {
    const ANY: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY);
    let bytes = BASE64.decode(value).ok().filter(|it| it.len() <= TEXT_MAX)?;
    Some(text::line(String::from_utf8(bytes).ok()?.trim(), SAYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(reports: &[&str]) -> Option<(Claimed, Option<WaitsFor>, String, Option<u8>)> {
        let mut status = Status::default();
        for it in reports {
            assert_eq!(status.take(it.as_bytes()), None);
        }
        status.claim().map(|it| (it.state, it.waits_for, it.says.clone(), it.percent))
    }

    #[test]
    fn reports_are_read_as_agents_write_them() {
        let plain = |state| Some((state, None, String::new(), None));
        // Codex 0.169.0 and Claude Code 2.1.329.
        assert_eq!(claimed(&["state=idle:app=codex"]), plain(Claimed::Idle));
        assert_eq!(
            claimed(&["state=working:app=claude-code:msg=U2NyaXB0ZWQgY29tbWFuZA=="]),
            Some((Claimed::Working, None, "Scripted command".to_owned(), None))
        );
        assert_eq!(
            claimed(&["state=blocked:app=claude-code:kind=permission:msg=YXBwcm92ZSBXcml0ZQ"]),
            Some((Claimed::Blocked, Some(WaitsFor::Permission), "approve Write".to_owned(), None))
        );
        assert_eq!(claimed(&["state=working", "state=clear"]), None);
        assert_eq!(
            claimed(&["state=working:progress=40:title=QnVpbGQ="]),
            Some((Claimed::Working, None, "Build".to_owned(), Some(40)))
        );
        // What stood in the one before does not stand in the next; what comes later may say more.
        assert_eq!(
            claimed(&["state=blocked:kind=auth", "state=error:kind=auth:mood=7"]),
            plain(Claimed::Error)
        );
    }

    #[test]
    fn what_is_no_report_changes_nothing() {
        for bad in [
            "",
            "?x",
            "idle",
            "state=",
            "state=asleep",
            "app=x",
            "state=done:id=part",
            "state=done:msg=%%%",
            "state=done:msg=/w==",
            "state=done\u{1b}",
            "state=done:é",
        ] {
            assert_eq!(claimed(&["state=working", bad]).map(|it| it.0), Some(Claimed::Working), "{bad:?}");
        }
        let long = format!("state=done:msg={}", "QUFB".repeat(TEXT_MAX / 3 + 1));
        assert_eq!(claimed(&["state=working", &long]).map(|it| it.0), Some(Claimed::Working));
        // It becomes a line, whatever it was.
        let says = claimed(&["state=done:msg=YRtbMzFtCmI="]).map(|it| it.2);
        assert_eq!(says.as_deref(), Some("a\u{241b}[31m b"));
    }
}
