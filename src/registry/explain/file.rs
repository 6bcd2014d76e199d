//! One look at an object's file.

use super::super::Registry;
use super::super::known::KnownObjects;
use super::super::report::{Checked, ExplainDepth, ExplainReport, LostBytes, Verdict};
use crate::error::{Error, with_causes};
use crate::plane::{self, Depth, Fault, WHOLE_BYTES_MAX};
use crate::views::ObjectRecord;

impl Registry {
    /// Looks at an object's file, and says whether it is lost and how much was looked at.
    pub(super) fn tell_file(
        &self,
        object: &ObjectRecord,
        depth: ExplainDepth,
        report: &mut ExplainReport,
    ) -> Result<(), Error> {
        // That the size is right says little of a file that was found altered.
        let is_read = depth == ExplainDepth::Whole
            || object.digests.size_bytes <= WHOLE_BYTES_MAX
            || object.damaged_sequence.is_some();
        let (depth, checked) =
            if is_read { (Depth::Primary, Checked::Bytes) } else { (Depth::Quick, Checked::Size) };
        let known = KnownObjects::new(self.db.again()?);
        let disk = self.disk.as_ref();
        let mut faults = plane::look(disk, &object.digests, depth, &known, &self.cancelled)?;
        // To see the size takes no right to read.
        if !is_read && let Err(error) = self.local.open_object(&object.digests.address()) {
            faults.push(Fault::Unreadable { error: std::io::Error::other(with_causes(&error)) });
        }
        let harm = faults.iter().find(|fault| fault.harms_bytes());
        let is_nothing_there =
            matches!(harm, Some(Fault::Missing | Fault::NotAFile { .. } | Fault::Unreadable { .. }));
        report.checked = (!is_nothing_there).then_some(checked);
        report.lost = harm.map(|fault| LostBytes { kind: fault.name(), detail: fault.to_string() });
        if let Some(fault) = faults.iter().find(|fault| !fault.harms_bytes()) {
            report.notes.push(format!("its file is not as the store made it: {fault}"));
        }
        report.damage_on_record = object.damaged_sequence;
        if let Some(sequence) = object.damaged_sequence {
            report.notes.push(match harm {
                Some(_) => format!("a verify found it damaged already (event {sequence})"),
                None => format!(
                    "a verify found it damaged (event {sequence}); its file is whole now, and the damage stays on \
                     record until the same content is added again"
                ),
            });
        }
        if harm.is_some() {
            report.verdict = Verdict::Lost;
        }
        Ok(())
    }
}
