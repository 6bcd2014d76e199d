//! `astore init`.

use astore::registry::Registry;
use astore::registry::report::{InitRequest, RetentionClass, Sharing};

use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::usage;
use super::output::escape;
use super::output::json::{self, schema};
use super::progress::Volume;
use super::values;

const EXAMPLES: &str = "\
Examples:
  Make a store where ASTORE_ROOT says, or at the default place:
      astore init
  Make one that a group shares, with a class of its own:
      astore --root /srv/astore init --shared --class nightly=14d";

/// Make a store
///
/// Makes a store of a directory that is missing or empty, and not inside of another store. Repeating it does no harm: a store that is there
/// already stays as it is. A store has five retention classes (transient, 7 days; raw-evidence, 90 days;
/// summary-evidence, 1 year; release-evidence, 7 years; permanent-record, for ever) beside those given here.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Let the directory's group write too
    #[arg(long)]
    shared: bool,

    /// A retention class of this store's own; DURATION is an integer with s, m, h, d or w, or "never"
    #[arg(long = "class", value_name = "NAME=DURATION", value_parser = values::retention_class)]
    classes: Vec<RetentionClass>,
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    for (index, class) in args.classes.iter().enumerate() {
        if args.classes[..index].iter().any(|earlier| earlier.name == class.name) {
            return Err(usage(format!("--class {} is given twice", class.name)));
        }
    }
    let wishes = args.shared || !args.classes.is_empty();
    let env = ctx.env()?;
    let root = ctx.place()?.root.clone();
    let sharing = if args.shared { Sharing::Shared } else { Sharing::Private };
    let report = Registry::init(&root, &InitRequest { sharing, classes: args.classes }, &env)?;
    if report.existed && wishes {
        ctx.terminal
            .warn("astore: the store stays as it is: --class and --shared count only when it is made");
    }
    ctx.is_done();
    let (form, volume) = (ctx.form, ctx.volume);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::INIT, json::Init::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.store_id),
        (Form::Text, Volume::Normal) => {
            let did = if report.existed { "store is there already:" } else { "made store" };
            writeln!(out, "{did} {} at {}", report.store_id, escape::path(&report.root))
        }
    })
}
