//! What a store answers when it is asked about a digest.

use astore::error::Error;
use astore::identity::{Blake3, ContentAddress};
use astore::plane::ServeError;
use astore::registry::Registry;
use astore::registry::report::CatTarget;

use super::oracle::Digest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Present,
    /// By this event.
    Purged(u64),
    Lost,
    Unknown,
}

/// Asks for the verdict on a digest.
#[track_caller]
pub(crate) fn verdict(registry: &Registry, digest: &Digest) -> Verdict {
    let address = ContentAddress::new(Blake3::from_bytes(*digest)).to_string();
    let target = CatTarget::Object(address.parse().expect("an address"));
    match registry.cat(&target, None, &mut std::io::sink()) {
        Ok(_) => Verdict::Present,
        Err(Error::Purged { purge, .. }) => Verdict::Purged(purge.sequence),
        Err(Error::Serve(ServeError::Missing { .. } | ServeError::Damaged { .. })) => Verdict::Lost,
        Err(Error::NoSuchObject { .. }) => {
            let purges = super::oracle::purges(registry.root());
            let found = purges.iter().rev().find(|purge| purge.objects.contains(digest));
            found.map_or(Verdict::Unknown, |purge| Verdict::Purged(purge.started))
        }
        Err(error) => panic!("{address}: {error:?}"),
    }
}
