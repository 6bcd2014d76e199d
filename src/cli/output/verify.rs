//! What verify found, below its faults, for people.

use std::io::{self, Write};

use astore::identity::ContentAddress;
use astore::registry::report as r;

use super::escape;
use super::page::Page;
use super::style::Style;
use super::units::{age, count, instant, size};
use super::window::Window;

/// Writes notes, how far the pass is, what is overdue, and a line that sums up.
pub(crate) fn verified(report: &r::VerifyReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let style = page.style;
    for note in &report.notes {
        writeln!(out, "note: {}", escape::line(note))?;
    }
    if let Some(part) = &report.part {
        covered(part, report.recorded.is_ok(), page.window, out)?;
    }
    if let Some(overdue) = &report.overdue {
        self::overdue(overdue, style, out)?;
    }
    let faults = |found: &[r::Fault], what| count(found.len() as u64, what);
    // A head that somebody had written down is nobody's object.
    let is_all_objects = report.on_record.iter().all(|fault| fault.address.is_some());
    let before_now = if is_all_objects { "damaged object" } else { "fault" };
    let verdict = match (report.faults.as_slice(), report.on_record.as_slice()) {
        ([], []) => style.good("sound"),
        ([], before) => style.bad(&format!("{} on record, none found now", faults(before, before_now))),
        (found, []) => style.bad(&faults(found, "fault")),
        (found, before) => {
            let more = faults(before, before_now);
            style.bad(&format!("{}, {more} more on record", faults(found, "fault")))
        }
    };
    let objects = count(report.objects, "object");
    let events = count(report.events, "event");
    let recorded = match &report.recorded {
        Ok(sequence) => format!("recorded as event {sequence}"),
        Err(why) => format!("not recorded: {}", escape::line(why)),
    };
    writeln!(out, "{verdict}: {objects} ({} read), {events}; {recorded}", size(report.bytes))?;
    writeln!(out, "head {}:{}", report.head_sequence, report.head_digest)
}

/// Writes which part it was, and where the next one begins.
fn covered(
    part: &r::VerifyPart,
    is_recorded: bool,
    window: Option<Window>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let short = |address| short(address, window);
    let since = part.since.map(|since| format!(", begun {}", instant(since))).unwrap_or_default();
    writeln!(
        out,
        "part {} of a pass{since}: from {} to {}",
        part.parts,
        short(&part.first),
        short(&part.last)
    )?;
    if !part.views_compared {
        writeln!(out, "the views are compared with the log by the first part of a pass")?;
    }
    match part.next {
        _ if !is_recorded => writeln!(out, "the next run begins where this one did: it is not recorded"),
        None => writeln!(out, "that was the last part: the next run begins a new pass"),
        Some(next) => {
            let (left, bytes) = (count(part.objects_left, "object"), size(part.bytes_left));
            writeln!(out, "the next run begins at {}: {left} ({bytes}) left", short(&next))
        }
    }
}

/// Writes, in a window, the beginning of an address: enough to see where it is among all.
fn short(address: &ContentAddress, window: Option<Window>) -> String {
    let mut text = address.to_string();
    if let Some(window) = window {
        text.truncate("blake3:01234567".len());
        text.push_str(window.ellipsis());
    }
    text
}

/// Writes what was not read for too long, in a line.
pub(crate) fn overdue(overdue: &r::Overdue, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let max_age = age(overdue.max_age);
    match overdue.oldest {
        None => writeln!(out, "nothing is overdue: every object was read or stored within {max_age}"),
        Some((since, address)) => writeln!(
            out,
            "{} {} ({}) not read within {max_age}, {address} not since {}",
            style.bad("overdue:"),
            count(overdue.objects, "object"),
            size(overdue.bytes),
            instant(since),
        ),
    }
}

