//! A `recover` that is stopped anywhere: every event is still in one place or another, and `recover` may be repeated.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use astore::disk::Disk;
use astore::disk::testing::Call;
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{Completion, ImportRequest};
use astore::registry::{Access, Registry};

use super::{Stage, without};
use crate::support::history::History;
use crate::support::oracle;
use crate::support::store::{add, env, open, options, real_disk, reference};
use crate::support::sweep::{Found, Sweep, examine};

const LOG: &str = "log/00000000000000000001.cborseq";

/// A store with five events.
fn with_events() -> Stage {
    let stage = Stage::with("x", &[("a", b"alpha"), ("b", b"beta")], Completion::Finalize);
    let registry = open(&stage.root(), Access::Write).unwrap();
    let more = stage.tree("more", &[("c", b"gamma")]);
    add(&registry, "y", &more, Completion::Finalize).unwrap();
    registry.remove(&[reference("x")], "old").unwrap();
    registry.restore(&reference("x")).unwrap();
    drop(registry);
    stage
}

fn recover(disk: Arc<dyn Disk>, root: &Path) -> Result<(), Error> {
    Registry::recover_on(disk, root, options(Access::Alone), env(), &Void).map(drop)
}

fn recover_again(root: &Path) -> Result<(), String> {
    Registry::recover(root, options(Access::Alone), env(), &Void)
        .map(drop)
        .map_err(|error| format!("recover: {error:?}"))
}

/// The model lets a rename lose both of its names, which no journal does. Even then the old database stands aside, and
/// a hand can give it its name back.
fn recover_or_rename(root: &Path) -> Result<(), String> {
    let recovered = recover_again(root);
    if recovered.is_ok() || !root.join("astore.db.aside-1").exists() {
        return recovered;
    }
    for suffix in ["", "-wal", "-shm"] {
        let aside = root.join(format!("astore.db.aside-1{suffix}"));
        drop(std::fs::rename(aside, root.join(format!("astore.db{suffix}"))));
    }
    recover_again(root)
}

fn recorded(name: &'static str, stage: &Stage, events: &History) -> Sweep {
    let root = stage.root();
    let sweep = Sweep::of(name, &root, |disk| recover(disk, &root).unwrap());
    let whole = examine(&root).unwrap();
    assert_eq!(whole.chain[..events.chain.len()], events.chain, "recover gives back the same events");
    sweep
}

fn check(name: &'static str, stage: &Stage, events: &History) {
    let sweep = recorded(name, stage, events);
    sweep.run_with(|root| refused_or_whole(root, events), |_, _| Ok(()), |root| comes_back(root, events));
}

/// Before it is recovered a command refuses, or has every event. That `log/` is damaged it may not notice.
fn refused_or_whole(root: &Path, events: &History) -> Result<Found, String> {
    if open(root, Access::Write).is_ok() {
        let seen = oracle::check_log(root)?;
        all(&seen.packages, usize::try_from(seen.head).unwrap(), events)?;
    }
    Ok(Found::Nothing)
}

/// Every state has all events once `recover` has run again.
fn comes_back(root: &Path, events: &History) -> Result<(), String> {
    // After a kill it is recover's own to go on, wherever it was.
    let is_cut = !root.join("astore.db").exists() && !root.join("astore.db.ready").exists();
    if is_cut {
        recover_or_rename(root)?;
    } else {
        recover_again(root)?;
    }
    let history = examine(root)?;
    if !history.chain.starts_with(&events.chain) {
        return Err("these are other events".to_owned());
    }
    all(&history.packages, history.chain.len(), events)
}

fn all(packages: &BTreeMap<String, (bool, bool)>, found: usize, events: &History) -> Result<(), String> {
    if found >= events.chain.len() && *packages == events.packages {
        Ok(())
    } else {
        Err(format!("{found} events of {}: {packages:?}", events.chain.len()))
    }
}

#[test]
fn a_lost_database_comes_back_however_often_recover_is_stopped() {
    // store-layout.md 19.3
    let stage = with_events();
    let events = examine(&stage.root()).unwrap();
    std::fs::remove_file(stage.root().join("astore.db")).unwrap();
    check("recover, no database", &stage, &events);
}

/// `log/` is damaged in the middle, so only the old database has every event.
fn with_a_damaged_log() -> (Stage, History) {
    let stage = with_events();
    let events = examine(&stage.root()).unwrap();
    let mut bytes = std::fs::read(stage.root().join(LOG)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(stage.root().join(LOG), bytes).unwrap();
    (stage, events)
}

#[test]
fn a_damaged_log_comes_back_however_often_recover_is_stopped() {
    let (stage, events) = with_a_damaged_log();
    check("recover, log/ damaged", &stage, &events);
}

#[test]
fn the_sweep_notices_a_database_that_is_named_before_it_is_durable() {
    let (stage, events) = with_a_damaged_log();
    let sweep = recorded("recover, log/ damaged", &stage, &events);
    let is_it =
        |call: &Call| matches!(call, Call::SyncFile { path, .. } if path.starts_with("astore.db.new"));
    let calls = without(&sweep.calls, is_it);
    let run = |sweep: &Sweep| {
        sweep.try_run_with(
            |root| refused_or_whole(root, &events),
            |_, _| Ok(()),
            |root| comes_back(root, &events),
        )
    };
    let fault = run(&sweep.altered(calls)).expect_err("it is not synced");
    eprintln!("{fault}");
}

/// Both copies are lost: what the manifests claim is imported, all of it in the end.
#[test]
fn an_import_of_claims_can_be_repeated_wherever_it_was_stopped() {
    let stage = with_events();
    let root = stage.root();
    let packages = examine(&root).unwrap().packages;
    for name in ["astore.toml", "astore.db", "astore.db-wal", "astore.db-shm", LOG] {
        drop(std::fs::remove_file(root.join(name)));
    }
    let import = |disk: Arc<dyn Disk>, root: &Path| {
        let request = ImportRequest::default();
        let options = options(Access::Alone);
        Registry::import_claims_on(disk, root, &request, options, env(), &mut |_| Ok(()), &Void)
    };
    let sweep = Sweep::of("recover --from-objects", &root, |disk| drop(import(disk, &root).unwrap()));
    sweep.run_with(
        |root| {
            if open(root, Access::Write).is_ok() {
                return examine(root).map(Found::Store);
            }
            Ok(Found::Nothing)
        },
        |_, _| Ok(()),
        |root| match import(real_disk(root), root) {
            Err(error) if !matches!(error, Error::NothingClaimed { .. }) => Err(format!("{error:?}")),
            _ => {
                let found = examine(root)?.packages;
                if found == packages { Ok(()) } else { Err(format!("{found:?} are imported")) }
            }
        },
    );
}

#[test]
fn a_lost_name_and_a_manifest_come_back_however_often_recover_is_stopped() {
    let stage = with_events();
    let events = examine(&stage.root()).unwrap();
    std::fs::remove_file(stage.root().join("astore.toml")).unwrap();
    let db = rusqlite::Connection::open(stage.root().join("astore.db")).unwrap();
    let sql = "SELECT manifest_digest FROM artifact_packages WHERE name = 'x'";
    let manifest: [u8; 32] = db.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(db);
    std::fs::remove_file(oracle::object_path(&stage.root(), &manifest)).unwrap();
    check("recover, astore.toml lost and a manifest damaged", &stage, &events);
}
