//! What is recorded of where a new package comes from, unless somebody says not to.
//!
//! It stays for ever, in every copy of the log and of the manifest: so of a command that is run its name is recorded and
//! no argument, since those hold passwords and tokens.

use std::path::{Component, Path, PathBuf};

use astore::manifest::{LABEL_BYTES_MAX, Labels};

use super::super::context::Context;
use super::super::failure::usage;
use super::super::given::is_stdin;
use super::super::metadata;
use super::super::output::{escape, units};
use super::super::version;
use super::Args;
use super::request::Command;

/// How many sources are recorded one by one.
const SOURCES_MAX: usize = 100;

/// Returns the provenance of what these arguments add: what is known, and what was typed in its place.
pub(super) fn provenance(
    args: &mut Args,
    command: Option<Command<'_>>,
    ctx: &Context,
) -> anyhow::Result<Labels> {
    let typed = metadata::labels("--provenance", std::mem::take(&mut args.provenance))?;
    if args.schema.is_some() && typed.contains_key("schema") {
        return Err(usage("--schema and --provenance schema=… both say which schema it was; leave one out"));
    }
    let mut labels = if args.no_provenance { Labels::new() } else { known(args, command, ctx) };
    if typed.contains_key("source") {
        labels.retain(|key, _| !key.starts_with("source."));
    }
    labels.extend(typed);
    Ok(labels)
}

/// Returns what is known of where the content of one file comes from.
pub(crate) fn of_file(file: &Path, ctx: &Context) -> Labels {
    with_origin(Labels::from([("source".to_owned(), shown(file))]), ctx)
}

fn known(args: &Args, command: Option<Command<'_>>, ctx: &Context) -> Labels {
    with_origin(sources(args, command), ctx)
}

fn with_origin(mut labels: Labels, ctx: &Context) -> Labels {
    let (user, host) = ctx.user_and_host();
    labels.insert("user".to_owned(), user.to_owned());
    labels.insert("host".to_owned(), host.to_owned());
    labels.insert("astore".to_owned(), version::with_commit());
    // A path that is too long for a label is too long for the system as well, which says so better.
    labels.retain(|_, value| value.len() <= LABEL_BYTES_MAX);
    labels
}

fn sources(args: &Args, command: Option<Command<'_>>) -> Labels {
    let label = |key: &str, value: String| (key.to_owned(), value);
    if let Some((program, arguments)) = command {
        let program = escape::argument(program);
        let arguments = units::count(arguments.len() as u64, "argument");
        return Labels::from([label("source", format!("output of {program} with {arguments}"))]);
    }
    if let Some(list) = &args.files_from {
        let directory = escape::path(&absolute(Path::new(".")));
        return Labels::from([
            label("source", format!("the list in {}", shown(list))),
            label("directory", directory),
        ]);
    }
    if let Some(archive) = args.tar.as_ref().or(args.bagit.as_ref()).or(args.oci.as_ref()) {
        return Labels::from([label("source", shown(archive))]);
    }
    match args.paths.as_slice() {
        [path] => Labels::from([label("source", shown(path))]),
        paths => {
            let first = paths.iter().take(SOURCES_MAX).enumerate();
            let mut labels: Labels =
                first.map(|(index, path)| label(&format!("source.{}", index + 1), shown(path))).collect();
            if paths.len() > SOURCES_MAX {
                labels.extend([label("source.more", (paths.len() - SOURCES_MAX).to_string())]);
            }
            labels
        }
    }
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { escape::path(&absolute(path)) }
}

/// Makes a path absolute as it was typed; one with `..` in it is asked of the system, which knows what that leads to.
fn absolute(path: &Path) -> PathBuf {
    let climbs = path.components().any(|component| component == Component::ParentDir);
    let resolved = if climbs { path.canonicalize().ok() } else { None };
    resolved.or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
}
