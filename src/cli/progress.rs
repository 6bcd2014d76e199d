//! The monitor of the binary: warnings as lines on standard error, and a bar for whatever takes longer than a
//! blink. Only here is indicatif known.

mod pace;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use astore::monitor::{Counter, Monitor, Problem, Task, left_in_words};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pace::Pace;

use super::output::escape;
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
    ticker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    counters: Counters,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    err: Box<dyn Write + Send>,
    tasks: Vec<Running>,
    bar: Option<ProgressBar>,
}

/// A task at work.
#[derive(Clone, Copy)]
struct Running {
    task: Task,
    /// How much there is to do, in its own unit.
    total: Option<u64>,
    /// Where its counter stood when it began: one command may do the same twice.
    before: u64,
}

impl Terminal {
    /// Writes lines to `err`, and draws bars where it should.
    pub(crate) fn new(err: Box<dyn Write + Send>, bars: Bars, volume: Volume) -> Self {
        let state = Mutex::new(State { err, tasks: Vec::new(), bar: None });
        let shared = Arc::new(Shared { counters: Counters::default(), state, ended: Condvar::new() });
        Self { shared, bars, volume, ticker: Mutex::new(None) }
    }

    /// Writes a line that the person has to see.
    pub(crate) fn warn(&self, text: &str) {
        self.shared.line(text);
    }

    /// Returns something that writes lines which have to be seen, from another thread.
    pub(crate) fn speaker(&self) -> impl Fn(&str) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |text| shared.line(text)
    }

    /// Writes a question, whose line the answer ends.
    pub(crate) fn ask(&self, text: &str) {
        let mut state = self.shared.state();
        drop(write!(state.err, "{text}").and_then(|()| state.err.flush()));
    }

    /// Writes a line that helps and that `--quiet` leaves out.
    pub(crate) fn note(&self, text: &str) {
        if self.volume == Volume::Normal {
            self.shared.line(text);
        }
    }
}

impl Monitor for Terminal {
    fn start(&self, task: Task, total: Option<u64>) {
        if self.bars == Bars::Hidden {
            return;
        }
        let mut state = self.shared.state();
        state.tasks.push(Running { task, total, before: self.shared.counters.done(task) });
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
        match problem {
            Problem::SpecialFileSkipped { path, kind } => {
                self.warn(&format!("astore: skipped {} ({kind})", escape::path(path)));
            }
            Problem::EntrySkipped { path, why } => {
                self.warn(&format!("astore: skipped {}: {}", escape::path(path), escape::line(why)));
            }
            Problem::StoreSkipped { path } => {
                self.warn(&format!("astore: skipped {} (the store itself)", escape::path(path)));
            }
            Problem::CaughtUp { .. } | Problem::LogRewritten { .. } | Problem::LogAstray { .. } => {
                self.warn(&format!("astore: {}", escape::line(&problem.to_string())));
            }
            Problem::GcEnded { objects, bytes, left } => {
                // It cannot be undone: also with --quiet.
                let deleted = format!("{}, {}", count(*objects, "object"), size(*bytes));
                let left = left_in_words(*left);
                self.warn(&format!(
                    "astore: before it ended, the gc deleted {deleted}, and {left}; the log has the record"
                ));
            }
            Problem::Waiting { .. } | Problem::Note(_) | _ => {
                self.note(&format!("astore: {}", escape::line(&problem.to_string())));
            }
        }
    }

    fn finish(&self, task: Task) {
        if self.bars == Bars::Hidden {
            return;
        }
        let mut state = self.shared.state();
        if let Some(index) = state.tasks.iter().rposition(|running| running.task == task) {
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
        let (mut pace, mut last) = (Pace::default(), None);
        let mut state = self.state();
        while !state.tasks.is_empty() {
            (state, _) = self.ended.wait_timeout(state, FRAME).unwrap_or_else(PoisonError::into_inner);
            let Some(&running) = state.tasks.last() else { break };
            if last.replace(running.task) != Some(running.task) {
                pace.reset();
            }
            pace.note(begun.elapsed(), self.counters.done(running.task));
            if begun.elapsed() < BLINK {
                continue;
            }
            let bar = state.bar.get_or_insert_with(|| {
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style())
            });
            bar.set_message(self.counters.line(running, begun.elapsed(), &pace));
            bar.tick();
        }
    }
}

/// All of it is one `wide_msg`, which is cut where the terminal ends. A line that wraps would be left behind, half of
/// it, each time that the bar is drawn.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// How many columns a gauge has.
const GAUGE: u64 = 12;

