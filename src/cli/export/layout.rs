//! `export --oci`: an OCI image layout.

use astore::registry::Access;
use astore::registry::report::{LayoutReport, LayoutRequest};

use super::super::context::{Context, Form};
use super::super::exit::Exit;
use super::super::output::escape;
use super::super::output::json::{self, schema};
use super::super::output::units::{count, size};
use super::{damage, warn_of_part};

/// Manifests above this are refused by registries, and by clients that speak to them.
const REGISTRY_BYTES_MAX: u64 = astore::formats::oci::REGISTRY_BYTES_MAX as u64;

/// Writes a package as an artifact.
pub(super) fn run(request: LayoutRequest, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("export", Access::Read)?;
    let report = registry.export_layout(&request, &ctx.terminal).inspect_err(|error| {
        warn_of_part(error, &request.destination, ctx);
    })?;
    for fault in &report.damaged {
        damage(fault).iter().for_each(|line| ctx.terminal.warn(line));
    }
    let shown = escape::path(&request.destination);
    let is_whole = report.damaged.is_empty();
    let exit = if is_whole { Exit::Done } else { Exit::Damage };
    let form = ctx.form;
    let exit = ctx.result(exit, |out| match form {
        Form::Json => {
            json::write(schema::EXPORT_OCI, json::ExportOci::of(&report, &request.destination), out)
        }
        Form::Text if is_whole => writeln!(out, "{} sha256:{}", report.tag, report.manifest_sha256),
        Form::Text => Ok(()),
    })?;
    if !is_whole {
        let text = format!(
            "astore: {shown} has blobs, and no artifact, since not all are there; remove it before the next try"
        );
        ctx.terminal.warn(&text);
    } else if form == Form::Text {
        remarks(&report, &shown).iter().for_each(|line| ctx.terminal.note(line));
    }
    Ok(exit)
}

/// Says what was written, and what it is too large for.
fn remarks(report: &LayoutReport, shown: &str) -> Vec<String> {
    let (reference, layers) = (report.package.reference(), count(report.layers, "layer"));
    let mut remarks = vec![format!(
        "astore: exported {reference} to {shown} as {}: {layers}, {}",
        report.tag,
        size(report.bytes)
    )];
    if !report.has_titles {
        remarks.push(format!(
            "astore: the layers do not say what their files are called, since registries take manifests up to {}: add \
             --oci knows it all the same, oras does not",
            size(REGISTRY_BYTES_MAX)
        ));
    }
    if report.manifest_bytes > REGISTRY_BYTES_MAX {
        remarks.push(format!(
            "astore: the artifact's manifest has {}, and registries take up to {}: it can be copied from directory to \
             directory only",
            size(report.manifest_bytes),
            size(REGISTRY_BYTES_MAX)
        ));
    }
    remarks
}
