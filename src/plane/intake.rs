//! What was read goes into the store, where the store lacks it: copied, shared, or not at all.

use std::io::Read;
use std::os::fd::BorrowedFd;

use super::hand::{Hand, Trouble};
use super::ingest::{Healed, HealedFault, IngestError, Standing, Taking, Unreadable};
use super::stream::stream;
use crate::identity::Digests;
use crate::monitor::Counter;
use crate::storage::staging::OBJECT_MODE;
use crate::storage::{Backend as _, Staged, StorageError};

/// Content that was read.
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    Staged(Option<Staged>),
}

/// How the store stood to content that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It has it, or is getting it for the first time.
    Sound,
    /// The log says that it has it, and the file is missing or wrong; or was, when this add began to write it.
    Healing,
}

impl Hand<'_> {
    /// Reads long content, into a file in flight where there is a store. `whole` is the file that it is all of.
    pub(super) fn stream(
        &mut self,
        input: &mut dyn Read,
        whole: Option<BorrowedFd<'_>>,
        head: &[u8],
    ) -> Result<(Digests, Option<Staged>), Trouble> {
        self.make_room()?;
        let mut staged = match &self.run.store {
            Some(store) => Some(store.staging.stage()?),
            None => None,
        };
        let run = self.run;
        let each = |bytes| {
            if bytes > 0 {
                run.context.monitor.count(Counter::BytesHashed, bytes);
            }
            run.go_on()
        };
        let shares_blocks = match (&mut staged, whole) {
            (Some(staged), Some(whole)) => staged.reflink(whole)?,
            (Some(_) | None, _) => false,
        };
        if self.run.options.taking == Taking::Reflink && self.run.store.is_some() && !shares_blocks {
            return Err(Trouble::Unreadable(Unreadable::NoReflink));
        }
        let digests = match &staged {
            // What is hashed is what is stored: the copy, whose blocks nobody can change any more, and not the
            // file, which may change at any moment.
            Some(copy) if shares_blocks => stream(&mut copy.reader(), head, None, &each)?,
            Some(_) | None => stream(input, head, staged.as_mut(), &each)?,
        };
        Ok((digests, staged))
    }

    /// Gives the store what it lacks.
    pub(super) fn accept(&mut self, digests: Digests, content: Content<'_>) -> Result<Accepted, IngestError> {
        let Some(store) = &self.run.store else { return Ok(Accepted::Sound) };
        let address = digests.address();
        if store.staging.holds(&address) {
            self.haul.objects_known += 1;
            // Another file with the same bytes was first: should this add fail, the log is as wrong for both.
            let is_healing = self.run.is_healing(&address);
            return Ok(if is_healing { Accepted::Healing } else { Accepted::Sound });
        }
        let fault = match store.known.standing(&address).map_err(IngestError::Known)? {
            Standing::Unknown | Standing::Purged => None,
            Standing::Damaged => Some(HealedFault::Damaged),
            Standing::Stored => match store.local.head(&address) {
                Ok(Some(found)) if found.size_bytes != digests.size_bytes => Some(HealedFault::Truncated),
                Ok(Some(found)) if found.mode.is_some_and(|mode| mode != OBJECT_MODE) => {
                    Some(HealedFault::WrongMode)
                }
                Ok(Some(_)) => {
                    self.haul.objects_known += 1;
                    return Ok(Accepted::Sound);
                }
                Ok(None) => Some(HealedFault::Missing),
                Err(StorageError::NotAFile { .. }) => Some(HealedFault::Damaged),
                Err(error) => return Err(error.into()),
            },
        };
        if fault.is_some() {
            self.run.begin_healing(address);
        }
        let kept = match content {
            Content::Bytes(bytes) => {
                self.make_room()?;
                store.staging.put_bytes(bytes, digests)?
            }
            Content::Staged(Some(staged)) => store.staging.keep(staged, digests)?,
            Content::Staged(None) => false,
        };
        if kept {
            self.haul.objects_new += 1;
            self.haul.bytes_new += digests.size_bytes;
            self.haul.healed.extend(fault.map(|fault| Healed { object: digests, fault }));
        }
        Ok(if fault.is_some() { Accepted::Healing } else { Accepted::Sound })
    }
}
