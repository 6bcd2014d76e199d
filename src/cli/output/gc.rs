//! What a gc would take and what it took, for people.

use std::io::{self, Write};

use astore::registry::report as r;
use astore::retention::Reason;

use super::escape;
use super::page::Page;
use super::table::{self, Cell, Column};
use super::units::{age, count, instant, size};
use super::words;

/// At most so many lines of packages, and as many of pins and holds: the document has them all.
const LINES_MAX: usize = 40;

/// At most so many lines of what could not be deleted.
const FAILURES_MAX: usize = 20;

/// Writes a plan; `carry_out` is the command line that does it, where that is still to be typed.
pub(crate) fn plan(
    report: &r::PlanReport,
    carry_out: Option<&str>,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reasons = report.reasons.iter().map(|&(reason, objects, bytes)| {
        (reason.name().to_owned(), objects, bytes, explained(reason).to_owned())
    });
    table("REASON", reasons, page, out)?;
    let packages = report.packages.iter().map(|package| {
        (package.reference.clone(), package.objects, package.bytes, words::lost(&package.why))
    });
    table("PACKAGE", packages, page, out)?;
    kept(&report.kept, report.kept_total, page, out)?;
    if let Some(young) = &report.young {
        let sentence = format!(
            "{} younger than {} (the last until {}); --min-age 0s is the way if they are meant too",
            are(young.objects, young.bytes),
            age(report.plan.name().min_age()),
            instant(young.until),
        );
        page.say(&sentence, out)?;
    }
    for sequence in &report.unfinished {
        page.say(
            &format!("the gc that event {sequence} began is not finished; a confirmed gc ends it"),
            out,
        )?;
    }
    if report.remains > 0 {
        let lie = if report.remains == 1 { "lies" } else { "lie" };
        let files = count(report.remains, "file");
        let sentence =
            format!("{files} of objects purged before still {lie} there; a confirmed gc deletes them");
        page.say(&sentence, out)?;
    }
    let r::Leftovers { writers, bytes } = report.leftovers;
    if writers > 0 {
        let (bytes, writers) = (size(bytes), count(writers, "writer"));
        writeln!(out, "{bytes} of {writers}, at work or dead, in tmp/; a confirmed gc deletes what is dead")?;
    }
    if let Some(doubt) = &report.clock {
        let sentence = format!(
            "{} it reads {}, and the log's last event is of {}; a confirmed gc refuses without --accept-clock",
            page.style.odd("this machine's clock looks wrong:"),
            instant(doubt.now),
            instant(doubt.last_event),
        );
        page.say(&sentence, out)?;
    }
    match report.plan.objects().len() as u64 {
        0 => writeln!(out, "nothing would go under this plan:")?,
        objects => {
            let total = page.style.strong(&amount(objects, report.plan.bytes()));
            writeln!(out, "{total} would go under this plan:")?;
        }
    }
    writeln!(out, "{}", report.plan.name())?;
    match carry_out {
        Some(line) => writeln!(out, "carry it out with:\n  {line}"),
        None => Ok(()),
    }
}

/// Writes what would be freed if some packages were removed.
pub(crate) fn without(report: &r::WithoutReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let freed = page.style.strong(&amount(report.objects.len() as u64, report.bytes));
    let packages = report.packages.join(", ");
    page.say(&format!("without {packages}, a confirmed gc would free {freed}"), out)?;
    let (objects, bytes) = report.shared;
    if objects > 0 {
        let stays = amount(objects, bytes);
        page.say(&format!("{stays} would stay, kept by other packages, pins or holds"), out)?;
    }
    keepers(&report.kept, None, page, out)
}

