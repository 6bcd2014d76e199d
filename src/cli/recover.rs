//! `astore recover`.

use astore::registry::{Access, Registry};

use super::claims;
use super::context::{Context, Form};
use super::exit::Exit;
use super::output::json::{self, schema};
use super::output::recover;
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  After astore.db was lost or damaged:
      astore recover
      astore verify
  After both astore.db and log/ were lost, with a backup of either: put it back first, then recover.
  Without one, see what the manifests among the objects still tell, and then import it:
      astore recover --from-objects
      astore recover --from-objects --confirm";

/// Build the database anew from log/, after damage or loss
///
/// For a store whose astore.db is missing or damaged, whose log/ is damaged, or whose astore.toml is gone. The events
/// are taken from log/ and from whatever can still be read of the database, whichever has them whole; they come out
/// the same to the byte. Nothing is deleted: the old database stays as astore.db.aside-1, a damaged log/ as
/// log.aside-1, and may be deleted by hand once 'astore verify' is content. Manifests that are missing or damaged are
/// written again where the log or the old database holds what they say. Where log/ and database are two histories,
/// recover refuses and names the event where they part: move aside the one that you do not believe. The exit code is
/// 4 where an event's payload cannot be read any more: everything else is there then.
///
/// With --from-objects, where both are lost or the log lacks packages, lists what the manifests among the objects claim
/// that the log does not know: finalised packages, with what is there of each. Nothing is changed. With --confirm, the
/// list is shown and imported; on a terminal astore asks first, unless --yes is given. Every object is read and compared
/// before a new log begins. Claims are no more than that: where a new log begins, a package that was removed is among them,
/// a purged object counts as lost, and open packages, pins and holds are gone. The exit code is 4 where objects are lost or a claim
/// could not be imported, 5 where the claims are no longer those that were shown. With --quiet, only the packages are
/// printed.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// List the packages that only their manifests still tell of
    #[arg(long)]
    from_objects: bool,

    /// Import them
    #[arg(long, requires = "from_objects")]
    confirm: bool,

    /// Do not ask
    #[arg(long, requires = "confirm")]
    yes: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    if args.from_objects {
        return if args.confirm { claims::import(args.yes, ctx) } else { claims::list(ctx) };
    }
    let (root, options, env) = ctx.options("recover", Access::Alone)?;
    let report = Registry::recover(&root, options, env, &ctx.terminal)?;
    let exit = if report.left_out.is_empty() { Exit::Done } else { Exit::Damage };
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::RECOVER, json::Recover::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}:{}", report.head_sequence, report.head_digest),
        (Form::Text, Volume::Normal) => recover::recovered(&report, style, out),
    })
}
