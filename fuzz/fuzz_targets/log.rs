//! Any files as a `log/`, beside a database that knows the first events of a chain. The input is cut into files at each
//! `FILE<digits>;`, with the digits for the number in the name; what stands before the first one is the first file.
#![no_main]

use std::cell::OnceCell;

use astore::events::testing::{Known, check_log, events_of};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static KNOWN: OnceCell<Vec<Known>> = const { OnceCell::new() };
}

/// The log that the seeds are made of.
const LOG: &[u8] = include_bytes!("../../fixtures/stores/v1/everything/log/00000000000000000001.cborseq");

/// Databases that know none, some and all of its events.
fn known() -> Vec<Known> {
    let events = events_of(LOG);
    let sizes = [(0, false), (events.len() / 2, false), (events.len(), false)];
    let known = sizes.map(|(count, remembers)| {
        let shm = std::path::Path::new("/dev/shm");
        let place = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        Known::new(&place.expect("a directory").keep(), &events[..count], remembers)
    });
    known.into()
}

fn split(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut files: Vec<(String, &[u8])> = Vec::new();
    let (mut name, mut rest) = (1, bytes);
    loop {
        let next = rest.windows(4).position(|window| window == b"FILE");
        let (file, after) = rest.split_at(next.unwrap_or(rest.len()));
        let name_of_file = format!("{name:020}.cborseq");
        if files.iter().all(|(taken, _)| *taken != name_of_file) {
            files.push((name_of_file, file));
        }
        let Some(after) = after.get(4..) else { return files };
        let end = after.iter().position(|&byte| byte == b';').unwrap_or(0);
        name = std::str::from_utf8(&after[..end]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0_u64);
        rest = after.get(end + 1..).unwrap_or_default();
    }
}

fuzz_target!(|bytes: &[u8]| {
    let files = split(bytes);
    KNOWN.with(|cell| {
        for known in cell.get_or_init(known) {
            check_log(known, &files);
        }
    });
});
