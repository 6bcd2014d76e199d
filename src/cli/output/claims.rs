//! What the manifests among the objects claim and what was imported, for people.

use std::io::{self, Write};

use astore::registry::report as r;

use super::escape;
use super::style::Style;
use super::units::{count, instant, size};

/// At most so many lines of what is lost: verify has them all.
const FAULTS_MAX: usize = 20;

/// Writes a list of claims; `carry_out` is the command line that imports them, where that is still to be typed.
pub(crate) fn claims(
    report: &r::ClaimsReport,
    carry_out: Option<&str>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if report.begins_anew {
        writeln!(
            out,
            "{}",
            style.odd("neither log/ nor astore.db holds an event; what is left are claims:")
        )?;
    }
    table(&report.claims, style, out)?;
    for address in &report.damaged {
        let damaged = style.bad("damaged");
        writeln!(out, "{damaged}: {address} begins as a manifest, and its bytes are not those of its name")?;
    }
    for address in &report.later {
        writeln!(out, "{}: {address} is a manifest that a newer astore wrote", style.odd("not understood"))?;
    }
    for why in &report.unreadable {
        writeln!(out, "{}: {}", style.bad("not readable"), escape::line(why))?;
    }
    if report.known > 0 {
        let are = if report.known == 1 { "is" } else { "are" };
        let manifests = count(report.known, "other manifest");
        writeln!(out, "{manifests} among the objects {are} of packages that the log knows")?;
    }
    let (files, bytes) = report.unclaimed;
    if report.begins_anew && files > 0 {
        let are = if files == 1 { "is" } else { "are" };
        let files = count(files, "file");
        writeln!(
            out,
            "{files} among the objects, {}, {are} in no manifest; no package will keep them",
            size(bytes)
        )?;
    }
    let importable = report.importable().count() as u64;
    if importable == 0 {
        return writeln!(out, "nothing could be imported");
    }
    writeln!(out, "{} could be imported", style.strong(&count(importable, "package")))?;
    match carry_out {
        Some(line) => {
            meaning(report.begins_anew, out)?;
            writeln!(out, "import them with:\n  {line}")
        }
        None => Ok(()),
    }
}

/// Writes what an import did.
pub(crate) fn imported(report: &r::ImportReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if let Some(recovered) = &report.recovered {
        super::recover::recovered(recovered, style, out)?;
    }
    for (reference, why) in &report.refused {
        writeln!(out, "{}: {reference}: {}", style.bad("not imported"), escape::line(why))?;
    }
    for (address, kind, detail) in report.faults.iter().take(FAULTS_MAX) {
        writeln!(out, "{}: {address} is {kind}: {}", style.bad("lost"), escape::line(detail))?;
    }
    if report.faults.len() > FAULTS_MAX {
        writeln!(out, "and {} more; 'astore verify' names them", report.faults.len() - FAULTS_MAX)?;
    }
    for package in report.imported.iter().filter(|package| package.lost > 0) {
        let objects = count(package.lost, "object");
        writeln!(out, "{}: {} of {}", style.bad("incomplete"), objects, package.reference)?;
    }
    if let Some(begun) = &report.begun {
        writeln!(out, "a new event log begins in store {}", begun.store_id)?;
        if begun.config_written {
            writeln!(
                out,
                "  astore.toml was lost too: the id is a new one, and [defaults] are gone if it had any"
            )?;
        }
        for aside in &begun.aside {
            writeln!(out, "  {} holds no event and is put aside", escape::line(aside))?;
        }
        for class in &begun.disputed_classes {
            let class = escape::line(class);
            writeln!(out, "  class {class} has several durations in the manifests; the longest counts")?;
        }
    }
    let (objects, bytes) = report.checked;
    let packages = style.strong(&count(report.imported.len() as u64, "package"));
    writeln!(
        out,
        "{packages} imported as claims; {}, {} read and compared",
        count(objects, "object"),
        size(bytes)
    )?;
    if report.imported.is_empty() { Ok(()) } else { meaning(report.begun.is_some(), out) }
}

/// Says what a claim is worth.
fn meaning(begins_anew: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "a claim is what a manifest says, and nobody vouches for it; an expiry counts from the import"
    )?;
    if begins_anew {
        writeln!(
            out,
            "what was removed or purged before is not known any more: a removed package comes back, and a purged object \
             counts as lost; open packages, pins and holds are gone"
        )?;
    }
    Ok(())
}

