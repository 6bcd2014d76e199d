//! A disk that is full, of bytes or of inodes, at every level from the first byte on; one that is read-only; and an
//! export to one that fills up.
//!
//! Each test starts itself again in a mount namespace of its own, where anybody may mount a small file system and
//! which takes its mounts with it.

use std::path::Path;
use std::process::Command;

use super::scene::{Clean, Deed, READERS, Scene, Start, WRITERS};
use super::verdict::{Fault, judge};
use crate::support::cli::is_slow_run;

/// Runs a test's body in a mount namespace, or says why not. `name` is the test's.
fn with_mounts(name: &str, body: impl FnOnce()) {
    if std::env::var_os("ASTORE_TEST_INSIDE").is_some() {
        return body();
    }
    // As root without a user namespace, in which there are no loop devices.
    let private = if rustix::process::getuid().is_root() { "-m" } else { "-rm" };
    let works = Command::new("unshare").args([private, "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let output = Command::new("unshare")
        .arg(private)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env("ASTORE_TEST_INSIDE", "1")
        .output()
        .unwrap();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// Mounts a file system of so many bytes and inodes in memory.
fn tmpfs(at: &Path, options: &str) {
    run("mount", &["-t", "tmpfs", "-o", options, "none", at.to_str().unwrap()]);
}

/// How much room is left.
#[derive(Clone, Copy, Debug)]
enum Left {
    Bytes(u64),
    Inodes(u64),
}

/// Fills the disk of a scene until no more is left than this.
fn fill(scene: &Scene, left: Left) {
    let found = rustix::fs::statvfs(scene.disk()).unwrap();
    let place = scene.disk().join("fill");
    std::fs::create_dir(&place).unwrap();
    match left {
        Left::Bytes(bytes) => {
            let free = rustix::fs::statvfs(scene.disk()).unwrap();
            let size = (free.f_bavail * free.f_frsize).saturating_sub(bytes);
            let file = std::fs::File::create(place.join("0")).unwrap();
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size.max(1)).unwrap();
        }
        Left::Inodes(inodes) => {
            // The directory took one.
            for nth in inodes + 1..found.f_ffree {
                std::fs::File::create(place.join(nth.to_string())).unwrap();
            }
        }
    }
}

/// Runs a command on a disk with so little left, and judges it. Returns whether it failed.
fn short_of_room(deed: Deed, clean: &Clean, left: Left, mount: &dyn Fn(&Path)) -> bool {
    let scene = Scene::on_disk(deed.start, mount);
    fill(&scene, left);
    let said = scene.run(deed.line);
    let lift = || std::fs::remove_dir_all(scene.disk().join("fill")).unwrap();
    let words = ["No space left on device".to_owned(), "the database".to_owned()];
    let fault = Fault { words: &words, codes: &[], forbids_success: false, lift: &lift };
    let judged = judge(deed, clean, &scene, &said, &fault);
    run("umount", &["-l", scene.disk().to_str().unwrap()]);
    judged.unwrap_or_else(|wrong| panic!("{} with {left:?} left: {wrong}", deed.line));
    let makes_room = deed.line.starts_with("remove ") || deed.line.starts_with("gc --confirm");
    assert!(said.code == 0 || !makes_room || matches!(left, Left::Inodes(_)), "{left:?}: {said:?}");
    said.code != 0
}

const ALL_BYTES: [u64; 17] = [
    0, 4096, 8192, 12_288, 16_384, 32_768, 49_152, 65_536, 98_304, 131_072, 196_608, 262_144, 393_216,
    524_288, 1_048_576, 4_194_304, 5_242_880,
];

fn sweep(mount: &dyn Fn(&Path), inodes: bool) {
    let slow = is_slow_run();
    let mut levels: Vec<Left> =
        ALL_BYTES.iter().step_by(if slow { 1 } else { 5 }).map(|&bytes| Left::Bytes(bytes)).collect();
    if inodes {
        levels.extend((0..24).step_by(if slow { 1 } else { 7 }).map(Left::Inodes));
    }
    let (mut runs, mut failed) = (0, 0);
    for deed in
        WRITERS.iter().step_by(if slow { 1 } else { 3 }).chain(READERS.iter().take(if slow { 20 } else { 2 }))
    {
        let clean = deed.clean();
        for left in &levels {
            runs += 1;
            failed += usize::from(short_of_room(*deed, &clean, *left, mount));
        }
    }
    eprintln!("{runs} commands on a disk with {} levels of room, {failed} failed", levels.len());
    assert!(failed > 0);
}

#[test]
fn a_disk_may_fill_up_at_every_level() {
    with_mounts("a_disk_may_fill_up_at_every_level", || {
        sweep(&|at| tmpfs(at, "size=20m,nr_inodes=300"), true);
    });
}

/// An ext4 of its own behind a loop device, which goes with its mount: there a write may find no room long after it was
/// accepted.
#[test]
fn an_ext4_may_fill_up_too() {
    let place = crate::support::store::fast_dir();
    let image = place.path().join("image");
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-m", "0", "-b", "4096", "-N", "400", image.to_str().unwrap(), "24M"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !made || !rustix::process::getuid().is_root() || !Path::new("/dev/loop-control").exists() {
        eprintln!("skipped: an ext4 of one's own needs root, mkfs.ext4 and loop devices");
        return;
    }
    with_mounts("an_ext4_may_fill_up_too", || {
        sweep(
            &|at| {
                let copy = at.with_extension("image");
                run("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]);
                run("mount", &["-o", "loop", copy.to_str().unwrap(), at.to_str().unwrap()]);
            },
            false,
        );
    });
}

#[test]
fn an_export_to_a_disk_that_fills_up_says_so() {
    with_mounts("an_export_to_a_disk_that_fills_up_says_so", || {
        for options in ["size=4k", "size=64k", "size=200k", "size=1m,nr_inodes=4"] {
            let scene = Scene::new(Start::Stocked);
            let disk = scene.path().join("disk");
            std::fs::create_dir(&disk).unwrap();
            tmpfs(&disk, options);
            let said = scene.run("export kept disk");
            assert_eq!(said.code, 1, "{options}: {said:?}");
            assert!(said.err.contains("No space left on device"), "{options}: {said:?}");
            assert!(said.err.contains("make room where the output goes"), "{options}: {said:?}");
            run("umount", &[disk.to_str().unwrap()]);
            scene.run("export kept disk").expect(0);
        }
    });
}

#[test]
fn a_disk_that_is_read_only_can_be_read() {
    with_mounts("a_disk_that_is_read_only_can_be_read", || {
        for deed in READERS.iter().chain(WRITERS.iter().filter(|deed| deed.start != Start::Nothing)) {
            let clean = deed.clean();
            let scene = Scene::on_disk(deed.start, &|at| tmpfs(at, "size=20m"));
            let remount = |how: &str| run("mount", &["-o", how, scene.disk().to_str().unwrap()]);
            remount("remount,ro");
            let said = scene.run(deed.line);
            let reads = READERS.iter().any(|reader| reader.line == deed.line) || deed.line == "verify";
            assert_eq!(said.code, i32::from(!reads), "{}: {said:?}", deed.line);
            let words = ["Read-only file system".to_owned()];
            let lift = || remount("remount,rw");
            let fault = Fault { words: &words, codes: &[], forbids_success: false, lift: &lift };
            judge(*deed, &clean, &scene, &said, &fault)
                .unwrap_or_else(|wrong| panic!("{}, read-only: {wrong}", deed.line));
            run("umount", &["-l", scene.disk().to_str().unwrap()]);
        }
    });
}
