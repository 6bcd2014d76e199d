//! `astore export`.

mod bag;
mod layout;
mod stream;

use std::path::{Path, PathBuf};

use astore::error::Error;
use astore::plane::ExportError;
use astore::registry::Access;
use astore::registry::report::{
    BagRequest, ExportRequest, Fault, LayoutRequest, LinkMode, Reference, Stream,
};

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::escape;
use super::output::json::{self, schema};
use super::output::units::{count, size};

const EXAMPLES: &str = "\
Examples:
  The tree again, and a proof that it is the same:
      astore export doc@1 /tmp/doc
      diff -r --no-dereference /tmp/doc target/doc
  Sharing the bytes with the store on a file system that can (btrfs, xfs):
      astore export doc@1 /tmp/doc --link reflink
  An archive for those who have no astore:
      astore export doc@1 --tar doc.tar
  A bag for an archive that takes BagIt:
      astore export doc@1 --bagit doc-bag
      bagit.py --validate doc-bag
  The tree on another machine:
      astore export doc@1 --tar - | ssh web tar -xC /srv/doc
  An artifact for a registry:
      astore export doc@1 --oci layout
      skopeo copy oci:layout:doc-1 docker://registry.example/doc:1";

/// Write the tree of a package out again, checked as it is written
///
/// DEST is a directory that is missing or empty; the contents go into it, with exact modes. Every byte is
/// checked against its digest. Where an object is damaged, nothing is left under its name, the rest is
/// written, every damaged path is listed, and the exit code is 4.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(index = 1, value_name = "REF")]
    reference: String,

    /// A directory that is missing or empty
    #[arg(index = 2, value_name = "DEST", required_unless_present_any = ["stream", "bagit", "oci"])]
    destination: Option<PathBuf>,

    /// Write a tar archive instead: a file that does not exist yet, or - for standard output
    ///
    /// The same package is the same archive to the byte, wherever and whenever it is written: sorted by path, owned by
    /// 0:0, with exact modes, and with the times that were kept (--mtime), else 1970-01-01. Prints its SHA-256. Where
    /// an object is damaged it ends without the mark that a whole one ends with, and the exit code is 4.
    #[arg(long, value_name = "FILE", group = "stream", conflicts_with = "destination")]
    tar: Option<PathBuf>,

    /// Write a NAR, the archive of Nix, instead: a file that does not exist yet, or - for standard output
    ///
    /// Prints its SHA-256, which is the hash that nix-store --dump | sha256sum gives for the same tree. A NAR keeps no
    /// times, and of modes only whether the owner may execute.
    #[arg(long, value_name = "FILE", group = "stream", conflicts_with = "destination")]
    nar: Option<PathBuf>,

    /// Write a bag (BagIt, RFC 8493) instead, into a directory that is missing or empty
    ///
    /// The tree stands in data/, beside it are a SHA-256 manifest, bag-info.txt with the package's digests, metadata and
    /// provenance, and tagmanifest-sha256.txt, whose SHA-256 is printed. A bag has no symlinks: they are in
    /// astore/manifest.cbor alone, like modes and times, and add --bagit has them from there. Names that a bag cannot
    /// hold or bagit.py cannot read back are refused before anything is written. The package has to be finalised.
    /// Where an object is damaged, what is written has no bagit.txt and is no bag, and the exit code is 4.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["destination", "stream"])]
    bagit: Option<PathBuf>,

    /// Write an OCI image layout instead, with the package as one artifact: a directory that is missing or empty
    ///
    /// The artifact's config is the manifest as JSON, its layers are the files' contents, each once, named by their
    /// SHA-256: skopeo and oras copy it to a registry and back, and add --oci takes it back as it was. Its tag is the
    /// package's name and version (doc-1), or the version alone where clients take no such name. The same package is
    /// the same layout to the byte. It is no image: nothing runs it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["destination", "stream", "bagit"])]
    oci: Option<PathBuf>,

    /// How files come to be
    #[arg(long, value_name = "HOW", default_value = "auto", conflicts_with = "stream")]
    link: Link,

    /// Set the setuid, setgid and sticky bits too
    #[arg(long, conflicts_with_all = ["stream", "oci"])]
    special_modes: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Link {
    /// By reflink where that is possible, else by copying
    Auto,
    /// By reflink or not at all
    Reflink,
    /// By copying
    Copy,
}

