//! Recording a verify, in the log and where the stat cache must forget.

use super::super::Registry;
use super::super::change::Change;
use super::super::report::{Fault, VerifyDepth, VerifyReport, VerifyRequest};
use crate::error::Error;
use crate::events::{EventType, RecordedFault, payload};
use crate::identity::Blake3;
use crate::monitor::Monitor;
use crate::storage::StoreLock;
use crate::views::objects;

impl Registry {
    /// Appends `v1.verify.completed`, with the keys that were covered, and returns its sequence.
    pub(super) fn record(
        &self,
        request: &VerifyRequest,
        range: Option<(Blake3, Blake3)>,
        report: &VerifyReport,
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
        let mut change = match lock {
            Some(lock) => Change::begin_under(self, lock, monitor)?,
            None => Change::begin(self, monitor)?,
        };
        let id = self.env.random_id().to_string();
        let sequence = change.append(EventType::VerifyCompleted, &id, &payload)?;
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
