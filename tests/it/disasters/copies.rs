//! The whole root is copied, to another machine or into a backup, by what is at hand: from a store at rest, and from
//! one at which a writer is at work.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use astore::Access;
use astore::disk::testing::{Call, Observed};
use astore::report::Completion;

use super::{Facts, Story, events};
use crate::support::cli::{Desk, has, said};
use crate::support::oracle;
use crate::support::store::{
    add, copy_store, env, fast_dir, init, open, options, real_disk, reference, tree,
};

/// Runs a command that must succeed.
#[track_caller]
fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let mut command = Command::new(program);
    command.args(arguments).args(paths);
    said(command).expect(0);
}

/// Copies one directory to another place.
type Copy = fn(&Path, &Path);

/// Every way to copy a directory that this machine has.
fn ways() -> Vec<(&'static str, Copy)> {
    let mut ways: Vec<(&str, Copy)> = vec![
        ("cp -r", |from, to| run("cp", &["-r"], &[from, to])),
        ("cp -a", |from, to| run("cp", &["-a"], &[from, to])),
    ];
    if has("tar") {
        ways.push(("tar", |from, to| {
            let archive = to.with_extension("tar");
            fs::create_dir(to).unwrap();
            run("tar", &["-cf"], &[&archive, Path::new("-C"), from, Path::new(".")]);
            run("tar", &["-xf"], &[&archive, Path::new("-C"), to]);
            fs::remove_file(archive).unwrap();
        }));
    }
    if has("rsync") {
        ways.push(("rsync -a", |from, to| run("rsync", &["-a"], &[&from.join(""), to])));
        ways.push(("rsync -r", |from, to| run("rsync", &["-r", "--perms"], &[&from.join(""), to])));
    }
    ways
}

#[test]
fn a_copy_of_a_store_at_rest_is_the_store() {
    let story = Story::new();
    for (name, copy) in ways() {
        eprintln!("{name}");
        story.again();
        let to = story.desk.path("copied");
        copy(&story.root(), &to);
        fs::remove_dir_all(story.root()).unwrap();
        fs::rename(&to, story.root()).unwrap();
        let found = Facts::of(&story.root());
        assert!(found.events == story.facts.events && found.views == story.facts.views, "{name}");
        story.check_named(&[]);
        story.check_mended();
    }
}

/// A store with something in it, and a tree that is about to be added in several batches.
struct Work {
    place: tempfile::TempDir,
}

const FILES: [(&str, &[u8]); 4] = [("a", b"alpha"), ("d/b", b"beta"), ("d/c", b"gamma"), ("e", b"delta")];

impl Work {
    fn new() -> Self {
        let work = Self { place: fast_dir() };
        init(&work.root());
        let before = tree(&work.path("before"), &[("a", b"alpha"), ("old", b"old")]);
        let registry = open(&work.root(), Access::Write).unwrap();
        add(&registry, "before", &before, Completion::Finalize).unwrap();
        registry.remove(&[reference("before")], "over").unwrap();
        registry.restore(&reference("before")).unwrap();
        drop(registry);
        tree(&work.path("tree"), &FILES);
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("store")
    }

