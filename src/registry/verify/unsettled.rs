//! Faults that only some verifies look for: a head that somebody had written down, and second digests.
//!
//! The last full verify says nothing of them unless it looked for them too. So they stay on record, however many verifies
//! come after, until one has looked at the same thing again and found it as it should be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Registry;
use super::super::report::{Fault, Remedy, VerifyDepth, VerifyReport, VerifyRequest};
use super::fault;
use super::objects::Scope;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::RecordedFault;
use crate::identity::{Blake3, ContentAddress};
use crate::views::{objects, runs};

/// What only some verifies look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) enum Sought {
    /// An event, and what somebody had written down of it.
    Head(u64),
    /// The second digest of an object.
    SecondDigest(Blake3),
}

impl Sought {
    /// Returns what a fault is about, if not every verify looks for it.
    pub(super) fn by(fault: &RecordedFault) -> Option<Self> {
        match (&*fault.kind, fault.address) {
            ("head", None) => fault.name.as_deref().and_then(fault::sequence_in).map(Self::Head),
            ("second-digest", Some(address)) => Some(Self::SecondDigest(address)),
            _ => None,
        }
    }
}

/// A fault of which no later verify says that it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Unsettled {
    pub(in crate::registry) about: Sought,
    /// The event of the last verify that found it.
    sequence: u64,
}

impl Registry {
    /// Returns what verifies found that others do not look for, and what of that is not settled: each thing once.
    /// Reads the payloads of the verifies that found anything, and where a head is among that, of those after it.
    pub(super) fn unsettled(&self, tx: &ReadTx<'_>) -> Result<Vec<Unsettled>, Error> {
        let mut found = BTreeMap::new();
        for sequence in runs::faulty_runs(tx)? {
            // A payload that is gone is damage of its own.
            let faults = self.recorded_verify(tx, sequence)?.unwrap_or_default().faults;
            for about in faults.iter().filter_map(Sought::by) {
                found.entry(about).or_insert(sequence); // the last verify comes first
            }
        }
        let heads = || found.iter().filter(|(about, _)| matches!(about, Sought::Head(_)));
        let compared = match heads().map(|(_, sequence)| *sequence).min() {
            Some(oldest) => self.heads_compared_since(tx, oldest)?,
            None => BTreeMap::new(),
        };
        let mut unsettled = Vec::new();
        for (about, sequence) in found {
            let is_settled = match about {
                Sought::Head(event) => compared.get(&event).is_some_and(|began| *began >= sequence),
                Sought::SecondDigest(key) => {
                    let object = objects::find(tx, &key).map_err(DbError::from)?;
                    let is_anew = object.is_some_and(|object| {
                        object.purged_sequence.is_some() || object.stored_sequence > sequence
                    });
                    is_anew || runs::is_read_with_both(tx, &key, sequence)?
                }
            };
            if !is_settled {
                unsettled.push(Unsettled { about, sequence });
            }
        }
        Ok(unsettled)
    }

    /// Returns which events were compared with what somebody had written down, by verifies that began after one had
    /// ended: with the head with which the last of them began.
    fn heads_compared_since(&self, tx: &ReadTx<'_>, sequence: u64) -> Result<BTreeMap<u64, u64>, Error> {
        let mut compared = BTreeMap::new();
        for (later, began) in runs::begun_after(tx, sequence)? {
            if let Some(event) = self.recorded_verify(tx, later)?.and_then(|verify| verify.expected_head) {
                let last = compared.entry(event).or_insert(began);
                *last = began.max(*last);
            }
        }
        Ok(compared)
    }

    /// Adds what of that this verify, which has covered some keys, has not looked at itself.
    pub(super) fn tell_unsettled(
        &self,
        request: &VerifyRequest,
        scope: &Scope,
        covered: (Blake3, Blake3),
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        let tx = self.db.read()?;
        let told: BTreeSet<ContentAddress> = report.faults.iter().filter_map(|fault| fault.address).collect();
        for Unsettled { about, sequence } in self.unsettled(&tx)? {
            self.check_cancelled()?;
            let began_after = report.head_sequence >= sequence;
            let again = match about {
                Sought::Head(_) => "the same event is compared again and is what is expected",
                Sought::SecondDigest(_) => {
                    "a verify of the store takes both digests again and they are right"
                }
            };
            let detail = format!("found by the verify of event {sequence}; the record goes when {again}");
            match about {
                Sought::Head(event) => {
                    let is_compared = request.head.is_some_and(|(expected, _)| expected == event);
                    if !(is_compared && began_after) {
                        report.on_record.push(fault::fault("head", event, detail, Remedy::Nothing));
                    }
                }
                Sought::SecondDigest(key) => {
                    let address = ContentAddress::new(key);
                    let is_read = request.depth == VerifyDepth::Both
                        && *scope == Scope::Everything
                        && covered.0 <= key
                        && key <= covered.1;
                    let Some(object) = objects::find(&tx, &key).map_err(DbError::from)? else { continue };
                    if told.contains(&address) || (is_read && began_after) || !scope.has(&tx, &object)? {
                        continue;
                    }
                    let (harms, _) = self.harms_of_object(&tx, &tx, &object)?;
                    let (kind, subject) = ("second-digest".to_owned(), address.to_string());
                    let address = Some(address);
                    let fault = Fault { kind, address, subject, detail, harms, remedy: Remedy::Nothing };
                    report.on_record.push(fault);
                }
            }
        }
        Ok(())
    }
}
