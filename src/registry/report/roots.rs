//! What keeps packages and objects: pins, holds and expiries; what is asked of them and what is answered.

use super::{PackageSummary, Reference};
use crate::env::Timestamp;
use crate::identity::{AddressPrefix, ContentAddress};
use crate::retention::Reason;

/// What a pin is asked to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinRequest {
    /// A package, removed or not: all of its objects.
    Package(Reference),
    /// An object.
    Object(AddressPrefix),
}

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

/// A pin and what it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRow {
    /// The pin.
    pub pin: Pin,
    /// How many distinct objects it reaches.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Why its package keeps nothing by itself: [`Reason::Removed`] or [`Reason::Expired`]. `None` where the
    /// package is there, and for an object.
    pub gone: Option<Reason>,
}

/// What `unpin` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpinReport {
    /// The pin that was taken away.
    pub row: PinRow,
    /// The event that took it away.
    pub sequence: u64,
    /// The other pins on the same package or object.
    pub others: Vec<Pin>,
    /// The reason of the hold on its package, where there is one.
    pub hold: Option<String>,
}

/// What keeps bytes of a package, whatever becomes of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The package, as `name@version`.
    pub package: String,
    /// What keeps them.
    pub by: RootKind,
}

/// A pin or a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// A pin, on the package or on one of its objects.
    Pin(Pin),
    /// The hold on the package.
    Hold {
        /// Why.
        reason: String,
    },
}

/// How long a package is wanted from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainRequest {
    /// The package, removed or not.
    pub reference: Reference,
    /// The new class. A finalised package then expires when the class says, counted from its finalisation.
    pub class: Option<String>,
    /// When it is to expire. Of this and what the class says, the later counts.
    pub until: Option<Timestamp>,
    /// What becomes of the hold.
    pub hold: HoldRequest,
    /// Why.
    pub reason: String,
}

impl RetainRequest {
    /// Asks for nothing yet but gives the reason: fill in what is to change.
    pub fn new(reference: Reference, reason: impl Into<String>) -> Self {
        Self { reference, class: None, until: None, hold: HoldRequest::Leave, reason: reason.into() }
    }
}

/// What becomes of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HoldRequest {
    /// It stays as it is.
    #[default]
    Leave,
    /// It is set; where one stands already, it gets the new reason.
    Set,
    /// It is taken away.
    Release,
}

/// What `retain` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainReport {
    /// The package as it is now.
    pub package: PackageSummary,
    /// The event, or `None` where everything was so already.
    pub sequence: Option<u64>,
    /// Why the package keeps nothing by itself, where that is so: [`Reason::Removed`] or [`Reason::Expired`].
    pub gone: Option<Reason>,
    /// The pins on the package.
    pub pins: Vec<Pin>,
}
