//! Whoever exports, exports a tree that somebody else made, to a place that somebody else may have prepared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use astore::manifest::Manifest;
use ciborium::Value;

use super::surroundings::{Surroundings, within_a_minute};
use crate::support::cli::{Desk, said, skip_without};
use crate::support::store::{copy_store, tree};

#[test]
fn a_destination_that_has_symlinks_where_directories_should_be_is_refused() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("d/f", b"1"), ("f", b"2")]);
    desk.ok(["add", "t", "--finalize"]);
    tree(&desk.path("elsewhere"), &[("f", b"precious")]);
    let surroundings = Surroundings::watch(&desk.path("elsewhere"));
    for name in ["d", "f", "other"] {
        let out = desk.path(format!("out-{name}"));
        fs::create_dir(&out).unwrap();
        symlink(desk.path("elsewhere"), out.join(name)).unwrap();
        let said = desk.run(["export", "t", &*out.to_string_lossy()]);
        assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:#?}");
        assert!(said.err.contains("is not empty"), "{said:#?}");
        assert_eq!(surroundings.fault(), None);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn object(entries: &mut [Value], nth: usize) -> &mut Vec<(Value, Value)> {
    entries[nth].as_map_mut().unwrap()
}

fn set(entry: &mut [(Value, Value)], key: &str, to: Value) {
    entry.iter_mut().find(|(name, _)| name.as_text() == Some(key)).unwrap().1 = to;
}

/// A manifest by hand is refused by the decoder, where it might lead out of a destination.
#[test]
fn a_manifest_whose_paths_try_to_escape_is_refused() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("d/x", b"1"), ("e", b"2")]);
    symlink("to", desk.path("t/s")).unwrap();
    desk.ok(["add", "t", "--finalize"]);
    let sound = desk.command(["manifest", "t", "--format", "cbor"]).output().unwrap().stdout;
    Manifest::parse(&sound).unwrap();
    // Entries: d, d/x, e, s.
    type Change = fn(&mut Vec<Value>);
    let changes: [(&str, Change); 14] = [
        ("it climbs", |files| set(object(files, 2), "path", text("../e"))),
        ("it climbs in the middle", |files| set(object(files, 1), "path", text("d/../../x"))),
        ("it climbs at the end", |files| set(object(files, 1), "path", text("d/.."))),
        ("it is absolute", |files| set(object(files, 2), "path", text("/etc/e"))),
        ("it is the directory itself", |files| set(object(files, 2), "path", text("."))),
        ("an empty component", |files| set(object(files, 1), "path", text("d//x"))),
        ("a slash at the end", |files| set(object(files, 1), "path", text("d/x/"))),
        ("NUL", |files| set(object(files, 2), "path", text("e\0"))),
        ("nothing", |files| set(object(files, 2), "path", text(""))),
        ("beneath a file", |files| set(object(files, 3), "path", text("e/s"))),
        ("beneath a symlink", |files| {
            let link = files[3].clone();
            files[0] = link;
            set(object(files, 0), "path", text("d"));
            files.pop();
        }),
        ("a parent that is not there", |files| drop(files.remove(0))),
        ("twice the same", |files| {
            let again = files[2].clone();
            files.insert(2, again);
        }),
        ("a target with NUL", |files| set(object(files, 3), "target", text("t\0"))),
    ];
    for (what, change) in changes {
        let mut manifest: Value = ciborium::from_reader(&sound[..]).unwrap();
        let map = manifest.as_map_mut().unwrap();
        let files = &mut map.iter_mut().find(|(key, _)| key.as_text() == Some("files")).unwrap().1;
        let files = files.as_array_mut().unwrap();
        change(files);
        let mut encoded = Vec::new();
        ciborium::into_writer(&Value::Array(files.clone()), &mut encoded).unwrap();
        let digest = blake3::hash(&encoded).as_bytes().to_vec();
        set(map, "content_digest", Value::Bytes(digest));
        let mut bytes = Vec::new();
        ciborium::into_writer(&manifest, &mut bytes).unwrap();
        let refused = Manifest::parse(&bytes);
        assert!(refused.is_err(), "{what}: {refused:?}");
    }
    // An absolute target, or one that climbs, is a target like any other: recorded, written as it is, never followed.
    for target in ["/etc/passwd", "../../../etc", "."] {
        let mut manifest: Value = ciborium::from_reader(&sound[..]).unwrap();
        let map = manifest.as_map_mut().unwrap();
        let files = &mut map.iter_mut().find(|(key, _)| key.as_text() == Some("files")).unwrap().1;
        set(object(files.as_array_mut().unwrap(), 3), "target", text(target));
        let mut encoded = Vec::new();
        ciborium::into_writer(files, &mut encoded).unwrap();
        set(map, "content_digest", Value::Bytes(blake3::hash(&encoded).as_bytes().to_vec()));
        let mut bytes = Vec::new();
        ciborium::into_writer(&manifest, &mut bytes).unwrap();
        Manifest::parse(&bytes).unwrap_or_else(|error| panic!("{target}: {error:?}"));
    }
}

