//! Money: what calls of models cost, by prices that are known with their source and date, or by the program's own word.
//!
//! Refuses estimates: a call of a model without a price costs nobody knows how much, which is not nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::trajectory::{StepKind, Tokens};

/// Micro-dollars: millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

impl Money {
    /// So many dollars; nothing if that is no sum that anybody spends.
    #[must_use]
    pub fn of_dollars(dollars: f64) -> Option<Self> {
        micros_of(dollars).map(Self)
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// This and another sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Dollars for people, rounded to what changes a decision.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.saturating_add(5_000) / 10_000;
        match self.0 {
            0 => f.write_str("$0"),
            1..5_000 => f.write_str("under $0.01"),
            _ if cents < 10_000 => write!(f, "${}.{:02}", cents / 100, cents % 100),
            _ => write!(f, "${}", self.0.saturating_add(500_000) / 1_000_000),
        }
    }
}

/// A sum is at most so many dollars, and so many is a million tokens.
const DOLLARS_MAX: f64 = 1e9;

fn micros_of(dollars: f64) -> Option<u64> {
    // In this range a float holds every millionth.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is neither negative nor too large"
    )]
    (dollars.is_finite() && (0.0..=DOLLARS_MAX).contains(&dollars)).then(|| (dollars * 1e6).round() as u64)
}

/// The price of a million tokens, in micro-dollars; written as dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate(pub u64);

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[allow(clippy::cast_precision_loss, reason = "in this range a float holds every millionth")]
        to.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(from)?;
        let bad =
            || serde::de::Error::custom(format!("{dollars} is no price in dollars for a million tokens"));
        micros_of(dollars).map(Self).ok_or_else(bad)
    }
}

/// What a million tokens of a model cost, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Read anew.
    pub input: Rate,
    /// Read from a cache; without it a call that read from one costs nobody knows how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Rate>,
    /// Read anew and written to a cache; without it the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Rate>,
    /// Written to one that keeps it for an hour; as any other cache if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    /// Written.
    pub output: Rate,
    /// What they cost in a call that reads much, if that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrice>,
}

/// What a million tokens cost in a call that reads more than so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    /// From more than so many tokens on, from wherever they were read.
    pub above: u64,
    /// Read anew.
    pub input: Rate,
    /// Read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Rate>,
    /// Read anew and written to a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Rate>,
    /// Written to one that keeps it for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    /// Written.
    pub output: Rate,
}

impl Price {
    /// What a call cost, in millionths of a micro-dollar, so that nothing is lost by rounding each; nothing if it has tokens
    /// without a price.
    #[must_use]
    pub fn of(&self, call: &Tokens) -> Option<u128> {
        let long = self.long.filter(|it| call.read() > it.above);
        let (input, cached, output) =
            long.map_or((self.input, self.cached, self.output), |it| (it.input, it.cached, it.output));
        let (write, hour) =
            long.map_or((self.cache_write, self.cache_write_1h), |it| (it.cache_write, it.cache_write_1h));
        let times = |tokens: u64, rate: Option<Rate>| match (tokens, rate) {
            (0, _) => Some(0),
            (tokens, rate) => Some(u128::from(tokens) * u128::from(rate?.0)),
        };
        let for_an_hour = call.cache_write_1h.min(call.cache_write);
        Some(
            times(call.input, Some(input))?
                + times(call.cached, cached)?
                + times(call.cache_write - for_an_hour, write)?
                + times(for_an_hour, hour.or(write))?
                + times(call.output, Some(output))?,
        )
    }
}

/// Prices of models, from one source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// Where they are from.
    pub source: String,
    /// Of which day, as 2026-11-19; empty if it does not say.
    #[serde(default)]
    pub date: String,
    /// By model, as the program's own log names it; a date at the end of a name (`-20251001`) may be left out.
    pub models: BTreeMap<String, Price>,
}

impl PriceTable {
    /// Where and when, for people.
    #[must_use]
    pub fn named(&self) -> String {
        if self.date.is_empty() { self.source.clone() } else { format!("{}, {}", self.source, self.date) }
    }

