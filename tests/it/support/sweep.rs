//! Everything that a kill or a power cut can leave of an operation, gone through: opened again, judged by an oracle,
//! and the operation done once more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use astore::disk::Disk;
use astore::disk::testing::{Call, CrashState, Crashes, Node, Trace, Tree};
use astore::monitor::Void;
use astore::registry::Access;

use super::history::{self, History};
use super::oracle::{self, Digest};
use super::store::{fast_dir, open, real_disk};

/// Every operation that is swept, and the points that it passes, each by its name in the code. A point that stands here
/// with no operation is one that no sweep reaches.
pub(crate) const POINTS: &[(&str, &[&str])] = &[
    ("init", &["log written", "log durable", "config durable"]),
    (
        "add",
        &[
            "settled",
            "bytes durable",
            "renamed",
            "published",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
    (
        "add of several batches",
        &[
            "settled",
            "bytes durable",
            "renamed",
            "published",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
    (
        "add in groups",
        &[
            "settled",
            "bytes durable",
            "group placed",
            "renamed",
            "published",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
    (
        "add, prepared beside",
        &[
            "settled",
            "bytes durable",
            "renamed",
            "published",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
    (
        "add, left open",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "bytes durable",
            "renamed",
            "published",
        ],
    ),
    (
        "add to an open package, replacing",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "bytes durable",
            "renamed",
            "published",
        ],
    ),
    (
        "add that heals",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "bytes durable",
            "renamed",
            "published",
        ],
    ),
    (
        "finalize",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "bytes durable",
            "renamed",
            "published",
        ],
    ),
    ("remove and restore", &["settled", "log written", "log durable", "database committed"]),
    ("pin, retain, unpin", &["settled", "log written", "log durable", "database committed"]),
    ("verify, recorded", &["settled", "log written", "log durable", "database committed"]),
    ("log/ goes on in a new file", &["settled", "log written", "log durable", "database committed"]),
    ("the reserve, set aside again", &["settled"]),
    ("replay", &["settled", "database committed"]),
    ("settling", &["settled"]),
    ("log/ written again", &["settled", "log written", "log durable"]),
    (
        "gc",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "intent recorded",
            "purged",
            "purge durable",
            "completion recorded",
        ],
    ),
    (
        "gc on a full disk",
        &[
            "settled",
            "log written",
            "log durable",
            "database committed",
            "intent recorded",
            "purged",
            "purge durable",
            "completion recorded",
        ],
    ),
    (
        "recover --from-objects",
        &[
            "claimed objects durable",
            "database built",
            "database aside",
            "database named",
            "claims recorded",
            "config durable",
            "settled",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
    ("recover, no database", &["database built", "database aside", "database named", "settled"]),
    (
        "recover, log/ damaged",
        &[
            "database built",
            "database aside",
            "database named",
            "log aside",
            "log written",
            "log durable",
            "settled",
        ],
    ),
    (
        "recover, astore.toml lost and a manifest damaged",
        &[
            "bytes durable",
            "renamed",
            "published",
            "database built",
            "database aside",
            "database named",
            "config durable",
            "settled",
            "log written",
            "log durable",
            "database committed",
        ],
    ),
];

/// How many power cuts are chosen by chance at each call.
pub(crate) fn seeds() -> u64 {
    std::env::var("ASTORE_TEST_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}

/// Up to how many changes that are not durable every subset of them is tried.
fn subsets_up_to() -> usize {
    if seeds() >= 32 { 10 } else { 8 }
}

/// What somebody finds who looks after a crash.
pub(crate) enum Found {
    /// A store, that was opened and settled.
    Store(History),
    /// No store yet, or one that has to be recovered first.
    Nothing,
}

/// An operation that was recorded.
pub(crate) struct Sweep {
    pub(crate) name: &'static str,
    pub(crate) before: Tree,
    pub(crate) calls: Vec<Call>,
    /// The digests of the events before, and after all of it.
    chain: (usize, Vec<Digest>),
    reserve: PathBuf,
    subsets_up_to: usize,
}

/// What a sweep went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) states: usize,
    pub(crate) distinct: usize,
    /// Calls at which every subset was tried.
    pub(crate) most_pending: usize,
}

impl Sweep {
    /// Does something to a store on a recorded disk.
    pub(crate) fn of(name: &'static str, root: &Path, operate: impl FnOnce(Arc<dyn Disk>)) -> Self {
        Self::on(name, root, real_disk(root), operate)
    }

    /// The same on a disk that is not quite the real one.
    pub(crate) fn on(
        name: &'static str,
        root: &Path,
        disk: Arc<dyn Disk>,
        operate: impl FnOnce(Arc<dyn Disk>),
    ) -> Self {
        let before = Tree::take(root).unwrap();
        let head = history::log_events(root).len();
        let trace = Arc::new(Trace::with_foreign(disk, root, &["astore.db"]));
        operate(trace.clone());
        trace.look().unwrap();
        Self::recorded(name, root, before, head, trace.take())
    }

    /// Takes what was recorded elsewhere: `root` is the store after it, `head` the number of events before it.
    pub(crate) fn recorded(
        name: &'static str,
        root: &Path,
        before: Tree,
        head: usize,
        calls: Vec<Call>,
    ) -> Self {
        let chain = history::log_events(root).iter().map(|event| event.digest).collect();
        let reserve = root.join("reserve");
        Self { name, before, calls, chain: (head, chain), reserve, subsets_up_to: subsets_up_to() }
    }

    /// Tries fewer subsets: for operations that make many small changes at once.
    pub(crate) fn with_subsets_up_to(mut self, pending: usize) -> Self {
        if seeds() < 32 {
            self.subsets_up_to = pending;
        }
        self
    }

    /// Goes through all states. Each must be a store that opens and that the oracle finds nothing wrong with, with the
    /// events that were durable by then and none that was not begun; `judge` hears of each, and `repeat` does the
    /// operation again, or what an operator would do then.
    pub(crate) fn run(
        &self,
        judge: impl Fn(usize, &History) -> Result<(), String>,
        repeat: impl Fn(&Path) -> Result<(), String>,
    ) -> Tally {
        self.reported(|| self.try_run(judge, repeat))
    }

    /// The same where a state need not be a store: `examine` looks at it first of all.
    pub(crate) fn run_with(
        &self,
        examine: impl Fn(&Path) -> Result<Found, String>,
        judge: impl Fn(usize, &Found) -> Result<(), String>,
        repeat: impl Fn(&Path) -> Result<(), String>,
    ) -> Tally {
        self.reported(|| self.try_run_with(examine, judge, repeat))
    }

    /// As [`Sweep::run`], and returns the first thing that is wrong.
    pub(crate) fn try_run(
        &self,
        judge: impl Fn(usize, &History) -> Result<(), String>,
        repeat: impl Fn(&Path) -> Result<(), String>,
    ) -> Result<Tally, String> {
        let judge = |done, found: &Found| match found {
            Found::Store(history) => self.check_chain(done, history).and_then(|()| judge(done, history)),
            Found::Nothing => Err("there is no store".to_owned()),
        };
        self.try_run_with(|root| examine(root).map(Found::Store), judge, repeat)
    }

    /// The same as if the code had made other calls.
    pub(crate) fn altered(&self, calls: Vec<Call>) -> Self {
        let chain = (self.chain.0, self.chain.1.clone());
        let (before, reserve) = (self.before.clone(), self.reserve.clone());
        Self { name: self.name, before, calls, chain, reserve, subsets_up_to: self.subsets_up_to }
    }

    fn reported(&self, run: impl FnOnce() -> Result<Tally, String>) -> Tally {
        self.check_points();
        let began = Instant::now();
        let tally = run().unwrap_or_else(|fault| panic!("{}: {fault}", self.name));
        self.print(tally, began);
        tally
    }

    fn print(&self, tally: Tally, began: Instant) {
        let points = self.calls.iter().filter(|call| matches!(call, Call::Point { .. })).count();
        eprintln!(
            "{}: {} calls, {points} points, {} states, {} different, at most {} changes in flight, {:.1} s",
            self.name,
            self.calls.len(),
            tally.states,
            tally.distinct,
            tally.most_pending,
            began.elapsed().as_secs_f64()
        );
    }

    fn check_points(&self) {
        let passed: BTreeSet<&str> = self.calls.iter().filter_map(point).collect();
        let (_, known) = POINTS.iter().find(|(name, _)| *name == self.name).expect("an operation in POINTS");
        assert_eq!(passed, known.iter().copied().collect(), "the points of {}", self.name);
    }

    /// As [`Sweep::run_with`], and returns the first thing that is wrong.
    pub(crate) fn try_run_with(
        &self,
        examine: impl Fn(&Path) -> Result<Found, String>,
        judge: impl Fn(usize, &Found) -> Result<(), String>,
        repeat: impl Fn(&Path) -> Result<(), String>,
    ) -> Result<Tally, String> {
        let mut seen: HashMap<Digest, Rc<Found>> = HashMap::new();
        let mut hashed = Hashed::default();
        let mut tally = Tally::default();
        let mut crashes =
            Crashes::of(&self.before, &self.calls, seeds()).with_subsets_up_to(self.subsets_up_to);
        for state in &mut crashes {
            tally.states += 1;
            let at = |fault: String| {
                let before = self.calls.get(state.calls.saturating_sub(1)).map(in_short);
                format!("after {} calls, {before:?}, {:?}: {fault}", state.calls, state.kind)
            };
            let fingerprint = hashed.fingerprint(&state.tree);
            let found = match seen.get(&fingerprint) {
                Some(found) => Rc::clone(found),
                None => {
                    let found = Rc::new(self.look(&state, &examine, &repeat).map_err(at)?);
                    seen.insert(fingerprint, Rc::clone(&found));
                    found
                }
            };
            judge(state.calls, &found).map_err(at)?;
        }
        tally.distinct = seen.len();
        tally.most_pending = crashes.most_pending();
        Ok(tally)
    }

    fn look(
        &self,
        state: &CrashState,
        examine: &dyn Fn(&Path) -> Result<Found, String>,
        repeat: &dyn Fn(&Path) -> Result<(), String>,
    ) -> Result<Found, String> {
        let place = fast_dir();
        let root = place.path().join("store");
        self.write(&state.tree, &root);
        // Before anything of ours looks: no torn bytes under a final name, and nothing gone without a word.
        oracle::check_names(&root)?;
        self.check_intents(&state.tree, &root)?;
        let found = examine(&root)?;
        repeat(&root).map_err(|fault| format!("done again: {fault}"))?;
        oracle::check_names(&root)
            .and_then(|()| self::examine(&root))
            .map_err(|fault| format!("in the end: {fault}"))?;
        Ok(found)
    }

    /// Writes a state into a directory, but links the reserve where it is whole: it is never written in place.
    fn write(&self, tree: &Tree, root: &Path) {
        let whole = tree.file("reserve").is_some_and(|bytes| bytes.len() == 4 << 20);
        if !whole || !self.reserve.exists() {
            return tree.write_to(root).unwrap();
        }
        let mut tree = tree.clone();
        tree.nodes.remove(Path::new("reserve"));
        tree.write_to(root).unwrap();
        std::fs::hard_link(&self.reserve, root.join("reserve")).unwrap();
    }

    /// An object that was there is there, or a gc said so.
    fn check_intents(&self, tree: &Tree, root: &Path) -> Result<(), String> {
        let gone: Vec<&PathBuf> = (self.before.nodes.iter())
            .filter(|(path, node)| path.starts_with("blake3") && matches!(node, Node::File { .. }))
            .map(|(path, _)| path)
            .filter(|path| !tree.nodes.contains_key(*path))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let intents = history::intents(root);
        for path in gone {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name of hex");
            let address = blake3::Hash::from_hex(name).expect("a digest");
            if !intents.contains(address.as_bytes()) {
                return Err(format!("{name} is gone, and the log has no word of it"));
            }
        }
        Ok(())
    }

    /// The events are those of the operation, in their order: all that were durable, and none that was not begun.
    fn check_chain(&self, done: usize, history: &History) -> Result<(), String> {
        let (durable, begun) = self.events_by(done);
        let found = history.chain.len();
        if found < durable {
            return Err(format!("{durable} events were durable, {found} are there"));
        }
        if found > begun {
            return Err(format!("{begun} events were begun, {found} are there"));
        }
        if history.chain[..] != self.chain.1[..found] {
            return Err("these are other events".to_owned());
        }
        Ok(())
    }

    /// Returns how many events were durable after so many calls, and how many were begun.
    pub(crate) fn events_by(&self, done: usize) -> (usize, usize) {
        let (mut durable, mut begun) = (self.chain.0, self.chain.0);
        for (nth, call) in self.calls.iter().enumerate().take_while(|(nth, _)| *nth <= done) {
            if let Call::Write { path, bytes, .. } = call
                && path.starts_with("log")
                && nth < done
            {
                begun += history::count_events(bytes);
            } else if point(call) == Some("log durable") {
                durable = begun;
            }
        }
        (durable, begun)
    }

    /// Returns whether the last event was durable after so many calls (`None`: it was being written).
    pub(crate) fn is_done(&self, done: usize) -> Option<bool> {
        let all = self.chain.1.len();
        match self.events_by(done) {
            (durable, _) if durable == all => Some(true),
            (_, begun) if begun < all => Some(false),
            _ => None,
        }
    }
}

fn point(call: &Call) -> Option<&'static str> {
    if let Call::Point { name } = call { Some(name) } else { None }
}

fn in_short(call: &Call) -> String {
    if let Call::Write { path, offset, bytes, .. } = call {
        format!("a write of {} bytes at {offset} of {}", bytes.len(), path.display())
    } else if let Call::Foreign { files } = call {
        format!("{:?} by SQLite", files.iter().map(|(path, _)| path).collect::<Vec<_>>())
    } else {
        format!("{call:?}")
    }
}

/// Opens a store as the next command does, and judges it.
pub(crate) fn examine(root: &Path) -> Result<History, String> {
    let registry = open(root, Access::Write).map_err(|error| format!("it does not open: {error:?}"))?;
    let check = registry.replay_check(&Void).map_err(|error| format!("no replay: {error:?}"))?;
    if !check.differing.is_empty() {
        return Err(format!("views differ from replay: {:?}", check.differing));
    }
    drop(registry);
    let by_hand = history::view_digest(root)?;
    if by_hand != check.view_digest.to_string() {
        return Err(format!("the view digest is {}, and by hand {by_hand}", check.view_digest));
    }
    history::check(root)
}

/// Digests of trees. Most files are the same ones in most states: those are hashed once.
#[derive(Default)]
struct Hashed {
    files: HashMap<*const Vec<u8>, (Arc<Vec<u8>>, Digest)>,
}

impl Hashed {
    fn of(&mut self, bytes: &Arc<Vec<u8>>) -> Digest {
        if bytes.len() < 4096 {
            return *blake3::hash(bytes).as_bytes();
        }
        // Kept as long as its digest, so that no other file gets its place in memory.
        let hash = || (Arc::clone(bytes), *blake3::hash(bytes).as_bytes());
        self.files.entry(Arc::as_ptr(bytes)).or_insert_with(hash).1
    }

    fn fingerprint(&mut self, tree: &Tree) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for (path, node) in &tree.nodes {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
            match node {
                Node::File { bytes, .. } => hasher.update(&self.of(bytes)),
                Node::Directory { .. } | Node::Symlink { .. } => hasher.update(b"-"),
            };
        }
        *hasher.finalize().as_bytes()
    }
}

/// Every name that a point has in the code.
pub(crate) fn points_in(sources: &Path) -> BTreeMap<String, PathBuf> {
    let mut points = BTreeMap::new();
    for entry in walkdir::WalkDir::new(sources).into_iter().map(Result::unwrap) {
        let path = entry.path();
        // The disks themselves hand points on, and their tests invent some.
        if path.extension().is_none_or(|end| end != "rs") || path.starts_with(sources.join("disk")) {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for part in text.split("point(\"").skip(1) {
            let name = part.split('"').next().expect("the end of a name");
            points.insert(name.to_owned(), path.to_owned());
        }
    }
    points
}
