//! Reading until a buffer is full, from whatever there is to read.

use std::io;

/// Reads until the buffer is full or there is no more, and returns how much it holds then.
///
/// `read` is given what is still empty, and how much was filled before. Where a signal ended a read, `interrupted` is
/// asked whether to go on.
///
/// # Errors
/// Whatever `read` or `interrupted` answers.
pub(crate) fn fill<E: From<io::Error>>(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>,
    mut interrupted: impl FnMut() -> Result<(), E>,
) -> Result<usize, E> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], filled) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => interrupted()?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out what is wanted byte by byte, after a signal each time, until there are so many.
    fn hesitant(there: usize) -> impl FnMut(&mut [u8], usize) -> io::Result<usize> {
        let mut signals = 0;
        move |rest, filled| {
            if signals == filled {
                signals += 1;
                return Err(io::ErrorKind::Interrupted.into());
            }
            if filled == there {
                return Ok(0);
            }
            rest[0] = u8::try_from(filled).unwrap();
            Ok(1)
        }
    }

    #[test]
    fn short_reads_and_signals_are_gone_through() {
        for (there, expected) in [(0, &[][..]), (2, &[0, 1]), (3, &[0, 1, 2]), (9, &[0, 1, 2])] {
            let mut buffer = [9; 3];
            let filled: io::Result<usize> = fill(&mut buffer, hesitant(there), || Ok(()));
            assert_eq!(&buffer[..filled.unwrap()], expected);
        }
    }

    #[test]
    fn whoever_was_interrupted_may_stop() {
        let stop = || Err(io::Error::other("enough"));
        assert_eq!(fill(&mut [0; 3], hesitant(3), stop).unwrap_err().to_string(), "enough");
        let broken = |_: &mut [u8], _| Err(io::Error::other("broken"));
        let error = fill(&mut [0; 3], broken, || Ok::<(), io::Error>(())).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
