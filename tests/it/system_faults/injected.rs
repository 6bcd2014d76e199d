//! `strace` makes one system call fail, then the next one: those of our own disk, and SQLite's, which no test double
//! reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::scene::{Clean, Deed, READERS, Scene, WRITERS};
use super::verdict::{Fault, aftermath, judge};
use crate::support::cli::is_slow_run;

/// A system call, and what it may answer.
struct Refusal {
    call: &'static str,
    errors: &'static [&'static str],
    /// Only where it is about one of these files of the scene; everywhere, if empty.
    about: &'static [&'static str],
}

const fn refusal(call: &'static str, errors: &'static [&'static str]) -> Refusal {
    Refusal { call, errors, about: &[] }
}

/// What the C library's loader calls before `main` is left out: nothing of ours runs yet.
const REFUSALS: [Refusal; 34] = [
    refusal("openat", &["EIO", "EMFILE", "ENFILE", "EROFS", "ENOSPC", "EINTR"]),
    refusal("openat2", &["EIO", "EMFILE", "ENFILE", "EROFS", "ENOSPC", "EDQUOT", "EAGAIN", "ENOENT"]),
    refusal("write", &["ENOSPC", "EIO", "EDQUOT", "EFBIG", "EINTR", "=0"]),
    refusal("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "EFBIG", "EINTR", "=0"]),
    refusal("read", &["EIO", "EINTR", "=0"]),
    refusal("pread64", &["EIO", "EINTR", "=0"]),
    refusal("fsync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    refusal("fdatasync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    refusal("syncfs", &["EIO", "ENOSPC", "EDQUOT"]),
    refusal("rename", &["EIO", "ENOSPC"]),
    refusal("renameat", &["EIO", "ENOSPC", "EROFS", "EDQUOT", "ENOENT"]),
    refusal("renameat2", &["EIO", "ENOSPC", "EROFS", "EDQUOT"]),
    refusal("unlink", &["EIO", "EROFS", "EPERM"]),
    refusal("unlinkat", &["EIO", "EROFS", "EPERM"]),
    refusal("mkdir", &["EIO", "ENOSPC", "EROFS", "EDQUOT"]),
    refusal("mkdirat", &["EIO", "ENOSPC", "EROFS", "EDQUOT", "EMLINK"]),
    refusal("ftruncate", &["EIO", "ENOSPC", "EINTR"]),
    refusal("fallocate", &["EIO", "ENOSPC", "EOPNOTSUPP"]),
    refusal("flock", &["EIO", "ENOLCK", "EINTR"]),
    refusal("fcntl", &["EIO", "ENOLCK", "EINTR"]),
    refusal("fchmod", &["EIO", "EPERM", "EROFS"]),
    refusal("fchown", &["EIO", "EPERM", "EDQUOT"]),
    refusal("getdents64", &["EIO", "ENOENT"]),
    refusal("statx", &["EIO", "ENOMEM"]),
    refusal("newfstatat", &["EIO", "ENOMEM"]),
    refusal("fstat", &["EIO"]),
    refusal("fstatfs", &["EIO", "EINTR"]),
    refusal("lseek", &["EIO"]),
    refusal("close", &["EIO", "EINTR"]),
    refusal("clone3", &["EAGAIN"]),
    refusal("copy_file_range", &["EIO", "ENOSPC"]),
    Refusal {
        call: "read",
        errors: &["EIO", "EINTR", "=0"],
        about: &["tree/a", "tree/d/b", "tree/long", "many/f3", "input", "store/astore.toml"],
    },
    Refusal { call: "openat", errors: &["EIO", "EMFILE"], about: &["tree", "tree/d", "tree/long", "many"] },
    Refusal {
        call: "mmap",
        errors: &["ENOMEM", "EIO"],
        about: &["store/astore.db-shm", "store/cache.db-shm", "store/astore.db"],
    },
];

/// No error, but the end of the process.
const KILL: &str = "SIGKILL";

/// The calls at which a process is killed: those that change something on the disk, SQLite's among them.
const KILLED_AT: [&str; 12] = [
    "openat2",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdirat",
    "ftruncate",
    "close",
];

/// The calls after which success would be a lie.
const SYNCS: [&str; 3] = ["fsync", "fdatasync", "syncfs"];

/// Files whose sync may fail without a word: SQLite's database, of which the WAL still has everything; the journal of
/// the database's first moments, when it is put into WAL mode; what may be deleted at any time.
const UNSYNCED: [&str; 6] =
    ["astore.db", "reserve", "cache.db", "cache.db-wal", "cache.db-journal", "astore.db-journal"];

impl Refusal {
    /// How `strace` is asked for it.
    fn inject(&self, error: &str, nth: usize) -> String {
        if error == KILL {
            return format!("--inject={}:signal=SIGKILL:when={nth}", self.call);
        }
        match error.strip_prefix('=') {
            Some(value) => format!("--inject={}:retval={value}:when={nth}", self.call),
            None => format!("--inject={}:error={error}:when={nth}", self.call),
        }
    }

    fn about(&self, scene: &Scene) -> Vec<String> {
        self.about
            .iter()
            .map(|name| format!("--trace-path={}", real(&scene.path().join(name)).display()))
            .collect()
    }
}

fn real(path: &Path) -> std::path::PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What a person must read of a call that failed: the system's words, or that it was the database, since SQLite keeps
/// them to itself.
fn words(line: &Line) -> Vec<String> {
    let said = line
        .text
        .trim_end_matches(" (INJECTED)")
        .rsplit_once(" (")
        .map(|(_, said)| said.trim_end_matches(')'));
    let sqlite = line.text.contains("/astore.db")
        || line.call == "fcntl"
        || (line.text.contains("(AT_FDCWD") && line.text.contains("AT_SYMLINK_NOFOLLOW"));
    said.map(str::to_owned).into_iter().chain(sqlite.then(|| "the database".to_owned())).collect()
}

/// One line of a trace: which thread, what it called, and whether that was made to fail.
struct Line {
    thread: u32,
    call: String,
    text: String,
    injected: bool,
}

/// Reads a trace; a call that another thread interrupted stands on two lines.
fn parse(trace: &str) -> Vec<Line> {
    let mut begun: BTreeMap<u32, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Ok(thread) = thread.parse() else { continue };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread, first.to_owned());
            continue;
        }
        let text = match rest.split_once(" resumed>") {
            Some((_, second)) if rest.starts_with("<... ") => {
                format!("{}{second}", begun.remove(&thread).unwrap_or_default())
            }
            _ => rest.to_owned(),
        };
        let Some((call, _)) = text.split_once('(') else { continue };
        let (call, injected) = (call.to_owned(), text.ends_with("(INJECTED)"));
        lines.push(Line { thread, call, text, injected });
    }
    lines
}

