//! `astore remove`.

use std::time::Duration;

use astore::manifest::PackageName;
use astore::registry::Access;
use astore::registry::report::{Reference, RemoveReport, Superseded};

use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::{usage, usage_hint};
use super::output::escape;
use super::output::json::{self, schema};
use super::output::roots;
use super::values;

const EXAMPLES: &str = "\
Examples:
  Take one version away:
      astore remove doc@1 --reason 'built from the wrong branch'
  Keep the newest 30 nightly builds and those of the last 90 days; first look, then do:
      astore remove nightly --keep 30 --older-than 90d --dry-run
      astore remove nightly --keep 30 --older-than 90d --reason rotation
  Think better of it:
      astore restore doc@1";

/// Take packages away; their bytes stay
///
/// The packages no longer count as present, and what only they hold becomes a candidate for a later,
/// confirmed gc. Until then 'astore restore' brings them back. Several packages are removed in one step: all
/// or none. A bare name with several versions is refused and they are listed. With --keep, the newest N
/// finalised versions of NAME stay, and with --older-than also those finalised within that time.
#[derive(clap::Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "astore remove [OPTIONS] --reason <TEXT> <REF>...\n       \
                      astore remove [OPTIONS] --reason <TEXT> --keep <N> <NAME>"
)]
pub(crate) struct Args {
    /// The packages: name, name@version, id or the beginning of an id
    #[arg(required = true, value_name = "REF")]
    references: Vec<String>,

    /// Why; the log keeps it
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,

    /// Remove all but the newest N finalised versions of a name
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::number)]
    keep: Option<u64>,

    /// Of these, only those that were finalised longer ago than this
    #[arg(long, value_name = "DURATION", requires = "keep", value_parser = values::duration)]
    older_than: Option<Duration>,

    /// Say what would be removed and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let reason = args.reason.as_deref().unwrap_or_default();
    if reason.trim().is_empty() && (args.reason.is_some() || !args.dry_run) {
        return Err(usage_hint("--reason is empty", "say why, the log keeps it"));
    }
    let report = match args.keep {
        None => {
            let references: Vec<Reference> = args.references.iter().cloned().map(Reference).collect();
            if args.dry_run {
                let report = ctx.open("remove", Access::Read)?.removable(&references)?;
                return would_remove(&report, ctx);
            }
            ctx.open("remove", Access::Write)?.remove(&references, reason)?
        }
        Some(keep) => {
            let superseded = Superseded { name: name(&args.references)?, keep, older_than: args.older_than };
            if args.dry_run {
                let report = ctx.open("remove", Access::Read)?.superseded(&superseded)?;
                return would_remove(&report, ctx);
            }
            ctx.open("remove", Access::Write)?.remove_superseded(&superseded, reason)?
        }
    };
    removed(&report, ctx)
}

fn name(references: &[String]) -> anyhow::Result<PackageName> {
    match references {
        [name] => name.parse().map_err(|error| {
            let shown = escape::line(name);
            usage(format!("--keep wants a bare name, and '{shown}' is none: {error}"))
        }),
        _ => Err(usage("--keep wants exactly one name")),
    }
}

fn removed(report: &RemoveReport, ctx: &mut Context) -> anyhow::Result<Exit> {
    let form = ctx.form;
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::REMOVE, json::Remove::of(report, false), out),
        Form::Text => report.packages.iter().try_for_each(|package| writeln!(out, "{}", package.reference())),
    })?;
    if form == Form::Text {
        ctx.terminal.note(match report.packages.len() {
            0 => "astore: nothing to remove",
            _ => "astore: the bytes stay until a confirmed gc; 'astore restore' brings a package back",
        });
    }
    tell_roots(report, ctx);
    Ok(exit)
}

fn would_remove(report: &RemoveReport, ctx: &mut Context) -> anyhow::Result<Exit> {
    let form = ctx.form;
    if form == Form::Text {
        ctx.terminal.note(match report.packages.as_slice() {
            [] => "astore: nothing to remove",
            _ => "astore: nothing is changed; these would be removed:",
        });
    }
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::REMOVE, json::Remove::of(report, true), out),
        Form::Text => report.packages.iter().try_for_each(|package| writeln!(out, "{}", package.reference())),
    })?;
    tell_roots(report, ctx);
    Ok(exit)
}

/// Says what keeps the bytes all the same.
fn tell_roots(report: &RemoveReport, ctx: &Context) {
    if ctx.form == Form::Text {
        for root in &report.kept_by {
            ctx.terminal.note(&format!("astore: {}", roots::kept(root)));
        }
        for attestation in &report.attestations {
            let reference = &attestation.reference;
            ctx.terminal.note(&format!("astore: {reference}, which is about what was removed, stays"));
        }
    }
}
