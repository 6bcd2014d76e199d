//! What a person asked for, as far as advice depends on it.

use std::path::Path;
use std::time::Duration;

use super::output::escape;

/// What was asked for, as far as advice depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// The command that opened the store, or nothing.
    pub(crate) command: &'static str,
    /// The root, once it is decided.
    pub(crate) root: Option<&'a Path>,
    /// Whether `--root` named it.
    pub(crate) root_option: bool,
    /// How long a gc lets things stay where no option says, unless that is the usual time.
    pub(crate) min_age: Option<Duration>,
    /// What may have been meant by a name that there is not: the nearest first.
    pub(crate) meant: &'a [String],
}

impl Asked<'_> {
    /// Returns how a command is typed that means the same store: with `--root` where that named it.
    pub(crate) fn typed(&self, command: &str) -> String {
        let root = self.root.filter(|_| self.root_option);
        let root =
            root.map(|root| format!(" --root {}", escape::shell(root.as_os_str()))).unwrap_or_default();
        // Behind the command, where people look for options.
        match command.split_once(' ') {
            Some((command, rest)) => format!("astore {command}{root} {rest}"),
            None => format!("astore {command}{root}"),
        }
    }
}
