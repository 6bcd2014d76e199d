//! `astore replay`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::human;
use super::output::json::{self, schema};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Whether the views are what the log says, changing nothing:
      astore replay --check
  Compute them again, after a newer astore or damage:
      astore replay";

/// Compute the views again from the event log
///
/// Views are tables that answer questions quickly; the log alone is the truth. Prints the view digest: two
/// stores with the same log have the same one. With --check, nothing is changed, and the exit code is 4 where
/// the views are not what replay makes of the log.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Compare only
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let report = if args.check {
        ctx.open("replay", Access::Read)?.replay_check(&ctx.terminal)?
    } else {
        ctx.open("replay", Access::Write)?.replay(&ctx.terminal)?
    };
    let wrong = args.check && report.view_digest_before != Some(report.view_digest);
    let exit = if wrong { Exit::Damage } else { Exit::Done };
    let (form, volume, style, check) = (ctx.form, ctx.volume, ctx.page.style, args.check);
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::REPLAY, json::Replay::of(&report, check), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", human::primary(report.view_digest)),
        (Form::Text, Volume::Normal) => human::replayed(&report, check, style, out),
    })
}
