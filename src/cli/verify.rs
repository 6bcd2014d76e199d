//! `astore verify`.

use std::time::Duration;

use astore::identity::Blake3;
use astore::registry::Access;
use astore::registry::report::{Recorded, Reference, Sample, VerifyDepth, VerifyRequest};

use super::context::{Context, Form};
use super::exit::Exit;
use super::metrics::MetricsArgs;
use super::output::escape;
use super::output::json::{self, schema};
use super::output::{human, verify};
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
  Half an hour a night, going on where the last one ended; exit 12 if not everything was read in 30 days:
      astore verify --quiet --budget 30m --max-age 30d
  The same in twenty nights, whatever each takes:
      astore verify --quiet --sample 5%
  What was not read for 90 days, without reading anything:
      astore verify --quick --no-record --max-age 90d
  Whether the log still contains what health printed last year:
      astore verify --quick --head 1042:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Re-read stored objects and compare them with what the log says
///
/// Finds objects that are missing, truncated, altered, misnamed, foreign or of the wrong mode, a broken chain
/// of events, a log/ and a database that differ, and views that differ from replay. Every fault is printed,
/// with the packages and paths that it harms and what would mend it, and the exit code is 4. Nothing is changed:
/// adding the same content again heals a damaged object, once this has recorded it. The result is recorded in the
/// log where the store can be written. What was not in the page cache before is not there afterwards.
///
/// With --budget or --sample it reads only a part of the objects: in the order of their addresses, beginning after
/// the last one that the last recorded run has read, until the end or until the time or the share is used up. The
/// next run goes on there; the one after the end begins a new pass. At least one object is read, and what was begun
/// is read to its end, so that a huge object can take longer than the budget. The budget counts while objects are
/// read: the chain of events and log/ are checked by every run besides, the views and the pages of the database only
/// by the first run of a pass.
///
/// With --max-age it then says how much was not read for longer than that (or, never read, was stored longer ago),
/// and exits with 12 if there is any: from the recorded runs alone, of which those of some packages and quick ones do
/// not count. Damage found earlier, not mended, and not read by this run is printed too, and the exit code is 4.
/// What --head and --both found is on record until a run with the same option finds it right.
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

    /// Read on from where the last run ended, and begin nothing more after this time (30m, 2h)
    #[arg(long, value_name = "DURATION", value_parser = values::duration, conflicts_with_all = ["references", "quick"])]
    budget: Option<Duration>,

    /// Read on from where the last run ended, this share of the objects (5%, 0.5%); with --budget, whichever ends first
    #[arg(long, value_name = "SHARE", value_parser = values::sample, conflicts_with_all = ["references", "quick"])]
    sample: Option<Sample>,

    /// Exit with 12 if anything was not read for longer than this (30d)
    #[arg(long, value_name = "DURATION", value_parser = values::duration, conflicts_with = "references")]
    max_age: Option<Duration>,

    /// Do not record the result in the log
    #[arg(long)]
    no_record: bool,

    /// How many threads read [env: ASTORE_THREADS] [default: one a processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::number_from_1)]
    threads: Option<u64>,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

impl Args {
    /// Returns whether bytes of the whole store are read, at once or part by part.
    pub(super) const fn is_of_all(&self) -> bool {
        self.references.is_empty() && !self.quick
    }
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
        budget: args.budget,
        sample: args.sample,
        max_age: args.max_age,
        record: if args.no_record { Recorded::No } else { Recorded::Yes },
    };
    let wanted = request.record;
    let registry = ctx.open("verify", Access::Read)?;
    let report = registry.verify(&request, &ctx.terminal)?;
    ctx.metrics.verified(&report);
    if report.recorded.is_ok() {
        ctx.is_done();
    }
    let is_overdue = report.overdue.as_ref().is_some_and(|overdue| overdue.objects > 0);
    let exit = match (report.is_sound(), is_overdue) {
        (false, _) => Exit::Damage,
        (true, true) => Exit::Overdue,
        (true, false) => Exit::Done,
    };
    if let (Recorded::Yes, Some(_), Err(why)) = (wanted, &report.part, &report.recorded) {
        // Each night would read the same part again, and nobody would hear of it.
        ctx.terminal.warn(&format!(
            "astore: the next run begins where this one did: it is not recorded: {}",
            escape::line(why)
        ));
    }
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    let style = page.style;
    ctx.result(exit, |out| {
        if form == Form::Json {
            return json::write(schema::VERIFY, json::Verify::of(&report), out);
        }
        let mut faults = report.faults.iter().chain(&report.on_record);
        faults.try_for_each(|fault| human::fault(fault, style, out))?;
        match (volume, &report.overdue) {
            (Volume::Normal, _) => verify::verified(&report, page, out),
            (Volume::Quiet, Some(overdue)) if is_overdue => verify::overdue(overdue, style, out),
            (Volume::Quiet, _) => Ok(()),
        }
    })
}
