//! The verdict on some bytes, for people.

use std::io::{self, Write};

use astore::audit::because;
use astore::registry::report as r;

use super::escape;
use super::style::Style;
use super::units::{count, instant, size};
use super::words;

/// How many paths are named.
pub(crate) const PATHS_MAX: u64 = 20;

/// Writes a verdict and its story. `asked` names what was asked about, for what has no address.
pub(crate) fn explained(
    report: &r::ExplainReport,
    asked: &str,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let word = report.verdict.name();
    let verdict = match report.verdict {
        r::Verdict::Present => style.good(word),
        r::Verdict::Evicted | r::Verdict::Unknown => style.odd(word),
        r::Verdict::Purged | r::Verdict::Lost => style.bad(word),
    };
    match report.address {
        Some(address) => writeln!(out, "{verdict}  {address}")?,
        None => writeln!(out, "{verdict}  {asked}")?,
    }
    let mut fact = |name: &str, value: String| writeln!(out, "  {name:<10}{value}");
    if let Some(sha256) = report.sha256 {
        fact("sha256", format!("sha256:{sha256}"))?;
    }
    if let Some(bytes) = report.size_bytes {
        fact("size", exact(bytes))?;
    }
    match report.checked {
        Some(r::Checked::Bytes) => fact("checked", "every byte of it in the store".to_owned())?,
        Some(r::Checked::Size) => {
            fact("checked", "its size in the store, not its bytes: --read reads them".to_owned())?;
        }
        None => {}
    }
    if let Some(lost) = &report.lost {
        fact("fault", format!("{}: {}", style.bad(lost.kind), escape::line(&lost.detail)))?;
    }
    if let Some(first) = &report.first {
        let by = escape::line(&first.actor);
        let event = escape::line(&first.event_type);
        let (at, sequence) = (instant(first.created_at), first.sequence);
        fact("named", format!("first by event {sequence} ({event}), {at} by {by}"))?;
    }
    if let Some(part) = &report.part_of_log {
        let what = match &part.manifest_of {
            Some(package) => format!("the manifest of {package}"),
            None => format!("the payload of event {}", part.event.sequence),
        };
        fact("log", format!("keeps it: it is {what}, and never collected"))?;
    }
    if let Some(purge) = &report.purge {
        purged(purge, out)?;
    }
    for pin in &report.pins {
        writeln!(out, "  {:<10}{}", "pin", pinned(pin))?;
    }
    packages(report, style, out)?;
    if let Some(collectable) = &report.collectable {
        let since = because(collectable.reason.name());
        match collectable.from {
            Some(from) => writeln!(
                out,
                "nothing keeps it, since {since}: a confirmed gc may take it from {} on",
                instant(from)
            )?,
            None => writeln!(out, "nothing keeps it, since {since}: the next confirmed gc may take it")?,
        }
    }
    for note in &report.notes {
        writeln!(out, "note: {}", escape::line(note))?;
    }
    match report.verdict {
        r::Verdict::Present | r::Verdict::Evicted => Ok(()),
        r::Verdict::Purged => writeln!(out, "adding the same content again brings it back"),
        r::Verdict::Lost if report.damage_on_record.is_some() => {
            writeln!(out, "adding the same content again heals it")
        }
        r::Verdict::Lost => {
            writeln!(out, "'astore verify' records it; then adding the same content again heals it")
        }
        r::Verdict::Unknown => writeln!(out, "the log never named it"),
    }
}

/// Writes a size for people and to the byte.
fn exact(bytes: u64) -> String {
    if bytes < 1024 { size(bytes) } else { format!("{} ({bytes} bytes)", size(bytes)) }
}

