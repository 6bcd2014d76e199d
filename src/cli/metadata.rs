//! Labels that people give a package: each on the command line, or many in a file, as lines or as a JSON object.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use astore::manifest::Labels;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::context::Context;
use super::failure::usage;
use super::given;
use super::output::escape;
use super::values;

/// The longest file of labels, in bytes.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Labels as they were given.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// All of them, as texts.
    pub(crate) labels: Labels,
    /// The keys whose text is a number, true or false of JSON.
    pub(crate) plain_json: BTreeSet<String>,
    /// Who gave each key.
    given_by: BTreeMap<String, String>,
}

impl Metadata {
    /// Puts together the labels of `--meta` and of the files of `--meta-file`; `-` is standard input.
    ///
    /// # Errors
    /// Where a file cannot be read; a usage error where it holds no labels, or where a key is given twice.
    pub(crate) fn read(
        typed: Vec<(String, String)>,
        files: &[PathBuf],
        ctx: &mut Context,
    ) -> anyhow::Result<Self> {
        let mut metadata = Self::default();
        typed.into_iter().try_for_each(|(key, value)| metadata.insert(key, value, "--meta"))?;
        for file in files {
            let bytes = given::whole(file, "a file of labels", FILE_BYTES_MAX, ctx)?;
            metadata.take(&bytes, &given::shown(file))?;
        }
        Ok(metadata)
    }

    fn take(&mut self, bytes: &[u8], shown: &str) -> anyhow::Result<()> {
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => self.take_json(bytes, shown),
            _ => self.take_lines(bytes, shown),
        }
    }

    fn take_json(&mut self, bytes: &[u8], shown: &str) -> anyhow::Result<()> {
        let pairs: Pairs = serde_json::from_slice(bytes)
            .map_err(|error| usage(format!("{shown} is no JSON object with labels: {error}")))?;
        for (key, value) in pairs.0 {
            let text = value.get();
            let refused = |what: &str| {
                let pointer = escape::line(&key.replace('~', "~0").replace('/', "~1"));
                usage(format!("/{pointer} in {shown} is {what}: a label is text, a number, true or false"))
            };
            let value = match text.as_bytes().first() {
                Some(b'"') => serde_json::from_str(text).map_err(|error| refused(&error.to_string()))?,
                Some(b'n') => return Err(refused("null")),
                Some(b'[') => return Err(refused("an array")),
                Some(b'{') => return Err(refused("an object")),
                _ => {
                    self.plain_json.insert(key.clone());
                    text.to_owned()
                }
            };
            self.insert(key, value, shown)?;
        }
        Ok(())
    }

    fn take_lines(&mut self, bytes: &[u8], shown: &str) -> anyhow::Result<()> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let number = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            usage(format!("line {number} of {shown} is not UTF-8"))
        })?;
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = values::label(line)
                .map_err(|expected| usage(format!("line {} of {shown}: {expected}", number + 1)))?;
            self.insert(key, value, shown)?;
        }
        Ok(())
    }

    fn insert(&mut self, key: String, value: String, by: &str) -> anyhow::Result<()> {
        let shown = escape::line(&key);
        if key.is_empty() {
            return Err(usage(format!("a label of {by} has an empty key")));
        }
        match self.given_by.insert(key.clone(), by.to_owned()) {
            None => {}
            Some(before) if before == by && by == "--meta" => {
                return Err(usage(format!("--meta {shown} is given twice")));
            }
            Some(before) if before == by => return Err(usage(format!("{shown} stands twice in {by}"))),
            Some(before) => return Err(usage(format!("{shown} is given twice, by {before} and by {by}"))),
        }
        self.labels.insert(key, value);
        Ok(())
    }
}

/// Puts together labels that were typed as `option KEY=VALUE`.
///
/// # Errors
/// A usage error where a key is given twice.
pub(crate) fn labels(option: &str, typed: Vec<(String, String)>) -> anyhow::Result<Labels> {
    let mut labels = Labels::new();
    for (key, value) in typed {
        if labels.insert(key.clone(), value).is_some() {
            return Err(usage(format!("{option} {} is given twice", escape::line(&key))));
        }
    }
    Ok(labels)
}

/// The members of a JSON object in their order, each value as it is written: one that stands twice is not lost, and a
/// number stays what was typed.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(texts: &[&str]) -> Result<String, String> {
        let mut metadata = Metadata::default();
        for (text, shown) in texts.iter().zip(["a", "b"]) {
            metadata.take(text.as_bytes(), shown).map_err(|error| error.to_string())?;
        }
        Ok(format!("{:?} {:?}", metadata.labels, metadata.plain_json))
    }

    #[test]
    fn labels_are_lines_or_a_json_object() {
        insta::assert_snapshot!(taken(&["a=1\r\n\n# no=thing\n b =c=d\ne="]).unwrap(), @r#"{" b ": "c=d", "a": "1", "e": ""} {}"#);
        insta::assert_snapshot!(
            taken(&["\n {\"t\": \"a\\nb\", \"n\": 1.50, \"l\": 123456789012345678901, \"b\": true}", "c=d"]).unwrap(),
            @r#"{"b": "true", "c": "d", "l": "123456789012345678901", "n": "1.50", "t": "a\nb"} {"b", "l", "n"}"#
        );
        assert_eq!(taken(&["", "{}"]).unwrap(), "{} {}");
    }

    #[test]
    fn what_is_no_label_is_named() {
        let refused = |texts: &[&str]| taken(texts).unwrap_err();
        insta::assert_snapshot!(refused(&["a=b\nc"]), @"line 2 of a: expected KEY=VALUE, such as commit=1a2b3c");
        insta::assert_snapshot!(refused(&["=b"]), @"line 1 of a: expected KEY=VALUE, such as commit=1a2b3c");
        insta::assert_snapshot!(refused(&["a=b\na=b"]), @"a stands twice in a");
        insta::assert_snapshot!(refused(&["a=b", "{\"a\":\"b\"}"]), @"a is given twice, by a and by b");
        insta::assert_snapshot!(refused(&["{\"k\":1,\"k\":1}"]), @"k stands twice in a");
        insta::assert_snapshot!(refused(&["{\"a/b~\":null}"]), @"/a~1b~0 in a is null: a label is text, a number, true or false");
        insta::assert_snapshot!(refused(&["{\"a\":[1]}"]), @"/a in a is an array: a label is text, a number, true or false");
        insta::assert_snapshot!(refused(&["{\"a\":{}}"]), @"/a in a is an object: a label is text, a number, true or false");
        insta::assert_snapshot!(refused(&["{\"\":1}"]), @"a label of a has an empty key");
        insta::assert_snapshot!(refused(&["{\"a\":1,}"]), @"a is no JSON object with labels: trailing comma at line 1 column 8");
        let mut metadata = Metadata::default();
        let error = metadata.take(b"a=b\n\xff=c", "a").unwrap_err();
        assert_eq!(error.to_string(), "line 2 of a is not UTF-8");
    }
}
