//! `astore gc`.

use std::io;
use std::time::Duration;

use astore::error::Error;
use astore::gc::PlanName;
use astore::registry::Access;
use astore::registry::report::{
    ClockTrust, CollectReport, CollectRequest, Confirmed, DEFAULT_MIN_AGE, PlanReport, PlanRequest, Reference,
};
use astore::retention::Reason;

use super::asked::Asked;
use super::confirm::{self, Answer};
use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::{Failure, usage_hint};
use super::metrics::MetricsArgs;
use super::output::escape;
use super::output::gc as text;
use super::output::json::{self, schema};
use super::output::page::Page;
use super::output::units::{age, count};
use super::progress::Volume;
use super::settings;
use super::values;

const EXAMPLES: &str = "\
Examples:
  See what would go, and why; nothing is changed:
      astore gc
  Carry out exactly the plan that was looked at, or nothing if it has changed since:
      plan=$(astore gc --quiet)
      astore gc --confirm=\"$plan\" --reason 'disk full'
  Every night from cron, silent unless something could not be deleted:
      astore gc --confirm --quiet --reason nightly
  How much one package keeps alive that nothing else does:
      astore gc --without nightly@7";

/// Say what nothing keeps any more, and, confirmed, delete it
///
/// Without --confirm, prints the plan: what would go and why, what only pins, holds and its age keep, and the
/// plan's name, PLAN. Nothing is changed, no lock is taken, and a read-only store will do.
///
/// With --confirm, the plan is shown and carried out. On a terminal astore asks first, unless --yes is given; in
/// a script the flag is the confirmation. --confirm=PLAN carries out exactly the plan that was
/// reviewed, or, if anything in it has changed, nothing (exit code 5, and it says what changed). What goes is
/// recorded in the log for ever; its bytes are gone for good. SIGINT and SIGTERM let the deletions at work come to their
/// end, 65,536 objects at most, before they end the command. If nothing of the plan is left then, it is done, and the
/// exit code says so. A second signal, or SIGHUP, ends it at once, also where nobody reads what it says. Two of a kind
/// that come together are one to the system: send the second a moment after the first.
///
/// What was named or let go less than --min-age ago stays. As long as astore.toml has a default that this build does not
/// know, --confirm is refused (exit code 2): it may be a --min-age that is misspelt. astore.toml is read again once the
/// store is free: if it has another min-age by then, nothing is deleted (exit code 5). With --quiet, the plan is its name alone, --without
/// prints the bytes as a number, and --confirm only what could not be deleted (exit code 1).
#[derive(clap::Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "astore gc [OPTIONS] [--min-age <DURATION>] [--without <REF>...]\n       \
                      astore gc [OPTIONS] --confirm[=<PLAN>] [--yes] [--min-age <DURATION>] [--reason <TEXT>]"
)]
pub(crate) struct Args {
    /// Carry the plan out: the one of this moment, or exactly PLAN
    #[arg(
        long,
        value_name = "PLAN",
        num_args = 0..=1,
        require_equals = true,
        value_parser = values::plan
    )]
    confirm: Option<Option<PlanName>>,

    /// Keep what was named or let go less than this ago [env: ASTORE_MIN_AGE] [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = values::min_age)]
    min_age: Option<Duration>,

    /// Say what would be freed if these packages were removed; age is left aside
    #[arg(
        long,
        value_name = "REF",
        num_args = 1..,
        conflicts_with_all = ["confirm", "yes", "reason", "accept_clock"]
    )]
    without: Vec<String>,

    /// Do not ask
    #[arg(long, requires = "confirm")]
    yes: bool,

    /// Why; the log keeps it
    #[arg(long, value_name = "TEXT", requires = "confirm")]
    reason: Option<String>,

    /// Believe this machine's clock though it looks wrong; the log says so
    #[arg(long, requires = "confirm")]
    accept_clock: bool,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

impl Args {
    /// Returns whether it is about what the store holds as it is, and not as it would be.
    pub(super) const fn is_of_all(&self) -> bool {
        self.without.is_empty()
    }
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    match args.confirm {
        Some(plan) => confirmed(plan, args, ctx),
        None if args.without.is_empty() => plan(args, ctx),
        None => without(&args.without, ctx),
    }
}

fn request(args: &Args, ctx: &Context) -> anyhow::Result<PlanRequest> {
    let min_age = ctx.setting(args.min_age, &settings::MIN_AGE)?;
    Ok(PlanRequest { min_age: min_age.map_or(DEFAULT_MIN_AGE, |chosen| chosen.value) })
}

