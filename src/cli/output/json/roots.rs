//! Documents about what keeps packages and objects.

use astore::registry::report as r;
use serde::Serialize;

use super::packages::Package;

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

/// A pin and what it is on.
#[derive(Serialize)]
struct PinOn {
    #[serde(flatten)]
    pin: PinText,
    objects: u64,
    bytes: u64,
    gone: Option<&'static str>,
}

impl PinOn {
    fn of(row: &r::PinRow) -> Self {
        Self {
            pin: PinText::of(&row.pin),
            objects: row.objects,
            bytes: row.bytes,
            gone: row.gone.map(r::Reason::name),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct OnePin {
    pin: PinOn,
}

impl OnePin {
    pub(crate) fn of(row: &r::PinRow) -> Self {
        Self { pin: PinOn::of(row) }
    }
}

#[derive(Serialize)]
pub(crate) struct Unpin {
    pin: PinOn,
    sequence: u64,
    still_pinned_by: Vec<String>,
    hold_reason: Option<String>,
}

impl Unpin {
    pub(crate) fn of(report: &r::UnpinReport) -> Self {
        Self {
            pin: PinOn::of(&report.row),
            sequence: report.sequence,
            still_pinned_by: report.others.iter().map(|pin| pin.name.clone()).collect(),
            hold_reason: report.hold.clone(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Pins {
    pins: Vec<PinOn>,
}

impl Pins {
    pub(crate) fn of(pins: &[r::PinRow]) -> Self {
        Self { pins: pins.iter().map(PinOn::of).collect() }
    }
}

#[derive(Serialize)]
pub(crate) struct Retain {
    package: Package,
    sequence: Option<u64>,
    gone: Option<&'static str>,
    pinned_by: Vec<String>,
}

impl Retain {
    pub(crate) fn of(report: &r::RetainReport) -> Self {
        Self {
            package: Package::of(&report.package),
            sequence: report.sequence,
            gone: report.gone.map(r::Reason::name),
            pinned_by: report.pins.iter().map(|pin| pin.name.clone()).collect(),
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
