//! Which objects a replay may have met: most it meets for the first time, and then the views need not be asked.

use std::cell::Cell;

use crate::identity::Blake3;

/// How many bits there are: 1 MiB of them, of use to about two million objects, in the way of none.
const BITS: usize = 1 << 23;

/// How many bits an object sets.
const PROBES: usize = 3;

/// A Bloom filter over primary digests. What was entered is never said to be new; what is new may, now and then, be
/// said to have been entered.
#[derive(Debug)]
pub(super) struct Named {
    words: Box<[Cell<u64>]>,
}

impl Default for Named {
    fn default() -> Self {
        Self { words: vec![Cell::new(0); BITS / 64].into() }
    }
}

impl Named {
    /// Enters an object, and returns whether it certainly was not there.
    pub(super) fn enter(&self, object: &Blake3) -> bool {
        let mut is_new = false;
        for four in object.as_bytes().as_chunks::<4>().0.iter().take(PROBES) {
            let at = u32::from_le_bytes(*four) as usize % BITS;
            let (word, bit) = (&self.words[at / 64], 1 << (at % 64));
            is_new |= word.get() & bit == 0;
            word.set(word.get() | bit);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_entered_is_never_new_and_what_is_new_is_rarely_known() {
        let named = Named::default();
        let object = |number: u32| Blake3::of(&number.to_le_bytes());
        let new = (0..20_000).filter(|number| named.enter(&object(*number))).count();
        assert!(new > 19_900, "{new}");
        assert!((0..20_000).all(|number| !named.enter(&object(number))));
    }
}
