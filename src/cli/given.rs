//! Files that are read from front to end, once: `-` is standard input, and a signal ends the reading.

use std::io::{ErrorKind, Read};
use std::path::Path;

use anyhow::Context as _;
use astore::error::Error;

use super::context::Context;
use super::failure::usage;
use super::output::escape;
use super::output::units::size;

/// Returns whether a file is standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Returns what a file is called.
pub(crate) fn shown(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { escape::path(file) }
}

/// Opens a file, which may be a fifo.
///
/// # Errors
/// Where it cannot be opened.
pub(crate) fn open(file: &Path, ctx: &mut Context) -> anyhow::Result<Box<dyn Read + Send>> {
    if is_stdin(file) {
        return Ok(ctx.input());
    }
    ctx.reader(file).with_context(|| format!("cannot read {}", shown(file)))
}

/// Reads a file whole.
///
/// # Errors
/// Where it cannot be read, or a signal says to stop; a usage error where it is longer than `limit_bytes`. `what` it is
/// to be stands in the message.
pub(crate) fn whole(
    file: &Path,
    what: &'static str,
    limit_bytes: usize,
    ctx: &mut Context,
) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let input = open(file, ctx)?;
    match input.take(limit_bytes as u64 + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() > limit_bytes => {
            let limit = size(limit_bytes as u64);
            Err(usage(format!("{} is longer than {limit}, which is too long for {what}", shown(file))))
        }
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(Error::Cancelled.into()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", shown(file))),
    }
}
