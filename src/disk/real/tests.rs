//! What the real disk does with modes, symlinks, fifos and failing syncs.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::fs::FileType;

use super::*;

fn open(root: &Path, without_openat2: bool) -> RealDisk {
    let at = Resolver::open(root).expect("a directory");
    RealDisk::with(if without_openat2 { at.without_openat2() } else { at }).expect("a disk")
}

/// Runs a check twice: with `openat2`, and as on a kernel that lacks it.
fn both_ways(check: impl Fn(&Path, RealDisk)) {
    for without_openat2 in [false, true] {
        let root = tempfile::tempdir().expect("a directory");
        check(root.path(), open(root.path(), without_openat2));
    }
}

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn mode(disk: &RealDisk, name: &str) -> u32 {
    disk.stat(path(name)).expect("a look").mode
}

#[expect(clippy::disallowed_methods, reason = "tests look at the disk from outside")]
fn outside(root: &Path, name: &str) -> PathBuf {
    root.join(name)
}

#[expect(clippy::disallowed_methods, reason = "tests prepare the root from outside")]
fn set_mode(root: &Path, mode: u32) {
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn old_kernels_are_told_by_their_release() {
    for (release, expected) in [
        ("5.8.0", true),
        ("5.10.0-21-amd64", true),
        ("6.18.44-x", true),
        ("5.7.19", false),
        ("4.19.0", false),
        ("weird", false),
    ] {
        assert_eq!(kernel_reports_writeback_errors(release.as_bytes()), expected, "{release}");
    }
}

#[test]
fn a_write_of_several_pieces_arrives_whole() {
    both_ways(|_, disk| {
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * super::WRITE_BYTES + 3).collect();
        let file = disk.create(path("f"), 0o600).expect("a file");
        file.write_all_at(&bytes, 5).expect("written");
        let mut read = vec![0; bytes.len() + 9];
        let length = disk.open(path("f")).expect("a file").read_at(&mut read, 0).expect("read");
        assert_eq!(length, bytes.len() + 5);
        assert!(read[5..length] == bytes, "the bytes stand where they were to be");
    });
}