fn purged(purge: &r::Purge, out: &mut dyn Write) -> io::Result<()> {
    let mut fact = |name: &str, value: &str| writeln!(out, "  {name:<10}{}", escape::line(value));
    fact("purged", &format!("{} by {}, event {}", instant(purge.at), purge.actor, purge.sequence))?;
    fact("reason", purge.reason.as_deref().unwrap_or("none was given"))?;
    fact("plan", &purge.plan)?;
    fact("why", purge.why.as_deref().map_or("the event's payload cannot be read", because))?;
    let outcome = match &purge.outcome {
        r::Outcome::Deleted => "deleted".to_owned(),
        r::Outcome::WasMissing => "it was missing already".to_owned(),
        r::Outcome::Failed(error) => format!("could not be deleted: {error}"),
        r::Outcome::Unfinished => "the gc was interrupted: the next confirmed one goes on".to_owned(),
        r::Outcome::Untold => "the payload of the event that would tell cannot be read".to_owned(),
    };
    fact("file", &outcome)
}

/// Says who pinned it and why.
fn pinned(pin: &r::Pin) -> String {
    let (at, by) = (instant(pin.created_at), escape::line(&pin.created_by));
    format!("{}, set {at} by {by}{}", escape::line(&pin.name), words::why(pin.reason.as_deref()))
}

/// Writes the packages that have it, each with its paths; of many only the first.
fn packages(report: &r::ExplainReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if report.packages.is_empty() {
        return Ok(());
    }
    let heading = match report.verdict {
        r::Verdict::Present | r::Verdict::Evicted | r::Verdict::Unknown => "in",
        r::Verdict::Purged => "was in",
        r::Verdict::Lost => "harms",
    };
    writeln!(out, "  {heading}")?;
    let mut shown = 0;
    for package in report.packages.iter().filter(|package| !package.paths.is_empty()) {
        writeln!(out, "    {}  {}", style.strong(&package.reference()), standing(package))?;
        for pin in &package.pins {
            writeln!(out, "      pin {}", pinned(pin))?;
        }
        if let Some(reason) = &package.hold {
            writeln!(out, "      hold: {}", escape::line(reason))?;
        }
        for path in &package.paths {
            writeln!(out, "      {}", escape::bytes(path.as_bytes()))?;
        }
        shown += package.paths.len() as u64;
    }
    match report.paths_total.saturating_sub(shown) {
        0 => Ok(()),
        more => {
            let all = count(report.packages.len() as u64, "package");
            writeln!(out, "    and {more} more of the {} paths in {all}", report.paths_total)
        }
    }
}

