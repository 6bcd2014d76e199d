//! `astore diff`.

use std::ffi::OsString;
use std::io;

use astore::error::Error;
use astore::registry::Access;
use astore::registry::report::{Difference, Reference};

use super::context::{Context, Form};
use super::exit::Exit;
use super::naming;
use super::output::human;
use super::output::json;

const EXAMPLES: &str = "\
Examples:
  What changed between two versions:
      astore diff doc@1 doc@2
  Whether a directory still is what was archived:
      astore diff doc@2 ./target/doc && echo same";

/// Compare a package with another or with a directory
///
/// Prints a line for each path that differs: + only on the right, - only on the left, ~ on both, with what
/// differs (kind, content, target, mode, mtime). Exits with 9 where there is any difference. The second
/// argument is a directory if it contains a / or is . or .., or if no package could be called so. A directory
/// is read as add would read it.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package on the left
    #[arg(value_name = "REF")]
    left: String,

    /// The package or directory on the right
    #[arg(value_name = "REF|DIR")]
    right: OsString,
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let registry = ctx.open("diff", Access::Read)?;
    let right = naming::diff_target(args.right);
    let (form, style) = (ctx.form, ctx.page.style);
    let (out, terminal) = ctx.out_and_terminal();
    let mut document = json::Diff::default();
    let mut print = |difference: &Difference| match form {
        Form::Json => document.add(difference, out),
        Form::Text => human::difference(difference, style, out),
    };
    let exit = match registry.diff(&Reference(args.left), &right, terminal, &mut print) {
        Ok(0) => Exit::Done,
        Ok(_) => Exit::Different,
        // Whoever stopped reading has seen that they differ.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Different),
        Err(error) => return Err(error.into()),
    };
    ctx.result(exit, |out| match form {
        Form::Json => document.end(out),
        Form::Text => Ok(()),
    })
}
