//! Pins, holds and expiries for people: what keeps what, since when and why.

use std::io::{self, Write};

use astore::env::Timestamp;
use astore::registry::report as r;

use super::escape;
use super::human;
use super::page::Page;
use super::style::Style;
use super::table::{self, Column};
use super::units::{ago, count, instant, size};
use super::words::why;

/// Writes the line that names a pin: `golden doc@1`.
pub(crate) fn pin(row: &r::PinRow, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} {}", escape::line(&row.pin.name), row.pin.target)
}

/// Says what a pin keeps.
pub(crate) fn keeps(row: &r::PinRow) -> String {
    let what = format!("{} ({})", count(row.objects, "object"), size(row.bytes));
    let name = escape::line(&row.pin.name);
    match (&row.pin.target, row.gone) {
        (target @ r::PinTarget::Package(_), Some(gone)) => {
            format!("{target} is {gone}; the pin keeps its {what} until 'astore unpin {name}'")
        }
        (target @ r::PinTarget::Package(_), None) => {
            format!("the pin keeps {what} of {target}, even removed or expired, until 'astore unpin {name}'")
        }
        (r::PinTarget::Object(_), _) => {
            format!("the pin keeps {what}, whatever becomes of its packages, until 'astore unpin {name}'")
        }
    }
}

/// Says what becomes of what a pin was on.
pub(crate) fn unpinned(report: &r::UnpinReport) -> Vec<String> {
    let target = &report.row.pin.target;
    let mut remarks: Vec<String> = report
        .others
        .iter()
        .map(|other| {
            format!("pin {} still keeps {target}{}", escape::line(&other.name), why(other.reason.as_deref()))
        })
        .collect();
    if let Some(reason) = &report.hold {
        remarks.push(format!("a hold still keeps {target}: {}", escape::line(reason)));
    }
    if remarks.is_empty() {
        remarks.push(match (target, report.row.gone) {
            (r::PinTarget::Package(_), None) => format!("{target} is there and keeps its bytes"),
            (r::PinTarget::Package(_), Some(gone)) => {
                format!("{target} is {gone}: its bytes stay until a confirmed gc")
            }
            (r::PinTarget::Object(_), _) => {
                "the bytes stay until a confirmed gc, and longer where a package keeps them".to_owned()
            }
        });
    }
    remarks
}

/// Says that a pin or a hold keeps bytes of a removed package.
pub(crate) fn kept(root: &r::Root) -> String {
    let package = escape::line(&root.package);
    match &root.by {
        r::RootKind::Pin(pin) => {
            let what = match &pin.target {
                r::PinTarget::Package(_) => format!("the bytes of {package}"),
                r::PinTarget::Object(address) => format!("{address} of {package}"),
            };
            format!("pin {} keeps {what}{}", escape::line(&pin.name), why(pin.reason.as_deref()))
        }
        r::RootKind::Hold { reason } => {
            format!("a hold keeps the bytes of {package}: {}", escape::line(reason))
        }
    }
}

/// The columns of `pins`.
const PINS: [Column; 7] = [
    Column::new("NAME").cut_to(10),
    Column::new("TARGET").cut_to(16),
    Column::new("OBJECTS").right().floor(9).rank(5),
    Column::new("SIZE").right().floor(10).rank(1),
    Column::new("SINCE").floor(20).rank(3),
    Column::new("BY").cut_to(10).rank(4),
    Column::new("REASON").cut_to(12).rank(2),
];

/// Writes pins as a table. In a window, it says how long ago they were set, as seen at an instant; in a pipe, when.
pub(crate) fn pins(pins: &[r::PinRow], now: Timestamp, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let row = |row: &r::PinRow| {
        let target = match row.gone {
            Some(gone) => format!("{} ({gone})", row.pin.target),
            None => row.pin.target.to_string(),
        };
        let at = row.pin.created_at;
        [
            escape::line(&row.pin.name).into(),
            target.into(),
            row.objects.to_string().into(),
            size(row.bytes).into(),
            page.window.map_or_else(|| instant(at), |_| ago(now, at)).into(),
            escape::line(&row.pin.created_by).into(),
            escape::line(row.pin.reason.as_deref().unwrap_or_default()).into(),
        ]
    };
    let rows: Vec<_> = pins.iter().map(row).collect();
    table::write(&PINS, &rows, page, out)
}

