//! What to do about a failure: advice for people, which the library does not give.

use std::io;
use std::path::Path;

use astore::db::DbError;
use astore::error::Error;
use astore::events::{EventType, LogError};
use astore::identity::ContentAddress;
use astore::plane::ingest::Unreadable;
use astore::plane::{BagError, ExportError, IngestError, PatternError, ServeError};
use astore::registry::report::{ArtifactError, DEFAULT_MIN_AGE, LayoutProblem};
use astore::storage::root::store_around;
use astore::storage::{LockError, StorageError};
use astore::views::ViewError;
use rustix::io::Errno;

use super::asked::Asked;
use super::denied::denied;
use super::output::escape;
use super::output::units::{age, count, size};

const MAKE_ROOM: &str = "make room: 'astore remove' and 'astore gc' work on a full disk";

const RECOVER: &str = "'astore recover' builds it anew from log/; an old backup of it would catch up, too";

/// Returns what to do about it, where there is something.
pub(crate) fn hint(error: &Error, asked: Asked<'_>) -> Option<String> {
    // What stands in the log matters more than what was in the way.
    let is_open = matches!(error, Error::MayStand(_) | Error::Log(LogError::Unsure { .. }));
    let limit = if is_open { None } else { of_system(error).and_then(limit).map(str::to_owned) };
    limit
        .or_else(|| specific(error, asked))
        .or_else(|| denied(error, asked))
        .or_else(|| disk(error, asked).map(str::to_owned))
}

/// Returns what the system said, where it is behind a failure.
pub(super) fn of_system(error: &Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        match (error.downcast_ref::<io::Error>(), error.downcast_ref::<Unreadable>()) {
            // One that only carries another on says nothing of its own.
            (Some(said), _) if said.get_ref().is_none() => return Some(said),
            (_, Some(Unreadable::Io(said))) => return Some(said),
            _ => {}
        }
        cause = error.source();
    }
    None
}

/// What to do about a limit that the system sets, whatever met it.
fn limit(said: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(said)? {
        Errno::MFILE => Some("let the process open more files ('ulimit -n')"),
        Errno::NFILE => Some("the whole machine has too many files open; try again later"),
        Errno::AGAIN => Some("the limit of threads or of memory is reached ('ulimit -u', 'ulimit -v')"),
        Errno::NOMEM => Some("try again when there is more memory"),
        Errno::FBIG => Some("let the process write larger files ('ulimit -f')"),
        Errno::DQUOT => Some("make room within the quota of this user or group, or have it raised"),
        _ => None,
    }
}

