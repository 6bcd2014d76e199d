//! `schema`, and what a schema says of metadata. A document is an event's; the view knows where it stands.
//!
//! Nothing is fetched: a schema that refers to another document is refused when it is registered.

use std::error::Error as StdError;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Retrieve, Uri, ValidationError, Validator};
use serde_json::{Map, Value};

use super::Registry;
use super::change::Change;
use super::query::event_row;
use super::report::{SchemaReference, SchemaReport, SchemaRow, SchemaUse, Violation};
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::{self, ChainFault, Event, EventType, decode, payload};
use crate::identity::Blake3;
use crate::manifest::{Labels, PackageName};
use crate::monitor::Void;
use crate::views::schemas::{self, SchemaRecord};

/// The longest document of a schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1_048_576;

/// What the documents are: the media type of JSON Schema (draft 2020-12, §14.1).
const MEDIA_TYPE: &str = "application/schema+json";

/// How many violations are told.
const VIOLATIONS_TOLD_MAX: usize = 10;

/// The longest description of one violation, in characters: it quotes the value, which may be long.
const WHAT_CHARACTERS_MAX: usize = 200;

impl Registry {
    /// Registers a JSON Schema under a name; another document for the same name is its next version. Where the newest
    /// version is the same document, nothing changes.
    ///
    /// # Errors
    /// [`Error::BadSchema`] where it is no schema that stands by itself, or is too long.
    pub fn register_schema(&self, name: &PackageName, document: &[u8]) -> Result<SchemaReport, Error> {
        compile(document)?;
        let digest = Blake3::of(document);
        loop {
            let newest = schemas::newest(&self.db.read()?, name.as_str())?;
            let version = newest.map_or(0, |newest| newest.version) + 1;
            // A large one is an object before the transaction, so that the version is chosen first.
            let said = payload::schema_registered(name, version, MEDIA_TYPE, document);
            let said = self.prepare_payload(said)?;
            let mut change = Change::begin(self, &Void)?;
            let newest = schemas::newest(change.tx(), name.as_str())?;
            if let Some(same) = newest.as_ref().filter(|newest| newest.digest == digest) {
                return Ok(SchemaReport { schema: row(same.clone()), is_new: false });
            }
            if newest.map_or(0, |newest| newest.version) + 1 != version {
                continue; // somebody else registered one meanwhile
            }
            change.append(EventType::SchemaRegistered, name.as_str(), &said)?;
            let schema = find(change.tx(), &SchemaReference { name: name.clone(), version: Some(version) })?;
            change.commit()?;
            return Ok(SchemaReport { schema: row(schema), is_new: true });
        }
    }

    /// Lists every version of every schema, by name and then by version.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn schemas(&self) -> Result<Vec<SchemaRow>, Error> {
        Ok(schemas::all(&self.db.read()?)?.into_iter().map(row).collect())
    }

    /// Returns a schema and its document, byte for byte as it was registered.
    ///
    /// # Errors
    /// [`Error::NoSuchSchema`], [`Error::PayloadUnavailable`].
    pub fn schema(&self, reference: &SchemaReference) -> Result<(SchemaRow, Vec<u8>), Error> {
        let tx = self.db.read()?;
        let schema = find(&tx, reference)?;
        let document = self.document(&tx, &schema)?;
        Ok((row(schema), document))
    }

    /// Checks the metadata of a new package, and returns the reference of the schema that it fits.
    pub(super) fn check_schema(
        &self,
        tx: &ReadTx<'_>,
        wanted: &SchemaUse,
        metadata: &Labels,
    ) -> Result<String, Error> {
        let schema = find(tx, &wanted.schema)?;
        let validator = compile(&self.document(tx, &schema)?)?;
        let schema = row(schema).reference();
        let value = |(key, text): (&String, &String)| {
            let plain = wanted.plain_json.contains(key).then(|| serde_json::from_str(text).ok()).flatten();
            (key.clone(), plain.unwrap_or_else(|| Value::String(text.clone())))
        };
        let instance = Value::Object(metadata.iter().map(value).collect::<Map<_, _>>());
        let mut violations: Vec<Violation> =
            validator.iter_errors(&instance).flat_map(|error| violations_of(&error)).collect();
        if violations.is_empty() {
            return Ok(schema);
        }
        let count = violations.len() as u64;
        violations.truncate(VIOLATIONS_TOLD_MAX);
        Err(Error::SchemaViolated { schema, violations, count })
    }

    /// Reads a schema's document from its event.
    fn document(&self, tx: &ReadTx<'_>, schema: &SchemaRecord) -> Result<Vec<u8>, Error> {
        let sequence = schema.registered_sequence;
        let gone = || ChainFault { sequence, what: "the schema that it is to have registered is not there" };
        let event = events::event(tx, sequence)?.ok_or_else(gone)?;
        let record = event.record.clone();
        let said = self.payload(&event_row(event))?;
        if let Event::SchemaRegistered { document, .. } = decode(&record, &said)?.event
            && Blake3::of(document) == schema.digest
        {
            return Ok(document.to_vec());
        }
        Err(gone().into())
    }
}

