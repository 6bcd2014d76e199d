//! Directories and files as a disk has them: what is live, what is durable, and the changes between the two.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::call::{Call, FileId};
use super::crash::CrashKind;
use super::fate::{Edit, Fate, Fates, change};
use super::tree::{Node, Tree};

type Inode = usize;

/// A count of the moments at which it was seen what others had written.
type Moment = usize;

/// A change of something that is not durable yet.
#[derive(Clone, Debug)]
struct Pending<C> {
    change: C,
    /// Where others did it: when that was seen. A crash finds everything of theirs as it was at one moment.
    seen: Option<Moment>,
}

/// A change of a directory: the name now stands for this, or for nothing.
type Entry = (OsString, Option<Inode>);

#[derive(Clone, Debug)]
enum Thing {
    File {
        live: Arc<Vec<u8>>,
        durable: Arc<Vec<u8>>,
        pending: Vec<Pending<Edit>>,
        mode: u32,
    },
    Directory {
        live: BTreeMap<OsString, Inode>,
        durable: BTreeMap<OsString, Inode>,
        pending: Vec<Pending<Entry>>,
        mode: u32,
    },
    Symlink {
        target: PathBuf,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    things: Vec<Thing>,
    open: HashMap<FileId, Inode>,
    moment: Moment,
}

const ROOT: Inode = 0;

impl Model {
    pub(super) fn new(before: &Tree) -> Self {
        let root = Thing::Directory {
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            mode: 0o700,
        };
        let mut model = Self { things: vec![root], open: HashMap::new(), moment: 0 };
        for (path, node) in &before.nodes {
            match node {
                Node::Directory { mode: root } if path.as_os_str().is_empty() => {
                    if let Thing::Directory { mode, .. } = &mut model.things[ROOT] {
                        *mode = *root;
                    }
                }
                Node::Directory { mode } => model.add_dir(path, *mode),
                Node::File { bytes, mode } => {
                    let (live, durable) = (Arc::clone(bytes), Arc::clone(bytes));
                    let file = Thing::File { live, durable, pending: Vec::new(), mode: *mode };
                    model.add(path, file, None);
                }
                Node::Symlink { target } => {
                    model.add(path, Thing::Symlink { target: target.clone() }, None);
                }
            }
        }
        model.sync_all();
        model
    }

    pub(super) fn apply(&mut self, call: &Call) {
        match call {
            Call::Create { path, mode, file } => {
                let made = self.add(path, empty_file(*mode), None);
                self.open.insert(*file, made);
            }
            Call::OpenWrite { path, file } => {
                let opened = self.known(path);
                self.open.insert(*file, opened);
            }
            Call::Write { file, offset, bytes, .. } => {
                self.edit(
                    self.open[file],
                    Edit::Write { offset: index(*offset), bytes: bytes.clone() },
                    None,
                );
            }
            Call::SetLen { file, size_bytes, .. } => {
                self.edit(self.open[file], Edit::SetLen(index(*size_bytes)), None);
            }
            Call::SetMode { file, path, mode: new } => {
                let inode = self.opened(*file, path);
                if let Thing::File { mode, .. } = &mut self.things[inode] {
                    *mode = *new;
                }
            }
            Call::SyncFile { file, path } => self.sync(self.opened(*file, path)),
            Call::MakeDir { path } => self.add_dir(path, self.root_mode()),
            Call::Rename { from, to } => {
                let moved = self.known(from);
                self.set_entry(from, None, None);
                self.set_entry(to, Some(moved), None);
            }
            Call::RemoveFile { path } | Call::RemoveDir { path } => self.set_entry(path, None, None),
            Call::SyncDir { path } => self.sync(self.known(path)),
            Call::SyncAll => self.sync_all(),
            Call::Foreign { files } => {
                self.moment += 1;
                files.iter().for_each(|(path, bytes)| self.see(path, bytes.as_ref()));
            }
            Call::Open { .. }
            | Call::Read { .. }
            | Call::Stat { .. }
            | Call::List { .. }
            | Call::Point { .. } => {}
        }
    }

