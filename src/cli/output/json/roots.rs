//! The documents of `pin`, `unpin`, `pins` and `retain`.

use astore::registry::report as r;
use serde::Serialize;

use super::packages::Package;
use super::pins::PinText;

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
