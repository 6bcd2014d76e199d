//! Someone tries it on what every Rust machine has: headers, the toolchain's libraries and documents. What comes
//! out is what went in, and every tool agrees.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cli::{Desk, is_slow_run};
use crate::support::trees::{SPECIAL, check_same, check_sums};

/// Adds a tree, finalised, and has everything that came of it judged.
fn check_real(tree: &Path) {
    if !tree.is_dir() {
        eprintln!("skipped: there is no {} here", tree.display());
        return;
    }
    let desk = if is_slow_run() { Desk::on_disk() } else { Desk::without_store() };
    desk.ok(["init"]);
    let source = tree.to_str().unwrap();
    let printed = desk.ok(["add", source, "--name", "real", "--finalize"]);
    let digest = printed.trim().strip_prefix("real@1 ").unwrap();
    assert_eq!(desk.ok(["manifest", "real", "--digest"]).trim(), digest);
    let out = desk.path("out");
    desk.ok(["export", "real", "out", "--special-modes"]);
    check_same(tree, &out, SPECIAL);
    check_sums(&desk, "real", &out);
    assert_eq!(desk.ok(["diff", "real", "./out"]), "");
    desk.ok(["verify"]);
    assert!(desk.ok(["replay", "--check"]).starts_with("equal"));
    // Again, unchanged: only looked at.
    assert_eq!(
        desk.ok(["add", source, "--name", "real", "--finalize", "--if-changed", "--quiet"]),
        "real@1\n"
    );
}

fn toolchain() -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

#[test]
fn the_headers_of_the_system() {
    check_real(Path::new("/usr/include"));
}

#[test]
fn the_toolchains_libraries() {
    let Some(toolchain) = toolchain() else { return };
    let libraries = toolchain.join("lib");
    // With files of a hundred MB, and in a slow run all of them.
    // Beside them are files of hundreds of MB, for which a slow run has the time.
    check_real(&if is_slow_run() { libraries } else { libraries.join("rustlib") });
}

#[test]
fn the_toolchains_documents() {
    let Some(toolchain) = toolchain() else { return };
    let documents = toolchain.join("share/doc");
    check_real(&if is_slow_run() { documents } else { documents.join("rust/html/alloc") });
}
