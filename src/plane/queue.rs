//! A bounded queue whose takers may put work back.
//!
//! It ends when its giver has ended it *and* nobody is at work any more, since whoever is at work may still
//! hand on half of what he has. Closing it drops what it holds and sends everybody home.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    room: Condvar,
    items: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    at_work: usize,
    /// How many wait for an item, and how many for room: to wake somebody is a system call even where nobody sleeps.
    takers_waiting: usize,
    givers_waiting: usize,
    ended: bool,
    closed: bool,
}

/// One item at work; while it lives the queue has not run out.
#[derive(Debug)]
pub(super) struct Ticket<'a, T> {
    queue: &'a Queue<T>,
}

impl<T> Queue<T> {
    /// Makes a queue that holds `limit` items before its giver has to wait.
    pub(super) fn new(limit: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            at_work: 0,
            takers_waiting: 0,
            givers_waiting: 0,
            ended: false,
            closed: false,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), items: Condvar::new(), limit }
    }

    /// Puts an item in, waiting for room. What is put into a closed queue is dropped.
    pub(super) fn push(&self, item: T) {
        let mut state = self.lock();
        while state.items.len() >= self.limit && !state.closed {
            state.givers_waiting += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.givers_waiting -= 1;
        }
        if !state.closed {
            state.items.push_back(item);
            self.wake_a_taker(&state);
        }
    }

    /// Puts an item back, without waiting; for those at work.
    pub(super) fn put_back(&self, item: T) {
        let mut state = self.lock();
        if !state.closed {
            state.items.push_front(item);
            self.wake_a_taker(&state);
        }
    }

    /// Takes an item, or returns `None` when there will be none any more.
    pub(super) fn pop(&self) -> Option<(T, Ticket<'_, T>)> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                state.at_work += 1;
                // A giver who was stopped goes on when there is room for a good many, not for one.
                if state.givers_waiting > 0 && state.items.len() <= self.limit / 2 {
                    self.room.notify_all();
                }
                return Some((item, Ticket { queue: self }));
            }
            if state.closed || (state.ended && state.at_work == 0) {
                return None;
            }
            state.takers_waiting += 1;
            state = self.items.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.takers_waiting -= 1;
        }
    }

    fn wake_a_taker(&self, state: &State<T>) {
        if state.takers_waiting > 0 {
            self.items.notify_one();
        }
    }

    /// Says that no more will be put in from outside.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.items.notify_all();
    }

    /// Drops what is there and lets everybody go.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.items.clear();
        self.items.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Ticket<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.at_work -= 1;
        if state.at_work == 0 && state.takers_waiting > 0 {
            self.queue.items.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_put_back_is_done_before_the_end() {
        let queue = Queue::new(2);
        let sum = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some((item, _ticket)) = queue.pop() {
                        // Halve until it is 1: every item of n becomes n items of 1.
                        let mut left: u64 = item;
                        while left > 1 {
                            queue.put_back(left / 2);
                            left -= left / 2;
                        }
                        sum.fetch_add(left, Ordering::Relaxed);
                    }
                });
            }
            (1..=100).for_each(|item| queue.push(item));
            queue.end();
        });
        assert_eq!(sum.into_inner(), 5050);
    }

    #[test]
    fn closing_lets_everybody_go() {
        let queue = Queue::new(1);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..10).for_each(|item| queue.push(item)));
            let (_, ticket) = queue.pop().expect("an item");
            let waiting = scope.spawn(|| while queue.pop().is_some() {});
            queue.close();
            waiting.join().unwrap();
            drop(ticket);
        });
        assert!(queue.pop().is_none());
    }
}
