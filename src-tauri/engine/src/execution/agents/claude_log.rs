//! Claude Code's session log: where it lies and what one line of it says.
//!
//! Pure: no file is opened here. It refuses to fail: records that it does not know become `Unread`, and only text
//! that is no JSON object is `Damaged`. Lines are judged one by one, so they may come in any order and again.

use std::path::{Path, PathBuf};

use pilothouse_contract::At;
use pilothouse_contract::money::Money;
use pilothouse_contract::trajectory::{StepKind, Tokens};
use serde_json::Value;

use super::said::{fingerprint, hash, saying, text_at, time};

/// The longest directory name that Claude Code makes from a path before it cuts it and adds a hash.
const LONGEST_NAME: usize = 200;
/// What stands for a prompt when a person broke a turn off.
const INTERRUPTION: &str = "[Request interrupted by user";
/// What one line holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The steps that it tells of; none for an empty line.
    Steps(Vec<NativeStep>),
    /// It is no JSON object: cut short, or not from this log.
    Damaged,
}

/// One step, under Claude Code's own id for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NativeStep {
    /// Stable over readings and unique in the session: a step that comes again replaces the one before. Records
    /// without an id of their own are known by their text, so two that are equal to the letter are one.
    pub(crate) native: String,
    /// When, by Claude Code's clock.
    pub(crate) at: Option<At>,
    /// What happened.
    pub(crate) kind: StepKind,
}

/// The log of a session that was started in `cwd`, as Claude Code names it. `config_dir` is `CLAUDE_CONFIG_DIR`, or
/// `.claude` in the home directory without it. `cwd` must have no symbolic links left in it: Claude Code resolves
/// them first.
pub(crate) fn log_path(config_dir: &Path, cwd: &Path, session: &str) -> PathBuf {
    config_dir.join("projects").join(folder_name(cwd)).join(format!("{session}.jsonl"))
}

/// The name of the folder in which the logs of sessions lie that were started in `cwd`.
fn folder_name(cwd: &Path) -> String {
    let cwd = cwd.to_string_lossy();
    let mut name = dashed(&cwd);
    if name.len() > LONGEST_NAME {
        name.truncate(LONGEST_NAME);
        name.push('-');
        name.push_str(&path_hash(&cwd));
    }
    name
}

/// Counted in UTF-16 units, as JavaScript does: a character beyond them makes two dashes.
fn dashed(path: &str) -> String {
    path.encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '-',
        })
        .collect()
}

/// Whether a folder of that name may hold logs of sessions that were started in a folder or below it. Many paths have one
/// name, so the logs themselves say which it was: see [`started_in`].
pub(crate) fn may_be_of(name: &str, folder: &Path) -> bool {
    let all = dashed(&folder.to_string_lossy());
    name.starts_with(all.get(..LONGEST_NAME).unwrap_or(&all))
}

/// The folder that a session was started in, if this line of its log says so.
pub(crate) fn started_in(line: &str) -> Option<PathBuf> {
    let record: Value = serde_json::from_str(line.trim()).ok()?;
    record.get("cwd").and_then(Value::as_str).map(PathBuf::from)
}

/// The hash that ends a long directory name: a polynomial of 31 over UTF-16 units in 32 bits, its size in base 36.
/// Found by comparing names that Claude Code 2.1.329 made.
fn path_hash(path: &str) -> String {
    let hash =
        path.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let mut rest = hash.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(rest % 36, 36).unwrap_or('0'));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.iter().rev().collect()
}

/// Reads one line of a session log, with or without its line end.
pub(crate) fn read_line(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() {
        return Line::Steps(Vec::new());
    }
    match serde_json::from_str(line) {
        Ok(value @ Value::Object(_)) => Line::Steps(Record { value: &value, line }.steps()),
        _ => Line::Damaged,
    }
}

/// A view of one record.
struct Record<'a> {
    value: &'a Value,
    line: &'a str,
}

