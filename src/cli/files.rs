//! `astore files`.

use std::io;

use astore::manifest::Entry;
use astore::registry::Access;
use astore::registry::report::Reference;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::{escape, listing};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  What is in a package:
      astore files doc@1
  Paths as they are, for a program that reads them NUL-terminated:
      astore files doc@1 -0 | xargs -0 -n1 printf '%q\\n'
  The ten largest files:
      astore files doc@1 --json | jq -s 'sort_by(.size)[-10:][].path'";

/// List the entries of a package: files, directories, symlinks
///
/// In the order of the paths' bytes. Control characters and bytes that are not UTF-8 are written out (\n,
/// \xff, a backslash doubled); with -0 paths are printed as they are, each ended by a NUL byte; with --json,
/// one document a line. --quiet prints paths only.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,

    /// Print raw paths only, each ended by a NUL byte
    #[arg(long, short = '0')]
    null: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    if args.null {
        ctx.refuse_json("-0 prints raw paths")?;
    }
    let registry = ctx.open("files", Access::Read)?;
    let (form, volume, null, window) = (ctx.form, ctx.volume, args.null, ctx.page.window);
    let out = ctx.out();
    let mut print = |entry: &Entry| -> io::Result<()> {
        let path = entry.path.as_bytes();
        match (form, null, volume) {
            (Form::Json, ..) => json::write(schema::ENTRY, json::EntryText::of(entry), out),
            (Form::Text, true, _) => out.write_all(path).and_then(|()| out.write_all(&[0])),
            (Form::Text, false, Volume::Quiet) => writeln!(out, "{}", escape::bytes(path)),
            (Form::Text, false, Volume::Normal) => listing::entry(entry, window, out),
        }
    };
    registry.files(&Reference(args.reference.clone()), &mut print)?;
    ctx.done(Exit::Done, Ok(()))
}
