//! Results for people: short lines, sizes in binary units, names escaped.

use std::io::{self, Write};

use astore::identity::{Blake3, ContentAddress};
use astore::manifest::Labels;
use astore::registry::report as r;

use super::change::Change;
use super::concern;
use super::escape;
use super::remedy::remedy;
use super::style::Style;
use super::table::Cell;
use super::units::{count, instant, size};
use super::verify;
use super::words::why;

/// Writes the primary digest with its algorithm.
pub(crate) fn primary(digest: Blake3) -> String {
    ContentAddress::new(digest).to_string()
}

/// Writes the line that names a package and, once it is finalised, its manifest: `docs@3 blake3:…`.
pub(crate) fn reference(package: &r::PackageSummary, out: &mut dyn Write) -> io::Result<()> {
    match package.manifest_digest {
        Some(digest) => writeln!(out, "{} {}", package.reference(), primary(digest)),
        None => writeln!(out, "{}", package.reference()),
    }
}

/// Returns the word for the state of a package, removed included.
pub(super) fn state(package: &r::PackageSummary) -> Cell {
    match (package.removed_at, package.status) {
        (Some(_), _) => Cell::painted("removed", Style::bad),
        (None, r::PackageStatus::Open) => Cell::painted(package.status.name(), Style::odd),
        (None, r::PackageStatus::Finalized) => package.status.name().into(),
    }
}

/// Writes a package in full.
pub(crate) fn detail(detail: &r::PackageDetail, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let package = &detail.summary;
    headline(package, style, out)?;
    let mut fact = |name: &str, value: String| writeln!(out, "  {name:<12}{value}");
    fact("id", package.id.to_string())?;
    let by = escape::line(&package.created_by);
    fact("created", format!("{} by {by}", instant(package.created_at)))?;
    if let Some(at) = package.finalized_at {
        fact("finalized", instant(at))?;
    }
    if let Some(at) = package.removed_at {
        fact("removed", format!("{}{}", instant(at), why(detail.removed_reason.as_deref())))?;
    }
    if let Some(digest) = package.manifest_digest {
        let length = detail.manifest_size.map(|bytes| format!(" ({})", size(bytes)));
        fact("manifest", format!("{}{}", primary(digest), length.unwrap_or_default()))?;
    }
    if let Some(digest) = package.content_digest {
        fact("content", primary(digest))?;
    }
    let files = format!("{}, {}", count(package.files, "file"), size(package.bytes));
    fact("entries", format!("{} ({files})", package.entries))?;
    fact("objects", format!("{} ({})", detail.objects, size(detail.object_bytes)))?;
    for part in &detail.purged {
        let objects = count(part.objects, "object");
        let (at, by) = (instant(part.at), escape::line(&part.actor));
        let (bytes, reason) = (size(part.bytes), why(part.reason.as_deref()));
        fact("purged", format!("{objects} ({bytes}), {at} by {by}, event {}{reason}", part.sequence))?;
    }
    retention(package, out)?;
    labels("metadata", &detail.metadata, out)?;
    labels("provenance", &detail.provenance, out)?;
    if !detail.pins.is_empty() {
        writeln!(out, "  pins")?;
    }
    for pin in &detail.pins {
        let (name, actor) = (escape::line(&pin.name), escape::line(&pin.created_by));
        let on = match &pin.target {
            r::PinTarget::Package(_) => String::new(),
            r::PinTarget::Object(address) => format!("  {address}"),
        };
        let why = why(pin.reason.as_deref());
        writeln!(out, "    {name}{on}  {} by {actor}{why}", instant(pin.created_at))?;
    }
    if !detail.attestations.is_empty() {
        writeln!(out, "  attestations")?;
    }
    for attestation in &detail.attestations {
        let kind = escape::line(attestation.predicate_type.as_deref().unwrap_or_default());
        writeln!(out, "    {}  {kind}", attestation.reference)?;
    }
    writeln!(out, "  events")?;
    for event in &detail.events {
        let actor = escape::line(&event.actor);
        writeln!(
            out,
            "    {:>6}  {}  {}  {actor}",
            event.sequence,
            instant(event.created_at),
            escape::line(&event.event_type)
        )?;
    }
    Ok(())
}

/// Writes the line that a package in full begins with: its reference and its state.
pub(crate) fn headline(package: &r::PackageSummary, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}  {}", style.strong(&package.reference()), state(package).shown(style))
}

/// Writes how long a package is wanted: its class, its expiry, its hold.
pub(crate) fn retention(package: &r::PackageSummary, out: &mut dyn Write) -> io::Result<()> {
    let expiry = match (package.expires_at, package.status) {
        (Some(at), _) => format!(", may go from {}", instant(at)),
        (None, r::PackageStatus::Finalized) => ", never expires".to_owned(),
        (None, r::PackageStatus::Open) => String::new(),
    };
    writeln!(out, "  {:<12}{}{expiry}", "class", escape::line(&package.class))?;
    match hold(package) {
        Some(why) => writeln!(out, "  {:<12}{why}", "held"),
        None => Ok(()),
    }
}

