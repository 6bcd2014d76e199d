//! Walking through `log/`, item after item and file after file.

use std::io;

use super::files::{LogError, LogFiles, READ_BYTES_MAX, at, file_path, read_full};
use super::item::{NotAnItem, decode_item, holds_item_after};
use super::log::{Head, Position, Stored};
use crate::disk::DiskFile;

/// What stands at a place of the plain-file log.
#[derive(Debug)]
pub enum Step {
    /// A whole item that continues the chain.
    Item(Vec<Stored>),
    /// The end: of the file, and there is no next one.
    End,
    /// Bytes that are no whole item. (A whole one that does not continue the chain is [`LogError::Parted`].)
    Broken {
        /// Whether an event after this place stands behind them: then it is damage, and no append cut short.
        continued: bool,
        /// Whether the bytes simply end too early, or end in zeros.
        cut_short: bool,
    },
}

/// A walk over the items of the plain-file log, from file to file.
#[derive(Debug)]
pub struct Walk<'f> {
    files: &'f LogFiles,
    /// Behind the last item that was returned.
    position: Position,
    /// The same, or the beginning of the next file.
    cursor: Position,
    open: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    first: u64,
    handle: Box<dyn DiskFile>,
    /// The bytes from the walk's position on, as far as they were read.
    ahead: Vec<u8>,
    /// How many of them are used up.
    used: usize,
}

impl OpenFile {
    fn rest(&self) -> &[u8] {
        &self.ahead[self.used..]
    }

    /// Reads more of the file behind `position`; false at its end.
    fn fill(&mut self, position: u64) -> io::Result<bool> {
        self.ahead.drain(..self.used);
        self.used = 0;
        let filled = self.ahead.len();
        let more = filled.max(1 << 16);
        self.ahead.resize(filled + more, 0);
        let read = read_full(self.handle.as_ref(), &mut self.ahead[filled..], position + filled as u64)?;
        self.ahead.truncate(filled + read);
        Ok(read > 0)
    }
}

impl<'f> Walk<'f> {
    pub(super) const fn begin(files: &'f LogFiles, position: Position) -> Self {
        Self { files, position, cursor: position, open: None }
    }

    /// Returns where the walk stands: behind the last item that it returned.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Returns where the next item should begin: there, or at the beginning of the next file.
    pub const fn cursor(&self) -> Position {
        self.cursor
    }

    /// Returns what comes next. After anything but an item the walk stays where it is.
    ///
    /// # Errors
    /// [`LogError::Io`] where a file cannot be read, [`LogError::Parted`] where a whole item follows that does
    /// not continue the chain.
    pub fn step(&mut self) -> Result<Step, LogError> {
        if self.cursor.file == 0 && !self.enter(1)? {
            return Ok(Step::End);
        }
        loop {
            let position = self.cursor;
            let path = file_path(position.file);
            let Some(file) = self.opened()? else {
                return Ok(Step::End);
            };
            match decode_item(file.rest()) {
                Ok((events, used)) => {
                    file.used += used;
                    return self.take(events, used as u64);
                }
                Err(NotAnItem::Incomplete) => {
                    if file.fill(position.length).map_err(at(&path))? {
                        continue;
                    }
                    if !file.rest().is_empty() {
                        return self.broken();
                    }
                    let next = position.head.sequence + 1;
                    if next == position.file {
                        return self.broken(); // a file that was made, and nothing of its first item in it
                    }
                    if !self.enter(next)? {
                        return Ok(Step::End);
                    }
                }
                Err(NotAnItem::Unsound | NotAnItem::Later) => return self.broken(),
            }
        }
    }

    /// Steps over a whole item, if it continues the chain.
    fn take(&mut self, events: Vec<Stored>, length: u64) -> Result<Step, LogError> {
        let follows = events.first().is_some_and(|first| self.cursor.head.is_followed_by(&first.record));
        if !follows {
            return Err(LogError::Parted { sequence: self.cursor.head.sequence + 1 });
        }
        self.cursor.length += length;
        self.cursor.head = events.last().map_or(self.cursor.head, Head::from);
        self.position = self.cursor;
        Ok(Step::Item(events))
    }

    /// Goes to the beginning of the file that is named by this sequence, where there is one.
    fn enter(&mut self, first: u64) -> Result<bool, LogError> {
        if self.files.is_absent(first)? {
            return Ok(false);
        }
        self.cursor.file = first;
        self.cursor.length = 0;
        Ok(true)
    }

    fn opened(&mut self) -> Result<Option<&mut OpenFile>, LogError> {
        let first = self.cursor.file;
        if self.open.as_ref().is_none_or(|open| open.first != first) {
            let path = file_path(first);
            let handle = match self.files.disk.open(&path) {
                Ok(handle) => handle,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(at(&path)(error)),
            };
            self.open = Some(OpenFile { first, handle, ahead: Vec::new(), used: 0 });
        }
        Ok(self.open.as_mut())
    }

    /// Reads all that is left of the file, to tell an append that was cut short from damage.
    fn broken(&mut self) -> Result<Step, LogError> {
        let path = file_path(self.cursor.file);
        let sequence = self.cursor.head.sequence;
        let length = self.cursor.length;
        let mut cut_short = true;
        if let Some(open) = self.opened()? {
            if open.handle.stat().map_err(at(&path))?.size_bytes > READ_BYTES_MAX {
                return Ok(Step::Broken { continued: true, cut_short: false });
            }
            while open.fill(length).map_err(at(&path))? {}
            // What a power cut takes from the end of a file is missing, or reads as zeros.
            cut_short = matches!(decode_item(open.rest()), Err(NotAnItem::Incomplete))
                || open.rest().ends_with(&[0; 32]);
            if holds_item_after(open.rest(), sequence) {
                return Ok(Step::Broken { continued: true, cut_short });
            }
        }
        let later = self.files.names()?.into_iter().any(|first| first > sequence && first > self.cursor.file);
        Ok(Step::Broken { continued: later, cut_short })
    }

    /// Returns the error that says what stands here.
    pub fn damage(&self) -> LogError {
        LogError::Damaged {
            path: file_path(self.cursor.file),
            offset: self.cursor.length,
            sequence: self.cursor.head.sequence + 1,
        }
    }
}
