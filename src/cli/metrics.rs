//! `--metrics-file`: what a command measured goes into a file that a monitor reads.
//!
//! The file is looked at before anything is done, so that hours of reading are not followed by a mistyped directory; and
//! it is replaced as a whole, so that a monitor never reads half of one.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use astore::env::Env;
use astore::storage::layout;
use rustix::fs::{Access, Mode};
use uuid::Uuid;

use super::context::Context;
use super::exit::Exit;
use super::failure::{Failure, usage};
use super::output::escape;
use super::output::metrics::Run;
use super::settings::{self, Source};

/// What stands for the command in the file's name.
const COMMAND: &[u8] = b"{command}";

/// The option, of the commands that have something to measure.
#[derive(clap::Args, Debug)]
pub(crate) struct MetricsArgs {
    /// Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
}

/// How each line of a file of metrics begins that is not blank.
const LINES: [&[u8]; 3] = [b"# HELP astore_", b"# TYPE astore_", b"astore_"];

/// What astore writes there is a few KiB long; a longer file is somebody else's, in bytes.
const METRICS_BYTES_MAX: u64 = 1024 * 1024;

/// Where the metrics of a command go.
pub(crate) struct MetricsFile {
    path: PathBuf,
    source: Source,
    command: &'static str,
    root: Option<PathBuf>,
    begun: Instant,
}

impl MetricsFile {
    /// Decides where the metrics of a command go, if anywhere. Begin with this: the time that is measured begins here.
    ///
    /// # Errors
    /// A usage error where they could not go there, unless the store alone says so: then there is a warning.
    pub(crate) fn choose(
        command: &'static str,
        given: Option<&Path>,
        ctx: &Context,
    ) -> anyhow::Result<Option<Self>> {
        let begun = Instant::now();
        let Some(chosen) = ctx.setting(given.map(Path::to_owned), &settings::METRICS_FILE)? else {
            return Ok(None);
        };
        let source = chosen.source;
        let (path, misnamed) = match named(&chosen.value, command) {
            Ok(path) => (path, None),
            Err(why) => (chosen.value, Some(why)),
        };
        if matches!(source, Source::Store(..)) && !path.is_absolute() {
            return Err(usage(format!("{source} is '{}': expected an absolute path", escape::path(&path))));
        }
        let root = ctx.decided_root().map(Path::to_owned);
        if matches!(source, Source::Store(..)) && !root.as_deref().is_some_and(is_trusted) {
            ctx.terminal.warn(&format!(
                "astore: no metrics are written: {source} belongs to another user, who may not say where you write"
            ));
            return Ok(None);
        }
        match misnamed.map_or_else(|| usable(&path, root.as_deref()), Err) {
            Ok(path) => Ok(Some(Self { path, source, command, root, begun })),
            Err(why) => {
                let text = format!("cannot write metrics to {} ({source}): {why}", escape::path(&path));
                match source {
                    Source::Store(..) => {
                        ctx.terminal.warn(&format!("astore: {text}"));
                        Ok(None)
                    }
                    Source::Option(_) | Source::Variable(_) => Err(usage(text)),
                }
            }
        }
    }

    /// Writes what was measured by a command that ended so, and returns how it ends then.
    pub(crate) fn finish(self, exit: Exit, ctx: &mut Context) -> Exit {
        let run = Run {
            exit: exit.code(),
            duration_micros: self.begun.elapsed().as_micros(),
            end: Env::system("").now(),
        };
        ctx.metrics.run(&run);
        let root = self.root.as_ref().map(|root| root.to_string_lossy());
        let root = root.as_ref().map(|root| ("root", &**root));
        let labels: Vec<(&str, &str)> = [("command", self.command)].into_iter().chain(root).collect();
        let Err(error) = replace(&self.path, ctx.metrics.render(&labels).as_bytes()) else { return exit };
        let text = format!("its metrics could not be written to {}: {error}", escape::path(&self.path));
        if exit == Exit::Done && !matches!(self.source, Source::Store(..)) {
            return ctx.fail(&Failure::new(Exit::Failed, &format!("it is done, but {text}"), None));
        }
        ctx.terminal.warn(&format!("astore: {text}"));
        exit
    }
}

