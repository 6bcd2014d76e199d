//! Somebody adds the same tree every night, and nothing of it is read again. Whatever became of the store in between, and
//! whatever stat cache it has by then: no package ever names bytes that the store does not hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use astore::env::TestClock;
use astore::monitor::{Counter, Monitor, Problem, Task};
use astore::report::{
    AddReport, AddRequest, AddTarget, CacheUse, ClockTrust, Completion, OnConflict, VerifyRequest,
};
use astore::{Access, Void};

use crate::support::cli::Desk;
use crate::support::gc::{begin_gc, collect, later_event, whatever};
use crate::support::oracle;
use crate::support::store::{
    copy_store, init, later_clock, open_by, options, real_disk, reference, request, tree,
};

const FILES: [(&str, &[u8]); 3] =
    [("a", b"the first one"), ("d/b", b"the second one"), ("d/c", b"the third")];

/// A tree that has long held still, by a clock that runs ahead.
struct Nights {
    desk: Desk,
    clock: Arc<TestClock>,
}

impl Nights {
    fn new() -> Self {
        let desk = Desk::new();
        tree(&desk.path("doc"), &FILES);
        tree(&desk.path("other"), &[("x", b"something else")]);
        Self { desk, clock: later_clock() }
    }

    fn root(&self) -> PathBuf {
        self.desk.root()
    }

    fn cache(&self) -> PathBuf {
        self.root().join("cache.db")
    }

    fn add_to(&self, root: &Path, name: &str, completion: Completion) -> AddReport {
        let registry = open_by(&self.clock, real_disk(root), root, options(Access::Write)).unwrap();
        let request = AddRequest { cache: CacheUse::Use, ..request(name, &self.desk.path(name), completion) };
        registry.add(request, &mut std::io::empty(), &Void).unwrap()
    }

    fn add(&self) -> AddReport {
        self.add_to(&self.root(), "doc", Completion::Finalize)
    }

    fn remove_and_collect(&self) {
        self.desk.ok(["remove", "doc@1", "--reason", "test"]);
        let root = self.root();
        let registry = open_by(&self.clock, real_disk(&root), &root, options(Access::Alone)).unwrap();
        collect(&registry, whatever(Duration::ZERO), None, ClockTrust::Accepted).unwrap();
    }