impl Record<'_> {
    fn steps(&self) -> Vec<NativeStep> {
        match text_at(self.value, "/type") {
            "user" => self.user(),
            "assistant" => self.assistant(),
            "cost-state" => vec![self.cost()],
            "system" if text_at(self.value, "/subtype") == "api_error" => {
                vec![self.step(0, StepKind::Error { text: retried(self.value) })]
            }
            "system" => vec![self.unread(&["system", text_at(self.value, "/subtype")])],
            "attachment" => vec![self.unread(&["attachment", text_at(self.value, "/attachment/type")])],
            name => vec![self.unread(&[name])],
        }
    }

    /// Prompts and tool results; the program's own words to the model are not prompts.
    fn user(&self) -> Vec<NativeStep> {
        for mark in ["isMeta", "isCompactSummary"] {
            if self.value.get(mark).and_then(Value::as_bool) == Some(true) {
                return vec![self.unread(&["user", mark])];
            }
        }
        self.each_block(|block| match text_at(block, "/type") {
            "text" if text_at(block, "/text").starts_with(INTERRUPTION) => {
                Some(unread(&["user", "interruption"]))
            }
            "text" => spoken(block, "/text").map(|text| StepKind::Prompt { text }),
            "tool_result" => Some(StepKind::Result {
                call: text_at(block, "/tool_use_id").to_owned(),
                failed: block.get("is_error").and_then(Value::as_bool).unwrap_or(false),
                text: returned(block.get("content")),
            }),
            name => Some(unread(&["user", name])),
        })
    }

    fn assistant(&self) -> Vec<NativeStep> {
        // Written by the program in the model's place when no answer could be had; its zero tokens mean nothing.
        let failed = self.value.get("isApiErrorMessage").and_then(Value::as_bool) == Some(true);
        let mut steps = self.each_block(|block| match text_at(block, "/type") {
            "text" if failed => spoken(block, "/text").map(|text| StepKind::Error { text }),
            "text" => spoken(block, "/text").map(|text| StepKind::Message { text }),
            "thinking" => spoken(block, "/thinking").map(|text| StepKind::Reasoning { text }),
            "tool_use" | "server_tool_use" | "mcp_tool_use" => Some(StepKind::Call {
                call: text_at(block, "/id").to_owned(),
                tool: text_at(block, "/name").to_owned(),
                says: saying(block.get("input")),
                input: block.get("input").map(|it| hash(&it.to_string())).unwrap_or_default(),
            }),
            name => Some(unread(&["assistant", name])),
        });
        if !failed {
            steps.extend(self.tokens());
        }
        steps
    }

    /// The tokens of the model call that this block came from. Every block of an answer repeats them, so the id is
    /// the call's and not the line's.
    fn tokens(&self) -> Option<NativeStep> {
        let usage = self.value.pointer("/message/usage").filter(|usage| usage.is_object())?;
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let message = match text_at(self.value, "/message/id") {
            "" => self.id(),
            id => id.to_owned(),
        };
        let kind = StepKind::Tokens {
            model: text_at(self.value, "/message/model").to_owned(),
            tokens: Tokens {
                input: count("input_tokens"),
                cached: count("cache_read_input_tokens"),
                cache_write: count("cache_creation_input_tokens"),
                cache_write_1h: usage
                    .pointer("/cache_creation/ephemeral_1h_input_tokens")
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
                output: count("output_tokens"),
            },
        };
        let native = format!("tokens:{message}:{}", text_at(self.value, "/requestId"));
        Some(NativeStep { native, at: self.at(), kind })
    }

    /// What the program says that the session cost, all it started included. It says so again and again, and the last word
    /// counts; where it met a model that it has no price for, it counts that by another's, so its sum is no fact then.
    fn cost(&self) -> NativeStep {
        let is_known = self.value.get("hasUnknownModelCost").and_then(Value::as_bool) != Some(true);
        let dollars = self.value.get("totalCostUSD").and_then(Value::as_f64).filter(|_| is_known);
        let usage = self.value.get("modelUsage").and_then(Value::as_object);
        let counted = |(model, usage): (&String, &Value)| {
            let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
            let tokens = Tokens {
                input: count("inputTokens"),
                cached: count("cacheReadInputTokens"),
                cache_write: count("cacheCreationInputTokens"),
                cache_write_1h: count("cacheCreationEphemeral1hInputTokens"),
                output: count("outputTokens"),
            };
            (model.clone(), tokens)
        };
        let kind = StepKind::Cost {
            micros: dollars.and_then(Money::of_dollars).map(|it| it.0),
            models: usage.into_iter().flatten().map(counted).collect(),
        };
        NativeStep { native: "cost".to_owned(), at: self.at(), kind }
    }

    /// A step for every content block that makes one, numbered by its place.
    fn each_block(&self, kind: impl Fn(&Value) -> Option<StepKind>) -> Vec<NativeStep> {
        match self.value.pointer("/message/content") {
            Some(Value::Array(blocks)) => {
                let numbered = blocks.iter().enumerate();
                numbered.filter_map(|(number, block)| Some(self.step(number, kind(block)?))).collect()
            }
            Some(Value::String(text)) => {
                let block = serde_json::json!({"type": "text", "text": text});
                kind(&block).map(|kind| self.step(0, kind)).into_iter().collect()
            }
            _ => vec![self.unread(&[text_at(self.value, "/type"), "no content"])],
        }
    }

    fn step(&self, number: usize, kind: StepKind) -> NativeStep {
        NativeStep { native: format!("{}:{number}", self.id()), at: self.at(), kind }
    }

    fn unread(&self, name: &[&str]) -> NativeStep {
        self.step(0, unread(name))
    }

    fn id(&self) -> String {
        match text_at(self.value, "/uuid") {
            "" => format!("line-{:016x}", fingerprint(self.line)),
            uuid => uuid.to_owned(),
        }
    }

    fn at(&self) -> Option<At> {
        time(self.value, "/timestamp")
    }
}

