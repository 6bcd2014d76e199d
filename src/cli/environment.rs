//! The process's environment, read once and handed in: nothing else in the program looks at it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::failure::usage_hint;
use super::odd;
use super::output::escape;
use super::output::window::Glyphs;
use super::settings::{self, Chosen, Source};

/// The variables that `astore` knows, and what the system says of the user and the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// Those of [`settings::WAYS`] that are set.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// The names of others that begin as these do.
    pub(crate) others: Vec<OsString>,
    /// `XDG_DATA_HOME`.
    pub(crate) data_home: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// Whether `NO_COLOR` is set to anything but nothing (no-color.org).
    pub(crate) no_color: bool,
    /// `COLUMNS`: how wide the window is, where the terminal is not to be believed.
    pub(crate) columns: Option<OsString>,
    /// Which characters the locale has.
    pub(crate) glyphs: Glyphs,
    /// The effective user: a number where there is no name.
    pub(crate) user: String,
    /// The machine: 0 where it has no name.
    pub(crate) host: String,
    /// Where scratch files go: `TMPDIR` or the system's choice.
    pub(crate) scratch: PathBuf,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn of_process() -> Self {
        let names = settings::WAYS.iter().map(|way| way.variable);
        Self {
            variables: names.filter_map(|name| Some((name, std::env::var_os(name)?))).collect(),
            others: std::env::vars_os().map(|(name, _)| name).filter(odd::is_like_ours).collect(),
            data_home: std::env::var_os("XDG_DATA_HOME"),
            home: std::env::var_os("HOME"),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            columns: std::env::var_os("COLUMNS"),
            glyphs: glyphs(&["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os)),
            user: user(std::env::var_os("USER").as_deref()),
            host: host(),
            // An empty or a relative one would be the working directory, or whatever that happens to be.
            scratch: Some(std::env::temp_dir())
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| "/tmp".into()),
        }
    }

    /// Decides where the store is: where somebody said, else `$XDG_DATA_HOME/astore`, else `~/.local/share/astore`.
    ///
    /// # Errors
    /// A usage error where what was said has a `~` that a shell should have replaced, or where there is no home.
    pub(crate) fn place(&self, said: Option<Chosen<PathBuf>>) -> anyhow::Result<Place> {
        if let Some(Chosen { value: root, source }) = said {
            let said_by = match source {
                Source::Option(_) => "--root",
                Source::Variable(name) | Source::Store(name, _) => name,
            };
            if let Some(rest) = without_home(root.as_os_str()) {
                let (shown, rest) = (escape::argument(root.as_os_str()), escape::bytes(rest));
                let short = if said_by == "--root" { format!("--root ~/{rest} or ") } else { String::new() };
                return Err(usage_hint(
                    format!("{said_by} is '{shown}', and no such directory is here"),
                    format!(
                        "a shell puts your home in the place of ~ only where a word begins with it: write \
                         {short}{said_by}=$HOME/{rest}"
                    ),
                ));
            }
            return Ok(Place { root: absolute(&root), choice: PlaceChoice::Named, said_by });
        }
        // The XDG Base Directory Specification: a relative path in the variable is to be ignored.
        let data_home = self.data_home.as_deref().map(Path::new).filter(|path| path.is_absolute());
        let home = self.home.as_deref().filter(|home| !home.is_empty()).map(Path::new);
        let has_home = home.is_some();
        // Relative to what? An add would make a store in whatever directory somebody happens to be.
        let home = home.filter(|home| home.is_absolute());
        let (root, said_by): (PathBuf, _) = match (data_home, home) {
            (Some(data_home), _) => (data_home.iter().chain(["astore".as_ref()]).collect(), "XDG_DATA_HOME"),
            (None, Some(home)) => {
                let below = [".local", "share", "astore"].map(OsStr::new);
                (home.iter().chain(below).collect(), "HOME")
            }
            (None, None) => {
                let why = if has_home { "is no absolute path" } else { "is not set" };
                return Err(usage_hint(
                    format!("no place for a store: HOME {why}"),
                    "name one with --root DIR or ASTORE_ROOT",
                ));
            }
        };
        Ok(Place { root: absolute(&root), choice: PlaceChoice::Default, said_by })
    }
}

/// Where the store is, and who chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The root, absolute.
    pub(crate) root: PathBuf,
    /// How it was chosen.
    pub(crate) choice: PlaceChoice,
    /// The option or the variable that it follows from.
    pub(crate) said_by: &'static str,
}

/// Whether a person named the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceChoice {
    /// By option or variable: such a store has to exist, since an unmounted disk must never become a new,
    /// empty store.
    Named,
    /// The default place, where `add` makes a store if there is none.
    Default,
}