/// Returns why a package is held, where it is.
pub(super) fn hold(package: &r::PackageSummary) -> Option<String> {
    package.hold.then(|| escape::line(package.hold_reason.as_deref().unwrap_or_default()))
}

/// Writes labels under a heading, or nothing where there are none.
pub(crate) fn labels(heading: &str, labels: &Labels, out: &mut dyn Write) -> io::Result<()> {
    if labels.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {heading}")?;
    labels
        .iter()
        .try_for_each(|(key, value)| writeln!(out, "    {} = {}", escape::line(key), escape::line(value)))
}

/// Writes a difference in a line: `+` on the right only, `-` on the left only, `~` on both.
pub(crate) fn difference(difference: &r::Difference, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let path = escape::bytes(difference.path.as_bytes());
    let change = Change::of(difference);
    match change {
        Change::Added => writeln!(out, "{} {path}", style.good("+")),
        Change::Removed => writeln!(out, "{} {path}", style.bad("-")),
        Change::Changed(..) => writeln!(out, "{} {path} ({})", style.odd("~"), change.aspects().join(", ")),
    }
}

/// Writes a fault and, below it, whom it harms and what would put it right.
pub(crate) fn fault(fault: &r::Fault, style: Style, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} {}", style.bad(&escape::line(&fault.kind)), escape::line(&fault.subject))?;
    if let Some(address) = fault.address.map(|address| address.to_string())
        && !fault.subject.contains(&address)
    {
        write!(out, " {address}")?;
    }
    match fault.detail.as_str() {
        "" => writeln!(out)?,
        detail => writeln!(out, ": {}", escape::line(detail))?,
    }
    for harm in &fault.harms {
        let package = escape::line(&harm.package);
        match &harm.path {
            Some(path) => writeln!(out, "  harms {package}:{}", escape::bytes(path.as_bytes()))?,
            None => writeln!(out, "  harms {package} as a whole")?,
        }
    }
    writeln!(out, "  mend: {}", remedy(fault))
}

/// Writes what replay did, or found.
pub(crate) fn replayed(
    report: &r::ReplayReport,
    checked_only: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let equal = report.view_digest_before == Some(report.view_digest);
    let events = count(report.events, "event");
    match (checked_only, equal) {
        (true, true) => writeln!(out, "{}: the views are what {events} say", style.good("equal"))?,
        (true, false) => writeln!(out, "{}: the views are not what {events} say", style.bad("different"))?,
        (false, true) => writeln!(out, "replayed {events}; the views are as they were")?,
        (false, false) => writeln!(out, "replayed {events}; the views have changed")?,
    }
    for table in &report.differing {
        writeln!(out, "  differs: {}", escape::line(table))?;
    }
    for (event_type, number) in &report.skipped {
        writeln!(
            out,
            "  skipped: {} of type {}, which this build does not know",
            count(*number, "event"),
            escape::line(event_type)
        )?;
    }
    writeln!(out, "view digest {}", primary(report.view_digest))?;
    match report.view_digest_before {
        Some(before) if !equal => writeln!(out, "     before {}", primary(before)),
        Some(_) | None => Ok(()),
    }
}

/// Says what the store holds, each fact with its name.
pub(crate) fn stats_facts(report: &r::StatsReport) -> Vec<(&'static str, String)> {
    let (open, finalized, removed) =
        (report.packages_open, report.packages_finalized, report.packages_removed);
    let mut facts = vec![
        ("root", escape::path(&report.root)),
        ("store", report.store_id.to_string()),
        ("events", report.events.to_string()),
        ("packages", format!("{finalized} finalized, {open} open, {removed} removed")),
        ("objects", format!("{} ({})", report.objects, size(report.object_bytes))),
        ("in packages", format!("{}, equal files counted each time", size(report.logical_bytes))),
        ("purged objects", report.purged_objects.to_string()),
    ];
    let purges = &report.purges;
    if let Some(last) = &purges.last {
        let (runs, objects) = (count(purges.runs, "gc"), count(purges.objects, "object"));
        facts.push(("ever purged", format!("{objects} by {runs}, {} freed", size(purges.freed_bytes))));
        let (at, by) = (instant(last.at), escape::line(&last.actor));
        let reason = why(last.reason.as_deref());
        facts.push(("last gc", format!("{at} by {by}, event {}{reason}", last.sequence)));
    }
    facts.push(("log and views", size(report.overhead_bytes)));
    facts
}

/// Writes what the store holds.
pub(crate) fn stats(report: &r::StatsReport, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in stats_facts(report) {
        writeln!(out, "{name:<16}{value}")?;
    }
    if !report.classes.is_empty() {
        writeln!(out, "classes")?;
    }
    for (class, packages, bytes) in &report.classes {
        writeln!(out, "  {:<18}{} ({})", escape::line(class), count(*packages, "package"), size(*bytes))?;
    }
    Ok(())
}

