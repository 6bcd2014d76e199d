//! The real binary at somebody's desk: a directory with a store in it, an environment without surprises, and
//! what a command said.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::store::fast_dir;

/// Who the log says did it.
pub(crate) const ACTOR: &str = "tester@desk";

/// The user and group that own nothing, on every Unix.
const NOBODY: u32 = 65_534;

/// A directory to work in; the store is `store` beneath it.
pub(crate) struct Desk {
    place: tempfile::TempDir,
    binary: PathBuf,
    user: Option<u32>,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    /// A desk with a store.
    pub(crate) fn new() -> Self {
        let desk = Self::without_store();
        desk.ok(["init"]);
        desk
    }

    pub(crate) fn without_store() -> Self {
        Self { place: fast_dir(), binary: env!("CARGO_BIN_EXE_astore").into(), user: None }
    }

    /// A desk on the disk, for what is too large for memory.
    pub(crate) fn on_disk() -> Self {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { place, ..Self::without_store() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("store")
    }

    /// Makes the desk's other half: the same place, at which somebody works who is not root. That is whoever
    /// runs the tests, or `nobody` where root does.
    pub(crate) fn mortal(&self) -> Mortal<'_> {
        if !rustix::process::getuid().is_root() {
            return Mortal { desk: self, binary: self.binary.clone(), user: None };
        }
        // The build directory may be closed to others.
        let binary = self.path("astore");
        if !binary.exists() {
            // By another process: a file that this one had open for writing may be handed on to whatever another
            // thread starts just then, and is "busy" for as long.
            let copied = Command::new("cp").args([&self.binary, &binary]).status().unwrap();
            assert!(copied.success());
        }
        std::fs::set_permissions(self.place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Mortal { desk: self, binary, user: Some(NOBODY) }
    }

    /// A command of the binary, without this process's environment, at the desk.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.command_as(&self.binary, self.user, arguments)
    }

    fn command_as<S: AsRef<OsStr>>(
        &self,
        binary: &Path,
        user: Option<u32>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .env_clear()
            .env("ASTORE_ROOT", self.root())
            .env("ASTORE_ACTOR", ACTOR)
            .env("HOME", self.place.path())
            .current_dir(self.place.path())
            .stdin(Stdio::null());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        said(self.command(arguments))
    }

    /// Runs a command that must end with this code, and returns what it printed.
    #[track_caller]
    pub(crate) fn expect<S: AsRef<OsStr>>(
        &self,
        code: i32,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        self.run(arguments).expect(code)
    }

    /// Runs a command that must succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.expect(0, arguments)
    }

    /// Nothing is wrong with the store, and its views are what its log says.
    #[track_caller]
    pub(crate) fn check_sound(&self) {
        self.ok(["verify", "--both", "--no-record"]);
        self.ok(["replay", "--check"]);
    }

    /// One line of `show` or `manifest`: what stands after this word.
    #[track_caller]
    pub(crate) fn fact(&self, reference: &str, word: &str) -> String {
        let shown = self.ok(["show", reference]);
        let line = shown.lines().find_map(|line| line.trim_start().strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word} in {shown}")).trim().to_owned()
    }
}

/// A desk at which somebody works who is not root, so that permissions count.
pub(crate) struct Mortal<'d> {
    desk: &'d Desk,
    binary: PathBuf,
    user: Option<u32>,
}

impl Mortal<'_> {
    /// Whether it is another user than the one who runs the tests.
    pub(crate) fn is_another(&self) -> bool {
        self.user.is_some()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.desk.command_as(&self.binary, self.user, arguments)
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        said(self.command(arguments))
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
        Self { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The command ended with this code; returns what it printed.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.out
    }
}

/// Runs a command to its end.
pub(crate) fn said(mut command: Command) -> Said {
    Said::of(&command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// The same command, started by another one whose words these are. Its streams are still to be chosen.
pub(crate) fn started_by(words: &[&str], plain: &Command) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap()).stdin(Stdio::null());
    command
}

/// Sees to it that what this process starts hears SIGINT, SIGTERM and SIGHUP. A shell has what it runs in the background
/// ignore SIGINT, and that is handed on; a signal with a handler is not, so that a handler does it.
pub(crate) fn listen_to_signals() {
    static HANDLERS: std::sync::Once = std::sync::Once::new();
    HANDLERS.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if ignored >> (signal - 1) & 1 == 1 {
                signal_hook::flag::register(signal, Arc::default()).unwrap();
            }
        }
    });
}

/// Returns whether a program is here; says so where it is not.
pub(crate) fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: there is no {program}");
    }
    there
}

/// Says that something is skipped for want of a program that `.ci/run` installs. Where CI is `true` that is a failure:
/// nobody reads there what was skipped.
#[track_caller]
pub(crate) fn skip_without(program: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "there is no {program}, and CI has to have it"
    );
    eprintln!("skipped: there is no {program}");
}

/// Returns whether the slow half of a story is asked for (`just slow`).
pub(crate) fn is_slow_run() -> bool {
    std::env::var_os("ASTORE_TEST_SLOW").is_some_and(|value| !value.is_empty())
}
