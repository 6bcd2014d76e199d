//! `stats` in a window: the same facts, and bars for what can be compared.

use std::io::{self, Write};

use astore::registry::report as r;

use super::escape;
use super::human;
use super::page::Page;
use super::style::Style;
use super::units::{count, size};
use super::window::{Glyphs, Window, width};

/// A bar is no longer than this: a glance takes in no more.
const BAR_COLUMNS_MAX: usize = 40;

/// A bar that could not be longer than this is left out.
const BAR_COLUMNS_MIN: usize = 4;

/// At most so many months, the newest.
const MONTHS_MAX: usize = 12;

/// Writes what the store holds; `plan` is the command that says what a gc would bring back.
pub(crate) fn stats(
    report: &r::StatsReport,
    window: Window,
    style: Style,
    plan: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let page = Page { style, window: Some(window) };
    for (name, value) in human::stats_facts(report) {
        // A word that is too long, as the root may be, has no place to break.
        let value =
            if value.contains(' ') { value } else { window.cut(&value, window.columns.saturating_sub(16)) };
        page.say_under(&format!("{name:<16}{value}"), 16, out)?;
    }
    if report.saved_bytes() > 0 {
        let (saved, all) = (report.saved_bytes(), report.logical_bytes);
        let percent = u128::from(saved) * 100 / u128::from(all.max(1));
        page.say_under(
            &format!("{:<16}{} of {} ({percent}%)", "sharing saves", size(saved), size(all)),
            16,
            out,
        )?;
    }
    page.say_under(&format!("{:<16}see '{plan}'", "a gc would free"), 16, out)?;
    let packages = |number: u64| count(number, "package");
    let largest = report.largest.iter().map(|(name, bytes)| (name.clone(), String::new(), *bytes));
    chart("largest packages", largest.collect(), window, style, out)?;
    let classes = report.classes.iter().filter(|(_, packages, _)| *packages > 0);
    let classes = classes.map(|(class, number, bytes)| (escape::line(class), packages(*number), *bytes));
    chart("classes", classes.collect(), window, style, out)?;
    let months = report.months.iter().skip(report.months.len().saturating_sub(MONTHS_MAX));
    let months = months.map(|(month, number, bytes)| (month.clone(), packages(*number), *bytes));
    chart("made in", months.collect(), window, style, out)
}

/// Writes rows of a name, a remark and bytes, each with a bar as long as its share of the largest.
fn chart(
    heading: &str,
    rows: Vec<(String, String, u64)>,
    window: Window,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.strong(heading))?;
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let mut remark = widest(&mut rows.iter().map(|(_, remark, _)| width(remark)));
    if window.columns < 60 {
        remark = 0; // narrow: the bytes say more
    }
    let beside = 2 + 2 + 10 + if remark > 0 { remark + 2 } else { 0 };
    let name = widest(&mut rows.iter().map(|(name, ..)| width(name)));
    let name = name.min((window.columns / 3).max(8)).min(window.columns.saturating_sub(beside));
    let room = window.columns.saturating_sub(beside + name + 2).min(BAR_COLUMNS_MAX);
    let most = rows.iter().map(|(_, _, bytes)| *bytes).max().unwrap_or(0);
    for (label, said, bytes) in rows {
        let label = window.cut(&label, name);
        let mut line = format!("  {label}{}", " ".repeat(name - width(&label)));
        if remark > 0 {
            line.push_str(&format!("  {said:>remark$}"));
        }
        line.push_str(&format!("  {:>10}", size(bytes)));
        let bar = if room < BAR_COLUMNS_MIN { String::new() } else { bar(bytes, most, room, window.glyphs) };
        writeln!(out, "{}", format!("{line}  {bar}").trim_end())?;
    }
    Ok(())
}

/// Draws a part of the largest as a bar of up to so many columns: to the eighth of one where the characters are there.
/// What is not nothing is seen.
fn bar(part: u64, most: u64, columns: usize, glyphs: Glyphs) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let steps = match glyphs {
        Glyphs::Ascii => columns,
        Glyphs::Unicode => columns * 8,
    };
    let share = u128::from(part) * (steps as u128) / u128::from(most.max(1));
    let share = usize::try_from(share).unwrap_or(steps).max(usize::from(part > 0));
    match glyphs {
        Glyphs::Ascii => "#".repeat(share),
        Glyphs::Unicode => "█".repeat(share / 8) + EIGHTHS[share % 8],
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::super::window;
    use super::*;

    fn drawn(window: Window) -> String {
        rendered(|out| stats(&samples::stats(), window, Style::Plain, "astore gc", out))
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        for (part, ascii, unicode) in [
            (0, "", ""),
            (1, "#", "▏"),
            (500, "####", "████"),
            (560, "####", "████▍"),
            (1000, "########", "████████"),
        ] {
            assert_eq!(bar(part, 1000, 8, Glyphs::Ascii), ascii, "{part}");
            assert_eq!(bar(part, 1000, 8, Glyphs::Unicode), unicode, "{part}");
        }
        assert_eq!(bar(u64::MAX, u64::MAX, 8, Glyphs::Ascii), "########");
        assert_eq!(bar(0, 0, 8, Glyphs::Unicode), "");
    }

    #[test]
    fn pictures_fit_the_window() {
        for columns in 40..130 {
            for glyphs in [Glyphs::Ascii, Glyphs::Unicode] {
                let text = drawn(Window { columns, glyphs });
                let widest = text.lines().map(width).max();
                assert!(widest <= Some(columns), "{columns} {glyphs:?}:\n{text}");
            }
        }
        assert_snapshot!(drawn(window::of(80)), @r#"
        root            /srv/astore
        store           00000000-0000-0000-0000-000000000001
        events          7
        packages        2 finalized, 1 open, 3 removed
        objects         4 (4.0 KiB)
        in packages     12.0 KiB, equal files counted each time
        purged objects  0
        ever purged     3 objects by 2 gcs, 4.0 KiB freed
        last gc         2027-01-15T08:00:11Z by ann@box, event 11: disk\nfull
        log and views   64.0 KiB
        sharing saves   8.0 KiB of 12.0 KiB (66%)
        a gc would free see 'astore gc'
        largest packages
          doc@2      8.0 KiB  ████████████████████████████████████████
          run@11     4.0 KiB  ████████████████████
        classes
          permanent-record   1 package         0 B
          transient         2 packages     4.0 KiB  ████████████████████████████████████
        made in
          2026-12   1 package     4.0 KiB  ████████████████████
          2027-01  2 packages     8.0 KiB  ████████████████████████████████████████
        "#);
        assert_snapshot!(drawn(Window { columns: 40, glyphs: Glyphs::Ascii }), @r#"
        root            /srv/astore
        store           00000000-00...0000000001
        events          7
        packages        2 finalized, 1 open, 3
                        removed
        objects         4 (4.0 KiB)
        in packages     12.0 KiB, equal files
                        counted each time
        purged objects  0
        ever purged     3 objects by 2 gcs, 4.0
                        KiB freed
        last gc         2027-01-15T08:00:11Z by
                        ann@box, event 11:
                        disk\nfull
        log and views   64.0 KiB
        sharing saves   8.0 KiB of 12.0 KiB
                        (66%)
        a gc would free see 'astore gc'
        largest packages
          doc@2      8.0 KiB  ##################
          run@11     4.0 KiB  #########
        classes
          perma...ecord         0 B
          transient         4.0 KiB  ###########
        made in
          2026-12     4.0 KiB  ########
          2027-01     8.0 KiB  #################
        "#);
    }
}
