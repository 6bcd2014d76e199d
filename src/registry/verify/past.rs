//! What earlier verifies found: what of it is still so, as far as the log knows, and whether all of the store was read.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Registry;
use super::super::report::{Fault, LastVerify, VerifyDepth, VerifyReport, VerifyRequest};
use super::objects::{Scope, remedy_of_damage};
use super::part::KEYS;
use super::reads::Unread;
use super::unsettled::{Sought, Unsettled};
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::{self, Event, Payloads as _, RecordedFault, decode};
use crate::identity::{Blake3, ContentAddress};
use crate::views::runs::{self, ReadingRun};
use crate::views::{ObjectRecord, objects};

/// How many verifies are read from the views at once: parts of a pass, as a rule.
const PAGE_RUNS: u32 = 64;

/// What every verify of a range looks at, whatever the range.
const LOOKED_AT_ALWAYS: [&str; 3] = ["chain", "log", "root"];

/// What a verify looks at that begins a pass.
const LOOKED_AT_FIRST: [&str; 3] = ["views", "payload", "database"];

/// The heads with which verifies began that ended later. One that began before another had ended says nothing of what
/// that one found: it may have looked before.
#[derive(Clone, Copy, Debug, Default)]
struct Later {
    earliest_head: Option<u64>,
    last_head: u64,
    /// Of those that begin a pass.
    last_head_of_first: u64,
}

impl Later {
    fn take(&mut self, run: &ReadingRun) {
        let head = run.head_sequence;
        self.earliest_head = Some(self.earliest_head.map_or(head, |earliest| earliest.min(head)));
        self.last_head = self.last_head.max(head);
        if run.first == KEYS.0 {
            self.last_head_of_first = self.last_head_of_first.max(head);
        }
    }
}

/// Faults of which nothing says that they are mended.
#[derive(Debug, Default)]
struct Outstanding {
    /// Each once, by kind and by what it is about.
    told: BTreeSet<(String, Option<Blake3>, Option<String>)>,
    /// Those of verifies whose payload cannot be had.
    untold: u64,
}

impl Outstanding {
    fn count(&self) -> u64 {
        self.told.len() as u64 + self.untold
    }
}

/// What the verifies say of which no later one has covered all keys.
#[derive(Debug, Default)]
pub(in crate::registry) struct PastVerifies {
    /// The last full one, if they cover all keys.
    pub(in crate::registry) last: Option<LastVerify>,
    /// Faults that they, or quick ones and those of some packages, found and of which nothing says that they are mended;
    /// damaged objects are not counted here, nor is what is unsettled.
    pub(in crate::registry) outstanding: u64,
    /// What any verify found that only some look for, and that none has found mended.
    pub(in crate::registry) unsettled: Vec<Unsettled>,
}

/// What a verify recorded, as far as later ones need it.
#[derive(Debug, Default)]
pub(super) struct RecordedVerify {
    /// The event that it compared with what somebody had written down, and that.
    pub(super) expected: Option<(u64, Option<Blake3>)>,
    pub(super) faults: Vec<RecordedFault>,
}

/// What is said of damage on record whose bytes were read and are as they should be.
const WHOLE_NOW: &str = "; its bytes are whole now, and the record goes when the same content is added again";

