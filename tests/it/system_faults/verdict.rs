//! What must be true of a command that met a fault, of the store that it left, and of the next try.

use std::collections::BTreeMap;

use super::scene::{Clean, Deed, Effect, Scene, Soundness, Start, State};
use crate::support::cli::Said;

/// Whether a message leaves it open what happened.
fn is_unsure(said: &Said) -> bool {
    matches!(said.code, -9 | 137) // killed, so nobody said anything
        || said.err.contains("may stand")
        || said.err.contains("it is done")
        || said.out.contains("not recorded")
        || (said.code == 4 && said.out.contains("recorded as event"))
}

/// What was broken on purpose, and how one tells whether the answer fits.
pub(super) struct Fault<'a> {
    /// Words of the system's of which a clear message has one.
    pub(super) words: &'a [String],
    /// Exit codes that a failure may have beside 1.
    pub(super) codes: &'a [i32],
    /// A sync failed that counts: success is a lie.
    pub(super) forbids_success: bool,
    /// Takes the fault away.
    pub(super) lift: &'a dyn Fn(),
}

/// Holds what a command said under a fault, and what it left, against what must be true; then the fault is gone and
/// the command is repeated.
pub(super) fn judge(
    deed: Deed,
    clean: &Clean,
    scene: &Scene,
    said: &Said,
    fault: &Fault<'_>,
) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {said:?}"));
    if said.err.contains("panicked") || said.code == 101 {
        return wrong("it panicked");
    }
    if said.code == -9 || said.code == 137 {
        return wrong("it hung");
    }
    if said.code < 0 || said.code > 125 {
        return wrong("it was killed");
    }
    if said.code == 0 {
        if fault.forbids_success && !is_unsure(said) {
            return wrong("it claims success after a sync that failed");
        }
        let is_told =
            said.out.contains("concern: ") && fault.words.iter().any(|word| said.out.contains(&**word));
        if deed.effect == Effect::None && !is_told && !is_same_answer(deed, &clean.said.out, &said.out) {
            return wrong("another answer than without the fault");
        }
    } else {
        if said.code != 1 && !fault.codes.contains(&said.code) {
            return wrong("an odd exit code");
        }
        is_clear(said, fault).or_else(|fault| wrong(&fault))?;
    }
    (fault.lift)();
    aftermath(deed, clean, scene, said)
}

/// Holds what a command left against what it said, and repeats it where it failed. The fault is gone by now.
pub(super) fn aftermath(deed: Deed, clean: &Clean, scene: &Scene, said: &Said) -> Result<(), String> {
    let seen = match scene.state(deed.soundness()) {
        // Lost before, and not recovered.
        Err(_) if deed.start == Start::Lost && said.code != 0 => State::default(),
        seen => seen.or_else(|fault| Err(format!("{fault}: {said:?}")))?,
    };
    if said.code == 0 {
        let is_before = is_unsure(said) && seen == clean.before;
        if deed.effect != Effect::None && seen != clean.after && !is_before {
            return Err(format!(
                "it says it is done, and is not: {said:?}: {}",
                difference(&clean.after, &seen)
            ));
        }
        return Ok(());
    }
    if deed.effect == Effect::Whole && seen != clean.before && !(is_unsure(said) && seen == clean.after) {
        return Err(format!("it says that it failed: {said:?}: {}", difference(&clean.before, &seen)));
    }
    if deed.effect == Effect::Whole && seen == clean.after && seen != clean.before {
        return Ok(()); // done: to repeat it would be another deed
    }
    if deed.line.starts_with("export ") {
        remove_out(scene);
    }
    let again = scene.run(deed.line);
    if again.code != 0 && !(deed.effect == Effect::Steps && seen.facts == clean.after.facts) {
        return Err(format!("the repeat fails: {again:?} after {said:?}"));
    }
    let seen =
        scene.state(Soundness::Whole).or_else(|fault| Err(format!("after the repeat: {fault}: {said:?}")))?;
    if deed.effect != Effect::None && seen != clean.after {
        return Err(format!("the repeat does something else: {said:?}: {}", difference(&clean.after, &seen)));
    }
    if deed.effect == Effect::None && !is_same_answer(deed, &clean.said.out, &again.out) {
        return Err(format!("the repeat answers something else: {again:?}"));
    }
    Ok(())
}

/// An export that failed leaves what it had; the operator takes that away.
fn remove_out(scene: &Scene) {
    match std::fs::remove_dir_all(scene.path().join("out")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        Ok(()) | Err(_) => {}
    }
}

/// A failure is told in one line on standard error, with the system's words in it.
fn is_clear(said: &Said, fault: &Fault<'_>) -> Result<(), String> {
    let lines: Vec<&str> = said.err.lines().collect();
    if said.code == 4 && lines.is_empty() && !said.out.is_empty() {
        return Ok(()); // faults are verify's result
    }
    if lines.is_empty() {
        return Err("it fails without a word".to_owned());
    }
    if !lines.iter().all(|line| line.starts_with("astore: ")) {
        return Err("not astore's words".to_owned());
    }
    if !fault.words.is_empty()
        && !fault.words.iter().any(|word| said.err.contains(&**word) || said.out.contains(&**word))
    {
        return Err(format!("unclear, without {:?}", fault.words));
    }
    Ok(())
}

fn is_same_answer(deed: Deed, expected: &str, found: &str) -> bool {
    // What tells of times and of free room differs from run to run.
    let first = deed.line.split(' ').next().unwrap_or_default();
    match first {
        "health" | "stats" | "verify" | "gc" => {
            let lines = |text: &str| text.lines().filter(|line| !line.starts_with("concern: only ")).count();
            lines(expected) == lines(found)
        }
        _ => expected == found,
    }
}

fn difference(expected: &State, found: &State) -> String {
    let count = |state: &State| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for fact in &state.facts {
            *counts.entry(fact.clone()).or_default() += 1;
        }
        counts
    };
    let (wanted, seen) = (count(expected), count(found));
    let missing: Vec<_> = wanted.keys().filter(|fact| !seen.contains_key(*fact)).collect();
    let extra: Vec<_> = seen.keys().filter(|fact| !wanted.contains_key(*fact)).collect();
    format!(
        "missing {missing:?}, too much {extra:?}, unfinished {} for {}",
        found.unfinished, expected.unfinished
    )
}
