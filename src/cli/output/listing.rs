//! What `list`, `files` and `log` print for people: one line a thing, however many there are.

use std::io::{self, Write};

use astore::env::Timestamp;
use astore::manifest::{Entry, EntryBody};
use astore::registry::report as r;

use super::escape;
use super::gist::gist;
use super::human::{hold, state};
use super::page::Page;
use super::table::{self, Column};
use super::units::{ago, day, instant, mode, size};
use super::window::{Window, width};

/// The columns of `list`.
const PACKAGES: [Column; 6] = [
    Column::new("REFERENCE").cut_to(12),
    Column::new("STATE").floor(9).rank(3),
    Column::new("FILES").right().floor(9).rank(5),
    Column::new("SIZE").right().floor(10).rank(1),
    Column::new("CREATED").floor(20).rank(2),
    Column::new("CLASS").cut_to(16).rank(4),
];

/// Writes packages as a table. In a window, it says how long ago they were made, as seen at an instant; in a pipe, when.
pub(crate) fn packages(
    packages: &[r::PackageSummary],
    now: Timestamp,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let row = |package: &r::PackageSummary| {
        let (created, until) = match page.window {
            Some(_) => (ago(now, package.created_at), day as fn(Timestamp) -> String),
            None => (instant(package.created_at), instant as fn(Timestamp) -> String),
        };
        let class = format!(
            "{}{}{}",
            escape::line(&package.class),
            package.expires_at.map(|at| format!(" until {}", until(at))).unwrap_or_default(),
            hold(package).map(|why| format!(" (held: {why})")).unwrap_or_default(),
        );
        [
            package.reference().into(),
            state(package),
            package.files.to_string().into(),
            size(package.bytes).into(),
            created.into(),
            class.into(),
        ]
    };
    let rows: Vec<_> = packages.iter().map(row).collect();
    table::write(&PACKAGES, &rows, page, out)
}

/// In a window narrower than this, modes are left out.
const COLUMNS_FOR_MODES: usize = 60;

/// Writes an entry: mode, size, path, and where a symlink points.
pub(crate) fn entry(entry: &Entry, window: Option<Window>, out: &mut dyn Write) -> io::Result<()> {
    let length = entry.object().map_or_else(|| "-".to_owned(), |object| size(object.size_bytes));
    let facts = match window {
        Some(window) if window.columns < COLUMNS_FOR_MODES => format!("{length:>10}  "),
        Some(_) | None => format!("{}  {length:>10}  ", mode(entry)),
    };
    let mut path = escape::bytes(entry.path.as_bytes());
    if let EntryBody::Symlink { target } = &entry.body {
        path.push_str(" -> ");
        path.push_str(&escape::bytes(target));
    }
    if let Some(window) = window {
        path = window.cut(&path, window.columns.saturating_sub(facts.len()));
    }
    writeln!(out, "{facts}{path}")
}

/// Writes an event in a line.
pub(crate) fn event(row: &r::EventRow, Page { style, window }: Page, out: &mut dyn Write) -> io::Result<()> {
    let event = &row.line;
    let (what, kind) = (escape::line(&event.event_type), escape::line(&event.subject_kind));
    let (subject, actor) = (escape::line(&event.subject_id), escape::line(&event.actor));
    let gist = gist(row).map(|gist| format!("  {gist}")).unwrap_or_default();
    let Some(window) = window else {
        let what = style.strong(&format!("{what:<24}"));
        let (sequence, at) = (event.sequence, event.created_at);
        return writeln!(out, "{sequence:>8}  {at}  {what}  {kind} {subject}  {actor}{gist}");
    };
    let is_narrow = window.columns < COLUMNS_FOR_SUBJECTS;
    let at = if is_narrow { day(event.created_at) } else { instant(event.created_at) };
    let facts = format!("{:>6}  {at}  ", event.sequence);
    let room = window.columns.saturating_sub(width(&facts));
    let what = window.cut(&what, room.min(24));
    let pad = " ".repeat(24_usize.saturating_sub(width(&what)));
    let about = match &row.package {
        Some(reference) => reference.clone(),
        None => format!("{kind} {}", begun(&subject)),
    };
    let rest = format!("{pad}  {about}  {actor}{gist}");
    let rest =
        if is_narrow { String::new() } else { window.cut_end(&rest, room.saturating_sub(width(&what))) };
    writeln!(out, "{facts}{}{rest}", style.strong(&what))
}

/// In a window narrower than this, `log` says no more than when and what.
const COLUMNS_FOR_SUBJECTS: usize = 70;