/// Writes what a confirmed gc did.
pub(crate) fn collected(report: &r::CollectReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for round in &report.resumed {
        page.say(&resumed(round), out)?;
    }
    if report.remains_deleted > 0 {
        writeln!(out, "deleted {} of objects purged before", count(report.remains_deleted, "file"))?;
    }
    let sum = |of: fn(&r::Round) -> u64| report.rounds.iter().map(of).sum::<u64>();
    let freed = amount(sum(|round| round.objects), sum(|round| round.bytes));
    match report.rounds.as_slice() {
        [] if report.resumed.is_empty() && report.remains_deleted == 0 => {
            writeln!(out, "nothing was purged")?;
        }
        [] => writeln!(out, "nothing else was to go")?,
        [one] => writeln!(out, "freed {} (event {})", page.style.good(&freed), one.started)?,
        [first, .., last] => {
            let events = format!("events {} to {}", first.started, last.completed);
            writeln!(out, "freed {} ({events})", page.style.good(&freed))?;
        }
    }
    let missing = sum(|round| round.missing);
    if missing > 0 {
        let (were, are) = if missing == 1 { ("was", "is") } else { ("were", "are") };
        let objects = count(missing, "object");
        page.say(&format!("{objects} {were} missing already and {are} purged all the same"), out)?;
    }
    Ok(())
}

/// Says how a gc was finished that had been ended half-way. What it had deleted by then is missing now, and is so
/// because of it.
fn resumed(round: &r::Round) -> String {
    let started = round.started;
    let freed = match round.objects {
        0 => "nothing was left to be deleted".to_owned(),
        objects => format!("freed {}", amount(objects, round.bytes)),
    };
    let before = match round.missing {
        0 => String::new(),
        missing => format!("; {} it had deleted before it was ended", count(missing, "object")),
    };
    format!("finished the gc that event {started} began: {freed}{before}")
}

/// Writes what could not be deleted, an object in a line.
pub(crate) fn failures(report: &r::CollectReport, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for (address, why) in report.failed().take(FAILURES_MAX) {
        writeln!(out, "{} {address}: {}", page.style.bad("not deleted"), escape::line(why))?;
    }
    more(report.failed().count().saturating_sub(FAILURES_MAX), out)
}

/// Writes a number of objects and their bytes.
pub(crate) fn amount(objects: u64, bytes: u64) -> String {
    format!("{}, {}", count(objects, "object"), size(bytes))
}

fn are(objects: u64, bytes: u64) -> String {
    format!("{} {}", amount(objects, bytes), if objects == 1 { "is" } else { "are" })
}

const fn explained(reason: Reason) -> &'static str {
    match reason {
        Reason::Removed => "of removed packages",
        Reason::Expired => "of expired packages",
        Reason::Stored => "stored by adds, in no package",
        Reason::Unrecorded => "files that no event names",
    }
}

fn kept(kept: &[r::Kept], total: (u64, u64), page: Page, out: &mut dyn Write) -> io::Result<()> {
    keepers(kept, (kept.len() > 1).then_some(total), page, out)
}

/// Writes pins and holds with what only they keep; what several keep is counted once in the total.
fn keepers(kept: &[r::Kept], total: Option<(u64, u64)>, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let rows = kept.iter().map(|kept| {
        let by = match &kept.by {
            r::Keeper::Pin(name) => format!("pin {}", escape::line(name)),
            r::Keeper::Hold(reference) => format!("hold on {reference}"),
        };
        (by, kept.objects, kept.bytes, String::new())
    });
    table("KEPT BY", rows, page, out)?;
    match total {
        Some((objects, bytes)) => {
            page.say(&format!("{} kept by pins and holds alone", are(objects, bytes)), out)
        }
        None => Ok(()),
    }
}

/// Writes rows of a name, objects, bytes and more under a heading, or nothing where there are none.
fn table(
    heading: &'static str,
    rows: impl ExactSizeIterator<Item = (String, u64, u64, String)>,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    if rows.len() == 0 {
        return Ok(());
    }
    let columns = [
        Column::new(heading).floor(16).cut_to(12),
        Column::new("OBJECTS").right().floor(9).rank(1),
        Column::new("SIZE").right().floor(10),
        Column::new("").cut_to(16).rank(2),
    ];
    let beyond = rows.len().saturating_sub(LINES_MAX);
    let rows: Vec<[Cell; 4]> = rows
        .take(LINES_MAX)
        .map(|(name, objects, bytes, more)| {
            [name.into(), objects.to_string().into(), size(bytes).into(), more.into()]
        })
        .collect();
    table::write(&columns, &rows, page, out)?;
    more(beyond, out)
}

