//! `retain`: how long a package is wanted, and whether a hold stands on it. An expiry moves later, never earlier.

use std::cmp::Ordering;

use super::Registry;
use super::change::{Change, Payload};
use super::claim::{claim, gone};
use super::pin::pin_of;
use super::purged::refuse_purged_package;
use super::report::{HoldRequest, RetainReport, RetainRequest};
use super::resolve::reference;
use super::text::check_text;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{EventType, payload};
use crate::monitor::Void;
use crate::retention::{Claim, Expiry, Wanted, expires_at, wanted};
use crate::views::{PackageRow, pins, retention};

impl Registry {
    /// Changes how long a package is wanted: its class, its expiry, its hold. All of it or nothing; where
    /// everything is so already, no event is written.
    ///
    /// An open package takes a new class: its expiry begins when it is finalised.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::AllRemoved`], [`Error::Ambiguous`], [`Error::NoSuchClass`];
    /// [`Error::EarlierExpiry`]; [`Error::WrongState`] where an open package was to expire or a hold to be
    /// released that is not there; [`Error::HasPurged`] where bytes are gone that it would make live again.
    pub fn retain(&self, request: &RetainRequest) -> Result<RetainReport, Error> {
        check_text("reason", &request.reason)?;
        let RetainRequest { class, until, hold, .. } = request;
        if class.is_none() && until.is_none() && *hold == HoldRequest::Leave {
            return Err(Error::BadText { what: "request", problem: "changes nothing" });
        }
        let now = self.env.now();
        let mut change = Change::begin(self, &Void)?;
        let package = self.resolve(change.tx(), &request.reference)?;
        let pins = pins::on_package(change.tx(), package.number)?;
        let asked = Asked::of(&package, request, &retention::classes(change.tx())?)?;
        let before = claim(&package, !pins.is_empty());
        let after = asked.after(&before, !pins.is_empty());
        let revives = matches!(
            (wanted(&before, now), wanted(&after, now)),
            (Wanted::Gone(_), Wanted::Present | Wanted::Kept)
        );
        // To take the mark of a gc away makes it live by some clock, if not by this one.
        let unmarks = before.expiry == Expiry::Taken && after.expiry != Expiry::Taken;
        if revives || unmarks {
            refuse_purged_package(change.tx(), &package)?;
        }
        let mut sequence = None;
        if asked != Asked::default() {
            let Asked { class, expires_at, hold } = asked;
            let payload = payload::retention_changed(class, expires_at, hold, &request.reason);
            let subject = package.id.to_string();
            sequence =
                Some(change.append(EventType::RetentionChanged, &subject, &Payload::inline(payload))?);
        }
        let tx = change.tx();
        let pins = pins.into_iter().map(|pin| pin_of(tx, pin)).collect::<Result<_, _>>()?;
        let package = self.summary_by_number(tx, package.number)?;
        change.commit()?;
        Ok(RetainReport { package, sequence, gone: gone(&after, now), pins })
    }
}

/// What is to change, and nothing that is so already: what the event says. The inner `None` of an expiry is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked<'a> {
    class: Option<&'a str>,
    expires_at: Option<Option<Timestamp>>,
    hold: Option<bool>,
}

impl<'a> Asked<'a> {
    /// Finds out what a request means for a package, given the classes there are.
    fn of(
        package: &PackageRow,
        request: &'a RetainRequest,
        classes: &[(String, Option<u64>)],
    ) -> Result<Self, Error> {
        let wrong = |state| Error::WrongState { reference: reference(package), state };
        let mut class = None;
        if let Some(wanted) = request.class.as_deref() {
            let Some((_, duration)) = classes.iter().find(|(name, _)| name == wanted) else {
                let known = classes.iter().map(|(name, _)| name.clone()).collect();
                return Err(Error::NoSuchClass { class: wanted.to_owned(), known });
            };
            class = (wanted != package.class).then_some((wanted, *duration));
        }
        let expires_at = match package.finalized_at {
            Some(finalized_at) => {
                let by_class = class.map(|(_, duration)| expires_at(finalized_at, duration));
                moved(package.expires_at, by_class, request.until).map_err(|asked| Error::EarlierExpiry {
                    reference: reference(package),
                    now: spelled(package.expires_at),
                    asked: spelled(asked),
                })?
            }
            None if request.until.is_some() => return Err(wrong("open")),
            None => None,
        };
        let hold = match request.hold {
            HoldRequest::Leave => None,
            HoldRequest::Set => Some(true),
            HoldRequest::Release if package.hold => Some(false),
            HoldRequest::Release => return Err(wrong("not held")),
        };
        Ok(Self { class: class.map(|(name, _)| name), expires_at, hold })
    }