/// Says whether a package keeps what it has, and until when.
fn standing(package: &r::PackageUse) -> String {
    let gone = package.gone.as_ref().map(words::lost);
    match (package.wanted, gone, package.status) {
        (r::Wanted::Kept, Some(gone), _) => format!("keeps it, being pinned or held; {gone}"),
        (_, Some(gone), _) => gone,
        (_, None, r::PackageStatus::Open) => "keeps it (open)".to_owned(),
        (_, None, r::PackageStatus::Finalized) => match package.expires_at {
            Some(at) => format!("keeps it, expires {}", instant(at)),
            None => "keeps it, never expires".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::*;

    fn told(report: &r::ExplainReport) -> String {
        rendered(|out| explained(report, "blake3:01234567", Style::Plain, out))
    }

    #[test]
    fn a_present_object_has_its_story() {
        assert_snapshot!(told(&samples::explained()), @r#"
        present  blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede
          sha256    sha256:2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75
          size      2.0 KiB (2048 bytes)
          checked   every byte of it in the store
          named     first by event 7 (v1.package.removed), 2027-01-15T08:00:09Z by ann@box\n
          log       keeps it: it is the manifest of run@11, and never collected
          pin       keep, set 2027-01-15T08:00:03Z by ann@box: a\nreason
          in
            doc@2  keeps it, expires 2027-01-22T08:00:01Z
              caf\xe9\n
            doc@1  keeps it, being pinned or held; removed by event 7, 2027-01-15T08:00:09Z: wrong\nbranch
              pin golden, set 2027-01-15T08:00:03Z by ann@box
              hold: audit
              caf\xe9\n
            and 22 more of the 24 paths in 2 packages
        note: a verify found it damaged (event 6); its file is whole now
        "#);
    }

    #[test]
    fn what_nothing_keeps_says_so() {
        let mut report = samples::explained();
        report.packages.remove(0);
        report.packages[0].wanted = r::Wanted::Gone(r::Reason::Removed);
        report.pins.clear();
        report.part_of_log = None;
        report.collectable = Some(r::Collectable { reason: r::Reason::Removed, from: Some(samples::at(99)) });
        assert_snapshot!(told(&report), @r#"
        present  blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede
          sha256    sha256:2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75
          size      2.0 KiB (2048 bytes)
          checked   every byte of it in the store
          named     first by event 7 (v1.package.removed), 2027-01-15T08:00:09Z by ann@box\n
          in
            doc@1  removed by event 7, 2027-01-15T08:00:09Z: wrong\nbranch
              pin golden, set 2027-01-15T08:00:03Z by ann@box
              hold: audit
              caf\xe9\n
            and 23 more of the 24 paths in 1 package
        nothing keeps it, since its package was removed: a confirmed gc may take it from 2027-01-15T08:01:39Z on
        note: a verify found it damaged (event 6); its file is whole now
        "#);
    }

    #[test]
    fn a_purged_object_tells_who_when_and_why() {
        assert_snapshot!(told(&samples::explained_purged()), @r#"
        purged  blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede
          sha256    sha256:2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75
          size      2.0 KiB (2048 bytes)
          named     first by event 7 (v1.package.removed), 2027-01-15T08:00:09Z by ann@box\n
          purged    2027-01-15T08:00:11Z by ann@box, event 11
          reason    disk\nfull
          plan      1800000000000000-86400-00ff
          why       its package was removed
          file      could not be deleted: busy
          was in
            doc@1  removed by event 7, 2027-01-15T08:00:09Z: wrong\nbranch
              hold: audit
              caf\xe9\n
        adding the same content again brings it back
        "#);
    }

    #[test]
    fn a_lost_object_tells_what_is_wrong() {
        let mut report = samples::explained();
        report.verdict = r::Verdict::Lost;
        report.checked = Some(r::Checked::Size);
        report.lost =
            Some(r::LostBytes { kind: "truncated", detail: "expected 2048 bytes,\nfound 4".into() });
        report.notes.clear();
        assert_snapshot!(told(&report), @r"
        lost  blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede
          sha256    sha256:2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75
          size      2.0 KiB (2048 bytes)
          checked   its size in the store, not its bytes: --read reads them
          fault     truncated: expected 2048 bytes,\nfound 4
          named     first by event 7 (v1.package.removed), 2027-01-15T08:00:09Z by ann@box\n
          log       keeps it: it is the manifest of run@11, and never collected
          pin       keep, set 2027-01-15T08:00:03Z by ann@box: a\nreason
          harms
            doc@2  keeps it, expires 2027-01-22T08:00:01Z
              caf\xe9\n
            doc@1  keeps it, being pinned or held; removed by event 7, 2027-01-15T08:00:09Z: wrong\nbranch
              pin golden, set 2027-01-15T08:00:03Z by ann@box
              hold: audit
              caf\xe9\n
            and 22 more of the 24 paths in 2 packages
        adding the same content again heals it
        ");
    }

    #[test]
    fn what_is_unknown_is_called_as_it_was_asked_for() {
        let report = r::ExplainReport {
            verdict: r::Verdict::Unknown,
            address: None,
            sha256: None,
            size_bytes: None,
            checked: None,
            first: None,
            part_of_log: None,
            pins: Vec::new(),
            packages: Vec::new(),
            paths_total: 0,
            notes: Vec::new(),
            ..samples::explained()
        };
        assert_snapshot!(told(&report), @"
        unknown  blake3:01234567
        the log never named it
        ");
    }
}
