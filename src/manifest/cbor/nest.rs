//! Which arrays and maps are open, how much each still holds, and the last key of each map.
//!
//! Decoder and encoder keep one each: it is what makes nesting and the order of keys hold by construction.
//! Knows positions in a buffer, not the buffer.

use std::ops::Range;

use super::{CborFault, NESTING_MAX};

/// One open array or map.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// Items still to come; a pair of a map counts for two.
    left: u64,
    is_map: bool,
    /// Where the last key's encoding stands, empty before the first.
    key_start: usize,
    key_end: usize,
}

/// The open arrays and maps, outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Nest {
    frames: [Frame; NESTING_MAX],
    depth: usize,
}

impl Nest {
    /// Returns how many are open.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// Returns whether the next item is the key of a map.
    pub(super) fn at_key(&self) -> bool {
        self.top().is_some_and(|frame| frame.is_map && frame.left.is_multiple_of(2))
    }

    /// Returns whether the key at `range` of `buffer` is above the last one of its map, and remembers it.
    pub(super) fn key(&mut self, buffer: &[u8], range: Range<usize>) -> Result<(), CborFault> {
        let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get_mut(top)) else {
            return Ok(());
        };
        // An empty last key is below every encoding, which has one byte at least.
        if buffer[frame.key_start..frame.key_end] >= buffer[range.clone()] {
            return Err(CborFault::KeyOrder);
        }
        (frame.key_start, frame.key_end) = (range.start, range.end);
        Ok(())
    }

    /// Counts an item that holds no others, and closes what it completes.
    pub(super) fn leaf(&mut self) {
        while let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get_mut(top)) {
            frame.left -= 1;
            if frame.left > 0 {
                return;
            }
            self.depth -= 1;
        }
    }

    /// Opens an array of `items`, or a map of half as many pairs.
    pub(super) fn open(&mut self, items: u64, is_map: bool) -> Result<(), CborFault> {
        let Some(frame) = self.frames.get_mut(self.depth) else { return Err(CborFault::Nesting) };
        if items == 0 {
            self.leaf();
        } else {
            *frame = Frame { left: items, is_map, key_start: 0, key_end: 0 };
            self.depth += 1;
        }
        Ok(())
    }

    fn top(&self) -> Option<&Frame> {
        self.depth.checked_sub(1).and_then(|top| self.frames.get(top))
    }
}
