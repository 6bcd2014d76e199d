//! What keeps packages and objects, pins and holds: part of several documents.

use astore::registry::report as r;
use serde::Serialize;

/// A pin.
#[derive(Serialize)]
pub(super) struct PinText {
    name: String,
    package: Option<String>,
    object: Option<String>,
    reason: Option<String>,
    created_at: String,
    created_by: String,
    sequence: u64,
}

impl PinText {
    pub(super) fn of(pin: &r::Pin) -> Self {
        let (package, object) = match &pin.target {
            r::PinTarget::Package(reference) => (Some(reference.clone()), None),
            r::PinTarget::Object(address) => (None, Some(address.to_string())),
        };
        Self {
            name: pin.name.clone(),
            package,
            object,
            reason: pin.reason.clone(),
            created_at: pin.created_at.to_string(),
            created_by: pin.created_by.clone(),
            sequence: pin.sequence,
        }
    }
}

/// What keeps bytes of a package that was removed.
#[derive(Serialize)]
pub(super) struct RootText {
    package: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    reason: Option<String>,
}

impl RootText {
    pub(super) fn of(root: &r::Root) -> Self {
        let package = root.package.clone();
        match &root.by {
            r::RootKind::Pin(pin) => {
                let PinText { name, object, reason, .. } = PinText::of(pin);
                Self { package, by: "pin", pin: Some(name), object, reason }
            }
            r::RootKind::Hold { reason } => {
                Self { package, by: "hold", pin: None, object: None, reason: Some(reason.clone()) }
            }
        }
    }
}

/// Returns the names of the pins among some roots.
pub(super) fn pin_names(roots: &[r::Root]) -> Vec<String> {
    let name = |root: &r::Root| match &root.by {
        r::RootKind::Pin(pin) => Some(pin.name.clone()),
        r::RootKind::Hold { .. } => None,
    };
    let mut names: Vec<String> = roots.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}
