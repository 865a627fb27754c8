//! Seeking and counting in steps that are stored: words as people type them, what stands around them, and usage added up.
//!
//! Refuses a language of its own: what is typed is words, and nothing in them is an operator but double quotes.

use std::collections::{BTreeMap, HashSet};

use pilothouse_contract::archive::{By, Hit, Place, Usage, UsageRow};
use pilothouse_contract::money::{Account, Money, Prices};
use pilothouse_contract::text;
use pilothouse_contract::trajectory::{StepKind, Tokens};

use crate::store::archive::{FoundStep, Used};

/// So many characters stand before the first word that was found, and so many are shown altogether.
const BEFORE: usize = 60;
const SHOWN: usize = 220;
/// So much of a step is looked through for the words, in bytes.
const LOOKED: usize = 64 * 1024;

/// Words that are sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// In the language of FTS5.
    pub matches: String,
    /// Single words in small letters, and whether each may be the beginning of one.
    marked: Vec<(String, bool)>,
}

/// Words as they were typed; nothing if there is none among them.
#[must_use]
pub fn words(typed: &str) -> Option<Words> {
    let mut phrases: Vec<(String, bool)> = Vec::new();
    for (n, part) in typed.split('"').enumerate() {
        if n % 2 == 1 {
            phrases.push((part.to_owned(), true));
        } else {
            phrases.extend(part.split_whitespace().map(|it| (it.to_owned(), false)));
        }
    }
    phrases.retain(|(phrase, _)| phrase.chars().any(is_of_word));
    let open = phrases.last().is_some_and(|(phrase, quoted)| !quoted && phrase.ends_with(is_of_word));
    let all = phrases.len();
    let (mut matches, mut marked) = (Vec::new(), Vec::new());
    for (n, (phrase, _)) in phrases.iter().enumerate() {
        let begins = open && n + 1 == all;
        // In quotes everything is text; there are none inside by now.
        matches.push(format!("\"{phrase}\"{}", if begins { " *" } else { "" }));
        let of: Vec<_> = tokens(phrase).map(|(_, _, word)| word).collect();
        let last = of.len().saturating_sub(1);
        marked.extend(of.into_iter().enumerate().map(|(i, word)| (word, begins && i == last)));
    }
    (!matches.is_empty()).then(|| Words { matches: matches.join(" "), marked })
}

impl Words {
    fn fits(&self, word: &str) -> bool {
        self.marked
            .iter()
            .any(|(it, begins)| if *begins { word.starts_with(it.as_str()) } else { word == it })
    }

    /// What stands in a text around the first of the words, as one line, and where they stand in that.
    #[must_use]
    pub fn excerpt(&self, text: &str) -> (String, Vec<(u32, u32)>) {
        let text = text.get(..text.floor_char_boundary(LOOKED)).unwrap_or_default();
        let first = tokens(text).find(|(_, _, word)| self.fits(word)).map_or(0, |(from, ..)| from);
        let before = text.get(..first).unwrap_or_default();
        let from = before.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
        let mut cut: String = text.get(from..).unwrap_or_default().chars().take(SHOWN).collect();
        let is_cut = from + cut.len() < text.len();
        if from > 0 {
            cut.insert(0, '…');
        }
        if is_cut {
            cut.push('…');
        }
        let line = text::plain(&cut, false);
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let marks = tokens(&line)
            .filter(|(_, _, word)| self.fits(word))
            .map(|(from, to, _)| (place(from), place(to)));
        let marks = marks.collect();
        (line, marks)
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text: from and to in bytes, and each in small letters.
fn tokens(text: &str) -> impl Iterator<Item = (usize, usize, String)> + '_ {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while rest.peek().is_some_and(|(_, c)| !is_of_word(*c)) {
            rest.next();
        }
        let (from, _) = *rest.peek()?;
        let (mut to, mut word) = (from, String::new());
        while let Some((at, c)) = rest.next_if(|(_, c)| is_of_word(*c)) {
            to = at + c.len_utf8();
            word.extend(c.to_lowercase());
        }
        Some((from, to, word))
    })
}

