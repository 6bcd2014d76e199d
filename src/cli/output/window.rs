//! The window that a person looks through: how wide it is, and what is done with text that is wider.
//!
//! Only a terminal has one. What goes into a pipe or a file is never cut, wrapped or shortened: for that the window is
//! `None` all along.

use unicode_width::UnicodeWidthStr as _;

/// A terminal's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// How many columns it has.
    pub(crate) columns: usize,
    /// Which characters can be counted on.
    pub(crate) glyphs: Glyphs,
}

/// Which characters a terminal can be counted on to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Glyphs {
    /// Those of ASCII.
    #[default]
    Ascii,
    /// All of them: the locale is one of UTF-8.
    Unicode,
}

/// A window of which nobody says how wide it is.
const COLUMNS_USUAL: usize = 80;

/// Narrower than this nothing is made to fit: lines wrap.
const COLUMNS_MIN: usize = 20;

impl Window {
    /// Makes a window of what `COLUMNS` says, else of what the terminal says, else of the usual width: a serial line, and a
    /// terminal whose size nobody has set, say 0.
    pub(crate) fn new(variable: Option<&str>, terminal: Option<u16>, glyphs: Glyphs) -> Self {
        let said = variable.and_then(|text| text.parse().ok()).filter(|&columns: &usize| columns > 0);
        let terminal = terminal.map(usize::from).filter(|&columns| columns > 0);
        let columns = said.or(terminal).unwrap_or(COLUMNS_USUAL).max(COLUMNS_MIN);
        Self { columns, glyphs }
    }

    /// Returns what stands for text that was left out.
    pub(crate) const fn ellipsis(self) -> &'static str {
        match self.glyphs {
            Glyphs::Ascii => "...",
            Glyphs::Unicode => "…",
        }
    }

    /// Cuts out the middle of a text that is wider than this many columns: a name tells by its beginning and its end.
    pub(crate) fn cut(self, text: &str, columns: usize) -> String {
        if width(text) <= columns {
            return text.to_owned();
        }
        let ellipsis = self.ellipsis();
        let Some(room) = columns.checked_sub(width(ellipsis)) else {
            return String::new();
        };
        let back = room / 2;
        let (head, tail) = (front(text, room - back), end(text, back));
        format!("{head}{ellipsis}{tail}")
    }

    /// Leaves off the end of a text that is wider than this many columns.
    pub(crate) fn cut_end(self, text: &str, columns: usize) -> String {
        if width(text) <= columns {
            return text.to_owned();
        }
        let ellipsis = self.ellipsis();
        let Some(room) = columns.checked_sub(width(ellipsis)) else {
            return String::new();
        };
        format!("{}{ellipsis}", front(text, room))
    }

    /// Breaks a sentence between words where the window ends; what follows is set in by this many columns. A word that
    /// is wider than the window stays whole: it may be one to be copied.
    pub(crate) fn wrap(self, text: &str, indent: usize) -> String {
        let mut wrapped = String::with_capacity(text.len());
        let mut at = 0;
        for (number, word) in text.split(' ').enumerate() {
            let wide = width(&plain(word));
            if at > indent && at + 1 + wide > self.columns {
                wrapped.push('\n');
                wrapped.push_str(&" ".repeat(indent));
                at = indent;
            } else if number > 0 {
                wrapped.push(' ');
                at += 1;
            }
            wrapped.push_str(word);
            at += wide;
        }
        wrapped
    }
}

/// Returns how many columns a text takes: two for a wide character, none for one that is laid over its neighbour.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Takes out the escape sequences of [`super::style::Style`].
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest)));
    plain
}

/// Returns the longest beginning that fits, with all that is laid over its last character.
fn front(text: &str, columns: usize) -> &str {
    let fits = |&end: &usize| width(&text[..end]) <= columns;
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    &text[..ends.take_while(fits).last().unwrap_or(0)]
}

/// Returns the longest end that fits, which begins with a character of its own.
fn end(text: &str, columns: usize) -> &str {
    let starts = text.char_indices().rev().map(|(at, _)| at);
    let fits = |&start: &usize| width(&text[start..]) <= columns;
    let is_own = |start: &usize| {
        text[*start..].chars().next().is_some_and(|first| width(first.encode_utf8(&mut [0; 4])) > 0)
    };
    &text[starts.take_while(fits).filter(is_own).last().unwrap_or(text.len())..]
}

#[cfg(test)]
pub(crate) const fn of(columns: usize) -> Window {
    Window { columns, glyphs: Glyphs::Unicode }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_variable_comes_first_and_nonsense_is_no_width() {
        let columns = |variable, terminal| Window::new(variable, terminal, Glyphs::Ascii).columns;
        assert_eq!(columns(Some("100"), Some(60)), 100);
        assert_eq!(columns(None, Some(60)), 60);
        for nonsense in ["", "0", "-5", "wide"] {
            assert_eq!(columns(Some(nonsense), Some(60)), 60, "{nonsense:?}");
        }
        assert_eq!((columns(None, None), columns(None, Some(0)), columns(Some("3"), None)), (80, 80, 20));
    }

    #[test]
    fn a_long_name_loses_its_middle() {
        let window = of(80);
        assert_eq!(window.cut("short", 5), "short");
        assert_eq!(window.cut("a-rather-long-name@12", 12), "a-rath…me@12");
        assert_eq!(
            Window { glyphs: Glyphs::Ascii, ..window }.cut("a-rather-long-name@12", 12),
            "a-rat...e@12"
        );
        // A wide character takes two columns and is not halved; what lies over a letter stays with it.
        assert_eq!(window.cut("漢字漢字漢字", 7), "漢…漢字".replace("漢字", "字"));
        assert_eq!(window.cut("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", 4), "e\u{301}e\u{301}…e\u{301}");
        assert_eq!((width("漢字"), width("e\u{301}"), width("ab")), (4, 1, 2));
        assert_eq!(window.cut("name", 0), "");
    }

    #[test]
    fn a_sentence_breaks_between_words() {
        let window = of(20);
        assert_eq!(window.wrap("one two three four five six", 2), "one two three four\n  five six");
        let plan = "p".repeat(50);
        assert_eq!(window.wrap(&format!("a {plan} b"), 0), format!("a\n{plan}\nb"));
        // What colours takes no room.
        let red = "\u{1b}[31mone two\u{1b}[0m three four";
        assert_eq!(window.wrap(red, 0), red);
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in "\\PC{0,40}", columns in 0_usize..50) {
            for glyphs in [Glyphs::Ascii, Glyphs::Unicode] {
                let cut = Window { columns: 80, glyphs }.cut(&text, columns);
                prop_assert!(width(&cut) <= columns, "{cut:?}");
                prop_assert!(cut == text || width(&text) > columns);
            }
        }
    }
}
