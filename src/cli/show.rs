//! `astore show`.

use astore::registry::Access;
use astore::registry::report::Reference;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::human;
use super::output::json::{self, schema};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Everything about the newest version of a package:
      astore show doc
  Its full id, for a script:
      astore show doc@1 --json | jq -r .package.id";

/// Show a package: digests, sizes, labels, and the events about it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("show", Access::Read)?;
    let detail = registry.show(&Reference(args.reference.clone()))?;
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::SHOW, json::Show::of(&detail), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", detail.summary.reference()),
        (Form::Text, Volume::Normal) => human::detail(&detail, style, out),
    })
}