fn table(claims: &[r::PackageClaim], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let widest = claims.iter().map(|claim| claim.reference().len()).max().unwrap_or(0).max(16);
    let head = format!(
        "{:widest$}  {:20}  {:>9}  {:>10}  {:>9}  {:>9}  BY",
        "PACKAGE", "CREATED", "FILES", "SIZE", "OBJECTS", "MISSING"
    );
    writeln!(out, "{}", style.strong(&head))?;
    for claim in claims {
        let missing = format!("{:>9}", claim.missing);
        let missing = if claim.missing > 0 { style.bad(&missing) } else { missing };
        writeln!(
            out,
            "{:widest$}  {:20}  {:>9}  {:>10}  {:>9}  {missing}  {}",
            claim.reference(),
            instant(claim.created_at),
            claim.files,
            size(claim.bytes),
            claim.objects,
            escape::line(&claim.created_by),
        )?;
        if let Some(why) = why_not(claim) {
            writeln!(out, "  {}: {why}", style.odd("will not be imported"))?;
        }
    }
    Ok(())
}

fn why_not(claim: &r::PackageClaim) -> Option<String> {
    match &claim.standing {
        r::ClaimStanding::Importable => None,
        r::ClaimStanding::VersionTaken { by } => {
            Some(format!("conflict: {} is package {by}, and this one is {}", claim.reference(), claim.id))
        }
        r::ClaimStanding::Superseded { by } => {
            Some(format!("{by} is a manifest of the same package with a later version"))
        }
        r::ClaimStanding::NoClass => {
            Some(format!("the store has no retention class {}", escape::line(&claim.class)))
        }
        r::ClaimStanding::TooLarge => Some("its sizes add up to more than a store can count".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::*;

    #[test]
    fn claims_are_shown_with_what_would_become_of_each() {
        assert_snapshot!(rendered(|out| claims(&samples::claims(), Some("astore recover …"), Style::Plain, out)), @r"
        neither log/ nor astore.db holds an event; what is left are claims:
        PACKAGE           CREATED                   FILES        SIZE    OBJECTS    MISSING  BY
        doc@1             2027-01-15T08:00:00Z          4    12.1 KiB          3          1  ann@box\n
        run@1             2027-01-15T08:00:00Z          4    12.1 KiB          3          0  ann@box\n
        run@2             2027-01-15T08:00:00Z          4    12.1 KiB          3          0  ann@box\n
          will not be imported: conflict: run@2 is package 00000000-0000-0000-0000-000000000007, and this one is 00000000-0000-0000-0000-000000000002
        run@3             2027-01-15T08:00:00Z          4    12.1 KiB          3          0  ann@box\n
          will not be imported: blake3:3f796163ebf94718de1cd7582655c012f995c06f1e6970ea2bdc15bcd88a324a is a manifest of the same package with a later version
        odd@1             2027-01-15T08:00:00Z          4    12.1 KiB          3          0  ann@box\n
          will not be imported: the store has no retention class nightly
        odd@2             2027-01-15T08:00:00Z          4    12.1 KiB          3          0  ann@box\n
          will not be imported: its sizes add up to more than a store can count
        damaged: blake3:1edaff300ed3affdde799aa5903be746478016b455846bfd6b08c4474f7fe70d begins as a manifest, and its bytes are not those of its name
        not understood: blake3:494971f134acb8c47fa34fd7911ea22db8efe864082e9f58da21da827ef00c1d is a manifest that a newer astore wrote
        not readable: blake3/ab: Input/output error
        2 other manifests among the objects are of packages that the log knows
        1 file among the objects, 4.0 KiB, is in no manifest; no package will keep them
        2 packages could be imported
        a claim is what a manifest says, and nobody vouches for it; an expiry counts from the import
        what was removed or purged before is not known any more: a removed package comes back, and a purged object counts as lost; open packages, pins and holds are gone
        import them with:
          astore recover …
        ");
    }

    #[test]
    fn an_import_says_what_it_took_and_what_is_gone() {
        assert_snapshot!(rendered(|out| imported(&samples::imported(), Style::Plain, out)), @"
        not imported: lie@1: it gives another size
        lost: blake3:afae16e5c35fafc0bb2c5333310842c4b11e4d3946d9e09df5c194047375d47e is missing: no file stands there
        incomplete: 1 object of doc@1
        a new event log begins in store 00000000-0000-0000-0000-000000000001
          astore.toml was lost too: the id is a new one, and [defaults] are gone if it had any
          astore.db.aside-1 holds no event and is put aside
          class nightly has several durations in the manifests; the longest counts
        2 packages imported as claims; 6 objects, 24.1 KiB read and compared
        a claim is what a manifest says, and nobody vouches for it; an expiry counts from the import
        what was removed or purged before is not known any more: a removed package comes back, and a purged object counts as lost; open packages, pins and holds are gone
        ");
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let mut report = samples::claims();
        report.begins_anew = false;
        report.known = 3;
        (report.claims, report.damaged, report.later, report.unreadable) = Default::default();
        assert_snapshot!(rendered(|out| claims(&report, None, Style::Plain, out)), @"
        3 other manifests among the objects are of packages that the log knows
        nothing could be imported
        ");
    }
}
