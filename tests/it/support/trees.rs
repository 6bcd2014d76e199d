//! Trees on disk: what they hold, and whether two of them are the same to people who never heard of astore.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::cli::{Desk, has, said};

/// What is kept of a name in a tree: its kind, its mode, a file's size, a symlink's target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    File { mode: u32, size: u64 },
    Directory { mode: u32 },
    Symlink { target: Vec<u8> },
}

/// Lists a tree by hand. What is neither file, directory nor symlink is left out; `mask` is of the modes.
pub(crate) fn survey(tree: &Path, mask: u32) -> BTreeMap<Vec<u8>, Kept> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(tree).min_depth(1).max_open(64) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(tree).unwrap().as_os_str().as_bytes().to_vec();
        let stat = entry.path().symlink_metadata().unwrap();
        let kind = stat.file_type();
        let mode = stat.mode() & mask;
        let kept = if kind.is_symlink() {
            Kept::Symlink {
                target: std::fs::read_link(entry.path()).unwrap().as_os_str().as_bytes().to_vec(),
            }
        } else if kind.is_dir() {
            Kept::Directory { mode }
        } else if kind.is_file() {
            Kept::File { mode, size: stat.len() }
        } else {
            assert!(kind.is_fifo() || kind.is_socket(), "{}", entry.path().display());
            continue;
        };
        found.insert(path, kept);
    }
    found
}

/// The bits of a mode that export always sets.
pub(crate) const PLAIN: u32 = 0o777;
/// All of them.
pub(crate) const SPECIAL: u32 = 0o7777;

/// Two trees are the same: to `diff`, and in modes and symlinks.
#[track_caller]
pub(crate) fn check_same(left: &Path, right: &Path, mask: u32) {
    let (ours, theirs) = (survey(left, mask), survey(right, mask));
    for (path, kept) in &ours {
        assert_eq!(Some(kept), theirs.get(path), "{}", String::from_utf8_lossy(path));
    }
    assert_eq!(ours.len(), theirs.len(), "{} has more than {}", right.display(), left.display());
    if has("diff") {
        let mut diff = Command::new("diff");
        diff.args(["-r", "--no-dereference"]).args([left, right]).env("LC_ALL", "C");
        let said = said(diff);
        // What export leaves out on purpose is all that may be missing.
        let told: Vec<&str> = said.out.lines().filter(|line| !is_special(line)).collect();
        assert!(told.is_empty() && said.err.is_empty() && said.code < 2, "{said:#?}");
    }
}

fn is_special(line: &str) -> bool {
    line.starts_with("Only in") && (line.ends_with(": fifo") || line.ends_with(": socket"))
}

/// The check files that astore prints satisfy the tools that they are for.
#[track_caller]
pub(crate) fn check_sums(desk: &Desk, reference: &str, exported: &Path) {
    for (format, tool) in [("sha256sums", "sha256sum"), ("b3sums", "b3sum")] {
        if !has(tool) {
            continue;
        }
        let mut command = desk.command(["manifest", reference, "--format", format]);
        let printed = command.output().unwrap();
        // Names that a tool cannot say are told on standard error; then the code is 3.
        let left_out = String::from_utf8_lossy(&printed.stderr);
        let code = if left_out.is_empty() { 0 } else { 3 };
        assert_eq!(printed.status.code(), Some(code), "{left_out}");
        if printed.stdout.is_empty() {
            continue; // no files: the tools call an empty check file an error
        }
        let sums = desk.path(format!("{reference}.{format}"));
        std::fs::write(&sums, &printed.stdout).unwrap();
        let mut check = Command::new(tool);
        check.arg("-c").arg(&sums).current_dir(exported);
        let checked = said(check);
        assert_eq!(checked.code, 0, "{tool} -c: {checked:#?}");
        let lines = printed.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
        let said_ok = checked.out.lines().filter(|line| line.ends_with(": OK")).count();
        assert_eq!(said_ok, lines, "{tool} -c: {checked:#?}");
    }
}

/// Every file beneath a directory, with its bytes and its time.
pub(crate) fn everything(root: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let time = entry.metadata().unwrap().modified().unwrap();
            (entry.path().to_owned(), std::fs::read(entry.path()).unwrap(), time)
        })
        .collect();
    files.sort();
    files
}
