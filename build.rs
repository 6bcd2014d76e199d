//! Notes which commit a release is built from, for `astore --version --verbose`. Reads git, or what `cargo package` left
//! in its place, and nothing else: the same sources give the same binary.
#![allow(dead_code, reason = "the tests call the parts by themselves")]

use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "cargo says in the environment what is built")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A build for a developer is not made anew for every commit.
    if std::env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return;
    }
    for changed in ["src", "Cargo.toml", "Cargo.lock", ".cargo_vcs_info.json"] {
        println!("cargo:rerun-if-changed={changed}");
    }
    let here = Path::new(".");
    if let Some(moves) = git(here, &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={moves}");
    }
    if let Some(commit) = of_git(here).or_else(|| of_package(here)) {
        println!("cargo:rustc-env=ASTORE_COMMIT={commit}");
    }
}

/// Returns the commit that is checked out there, with `-dirty` behind it where files differ from it.
pub(crate) fn of_git(top: &Path) -> Option<String> {
    // A repository around an unpacked source, a packager's for instance, is not the source's own.
    let prefix = git(top, &["rev-parse", "--show-prefix"])?;
    let commit = git(top, &["rev-parse", "HEAD"])?;
    let changed = git(top, &["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    prefix.is_empty().then(|| format!("{commit}{dirty}"))
}

/// Returns the commit that `cargo package` noted.
pub(crate) fn of_package(top: &Path) -> Option<String> {
    let note: PathBuf = [top, Path::new(".cargo_vcs_info.json")].iter().collect();
    let text = std::fs::read_to_string(note).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?;
    let is_hex = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| commit.to_owned())
}

fn git(top: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(top).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
