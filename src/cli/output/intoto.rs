//! A manifest as an in-toto Statement v1 with SLSA provenance v1: what is known of the package's origin, and no more.

use std::io::{self, Write};

use astore::identity::Sha256;
use astore::manifest::{Entry, EntryPath, Labels, Manifest};
use astore::registry::report::ManifestReport;
use serde::Serialize;
use serde_json::json;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// How it was built, where the provenance has no `buildType`: all that is known is that it was archived.
const BUILD_TYPE: &str = "urn:astore:archive:v1";

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    digest: Digest,
}

/// The names of digests that in-toto registers (DigestSet); blake3 is none of them.
#[derive(Serialize)]
struct Digest {
    sha256: String,
}

impl<'a> Subject<'a> {
    fn new(name: &'a str, sha256: &Sha256) -> Self {
        Self { name, digest: Digest { sha256: sha256.to_string() } }
    }
}

/// Writes the statement, one subject a file; a name that is not UTF-8 cannot be said, and goes to `left_out`. A package
/// without a file that can be said is stated about by its manifest.
///
/// # Errors
/// Whatever `out` answers.
pub(crate) fn statement(
    manifest: &Manifest<'_>,
    report: &ManifestReport,
    left_out: &mut Vec<EntryPath>,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "{{\"_type\":\"{STATEMENT}\",\"subject\":[")?;
    let mut is_first = true;
    for entry in manifest.entries() {
        let Some(object) = entry.object() else { continue };
        let Entry { path, .. } = &entry;
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else {
            left_out.push(entry.path);
            continue;
        };
        if !std::mem::take(&mut is_first) {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &Subject::new(name, &object.sha256))?;
    }
    let reference = report.package.reference();
    if is_first {
        let sha256 = astore::Digests::of(&report.bytes).sha256;
        serde_json::to_writer(&mut *out, &Subject::new(&reference, &sha256))?;
    }
    write!(out, "],\"predicateType\":\"{PREDICATE}\",\"predicate\":")?;
    serde_json::to_writer(&mut *out, &predicate(manifest, report, &reference))?;
    out.write_all(b"}\n")
}

fn predicate(manifest: &Manifest<'_>, report: &ManifestReport, reference: &str) -> serde_json::Value {
    let header = manifest.header();
    let known = |key: &str| header.provenance.get(key);
    let builder = known("builder")
        .cloned()
        .or_else(|| known("host").map(|host| format!("urn:astore:host:{}", encoded(host))));
    let rest: Labels = header
        .provenance
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "builder" | "buildType"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut builder = json!({"id": builder.unwrap_or_else(|| "urn:astore:host:unknown".to_owned())});
    if let Some(version) = known("astore") {
        builder["version"] = json!({"astore": version});
    }
    json!({
        "buildDefinition": {
            "buildType": known("buildType").map_or(BUILD_TYPE, String::as_str),
            "externalParameters": header.metadata,
            "internalParameters": {
                "package": reference,
                "manifest": format!("blake3:{}", report.digest),
                "provenance": rest,
            },
        },
        "runDetails": {
            "builder": builder,
            "metadata": {"invocationId": format!("urn:uuid:{}", header.id)},
        },
    })
}

/// Writes a text as a part of a URN (RFC 8141): what is neither letter, digit nor one of `-._~` as `%XX`.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_part_of_a_urn() {
        assert_eq!(encoded("build-7.example"), "build-7.example");
        assert_eq!(encoded("a b:é"), "a%20b%3A%C3%A9");
    }
}
