//! Those who may not write read a copy, and those who verify correct what others have cached: beside somebody who
//! commits just then.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use astore::disk::testing::{Call, Observed};
use astore::env::Env;
use astore::monitor::Void;
use astore::registry::report::{AddRequest, CacheUse, Completion, Recorded, VerifyRequest};
use astore::registry::{Access, OpenOptions, Registry};

use crate::support::cli::Desk;
use crate::support::oracle;
use crate::support::stalled::{Calls, each_call, stalled};
use crate::support::store::{add, open, options, real_disk, request, tree};

/// Lets everybody read everything.
fn open_to_all(root: &Path) {
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        let bits = if entry.file_type().is_dir() { 0o055 } else { 0o044 };
        let mode = entry.metadata().unwrap().permissions().mode();
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode | bits)).unwrap();
    }
}

/// Somebody reads who may not write: database and WAL are copied while another one is anywhere in its add.
#[test]
fn a_reader_on_a_private_copy_sees_a_true_state_while_another_commits() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("f", b"first")]);
    desk.ok(["add", "t", "--finalize"]);
    let someone = desk.mortal();
    if !someone.is_another() {
        eprintln!("skipped: only root can be two users");
        return;
    }
    let mut seen = (0, 0);
    let mut version = 1;
    each_call(15, |nth| {
        open_to_all(&desk.root());
        let before: Vec<String> = (1..=version).map(|version| format!("t@{version}")).collect();
        let after: Vec<String> = (1..=version + 1).map(|version| format!("t@{version}")).collect();
        fs::write(desk.path("t/f"), format!("content {version}")).unwrap();
        let (added, met) = stalled(
            &desk.root(),
            (Calls::Changes, nth),
            |disk| {
                let env = Env::system("tester@here");
                let registry = Registry::open_on(disk, &desk.root(), options(Access::Write), env, &Void)?;
                add(&registry, "t", &desk.path("t"), Completion::Finalize)
            },
            |call, _| {
                open_to_all(&desk.root());
                let listed = someone.run(["list", "--quiet"]).expect(0);
                let listed: Vec<&str> = listed.lines().collect();
                assert!(listed == before || listed == after, "{call:?}: {listed:?}");
                // What is durable in `log/` did happen, and the database hears of it later.
                let durable = *call == Call::Point { name: "log durable" };
                assert!(!durable || listed == after, "what is durable is not told");
                if listed == before {
                    seen.0 += 1;
                } else {
                    seen.1 += 1;
                }
                someone.run(["cat", "t@1:f"]).expect(0);
            },
        );
        added.unwrap();
        version += 1;
        met.is_some()
    });
    // It sees the new one as soon as that is durable in `log/`, and not before.
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
    desk.check_sound();
}

/// An add has taken a file's digests from the cache; before it commits, a verify finds the object damaged and
/// forgets them. What the add records does not call the object sound again, and the next add heals it.
#[test]
fn an_add_that_believed_the_cache_does_not_hide_what_verify_finds_meanwhile() {
    let place = crate::support::store::fast_dir();
    let root = place.path().join("store");
    crate::support::store::init(&root);
    let content = b"believed";
    let source = tree(&place.path().join("t"), &[("f", content)]);
    // Old enough that its times tell.
    let old = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    fs::File::options().write(true).open(source.join("f")).unwrap().set_times(old).unwrap();
    let later = || Env::on_clock("tester@here", crate::support::store::later_clock());
    let cached = |registry: &Registry, name: &str| {
        let request = AddRequest { cache: CacheUse::Use, ..request(name, &source, Completion::Finalize) };
        registry.add(request, &mut std::io::empty(), &Void)
    };
    let registry = Registry::open(&root, options(Access::Write), later(), &Void).unwrap();
    cached(&registry, "first").unwrap();
    assert_eq!(cached(&registry, "second").unwrap().cache_hits, 1, "the cache answers");

    let object = oracle::file_of(&root, content);
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"believeD").unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o444)).unwrap();

    // The add stands where it stages the manifest: it has decided by the cache, and recorded nothing.
    let (stands, standing) = channel();
    let (go, goes) = channel::<()>();
    let both = std::sync::Mutex::new((Some(stands), goes));
    let disk = Observed::new(real_disk(&root), move |_, call| {
        // The manifest's own bytes: every file was looked at.
        if matches!(call, Call::Create { path, .. } if path.starts_with("tmp")) {
            let mut both = both.lock().unwrap();
            if let Some(stands) = both.0.take() {
                stands.send(()).unwrap();
                both.1.recv().ok();
            }
        }
        Ok(())
    });
    let disk: Arc<dyn astore::disk::Disk> = Arc::new(disk);
    let (added, found) = std::thread::scope(|threads| {
        let adds = threads.spawn(|| {
            let options = OpenOptions { ..options(Access::Write) };
            let registry = Registry::open_on(disk, &root, options, later(), &Void)?;
            cached(&registry, "third")
        });
        standing.recv().unwrap();
        let reader = open(&root, Access::Read).unwrap();
        let report = reader.verify(&VerifyRequest::default(), &Void).unwrap();
        go.send(()).unwrap();
        (adds.join().unwrap().unwrap(), report)
    });
    assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
    assert!(found.recorded.is_ok(), "{:?}", found.recorded);
    assert_eq!((added.cache_hits, added.healed.len()), (1, 0), "it believed the cache");
    // Whatever the one that believed the cache has recorded, the object counts as damaged, and is healed.
    let registry = Registry::open(&root, options(Access::Write), later(), &Void).unwrap();
    let healing = cached(&registry, "fourth").unwrap();
    assert_eq!((healing.cache_hits, healing.healed.len()), (0, 1), "{healing:?}");
    let unrecorded = VerifyRequest { record: Recorded::No, ..Default::default() };
    assert_eq!(registry.verify(&unrecorded, &Void).unwrap().faults, []);
}
