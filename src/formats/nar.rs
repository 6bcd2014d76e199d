//! NAR: the archive that Nix takes the hash of (E. Dolstra, "The Purely Functional Software Deployment Model", 2006,
//! figure 5.2). It has no times, no owners and of a mode only whether the owner may execute.

use std::io::{self, Write};

use super::Projection;
use crate::manifest::{Entry, EntryBody};

const MAGIC: &[u8] = b"nix-archive-1";
/// The owner may execute it.
const EXECUTABLE: u32 = 0o100;

/// Writes a tree as a NAR. Entries come in the order of [`EntryList::sort_by_component`]: what is in a directory right
/// behind it, by name.
///
/// [`EntryList::sort_by_component`]: crate::manifest::EntryList::sort_by_component
pub struct Writer<'a> {
    out: &'a mut dyn Write,
    /// The paths of the directories that are open, the top left out.
    open: Vec<Vec<u8>>,
    has_begun: bool,
    /// How much of a file's content was written.
    content: u64,
}

impl<'a> Writer<'a> {
    /// Begins with nothing written.
    pub const fn new(out: &'a mut dyn Write) -> Self {
        Self { out, open: Vec::new(), has_begun: false, content: 0 }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.has_begun {
            self.has_begun = true;
            self.words(&[MAGIC, b"(", b"type", b"directory"])?;
        }
        Ok(())
    }

    /// Closes the directories that this one is not in.
    fn close_to(&mut self, parent: &[u8]) -> io::Result<()> {
        while let Some(open) = self.open.pop() {
            let is_above =
                parent.strip_prefix(&open[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
            if is_above {
                self.open.push(open);
                break;
            }
            self.words(&[b")", b")"])?; // the directory, and the entry that it is
        }
        Ok(())
    }

    fn words(&mut self, words: &[&[u8]]) -> io::Result<()> {
        words.iter().try_for_each(|word| {
            self.out.write_all(&(word.len() as u64).to_le_bytes())?;
            self.out.write_all(word)?;
            self.pad(word.len() as u64)
        })
    }

    /// Fills up to a multiple of eight.
    fn pad(&mut self, written: u64) -> io::Result<()> {
        let missing = written.next_multiple_of(8) - written;
        self.out.write_all(&[0; 8][..usize::try_from(missing).unwrap_or_default()])
    }
}

impl Projection for Writer<'_> {
    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.begin()?;
        self.close_to(entry.path.parent().unwrap_or_default())?;
        self.words(&[b"entry", b"(", b"name", entry.path.file_name(), b"node", b"(", b"type"])?;
        match &entry.body {
            EntryBody::Directory { .. } => {
                self.open.push(entry.path.as_bytes().to_vec());
                self.words(&[b"directory"])
            }
            EntryBody::Symlink { target } => self.words(&[b"symlink", b"target", target, b")", b")"]),
            EntryBody::File { mode, object } => {
                self.words(&[b"regular"])?;
                if mode & EXECUTABLE != 0 {
                    self.words(&[b"executable", b""])?;
                }
                self.words(&[b"contents"])?;
                self.content = 0;
                self.out.write_all(&object.size_bytes.to_le_bytes())
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.content += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn end_content(&mut self) -> io::Result<()> {
        self.pad(self.content)?;
        self.words(&[b")", b")"])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.begin()?;
        while self.open.pop().is_some() {
            self.words(&[b")", b")"])?;
        }
        self.words(&[b")"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Digests;
    use crate::manifest::{EntryList, EntryPath};

    fn nar(entries: &[(&str, EntryBody)]) -> Vec<u8> {
        let mut list: EntryList = (entries.iter().cloned())
            .map(|(path, body)| Entry { path: EntryPath::new(path.as_bytes()).unwrap(), body, mtime: None })
            .collect();
        list.sort_by_component();
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        for entry in list.iter() {
            writer.entry(&entry).unwrap();
            if entry.object().is_some() {
                writer.content(b"x").unwrap();
                writer.end_content().unwrap();
            }
        }
        writer.finish().unwrap();
        out
    }

    /// The words of an archive; content is one of them.
    fn words(mut bytes: &[u8]) -> String {
        let mut words = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            words.push(String::from_utf8(rest[..length].to_vec()).unwrap());
            assert!(rest[length..length.next_multiple_of(8)].iter().all(|byte| *byte == 0));
            bytes = &rest[length.next_multiple_of(8)..];
        }
        assert!(bytes.is_empty());
        words.join(" ")
    }

    #[test]
    fn an_archive_is_these_words() {
        let file = |mode| EntryBody::File { mode, object: Digests::of(b"x") };
        let directory = || EntryBody::Directory { mode: 0o755 };
        let tree = nar(&[
            ("d", directory()),
            ("d/e", directory()),
            ("d/e/tool", file(0o711)),
            // By its bytes it comes before what is in d.
            ("d-", file(0o655)),
            ("l", EntryBody::Symlink { target: b"d/e"[..].into() }),
        ]);
        insta::assert_snapshot!(words(&tree), @"nix-archive-1 ( type directory entry ( name d node ( type directory entry ( name e node ( type directory entry ( name tool node ( type regular executable  contents x ) ) ) ) ) ) entry ( name d- node ( type regular contents x ) ) entry ( name l node ( type symlink target d/e ) ) )");
        assert_eq!(words(&nar(&[])), "nix-archive-1 ( type directory )");
    }
}
