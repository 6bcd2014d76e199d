//! `astore add`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use astore::error::{Error, ErrorKind};
use astore::manifest::{EntryPath, Labels, PackageName};
use astore::registry::report::{
    AddReport, AddRequest, AddSource, AddTarget, CacheUse, Completion, InitRequest, OnConflict, OnUnreadable,
    PackageStatus, Reference,
};
use astore::registry::{Access, Registry};

use super::context::{Context, Form};
use super::environment::PlaceChoice;
use super::exit::Exit;
use super::failure::{usage, usage_hint};
use super::lists::{self, Separator};
use super::metrics::MetricsArgs;
use super::naming;
use super::output::json::{self, schema};
use super::output::units::{count, size};
use super::output::{escape, human};
use super::program::Program;
use super::progress::Volume;
use super::settings::{self, Source};
use super::values;

const EXAMPLES: &str = "\
Examples:
  Archive a directory under its own name and freeze it:
      astore add --finalize target/doc
  Archive a release with what should be known of it:
      astore add --finalize --class release-evidence --meta commit=1a2b3c target/release/tool
  Add to a package in several steps, then freeze it:
      astore add --name run logs/
      astore add --package run results/
      astore finalize run
  Keep what a program prints, and nothing if it fails:
      astore add --finalize --name db --stdin-name dump.sql --from-command pg_dump shop
  Add what another program finds, each file under the path that it is listed by:
      find . -name '*.o' -print0 | astore add --finalize --name objs --from0 --files-from -
  Leave out what a build makes:
      astore add --finalize --exclude '*.o' --exclude /target/ --exclude-caches src
  In a nightly job, make no new version where nothing changed:
      astore add --finalize --if-changed target/doc";

/// Add files and trees to a package
///
/// Reads every file once, stores what the store does not have, and records it. A single directory contributes
/// what is in it; any other PATH stands in the package under its last component; `-` is standard input.
/// Prints the package's reference and, with --finalize, the digest of its manifest.
///
/// It is all or nothing: where a file cannot be read, no package is left, unless --keep-going says to leave it
/// out. What an add that failed or was interrupted stored by then is recorded after each 1 GiB or 65,536 new files, and
/// is not stored again by the next one; what it stored since is. Symlinks are recorded and not
/// followed (a PATH given here is); sockets, fifos and devices are left out. Owners, extended attributes and,
/// without --mtime, times are not kept.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "astore add [OPTIONS] <PATH>...\n       \
                      astore add [OPTIONS] --name <NAME> --files-from <FILE>\n       \
                      astore add [OPTIONS] --name <NAME> --from-command <CMD>...",
    after_help = EXAMPLES
)]
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed; run turns them into enums")]
pub(crate) struct Args {
    /// A file, a directory, or - for standard input
    #[arg(required_unless_present_any = ["files_from", "from_command"], value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Add what FILE lists, one path a line; - is standard input
    ///
    /// Each path stands in the package as it is listed, with the directories above it, without a / that it begins with;
    /// none may have .. in it. It is relative to the working directory. A directory is taken without what is in it, as
    /// find lists it, and a symlink is not followed. No line is a comment, empty ones are nothing, and a carriage return
    /// before the end of a line is dropped (with --from0 it belongs to the path). A list that names nothing is an error.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    files_from: Option<PathBuf>,

    /// Each path of --files-from ends with NUL, as after find -print0
    #[arg(short = '0', long, requires = "files_from")]
    from0: bool,

