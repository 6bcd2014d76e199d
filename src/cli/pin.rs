//! `astore pin`.

use astore::manifest::PackageName;
use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::usage_hint;
use super::naming;
use super::output::json::{self, schema};
use super::output::roots;

const EXAMPLES: &str = "\
Examples:
  Keep what runs in production, whoever removes the package:
      astore pin production app@7 --reason 'on the machines since March'
  Keep one object, whatever package it came with:
      astore pin golden-image blake3:1a2b3c4d
  Move a pin on to the next version:
      astore unpin production && astore pin production app@8";

/// Keep the bytes of a package or of an object, under a name
///
/// What a pin is on stays, even where the package is removed or expires, until 'astore unpin' takes the pin away.
/// A removed package can be pinned too, as name@version, while its bytes are there. Refused where a gc has
/// purged any of the objects.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The pin's name, of the form of a package's name
    #[arg(value_name = "NAME")]
    name: PackageName,

    /// The package (name, name@version, id or the beginning of an id), or the address of an object
    #[arg(value_name = "REF|ADDRESS")]
    target: String,

    /// Why; the log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let target = naming::pin_target(&args.target)?;
    let reason = reason(args.reason.as_deref())?;
    let row = ctx.open("pin", Access::Write)?.pin(args.name.as_str(), &target, reason)?;
    let form = ctx.form;
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::PIN, json::OnePin::of(&row), out),
        Form::Text => roots::pin(&row, out),
    })?;
    if form == Form::Text {
        ctx.terminal.note(&format!("astore: {}", roots::keeps(&row)));
    }
    Ok(exit)
}

/// Refuses a reason that says nothing.
pub(super) fn reason(reason: Option<&str>) -> anyhow::Result<Option<&str>> {
    match reason {
        Some(reason) if reason.trim().is_empty() => {
            Err(usage_hint("--reason is empty", "leave it out or say why"))
        }
        Some(_) | None => Ok(reason),
    }
}