    /// Adds the tree in batches of one file; `at` is called at each point of the way, while the writer stands still.
    fn add(&self, at: impl Fn(usize, &'static str) + Send + Sync + 'static) {
        let nth = Mutex::new(0_usize);
        let watch = move |_: usize, call: &Call| {
            if let Call::Point { name } = call {
                // Who stands here stands in everybody's way: one point after the other.
                let mut nth = nth.lock().unwrap();
                at(*nth, name);
                *nth += 1;
            }
            Ok(())
        };
        let disk = Arc::new(Observed::new(real_disk(&self.root()), watch));
        let mut registry =
            astore::Registry::open_on(disk, &self.root(), options(Access::Write), env(), &astore::Void)
                .unwrap();
        registry.set_batch_files(1);
        add(&registry, "tree", &self.path("tree"), Completion::Finalize).unwrap();
    }
}

/// A desk whose store is this directory from now on.
fn desk_at(root: &Path) -> Desk {
    let desk = Desk::without_store();
    copy_store(root, &desk.root());
    tree(&desk.path("next"), &[("n", b"next")]);
    desk
}

#[test]
fn a_copy_that_was_taken_at_one_instant_of_a_writers_work_is_a_store() {
    let work = Work::new();
    let before = Facts::of(&work.root()).events;
    let (root, copies) = (work.root(), work.path("copies"));
    fs::create_dir(&copies).unwrap();
    let into = copies.clone();
    work.add(move |nth, name| {
        run("cp", &["-a"], &[&root, &into.join(format!("{nth:03} {name}"))]);
    });
    let after = Facts::of(&work.root()).events;
    let mut points = BTreeSet::new();
    let mut copied: Vec<PathBuf> = fs::read_dir(&copies).unwrap().map(|copy| copy.unwrap().path()).collect();
    copied.sort();
    let mut finished = 0;
    for copy in &copied {
        let what = copy.file_name().unwrap().to_string_lossy().into_owned();
        points.insert(what[4..].to_owned());
        let desk = desk_at(copy);
        desk.ok(["list", "--all"]);
        desk.check_sound();
        let found = events(&desk.root());
        assert!(found.len() >= before.len() && found.len() <= after.len(), "{what}");
        assert!(found == after[..found.len()], "{what}: a history of its own");
        finished += usize::from(found.len() == after.len());
        desk.ok(["add", "next", "--finalize"]);
        desk.check_sound();
        oracle::check_log(&desk.root()).unwrap();
        oracle::check_names(&desk.root()).unwrap();
    }
    assert!(points.len() >= 5, "{points:?}");
    assert!(finished >= 2, "what is durable in log/ is there, committed or not");
    eprintln!("{} copies at {} kinds of points: {points:?}", copied.len(), points.len());
}

/// What a copy may take before the writer's work and what after it.
const PIECES: [&[&str]; 4] = [&["astore.db"], &["astore.db-wal", "astore.db-shm"], &["log"], &["blake3"]];

#[test]
fn a_copy_that_took_pieces_before_and_pieces_after_is_told_from_a_store_or_mended() {
    // From the instant of each event on, how much of a copy that goes on meanwhile is of before and of after.
    let work = Work::new();
    // Somebody reads meanwhile, so that the WAL is not taken in at the end.
    let held = rusqlite::Connection::open(work.root().join("astore.db")).unwrap();
    held.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    let (root, states) = (work.root(), work.path("states"));
    fs::create_dir(&states).unwrap();
    let into = states.clone();
    work.add(move |nth, name| {
        if name == "database committed" || name == "log durable" {
            run("cp", &["-a"], &[&root, &into.join(format!("{nth:03}"))]);
        }
    });
    run("cp", &["-a"], &[&work.root(), &states.join("end")]);
    let after = Facts::of(&work.root()).events;
    drop(held);
    let mut taken: Vec<PathBuf> = fs::read_dir(&states).unwrap().map(|state| state.unwrap().path()).collect();
    taken.sort();
    assert!(taken.len() >= 4, "{taken:?}");
    let (first, last) = (taken.first().unwrap().clone(), taken.last().unwrap().clone());
    let middle = taken[taken.len() / 2].clone();
    let (mut mixes, mut sound, mut incomplete) = (0, 0, 0);
    for (early, late) in [(&first, &last), (&first, &middle), (&middle, &last)] {
        for chosen in 0_u32..1 << PIECES.len() {
            let place = fast_dir();
            let mixed = place.path().join("mixed");
            copy_store(early, &mixed);
            let is_late = |piece: usize| chosen & (1 << piece) != 0;
            for name in (0..PIECES.len()).filter(|piece| is_late(*piece)).flat_map(|piece| PIECES[piece]) {
                let (from, to) = (late.join(name), mixed.join(name));
                if to.is_dir() {
                    fs::remove_dir_all(&to).unwrap();
                    copy_store(&from, &to);
                } else {
                    drop(fs::remove_file(&to));
                    if from.exists() {
                        fs::copy(from, to).unwrap();
                    }
                }
            }
            let what = format!("{} and {}, {chosen:04b} of the later", early.display(), late.display());
            let desk = desk_at(&mixed);
            mixes += 1;
            let listed = desk.run(["list", "--all"]);
            assert!(matches!(listed.code, 0 | 4), "{what}: {listed:#?}");
            let verified = desk.run(["verify", "--quiet", "--no-record"]);
            assert!(matches!(verified.code, 0 | 4), "{what}: {verified:#?}");
            if verified.code == 0 {
                sound += 1;
                desk.check_sound();
                let found = events(&desk.root());
                assert!(found == after[..found.len()], "{what}");
                continue;
            }
            // With nothing that parts, recover makes a store of it; what lacks then are bytes that came later.
            let recovered = desk.run(["recover"]);
            assert!(matches!(recovered.code, 0 | 4), "{what}: {recovered:#?}");
            let found = events(&desk.root());
            let common = found.len().min(after.len());
            assert!(found[..common] == after[..common], "{what}");
            let verified = desk.run(["verify", "--quiet", "--no-record"]);
            let faults: Vec<&str> = verified.out.lines().filter(|line| !line.starts_with("  ")).collect();
            let only_missing =
                faults.iter().all(|fault| fault.starts_with("missing ") || fault.starts_with("payload "));
            assert!(only_missing && (faults.is_empty() || !is_late(3)), "{what}: {verified:#?}");
            incomplete += usize::from(!faults.is_empty());
            // The same tree once more, and it is whole.
            fs::create_dir(desk.path("tree")).unwrap();
            tree(&desk.path("tree"), &FILES);
            desk.ok(["add", "tree", "--name", "again", "--finalize", "--no-cache"]);
            desk.check_sound();
        }
    }
    eprintln!(
        "{mixes} mixes of {} states: {sound} sound, {incomplete} recovered without some bytes",
        taken.len()
    );
}
