//! `astore pins`.

use astore::registry::Access;

use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::roots;
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  What is pinned, since when, by whom and why:
      astore pins
  The pins that alone stand between removed packages and a gc:
      astore pins --json | jq -r '.pins[] | select(.gone) | .name'";

/// List the pins
///
/// Lists every pin by name: what it is on, how much it reaches, since when, by whom and why. Behind a package
/// that is removed or has expired, that is said: no longer the package, but the pin keeps the bytes.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let pins = ctx.open("pins", Access::Read)?.pins()?;
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    let now = ctx.env()?.now();
    if pins.is_empty() && form == Form::Text {
        ctx.terminal.note("astore: no pins");
        return Ok(Exit::Done);
    }
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::PINS, json::Pins::of(&pins), out),
        (Form::Text, Volume::Quiet) => pins.iter().try_for_each(|row| writeln!(out, "{}", row.pin.name)),
        (Form::Text, Volume::Normal) => roots::pins(&pins, now, page, out),
    })
}