/// The text of a step that words are sought in.
#[must_use]
pub fn text_of(kind: &StepKind) -> String {
    match kind {
        StepKind::Prompt { text }
        | StepKind::Message { text }
        | StepKind::Reasoning { text }
        | StepKind::Result { text, .. }
        | StepKind::Error { text } => text.clone(),
        StepKind::Call { tool, says, .. } => format!("{tool} {says}"),
        StepKind::Tokens { .. } | StepKind::Cost { .. } | StepKind::Unread { .. } => String::new(),
    }
}

/// What was found in both, the best or the newest first, at most so many; whether there is more. `about` says whose a session is, its
/// title and its folder.
pub fn hits(
    words: &Words,
    found: Vec<FoundStep>,
    ranked: bool,
    most: usize,
    about: impl Fn(Place) -> (String, String, String),
) -> (Vec<Hit>, bool) {
    let mut found = found;
    if ranked {
        found.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    } else {
        found.sort_by(|a, b| b.at.cmp(&a.at).then(b.ordinal.cmp(&a.ordinal)));
    }
    let more = found.len() > most;
    let hit = |it: FoundStep| {
        let (agent, title, cwd) = it.of.clone().unwrap_or_else(|| about(it.place));
        let (excerpt, marks) = words.excerpt(&text_of(&it.kind));
        Hit {
            place: it.place,
            ordinal: it.ordinal,
            agent,
            title,
            cwd,
            at: it.at,
            kind: it.kind.word().to_owned(),
            excerpt,
            marks,
        }
    };
    (found.into_iter().take(most).map(hit).collect(), more)
}

/// What some calls used.
#[derive(Debug, Default)]
struct Sum {
    calls: u64,
    tokens: Tokens,
    known: u64,
    no_price: Vec<String>,
    part: bool,
}

impl Sum {
    fn row(self, of: String) -> UsageRow {
        let (tokens, known) = (self.tokens, Money(self.known));
        UsageRow { of, calls: self.calls, tokens, known, whole: !self.part, no_price: self.no_price }
    }

