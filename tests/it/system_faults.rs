//! An operator's disk fills up, fails, or lets go of the store, and a limit of the system is in the way: each command
//! says so in a line and leaves a store that is whole; when the fault is gone, the same command simply works.
//!
//! The real binary, and faults that the system makes: nothing here is a test double.

mod closed;
mod injected;
mod limits;
mod room;
mod scene;
mod verdict;