impl Registry {
    /// Goes back from the last verify until all keys are covered.
    pub(in crate::registry) fn past_verifies(&self, tx: &ReadTx<'_>) -> Result<PastVerifies, Error> {
        let mut unread = Unread::all();
        let mut past = PastVerifies { unsettled: self.unsettled(tx)?, ..PastVerifies::default() };
        let mut found: Option<LastVerify> = None;
        let (mut before, mut later) = (None, Later::default());
        let mut outstanding = Outstanding::default();
        let mut reading: Vec<ReadingRun> = Vec::new();
        'all: loop {
            let page = runs::reading_runs(tx, before, PAGE_RUNS)?;
            if page.is_empty() {
                break;
            }
            for run in page {
                before = Some(run.sequence);
                // Of those that have covered all keys, each began after this one had ended.
                if unread.is_none() && later.earliest_head.is_none_or(|head| run.sequence <= head) {
                    break 'all;
                }
                let is_news = unread.take(&run.first, &run.last);
                if is_news {
                    let (at, since) = (found.map_or(run.completed_at, |found| found.at), run.completed_at);
                    let (parts, faults) = found.map_or((0, 0), |found| (found.parts, found.faults));
                    found = Some(LastVerify { at, since, parts: parts + 1, faults: faults + run.faults });
                }
                if is_news || later.earliest_head.is_some_and(|head| run.sequence > head) {
                    self.outstanding(tx, run.sequence, run.faults, &later, &mut outstanding)?;
                }
                later.take(&run);
                reading.push(run);
                if unread.is_none() {
                    past.last = past.last.or(found);
                }
            }
        }
        self.outstanding_of_others(tx, &reading, &later, &mut outstanding)?;
        past.outstanding = outstanding.count();
        Ok(past)
    }

    /// Adds what quick verifies and those of some packages found, which cover no keys for `health`. All of it is settled
    /// where those that read all keys began later, and for a quick one where another quick one did: that has
    /// looked at the same things.
    fn outstanding_of_others(
        &self,
        tx: &ReadTx<'_>,
        reading: &[ReadingRun],
        later: &Later,
        outstanding: &mut Outstanding,
    ) -> Result<(), Error> {
        let last_quick = runs::last_head_of_quick(tx)?;
        for run in runs::other_faulty_runs(tx)? {
            let mut unread = Unread::all();
            for other in reading.iter().filter(|other| other.head_sequence >= run.sequence) {
                unread.take(&other.first, &other.last);
            }
            let is_seen_again = run.is_of_all && last_quick.is_some_and(|head| head >= run.sequence);
            if unread.is_none() {
                break; // and so it is with those before it
            }
            if !is_seen_again {
                let later = Later { last_head: later.last_head.max(last_quick.unwrap_or(0)), ..*later };
                self.outstanding(tx, run.sequence, run.faults, &later, outstanding)?;
            }
        }
        Ok(())
    }

    /// Adds the faults of a verify of which nothing says that they are mended. A later one may have looked at the log
    /// again, or at the views too.
    fn outstanding(
        &self,
        tx: &ReadTx<'_>,
        sequence: u64,
        faults: u64,
        later: &Later,
        outstanding: &mut Outstanding,
    ) -> Result<(), Error> {
        if faults == 0 {
            return Ok(());
        }
        let Some(verify) = self.recorded_verify(tx, sequence)? else {
            outstanding.untold += faults;
            return Ok(());
        };
        for fault in verify.faults.iter().filter(|fault| Sought::by(fault, None).is_none()) {
            let is_settled = match &fault.address {
                // The views know of each whether it is mended.
                Some(_) if objects::is_damage(&fault.kind) => true,
                Some(address) => {
                    let object = objects::find(tx, address).map_err(DbError::from)?;
                    let is_anew = |object: &ObjectRecord| {
                        object.purged_sequence.is_some() || object.stored_sequence > sequence
                    };
                    object.as_ref().is_some_and(is_anew)
                }
                None => {
                    (later.last_head >= sequence && LOOKED_AT_ALWAYS.contains(&&*fault.kind))
                        || (later.last_head_of_first >= sequence && LOOKED_AT_FIRST.contains(&&*fault.kind))
                }
            };
            if !is_settled {
                // Each night may find it again.
                outstanding.told.insert((fault.kind.clone(), fault.address, fault.name.clone()));
            }
        }
        Ok(())
    }

    /// Returns what a verify recorded; `None` where its payload cannot be had.
    pub(super) fn recorded_verify(
        &self,
        tx: &ReadTx<'_>,
        sequence: u64,
    ) -> Result<Option<RecordedVerify>, Error> {
        let Some(event) = events::event(tx, sequence)? else { return Ok(None) };
        let payload = match &event.payload {
            Some(payload) => payload.clone(),
            None => match self.local.load(&event.record.payload_digest) {
                Ok(payload) => payload,
                Err(_) => return Ok(None),
            },
        };
        let Ok(decoded) = decode(&event.record, &payload) else { return Ok(None) };
        let Event::VerifyCompleted { faults, expected_head, expected_digest, .. } = decoded.event else {
            return Ok(None);
        };
        let expected = expected_head.map(|head| (head, expected_digest));
        let mut verify = RecordedVerify { expected, faults: Vec::new() };
        let read = faults.each(|fault| -> Result<(), events::PayloadError> {
            verify.faults.push(fault);
            Ok(())
        });
        Ok(read.is_ok().then_some(verify))
    }

    /// Adds what is on record as damaged and what this verify, which has covered some keys, has not found damaged itself.
    /// What it has read and found whole stays on record too, so that all verifies and `health` say the same.
    pub(super) fn tell_damage_on_record(
        &self,
        request: &VerifyRequest,
        scope: &Scope,
        covered: (Blake3, Blake3),
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        let tx = self.db.read()?;
        let told: BTreeSet<ContentAddress> = report.faults.iter().filter_map(|fault| fault.address).collect();
        let mut kinds = BTreeMap::new();
        for object in objects::damaged(&tx)? {
            self.check_cancelled()?;
            let address = object.digests.address();
            if told.contains(&address) || !scope.has(&tx, &object)? {
                continue;
            }
            let key = &object.digests.blake3;
            let is_covered = *scope != Scope::Everything || (covered.0 <= *key && *key <= covered.1);
            let is_read = request.depth != VerifyDepth::Quick
                && is_covered
                && object.stored_sequence <= report.head_sequence
                && object.damaged_sequence.is_none_or(|found| found <= report.head_sequence);
            let mut fault = self.on_record(&tx, &object, &mut kinds)?;
            fault.detail.push_str(if is_read { WHOLE_NOW } else { ", and not mended since" });
            report.on_record.push(fault);
        }
        Ok(())
    }

    fn on_record(
        &self,
        tx: &ReadTx<'_>,
        object: &ObjectRecord,
        kinds: &mut BTreeMap<u64, BTreeMap<Blake3, String>>,
    ) -> Result<Fault, Error> {
        let address = object.digests.address();
        let sequence = object.damaged_sequence.unwrap_or_default();
        let kinds = match kinds.entry(sequence) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let faults = self.recorded_verify(tx, sequence)?.unwrap_or_default().faults.into_iter();
                let damage = faults.filter(|fault| objects::is_damage(&fault.kind));
                unknown.insert(damage.filter_map(|fault| Some((fault.address?, fault.kind))).collect())
            }
        };
        let kind = kinds.get(&object.digests.blake3).map_or("damaged", String::as_str).to_owned();
        let (harms, more) = self.harms_of_object(tx, tx, object)?;
        let remedy = remedy_of_damage(self, tx, object, &harms)?;
        let mut detail = format!("found by the verify of event {sequence}");
        if more {
            detail.push_str(" (in more paths than are named here)");
        }
        Ok(Fault { kind, address: Some(address), subject: address.to_string(), detail, harms, remedy })
    }
}