/// Returns as much of an id as a REF takes; what is no id stays as it is.
fn begun(subject: &str) -> &str {
    let is_id = subject.len() == 36 && subject.bytes().filter(|&byte| byte == b'-').count() == 4;
    if is_id { &subject[..13] } else { subject }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::super::style::Style;
    use super::super::window;
    use super::*;

    #[test]
    fn packages_are_a_table() {
        let list = [samples::removed(), samples::finalized(), samples::open()];
        assert_snapshot!(rendered(|out| packages(&list, samples::at(99), Page::default(), out)), @r#"
        REFERENCE  STATE          FILES        SIZE  CREATED               CLASS
        doc@1      removed            3     1.2 MiB  2027-01-15T08:00:00Z  transient until 2027-01-22T08:00:01Z
        doc@2      finalized          3     1.2 MiB  2027-01-15T08:00:00Z  transient until 2027-01-22T08:00:01Z (held: case 4711\n)
        run@11     open               0         0 B  2027-01-15T08:00:00Z  permanent-record
        "#);
        let colourless = |text: String| {
            text.split('\u{1b}')
                .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest))
                .collect::<String>()
        };
        let coloured = rendered(|out| {
            packages(&list, samples::at(99), Page { style: Style::Colour, window: None }, out)
        });
        assert_eq!(coloured.split_once('\u{1b}').map(|(before, _)| before), Some(""));
        assert_eq!(
            colourless(format!("\u{1b}m{coloured}")),
            rendered(|out| packages(&list, samples::at(99), Page::default(), out))
        );
    }

    #[test]
    fn entries_are_lines_whatever_their_names() {
        let text = rendered(|out| samples::entries().iter().try_for_each(|one| entry(one, None, out)));
        assert_snapshot!(text, @r#"
        drwxr-xr-x           -  bin
        -rwsr-xr-x         8 B  bin/tool
        -rw-r--r--         5 B  caf\xe9\n
        lrwxrwxrwx           -  link -> ../\xff
        "#);
    }

    #[test]
    fn an_event_is_a_line() {
        assert_snapshot!(rendered(|out| event(&samples::event(), Page::default(), out)), @r#"       7  2027-01-15T08:00:09.000250Z  v1.package.removed        package 0193c2a4-7e1f-7000-8000-000000000001  ann@box\n"#);
    }

    fn page(columns: usize) -> Page {
        Page { window: Some(window::of(columns)), ..Page::default() }
    }

    /// All three at a terminal of so many columns.
    fn seen(columns: usize) -> String {
        let mut long = samples::finalized();
        long.name = "a-name-that-goes-on-and-on-and-on-for-ever".parse().unwrap();
        let list = [samples::removed(), samples::open(), long];
        let page = page(columns);
        rendered(|out| {
            packages(&list, samples::at(200_000), page, out)?;
            samples::entries().iter().try_for_each(|one| entry(one, page.window, out))?;
            event(&samples::event(), page, out)
        })
    }

    #[test]
    fn every_line_fits_the_window() {
        for columns in 40..140 {
            let text = seen(columns);
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}:\n{text}");
        }
        assert_snapshot!(seen(120), @r#"
        REFERENCE                                 STATE      FILES     SIZE  CREATED     CLASS
        doc@1                                     removed        3  1.2 MiB  2 days ago  transient until 2027-01-22
        run@11                                    open           0      0 B  2 days ago  permanent-record
        a-name-that-goes-on-…n-and-on-for-ever@2  finalized      3  1.2 MiB  2 days ago  transient until 202…(held: case 4711\n)
        drwxr-xr-x           -  bin
        -rwsr-xr-x         8 B  bin/tool
        -rw-r--r--         5 B  caf\xe9\n
        lrwxrwxrwx           -  link -> ../\xff
             7  2027-01-15T08:00:09Z  v1.package.removed        doc@1  ann@box\n
        "#);
        assert_snapshot!(seen(80), @r#"
        REFERENCE             STATE      FILES     SIZE  CREATED     CLASS
        doc@1                 removed        3  1.2 MiB  2 days ago  transient…027-01-22
        run@11                open           0      0 B  2 days ago  permanent-record
        a-name-tha…or-ever@2  finalized      3  1.2 MiB  2 days ago  transient…e 4711\n)
        drwxr-xr-x           -  bin
        -rwsr-xr-x         8 B  bin/tool
        -rw-r--r--         5 B  caf\xe9\n
        lrwxrwxrwx           -  link -> ../\xff
             7  2027-01-15T08:00:09Z  v1.package.removed        doc@1  ann@box\n
        "#);
        assert_snapshot!(seen(40), @r#"
        REFERENCE               SIZE  CREATED
        doc@1                1.2 MiB  2 days ago
        run@11                   0 B  2 days ago
        a-name-th…or-ever@2  1.2 MiB  2 days ago
                 -  bin
               8 B  bin/tool
               5 B  caf\xe9\n
                 -  link -> ../\xff
             7  2027-01-15  v1.package.removed
        "#);
    }
}
