//! `astore --version`, and with `--verbose` or `--json` all that a report of a defect should say.

use astore::db;
use astore::events::RECORD_VERSION;
use astore::manifest::MANIFEST_VERSION;
use astore::storage::root::FORMAT;
use astore::views::VIEWS_VERSION;

use super::output::json::{self, schema};

/// The commit of a release build, where `build.rs` could tell.
const COMMIT: Option<&str> = option_env!("ASTORE_COMMIT");

/// Returns the version, with the commit where one is noted.
pub(super) fn with_commit() -> String {
    let version = env!("CARGO_PKG_VERSION");
    COMMIT.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

/// Which build this is, and which formats it reads and writes.
fn this() -> json::Version {
    json::Version {
        version: env!("CARGO_PKG_VERSION"),
        commit: COMMIT,
        store_format: FORMAT,
        event_record: RECORD_VERSION,
        manifest: MANIFEST_VERSION,
        views: VIEWS_VERSION,
        sqlite: db::sqlite_version(),
    }
}

/// Returns the version, the commit, and which formats this build reads and writes; one a line.
pub(super) fn verbose() -> String {
    let json::Version { version, commit, store_format, event_record, manifest, views, sqlite } = this();
    let commit = match commit {
        Some(commit) => commit,
        None if cfg!(debug_assertions) => "not noted in a debug build",
        None => "unknown",
    };
    format!(
        "astore {version}\n\
         commit: {commit}\n\
         store format: {store_format}\n\
         event record: {event_record}\n\
         manifest: {manifest}\n\
         views: {views}\n\
         sqlite: {sqlite}\n"
    )
}

/// Returns the same as a document, with its newline.
pub(super) fn document() -> String {
    json::line(schema::VERSION, this()) + "\n"
}
