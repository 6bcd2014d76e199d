//! The monitor of the binary: warnings as lines on standard error, and a bar for whatever takes longer than a
//! blink. Only here is indicatif known.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use astore::monitor::{Counter, Monitor, Problem, Task};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Form;
use super::output::escape;
use super::output::json::{self, About, Level, schema};
use super::output::units::{count, size};

/// How long a command may run before it shows a bar.
const BLINK: Duration = Duration::from_millis(300);
/// How often a bar is drawn again.
const FRAME: Duration = Duration::from_millis(100);

/// Whether bars are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bars {
    /// On standard error, which is a terminal.
    Drawn,
    /// Not at all.
    Hidden,
}

/// Whether remarks are made that no one needs for the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volume {
    /// They are.
    Normal,
    /// Warnings only.
    Quiet,
}

/// Tells a person at a terminal what the library is doing.
pub(crate) struct Terminal {
    shared: Arc<Shared>,
    bars: Bars,
    volume: Volume,
    form: Form,
    ticker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    counters: Counters,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    err: Box<dyn Write + Send>,
    tasks: Vec<(Task, Option<u64>)>,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Writes lines to `err`, and draws bars where it should.
    pub(crate) fn new(err: Box<dyn Write + Send>, bars: Bars, volume: Volume) -> Self {
        let state = Mutex::new(State { err, tasks: Vec::new(), bar: None });
        let shared = Arc::new(Shared { counters: Counters::default(), state, ended: Condvar::new() });
        Self { shared, bars, volume, form: Form::Text, ticker: Mutex::new(None) }
    }

    /// Writes remarks in this form from now on: as text, or each as a document.
    pub(crate) fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Writes a line as it is.
    pub(crate) fn line(&self, text: &str) {
        self.shared.line(text);
    }

    /// Writes a line that the person has to see.
    pub(crate) fn warn(&self, text: &str) {
        self.remark(Level::Warning, About::Other, text, None);
    }

    /// Writes a remark: `text` is the whole line for people, which begins with the program's name.
    fn remark(&self, level: Level, about: About, text: &str, path: Option<&Path>) {
        if level == Level::Note && self.volume == Volume::Quiet {
            return;
        }
        match self.form {
            Form::Text => self.shared.line(text),
            Form::Json => {
                let message = text.strip_prefix("astore: ").unwrap_or(text);
                let document = json::Remark::new(level, about, message, path);
                self.shared.line(&json::line(schema::REMARK, document));
            }
        }
    }

    /// Writes a question, whose line the answer ends.
    pub(crate) fn ask(&self, text: &str) {
        let mut state = self.shared.state();
        drop(write!(state.err, "{text}").and_then(|()| state.err.flush()));
    }

    /// Writes a line that helps and that `--quiet` leaves out.
    pub(crate) fn note(&self, text: &str) {
        self.remark(Level::Note, About::Other, text, None);
    }
}

impl Monitor for Terminal {
    fn start(&self, task: Task, bytes: Option<u64>) {
        if self.bars == Bars::Hidden {
            return;
        }
        let mut state = self.shared.state();
        state.tasks.push((task, bytes));
        if state.tasks.len() == 1 {
            let shared = Arc::clone(&self.shared);
            let ticker = std::thread::Builder::new().name("progress".into()).spawn(move || shared.tick());
            *self.ticker.lock().unwrap_or_else(PoisonError::into_inner) = ticker.ok();
        }
    }

    fn count(&self, counter: Counter, n: u64) {
        self.shared.counters.add(counter, n);
    }

    fn problem(&self, problem: &Problem) {
        let (level, about) = match problem {
            Problem::SpecialFileSkipped { .. }
            | Problem::EntrySkipped { .. }
            | Problem::StoreSkipped { .. } => (Level::Warning, About::Skipped),
            Problem::CaughtUp { .. } => (Level::Warning, About::CaughtUp),
            Problem::LogRewritten { .. } => (Level::Warning, About::LogRewritten),
            Problem::LogAstray { .. } => (Level::Warning, About::LogAstray),
            Problem::Waiting { .. } => (Level::Note, About::Waiting),
            Problem::Note(_) | _ => (Level::Note, About::Other),
        };
        let (text, path) = match problem {
            Problem::SpecialFileSkipped { path, kind } => {
                (format!("astore: skipped {} ({kind})", escape::path(path)), Some(path))
            }
            Problem::EntrySkipped { path, why } => {
                (format!("astore: skipped {}: {}", escape::path(path), escape::line(why)), Some(path))
            }
            Problem::StoreSkipped { path } => {
                (format!("astore: skipped {} (the store itself)", escape::path(path)), Some(path))
            }
            Problem::CaughtUp { .. }
            | Problem::LogRewritten { .. }
            | Problem::LogAstray { .. }
            | Problem::Waiting { .. }
            | Problem::Note(_)
            | _ => (format!("astore: {}", escape::line(&problem.to_string())), None),
        };
        self.remark(level, about, &text, path.map(PathBuf::as_path));
    }

