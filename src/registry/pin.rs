//! `pin`, `unpin`, `pins`: an operator's named roots. No byte moves.

use super::Registry;
use super::change::{Change, Payload};
use super::claim::{claim, gone};
use super::purged::refuse_purged_package;
use super::report::{Pin, PinRequest, PinRow, PinTarget, Root, RootKind, UnpinReport};
use super::resolve::reference;
use super::text::check_text;
use crate::db::ReadTx;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{self, ChainFault, EventType, payload};
use crate::identity::ContentAddress;
use crate::manifest::PackageName;
use crate::monitor::Void;
use crate::views::pins::{self, PinRecord, Target};
use crate::views::{ObjectRecord, PackageRow, objects, packages};

impl Registry {
    /// Sets a pin: what it reaches stays, whatever becomes of the package, until the pin is taken away.
    ///
    /// # Errors
    /// [`Error::BadText`] where the name has not the form of a package's, [`Error::PinTaken`],
    /// [`Error::NoSuchPackage`], [`Error::NoSuchObject`] and the ambiguous ones; [`Error::Purged`] and
    /// [`Error::HasPurged`] where bytes that it would keep are gone.
    pub fn pin(&self, name: &str, target: &PinRequest, reason: Option<&str>) -> Result<PinRow, Error> {
        if name.parse::<PackageName>().is_err() {
            return Err(Error::BadText {
                what: "name of the pin",
                problem: "is not of the form of a package's",
            });
        }
        reason.map_or(Ok(()), |reason| check_text("reason", reason))?;
        let now = self.env.now();
        let mut change = Change::begin(self, &Void)?;
        if let Some(taken) = pins::by_name(change.tx(), name)? {
            let target = pin_of(change.tx(), taken)?.target.to_string();
            return Err(Error::PinTaken { name: name.to_owned(), target });
        }
        let target = match target {
            PinRequest::Package(reference) => {
                let package = self.resolve(change.tx(), reference)?;
                refuse_purged_package(change.tx(), &package)?;
                events::PinTarget::Package(package.id)
            }
            PinRequest::Object(prefix) => {
                let object = self.resolve_object(change.tx(), prefix)?;
                self.refuse_purged(change.tx(), &object)?;
                events::PinTarget::Object(object.digests.blake3)
            }
        };
        change.append(
            EventType::PinAdded,
            name,
            &Payload::inline(payload::pin_added(name, target, reason)),
        )?;
        let row = row(change.tx(), record(change.tx(), name)?, now)?;
        change.commit()?;
        Ok(row)
    }

    /// Takes a pin away. Bytes go by a confirmed gc alone.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`].
    pub fn unpin(&self, name: &str, reason: Option<&str>) -> Result<UnpinReport, Error> {
        reason.map_or(Ok(()), |reason| check_text("reason", reason))?;
        let now = self.env.now();
        let mut change = Change::begin(self, &Void)?;
        let tx = change.tx();
        let pin = record(tx, name)?;
        let (beside, hold) = match pin.target {
            Target::Package(number) => {
                (pins::on_package(tx, number)?, package_of(tx, &pin, number)?.hold_reason)
            }
            Target::Object(number) => (pins::on_object(tx, number)?, None),
        };
        let others = beside.into_iter().filter(|pin| pin.name != name);
        let others = others.map(|pin| pin_of(tx, pin)).collect::<Result<_, _>>()?;
        let row = row(tx, pin, now)?;
        let payload = Payload::inline(payload::pin_removed(name, reason));
        let sequence = change.append(EventType::PinRemoved, name, &payload)?;
        change.commit()?;
        Ok(UnpinReport { row, sequence, others, hold })
    }

    /// Lists the pins by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn pins(&self) -> Result<Vec<PinRow>, Error> {
        let now = self.env.now();
        let tx = self.db.read()?;
        pins::all(&tx)?.into_iter().map(|pin| row(&tx, pin, now)).collect()
    }
}

/// Returns the pins and holds that keep bytes of a package.
pub(super) fn roots_of(tx: &ReadTx<'_>, package: &PackageRow) -> Result<Vec<Root>, Error> {
    let root = |by| Root { package: reference(package), by };
    let mut roots = Vec::new();
    for pin in pins_touching(tx, package)? {
        roots.push(root(RootKind::Pin(pin)));
    }
    if let Some(reason) = &package.hold_reason {
        roots.push(root(RootKind::Hold { reason: reason.clone() }));
    }
    Ok(roots)
}

/// Returns the pins on a package and on objects of it, by name.
pub(super) fn pins_touching(tx: &ReadTx<'_>, package: &PackageRow) -> Result<Vec<Pin>, Error> {
    pins::touching(tx, package.number, package.tree)?.into_iter().map(|pin| pin_of(tx, pin)).collect()
}

/// Tells of a pin.
pub(super) fn pin_of(tx: &ReadTx<'_>, pin: PinRecord) -> Result<Pin, Error> {
    let target = match pin.target {
        Target::Package(number) => PinTarget::Package(reference(&package_of(tx, &pin, number)?)),
        Target::Object(number) => {
            PinTarget::Object(ContentAddress::new(object_of(tx, &pin, number)?.digests.blake3))
        }
    };
    Ok(pinned(pin, target))
}

/// Makes a pin of its row and of what that is called which it is on.
pub(super) fn pinned(pin: PinRecord, target: PinTarget) -> Pin {
    Pin {
        name: pin.name,
        target,
        reason: pin.reason,
        created_at: pin.created_at,
        created_by: pin.actor,
        sequence: pin.added_sequence,
    }
}

fn record(tx: &ReadTx<'_>, name: &str) -> Result<PinRecord, Error> {
    pins::by_name(tx, name)?.ok_or_else(|| Error::NoSuchPin { name: name.to_owned() })
}

fn row(tx: &ReadTx<'_>, pin: PinRecord, now: Timestamp) -> Result<PinRow, Error> {
    Ok(match pin.target {
        Target::Package(number) => {
            let package = package_of(tx, &pin, number)?;
            PinRow {
                pin: pinned(pin, PinTarget::Package(reference(&package))),
                objects: package.totals.objects,
                bytes: package.totals.object_bytes,
                gone: gone(&claim(&package, true), now),
            }
        }
        Target::Object(number) => {
            let digests = object_of(tx, &pin, number)?.digests;
            PinRow {
                pin: pinned(pin, PinTarget::Object(digests.address())),
                objects: 1,
                bytes: digests.size_bytes,
                gone: None,
            }
        }
    })
}

/// Returns the package that a pin is on: the event that set the pin had it.
fn package_of(tx: &ReadTx<'_>, pin: &PinRecord, number: i64) -> Result<PackageRow, Error> {
    Ok(packages::by_number(tx, number)?.ok_or_else(|| targetless(pin))?)
}

/// Returns the object that a pin is on.
fn object_of(tx: &ReadTx<'_>, pin: &PinRecord, number: i64) -> Result<ObjectRecord, Error> {
    Ok(objects::by_number(tx, number)?.ok_or_else(|| targetless(pin))?)
}

const fn targetless(pin: &PinRecord) -> ChainFault {
    ChainFault { sequence: pin.added_sequence, what: "what it is to have pinned is not there" }
}
