//! What a command runs in: where results and remarks go, and which store is meant.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use astore::env::Env;
use astore::error::Error;
use astore::registry::report::DEFAULT_WAIT;
use astore::registry::{Access, OpenOptions, Registry};
use terminal_size::{Width, terminal_size_of};

use super::asked::Asked;
use super::environment::{Environment, Place};
use super::exit::Exit;
use super::failure::{Failure, usage};
use super::global::{ColorChoice, Global};
use super::interrupt::{Interrupt, Interruptible};
use super::output::metrics::Metrics;
use super::output::page::Page;
use super::output::window::Window;
use super::progress::{Bars, Terminal, Volume};
use super::settings::{self, Chosen, Setting, Settings};

/// The three streams of a process, or of a test.
pub(crate) struct Streams {
    /// Standard input.
    pub(crate) input: Box<dyn InputSource>,
    /// Standard output, buffered.
    pub(crate) out: Box<dyn Write>,
    /// Standard error.
    pub(crate) err: Box<dyn Write + Send>,
    /// Whether standard input is a terminal.
    pub(crate) in_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub(crate) out_is_terminal: bool,
    /// How wide that terminal is, where it says so.
    pub(crate) out_columns: Option<u16>,
    /// Whether standard error is a terminal.
    pub(crate) err_is_terminal: bool,
}

/// Something that becomes a reader which ends when a signal asks.
pub(crate) trait InputSource {
    /// Makes the reader.
    fn reader(self: Box<Self>, interrupt: &Interrupt) -> Box<dyn Read + Send>;
}

impl InputSource for File {
    fn reader(self: Box<Self>, interrupt: &Interrupt) -> Box<dyn Read + Send> {
        Box::new(Interruptible::new(*self, interrupt))
    }
}

impl InputSource for io::Empty {
    fn reader(self: Box<Self>, _interrupt: &Interrupt) -> Box<dyn Read + Send> {
        self
    }
}

impl Streams {
    /// Takes the streams of this process. Standard output is written without the standard library's line
    /// buffer, which would look for newlines in gigabytes of `cat`.
    ///
    /// # Errors
    /// Where a descriptor cannot be duplicated.
    pub(crate) fn of_process() -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self {
            in_is_terminal: input.is_terminal(),
            input: Box::new(input),
            out_is_terminal: out.is_terminal(),
            out_columns: terminal_size_of(&out).map(|(Width(columns), _)| columns),
            out: Box::new(BufWriter::with_capacity(64 * 1024, out)),
            err: Box::new(io::stderr()),
            err_is_terminal: io::stderr().is_terminal(),
        })
    }
}

/// In which form results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text for people.
    Text,
    /// A JSON document, or JSON Lines.
    Json,
}

/// What a command runs in.
pub(crate) struct Context {
    /// In which form results are written.
    pub(crate) form: Form,
    /// Whether results are all that is written.
    pub(crate) volume: Volume,
    /// What results are written on.
    pub(crate) page: Page,
    /// Where the library tells what it does, and where remarks go.
    pub(crate) terminal: Terminal,
    /// What the command measured, for `--metrics-file`.
    pub(crate) metrics: Metrics,
    /// Whether standard output is a terminal.
    pub(crate) out_is_terminal: bool,
    /// Whether somebody is there to be asked: standard input and standard error are terminals.
    pub(crate) is_attended: bool,
    out: Box<dyn Write>,
    input: Option<Box<dyn InputSource>>,
    interrupt: Interrupt,
    environment: Environment,
    root_option: Option<PathBuf>,
    actor_option: Option<String>,
    wait_option: Option<Duration>,
    color_option: Option<ColorChoice>,
    settings: Settings,
    wait: Duration,
    /// Where the store is, once it is decided.
    place: Option<Place>,
    /// The root that a failure is about: of the store that was looked at.
    about: Option<PathBuf>,
    command: &'static str,
    /// Whether what is printed tells of something that is done already.
    changes: bool,
}

