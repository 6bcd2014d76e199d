//! `astore --version`, and with `--verbose` all that a report of a defect should say.

use astore::db;
use astore::events::RECORD_VERSION;
use astore::manifest::MANIFEST_VERSION;
use astore::storage::root::FORMAT;
use astore::views::VIEWS_VERSION;

/// The commit of a release build, where `build.rs` could tell.
const COMMIT: Option<&str> = option_env!("ASTORE_COMMIT");

/// Returns the version, with the commit where one is noted.
pub(super) fn with_commit() -> String {
    let version = env!("CARGO_PKG_VERSION");
    COMMIT.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

/// Returns the version, the commit, and which formats this build reads and writes; one a line.
pub(super) fn verbose() -> String {
    let commit = match COMMIT {
        Some(commit) => commit,
        None if cfg!(debug_assertions) => "not noted in a debug build",
        None => "unknown",
    };
    let sqlite = db::sqlite_version();
    format!(
        "astore {}\n\
         commit: {commit}\n\
         store format: {FORMAT}\n\
         event record: {RECORD_VERSION}\n\
         manifest: {MANIFEST_VERSION}\n\
         views: {VIEWS_VERSION}\n\
         sqlite: {sqlite}\n",
        env!("CARGO_PKG_VERSION")
    )
}
