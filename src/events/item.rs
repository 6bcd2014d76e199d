//! Items of `log/`: one transaction's events as one item of a CBOR sequence (RFC 8742).

use super::event::INLINE_PAYLOAD_BYTES_MAX;
use super::log::Stored;
use super::record::Record;
use crate::identity::Blake3;
use crate::manifest::cbor::{self, CborError, CborFault, Decoder, Encoder, Major};

/// No byte string in an item is longer, in any version (store-layout.md 6.2).
const STRING_BYTES_MAX: u64 = 16 << 20;

/// Why the bytes at some place are not an item that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAnItem {
    /// They end before the item does.
    Incomplete,
    /// They are something else, or a digest in them does not agree.
    Unsound,
    /// A digest agrees with a record that this build cannot read: a later one wrote it, and it is never cut off.
    Later,
}

/// Returns the item for one transaction's events: `[[record, payload | null, digest], …]`.
pub fn encode_item(events: &[Stored]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    out.array(events.len());
    for event in events {
        out.array(3);
        out.bytes(&event.record.encode());
        match &event.payload {
            Some(payload) => out.bytes(payload),
            None => out.null(),
        };
        out.bytes(event.digest.as_bytes());
    }
    bytes
}

fn refusal(error: CborError) -> NotAnItem {
    if error.what == CborFault::Truncated { NotAnItem::Incomplete } else { NotAnItem::Unsound }
}

/// Reads the item that `bytes` begin with, and says how long it is. It counts only if it is whole, every
/// digest in it agrees, and its events follow one another.
pub(super) fn decode_item(bytes: &[u8]) -> Result<(Vec<Stored>, usize), NotAnItem> {
    // The array's own head is read apart: an item that is not all here yet is refused at its first event that is
    // none, and not read to an end which only its head promises.
    let (count, mut position) = cbor::array_head(bytes).map_err(refusal)?;
    if count == 0 {
        return Err(NotAnItem::Unsound);
    }
    let mut events: Vec<Stored> = Vec::new();
    for _ in 0..count {
        let mut input = Decoder::new(&bytes[position..]);
        if input.array().map_err(refusal)? != 3 {
            return Err(NotAnItem::Unsound);
        }
        let record = string(&mut input)?;
        let payload = if input.peek().map_err(refusal)? == Major::Null {
            input.null().map_err(refusal)?;
            None
        } else {
            Some(string(&mut input)?)
        };
        let digest = Blake3::from_slice(string(&mut input)?).ok_or(NotAnItem::Unsound)?;
        let record = Record::decode(record)
            .map_err(|_| if Blake3::of(record) == digest { NotAnItem::Later } else { NotAnItem::Unsound })?;
        if payload.is_some_and(|payload| payload.len() > INLINE_PAYLOAD_BYTES_MAX) {
            return Err(NotAnItem::Unsound);
        }
        let event = Stored { record, payload: payload.map(<[u8]>::to_vec), digest };
        let follows = events.last().is_none_or(|last| super::Head::from(last).is_followed_by(&event.record));
        if !event.is_sound() || !follows {
            return Err(NotAnItem::Unsound);
        }
        events.push(event);
        position += input.position();
    }
    Ok((events, position))
}

/// Reads a byte string that may be in an item. A longer one is none of ours, whether its bytes are here or not: what
/// only a head promises is not waited for.
fn string<'a>(input: &mut Decoder<'a>) -> Result<&'a [u8], NotAnItem> {
    let left = input.left();
    match input.bytes().map_err(refusal) {
        Ok(bytes) if bytes.len() as u64 > STRING_BYTES_MAX => Err(NotAnItem::Unsound),
        Err(NotAnItem::Incomplete) if left > STRING_BYTES_MAX + 9 => Err(NotAnItem::Unsound),
        read => read,
    }
}

/// Returns whether a whole item with an event after `sequence` begins anywhere in these bytes: what makes the
/// difference between an append that was cut short and a damaged log.
pub(super) fn holds_item_after(bytes: &[u8], sequence: u64) -> bool {
    (0..bytes.len()).filter(|&at| begins_item(&bytes[at..])).any(|at| match decode_item(&bytes[at..]) {
        Ok((events, _)) => events.iter().any(|event| event.record.sequence > sequence),
        Err(NotAnItem::Later) => true,
        Err(NotAnItem::Incomplete | NotAnItem::Unsound) => false,
    })
}

/// Returns whether an item may begin here, at little cost: it is an array, and its first element an array of
/// three, so that few offsets get past these two bytes.
pub(super) fn begins_item(bytes: &[u8]) -> bool {
    match bytes {
        [0x81..=0x97, second, ..] => *second == 0x83,
        [0x98..=0x9b, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Timestamp;

    fn event() -> Stored {
        let payload = vec![0xa0];
        let record = Record {
            sequence: 1,
            created_at: Timestamp::from_micros(-1),
            event_type: "v1.store.created".to_owned(),
            subject_kind: "store".to_owned(),
            subject_id: "id".to_owned(),
            actor: "a@b".to_owned(),
            payload_digest: Blake3::of(&payload),
            previous_digest: super::super::record::NO_PREDECESSOR,
        };
        Stored::new(record, Some(payload))
    }

    #[test]
    fn an_item_ends_with_its_last_digest() {
        // store-layout.md 6.4
        let item = encode_item(&[event()]);
        assert_eq!(item[item.len() - 32..], *event().digest.as_bytes());
        assert_eq!(decode_item(&item), Ok((vec![event()], item.len())));
    }

    #[test]
    fn half_an_item_is_none_and_a_changed_one_neither() {
        // store-layout.md 6.3
        let item = encode_item(&[event()]);
        for length in 0..item.len() {
            assert_eq!(decode_item(&item[..length]), Err(NotAnItem::Incomplete), "{length}");
        }
        for at in 0..item.len() {
            let mut changed = item.clone();
            changed[at] ^= 1;
            let refused = decode_item(&changed);
            assert!(matches!(refused, Err(NotAnItem::Unsound | NotAnItem::Incomplete)), "{at}: {refused:?}");
        }
    }

    #[test]
    fn a_later_record_is_told_from_garbage() {
        // store-layout.md 7.4
        let mut record = event().record.encode();
        assert_eq!(record[1], 1, "the version stands second");
        record[1] = 2;
        let mut item = Vec::new();
        let mut out = Encoder::new(&mut item);
        out.array(1).array(3).bytes(&record).null().bytes(Blake3::of(&record).as_bytes());
        assert_eq!(decode_item(&item), Err(NotAnItem::Later));
        assert!(holds_item_after(&item, 7), "it counts as one that goes on");
        let last = item.len() - 1;
        item[last] ^= 1;
        assert_eq!(decode_item(&item), Err(NotAnItem::Unsound));
        assert!(!holds_item_after(&item, 7));
    }
}