    fn finish(&self, task: Task) {
        if self.bars == Bars::Hidden {
            return;
        }
        let mut state = self.shared.state();
        if let Some(index) = state.tasks.iter().rposition(|(running, _)| *running == task) {
            state.tasks.remove(index);
        }
        if !state.tasks.is_empty() {
            return;
        }
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        drop(state);
        self.shared.ended.notify_all();
        let ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ticker) = ticker {
            drop(ticker.join());
        }
    }
}

impl Drop for Terminal {
    /// Ends the ticker where an operation failed between start and finish.
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.tasks.clear();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        drop(state);
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line above the bar. Nothing can be done about a standard error that cannot be written.
    fn line(&self, text: &str) {
        let mut state = self.state();
        let State { err, bar, .. } = &mut *state;
        let mut write = || drop(writeln!(err, "{text}").and_then(|()| err.flush()));
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Draws until no task runs. A thread of its own, so that a silent stretch still shows that time passes,
    /// and counting costs the workers one addition.
    fn tick(&self) {
        let begun = Instant::now();
        let mut state = self.state();
        while !state.tasks.is_empty() {
            (state, _) = self.ended.wait_timeout(state, FRAME).unwrap_or_else(PoisonError::into_inner);
            let Some(&(task, bytes)) = state.tasks.last() else { break };
            if begun.elapsed() < BLINK {
                continue;
            }
            let bar = state.bar.get_or_insert_with(|| {
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(spinner())
            });
            bar.set_message(self.counters.describe(task, bytes));
            match bytes {
                Some(total) if bar.length() != Some(total) => {
                    bar.set_length(total);
                    bar.set_style(gauge());
                }
                None if bar.length().is_some() => {
                    bar.unset_length();
                    bar.set_style(spinner());
                }
                Some(_) | None => {}
            }
            bar.set_position(self.counters.bytes(task));
            bar.tick();
        }
    }
}

// What is of no fixed length comes last, as `wide_msg`: it is cut where the terminal ends. A line that wraps
// would be left behind, half of it, each time that the bar is drawn.

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn gauge() -> ProgressStyle {
    let template = "[{bar:16}] {percent}% {eta} left, {wide_msg}";
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

/// The counters that a description uses; the others are only counted.
#[derive(Default)]
struct Counters {
    files_hashed: AtomicU64,
    bytes_hashed: AtomicU64,
    cache_hits: AtomicU64,
    objects_written: AtomicU64,
    objects_verified: AtomicU64,
    bytes_verified: AtomicU64,
    entries_exported: AtomicU64,
    bytes_exported: AtomicU64,
    events_replayed: AtomicU64,
    objects_purged: AtomicU64,
    bytes_purged: AtomicU64,
}

impl Counters {
    fn add(&self, counter: Counter, n: u64) {
        let place = match counter {
            Counter::FilesHashed => &self.files_hashed,
            Counter::BytesHashed => &self.bytes_hashed,
            Counter::CacheHits => &self.cache_hits,
            Counter::ObjectsWritten => &self.objects_written,
            Counter::ObjectsVerified => &self.objects_verified,
            Counter::BytesVerified => &self.bytes_verified,
            Counter::EntriesExported => &self.entries_exported,
            Counter::BytesExported => &self.bytes_exported,
            Counter::EventsReplayed => &self.events_replayed,
            Counter::ObjectsPurged => &self.objects_purged,
            Counter::BytesPurged => &self.bytes_purged,
            Counter::EntriesWalked | Counter::BytesWritten | Counter::ObjectsKnown | _ => return,
        };
        place.fetch_add(n, Ordering::Relaxed);
    }

    fn bytes(&self, task: Task) -> u64 {
        let counter = match task {
            Task::Verifying => &self.bytes_verified,
            Task::Exporting => &self.bytes_exported,
            Task::Purging => &self.bytes_purged,
            Task::Adding | Task::Hashing | Task::Syncing | Task::Replaying | Task::Waiting | _ => {
                &self.bytes_hashed
            }
        };
        counter.load(Ordering::Relaxed)
    }

    fn describe(&self, task: Task, total: Option<u64>) -> String {
        let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let files = read(&self.files_hashed) + read(&self.cache_hits);
        let adding = || {
            let read_bytes = size(read(&self.bytes_hashed));
            format!(
                "{}, {read_bytes} read, {} new",
                count(files, "file"),
                count(read(&self.objects_written), "object")
            )
        };
        match task {
            Task::Adding => format!("adding: {}", adding()),
            Task::Syncing => format!("making durable: {}", adding()),
            Task::Hashing => format!("hashing: {}{of}", size(read(&self.bytes_hashed))),
            Task::Verifying => {
                let bytes = size(read(&self.bytes_verified));
                format!("verifying: {}, {bytes}{of}", count(read(&self.objects_verified), "object"))
            }
            Task::Exporting => {
                let bytes = size(read(&self.bytes_exported));
                format!("exporting: {}, {bytes}{of}", count(read(&self.entries_exported), "entry"))
            }
            Task::Replaying => format!("replaying: {}", count(read(&self.events_replayed), "event")),
            Task::Planning => "finding out what may go".to_owned(),
            Task::Purging => {
                let bytes = size(read(&self.bytes_purged));
                format!("deleting: {}, {bytes}{of}", count(read(&self.objects_purged), "object"))
            }
            Task::Waiting => "waiting for the lock".to_owned(),
            _ => "working".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(volume: Volume, tell: impl FnOnce(&Terminal)) -> String {
        let lines = Lines::default();
        tell(&Terminal::new(Box::new(lines.clone()), Bars::Hidden, volume));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn warnings_are_lines_even_when_quiet() {
        let skipped = Problem::SpecialFileSkipped { path: PathBuf::from("a\nb"), kind: "fifo" };
        let waiting = Problem::Waiting { holders: vec!["astore gc (pid 7)".into()] };
        let tell = |terminal: &Terminal| {
            terminal.problem(&skipped);
            terminal.problem(&waiting);
        };
        assert_eq!(told(Volume::Quiet, tell), "astore: skipped a\\nb (fifo)\n");
        assert_eq!(
            told(Volume::Normal, tell),
            "astore: skipped a\\nb (fifo)\nastore: waiting for astore gc (pid 7)\n"
        );
    }

    #[test]
    fn counts_become_a_description() {
        let counters = Counters::default();
        for (counter, n) in [
            (Counter::EntriesWalked, 9),
            (Counter::FilesHashed, 2),
            (Counter::CacheHits, 1),
            (Counter::BytesHashed, 2048),
            (Counter::ObjectsWritten, 1),
            (Counter::ObjectsVerified, 5),
            (Counter::BytesVerified, 1024),
            (Counter::ObjectsPurged, 1),
            (Counter::BytesPurged, 512),
        ] {
            counters.add(counter, n);
        }
        assert_eq!(counters.describe(Task::Adding, None), "adding: 3 files, 2.0 KiB read, 1 object new");
        assert_eq!(counters.describe(Task::Hashing, Some(4096)), "hashing: 2.0 KiB of 4.0 KiB");
        assert_eq!(counters.describe(Task::Verifying, None), "verifying: 5 objects, 1.0 KiB");
        assert_eq!(
            counters.describe(Task::Verifying, Some(2048)),
            "verifying: 5 objects, 1.0 KiB of 2.0 KiB"
        );
        assert_eq!(counters.describe(Task::Purging, Some(1024)), "deleting: 1 object, 512 B of 1.0 KiB");
        assert_eq!((counters.bytes(Task::Adding), counters.bytes(Task::Verifying)), (2048, 1024));
        assert_eq!((counters.bytes(Task::Replaying), counters.bytes(Task::Purging)), (2048, 512));
    }

    /// Tasks that overlap, end in another order, or never end leave no thread and no lock behind.
    #[test]
    fn a_bar_ends_with_its_tasks() {
        let terminal = Terminal::new(Box::new(io::sink()), Bars::Drawn, Volume::Normal);
        for _ in 0..3 {
            terminal.start(Task::Adding, None);
            terminal.start(Task::Syncing, Some(10));
            terminal.finish(Task::Adding);
            terminal.finish(Task::Syncing);
            assert!(terminal.ticker.lock().unwrap().is_none());
        }
        terminal.finish(Task::Adding);
        terminal.start(Task::Verifying, Some(1));
        terminal.warn("still heard");
        let ticker = terminal.ticker.lock().unwrap().take().unwrap();
        drop(terminal);
        ticker.join().unwrap();
    }
}