/// What a command does in peace, and which of its calls are worth failing.
struct Plan {
    deed: Deed,
    clean: Clean,
    spans: Vec<Span>,
}

/// Which of the calls of one kind are worth failing: those behind the loader's, up to one behind the last.
struct Span {
    nths: Vec<usize>,
    /// Syncs of the WAL before a checkpoint, by their number: each commit in it was synced on its own before.
    checkpoints: BTreeSet<usize>,
}

/// One run: this call fails with this error, the n-th time that a thread makes it.
struct Try<'a> {
    deed: Deed,
    clean: &'a Clean,
    refusal: &'a Refusal,
    error: &'static str,
    nth: usize,
    span: &'a Span,
}

/// Returns the calls that the command makes in peace, by kind.
fn spans(deed: Deed) -> Vec<Span> {
    let scene = Scene::new(deed.start);
    let trace = scene.path().join("trace");
    let calls: BTreeSet<&str> = REFUSALS.iter().map(|refusal| refusal.call).collect();
    let calls: Vec<&str> = calls.into_iter().collect();
    let around = [
        "strace".to_owned(),
        "-f".to_owned(),
        "-y".to_owned(),
        format!("-o{}", trace.display()),
        format!("--trace=rt_sigaction,{}", calls.join(",")),
    ];
    scene.run_within(&around, deed.line).expect(0);
    let lines = parse(&std::fs::read_to_string(trace).unwrap());
    let main = lines.first().unwrap().thread;
    let begins =
        lines.iter().position(|line| line.text.starts_with("rt_sigaction(SIGPIPE")).expect("a start");
    let (mut checkpoints, mut nth, mut written) = (BTreeSet::new(), 0, false);
    for line in lines.iter().filter(|line| line.thread == main) {
        let of_wal = line.text.contains("/astore.db-wal>");
        match &*line.call {
            "pwrite64" if of_wal => written = true,
            "fsync" => {
                nth += 1;
                if of_wal && !std::mem::take(&mut written) {
                    checkpoints.insert(nth);
                }
            }
            _ => {}
        }
    }
    let span = |refusal: &Refusal| {
        let names: Vec<String> = refusal
            .about
            .iter()
            .map(|name| format!("{}", real(&scene.path().join(name)).display()))
            .collect();
        let fits = |line: &&Line| {
            line.call == refusal.call
                && (names.is_empty() || names.iter().any(|name| line.text.contains(name.as_str())))
        };
        let skip = lines[..begins].iter().filter(fits).count();
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        lines.iter().filter(fits).for_each(|line| *counts.entry(line.thread).or_default() += 1);
        debug_assert!(lines[..begins].iter().all(|line| line.thread == main));
        let most = counts.into_values().max().unwrap_or(0);
        // To let go of a lock does not fail on a local file system, and SQLite waits for itself where it does.
        let of_main: Vec<&Line> = lines.iter().filter(fits).filter(|line| line.thread == main).collect();
        let lets_go = |nth: &usize| of_main.get(nth - 1).is_some_and(|line| line.text.contains("F_UNLCK"));
        Span {
            nths: (skip + 1..=most).filter(|nth| !lets_go(nth)).collect(),
            checkpoints: checkpoints.clone(),
        }
    };
    REFUSALS.iter().map(span).collect()
}

