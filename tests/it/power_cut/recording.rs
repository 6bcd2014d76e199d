//! What reached a disk, in order: every write with its bytes, and every flush.
//!
//! The recorder is a process of its own. It owns nothing but `/dev/fuse`, an image and the recording, both in
//! memory, so it never waits for the file system that waits for it; when it dies, the kernel ends whatever still
//! waits. It writes down what was asked before it answers: after a command has ended, all that the disk ever
//! told it to be durable is in the recording.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::fuse;
use super::volume::Image;

/// What the disk was asked.
#[derive(Debug)]
pub(super) enum Entry {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// All that was written before is durable.
    Flush,
}

/// Where in a recording something happened: so many of its bytes were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    pub(super) const START: Self = Self(0);
}

/// The directory of a recorder's files, for the process that is one.
const PLACE: &str = "ASTORE_TEST_POWER_CUT_PLACE";
const IMAGE: &str = "image";
const RECORDING: &str = "recording";
const MOUNTED: &str = "mounted";
const HEADER_BYTES: usize = 17;

/// A disk, as one file, whose writes and flushes are recorded. It is mounted for as long as this lives.
pub(super) struct Recorder {
    place: PathBuf,
    process: Child,
}

impl Recorder {
    /// Starts to serve and record a copy of this image.
    pub(super) fn start(place: &Path, image: &Image) -> Self {
        std::fs::create_dir(place).unwrap();
        image.write_to(&place.join(IMAGE));
        let mounted = place.join(MOUNTED);
        File::create(&mounted).unwrap();
        File::create(place.join(RECORDING)).unwrap();
        let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let status = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", fuse::MOUNT_OPTIONS, "power-cut"])
            .arg(&mounted)
            .stdin(device.try_clone().unwrap())
            .status();
        assert!(status.unwrap().success(), "/dev/fuse does not mount");
        let process = Command::new(std::env::current_exe().unwrap())
            .args([SERVES, "--exact", "--nocapture"])
            .env(PLACE, place)
            .stdin(device)
            .stdout(Stdio::null())
            .spawn();
        Self { place: place.to_owned(), process: process.unwrap() }
    }

    /// The file that is the disk.
    pub(super) fn disk(&self) -> PathBuf {
        self.place.join(MOUNTED)
    }

    /// Where the recording stands.
    pub(super) fn position(&self) -> Position {
        Position(self.place.join(RECORDING).metadata().unwrap().len())
    }

    /// Reads what was recorded.
    pub(super) fn recording(&self) -> Recording {
        Recording::decode(&std::fs::read(self.place.join(RECORDING)).unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let umount = |options: &[&str]| {
            let quiet = Command::new("umount").args(options).arg(self.disk()).stderr(Stdio::null()).status();
            quiet.is_ok_and(|status| status.success())
        };
        if !umount(&[]) && !umount(&["--lazy"]) {
            eprintln!("{} could not be unmounted", self.disk().display());
        }
        // It ends by itself where nothing holds the disk any more; else whatever does hears an error.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What was recorded.
pub(super) struct Recording {
    pub(super) entries: Vec<Entry>,
    /// At how many bytes each entry ended.
    ends: Vec<u64>,
}

impl Recording {
    fn decode(mut bytes: &[u8]) -> Self {
        let (mut entries, mut ends, mut end) = (Vec::new(), Vec::new(), 0);
        while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() {
            let offset = u64::from_le_bytes(header[1..9].try_into().unwrap());
            let length = u64::from_le_bytes(header[9..].try_into().unwrap());
            let (written, rest) = rest.split_at(usize::try_from(length).unwrap());
            entries.push(match header[0] {
                b'w' => Entry::Write { offset, bytes: written.to_vec() },
                b'f' => Entry::Flush,
                other => panic!("{other} in a recording"),
            });
            bytes = rest;
            end += HEADER_BYTES as u64 + length;
            ends.push(end);
        }
        Self { entries, ends }
    }

    /// One that was made up.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        Self { ends: (1..=entries.len() as u64).collect(), entries }
    }

    /// How many entries there were at a position.
    pub(super) fn entries_at(&self, position: Position) -> usize {
        self.ends.partition_point(|end| *end <= position.0)
    }

    pub(super) fn writes(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Write { .. })).count()
    }

