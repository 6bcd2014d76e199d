//! The store that every fault hits, the commands that are tried on it, and what must be true whatever happened.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use astore::monitor::Void;
use astore::registry::Access;
use astore::registry::report::{Recorded, VerifyDepth, VerifyRequest};

use crate::support::cli::{ACTOR, Said};
use crate::support::oracle;
use crate::support::store::{copy_store, fast_dir, open, tree};

/// From which store a command starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Start {
    /// There is none.
    Nothing,
    /// One with packages in every state.
    Stocked,
    /// The same, as a process left it that was killed: the database's last events are in its WAL only.
    Wal,
    /// The same; `log/` is ahead by a removal.
    Ahead,
    /// The same; an object is missing that the tree has.
    Hurt,
    /// The same without its database.
    Lost,
}

/// Whether a command changes the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It does, and a failure leaves all as it was or all done.
    Whole,
    /// It does, in several steps.
    Steps,
    /// It writes outside of the store only, or nothing.
    None,
}

/// A command, as it is typed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) line: &'static str,
    pub(super) start: Start,
    pub(super) effect: Effect,
}

const fn deed(line: &'static str, start: Start, effect: Effect) -> Deed {
    Deed { line, start, effect }
}

/// Every command that writes to the store.
pub(super) const WRITERS: [Deed; 23] = [
    deed("init", Start::Nothing, Effect::Steps),
    deed("add --finalize tree --name new", Start::Stocked, Effect::Whole),
    deed("add many --name new", Start::Stocked, Effect::Whole),
    deed("add many --name new --finalize --no-cache", Start::Wal, Effect::Whole),
    deed("add - --name new --finalize", Start::Stocked, Effect::Whole),
    deed("add --package open other --finalize", Start::Stocked, Effect::Whole),
    deed("add --finalize --if-changed tree --name kept", Start::Hurt, Effect::Steps),
    deed("finalize open", Start::Stocked, Effect::Whole),
    deed("remove kept --reason no-more", Start::Stocked, Effect::Whole),
    deed("remove kept --reason no-more", Start::Wal, Effect::Whole),
    deed("remove open --reason no-more", Start::Ahead, Effect::Steps),
    deed("restore gone", Start::Stocked, Effect::Whole),
    deed("pin hook kept --reason why", Start::Stocked, Effect::Whole),
    deed("unpin old", Start::Stocked, Effect::Whole),
    deed("retain kept --hold --reason court", Start::Stocked, Effect::Whole),
    deed("gc --confirm --yes --min-age 0s", Start::Stocked, Effect::Steps),
    deed("gc --confirm --yes --min-age 0s", Start::Wal, Effect::Steps),
    deed("verify", Start::Stocked, Effect::Whole),
    deed("verify", Start::Wal, Effect::Whole),
    deed("replay", Start::Stocked, Effect::None),
    deed("replay", Start::Wal, Effect::None),
    deed("recover", Start::Stocked, Effect::Steps),
    deed("recover", Start::Lost, Effect::Steps),
];

/// Every command that reads it.
pub(super) const READERS: [Deed; 20] = [
    deed("list --all", Start::Stocked, Effect::None),
    deed("list --all", Start::Wal, Effect::None),
    deed("list --all", Start::Ahead, Effect::Steps),
    deed("show kept", Start::Stocked, Effect::None),
    deed("files kept", Start::Stocked, Effect::None),
    deed("cat kept:a", Start::Stocked, Effect::None),
    deed("cat kept:long", Start::Wal, Effect::None),
    deed("export kept out", Start::Stocked, Effect::None),
    deed("manifest kept", Start::Stocked, Effect::None),
    deed("manifest kept --format sha256sums", Start::Stocked, Effect::None),
    deed("verify --no-record", Start::Stocked, Effect::None),
    deed("log", Start::Stocked, Effect::None),
    deed("log", Start::Wal, Effect::None),
    deed("stats", Start::Stocked, Effect::None),
    deed("health", Start::Stocked, Effect::None),
    deed("explain kept:a", Start::Stocked, Effect::None),
    deed("diff kept ./tree", Start::Stocked, Effect::None),
    deed("pins", Start::Stocked, Effect::None),
    deed("gc --min-age 0s", Start::Stocked, Effect::None),
    deed("replay --check", Start::Stocked, Effect::None),
];

/// How long a command may take that waits for nothing.
const TIMEOUT: &str = "30";

/// The stores that copies are made of, each once a process.
struct Templates {
    place: tempfile::TempDir,
}

