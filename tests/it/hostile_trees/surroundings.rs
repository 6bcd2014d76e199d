//! What lies beside a store, and whether anybody touched it: written, chmodded, linked or deleted as a snapshot
//! tells, and opened or read as the kernel does.

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::inotify;

use crate::support::cli::{Said, said};

/// A directory that is watched.
pub(super) struct Surroundings {
    place: PathBuf,
    before: Snapshot,
    events: Option<OwnedFd>,
}

type Snapshot = BTreeMap<PathBuf, (u32, u32, u64, i64, Vec<u8>)>;

impl Surroundings {
    /// Begins to watch a directory with all that is in it now.
    pub(super) fn watch(place: &Path) -> Self {
        let before = snapshot(place);
        let events = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).ok();
        if let Some(events) = &events {
            for entry in walkdir::WalkDir::new(place) {
                let entry = entry.unwrap();
                // Fifos are opened by nobody here, and symlinks are not followed.
                let flags = inotify::WatchFlags::OPEN
                    | inotify::WatchFlags::ACCESS
                    | inotify::WatchFlags::MODIFY
                    | inotify::WatchFlags::ATTRIB
                    | inotify::WatchFlags::CREATE
                    | inotify::WatchFlags::DELETE
                    | inotify::WatchFlags::MOVE
                    | inotify::WatchFlags::DONT_FOLLOW;
                inotify::add_watch(events, entry.path(), flags).unwrap();
            }
            // Our own look does not count, here and below.
            drain(events);
        }
        Self { place: place.to_owned(), before, events }
    }

    /// Says what happened there: somebody opened or read something, or something has changed.
    pub(super) fn fault(&self) -> Option<String> {
        let touched = self.events.as_ref().map_or(Vec::new(), drain);
        let after = snapshot(&self.place);
        drop(self.events.as_ref().map(drain));
        if !touched.is_empty() {
            return Some(format!("somebody was elsewhere: {touched:?}"));
        }
        (after != self.before).then(|| "something elsewhere was changed".to_owned())
    }
}

fn drain(events: &OwnedFd) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    let mut touched = Vec::new();
    while let Ok(event) = reader.next() {
        touched.push(format!("{:?} {:?}", event.events(), event.file_name()));
    }
    touched
}

fn snapshot(place: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    for entry in walkdir::WalkDir::new(place) {
        let entry = entry.unwrap();
        let stat = entry.path().symlink_metadata().unwrap();
        let content = if stat.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let changed = stat.ctime() * 1_000_000_000 + stat.ctime_nsec();
        found.insert(entry.path().to_owned(), (stat.mode(), stat.uid(), stat.ino(), changed, content));
    }
    found
}

/// Runs a command that must come to an end by itself: one that waits for the other end of a fifo does not.
pub(super) fn within_a_minute(command: &Command) -> Said {
    let mut timed = Command::new("timeout");
    timed.args(["-k", "5", "60"]).arg(command.get_program()).args(command.get_args()).env_clear();
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    timed.current_dir(command.get_current_dir().expect("a desk")).stdin(std::process::Stdio::null());
    let said = said(timed);
    assert!(said.code != 124 && said.code != 137, "{command:?} hangs: {said:#?}");
    said
}