/// Writes how the store is.
pub(crate) fn health(report: &r::HealthReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut fact = |name: &str, value: String| writeln!(out, "{name:<10}{value}");
    fact("root", escape::path(&report.root))?;
    fact("store", report.store_id.to_string())?;
    fact("head", format!("{}:{}", report.head_sequence, report.head_digest))?;
    fact("free", size(report.free_bytes))?;
    fact("writable", if report.writable { "yes" } else { "no" }.to_owned())?;
    fact(
        "verified",
        report
            .last_verify
            .as_ref()
            .map_or_else(|| "never in full".to_owned(), |last| verify::last(last, style)),
    )?;
    for concern in &report.concerns {
        writeln!(out, "{} {}", style.odd("concern:"), escape::line(&concern::concern(concern)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::*;

    #[test]
    fn references_name_the_manifest_once_there_is_one() {
        assert_snapshot!(rendered(|out| reference(&samples::finalized(), out)), @"doc@2 blake3:0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1");
        assert_snapshot!(rendered(|out| reference(&samples::open(), out)), @"run@11");
    }

    #[test]
    fn a_package_in_full() {
        assert_snapshot!(rendered(|out| detail(&samples::detail(), Style::Plain, out)), @r#"
        doc@1  removed
          id          0193c2a4-7e1f-7000-8000-000000000001
          created     2027-01-15T08:00:00Z by ann@box
          finalized   2027-01-15T08:00:01Z
          removed     2027-01-15T08:00:09Z: wrong branch
          manifest    blake3:0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1 (812 B)
          content     blake3:3fba5250be9ac259c56e7250c526bc83bacb4be825f2799d3d59e5b4878dd74e
          entries     5 (3 files, 1.2 MiB)
          objects     2 (1.2 MiB)
          purged      1 object (2.0 KiB), 2027-01-15T08:00:11Z by ann@box, event 11: disk\nfull
          class       transient, may go from 2027-01-22T08:00:01Z
          metadata
            commit = 1a2b3c
            note = two\nlines
          pins
            golden  2027-01-15T08:00:03Z by ann@box\n: it\nruns
            image  blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede  2027-01-15T08:00:03Z by ann@box\n
          attestations
            doc.attestation@1  https://slsa.dev/provenance/v1
          events
                 7  2027-01-15T08:00:09Z  v1.package.removed  ann@box\n
        "#);
    }

    #[test]
    fn differences_say_what_differs() {
        let text = rendered(|out| {
            samples::differences().iter().try_for_each(|one| difference(one, Style::Plain, out))
        });
        assert_snapshot!(text, @r#"
        ~ bin (kind)
        ~ bin/tool (content, mode)
        + caf\xe9\n
        - link
        "#);
    }

    #[test]
    fn faults_name_whom_they_harm() {
        assert_snapshot!(rendered(|out| fault(&samples::fault(), Style::Plain, out)), @r#"
        truncated blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede: expected 10 bytes, found 4
          harms doc@2:caf\xe9\n
          harms run@11 as a whole
          mend: add the same content again (doc@2:caf\xe9\n)
        "#);
    }

    #[test]
    fn a_replay_says_whether_the_views_held() {
        let mut report = samples::replayed();
        assert_snapshot!(rendered(|out| replayed(&report, true, Style::Plain, out)), @"
        different: the views are not what 7 events say
          differs: objects
          skipped: 1 event of type v2.package.renamed, which this build does not know
        view digest blake3:45df22c72c6e776f178bdbb8103c5cac32795afaf8d736fb12c848264ae87d11
             before blake3:18c52a7ed981fbffa12fbf611b593c451f6a5700af2206c612b5c3dd2888909b
        ");
        report.view_digest_before = Some(report.view_digest);
        report.skipped.clear();
        report.differing.clear();
        assert_snapshot!(rendered(|out| replayed(&report, false, Style::Plain, out)), @"
        replayed 7 events; the views are as they were
        view digest blake3:45df22c72c6e776f178bdbb8103c5cac32795afaf8d736fb12c848264ae87d11
        ");
    }

    #[test]
    fn stats_and_health_are_facts_in_lines() {
        assert_snapshot!(rendered(|out| stats(&samples::stats(), out)), @r#"
        root            /srv/astore
        store           00000000-0000-0000-0000-000000000001
        events          7
        packages        2 finalized, 1 open, 3 removed
        objects         4 (4.0 KiB)
        in packages     12.0 KiB, equal files counted each time
        purged objects  0
        ever purged     3 objects by 2 gcs, 4.0 KiB freed
        last gc         2027-01-15T08:00:11Z by ann@box, event 11: disk\nfull
        log and views   64.0 KiB
        classes
          permanent-record  1 package (0 B)
          transient         2 packages (4.0 KiB)
        "#);
        assert_snapshot!(rendered(|out| health(&samples::health(), Style::Plain, out)), @"
        root      /srv/astore
        store     00000000-0000-0000-0000-000000000001
        head      7:5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a
        free      1.0 GiB
        writable  yes
        verified  2027-01-15T08:00:05Z, 2 faults (in 3 parts since 2027-01-15T08:00:04Z)
        concern: objects found damaged and not yet mended: 2; 'astore verify --quick' says what mends each
        ");
    }
}