/// The text of a block, if there is any: thinking often comes without its words.
fn spoken(block: &Value, pointer: &str) -> Option<String> {
    let text = text_at(block, pointer);
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn unread(name: &[&str]) -> StepKind {
    let parts: Vec<&str> = name.iter().copied().filter(|part| !part.is_empty()).collect();
    StepKind::Unread { name: if parts.is_empty() { "nameless".to_owned() } else { parts.join(":") } }
}

/// What a tool gave back, as text; what is no text is named in brackets.
fn returned(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts = blocks.iter().map(|block| match (text_at(block, "/type"), text_at(block, "/text")) {
                ("text" | "", text) => text.to_owned(),
                (kind, _) => format!("[{kind}]"),
            });
            texts.collect::<Vec<String>>().join("\n")
        }
        _ => String::new(),
    }
}

/// What went wrong with a model call, and which try it was.
fn retried(value: &Value) -> String {
    let said = ["/error/formatted", "/error/message", "/content"].map(|place| text_at(value, place));
    let said = said.into_iter().find(|said| !said.is_empty()).unwrap_or("an error of the model's API");
    match value
        .get("retryAttempt")
        .and_then(Value::as_u64)
        .zip(value.get("maxRetries").and_then(Value::as_u64))
    {
        Some((attempt, most)) => format!("{said} (retry {attempt} of {most})"),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(line: &str) -> Vec<(String, StepKind)> {
        match read_line(line) {
            Line::Steps(steps) => steps.into_iter().map(|step| (step.native, step.kind)).collect(),
            Line::Damaged => panic!("damaged: {line}"),
        }
    }

    fn only(line: &str) -> StepKind {
        let mut steps = steps(line);
        assert_eq!(steps.len(), 1, "{line}");
        steps.remove(0).1
    }

    fn name(line: &str) -> String {
        match only(line) {
            StepKind::Unread { name } => name,
            other => panic!("read: {other:?}"),
        }
    }

    #[test]
    fn a_prompt_has_its_id_and_its_time() {
        let line = r#"{"type":"user","uuid":"u1","timestamp":"2026-11-20T14:54:46.452Z","message":{"role":"user","content":"Add it"}}"#;
        let kind = StepKind::Prompt { text: "Add it".into() };
        let step = NativeStep { native: "u1:0".into(), at: Some(At(1_795_186_486_452)), kind };
        assert_eq!(read_line(line), Line::Steps(vec![step]));
    }

    #[test]
    fn an_answer_gives_its_blocks_and_its_tokens() {
        let line = r#"{"type":"assistant","uuid":"u2","requestId":"r1","message":{"id":"m1","model":"opus","content":[
            {"type":"thinking","thinking":"Why?"},{"type":"thinking","thinking":""},{"type":"text","text":"So."},
            {"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls","description":"d"}}],
            "usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":40,"output_tokens":3,
            "cache_creation":{"ephemeral_1h_input_tokens":1,"ephemeral_5m_input_tokens":1}}}}"#;
        let call = StepKind::Call {
            call: "t1".into(),
            tool: "Bash".into(),
            says: "ls".into(),
            input: hash(r#"{"command":"ls","description":"d"}"#),
        };
        let tokens = Tokens { input: 5, cached: 40, cache_write: 2, cache_write_1h: 1, output: 3 };
        let tokens = StepKind::Tokens { model: "opus".into(), tokens };
        let expected = [
            ("u2:0".to_owned(), StepKind::Reasoning { text: "Why?".into() }),
            ("u2:2".to_owned(), StepKind::Message { text: "So.".into() }),
            ("u2:3".to_owned(), call),
            ("tokens:m1:r1".to_owned(), tokens),
        ];
        assert_eq!(steps(&line.replace('\n', "")), expected);
    }

    #[test]
    fn the_programs_own_count_is_one_step_and_no_fact_where_it_guessed() {
        let line = |guessed: bool| {
            format!(
                r#"{{"type":"cost-state","sessionId":"x","totalCostUSD":0.0746318,"modelUsage":{{"opus":{{"inputTokens":13560,"outputTokens":308,"cacheReadInputTokens":71159,"cacheCreationInputTokens":4,"cacheCreationEphemeral1hInputTokens":3,"costUSD":0.0746318}}}},"hasUnknownModelCost":{guessed}}}"#
            )
        };
        let tokens = Tokens { input: 13560, cached: 71159, cache_write: 4, cache_write_1h: 3, output: 308 };
        let cost = |micros| StepKind::Cost { micros, models: [("opus".to_owned(), tokens)].into() };
        assert_eq!(steps(&line(false)), [("cost".to_owned(), cost(Some(74_632)))]);
        assert_eq!(steps(&line(true)), [("cost".to_owned(), cost(None))]);
    }

    #[test]
    fn tokens_of_one_call_have_one_id_in_every_line() {
        let line = |uuid: &str, request: &str| {
            let line = format!(
                r#"{{"type":"assistant","uuid":"{uuid}","requestId":"{request}","message":{{"id":"m","content":[],"usage":{{"output_tokens":1}}}}}}"#
            );
            steps(&line).remove(0).0
        };
        assert_eq!(line("a", "r"), line("b", "r"));
        assert_ne!(line("a", "r"), line("a", "r2"));
    }

    #[test]
    fn results_tell_success_from_failure() {
        let line = r#"{"type":"user","uuid":"u","message":{"content":[
            {"type":"tool_result","tool_use_id":"t1","content":"fine"},
            {"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image"}]}]}}"#;
        let result = |call: &str, failed, text: &str| StepKind::Result {
            call: call.into(),
            failed,
            text: text.into(),
        };
        let kinds: Vec<StepKind> = steps(&line.replace('\n', "")).into_iter().map(|step| step.1).collect();
        assert_eq!(kinds, [result("t1", false, "fine"), result("t2", true, "no\n[image]")]);
    }

    #[test]
    fn errors_come_from_retries_and_from_the_last_word() {
        let retry = r#"{"type":"system","subtype":"api_error","uuid":"e","error":{"formatted":"429 slow"},"retryAttempt":1,"maxRetries":10}"#;
        assert_eq!(only(retry), StepKind::Error { text: "429 slow (retry 1 of 10)".into() });
        let last = r#"{"type":"assistant","uuid":"e","isApiErrorMessage":true,"message":{"id":"x","model":"<synthetic>",
            "usage":{"output_tokens":0},"content":[{"type":"text","text":"API Error: 401"}]}}"#;
        assert_eq!(only(&last.replace('\n', "")), StepKind::Error { text: "API Error: 401".into() });
    }

    #[test]
    fn what_is_not_read_is_named() {
        assert_eq!(name(r#"{"type":"new-in-2027","x":1}"#), "new-in-2027");
        assert_eq!(name(r#"{"type":"attachment","attachment":{"type":"date"}}"#), "attachment:date");
        assert_eq!(name(r#"{"type":"system","subtype":"turn_duration"}"#), "system:turn_duration");
        assert_eq!(name(r#"{"type":"user","isMeta":true,"message":{"content":"x"}}"#), "user:isMeta");
        let broken_off = r#"{"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user]"}]}}"#;
        assert_eq!(name(broken_off), "user:interruption");
        assert_eq!(name(r#"{"type":"user","message":7}"#), "user:no content");
        assert_eq!(name("{}"), "nameless");
    }

    #[test]
    fn records_without_an_id_are_known_by_their_text() {
        let id = |line: &str| steps(line).remove(0).0;
        assert_eq!(id(r#"{"type":"mode","a":1}"#), id("{\"type\":\"mode\",\"a\":1}\r\n"));
        assert_ne!(id(r#"{"type":"mode","a":1}"#), id(r#"{"type":"mode","a":2}"#));
    }

    #[test]
    fn only_text_that_is_no_object_is_damaged() {
        for line in [r#"{"type":"us"#, "[1]", "7", "text"] {
            assert_eq!(read_line(line), Line::Damaged, "{line}");
        }
        assert_eq!(read_line(" \n"), Line::Steps(vec![]));
    }

    #[test]
    fn logs_lie_where_claude_code_2_1_329_put_them() {
        let name = |cwd: &str| {
            let path = log_path(Path::new("/c"), Path::new(cwd), "s");
            path.strip_prefix("/c/projects").unwrap().parent().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(log_path(Path::new("/c"), Path::new("/t"), "s"), Path::new("/c/projects/-t/s.jsonl"));
        assert_eq!(name("/tmp/wt_one.x/a_b"), "-tmp-wt-one-x-a-b");
        assert_eq!(name("/tmp/ünï-é/emoji😀x"), "-tmp--n----emoji--x");
        let long = |rest: usize| format!("/tmp/h1x/enc/{}/{}", "q".repeat(100), "r".repeat(rest - 114));
        assert_eq!(name(&long(200)).len(), 200);
        assert!(name(&long(201)).ends_with("rr-vd3p0f"));
        assert!(name(&long(202)).ends_with("rr-m5e87h"));
        assert_eq!(name(&long(202)).len(), 207);
    }
}