/// Says when the last full verify was, and what it found.
pub(crate) fn last(last: &r::LastVerify, style: Style) -> String {
    let found = match last.faults {
        0 => "sound".to_owned(),
        faults => style.bad(&count(faults, "fault")),
    };
    let parts = match last.parts {
        1 => String::new(),
        parts => format!(" (in {parts} parts since {})", instant(last.since)),
    };
    format!("{}, {found}{parts}", instant(last.at))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::super::window::Glyphs;
    use super::*;

    #[test]
    fn a_verify_sums_up() {
        assert_snapshot!(rendered(|out| verified(&samples::verified(vec![]), Page::default(), out)), @"
        note: tmp/ holds leftovers of 1 writer
        sound: 3 objects (4.0 KiB read), 7 events; recorded as event 8
        head 7:5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a
        ");
        let mut report = samples::verified(vec![samples::fault()]);
        let verdict = |report: &r::VerifyReport| {
            let text = rendered(|out| verified(report, Page::default(), out));
            text.lines().nth(1).unwrap_or_default().to_owned()
        };
        assert_snapshot!(verdict(&report), @"1 fault: 3 objects (4.0 KiB read), 7 events; not recorded: the store cannot be written");
        report.on_record.push(samples::fault());
        assert_snapshot!(verdict(&report), @"1 fault, 1 damaged object more on record: 3 objects (4.0 KiB read), 7 events; not recorded: the store cannot be written");
        report.faults.clear();
        report.on_record.push(samples::fault());
        assert_snapshot!(verdict(&report), @"2 damaged objects on record, none found now: 3 objects (4.0 KiB read), 7 events; not recorded: the store cannot be written");
    }

    fn in_window(glyphs: Glyphs) -> Page {
        Page { window: Some(Window { columns: 80, glyphs }), ..Page::default() }
    }

    #[test]
    fn an_address_is_cut_as_the_window_shows_it_and_whole_in_a_pipe() {
        let report = samples::part_verified();
        let first = |page| {
            let text = rendered(|out| verified(&report, page, out));
            let line = text.lines().find(|line| line.starts_with("part ")).unwrap_or_default();
            line.split_once(" from ").unwrap_or_default().1.to_owned()
        };
        assert_eq!(first(in_window(Glyphs::Unicode)), "blake3:00000000… to blake3:3f3f3f3f…");
        assert_eq!(first(in_window(Glyphs::Ascii)), "blake3:00000000... to blake3:3f3f3f3f...");
        let whole = format!("blake3:{} to blake3:{}", "00".repeat(32), "3f".repeat(32));
        assert_eq!(first(Page::default()), whole);
    }

    #[test]
    fn a_part_says_where_the_next_begins() {
        let mut report = samples::part_verified();
        report.notes.clear();
        assert_snapshot!(rendered(|out| verified(&report, in_window(Glyphs::Unicode), out)), @"
        part 2 of a pass, begun 2027-01-15T08:00:05Z: from blake3:00000000… to blake3:3f3f3f3f…
        the views are compared with the log by the first part of a pass
        the next run begins at blake3:40404040…: 12 objects (4.0 KiB) left
        overdue: 2 objects (2.0 KiB) not read within 30d, blake3:7777777777777777777777777777777777777777777777777777777777777777 not since 2027-01-15T08:00:09Z
        sound: 3 objects (4.0 KiB read), 7 events; recorded as event 8
        head 7:5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a
        ");
        report.recorded = Err("the store cannot be written here".into());
        report.part =
            report.part.map(|part| r::VerifyPart { next: None, since: None, views_compared: true, ..part });
        report.overdue =
            report.overdue.map(|overdue| r::Overdue { objects: 0, bytes: 0, oldest: None, ..overdue });
        assert_snapshot!(rendered(|out| verified(&report, in_window(Glyphs::Unicode), out)), @"
        part 2 of a pass: from blake3:00000000… to blake3:3f3f3f3f…
        the next run begins where this one did: it is not recorded
        nothing is overdue: every object was read or stored within 30d
        sound: 3 objects (4.0 KiB read), 7 events; not recorded: the store cannot be written here
        head 7:5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a
        ");
        report.recorded = Ok(8);
        assert_snapshot!(rendered(|out| verified(&report, in_window(Glyphs::Unicode), out)), @"
        part 2 of a pass: from blake3:00000000… to blake3:3f3f3f3f…
        that was the last part: the next run begins a new pass
        nothing is overdue: every object was read or stored within 30d
        sound: 3 objects (4.0 KiB read), 7 events; recorded as event 8
        head 7:5ad6fa89f3736df96a6bc34efd3397d36452c8c03e51843feb4f2d6f7d9b045a
        ");
    }

    #[test]
    fn the_last_full_verify_is_one_run_or_many() {
        let one = r::LastVerify { at: samples::at(5), since: samples::at(5), parts: 1, faults: 0 };
        assert_snapshot!(last(&one, Style::Plain), @"2027-01-15T08:00:05Z, sound");
        assert_snapshot!(last(
            &r::LastVerify { since: samples::at(1), parts: 30, faults: 2, ..one },
            Style::Plain
        ), @"2027-01-15T08:00:05Z, 2 faults (in 30 parts since 2027-01-15T08:00:01Z)");
    }
}
