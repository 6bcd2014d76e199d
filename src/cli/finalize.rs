//! `astore finalize`.

use astore::registry::Access;
use astore::registry::report::Reference;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::human;
use super::output::json::{self, schema};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Freeze the newest open version of a package:
      astore finalize run
  Freeze this very one, and keep its manifest digest:
      astore finalize run@7";

/// Freeze an open package and write its manifest
///
/// From then on the package is immutable. Prints its reference and the digest of its manifest, which
/// commits to every path, mode and byte of it. A bare name means the newest open version.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("finalize", Access::Write)?;
    let package = registry.finalize(&Reference(args.reference.clone()), &ctx.terminal)?;
    let (form, volume) = (ctx.form, ctx.volume);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::FINALIZE, json::OnePackage::of(&package), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", package.reference()),
        (Form::Text, Volume::Normal) => human::reference(&package, out),
    })
}
