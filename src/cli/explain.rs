//! `astore explain`.

use std::ffi::OsString;

use astore::registry::Access;
use astore::registry::report::{ExplainDepth, ExplainRequest, Verdict};

use super::context::{Context, Form};
use super::exit::Exit;
use super::naming;
use super::output::escape;
use super::output::explain;
use super::output::json::{self, schema};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Whether some bytes are still here, and what keeps them:
      astore explain blake3:af1349b9
  Whether this very file is archived anywhere, and under which names:
      astore explain ./target/release/tool
  Who purged a file of an old package, when and why:
      astore explain build@12:bin/tool
  Every package that holds a file, for a script:
      astore explain ./tool --json | jq -r '.packages[].reference'";

/// Give the verdict on some bytes, and tell what keeps them
///
/// Exactly one of five, also in the exit code: present (0), evicted (10: another backend has them), purged (11:
/// with the event, who, when, why and under which plan), lost (4: the log says that they should be here, and they
/// are missing or wrong), unknown (7: the log never named them). Files of up to 16 MiB in the store are read and
/// checked, of longer ones the size alone, unless --read is given.
///
/// An argument that begins with blake3: or sha256: is an address, or its first 8 or more digits. Else, if what
/// stands before the first colon could be a package, it is REF:PATH. Everything else is a FILE, and so is a bare
/// word where such a file is: write ./NAME where a file's own name has a colon.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, a file anywhere, or a file of a package
    #[arg(value_name = "ADDRESS|FILE|REF:PATH")]
    target: OsString,

    /// Read every byte in the store, however long
    #[arg(long)]
    read: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let target = naming::explain_target(&args.target)?;
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    let request = ExplainRequest {
        target,
        depth: if args.read { ExplainDepth::Whole } else { ExplainDepth::Short },
        paths_max: match form {
            Form::Json => None,
            Form::Text => Some(explain::PATHS_MAX),
        },
    };
    let report = ctx.open("explain", Access::Read)?.explain(&request, &ctx.terminal)?;
    let exit = match report.verdict {
        Verdict::Present => Exit::Done,
        Verdict::Evicted => Exit::Evicted,
        Verdict::Purged => Exit::Purged,
        Verdict::Lost => Exit::Damage,
        Verdict::Unknown => Exit::NotFound,
    };
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::EXPLAIN, json::Explain::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.verdict.name()),
        (Form::Text, Volume::Normal) => {
            explain::explained(&report, &escape::argument(&args.target), style, out)
        }
    })
}
