//! `astore restore`.

use astore::registry::Access;
use astore::registry::report::Reference;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};

const EXAMPLES: &str = "\
Examples:
  Bring back the newest removed version:
      astore restore doc
  See what could be brought back:
      astore list --removed";

/// Bring a removed package back
///
/// It is again what it was, under its own version. Refused where a gc has purged any of its objects. A bare
/// name means the newest removed version.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("restore", Access::Write)?;
    let package = registry.restore(&Reference(args.reference.clone()))?;
    let form = ctx.form;
    ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::RESTORE, json::OnePackage::of(&package), out),
        Form::Text => writeln!(out, "{}", package.reference()),
    })
}
