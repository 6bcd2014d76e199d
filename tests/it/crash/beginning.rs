//! An `init` that is stopped anywhere: there is a store, or none, and `init` may be repeated.

use std::path::Path;
use std::sync::{Arc, Mutex};

use astore::disk::Disk;
use astore::disk::testing::{Call, Trace, Tree};
use astore::error::Error;
use astore::registry::report::InitRequest;
use astore::registry::{Access, Registry};
use astore::storage::StorageError;

use super::without;
use crate::support::store::{env, fast_dir, open};
use crate::support::sweep::{Found, Sweep, examine};

fn recorded(place: &Path) -> Sweep {
    let root = place.join("store");
    let traced: Mutex<Option<(Tree, Arc<Trace>)>> = Mutex::new(None);
    let watch = |disk: Arc<dyn Disk>| -> Arc<dyn Disk> {
        let trace = Arc::new(Trace::with_foreign(disk, &root, &["astore.db"]));
        *traced.lock().unwrap() = Some((Tree::take(&root).unwrap(), trace.clone()));
        trace
    };
    Registry::init_watched(&root, &InitRequest::default(), &env(), &watch).unwrap();
    let (before, trace) = traced.into_inner().unwrap().unwrap();
    assert_eq!(before.nodes.len(), 1, "the root was empty");
    trace.look().unwrap();
    // The reserve is sixteen writes: what matters is that they end, whole or not.
    Sweep::recorded("init", &root, before, 0, trace.take()).with_subsets_up_to(5)
}

/// The last call syncs its name: from there on it is a store for good.
fn judge(sweep: &Sweep, done: usize, found: &Found) -> Result<(), String> {
    match found {
        Found::Nothing if done >= sweep.calls.len() => Err("acknowledged, and there is no store".to_owned()),
        Found::Nothing => Ok(()),
        Found::Store(history) if history.chain.len() == 1 => Ok(()),
        Found::Store(history) => Err(format!("it has {} events", history.chain.len())),
    }
}

fn init_again(root: &Path) -> Result<(), String> {
    let report = Registry::init(root, &InitRequest::default(), &env());
    report.map(drop).map_err(|error| format!("{error:?}"))
}

#[test]
fn an_init_makes_a_store_or_none() {
    // store-layout.md 2.3
    let place = fast_dir();
    let sweep = recorded(place.path());
    sweep.run_with(look, |done, found| judge(&sweep, done, found), init_again);
}

#[test]
fn the_sweep_notices_a_name_that_is_given_before_it_is_durable() {
    let place = fast_dir();
    let sweep = recorded(place.path());
    let is_it =
        |call: &Call| matches!(call, Call::SyncFile { path, .. } if path.starts_with("astore.toml.new"));
    let altered = sweep.altered(without(&sweep.calls, is_it));
    let fault = altered.try_run_with(look, |done, found| judge(&altered, done, found), init_again);
    eprintln!("{}", fault.expect_err("it is not synced"));
}

/// What has no `astore.toml` is no store to any command; what has one is whole.
fn look(root: &Path) -> Result<Found, String> {
    if root.join("astore.toml").exists() {
        return examine(root).map(Found::Store);
    }
    for access in [Access::Read, Access::Write, Access::Alone] {
        match open(root, access) {
            Err(Error::Storage(StorageError::NoStore { .. })) => {}
            Err(error) => return Err(format!("{error:?}")),
            Ok(_) => return Err("it opens without a name".to_owned()),
        }
    }
    Ok(Found::Nothing)
}