impl Context {
    /// Puts together what was typed, what the environment says and where output goes.
    pub(crate) fn new(
        global: &Global,
        environment: &Environment,
        interrupt: Interrupt,
        streams: Streams,
    ) -> Self {
        let volume = if global.quiet { Volume::Quiet } else { Volume::Normal };
        let form = if global.json { Form::Json } else { Form::Text };
        let bars = if streams.err_is_terminal && volume == Volume::Normal && form == Form::Text {
            Bars::Drawn
        } else {
            Bars::Hidden
        };
        let window = streams.out_is_terminal.then(|| {
            let variable = environment.columns.as_deref().and_then(OsStr::to_str);
            Window::new(variable, streams.out_columns, environment.glyphs)
        });
        let settings = Settings::new(&environment.variables, &environment.others);
        // A bad value is told of once the store has been asked, too.
        let style = settings.style(global.color, streams.out_is_terminal, environment.no_color);
        Self {
            form,
            volume,
            page: Page { style: style.unwrap_or_default(), window },
            terminal: Terminal::new(streams.err, bars, volume).in_form(form),
            metrics: Metrics::default(),
            out_is_terminal: streams.out_is_terminal,
            is_attended: streams.in_is_terminal && streams.err_is_terminal,
            out: streams.out,
            input: Some(streams.input),
            interrupt,
            environment: environment.clone(),
            root_option: global.root.clone(),
            actor_option: global.actor.clone(),
            wait_option: global.wait,
            color_option: global.color,
            settings,
            wait: DEFAULT_WAIT,
            place: None,
            about: None,
            command: "",
            changes: false,
        }
    }

    /// Takes in what the store says of options, and decides those that every command has.
    ///
    /// # Errors
    /// Where one of these has a bad value, or the store's astore.toml is there and cannot be read.
    pub(crate) fn settle(&mut self) -> anyhow::Result<()> {
        self.warn_of_variables();
        // Where no store is named, whoever opens it says so.
        if let Ok(place) = self.decide() {
            let root = place.root.clone();
            // What is wrong here may stand in the store.
            self.about = Some(root.clone());
            let read = self.settings.read_store(&root);
            read?.iter().for_each(|wrong| self.terminal.warn(&format!("astore: {wrong}")));
        }
        if let Some(wait) = self.settings.get(self.wait_option, &settings::WAIT)? {
            self.wait = wait.value;
        }
        let no_color = self.environment.no_color;
        self.page.style = self.settings.style(self.color_option, self.out_is_terminal, no_color)?;
        self.about = None;
        Ok(())
    }

    /// Decides what a command needs that looks at no store.
    ///
    /// # Errors
    /// Where a variable has a bad value.
    pub(crate) fn settle_variables(&mut self) -> anyhow::Result<()> {
        self.warn_of_variables();
        let no_color = self.environment.no_color;
        self.page.style = self.settings.style(self.color_option, self.out_is_terminal, no_color)?;
        Ok(())
    }

    fn warn_of_variables(&self) {
        self.settings.wrong_variables().for_each(|wrong| self.terminal.warn(&format!("astore: {wrong}")));
    }

    /// Says what an option is that may have a default from outside: see [`Settings::get`].
    ///
    /// # Errors
    /// A usage error where that default is bad.
    pub(crate) fn setting<T>(
        &self,
        given: Option<T>,
        setting: &Setting<T>,
    ) -> anyhow::Result<Option<Chosen<T>>> {
        self.settings.get(given, setting)
    }

    /// Returns what means nothing to this build where somebody may have wanted something kept by it.
    pub(crate) fn odd_settings(&mut self) -> Option<String> {
        let odd = self.settings.odd()?;
        self.about = self.decided_root().map(Path::to_owned);
        Some(odd)
    }