    pub(super) fn apply_half(&mut self, call: &Call) {
        if let Call::Write { file, offset, bytes, .. } = call {
            let half = bytes[..bytes.len() / 2].to_vec();
            self.edit(self.open[file], Edit::Write { offset: index(*offset), bytes: half }, None);
        }
    }

    /// Returns how many changes are not durable yet, without those of others.
    pub(super) fn pending(&self) -> usize {
        let ours = |thing: &Thing| match thing {
            Thing::File { pending, .. } => pending.iter().filter(|edit| edit.seen.is_none()).count(),
            Thing::Directory { pending, .. } => pending.iter().filter(|entry| entry.seen.is_none()).count(),
            Thing::Symlink { .. } => 0,
        };
        self.things.iter().map(ours).sum()
    }

    /// Returns whether others changed something that nobody synced through the disk since.
    pub(super) fn is_behind(&self) -> bool {
        self.oldest_seen().is_some()
    }

    fn oldest_seen(&self) -> Option<Moment> {
        let oldest = |thing: &Thing| match thing {
            Thing::File { pending, .. } => pending.iter().filter_map(|edit| edit.seen).min(),
            Thing::Directory { pending, .. } => pending.iter().filter_map(|entry| entry.seen).min(),
            Thing::Symlink { .. } => None,
        };
        self.things.iter().filter_map(oldest).min()
    }

    /// Takes in what others made of one of their files.
    fn see(&mut self, path: &Path, bytes: Option<&Arc<Vec<u8>>>) {
        let seen = Some(self.moment);
        match (self.find(path), bytes) {
            (Some(inode), Some(bytes)) => self.edit(inode, Edit::Replace(Arc::clone(bytes)), seen),
            (None, Some(bytes)) => {
                let made = self.add(path, empty_file(self.root_mode() & 0o666), seen);
                self.edit(made, Edit::Replace(Arc::clone(bytes)), seen);
            }
            (Some(_), None) => {
                self.set_entry(path, None, seen);
                self.trust_checkpoint(path);
            }
            (None, None) => {}
        }
    }

    /// SQLite syncs a database that took its WAL in before it takes that away. It is believed for `astore.db` alone,
    /// which it is told to be careful with; a database that is being built may be built in a hurry.
    fn trust_checkpoint(&mut self, path: &Path) {
        let Some(database) = path.to_str().and_then(|path| path.strip_suffix("-wal")) else { return };
        if database.ends_with(".new") {
            return;
        }
        if let Some(inode) = self.find(Path::new(database)) {
            self.sync(inode);
        }
        let name = path.file_name().map(OsString::from).unwrap_or_default();
        if let Thing::Directory { durable, pending, .. } = &mut self.things[ROOT] {
            durable.remove(&name);
            pending.retain(|entry| entry.change.0 != name);
        }
    }

    fn root_mode(&self) -> u32 {
        match &self.things[ROOT] {
            Thing::Directory { mode, .. } => *mode,
            Thing::File { .. } | Thing::Symlink { .. } => 0o700,
        }
    }

    fn add_dir(&mut self, path: &Path, mode: u32) {
        let (live, durable) = (BTreeMap::new(), BTreeMap::new());
        self.add(path, Thing::Directory { live, durable, pending: Vec::new(), mode }, None);
    }

    fn add(&mut self, path: &Path, thing: Thing, seen: Option<Moment>) -> Inode {
        self.things.push(thing);
        let made = self.things.len() - 1;
        self.set_entry(path, Some(made), seen);
        made
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        path.iter().try_fold(ROOT, |at, name| match &self.things[at] {
            Thing::Directory { live, .. } => live.get(name).copied(),
            Thing::File { .. } | Thing::Symlink { .. } => None,
        })
    }

    /// One that was opened to be read is not in the trace: then it is the one under the path.
    fn opened(&self, file: FileId, path: &Path) -> Inode {
        self.open.get(&file).copied().unwrap_or_else(|| self.known(path))
    }