/// Returns what the first of these variables that says anything says of the characters (POSIX.1, "Environment Variables").
fn glyphs(variables: &[Option<OsString>]) -> Glyphs {
    let locale = variables.iter().flatten().find(|value| !value.is_empty());
    let locale = locale.map(|value| value.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if locale.contains("utf-8") || locale.contains("utf8") { Glyphs::Unicode } else { Glyphs::Ascii }
}

/// Returns what follows `~/` in a root that begins so and leads nowhere: a shell was to put a home there, and did not.
/// Taken as it is, it would make `init` put the store into a directory called `~`, and others miss theirs.
fn without_home(root: &OsStr) -> Option<&[u8]> {
    let rest = root.as_bytes().strip_prefix(b"~/")?;
    Path::new(root).symlink_metadata().is_err().then_some(rest)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the effective user: the name in `/etc/passwd`; else `$USER`, unless that is the name of another user there
/// (network directories are not in the file); else the number.
fn user(variable: Option<&OsStr>) -> String {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    user_name(&passwd, uid, variable.and_then(OsStr::to_str))
}

fn host() -> String {
    let uname = rustix::system::uname();
    match uname.nodename().to_str() {
        Ok(name) if !name.is_empty() && name != "(none)" => name.to_owned(),
        _ => "0".to_owned(),
    }
}

fn user_name(passwd: &[u8], uid: u32, variable: Option<&str>) -> String {
    let records = || {
        passwd.split(|&byte| byte == b'\n').filter_map(|line| {
            let mut fields = std::str::from_utf8(line).ok()?.split(':');
            let name = fields.next()?;
            let number: u32 = fields.nth(1)?.parse().ok()?;
            Some((name, number))
        })
    };
    if let Some((name, _)) = records().find(|&(name, number)| number == uid && !name.is_empty()) {
        return name.to_owned();
    }
    match variable {
        Some(name) if !name.is_empty() && records().all(|(known, _)| known != name) => name.to_owned(),
        _ => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn place(option: Option<&str>, environment: &Environment) -> Result<(String, PlaceChoice), String> {
        let settings = Settings::new(&environment.variables, &[]);
        let said = settings.get(option.map(PathBuf::from), &settings::ROOT);
        let place = said.and_then(|said| environment.place(said)).map_err(|error| error.to_string())?;
        Ok((place.root.display().to_string(), place.choice))
    }

    #[test]
    fn the_first_of_four_places_that_is_given_wins() {
        let mut environment = Environment {
            variables: vec![("ASTORE_ROOT", "/var/s".into())],
            data_home: Some("/xdg".into()),
            home: Some("/home/a".into()),
            ..Environment::default()
        };
        assert_eq!(place(Some("/opt/s"), &environment), Ok(("/opt/s".into(), PlaceChoice::Named)));
        assert_eq!(place(None, &environment), Ok(("/var/s".into(), PlaceChoice::Named)));
        environment.variables.clear();
        assert_eq!(place(None, &environment), Ok(("/xdg/astore".into(), PlaceChoice::Default)));
        environment.data_home = Some("relative".into());
        assert_eq!(
            place(None, &environment),
            Ok(("/home/a/.local/share/astore".into(), PlaceChoice::Default))
        );
        environment.home = None;
        assert!(place(None, &environment).is_err());
    }

    #[test]
    fn an_empty_root_is_a_mistake_and_not_the_default() {
        let environment = Environment {
            variables: vec![("ASTORE_ROOT", "".into())],
            home: Some("/home/a".into()),
            ..Environment::default()
        };
        assert_eq!(
            place(None, &environment),
            Err("ASTORE_ROOT is empty; give it a value or unset it".into())
        );
    }

    #[test]
    fn the_first_variable_that_says_anything_says_which_characters_there_are() {
        let set = |values: [Option<&str>; 3]| glyphs(&values.map(|value| value.map(OsString::from)));
        assert_eq!(set([None, None, Some("de_CH.UTF-8")]), Glyphs::Unicode);
        assert_eq!(set([Some(""), Some("C.utf8"), Some("C")]), Glyphs::Unicode);
        assert_eq!(set([Some("C"), None, Some("C.UTF-8")]), Glyphs::Ascii);
        assert_eq!(set([None, None, None]), Glyphs::Ascii);
    }

    #[test]
    fn a_user_without_a_name_is_a_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbroken\n";
        assert_eq!(user_name(passwd, 1000, Some("root")), "alice");
        assert_eq!(user_name(passwd, 4711, None), "4711");
        assert_eq!(user_name(passwd, 4711, Some("carol")), "carol");
        assert_eq!(user_name(passwd, 4711, Some("root")), "4711");
    }
}
