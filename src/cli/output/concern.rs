//! What an operator should look at, in a line: for people, and in documents.

use astore::registry::report::Concern;

use super::units::size;

/// Says it to people.
pub(crate) fn concern(concern: &Concern) -> String {
    said(concern, size)
}

/// Says it in a document: bytes to the last one.
pub(crate) fn in_document(concern: &Concern) -> String {
    said(concern, |bytes| format!("{bytes} bytes"))
}

fn said(concern: &Concern, size: impl Fn(u64) -> String) -> String {
    match concern {
        Concern::DamagedObjects(objects) => format!(
            "objects found damaged and not yet mended: {objects}; 'astore verify --quick' says what mends each"
        ),
        Concern::Faults(faults) => format!(
            "faults that verifies found and none has found mended: {faults}; once they are mended, 'astore verify' \
             takes them off the record"
        ),
        Concern::Heads(events) => format!(
            "events that were not what 'astore verify --head' was told: {events}; once the log has what is expected, \
             '--head' with the same event takes it off the record"
        ),
        Concern::SecondDigests(objects) => format!(
            "objects whose SHA-256 is not that of the log: {objects}; once they are right, 'astore verify --both' \
             takes them off the record"
        ),
        Concern::LogApart => "log/ does not end where the database does".to_owned(),
        Concern::LogUnreadable(why) => format!("log/: {why}"),
        Concern::ObjectsUnreadable(why) => format!("the objects: {why}"),
        Concern::UnfinishedGc(started) => format!("the gc that event {started} began is not finished"),
        Concern::Unknown(skipped) => {
            format!("events or fields of the log that this build does not know: {skipped}")
        }
        Concern::Leftovers { writers, bytes } => format!(
            "{} in tmp/, of {writers} writer(s) at work or dead: a confirmed gc deletes what is dead",
            size(*bytes)
        ),
        Concern::NoReserve => "the reserve is gone: the disk was full, or somebody deleted it".to_owned(),
        Concern::NeverVerified => "no full verify is recorded".to_owned(),
        Concern::LittleRoom(bytes) => format!("only {} are free", size(*bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sizes_and_documents_have_every_byte() {
        let room = Concern::LittleRoom(123_456_789);
        assert_eq!(concern(&room), "only 117.7 MiB are free");
        assert_eq!(in_document(&room), "only 123456789 bytes are free");
        let left = Concern::Leftovers { writers: 1, bytes: 1_073_744_824 };
        let rest = "in tmp/, of 1 writer(s) at work or dead: a confirmed gc deletes what is dead";
        assert_eq!(concern(&left), format!("1.0 GiB {rest}"));
        assert_eq!(in_document(&left), format!("1073744824 bytes {rest}"));
    }
}
