//! `log/`, whatever it ends with: settling is stopped, it is written again, it goes on in a new file.

use astore::disk::testing::Call;
use astore::registry::report::Completion;
use astore::registry::{Access, Registry};

use super::{Stage, again};
use crate::support::store::{add, open, open_on, reference};
use crate::support::sweep::{Found, Sweep, examine};

const LOG: &str = "log/00000000000000000001.cborseq";

/// A store whose database comes back from an old backup: `log/` is ahead by two transactions, and torn behind them.
fn ahead() -> Stage {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha")]);
    let root = stage.root();
    let database = std::fs::read(root.join("astore.db")).unwrap();
    let registry = open(&root, Access::Write).unwrap();
    add(&registry, "x", &source, Completion::Finalize).unwrap();
    registry.remove(&[reference("x")], "gone").unwrap();
    drop(registry);
    std::fs::write(root.join("astore.db"), database).unwrap();
    drop(std::fs::remove_file(root.join("astore.db-wal")));
    let mut bytes = std::fs::read(root.join(LOG)).unwrap();
    bytes.extend([0x81, 0x83, 0x58]);
    std::fs::write(root.join(LOG), bytes).unwrap();
    stage
}

#[test]
fn settling_can_be_interrupted_at_any_call() {
    let stage = ahead();
    let root = stage.root();
    let sweep = Sweep::of("settling", &root, |disk| drop(open_on(disk, &root).unwrap()));
    let rewrites = |call: &Call| matches!(call, Call::Write { .. });
    assert!(sweep.calls.iter().any(rewrites), "settling writes the tail over itself");
    let there = |root: &std::path::Path| {
        let history = examine(root)?;
        let is_right = history.chain.len() == 3 && history.packages["x@1"] == (true, true);
        if is_right { Ok(()) } else { Err(format!("{:?}", history.packages)) }
    };
    sweep.run_with(|root| there(root).and_then(|()| examine(root)).map(Found::Store), |_, _| Ok(()), there);
}

/// `log/` was lost: it is written again from the database, and whoever is killed meanwhile leaves that to the next.
#[test]
fn a_log_that_is_written_again_may_be_interrupted() {
    let stage = Stage::with("x", &[("a", b"alpha")], Completion::Finalize);
    let root = stage.root();
    open(&root, Access::Write).unwrap().remove(&[reference("x")], "gone").unwrap();
    std::fs::remove_file(root.join(LOG)).unwrap();
    let sweep = Sweep::of("log/ written again", &root, |disk| drop(open_on(disk, &root).unwrap()));
    sweep.run_with(
        |root| examine(root).map(Found::Store),
        |_, found| match found {
            Found::Store(history) if history.chain.len() == 3 => Ok(()),
            Found::Store(_) | Found::Nothing => Err("there are not three events".to_owned()),
        },
        |_| Ok(()),
    );
}

#[test]
fn a_log_goes_on_in_a_new_file_or_in_the_old_one() {
    let stage = Stage::with("x", &[("a", b"alpha")], Completion::Finalize);
    let root = stage.root();
    let toggle = |registry: &Registry| {
        registry.remove(&[reference("x")], "gone")?;
        registry.restore(&reference("x"))?;
        registry.remove(&[reference("x")], "gone again").map(drop)
    };
    let sweep = Sweep::of("log/ goes on in a new file", &root, |disk| {
        let mut registry = open_on(disk, &root).unwrap();
        registry.set_log_file_bytes(1);
        toggle(&registry).unwrap();
    });
    assert_eq!(std::fs::read_dir(root.join("log")).unwrap().count(), 4, "one for each of three");
    sweep.run(
        |_, _| Ok(()),
        again(|registry| match registry.restore(&reference("x")) {
            Err(error) if !error.to_string().contains("not removed") => Err(error),
            _ => Ok(()),
        }),
    );
}