    /// Add what a command prints; all that follows is the command
    ///
    /// CMD is run, without a shell, and what it writes to standard output becomes one file. If it fails, nothing is
    /// added: add exits with 1 and says how CMD ended. CMD has the standard input and standard error of add. Where add ends
    /// before CMD does, by itself or by SIGINT, SIGTERM or SIGHUP, CMD gets SIGTERM, and SIGKILL if it still runs 5 seconds
    /// later. Where no terminal controls add, so does what CMD has started, but for what left its process group; at a
    /// terminal CMD stays in the group of add, so that it may ask for a password, and Ctrl-C and Ctrl-Z reach all of it.
    /// After a second signal or SIGHUP nobody waits for CMD, and after SIGKILL it goes on until it writes next. Other options
    /// go before this one; -- may stand between it and CMD.
    #[arg(
        long,
        value_name = "CMD",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["paths", "files_from"]
    )]
    from_command: Vec<OsString>,

    /// The package's name [default: the last component of PATH]
    #[arg(long, value_name = "NAME")]
    name: Option<PackageName>,

    /// Freeze the package and write its manifest in the same step
    #[arg(long)]
    finalize: bool,

    /// Print the newest version and make none where its content is the same
    #[arg(long, requires = "finalize", conflicts_with = "package")]
    if_changed: bool,

    /// Add to this open package instead of making a new one
    #[arg(long, value_name = "REF", conflicts_with_all = ["name", "class", "meta"])]
    package: Option<String>,

    /// Let what is added displace what stands under the same path
    #[arg(long, requires = "package")]
    replace: bool,

    /// The retention class: how long the package is wanted [env: ASTORE_CLASS] [default: permanent-record]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// A label to keep with the package; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::label)]
    meta: Vec<(String, String)>,

    /// Keep modification times
    #[arg(long)]
    mtime: bool,

    /// Leave out what matches, as a line of .gitignore would; may be repeated
    ///
    /// A PATTERN is held against paths in the package. Without a slash it matches in every directory, with one from the
    /// top of the package; one that ends with / matches directories only, ** crosses slashes, and one that begins with !
    /// takes back what a pattern before it left out, though not what is in a directory that is left out. Nothing is left
    /// out by default: .gitignore files in the tree mean nothing.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Leave out what matches the patterns in FILE, one a line as in .gitignore; may be repeated
    ///
    /// Those of --exclude count as coming after them.
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,

    /// Of a directory that is marked as a cache by a CACHEDIR.TAG, take the tag alone
    #[arg(long)]
    exclude_caches: bool,

    /// Do not enter directories where other file systems are mounted
    #[arg(long)]
    one_file_system: bool,

    /// Read every file, even where its size and times are as they were
    ///
    /// For files that a program holds open and writes through a mapping (mmap): that moves no time until the kernel
    /// writes it back, and such a file may be taken for unchanged.
    #[arg(long)]
    no_cache: bool,

    /// Leave out what cannot be read, list it, and exit with 3
    #[arg(long)]
    keep_going: bool,

    /// The path in the package of what standard input or CMD says [default: stdin]
    #[arg(long, value_name = "PATH")]
    stdin_name: Option<OsString>,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

pub(crate) fn run(mut args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let class_of = settle_class(&mut args, ctx)?;
    let typed = std::mem::take(&mut args.from_command);
    let command = command(&typed)?;
    let request = request(args, command.is_some(), ctx)?;
    let patterns = request.exclude.clone();
    let (registry, program) = open_or_make(&request.sources, command, ctx)?;
    let report = match program {
        Some(mut program) => {
            registry.add(request, &mut program, &ctx.terminal).map_err(|error| match program.failure() {
                // A Ctrl-C ends both, and was meant for both.
                Some(_) if ctx.interrupted().is_some() => Error::Cancelled.into(),
                Some(failure) => anyhow!("{failure}; nothing was added"),
                None => blamed(error, class_of),
            })
        }
        None => {
            registry.add(request, &mut *ctx.input(), &ctx.terminal).map_err(|error| blamed(error, class_of))
        }
    }?;
    ctx.metrics.added(&report);
    let exit = if report.skipped.is_empty() { Exit::Done } else { Exit::Skipped };
    let (form, volume) = (ctx.form, ctx.volume);
    let exit = ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::ADD, json::Add::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.package.reference()),
        (Form::Text, Volume::Normal) => human::reference(&report.package, out),
    })?;
    if form == Form::Text {
        remarks(&report, &patterns).iter().for_each(|remark| ctx.terminal.note(remark));
    }
    Ok(exit)
}

/// The program of `--from-command`, and its arguments.
type Command<'a> = (&'a OsStr, &'a [OsString]);

fn command(typed: &[OsString]) -> anyhow::Result<Option<Command<'_>>> {
    let words = match typed {
        [dashes, words @ ..] if dashes == "--" => words,
        words => words,
    };
    match words.split_first() {
        None if typed.is_empty() => Ok(None),
        None => Err(usage("--from-command names no command after --")),
        Some((program, _)) if words.len() == typed.len() && program.as_encoded_bytes().starts_with(b"-") => {
            let shown = escape::argument(program);
            Err(usage_hint(
                "--from-command takes all that follows for the command",
                format!("put {shown} before it"),
            ))
        }
        Some((program, arguments)) => Ok(Some((program, arguments))),
    }
}

