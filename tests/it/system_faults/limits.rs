//! The limits of a process: how large a file may be, how many files may be open, how much memory there is.

use std::collections::BTreeMap;
use std::fs::File;

use super::scene::{Clean, Deed, Effect, READERS, Scene, Start, WRITERS};
use super::verdict::{Fault, judge};
use crate::support::cli::{Said, has, is_slow_run};

/// Runs commands under one limit after the other, each on a scene of its own, and says what came of it.
fn under(option: &str, values: &[u64], deeds: &[Deed], words: &[&str]) {
    if !has("prlimit") {
        return;
    }
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let (mut runs, mut refused) = (0, 0);
    let mut said_by: BTreeMap<String, usize> = BTreeMap::new();
    for deed in deeds {
        let clean: Clean = deed.clean();
        for value in values {
            let scene = Scene::new(deed.start);
            let said = scene.run_within(&["prlimit".to_owned(), format!("--{option}={value}")], deed.line);
            let fault = Fault { words: &words, codes: &[], forbids_success: false, lift: &|| {} };
            judge(*deed, &clean, &scene, &said, &fault)
                .unwrap_or_else(|wrong| panic!("{} under {option}={value}: {wrong}", deed.line));
            runs += 1;
            if said.code != 0 {
                refused += 1;
                *said_by.entry(said.err.replace(&*scene.path().to_string_lossy(), "…")).or_default() += 1;
            }
        }
    }
    eprintln!(
        "{option}: {} commands, {runs} runs, {refused} refused, {} answers",
        deeds.len(),
        said_by.len()
    );
    for (said, count) in said_by.iter().filter(|_| is_slow_run()) {
        eprint!("{count:4} {said}");
    }
}

#[test]
fn a_limit_of_file_sizes_kills_nobody() {
    let few = [0, 100, 4096, 36_000, 140_000];
    let many = [
        0,
        1,
        100,
        512,
        4095,
        4096,
        4097,
        6300,
        6500,
        8192,
        12_288,
        16_384,
        24_576,
        32_768,
        32_800,
        36_000,
        40_960,
        65_536,
        81_920,
        100_000,
        140_000,
        200_000,
        250_000,
        299_999,
        1 << 20,
        4 << 20,
    ];
    let values: &[u64] = if is_slow_run() { &many } else { &few };
    under("fsize", values, sample(&WRITERS), &["File too large", "the database"]);
}

#[test]
fn a_limit_of_open_files_is_told() {
    // With three, which are taken, no program starts.
    let all: Vec<u64> = (4..48).collect();
    let few: Vec<u64> = [4, 6, 9, 12, 15, 19].into();
    let values = if is_slow_run() { all } else { few };
    under("nofile", &values, sample(&WRITERS), &["Too many open files", "the database"]);
    under("nofile", &values, sample(&READERS), &["Too many open files", "the database"]);
}

/// All of them in a slow run, else some.
fn sample(deeds: &'static [Deed]) -> &'static [Deed] {
    if is_slow_run() { deeds } else { &deeds[..4] }
}

/// A tree that is deeper and wider than there may be files open: it is added and exported all the same.
#[test]
fn a_tree_deeper_than_the_files_that_may_be_open_is_no_obstacle() {
    if !has("prlimit") {
        return;
    }
    let scene = Scene::new(Start::Stocked);
    let mut deep = scene.path().join("deep");
    for level in 0..200 {
        std::fs::create_dir(&deep).unwrap();
        std::fs::write(deep.join("f"), format!("{level}")).unwrap();
        deep.push("d");
    }
    let wide = scene.path().join("deep/wide");
    std::fs::create_dir(&wide).unwrap();
    for nth in 0..500 {
        File::create(wide.join(format!("{nth}"))).unwrap();
    }
    let mut works = 0;
    for files in [12, 24, 48, 96, 160, 256] {
        let limit = ["prlimit".to_owned(), format!("--nofile={files}")];
        for line in ["add --finalize deep --name deep", "export deep out", "verify --threads 16 --no-record"]
        {
            let said: Said = scene.run_within(&limit, line);
            assert!(said.code == 0 || said.code == 1 || said.code == 7, "{line} with {files}: {said:?}");
            assert!(said.code == 0 || said.err.starts_with("astore: "), "{line} with {files}: {said:?}");
            works += usize::from(said.code == 0);
            drop(std::fs::remove_dir_all(scene.path().join("out")));
        }
    }
    eprintln!("{works} of 18 commands worked");
    for line in ["add --finalize deep --name deep", "export deep out", "verify --threads 16"] {
        assert_eq!(scene.run(line).code, 0, "{line}");
    }
}

/// Where the system has no memory left, the process ends at once, as if killed: the store is whole and the next one
/// goes on.
#[test]
fn a_process_without_memory_leaves_a_whole_store() {
    if !has("prlimit") {
        return;
    }
    let (mut aborted, mut refused, mut done) = (0, 0, 0);
    let step = if is_slow_run() { 1 } else { 5 };
    for deed in WRITERS.iter().filter(|deed| deed.effect == Effect::Whole).step_by(step) {
        let clean = deed.clean();
        for mebibytes in [16_u64, 20, 24, 28, 32, 40, 48, 64, 96].into_iter().step_by(step.min(2)) {
            let scene = Scene::new(deed.start);
            let limit = format!("--as={}", mebibytes << 20);
            let said = scene.run_within(&["prlimit".to_owned(), limit], deed.line);
            match said.code {
                0 => done += 1,
                1 | 127 => refused += 1,
                // SIGABRT where there is none; before `main`, the loader dies of SIGSEGV.
                -6 | 134 | -11 | 139 => aborted += 1,
                _ => panic!("{} with {mebibytes} MiB: {said:?}", deed.line),
            }
            let seen = scene.state(deed.soundness()).unwrap();
            assert!(
                seen == clean.after || (said.code != 0 && seen == clean.before),
                "{}: {said:?}",
                deed.line
            );
        }
    }
    eprintln!("memory: {done} done, {refused} refused, {aborted} aborted");
}