#[test]
fn files_are_written_read_renamed_and_removed() {
    both_ways(|_, disk| {
        disk.make_dir(path("d")).expect("a directory");
        disk.make_dir(path("d/e")).expect("a directory");
        assert_eq!(disk.make_dir(path("d")).expect_err("is there").kind(), io::ErrorKind::AlreadyExists);
        let file = disk.create(path("d/e/f"), 0o444).expect("a file");
        let again = disk.create(path("d/e/f"), 0o444).expect_err("is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        file.write_all_at(b"hello", 0).expect("written");
        file.write_all_at(b"!", 7).expect("written");
        file.set_len(9).expect("extended");
        file.sync().expect("synced");
        assert_eq!(file.stat().expect("a look"), disk.stat(path("d/e/f")).expect("a look"));
        disk.rename(path("d/e/f"), path("g")).expect("renamed");
        disk.sync_dir(path("")).expect("synced");
        disk.sync_dir(path("d/e")).expect("synced");
        disk.sync_all().expect("synced");
        let mut buffer = [0xff; 20];
        let read = disk.open(path("g")).expect("a file");
        assert_eq!(read.read_at(&mut buffer, 0).expect("read"), 9);
        assert_eq!(&buffer[..9], b"hello\0\0!\0");
        assert_eq!(read.read_at(&mut buffer, 9).expect("the end"), 0);
        disk.remove_dir(path("d")).expect_err("not empty");
        disk.remove_dir(path("d/e")).expect("removed");
        let listed = disk.list(path("")).expect("a listing");
        let names: Vec<_> =
            listed.iter().map(|entry| (entry.name.to_str().expect("text"), entry.kind)).collect();
        assert_eq!(names, [("d", FileKind::Directory), ("g", FileKind::File)]);
        disk.remove_file(path("g")).expect("removed");
        assert_eq!(disk.open(path("g")).expect_err("gone").kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.stat(path("x/y")).expect_err("none").kind(), io::ErrorKind::NotFound);
        assert!(disk.free_bytes().expect("a number") > 0);
    });
}

#[test]
fn no_path_leads_out_of_the_root() {
    both_ways(|root, disk| {
        let name = root.file_name().expect("a name").to_str().expect("text");
        for bad in ["/etc/hostname", "..", "../x", "d/../../x", &format!("../{name}/x"), "./x"] {
            // A leading "./" would be harmless; one spelling for each path is the rule.
            disk.open(path(bad)).map(drop).expect_err(bad);
            disk.create(path(bad), 0o600).map(drop).expect_err(bad);
            disk.make_dir(path(bad)).expect_err(bad);
            disk.stat(path(bad)).expect_err(bad);
            disk.rename(path(bad), path("y")).expect_err(bad);
            disk.remove_file(path(bad)).expect_err(bad);
        }
        disk.create(path(""), 0o600).map(drop).expect_err("no name");
        disk.remove_dir(path("")).expect_err("no name");
    });
}

#[test]
fn a_held_directory_leads_no_further_than_a_path_does() {
    both_ways(|root, disk| {
        for name in ["tmp", "d", "elsewhere"] {
            disk.make_dir(path(name)).expect("a directory");
        }
        symlink("elsewhere", outside(root, "link")).expect("a symlink");
        symlink("../elsewhere", outside(root, "d/link")).expect("a symlink");
        disk.directory(path("link")).expect_err("a symlink");
        let [tmp, d] = ["tmp", "d"].map(|name| disk.directory(path(name)).expect("a directory"));
        disk.directory_in(&d, "link".as_ref()).expect_err("a symlink");
        disk.directory_in(&d, "none".as_ref()).expect_err("nothing");
        drop(disk.create_in(&tmp, "f".as_ref(), 0o444).expect("a file"));
        disk.create_in(&tmp, "f".as_ref(), 0o444).map(drop).expect_err("is there");
        disk.make_dir_in(&d, "e".as_ref()).expect("a directory");
        assert_eq!(
            disk.make_dir_in(&d, "e".as_ref()).expect_err("is there").kind(),
            io::ErrorKind::AlreadyExists
        );
        let e = disk.directory_in(&d, "e".as_ref()).expect("a directory");
        for bad in ["", ".", "..", "../x", "e/x", "/etc", "link/x"] {
            let name = OsStr::new(bad);
            disk.directory_in(&d, name).map(drop).expect_err(bad);
            disk.create_in(&tmp, name, 0o600).map(drop).expect_err(bad);
            disk.make_dir_in(&d, name).expect_err(bad);
            disk.rename_in(&tmp, "f".as_ref(), &e, name).expect_err(bad);
            disk.rename_in(&tmp, name, &e, "f".as_ref()).expect_err(bad);
        }
        disk.rename_in(&tmp, "f".as_ref(), &e, "g".as_ref()).expect("renamed");
        assert_eq!(mode(&disk, "d/e/g"), 0o444);
        assert_eq!(e.path(), path("d/e"));
        // What is held is the directory that was there, whoever has the name now.
        disk.rename(path("d"), path("moved")).expect("renamed");
        symlink("elsewhere", outside(root, "d")).expect("a symlink");
        drop(disk.create_in(&tmp, "h".as_ref(), 0o444).expect("a file"));
        disk.rename_in(&tmp, "h".as_ref(), &e, "h".as_ref()).expect("renamed");
        assert_eq!(mode(&disk, "moved/e/h"), 0o444);
        assert_eq!(disk.list(path("elsewhere")).expect("a listing"), []);
    });
}

#[test]
fn symlinks_are_never_followed() {
    both_ways(|root, disk| {
        let elsewhere = tempfile::tempdir().expect("a directory");
        std::fs::File::create(outside(elsewhere.path(), "f")).expect("a file");
        symlink(elsewhere.path(), outside(root, "d")).expect("a symlink");
        symlink(outside(elsewhere.path(), "f"), outside(root, "f")).expect("a symlink");
        symlink("/nowhere", outside(root, "dangling")).expect("a symlink");
        drop(disk.create(path("own"), 0o600).expect("a file"));
        for inside in ["d/f", "d/new"] {
            for error in [
                disk.open(path(inside)).map(drop),
                disk.open_write(path(inside)).map(drop),
                disk.create(path(inside), 0o600).map(drop),
                disk.make_dir(path(inside)),
                disk.rename(path("own"), path(inside)),
                disk.rename(path(inside), path("moved")),
                disk.remove_file(path(inside)),
                disk.remove_dir(path(inside)),
                disk.stat(path(inside)).map(drop),
                disk.sync_dir(path("d")),
                disk.list(path("d")).map(drop),
            ] {
                let error = error.expect_err(inside);
                let number = error.raw_os_error().map(Errno::from_raw_os_error);
                assert!(matches!(number, Some(Errno::NOTDIR | Errno::LOOP)), "{inside}: {error:?}");
            }
        }
        disk.open(path("f")).map(drop).expect_err("a symlink");
        disk.open_write(path("f")).map(drop).expect_err("a symlink");
        disk.create(path("dangling"), 0o600).map(drop).expect_err("a symlink");
        assert_eq!(disk.stat(path("f")).expect("a look").kind, FileKind::Symlink);
        // The poison is for syncs that failed, not for directories that could not be opened.
        disk.sync_all().expect("not poisoned");
        disk.rename(path("own"), path("f")).expect("replaces the symlink itself");
        assert_eq!(disk.stat(path("f")).expect("a look").kind, FileKind::File);
        assert_eq!(std::fs::metadata(outside(elsewhere.path(), "f")).expect("a file").len(), 0);
    });
}

#[test]
fn only_regular_files_are_opened_and_a_fifo_does_not_block() {
    both_ways(|root, disk| {
        let fifo = outside(root, "fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .expect("a fifo");
        disk.make_dir(path("d")).expect("a directory");
        for name in ["fifo", "d"] {
            let error = disk.open(path(name)).map(drop).expect_err(name);
            assert!(error.get_ref().is_some_and(|inner| inner.is::<NotRegular>()), "{name}: {error:?}");
        }
        assert_eq!(disk.stat(path("fifo")).expect("a look").kind, FileKind::Other);
        assert_eq!(disk.list(path("")).expect("a listing")[1].kind, FileKind::Other);
    });
}

/// The machine's own umask and others that are only believed to be: the modes come out the same.
#[test]
fn modes_are_exact_whatever_the_umask() {
    for believed in [umask(), Some(0), Some(0o077), Some(0o777), None] {
        for root_mode in [0o700, 0o2770, 0o3775, 0o1755] {
            for with_scratch in [false, true] {
                let root = tempfile::tempdir().expect("a directory");
                set_mode(root.path(), root_mode);
                let mut disk = open(root.path(), false);
                // Some(0) would be wrong about this process, unless its umask takes nothing from these modes.
                let real = umask().expect("Linux says");
                if believed == Some(0) && (root_mode | 0o664) & real != 0 {
                    continue;
                }
                disk.umask = believed;
                if with_scratch {
                    disk.make_dir(path(SCRATCH)).expect("scratch");
                }
                disk.make_dir(path("d")).expect("a directory");
                disk.make_dir(path("d/e")).expect("a directory");
                disk.make_dir(path("d/e")).expect_err("is there");
                for (name, file_mode) in [("f", 0o664), ("d/g", 0o444), ("h", 0o600)] {
                    drop(disk.create(path(name), file_mode).expect("a file"));
                    disk.create(path(name), file_mode).map(drop).expect_err("is there");
                    assert_eq!(mode(&disk, name), file_mode, "{name}, umask {believed:?}");
                }
                for name in ["d", "d/e"] {
                    assert_eq!(mode(&disk, name), root_mode, "{name}, umask {believed:?}");
                }
                if with_scratch {
                    assert_eq!(mode(&disk, SCRATCH), root_mode);
                    assert_eq!(disk.list(path(SCRATCH)).expect("a listing"), [], "nothing is left there");
                }
            }
        }
    }
}

#[test]
fn a_dead_process_of_the_same_number_does_no_harm() {
    let root = tempfile::tempdir().expect("a directory");
    let mut disk = open(root.path(), false);
    disk.umask = None;
    disk.make_dir(path(SCRATCH)).expect("scratch");
    let left = PathBuf::from(format!("{SCRATCH}/new-{}-0", std::process::id()));
    disk.make_dir(&left).expect("a directory");
    disk.make_dir(path("d")).expect("another name is found");
    assert_eq!(disk.stat(path("d")).expect("a look").kind, FileKind::Directory);
}

#[test]
fn a_directory_that_lacks_its_mode_is_levelled() {
    let root = tempfile::tempdir().expect("a directory");
    set_mode(root.path(), 0o2770);
    let disk = open(root.path(), false);
    disk.make_dir(path("d")).expect("a directory");
    set_mode(&outside(root.path(), "d"), 0o700);
    disk.level_mode(path("d")).expect("levelled");
    assert_eq!(mode(&disk, "d"), 0o2770);
}

#[test]
fn a_failed_sync_poisons_the_disk() {
    let root = tempfile::tempdir().expect("a directory");
    let disk = open(root.path(), false);
    let file = disk.create(path("f"), 0o600).expect("a file");
    file.sync().expect("synced");
    let error = synced(&disk.poisoned, || Err(Errno::IO)).expect_err("fails");
    assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    for error in [file.sync(), disk.sync_dir(path("")), disk.sync_all()] {
        let error = error.expect_err("poisoned");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<EarlierSyncFailed>()), "{error:?}");
    }
    file.write_all_at(b"x", 0).expect("only syncs are refused");
}

#[test]
fn an_interrupted_sync_is_tried_again() {
    let poisoned = AtomicBool::new(false);
    let mut answers = vec![Ok(()), Err(Errno::INTR), Err(Errno::INTR)];
    synced(&poisoned, || answers.pop().expect("no more")).expect("synced");
    assert!(!poisoned.load(Ordering::Relaxed));
    assert!(answers.is_empty());
}

#[test]
fn a_lock_file_is_made_once() {
    let root = tempfile::tempdir().expect("a directory");
    let disk = open(root.path(), false);
    let first = disk.open_or_create(path("lock"), 0o660).expect("made");
    let second = disk.open_or_create(path("lock"), 0o600).expect("opened");
    let inode = |file: &File| rustix::fs::fstat(file).expect("a look").st_ino;
    assert_eq!(inode(&first), inode(&second));
    assert_eq!(mode(&disk, "lock"), 0o660);
}