    /// The trace holds calls that succeeded, so what they name is there.
    fn known(&self, path: &Path) -> Inode {
        self.find(path).unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    fn set_entry(&mut self, path: &Path, to: Option<Inode>, seen: Option<Moment>) {
        let name = path.file_name().map(OsString::from).unwrap_or_default();
        let above = self.known(path.parent().unwrap_or(Path::new("")));
        if let Thing::Directory { live, pending, .. } = &mut self.things[above] {
            set(live, &name, to);
            pending.push(Pending { change: (name, to), seen });
        }
    }

    fn edit(&mut self, inode: Inode, edit: Edit, seen: Option<Moment>) {
        if let Thing::File { live, pending, .. } = &mut self.things[inode] {
            change(live, &edit);
            pending.push(Pending { change: edit, seen });
        }
    }

    fn sync(&mut self, inode: Inode) {
        match &mut self.things[inode] {
            Thing::File { live, durable, pending, .. } => {
                *durable = Arc::clone(live);
                pending.clear();
            }
            Thing::Directory { live, durable, pending, .. } => {
                durable.clone_from(live);
                pending.clear();
            }
            Thing::Symlink { .. } => {}
        }
    }

    fn sync_all(&mut self) {
        (0..self.things.len()).for_each(|inode| self.sync(inode));
    }

    pub(super) fn crash(&self, kind: CrashKind) -> Tree {
        let oldest = self.oldest_seen().map_or(self.moment, |moment| moment - 1);
        let mut fates = Fates::new(kind);
        let until = fates.moment(oldest, self.moment);
        let mut tree = Tree::default();
        // Decided in the order of things, and not of what is reached: whether a name is there decides nothing else.
        let decided: Vec<Vec<Fate>> =
            self.things.iter().map(|thing| decide(thing, &mut fates, until)).collect();
        self.leave(ROOT, Path::new(""), &decided, &mut tree);
        tree
    }

    #[expect(clippy::disallowed_methods, reason = "paths of a tree in memory")]
    fn leave(&self, inode: Inode, at: &Path, decided: &[Vec<Fate>], tree: &mut Tree) {
        let fates = &decided[inode];
        let node = match &self.things[inode] {
            Thing::Symlink { target } => Node::Symlink { target: target.clone() },
            Thing::File { durable, pending, mode, .. } => {
                let mut bytes = Arc::clone(durable);
                for (edit, fate) in pending.iter().zip(fates) {
                    if let Some(edit) = fate.of(&edit.change, &bytes) {
                        change(&mut bytes, &edit);
                    }
                }
                Node::File { bytes, mode: *mode }
            }
            Thing::Directory { durable, pending, mode, .. } => {
                let mut entries = durable.clone();
                for (entry, fate) in pending.iter().zip(fates) {
                    if *fate != Fate::Lost {
                        set(&mut entries, &entry.change.0, entry.change.1);
                    }
                }
                tree.nodes.insert(at.to_owned(), Node::Directory { mode: *mode });
                for (name, below) in entries {
                    self.leave(below, &at.join(name), decided, tree);
                }
                return;
            }
        };
        tree.nodes.insert(at.to_owned(), node);
    }
}

/// Decides what becomes of every change of a thing. Those of others are there up to a moment.
fn decide(thing: &Thing, fates: &mut Fates, until: Moment) -> Vec<Fate> {
    let by_moment = |seen: Moment| if seen <= until { Fate::Kept } else { Fate::Lost };
    match thing {
        Thing::File { pending, .. } => {
            pending.iter().map(|edit| edit.seen.map_or_else(|| fates.edit(&edit.change), by_moment)).collect()
        }
        Thing::Directory { pending, .. } => {
            pending.iter().map(|entry| entry.seen.map_or_else(|| fates.entry(), by_moment)).collect()
        }
        Thing::Symlink { .. } => Vec::new(),
    }
}

fn empty_file(mode: u32) -> Thing {
    Thing::File { live: Arc::default(), durable: Arc::default(), pending: Vec::new(), mode }
}

fn set(entries: &mut BTreeMap<OsString, Inode>, name: &OsString, to: Option<Inode>) {
    match to {
        Some(inode) => drop(entries.insert(name.clone(), inode)),
        None => drop(entries.remove(name)),
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files in crash tests fit into memory")
}
