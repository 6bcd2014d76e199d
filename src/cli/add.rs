//! `astore add`.

mod bag;
pub(crate) mod provenance;
mod remarks;
mod request;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use astore::error::{Error, ErrorKind};
use astore::manifest::PackageName;
use astore::registry::report::{AddSource, InitRequest, SchemaReference};
use astore::registry::{Access, Registry};

use super::context::{Context, Form};
use super::environment::PlaceChoice;
use super::exit::Exit;
use super::given;
use super::metrics::MetricsArgs;
use super::output::json::{self, schema};
use super::output::{escape, human};
use super::program::Program;
use super::progress::Volume;
use super::settings::{self, Source};
use super::values;
use remarks::remarks;
use request::{Command, command, request};

const EXAMPLES: &str = "\
Examples:
  Archive a directory under its own name and freeze it:
      astore add --finalize target/doc
  Archive a release with what should be known of it:
      astore add --finalize --class release-evidence --meta commit=1a2b3c target/release/tool
  The same with labels from a file, and with the name of the job in place of the path:
      astore add --finalize --meta-file labels.json --provenance source=nightly target/release/tool
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
  Take in what another machine sends, unpacked nowhere:
      ssh build tar -cC /srv/out . | astore add --finalize --name out --tar -
  Take in a bag that somebody sent, if it is whole and valid:
      astore add --finalize --bagit accession-17
  Take in a package that was copied out of a registry:
      skopeo copy docker://registry.example/doc:1 oci:layout:doc-1
      astore add --finalize --oci layout
  Take in a release only if it is what its check file says:
      astore add --finalize --check dist/SHA256SUMS dist
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
    #[arg(required_unless_present_any = ["files_from", "from_command", "tar", "bagit", "oci"], value_name = "PATH")]
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

    /// Add what a tar archive holds, without unpacking it to disk; - is standard input
    ///
    /// The entries are those of the archive, as if it had been unpacked and the directory added. It is read once, from
    /// its beginning to its end, and refused, and nothing added, where a path is absolute or has .. in it, where a link
    /// leads out of it, where two members have one path, and where it is cut off or its sizes do not add up. Directories
    /// that it leaves out get the mode 0755. A compressed one is to be unpacked first: zstd -dc a.tar.zst | astore add
    /// --tar - --name a.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "files_from", "from_command"])]
    tar: Option<PathBuf>,

    /// Add the payload of a bag (BagIt, RFC 8493), if the bag is complete and valid
    ///
    /// The entries are those of DIR/data, each file held against the bag's SHA-256 manifest as it is read, or, where there
    /// is none, against its SHA-512 manifest, in a reading of its own. The tag manifests, Payload-Oxum and fetch.txt have
    /// to agree as well; nothing is added where anything does not. Where the bag was written by export --bagit and still
    /// holds the same files, the modes, symlinks, empty directories and times are those of the package that was exported.
    /// What bag-info.txt says is kept as provenance, bag-info.LABEL. Without --name the name is the bag's
    /// External-Identifier, if that is NAME or NAME@N, else the last component of DIR.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "paths", "files_from", "from_command", "tar", "oci", "check", "exclude", "exclude_from", "exclude_caches",
            "one_file_system", "keep_going"
        ]
    )]
    bagit: Option<PathBuf>,

    /// Add the package that an OCI image layout holds, as export --oci wrote it, wherever it was copied since
    ///
    /// The entries are those of the package that was exported, to the same content digest, and it is called as that was;
    /// its metadata and provenance come along, with where it comes from as origin.package, origin.manifest and
    /// origin.oci. The version is the next one here, the class is the one that is asked for. Every blob is checked
    /// against its name, its size and the manifest, and nothing is added unless all are right and there. Images that others made
    /// are not taken: 'skopeo copy' and 'umoci unpack' make a directory of one, which add takes.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "paths", "files_from", "from_command", "tar", "mtime", "exclude", "exclude_from", "exclude_caches",
            "one_file_system", "keep_going"
        ]
    )]
    oci: Option<PathBuf>,

    /// Of several packages in the layout, the one that has this tag
    #[arg(long, value_name = "TAG", requires = "oci")]
    tag: Option<String>,

    /// Take symlinks that lead out of an archive or a bag as they are
    #[arg(long)]
    outside_links: bool,

    /// Add nothing unless every file is as FILE says, which is what sha256sum or b3sum wrote
    ///
    /// Names are paths in the package. A file that differs, is missing or is not listed is named, and nothing is added;
    /// FILE itself may lie in the tree. - is standard input.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,

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
    #[arg(
        long,
        value_name = "REF",
        conflicts_with_all = ["name", "class", "meta", "meta_file", "provenance", "no_provenance", "schema"]
    )]
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

    /// Labels from a file; - is standard input; may be repeated
    ///
    /// FILE is a JSON object (where its first byte that is no space is {), whose values are texts, numbers, true or false,
    /// kept as they are written; or it has a line KEY=VALUE for each label, where empty lines and lines that begin with #
    /// are nothing. A key that is given twice is an error. A package has up to 1,024 labels of up to 65,536 bytes each.
    #[arg(long, value_name = "FILE")]
    meta_file: Vec<PathBuf>,

    /// Take the package only if its labels fit this schema; see astore schema
    ///
    /// The labels are checked before anything is read, as an object whose values are texts, or numbers and booleans where
    /// --meta-file has them as such in JSON. Up to ten lines say what is wrong with which, by its JSON pointer. The package
    /// remembers the schema and its version as schema in its provenance.
    #[arg(long, value_name = "NAME[@N]")]
    schema: Option<SchemaReference>,

    /// Say where a new package comes from, beside or in place of what is recorded by itself; may be repeated
    ///
    /// Recorded by itself are source (the absolute path of PATH; source.1, source.2 and so on of several, up to 100;
    /// "standard input"; the list of --files-from, with the working directory as directory), user and host (of the machine,
    /// whatever --actor says), and astore (its version). Of --from-command the program is recorded and how many arguments
    /// it had, but none of them: they may hold passwords, and what is recorded stays for ever.
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::label)]
    provenance: Vec<(String, String)>,

    /// Record nothing of where the package comes from but what --provenance says
    #[arg(long)]
    no_provenance: bool,

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
    #[arg(long, conflicts_with = "tar")]
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

    /// Share the blocks of every file with the store, or add nothing
    ///
    /// For a store on the file system of what is added, where that has reflinks (btrfs, xfs): bytes are read once for
    /// their digests, and not written. What is stored stays as it was read, whatever becomes of the file. Without this
    /// option blocks of files over 1 MiB are shared where that is possible, and everything else is copied.
    #[arg(long, conflicts_with_all = ["keep_going", "from_command", "tar"])]
    reflink: bool,

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
    let tar = args.tar.clone();
    let request = request(args, command, ctx)?;
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
            let mut input = match &tar {
                Some(archive) => given::open(archive, ctx)?,
                None => ctx.input(),
            };
            registry.add(request, &mut *input, &ctx.terminal).map_err(|error| blamed(error, class_of))
        }
    };
    let report = report.inspect_err(|error| tell_violations(error, ctx))?;
    ctx.metrics.added(&report);
    let exit = if report.skipped.is_empty() { Exit::Done } else { Exit::Skipped };
    let (form, volume) = (ctx.form, ctx.volume);
    let exit = ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::ADD, json::Add::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.package.reference()),
        (Form::Text, Volume::Normal) => human::reference(&report.package, out),
    })?;
    bag::tell(&report.bag_notes, ctx);
    if form == Form::Text {
        remarks(&report, &patterns).iter().for_each(|remark| ctx.terminal.note(remark));
    }
    Ok(exit)
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

/// Says in a line each what is wrong with labels, where it is more than one thing.
fn tell_violations(error: &anyhow::Error, ctx: &Context) {
    if let Some(Error::SchemaViolated { violations, .. }) = error.downcast_ref()
        && violations.len() > 1
    {
        for violation in violations {
            ctx.terminal.warn(&format!("astore: {}", escape::line(&violation.to_string())));
        }
    }
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
