//! An add that is stopped anywhere: its package is there, whole, or not at all.

use std::io;

use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{AddRequest, AddTarget, Completion, OnConflict};
use astore::registry::{Access, Registry};

use super::{Stage, again, either};
use crate::support::history::log_events;
use crate::support::oracle;
use crate::support::store::{add, open, open_on, reference, request};
use crate::support::sweep::{Found, Sweep, examine};

#[test]
fn an_add_is_there_or_not_at_all() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("d/e/", b""), ("same", b"alpha"), ("z", b"")]);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::Finalize).map(drop);
    let sweep = stage.record("add", adding);
    sweep.run(either(&sweep, "x@1", None, (true, false)), again(adding));
}

/// What earlier batches stored is on record, in no package, and is not written again.
#[test]
fn an_add_of_several_batches_goes_on_from_the_last_one() {
    let stage = Stage::new();
    let files: [(&str, &[u8]); 5] =
        [("a", b"1"), ("b", b"22"), ("d/c", b"333"), ("d/d", b"4444"), ("e", b"55555")];
    let source = stage.tree("t", &files);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::Finalize).map(drop);
    let sweep = stage.record("add of several batches", adding);
    let recorded = log_events(&stage.root());
    assert!(recorded.iter().any(|event| event.event_type == "v1.objects.stored"), "{recorded:?}");
    sweep.run(either(&sweep, "x@1", None, (true, false)), again(adding));
}

/// While one group of a batch gets its names the next one is written; what was named and is in no event yet is nobody's.
#[test]
fn an_add_in_groups_is_there_or_not_at_all() {
    let stage = Stage::new();
    let files: [(&str, &[u8]); 6] =
        [("a", b"1"), ("b", b"22"), ("d/c", b"333"), ("d/d", b"4444"), ("e/e", b"55555"), ("f/f", b"666666")];
    let source = stage.tree("t", &files);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::Finalize).map(drop);
    let root = stage.root();
    let sweep = Sweep::of("add in groups", &root, |disk| {
        let mut registry = open_on(disk, &root).unwrap();
        registry.set_group_files(2);
        adding(&registry).unwrap();
    });
    sweep.run(either(&sweep, "x@1", None, (true, false)), again(adding));
}

/// A manifest that is an object: the transaction is prepared while the batch that it is in is published.
#[test]
fn a_package_prepared_while_its_batch_is_published_is_there_or_not_at_all() {
    let stage = Stage::new();
    let long = vec!["d".repeat(250); 15].join("/");
    let paths: Vec<String> = (0..20).map(|nth| format!("{long}/{nth}")).collect();
    let files: Vec<(&str, &[u8])> = paths.iter().map(|path| (path.as_str(), &b"alpha"[..])).collect();
    let source = stage.tree("t", &files);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::Finalize).map(drop);
    let root = stage.root();
    let sweep =
        Sweep::of("add, prepared beside", &root, |disk| adding(&open_on(disk, &root).unwrap()).unwrap());
    let database = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let size = oracle::query(&database, "SELECT max(size_bytes) FROM objects", |row| row.get::<_, i64>(0))[0];
    drop(database);
    assert!(size > 65_536, "the manifest is no object: {size}");
    sweep.run(either(&sweep, "x@1", None, (true, false)), again(adding));
}

#[test]
fn an_open_package_is_there_or_not_at_all() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("d/b", b"beta")]);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::LeaveOpen).map(drop);
    let sweep = stage.record("add, left open", adding);
    sweep.run(either(&sweep, "x@1", None, (false, false)), again(adding));
}

/// Entries that are displaced let their objects go; those stay until a gc.
#[test]
fn an_open_package_has_the_old_entries_or_the_new_ones() {
    let stage = Stage::with("x", &[("a", b"alpha"), ("d/b", b"beta")], Completion::LeaveOpen);
    let more = stage.tree("more", &[("a", b"another"), ("d", b"a file now")]);
    let extend = |registry: &Registry| -> Result<(), Error> {
        let target = AddTarget::Open { reference: reference("x"), on_conflict: OnConflict::Replace };
        let request = AddRequest { target, ..request("x", &more, Completion::Finalize) };
        registry.add(request, &mut io::empty(), &Void).map(drop)
    };
    let sweep = stage.record("add to an open package, replacing", extend);
    sweep.run(
        either(&sweep, "x@1", Some((false, false)), (true, false)),
        again(|registry| match extend(registry) {
            Err(error) if !error.to_string().contains("finalized") => Err(error),
            _ => Ok(()),
        }),
    );
}

#[test]
fn an_object_that_was_lost_is_healed_or_still_missing() {
    let stage = Stage::with("x", &[("a", b"alpha"), ("b", b"beta")], Completion::Finalize);
    let root = stage.root();
    std::fs::remove_file(oracle::file_of(&root, b"alpha")).unwrap();
    let source = stage.place.path().join("t");
    let adding = |registry: &Registry| {
        let report = add(registry, "y", &source, Completion::Finalize)?;
        assert!(report.healed.len() <= 1, "{report:?}");
        Ok(())
    };
    let sweep = stage.record("add that heals", adding);
    sweep.run_with(
        |root| {
            // Lost until it is added again: no state has anything but the right bytes, or none.
            let registry = open(root, Access::Write).map_err(|error| format!("{error:?}"))?;
            drop(registry);
            match oracle::file_of(root, b"alpha").exists() {
                true => examine(root).map(Found::Store),
                false => Ok(Found::Nothing),
            }
        },
        |done, found| match (sweep.is_done(done), found) {
            (Some(true), Found::Nothing) => Err("it is not healed".to_owned()),
            (Some(true), Found::Store(history)) => {
                let healed = history.types.get("v1.object.healed").copied();
                if healed == Some(1) { Ok(()) } else { Err(format!("{healed:?} were healed")) }
            }
            _ => Ok(()),
        },
        again(adding),
    );
}
