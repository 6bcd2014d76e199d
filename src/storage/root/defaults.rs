//! The table `[defaults]` of `astore.toml`: what options are to be where nobody says.
//!
//! It is for whoever works on the store at a prompt or in a script. Nothing in the library looks at it: what a store
//! is and who may open it does not depend on it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{StorageError, described, read_bytes, text_of};
use crate::disk::RealDisk;
use crate::storage::error::{Action, Doing as _};

/// What means something at the top of the file.
const TOP: [&str; 4] = ["format", "store_id", "created_at", "defaults"];

/// What stands under `defaults`, as far as an option could be meant by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A table, by its keys.
    Table(BTreeMap<String, Self>),
    /// Something else, in one word of TOML's: `float`, `boolean`, `datetime`, `array`.
    Other(&'static str),
}

impl DefaultValue {
    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(text.clone()),
            toml::Value::Integer(number) => Self::Integer(*number),
            toml::Value::Table(table) => {
                Self::Table(table.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect())
            }
            toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_) => Self::Other(value.type_str()),
        }
    }
}

/// What stands under `defaults` in an `astore.toml`, `None` where nothing does, and what stands at its top that means
/// nothing, by its keys.
pub type Stood = (Option<DefaultValue>, BTreeMap<String, DefaultValue>);

/// Reads what stands in the `astore.toml` of a root beside the store's description; `None` where there is no such file.
///
/// # Errors
/// As [`super::read_config`]: the format is looked at before anything else.
pub fn read_defaults(root: &Path) -> Result<Option<Stood>, StorageError> {
    let disk = RealDisk::open(root).doing(Action::Open, root)?;
    let Some(bytes) = read_bytes(&disk)? else { return Ok(None) };
    let table = described(text_of(&bytes)?)?;
    let others = table.iter().filter(|(key, _)| !TOP.contains(&key.as_str()));
    let others = others.map(|(key, value)| (key.clone(), DefaultValue::of(value))).collect();
    Ok(Some((table.get("defaults").map(DefaultValue::of), others)))
}
