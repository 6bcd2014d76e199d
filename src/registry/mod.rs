//! The front desk: every operation of the store, one file each. The only room that commits.

pub mod report;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use report::*;

use crate::env::Env;
use crate::error::Error;
use crate::monitor::Monitor;

/// Whether a store is opened to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only: works on a read-only store, takes no lock.
    Read,
    /// Writing: takes the shared lock before the database is opened and keeps it.
    Write,
    /// Reading the log alone: works with views that a later build wrote.
    Log,
}

/// How a store is opened.
#[derive(Debug)]
pub struct OpenOptions {
    /// To read or to write.
    pub access: Access,
    /// How long to wait for a lock.
    pub wait: Duration,
    /// The command, as others see it beside the lock.
    pub command: String,
    /// Set by a signal handler: the operation ends cleanly with `Error::kind() == ErrorKind::Cancelled`.
    pub cancelled: Arc<AtomicBool>,
    /// Where a private copy of the database goes when a store that may not be written has to be caught up.
    pub scratch: std::path::PathBuf,
}

/// An open store.
pub struct Registry {}

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl Registry {
    /// Makes a store, or says that it is there.
    pub fn init(root: &Path, request: &InitRequest, env: &Env) -> Result<InitReport, Error> {
        todo!()
    }
    /// Opens a store.
    pub fn open(root: &Path, options: OpenOptions, env: Env, monitor: &dyn Monitor) -> Result<Self, Error> {
        todo!()
    }
    /// Adds.
    pub fn add(
        &self,
        request: AddRequest,
        stdin: &mut (dyn std::io::Read + Send),
        monitor: &dyn Monitor,
    ) -> Result<AddReport, Error> {
        todo!()
    }
    /// Freezes an open package.
    pub fn finalize(&self, reference: &Reference, monitor: &dyn Monitor) -> Result<PackageSummary, Error> {
        todo!()
    }
    /// Returns the manifest.
    pub fn manifest(&self, reference: &Reference) -> Result<ManifestReport, Error> {
        todo!()
    }
    /// Lists packages, newest last, each handed to `each`.
    pub fn list(&self, filter: ListFilter, limit: Option<u64>) -> Result<Vec<PackageSummary>, Error> {
        todo!()
    }
    /// Shows one.
    pub fn show(&self, reference: &Reference) -> Result<PackageDetail, Error> {
        todo!()
    }
    /// Hands out the entries in path order; `each` returning an error of writing ends it.
    pub fn files(
        &self,
        reference: &Reference,
        each: &mut dyn FnMut(&crate::manifest::Entry) -> std::io::Result<()>,
    ) -> Result<PackageSummary, Error> {
        todo!()
    }
    /// Compares.
    pub fn diff(
        &self,
        left: &Reference,
        right: &DiffTarget,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Difference>, Error> {
        todo!()
    }
    /// Prints bytes, checked.
    pub fn cat(
        &self,
        target: &CatTarget,
        range: Option<ByteRange>,
        out: &mut dyn std::io::Write,
    ) -> Result<u64, Error> {
        todo!()
    }
    /// Writes a package's tree out again.
    pub fn export(&self, request: &ExportRequest, monitor: &dyn Monitor) -> Result<ExportReport, Error> {
        todo!()
    }
    /// Takes packages away; their bytes stay.
    pub fn remove(&self, references: &[Reference], reason: &str) -> Result<RemoveReport, Error> {
        todo!()
    }
    /// Says which versions of a name `remove_superseded` would take away, oldest first.
    pub fn superseded(&self, superseded: &Superseded) -> Result<Vec<PackageSummary>, Error> {
        todo!()
    }
    /// Takes the superseded versions of a name away, in one step; their bytes stay.
    pub fn remove_superseded(&self, superseded: &Superseded, reason: &str) -> Result<RemoveReport, Error> {
        todo!()
    }
    /// Brings a removed package back.
    pub fn restore(&self, reference: &Reference) -> Result<PackageSummary, Error> {
        todo!()
    }
    /// Re-reads and compares.
    pub fn verify(&self, request: &VerifyRequest, monitor: &dyn Monitor) -> Result<VerifyReport, Error> {
        todo!()
    }
    /// Tells events in order.
    pub fn log(
        &self,
        filter: &LogFilter,
        each: &mut dyn FnMut(EventRow) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        todo!()
    }
    /// The same, and then waits for more until cancelled.
    pub fn follow(
        &self,
        filter: &LogFilter,
        each: &mut dyn FnMut(EventRow) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        todo!()
    }
    /// Computes the views again.
    pub fn replay(&self, monitor: &dyn Monitor) -> Result<ReplayReport, Error> {
        todo!()
    }
    /// Computes the views beside the present ones and compares.
    pub fn replay_check(&self, monitor: &dyn Monitor) -> Result<ReplayReport, Error> {
        todo!()
    }
    /// What it holds.
    pub fn stats(&self) -> Result<StatsReport, Error> {
        todo!()
    }
    /// How it is.
    pub fn health(&self) -> Result<HealthReport, Error> {
        todo!()
    }
    /// Loads an event's payload that is an object, for `log --json`.
    pub fn payload(&self, row: &EventRow) -> Result<Vec<u8>, Error> {
        todo!()
    }
}
