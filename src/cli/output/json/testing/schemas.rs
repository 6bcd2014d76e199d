//! The files under `schemas/`, held against documents. Part of the tests of the binary, and of those that run it.
//!
//! Each schema lets unknown fields pass, since a later build may add some. What this build writes has to be described,
//! so here each is tried a second time, closed.

use std::collections::BTreeMap;
use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

/// All schemas of the repository, by the name that documents carry.
pub(crate) struct Schemas(BTreeMap<String, Schema>);

struct Schema {
    text: Value,
    open: Validator,
    closed: Validator,
}

impl Schemas {
    /// Reads them.
    pub(crate) fn load() -> Self {
        let directory = format!("{}/schemas", env!("CARGO_MANIFEST_DIR"));
        let mut schemas = BTreeMap::new();
        for entry in fs::read_dir(&directory).expect("schemas/") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("text");
            let text: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = text["properties"]["schema"]["const"].as_str().expect("a name").to_owned();
            let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
            assert_eq!(file, file_of(&name), "a file is called after its schema");
            jsonschema::meta::validate(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut closed = text.clone();
            close(&mut closed);
            let compile = |schema: &Value| {
                jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{file}: {error}"))
            };
            let (open, closed) = (compile(&text), compile(&closed));
            schemas.insert(name, Schema { text, open, closed });
        }
        Self(schemas)
    }

    /// Returns the names that documents carry.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the parts of schemas that have a name of their own, each with the schema that it is from.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, &String, &Value)> {
        self.0.iter().flat_map(|(name, schema)| {
            let parts = schema.text["$defs"].as_object();
            parts.into_iter().flatten().map(move |(part, text)| (name.as_str(), part, text))
        })
    }

    /// Holds a document against the schema that it names, and returns that name.
    ///
    /// # Errors
    /// What does not fit, or which field is not described.
    pub(crate) fn check(&self, document: &Value) -> Result<&str, String> {
        let name = document["schema"].as_str().ok_or_else(|| format!("no schema is named: {document}"))?;
        let (name, schema) = self.0.get_key_value(name).ok_or_else(|| format!("no file for {name}"))?;
        for (validator, what) in [(&schema.open, "does not fit"), (&schema.closed, "is not described")] {
            let wrong: Vec<String> = validator
                .iter_errors(document)
                .map(|error| format!("{} at {}", error, error.instance_path()))
                .collect();
            if !wrong.is_empty() {
                return Err(format!("{name} {what}: {}\n{document:#}", wrong.join("\n")));
            }
        }
        Ok(name)
    }
}

/// Returns the file that a schema stands in: `astore/add/v1` in `add.v1.schema.json`.
pub(crate) fn file_of(name: &str) -> String {
    let name = name.strip_prefix("astore/").unwrap_or(name);
    format!("{}.schema.json", name.replace('/', "."))
}

/// Lets no field pass that a schema does not describe.
fn close(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    let describes = schema.get("type") == Some(&json!("object")) && schema.contains_key("properties");
    if describes && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(parts)) => parts.values_mut().for_each(close),
            ("oneOf" | "prefixItems", Value::Array(parts)) => parts.iter_mut().for_each(close),
            ("items", part) => close(part),
            _ => {}
        }
    }
}