/// Decides the class of what is new where nobody typed one, and returns who said so.
fn settle_class(args: &mut Args, ctx: &Context) -> anyhow::Result<Option<Source>> {
    if args.package.is_some() {
        return Ok(None); // that of a package that is there stays
    }
    let Some(class) = ctx.setting(args.class.take(), &settings::CLASS)? else { return Ok(None) };
    args.class = Some(class.value);
    Ok(Some(class.source))
}

/// Says who named a class that there is not, unless it was typed.
fn blamed(error: Error, class_of: Option<Source>) -> anyhow::Error {
    match (&error, class_of) {
        (Error::NoSuchClass { .. }, Some(source @ (Source::Variable(_) | Source::Store(..)))) => {
            anyhow::Error::new(error).context(source)
        }
        _ => error.into(),
    }
}

fn request(args: Args, has_command: bool, ctx: &mut Context) -> anyhow::Result<AddRequest> {
    let stdin_name = match args.stdin_name {
        Some(name) if has_command || args.paths.iter().any(|path| is_stdin(path)) => {
            let shown = escape::argument(&name);
            EntryPath::new(name.into_vec())
                .map_err(|error| usage(format!("--stdin-name {shown}: {error}")))?
        }
        Some(_) => {
            return Err(usage_hint(
                "--stdin-name is for standard input or --from-command",
                "give - as a PATH",
            ));
        }
        None => EntryPath::new(&b"stdin"[..]).map_err(|error| usage(error.to_string()))?,
    };
    let target = match args.package {
        Some(reference) => {
            let on_conflict = if args.replace { OnConflict::Replace } else { OnConflict::Refuse };
            AddTarget::Open { reference: Reference(reference), on_conflict }
        }
        None => AddTarget::New {
            name: match (args.name, &args.files_from) {
                (Some(name), _) => name,
                (None, Some(_)) => {
                    return Err(usage_hint(
                        "a list gives the package no name",
                        "give it one with --name NAME",
                    ));
                }
                (None, None) if has_command => {
                    return Err(usage_hint(
                        "a command gives the package no name",
                        "give it one with --name NAME",
                    ));
                }
                (None, None) => name(&args.paths)?,
            },
            class: args.class,
            metadata: labels(args.meta)?,
            provenance: Labels::new(),
        },
    };
    let source = |path: PathBuf| match is_stdin(&path) {
        true => AddSource::Stdin(stdin_name.clone()),
        false => AddSource::Path(path),
    };
    let mut exclude = lists::patterns(&args.exclude_from, ctx)?;
    exclude.extend(args.exclude);
    if args.from0 && args.files_from.is_none() {
        return Err(usage_hint("--from0 is about a list", "name one with --files-from FILE"));
    }
    let separator = if args.from0 { Separator::Nul } else { Separator::Newline };
    let sources = match args.files_from {
        Some(file) => vec![AddSource::Listed(lists::paths(&file, separator, ctx)?)],
        None if has_command => vec![AddSource::Stdin(stdin_name)],
        None => args.paths.into_iter().map(source).collect(),
    };
    Ok(AddRequest {
        sources,
        target,
        completion: match (args.finalize, args.if_changed) {
            (_, true) => Completion::FinalizeIfChanged,
            (true, false) => Completion::Finalize,
            (false, false) => Completion::LeaveOpen,
        },
        exclude,
        exclude_caches: args.exclude_caches,
        one_file_system: args.one_file_system,
        keep_mtime: args.mtime,
        on_unreadable: if args.keep_going { OnUnreadable::Skip } else { OnUnreadable::Fail },
        cache: if args.no_cache { CacheUse::Ignore } else { CacheUse::Use },
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(paths: &[PathBuf]) -> anyhow::Result<PackageName> {
    match paths {
        [path] if is_stdin(path) => {
            Err(usage_hint("standard input gives the package no name", "give it one with --name NAME"))
        }
        [path] => naming::default_name(path),
        _ => Err(usage_hint("several paths give the package no name", "give it one with --name NAME")),
    }
}

fn labels(given: Vec<(String, String)>) -> anyhow::Result<Labels> {
    let mut labels = Labels::new();
    for (key, value) in given {
        if labels.insert(key.clone(), value).is_some() {
            return Err(usage(format!("--meta {} is given twice", escape::line(&key))));
        }
    }
    Ok(labels)
}

/// Opens the store and starts the command, if there is one; makes the store where nobody named a place and there is
/// none. A mistyped PATH or command makes no store, and a store that cannot be opened starts no command.
fn open_or_make(
    sources: &[AddSource],
    command: Option<Command<'_>>,
    ctx: &mut Context,
) -> anyhow::Result<(Registry, Option<Program>)> {
    let start = |ctx: &Context| {
        command.map(|(program, arguments)| Program::start(program, arguments, ctx.interrupt())).transpose()
    };
    let error = match ctx.open("add", Access::Write) {
        Ok(registry) => return Ok((registry, start(ctx)?)),
        Err(error) => error,
    };
    let place = ctx.place()?.clone();
    // What is there and is no store of this build's is refused by init as well.
    let missing = error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NoStore);
    if place.choice == PlaceChoice::Named || !missing {
        return Err(error);
    }
    for source in sources {
        if let AddSource::Path(path) = source {
            std::fs::symlink_metadata(path).with_context(|| format!("cannot read {}", escape::path(path)))?;
        }
    }
    let program = start(ctx)?;
    let made = Registry::init(&place.root, &InitRequest::default(), &ctx.env()?)?;
    if !made.existed {
        ctx.terminal.note(&format!("astore: made a store at {}", escape::path(&place.root)));
    }
    Ok((ctx.open("add", Access::Write)?, program))
}

/// Says what happened beside the result.
fn remarks(report: &AddReport, patterns: &[String]) -> Vec<String> {
    let package = &report.package;
    let reference = package.reference();
    let mut remarks = Vec::new();
    if report.unchanged {
        remarks.push(format!("astore: {reference} has the same content; no new version"));
    } else {
        remarks.push(stored(report));
    }
    if !report.healed.is_empty() {
        let healed = count(report.healed.len() as u64, "object");
        remarks.push(format!("astore: healed {healed} that had been missing or damaged"));
    }
    match report.excluded {
        0 if patterns.is_empty() => {}
        // What matched and was taken back again is not counted.
        0 if patterns.iter().any(|pattern| pattern.starts_with('!')) => remarks.push(
            "astore: excluded nothing; no pattern matched what a later one with ! did not take back"
                .to_owned(),
        ),
        0 => remarks.push("astore: excluded nothing; no pattern matched".to_owned()),
        excluded => remarks.push(format!("astore: excluded {}", count(excluded, "path"))),
    }
    if !report.skipped.is_empty() {
        remarks.push(format!("astore: left out {}", count(report.skipped.len() as u64, "path")));
    }
    if package.status == PackageStatus::Open {
        remarks.push(format!("astore: {reference} is open; freeze it with: astore finalize {reference}"));
    }
    remarks
}

/// Says what is in the package now, and what of it was new.
fn stored(report: &AddReport) -> String {
    let package = &report.package;
    let stored = match report.objects_new {
        0 => "nothing new to store".to_owned(),
        new => format!("{} stored ({})", count(new, "new object"), size(report.bytes_new)),
    };
    let cached = match report.cache_hits {
        0 => String::new(),
        hits => format!(", {} not read again", count(hits, "unchanged file")),
    };
    let files = format!("{}, {}", count(package.files, "file"), size(package.bytes));
    let entries = count(package.entries, "entry");
    format!("astore: {} has {entries} ({files}); {stored}{cached}", package.reference())
}

#[cfg(test)]
mod tests {
    use super::super::output::samples;
    use super::*;

    #[test]
    fn an_open_package_is_called_so() {
        let mut report = samples::added();
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: doc@2 has 5 entries (3 files, 1.2 MiB); 2 new objects stored (2.0 KiB), 1 unchanged file not read again
        astore: healed 1 object that had been missing or damaged
        astore: excluded 2 paths
        astore: left out 1 path
        ");
        report.package = samples::open();
        report.skipped.clear();
        report.healed.clear();
        report.cache_hits = 0;
        report.objects_new = 0;
        report.excluded = 0;
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: run@11 has 0 entries (0 files, 0 B); nothing new to store
        astore: excluded nothing; no pattern matched
        astore: run@11 is open; freeze it with: astore finalize run@11
        ");
        let said = remarks(&report, &["*.o".to_owned(), "!keep.o".to_owned()]);
        assert_eq!(
            said[1],
            "astore: excluded nothing; no pattern matched what a later one with ! did not take back"
        );
    }

    #[test]
    fn what_was_healed_is_said_where_nothing_else_is_new() {
        let report = AddReport { unchanged: true, ..samples::added() };
        insta::assert_snapshot!(remarks(&report, &["*.o".to_owned()]).join("\n"), @"
        astore: doc@2 has the same content; no new version
        astore: healed 1 object that had been missing or damaged
        astore: excluded 2 paths
        astore: left out 1 path
        ");
    }
}
