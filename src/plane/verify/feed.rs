//! What should be there, handed to the threads in shares: by the directory that it belongs in, or as it is listed.

use crossbeam_channel::{SendTimeoutError, Sender};

use super::super::ingest::BoxError;
use super::part::{Bounds, Part};
use super::{Outer, Scan, Shards, VerifyError};
use crate::disk::Listed;
use crate::identity::{Blake3, Digests};

/// How many objects are handed to a thread together where no directory says which belong together.
const OBJECTS_TOGETHER: usize = 64;

/// How many bytes are handed to a thread together where a scan may end at any time, unless one object has more: a
/// second's work, so that it ends about when it should.
const BYTES_TOGETHER: u64 = 64 << 20;

/// What a thread takes at a time.
pub(super) struct Share {
    /// The directories that may have something of it.
    pub(super) shards: Vec<Outer>,
    /// The keys that it is about.
    pub(super) bounds: Bounds,
    /// The objects that should be there, in ascending order of addresses.
    pub(super) expected: Vec<Digests>,
    /// Something beside the shards' directories.
    pub(super) strays: Vec<Listed>,
}

impl Share {
    const fn of(expected: Vec<Digests>) -> Self {
        Self { shards: Vec::new(), bounds: Bounds::ALL, expected, strays: Vec::new() }
    }

    fn strays(shards: &Shards) -> Self {
        Self { strays: shards.strays.clone(), ..Self::of(Vec::new()) }
    }
}

/// Hands out shares of what is expected, in order.
pub(super) struct Feed<'a, 'b> {
    scan: &'a Scan<'a>,
    give: Sender<Share>,
    expected: &'a mut (dyn Iterator<Item = Result<Digests, BoxError>> + 'b),
    /// The next expected object, where it is of a later share.
    ahead: Option<Digests>,
}

impl<'a, 'b> Feed<'a, 'b> {
    pub(super) fn new(
        scan: &'a Scan<'a>,
        give: Sender<Share>,
        expected: &'a mut (dyn Iterator<Item = Result<Digests, BoxError>> + 'b),
    ) -> Self {
        Self { scan, give, expected, ahead: None }
    }

    /// Hands out what begins with each byte, and the directory for it. Returns the last key.
    pub(super) fn by_shards(mut self, shards: &Shards) -> Result<Blake3, VerifyError> {
        self.give(Share::strays(shards))?;
        let mut outer = shards.outer.iter().peekable();
        for number in 0..=u8::MAX {
            let expected = self.while_true(|object, _| object.blake3.as_bytes()[0] <= number)?;
            let shards = outer.next_if(|outer| outer.number == number).cloned().into_iter().collect();
            self.give(Share { shards, ..Share::of(expected) })?;
        }
        Ok(Bounds::ALL.last)
    }

    /// Hands out what is expected in a part, in small shares, each with what stands between its keys. Returns the last
    /// key of the last share that was taken: everything up to it is looked at.
    pub(super) fn by_parts(mut self, shards: &Shards, part: &Part) -> Result<Blake3, VerifyError> {
        self.give(Share::strays(shards))?;
        let mut left = part.objects_max.unwrap_or(u64::MAX).max(1);
        // The first share is one object, and taken whatever the time.
        let (mut after, mut most, mut covered) = (part.after, 1, None);
        loop {
            let (limit, mut bytes) = (left.min(most), 0_u64);
            let expected = self.while_true(|object, taken| {
                let fits = taken == 0 || ((taken as u64) < limit && bytes < BYTES_TOGETHER);
                bytes = bytes.saturating_add(object.size_bytes);
                fits
            })?;
            let bounds = match expected.last() {
                Some(last) if self.has_more()? => Bounds { after, last: last.blake3 },
                Some(_) | None => Bounds::rest(after),
            };
            let meets = |outer: &&Outer| bounds.meets(&[outer.number]);
            let shards = shards.outer.iter().filter(meets).cloned().collect();
            left = left.saturating_sub(expected.len() as u64);
            let share = Share { shards, bounds, ..Share::of(expected) };
            match covered {
                None => self.give(share)?,
                Some(covered) if part.is_over() || !self.give_in_time(share, part)? => return Ok(covered),
                Some(_) => {}
            }
            if bounds.last == Bounds::ALL.last || left == 0 {
                return Ok(bounds.last);
            }
            (after, covered) = (Some(bounds.last), Some(bounds.last));
            most = (most * 2).min(OBJECTS_TOGETHER as u64);
        }
    }

    /// Hands out what is expected in its order, and no directory.
    pub(super) fn in_order(mut self) -> Result<(), VerifyError> {
        loop {
            let expected = self.while_true(|_, taken| taken < OBJECTS_TOGETHER)?;
            if expected.is_empty() {
                return Ok(());
            }
            self.give(Share::of(expected))?;
        }
    }

    /// Takes expected objects for as long as they, and how many are taken already, satisfy a condition.
    fn while_true(
        &mut self,
        mut fits: impl FnMut(&Digests, usize) -> bool,
    ) -> Result<Vec<Digests>, VerifyError> {
        let mut taken = Vec::new();
        loop {
            let next = match self.ahead.take() {
                Some(next) => next,
                None => match self.expected.next() {
                    Some(next) => next.map_err(VerifyError::Expected)?,
                    None => return Ok(taken),
                },
            };
            if !fits(&next, taken.len()) {
                self.ahead = Some(next);
                return Ok(taken);
            }
            taken.push(next);
        }
    }

    /// Returns whether anything more is expected.
    fn has_more(&mut self) -> Result<bool, VerifyError> {
        if self.ahead.is_none() {
            self.ahead = self.expected.next().transpose().map_err(VerifyError::Expected)?;
        }
        Ok(self.ahead.is_some())
    }

    /// Hands out a share if somebody takes it before the time is over.
    fn give_in_time(&self, share: Share, part: &Part) -> Result<bool, VerifyError> {
        let Some(until) = part.until else { return self.give(share).map(|()| true) };
        self.scan.go_on()?;
        match self.give.send_deadline(share, until) {
            Ok(()) => Ok(true),
            Err(SendTimeoutError::Timeout(_)) => Ok(false),
            Err(SendTimeoutError::Disconnected(_)) => Err(VerifyError::Cancelled),
        }
    }

    fn give(&self, share: Share) -> Result<(), VerifyError> {
        self.scan.go_on()?;
        // The readers leave only after a failure, which is noted elsewhere.
        self.give.send(share).map_err(|_| VerifyError::Cancelled)
    }
}
