//! Prices of models: the table that is built in, one of the user's own, and those of the repository. The format of a table is that
//! of the built-in one, `engine/prices.yaml`, which names where its figures are from and of which day they are.
//!
//! Refuses to guess: a model that stands in no table has no price.

use std::sync::LazyLock;

use pilothouse_contract::money::{PriceTable, Prices};
use pilothouse_contract::run::Policy;

/// The name of the user's own table, in the data folder.
pub const FILE: &str = "prices.yaml";

static BUILT_IN: LazyLock<PriceTable> =
    LazyLock::new(|| read(include_str!("../../prices.yaml"), "built in").unwrap_or_default());

/// Reads a table. One that does not say where it is from is of where it lies.
///
/// # Errors
/// In words, if it is none.
pub fn read(text: &str, place: &str) -> Result<PriceTable, String> {
    let mut table: PriceTable = serde_saphyr::from_str(text).map_err(|error| format!("{place}: {error}"))?;
    if table.source.is_empty() {
        place.clone_into(&mut table.source);
    }
    Ok(table)
}

/// The prices that are in force: the repository's go before the user's, and those before the ones that are built in.
#[must_use]
pub fn of(policy: &Policy, own: Option<Result<PriceTable, String>>) -> Prices {
    let repository = (!policy.prices.is_empty()).then(|| PriceTable {
        source: policy.source.clone(),
        date: String::new(),
        models: policy.prices.clone(),
    });
    over(repository, own)
}

/// The prices that are in force outside of any repository.
#[must_use]
pub fn everywhere(own: Option<Result<PriceTable, String>>) -> Prices {
    over(None, own)
}

fn over(repository: Option<PriceTable>, own: Option<Result<PriceTable, String>>) -> Prices {
    let (own, trouble) = match own {
        Some(Ok(table)) => (Some(table), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    Prices { tables: repository.into_iter().chain(own).chain([BUILT_IN.clone()]).collect(), trouble }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::workflow::{Workflow, built_in};
    use pilothouse_contract::money::{Account, Money};
    use pilothouse_contract::trajectory::{StepKind, Tokens};

    fn policy(front: &str) -> Policy {
        let text = format!("---\npilothouse:\n  agent: claude\n{front}---\n");
        Workflow::read(Some(&text), "abc:WORKFLOW.md").unwrap().policy(built_in("claude").unwrap())
    }

    /// The calls of one session of Claude Code 2.1.329, and what that program itself said they cost.
    const CALLS: [(u64, u64, u64); 7] = [
        (9200, 0, 74),
        (322, 9088, 96),
        (3580, 9410, 10),
        (99, 12_990, 45),
        (156, 13_089, 21),
        (92, 13_245, 45),
        (111, 13_337, 17),
    ];
    const COST: Money = Money(74_632);

    #[test]
    fn the_built_in_table_reckons_as_the_program_does_that_it_is_from() {
        let prices = of(&policy(""), None);
        let mut account = Account::default();
        for (input, cached, output) in CALLS {
            let tokens = Tokens { input, cached, output, ..Tokens::default() };
            account.add(&StepKind::Tokens { model: "claude-opus-5-5".to_owned(), tokens }, &prices);
        }
        let cost = account.cost(&prices);
        assert_eq!((cost.known, cost.whole), (COST, true));
        assert_eq!(cost.tables, [BUILT_IN.named()]);
        assert!(
            BUILT_IN.models.len() > 20
                && BUILT_IN.date == "2026-11-19"
                && BUILT_IN.source.contains("2.1.329")
        );
        // Every one of them knows what a cache costs, and reading from it is cheaper than reading anew.
        let cheaper =
            |it: &pilothouse_contract::money::Price| it.cached.is_some_and(|cached| cached.0 < it.input.0);
        assert!(
            BUILT_IN
                .models
                .values()
                .all(|it| cheaper(it) && it.cache_write.is_some() && it.cache_write_1h.is_some())
        );
    }

    #[test]
    fn the_repositorys_own_prices_go_first_and_then_the_users() {
        let own =
            read("source: mine\nmodels:\n  a: { input: 2, output: 2 }\n  b: { input: 2, output: 2 }\n", "p");
        let prices = of(&policy("  prices:\n    a: { input: 1, output: 1 }\n"), Some(own));
        let input =
            |model: &str| prices.of(model).map(|(price, table)| (price.input.0, table.source.clone()));
        assert_eq!(input("a"), Some((1_000_000, "abc:WORKFLOW.md".to_owned())));
        assert_eq!(input("b"), Some((2_000_000, "mine".to_owned())));
        assert_eq!(input("claude-haiku-4-5-20251001").map(|it| it.0), Some(1_000_000));
        assert_eq!(input("gpt-6"), None);
    }

    #[test]
    fn a_table_that_is_none_is_refused_with_its_place() {
        let bad = |text: &str| read(text, "/data/prices.yaml").unwrap_err();
        assert!(bad("models: [").starts_with("/data/prices.yaml: "), "{}", bad("models: ["));
        let why = bad("source: x\nmodels:\n  m: { input: 1, outptu: 2 }\n");
        assert!(why.contains("outptu"), "{why}");
        assert_eq!(
            read("source: ''\nmodels: {}\n", "/data/prices.yaml").unwrap().source,
            "/data/prices.yaml"
        );
    }
}
