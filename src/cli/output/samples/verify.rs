//! What verify may find.

use std::time::Duration;

use astore::identity::{Blake3, ContentAddress};
use astore::registry::report::{Fault, Overdue, VerifyPart, VerifyReport};

use super::at;

pub(crate) fn verified(faults: Vec<Fault>) -> VerifyReport {
    VerifyReport {
        head_sequence: 7,
        head_digest: Blake3::of(b"digest"),
        objects: 3,
        bytes: 4096,
        events: 7,
        recorded: if faults.is_empty() { Ok(8) } else { Err("the store cannot be written".into()) },
        faults,
        on_record: Vec::new(),
        part: None,
        overdue: None,
        notes: vec!["tmp/ holds leftovers of 1 writer".into()],
    }
}

/// A part of a pass, after which something is overdue.
pub(crate) fn part_verified() -> VerifyReport {
    let address = |byte: u8| ContentAddress::new(Blake3::from_bytes([byte; 32]));
    VerifyReport {
        part: Some(VerifyPart {
            first: address(0),
            last: address(0x3f),
            next: Some(address(0x40)),
            since: Some(at(5)),
            parts: 2,
            objects_left: 12,
            bytes_left: 4096,
            views_compared: false,
        }),
        overdue: Some(Overdue {
            max_age: Duration::from_secs(30 * 86_400),
            objects: 2,
            bytes: 2048,
            oldest: Some((at(9), address(0x77))),
        }),
        ..verified(Vec::new())
    }
}
