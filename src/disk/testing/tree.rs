//! A directory tree in memory: what was there before, and what a crash left.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One name of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Arc<Vec<u8>>,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory.
    Directory {
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: PathBuf,
    },
}

/// A directory tree by value: paths relative to its root, which itself is the empty path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Everything in it, in the order of paths: a directory comes before what is in it.
    pub nodes: BTreeMap<PathBuf, Node>,
}

impl Tree {
    /// Reads a directory, whole, into memory.
    ///
    /// # Errors
    /// Those of reading. Sockets, fifos and devices are left out.
    pub fn take(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.take_dir(root, Path::new(""))?;
        Ok(tree)
    }

    #[expect(clippy::disallowed_methods, reason = "copies a whole directory, in tests")]
    fn take_dir(&mut self, directory: &Path, at: &Path) -> io::Result<()> {
        let mode = std::fs::metadata(directory)?.permissions().mode() & 0o7777;
        self.nodes.insert(at.to_owned(), Node::Directory { mode });
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let (path, at) = (entry.path(), at.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.take_dir(&path, &at)?;
            } else if kind.is_symlink() {
                self.nodes.insert(at, Node::Symlink { target: std::fs::read_link(&path)? });
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode() & 0o7777;
                self.nodes.insert(at, Node::File { bytes: Arc::new(std::fs::read(&path)?), mode });
            }
        }
        Ok(())
    }

    /// Writes the tree into a directory that is missing or empty.
    ///
    /// # Errors
    /// Those of writing.
    #[expect(clippy::disallowed_methods, reason = "writes a whole directory, in tests")]
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        for (path, node) in &self.nodes {
            let full = if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) };
            match node {
                Node::Directory { mode } => {
                    match std::fs::create_dir(&full) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        made => made?,
                    }
                    std::fs::set_permissions(&full, PermissionsExt::from_mode(*mode))?;
                }
                Node::File { bytes, mode } => {
                    std::fs::write(&full, bytes.as_slice())?;
                    std::fs::set_permissions(&full, PermissionsExt::from_mode(*mode))?;
                }
                Node::Symlink { target } => std::os::unix::fs::symlink(target, &full)?,
            }
        }
        Ok(())
    }

    /// Returns the bytes of a file, or `None` where no file is under that path.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        match self.nodes.get(path.as_ref())? {
            Node::File { bytes, .. } => Some(bytes),
            Node::Directory { .. } | Node::Symlink { .. } => None,
        }
    }

    /// Returns the regular files beneath a directory, in the order of paths.
    pub fn files_beneath<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a Path, &'a [u8])> {
        self.nodes.iter().filter(move |(path, _)| path.starts_with(directory)).filter_map(|(path, node)| {
            match node {
                Node::File { bytes, .. } => Some((path.as_path(), bytes.as_slice())),
                Node::Directory { .. } | Node::Symlink { .. } => None,
            }
        })
    }
}
