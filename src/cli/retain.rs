//! `astore retain`.

use astore::env::Timestamp;
use astore::registry::Access;
use astore::registry::report::{HoldRequest, Reference, RetainRequest};
use clap::ArgGroup;

use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::usage_hint;
use super::output::json::{self, schema};
use super::output::roots;
use super::progress::Volume;
use super::values;

const EXAMPLES: &str = "\
Examples:
  A nightly build became a release:
      astore retain nightly@41 --class release-evidence --reason 'shipped as 2.0'
  Keep it until the end of a day, UTC:
      astore retain nightly@42 --until 2031-12-31 --reason 'the warranty ends'
  Nothing of it may go while the case is open, and then again it may:
      astore retain app@3 --hold --reason 'case 4711'
      astore retain app@3 --release --reason 'case 4711 is closed'";

/// Change how long a package is wanted, or hold it
///
/// A finalised package expires when its retention class says, counted from its finalisation; from then on a
/// confirmed gc may take its bytes. An expiry moves later, never earlier. With --class it becomes what the new
/// class says, with --until the end of that day; of both the later counts. An open package can get another
/// class: its expiry begins when it is finalised.
///
/// A hold keeps the bytes of a package, expired or not, removed or not, until it is released. Refused where a gc
/// has purged any of the objects that would be kept again.
#[derive(clap::Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "astore retain [OPTIONS] --class|--until|--hold|--release --reason <TEXT> <REF>",
    group = ArgGroup::new("change").required(true).multiple(true).args(["class", "until", "hold", "release"])
)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,

    /// The new retention class
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// Keep it to the end of this day, UTC: YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    until: Option<Timestamp>,

    /// Set a hold; a second one gives the hold another reason
    #[arg(long, conflicts_with = "release")]
    hold: bool,

    /// Release the hold
    #[arg(long)]
    release: bool,

    /// Why; the log keeps it, and it is the reason of a hold
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    if args.reason.trim().is_empty() {
        return Err(usage_hint("--reason is empty", "say why, the log keeps it"));
    }
    let hold = match (args.hold, args.release) {
        (true, _) => HoldRequest::Set,
        (_, true) => HoldRequest::Release,
        (false, false) => HoldRequest::Leave,
    };
    let request = RetainRequest {
        reference: Reference(args.reference.clone()),
        class: args.class.clone(),
        until: args.until,
        hold,
        reason: args.reason.clone(),
    };
    let report = ctx.open("retain", Access::Write)?.retain(&request)?;
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    let exit = ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::RETAIN, json::Retain::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.package.reference()),
        (Form::Text, Volume::Normal) => roots::retained(&report, style, out),
    })?;
    if form == Form::Text {
        for remark in roots::remarks(&report) {
            ctx.terminal.note(&format!("astore: {remark}"));
        }
    }
    Ok(exit)
}
