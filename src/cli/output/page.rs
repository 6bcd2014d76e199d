//! What results are written on: in colour or not, in a window or as long as they like.

use std::io::{self, Write};

use super::style::Style;
use super::window::Window;

/// Where results are written, as far as it changes how they look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page {
    /// Whether they are coloured.
    pub(crate) style: Style,
    /// The window that they have to fit into, where that is a terminal's.
    pub(crate) window: Option<Window>,
}

impl Page {
    /// Writes a sentence as a line, or as several where the window is narrower.
    pub(crate) fn say(self, sentence: &str, out: &mut dyn Write) -> io::Result<()> {
        self.say_under(sentence, 0, out)
    }

    /// The same; what follows the first line is set in by so many columns.
    pub(crate) fn say_under(self, sentence: &str, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        match self.window {
            Some(window) => writeln!(out, "{}", window.wrap(sentence, indent)),
            None => writeln!(out, "{sentence}"),
        }
    }
}
