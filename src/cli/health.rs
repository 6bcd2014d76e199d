//! `astore health`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::metrics::MetricsArgs;
use super::output::human;
use super::output::json::{self, schema};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  How the store is:
      astore health
  Send the head somewhere else; 'astore verify --head' can later tell whether the log still contains it:
      astore health --quiet | mail -s 'astore head' someone@example.org";

/// Say how the store is: its head, free space, last verify, and concerns
///
/// The head is the last event, as SEQUENCE:DIGEST; it commits to all events before it. --quiet prints the
/// head alone.
///
/// Nothing is read again: what it knows of damage is on record. Exits with 4 as long as objects that were found
/// damaged have not been added again, a verify of any kind found other faults and no full one has begun since, what only
/// 'verify --head' or 'verify --both' looks for was found and not looked at again since, or log/ does not end where the
/// database does. A full verify is one run, or parts ('astore verify --budget') that together cover every key.
/// What is mended goes off the record when the content is added again or, if it is no object, when the next full
/// verify does not find it any more; what only a quick one found, with the next quick one too. Other concerns, a log/ that cannot be read and more than 1 GiB that writers
/// left in tmp/ among them, do not change the exit code.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

pub(crate) fn run(_args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let report = ctx.open("health", Access::Read)?.health()?;
    ctx.metrics.health(&report);
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    let exit = if report.damage { Exit::Damage } else { Exit::Done };
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::HEALTH, json::Health::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}:{}", report.head_sequence, report.head_digest),
        (Form::Text, Volume::Normal) => human::health(&report, style, out),
    })
}
