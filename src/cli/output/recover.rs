//! What `recover` found and did, for people.

use std::io::{self, Write};

use astore::registry::report::{LeftOut, LogMended, RecoverReport};

use super::escape;
use super::style::Style;
use super::units::count;

pub(crate) fn recovered(report: &RecoverReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let head = format!("{}:{}", report.head_sequence, report.head_digest);
    writeln!(
        out,
        "{}: a new astore.db of {}",
        style.good("recovered"),
        count(report.head_sequence, "event")
    )?;
    writeln!(out, "  head        {head}")?;
    match (&report.database_aside, &report.database_fault) {
        (None, _) => writeln!(out, "  astore.db   was missing")?,
        (Some(aside), None) => writeln!(out, "  astore.db   the old one is {aside} now")?,
        (Some(aside), Some(fault)) => {
            writeln!(out, "  astore.db   the old one is {aside} now: {}", escape::line(fault))?;
        }
    }
    match &report.log {
        LogMended::Whole => writeln!(out, "  log/        is whole")?,
        LogMended::Completed { events } => {
            writeln!(out, "  log/        lacked {}, which it has again", count(*events, "event"))?;
        }
        LogMended::WrittenAgain { aside, damage } => {
            writeln!(
                out,
                "  log/        is written again; the damaged one is {aside} now: {}",
                escape::line(damage)
            )?;
        }
    }
    if report.config_written {
        writeln!(
            out,
            "  astore.toml was missing, and is written again; if it had [defaults], they are gone"
        )?;
    }
    let from = |events: u64, copy: &str, out: &mut dyn Write| match events {
        0 => Ok(()),
        _ => writeln!(out, "  {} stood in {copy} alone", count(events, "event")),
    };
    if report.database_aside.is_some() {
        from(report.only_in_log, "log/", out)?;
    }
    from(report.only_in_database, "the old database", out)?;
    for (address, source) in &report.healed {
        writeln!(out, "  healed: {address}, from the {}", source.name())?;
    }
    for (event_type, number) in &report.skipped {
        let events = count(*number, "event");
        writeln!(out, "  skipped: {events} of type {}, not understood in full", escape::line(event_type))?;
    }
    for left_out in &report.left_out {
        writeln!(out, "{}", lost(left_out, style))?;
    }
    if !report.left_out.is_empty() {
        writeln!(
            out,
            "what these events say is not to be seen until their payloads are back under blake3/: then 'astore replay'"
        )?;
    }
    // What stood behind it, and whether anything did, nobody can tell.
    if report.database_fault.is_some()
        && report.only_in_database == 0
        && matches!(report.log, LogMended::WrittenAgain { .. })
    {
        writeln!(
            out,
            "what stood behind the last event that could be read is in neither copy: if packages are missing, see \
             'astore recover --from-objects'"
        )?;
    }
    writeln!(out, "view digest {}", super::human::primary(report.view_digest))
}

fn lost(left_out: &LeftOut, style: Style) -> String {
    let LeftOut { sequence, event_type, subject_id, payload, why } = left_out;
    format!(
        "{}: event {sequence} ({} of {}): its payload {payload} cannot be read: {}",
        style.bad("left out"),
        escape::line(event_type),
        escape::line(subject_id),
        escape::line(why)
    )
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, rendered};
    use super::*;

    #[test]
    fn a_loss_that_nobody_can_measure_is_spoken_of() {
        let said = |report: &RecoverReport| rendered(|out| recovered(report, Style::Plain, out));
        let words = "in neither copy: if packages are missing, see 'astore recover --from-objects'\n";
        let both = samples::recovered();
        assert!(!said(&both).contains(words), "the database had the rest");
        let torn = RecoverReport { only_in_database: 0, ..both };
        assert!(said(&torn).contains(words), "{}", said(&torn));
        let read = RecoverReport { database_fault: None, ..torn };
        assert!(!said(&read).contains(words), "the database was read in full");
    }
}