    fn of(&self, model: &str) -> Option<&Price> {
        let undated = model
            .rsplit_once('-')
            .filter(|(_, it)| it.len() == 8 && it.bytes().all(|it| it.is_ascii_digit()));
        self.models.get(model).or_else(|| self.models.get(undated?.0))
    }
}

/// Prices, those that are asked first at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    /// The tables.
    pub tables: Vec<PriceTable>,
    /// Why one of them could not be read, if one could not.
    pub trouble: Option<String>,
}

impl Prices {
    /// The price of a model, and the table that it stands in.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<(&Price, &PriceTable)> {
        self.tables.iter().find_map(|table| Some((table.of(model)?, table)))
    }
}

/// What a session's program said that all of it cost, its helpers included, and the tokens that it counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Told {
    micros: Option<u64>,
    models: BTreeMap<String, Tokens>,
}

/// What a session used, added up from the steps of its log, each model call once.
#[derive(Debug, Clone, Default)]
pub struct Account {
    models: BTreeMap<String, Calls>,
    told: Option<Told>,
}

/// Calls of one model.
#[derive(Debug, Clone, Default)]
struct Calls {
    tokens: Tokens,
    /// In millionths of a micro-dollar; nothing if one of them costs nobody knows how much.
    cost: Option<u128>,
    table: Option<String>,
}

/// What a session cost, as far as anybody knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// What is known of it.
    pub known: Money,
    /// Whether that is all of it.
    pub whole: bool,
    /// Whether the program said so itself.
    pub told: bool,
    /// Models without a price, where the program did not say.
    pub no_price: Vec<String>,
    /// The tables that it was reckoned by.
    pub tables: Vec<String>,
}

impl Account {
    /// Adds a step of a session's log. A program's own count replaces the one before.
    pub fn add(&mut self, step: &StepKind, prices: &Prices) {
        match step {
            StepKind::Tokens { model, tokens } => {
                let price = prices.of(model);
                let first =
                    Calls { cost: Some(0), table: price.map(|(_, table)| table.named()), ..Calls::default() };
                let calls = self.models.entry(model.clone()).or_insert(first);
                calls.tokens.add(tokens);
                let cost = price.and_then(|(price, _)| price.of(tokens));
                calls.cost = calls.cost.zip(cost).map(|(sum, it)| sum + it);
            }
            StepKind::Cost { micros, models } => {
                self.told = Some(Told { micros: *micros, models: models.clone() });
            }
            _ => {}
        }
    }

    /// Whether the log told of any call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.told.is_none()
    }

    /// Tokens of all calls.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        let mut sum = Tokens::default();
        self.models.values().for_each(|it| sum.add(&it.tokens));
        sum
    }

    /// What it cost. The program's own word goes before prices, for it knows what is agreed with whom; what it had not counted
    /// yet when it last said so is added by prices.
    #[must_use]
    pub fn cost(&self, prices: &Prices) -> Cost {
        let told = self.told.as_ref().and_then(|it| Some((it.micros?, &it.models)));
        let mut cost = Cost {
            known: Money(told.as_ref().map_or(0, |(micros, _)| *micros)),
            whole: !self.is_empty(),
            told: told.is_some(),
            ..Cost::default()
        };
        let mut sum = 0;
        for (model, calls) in &self.models {
            let counted = told.as_ref().map(|(_, models)| models.get(model).copied().unwrap_or_default());
            let part = match counted {
                None => calls.cost,
                Some(counted) => {
                    let rest = calls.tokens.without(&counted);
                    if rest.is_empty() {
                        continue;
                    }
                    prices.of(model).and_then(|(price, _)| price.of(&rest))
                }
            };
            match part {
                Some(part) => {
                    sum += part;
                    cost.tables.extend(calls.table.clone().filter(|it| !cost.tables.contains(it)));
                }
                None => {
                    cost.whole = false;
                    cost.no_price.push(model.clone());
                }
            }
        }
        cost.known = cost.known.plus(Money(u64::try_from((sum + 500_000) / 1_000_000).unwrap_or(u64::MAX)));
        cost
    }

    /// What the program counted besides the calls of its log (`over`), and what it did not count of them (`under`), in tokens; nothing
    /// if it told no count.
    #[must_use]
    pub fn against_told(&self) -> Option<(u64, u64)> {
        let told = self.told.as_ref()?;
        let names = self.models.keys().chain(told.models.keys()).collect::<std::collections::BTreeSet<_>>();
        let (mut over, mut under) = (0, 0);
        for name in names {
            let calls = self.models.get(name).map(|it| it.tokens).unwrap_or_default();
            let counted = told.models.get(name).copied().unwrap_or_default();
            over += counted.without(&calls).all();
            under += calls.without(&counted).all();
        }
        Some((over, under))
    }
}