impl Link {
    const fn mode(self) -> LinkMode {
        match self {
            Self::Auto => LinkMode::Auto,
            Self::Reflink => LinkMode::Reflink,
            Self::Copy => LinkMode::Copy,
        }
    }
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let (link, special_modes) = (args.link.mode(), args.special_modes);
    let reference = Reference(args.reference.clone());
    let destination = match (args.destination, args.tar, args.nar, args.bagit, args.oci) {
        (_, Some(file), ..) => return stream::run(args.reference, Stream::Tar, &file, ctx),
        (_, _, Some(file), ..) => return stream::run(args.reference, Stream::Nar, &file, ctx),
        (.., Some(destination), _) => {
            return bag::run(&BagRequest { reference, destination, link, special_modes }, ctx);
        }
        (.., Some(destination)) => {
            return layout::run(LayoutRequest { reference, destination, link }, ctx);
        }
        (destination, None, None, None, None) => destination.unwrap_or_default(),
    };
    let request = ExportRequest { reference: Reference(args.reference), destination, link, special_modes };
    let registry = ctx.open("export", Access::Read)?;
    let report = match registry.export(&request, &ctx.terminal) {
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
    if ctx.form == Form::Json {
        return ctx.result(exit, |out| {
            json::write(schema::EXPORT, json::Export::of(&report, &request.destination), out)
        });
    }
    ctx.terminal.note(&format!(
        "astore: exported {} to {}: {}, {}",
        report.package.reference(),
        escape::path(&request.destination),
        entries(report.entries, report.package.entries),
        size(report.bytes),
    ));
    Ok(exit)
}

/// Says that a failure left part of the tree behind, where it did.
fn warn_of_part(error: &Error, destination: &Path, ctx: &Context) {
    // An empty one is as good as none.
    if is_partial(error) && !is_empty(destination) {
        let shown = escape::path(destination);
        // A part of the failure: also with --quiet.
        ctx.terminal.warn(&format!("astore: {shown} is incomplete; remove it before the next try"));
    }
}

/// Returns whether nothing is there, or a directory without anything in it.
fn is_empty(destination: &Path) -> bool {
    std::fs::read_dir(destination).map_or_else(
        |error| error.kind() == std::io::ErrorKind::NotFound,
        |mut entries| entries.next().is_none(),
    )
}

/// Returns whether the failure left part of the tree behind.
const fn is_partial(error: &Error) -> bool {
    matches!(
        error,
        Error::Changed { .. }
            | Error::Export(
                ExportError::Write { .. }
                    | ExportError::NoReflink { .. }
                    | ExportError::Entries(_)
                    | ExportError::Cancelled
            )
    )
}

/// Says how many entries were written, and of how many where some are missing.
fn entries(written: u64, all: u64) -> String {
    if written == all { count(all, "entry") } else { format!("{written} of {}", count(all, "entry")) }
}

/// Says what is damaged and which paths are therefore not there.
fn damage(fault: &Fault) -> Vec<String> {
    let detail =
        if fault.detail.is_empty() { String::new() } else { format!(": {}", escape::line(&fault.detail)) };
    let what = format!("{} {}{detail}", escape::line(&fault.kind), escape::line(&fault.subject));
    if fault.harms.is_empty() {
        return vec![format!("astore: not exported: {what}")];
    }
    let path = |path: &Option<astore::manifest::EntryPath>| {
        path.as_ref().map_or_else(|| "everything".to_owned(), |path| escape::bytes(path.as_bytes()))
    };
    fault.harms.iter().map(|harm| format!("astore: not exported: {}: {what}", path(&harm.path))).collect()
}
