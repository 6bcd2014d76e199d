//! What a failure says: one line on standard error, with what failed, on what, why, and what to do.
//!
//! The library's errors carry facts; this is where they become a sentence and an exit code.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use astore::error::{Error, ErrorKind};

use super::asked::Asked;
use super::context::Form;
use super::exit::Exit;
use super::hint::hint;
use super::mistyped::Mistyped;
use super::output::escape;
use super::output::json::{self, schema};

/// A request that makes no sense as given; the text says so to the person who typed it.
#[derive(Debug, thiserror::Error)]
#[error("{text}{}{}", if hint.is_some() { "; " } else { "" }, hint.as_deref().unwrap_or_default())]
struct Usage {
    text: String,
    /// What to do instead.
    hint: Option<String>,
}

/// Makes a usage error of a text.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage { text: text.into(), hint: None })
}

/// Makes a usage error of what is wrong and what to do instead.
pub(crate) fn usage_hint(text: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage { text: text.into(), hint: Some(hint.into()) })
}

/// Chooses the exit code for an error.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    if is_closed_pipe(error) {
        return Exit::Done;
    }
    if error.chain().any(|cause| cause.is::<Usage>()) {
        return Exit::Usage;
    }
    library(error).map_or(Exit::Failed, |error| Exit::of(error.kind()))
}

/// Returns whether the reader of the output went away: no failure, and nothing to say.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    library(error).is_some_and(|error| error.kind() == ErrorKind::ClosedPipe)
        || error.downcast_ref::<io::Error>().is_some_and(broken)
}

/// Returns whether a signal ended it.
pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    library(error).is_some_and(|error| error.kind() == ErrorKind::Cancelled)
}

/// A failure in the words in which it is told.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    exit: Exit,
    /// What failed, on what and why, then the hint, then the root unless it was named already.
    message: String,
    hint: Option<String>,
    root: Option<&'a Path>,
    candidates: Vec<String>,
}

impl<'a> Failure<'a> {
    /// Puts an error into words: causes joined by colons, then what to do.
    pub(crate) fn of(error: &anyhow::Error, exit: Exit, asked: Asked<'a>) -> Self {
        let mut text = causes(error);
        // Of a usage error it stands in the text already.
        let of_usage = error.chain().find_map(|cause| cause.downcast_ref::<Usage>()?.hint.clone());
        let of_library = library(error).and_then(|error| hint(error, asked));
        if let Some(hint) = &of_library {
            text.push_str("; ");
            text.push_str(hint);
        }
        let hint = of_usage.or(of_library);
        let hint = hint.map(|hint| escape::line(&hint));
        Self { hint, candidates: candidates(error), ..Self::new(exit, &text, asked.root) }
    }

    /// Says that a signal ended the command.
    pub(crate) fn interrupted(exit: Exit, root: Option<&'a Path>) -> Self {
        Self::new(exit, "interrupted", root)
    }

    /// Says it in these words, with the root behind them unless they name it.
    pub(crate) fn new(exit: Exit, text: &str, root: Option<&'a Path>) -> Self {
        let mut text = text.to_owned();
        if let Some(root) = root {
            let root = root.display().to_string();
            if !text.contains(&root) {
                text.push_str(&format!(" (root {root})"));
            }
        }
        Self { exit, message: escape::line(&text), hint: None, root, candidates: Vec::new() }
    }

    /// Puts what clap has to say about a command line into words.
    pub(crate) fn of_usage(error: &clap::Error, command: Option<&str>, arguments: &[OsString]) -> Self {
        let Mistyped { text, hint } = Mistyped::of(error, command, arguments);
        let message = escape::line(&format!("{text}; {hint}"));
        let hint = Some(escape::line(&hint));
        Self { exit: Exit::Usage, message, hint, root: None, candidates: Vec::new() }
    }

    /// Returns how the command ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns it as one line without a newline.
    pub(crate) fn line(&self, form: Form) -> String {
        match form {
            Form::Text => format!("astore: {}", self.message),
            Form::Json => {
                let Self { exit, message, hint, root, candidates } = self;
                let document = json::Failure::new(*exit, message, *root, hint.as_deref(), candidates);
                json::line(schema::ERROR, document)
            }
        }
    }
}

/// Joins an error and its causes by colons.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain() {
        let said = cause.to_string();
        // SQLite's number for what was just said in words says nothing more.
        let words = said.strip_prefix("Error code ").and_then(|rest| rest.split_once(": "));
        if said.is_empty() || last.ends_with(words.map_or(&*said, |(_, words)| words)) {
            continue; // a transparent wrapper repeats its source
        }
        if !last.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&said);
        last = said;
    }
    text
}

/// Returns what could have been meant, where that is several things.
fn candidates(error: &anyhow::Error) -> Vec<String> {
    match library(error) {
        Some(Error::Ambiguous { candidates, .. }) => candidates.clone(),
        Some(Error::AmbiguousObject { candidates, .. }) => {
            candidates.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

fn library(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context as _;
    use astore::storage::StorageError;

    use super::*;

    fn no_store() -> anyhow::Error {
        anyhow::Error::new(Error::Storage(StorageError::NoStore { root: PathBuf::from("/srv/store") }))
    }

    fn line(error: &anyhow::Error, asked: Asked<'_>) -> String {
        Failure::of(error, exit_of(error), asked).line(Form::Text)
    }

    #[test]
    fn a_failure_is_one_line_that_names_the_root_once() {
        let error = no_store();
        let asked = Asked { root: Some(Path::new("/srv/store")), ..Asked::default() };
        let text = line(&error, asked);
        assert_eq!(text, "astore: no store at /srv/store; make one with 'astore init'");
        assert_eq!(exit_of(&error), Exit::NoStore);

        let disk = io::Error::from(io::ErrorKind::StorageFull);
        let error = anyhow::Error::new(disk).context("cannot write a\nb");
        assert_eq!(line(&error, asked), "astore: cannot write a\\nb: no storage space (root /srv/store)");
        assert_eq!(exit_of(&error), Exit::Failed);
    }

    #[test]
    fn context_does_not_hide_the_kind() {
        let error = no_store().context("cannot list");
        assert_eq!(exit_of(&error), Exit::NoStore);
        assert_eq!(exit_of(&usage("no")), Exit::Usage);
        let wrapped: anyhow::Result<()> = Err(usage("no"));
        assert_eq!(exit_of(&wrapped.context("while parsing").unwrap_err()), Exit::Usage);
    }

    #[test]
    fn a_closed_pipe_is_silence() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("standard output");
        assert!(is_closed_pipe(&error));
        assert_eq!(exit_of(&error), Exit::Done);
    }
}
