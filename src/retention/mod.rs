//! How long things are wanted: retention classes, and the rule that decides what a gc may take. Pure: values in,
//! values out; knows no clock, no database and no file.

mod class;
mod rule;

pub use class::{DEFAULT_CLASS, RetentionClass, SEEDED_CLASSES, expires_at};
pub use rule::{Claim, Expiry, Fate, ObjectFacts, Reason, Wanted, fate, wanted};
