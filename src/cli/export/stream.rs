//! `export --tar` and `--nar`: one file, or a pipe.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use astore::registry::report::{Reference, Stream, StreamReport, StreamRequest};
use astore::registry::{Access, Registry};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use uuid::Uuid;

use super::super::context::{Context, Form};
use super::super::exit::Exit;
use super::super::failure::usage;
use super::super::output::escape;
use super::super::output::json::{self, schema};
use super::super::output::units::{count, size};

/// How much is collected before it is written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes a package to a file that does not exist yet, or to standard output.
pub(super) fn run(reference: String, stream: Stream, file: &Path, ctx: &mut Context) -> anyhow::Result<Exit> {
    let request = StreamRequest { reference: Reference(reference), stream };
    if file.as_os_str() == "-" {
        ctx.refuse_json("the archive goes to standard output")?;
        if ctx.out_is_terminal {
            return Err(usage("an archive is nothing for a terminal; redirect it, or name a file"));
        }
        let registry = ctx.open("export", Access::Read)?;
        let report = {
            let (out, terminal) = ctx.out_and_terminal();
            let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
            let report = registry.export_stream(&request, &mut out, terminal)?;
            // Flushed by the export: what is left here is nothing.
            drop(out);
            report
        };
        remarks(&report, stream, None, ctx);
        return ctx.done(Exit::Done, Ok(()));
    }
    let registry = ctx.open("export", Access::Read)?;
    let report = to_file(&registry, &request, file, ctx)?;
    let form = ctx.form;
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::EXPORT_STREAM, json::ExportStream::of(&report, stream, file), out),
        Form::Text => writeln!(out, "sha256:{}", report.sha256),
    })?;
    if form == Form::Text {
        remarks(&report, stream, Some(file), ctx);
    }
    Ok(exit)
}

/// Writes beside the file and gives it its name when it is whole.
fn to_file(
    registry: &Registry,
    request: &StreamRequest,
    file: &Path,
    ctx: &Context,
) -> anyhow::Result<StreamReport> {
    let shown = escape::path(file);
    if fs::symlink_metadata(file).is_ok() {
        return Err(usage(format!("{shown} exists; give a name that is free, or remove it first")));
    }
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if registry.is_inside(directory) {
        return Err(usage(format!("{shown} is inside the store; put it elsewhere")));
    }
    let hidden = format!(".astore-export-{}", Uuid::new_v4());
    let beside: PathBuf = directory.iter().chain([OsStr::new(&hidden)]).collect();
    let cannot = || format!("cannot write {shown}");
    let opened = OpenOptions::new().write(true).create_new(true).open(&beside).with_context(cannot)?;
    let written = write(registry, request, opened, ctx).and_then(|report| {
        name(&beside, file).with_context(cannot)?;
        Ok(report)
    });
    #[expect(clippy::disallowed_methods, reason = "a file of ours, outside of any store")]
    fs::remove_file(&beside).ok();
    written
}

/// Gives what is whole its name. Nothing is written over: the name may have come into use meanwhile.
fn name(beside: &Path, file: &Path) -> io::Result<()> {
    match renameat_with(CWD, beside, CWD, file, RenameFlags::NOREPLACE) {
        // Not every file system knows how; one that does not may know of links.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::hard_link(beside, file),
        outcome => Ok(outcome?),
    }
}

fn write(
    registry: &Registry,
    request: &StreamRequest,
    file: File,
    ctx: &Context,
) -> anyhow::Result<StreamReport> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let report = registry.export_stream(request, &mut out, &ctx.terminal)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Some file systems say only now that there was no room.
    file.sync_all()?;
    Ok(report)
}

/// Says what was written, and what the format has no room for.
fn remarks(report: &StreamReport, stream: Stream, file: Option<&Path>, ctx: &Context) {
    let to = file.map_or_else(|| "standard output".to_owned(), escape::path);
    let (entries, bytes) = (count(report.entries, "entry"), size(report.stream_bytes));
    let digest = file.map_or_else(|| format!(", sha256:{}", report.sha256), |_| String::new());
    let reference = report.package.reference();
    ctx.terminal.note(&format!("astore: exported {reference} to {to}: {entries}, {bytes}{digest}"));
    if let Some(lost) = lost(report.not_carried, stream) {
        ctx.terminal.note(&format!("astore: {lost}"));
    }
}

/// Says what a format has no room for, where that is something of this package.
fn lost(entries: u64, stream: Stream) -> Option<String> {
    match stream {
        Stream::Tar => None,
        Stream::Nar if entries == 0 => None,
        Stream::Nar => Some(format!(
            "a NAR has no times, and of a mode only whether the owner may execute: {} lost some of that",
            count(entries, "entry")
        )),
    }
}
