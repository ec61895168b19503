//! Numbers for threads, and words that threads do not share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

/// Stripes at most, however many cores there are.
const STRIPES_MAX: usize = 64;

/// Numbers that ended threads have given back, and the first that was never given.
static FREE: Mutex<(BinaryHeap<Reverse<usize>>, usize)> = Mutex::new((BinaryHeap::new(), 0));

thread_local! {
    static NUMBER: Number = Number::take();
}

/// Given back when its thread ends, so that the threads of one moment have the lowest numbers and share no stripe
/// while there are enough.
struct Number(usize);

impl Number {
    fn take() -> Number {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Reverse(number)) = free.0.pop() {
            return Number(number);
        }
        free.1 += 1;
        Number(free.1 - 1)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(Reverse(self.0));
    }
}

/// This thread's number.
#[inline]
pub fn thread_number() -> usize {
    NUMBER.try_with(|number| number.0).unwrap_or(0) // A thread that is ending shares the first one's.
}

/// One stripe for each core, rounded up to a power of two.
pub fn stripes() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.next_power_of_two().min(STRIPES_MAX)
}

/// A value with cache lines of its own (two, for processors that fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);
