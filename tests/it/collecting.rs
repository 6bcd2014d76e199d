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

use astore::registry::report::Completion;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::model::{DAY, HOUR};
use self::run::{Ground, Run};
use self::steps::{Death, Hold, Step, Which, step};
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

/// What no test may miss. What chance finds seldom is in histories of its own.
const NEEDED: [&str; 14] = [
    "a changed plan refused",
    "a gc was killed",
    "a path was taken",
    "a reviewed plan carried out",
    "an add was killed",
    "an earlier expiry refused",
    "broken",
    "brought back",
    "pin refused",
    "purged: expired",
    "purged: removed",
    "purged: stored",
    "purged: unrecorded",
    "stored by an add that made no package",
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

/// Goes through one history.
fn walk(steps: &[Step], seen: &[&'static str]) {
    let ground = Ground::new();
    let mut run = Run::new(&ground);
    for step in steps {
        run.apply(step);
        run.look();
    }
    run.judge();
    let tally = ground.tally.borrow();
    for what in seen {
        assert!(tally.contains_key(what), "{what:?} was not seen: {tally:?}");
    }
}

const GC: Step = Step::Collect { which: Which::Now { age: 0 }, accept: true, rounds_of: 2 };

const fn add(tree: usize, class: Option<&'static str>, completion: Completion) -> Step {
    Step::Add { name: 0, tree, class, completion }
}

const fn retain(hold: Hold) -> Step {
    Step::Retain { nth: 0, class: None, until: None, hold }
}

#[test]
fn an_add_that_died_after_a_purge_leaves_files_for_the_next_gc() {
    let dies =
        Step::KilledAdd { name: 1, tree: 1, completion: Completion::Finalize, death: Death::AtLogWrite(1) };
    let steps = [add(1, None, Completion::Finalize), Step::Remove { nth: 0 }, GC, dies, GC];
    walk(&steps, &["purged: removed", "an add was killed", "remains deleted"]);
}

#[test]
fn what_expired_and_went_comes_back_by_an_add_alone() {
    let steps = [
        add(1, Some("transient"), Completion::Finalize),
        Step::Pass { micros: 8 * DAY },
        GC,
        retain(Hold::Set),
        Step::PinPackage { pin: 0, nth: 0 },
        Step::Remove { nth: 0 },
        Step::Restore { nth: 0 },
        Step::Add { name: 1, tree: 1, class: None, completion: Completion::Finalize },
        Step::Restore { nth: 0 },
        add(1, None, Completion::FinalizeIfChanged),
        retain(Hold::Set),
        Step::Remove { nth: 1 },
        GC,
        retain(Hold::Release),
        Step::Pass { micros: 25 * HOUR },
        GC,
    ];
    let seen =
        ["purged: expired", "retain refused", "pin refused", "restore refused", "restored", "brought back"];
    walk(&steps, &seen);
}

/// The package lost one object as expired, and a pin kept the other. The clock was wrong, and is set back.
#[test]
fn what_a_gc_took_as_expired_stays_expired_when_the_clock_goes_back() {
    let steps = [
        add(1, Some("transient"), Completion::Finalize),
        Step::PinObject { pin: 0, content: 1 },
        Step::Plan { age: 0 },
        Step::Pass { micros: 7 * DAY + HOUR },
        Step::Plan { age: 0 },
        GC,
        Step::Pass { micros: -2 * HOUR },
        Step::Collect { which: Which::Last, accept: true, rounds_of: 2 },
        Step::Collect { which: Which::Now { age: 0 }, accept: false, rounds_of: 2 },
        Step::Unpin { pin: 0 },
        GC,
    ];
    walk(&steps, &["purged: expired", "a plan of the future refused", "the clock doubted"]);
}

#[test]
fn what_was_displaced_is_let_go_at_that_moment() {
    for finalize in [false, true] {
        let replaces = Step::Extend { name: 0, tree: 0, replace: true, finalize };
        let day = Step::Collect { which: Which::Now { age: 1 }, accept: true, rounds_of: 3 };
        let steps = [
            add(1, None, Completion::LeaveOpen),
            Step::Pass { micros: 25 * HOUR },
            replaces,
            day.clone(),
            Step::Pass { micros: 25 * HOUR },
            day,
        ];
        walk(&steps, &["displaced", "purged: stored"]);
    }
}