    /// Takes in what the store says of options by now: it is open, and may have been waited for.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub(crate) fn settings_again(&mut self) -> anyhow::Result<()> {
        let root = self.decide()?.root.clone();
        self.settings.read_again(&root)
    }

    /// Returns where the store is, which is decided once.
    fn decide(&mut self) -> anyhow::Result<&Place> {
        let place = match self.place.take() {
            Some(place) => place,
            None => {
                let said = self.settings.get(self.root_option.clone(), &settings::ROOT)?;
                self.environment.place(said)?
            }
        };
        Ok(self.place.insert(place))
    }

    /// Returns where the store is; from now on a failure is about that one.
    ///
    /// # Errors
    /// A usage error where nothing says so.
    pub(crate) fn place(&mut self) -> anyhow::Result<&Place> {
        self.about = Some(self.decide()?.root.clone());
        self.decide()
    }

    /// Returns the root, if it has been decided, be a store there or not.
    pub(crate) fn decided_root(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.root.as_path())
    }

    /// Returns the root that a failure is about.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.about.as_deref()
    }

    /// Returns what was asked for, as far as advice depends on it.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let min_age = self.settings.get(None, &settings::MIN_AGE).ok().flatten();
        Asked {
            command: self.command,
            root: self.root(),
            root_option: self.root_option.is_some(),
            meant: &[],
            min_age: min_age.map(|chosen| chosen.value),
        }
    }

    /// Returns the clock, the source of ids and the actor.
    ///
    /// # Errors
    /// A usage error where the variable that names the actor is empty or no text.
    pub(crate) fn env(&self) -> anyhow::Result<Env> {
        let actor = self.settings.get(self.actor_option.clone(), &settings::ACTOR)?;
        let (user, host) = self.user_and_host();
        Ok(Env::system(actor.map_or_else(|| format!("{user}@{host}"), |actor| actor.value)))
    }

    /// Returns the user and the host as the machine has them, whatever the actor is.
    pub(crate) fn user_and_host(&self) -> (&str, &str) {
        (&self.environment.user, &self.environment.host)
    }

    /// Opens the store for a command.
    ///
    /// # Errors
    /// Whatever the library answers.
    pub(crate) fn open(&mut self, command: &'static str, access: Access) -> anyhow::Result<Registry> {
        let (root, options, env) = self.options(command, access)?;
        Ok(Registry::open(&root, options, env, &self.terminal)?)
    }

    /// Returns where the store is and how a command opens it.
    ///
    /// # Errors
    /// Where no root can be made out, or the actor cannot be.
    pub(crate) fn options(
        &mut self,
        command: &'static str,
        access: Access,
    ) -> anyhow::Result<(PathBuf, OpenOptions, Env)> {
        self.command = command;
        self.changes = matches!(access, Access::Write | Access::Alone);
        let env = self.env()?;
        let root = self.place()?.root.clone();
        let options = OpenOptions {
            access,
            wait: self.wait,
            command: format!("astore {command}"),
            cancelled: self.interrupt.flag(),
            scratch: self.environment.scratch.clone(),
            spends_reserve: matches!(command, "remove" | "gc" | "recover"),
        };
        Ok((root, options, env))
    }

    /// Notes that what is going to be printed is done already.
    pub(crate) fn is_done(&mut self) {
        self.changes = true;
    }

    /// Returns standard input, the first time that it is asked for.
    pub(crate) fn input(&mut self) -> Box<dyn Read + Send> {
        match self.input.take() {
            Some(input) => input.reader(&self.interrupt),
            None => Box::new(io::empty()),
        }
    }

    /// Opens a file for reading, which ends when a signal asks.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(crate) fn reader(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Interruptible::open(path, &self.interrupt)?))
    }

    /// Returns where results go; whoever writes there ends with [`Self::done`].
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Returns where results go, and who hears of the work meanwhile.
    pub(crate) fn out_and_terminal(&mut self) -> (&mut dyn Write, &Terminal) {
        (&mut *self.out, &self.terminal)
    }

    /// Writes a result, and returns `exit` unless that failed. A reader that went away does not change how
    /// the command ended: `verify | head` still tells of damage.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(crate) fn result(
        &mut self,
        exit: Exit,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<Exit> {
        self.terminal.end_names();
        let written = write(&mut *self.out);
        self.done(exit, written)
    }

    /// Ends a result of which the last part was written with this outcome; see [`Self::result`].
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(crate) fn done(&mut self, exit: Exit, written: io::Result<()>) -> anyhow::Result<Exit> {
        match written.and_then(|()| self.out.flush()) {
            Ok(()) => Ok(exit),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
            // In the words that the library has for what it writes itself.
            Err(error) if self.changes => Err(Error::Output(error)).context("it is done, but not printed"),
            Err(error) => Err(Error::Output(error).into()),
        }
    }

    /// Refuses `--json` for a command whose output is not astore's to shape.
    ///
    /// # Errors
    /// A usage error where `--json` was given.
    pub(crate) fn refuse_json(&self, what: &str) -> anyhow::Result<()> {
        match self.form {
            Form::Text => Ok(()),
            Form::Json => Err(usage(format!("--json does not apply: {what}"))),
        }
    }

    /// Returns what signals ask for.
    pub(crate) const fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Says why the command failed, and returns how it ends.
    pub(crate) fn fail(&self, failure: &Failure<'_>) -> Exit {
        self.terminal.end_names();
        self.terminal.line(&failure.line(self.form));
        failure.exit()
    }

    /// Returns how the command ends if a signal asked for it.
    pub(crate) fn interrupted(&self) -> Option<Exit> {
        let asked = self.interrupt.flag().load(std::sync::atomic::Ordering::Relaxed);
        asked.then(|| self.interrupt.exit())
    }
}
