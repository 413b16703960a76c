//! Several things at the same time, each in a thread of its own that ends before the caller goes on.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{ScopedJoinHandle, scope};

/// Does two things at the same time, the first in a thread of its own.
pub fn both<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        (join(there), here)
    })
}

/// Does something with every item at the same time; the results have the order of the items.
pub fn at_once<T: Send, R: Send>(items: impl IntoIterator<Item = T>, act: impl Fn(T) -> R + Sync) -> Vec<R> {
    scope(|scope| {
        let act = &act;
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || act(item))).collect();
        threads.into_iter().map(join).collect()
    })
}

/// Does something with every item, at most so many at the same time; the results have the order of the items.
pub fn some_at_once<T: Sync, R: Send>(most: usize, items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = |_| {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        numbers.map_while(|number| Some((number, act(items.get(number)?)))).collect::<Vec<_>>()
    };
    let mut done: Vec<_> = at_once(0..most.min(items.len()), work).into_iter().flatten().collect();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The result of a thread; a panic goes on in this one.
pub fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
}