/// Draws how much of a whole is done.
fn gauge(done: u64, total: u64) -> String {
    let done = done.min(total);
    let part =
        |of: u64| u64::try_from(u128::from(done) * u128::from(of) / u128::from(total.max(1))).unwrap_or(of);
    let full = usize::try_from(part(GAUGE)).unwrap_or(0);
    let tip = if part(GAUGE) < GAUGE { ">" } else { "" };
    let width = usize::try_from(GAUGE).unwrap_or(0);
    format!("[{:width$}] {}%", "=".repeat(full) + tip, part(100))
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

    /// Returns how much of a task is done, in the unit of its total.
    fn done(&self, task: Task) -> u64 {
        let counter = match task {
            Task::Verifying => &self.bytes_verified,
            Task::Exporting => &self.bytes_exported,
            Task::Purging => &self.objects_purged,
            Task::Replaying => &self.events_replayed,
            Task::Adding | Task::Hashing | Task::Syncing | Task::Planning | Task::Waiting | _ => {
                &self.bytes_hashed
            }
        };
        counter.load(Ordering::Relaxed)
    }

    /// Says what is being done: how far it is, how long it will take, what it is, how fast it goes. What matters most
    /// comes first, since a narrow window shows no more.
    fn line(&self, running: Running, elapsed: Duration, pace: &Pace) -> String {
        let Running { task, total, before } = running;
        let said = self.describe(task, total);
        let rate = match (task, pace.per_second()) {
            (Task::Syncing | Task::Planning | Task::Waiting, _) | (_, None) => String::new(),
            (Task::Replaying | Task::Purging, Some(rate)) => format!(", {rate}/s"),
            (_, Some(rate)) => format!(", {}/s", size(rate)),
        };
        let Some(total) = total.filter(|&total| total > 0) else {
            return format!("{} {said}{rate}", pace::left(elapsed));
        };
        let done = self.done(task).saturating_sub(before);
        let left = pace.takes(total.saturating_sub(done));
        let left = left.map(|left| format!(" {} left", pace::left(left))).unwrap_or_default();
        format!("{}{left}, {said}{rate}", gauge(done, total))
    }

    fn describe(&self, task: Task, total: Option<u64>) -> String {
        let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let files = read(&self.files_hashed) + read(&self.cache_hits);
        let adding = || {
            let read_bytes = size(read(&self.bytes_hashed));
            let new = count(read(&self.objects_written), "object");
            format!("{}, {read_bytes}{of} read, {new} new", count(files, "file"))
        };
        let of_all = |done: u64, noun: &str| match total {
            Some(total) => format!("{done} of {}", count(total, noun)),
            None => count(done, noun),
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
            Task::Replaying => format!("replaying: {}", of_all(read(&self.events_replayed), "event")),
            Task::Planning => "finding out what may go".to_owned(),
            Task::Purging => {
                let bytes = size(read(&self.bytes_purged));
                format!("deleting: {}, {bytes}", of_all(read(&self.objects_purged), "object"))
            }
            Task::Waiting => "waiting for the lock".to_owned(),
            _ => "working".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

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
        assert_eq!(counters.describe(Task::Purging, Some(3)), "deleting: 1 of 3 objects, 512 B");
        assert_eq!((counters.done(Task::Adding), counters.done(Task::Verifying)), (2048, 1024));
        assert_eq!((counters.done(Task::Replaying), counters.done(Task::Purging)), (0, 1));
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let counters = Counters::default();
        let mut pace = Pace::default();
        pace.note(Duration::ZERO, 0);
        pace.note(Duration::from_secs(2), 2048);
        let line = |task, total, before| {
            counters.line(Running { task, total, before }, Duration::from_secs(83), &pace)
        };
        counters.add(Counter::BytesVerified, 3072);
        counters.add(Counter::ObjectsVerified, 3);
        let said = "[===>        ] 25% 6s left, verifying: 3 objects, 3.0 KiB of 8.0 KiB, 1.0 KiB/s";
        assert_eq!(line(Task::Verifying, Some(8192), 1024), said);
        assert_eq!(line(Task::Verifying, None, 0), "1m 23s verifying: 3 objects, 3.0 KiB, 1.0 KiB/s");
        assert_eq!(
            line(Task::Replaying, Some(10), 0),
            "[>           ] 0% 1s left, replaying: 0 of 10 events, 1024/s"
        );
        assert_eq!(line(Task::Waiting, None, 0), "1m 23s waiting for the lock");
        // More than was said before: it is not over a hundred.
        assert!(line(Task::Verifying, Some(1), 0).starts_with("[============] 100% 0s left, "));
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
