//! Writing canonical CBOR.

use super::INTEGER_MAX;
#[cfg(debug_assertions)]
use super::nest::Nest;

/// Appends canonical items to a buffer.
///
/// Heads are the shortest by construction. The order of keys is the caller's: shorter ones first, equally long
/// ones bytewise. Builds with debug assertions panic on a key that is not a text or not above the one before
/// it, on nesting beyond [`super::NESTING_MAX`] and on integers beyond ±[`INTEGER_MAX`], so that tests find them.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    #[cfg(debug_assertions)]
    nest: Nest,
}

impl<'a> Encoder<'a> {
    /// Starts at the end of `out`, with whole items.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            #[cfg(debug_assertions)]
            nest: Nest::default(),
        }
    }

    /// Begins a map of `pairs`; as many texts, each with its value, must follow.
    pub fn map(&mut self, pairs: usize) -> &mut Self {
        self.open(5, pairs)
    }

    /// Begins an array of `items`; as many must follow.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.open(4, items)
    }

    /// Writes a text, or the key of a map.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let start = self.out.len();
        write_head(self.out, 3, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
        self.leaf(Some(start));
        self
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        write_head(self.out, 2, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        self.leaf(None);
        self
    }

    /// Writes an integer from 0 to [`INTEGER_MAX`]; what is above is written as that.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        debug_assert!(value <= INTEGER_MAX, "{value} is beyond 2^53-1");
        write_head(self.out, 0, value.min(INTEGER_MAX));
        self.leaf(None);
        self
    }

    /// Writes an integer within ±[`INTEGER_MAX`]; what is beyond is written as the nearest one within.
    pub fn int(&mut self, value: i64) -> &mut Self {
        let magnitude = value.unsigned_abs();
        debug_assert!(magnitude <= INTEGER_MAX, "{value} is beyond 2^53-1");
        let magnitude = magnitude.min(INTEGER_MAX);
        if value < 0 {
            write_head(self.out, 1, magnitude - 1);
        } else {
            write_head(self.out, 0, magnitude);
        }
        self.leaf(None);
        self
    }

    /// Writes `false` or `true`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.out.push(0xf4 + u8::from(value));
        self.leaf(None);
        self
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.out.push(0xf6);
        self.leaf(None);
        self
    }

    /// Writes the number, or `null` where there is none.
    pub fn uint_or_null(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.uint(value),
            None => self.null(),
        }
    }

    /// Copies one item that is canonical already.
    pub fn raw_item(&mut self, item: &[u8]) -> &mut Self {
        debug_assert_eq!(super::check(item), Ok(()), "a raw item is canonical");
        self.out.extend_from_slice(item);
        self.leaf(None);
        self
    }

    fn open(&mut self, major: u8, count: usize) -> &mut Self {
        write_head(self.out, major, count as u64);
        #[cfg(debug_assertions)]
        {
            assert!(!self.nest.at_key(), "a key is a text");
            let is_map = major == 5;
            let items = count as u64 * if is_map { 2 } else { 1 };
            assert_eq!(self.nest.open(items, is_map), Ok(()));
        }
        self
    }

    fn leaf(&mut self, text_start: Option<usize>) {
        #[cfg(debug_assertions)]
        {
            if self.nest.at_key() {
                let start = text_start.expect("a key is a text");
                assert_eq!(self.nest.key(self.out, start..self.out.len()), Ok(()));
            }
            self.nest.leaf();
        }
        #[cfg(not(debug_assertions))]
        let _ = text_start;
    }
}

/// Writes the head of an item: its major type and its argument in the shortest form (RFC 8949 §3).
pub(super) fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let initial = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..24 => out.push(initial | bytes[7]),
        24..=0xff => out.extend_from_slice(&[initial | 24, bytes[7]]),
        0x100..=0xffff => out.extend_from_slice(&[initial | 25, bytes[6], bytes[7]]),
        0x1_0000..=0xffff_ffff => {
            out.extend_from_slice(&[initial | 26, bytes[4], bytes[5], bytes[6], bytes[7]]);
        }
        _ => {
            out.push(initial | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Encoder::new(&mut out));
        assert_eq!(crate::manifest::cbor::check(&out), Ok(()), "{out:02x?}");
        out
    }

    #[test]
    fn heads_are_the_shortest() {
        // RFC 8949, appendix A.
        for (value, bytes) in [
            (0, &[0x00][..]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (255, &[0x18, 0xff]),
            (256, &[0x19, 0x01, 0x00]),
            (65_535, &[0x19, 0xff, 0xff]),
            (65_536, &[0x1a, 0x00, 0x01, 0x00, 0x00]),
            (4_294_967_296, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
            (-1, &[0x20]),
            (-24, &[0x37]),
            (-25, &[0x38, 0x18]),
            (-1000, &[0x39, 0x03, 0xe7]),
            (-9_007_199_254_740_991, &[0x3b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        ] {
            assert_eq!(encoded(|e| _ = e.int(value)), bytes, "{value}");
        }
    }

    #[test]
    fn nested_values_are_what_the_rfc_prints() {
        // RFC 8949, appendix A: {"a": 1, "b": [2, 3]} and ["a", {"b": "c"}].
        assert_eq!(
            encoded(|e| _ = e.map(2).text("a").uint(1).text("b").array(2).uint(2).uint(3)),
            [0xa2, 0x61, 0x61, 0x01, 0x61, 0x62, 0x82, 0x02, 0x03]
        );
        assert_eq!(
            encoded(|e| _ = e.array(2).text("a").map(1).text("b").text("c")),
            [0x82, 0x61, 0x61, 0xa1, 0x61, 0x62, 0x61, 0x63]
        );
        assert_eq!(encoded(|e| _ = e.array(3).bool(false).bool(true).null()), [0x83, 0xf4, 0xf5, 0xf6]);
        assert_eq!(encoded(|e| _ = e.array(2).raw_item(&[0x40]).map(0)), [0x82, 0x40, 0xa0]);
    }

    #[test]
    #[should_panic(expected = "KeyOrder")]
    #[cfg(debug_assertions)]
    fn keys_out_of_order_are_found_in_debug_builds() {
        encoded(|e| _ = e.map(2).text("aa").null().text("b").null());
    }

    #[test]
    #[should_panic(expected = "beyond 2^53-1")]
    #[cfg(debug_assertions)]
    fn integers_that_json_cannot_hold_are_found_in_debug_builds() {
        encoded(|e| _ = e.uint(1 << 53));
    }
}
