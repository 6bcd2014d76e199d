//! Faults that only some verifies look for: a head that somebody had written down, and second digests.
//!
//! The last full verify says nothing of them unless it looked for them too. So they stay on record, however many verifies
//! come after, until one has looked at the same thing again and found it as it should be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Registry;
use super::super::report::{Fault, Remedy, VerifyDepth, VerifyReport, VerifyRequest};
use super::fault;
use super::objects::Scope;
use super::past::RecordedVerify;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::RecordedFault;
use crate::identity::{Blake3, ContentAddress};
use crate::views::{objects, runs};

/// What only some verifies look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) enum Sought {
    /// An event, and what somebody had written down of it, where the log says that.
    Head { event: u64, expected: Option<Blake3> },
    /// The second digest of an object.
    SecondDigest(Blake3),
}

impl Sought {
    /// Returns what a fault is about, if not every verify looks for it; `expected` is what its verify was told.
    pub(super) fn by(fault: &RecordedFault, expected: Option<Blake3>) -> Option<Self> {
        match (&*fault.kind, fault.address) {
            ("head", None) => {
                let event = fault.name.as_deref().and_then(fault::sequence_in)?;
                Some(Self::Head { event, expected })
            }
            ("second-digest", Some(address)) => Some(Self::SecondDigest(address)),
            _ => None,
        }
    }
}

/// What verifies found as it had been written down, each with the head with which the last of them began.
#[derive(Debug, Default)]
struct Confirmed {
    events: BTreeMap<u64, u64>,
    digests: BTreeMap<Blake3, u64>,
}

impl Confirmed {
    fn take(&mut self, event: u64, digest: Option<Blake3>, began: u64) {
        fn raise(last: &mut u64, began: u64) {
            *last = began.max(*last);
        }
        raise(self.events.entry(event).or_default(), began);
        if let Some(digest) = digest {
            raise(self.digests.entry(digest).or_default(), began);
        }
    }

    /// Returns whether this puts right what a verify had found otherwise. A digest is taken over its event's number, too:
    /// where the log has it at another one, that one was meant, and the log never had it at the one that was typed.
    fn settles(&self, event: u64, expected: Option<Blake3>, sequence: u64) -> bool {
        let of_digest = expected.and_then(|expected| self.digests.get(&expected));
        self.events.get(&event).into_iter().chain(of_digest).any(|began| *began >= sequence)
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
            let RecordedVerify { expected, faults } = self.recorded_verify(tx, sequence)?.unwrap_or_default();
            let expected = expected.and_then(|(_, digest)| digest);
            for about in faults.iter().filter_map(|fault| Sought::by(fault, expected)) {
                found.entry(about).or_insert(sequence); // the last verify comes first
            }
        }
        let heads = || found.iter().filter(|(about, _)| matches!(about, Sought::Head { .. }));
        let confirmed = match heads().map(|(_, sequence)| *sequence).min() {
            Some(oldest) => self.confirmed_since(tx, oldest)?,
            None => Confirmed::default(),
        };
        let mut unsettled = Vec::new();
        for (about, sequence) in found {
            let is_settled = match about {
                Sought::Head { event, expected } => confirmed.settles(event, expected, sequence),
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

    /// Returns what verifies that began after one had ended found as somebody had written it down.
    fn confirmed_since(&self, tx: &ReadTx<'_>, sequence: u64) -> Result<Confirmed, Error> {
        let mut confirmed = Confirmed::default();
        for (later, began) in runs::begun_after(tx, sequence)? {
            let Some(RecordedVerify { expected: Some((event, digest)), faults }) =
                self.recorded_verify(tx, later)?
            else {
                continue;
            };
            if !faults.iter().any(|fault| fault.kind == "head") {
                confirmed.take(event, digest, began);
            }
        }
        Ok(confirmed)
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
        let mut now = Confirmed::default();
        if let Some((event, digest)) = request.head
            && !report.faults.iter().any(|fault| fault.kind == "head")
        {
            now.take(event, Some(digest), report.head_sequence);
        }
        for Unsettled { about, sequence } in self.unsettled(&tx)? {
            self.check_cancelled()?;
            let began_after = report.head_sequence >= sequence;
            let found_by = format!("found by the verify of event {sequence}");
            match about {
                Sought::Head { event, expected } => {
                    // The same again, as this verify has found it.
                    let is_told = now.events.is_empty()
                        && request.head.is_some_and(|(n, _)| n == event)
                        && began_after
                        && (expected.is_none() || expected == request.head.map(|(_, digest)| digest));
                    if !now.settles(event, expected, sequence) && !is_told {
                        let expected = expected.map(|expected| format!(", which expected {expected}"));
                        let detail = format!(
                            "{found_by}{}; the record goes when the same event is compared again, or another with the \
                             same digest, and is what is expected",
                            expected.unwrap_or_default()
                        );
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
                    let detail = format!(
                        "{found_by}; the record goes when a verify of the store takes both digests again and they are \
                         right"
                    );
                    let address = Some(address);
                    let fault = Fault { kind, address, subject, detail, harms, remedy: Remedy::Nothing };
                    report.on_record.push(fault);
                }
            }
        }
        Ok(())
    }
}