/// What many sessions cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MoneyCount {
    /// How many sessions there are.
    pub sessions: u32,
    /// Of how many of them not everything is known.
    pub unknown: u32,
    /// How many of the others said it themselves.
    pub told: u32,
    /// What is known, added up.
    pub known: Money,
    /// Models without a price that were called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_price: Vec<String>,
    /// The tables that the rest was reckoned by: source and date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// How many sessions' programs counted their tokens themselves.
    #[serde(default)]
    pub checked: u32,
    /// Tokens that those programs counted besides what their logs tell of, as those of helpers with logs of their own.
    #[serde(default)]
    pub over: u64,
    /// Tokens that their logs tell of and they did not count, as of calls that broke off.
    #[serde(default)]
    pub under: u64,
    /// Why a table of prices could not be read, if one could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl MoneyCount {
    /// Counts a session.
    pub fn count(&mut self, account: &Account, prices: &Prices) {
        let cost = account.cost(prices);
        self.sessions += 1;
        self.unknown += u32::from(!cost.whole);
        self.told += u32::from(cost.told && cost.whole);
        self.known = self.known.plus(cost.known);
        if let Some((over, under)) = account.against_told() {
            self.checked += 1;
            self.over = self.over.saturating_add(over);
            self.under = self.under.saturating_add(under);
        }
        let join = |all: &mut Vec<String>, more: Vec<String>| {
            all.extend(more);
            all.sort_unstable();
            all.dedup();
        };
        join(&mut self.no_price, cost.no_price);
        join(&mut self.tables, cost.tables);
        self.trouble = self.trouble.take().or_else(|| prices.trouble.clone());
    }

    /// Counts what was counted before.
    pub fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.unknown += other.unknown;
        self.told += other.told;
        self.known = self.known.plus(other.known);
        self.checked += other.checked;
        self.over = self.over.saturating_add(other.over);
        self.under = self.under.saturating_add(other.under);
        self.trouble = self.trouble.take().or_else(|| other.trouble.clone());
        for (all, more) in [(&mut self.no_price, &other.no_price), (&mut self.tables, &other.tables)] {
            all.extend(more.iter().cloned());
            all.sort_unstable();
            all.dedup();
        }
    }

    /// The sum in a word or two: `$1.20`, `at least $1.20`, `unknown`.
    #[must_use]
    pub fn sum(&self) -> String {
        match (self.sessions, self.unknown, self.known) {
            (0, ..) => Money::default().to_string(),
            (_, 0, known) => known.to_string(),
            (_, _, Money(0)) => "unknown".to_owned(),
            (.., known) => format!("at least {known}"),
        }
    }

    /// Of how many it is not known, and why; nothing if all is known.
    #[must_use]
    pub fn unknown(&self) -> Option<String> {
        let sessions = if self.sessions == 1 { "session" } else { "sessions" };
        let why = if self.no_price.is_empty() {
            String::new()
        } else {
            let names: Vec<String> = self.no_price.iter().take(3).map(|it| format!("`{it}`")).collect();
            let more = if self.no_price.len() > 3 { " and others" } else { "" };
            format!(" (no price for {}{more})", names.join(", "))
        };
        (self.unknown > 0)
            .then(|| format!("unknown for {} of {} {sessions}{why}", self.unknown, self.sessions))
    }

    /// All of it in one line.
    #[must_use]
    pub fn line(&self) -> String {
        if self.sessions == 0 {
            return "no session yet".to_owned();
        }
        let sum = self.sum();
        let mut parts = Vec::new();
        if sum != "unknown" {
            parts.push(sum);
        }
        parts.extend(self.unknown());
        if self.told > 0 {
            parts.push(format!("{} by the program's own count", self.told));
        }
        if !self.tables.is_empty() {
            parts.push(format!("by prices of {}", self.tables.join("; ")));
        }
        parts.extend(self.trouble.clone());
        parts.join("; ")
    }

    /// How the tokens of the logs stand against the programs' own counts; nothing if none counted.
    #[must_use]
    pub fn against_told(&self) -> Option<String> {
        let says = match (self.over, self.under) {
            (0, 0) => "agree".to_owned(),
            (over, 0) => format!("tell of {over} more, as those of helpers"),
            (0, under) => format!("tell of {under} less"),
            (over, under) => format!("tell of {over} more and {under} less"),
        };
        let whose = if self.checked == 1 {
            "the count of 1 program".to_owned()
        } else {
            format!("the counts of {} programs", self.checked)
        };
        let says = if self.checked == 1 {
            says.replacen("agree", "agrees", 1).replacen("tell ", "tells ", 1)
        } else {
            says
        };
        (self.checked > 0).then(|| format!("{whose} {says}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(dollars: f64) -> Rate {
        Rate(micros_of(dollars).unwrap())
    }

    fn prices() -> Prices {
        let opus = Price {
            input: rate(4.0),
            cached: Some(rate(0.2)),
            cache_write: Some(rate(5.0)),
            cache_write_1h: Some(rate(8.0)),
            output: rate(20.0),
            long: None,
        };
        let plain = Price { cached: None, cache_write: None, cache_write_1h: None, ..opus };
        let long = LongPrice {
            above: 1000,
            input: rate(40.0),
            cached: None,
            cache_write: None,
            cache_write_1h: None,
            output: rate(200.0),
        };
        let models = [("opus-5", opus), ("plain", plain), ("stretched", Price { long: Some(long), ..plain })];
        let models = models.map(|(name, price)| (name.to_owned(), price)).into();
        let table = PriceTable { source: "a list".to_owned(), date: "2026-11-19".to_owned(), models };
        Prices { tables: vec![table], trouble: None }
    }

    fn call(model: &str, input: u64, cached: u64, cache_write: u64, output: u64) -> StepKind {
        let tokens = Tokens { input, cached, cache_write, cache_write_1h: 0, output };
        StepKind::Tokens { model: model.to_owned(), tokens }
    }

    fn account(steps: &[StepKind]) -> Account {
        let mut account = Account::default();
        steps.iter().for_each(|it| account.add(it, &prices()));
        account
    }

    #[test]
    fn a_call_costs_what_its_tokens_cost_and_a_long_one_more() {
        let micros =
            |model: &str, tokens: Tokens| prices().of(model).unwrap().0.of(&tokens).map(|it| it / 1_000_000);
        let all = Tokens { input: 1000, cached: 10_000, cache_write: 500, cache_write_1h: 200, output: 100 };
        // 4000 + 2000 + 300 * 5 + 200 * 8 + 2000.
        assert_eq!(micros("opus-5", all), Some(11_100));
        let input = |input| Tokens { input, ..Tokens::default() };
        assert_eq!(
            (micros("stretched", input(1000)), micros("stretched", input(1001))),
            (Some(4000), Some(40_040))
        );
        // A cache without a price is no free cache.
        assert_eq!(micros("plain", Tokens { cached: 1, ..input(1) }), None);
        assert_eq!(
            prices().of("opus-5-20251001").map(|(_, it)| it.named()),
            Some("a list, 2026-11-19".to_owned())
        );
        assert!(prices().of("opus-5-2025").is_none() && prices().of("opus").is_none());
    }

    #[test]
    fn what_has_no_price_is_unknown_and_never_nothing() {
        let known = account(&[call("opus-5", 1000, 0, 0, 0), call("opus-5", 0, 0, 0, 100)]).cost(&prices());
        assert_eq!((known.known, known.whole, known.tables.len()), (Money(6000), true, 1));
        let partly = account(&[call("opus-5", 1000, 0, 0, 0), call("new", 1, 0, 0, 1)]).cost(&prices());
        assert_eq!(
            (partly.known, partly.whole, partly.no_price),
            (Money(4000), false, vec!["new".to_owned()])
        );
        let nothing = account(&[]).cost(&prices());
        assert!(!nothing.whole, "a session without a log costs nobody knows how much");
        let mut count = MoneyCount::default();
        [account(&[]), account(&[call("new", 9, 0, 0, 9)])].iter().for_each(|it| count.count(it, &prices()));
        assert_eq!(count.line(), "unknown for 2 of 2 sessions (no price for `new`)");
        count.count(&account(&[call("opus-5", 300_000, 0, 0, 0)]), &prices());
        assert_eq!(
            count.line(),
            "at least $1.20; unknown for 2 of 3 sessions (no price for `new`); by prices of a list, 2026-11-19"
        );
    }

    #[test]
    fn the_programs_own_word_goes_before_prices_and_is_checked_against_its_calls() {
        let told = |micros, input| StepKind::Cost {
            micros,
            models: [("opus-5".to_owned(), Tokens { input, ..Tokens::default() })].into(),
        };
        let of = |steps: &[StepKind]| {
            let it = account(steps);
            let cost = it.cost(&prices());
            (cost.known.0, cost.whole, cost.told, it.against_told())
        };
        let calls = [call("opus-5", 1000, 0, 0, 0), call("opus-5", 500, 0, 0, 0)];
        // It agrees; a discount is its own.
        let with = |it: StepKind| [calls.as_slice(), &[it]].concat();
        assert_eq!(of(&with(told(Some(3000), 1500))), (3000, true, true, Some((0, 0))));
        // Its helpers' calls are in other logs.
        assert_eq!(of(&with(told(Some(9000), 2500))), (9000, true, true, Some((1000, 0))));
        // It counted before the last call: that one is added by its price.
        assert_eq!(of(&with(told(Some(3900), 1000))), (5900, true, true, Some((0, 500))));
        // It does not know itself: then prices are asked.
        assert_eq!(of(&with(told(None, 1500))), (6000, true, false, Some((0, 0))));
    }

    #[test]
    fn money_is_read_and_said_in_dollars() {
        let says = [0, 4_999, 5_000, 1_204_999, 31_005_000, 1_234_567_890].map(|it| Money(it).to_string());
        assert_eq!(says, ["$0", "under $0.01", "$0.01", "$1.20", "$31.01", "$1235"]);
        assert_eq!(Money::of_dollars(2.5), Some(Money(2_500_000)));
        assert_eq!([-1.0, f64::NAN, 1e12].map(Money::of_dollars), [None; 3]);
        let table: PriceTable =
            serde_json::from_str(r#"{"source":"x","models":{"m":{"input":0.15,"output":4}}}"#).unwrap();
        assert_eq!(
            table.models.get("m").map(|it| (it.input, it.output)),
            Some((Rate(150_000), Rate(4_000_000)))
        );
        assert_eq!(serde_json::to_string(&table.models).unwrap(), r#"{"m":{"input":0.15,"output":4.0}}"#);
        let bad =
            serde_json::from_str::<PriceTable>(r#"{"source":"x","models":{"m":{"input":-1,"output":4}}}"#);
        assert!(bad.unwrap_err().to_string().contains("-1 is no price in dollars"));
    }
}
