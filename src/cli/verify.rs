//! `astore verify`.

use astore::identity::Blake3;
use astore::registry::Access;
use astore::registry::report::{Recorded, Reference, VerifyDepth, VerifyRequest};

use super::context::{Context, Form};
use super::exit::Exit;
use super::metrics::MetricsArgs;
use super::output::human;
use super::output::json::{self, schema};
use super::progress::Volume;
use super::settings;
use super::values;

const EXAMPLES: &str = "\
Examples:
  Read everything and say what is wrong:
      astore verify
  In a cron job, silent unless there is damage (exit 4):
      astore verify --quiet
  The same at night, after everyone else on the machine has been served:
      ionice -c3 nice -n19 astore verify --quiet --threads 1
  Names, sizes and the log only, in seconds:
      astore verify --quick
  Whether the log still contains what health printed last year:
      astore verify --quick --head 1042:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Re-read stored objects and compare them with what the log says
///
/// Finds objects that are missing, truncated, altered, misnamed, foreign or of the wrong mode, a broken chain
/// of events, a log/ and a database that differ, and views that differ from replay. Every fault is printed,
/// with the packages and paths that it harms and what would mend it, and the exit code is 4. Nothing is changed:
/// adding the same content again heals a damaged object, once this has recorded it. The result is recorded in the
/// log where the store can be written. What was not in the page cache before is not there afterwards.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only what these packages hold
    #[arg(value_name = "REF")]
    references: Vec<String>,

    /// Compare names, sizes and the chain without reading bytes
    #[arg(long, conflicts_with = "both")]
    quick: bool,

    /// Check SHA-256 as well as BLAKE3
    #[arg(long)]
    both: bool,

    /// Fail unless the log contains this event, as 'astore health' prints it
    #[arg(long, value_name = "N:DIGEST", value_parser = values::head)]
    head: Option<(u64, Blake3)>,

    /// Do not record the result in the log
    #[arg(long)]
    no_record: bool,

    /// How many threads read [env: ASTORE_THREADS] [default: one a processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::number_from_1)]
    threads: Option<u64>,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let threads = ctx.setting(args.threads, &settings::THREADS)?;
    let request = VerifyRequest {
        references: args.references.into_iter().map(Reference).collect(),
        depth: match (args.quick, args.both) {
            (true, _) => VerifyDepth::Quick,
            (false, true) => VerifyDepth::Both,
            (false, false) => VerifyDepth::Full,
        },
        threads: threads.map(|threads| usize::try_from(threads.value).unwrap_or(usize::MAX)),
        head: args.head,
        record: if args.no_record { Recorded::No } else { Recorded::Yes },
    };
    let registry = ctx.open("verify", Access::Read)?;
    let report = registry.verify(&request, &ctx.terminal)?;
    ctx.metrics.verified(&report);
    if report.recorded.is_ok() {
        ctx.is_done();
    }
    let exit = if report.faults.is_empty() { Exit::Done } else { Exit::Damage };
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.style);
    ctx.result(exit, |out| {
        if form == Form::Json {
            return json::write(schema::VERIFY, json::Verify::of(&report), out);
        }
        report.faults.iter().try_for_each(|fault| human::fault(fault, style, out))?;
        match volume {
            Volume::Quiet => Ok(()),
            Volume::Normal => human::verified(&report, style, out),
        }
    })
}
