//! What must hold whatever a person types, and whatever became of the files of a store.
//!
//! The checks panic where a promise is broken. Fuzz targets and property tests call the same ones, so that neither
//! can forget what the other knows.

#[cfg(test)]
mod flat;
mod reading;
mod words;

pub use reading::{Answer, read_everything};
pub use words::{check_reference, check_words};