/// Puts the command where the name has a place for it, and says what is wrong with a name that was not meant so.
fn named(path: &Path, command: &str) -> Result<PathBuf, String> {
    if path.as_os_str() == "-" {
        return Err("metrics go into a file; a file of that name is ./-".to_owned());
    }
    let mut rest = path.as_os_str().as_bytes();
    let mut named = Vec::new();
    while let Some(at) = rest.windows(COMMAND.len()).position(|window| window == COMMAND) {
        named.extend_from_slice(&rest[..at]);
        named.extend_from_slice(command.as_bytes());
        rest = &rest[at + COMMAND.len()..];
    }
    named.extend_from_slice(rest);
    match other_braces(path.as_os_str().as_bytes()) {
        Some(braces) => Err(format!(
            "{} stands for nothing; the command's place is {{command}}",
            escape::argument(OsStr::from_bytes(braces))
        )),
        None => Ok(PathBuf::from(OsString::from_vec(named))),
    }
}

/// Returns the first word in braces that is not the command's place: it was to be one, as a rule.
fn other_braces(path: &[u8]) -> Option<&[u8]> {
    let mut words = path.split(|byte| *byte == b'/').flat_map(|name| {
        let begins = name.iter().enumerate().filter(|(_, byte)| **byte == b'{').map(|(at, _)| at);
        begins.filter_map(|at| {
            let length = name[at..].iter().position(|byte| *byte == b'}')?;
            Some(&name[at..=at + length])
        })
    });
    words.find(|word| *word != COMMAND)
}

/// Returns the file that is meant, behind symlinks, if one can be put there.
fn usable(path: &Path, root: Option<&Path>) -> Result<PathBuf, String> {
    let name = path.file_name().ok_or("it has no file name")?;
    let file = match fs::metadata(path) {
        // What stands there would get a name no more, and what is written to it later with it.
        Ok(found) if found.is_file() && is_stream(&found) => {
            return Err("it is where standard input, output or error goes".to_owned());
        }
        Ok(found) if found.is_file() => fs::canonicalize(path).map_err(|error| error.to_string())?,
        // A rename would put a file in the place of a device or a pipe, or of a symlink to one: /dev/stdout leads to
        // what has no path.
        Ok(_) => return Err("it is no regular file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.symlink_metadata().is_ok() {
                return Err("it is a symlink that leads nowhere".to_owned());
            }
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let parent = fs::canonicalize(parent).map_err(|error| format!("its directory: {error}"))?;
            parent.iter().chain([name]).collect()
        }
        Err(error) => return Err(error.to_string()),
    };
    let directory = file.parent().unwrap_or(Path::new("/"));
    if root.and_then(|root| fs::canonicalize(root).ok()).is_some_and(|root| file.starts_with(root)) {
        return Err("it is inside the store".to_owned());
    }
    // Nobody's other file, an object or a log of another store least of all, is ever replaced.
    if file.is_file() && !is_metrics(&file).map_err(|error| error.to_string())? {
        return Err("there is a file with something else in it".to_owned());
    }
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("its directory: {}", io::Error::from(error)))?;
    Ok(file)
}

/// Returns whether a file has nothing in it but metrics of astore: one line of somebody else's would be lost.
fn is_metrics(path: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(METRICS_BYTES_MAX + 1).read_to_end(&mut text)?;
    let is_ours = |line: &[u8]| line.is_empty() || LINES.iter().any(|begin| line.starts_with(begin));
    Ok(text.len() as u64 <= METRICS_BYTES_MAX
        && text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(is_ours))
}

/// Returns whether the astore.toml of a root is this user's own or root's: what another user wrote there must not make
/// this one write somewhere.
fn is_trusted(root: &Path) -> bool {
    let config: PathBuf = root.iter().chain([OsStr::new(layout::CONFIG)]).collect();
    let ours = rustix::process::geteuid().as_raw();
    fs::metadata(config).is_ok_and(|found| found.uid() == ours || found.uid() == 0)
}

/// Returns whether a file is one of this process's three streams: `/dev/stdout`, redirected, leads to one.
fn is_stream(found: &fs::Metadata) -> bool {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter().any(|stream| {
        rustix::fs::fstat(stream).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (found.dev(), found.ino()))
    })
}

