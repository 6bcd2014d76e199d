//! `astore cat`.

use std::ffi::OsString;

use astore::registry::Access;
use astore::registry::report::ByteRange;

use super::context::Context;
use super::exit::Exit;
use super::naming;
use super::values;

const EXAMPLES: &str = "\
Examples:
  One file of a package:
      astore cat doc@1:index.html
  An object by its address, of which the first 8 digits will do:
      astore cat blake3:af1349b9 > bytes
  The first KiB of a log:
      astore cat run@3:build.log --range 0-1023";

/// Print the bytes of a file or an object
///
/// The bytes are checked against their digest: up to 16 MiB before the first byte is printed, longer ones by
/// the end, where a mismatch exits with 4. In REF:PATH the first colon ends REF, and PATH is the exact path as
/// it is stored. An address begins with blake3: or sha256: and may be shortened to its first 8 digits.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A file of a package, or an address
    #[arg(value_name = "REF:PATH|ADDRESS")]
    target: OsString,

    /// Only these bytes, counted from 0, both ends included; A- goes on to the end
    #[arg(long, value_name = "A-B", allow_negative_numbers = true, value_parser = values::byte_range)]
    range: Option<ByteRange>,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    ctx.refuse_json("cat prints the bytes themselves")?;
    let target = naming::cat_target(&args.target)?;
    let registry = ctx.open("cat", Access::Read)?;
    registry.cat(&target, args.range, ctx.out())?;
    ctx.done(Exit::Done, Ok(()))
}
