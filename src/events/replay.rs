//! Replay: feeds the log, in order, to whatever applies it. Knows no view.

use super::log::{self, Head, Stored};
use crate::db::{DbError, ReadTx};
use crate::identity::Blake3;

/// Where payloads are that are objects.
pub trait Payloads {
    /// Returns the bytes of a payload object, checked against its digest.
    ///
    /// # Errors
    /// [`PayloadUnavailable`] where they cannot be had whole.
    fn load(&self, digest: &Blake3) -> Result<Vec<u8>, PayloadUnavailable>;
}

/// A payload object that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the payload {digest:?} cannot be read: {why}")]
pub struct PayloadUnavailable {
    /// Its digest.
    pub digest: Blake3,
    /// Why.
    pub why: String,
    /// Whether the system refused for a reason that says nothing about the object: a limit, a mount, a permission.
    pub is_refused: bool,
}

/// What breaks the chain of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {sequence}: {what}")]
pub struct ChainFault {
    /// Where.
    pub sequence: u64,
    /// What: the record's digest, the payload's digest, the predecessor, a gap.
    pub what: &'static str,
}

/// Says what is wrong with an event as the successor of `head`, if anything is.
pub fn check_link(head: &Head, event: &Stored) -> Option<ChainFault> {
    let fault = |what| Some(ChainFault { sequence: event.record.sequence, what });
    if event.record.sequence != head.sequence + 1 {
        return fault("an event before it is missing");
    }
    if event.record.previous_digest != head.digest {
        return fault("it does not follow the event before it");
    }
    if event.digest != event.record.digest() {
        return fault("its digest is not that of its record");
    }
    if !event.is_sound() {
        return fault("its payload is not the one that its record names");
    }
    None
}

/// Reads the whole log of the database and hands every event, with its payload, to `apply`.
///
/// # Errors
/// [`ChainFault`] where the chain is broken, [`PayloadUnavailable`], [`DbError`], and whatever `apply` returns.
pub fn replay<E>(
    tx: &ReadTx<'_>,
    payloads: &dyn Payloads,
    mut apply: impl FnMut(&Stored, &[u8]) -> Result<(), E>,
) -> Result<Head, E>
where
    E: From<DbError> + From<ChainFault> + From<PayloadUnavailable>,
{
    let mut head = Head::NONE;
    log::each_after(tx, 0, |event| -> Result<(), E> {
        if let Some(fault) = check_link(&head, &event) {
            return Err(fault.into());
        }
        head = Head::from(&event);
        match &event.payload {
            Some(payload) => apply(&event, payload),
            None => apply(&event, &payloads.load(&event.record.payload_digest)?),
        }
    })?;
    Ok(head)
}