    /// Returns what bears on the package once this has happened.
    fn after(&self, before: &Claim, pinned: bool) -> Claim {
        let expiry = self.expires_at.map(|instant| instant.map_or(Expiry::Never, Expiry::At));
        Claim {
            expiry: expiry.unwrap_or(before.expiry),
            kept: self.hold.map_or(before.kept, |hold| hold || pinned),
            ..*before
        }
    }
}

/// Decides where an expiry moves to, if it moves: to the later of what the new class says and of what was asked
/// for by name. `None` as an instant is never.
///
/// # Errors
/// The instant that was asked for, where it is earlier than the present one.
fn moved(
    present: Option<Timestamp>,
    by_class: Option<Option<Timestamp>>,
    until: Option<Timestamp>,
) -> Result<Option<Option<Timestamp>>, Option<Timestamp>> {
    // Never is later than all.
    let late = |expiry: Option<Timestamp>| (expiry.is_none(), expiry);
    let Some(asked) = by_class.into_iter().chain(until.map(Some)).max_by_key(|&expiry| late(expiry)) else {
        return Ok(None);
    };
    match late(asked).cmp(&late(present)) {
        Ordering::Less => Err(asked),
        Ordering::Equal => Ok(None),
        Ordering::Greater => Ok(Some(asked)),
    }
}

fn spelled(expiry: Option<Timestamp>) -> String {
    expiry.map_or_else(|| "never".to_owned(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Option<Timestamp> = None;

    const fn at(micros: i64) -> Option<Timestamp> {
        Some(Timestamp::from_micros(micros))
    }

    #[test]
    fn an_expiry_moves_later_or_not_at_all() {
        for (present, by_class, until, expected) in [
            (at(5), None, None, Ok(None)),
            (at(5), None, at(6), Ok(Some(at(6)))),
            (at(5), None, at(5), Ok(None)),
            (at(5), None, at(4), Err(at(4))),
            (at(5), Some(at(6)), None, Ok(Some(at(6)))),
            (at(5), Some(at(4)), None, Err(at(4))),
            (at(5), Some(NEVER), None, Ok(Some(NEVER))),
            // Of both the later counts.
            (at(5), Some(at(4)), at(6), Ok(Some(at(6)))),
            (at(5), Some(at(7)), at(6), Ok(Some(at(7)))),
            (at(5), Some(at(4)), at(5), Ok(None)),
            (at(5), Some(at(3)), at(4), Err(at(4))),
            (at(5), Some(NEVER), at(6), Ok(Some(NEVER))),
            // Nothing is later than never.
            (NEVER, None, at(i64::MAX), Err(at(i64::MAX))),
            (NEVER, Some(at(6)), None, Err(at(6))),
            (NEVER, Some(NEVER), at(6), Ok(None)),
        ] {
            assert_eq!(moved(present, by_class, until), expected, "{present:?} {by_class:?} {until:?}");
        }
    }

    #[test]
    fn a_released_package_is_kept_by_its_pins_alone() {
        let held = Claim { removed: true, kept: true, ..Claim::default() };
        let release = Asked { hold: Some(false), ..Asked::default() };
        assert!(!release.after(&held, false).kept);
        assert!(release.after(&held, true).kept);
        let later = Asked { expires_at: Some(at(9)), ..Asked::default() };
        let taken = Claim { finalized: true, expiry: Expiry::Taken, ..Claim::default() };
        assert_eq!(later.after(&taken, false).expiry, Expiry::At(Timestamp::from_micros(9)));
        assert_eq!(release.after(&taken, false).expiry, Expiry::Taken, "the expiry does not move");
    }
}
