//! What should be there, handed to the threads in shares: by the directory that it belongs in, or as it is listed.

use std::ffi::OsString;

use crossbeam_channel::Sender;

use super::super::ingest::BoxError;
use super::{Scan, Shards, VerifyError};
use crate::disk::Listed;
use crate::identity::Digests;

/// How many objects are handed to a thread together where no directory says which belong together.
const OBJECTS_TOGETHER: usize = 64;

/// What a thread takes at a time.
#[derive(Default)]
pub(super) struct Share {
    /// The directory of the shard, if there is one.
    pub(super) shard: Option<OsString>,
    /// The objects that should be there, in ascending order of addresses.
    pub(super) expected: Vec<Digests>,
    /// Something beside the shards' directories.
    pub(super) strays: Vec<Listed>,
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

    /// Hands out what begins with each byte, and the directory for it.
    pub(super) fn by_shards(mut self, shards: &Shards) -> Result<(), VerifyError> {
        self.give(Share { strays: shards.strays.clone(), ..Share::default() })?;
        for (number, shard) in shards.names.iter().enumerate() {
            let expected = self.while_true(|object, _| usize::from(object.blake3.as_bytes()[0]) <= number)?;
            self.give(Share { shard: shard.clone(), expected, strays: Vec::new() })?;
        }
        Ok(())
    }

    /// Hands out what is expected in its order, and no directory.
    pub(super) fn in_order(mut self) -> Result<(), VerifyError> {
        loop {
            let expected = self.while_true(|_, taken| taken < OBJECTS_TOGETHER)?;
            if expected.is_empty() {
                return Ok(());
            }
            self.give(Share { expected, ..Share::default() })?;
        }
    }

    /// Takes expected objects for as long as they, and how many are taken already, satisfy a condition.
    fn while_true(&mut self, fits: impl Fn(&Digests, usize) -> bool) -> Result<Vec<Digests>, VerifyError> {
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

    fn give(&self, share: Share) -> Result<(), VerifyError> {
        self.scan.go_on()?;
        // The readers leave only after a failure, which is noted elsewhere.
        self.give.send(share).map_err(|_| VerifyError::Cancelled)
    }
}
