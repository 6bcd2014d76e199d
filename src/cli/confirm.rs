//! Asking a person before what cannot be undone: the question on standard error, the answer from standard input.

use std::io::{self, Read};

use astore::error::Error;

use super::context::Context;

/// What has to be typed, to the letter.
const YES: &str = "yes";

/// An answer longer than this is none.
const ANSWER_BYTES_MAX: usize = 64;

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Exactly what had to be typed.
    Yes,
    /// Anything else, or nothing.
    No,
}

/// Says what is about to happen and waits for the answer.
///
/// # Errors
/// [`Error::Cancelled`] where a signal came instead, and whatever standard input answers.
pub(crate) fn ask(what: &str, ctx: &mut Context) -> anyhow::Result<Answer> {
    ctx.terminal.ask(&format!("astore: {what}; type '{YES}' to do it: "));
    let mut typed = Vec::new();
    let answer = match line(&mut *ctx.input(), &mut typed) {
        Ok(()) if typed.trim_ascii() == YES.as_bytes() => Ok(Answer::Yes),
        Ok(()) => Ok(Answer::No),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Error::Cancelled.into()),
        Err(error) => Err(error.into()),
    };
    if typed.last() != Some(&b'\n') {
        // Nobody pressed return: what is said next begins a line all the same.
        ctx.terminal.ask("\n");
    }
    answer
}

/// Reads a line byte by byte: what is typed after it is another's. An interruption is not tried again, since it
/// is a signal that asks to end.
fn line(input: &mut dyn Read, typed: &mut Vec<u8>) -> io::Result<()> {
    let mut byte = [0];
    while typed.last() != Some(&b'\n') && typed.len() < ANSWER_BYTES_MAX && input.read(&mut byte)? > 0 {
        typed.push(byte[0]);
    }
    Ok(())
}
