//! The monitor of the binary: warnings as lines on standard error, and a bar for whatever takes longer than a
//! blink. Only here is indicatif known.

mod counters;
mod pace;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use astore::monitor::{Counter, Monitor, Problem, Task, left_in_words};
use counters::Counters;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pace::Pace;

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

/// How many special files that were left out are named; a tree may have thousands. Documents have them all.
const SPECIAL_FILES_NAMED: u64 = 3;

/// Tells a person at a terminal what the library is doing.
pub(crate) struct Terminal {
    shared: Arc<Shared>,
    bars: Bars,
    volume: Volume,
    form: Form,
    ticker: Mutex<Option<JoinHandle<()>>>,
    /// How many special files were left out, of which people are told the first by name.
    special_files: AtomicU64,
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
        Self {
            shared,
            bars,
            volume,
            form: Form::Text,
            ticker: Mutex::new(None),
            special_files: AtomicU64::new(0),
        }
    }

    /// Writes remarks in this form from now on: as text, or each as a document.
    pub(crate) fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Tells people how many special files were left out beyond those that were named. What is written after that is the
    /// result.
    pub(crate) fn end_names(&self) {
        let unnamed = self.special_files.swap(0, Ordering::Relaxed).saturating_sub(SPECIAL_FILES_NAMED);
        if unnamed > 0 && self.form == Form::Text {
            self.warn(&format!(
                "astore: skipped {}; --json names them all",
                count(unnamed, "more special file")
            ));
        }
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
        self.shared.remark(self.form, level, about, text, path);
    }

    /// Returns something that writes lines which have to be seen, from another thread.
    pub(crate) fn speaker(&self) -> impl Fn(&str) + Send + 'static {
        let (shared, form) = (Arc::clone(&self.shared), self.form);
        move |text| shared.remark(form, Level::Warning, About::Other, text, None)
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
        if matches!(problem, Problem::SpecialFileSkipped { .. }) {
            let named = self.special_files.fetch_add(1, Ordering::Relaxed);
            if named >= SPECIAL_FILES_NAMED && self.form == Form::Text {
                return;
            }
        }
        let said = || escape::line(&problem.to_string());
        let skipped = |path: &Path, why: &str| format!("skipped {}{why}", escape::path(path));
        let (level, about, text, path) = match problem {
            Problem::SpecialFileSkipped { path, kind } => {
                (Level::Warning, About::Skipped, skipped(path, &format!(" ({kind})")), Some(path))
            }
            Problem::EntrySkipped { path, why } => {
                let why = format!(": {}", escape::line(why));
                (Level::Warning, About::Skipped, skipped(path, &why), Some(path))
            }
            Problem::StoreSkipped { path } => {
                (Level::Warning, About::Skipped, skipped(path, " (the store itself)"), Some(path))
            }
            // It cannot be undone: also with --quiet.
            Problem::GcEnded { objects, bytes, left } => {
                let deleted = format!("{}, {}", count(*objects, "object"), size(*bytes));
                let left = left_in_words(*left);
                let text =
                    format!("before it ended, the gc deleted {deleted}, and {left}; the log has the record");
                (Level::Warning, About::Other, text, None)
            }
            Problem::CaughtUp { .. } => (Level::Warning, About::CaughtUp, said(), None),
            Problem::LogRewritten { .. } => (Level::Warning, About::LogRewritten, said(), None),
            Problem::LogAstray { .. } => (Level::Warning, About::LogAstray, said(), None),
            Problem::Waiting { .. } => (Level::Note, About::Waiting, said(), None),
            Problem::Note(_) | _ => (Level::Note, About::Other, said(), None),
        };
        self.remark(level, about, &format!("astore: {text}"), path.map(PathBuf::as_path));
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
        self.end_names();
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

    /// Writes a remark; `text` is the whole line for people.
    fn remark(&self, form: Form, level: Level, about: About, text: &str, path: Option<&Path>) {
        match form {
            Form::Text => self.line(text),
            Form::Json => {
                let message = text.strip_prefix("astore: ").unwrap_or(text);
                self.line(&json::line(schema::REMARK, json::Remark::new(level, about, message, path)));
            }
        }
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
    fn of_many_special_files_the_first_are_named() {
        let skip = |terminal: &Terminal, files: u64| {
            for number in 0..files {
                let path = PathBuf::from(format!("f{number}"));
                terminal.problem(&Problem::SpecialFileSkipped { path, kind: "fifo" });
            }
        };
        let named = "astore: skipped f0 (fifo)\nastore: skipped f1 (fifo)\nastore: skipped f2 (fifo)\n";
        assert_eq!(told(Volume::Quiet, |terminal| skip(terminal, 3)), named);
        let told_of = |files| told(Volume::Quiet, |terminal| skip(terminal, files));
        assert_eq!(
            told_of(4),
            format!("{named}astore: skipped 1 more special file; --json names them all\n")
        );
        assert_eq!(
            told(Volume::Normal, |terminal| {
                skip(terminal, 300);
                terminal.end_names();
                terminal.warn("astore: the result");
            }),
            format!(
                "{named}astore: skipped 297 more special files; --json names them all\nastore: the result\n"
            )
        );
        let lines = Lines::default();
        let terminal = Terminal::new(Box::new(lines.clone()), Bars::Hidden, Volume::Normal);
        skip(&terminal.in_form(Form::Json), 300);
        let documents = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!((documents.lines().count(), documents.matches("\"skipped\"").count()), (300, 300));
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
