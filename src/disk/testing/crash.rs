//! What a kill or a power cut at any call of a trace can leave behind.
//!
//! The model: a file's bytes are durable after a sync of that file or of everything; a directory's entries
//! after a sync of that directory or of everything. A rename is two changes of entries, one where the name
//! goes and one where it comes, which may reach the disk apart. What is not durable is, after a power cut,
//! there or not there, each change by itself; a write may be there as its first part only, or as zeros.
//! Modes are taken to be durable at once: nothing here depends on them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::call::{Call, FileId};
use super::tree::{Node, Tree};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The process was killed between two calls: everything it did is there.
    Kill,
    /// The process was killed within a write: half of that is there.
    KillInWrite,
    /// The power went. Seeds 0 to 3 lose everything not synced; keep names but lose bytes; keep names and
    /// lengths, but have zeros for bytes; keep everything. Others choose by chance, the same for the same seed.
    PowerCut {
        /// What the choice follows.
        seed: u64,
    },
}

/// One thing that can be found after a crash.
#[derive(Clone, Debug)]
pub struct CrashState {
    /// How many calls of the trace had returned.
    pub calls: usize,
    /// How it ended.
    pub kind: CrashKind,
    /// What is there.
    pub tree: Tree,
}

/// Goes through a trace and yields every [`CrashState`]: for each number of calls a kill, a kill within the
/// call that comes next where that is a write, and as many power cuts as asked for.
#[derive(Debug)]
pub struct Crashes<'a> {
    model: Model,
    calls: &'a [Call],
    done: usize,
    seeds: u64,
    queue: Vec<CrashKind>,
}

impl<'a> Crashes<'a> {
    /// Begins before the first call, with `before` as what was there, all of it durable.
    pub fn of(before: &Tree, calls: &'a [Call], seeds: u64) -> Self {
        let mut crashes = Self { model: Model::new(before), calls, done: 0, seeds, queue: Vec::new() };
        crashes.refill();
        crashes
    }

    /// Returns one state: that after so many calls.
    pub fn state(before: &Tree, calls: &[Call], kind: CrashKind) -> CrashState {
        let mut model = Model::new(before);
        calls.iter().for_each(|call| model.apply(call));
        CrashState { calls: calls.len(), kind, tree: model.crash(kind) }
    }

    fn refill(&mut self) {
        self.queue = (0..self.seeds).rev().map(|seed| CrashKind::PowerCut { seed }).collect();
        if matches!(self.calls.get(self.done), Some(Call::Write { .. })) {
            self.queue.push(CrashKind::KillInWrite);
        }
        self.queue.push(CrashKind::Kill);
    }
}

impl Iterator for Crashes<'_> {
    type Item = CrashState;

    fn next(&mut self) -> Option<CrashState> {
        while self.queue.is_empty() {
            let call = self.calls.get(self.done)?;
            self.model.apply(call);
            self.done += 1;
            self.refill();
        }
        let kind = self.queue.pop()?;
        let tree = match (kind, self.calls.get(self.done)) {
            (CrashKind::KillInWrite, Some(call)) => {
                let mut model = self.model.clone();
                model.apply_half(call);
                model.crash(kind)
            }
            _ => self.model.crash(kind),
        };
        Some(CrashState { calls: self.done, kind, tree })
    }
}

type Inode = usize;

