//! Options that every command takes, before or after its name.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;

use super::output::style::Style;
use super::values;

// No doc comment: clap would take it for the help text of whatever this is part of.
//
// Each may be given again, and then the last counts, wherever it stands: `alias astore='astore --root X'` and scripts
// that end with "$@" are how people give a line its usual store, and what they type behind it is what they mean. Refusing
// the second, as clap does before the command's name and not behind it, would break exactly these.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The store's directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]
    #[arg(long, global = true, overrides_with = "root", value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,

    /// Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too
    #[arg(long, global = true, overrides_with = "json")]
    pub(crate) json: bool,

    /// Print exactly the result: no remarks, no progress
    #[arg(long, short, global = true, overrides_with = "quiet")]
    pub(crate) quiet: bool,

    /// Who the log says did it [env: ASTORE_ACTOR] [default: user@host]
    #[arg(long, global = true, overrides_with = "actor", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) actor: Option<String>,

    /// How long to wait for others who hold the store's lock [env: ASTORE_WAIT] [default: 10m]
    #[arg(long, global = true, overrides_with = "wait", value_name = "DURATION", value_parser = values::duration)]
    pub(crate) wait: Option<Duration>,

    /// Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]
    #[arg(long, global = true, overrides_with = "color", value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
}

/// When text is coloured.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Even into a pipe
    Always,
    /// Not at all
    Never,
}

impl ColorChoice {
    /// Decides for an output.
    pub(crate) const fn style(self, is_terminal: bool, no_color: bool) -> Style {
        match (self, is_terminal, no_color) {
            (Self::Always, _, _) | (Self::Auto, true, false) => Style::Colour,
            (Self::Never, _, _) | (Self::Auto, _, _) => Style::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals() {
        for (choice, terminal, no_color, style) in [
            (ColorChoice::Auto, true, false, Style::Colour),
            (ColorChoice::Auto, true, true, Style::Plain),
            (ColorChoice::Auto, false, false, Style::Plain),
            (ColorChoice::Always, false, true, Style::Colour),
            (ColorChoice::Never, true, false, Style::Plain),
        ] {
            assert_eq!(choice.style(terminal, no_color), style, "{choice:?} {terminal} {no_color}");
        }
    }
}
