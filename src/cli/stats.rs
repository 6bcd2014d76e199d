//! `astore stats`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::metrics::MetricsArgs;
use super::output::human;
use super::output::json::{self, schema};

const EXAMPLES: &str = "\
Examples:
  What the store holds, and what sharing saves:
      astore stats
  The bytes of all objects, for a graph:
      astore stats --json | jq .object_bytes";

/// Say what the store holds: packages, objects, sizes
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

pub(crate) fn run(_args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let report = ctx.open("stats", Access::Read)?.stats()?;
    ctx.metrics.stats(&report);
    let form = ctx.form;
    ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::STATS, json::Stats::of(&report), out),
        Form::Text => human::stats(&report, out),
    })
}