/// A change of a file's bytes that is not durable yet.
#[derive(Clone, Debug)]
enum Edit {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// A change of a directory that is not durable yet: the name now stands for this, or for nothing.
type Entry = (OsString, Option<Inode>);

#[derive(Clone, Debug)]
enum Thing {
    File {
        live: Arc<Vec<u8>>,
        durable: Arc<Vec<u8>>,
        pending: Vec<Edit>,
        mode: u32,
    },
    Directory {
        live: BTreeMap<OsString, Inode>,
        durable: BTreeMap<OsString, Inode>,
        pending: Vec<Entry>,
        mode: u32,
    },
    Symlink {
        target: PathBuf,
    },
}

/// A snapshot of the files that others write.
type Foreign = Vec<(PathBuf, Option<Vec<u8>>)>;

#[derive(Clone, Debug)]
struct Model {
    things: Vec<Thing>,
    open: HashMap<FileId, Inode>,
    /// Since everything was last synced, the oldest first; the first may be what was durable then.
    foreign: Vec<Foreign>,
}

const ROOT: Inode = 0;

impl Model {
    fn new(before: &Tree) -> Self {
        let root = Thing::Directory {
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            mode: 0o700,
        };
        let mut model = Self { things: vec![root], open: HashMap::new(), foreign: Vec::new() };
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
                    model.add(path, Thing::File { live, durable, pending: Vec::new(), mode: *mode });
                }
                Node::Symlink { target } => {
                    model.add(path, Thing::Symlink { target: target.clone() });
                }
            }
        }
        model.sync_all();
        model
    }

    fn apply(&mut self, call: &Call) {
        match call {
            Call::Create { path, mode, file } => {
                let (live, durable) = (Arc::default(), Arc::default());
                let made = self.add(path, Thing::File { live, durable, pending: Vec::new(), mode: *mode });
                self.open.insert(*file, made);
            }
            Call::OpenWrite { path, file } => {
                let opened = self.find(path);
                self.open.insert(*file, opened);
            }
            Call::Write { file, offset, bytes, .. } => {
                self.edit(*file, Edit::Write { offset: index(*offset), bytes: bytes.clone() });
            }
            Call::SetLen { file, size_bytes, .. } => self.edit(*file, Edit::SetLen(index(*size_bytes))),
            Call::SetMode { file, mode: new, .. } => {
                if let Thing::File { mode, .. } = &mut self.things[self.open[file]] {
                    *mode = *new;
                }
            }
            Call::SyncFile { file, .. } => self.sync(self.open[file]),
            Call::MakeDir { path } => self.add_dir(path, self.root_mode()),
            Call::Rename { from, to } => {
                let moved = self.find(from);
                self.set_entry(from, None);
                self.set_entry(to, Some(moved));
            }
            Call::RemoveFile { path } | Call::RemoveDir { path } => self.set_entry(path, None),
            Call::SyncDir { path } => {
                let directory = self.find(path);
                self.sync(directory);
            }
            Call::SyncAll => self.sync_all(),
            Call::Foreign { files } => self.foreign.push(files.clone()),
            Call::Open { .. }
            | Call::Read { .. }
            | Call::Stat { .. }
            | Call::List { .. }
            | Call::Point { .. } => {}
        }
    }

    fn apply_half(&mut self, call: &Call) {
        if let Call::Write { file, offset, bytes, .. } = call {
            let half = bytes[..bytes.len() / 2].to_vec();
            self.edit(*file, Edit::Write { offset: index(*offset), bytes: half });
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
        self.add(path, Thing::Directory { live, durable, pending: Vec::new(), mode });
    }

    fn add(&mut self, path: &Path, thing: Thing) -> Inode {
        self.things.push(thing);
        let made = self.things.len() - 1;
        self.set_entry(path, Some(made));
        made
    }

    /// The trace holds calls that succeeded, so what they name is there.
    fn find(&self, path: &Path) -> Inode {
        path.iter().fold(ROOT, |at, name| match &self.things[at] {
            Thing::Directory { live, .. } => live[name],
            Thing::File { .. } | Thing::Symlink { .. } => {
                panic!("{} is beneath no directory", path.display())
            }
        })
    }

    fn set_entry(&mut self, path: &Path, to: Option<Inode>) {
        let name = path.file_name().map(OsString::from).unwrap_or_default();
        let above = self.find(path.parent().unwrap_or(Path::new("")));
        if let Thing::Directory { live, pending, .. } = &mut self.things[above] {
            set(live, &name, to);
            pending.push((name, to));
        }
    }

    fn edit(&mut self, file: FileId, edit: Edit) {
        if let Thing::File { live, pending, .. } = &mut self.things[self.open[&file]] {
            change(Arc::make_mut(live), &edit);
            pending.push(edit);
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
        // What others had written by then is durable as well.
        if let Some(last) = self.foreign.pop() {
            self.foreign = vec![last];
        }
    }

    fn crash(&self, kind: CrashKind) -> Tree {
        let mut choice = Choice::new(kind);
        let mut tree = Tree::default();
        self.leave(ROOT, Path::new(""), &mut choice, &mut tree);
        // A database that is not told to sync each commit may come back as it was at an earlier one.
        if let Some(last) = self.foreign.len().checked_sub(1) {
            let back = if matches!(kind, CrashKind::PowerCut { seed } if seed > 3) {
                choice.number(self.foreign.len())
            } else {
                0
            };
            for (path, bytes) in &self.foreign[last - back] {
                let mode = self.root_mode() & 0o666;
                match bytes {
                    Some(bytes) => {
                        tree.nodes.insert(path.clone(), Node::File { bytes: Arc::new(bytes.clone()), mode });
                    }
                    None => drop(tree.nodes.remove(path)),
                }
            }
        }
        tree
    }

    #[expect(clippy::disallowed_methods, reason = "paths of a tree in memory")]
    fn leave(&self, inode: Inode, at: &Path, choice: &mut Choice, tree: &mut Tree) {
        let node = match &self.things[inode] {
            Thing::Symlink { target } => Node::Symlink { target: target.clone() },
            Thing::File { durable, pending, mode, .. } => {
                let mut bytes = Arc::clone(durable);
                if !pending.is_empty() {
                    let edited = Arc::make_mut(&mut bytes);
                    for edit in pending {
                        if let Some(edit) = choice.edit(edit, edited) {
                            change(edited, &edit);
                        }
                    }
                }
                Node::File { bytes, mode: *mode }
            }
            Thing::Directory { durable, pending, mode, .. } => {
                let mut entries = durable.clone();
                for (name, to) in pending {
                    if choice.entry() {
                        set(&mut entries, name, *to);
                    }
                }
                tree.nodes.insert(at.to_owned(), Node::Directory { mode: *mode });
                for (name, below) in entries {
                    self.leave(below, &at.join(name), choice, tree);
                }
                return;
            }
        };
        tree.nodes.insert(at.to_owned(), node);
    }
}

fn set(entries: &mut BTreeMap<OsString, Inode>, name: &OsString, to: Option<Inode>) {
    match to {
        Some(inode) => drop(entries.insert(name.clone(), inode)),
        None => drop(entries.remove(name)),
    }
}

fn change(bytes: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::Write { offset, bytes: new } => {
            let end = offset + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(new);
        }
        Edit::SetLen(length) => bytes.resize(*length, 0),
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files in crash tests fit into memory")
}

/// Decides what of the changes that were not synced is there: by rule, or by a small generator (SplitMix64).
struct Choice {
    kind: CrashKind,
    state: u64,
}

impl Choice {
    fn new(kind: CrashKind) -> Self {
        let state = if let CrashKind::PowerCut { seed } = kind { seed } else { 0 };
        Self { kind, state }
    }

    fn number(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (below.max(1) as u64)).unwrap_or(0)
    }

    fn entry(&mut self) -> bool {
        match self.kind {
            CrashKind::Kill | CrashKind::KillInWrite | CrashKind::PowerCut { seed: 1..=3 } => true,
            CrashKind::PowerCut { seed: 0 } => false,
            CrashKind::PowerCut { .. } => self.number(2) == 0,
        }
    }

    fn edit(&mut self, edit: &Edit, there: &[u8]) -> Option<Edit> {
        match self.kind {
            CrashKind::Kill | CrashKind::KillInWrite | CrashKind::PowerCut { seed: 3 } => Some(edit.clone()),
            CrashKind::PowerCut { seed: 0 | 1 } => None,
            CrashKind::PowerCut { seed: 2 } => Some(zeros(edit, there)),
            CrashKind::PowerCut { .. } => match self.number(4) {
                0 => Some(edit.clone()),
                1 => None,
                2 => Some(zeros(edit, there)),
                _ => Some(self.torn(edit)),
            },
        }
    }

    fn torn(&mut self, edit: &Edit) -> Edit {
        match edit {
            Edit::Write { offset, bytes } => {
                let cut = self.number(bytes.len() + 1);
                Edit::Write { offset: *offset, bytes: bytes[..cut].to_vec() }
            }
            Edit::SetLen(length) => Edit::SetLen(*length),
        }
    }
}

/// A file that grew without its new bytes: zeros there. What was overwritten in place is as it was, for no file
/// system puts zeros where bytes were.
fn zeros(edit: &Edit, there: &[u8]) -> Edit {
    match edit {
        Edit::Write { offset, bytes } => {
            let mut left = vec![0; bytes.len()];
            if let Some(old) = there.get(*offset..) {
                let kept = old.len().min(left.len());
                left[..kept].copy_from_slice(&old[..kept]);
            }
            Edit::Write { offset: *offset, bytes: left }
        }
        Edit::SetLen(length) => Edit::SetLen(*length),
    }
}

#[cfg(test)]
mod tests;