    fn add(&mut self, account: &Account, calls: u64, prices: &Prices, tables: &mut Vec<String>) {
        let cost = account.cost(prices);
        self.calls += calls;
        self.tokens.add(&account.tokens());
        self.known = self.known.saturating_add(cost.known.0);
        self.part |= !cost.whole;
        for model in cost.no_price {
            if !self.no_price.contains(&model) {
                self.no_price.push(model);
            }
        }
        for table in cost.tables {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
    }
}

/// Adds usage up. `of` says what a place is counted under, if under anything; `day` the day of a moment.
///
/// Each call counts once, first of all where the program says what all of its session cost. `whole` says which session a log is a part of: its calls are that one's.
///
/// A program's own word of what a session cost goes before prices, but says nothing of one model or one day: there prices count.
pub fn usage(
    by: By,
    used: &[Used],
    prices: &Prices,
    of: impl Fn(Place) -> Option<String>,
    day: impl Fn(pilothouse_contract::At) -> String,
    whole: impl Fn(Place) -> Option<Place>,
) -> Usage {
    // A log that begins as a copy of another repeats its calls, to the letter and the moment.
    let mut counted = HashSet::new();
    // An account is of one session: a program's word is of it, and replaces what it said before.
    let mut accounts: BTreeMap<(Place, String), (Account, u64)> = BTreeMap::new();
    // Where a program says of its session what it cost, its calls are in that, whichever log they stand in besides.
    let told: HashSet<Place> =
        used.iter().filter(|it| matches!(it.kind, StepKind::Cost { .. })).map(|it| it.place).collect();
    let (first, rest): (Vec<&Used>, Vec<&Used>) = used.iter().partition(|it| told.contains(&it.place));
    for it in first.into_iter().chain(rest) {
        let is_call = matches!(it.kind, StepKind::Tokens { .. });
        if let StepKind::Tokens { model, tokens } = &it.kind
            && it.at.is_some()
            && !counted.insert((
                &it.native,
                it.at,
                model,
                tokens.input,
                tokens.cached,
                tokens.cache_write,
                tokens.output,
            ))
        {
            continue;
        }
        // What a program says of a session holds what worked for it, so both are one account.
        let place = match by {
            By::Model | By::Day => it.place,
            _ => whole(it.place).unwrap_or(it.place),
        };
        let under = match (by, &it.kind) {
            (By::Model, StepKind::Tokens { model, .. }) => Some(named(model)),
            (By::Day, StepKind::Tokens { .. }) => Some(it.at.map_or_else(|| "no day".to_owned(), &day)),
            (By::Model | By::Day, _) => None,
            _ => of(place),
        };
        let Some(under) = under else { continue };
        let (account, calls) = accounts.entry((place, under)).or_default();
        account.add(&it.kind, prices);
        *calls += u64::from(is_call);
    }
    let (mut sums, mut all, mut tables) = (BTreeMap::<String, Sum>::new(), Sum::default(), Vec::new());
    for ((_, under), (account, calls)) in &accounts {
        sums.entry(under.clone()).or_default().add(account, *calls, prices, &mut tables);
        all.add(account, *calls, prices, &mut tables);
    }
    let mut rows: Vec<UsageRow> = sums.into_iter().map(|(of, sum)| sum.row(of)).collect();
    if by != By::Day {
        rows.sort_by(|a, b| {
            (b.known, b.tokens.all()).cmp(&(a.known, a.tokens.all())).then_with(|| a.of.cmp(&b.of))
        });
    }
    Usage { by, rows, all: all.row("all".to_owned()), tables }
}

fn named(model: &str) -> String {
    if model.is_empty() { "a model without a name".to_owned() } else { model.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_contract::{At, LogId, SessionId};

    #[test]
    fn what_is_typed_is_words_and_nothing_else() {
        let of = |typed: &str| words(typed).map(|it| it.matches);
        assert_eq!(of("  "), None);
        assert_eq!(of("-> ()"), None);
        assert_eq!(of("rudder NEAR mend").as_deref(), Some("\"rudder\" \"NEAR\" \"mend\" *"));
        assert_eq!(of("\"it broke\" he").as_deref(), Some("\"it broke\" \"he\" *"));
        assert_eq!(of("src/a.rs:").as_deref(), Some("\"src/a.rs:\""));
        assert_eq!(of("a* OR ^b").as_deref(), Some("\"a*\" \"OR\" \"^b\" *"));
    }

    #[test]
    fn an_excerpt_shows_where_it_stands_and_is_safe() {
        let found = words("rud").unwrap();
        let text = format!("{} the RUDDER\u{1b}[2J broke, the rudder {}", "x ".repeat(90), "y ".repeat(300));
        let (line, marks) = found.excerpt(&text);
        assert!(line.starts_with('…') && line.ends_with('…') && !line.contains('\u{1b}'), "{line}");
        let marked: Vec<&str> = marks.iter().map(|(a, b)| &line[*a as usize..*b as usize]).collect();
        assert_eq!(marked, ["RUDDER", "rudder"]);
        assert_eq!(found.excerpt("nothing of it"), ("nothing of it".to_owned(), Vec::new()));
    }

    #[test]
    fn usage_is_added_up_by_whatever_is_asked_and_a_programs_word_is_of_its_session() {
        let table = r#"{"source": "here", "models": {"m": {"input": 1.0, "output": 2.0}}}"#;
        let prices = Prices { tables: vec![serde_json::from_str(table).unwrap()], trouble: None };
        let tokens = |place, at, model: &str, input, output| Used {
            place,
            native: format!("{place}{at}"),
            at: Some(At(at)),
            kind: StepKind::Tokens {
                model: model.to_owned(),
                tokens: Tokens { input, output, ..Tokens::default() },
            },
        };
        let (ours, log) = (Place::Session(SessionId(1)), Place::Log(LogId(1)));
        let told = |micros| StepKind::Cost {
            micros: Some(micros),
            models: BTreeMap::from([("m".to_owned(), Tokens { input: 3_000_000, ..Tokens::default() })]),
        };
        let used = [
            tokens(ours, 1, "m", 1_000_000, 0),
            tokens(ours, 2, "m", 2_000_000, 0),
            Used { place: ours, native: "cost".to_owned(), at: None, kind: told(1_000_000) },
            Used { place: ours, native: "cost".to_owned(), at: None, kind: told(2_500_000) },
            tokens(log, 3, "m", 0, 1_000_000),
            tokens(log, 3, "unheard-of", 5, 5),
        ];
        let of = |by| {
            usage(by, &used, &prices, |place| Some(place.to_string()), |at| format!("day {}", at.0), |_| None)
        };
        let short = |it: &Usage| {
            it.rows.iter().map(|it| (it.of.clone(), it.calls, it.known.0, it.whole)).collect::<Vec<_>>()
        };
        let by_session = of(By::Session);
        assert_eq!(
            short(&by_session),
            [("s1".to_owned(), 2, 2_500_000, true), ("l1".to_owned(), 2, 2_000_000, false)]
        );
        assert_eq!((by_session.all.known.0, by_session.all.calls), (4_500_000, 4));
        assert_eq!(by_session.rows[1].no_price, ["unheard-of"]);
        assert_eq!(
            short(&of(By::Model)),
            [("m".to_owned(), 3, 5_000_000, true), ("unheard-of".to_owned(), 1, 0, false)]
        );
        let days: Vec<_> = of(By::Day).rows.into_iter().map(|it| (it.of, it.calls)).collect();
        assert_eq!(days, [("day 1".to_owned(), 1), ("day 2".to_owned(), 1), ("day 3".to_owned(), 2)]);
        let none = usage(By::Task, &used, &prices, |_| None, |_| String::new(), |_| None);
        assert!(none.rows.is_empty() && none.all.whole);
    }

    #[test]
    fn a_copy_counts_once_and_what_worked_for_a_session_is_in_what_that_cost() {
        let prices = Prices { tables: Vec::new(), trouble: None };
        let call = |log, native: &str, at| Used {
            place: Place::Log(LogId(log)),
            native: native.to_owned(),
            at: Some(At(at)),
            kind: StepKind::Tokens {
                model: "m".to_owned(),
                tokens: Tokens { input: 100, output: 10, ..Tokens::default() },
            },
        };
        let cost = Used {
            place: Place::Log(LogId(1)),
            native: "cost".to_owned(),
            at: None,
            kind: StepKind::Cost {
                micros: Some(7),
                models: BTreeMap::from([(
                    "m".to_owned(),
                    Tokens { input: 200, output: 20, ..Tokens::default() },
                )]),
            },
        };
        // The second log is a helper of the first; the third a copy of it that went on; the fourth says the same at another moment.
        let used =
            [call(1, "a", 1), cost, call(2, "h", 2), call(3, "a", 1), call(3, "b", 3), call(4, "a", 9)];
        let whole = |place| (place == Place::Log(LogId(2))).then_some(Place::Log(LogId(1)));
        let of = |by| {
            let usage =
                usage(by, &used, &prices, |place| Some(place.to_string()), |at| at.0.to_string(), whole);
            usage.rows.into_iter().map(|it| (it.of, it.calls, it.tokens.input)).collect::<Vec<_>>()
        };
        let row = |of: &str, calls, input| (of.to_owned(), calls, input);
        assert_eq!(of(By::Session), [row("l1", 2, 200), row("l3", 1, 100), row("l4", 1, 100)]);
        assert_eq!(of(By::Model), [row("m", 4, 400)]);
    }
}
