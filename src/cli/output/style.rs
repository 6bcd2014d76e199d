//! Colours, or none.

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Style {
    /// Plain bytes.
    #[default]
    Plain,
    /// With escape sequences of ECMA-48, for a terminal.
    Colour,
}

impl Style {
    /// Marks what is wrong or gone.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Marks what is new or well.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Marks what is worth a look.
    pub(crate) fn odd(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Marks a heading.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_plain() {
        assert_eq!(Style::Plain.bad("x") + &Style::Plain.strong("y"), "xy");
        assert_eq!(Style::Colour.bad("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
