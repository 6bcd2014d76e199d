//! Tables: columns as wide as what stands in them, and, on a terminal, no wider than its window.
//!
//! Into a pipe everything is written in full. In a window, long names lose their middle; where that does not do,
//! columns go, those first that say least.

use std::io::{self, Write};

use super::page::Page;
use super::style::Style;
use super::window::width;

/// Between two columns.
const GAP: usize = 2;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    head: &'static str,
    is_right: bool,
    /// At least so wide where nothing has to fit.
    floor: usize,
    /// Not cut below this; `None` is not cut at all.
    least: Option<usize>,
    /// Those with the highest go first; 0 stays.
    rank: u8,
}

impl Column {
    /// A column of words, flush left, that stays and is never cut.
    pub(crate) const fn new(head: &'static str) -> Self {
        Self { head, is_right: false, floor: 0, least: None, rank: 0 }
    }

    /// Sets it flush right.
    pub(crate) const fn right(self) -> Self {
        Self { is_right: true, ..self }
    }

    /// Makes it at least so wide where nothing has to fit.
    pub(crate) const fn floor(self, floor: usize) -> Self {
        Self { floor, ..self }
    }

    /// Lets what stands in it lose its middle, down to so many columns.
    pub(crate) const fn cut_to(self, least: usize) -> Self {
        Self { least: Some(least), ..self }
    }

    /// Lets it go where there is no room; those of the highest rank first.
    pub(crate) const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// How a text is coloured.
type Paint = fn(Style, &str) -> String;

/// What stands in a row, in a column.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// Text that is coloured, if it is, only once it is known how much of it is shown.
    pub(crate) fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: text.into(), paint: Some(paint) }
    }
}

impl Cell {
    /// Returns all of it, coloured.
    pub(crate) fn shown(&self, style: Style) -> String {
        self.paint.map_or_else(|| self.text.clone(), |paint| paint(style, &self.text))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), paint: None }
    }
}

/// Writes a table. The heads are bold.
pub(crate) fn write<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    Page { style, window }: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let natural = |at: usize| {
        let widest = rows.iter().map(|row| width(&row[at].text)).max().unwrap_or(0);
        let floor = if window.is_some() { 0 } else { columns[at].floor };
        widest.max(width(columns[at].head)).max(floor)
    };
    let widths: [usize; N] = std::array::from_fn(natural);
    let shown = match window {
        None => (0..N).map(|at| (at, widths[at])).collect(),
        Some(window) => fit(columns, &widths, window.columns),
    };
    let line = |cell: &dyn Fn(usize) -> Cell| {
        let mut line = String::new();
        for &(at, wide) in &shown {
            let Cell { text, paint } = cell(at);
            let text = window.map_or_else(|| text.clone(), |window| window.cut(&text, wide));
            let pad = " ".repeat(wide.saturating_sub(width(&text)));
            let text = paint.map_or_else(|| text.clone(), |paint| paint(style, &text));
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            line.push_str(&if columns[at].is_right { pad + &text } else { text + &pad });
        }
        line.truncate(line.trim_end().len());
        line
    };
    let head = line(&|at| columns[at].head.into());
    writeln!(out, "{}", style.strong(&head))?;
    for row in rows {
        writeln!(out, "{}", line(&|at| row[at].clone()))?;
    }
    Ok(())
}

/// Chooses which columns are shown, and how wide each is.
fn fit(columns: &[Column], natural: &[usize], room: usize) -> Vec<(usize, usize)> {
    // A column of which no row has anything takes no room.
    let mut shown: Vec<(usize, usize)> =
        (0..columns.len()).filter(|&at| natural[at] > 0).map(|at| (at, natural[at])).collect();
    let total = |shown: &[(usize, usize)]| {
        shown.iter().map(|(_, wide)| wide + GAP).sum::<usize>().saturating_sub(GAP)
    };
    let least = |(at, wide): (usize, usize)| columns[at].least.map_or(wide, |least| least.min(wide));
    loop {
        let smallest: Vec<(usize, usize)> = shown.iter().map(|&one| (one.0, least(one))).collect();
        if total(&smallest) <= room {
            break;
        }
        let goes = shown.iter().map(|&(at, _)| at).filter(|&at| columns[at].rank > 0);
        let Some(goes) = goes.max_by_key(|&at| columns[at].rank) else {
            return smallest; // narrower than anything that makes sense: lines wrap
        };
        shown.retain(|&(at, _)| at != goes);
    }
    while total(&shown) > room {
        // The widest gives, so that none is cut while a wider one is whole.
        let cuttable = shown.iter_mut().filter(|(at, wide)| least((*at, *wide)) < *wide);
        let Some((_, wide)) = cuttable.max_by_key(|(_, wide)| *wide) else { break };
        *wide -= 1;
    }
    shown
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::rendered;
    use super::super::window;
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::new("NAME").cut_to(6),
        Column::new("STATE").floor(9).rank(2),
        Column::new("SIZE").right().floor(8),
        Column::new("WHY").cut_to(6).rank(3),
    ];

    fn table(columns: Option<usize>) -> String {
        let rows = [
            ["a".into(), Cell::painted("open", Style::odd), "1 B".into(), String::new().into()],
            ["漢字-builds@12".into(), "finalized".into(), "12 B".into(), "because it is wanted".into()],
        ];
        let page = Page { window: columns.map(window::of), ..Page::default() };
        rendered(|out| write(&COLUMNS, &rows, page, out))
    }

    #[test]
    fn a_pipe_gets_it_all() {
        assert_snapshot!(table(None), @"
        NAME            STATE          SIZE  WHY
        a               open            1 B
        漢字-builds@12  finalized      12 B  because it is wanted
        ");
    }

    #[test]
    fn a_window_gets_what_fits() {
        for columns in 20..100 {
            let text = table(Some(columns));
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}:\n{text}");
        }
        assert_snapshot!(table(Some(45)), @r#"
        NAME           STATE      SIZE  WHY
        a              open        1 B
        漢字-b…lds@12  finalized  12 B  becaus…wanted
        "#);
        assert_snapshot!(table(Some(32)), @r#"
        NAME     STATE      SIZE  WHY
        a        open        1 B
        漢…@12   finalized  12 B  bec…ed
        "#);
        assert_snapshot!(table(Some(20)), @r#"
        NAME            SIZE
        a                1 B
        漢字-builds@12  12 B
        "#);
    }

    #[test]
    fn colour_takes_no_room() {
        let rows = [[Cell::painted("open", Style::odd), "x".into()]];
        let columns = [Column::new("S").floor(6), Column::new("X")];
        let page = Page { style: Style::Colour, window: None };
        let text = rendered(|out| write(&columns, &rows, page, out));
        assert!(text.ends_with("\u{1b}[33mopen\u{1b}[0m    x\n"), "{text:?}");
    }
}
