//! What a task asks for by `Tier`: `best-of 3` has it tried by three agents at once.

use pilothouse_contract::run::Policy;
use pilothouse_contract::spec::TaskSpec;

/// By how many agents at once a task is tried: as many as it asks for, as far as its policy and the run's slots allow.
#[must_use]
pub fn places(task: &TaskSpec, policy: &Policy) -> u32 {
    let asked = task.tier.as_deref().and_then(best_of).unwrap_or(1);
    asked.min(policy.best_of).min(policy.slots).max(1)
}

/// `best-of 3`, alone or beside another word.
fn best_of(tier: &str) -> Option<u32> {
    let tier = tier.to_lowercase();
    let (_, rest) = tier.split_once("best-of")?;
    let digits: String =
        rest.trim_start_matches([' ', '-', ':', '=']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_may_ask_for_several() {
        let of = |tier: &str| best_of(tier);
        assert_eq!((of("best-of 3"), of("best-of-2"), of("capable, best-of 4")), (Some(3), Some(2), Some(4)));
        assert_eq!((of("capable"), of("best-of many"), of("")), (None, None, None));
    }
}
