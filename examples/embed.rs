//! Keeps a build's output from inside another program, without a terminal: makes a store, adds a directory,
//! finalises the package, reads a file back and verifies everything.
//!
//! `cargo run --example embed -- DIRECTORY`, where DIRECTORY is missing or empty.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use astore::report::{
    AddRequest, AddSource, AddTarget, CatTarget, Completion, InitRequest, Reference, VerifyRequest,
};
use astore::{Access, Blake3, EntryPath, Env, Manifest, OpenOptions, Registry, Void};

/// Who the events say did it: a claim, and the program's to make.
const ACTOR: &str = "embed@example";

/// What came of it.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The package, as `name@version`.
    pub(crate) reference: String,
    /// The digest of its manifest: what to write down to find it again.
    pub(crate) manifest: Blake3,
    /// The paths that the manifest names.
    pub(crate) paths: Vec<String>,
    /// What `verify` found wrong.
    pub(crate) faults: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: embed DIRECTORY")?;
    let kept = keep_a_build(Path::new(&directory))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} is kept under manifest {}", kept.reference, kept.manifest)?;
    writeln!(out, "{}; faults found: {}", kept.paths.join(" "), kept.faults)?;
    Ok(())
}

/// Makes a store at `directory/store` and keeps in it what `directory/dist` holds.
pub(crate) fn keep_a_build(directory: &Path) -> Result<Kept, Box<dyn Error>> {
    let dist = build(directory)?;
    let root = within(directory, "store");
    Registry::init(&root, &InitRequest::default(), &Env::system(ACTOR))?;

    // The registry holds the store's shared lock until it is dropped: others may add at the same time.
    let options = OpenOptions::new(Access::Write, directory);
    let store = Registry::open(&root, options, Env::system(ACTOR), &Void)?;

    let target = AddTarget::new_version("tool".parse()?);
    let request = AddRequest::new(vec![AddSource::Path(dist)], target, Completion::LeaveOpen);
    let added = store.add(request, &mut std::io::empty(), &Void)?;
    let reference = Reference(added.package.reference());
    // From here on the bytes survive a power cut; the package still takes more entries until it is finalised.
    let package = store.finalize(&reference, &Void)?;

    let file = CatTarget::Path { reference: reference.clone(), path: EntryPath::new(*b"bin/tool")? };
    let mut bytes = Vec::new();
    store.cat(&file, None, &mut bytes)?;
    if bytes != TOOL {
        return Err("the tool came back as something else".into());
    }

    let report = store.manifest(&reference)?;
    let manifest = Manifest::parse(&report.bytes)?;
    let paths =
        manifest.entries().map(|entry| String::from_utf8_lossy(entry.path.as_bytes()).into_owned()).collect();
    let verified = store.verify(&VerifyRequest::default(), &Void)?;
    Ok(Kept { reference: package.reference(), manifest: report.digest, paths, faults: verified.faults.len() })
}

const TOOL: &[u8] = b"#!/bin/sh\necho built\n";

/// Stands for the build: leaves its output in `directory/dist`.
#[expect(clippy::disallowed_methods, reason = "these files are the example's own, not a store's")]
fn build(directory: &Path) -> std::io::Result<PathBuf> {
    let dist = within(directory, "dist");
    std::fs::create_dir_all(within(&dist, "bin"))?;
    std::fs::write(within(&dist, "bin/tool"), TOOL)?;
    std::fs::write(within(&dist, "README"), "A tool.\n")?;
    Ok(dist)
}

#[expect(clippy::disallowed_methods, reason = "these paths are the example's own, not a store's")]
fn within(directory: &Path, name: &str) -> PathBuf {
    directory.join(name)
}
