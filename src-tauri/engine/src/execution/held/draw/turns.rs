//! The threads that draw screens. Each takes one slice of one session at a time; the session just typed into goes before
//! the others, and all of them behind whoever types, watches or asks: these threads have less of the processor.
//!
//! Refuses to know what is drawn: a slice is a call that says whether there is more.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

/// Screens are drawn on at most so many threads.
pub(super) const THREADS_MAX: usize = 4;
/// So much nicer than the rest of the engine are they.
const NICENESS: i32 = 5;
/// After so many slices of those that go first one of the others has its turn: what is typed into a flood stops no screen.
const IN_A_ROW: u32 = 8;

/// Work in slices.
pub(super) trait Work: Send {
    /// Whether it goes before others now.
    fn is_urgent(&self) -> bool;
    /// Does a slice. Whether there is more.
    fn slice(&mut self) -> bool;
}

#[derive(Default)]
struct Queue {
    first: VecDeque<Box<dyn Work>>,
    others: VecDeque<Box<dyn Work>>,
    in_a_row: u32,
}

impl Queue {
    fn push(&mut self, work: Box<dyn Work>) {
        if work.is_urgent() { self.first.push_back(work) } else { self.others.push_back(work) }
    }

    fn next(&mut self) -> Option<Box<dyn Work>> {
        let others_turn = self.in_a_row >= IN_A_ROW && !self.others.is_empty();
        let first = if others_turn { None } else { self.first.pop_front() };
        match first {
            Some(work) => {
                self.in_a_row += 1;
                Some(work)
            }
            None => {
                self.in_a_row = 0;
                self.others.pop_front()
            }
        }
    }
}

#[derive(Default)]
struct Turns {
    queue: Mutex<Queue>,
    some: Condvar,
}

static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for n in 0..cores.clamp(1, THREADS_MAX) {
        let begun = std::thread::Builder::new().name(format!("draws {n}")).spawn(draw);
        drop(begun.inspect_err(|error| tracing::error!(%error, "too few threads draw screens")));
    }
    Turns::default()
});

/// Has work done in turns with all other.
pub(super) fn take(work: Box<dyn Work>) {
    let turns = &*TURNS;
    turns.queue.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    turns.some.notify_one();
}

fn draw() {
    // Of this thread alone, where the system has such; else all would be nicer.
    #[cfg(target_os = "linux")]
    let _as_before = rustix::process::setpriority_process(None, NICENESS);
    let turns = &*TURNS;
    loop {
        let mut queue = turns.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut work = loop {
            match queue.next() {
                Some(work) => break work,
                None => queue = turns.some.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(queue);
        // A defect in one is that one's fault: whoever waits for it hears that it is gone.
        let more = catch_unwind(AssertUnwindSafe(|| work.slice())).unwrap_or_else(|_| {
            tracing::error!("drawing a screen ran into a defect");
            false
        });
        if more {
            turns.queue.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, bool);

    impl Work for Named {
        fn is_urgent(&self) -> bool {
            self.1
        }

        fn slice(&mut self) -> bool {
            self.0.is_empty()
        }
    }

    /// Takes the next one, which has more.
    fn turn(queue: &mut Queue, named: &'static str, urgent: bool) {
        let next = queue.next().unwrap();
        assert_eq!(next.is_urgent(), urgent);
        queue.push(Box::new(Named(named, urgent)));
    }

    #[test]
    fn the_one_just_typed_into_goes_first_and_the_others_still_go_on() {
        let mut queue = Queue::default();
        for flood in ["a", "b", "c"] {
            queue.push(Box::new(Named(flood, false)));
        }
        turn(&mut queue, "a", false);
        queue.push(Box::new(Named("typed", true)));
        for _ in 0..3 {
            for _ in 0..IN_A_ROW {
                turn(&mut queue, "typed", true);
            }
            turn(&mut queue, "flood", false);
        }
        assert_eq!((queue.first.len(), queue.others.len()), (1, 3), "none is lost");
    }
}
