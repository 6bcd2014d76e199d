//! `astore list`.

use astore::registry::Access;
use astore::registry::report::{ListFilter, WantedLabel};

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::listing;
use super::progress::Volume;
use super::values;

const EXAMPLES: &str = "\
Examples:
  The ten newest packages:
      astore list --limit 10
  The references of all open packages, one a line:
      astore list --open --quiet
  The newest one that was built from a commit:
      astore list --meta commit=1a2b3c --limit 1
  Sizes for a script:
      astore list --json | jq -r '[.reference, .bytes] | @tsv'";

/// List packages
///
/// Lists packages that are not removed, the newest last. With --json, one document a line.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed; run turns them into an enum")]
pub(crate) struct Args {
    /// Removed ones too
    #[arg(long, group = "which")]
    all: bool,

    /// Only open ones
    #[arg(long, group = "which")]
    open: bool,

    /// Only removed ones
    #[arg(long, group = "which")]
    removed: bool,

    /// Only finalised ones whose expiry is past: the next gc may take their bytes
    #[arg(long, group = "which")]
    expired: bool,

    /// At most this many, the newest
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::number_from_1)]
    limit: Option<u64>,

    /// Only those that have this label, or, with KEY alone, any value of it; may be repeated, and all must hold
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = values::wanted_label)]
    meta: Vec<WantedLabel>,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let filter = match (args.all, args.open, args.removed, args.expired) {
        (true, ..) => ListFilter::All,
        (_, true, ..) => ListFilter::Open,
        (_, _, true, _) => ListFilter::Removed,
        (.., true) => ListFilter::Expired,
        (false, false, false, false) => ListFilter::Present,
    };
    let registry = ctx.open("list", Access::Read)?;
    let packages = registry.list_labelled(filter, &args.meta, args.limit)?;
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    let now = ctx.env()?.now();
    if packages.is_empty() && form == Form::Text {
        ctx.terminal.note("astore: no such packages");
        return Ok(Exit::Done);
    }
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => packages
            .iter()
            .try_for_each(|package| json::write(schema::PACKAGE, json::Package::of(package), out)),
        (Form::Text, Volume::Quiet) => {
            packages.iter().try_for_each(|package| writeln!(out, "{}", package.reference()))
        }
        (Form::Text, Volume::Normal) => listing::packages(&packages, now, page, out),
    })
}
