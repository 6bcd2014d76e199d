//! `astore stats`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::metrics::MetricsArgs;
use super::output::json::{self, schema};
use super::output::{human, pictures};

const EXAMPLES: &str = "\
Examples:
  What the store holds, and what sharing saves:
      astore stats
  The bytes of all objects, for a graph:
      astore stats --json | jq .object_bytes";

/// Say what the store holds: packages, objects, sizes
///
/// On a terminal it also draws, as bars, the largest packages, the classes, and the months in which packages were made.
/// The sizes of a package and of a class count every file; what one package alone keeps, 'astore gc --without' says.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

pub(crate) fn run(_args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let report = ctx.open("stats", Access::Read)?.stats()?;
    ctx.metrics.stats(&report);
    let (form, page) = (ctx.form, ctx.page);
    let plan = ctx.asked().typed("gc");
    ctx.result(Exit::Done, |out| match (form, page.window) {
        (Form::Json, _) => json::write(schema::STATS, json::Stats::of(&report), out),
        (Form::Text, None) => human::stats(&report, out),
        (Form::Text, Some(window)) => pictures::stats(&report, window, page.style, &plan, out),
    })
}
