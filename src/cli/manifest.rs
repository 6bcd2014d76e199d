//! `astore manifest`.

use astore::formats::checkfile::Tool;
use astore::manifest::EntryPath;
use astore::registry::Access;
use astore::registry::report::Reference;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::{escape, human, intoto, manifest};

const EXAMPLES: &str = "\
Examples:
  Check an exported tree with tools that never heard of astore:
      astore manifest doc@1 --format sha256sums > doc.sha256
      (cd /tmp/doc && sha256sum -c) < doc.sha256
  Print the digest that names everything in the package:
      astore manifest doc@1 --digest
  Keep the manifest itself, byte for byte:
      astore manifest doc@1 --format cbor > doc.cbor";

/// Print the manifest of a finalised package
///
/// The manifest is canonical CBOR; json is its exact JSON projection (RFC 8785), from which the CBOR can be
/// made again byte for byte. sha256sums and b3sums are check files for sha256sum -c and b3sum -c, to be run
/// in an exported tree. b3sum cannot read names that are not UTF-8: these are left out, listed on standard
/// error, and the exit code is 3.
///
/// in-toto is a Statement about the files of the package, by their SHA-256, with what is known of their origin as SLSA
/// provenance: the labels are its externalParameters, buildType and builder.id are those of the provenance (--provenance
/// builder=URI) or name this archive and its host. It is not signed. It leaves out names that are not UTF-8 as well.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,

    /// How to print it [default: text]
    #[arg(long, value_name = "FORMAT", conflicts_with = "digest")]
    format: Option<Format>,

    /// Print only the manifest's digest
    #[arg(long)]
    digest: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people
    Text,
    /// The exact JSON projection
    Json,
    /// The canonical bytes
    Cbor,
    /// A check file for sha256sum -c
    Sha256sums,
    /// A check file for b3sum -c
    B3sums,
    /// An in-toto Statement v1 about its files, with SLSA provenance v1
    InToto,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    if args.format.is_some() {
        ctx.refuse_json("--format says how to print the manifest")?;
    }
    let registry = ctx.open("manifest", Access::Read)?;
    let report = registry.manifest(&Reference(args.reference.clone()))?;
    let (form, is_terminal) = (ctx.form, ctx.out_is_terminal);
    if args.digest {
        return ctx.result(Exit::Done, |out| match form {
            Form::Json => json::write(schema::MANIFEST, json::ManifestHead::of(&report), out),
            Form::Text => writeln!(out, "{}", human::primary(report.digest)),
        });
    }
    let tool = match (form, args.format.unwrap_or(Format::Text)) {
        (Form::Json, _) => {
            manifest::check_projection(&report)?;
            return ctx.result(Exit::Done, |out| manifest::document(&report, out));
        }
        (Form::Text, Format::Text) => {
            let read = manifest::read(&report)?;
            return ctx.result(Exit::Done, |out| manifest::text(&read, &report, out));
        }
        (Form::Text, Format::Json) => {
            manifest::check_projection(&report)?;
            return ctx.result(Exit::Done, |out| {
                manifest::projection(&report, out)?;
                // Exactly the canonical bytes into a file or a pipe; a prompt wants a line of its own.
                if is_terminal { out.write_all(b"\n") } else { Ok(()) }
            });
        }
        (Form::Text, Format::Cbor) => return ctx.result(Exit::Done, |out| out.write_all(&report.bytes)),
        (Form::Text, Format::Sha256sums) => Tool::Sha256sum,
        (Form::Text, Format::B3sums) => Tool::B3sum,
        (Form::Text, Format::InToto) => {
            let read = manifest::read(&report)?;
            let mut left_out = Vec::new();
            let exit = ctx.result(Exit::Done, |out| intoto::statement(&read, &report, &mut left_out, out))?;
            return Ok(without(&left_out, "JSON cannot say this name", exit, ctx));
        }
    };
    let read = manifest::read(&report)?;
    let mut left_out = Vec::new();
    let exit = ctx.result(Exit::Done, |out| manifest::check_file(tool, &read, &mut left_out, out))?;
    Ok(without(&left_out, "b3sum cannot read this name; use --format sha256sums", exit, ctx))
}

/// Names what had to be left out, and returns how the command ends.
fn without(left_out: &[EntryPath], why: &str, exit: Exit, ctx: &Context) -> Exit {
    for path in left_out {
        let path = escape::bytes(path.as_bytes());
        ctx.terminal.warn(&format!("astore: left out {path}: {why}"));
    }
    if left_out.is_empty() { exit } else { Exit::Skipped }
}
