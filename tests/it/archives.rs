//! A tree goes out as an archive and comes back as one, by astore and by the tools that people have: GNU tar, bsdtar,
//! Python's tarfile, Nix.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use rustix::fs::{CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use crate::support::cli::{Desk, Said, has, skip_without};

/// A tree with what archives are bad at: names of any bytes, long ones, deep ones, links, modes, holes, nothing.
fn hostile(desk: &Desk) -> PathBuf {
    let tree = desk.path("tree");
    let at = |name: &[u8]| tree.join(OsStr::from_bytes(name));
    fs::create_dir(&tree).unwrap();
    for name in [&b"d"[..], b"d-", b"d/e", b"empty"] {
        fs::create_dir(at(name)).unwrap();
    }
    let long = [&b"d/e/"[..], &[b'n'; 255]].concat();
    let names: [&[u8]; 16] = [
        b"new\nline",
        b"back\\slash",
        b"caf\xe9",
        b"-rf",
        b" space ",
        b"d/x",
        b"d-/y",
        b"tail\r",
        b"%41%",
        b"$HOME",
        b"~",
        "\u{fc}".as_bytes(),
        "u\u{308}".as_bytes(),
        b"*",
        b"a'b\"c",
        &long,
    ];
    for name in names {
        fs::write(at(name), name).unwrap();
    }
    let deep = [&[b'x'; 200][..]; 4].join(&b'/');
    fs::create_dir_all(at(&deep)).unwrap();
    fs::write(at(&[&deep[..], b"/file"].concat()), "deep").unwrap();
    fs::write(at(b"nothing"), "").unwrap();
    fs::write(at(b"large"), vec![7; 3 << 20]).unwrap();
    fs::File::create(at(b"holes")).unwrap().set_len(2 << 20).unwrap();
    symlink("d/x", at(b"link")).unwrap();
    symlink("nowhere", at(b"dangling")).unwrap();
    symlink(OsStr::from_bytes(b"caf\xe9"), at(b"l\xff")).unwrap();
    symlink("x".repeat(300), at(b"longlink")).unwrap();
    symlink("../x", at(b"d/e/up")).unwrap();
    for (name, mode) in [(&b"d/x"[..], 0o755), (b"-rf", 0o711), (b"d-/y", 0o600), (b"empty", 0o700)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::hard_link(at(b"d/x"), at(b"hard")).unwrap();
    // Before 1970, and between two seconds.
    let time = Timespec { tv_sec: -2, tv_nsec: 500_000_000 };
    let untouched = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: untouched, last_modification: time };
    utimensat(CWD, at(b"d/x"), &times, rustix::fs::AtFlags::empty()).unwrap();
    tree
}

/// Hands what a command prints to `add --tar -`.
fn piped(desk: &Desk, mut from: Command, add: &[&str]) -> Said {
    let mut child = from.stdout(Stdio::piped()).spawn().unwrap();
    let mut command = desk.command([&["add", "--tar", "-", "--finalize", "--quiet"], add].concat());
    let output = command.stdin(child.stdout.take().unwrap()).output().unwrap();
    assert!(child.wait().unwrap().success(), "the archiver failed");
    Said::of(&output)
}

fn content(desk: &Desk, reference: &str) -> String {
    desk.fact(reference, "content")
}

#[test]
fn what_others_archive_is_the_tree_itself() {
    let desk = Desk::new();
    let tree = hostile(&desk);
    desk.ok(["add", "--finalize", "--name", "tree", "tree"]);
    desk.ok(["add", "--finalize", "--name", "timed", "--mtime", "tree"]);
    let mut archivers = vec![("tar", vec!["--format=gnu"]), ("tar", vec!["--format=pax"])];
    // Left alone it writes what has holes in GNU tar's way, and names that are no text not at all.
    if has("bsdtar") {
        archivers.push(("bsdtar", vec!["--format=gnutar", "--no-read-sparse"]));
    } else {
        skip_without("bsdtar");
    }
    for (nth, (program, options)) in archivers.into_iter().enumerate() {
        let mut command = Command::new(program);
        command.args(&options).arg("-C").arg(&tree).args(["-cf", "-", "."]);
        let name = format!("by-{nth}");
        let said = piped(&desk, command, &["--name", &name]);
        assert_eq!(said.expect(0), format!("{name}@1\n"));
        assert_eq!(content(&desk, &name), content(&desk, "tree"), "{program} {options:?}");
        desk.ok(["diff", "tree", &name]);
    }
    // pax alone keeps what is finer than a second.
    let mut command = Command::new("tar");
    command.args(["--format=pax", "-C"]).arg(&tree).args(["-cf", "-", "."]);
    piped(&desk, command, &["--name", "again", "--mtime"]).expect(0);
    assert_eq!(content(&desk, "again"), content(&desk, "timed"));
    desk.check_sound();
}

