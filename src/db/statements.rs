//! Which statements a thread prepares: for tests that look at how SQLite would carry them out.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static NOTED: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
}

/// Notes a statement, where somebody asked for it.
pub(super) fn note(sql: &str) {
    NOTED.with_borrow_mut(|noted| noted.as_mut().map(|noted| noted.insert(sql.to_owned())));
}

/// Returns the statements that this thread prepared while something was done.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    NOTED.set(Some(BTreeSet::new()));
    let done = work();
    (done, NOTED.take().unwrap_or_default())
}
