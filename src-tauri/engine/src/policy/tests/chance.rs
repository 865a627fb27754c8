//! For tests that try whatever comes: signs by chance, the same for the same seed, and one seed after the other for a bounded time.

use std::time::{Duration, Instant};

/// Numbers by chance: xorshift with a multiplication behind it.
pub(crate) struct Chance(u64);

impl Chance {
    /// Those of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one, less than `most`.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap_or(0) % most.max(1)
    }
}

/// Tries seeds for so many seconds, or for as many as `PILOTHOUSE_FUZZ_SECONDS` says, from `PILOTHOUSE_SEED` on.
pub(crate) fn each_seed(seconds: u64, mut tries: impl FnMut(u64)) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let first = setting("PILOTHOUSE_SEED").unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(setting("PILOTHOUSE_FUZZ_SECONDS").unwrap_or(seconds));
    let mut seed = first;
    while Instant::now() < until {
        tries(seed);
        seed += 1;
    }
    println!("seeds {first} to {seed}");
}
