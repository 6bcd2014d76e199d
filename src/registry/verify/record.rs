//! Recording a verify, in the log and where the stat cache must forget.

use std::collections::BTreeSet;

use super::super::Registry;
use super::super::change::Change;
use super::super::report::{Fault, VerifyDepth, VerifyReport, VerifyRequest};
use crate::error::Error;
use crate::events::{EventType, Head, RecordedFault, payload};
use crate::identity::Blake3;
use crate::monitor::Monitor;
use crate::storage::StoreLock;
use crate::views::objects;

/// Objects whose bytes were stored after a verify began, and were found damaged when it looked again.
#[derive(Debug)]
pub(super) struct FoundAnew {
    /// The head by which it looked again.
    pub(super) head: Head,
    /// Which.
    pub(super) objects: BTreeSet<Blake3>,
}

impl Registry {
    /// Appends `v1.verify.completed`, with the keys that were covered, and returns its sequence.
    ///
    /// By that event's head, what was stored since is not what was found damaged. So these faults are told a second time in
    /// the same step, by the head of the second look: else the views, and every add, would take the bytes for whole.
    pub(super) fn record(
        &self,
        request: &VerifyRequest,
        range: Option<(Blake3, Blake3)>,
        report: &VerifyReport,
        anew: &FoundAnew,
        lock: Option<&StoreLock>,
        monitor: &dyn Monitor,
    ) -> Result<u64, Error> {
        let end = payload::VerifyEnd {
            head: report.head_sequence,
            head_digest: report.head_digest,
            mode: match request.depth {
                VerifyDepth::Quick => "quick",
                VerifyDepth::Full => "full",
                VerifyDepth::Both => "both",
            },
            range,
            expected: request.head,
            objects: report.objects,
            bytes: report.bytes,
        };
        let faults: Vec<RecordedFault> = report.faults.iter().map(recorded).collect();
        let payload = self.prepare_payload(payload::verify_completed(&end, &faults))?;
        let again = match u64::try_from(anew.objects.len()).unwrap_or(u64::MAX) {
            0 => None,
            objects => {
                let is_anew = |fault: &RecordedFault| {
                    objects::is_damage(&fault.kind)
                        && fault.address.is_some_and(|address| anew.objects.contains(&address))
                };
                let faults: Vec<RecordedFault> = faults.into_iter().filter(is_anew).collect();
                let Head { sequence: head, digest: head_digest } = anew.head;
                // Their bytes are counted already, and it covers no range: it has looked at nothing else.
                let end = payload::VerifyEnd {
                    head,
                    head_digest,
                    range: None,
                    expected: None,
                    objects,
                    bytes: 0,
                    ..end
                };
                Some(self.prepare_payload(payload::verify_completed(&end, &faults))?)
            }
        };
        let mut change = match lock {
            Some(lock) => Change::begin_under(self, lock, monitor)?,
            None => Change::begin(self, monitor)?,
        };
        let id = self.env.random_id().to_string();
        let sequence = change.append(EventType::VerifyCompleted, &id, &payload)?;
        if let Some(again) = again {
            change.append(EventType::VerifyCompleted, &self.env.random_id().to_string(), &again)?;
        }
        change.commit()?;
        Ok(sequence)
    }

    /// Makes the stat cache forget the files whose objects are damaged: the next add reads them and heals.
    pub(super) fn forget_damaged(&self, report: &VerifyReport) {
        let damaged: Vec<_> = report
            .faults
            .iter()
            .filter(|fault| objects::is_damage(&fault.kind) || fault.kind == "wrong-mode")
            .filter_map(|fault| fault.address)
            .collect();
        self.forget_files_of(&damaged);
    }
}

fn recorded(fault: &Fault) -> RecordedFault {
    RecordedFault {
        kind: fault.kind.clone(),
        address: fault.address.map(|address| address.digest()),
        name: fault.address.is_none().then(|| fault.subject.clone()),
        detail: Some(fault.detail.clone()).filter(|detail| !detail.is_empty()),
    }
}
