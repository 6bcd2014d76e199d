//! The chain of the events in the database: each row against its digest, its payload and its predecessor.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Registry;
use super::super::report::{Fault, Remedy};
use super::fault::{fault, sequence_of};
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::{self, Bookkeeping, Head, Stored, check_link};
use crate::storage::layout;

/// How many broken events are looked for in `log/`. More than that, and the whole of it is another history.
const REPAIRS_MAX: usize = 1024;

/// What the check of the chain found.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Rows that were looked at.
    pub(super) events: u64,
    /// One for each event that is broken or missing.
    pub(super) faults: Vec<Fault>,
    /// The sequences of these.
    pub(super) broken: BTreeSet<u64>,
    /// The events that `log/` has in their places: whole, and continuing the chain.
    pub(super) repairs: BTreeMap<u64, Stored>,
}

impl Registry {
    /// Checks every event of the database.
    pub(super) fn check_chain(&self, tx: &ReadTx<'_>) -> Result<Chain, Error> {
        let mut chain = self.walk_chain(tx, &BTreeMap::new())?;
        if !chain.broken.is_empty() && chain.broken.len() <= REPAIRS_MAX {
            // With sound copies in place of the broken ones the events after them can be judged by themselves.
            let broken: Vec<u64> = chain.broken.iter().copied().collect();
            let copies = self.files.find(&broken).unwrap_or_default();
            if !copies.is_empty() {
                chain = self.walk_chain(tx, &copies)?;
                chain.repairs = copies;
            }
        }
        let many = chain.broken.len() > REPAIRS_MAX;
        for fault in &mut chain.faults {
            self.find_harm_of_event(tx, fault, &chain.repairs)?;
            let sound = sequence_of(fault).is_some_and(|sequence| chain.repairs.contains_key(&sequence));
            if !sound && !many {
                // Neither copy has it.
                fault.remedy = Remedy::Backup(layout::LOG.into());
            }
        }
        Ok(chain)
    }

    fn walk_chain(&self, tx: &ReadTx<'_>, copies: &BTreeMap<u64, Stored>) -> Result<Chain, Error> {
        let mut chain = Chain::default();
        let mut head = Head::NONE;
        events::each_after(tx, 0, |event| -> Result<(), Error> {
            self.check_cancelled()?;
            chain.events += 1;
            while head.sequence + 1 < event.record.sequence {
                let missing = head.sequence + 1;
                chain.report("chain", missing, "it is missing");
                head = match copies.get(&missing) {
                    Some(copy) => Head::from(copy),
                    None => Head { sequence: missing, digest: event.record.previous_digest },
                };
            }
            let in_chain = head.is_followed_by(&event.record);
            let broken = check_link(&head, &event);
            let copy = copies.get(&event.record.sequence).filter(|copy| head.is_followed_by(&copy.record));
            head = match (&broken, copy) {
                (Some(_), Some(copy)) => Head::from(copy),
                _ => Head::from(&event),
            };
            if let Some(broken) = broken {
                // Whoever edits a payload alone leaves the chain whole.
                let kind =
                    if in_chain && event.digest == event.record.digest() { "payload" } else { "chain" };
                chain.report(kind, broken.sequence, broken.what);
            }
            Ok(())
        })?;
        // What was committed once and is gone from the end leaves its traces beside the events.
        let kept = Bookkeeping::load(tx)?;
        let last = kept.views_sequence.max(kept.log.head.sequence);
        for missing in head.sequence + 1..=last.min(head.sequence.saturating_add(REPAIRS_MAX as u64)) {
            chain.report("chain", missing, "it is missing");
        }
        Ok(chain)
    }
}

impl Chain {
    /// Returns whether an event of the database is known to be broken or missing.
    pub(super) fn is_broken(&self, sequence: u64) -> bool {
        self.broken.contains(&sequence)
    }

    fn report(&mut self, kind: &str, sequence: u64, what: &str) {
        if self.broken.insert(sequence) {
            self.faults.push(fault(kind, sequence, what.to_owned(), Remedy::Recover));
        }
    }
}
