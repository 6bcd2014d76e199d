//! An operator pulls the plug of a machine that works on a real file system: what was acknowledged is there, nothing
//! under a final name is torn, and the next command simply works.
//!
//! The disk is a file that a process of ours serves (`/dev/fuse`), under a loop device; every write and every flush
//! that the kernel sends down is recorded. After the run any moment of the recording is a power cut: what was flushed
//! is there, of the rest anything. Each such disk is mounted, and the store on it looked at.

mod apart;
mod forgetful;
mod fuse;
mod judge;
mod recording;
mod run;
mod sharing;
mod states;
mod volume;

use apart::apart;
use forgetful::Forget;
use judge::survey;
use states::{Disk, Word};
use volume::{BTRFS, BTRFS_WITHOUT_LOG, EXT4, EXT4_NO_BARRIER, EXT4_WRITEBACK, FileSystem, Image, XFS};

/// How many power cuts are tried of each recording.
fn states(here: usize) -> usize {
    let asked = std::env::var("ASTORE_TEST_POWER_CUT_STATES").ok().and_then(|states| states.parse().ok());
    asked.unwrap_or(here)
}

/// Runs a story on a file system, apart; where that cannot be, says why not.
fn on(file_system: &FileSystem, test: &str, story: impl FnOnce(&FileSystem)) {
    apart(test, &[file_system.program()], || {
        if file_system.is_known() {
            story(file_system);
        }
    });
}

/// Each command of the binary, one after the other.
fn commands(on: &FileSystem) {
    survey(&run::commands(on), on, states(20), Word::Honest, 5).assert_unbroken();
}

#[test]
fn on_ext4_what_was_acknowledged_is_there() {
    on(&EXT4, "on_ext4_what_was_acknowledged_is_there", commands);
}

#[test]
fn on_xfs_what_was_acknowledged_is_there() {
    on(&XFS, "on_xfs_what_was_acknowledged_is_there", commands);
}

#[test]
fn on_btrfs_what_was_acknowledged_is_there() {
    on(&BTRFS, "on_btrfs_what_was_acknowledged_is_there", commands);
}

/// A neighbour on the same disk syncs at any time, and with his own bytes the file system's journal becomes durable as
/// it is then.
fn beside_a_neighbour(on: &FileSystem) {
    let run = run::beside_a_neighbour(on, Forget::Nothing);
    survey(&run, on, states(14), Word::Honest, 5).assert_unbroken();
}

#[test]
fn on_ext4_a_neighbour_who_syncs_shows_nothing_torn() {
    on(&EXT4, "on_ext4_a_neighbour_who_syncs_shows_nothing_torn", beside_a_neighbour);
}

#[test]
fn on_ext4_without_order_a_neighbour_who_syncs_shows_nothing_torn() {
    let test = "on_ext4_without_order_a_neighbour_who_syncs_shows_nothing_torn";
    on(&EXT4_WRITEBACK, test, beside_a_neighbour);
}

#[test]
fn on_xfs_a_neighbour_who_syncs_shows_nothing_torn() {
    on(&XFS, "on_xfs_a_neighbour_who_syncs_shows_nothing_torn", beside_a_neighbour);
}

#[test]
fn on_btrfs_a_neighbour_who_syncs_shows_nothing_torn() {
    on(&BTRFS, "on_btrfs_a_neighbour_who_syncs_shows_nothing_torn", beside_a_neighbour);
}

#[test]
fn on_btrfs_without_its_log_a_neighbour_who_syncs_shows_nothing_torn() {
    let test = "on_btrfs_without_its_log_a_neighbour_who_syncs_shows_nothing_torn";
    on(&BTRFS_WITHOUT_LOG, test, beside_a_neighbour);
}

#[test]
fn on_xfs_a_long_file_costs_no_block() {
    on(&XFS, "on_xfs_a_long_file_costs_no_block", sharing::blocks_are_shared);
}

#[test]
fn on_btrfs_a_long_file_costs_no_block() {
    on(&BTRFS, "on_btrfs_a_long_file_costs_no_block", sharing::blocks_are_shared);
}

fn writers_together(on: &FileSystem) {
    survey(&run::writers_together(on), on, states(12), Word::Honest, 5).assert_unbroken();
}

#[test]
fn on_ext4_writers_at_the_same_time_lose_nothing() {
    on(&EXT4, "on_ext4_writers_at_the_same_time_lose_nothing", writers_together);
}

#[test]
fn on_xfs_writers_at_the_same_time_lose_nothing() {
    on(&XFS, "on_xfs_writers_at_the_same_time_lose_nothing", writers_together);
}

#[test]
fn on_btrfs_writers_at_the_same_time_lose_nothing() {
    on(&BTRFS, "on_btrfs_writers_at_the_same_time_lose_nothing", writers_together);
}

/// The one before was killed: what it left is believed only once it is on the disk.
fn after_kills(on: &FileSystem) {
    survey(&run::after_kills(on), on, states(16), Word::Honest, 5).assert_unbroken();
}

#[test]
fn on_ext4_what_a_killed_writer_left_is_not_believed() {
    on(&EXT4, "on_ext4_what_a_killed_writer_left_is_not_believed", after_kills);
}

#[test]
fn on_xfs_what_a_killed_writer_left_is_not_believed() {
    on(&XFS, "on_xfs_what_a_killed_writer_left_is_not_believed", after_kills);
}

