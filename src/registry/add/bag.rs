//! `add` of a bag: its payload, once it was found to be what the bag says, with what the bag says of itself.

use std::sync::atomic::AtomicBool;

use super::super::report::{AddRequest, AddSource, AddTarget, BagNote, OnUnreadable};
use crate::error::Error;
use crate::manifest::{LABEL_BYTES_MAX, LABELS_MAX, Labels};
use crate::monitor::Monitor;
use crate::plane::{Bag, BagError, Described, Ingested, OutsideLinks};

/// A bag that an add takes in.
pub(super) struct TakenBag {
    bag: Box<Bag>,
    labels_left_out: u64,
}

impl TakenBag {
    /// Takes the bag out of a request, where there is one, and leaves its payload in its place. What `bag-info.txt` says
    /// goes to the provenance of a new package.
    pub(super) fn of(request: &mut AddRequest) -> Result<Option<Self>, Error> {
        let is_bag = |source: &AddSource| matches!(source, AddSource::Bag(_));
        let Some(at) = request.sources.iter().position(is_bag) else { return Ok(None) };
        let is_alone = request.sources.len() == 1;
        let AddSource::Bag(bag) = request.sources.swap_remove(at) else { return Ok(None) };
        if !is_alone {
            return Err(BagError::NotAlone { directory: bag.directory().to_owned() }.into());
        }
        request.sources.push(AddSource::Path(bag.payload()));
        request.on_unreadable = OnUnreadable::Fail; // a file that is left out is one that the bag lacks
        let labels_left_out = match &mut request.target {
            AddTarget::New { provenance, .. } => note_info(bag.info(), provenance),
            AddTarget::Open { .. } => bag.info().len() as u64,
        };
        Ok(Some(Self { bag, labels_left_out }))
    }

    /// Reads what has to be read before the payload is.
    pub(super) fn prepare(&mut self, monitor: &dyn Monitor, cancelled: &AtomicBool) -> Result<(), Error> {
        Ok(self.bag.prepare(monitor, cancelled)?)
    }

    /// Holds what was taken in against the bag, and gives it the entries that our own manifest in the bag describes.
    pub(super) fn settle(
        self,
        ingested: &mut Ingested,
        outside_links: OutsideLinks,
    ) -> Result<Vec<BagNote>, Error> {
        let bag = &self.bag;
        let mismatches = bag.hold(&ingested.entries);
        if !mismatches.is_empty() {
            return Err(Error::Mismatch { file: bag.list().to_owned(), mismatches });
        }
        bag.hold_oxum(&ingested.entries)?;
        let unchecked = bag.unchecked().iter().map(|list| BagNote::Unchecked { list: list.clone() });
        let mut notes: Vec<BagNote> = unchecked.collect();
        match bag.described(&ingested.entries, outside_links)? {
            Described::As(entries) => ingested.entries = entries,
            Described::Otherwise => notes.push(BagNote::DescribedOtherwise),
            Described::Not => {}
        }
        if self.labels_left_out > 0 {
            notes.push(BagNote::LabelsLeftOut { labels: self.labels_left_out });
        }
        Ok(notes)
    }
}

/// Notes what `bag-info.txt` says, as `bag-info.LABEL`; where a label is repeated, the second is `bag-info.LABEL.2`. A
/// label that somebody gave stays. Returns how many did not fit.
fn note_info(info: &[(String, String)], provenance: &mut Labels) -> u64 {
    let mut left_out = 0;
    for (label, value) in info {
        let plain = format!("bag-info.{label}");
        let nth = |nth: u64| if nth == 1 { plain.clone() } else { format!("{plain}.{nth}") };
        let free = (1..).map(nth).find(|key| !provenance.contains_key(key));
        let fits = provenance.len() < LABELS_MAX && value.len() <= LABEL_BYTES_MAX;
        match free.filter(|key| fits && key.len() <= LABEL_BYTES_MAX) {
            Some(key) => drop(provenance.insert(key, value.clone())),
            None => left_out += 1,
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbered_where_they_repeat_and_left_out_where_they_do_not_fit() {
        let tag = |label: &str, value: &str| (label.to_owned(), value.to_owned());
        let mut provenance = Labels::new();
        let long = "x".repeat(LABEL_BYTES_MAX + 1);
        let info =
            [tag("A", "1"), tag("A", "2"), tag("B", ""), tag("A", "3"), tag("C", &long), tag(&long, "4")];
        assert_eq!(note_info(&info, &mut provenance), 2);
        let noted: Vec<(&str, &str)> = provenance.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(
            noted,
            [("bag-info.A", "1"), ("bag-info.A.2", "2"), ("bag-info.A.3", "3"), ("bag-info.B", "")]
        );
        let many: Vec<_> = (0..LABELS_MAX).map(|nth| tag(&format!("L{nth}"), "v")).collect();
        assert_eq!(note_info(&many, &mut provenance), 4);
        assert_eq!(provenance.len(), LABELS_MAX);
    }
}
