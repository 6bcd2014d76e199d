//! What options are where nobody gives them: a variable of the environment says, else the table `[defaults]` of the
//! store's astore.toml.
//!
//! A value is looked at by the commands that it is for, and a bad one is an error there, never something else instead:
//! whoever set `min-age` to a month must not find out that a gc took the usual day. A variable that is empty is such a
//! mistake, as an empty `ASTORE_ROOT` is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use astore::storage::root::{self, DefaultValue};
use astore::storage::{StorageError, layout};
use clap::ValueEnum as _;

use super::failure::{usage, usage_hint};
use super::global::ColorChoice;
use super::odd;
use super::output::escape;
use super::output::style::Style;
use super::values;

/// The ways in which an option is said where nobody types it.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// The option's name, which is the key in `[defaults]`.
    pub(crate) key: &'static str,
    /// The variable's name.
    pub(crate) variable: &'static str,
    /// Whether `[defaults]` may say it, too.
    pub(crate) in_store: bool,
    /// What the variable is for, as the manual tells it.
    pub(crate) meaning: &'static str,
}

/// An option that may come from elsewhere.
pub(crate) struct Setting<T> {
    way: Way,
    /// Reads what somebody wrote, or says what was expected.
    read: fn(&OsStr) -> Result<T, String>,
}

/// `--root`: where the store is.
pub(crate) const ROOT: Setting<PathBuf> = Setting {
    way: Way {
        key: "root",
        variable: "ASTORE_ROOT",
        in_store: false,
        meaning: "The store's directory, where --root does not say. Such a store has to be made with astore init.",
    },
    read: |value| Ok(PathBuf::from(value)),
};

/// `--actor`. What the log says of a person is not the store's to say.
pub(crate) const ACTOR: Setting<String> = Setting {
    way: Way {
        key: "actor",
        variable: "ASTORE_ACTOR",
        in_store: false,
        meaning: "Who the log says did it, where --actor does not say. A claim, not a proof.",
    },
    read: |value| text(value).map(str::to_owned),
};

/// `--class` of `add`.
pub(crate) const CLASS: Setting<String> = Setting {
    way: Way {
        key: "class",
        variable: "ASTORE_CLASS",
        in_store: true,
        meaning: "The retention class of what add makes, where --class does not say.",
    },
    read: |value| match text(value)? {
        "" => Err("expected the name of a retention class".to_owned()),
        class => Ok(class.to_owned()),
    },
};

/// `--wait`.
pub(crate) const WAIT: Setting<Duration> = Setting {
    way: Way {
        key: "wait",
        variable: "ASTORE_WAIT",
        in_store: true,
        meaning: "How long to wait for the store's lock, where --wait does not say.",
    },
    read: |value| values::duration(text(value)?),
};

/// `--min-age` of `gc`.
pub(crate) const MIN_AGE: Setting<Duration> = Setting {
    way: Way {
        key: "min-age",
        variable: "ASTORE_MIN_AGE",
        in_store: true,
        meaning: "What gc lets stay because of its age, where --min-age does not say.",
    },
    read: |value| values::min_age(text(value)?),
};

/// `--threads` of `verify`.
pub(crate) const THREADS: Setting<u64> = Setting {
    way: Way {
        key: "threads",
        variable: "ASTORE_THREADS",
        in_store: true,
        meaning: "How many threads verify reads with, where --threads does not say.",
    },
    read: |value| values::number_from_1(text(value)?),
};

/// `--metrics-file` of the commands that measure.
pub(crate) const METRICS_FILE: Setting<PathBuf> = Setting {
    way: Way {
        key: "metrics-file",
        variable: "ASTORE_METRICS_FILE",
        in_store: true,
        meaning: "Where metrics go, where --metrics-file does not say.",
    },
    read: |value| match Path::new(value).file_name() {
        Some(_) => Ok(PathBuf::from(value)),
        None => Err("expected the path of a file".to_owned()),
    },
};

/// `--color`; see [`Settings::style`].
const COLOR: Setting<ColorChoice> = Setting {
    way: Way {
        key: "color",
        variable: "ASTORE_COLOR",
        in_store: true,
        meaning: "auto, always or never, where --color does not say. It outranks NO_COLOR.",
    },
    read: |value| {
        let choice = ColorChoice::from_str(text(value)?, false);
        choice.map_err(|_| "expected auto, always or never".to_owned())
    },
};