impl Templates {
    fn get() -> &'static Self {
        static TEMPLATES: OnceLock<Templates> = OnceLock::new();
        TEMPLATES.get_or_init(Self::make)
    }

    fn make() -> Self {
        let place = fast_dir();
        let at = |name: &str| place.path().join(name);
        lay_out_trees(place.path());
        let stocked = at("stocked");
        let run = |line: &str| {
            let said = Scene::command_at(place.path(), &stocked, line);
            Said::of(&{ said }.output().unwrap()).expect(0)
        };
        run("init");
        for line in [
            "add --finalize tree --name kept --no-cache",
            "add --finalize other --name gone --no-cache",
            "add --finalize many --name gone --no-cache --exclude f1*",
            "add tree --name open --no-cache",
            "remove gone@1 gone@2 --reason old",
            "pin old kept",
        ] {
            run(line);
        }
        // Held open while it is copied: what was written last is in the WAL only.
        let reader = open(&stocked, Access::Read).unwrap();
        let hold = rusqlite::Connection::open(stocked.join("astore.db")).unwrap();
        hold.execute_batch("BEGIN").unwrap();
        hold.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
        run("pin last kept --reason wal");
        let wal = std::fs::metadata(stocked.join("astore.db-wal")).unwrap();
        assert!(wal.len() > 0, "the WAL is empty");
        copy_store(&stocked, &at("wal"));
        std::fs::remove_file(at("wal").join("astore.db-shm")).unwrap();
        hold.execute_batch("COMMIT").unwrap();
        drop((hold, reader));
        run("unpin last");

        copy_store(&stocked, &at("ahead"));
        let database = std::fs::read(at("ahead").join("astore.db")).unwrap();
        let remove = Scene::command_at(place.path(), &at("ahead"), "remove kept --reason ahead").output();
        Said::of(&remove.unwrap()).expect(0);
        std::fs::write(at("ahead").join("astore.db"), database).unwrap();

        copy_store(&stocked, &at("hurt"));
        std::fs::remove_file(oracle::file_of(&at("hurt"), b"alpha")).unwrap();

        copy_store(&stocked, &at("lost"));
        std::fs::remove_file(at("lost").join("astore.db")).unwrap();
        Self { place }
    }

    fn store(&self, start: Start) -> Option<PathBuf> {
        let name = match start {
            Start::Nothing => return None,
            Start::Stocked => "stocked",
            Start::Wal => "wal",
            Start::Ahead => "ahead",
            Start::Hurt => "hurt",
            Start::Lost => "lost",
        };
        Some(self.place.path().join(name))
    }
}

/// The trees that are added, and what standard input says.
fn lay_out_trees(place: &Path) {
    let long = vec![b'l'; 300_000];
    let files: [(&str, &[u8]); 5] =
        [("a", b"alpha"), ("d/b", b"beta"), ("d/c", b"gamma"), ("long", &long), ("z", b"")];
    let kept = tree(&place.join("tree"), &files);
    std::os::unix::fs::symlink("a", kept.join("link")).unwrap();
    tree(&place.join("other"), &[("m", b"more"), ("n/o", b"other")]);
    let many: Vec<(String, String)> =
        (0..20).map(|nth| (format!("f{nth}"), format!("content {nth}"))).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, text)| (&**name, text.as_bytes())).collect();
    tree(&place.join("many"), &many);
    std::fs::write(place.join("input"), b"what a pipe brings").unwrap();
}

/// A place of its own for one try: a copy of the store, and the trees.
pub(super) struct Scene {
    place: tempfile::TempDir,
    /// The directory that the store is in: the place itself, or `disk` in it.
    disk: PathBuf,
    binary: PathBuf,
    user: Option<u32>,
}

impl Scene {
    /// Sets the scene in memory.
    pub(super) fn new(start: Start) -> Self {
        let scene = Self::empty("");
        if let Some(store) = Templates::get().store(start) {
            copy_store(&store, &scene.root());
        }
        scene
    }

    /// Sets the scene on a disk of its own, which `mount` puts at the path that it is given.
    pub(super) fn on_disk(start: Start, mount: &dyn Fn(&Path)) -> Self {
        let scene = Self::empty("disk");
        std::fs::create_dir(&scene.disk).unwrap();
        mount(&scene.disk);
        if let Some(store) = Templates::get().store(start) {
            let copied = Command::new("cp").arg("-a").args([store, scene.root()]).status().unwrap();
            assert!(copied.success());
        }
        scene
    }

    /// Sets the scene for somebody who is not root, so that permissions count.
    pub(super) fn of_mortal(start: Start) -> Self {
        let mut scene = Self::new(start);
        if rustix::process::getuid().is_root() {
            // The build directory may be closed to others.
            let binary = scene.path().join("astore");
            let copied = Command::new("cp").args([&scene.binary, &binary]).status().unwrap();
            assert!(copied.success());
            scene.binary = binary;
            let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(scene.path()).status().unwrap();
            assert!(owned.success());
            scene.user = Some(65_534);
        }
        scene
    }

