//! What lets things go, and what keeps them.

use astore::env::Timestamp;
use astore::error::Error;
use astore::registry::report::{HoldRequest, PinRequest, RetainRequest};

use super::model::{Package, Target, duration_of};
use super::run::Run;
use super::steps::{Hold, PINS, address_of, named};
use crate::support::store::reference;

impl Run<'_> {
    /// Chooses one of the packages there are.
    pub(super) fn nth(&self, nth: usize) -> Option<usize> {
        nth.checked_rem(self.model.packages.len())
    }

    pub(super) fn remove(&mut self, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let outcome = self.registry().remove(&[reference(&package.reference())], "because");
        assert_eq!(outcome.is_ok(), !package.removed, "{outcome:?}");
        if outcome.is_ok() {
            let now = self.model.event(self.now());
            let package = &mut self.model.packages[nth];
            package.removed = true;
            package.changed = now;
        }
    }

    pub(super) fn restore(&mut self, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let outcome = self.registry().restore(&reference(&package.reference()));
        match (package.removed, self.model.lacks(nth)) {
            (false, _) => assert!(matches!(outcome, Err(Error::WrongState { .. })), "{outcome:?}"),
            (true, true) => {
                assert!(matches!(outcome, Err(Error::HasPurged { .. })), "{outcome:?}");
                self.ground.saw("restore refused");
            }
            (true, false) => {
                outcome.unwrap();
                self.ground.saw("restored");
                let now = self.model.event(self.now());
                let package = &mut self.model.packages[nth];
                package.removed = false;
                package.changed = now;
            }
        }
    }

    pub(super) fn pin_package(&mut self, pin: usize, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let target = PinRequest::Package(reference(&package.reference()));
        let outcome = self.registry().pin(PINS[pin], &target, Some("kept")).map(drop);
        let lacks = self.model.lacks(nth);
        self.pinned(pin, Target::Package(nth), lacks, outcome);
    }

    pub(super) fn pin_object(&mut self, pin: usize, content: usize) {
        let address = address_of(content);
        let target = PinRequest::Object(named(&address).to_string().parse().unwrap());
        let outcome = self.registry().pin(PINS[pin], &target, None).map(drop);
        if !self.model.named.contains_key(&address) {
            assert!(
                matches!(outcome, Err(Error::NoSuchObject { .. } | Error::PinTaken { .. })),
                "{outcome:?}"
            );
            return;
        }
        let lacks = self.model.is_purged(&address);
        self.pinned(pin, Target::Object(address), lacks, outcome);
    }

    pub(super) fn pinned(&mut self, pin: usize, target: Target, lacks: bool, outcome: Result<(), Error>) {
        if self.model.pins.contains_key(PINS[pin]) {
            assert!(matches!(outcome, Err(Error::PinTaken { .. })), "{outcome:?}");
        } else if lacks {
            assert!(matches!(outcome, Err(Error::HasPurged { .. } | Error::Purged { .. })), "{outcome:?}");
            self.ground.saw("pin refused");
        } else {
            outcome.unwrap();
            self.model.event(self.now());
            self.model.pins.insert(PINS[pin].to_owned(), target);
        }
    }

    pub(super) fn unpin(&mut self, pin: usize) {
        let outcome = self.registry().unpin(PINS[pin], None);
        let Some(target) = self.model.pins.remove(PINS[pin]) else {
            assert!(matches!(outcome, Err(Error::NoSuchPin { .. })), "{outcome:?}");
            return;
        };
        outcome.unwrap();
        let now = self.model.event(self.now());
        match target {
            Target::Package(package) => self.model.packages[package].changed = now,
            Target::Object(address) => self.model.let_go(&address, now),
        }
    }

    pub(super) fn retain(&mut self, nth: usize, class: Option<&'static str>, until: Option<i64>, hold: Hold) {
        let now = self.now();
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let until = until.map(|until| now + until);
        let request = RetainRequest {
            reference: reference(&package.reference()),
            class: class.map(str::to_owned),
            until: until.map(Timestamp::from_micros),
            hold: match hold {
                Hold::Leave => HoldRequest::Leave,
                Hold::Set => HoldRequest::Set,
                Hold::Release => HoldRequest::Release,
            },
            reason: "asked".to_owned(),
        };
        let outcome = self.registry().retain(&request);

        let new_class = class.filter(|class| *class != package.class);
        let mut after = package.clone();
        let mut wrong = hold == Hold::Release && !package.hold;
        wrong |= class.is_none() && until.is_none() && hold == Hold::Leave;
        // Never is the latest of all.
        let late = |expiry: Option<i64>| expiry.unwrap_or(i64::MAX);
        let mut earlier = false;
        match package.finalized_at {
            None => wrong |= until.is_some(),
            Some(finalized_at) => {
                let by_class = new_class.map(|class| duration_of(class).map(|length| finalized_at + length));
                let asked = by_class.into_iter().chain(until.map(Some)).max_by_key(|expiry| late(*expiry));
                if let Some(asked) = asked {
                    earlier = late(asked) < late(package.expires_at);
                    if late(asked) > late(package.expires_at) {
                        after.expires_at = asked;
                        after.taken = false;
                    }
                }
            }
        }
        after.class = new_class.unwrap_or(package.class);
        after.hold = (package.hold || hold == Hold::Set) && hold != Hold::Release;
        let pinned = self.model.pins.values().any(|target| *target == Target::Package(nth));
        let keeps = |package: &Package| package.is_there(now) || package.hold || pinned;
        let revives = !keeps(package) && keeps(&after) || package.taken && !after.taken;
        let refused = revives && self.model.lacks(nth);
        let changes = hold != Hold::Leave || new_class.is_some() || after.expires_at != package.expires_at;
        match &outcome {
            Err(Error::EarlierExpiry { .. }) => {
                assert!(earlier, "{request:?} of {package:?}");
                self.ground.saw("an earlier expiry refused");
            }
            Err(Error::HasPurged { .. }) => {
                assert!(refused, "{request:?} of {package:?}");
                self.ground.saw("retain refused");
            }
            Err(Error::WrongState { .. } | Error::BadText { .. }) => {
                assert!(wrong, "{request:?} of {package:?}");
            }
            Err(error) => panic!("{error:?}: {request:?} of {package:?}"),
            Ok(report) => {
                assert!(!wrong && !earlier && !refused, "{request:?} of {package:?}: {report:?}");
                assert_eq!(report.sequence.is_some(), changes, "{request:?} of {package:?}");
                if changes {
                    after.changed = self.model.event(now);
                    self.model.packages[nth] = after;
                }
            }
        }
    }
}
