//! The views against replay: computed again on a temporary database from the same snapshot, and compared.

use super::super::Registry;
use super::super::query::SoundPayloads;
use super::super::report::{Fault, Remedy};
use super::LogLook;
use super::chain::Chain;
use crate::db::{Database, DbError, ReadTx};
use crate::error::Error;
use crate::events::{self, ChainFault, Head, Payloads as _, Stored, check_link};
use crate::identity::ContentAddress;
use crate::monitor::{Counter, Monitor};
use crate::storage::layout;
use crate::views::{TABLES, Table, Value, ViewError, ViewWriter, differing_rows, table_digests};

/// How many rows of a view a fault names.
const ROWS_MAX: usize = 20;

impl Registry {
    /// Compares the views with what the log makes of them. Events that are broken in the database are taken from
    /// `log/`, where it has them.
    pub(super) fn check_views(
        &self,
        tx: &ReadTx<'_>,
        chain: &Chain,
        look: &mut LogLook,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let aside = Database::temporary()?;
        let fresh = aside.write()?;
        let mut views = ViewWriter::new(&fresh, 0);
        views.reset_to_replay()?;
        let payloads = SoundPayloads { registry: self, tx };
        let mut at = 0;
        let replayed = each_sound(tx, chain, |event| {
            self.check_cancelled()?;
            at = event.record.sequence;
            monitor.count(Counter::EventsReplayed, 1);
            match &event.payload {
                Some(payload) => views.apply(event, payload)?,
                None => views.apply(event, &payloads.load(&event.record.payload_digest)?)?,
            };
            Ok(())
        });
        match replayed {
            Ok(()) => {}
            // A broken chain is reported as such. Nothing can be said of the views then.
            Err(Error::Chain(broken)) => {
                look.notes.push(format!("the views were not compared with replay: {broken}"));
                return Ok(());
            }
            // The scan finds the object of a payload too, but only as long as the views know it.
            Err(Error::PayloadUnavailable(error)) => {
                let remedy = Remedy::Backup(layout::object_path(&ContentAddress::new(error.digest)));
                return self.find_payload(tx, chain, (at, &error), remedy, look);
            }
            Err(Error::View(
                error @ (ViewError::Payload { .. }
                | ViewError::Impossible { .. }
                | ViewError::PathTaken { .. }),
            )) => return self.find_payload(tx, chain, (at, &error), Remedy::Nothing, look),
            // Not what the log says, but what a database could not do: this one, or the temporary one.
            Err(error) => return Err(error),
        }
        // What the store believes to have skipped decides whether it gives verdicts and runs a gc (store-layout.md 16.4).
        let kept = events::Bookkeeping::load(tx)?.skipped;
        if kept != views.skipped() {
            let detail = format!("{kept} counted as skipped, where replay skips {}", views.skipped());
            look.find(fault("bookkeeping", detail));
        }
        if views.skipped() > 0 {
            let skipped = views.skipped();
            look.notes
                .push(format!("the log holds {skipped} event(s) or field(s) that this build does not know"));
        }
        self.compare(tx, &views, &fresh, look)
    }

    /// Reports an event whose payload cannot be applied, which ends the comparison.
    fn find_payload(
        &self,
        tx: &ReadTx<'_>,
        chain: &Chain,
        (sequence, error): (u64, &dyn std::error::Error),
        remedy: Remedy,
        look: &mut LogLook,
    ) -> Result<(), Error> {
        let mut fault = super::fault::fault("payload", sequence, error.to_string(), remedy);
        self.find_harm_of_event(tx, &mut fault, &chain.repairs)?;
        look.find(fault);
        look.notes.push(format!("the views were not compared with replay beyond event {sequence}"));
        Ok(())
    }

    fn compare(
        &self,
        live: &ReadTx<'_>,
        views: &ViewWriter<'_, '_>,
        fresh: &ReadTx<'_>,
        look: &mut LogLook,
    ) -> Result<(), Error> {
        let found = match table_digests(live) {
            Ok(found) => found,
            Err(error) => {
                look.find(unreadable(&error));
                return Ok(());
            }
        };
        let expected = table_digests(fresh)?;
        if expected == found {
            return Ok(());
        }
        // From here on single objects are asked for.
        views.complete()?;
        for (table, (expected, found)) in TABLES.iter().zip(expected.iter().zip(&found)) {
            if expected != found {
                look.find(self.compare_rows(live, fresh, table)?);
            }
        }
        Ok(())
    }

    fn compare_rows(&self, live: &ReadTx<'_>, fresh: &ReadTx<'_>, table: &Table) -> Result<Fault, Error> {
        let mut rows = differing_rows(live, fresh, table, ROWS_MAX + 1)?;
        let more = if rows.len() > ROWS_MAX { ", and more" } else { "" };
        rows.truncate(ROWS_MAX);
        let keys: Vec<String> = rows.iter().map(|key| spell(key)).collect();
        let mut fault = fault(table.name, format!("rows that differ from replay: {}{more}", keys.join(", ")));
        for key in &rows {
            for harm in self.harms_of_row(live, fresh, table.name, key)? {
                if !fault.harms.contains(&harm) {
                    fault.harms.push(harm);
                }
            }
        }
        Ok(fault)
    }
}

/// Hands every event to `each`, in order, with sound copies in place of broken ones.
fn each_sound(
    tx: &ReadTx<'_>,
    chain: &Chain,
    mut each: impl FnMut(&Stored) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut head = Head::NONE;
    let mut pass = |event: &Stored| -> Result<(), Error> {
        if let Some(fault) = check_link(&head, event) {
            return Err(fault.into());
        }
        head = Head::from(event);
        each(event)
    };
    let mut next = 1;
    events::each_after(tx, 0, |event| -> Result<(), Error> {
        while next < event.record.sequence {
            let missing = || ChainFault { sequence: next, what: "it is missing" };
            pass(chain.repairs.get(&next).ok_or_else(missing)?)?;
            next += 1;
        }
        next = event.record.sequence + 1;
        match chain.repairs.get(&event.record.sequence) {
            Some(copy) => pass(copy),
            None => pass(&event),
        }
    })?;
    chain.repairs.range(next..).map(|(_, copy)| copy).try_for_each(pass)
}

/// Makes the fault of views that are not even tables any more.
pub(super) fn unreadable(error: &DbError) -> Fault {
    let found = fault("the views", format!("they cannot be read: {error}"));
    if error.is_malformed() { Fault { remedy: Remedy::Recover, ..found } } else { found }
}

fn fault(subject: &str, detail: String) -> Fault {
    super::fault::about("views", subject.to_owned(), detail, Remedy::Replay)
}

/// Spells a row's primary key for people.
fn spell(key: &[Value]) -> String {
    let values: Vec<String> = key
        .iter()
        .map(|value| match value {
            Value::Null => "null".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Blob(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        })
        .collect();
    format!("({})", values.join(" "))
}
