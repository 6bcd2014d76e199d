//! An append-only, content-addressed store for build outputs, with explicit garbage collection.
//!
//! A store is a directory. Bytes go in as immutable *objects*, named by their BLAKE3 digest; what happened goes into
//! an append-only, hash-chained *log of events*. A *package* is a named, versioned set of files, directories and
//! symlinks; once finalised it never changes and has a *manifest*, canonical CBOR that is an object itself. Nothing
//! is deleted except by an operator who says so, and that deletion is recorded too. So for every digest that the log
//! ever named there are two answers: here are the bytes, or here is the event that says who purged them and why.
//!
//! The library is usable from a server: it reads no environment variable and no home directory, asks nothing, prints
//! nothing, and has no thread of its own between two calls. The `astore` binary is one of its users.
//!
//! ```
//! use astore::report::{AddRequest, AddSource, AddTarget, CatTarget, Completion, InitRequest, Reference};
//! use astore::{Access, EntryPath, Env, OpenOptions, Registry, Void};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let (root, dist, scratch) = (place.path().join("store"), place.path().join("dist"), place.path());
//! # std::fs::create_dir(&dist)?;
//! # std::fs::write(dist.join("tool"), "#!/bin/sh\n")?;
//! let actor = "builder@example"; // who the events say did it
//! Registry::init(&root, &InitRequest::default(), &Env::system(actor))?;
//!
//! let options = OpenOptions::new(Access::Write, scratch);
//! let store = Registry::open(&root, options, Env::system(actor), &Void)?;
//! let target = AddTarget::new_version("tool".parse()?);
//! let request = AddRequest::new(vec![AddSource::Path(dist)], target, Completion::Finalize);
//! let added = store.add(request, &mut std::io::empty(), &Void)?;
//! assert_eq!(added.package.reference(), "tool@1");
//!
//! let file = CatTarget::Path { reference: Reference("tool@1".into()), path: EntryPath::new(*b"tool")? };
//! let mut bytes = Vec::new();
//! store.cat(&file, None, &mut bytes)?; // checked against the digest before the first byte
//! assert_eq!(bytes, b"#!/bin/sh\n");
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` goes further: it verifies what it stored and reads the manifest.
//!
//! # Where to begin reading
//!
//! From the ground up; a module uses only modules above it in this list, and the three in the middle (`storage`, the
//! log with its views, `cache`) do not know each other.
//!
//! 1. [`identity`]: digests, content addresses, and both digests in one pass.
//! 2. [`mod@env`]: the clock, new ids, and who asks. [`monitor`]: how the library tells what it is doing.
//! 3. [`disk`]: every file operation under a store's root but SQLite's own.
//! 4. [`manifest`]: paths, entries, manifests, and their canonical forms. [`retention`]: what is wanted, and how long.
//! 5. [`storage`]: object files: staged, made durable, then named; locks and the layout of the root.
//! 6. [`db`], [`events`], [`views`]: the log, and the tables that are computed from it.
//! 7. [`cache`]: what spares reading a file again; may be deleted at any time.
//! 8. [`plane`]: bytes in, bytes out, bytes looked at again. [`gc`]: what could go, as a value with a name.
//!    [`audit`]: who purged what, when and why.
//! 9. [`registry`]: every operation, one file each, and [`registry::report`]: what is asked and what is answered.
//! 10. [`error`]: what can go wrong.
//!
//! The bytes at rest are specified in `store-layout.md`, the arrangement is told in `ARCHITECTURE.md`.

pub mod identity;

pub mod env;
mod fill;
pub mod monitor;

pub mod disk;

pub mod manifest;
pub mod retention;

pub mod formats;

pub mod storage;

pub mod db;
pub mod events;
pub mod views;

pub mod cache;

pub mod plane;

pub mod gc;

pub mod audit;

pub mod registry;

pub mod error;

#[cfg(test)]
mod fixtures;

pub use env::{Env, Timestamp};
pub use error::{Error, ErrorKind};
pub use events::{Event, EventType, Record};
pub use identity::{Blake3, ContentAddress, Digests, Sha256};
pub use manifest::{Entry, EntryBody, EntryPath, Manifest, PackageName};
pub use monitor::{Monitor, Void};
pub use registry::{Access, OpenOptions, Registry, report};
