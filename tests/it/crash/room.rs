//! The reserve: set aside and given up, and never more than a convenience.

use astore::registry::report::Completion;

use super::Stage;
use crate::support::store::open_on;
use crate::support::sweep::Sweep;

#[test]
fn the_reserve_is_set_aside_again_or_not_yet() {
    let stage = Stage::with("x", &[("a", b"alpha")], Completion::Finalize);
    let root = stage.root();
    std::fs::remove_file(root.join("reserve")).unwrap();
    let sweep = Sweep::of("the reserve, set aside again", &root, |disk| drop(open_on(disk, &root).unwrap()));
    assert!(root.join("reserve").exists());
    // Sixteen writes of noise: what matters is that they end, whole or not.
    sweep.with_subsets_up_to(2).run(|_, _| Ok(()), |_| Ok(()));
}
