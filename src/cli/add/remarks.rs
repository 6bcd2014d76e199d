//! What an add says beside its result.

use astore::registry::report::{AddReport, PackageStatus};

use super::super::output::units::{count, size};

/// Says what happened beside the result.
pub(super) fn remarks(report: &AddReport, patterns: &[String]) -> Vec<String> {
    let package = &report.package;
    let reference = package.reference();
    let mut remarks = Vec::new();
    if report.unchanged {
        remarks.push(format!("astore: {reference} has the same content; no new version"));
    } else {
        remarks.push(stored(report));
    }
    if !report.healed.is_empty() {
        let healed = count(report.healed.len() as u64, "object");
        remarks.push(format!("astore: healed {healed} that had been missing or damaged"));
    }
    match report.excluded {
        0 if patterns.is_empty() => {}
        // What matched and was taken back again is not counted.
        0 if patterns.iter().any(|pattern| pattern.starts_with('!')) => remarks.push(
            "astore: excluded nothing; no pattern matched what a later one with ! did not take back"
                .to_owned(),
        ),
        0 => remarks.push("astore: excluded nothing; no pattern matched".to_owned()),
        excluded => remarks.push(format!("astore: excluded {}", count(excluded, "path"))),
    }
    if !report.skipped.is_empty() {
        remarks.push(format!("astore: left out {}", count(report.skipped.len() as u64, "path")));
    }
    if package.status == PackageStatus::Open {
        remarks.push(format!("astore: {reference} is open; freeze it with: astore finalize {reference}"));
    }
    remarks
}

/// Says what is in the package now, and what of it was new.
fn stored(report: &AddReport) -> String {
    let package = &report.package;
    let stored = match report.objects_new {
        0 => "nothing new to store".to_owned(),
        new => format!("{} stored ({})", count(new, "new object"), size(report.bytes_new)),
    };
    let cached = match report.cache_hits {
        0 => String::new(),
        hits => format!(", {} not read again", count(hits, "unchanged file")),
    };
    let files = format!("{}, {}", count(package.files, "file"), size(package.bytes));
    let entries = count(package.entries, "entry");
    format!("astore: {} has {entries} ({files}); {stored}{cached}", package.reference())
}

#[cfg(test)]
mod tests {
    use super::super::super::output::samples;
    use super::*;

    #[test]
    fn an_open_package_is_called_so() {
        let mut report = samples::added();
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: doc@2 has 5 entries (3 files, 1.2 MiB); 2 new objects stored (2.0 KiB), 1 unchanged file not read again
        astore: healed 1 object that had been missing or damaged
        astore: excluded 2 paths
        astore: left out 1 path
        ");
        report.package = samples::open();
        report.skipped.clear();
        report.healed.clear();
        report.cache_hits = 0;
        report.objects_new = 0;
        report.excluded = 0;
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: run@11 has 0 entries (0 files, 0 B); nothing new to store
        astore: excluded nothing; no pattern matched
        astore: run@11 is open; freeze it with: astore finalize run@11
        ");
        let said = remarks(&report, &["*.o".to_owned(), "!keep.o".to_owned()]);
        assert_eq!(
            said[1],
            "astore: excluded nothing; no pattern matched what a later one with ! did not take back"
        );
    }

    #[test]
    fn what_was_healed_is_said_where_nothing_else_is_new() {
        let report = AddReport { unchanged: true, ..samples::added() };
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: doc@2 has the same content; no new version
        astore: healed 1 object that had been missing or damaged
        astore: excluded 2 paths
        astore: left out 1 path
        ");
    }
}
