//! A manifest in the formats that people and their tools read.

use std::io::{self, Write};

use anyhow::Context as _;
use astore::formats::checkfile::{self, Line, Tool};
use astore::manifest::{EntryPath, JcsError, Manifest, write_jcs};
use astore::registry::report::ManifestReport;

use super::json::{self, schema};
use super::units::{count, instant, size};
use super::{escape, human, listing};

/// Reads the manifest, which is checked in whole.
///
/// # Errors
/// Where it is damaged, or of a version that this build does not know.
pub(crate) fn read(report: &ManifestReport) -> anyhow::Result<Manifest<'_>> {
    Manifest::parse(&report.bytes).with_context(|| unreadable(report))
}

/// Sees to it that the manifest has an exact JSON projection, so that none is begun that has no end: it is written as
/// it is made, since that of a million entries is larger than the manifest itself.
///
/// # Errors
/// Where the manifest is damaged.
pub(crate) fn check_projection(report: &ManifestReport) -> anyhow::Result<()> {
    write_jcs(&mut io::sink(), &report.bytes).with_context(|| unreadable(report))
}

/// Writes the exact JSON projection.
///
/// # Errors
/// Whatever `out` answers; see [`check_projection`].
pub(crate) fn projection(report: &ManifestReport, out: &mut dyn Write) -> io::Result<()> {
    write_jcs(out, &report.bytes)
        .map_err(|error| if let JcsError::Write(error) = error { error } else { io::Error::other(error) })
}

fn unreadable(report: &ManifestReport) -> String {
    format!("cannot read the manifest of {}", report.package.reference())
}

/// Writes the document of `--json`: what is known of the manifest, and its exact projection.
///
/// # Errors
/// As [`projection`].
pub(crate) fn document(report: &ManifestReport, out: &mut dyn Write) -> io::Result<()> {
    let mut head = Vec::new();
    json::write(schema::MANIFEST, json::ManifestHead::of(report), &mut head)?;
    // The projection goes in as it is: its text is canonical.
    out.write_all(head.strip_suffix(b"}\n").unwrap_or(&head))?;
    out.write_all(b",\"manifest\":")?;
    projection(report, out)?;
    out.write_all(b"}\n")
}

/// Writes the manifest for people: its head, then its entries.
///
/// # Errors
/// Whatever `out` answers.
pub(crate) fn text(manifest: &Manifest<'_>, report: &ManifestReport, out: &mut dyn Write) -> io::Result<()> {
    let header = manifest.header();
    writeln!(out, "{}@{}", header.name, header.version)?;
    let mut fact = |name: &str, value: String| writeln!(out, "  {name:<12}{value}");
    fact("manifest", format!("{} ({})", human::primary(report.digest), size(report.bytes.len() as u64)))?;
    fact("content", human::primary(manifest.content_digest()))?;
    fact("id", header.id.to_string())?;
    fact("created", format!("{} by {}", instant(header.created_at), escape::line(&header.created_by)))?;
    fact("class", escape::line(&header.retention.class))?;
    for receipt in &header.receipts {
        let objects = count(receipt.objects, "object");
        fact(
            "stored",
            format!("{objects} ({}) in {}", size(receipt.bytes), escape::line(&receipt.backend_id)),
        )?;
    }
    human::labels("metadata", &header.metadata, out)?;
    human::labels("provenance", &header.provenance, out)?;
    writeln!(out, "  {}", count(manifest.entry_count(), "entry"))?;
    manifest.entries().try_for_each(|entry| listing::entry(&entry, None, out))
}

/// Writes the check file for a tool, and collects the paths that it cannot express.
///
/// # Errors
/// Whatever `out` answers.
pub(crate) fn check_file(
    tool: Tool,
    manifest: &Manifest<'_>,
    left_out: &mut Vec<EntryPath>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for entry in manifest.entries() {
        match checkfile::line(tool, &entry, out)? {
            Line::Written => {}
            Line::Inexpressible => left_out.push(entry.path),
        }
    }
    Ok(())
}