/// Writes how long a package is wanted.
pub(crate) fn retained(report: &r::RetainReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let package = &report.package;
    human::headline(package, style, out)?;
    human::retention(package, out)?;
    if package.hold { Ok(()) } else { writeln!(out, "  {:<12}no", "held") }
}

/// Says what else there is to know of a package whose retention was to change.
pub(crate) fn remarks(report: &r::RetainReport) -> Vec<String> {
    let reference = report.package.reference();
    let mut remarks = Vec::new();
    if report.sequence.is_none() {
        remarks.push("nothing changes: all of it was so already".to_owned());
    }
    if let Some(gone) = report.gone {
        let pin = report.pins.first().map(|pin| format!("pin {}", escape::line(&pin.name)));
        let keeper = if report.package.hold { Some("the hold".to_owned()) } else { pin };
        remarks.push(match keeper {
            Some(keeper) => format!("{reference} is {gone}; {keeper} keeps its bytes"),
            None => format!("{reference} is {gone}: its bytes stay until a confirmed gc"),
        });
    }
    remarks
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::*;

    #[test]
    fn pins_are_a_table() {
        assert_snapshot!(rendered(|out| pins(&samples::pins(), samples::at(99), Page::default(), out)), @r#"
        NAME    TARGET                                                                     OBJECTS        SIZE  SINCE                 BY         REASON
        golden  doc@1 (removed)                                                                  2     1.2 MiB  2027-01-15T08:00:03Z  ann@box\n  it\nruns
        image   blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede          1         8 B  2027-01-15T08:00:03Z  ann@box\n
        "#);
    }

    #[test]
    fn what_a_pin_keeps_is_said() {
        let mut rows = samples::pins();
        assert_snapshot!(rows.iter().map(keeps).collect::<Vec<_>>().join("\n"), @"
        doc@1 is removed; the pin keeps its 2 objects (1.2 MiB) until 'astore unpin golden'
        the pin keeps 1 object (8 B), whatever becomes of its packages, until 'astore unpin image'
        ");
        rows[0].gone = None;
        assert_snapshot!(keeps(&rows[0]), @"the pin keeps 2 objects (1.2 MiB) of doc@1, even removed or expired, until 'astore unpin golden'");
        assert_snapshot!(samples::roots().iter().map(kept).collect::<Vec<_>>().join("\n"), @r#"
        pin golden keeps the bytes of doc@1: it\nruns
        pin image keeps blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede of doc@1
        a hold keeps the bytes of doc@1: case\n4711
        "#);
    }

    #[test]
    fn what_becomes_of_the_bytes_is_said() {
        let mut report = samples::unpinned();
        assert_snapshot!(unpinned(&report).join("\n"), @r#"
        pin image still keeps doc@1
        a hold still keeps doc@1: case\n4711
        "#);
        report.others.clear();
        report.hold = None;
        assert_snapshot!(unpinned(&report).join("\n"), @"doc@1 is removed: its bytes stay until a confirmed gc");
        report.row.gone = None;
        assert_snapshot!(unpinned(&report).join("\n"), @"doc@1 is there and keeps its bytes");
    }

    #[test]
    fn a_package_that_is_gone_has_a_keeper_or_none() {
        let mut report = samples::retained();
        assert_snapshot!(rendered(|out| retained(&report, Style::Plain, out)), @r#"
        doc@2  finalized
          class       transient, may go from 2027-01-22T08:00:01Z
          held        case 4711\n
        "#);
        assert_snapshot!(remarks(&report).join("\n"), @"doc@2 is expired; the hold keeps its bytes");
        report.package.hold = false;
        assert_snapshot!(remarks(&report).join("\n"), @"doc@2 is expired; pin golden keeps its bytes");
        report.pins.clear();
        report.sequence = None;
        assert_snapshot!(remarks(&report).join("\n"), @"
        nothing changes: all of it was so already
        doc@2 is expired: its bytes stay until a confirmed gc
        ");
    }
}