fn find(tx: &ReadTx<'_>, reference: &SchemaReference) -> Result<SchemaRecord, Error> {
    let name = reference.name.as_str();
    let found = match reference.version {
        Some(version) => schemas::by_version(tx, name, version)?,
        None => schemas::newest(tx, name)?,
    };
    found.ok_or_else(|| Error::NoSuchSchema { schema: reference.to_string() })
}

fn row(schema: SchemaRecord) -> SchemaRow {
    SchemaRow {
        name: schema.name,
        version: schema.version,
        digest: schema.digest,
        size_bytes: schema.size_bytes,
        media_type: schema.media_type,
        registered_at: schema.registered_at,
        registered_by: schema.actor,
        sequence: schema.registered_sequence,
    }
}

/// Refuses what is outside of a schema.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(&self, _uri: &Uri<String>) -> Result<Value, Box<dyn StdError + Send + Sync>> {
        Err("nothing is fetched".into())
    }
}

/// Makes a validator of a document.
fn compile(document: &[u8]) -> Result<Validator, Error> {
    let bad = |problem: String| Error::BadSchema { problem: shortened(&problem) };
    if document.len() > SCHEMA_BYTES_MAX {
        return Err(bad(format!("is longer than {SCHEMA_BYTES_MAX} bytes")));
    }
    let schema: Value =
        serde_json::from_slice(document).map_err(|error| bad(format!("is no JSON: {error}")))?;
    let built = jsonschema::options().with_retriever(Nothing).build(&schema);
    built.map_err(|error| bad(format!("is no JSON Schema that stands by itself: {}", violation(&error))))
}

/// Says of each label what is wrong with it: one that is missing, or one too many, is a label as well.
fn violations_of(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = |key: &str| {
        let key = shortened(&key.replace('~', "~0").replace('/', "~1"));
        format!("{}/{key}", error.instance_path().as_str())
    };
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let what = "is not allowed".to_owned();
        return unexpected.iter().map(|key| Violation { pointer: at(key), what: what.clone() }).collect();
    }
    if let ValidationErrorKind::Required { property: Value::String(key) } = error.kind() {
        return vec![Violation { pointer: at(key), what: "is required".to_owned() }];
    }
    vec![violation(error)]
}

fn violation(error: &ValidationError<'_>) -> Violation {
    Violation { pointer: error.instance_path().as_str().to_owned(), what: shortened(&error.to_string()) }
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(WHAT_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        match compile(document.as_bytes()) {
            Ok(_) => panic!("{document} was taken for a schema"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_schema_stands_by_itself() {
        insta::assert_snapshot!(refused("{"), @"the schema is no JSON: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(refused("[]"), @r#"the schema is no JSON Schema that stands by itself: [] is not of types "boolean", "object""#);
        insta::assert_snapshot!(refused(r#"{"type": "strin"}"#), @r#"the schema is no JSON Schema that stands by itself: /type: "strin" is not valid under any of the schemas listed in the 'anyOf' keyword"#);
        insta::assert_snapshot!(refused(r#"{"$ref": "https://example.com/other.json"}"#), @"the schema is no JSON Schema that stands by itself: Resource 'https://example.com/other.json' is not present in a registry and retrieving it failed: nothing is fetched");
        insta::assert_snapshot!(refused(r#"{"$ref": "file:///etc/passwd"}"#), @"the schema is no JSON Schema that stands by itself: Resource 'file:///etc/passwd' is not present in a registry and retrieving it failed: nothing is fetched");
        insta::assert_snapshot!(refused(r#"{"$ref": "other.json"}"#), @"the schema is no JSON Schema that stands by itself: Resource 'other.json' is not present in a registry and retrieving it failed: No base URI is available");
        insta::assert_snapshot!(refused(r##"{"$ref": "#/$defs/none"}"##), @"the schema is no JSON Schema that stands by itself: Pointer '/$defs/none' does not exist");
        insta::assert_snapshot!(refused(r#"{"$schema": "https://example.com/mine"}"#), @"the schema is no JSON Schema that stands by itself: Unknown meta-schema: 'https://example.com/mine'. Custom meta-schemas must be registered in the registry before use");
        insta::assert_snapshot!(refused(r#"{"pattern": "("}"#), @r#"the schema is no JSON Schema that stands by itself: /pattern: "(" is not a "regex""#);
        insta::assert_snapshot!(refused(&format!("\"{}\"", "x".repeat(SCHEMA_BYTES_MAX))), @"the schema is longer than 1048576 bytes");
        for good in [
            "{}",
            "true",
            r##"{"$ref": "#"}"##,
            r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}"#,
            r#"{"$ref": "https://json-schema.org/draft/2020-12/schema"}"#,
            r##"{"$id": "urn:x", "$defs": {"a": {"type": "string"}}, "additionalProperties": {"$ref": "#/$defs/a"}}"##,
        ] {
            compile(good.as_bytes()).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        // One that refers to itself comes to an end.
        assert!(compile(br##"{"$ref": "#"}"##).unwrap().is_valid(&Value::from(1)));
        // A pattern that takes for ever is given up.
        let slow = compile(br#"{"pattern": "^(a+)+$(?!b)"}"#).unwrap();
        assert!(!slow.is_valid(&Value::from(format!("{}!", "a".repeat(4096)))));
    }
}
