//! Several at once: whoever comes second finds what the first has done, and neither fails for the other.

use std::path::Path;
use std::sync::Barrier;

use astore::env::Env;
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{Completion, InitRequest};
use astore::registry::{Access, Registry};
use astore::views::VIEWS_VERSION;

use crate::support::oracle;
use crate::support::store::{add, env, fast_dir, init, open, options, reference, tree};

/// Opens a store as a process of its own would: with ids that nobody else has.
fn open_as_itself(root: &Path) -> Registry {
    Registry::open(root, options(Access::Write), Env::system("tester@here"), &Void).unwrap()
}

const TOGETHER: usize = 6;

/// The first `add` of a user makes the store; a script starts several at once.
#[test]
fn all_who_make_the_same_store_at_once_get_it() {
    let place = fast_dir();
    let source = tree(&place.path().join("tree"), &[("a", b"alpha")]);
    for round in 0..25 {
        let root = place.path().join(format!("{round}/made/on/the/way"));
        let barrier = Barrier::new(TOGETHER);
        let reports: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..TOGETHER)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let report = Registry::init(&root, &InitRequest::default(), &env()).unwrap();
                        let registry = open_as_itself(&root);
                        add(&registry, "x", &source, Completion::Finalize).unwrap();
                        report
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(reports.iter().filter(|report| !report.existed).count(), 1, "{reports:?}");
        assert!(reports.iter().all(|report| report.store_id == reports[0].store_id), "{reports:?}");
        let seen = oracle::check_log(&root).unwrap();
        assert_eq!(seen.packages.len(), TOGETHER);
        let check = open(&root, Access::Read).unwrap().replay_check(&Void).unwrap();
        assert!(check.differing.is_empty());
    }
}

/// A later build opens the store while this one has it open, and replays the views into tables of its own: from
/// then on this one refuses to write, instead of writing yesterday's rows into them.
#[test]
fn views_of_a_later_build_are_not_written_by_who_was_there_before() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let source = tree(&place.path().join("t"), &[("a", b"alpha")]);
    let registry = open(&root, Access::Write).unwrap();
    add(&registry, "x", &source, Completion::Finalize).unwrap();
    let later = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let later_version = i64::try_from(VIEWS_VERSION + 1).unwrap();
    let changed = later
        .execute("UPDATE bookkeeping SET value = ?1 WHERE name = 'views_version'", [later_version])
        .unwrap();
    assert_eq!(changed, 1);
    let error = registry.remove(&[reference("x")], "no more").unwrap_err();
    assert!(
        matches!(error, Error::ViewsVersion { found, known: VIEWS_VERSION } if found == VIEWS_VERSION + 1),
        "{error:?}"
    );
    let error = registry.replay(&Void).unwrap_err();
    assert!(
        matches!(error, Error::ViewsVersion { found, known: VIEWS_VERSION } if found == VIEWS_VERSION + 1),
        "{error:?}"
    );
}