#[test]
fn an_archive_is_the_same_to_the_byte_and_others_unpack_it() {
    let desk = Desk::new();
    hostile(&desk);
    desk.ok(["add", "--finalize", "--name", "tree", "--mtime", "tree"]);
    desk.ok(["add", "--finalize", "--name", "plain", "tree"]);
    let digest = desk.ok(["export", "tree", "--tar", "tree.tar"]);
    let bytes = fs::read(desk.path("tree.tar")).unwrap();
    assert_eq!(digest, format!("sha256:{}\n", sha256(&bytes)));
    let mut piped = desk.command(["export", "tree@1", "--tar", "-"]);
    assert!(piped.output().unwrap().stdout == bytes, "the pipe got other bytes");
    // It comes back by itself, times and all.
    desk.ok(["add", "--finalize", "--mtime", "--tar", "tree.tar"]);
    desk.ok(["add", "--finalize", "--mtime", "--name", "back", "--tar", "tree.tar"]);
    assert_eq!(content(&desk, "back"), content(&desk, "tree"));
    for program in ["tar", "bsdtar"] {
        if !has(program) {
            skip_without(program);
            continue;
        }
        let place = desk.path(format!("by-{program}"));
        fs::create_dir(&place).unwrap();
        let mut command = Command::new(program);
        // Root would keep the owner, which nobody is.
        command.args(["--no-same-owner", "-pxf"]).arg(desk.path("tree.tar")).arg("-C").arg(&place);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program}: {said}");
        // bsdtar of Debian 12 makes a second too much of what is between two seconds before 1970.
        let (original, times) =
            if program == "tar" { ("tree", &["--mtime"][..]) } else { ("plain", &[][..]) };
        desk.ok([&["add", "--finalize", place.to_str().unwrap()], times].concat());
        let name = format!("by-{program}");
        assert_eq!(content(&desk, &name), content(&desk, original), "{program}");
    }
    desk.check_sound();
}

fn sha256(bytes: &[u8]) -> String {
    astore::identity::Digests::of(bytes).sha256.to_string()
}

#[test]
fn nix_has_the_same_hash() {
    if !has("nix-store") {
        return skip_without("nix-store");
    }
    let desk = Desk::new();
    let tree = hostile(&desk);
    desk.ok(["add", "--finalize", "tree"]);
    let said = desk.run(["export", "tree", "--nar", "tree.nar"]);
    let dumped = Command::new("nix-store").arg("--dump").arg(&tree).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    assert!(fs::read(desk.path("tree.nar")).unwrap() == dumped.stdout, "the bytes differ");
    assert_eq!(said.out, format!("sha256:{}\n", sha256(&dumped.stdout)));
    let lost = said.err.lines().last().unwrap();
    assert_eq!(
        lost,
        "astore: a NAR has no times, and of a mode only whether the owner may execute: 3 entries lost some of that"
    );
    // And Nix takes it for what it is.
    let place = desk.path("restored");
    let mut restore = Command::new("nix-store");
    restore.arg("--restore").arg(&place).stdin(fs::File::open(desk.path("tree.nar")).unwrap());
    assert!(restore.status().unwrap().success());
    assert_eq!(fs::read(place.join("d/x")).unwrap(), b"d/x");
}

