//! The JSON that scripts read: types of their own, so that renaming a field of the library breaks nobody.
//!
//! docs/json.md describes each document; what it promises stands until the number in `schema` goes up.

mod claims;
mod entries;
mod event;
mod explain;
mod failure;
mod gc;
mod packages;
mod pins;
mod purges;
mod recover;
mod remark;
mod roots;
mod schemas;
mod status;
mod store;
#[cfg(test)]
mod testing;
mod version;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use astore::identity::{Blake3, ContentAddress};
use serde::Serialize;

pub(crate) use claims::{ClaimsImported, ClaimsList};
pub(crate) use entries::{Diff, EntryText};
pub(crate) use explain::Explain;
pub(crate) use failure::Failure;
pub(crate) use gc::{GcCollected, GcPlan, GcWithout};
pub(crate) use packages::{
    Add, Attest, Export, ExportBag, ExportOci, ExportStream, ManifestHead, OnePackage, Package, Remove, Show,
};
pub(crate) use recover::Recover;
pub(crate) use remark::{About, Level, Remark};
pub(crate) use roots::{OnePin, Pins, Retain, Unpin};
pub(crate) use schemas::SchemaText;
pub(crate) use status::Status;
pub(crate) use store::{Event, Health, Init, Replay, Stats, Verify};
use store::{Head, LastVerify};
pub(crate) use version::Version;

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
    pub(crate) const EXPLAIN: &str = "astore/explain/v1";
    pub(crate) const EXPORT: &str = "astore/export/v1";
    pub(crate) const EXPORT_BAG: &str = "astore/export-bag/v1";
    pub(crate) const EXPORT_STREAM: &str = "astore/export-stream/v1";
    pub(crate) const EXPORT_OCI: &str = "astore/export-oci/v1";
    pub(crate) const REMOVE: &str = "astore/remove/v1";
    pub(crate) const RESTORE: &str = "astore/restore/v1";
    pub(crate) const PIN: &str = "astore/pin/v1";
    pub(crate) const UNPIN: &str = "astore/unpin/v1";
    pub(crate) const PINS: &str = "astore/pins/v1";
    pub(crate) const RETAIN: &str = "astore/retain/v1";
    pub(crate) const SCHEMA: &str = "astore/schema/v1";
    pub(crate) const ATTEST: &str = "astore/attest/v1";
    pub(crate) const GC: &str = "astore/gc/v1";
    pub(crate) const VERIFY: &str = "astore/verify/v1";
    pub(crate) const EVENT: &str = "astore/event/v1";
    pub(crate) const REPLAY: &str = "astore/replay/v1";
    pub(crate) const RECOVER: &str = "astore/recover/v1";
    pub(crate) const CLAIMS: &str = "astore/claims/v1";
    pub(crate) const STATS: &str = "astore/stats/v1";
    pub(crate) const HEALTH: &str = "astore/health/v1";
    pub(crate) const STATUS: &str = "astore/status/v1";
    pub(crate) const VERSION: &str = "astore/version/v1";
    pub(crate) const ERROR: &str = "astore/error/v1";
    pub(crate) const REMARK: &str = "astore/remark/v1";

    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: &[&str] = &[
        INIT,
        ADD,
        FINALIZE,
        MANIFEST,
        PACKAGE,
        SHOW,
        ENTRY,
        DIFF,
        EXPLAIN,
        EXPORT,
        EXPORT_BAG,
        EXPORT_STREAM,
        EXPORT_OCI,
        REMOVE,
        RESTORE,
        PIN,
        UNPIN,
        PINS,
        RETAIN,
        SCHEMA,
        ATTEST,
        GC,
        VERIFY,
        EVENT,
        REPLAY,
        RECOVER,
        CLAIMS,
        STATS,
        HEALTH,
        STATUS,
        VERSION,
        ERROR,
        REMARK,
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

/// Returns one document as a line without a newline.
pub(crate) fn line(schema: &str, body: impl Serialize) -> String {
    // Texts, numbers and lists of them: nothing that JSON could not say.
    serde_json::to_string(&Document { schema, body }).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::Value;

    use super::super::samples;
    use super::*;

    /// Renders a document, and reads it as a script would.
    pub(super) fn document(schema: &str, body: impl Serialize) -> String {
        let mut out = Vec::new();
        write(schema, body, &mut out).unwrap();
        read(schema, &out)
    }

    /// Reads a document as a script would.
    pub(super) fn read(schema: &str, out: &[u8]) -> String {
        let text = str::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "a document is one line");
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["schema"], schema);
        serde_json::to_string_pretty(&value).unwrap()
    }

    #[test]
    fn a_package() {
        assert_snapshot!(document(schema::PACKAGE, Package::of(&samples::finalized())), @r#"
        {
          "bytes": 1234567,
          "class": "transient",
          "content_digest": "blake3:3fba5250be9ac259c56e7250c526bc83bacb4be825f2799d3d59e5b4878dd74e",
          "created_at": "2027-01-15T08:00:00.000250Z",
          "created_by": "ann@box",
          "entries": 5,
          "expires_at": "2027-01-22T08:00:01.000250Z",
          "files": 3,
          "finalized_at": "2027-01-15T08:00:01.000250Z",
          "hold": true,
          "hold_reason": "case 4711\n",
          "id": "0193c2a4-7e1f-7000-8000-000000000001",
          "manifest_digest": "blake3:0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1",
          "name": "doc",
          "reference": "doc@2",
          "removed_at": null,
          "schema": "astore/package/v1",
          "status": "finalized",
          "version": 2
        }
        "#);
    }

    #[test]
    fn an_add() {
        let mut report = samples::added();
        report.package = samples::open();
        assert_snapshot!(document(schema::ADD, Add::of(&report)), @r#"
        {
          "bytes_new": 2048,
          "cache_hits": 1,
          "excluded": 2,
          "files_hashed": 2,
          "healed": [
            "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede"
          ],
          "objects_new": 2,
          "package": {
            "bytes": 0,
            "class": "permanent-record",
            "content_digest": null,
            "created_at": "2027-01-15T08:00:00.000250Z",
            "created_by": "ann@box",
            "entries": 0,
            "expires_at": null,
            "files": 0,
            "finalized_at": null,
            "hold": false,
            "hold_reason": null,
            "id": "0193c2a4-7e1f-7000-8000-000000000002",
            "manifest_digest": null,
            "name": "run",
            "reference": "run@11",
            "removed_at": null,
            "status": "open",
            "version": 11
          },
          "schema": "astore/add/v1",
          "skipped": [
            {
              "path": "doc/secret",
              "why": "Permission denied"
            }
          ],
          "unchanged": false
        }
        "#);
    }

    #[test]
    fn bytes_that_are_no_text_stand_beside_it() {
        let entries = samples::entries();
        assert_snapshot!(document(schema::ENTRY, EntryText::of(&entries[1])), @r#"
        {
          "blake3": "2905362b44be96d35e15168b36e1f425f191bd4d9977795ea8a78c12947b88f1",
          "kind": "file",
          "mode": "4755",
          "path": "bin/tool",
          "schema": "astore/entry/v1",
          "sha256": "b753e13d22a1827013d42d88775d9ad8be9b1ffc04049dc128cfd9f887f5b4e0",
          "size": 8
        }
        "#);
        assert_snapshot!(document(schema::ENTRY, EntryText::of(&entries[2])), @r#"
        {
          "blake3": "82a306e7003b1e6f5c12e02a6dc2b7e6bee399970025d9726b4003223afb584b",
          "kind": "file",
          "mode": "0644",
          "path": "caf�\n",
          "path_bytes": "636166e90a",
          "schema": "astore/entry/v1",
          "sha256": "9e4efed0ff1dbcf37240f82e1aad6c763eb9331434d2b394a6441abbbe3634eb",
          "size": 5
        }
        "#);
        assert_snapshot!(document(schema::ENTRY, EntryText::of(&entries[3])), @r#"
        {
          "kind": "symlink",
          "mtime": [
            -1,
            5
          ],
          "path": "link",
          "schema": "astore/entry/v1",
          "target": "../�",
          "target_bytes": "2e2e2fff"
        }
        "#);
    }

    #[test]
    fn an_event_carries_its_payload() {
        assert_snapshot!(document(schema::EVENT, Event::of(&samples::event())), @r#"
        {
          "actor": "ann@box\n",
          "created_at": "2027-01-15T08:00:09.000250Z",
          "digest": "5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a",
          "event_type": "v1.package.removed",
          "payload": {
            "count": -2,
            "digest": "00ff",
            "reason": "wrong branch"
          },
          "payload_digest": "ec90915fa26ab012a89a88ecc8b47e4dd76c4adfd6abd1fc10e321b0fca18d1d",
          "previous_digest": "8413915bf1b1575dc4c7b3f125d4b97d1ee2d9099de50d8ac93e0dfe17ebdafc",
          "schema": "astore/event/v1",
          "sequence": 7,
          "subject_id": "0193c2a4-7e1f-7000-8000-000000000001",
          "subject_kind": "package"
        }
        "#);
        let mut row = samples::event();
        row.payload = None;
        assert!(document(schema::EVENT, Event::of(&row)).contains("\"payload\": null"));
        row.payload = Some(b"\xff\x00".to_vec());
        assert!(document(schema::EVENT, Event::of(&row)).contains("\"payload\": \"ff00\""));
    }

    #[test]
    fn a_verify_that_found_a_fault() {
        assert_snapshot!(document(schema::VERIFY, Verify::of(&samples::verified(vec![samples::fault()]))), @r#"
        {
          "bytes": 4096,
          "events": 7,
          "faults": [
            {
              "address": "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede",
              "detail": "expected 10 bytes, found 4",
              "harms": [
                {
                  "package": "doc@2",
                  "path": "caf�\n",
                  "path_bytes": "636166e90a"
                },
                {
                  "package": "run@11"
                }
              ],
              "kind": "truncated",
              "remedy": {
                "action": "add",
                "text": "add the same content again (doc@2:caf\\xe9\\n)"
              },
              "subject": "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede"
            }
          ],
          "head": {
            "digest": "5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a",
            "sequence": 7
          },
          "not_recorded": "the store cannot be written",
          "notes": [
            "tmp/ holds leftovers of 1 writer"
          ],
          "objects": 3,
          "on_record": [],
          "overdue": null,
          "part": null,
          "recorded": null,
          "schema": "astore/verify/v1",
          "sound": false
        }
        "#);
    }
}
