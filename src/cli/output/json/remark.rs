//! The document of something worth knowing beside a result: a line of standard error.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use super::PathText;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Whoever reads the result has to know.
    Warning,
    /// It helps, and `--quiet` leaves it out.
    Note,
}

/// What it is about, for those who branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A path was left out.
    Skipped,
    /// Others hold the lock.
    Waiting,
    /// The database caught up with `log/`.
    CaughtUp,
    /// `log/` was written again from the database.
    LogRewritten,
    /// `log/` does not go where the database does.
    LogAstray,
    /// Anything else.
    Other,
}

impl About {
    const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::CaughtUp => "caught-up",
            Self::LogRewritten => "log-rewritten",
            Self::LogAstray => "log-astray",
            Self::Other => "other",
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Remark<'a> {
    level: &'static str,
    kind: &'static str,
    message: &'a str,
    #[serde(flatten)]
    path: Option<PathText>,
}

impl<'a> Remark<'a> {
    /// Says it in these words; `path` is what it is about, where it is about one.
    pub(crate) fn new(level: Level, about: About, message: &'a str, path: Option<&Path>) -> Self {
        let level = match level {
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let path = path.map(|path| PathText::of(path.as_os_str().as_bytes()));
        Self { level, kind: about.word(), message, path }
    }
}
