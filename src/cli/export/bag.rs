//! `export --bagit`: a bag in a directory.

use astore::registry::Access;
use astore::registry::report::{BagReport, BagRequest};

use super::super::context::{Context, Form};
use super::super::exit::Exit;
use super::super::output::escape;
use super::super::output::json::{self, schema};
use super::super::output::units::{count, size};
use super::{damage, warn_of_part};

/// Writes a package as a bag.
pub(super) fn run(request: &BagRequest, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("export", Access::Read)?;
    let report = match registry.export_bag(request, &ctx.terminal) {
        Ok(report) => report,
        Err(error) => {
            warn_of_part(&error, &request.destination, ctx);
            return Err(error.into());
        }
    };
    for fault in &report.damaged {
        damage(fault).iter().for_each(|line| ctx.terminal.warn(line));
    }
    let exit = if report.damaged.is_empty() { Exit::Done } else { Exit::Damage };
    let form = ctx.form;
    let exit = ctx.result(exit, |out| match (form, &report.sha256) {
        (Form::Json, _) => {
            json::write(schema::EXPORT_BAG, json::ExportBag::of(&report, &request.destination), out)
        }
        (Form::Text, Some(sha256)) => writeln!(out, "sha256:{sha256}"),
        (Form::Text, None) => Ok(()),
    })?;
    let shown = escape::path(&request.destination);
    if report.sha256.is_none() {
        ctx.terminal.warn(&format!("astore: {shown} is no bag; remove it before the next try"));
    }
    if form == Form::Text {
        remarks(&report, &shown).iter().for_each(|remark| ctx.terminal.note(remark));
    }
    Ok(exit)
}

/// Says what was written, and what a bag has no room for.
fn remarks(report: &BagReport, shown: &str) -> Vec<String> {
    let (reference, files) = (report.package.reference(), count(report.files, "file"));
    let mut remarks =
        vec![format!("astore: exported {reference} to {shown}: {files}, {}", size(report.bytes))];
    if report.sha256.is_some() && report.symlinks > 0 {
        remarks.push(format!(
            "astore: a bag has no symlinks: {} not in data/, and only add --bagit brings them back",
            match report.symlinks {
                1 => "1 is".to_owned(),
                symlinks => format!("{symlinks} are"),
            }
        ));
    }
    if report.sha256.is_some() && report.empty_directories > 0 {
        remarks.push(format!(
            "astore: a bag lists files alone: {} may be lost by other tools",
            match report.empty_directories {
                1 => "1 empty directory".to_owned(),
                empty => format!("{empty} empty directories"),
            }
        ));
    }
    remarks
}
