//! Whether the log is understood in full: nothing may rest on what it does not say while it may say it in words
//! that this build cannot read (design §3, invariant 9).

use super::Registry;
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::Bookkeeping;

/// How much of the payload objects is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Every byte.
    All,
}

impl Registry {
    /// Sees to it that nothing in the log was skipped.
    ///
    /// # Errors
    /// [`Error::Unsure`], which names what is in the way, and `undecided`, what depends on it.
    pub(super) fn assured(
        &self,
        tx: &ReadTx<'_>,
        undecided: &'static str,
        _reading: Reading,
    ) -> Result<(), Error> {
        match Bookkeeping::load(tx)?.skipped {
            0 => Ok(()),
            skipped => Err(Error::Unsure {
                what: format!("the log holds {skipped} event(s) or field(s) that this build does not know"),
                undecided,
            }),
        }
    }
}
