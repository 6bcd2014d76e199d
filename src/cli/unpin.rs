//! `astore unpin`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::roots;
use super::pin::reason;

const EXAMPLES: &str = "\
Examples:
  Take a pin away:
      astore unpin production --reason 'the last machine is gone'
  See what pins there are:
      astore pins";

/// Take a pin away
///
/// The bytes stay until a confirmed gc, and longer where a package, another pin or a hold keeps them.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The pin's name
    #[arg(value_name = "NAME")]
    name: String,

    /// Why; the log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let reason = reason(args.reason.as_deref())?;
    let report = ctx.open("unpin", Access::Write)?.unpin(&args.name, reason)?;
    let form = ctx.form;
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::UNPIN, json::Unpin::of(&report), out),
        Form::Text => roots::pin(&report.row, out),
    })?;
    if form == Form::Text {
        for remark in roots::unpinned(&report) {
            ctx.terminal.note(&format!("astore: {remark}"));
        }
    }
    Ok(exit)
}
