//! The document of a failure: a line of standard error.

use std::path::Path;

use serde::Serialize;

use super::RootText;
use crate::cli::exit::Exit;

#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    exit: u8,
    kind: &'static str,
    message: &'a str,
    #[serde(flatten)]
    root: Option<RootText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    candidates: &'a [String],
}

impl<'a> Failure<'a> {
    /// Says with which code a command ends, in which words, and what it was about.
    pub(crate) fn new(
        exit: Exit,
        message: &'a str,
        root: Option<&Path>,
        hint: Option<&'a str>,
        candidates: &'a [String],
    ) -> Self {
        Self { exit: exit.code(), kind: exit.word(), message, root: root.map(RootText::of), hint, candidates }
    }
}