fn plan(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let request = request(args, ctx)?;
    let report = ctx.open("gc", Access::Read)?.plan(&request, &ctx.terminal)?;
    ctx.metrics.planned(&report);
    let carry_out = is_due(&report).then(|| carry_out(report.plan.name(), ctx.asked()));
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::GC, json::GcPlan::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.plan.name()),
        (Form::Text, Volume::Normal) => text::plan(&report, carry_out.as_deref(), page, out),
    })
}

fn without(references: &[String], ctx: &mut Context) -> anyhow::Result<Exit> {
    let references: Vec<Reference> = references.iter().cloned().map(Reference).collect();
    let report = ctx.open("gc", Access::Read)?.plan_without(&references, &ctx.terminal)?;
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    for (reference, why) in &report.gone {
        let why = if *why == Reason::Expired { "expired" } else { "removed" };
        ctx.terminal
            .note(&format!("astore: {reference} is {why} already; 'astore gc' says what may go of it"));
    }
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::GC, json::GcWithout::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.bytes),
        (Form::Text, Volume::Normal) => text::without(&report, page, out),
    })
}

fn confirmed(plan: Option<PlanName>, args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    refuse_odd(ctx)?;
    if args.reason.as_deref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(usage_hint("--reason is empty", "say why, the log keeps it"));
    }
    // Who gives an age, or a plan that has one, does not ask the settings.
    let settled = match (plan, args.min_age) {
        (None, None) => Some(request(args, ctx)?.min_age),
        (Some(_), _) | (None, Some(_)) => None,
    };
    let confirmed = match plan {
        Some(plan) if args.min_age.is_some_and(|min_age| min_age != plan.min_age()) => {
            let theirs = age(plan.min_age());
            return Err(usage_hint(
                format!("PLAN has a --min-age of its own, {theirs}"),
                "leave it out, or say the same",
            ));
        }
        Some(plan) => Confirmed::Exactly(plan),
        None => Confirmed::Whatever(request(args, ctx)?),
    };
    let clock = if args.accept_clock { ClockTrust::Accepted } else { ClockTrust::Doubted };
    let mut request = CollectRequest { confirmed, reason: args.reason.clone(), clock };
    let asks = ctx.is_attended && !args.yes;
    if asks {
        let report = ctx.open("gc", Access::Read)?.review(&request, &ctx.terminal)?;
        if let Some(exit) = ask(&report, ctx)? {
            return Ok(exit);
        }
        request.confirmed = Confirmed::Exactly(report.plan.name());
    }
    let shown = asks || ctx.form == Form::Json || ctx.volume == Volume::Quiet;
    collect(&request, settled, shown, ctx)
}

/// Shows a plan to a person and asks; returns how the command ends where it ends here. No lock is held.
fn ask(report: &PlanReport, ctx: &mut Context) -> anyhow::Result<Option<Exit>> {
    if ctx.volume == Volume::Normal {
        let (form, page) = (ctx.form, ctx.page);
        if form == Form::Text {
            ctx.result(Exit::Done, |out| text::plan(report, None, page, out))?;
        }
        if form == Form::Json || !ctx.out_is_terminal {
            // The result goes elsewhere, and who is asked has to see what about.
            let mut seen = Vec::new();
            text::plan(report, None, Page::default(), &mut seen)?;
            ctx.terminal.ask(&String::from_utf8_lossy(&seen));
        }
    }
    if !is_due(report) {
        // Nothing to ask about; a document is due all the same.
        return Ok((ctx.form == Form::Text).then_some(Exit::Done));
    }
    let root = ctx.root().map(escape::path).unwrap_or_default();
    match confirm::ask(&format!("{} in {root}", due(report)), ctx)? {
        Answer::Yes => Ok(None),
        Answer::No => {
            let text = "not confirmed, nothing was changed";
            Ok(Some(ctx.fail(&Failure::new(Exit::PlanGone, text, ctx.root()))))
        }
    }
}

/// Refuses to delete where the settings have what this build does not know. A `min_age` that should have been `min-age`
/// is a warning to everyone else; here it would cost what it was to keep.
fn refuse_odd(ctx: &mut Context) -> anyhow::Result<()> {
    let Some(odd) = ctx.odd_settings() else { return Ok(()) };
    Err(usage_hint(
        format!("nothing is deleted while {odd}: it may be there to keep something"),
        "correct it or take it out",
    ))
}