/// All of them: what the environment is asked for, and the manual's list.
pub(crate) const WAYS: [Way; 8] =
    [ROOT.way, ACTOR.way, CLASS.way, WAIT.way, MIN_AGE.way, THREADS.way, METRICS_FILE.way, COLOR.way];

/// What such a table may be: the manual's example.
pub(crate) const EXAMPLE: &str = "\
[defaults]
class = \"raw-evidence\"
color = \"never\"
metrics-file = \"/var/lib/prometheus/node-exporter/astore-{command}.prom\"
min-age = \"7d\"
threads = 2
wait = \"1h\"";

/// Returns the keys of `[defaults]`, in the order of their letters.
fn keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = WAYS.iter().filter(|way| way.in_store).map(|way| way.key).collect();
    keys.sort_unstable();
    keys
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "expected UTF-8".to_owned())
}

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Whoever typed the option.
    Option(&'static str),
    /// The variable of this name.
    Variable(&'static str),
    /// This key of `[defaults]` in this file.
    Store(&'static str, PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(key) => write!(f, "--{key}"),
            Self::Variable(name) => f.write_str(name),
            Self::Store(key, file) => write!(f, "[defaults] {key} in {}", escape::path(file)),
        }
    }
}

/// What an option is, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// The variables that are set, and what the store's astore.toml says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    variables: Vec<(&'static str, OsString)>,
    store: BTreeMap<String, DefaultValue>,
    file: PathBuf,
    /// Whether something stands there that means nothing to this build.
    is_odd: bool,
    /// Variables that are called nearly as one of ours, and which that is.
    mistyped: Vec<(OsString, &'static str)>,
}