fn more(beyond: usize, out: &mut dyn Write) -> io::Result<()> {
    match beyond {
        0 => Ok(()),
        beyond => writeln!(out, "and {beyond} more"),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::*;

    #[test]
    fn a_plan_says_what_would_go_and_what_keeps_the_rest() {
        assert_snapshot!(rendered(|out| plan(&samples::plan(), Some("astore gc --confirm=PLAN"), Page::default(), out)), @r"
        REASON              OBJECTS        SIZE
        removed                   1     3.9 KiB  of removed packages
        unrecorded                1     4.9 KiB  files that no event names
        PACKAGE             OBJECTS        SIZE
        doc@1                     1     3.9 KiB  removed by event 7, 2027-01-15T08:00:09Z: wrong\nbranch
        run@11                    1     3.9 KiB  expired 2027-01-15T08:00:50Z (transient)
        KEPT BY             OBJECTS        SIZE
        pin keep                  2     2.0 KiB
        hold on doc@2             1     1.0 KiB
        2 objects, 2.0 KiB are kept by pins and holds alone
        3 objects, 3.0 KiB are younger than 24h (the last until 2027-01-16T08:00:00Z); --min-age 0s is the way if they are meant too
        the gc that event 5 began is not finished; a confirmed gc ends it
        1 file of objects purged before still lies there; a confirmed gc deletes them
        5.0 MiB of 1 writer, at work or dead, in tmp/; a confirmed gc deletes what is dead
        this machine's clock looks wrong: it reads 2027-01-15T08:01:00Z, and the log's last event is of 2027-01-15T08:10:00Z; a confirmed gc refuses without --accept-clock
        2 objects, 8.8 KiB would go under this plan:
        1800000060000250-86400-3b20e1e1361a4b2a28ad6bec3c296e7c8c0c6d795bc7a6f08bda60c09ecc5533
        carry it out with:
          astore gc --confirm=PLAN
        ");
        assert_snapshot!(rendered(|out| plan(&samples::empty_plan(), None, Page::default(), out)), @"
        nothing would go under this plan:
        1800000060000250-0-e90b0bfc9ca02c22a5d729588a67b170ecbef92ddd9b45bf8f08885ed57a9e4e
        ");
    }

    #[test]
    fn a_long_plan_ends() {
        let mut report = samples::plan();
        report.packages = vec![report.packages[0].clone(); 43];
        let text = rendered(|out| plan(&report, None, Page::default(), out));
        assert_eq!(text.lines().filter(|line| line.starts_with("doc@1 ")).count(), 40);
        assert!(text.contains("\nand 3 more\n"), "{text}");
    }

    #[test]
    fn what_was_done_is_told_with_what_was_not() {
        let mut report = samples::collected();
        assert_snapshot!(rendered(|out| collected(&report, Page::default(), out)), @r#"
        finished the gc that event 5 began: freed 1 object, 100 B; 2 objects it had deleted before it was ended
        deleted 1 file of objects purged before
        freed 1 object, 3.9 KiB (event 9)
        "#);
        let failed = report.rounds[0].failed[0].clone();
        assert_snapshot!(rendered(|out| failures(&report, Page::default(), out)), @"not deleted blake3:dbec0e689fb63bd729147727129d854e9d590ab620a18bbbcb3317d268d6fd72: Operation not permitted");
        report.remains_failed = vec![failed; 22];
        let text = rendered(|out| failures(&report, Page::default(), out));
        assert_eq!((text.lines().count(), text.lines().last()), (21, Some("and 3 more")));
        let empty = r::CollectReport {
            plan: samples::empty_plan(),
            rounds: Vec::new(),
            resumed: Vec::new(),
            remains_deleted: 0,
            remains_failed: Vec::new(),
        };
        assert_snapshot!(rendered(|out| collected(&empty, Page::default(), out)), @"nothing was purged");
    }

    #[test]
    fn what_would_be_freed() {
        assert_snapshot!(rendered(|out| without(&samples::without(), Page::default(), out)), @"
        without doc@2, a confirmed gc would free 2 objects, 8.8 KiB
        1 object, 10 B would stay, kept by other packages, pins or holds
        KEPT BY             OBJECTS        SIZE
        pin keep                  1        10 B
        ");
    }
}