/// Archives as somebody makes them who means harm, or was cut off.
#[test]
fn what_should_not_be_taken_leaves_nothing() {
    let desk = Desk::new();
    fs::create_dir(desk.path("in")).unwrap();
    let before = desk.ok(["log", "--json"]);
    let mut told = Vec::new();
    let mut refuse = |what: &str, archive: &[u8]| {
        fs::write(desk.path("bad.tar"), archive).unwrap();
        let said = desk.run(["add", "--finalize", "--name", "bad", "--tar", "bad.tar"]);
        assert_eq!(said.code, 1, "{what}: {}", said.err);
        assert_eq!(said.out, "", "{what}");
        let root = format!(" (root {})", desk.root().display());
        told.push(format!("{what}: {}", said.err.trim_end().replace(&root, "")));
    };
    let made = |script: &str| {
        let output =
            Command::new("python3").args(["-c", &format!("{PREAMBLE}\n{script}\nend()")]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    refuse("above", &made("add('../x', b'x')"));
    refuse("absolute", &made("add('/etc/x', b'x')"));
    refuse("symlink out", &made("link('a', '../x'); add('b', b'x')"));
    refuse("symlink to the root", &made("link('a', '/etc')"));
    refuse("hard link out", &made("hard('a', '../x')"));
    refuse("hard link to nothing", &made("hard('a', 'b')"));
    refuse("twice", &made("add('a', b'x'); add('./a', b'y')"));
    refuse("twice, as file and directory", &made("add('a', b'x'); directory('a/')"));
    refuse("through a symlink", &made("link('d', 'e'); directory('e'); add('d/x', b'x')"));
    refuse("beneath a file", &made("add('d', b'x'); add('d/x', b'x')"));
    refuse("a size that lies", &made("add('a', b'x', 50000)"));
    let whole = made("add('a', b'x' * 600); add('b', b'y')");
    refuse("cut off in a file", &whole[..900]);
    refuse("cut off between two", &whole[..1536]);
    refuse("not an archive", b"#!/bin/sh\n");
    refuse("nothing", b"");
    refuse("compressed", b"\x1f\x8b\x08\0\0\0\0\0");
    assert_snapshot!(told.join("\n"), @r#"
    above: astore: bad.tar is refused at ../x: the path has a component "." or ".."
    absolute: astore: bad.tar is refused at /etc/x: the path is absolute
    symlink out: astore: bad.tar is refused at a: it is a symlink that leads out of the archive, to ../x
    symlink to the root: astore: bad.tar is refused at a: it is a symlink that leads out of the archive, to /etc
    hard link out: astore: bad.tar is refused at a: it is a link out of the archive: the path has a component "." or ".."
    hard link to nothing: astore: bad.tar is refused at a: it is a link to b, which is no file of the archive
    twice: astore: bad.tar is refused at a: it is there twice
    twice, as file and directory: astore: bad.tar is refused at a: it is there twice
    through a symlink: astore: bad.tar is refused at d/x: it is beneath d, which is no directory
    beneath a file: astore: bad.tar is refused at d/x: it is beneath d, which is no directory
    a size that lies: astore: bad.tar is refused at a: it is cut off
    cut off in a file: astore: bad.tar is refused at a: it is cut off
    cut off between two: astore: bad.tar is refused: it is cut off
    not an archive: astore: bad.tar is refused: it is no tar archive, or damaged: a header has a wrong checksum
    nothing: astore: bad.tar is refused: it is empty: whatever was to write it wrote nothing
    compressed: astore: bad.tar is refused: it is compressed with gzip; give it unpacked, as gzip -dc writes it
    "#);
    assert_eq!(desk.ok(["log", "--json"]), before, "something was recorded");
    assert_eq!(desk.ok(["list", "--all"]), "");
    desk.check_sound();
    // Who knows what the links are takes them.
    fs::write(desk.path("links.tar"), made("link('a', '../x'); link('b', '/etc')")).unwrap();
    desk.ok(["add", "--finalize", "--outside-links", "--tar", "links.tar"]);
    assert_eq!(desk.ok(["files", "links"]).lines().count(), 2);
}

const PREAMBLE: &str = "
import io, sys, tarfile
out = io.BytesIO()
archive = tarfile.open(fileobj=out, mode='w', format=tarfile.GNU_FORMAT)
def member(name, kind, target=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info
def add(name, content, size=None):
    info = member(name, tarfile.REGTYPE)
    info.size = len(content) if size is None else size
    out.write(info.tobuf(tarfile.GNU_FORMAT))
    out.write(content + bytes(-len(content) % 512))
    archive.offset = out.tell()
def link(name, target): archive.addfile(member(name, tarfile.SYMTYPE, target))
def hard(name, target): archive.addfile(member(name, tarfile.LNKTYPE, target))
def directory(name): archive.addfile(member(name, tarfile.DIRTYPE))
def end():
    archive.close()
    sys.stdout.buffer.write(out.getvalue())
";

/// What is checked as a whole is recorded as a whole: also where it is more than a batch.
#[test]
fn nothing_of_a_long_archive_is_recorded_before_its_end() {
    use astore::error::Error;
    use astore::monitor::Void;
    use astore::plane::IngestError;
    use astore::registry::Access;
    use astore::registry::report::{AddRequest, AddSource, AddTarget, Completion};

    let desk = Desk::new();
    let files: String = (0..20).map(|nth| format!("add('{nth:02}', b'{nth}');")).collect();
    let script = format!("{PREAMBLE}\n{files}\nend()");
    let archive = Command::new("python3").args(["-c", &script]).output().unwrap().stdout;
    let add = |archive: &[u8]| {
        let mut registry = crate::support::store::open(&desk.root(), Access::Write).unwrap();
        registry.set_batch_files(4);
        let source = AddSource::Tar { archive: "a.tar".into() };
        let target = AddTarget::new_version("long".parse().unwrap());
        let request = AddRequest::new(vec![source], target, Completion::Finalize);
        registry.add(request, &mut &*archive, &Void)
    };
    let before = desk.ok(["log", "--json"]);
    let refused = add(&archive[..19 * 1024]).unwrap_err();
    assert!(matches!(refused, Error::Ingest(IngestError::Archive { .. })), "{refused:?}");
    assert_eq!(desk.ok(["log", "--json"]), before);
    let added = add(&archive).unwrap();
    assert_eq!(added.package.entries, 20);
    let stored = desk.ok(["log", "--type", "v1.objects.stored", "--quiet"]);
    assert!(!stored.is_empty(), "it was meant to be more than a batch");
    desk.check_sound();
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let desk = Desk::new();
    fs::write(desk.path("a"), "x").unwrap();
    desk.ok(["add", "--finalize", "a"]);
    fs::write(desk.path("a.tar"), "precious").unwrap();
    let said = desk.run(["export", "a", "--tar", "a.tar"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("a.tar exists"), "{}", said.err);
    assert_eq!(fs::read(desk.path("a.tar")).unwrap(), b"precious");
    let inside = desk.root().join("a.tar");
    let said = desk.run([OsStr::new("export"), "a".as_ref(), "--tar".as_ref(), inside.as_os_str()]);
    assert!(said.code == 2 && said.err.contains("inside the store"), "{}", said.err);
    let left = |place: &Path| {
        let names = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.as_bytes().starts_with(b".astore")).count()
    };
    assert_eq!(left(&desk.path(".")), 0);
}

/// Damage ends a stream: a file is not made, a pipe gets no end mark.
#[test]
fn damage_makes_no_archive() {
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    fs::write(desk.path("tree/a"), "good").unwrap();
    fs::write(desk.path("tree/b"), "bad").unwrap();
    desk.ok(["add", "--finalize", "tree"]);
    let object = crate::support::oracle::file_of(&desk.root(), b"bad");
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, "bat").unwrap();
    let said = desk.run(["export", "tree", "--tar", "tree.tar"]);
    assert_eq!((said.code, said.out.as_str()), (4, ""), "{}", said.err);
    assert!(said.err.contains("cannot hand out b"), "{}", said.err);
    assert!(!desk.path("tree.tar").exists());
    let output = desk.command(["export", "tree", "--tar", "-"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    fs::write(desk.path("part.tar"), &output.stdout).unwrap();
    let said = desk.run(["add", "--finalize", "--tar", "part.tar"]);
    assert!(said.code == 1 && said.err.contains("it is cut off"), "{}", said.err);
}

/// A check file goes in with the tree, or neither does.
#[test]
fn a_tree_is_what_its_check_file_says_or_is_not_added() {
    let desk = Desk::new();
    let tree = hostile(&desk);
    desk.ok(["add", "--finalize", "--name", "tree", "tree"]);
    fs::write(
        desk.path("ours"),
        desk.command(["manifest", "tree", "--format", "sha256sums"]).output().unwrap().stdout,
    )
    .unwrap();
    let script = "cd \"$1\" && find . -type f -print0 | xargs -0 sha256sum";
    let theirs = Command::new("sh").args(["-c", script, "sh"]).arg(&tree).output().unwrap().stdout;
    fs::write(desk.path("theirs"), &theirs).unwrap();
    for (nth, list) in ["ours", "theirs"].into_iter().enumerate() {
        let said = desk.ok(["add", "--finalize", "--quiet", "--name", "checked", "--check", list, "tree"]);
        assert_eq!(said, format!("checked@{}\n", nth + 1));
    }
    // It may lie in the tree.
    fs::write(tree.join("SHA256SUMS"), &theirs).unwrap();
    desk.ok(["add", "--finalize", "--name", "with-list", "--check", "tree/SHA256SUMS", "tree"]);
    fs::remove_file(tree.join("SHA256SUMS")).unwrap();
    let before = desk.ok(["log", "--json"]);
    fs::write(tree.join("d/x"), "D/X").unwrap();
    fs::remove_file(tree.join("*")).unwrap();
    fs::write(tree.join("new"), "new").unwrap();
    let said = desk.run(["add", "--finalize", "--name", "bad", "--check", "theirs", "tree"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let root = format!(" (root {})", desk.root().display());
    assert_snapshot!(said.err.replace(&root, ""), @"astore: the tree is not what theirs says: * is no file of it, d/x holds other bytes, hard holds other bytes, and 1 more");
    assert_eq!(desk.ok(["log", "--json"]), before, "something was recorded");
    fs::write(desk.path("short"), "d41d8cd98f00b204e9800998ecf8427e  nothing\n").unwrap();
    let said = desk.run(["add", "--finalize", "--name", "bad", "--check", "short", "tree"]);
    assert_eq!(said.code, 2);
    assert_snapshot!(said.err, @"astore: short: line 1: it has a digest of 32 digits; SHA-256 and BLAKE3 have 64, and only these are taken");
    // An archive is held against it as well.
    let mut command = Command::new("tar");
    command.arg("-C").arg(&tree).args(["-cf", "-", "."]);
    assert_eq!(piped(&desk, command, &["--name", "bad", "--check", "theirs"]).code, 1);
    assert_eq!(desk.ok(["log", "--json"]), before);
    desk.check_sound();
}