/// Gives the file these bytes: they stand beside it under another name until they are whole and durable.
#[expect(clippy::disallowed_methods, reason = "the file is where the user says, never under a store's root")]
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let name = format!(".astore-metrics-{}", Uuid::new_v4());
    let beside: PathBuf = directory.iter().chain([OsStr::new(&name)]).collect();
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        // Whatever the umask says: a monitor is another user.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::tests::{Shared, arguments, streams};
    use super::super::{Cli, Environment, Interrupt};
    use super::*;

    #[test]
    fn a_name_may_hold_the_command() {
        for (path, is) in [("/m/astore.prom", "/m/astore.prom"), ("{command}/{command}.prom", "gc/gc.prom")] {
            assert_eq!(named(Path::new(path), "gc"), Ok(PathBuf::from(is)));
        }
        for path in ["/m/a{b.prom", "/m/a}b.prom", "/m{/a}b", "./-"] {
            assert_eq!(named(Path::new(path), "gc"), Ok(PathBuf::from(path)));
        }
        for (path, word) in [
            ("/m/{cmd}.prom", "{cmd}"),
            ("{}", "{}"),
            ("{{command}}", "{{command}"),
            ("/{Command}/m", "{Command}"),
        ] {
            let said = named(Path::new(path), "gc").unwrap_err();
            assert_eq!(said, format!("{word} stands for nothing; the command's place is {{command}}"));
        }
        assert!(named(Path::new("-"), "gc").is_err());
    }

    #[test]
    fn a_file_with_one_line_of_somebody_else_is_his() {
        let place = tempfile::tempdir().unwrap();
        let file: PathBuf = place.path().iter().chain([OsStr::new("m.prom")]).collect();
        let ours = "# HELP astore_a b\n# TYPE astore_a gauge\nastore_a{command=\"gc\"} 1\n";
        for (text, is) in [
            ("", true),
            ("\n\n", true),
            (ours, true),
            (&format!("{ours}\n{ours}"), true),
            (&format!("{ours}node_up 1\n"), false),
            (&format!("{ours}# a remark\n"), false),
            (&format!("# HELP other_a\n{ours}"), false),
            (&format!("{ours}{}", "\n".repeat(1024 * 1024)), false),
        ] {
            #[expect(clippy::disallowed_methods, reason = "a file made by hand")]
            fs::write(&file, text).unwrap();
            assert_eq!(is_metrics(&file).unwrap(), is, "{text:.200}");
        }
    }

    #[test]
    fn a_file_goes_only_where_it_does_no_harm() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { place.path().iter().chain([OsStr::new(name)]).collect() };
        let (file, link, inside) = (at("m.prom"), at("link.prom"), at("store/m.prom"));
        let astray = at("astray");
        std::os::unix::fs::symlink("nowhere", &astray).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a place made by hand")]
        fs::create_dir(at("store")).unwrap();
        let root = at("store");
        let try_at = |path: &Path| usable(path, Some(&root));
        assert!(try_at(&file).is_ok(), "it need not be there");
        replace(&file, b"# HELP astore_one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let behind = try_at(&link).unwrap();
        assert_eq!(behind, fs::canonicalize(&file).unwrap());
        replace(&behind, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(try_at(&file).unwrap_err(), "there is a file with something else in it");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        for (path, why) in [
            (inside.as_path(), "inside the store"),
            (root.as_path(), "no regular file"),
            (Path::new("/dev/null"), "no regular file"),
            (astray.as_path(), "leads nowhere"),
            (&at("nowhere/m.prom"), "its directory: "),
            (Path::new("/"), "no file name"),
        ] {
            let said = try_at(path).unwrap_err();
            assert!(said.contains(why), "{}: {said}", path.display());
        }
    }

    #[test]
    fn a_success_without_its_metrics_is_none_unless_only_the_store_asked() {
        for (source, exit, ends) in [
            (Source::Option("metrics-file"), Exit::Done, Exit::Failed),
            (Source::Variable("ASTORE_METRICS_FILE"), Exit::Done, Exit::Failed),
            (Source::Option("metrics-file"), Exit::Damage, Exit::Damage),
            (Source::Store("metrics-file", PathBuf::new()), Exit::Done, Exit::Done),
        ] {
            let err = Shared::default();
            let global = Cli::try_parse_from(arguments(&["health"])).unwrap().global;
            let streams = streams(Box::new(io::sink()), &err);
            let mut ctx = Context::new(&global, &Environment::default(), Interrupt::default(), streams);
            let path = PathBuf::from("/nowhere/at/all");
            let (begun, root) = (Instant::now(), None);
            let file = MetricsFile { path, source, command: "health", root, begun };
            assert_eq!(file.finish(exit, &mut ctx), ends);
            let said = err.text();
            let done = if ends == exit { "" } else { "it is done, but " };
            let expected = format!("astore: {done}its metrics could not be written to /nowhere/at/all: ");
            assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
        }
    }

    /// Where it cannot be replaced, the old one stays and nothing is left beside it.
    #[test]
    fn a_good_file_is_not_lost_for_half_a_new_one() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { place.path().iter().chain([OsStr::new(name)]).collect() };
        let taken = at("taken");
        #[expect(clippy::disallowed_methods, reason = "a place made by hand")]
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, b"text").is_err(), "a directory is in the way");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        replace(&at("m"), b"text").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(at("m")).unwrap().permissions());
        assert_eq!(mode & 0o7777, 0o644);
    }
}
