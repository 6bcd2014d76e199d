//! `astore log`.

use std::io;

use astore::registry::Access;
use astore::registry::report::{EventRow, LogFilter};

use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::usage_hint;
use super::output::json::{self, schema};
use super::output::listing;
use super::values;

const EXAMPLES: &str = "\
Examples:
  Everything that ever happened, oldest first:
      astore log
  Who removed what, and why:
      astore log --type v1.package.removed --json | jq -r '[.actor, .subject_id, .payload.reason] | @tsv'
  What happens from now on after event 1042:
      astore log --since 1042 --follow";

/// Print the event log, oldest first
///
/// The log is the truth: everything else is computed from it. With --json, one document a line, with the
/// event's payload; a payload of over 64 KiB is an object of its own and stands there as null, to be had by
/// 'astore cat blake3:PAYLOAD_DIGEST'.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only events after event N
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "0", value_parser = values::number)]
    since: u64,

    /// Go on printing events as they happen, until interrupted
    #[arg(long)]
    follow: bool,

    /// Only events of this type, such as v1.package.finalized
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    if args.event_type.as_deref() == Some("") {
        return Err(usage_hint("--type is empty", "name a type, such as v1.package.finalized"));
    }
    let (form, page) = (ctx.form, ctx.page);
    // What goes into a pipe names what it is about by an id that is never given again.
    let names_packages = form == Form::Text && page.window.is_some();
    let filter = LogFilter { since: args.since, event_type: args.event_type, names_packages };
    let registry = ctx.open("log", Access::Log)?;
    let mut printed = false;
    let out = ctx.out();
    let mut print = |row: EventRow| -> io::Result<()> {
        printed = true;
        match form {
            Form::Json => json::write(schema::EVENT, json::Event::of(&row), out)?,
            Form::Text => listing::event(&row, page, out)?,
        }
        // Whoever follows wants each event when it happens.
        if args.follow { out.flush() } else { Ok(()) }
    };
    if args.follow {
        registry.follow(&filter, &mut print)?;
    } else {
        registry.log(&filter, &mut print)?;
    }
    let exit = ctx.done(Exit::Done, Ok(()))?;
    if !printed && form == Form::Text {
        ctx.terminal.note("astore: no such events");
    }
    Ok(exit)
}