/// What became of one run.
enum Outcome {
    /// The call was not made so often.
    Missed,
    Hit {
        code: i32,
        err: String,
    },
}

impl Try<'_> {
    fn run(&self) -> Result<Outcome, String> {
        let scene = Scene::new(self.deed.start);
        let trace = scene.path().join("trace");
        let mut around =
            vec!["strace".to_owned(), "-f".to_owned(), "-y".to_owned(), format!("-o{}", trace.display())];
        // It is faster, and does not know signals.
        if self.refusal.about.is_empty() && self.error != KILL {
            around.push("--seccomp-bpf".to_owned());
        }
        around.push(format!("--trace={}", self.refusal.call));
        around.push(self.refusal.inject(self.error, self.nth));
        around.extend(self.refusal.about(&scene));
        let said = scene.run_within(&around, self.deed.line);
        if self.error == KILL {
            let what = format!("killed at {} {}", self.refusal.call, self.nth);
            let killed = matches!(said.code, -9 | 137);
            aftermath(self.deed, self.clean, &scene, &said)
                .map_err(|wrong| format!("{}: {what}: {wrong}", self.deed.line))?;
            return Ok(if killed { Outcome::Hit { code: said.code, err: what } } else { Outcome::Missed });
        }
        let lines = parse(&std::fs::read_to_string(&trace).unwrap_or_default());
        let hits: Vec<&Line> = lines.iter().filter(|line| line.injected).collect();
        // Which call is the nth of its thread is not the same each time: see `lets_go`.
        if hits.iter().any(|line| line.text.contains("F_UNLCK")) {
            return Ok(Outcome::Missed);
        }
        let what = hits.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" AND ");
        let synced = |line: &&Line| {
            let name =
                line.text.split(['<', '>']).nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or("");
            SYNCS.contains(&&*line.call) && self.error != "EINTR" && !UNSYNCED.contains(&name)
        };
        let checkpoint = self.refusal.call == "fsync" && self.span.checkpoints.contains(&self.nth);
        // SQLite does not look at what comes of syncing the root for its WAL's name: log/ has what is in it.
        let root = what.contains("/store>)");
        let forbids_success = hits.iter().any(synced) && !checkpoint && !root;
        // What cannot be read counts as damage; what ends too early does, too.
        let codes: &[i32] = match self.error {
            "EIO" | "ENOENT" | "=0" | "ENOMEM" => &[4, 7, 8],
            _ if self.deed.line.starts_with("verify") => &[4],
            // SQLite takes every lock that it does not get for somebody else's.
            "ENOLCK" => &[6],
            _ => &[],
        };
        let said_by_system: Vec<String> = if self.error.starts_with('=') || self.error == "ENOENT" {
            Vec::new()
        } else {
            hits.iter().flat_map(|line| words(line)).collect()
        };
        let fault = Fault { words: &said_by_system, codes, forbids_success, lift: &|| {} };
        judge(self.deed, self.clean, &scene, &said, &fault)
            .map_err(|wrong| format!("{}: {what}: {wrong}", self.deed.line))?;
        if hits.is_empty() {
            return Ok(Outcome::Missed);
        }
        Ok(Outcome::Hit { code: said.code, err: said.err.replace(&*scene.path().to_string_lossy(), "…") })
    }
}

/// Whether `strace` is here and may trace; says so where not.
fn has_strace() -> bool {
    let place = tempfile::tempdir().unwrap();
    let trace = format!("-o{}", place.path().join("trace").display());
    let arguments =
        ["-f", "--seccomp-bpf", &trace, "--trace=close", "--inject=close:error=EIO:when=1000", "true"];
    let works = Command::new("strace").args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: there is no strace, or it may not trace here");
    }
    works
}

/// Runs commands, each with one of these errors at one of its calls, and every `step`-th of them all; on as many threads
/// as there are processors. `ASTORE_TEST_FAULT_STEP` sets another step.
fn sweep(deeds: &[Deed], step: usize, errors: &dyn Fn(&Refusal) -> Vec<&'static str>) {
    let step = std::env::var("ASTORE_TEST_FAULT_STEP").map_or(step, |step| step.parse().unwrap());
    sweep_every(deeds, step, errors);
}

