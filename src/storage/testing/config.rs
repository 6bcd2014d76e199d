//! What must hold of any bytes that are taken for `astore.toml`.

use crate::storage::root::{CONFIG_BYTES_MAX, parse_bytes, render};

/// Reads bytes as `astore.toml`, and returns whether they were taken. As many as that file never has are none of it.
///
/// # Panics
/// Where what was taken is not read again from what the store would write.
pub fn check_config(bytes: &[u8]) -> bool {
    if bytes.len() > CONFIG_BYTES_MAX {
        return false;
    }
    let Ok(config) = parse_bytes(bytes) else { return false };
    let again = parse_bytes(render(&config).as_bytes()).expect("what was read can be written");
    assert_eq!(again, config);
    true
}