    fn empty(disk: &str) -> Self {
        let place = fast_dir();
        let disk = place.path().join(disk);
        let scene = Self { place, disk, binary: env!("CARGO_BIN_EXE_astore").into(), user: None };
        for name in ["tree", "other", "many", "input"] {
            let to = Templates::get().place.path().join(name);
            std::os::unix::fs::symlink(to, scene.place.path().join(name)).unwrap();
        }
        scene
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Where the file system is that holds the store.
    pub(super) fn disk(&self) -> &Path {
        &self.disk
    }

    pub(super) fn root(&self) -> PathBuf {
        self.disk.join("store")
    }

    /// The command, at a place with a store.
    fn command_at(place: &Path, root: &Path, line: &str) -> Command {
        Self::command_within(env!("CARGO_BIN_EXE_astore").as_ref(), &[], place, root, line)
    }

    /// The command in what another program does to it: `strace …`, `prlimit …`.
    fn command_within(binary: &Path, around: &[String], place: &Path, root: &Path, line: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", TIMEOUT])
            .args(around)
            .arg(binary)
            .args(line.split(' '))
            .env_clear()
            .env("ASTORE_ROOT", root)
            .env("ASTORE_ACTOR", ACTOR)
            .env("HOME", place)
            .env("TMPDIR", place)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(place)
            .stdin(Stdio::null());
        if line.starts_with("add - ") {
            command.stdin(std::fs::File::open(place.join("input")).unwrap());
        }
        command
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, line: &str) -> Said {
        self.run_within(&[], line)
    }

    pub(super) fn run_within(&self, around: &[String], line: &str) -> Said {
        let mut command = Self::command_within(&self.binary, around, self.path(), &self.root(), line);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        Said::of(&command.output().unwrap())
    }

    /// What the store is: the packages in their states, pins, holds, purges, recorded verifies.
    ///
    /// Opened as the next command does, verified, its views compared with replay, its log read by hand.
    pub(super) fn state(&self, sound: Soundness) -> Result<State, String> {
        let root = self.root();
        if !root.join("astore.toml").exists() {
            return Ok(State { facts: vec!["no store".to_owned()], ..State::default() });
        }
        let registry = open(&root, Access::Write).map_err(|error| format!("it does not open: {error:?}"))?;
        let check = registry.replay_check(&Void).map_err(|error| format!("no replay: {error:?}"))?;
        if !check.differing.is_empty() {
            return Err(format!("views differ from replay: {:?}", check.differing));
        }
        if sound == Soundness::Whole {
            let quick =
                VerifyRequest { depth: VerifyDepth::Quick, record: Recorded::No, ..VerifyRequest::default() };
            let report = registry.verify(&quick, &Void).map_err(|error| format!("no verify: {error:?}"))?;
            if !report.faults.is_empty() {
                return Err(format!("verify finds {:?}", report.faults));
            }
        }
        drop(registry);
        oracle::check_names(&root)?;
        if sound == Soundness::Whole {
            oracle::check_log(&root)?;
        }
        Ok(State::read(&root))
    }
}

/// How much of a store has to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Soundness {
    /// All of it.
    Whole,
    /// All but what was hurt before.
    AsHurt,
}

/// What a store holds, without what differs from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) facts: Vec<String>,
    /// Rounds of a gc that were begun and not ended.
    pub(super) unfinished: i64,
}

impl State {
    fn read(root: &Path) -> Self {
        let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
        let mut facts = Vec::new();
        let queries = [
            "SELECT 'package ' || name || '@' || version || ' ' || status || ' removed ' || (removed_at IS NOT NULL) \
             || ' content ' || coalesce(hex(content_digest), '-') FROM artifact_packages ORDER BY 1",
            "SELECT 'held ' || package FROM retention_state WHERE hold ORDER BY 1",
            "SELECT 'pin ' || name FROM pins ORDER BY 1",
            "SELECT 'purged ' || content_address FROM objects WHERE purged_sequence IS NOT NULL ORDER BY 1",
            "SELECT 'verified ' || count(*) FROM verify_runs",
        ];
        for sql in queries {
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            facts.extend(rows.map(Result::unwrap));
        }
        let unfinished = "SELECT count(*) FROM gc_runs WHERE completed_sequence IS NULL";
        let unfinished = db.query_row(unfinished, [], |row| row.get(0)).unwrap();
        Self { facts, unfinished }
    }
}

/// What a command does to its scene when nothing is in its way.
pub(super) struct Clean {
    pub(super) before: State,
    pub(super) after: State,
    pub(super) said: Said,
}

impl Deed {
    pub(super) fn soundness(self) -> Soundness {
        if self.start == Start::Hurt { Soundness::AsHurt } else { Soundness::Whole }
    }

    /// Runs it on a scene of its own, in peace.
    pub(super) fn clean(self) -> Clean {
        let scene = Scene::new(self.start);
        let before = scene.state(self.soundness());
        let before = match self.start {
            Start::Lost => State::default(),
            _ => before.unwrap_or_else(|fault| panic!("{self:?}: {fault}")),
        };
        // Looking settled it: a fresh one for the command.
        let scene = Scene::new(self.start);
        let said = scene.run(self.line);
        assert_eq!(said.code, 0, "{self:?}: {said:?}");
        let after = scene.state(Soundness::Whole).unwrap_or_else(|fault| panic!("{self:?}: {fault}"));
        Clean { before, after, said }
    }
}