impl Settings {
    /// Begins with the variables, and the names of others that begin as ours.
    pub(crate) fn new(variables: &[(&'static str, OsString)], others: &[OsString]) -> Self {
        let known = WAYS.map(|way| way.variable);
        let meant = |name: &OsString| Some((name.clone(), odd::meant_variable(name, &known)?));
        Self {
            variables: variables.to_vec(),
            mistyped: others.iter().filter_map(meant).collect(),
            ..Self::default()
        }
    }

    /// Returns what stands somewhere that means nothing to this build, and may have meant to whoever wrote it that
    /// something is to be kept.
    pub(crate) fn odd(&self) -> Option<String> {
        if self.is_odd {
            return Some(format!("{} has what this build does not know", escape::path(&self.file)));
        }
        let (name, _) = self.mistyped.iter().find(|(_, meant)| *meant == MIN_AGE.way.variable)?;
        Some(format!("{} is set, which this build does not know", escape::argument(name)))
    }

    /// Returns what is wrong with the variables as a whole, as lines for people.
    pub(crate) fn wrong_variables(&self) -> impl Iterator<Item = String> {
        self.mistyped.iter().map(|(name, meant)| {
            format!("{} is no variable of astore's: did you mean {meant}?", escape::argument(name))
        })
    }

    /// Takes in what the store at `root` says, and returns what is wrong with that as a whole, as lines for people.
    /// Where there is no store, or none that can be opened, there is nothing to take in.
    ///
    /// # Errors
    /// Where the file is there and cannot be read: what it says may matter.
    pub(crate) fn read_store(&mut self, root: &Path) -> anyhow::Result<Vec<String>> {
        let wrong = self.take_in(root)?;
        self.is_odd = !wrong.is_empty();
        Ok(wrong)
    }

    /// Takes in what the store at `root` says by now, for whoever must not act on what stood there before.
    ///
    /// # Errors
    /// Where the file is not there, or cannot be read.
    pub(crate) fn read_again(&mut self, root: &Path) -> anyhow::Result<()> {
        let gone = || StorageError::NoStore { root: root.to_owned() };
        let stood = root::read_defaults(root).and_then(|stood| stood.ok_or_else(gone));
        let (stood, others) = stood.map_err(astore::error::Error::from)?;
        self.is_odd = !self.understand(root, stood, &others).is_empty();
        Ok(())
    }

    fn take_in(&mut self, root: &Path) -> anyhow::Result<Vec<String>> {
        let (stood, others) = match root::read_defaults(root) {
            Ok(stood) => stood.unwrap_or_default(),
            // Whoever opens the store says so, and what to do.
            Err(StorageError::Config { .. } | StorageError::UnknownFormat { .. }) => (None, BTreeMap::new()),
            Err(error) if is_absent(&error) => (None, BTreeMap::new()),
            Err(error) => return Err(astore::error::Error::from(error).into()),
        };
        Ok(self.understand(root, stood, &others))
    }

    fn understand(
        &mut self,
        root: &Path,
        stood: Option<DefaultValue>,
        others: &BTreeMap<String, DefaultValue>,
    ) -> Vec<String> {
        self.file = root.iter().chain([OsStr::new(layout::CONFIG)]).collect();
        let file = escape::path(&self.file);
        let mut wrong = Vec::new();
        self.store = match stood {
            None => BTreeMap::new(),
            Some(DefaultValue::Table(table)) => table,
            Some(other) => {
                let what = shown(&other);
                wrong.push(format!("defaults in {file} is {what} and no table: it is left aside"));
                BTreeMap::new()
            }
        };
        let known = keys();
        let unknown = self.store.keys().filter(|key| !known.contains(&key.as_str()));
        let unknown: Vec<String> = unknown.map(|key| escape::line(key)).collect();
        if !unknown.is_empty() {
            wrong.push(format!(
                "[defaults] in {file} has keys that this build does not know: {}; it knows {}",
                unknown.join(", "),
                known.join(", ")
            ));
        }
        // It would be taken for a default by whoever wrote it, and by nobody else.
        let misplaced = odd::misplaced(others, &known);
        if !misplaced.is_empty() {
            wrong.push(format!(
                "{file} has keys at its top that mean nothing: {}; defaults stand under [defaults]",
                misplaced.join(", ")
            ));
        }
        wrong
    }

    /// Says what an option is: as it was given, else as its variable says, else as the store does; `None` where nobody
    /// says anything.
    ///
    /// # Errors
    /// A usage error that names where it stands, what stands there, and what was expected.
    pub(crate) fn get<T>(&self, given: Option<T>, setting: &Setting<T>) -> anyhow::Result<Option<Chosen<T>>> {
        let Setting { way: Way { key, variable, in_store, .. }, read } = *setting;
        if let Some(value) = given {
            return Ok(Some(Chosen { value, source: Source::Option(key) }));
        }
        let (source, said, shown) =
            if let Some((_, value)) = self.variables.iter().find(|(name, _)| *name == variable) {
                if value.is_empty() {
                    return Err(usage_hint(format!("{variable} is empty"), "give it a value or unset it"));
                }
                (Source::Variable(variable), Some(value.clone()), format!("'{}'", escape::argument(value)))
            } else if let Some(value) = self.store.get(key).filter(|_| in_store) {
                let said = match value {
                    DefaultValue::Text(text) => Some(OsString::from(text)),
                    DefaultValue::Integer(number) => Some(OsString::from(number.to_string())),
                    DefaultValue::Table(_) | DefaultValue::Other(_) => None,
                };
                (Source::Store(key, self.file.clone()), said, shown(value))
            } else {
                return Ok(None);
            };
        let value =
            said.ok_or_else(|| "expected a text or an integer".to_owned()).and_then(|said| read(&said));
        match value {
            Ok(value) => Ok(Some(Chosen { value, source })),
            Err(expected) => Err(usage(format!("{source} is {shown}: {expected}"))),
        }
    }

    /// Decides whether an output is coloured, given what `--color` says, whether it is a terminal, and whether `NO_COLOR`
    /// is set.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn style(
        &self,
        given: Option<ColorChoice>,
        is_terminal: bool,
        no_color: bool,
    ) -> anyhow::Result<Style> {
        Ok(match self.get(given, &COLOR)? {
            // A variable of the environment outranks the store.
            Some(Chosen { source: Source::Store(..), .. }) if no_color => Style::Plain,
            Some(Chosen { value, .. }) => value.style(is_terminal, no_color),
            None => ColorChoice::Auto.style(is_terminal, no_color),
        })
    }
}

/// Returns whether nothing is there to be read, so that no command will find more.
fn is_absent(error: &StorageError) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error, StorageError::Io { source, .. } if matches!(source.kind(), NotFound | NotADirectory))
}

/// Shows what stands in astore.toml.
fn shown(value: &DefaultValue) -> String {
    match value {
        DefaultValue::Text(text) => format!("'{}'", escape::line(text)),
        DefaultValue::Integer(number) => number.to_string(),
        DefaultValue::Table(_) => "a table".to_owned(),
        DefaultValue::Other(kind) => format!("a value of type {kind}"),
    }
}

#[cfg(test)]
mod tests;
