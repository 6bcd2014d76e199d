//! `astore schema`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use astore::manifest::PackageName;
use astore::registry::report::SchemaReference;
use astore::registry::{Access, SCHEMA_BYTES_MAX};

use super::context::{Context, Form};
use super::exit::Exit;
use super::given;
use super::output::json::{self, schema};
use super::output::{escape, schemas};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Say what the labels of a release have to be:
      astore schema add release release.schema.json
  Take a release only with such labels:
      astore add --finalize --schema release --meta-file labels.json target/release/tool
  See what there is, and how the first version of one read:
      astore schema list
      astore schema show release@1";

/// Register schemas for the labels of packages
///
/// A schema is a JSON Schema, which 'add --schema NAME' holds the labels of a new package against, before anything is
/// read: as an object whose values are texts, or numbers and booleans where --meta-file has them as such in JSON. Packages
/// that are there already are not looked at. What is registered stays in the log for ever; another FILE for the
/// same NAME is its next version, NAME@2, and the same one changes nothing.
///
/// A schema stands by itself: nothing is fetched that it refers to. It is of draft 2020-12, unless $schema names another
/// that is known: 2019-09, 7, 6 or 4. It may have up to 1 MiB. As these drafts have it, format is not checked from 2019-09 on.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true, arg_required_else_help = false)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Register a schema, or its next version, and print its reference
    Add {
        /// The schema's name, of the form of a package's
        #[arg(value_name = "NAME")]
        name: PackageName,

        /// The schema; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List every version of every schema; with --json, one document a line
    List,
    /// Print a schema, byte for byte as it was registered
    Show {
        /// The schema: its name, or name@version
        #[arg(value_name = "NAME[@N]")]
        schema: SchemaReference,
    },
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Add { name, file } => add(name, file, ctx),
        Action::List => list(ctx),
        Action::Show { schema } => show(schema, ctx),
    }
}

fn add(name: &PackageName, file: &Path, ctx: &mut Context) -> anyhow::Result<Exit> {
    let document = given::whole(file, "a schema", SCHEMA_BYTES_MAX, ctx)?;
    let registered = ctx.open("schema add", Access::Write)?.register_schema(name, &document);
    let report = registered.with_context(|| format!("cannot register {}", escape::path(file)))?;
    let form = ctx.form;
    let exit = ctx.result(Exit::Done, |out| match form {
        Form::Json => json::write(schema::SCHEMA, json::SchemaText::registered(&report), out),
        Form::Text => writeln!(out, "{}", escape::line(&report.schema.reference())),
    })?;
    if form == Form::Text && !report.is_new {
        let reference = report.schema.reference();
        ctx.terminal.note(&format!("astore: {reference} is the same schema already; nothing changed"));
    }
    Ok(exit)
}

fn list(ctx: &mut Context) -> anyhow::Result<Exit> {
    let rows = ctx.open("schema list", Access::Read)?.schemas()?;
    let (form, volume, page) = (ctx.form, ctx.volume, ctx.page);
    let now = ctx.env()?.now();
    if rows.is_empty() && form == Form::Text {
        ctx.terminal.note("astore: no schemas");
        return Ok(Exit::Done);
    }
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => {
            rows.iter().try_for_each(|row| json::write(schema::SCHEMA, json::SchemaText::of(row), out))
        }
        (Form::Text, Volume::Quiet) => {
            rows.iter().try_for_each(|row| writeln!(out, "{}", escape::line(&row.reference())))
        }
        (Form::Text, Volume::Normal) => schemas::schemas(&rows, now, page, out),
    })
}

fn show(reference: &SchemaReference, ctx: &mut Context) -> anyhow::Result<Exit> {
    ctx.refuse_json("a schema is printed as it was registered; schema list tells of it")?;
    let (_, document) = ctx.open("schema show", Access::Read)?.schema(reference)?;
    ctx.result(Exit::Done, |out| out.write_all(&document))
}
