//! An operator collects, whatever happened before: random histories of a store against a model in memory, which is
//! written from the design's §9 and knows nothing of the code.
//!
//! After every step: what a package, a pin or a hold reaches is there, unless it was broken on purpose; every
//! digest that the log ever named has one verdict, the model's; the plan is the model's, and so is its name; and
//! what must be refused was refused, and nothing else. At the end replay makes the same views, and verify finds
//! what was broken and nothing else.

mod adding;
mod keeping;
mod model;
mod run;
mod steps;
mod taking;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::run::{Ground, Run};
use self::steps::step;
use crate::support::cli::is_slow_run;

/// How many histories each of the tests goes through.
fn cases() -> u32 {
    let usual = if is_slow_run() { 5000 } else { 500 };
    std::env::var("ASTORE_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn check(needed: &[&'static str]) {
    let ground = Ground::new();
    let config =
        Config { cases: cases(), failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&prop::collection::vec(step(), 1..34), |steps| {
        let mut run = Run::new(&ground);
        for step in &steps {
            run.apply(step);
            run.look();
        }
        run.judge();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let tally = ground.tally.borrow();
    eprintln!("{tally:#?}");
    for what in needed {
        let seen = tally.get(what).copied().unwrap_or_default();
        assert!(seen > 0 || cases() < 400, "{what:?} was never seen: {tally:#?}");
    }
}

const NEEDED: [&str; 22] = [
    "a changed plan refused",
    "a gc was killed",
    "a path was taken",
    "a plan of the future refused",
    "a reviewed plan carried out",
    "an add was killed",
    "an earlier expiry refused",
    "broken",
    "brought back",
    "displaced",
    "healed",
    "pin refused",
    "purged: expired",
    "purged: removed",
    "purged: stored",
    "purged: unrecorded",
    "remains deleted",
    "restore refused",
    "restored",
    "resumed",
    "stored by an add that made no package",
    "the clock doubted",
];

#[test]
fn a_gc_takes_what_a_model_takes_first_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_second_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_third_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_fourth_part() {
    check(&NEEDED);
}
