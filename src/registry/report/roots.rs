//! What keeps packages and objects: pins, holds and expiries; what is asked of them and what is answered.

use crate::env::Timestamp;
use crate::identity::ContentAddress;

/// A pin: an operator's named root. What it reaches stays until the pin is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// What it keeps.
    pub target: PinTarget,
    /// Why.
    pub reason: Option<String>,
    /// When it was set.
    pub created_at: Timestamp,
    /// Who set it.
    pub created_by: String,
    /// The event that set it.
    pub sequence: u64,
}

/// What a pin keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinTarget {
    /// A package, as `name@version`.
    Package(String),
    /// An object.
    Object(ContentAddress),
}

impl std::fmt::Display for PinTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(reference) => f.write_str(reference),
            Self::Object(address) => address.fmt(f),
        }
    }
}
