//! Every story in one binary: what operators, scripts and developers want of a store, and what must never
//! happen to it. A file that is not named here is found by `tidy`.
#![allow(clippy::disallowed_methods, reason = "tests make and break files by hand")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says why"
)]

mod archives;
mod asking;
mod at_a_terminal;
mod attestations;
mod bagit;
#[cfg(target_os = "linux")]
mod benchmark;
mod claims;
mod collecting;
mod completions;
mod crash;
mod damage;
mod disasters;
mod documents;
mod embedding;
mod explain;
mod faults;
mod first_minutes;
mod from_command;
mod full;
mod gc_confirmed;
mod gc_crash;
mod gc_ended;
mod gc_races;
mod gc_refused;
mod gc_rounds;
mod healing;
mod hints;
mod hostile_bytes;
mod hostile_trees;
mod hurry;
mod ignored_signals;
mod keeping;
mod labels;
mod left_out;
mod listed;
mod manual;
mod metadata_schemas;
mod metrics;
mod mistyped;
mod model;
mod nights;
mod oci;
mod odd_names;
mod old_stores;
mod on_record;
mod one_reference;
mod plans;
#[cfg(target_os = "linux")]
mod power_cut;
mod purged;
mod races;
mod reader;
mod real;
mod recipes;
mod recover;
mod recover_again;
mod reflinks;
mod remembered;
mod rotten;
mod same_content;
mod schedules;
mod schemas;
mod settings;
mod support;
mod system_faults;
mod tidy;
mod together;
mod units;
mod unnoticed;
mod verify_races;
mod version;