/// The same at every call, whatever run this is.
fn sweep_all(deeds: &[Deed], errors: &dyn Fn(&Refusal) -> Vec<&'static str>) {
    sweep_every(deeds, 1, errors);
}

fn sweep_every(deeds: &[Deed], step: usize, errors: &dyn Fn(&Refusal) -> Vec<&'static str>) {
    let plans: Vec<Plan> =
        deeds.iter().map(|&deed| Plan { deed, clean: deed.clean(), spans: spans(deed) }).collect();
    let mut tries = Vec::new();
    for plan in &plans {
        for (refusal, span) in REFUSALS.iter().zip(&plan.spans) {
            for &nth in &span.nths {
                let (deed, clean) = (plan.deed, &plan.clean);
                let one = |error| Try { deed, clean, refusal, error, nth, span };
                tries.extend(errors(refusal).into_iter().map(one));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let heard: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = tries.get(next.fetch_add(step, Ordering::Relaxed)) {
                    match one.run() {
                        Ok(Outcome::Missed) => {}
                        Ok(Outcome::Hit { code, err }) => {
                            let answer = format!("{code} {} {} {err}", one.refusal.call, one.error);
                            *heard.lock().unwrap().entry(answer).or_default() += 1;
                        }
                        Err(what) => wrong.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let (heard, wrong) = (heard.into_inner().unwrap(), wrong.into_inner().unwrap());
    let faults: usize = heard.values().sum();
    let (commands, possible, answers) = (plans.len(), tries.len(), heard.len());
    eprintln!("{commands} commands, {faults} faults of {possible} possible, {answers} different answers");
    // For whoever wants to read what people would have read.
    if let Some(file) = std::env::var_os("ASTORE_TEST_FAULTS_HEARD") {
        let mut text = String::new();
        heard.iter().for_each(|(said, count)| writeln!(text, "{count:5} {said}").unwrap());
        std::fs::write(file, text).unwrap();
    }
    assert!(wrong.is_empty(), "{} of them are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(faults > 0);
}

/// All of them in a slow run, else every `nth`.
fn sample(deeds: &[Deed], nth: usize) -> Vec<Deed> {
    deeds.iter().copied().step_by(if is_slow_run() { 1 } else { nth }).collect()
}

fn step(quick: usize) -> usize {
    if is_slow_run() { 1 } else { quick }
}

#[test]
fn a_command_that_writes_survives_every_refused_system_call() {
    if has_strace() {
        sweep(&sample(&WRITERS, 3), step(59), &|refusal| refusal.errors.to_vec());
    }
}

#[test]
fn a_command_that_reads_survives_every_refused_system_call() {
    if has_strace() {
        sweep(&sample(&READERS, 4), step(53), &|refusal| refusal.errors.to_vec());
    }
}

#[test]
fn a_command_may_be_killed_at_every_system_call() {
    if has_strace() {
        let kill = |refusal: &Refusal| {
            let killed = refusal.about.is_empty() && KILLED_AT.contains(&refusal.call);
            if killed { vec![KILL] } else { Vec::new() }
        };
        sweep(&sample(&WRITERS, 4), step(17), &kill);
    }
}

/// What these sweeps have found, each at every one of its calls.
#[test]
fn what_was_found_once_stays_found() {
    if !has_strace() {
        return;
    }
    let among = |lines: &[&str]| -> Vec<Deed> {
        let all = || WRITERS.iter().chain(&READERS);
        lines.iter().map(|line| *all().find(|deed| deed.line == *line).unwrap()).collect()
    };
    let (add, heal) = ("add --finalize tree --name new", "add --finalize --if-changed tree --name kept");
    let only = |call: &'static str, error: &'static str| {
        move |refusal: &Refusal| {
            let (here, everywhere) = (refusal.call == call, refusal.about.is_empty());
            if here && (everywhere || call == "read") { vec![error] } else { Vec::new() }
        }
    };
    // A thread that was refused ended in a panic.
    sweep_all(
        &among(&["add many --name new", "export kept out", "verify --no-record"]),
        &only("clone3", "EAGAIN"),
    );
    // A root that could not be looked at was taken for no directory, and stood in its own package.
    sweep_all(&among(&[add]), &only("statx", "EIO"));
    // A file that ended before its size was stored as far as it went.
    sweep_all(&among(&[add]), &only("read", "=0"));
    // The cache told the next add to believe a log that was wrong, and nothing was healed.
    sweep_all(&among(&[heal]), &only("renameat", "EROFS"));
    // Files that this process could not open stood in the log as damaged.
    sweep_all(&among(&["verify"]), &only("getdents64", "ENOMEM"));
}