/// Carries out what is confirmed; `settled` is the age that the settings gave, where they were asked.
fn collect(
    request: &CollectRequest,
    settled: Option<Duration>,
    shown: bool,
    ctx: &mut Context,
) -> anyhow::Result<Exit> {
    let registry = ctx.open("gc", Access::Alone)?;
    // The store may have been waited for, or a person: whoever wrote another age meanwhile means what is deleted now.
    ctx.settings_again()?;
    refuse_odd(ctx)?;
    if let Some(settled) = settled {
        let now = ctx.setting(None, &settings::MIN_AGE)?.map_or(DEFAULT_MIN_AGE, |chosen| chosen.value);
        if now != settled {
            let text = format!(
                "nothing is deleted: --min-age was {} when this gc began and is {} by now; run it again",
                age(settled),
                age(now)
            );
            return Ok(ctx.fail(&Failure::new(Exit::PlanGone, &text, ctx.root())));
        }
    }
    let page = ctx.page;
    let root = ctx.root().map(escape::path).unwrap_or_default();
    let speak = ctx.terminal.speaker();
    let last_words = ctx.interrupt().last_words(move || {
        speak(&format!(
            "astore: ended at once in the middle of a gc; the store is sound, and what the log calls purged and is not \
             deleted yet, the next 'astore gc --confirm' deletes (root {root})"
        ));
    });
    let mut ended = None;
    let report = {
        let (out, terminal) = ctx.out_and_terminal();
        let mut on_plan = |plan: &PlanReport| {
            if shown {
                return Ok(());
            }
            match text::plan(plan, None, page, out).and_then(|()| out.flush()) {
                // It is confirmed already: that nobody reads any more is no reason to stop.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map_err(Error::Output),
            }
        };
        registry.collect_telling(request, &mut on_plan, &mut |report| ended = Some(report), terminal)
    };
    drop((registry, last_words));
    let report = match (report, ended) {
        (Ok(report), _) => {
            if ctx.interrupted().is_some() {
                ctx.terminal.warn("astore: the signal stopped nothing: the plan is carried out to its end");
            }
            report
        }
        (Err(error), Some(done)) => {
            ctx.metrics.collected(&done);
            if ctx.form == Form::Json {
                // What was done is in the document; the failure is told besides.
                told(&done, Exit::Failed, ctx)?;
            }
            return Err(error.into());
        }
        (Err(error), None) => return Err(error.into()),
    };
    ctx.metrics.collected(&report);
    let failed = report.failed().count() as u64;
    if failed > 0 {
        let text = format!(
            "{} could not be deleted; the log calls what failed purged, and the next confirmed gc tries again",
            count(failed, "object"),
        );
        ctx.fail(&Failure::new(Exit::Failed, &text, ctx.root()));
    }
    told(&report, if failed > 0 { Exit::Failed } else { Exit::Done }, ctx)
}

fn told(report: &CollectReport, exit: Exit, ctx: &mut Context) -> anyhow::Result<Exit> {
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::GC, json::GcCollected::of(report), out),
        (Form::Text, Volume::Quiet) => text::failures(report, page, out),
        (Form::Text, Volume::Normal) => {
            text::failures(report, page, out)?;
            text::collected(report, page, out)
        }
    })
}

/// Returns whether a confirmed gc would do anything.
fn is_due(report: &PlanReport) -> bool {
    !report.plan.objects().is_empty() || !report.unfinished.is_empty() || report.remains > 0
}

/// Says what a confirmed gc would do.
fn due(report: &PlanReport) -> String {
    let mut parts = Vec::new();
    let objects = report.plan.objects().len() as u64;
    if objects > 0 {
        parts.push(format!("delete {} for good", text::amount(objects, report.plan.bytes())));
    }
    if !report.unfinished.is_empty() {
        parts.push(format!("end {} that did not finish", count(report.unfinished.len() as u64, "gc")));
    }
    if report.remains > 0 {
        parts.push(format!("delete {} of objects purged before", count(report.remains, "file")));
    }
    parts.join(", ")
}

/// Returns the command line that carries a plan out.
fn carry_out(plan: PlanName, asked: Asked<'_>) -> String {
    asked.typed(&format!("gc --confirm={plan}"))
}

#[cfg(test)]
mod tests;