#[test]
fn on_btrfs_what_a_killed_writer_left_is_not_believed() {
    on(&BTRFS, "on_btrfs_what_a_killed_writer_left_is_not_believed", after_kills);
}

/// What was harmed by hand is being mended when the power goes: `recover`, or an add, can simply be run again.
fn mended(on: &FileSystem) {
    survey(&run::mended(on), on, states(12), Word::Honest, 5).assert_unbroken();
}

#[test]
fn on_ext4_what_was_being_mended_is_mended_again() {
    on(&EXT4, "on_ext4_what_was_being_mended_is_mended_again", mended);
}

#[test]
fn on_xfs_what_was_being_mended_is_mended_again() {
    on(&XFS, "on_xfs_what_was_being_mended_is_mended_again", mended);
}

#[test]
fn on_btrfs_what_was_being_mended_is_mended_again() {
    on(&BTRFS, "on_btrfs_what_was_being_mended_is_mended_again", mended);
}

/// The power goes again while the store, and the file system, mend what the first cut left: in the last batch of an
/// add, and in the middle of a gc.
fn a_second_cut(on: &FileSystem) {
    let first = run::beside_a_neighbour(on, Forget::Nothing);
    for (begun, eighths) in [("add small", 7), ("remove small", 4)] {
        let promised = first.promises.iter().position(|promise| promise.what == begun).unwrap();
        let moment = |nth: usize| first.recording.entries_at(first.promises[nth].at);
        let at = moment(promised) + (moment(promised + 1) - moment(promised)) * eighths / 8;
        let cut = states::cut(&first.recording, at);
        let image = Disk::new(first.image.clone(), &first.recording, on.sector_bytes).after(&cut);
        let second = run::after_a_cut(on, image, &first.promises[promised]);
        survey(&second, on, states(6), Word::Honest, 5).assert_unbroken();
    }
}

#[test]
fn on_ext4_a_second_power_cut_finds_the_first_half_mended() {
    on(&EXT4, "on_ext4_a_second_power_cut_finds_the_first_half_mended", a_second_cut);
}

#[test]
fn on_xfs_a_second_power_cut_finds_the_first_half_mended() {
    on(&XFS, "on_xfs_a_second_power_cut_finds_the_first_half_mended", a_second_cut);
}

#[test]
fn on_btrfs_a_second_power_cut_finds_the_first_half_mended() {
    on(&BTRFS, "on_btrfs_a_second_power_cut_finds_the_first_half_mended", a_second_cut);
}

/// The harness can tell: a store that does not sync what it should breaks a promise in some state.
fn noticed(on: &FileSystem, forgets: &[Forget]) {
    for forget in forgets {
        let run = run::beside_a_neighbour(on, *forget);
        let states = match forget {
            // It shows right where it was acknowledged, and that is always tried.
            Forget::Log | Forget::Deletions => 0,
            Forget::Bytes | Forget::Names | Forget::Nothing => 60,
        };
        let survey = survey(&run, on, states, Word::Honest, 1);
        assert!(survey.lost() > 0, "nothing shows that these syncs are forgotten: {forget:?}");
        eprintln!("without the syncs of {forget:?}: {:.200}", survey.broken[0]);
    }
}

/// Names are no test here: ext4 and xfs have one journal, in which a rename or an unlink stands before what is synced
/// after it.
#[test]
fn on_ext4_a_forgotten_sync_is_noticed() {
    on(&EXT4, "on_ext4_a_forgotten_sync_is_noticed", |on| noticed(on, &[Forget::Bytes, Forget::Log]));
}

#[test]
fn on_xfs_a_forgotten_sync_is_noticed() {
    on(&XFS, "on_xfs_a_forgotten_sync_is_noticed", |on| noticed(on, &[Forget::Bytes, Forget::Log]));
}

#[test]
fn on_btrfs_a_forgotten_sync_is_noticed() {
    let all = [Forget::Bytes, Forget::Names, Forget::Log, Forget::Deletions];
    on(&BTRFS, "on_btrfs_a_forgotten_sync_is_noticed", |on| noticed(on, &all));
}

/// Who mounts without barriers, or has a disk that answers a flush before it is done, loses what was acknowledged.
#[test]
fn without_barriers_what_was_acknowledged_is_lost() {
    on(&EXT4_NO_BARRIER, "without_barriers_what_was_acknowledged_is_lost", |on| {
        let survey = survey(&run::commands(on), on, 20, Word::Honest, 1);
        assert!(survey.lost() > 0, "no power cut was noticed: {:#?}", survey.broken);
    });
}

#[test]
fn on_a_disk_that_lies_what_was_acknowledged_is_lost() {
    on(&EXT4, "on_a_disk_that_lies_what_was_acknowledged_is_lost", |on| {
        let survey = survey(&run::commands(on), on, 60, Word::Lying(2), 1);
        assert!(survey.lost() > 0, "no power cut was noticed: {:#?}", survey.broken);
    });
}

/// What is written to the loop device is in the recording when it is acknowledged, and a sync when it returns.
#[test]
fn the_recording_has_every_write_and_every_flush_when_it_is_acknowledged() {
    apart("the_recording_has_every_write_and_every_flush_when_it_is_acknowledged", &["dd"], || {
        recording::check_recorder(&Image::empty(1 << 20));
    });
}