/// Somebody edited the views by hand: export has no other check behind it than its own.
#[test]
fn views_whose_paths_lead_out_are_not_followed_by_an_export() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("d/x", b"1"), ("e", b"2")]);
    symlink("/etc/passwd", desk.path("t/absolute")).unwrap();
    symlink("../../..", desk.path("t/climbs")).unwrap();
    desk.ok(["add", "t", "--finalize"]);
    fs::rename(desk.root(), desk.path("template")).unwrap();
    fs::create_dir(desk.path("elsewhere")).unwrap();
    let elsewhere = desk.path("elsewhere");
    let surroundings = Surroundings::watch(&elsewhere);
    let target = |path: &Path| {
        let hex: String = path.as_os_str().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("x'{hex}'")
    };
    let outside = target(&elsewhere);
    let set = |path: &str, to: &str| {
        format!("UPDATE artifact_files SET path = {to} WHERE path = CAST('{path}' AS BLOB);")
    };
    let link = |path: &str| {
        format!(
            "UPDATE artifact_files SET kind = 'symlink', mode = NULL, object = NULL, target = {outside}
             WHERE path = CAST('{path}' AS BLOB);"
        )
    };
    let mut beneath = elsewhere.as_os_str().as_bytes().to_vec();
    beneath.extend(b"/x");
    let absolute = target(Path::new(std::ffi::OsStr::from_bytes(&beneath)));
    let edits = [
        ("climbs", set("e", "CAST('../elsewhere/e' AS BLOB)")),
        ("climbs from a directory", set("d/x", "CAST('d/../../elsewhere/x' AS BLOB)")),
        ("is absolute", set("e", &absolute)),
        ("NUL", set("e", "x'650065'")),
        ("empty", set("e", "x''")),
        ("a symlink for a directory", link("d")),
        ("a file for a directory", set("d", "CAST('c' AS BLOB)") + &set("e", "CAST('d' AS BLOB)")),
        ("a directory that is not there", set("d/x", "CAST('z/x' AS BLOB)")),
    ];
    for (what, sql) in edits {
        copy_store(&desk.path("template"), &desk.root());
        let db = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
        db.execute_batch(&sql).unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(db);
        for arguments in
            [&["export", "t", "out"][..], &["cat", "t:d/x"], &["files", "t"], &["diff", "t", "./t"]]
        {
            let said = within_a_minute(&desk.command(arguments));
            assert!([0, 1, 4, 7, 9].contains(&said.code), "{what}, {arguments:?}: {said:#?}");
            assert!(arguments[0] != "export" || said.code != 0, "{what}: {said:#?}");
            assert_eq!(surroundings.fault(), None, "{what}, {arguments:?}: {said:#?}");
        }
        assert_eq!(desk.run(["verify", "--no-record"]).code, 4, "{what}");
        drop(fs::remove_dir_all(desk.path("out")));
        fs::remove_dir_all(desk.root()).unwrap();
    }
}

/// The modes of everything in a tree.
fn modes(tree: &Path) -> BTreeMap<std::path::PathBuf, u32> {
    let look = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(tree).unwrap().to_owned();
        (path, entry.path().symlink_metadata().unwrap().mode() & 0o7777)
    };
    walkdir::WalkDir::new(tree).min_depth(1).into_iter().map(|entry| look(entry.unwrap())).collect()
}

#[test]
fn no_umask_and_no_directory_makes_an_export_set_special_bits() {
    let desk = Desk::new();
    let files: Vec<(u32, String)> = [0o4755, 0o2755, 0o6777, 0o1644, 0o4000, 0o7777]
        .into_iter()
        .map(|bits| (bits, format!("f{bits:o}")))
        .collect();
    for (bits, name) in &files {
        tree(&desk.path("t"), &[(name, b"same"), (&format!("d{bits:o}/f"), b"same")]);
        for path in [format!("t/{name}"), format!("t/d{bits:o}/f"), format!("t/d{bits:o}")] {
            fs::set_permissions(desk.path(path), fs::Permissions::from_mode(*bits)).unwrap();
        }
    }
    let added = modes(&desk.path("t"));
    desk.ok(["add", "t", "--finalize"]);
    let plain: BTreeMap<_, _> = added.iter().map(|(path, mode)| (path.clone(), mode & 0o777)).collect();
    for umask in ["000", "022", "077", "777"] {
        for above in [0o755, 0o2777, 0o1777, 0o7777] {
            let place = desk.path(format!("{umask}-{above:o}"));
            fs::create_dir(&place).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(above)).unwrap();
            for (flag, expected) in [("--link=copy", &plain), ("--special-modes", &added)] {
                let out = place.join(flag);
                let ours = desk.command(["export", "t", &*out.to_string_lossy(), flag]);
                let mut command = Command::new("sh");
                command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(ours.get_program());
                command.args(ours.get_args()).env_clear().current_dir(desk.path("."));
                command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
                let ended = said(command);
                if umask == "777" && !rustix::process::getuid().is_root() {
                    continue; // it takes the right to its own directories away
                }
                assert_eq!(ended.code, 0, "{umask}, {above:o}, {flag}: {ended:#?}");
                assert_eq!(modes(&out), *expected, "umask {umask}, in {above:o}, {flag}");
            }
        }
    }
}

