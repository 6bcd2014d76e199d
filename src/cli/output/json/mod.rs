//! The JSON that scripts read: types of their own, so that renaming a field of the library breaks nobody.
//!
//! docs/json.md describes each document; what it promises stands until the number in `schema` goes up.

mod entries;
mod packages;
mod store;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use astore::identity::{Blake3, ContentAddress};
use serde::Serialize;

pub(crate) use entries::{Diff, EntryText};
pub(crate) use packages::{Add, Export, ManifestHead, OnePackage, Package, Remove, Show};
pub(crate) use store::{Event, Health, Init, Replay, Stats, Verify};

/// The documents there are: the command or the line's meaning, and the version.
pub(crate) mod schema {
    pub(crate) const INIT: &str = "astore/init/v1";
    pub(crate) const ADD: &str = "astore/add/v1";
    pub(crate) const FINALIZE: &str = "astore/finalize/v1";
    pub(crate) const MANIFEST: &str = "astore/manifest/v1";
    pub(crate) const PACKAGE: &str = "astore/package/v1";
    pub(crate) const SHOW: &str = "astore/show/v1";
    pub(crate) const ENTRY: &str = "astore/entry/v1";
    pub(crate) const DIFF: &str = "astore/diff/v1";
    pub(crate) const EXPORT: &str = "astore/export/v1";
    pub(crate) const REMOVE: &str = "astore/remove/v1";
    pub(crate) const RESTORE: &str = "astore/restore/v1";
    pub(crate) const VERIFY: &str = "astore/verify/v1";
    pub(crate) const EVENT: &str = "astore/event/v1";
    pub(crate) const REPLAY: &str = "astore/replay/v1";
    pub(crate) const STATS: &str = "astore/stats/v1";
    pub(crate) const HEALTH: &str = "astore/health/v1";

    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [&str; 16] = [
        INIT, ADD, FINALIZE, MANIFEST, PACKAGE, SHOW, ENTRY, DIFF, EXPORT, REMOVE, RESTORE, VERIFY, EVENT,
        REPLAY, STATS, HEALTH,
    ];
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    body: T,
}

/// Writes one document and a newline.
///
/// # Errors
/// Whatever `out` answers.
pub(crate) fn write(schema: &str, body: impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document { schema, body })?;
    out.write_all(b"\n")
}

/// Writes lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn primary(digest: Blake3) -> String {
    ContentAddress::new(digest).to_string()
}

/// Bytes that are text nearly always: the text, with U+FFFD where they are not, and then the bytes beside it.
struct Text {
    text: String,
    bytes: Option<String>,
}

impl Text {
    fn of(raw: &[u8]) -> Self {
        match std::str::from_utf8(raw) {
            Ok(text) => Self { text: text.to_owned(), bytes: None },
            Err(_) => Self { text: String::from_utf8_lossy(raw).into_owned(), bytes: Some(hex(raw)) },
        }
    }
}

/// A path.
#[derive(Serialize)]
pub(crate) struct PathText {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

impl PathText {
    fn of(raw: &[u8]) -> Self {
        let Text { text, bytes } = Text::of(raw);
        Self { path: text, path_bytes: bytes }
    }
}

/// The root of a store.
#[derive(Serialize)]
pub(crate) struct RootText {
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_bytes: Option<String>,
}

impl RootText {
    fn of(root: &Path) -> Self {
        let Text { text, bytes } = Text::of(root.as_os_str().as_bytes());
        Self { root: text, root_bytes: bytes }
    }
}
