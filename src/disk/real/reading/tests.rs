//! What stays in the page cache, as far as this machine's file systems let anyone tell.

use std::io::Write as _;

use super::*;

const PAGES: u64 = 512;
const PAGE: u64 = 4096;

/// Makes a file whose pages are on the disk and not in the page cache. `None` where that cannot be had (tmpfs), or
/// where the file system does not say what is in the page cache.
fn cold() -> Option<File> {
    let mut file = tempfile::tempfile().expect("a file");
    for page in 0..PAGES {
        file.write_all(&[u8::try_from(page % 251).expect("small"); 4096]).expect("a page");
    }
    file.sync_all().expect("a sync");
    evict(&file);
    if is_cached(&file, 0) != Some(false) {
        return None;
    }
    // To ask was to begin a read. A page that is on its way is not evicted.
    file.read_exact_at(&mut [0; 1], 0).expect("a byte");
    evict(&file);
    Some(file)
}

fn evict(file: &File) {
    fadvise(file, 0, None, Advice::DontNeed).expect("advice");
    // From here on a page that is asked for is one page that is read.
    fadvise(file, 0, None, Advice::Random).expect("advice");
}

fn is_cached(file: &File, page: u64) -> Option<bool> {
    match flagged(file, &mut [0; 1], page * PAGE, ReadWriteFlags::NOWAIT) {
        Ok(read) => Some(read == 1),
        Err(Errno::AGAIN) => Some(false),
        Err(_) => None,
    }
}

fn read_all(behind: &Behind, file: &File, chunk: usize) {
    let (mut buffer, mut offset) = (vec![0; chunk], 0);
    loop {
        let read = behind.read_at(file, &mut buffer, offset).expect("bytes");
        for (at, &byte) in buffer[..read].iter().enumerate() {
            assert_eq!(u64::from(byte), (offset + at as u64) / PAGE % 251);
        }
        offset += read as u64;
        if read == 0 {
            assert_eq!(offset, PAGES * PAGE);
            return;
        }
    }
}

#[test]
fn what_was_read_does_not_stay_and_what_was_there_before_does() {
    for state in [BY_KERNEL, CACHED] {
        for chunk in [100_000, 1 << 18, 1 << 22] {
            let Some(file) = cold() else { return };
            read_all(&Behind(AtomicU8::new(state)), &file, chunk);
            for page in [0, PAGES / 2, PAGES - 1] {
                assert_eq!(
                    is_cached(&file, page),
                    Some(false),
                    "page {page}, state {state}, chunks of {chunk}"
                );
            }

            let Some(file) = cold() else { return };
            for page in 0..PAGES / 2 {
                file.read_exact_at(&mut [0; 1], page * PAGE).expect("a byte");
            }
            read_all(&Behind(AtomicU8::new(state)), &file, chunk);
            // Without the kernel's help, what the question itself set going may stay where a file was cached in part.
            if state == BY_KERNEL {
                assert_eq!(is_cached(&file, PAGES - 1), Some(false), "chunks of {chunk}");
            }
            assert_eq!(is_cached(&file, 0), Some(true), "state {state}, chunks of {chunk}");
            assert_eq!(is_cached(&file, PAGES / 2 - 1), Some(true), "state {state}, chunks of {chunk}");
        }
    }
}

#[test]
fn nothing_is_dropped_where_nobody_tells_what_was_there() {
    let Some(file) = cold() else { return };
    file.read_exact_at(&mut [0; 1], 0).expect("a byte");
    read_all(&Behind(AtomicU8::new(UNTOLD)), &file, 1 << 18);
    assert_eq!(is_cached(&file, 0), Some(true));
}

#[test]
fn nothing_without_waiting_is_not_yet_the_end() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"sound").expect("bytes");
    let behind = Behind(AtomicU8::new(CACHED));
    let read = |offset| {
        let mut buffer = [0; 8];
        let read = behind.without_the_kernel(&file, &mut buffer, offset, |_| Ok(0)).expect("bytes");
        buffer[..read].to_vec()
    };
    assert_eq!(read(5), b"");
    assert_eq!(behind.0.load(Ordering::Relaxed), CACHED, "at the end it says nothing of the cache");
    assert_eq!(read(0), b"sound", "Linux 5.9 and 5.10 say nothing where they would have to wait");
    assert_eq!(behind.0.load(Ordering::Relaxed), OURS);
}
