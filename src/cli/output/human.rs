//! Results for people: short lines, sizes in binary units, names escaped.

use std::io::{self, Write};

use astore::identity::{Blake3, ContentAddress};
use astore::manifest::{Entry, EntryBody, Labels};
use astore::registry::report as r;

use super::change::Change;
use super::escape;
use super::style::Style;
use super::units::{count, instant, mode, size};

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
fn state(package: &r::PackageSummary, style: Style) -> (usize, String) {
    let word = if package.removed_at.is_some() { "removed" } else { package.status.name() };
    let shown = match (package.removed_at, package.status) {
        (Some(_), _) => style.bad(word),
        (None, r::PackageStatus::Open) => style.odd(word),
        (None, r::PackageStatus::Finalized) => word.to_owned(),
    };
    (word.len(), shown)
}

/// Writes packages as a table.
pub(crate) fn packages(packages: &[r::PackageSummary], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let widest =
        packages.iter().map(|package| package.reference().len()).max().unwrap_or(0).max("REFERENCE".len());
    let head = format!(
        "{:widest$}  {:9}  {:>9}  {:>10}  {:20}  {}",
        "REFERENCE", "STATE", "FILES", "SIZE", "CREATED", "CLASS"
    );
    writeln!(out, "{}", style.strong(&head))?;
    for package in packages {
        let (width, state) = state(package, style);
        writeln!(
            out,
            "{:widest$}  {state}{:pad$}  {:>9}  {:>10}  {:20}  {}{}",
            package.reference(),
            "",
            package.files,
            size(package.bytes),
            instant(package.created_at),
            escape::line(&package.class),
            if package.hold { " (held)" } else { "" },
            pad = 9_usize.saturating_sub(width),
        )?;
    }
    Ok(())
}

/// Writes a package in full.
pub(crate) fn detail(detail: &r::PackageDetail, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let package = &detail.summary;
    writeln!(out, "{}  {}", style.strong(&package.reference()), state(package, style).1)?;
    let mut fact = |name: &str, value: String| writeln!(out, "  {name:<12}{value}");
    fact("id", package.id.to_string())?;
    let by = escape::line(&package.created_by);
    fact("created", format!("{} by {by}", instant(package.created_at)))?;
    if let Some(at) = package.finalized_at {
        fact("finalized", instant(at))?;
    }
    if let Some(at) = package.removed_at {
        let reason = detail.removed_reason.as_deref().map(|reason| format!(": {}", escape::line(reason)));
        fact("removed", format!("{}{}", instant(at), reason.unwrap_or_default()))?;
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
    let expiry = match (package.expires_at, package.status) {
        (Some(at), _) => format!(", may go from {}", instant(at)),
        (None, r::PackageStatus::Finalized) => ", never expires".to_owned(),
        (None, r::PackageStatus::Open) => String::new(),
    };
    let hold = if package.hold { ", held" } else { "" };
    fact("class", format!("{}{expiry}{hold}", escape::line(&package.class)))?;
    labels("metadata", &detail.metadata, out)?;
    labels("provenance", &detail.provenance, out)?;
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

/// Writes an entry: mode, size, path, and where a symlink points.
pub(crate) fn entry(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let length = entry.object().map_or_else(|| "-".to_owned(), |object| size(object.size_bytes));
    write!(out, "{}  {length:>10}  {}", mode(entry), escape::bytes(entry.path.as_bytes()))?;
    if let EntryBody::Symlink { target } = &entry.body {
        write!(out, " -> {}", escape::bytes(target))?;
    }
    writeln!(out)
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

/// Writes a fault and, below it, whom it harms.
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
    Ok(())
}

/// Writes what verify found below its faults: notes, and a line that sums up.
pub(crate) fn verified(report: &r::VerifyReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for note in &report.notes {
        writeln!(out, "note: {}", escape::line(note))?;
    }
    let verdict = match report.faults.len() as u64 {
        0 => style.good("sound"),
        faults => style.bad(&count(faults, "fault")),
    };
    let objects = count(report.objects, "object");
    let events = count(report.events, "event");
    let recorded = match &report.recorded {
        Ok(sequence) => format!("recorded as event {sequence}"),
        Err(why) => format!("not recorded: {}", escape::line(why)),
    };
    writeln!(out, "{verdict}: {objects} ({} read), {events}; {recorded}", size(report.bytes))?;
    writeln!(out, "head {}:{}", report.head_sequence, report.head_digest)
}

/// Writes an event in a line.
pub(crate) fn event(event: &r::EventLine, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>8}  {}  {}  {} {}  {}",
        event.sequence,
        event.created_at,
        style.strong(&format!("{:<24}", escape::line(&event.event_type))),
        escape::line(&event.subject_kind),
        escape::line(&event.subject_id),
        escape::line(&event.actor),
    )
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

/// Writes what the store holds.
pub(crate) fn stats(report: &r::StatsReport, out: &mut dyn Write) -> io::Result<()> {
    let mut fact = |name: &str, value: String| writeln!(out, "{name:<16}{value}");
    fact("root", escape::path(&report.root))?;
    fact("store", report.store_id.to_string())?;
    fact("events", report.events.to_string())?;
    let (open, finalized, removed) =
        (report.packages_open, report.packages_finalized, report.packages_removed);
    fact("packages", format!("{finalized} finalized, {open} open, {removed} removed"))?;
    fact("objects", format!("{} ({})", report.objects, size(report.object_bytes)))?;
    fact("without sharing", size(report.logical_bytes))?;
    fact("purged objects", report.purged_objects.to_string())?;
    fact("log and views", size(report.overhead_bytes))?;
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
        match report.last_verify {
            Some((at, 0)) => format!("{}, sound", instant(at)),
            Some((at, faults)) => format!("{}, {}", instant(at), style.bad(&count(faults, "fault"))),
            None => "never in full".to_owned(),
        },
    )?;
    for concern in &report.concerns {
        writeln!(out, "{} {}", style.odd("concern:"), escape::line(concern))?;
    }
    Ok(())
}
