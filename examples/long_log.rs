//! Gives a store a long history, to measure what that costs: `cargo run --release --example long_log -- ROOT EVENTS`.
//!
//! One command an event, each durable, would take hours. So the events are written to `log/` alone, ten thousand a
//! transaction, as if a machine had written them and died each time before it could commit; the store settles after
//! every hundred thousand: it checks the chain and applies each event as it applies its own. What comes out is what
//! replay makes of the same log. A quarter are packages of one file each, finalised; the others pin each, take most
//! pins away again, and remove every other package.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use astore::disk::{RealDisk, file_mode};
use astore::events::{Bookkeeping, EventType, Head, LogFiles, PinTarget, Record, Stored, payload};
use astore::manifest::{Entry, Labels, ManifestHeader, Receipt, RetentionSummary, write_manifest};
use astore::report::Reference;
use astore::{Access, Blake3, EntryPath, Env, OpenOptions, Registry, Void};
use uuid::Uuid;

/// Who the events say did it.
const ACTOR: &str = "long-log@example";

/// How many events one item of `log/` holds, and how many come before the store settles.
const ITEM_EVENTS: usize = 10_000;
const ROUND_EVENTS: usize = 100_000;

/// Every so-manieth package keeps its pin.
const KEPT: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [root, events] = arguments.as_slice() else { return Err("usage: long_log ROOT EVENTS".into()) };
    lengthen(Path::new(root), events.to_str().ok_or("EVENTS is a number")?.parse()?)
}

/// Appends so many events to the log of a store that holds a package called `small`.
fn lengthen(root: &Path, events: usize) -> Result<(), Box<dyn Error>> {
    let env = Env::system(ACTOR);
    let open = || {
        let options = OpenOptions::new(Access::Write, root);
        Registry::open(root, options, Env::system(ACTOR), &Void)
    };
    let mut file = None;
    open()?.files(&Reference("small".to_owned()), &mut |entry| {
        file = entry.object().copied().or(file);
        Ok(())
    })?;
    let object = file.ok_or("the package small has no file")?;

    let disk = Arc::new(RealDisk::open(root)?);
    let files = LogFiles::new(disk.clone(), file_mode(disk.as_ref())?);
    let mut written = 0;
    while written < events {
        // Opened, the store has settled; closed, nobody but this process writes to its log.
        drop(open()?);
        let path = root.iter().chain(["astore.db".as_ref()]).collect::<std::path::PathBuf>();
        let database = astore::db::Database::open(&path, astore::db::OpenMode::Read)?;
        let mut position = Bookkeeping::load(&database.read()?)?.log;
        drop(database);
        let end = (written + ROUND_EVENTS).min(events);
        while written < end {
            let mut head = position.head;
            let mut item = Vec::with_capacity(ITEM_EVENTS);
            while item.len() < ITEM_EVENTS && written < end {
                let event = next(&env, head, written, object)?;
                head = Head::from(&event);
                item.push(event);
                written += 1;
            }
            position = files.append(&position, &item)?;
        }
    }
    drop(open()?);
    Ok(())
}

/// Makes the event of this number: a package, its pin, the pin's end, the package's end.
fn next(
    env: &Env,
    head: Head,
    number: usize,
    object: astore::identity::Digests,
) -> Result<Stored, Box<dyn Error>> {
    let nth = number / 4;
    // An id that can be told again from its number.
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | nth as u128);
    let pin = format!("pin-{nth}");
    let (event_type, subject, payload) = match number % 4 {
        0 => (EventType::PackageFinalized, id.to_string(), package(env, id, nth, object)?),
        1 => (EventType::PinAdded, pin.clone(), payload::pin_added(&pin, PinTarget::Package(id), None)),
        2 if nth.is_multiple_of(KEPT) => (EventType::RetentionChanged, id.to_string(), class()),
        2 => (EventType::PinRemoved, pin.clone(), payload::pin_removed(&pin, None)),
        _ if nth.is_multiple_of(2) => (EventType::RetentionChanged, id.to_string(), class()),
        _ => (EventType::PackageRemoved, id.to_string(), payload::package_removed("an old build")),
    };
    let record = Record {
        sequence: head.sequence + 1,
        created_at: env.now(),
        event_type: event_type.name().to_owned(),
        subject_kind: event_type.subject_kind().to_owned(),
        subject_id: subject,
        actor: ACTOR.to_owned(),
        payload_digest: Blake3::of(&payload),
        previous_digest: head.digest,
    };
    Ok(Stored::new(record, Some(payload)))
}

fn class() -> Vec<u8> {
    payload::retention_changed(Some("release-evidence"), None, None, "a release")
}

/// Writes the manifest of a package of one file, of a thousand names one after the other.
fn package(
    env: &Env,
    id: Uuid,
    nth: usize,
    object: astore::identity::Digests,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let header = ManifestHeader {
        id,
        name: format!("build-{}", nth % 1_000).parse()?,
        version: nth as u64 / 1_000 + 1,
        created_at: env.now(),
        created_by: ACTOR.to_owned(),
        metadata: Labels::new(),
        receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 1, bytes: object.size_bytes }],
        retention: RetentionSummary { class: "permanent-record".to_owned(), duration_seconds: None },
        provenance: Labels::new(),
    };
    let path = EntryPath::new(format!("file-{nth}").into_bytes())?;
    let entry = Entry::file(path, 0o644, object.blake3, object.sha256, object.size_bytes);
    let mut manifest = Vec::new();
    write_manifest(&mut manifest, &header, [entry].iter())?;
    Ok(manifest)
}