/// What to do about a disk that refuses, where nothing better can be said.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures say all there is to say")]
fn disk(error: &Error, asked: Asked<'_>) -> Option<&'static str> {
    let full = match error {
        Error::Export(_) | Error::Output(_) | Error::Serve(ServeError::Output(_)) => {
            "make room where the output goes"
        }
        // These have given up the reserve by now, if it was there.
        _ if matches!(asked.command, "remove" | "gc" | "recover") => {
            "the room set aside for this is used up: take something else off this disk, and repeat it"
        }
        // There is nothing to remove from a store that is yet to be made.
        _ if asked.command.is_empty() => "make room, then repeat it",
        _ => MAKE_ROOM,
    };
    match error {
        Error::Db(error) | Error::View(ViewError::Db(error)) if error.is_full() => return Some(full),
        Error::Db(error) | Error::View(ViewError::Db(error)) if error.is_system() => {
            return Some(
                "see whether its disk is full, read-only, over quota or failing, or a limit is reached ('ulimit -f', \
                 'ulimit -n'); the kernel's log may say more",
            );
        }
        _ => {}
    }
    match Errno::from_io_error(of_system(error)?)? {
        Errno::NOSPC => Some(full),
        Errno::ROFS => Some("see why its file system is read-only: some are after an error of the disk"),
        Errno::IO => Some("the disk or what is beneath it failed: the kernel's log says more"),
        _ => None,
    }
}

/// Returns what to do about one failure among all.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures say all there is to say")]
fn specific(error: &Error, asked: Asked<'_>) -> Option<String> {
    let said = match error {
        Error::Storage(error) => return storage(error, asked),
        Error::Ingest(IngestError::Storage(error)) => return storage(error, asked),
        Error::Ingest(IngestError::Unreadable { source: Unreadable::Io(source), .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            return None; // mistyped, most likely
        }
        Error::Ingest(IngestError::Unreadable { .. }) if asked.command != "add" => return None,
        Error::Ingest(IngestError::Unreadable { .. }) => "--keep-going leaves out what cannot be read",
        Error::Ingest(IngestError::Special { kind: "socket", .. }) => {
            "nothing of a socket can be kept: leave it out"
        }
        Error::Ingest(IngestError::Special { .. }) => {
            "what comes out of it is stored by - as a PATH, which is standard input, or by --from-command"
        }
        Error::Ingest(IngestError::ListedThrough { .. }) => {
            "leave out one of the two: 'find -L ... ! -type d' names what is behind it alone, 'find' without -L the symlink"
        }
        Error::Ingest(IngestError::Exclude { source: PatternError::UnclosedClass, .. }) => {
            "write \\[ for the character itself"
        }
        Error::Artifact(ArtifactError { source: LayoutProblem::NoPackage, .. }) => {
            "an image that others made becomes a directory by 'skopeo copy' and 'umoci unpack', which add takes"
        }
        Error::Artifact(ArtifactError { source: LayoutProblem::Several { .. }, .. }) => {
            "--tag TAG says which one"
        }
        Error::Db(DbError::Version { .. })
        | Error::ViewsVersion { .. }
        | Error::Log(LogError::Later { .. }) => "use the newer astore that wrote them",
        Error::Db(DbError::Missing { .. }) | Error::DatabaseMissing => RECOVER,
        Error::EntriesAstray { .. } => "'astore replay' makes the views again",
        Error::Db(error) | Error::View(ViewError::Db(error)) if error.is_corrupt() => RECOVER,
        Error::Serve(ServeError::Missing { .. } | ServeError::Damaged { .. }) => {
            "'astore verify' records it and says what it harms; then adding the same content again heals it"
        }
        Error::Export(ExportError::NotEmpty { .. }) => "name a directory that is missing or empty",
        Error::Export(ExportError::InsideStore { .. }) => "name a directory elsewhere",
        Error::Export(ExportError::Destination { source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            "make the directory that it is to stand in first"
        }
        Error::Ingest(IngestError::NoReflink { .. }) => "without --reflink its bytes are copied",
        Error::Export(ExportError::NoReflink { .. }) => "--link auto copies where there are no reflinks",
        Error::Log(LogError::Parted { .. }) => {
            "these are two histories, and only you can say which is true: move aside astore.db or log/, whichever you \
             do not believe, then 'astore recover'"
        }
        Error::Log(LogError::Damaged { path, offset, .. }) if asked.command == "recover" => {
            return Some(format!(
                "nothing was changed, and the database lacks that event too: put log/ or astore.db of a backup there; \
                 or give up that event and all behind it: copy log/ elsewhere, 'truncate -s {offset} {path}' in the \
                 root, move later files out of log/, then 'astore recover'",
                path = path.display()
            ));
        }
        Error::Log(LogError::Damaged { .. }) => "'astore recover' mends it from the database",
        Error::Chain(_) if asked.command == "recover" => {
            "nothing was changed: put log/ or astore.db of a backup there, or move astore.db aside to go on with log/ \
             alone"
        }
        Error::Chain(_) => "'astore recover' makes the database anew from log/",
        Error::NothingToRecover => {
            "put log/ or astore.db of a backup there, then 'astore recover'; without one, 'astore recover --from-objects' \
             lists the packages that the manifests among the objects still tell of"
        }
        Error::NothingClaimed { .. } => "put log/ or astore.db of a backup there, then 'astore recover'",
        Error::ClaimsChanged => {
            "nothing was imported; 'astore recover --from-objects' shows what they say now"
        }
        Error::OtherStore { .. } => {
            "put back what belongs here; or move aside what does not, astore.toml or astore.db, then 'astore recover'"
        }
        Error::DatabaseReplaced => "a recover was here: run the command again",
        Error::Lock(LockError::Busy { .. }) => "try again later, or wait longer with --wait",
        Error::Lock(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            "only who may write to the store can change it"
        }
        Error::Lock(LockError::Io { source, .. }) if is_in_the_way(source) => IN_THE_WAY,
        Error::Log(LogError::Io { source, .. }) if is_in_the_way(source) => IN_THE_WAY,
        Error::NoSuchPackage { reference } => return Some(no_such_package(reference, asked)),
        Error::NoSuchPath { reference, .. } => {
            return Some(format!("'astore files {reference}' shows its paths"));
        }
        Error::WrongState { reference, state: "removed" } => {
            return Some(format!("'astore restore {reference}' brings it back"));
        }
        Error::NotBaggable { .. } => "export --tar holds every name",
        Error::Bag(BagError::LeadsOut { .. }) => "--outside-links takes such links as they are",
        Error::Bag(BagError::Weak { .. }) => "have it made with --sha256 or --sha512",
        Error::Bag(BagError::NotFetched { .. }) => "fetch what is missing first",
        Error::WrongState { reference, state: "open" } => {
            return Some(format!("freeze it with 'astore finalize {reference}'"));
        }
        // What other tools call so.
        Error::WrongState { reference, state: "not removed" } if asked.command == "restore" => {
            return Some(format!("'astore export {reference} DEST' writes what is in it"));
        }
        Error::WrongState { state: "finalized already", .. } if asked.command == "add" => {
            "without --package, add makes a new version"
        }
        Error::Ambiguous { .. } => "name one of them",
        Error::AmbiguousObject { .. } => "give more digits",
        Error::AllRemoved { newest, .. } if matches!(asked.command, "pin" | "retain") => {
            return Some(format!(
                "'{newest}' names it as it is, and 'astore restore {newest}' brings it back"
            ));
        }
        Error::AllRemoved { newest, .. } => return Some(format!("'astore restore {newest}' brings it back")),
        Error::PinTaken { name, .. } => return Some(format!("'astore unpin {name}' frees the name")),
        Error::NoSuchPin { .. } => {
            return Some(format!("{}'astore pins' shows the pins there are", did_you_mean(asked.meant)));
        }
        Error::NoSuchSchema { .. } => {
            return Some(format!(
                "{}'astore schema list' shows the schemas there are",
                did_you_mean(asked.meant)
            ));
        }
        Error::SchemaViolated { .. } => "nothing was added; 'astore schema show' prints the schema",
        Error::EarlierExpiry { .. } => "an expiry moves later, never earlier",
        Error::HasPurged { objects, .. } => return Some(has_purged(objects.first())),
        Error::Purged { .. } if asked.command == "pin" => "add the same content again first, then repeat",
        Error::Purged { .. } => "adding the same content again brings it back",
        Error::NoSuchObject { .. } => "'astore explain FILE' tells the address of a file",
        Error::PathTaken { .. } => "--replace lets what is added displace it",
        Error::NoSuchClass { known, .. } => {
            return Some(format!("{}the classes are {}", did_you_mean(asked.meant), known.join(", ")));
        }
        Error::NoSuchEventType { .. } if !asked.meant.is_empty() => {
            return Some(did_you_mean(asked.meant).trim_end().to_owned());
        }
        Error::NoSuchEventType { .. } => {
            return Some(format!("it knows {}", EventType::ALL.map(EventType::name).join(", ")));
        }
        Error::PlanChanged { now, objects, bytes, .. } => {
            // The plan of another age is another plan: it would not show what is meant.
            let min_age = match now.min_age() {
                usual if usual == asked.min_age.unwrap_or(DEFAULT_MIN_AGE) => String::new(),
                other => format!(" --min-age {}", age(other)),
            };
            let today = format!("{} ({}) would go today", count(*objects, "object"), size(*bytes));
            return Some(format!(
                "nothing was deleted; {today}, and 'astore gc{min_age}' shows what the plan is now"
            ));
        }
        Error::PlanOfTheFuture { .. } => {
            "nothing was deleted; if the clock is right, make a new plan with 'astore gc'"
        }
        Error::ClockDoubted { .. } => {
            "nothing was deleted; set the clock right, or say --accept-clock if it is"
        }
        Error::Unsure { .. } if asked.command == "gc" => {
            "nothing was deleted; 'astore replay --check' names what this build does not know, and 'astore \
             verify' what is damaged"
        }
        Error::Changed { .. } => "try again",
        Error::MayStand(_) | Error::Log(LogError::Unsure { .. }) => {
            "look with 'astore log' before you try again"
        }
        _ => return None,
    };
    Some(said.to_owned())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most failures say all there is to say")]
fn storage(error: &StorageError, asked: Asked<'_>) -> Option<String> {
    // Nothing is made inside of a store.
    if let StorageError::NoStore { root } = error
        && let Some(around) = store_around(root)
    {
        return Some(format!("it is inside the store at {}: name that", escape::path(&around)));
    }
    let said = match error {
        StorageError::NoStore { .. } if asked.command == "recover" => {
            "see whether its disk is mounted and the root is the right one; what is left of a store goes there first"
        }
        StorageError::NoStore { .. } if asked.root_option => {
            "make one with 'astore init' and the same --root"
        }
        StorageError::NoStore { .. } => "make one with 'astore init'",
        StorageError::Unnamed { .. } => "'astore recover' writes it again from the event log",
        StorageError::Config { .. } => {
            "if somebody edited it, correct that; else put it back from a backup, or move it aside, and 'astore recover' \
             writes it again from the event log, without [defaults]"
        }
        StorageError::Io { path, source, .. }
            if source.kind() == io::ErrorKind::NotFound && path.starts_with("blake3") =>
        {
            "if blake3/ is gone, put it back from a backup, or 'astore recover' makes an empty one; 'astore verify' \
             then says what would mend what is missing"
        }
        StorageError::Io { path, source, .. }
            if path.is_relative() // what is named in full is the root, or stands outside of it
                && (is_in_the_way(source)
                    || (path.ends_with("astore.toml") && source.raw_os_error().is_none())) =>
        {
            IN_THE_WAY
        }
        StorageError::UnknownFormat { .. } => "use the newer astore that made it",
        StorageError::NotEmpty { .. } => "name a directory that is missing or empty",
        StorageError::InsideStore { .. } => "name a directory elsewhere",
        StorageError::NetworkFileSystem { .. } => "name a directory on a local file system",
        _ => return None,
    };
    Some(said.to_owned())
}

const IN_THE_WAY: &str = "something else stands where the store has a file or a directory of its own: look at each part of \
                          that path, move what is not right out of the root, then 'astore recover'";

/// Returns whether a file stands where a directory should, a directory or a symlink where a file should.
fn is_in_the_way(said: &io::Error) -> bool {
    matches!(Errno::from_io_error(said), Some(Errno::NOTDIR | Errno::ISDIR | Errno::LOOP))
}

/// Says how bytes come back that were purged, and who knows about them.
fn has_purged(first: Option<&ContentAddress>) -> String {
    let address = first.map_or_else(|| "ADDRESS".to_owned(), ToString::to_string);
    format!("add the same content again first, then repeat; 'astore explain {address}' tells who purged it")
}

/// Says where to look for a package that there is not, and what may have been meant.
fn no_such_package(reference: &str, asked: Asked<'_>) -> String {
    let list = format!("{}'astore list --all' shows the packages there are", did_you_mean(asked.meant));
    let is_short_id = (1..8).contains(&reference.len()) && reference.bytes().all(|b| b.is_ascii_hexdigit());
    if asked.command == "diff" && reference.contains('/') {
        "the package comes first, a directory second".to_owned()
    } else if asked.command == "diff" && Path::new(reference).is_dir() {
        format!("{list}, and the directory of that name is ./{reference}")
    } else if is_short_id {
        format!("{list}; of an id, give 8 digits or more")
    } else {
        list
    }
}

/// Asks whether one of these was meant, or says nothing where there are none.
fn did_you_mean(meant: &[String]) -> String {
    match meant {
        [] => String::new(),
        [one] => format!("did you mean {one}? "),
        [some @ .., last] => format!("did you mean {} or {last}? ", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use astore::env::Timestamp;
    use astore::gc::PlanName;
    use astore::identity::Blake3;

    use super::*;

    #[test]
    fn who_finds_no_store_learns_how_to_make_one() {
        let error = Error::Storage(StorageError::NoStore { root: PathBuf::from("/srv/s") });
        let asked = Asked::default();
        assert_eq!(hint(&error, asked).as_deref(), Some("make one with 'astore init'"));
        let by_option = Asked { root_option: true, ..asked };
        assert_eq!(
            hint(&error, by_option).as_deref(),
            Some("make one with 'astore init' and the same --root")
        );
        let known = vec!["transient".to_owned(), "permanent-record".to_owned()];
        let error = Error::NoSuchClass { class: "x".into(), known };
        assert_eq!(hint(&error, asked).as_deref(), Some("the classes are transient, permanent-record"));
        assert_eq!(hint(&Error::Cancelled, asked), None);
    }

    #[test]
    fn whose_plan_is_not_carried_out_learns_what_to_do() {
        let (past, now) = (Timestamp::from_micros(0), Timestamp::from_micros(9));
        let plan = PlanName { instant: past, min_age_seconds: 0, digest: Blake3::of(b"") };
        let usual = PlanName { min_age_seconds: 86_400, ..plan };
        let changed = |now| Error::PlanChanged { what: "a pin".into(), now, objects: 1, bytes: 4096 };
        for (error, says) in [
            (changed(plan), "1 object (4.0 KiB) would go today, and 'astore gc --min-age 0s' shows"),
            (changed(usual), "and 'astore gc' shows"),
            (Error::PlanOfTheFuture { instant: now, now: past }, "make a new plan with 'astore gc'"),
            (Error::ClockDoubted { now, last_event: past }, "--accept-clock"),
        ] {
            let said = hint(&error, Asked::default()).unwrap();
            assert!(said.starts_with("nothing was deleted; ") && said.contains(says), "{said}");
        }
    }

    #[test]
    fn what_the_system_refuses_has_a_way_out() {
        use astore::storage::Action;
        let write = |errno: Errno| {
            let path = PathBuf::from("tmp/x");
            Error::Storage(StorageError::Io { action: Action::Write, path, source: errno.into() })
        };
        let read = |errno: Errno| {
            let source = Unreadable::Io(errno.into());
            Error::Ingest(IngestError::Unreadable { path: PathBuf::from("a"), source })
        };
        let export = || {
            let source = Errno::NOSPC.into();
            Error::Export(ExportError::Write { path: PathBuf::from("a"), source })
        };
        let lock = |errno: Errno| {
            Error::Lock(LockError::Io { path: PathBuf::from("astore.lock"), source: errno.into() })
        };
        for (error, command, says) in [
            (write(Errno::MFILE), "add", "ulimit -n"),
            (read(Errno::MFILE), "add", "ulimit -n"),
            (read(Errno::IO), "add", "--keep-going"),
            (write(Errno::FBIG), "add", "ulimit -f"),
            (write(Errno::DQUOT), "add", "quota"),
            (write(Errno::ROFS), "add", "read-only"),
            (write(Errno::IO), "add", "kernel's log"),
            (write(Errno::NOSPC), "add", "'astore remove' and 'astore gc' work on a full disk"),
            (write(Errno::NOSPC), "gc", "take something else off this disk"),
            (write(Errno::NOSPC), "", "make room, then repeat it"),
            (write(Errno::NOSPC), "recover", "take something else off this disk"),
            (write(Errno::NOTDIR), "add", "something else stands where"),
            (lock(Errno::ROFS), "add", "see why its file system is read-only"),
            (lock(Errno::ACCESS), "add", "only who may write"),
            (lock(Errno::ISDIR), "add", "something else stands where"),
            (export(), "export", "where the output goes"),
            (Error::Ingest(IngestError::Thread(Errno::AGAIN.into())), "add", "ulimit -u"),
        ] {
            let said = hint(&error, Asked { command, ..Asked::default() }).unwrap_or_default();
            assert!(said.contains(says), "{error:?}: {said}");
        }
    }

    #[test]
    fn advice_fits_the_command() {
        let said =
            |error: &Error, command| hint(error, Asked { command, ..Asked::default() }).unwrap_or_default();
        let denied = || Unreadable::Io(io::ErrorKind::PermissionDenied.into());
        let error = Error::Ingest(IngestError::Unreadable { path: PathBuf::from("a"), source: denied() });
        assert!(said(&error, "add").contains("--keep-going"));
        assert_eq!(said(&error, "diff"), "", "diff has no --keep-going");

        let missing = |reference: &str| Error::NoSuchPackage { reference: reference.to_owned() };
        assert!(said(&missing("src"), "diff").ends_with("the directory of that name is ./src"));
        assert!(!said(&missing("src"), "show").contains("./src"));
        assert!(said(&missing("./src"), "diff").contains("directory second"));
        assert!(said(&missing("01a1fea"), "show").contains("8 digits or more"));
        assert!(!said(&missing("doc"), "show").contains("digits"));

        let unsure = Error::Unsure { what: "event 7 is not known".into(), undecided: "what may be purged" };
        assert!(said(&unsure, "gc").starts_with("nothing was deleted; "));

        let damaged = Error::Log(LogError::Damaged { path: "log/1".into(), offset: 495, sequence: 2 });
        assert_eq!(said(&damaged, "add"), "'astore recover' mends it from the database");
        assert!(said(&damaged, "recover").contains("'truncate -s 495 log/1' in the root"));

        let open = Error::WrongState { reference: "doc@3".into(), state: "open" };
        assert_eq!(said(&open, "manifest"), "freeze it with 'astore finalize doc@3'");
    }
}