    /// What is in the store is what the log says, and what the tree holds is in the package.
    fn check(&self, what: &str) {
        self.desk.check_sound();
        let out = self.desk.path("out");
        self.desk.ok(["export", "doc", out.to_str().unwrap()]);
        for (name, bytes) in FILES {
            assert!(fs::read(out.join(name)).unwrap() == bytes, "{what}: {name}");
        }
        fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn what_takes_nothing_back_leaves_the_cache_its_word() {
    let nights = Nights::new();
    assert_eq!(nights.add().cache_hits, 0);
    let between: [(&str, &dyn Fn()); 6] = [
        ("nothing", &|| ()),
        ("another add", &|| drop(nights.add_to(&nights.root(), "other", Completion::Finalize))),
        ("a pin", &|| drop(nights.desk.ok(["pin", "mine", "doc@1", "--reason", "test"]))),
        ("a package goes", &|| drop(nights.desk.ok(["remove", "doc@2", "--reason", "test"]))),
        ("a verify that finds nothing", &|| drop(nights.desk.ok(["verify"]))),
        ("an event of later builds", &|| later_event(&nights.root())),
    ];
    for (what, happens) in between {
        happens();
        let report = nights.add();
        assert_eq!((report.cache_hits, report.files_hashed, report.objects_new), (3, 0, 0), "{what}");
    }
}

#[test]
fn a_cache_is_not_believed_over_a_gc() {
    let nights = Nights::new();
    nights.add();
    nights.remove_and_collect();
    assert!(!oracle::file_of(&nights.root(), FILES[0].1).exists(), "the gc took it");
    let report = nights.add();
    assert_eq!((report.cache_hits, report.objects_new), (0, 3));
    nights.check("a gc");
    // That run's word is as good as the first one's was.
    assert_eq!(nights.add().cache_hits, 3);
}

#[test]
fn a_cache_is_not_believed_over_a_gc_that_died() {
    let nights = Nights::new();
    nights.add();
    let (name, bytes) = FILES[1];
    begin_gc(&nights.root(), &[bytes]);
    fs::remove_file(oracle::file_of(&nights.root(), bytes)).unwrap();
    let report = nights.add();
    assert_eq!((report.cache_hits, report.objects_new), (2, 1), "{name} is written anew");
    assert!(oracle::file_of(&nights.root(), bytes).exists());
    // Asked object by object once, they are vouched for again.
    assert_eq!(nights.add().cache_hits, 3);
}

#[test]
fn an_older_cache_is_not_believed_over_a_verify() {
    let nights = Nights::new();
    nights.add();
    let before = fs::read(nights.cache()).unwrap();
    let (_, bytes) = FILES[2];
    fs::remove_file(oracle::file_of(&nights.root(), bytes)).unwrap();
    let root = nights.root();
    let registry = open_by(&nights.clock, real_disk(&root), &root, options(Access::Read)).unwrap();
    registry.verify(&VerifyRequest::default(), &Void).unwrap();
    drop(registry);
    assert!(fs::read(nights.cache()).unwrap() != before, "verify made it forget");
    fs::write(nights.cache(), before).unwrap();
    let report = nights.add();
    assert_eq!((report.cache_hits, report.healed.len()), (2, 1));
    nights.check("a verify");
}

/// Lets something happen when all files of an add have been looked at.
struct OnceLooked<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Monitor for OnceLooked<F> {
    fn start(&self, _task: Task, _bytes: Option<u64>) {}
    fn count(&self, _counter: Counter, _n: u64) {}
    fn problem(&self, _problem: &Problem) {}
    fn finish(&self, task: Task) {
        if task == Task::Adding {
            (self.0)();
        }
    }
}

#[test]
fn what_a_verify_finds_while_an_add_runs_the_next_one_mends() {
    let nights = Nights::new();
    let root = nights.root();
    nights.desk.ok(["add", "doc", "--finalize", "--no-cache"]);
    let (_, bytes) = FILES[0];
    let found = OnceLooked(|| {
        fs::remove_file(oracle::file_of(&root, bytes)).unwrap();
        nights.desk.expect(4, ["verify", "--quiet"]);
    });
    let registry = open_by(&nights.clock, real_disk(&root), &root, options(Access::Write)).unwrap();
    let asked = request("doc", &nights.desk.path("doc"), Completion::Finalize);
    let asked = AddRequest { cache: CacheUse::Use, ..asked };
    // The object was there when it was looked at, and the fact is stored after verify made the cache forget.
    assert_eq!(registry.add(asked, &mut std::io::empty(), &found).unwrap().objects_new, 0);
    drop(registry);
    let report = nights.add();
    assert_eq!((report.cache_hits, report.healed.len()), (2, 1));
    nights.check("a verify beside an add");
}

#[test]
fn a_cache_is_not_believed_by_an_older_store() {
    for others in [0, 1, 4] {
        let nights = Nights::new();
        let (root, kept) = (nights.root(), nights.desk.path("kept"));
        copy_store(&root, &kept);
        nights.add();
        let cache = fs::read(nights.cache()).unwrap();
        fs::remove_dir_all(&root).unwrap();
        fs::rename(&kept, &root).unwrap();
        // With events of its own it has one of that number, too.
        for _ in 0..others {
            nights.add_to(&root, "other", Completion::Finalize);
        }
        fs::write(nights.cache(), cache).unwrap();
        let report = nights.add();
        assert_eq!((report.cache_hits, report.objects_new), (0, 3), "{others} other events");
        nights.check("an older store");
    }
}

#[test]
fn a_cache_is_not_believed_by_another_store() {
    let nights = Nights::new();
    let elsewhere = nights.desk.path("elsewhere");
    init(&elsewhere);
    for _ in 0..3 {
        nights.add_to(&elsewhere, "doc", Completion::Finalize);
        nights.add_to(&nights.root(), "other", Completion::Finalize);
    }
    nights.add_to(&nights.root(), "other", Completion::Finalize);
    fs::copy(elsewhere.join("cache.db"), nights.cache()).unwrap();
    let report = nights.add();
    assert_eq!((report.cache_hits, report.objects_new), (0, 3));
    nights.check("another store's");
}

#[test]
fn what_an_add_learnt_that_failed_is_asked_for_again() {
    let nights = Nights::new();
    let root = nights.root();
    tree(&nights.desk.path("taken"), &[("d/b", b"another one")]);
    nights.desk.ok(["add", "taken"]);
    let registry = open_by(&nights.clock, real_disk(&root), &root, options(Access::Write)).unwrap();
    let target = AddTarget::Open { reference: reference("taken"), on_conflict: OnConflict::Refuse };
    let asked = request("doc", &nights.desk.path("doc"), Completion::LeaveOpen);
    let asked = AddRequest { cache: CacheUse::Use, target, ..asked };
    registry.add(asked, &mut std::io::empty(), &Void).expect_err("the path is taken");
    drop(registry);
    // It read them, and the store has none of them.
    let report = nights.add();
    assert_eq!((report.cache_hits, report.objects_new), (0, 3));
    nights.check("a failed add");
}

#[test]
fn what_a_failed_add_was_to_heal_is_read_again_under_each_of_its_names() {
    let names = ["p", "q", "r"];
    for name in names {
        let nights = Nights::new();
        let root = nights.root();
        let lost: &[u8] = b"lost without a word";
        tree(&nights.desk.path("first"), &[("f", lost)]);
        tree(&nights.desk.path("copies"), &names.map(|name| (name, lost)));
        tree(&nights.desk.path("taken"), &[("q", b"another one")]);
        nights.desk.ok(["add", "first", "--finalize", "--no-cache"]);
        nights.desk.ok(["add", "taken"]);
        fs::remove_file(oracle::file_of(&root, lost)).unwrap();
        let add = |path: &str, target: Option<AddTarget>| {
            let registry = open_by(&nights.clock, real_disk(&root), &root, options(Access::Write)).unwrap();
            let mut asked = request("again", &nights.desk.path(path), Completion::LeaveOpen);
            asked.cache = CacheUse::Use;
            asked.target = target.unwrap_or(asked.target);
            registry.add(asked, &mut std::io::empty(), &Void)
        };
        // It reads all of them and stages the first one's bytes; then it fails.
        let target = AddTarget::Open { reference: reference("taken"), on_conflict: OnConflict::Refuse };
        add("copies", Some(target)).expect_err("the path is taken");
        assert!(!oracle::file_of(&root, lost).exists());
        let report = add(&format!("copies/{name}"), None).unwrap();
        assert_eq!((report.cache_hits, report.healed.len()), (0, 1), "{name}");
        nights.desk.check_sound();
    }
}

#[test]
fn an_add_that_changes_nothing_leaves_the_cache_and_the_log_as_they_are() {
    let nights = Nights::new();
    nights.add();
    let files = || {
        let log = nights.root().join("log/00000000000000000001.cborseq");
        [nights.cache(), nights.root().join("astore.db"), log].map(|path| fs::read(path).unwrap())
    };
    let before = files();
    let report = nights.add_to(&nights.root(), "doc", Completion::FinalizeIfChanged);
    assert!(report.unchanged && report.cache_hits == 3);
    assert!(files() == before);
}