    pub(super) fn flushes(&self) -> usize {
        self.entries.len() - self.writes()
    }
}

/// Writes to a recorded disk through a loop device, and looks at the recording at once.
pub(super) fn check_recorder(image: &Image) {
    let place = crate::support::store::fast_dir();
    let recorder = Recorder::start(&place.path().join("disk"), image);
    let losetup = Command::new("losetup").args(["--find", "--show"]).arg(recorder.disk()).output().unwrap();
    let device = Loop(String::from_utf8(losetup.stdout).unwrap().trim().to_owned());
    let heard = |before: Position| {
        let recording = recorder.recording();
        let new = &recording.entries[recording.entries_at(before)..];
        let said = new.iter().map(|entry| match entry {
            Entry::Write { offset, bytes } => format!("{} at {offset}: {}", bytes.len(), bytes[0]),
            Entry::Flush => "flush".to_owned(),
        });
        said.collect::<Vec<_>>()
    };
    let block = File::options().read(true).write(true).open(&device.0).unwrap();
    let before = recorder.position();
    block.write_all_at(&[7; 8192], 4096).unwrap();
    assert!(heard(before).is_empty(), "the device itself has a cache above the disk");
    block.sync_all().unwrap();
    assert_eq!(heard(before), ["8192 at 4096: 7", "flush"]);
    let before = recorder.position();
    block.sync_all().unwrap();
    assert_eq!(heard(before), ["flush"]);
    // A write that goes by that cache is here when it returns: nothing else is between.
    let before = recorder.position();
    let output = place.path().join("zeros");
    std::fs::write(&output, [9; 4096]).unwrap();
    let of = format!("of={}", device.0);
    let mut direct = Command::new("dd");
    direct.arg(format!("if={}", output.display())).args([&of, "bs=4096", "oflag=direct", "conv=notrunc"]);
    assert!(direct.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(heard(before), ["4096 at 0: 9"]);
    let mut bytes = [0; 8192];
    block.read_exact_at(&mut bytes, 4096).unwrap();
    assert_eq!(bytes, [7; 8192]);
}

/// A loop device that is detached in the end.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let status = Command::new("losetup").args(["--detach", &self.0]).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be detached", self.0);
        }
    }
}

/// The recorder's own half: the image, and what it writes down.
struct Recorded {
    image: File,
    recording: File,
    size_bytes: u64,
}

impl Recorded {
    fn note(&mut self, kind: u8, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut entry = Vec::with_capacity(HEADER_BYTES + bytes.len());
        entry.push(kind);
        entry.extend(offset.to_le_bytes());
        entry.extend((bytes.len() as u64).to_le_bytes());
        entry.extend(bytes);
        self.recording.write_all(&entry)
    }
}

impl fuse::Served for Recorded {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.image.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.note(b'w', offset, bytes)?;
        self.image.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.note(b'f', 0, &[])
    }
}

/// The name of the test below.
const SERVES: &str = "power_cut::recording::a_recorder_serves_whoever_started_it";

/// The recorder's process, which is this test in another process; among the others it has nothing to do.
#[test]
fn a_recorder_serves_whoever_started_it() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    super::apart::die_with_parent();
    // Memory that is short must never make it wait for the disk that it is.
    let _: Result<(), _> = rustix::process::configure_io_flusher_behavior(true);
    let device: OwnedFd = io::stdin().as_fd().try_clone_to_owned().unwrap();
    let image = File::options().read(true).write(true).open(place.join(IMAGE)).unwrap();
    let recording = File::options().append(true).open(place.join(RECORDING)).unwrap();
    let size_bytes = image.metadata().unwrap().len();
    fuse::serve(File::from(device), &mut Recorded { image, recording, size_bytes }).unwrap();
}