#[test]
fn bind_mounts_that_make_a_loop_end_and_the_store_is_not_found_through_one() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("f", b"1"), ("loop/", b""), ("store/", b""), ("objects/", b"")]);
    let add = desk.command(["add", "t", "--finalize"]);
    let script = "mount --bind t t/loop && mount --bind t/loop t/loop/loop && mount --bind store t/store && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(add.get_program()).args(add.get_args()).env_clear();
    command.envs(add.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(desk.path("."));
    let ended = within_a_minute(&command);
    if ended.err.contains("unshare") || ended.err.contains("mount:") {
        eprintln!("skipped: nothing can be mounted here: {}", ended.err);
        return;
    }
    assert_eq!(ended.code, 0, "{ended:#?}");
    let listed = desk.ok(["files", "t", "-0"]);
    let listed: Vec<&str> = listed.split_terminator('\0').collect();
    assert!(listed.contains(&"loop/loop/f") && listed.len() < 40, "{listed:?}");
    assert!(listed.iter().all(|path| !path.contains("astore")), "the store is in itself: {listed:?}");
    desk.check_sound();
}

/// Every path that a system call gets below a root, a source or a destination is one name relative to an open
/// directory, or goes through `openat2`; but for SQLite's own files.
#[test]
fn nothing_below_a_root_or_a_destination_is_opened_by_a_path_that_could_be_bent() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        skip_without("strace");
        return;
    }
    let desk = Desk::new();
    tree(&desk.path("src"), &[("d/e/f", b"1"), ("g", b"2"), ("d/h", &[7; 3 << 20])]);
    symlink("g", desk.path("src/link")).unwrap();
    let commands: [&[&str]; 8] = [
        &["add", "src", "--finalize"],
        &["export", "src", "out", "--special-modes"],
        &["verify", "--both"],
        &["remove", "src", "--reason", "no more"],
        &["gc", "--confirm", "--yes", "--min-age", "0s"],
        &["recover"],
        &["diff", "src@1", "./src"],
        &["list"],
    ];
    let place = desk.path(".").canonicalize().unwrap();
    let below: Vec<String> =
        ["store", "src", "out"].iter().map(|name| format!("{}/", place.join(name).display())).collect();
    let mut seen = 0;
    for arguments in commands {
        let ours = desk.command(arguments);
        let trace = desk.path("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-s", "5000", "-e", "trace=%file", "-e", "signal=none", "-o"]).arg(&trace);
        command.arg(ours.get_program()).args(ours.get_args()).env_clear().current_dir(&place);
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = said(command);
        if ended.err.contains("ptrace") || ended.err.contains("PTRACE") {
            eprintln!("skipped: nothing can be traced here: {}", ended.err);
            return;
        }
        assert!([0, 9].contains(&ended.code), "{arguments:?}: {ended:#?}");
        for line in fs::read_to_string(&trace).unwrap().lines() {
            let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
            let Some((name, rest)) = call.split_once('(') else { continue };
            if name == "openat2" {
                if rest.contains("\".\"") {
                    continue; // the directory itself: whether the kernel knows the call
                }
                assert!(rest.contains("RESOLVE_NO_SYMLINKS") && rest.contains("RESOLVE_BENEATH"), "{line}");
                seen += 1;
                continue;
            }
            // The paths among its arguments: what stands in quotes.
            for path in rest.split('"').skip(1).step_by(2) {
                if name == "execve" || name == "readlink" && path.starts_with(&*place.to_string_lossy()) {
                    continue; // SQLite and realpath(3) look whether there are symlinks
                }
                let own = below.iter().find_map(|root| path.strip_prefix(root.as_str()));
                let relative = ["store/", "src/", "out/"].iter().find_map(|root| path.strip_prefix(root));
                if let Some(beneath) = own.or(relative) {
                    let sqlite = ["astore.db", "cache.db"].iter().any(|file| beneath.starts_with(file));
                    assert!(sqlite && !beneath.contains('/') || beneath.is_empty(), "{arguments:?}: {line}");
                } else if !path.starts_with('/') && rest.starts_with(|c: char| c.is_ascii_digit()) {
                    // Relative to an open directory.
                    assert!(!path.contains('/'), "{arguments:?}: {line}");
                    seen += 1;
                }
            }
        }
    }
    eprintln!("{seen} calls relative to an open directory");
    assert!(seen > 50);
}
