//! Schemas for metadata: what is asked and answered about them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::PackageName;

/// How a person names a schema: `name`, the newest version of it, or `name@version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaReference {
    /// Its name, of the form of a package's.
    pub name: PackageName,
    /// Its version; `None` is the newest.
    pub version: Option<u64>,
}

/// Why a text names no schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAME or NAME@N, such as release or release@2")]
pub struct ParseSchemaError;

impl FromStr for SchemaReference {
    type Err = ParseSchemaError;

    fn from_str(text: &str) -> Result<Self, ParseSchemaError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let counts = |text: &str| {
            let number = text.parse::<u64>().ok().filter(|&number| number > 0);
            number.filter(|number| number.to_string() == text).ok_or(ParseSchemaError)
        };
        Ok(Self {
            name: name.parse().map_err(|_| ParseSchemaError)?,
            version: version.map(counts).transpose()?,
        })
    }
}

impl fmt::Display for SchemaReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => self.name.fmt(f),
        }
    }
}

/// A schema that the metadata of a new package has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaUse {
    /// Which.
    pub schema: SchemaReference,
    /// The keys of the metadata whose text is a number, `true` or `false` of JSON, and is checked as such. All others are
    /// checked as texts.
    pub plain_json: BTreeSet<String>,
}

/// A schema in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRow {
    /// Its name.
    pub name: String,
    /// Its version, from 1 for each name.
    pub version: u64,
    /// BLAKE3 of the document.
    pub digest: Blake3,
    /// The size of the document in bytes.
    pub size_bytes: u64,
    /// What the document is: `application/schema+json`.
    pub media_type: String,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Who registered it.
    pub registered_by: String,
    /// The event that did.
    pub sequence: u64,
}

impl SchemaRow {
    /// Returns the reference that always means this version: `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What registering a schema did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaReport {
    /// The schema as it is now.
    pub schema: SchemaRow,
    /// Whether it was registered just now: where the newest version is the same document, it was there already.
    pub is_new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_named_in_one_way() {
        for good in ["a", "a@1", "release-2.0@18446744073709551615"] {
            assert_eq!(good.parse::<SchemaReference>().unwrap().to_string(), good);
        }
        for bad in ["", "@1", "a@", "a@0", "a@01", "a@+1", "a@1@1", "a b", "a@18446744073709551616"] {
            assert_eq!(bad.parse::<SchemaReference>(), Err(ParseSchemaError), "{bad:?}");
        }
    }
}
