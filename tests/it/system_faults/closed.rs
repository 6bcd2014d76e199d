//! Directories that are closed to who works there, and one that vanishes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::scene::{READERS, Scene, Start, WRITERS};
use super::verdict::{Fault, judge};
use crate::support::cli::is_slow_run;
use crate::support::oracle;

/// What may be closed, relative to the root; `None` is a shard directory.
const PLACES: [Option<&str>; 6] =
    [Some(""), Some("log"), Some("tmp"), Some("blake3"), Some("astore.db"), None];

#[test]
fn who_may_not_is_told_so() {
    let (mut runs, mut refused) = (0, 0);
    let deeds = WRITERS.iter().chain(&READERS).filter(|deed| deed.start != Start::Nothing);
    for deed in deeds.step_by(if is_slow_run() { 1 } else { 6 }) {
        let clean = deed.clean();
        for place in PLACES {
            for mode in [0, 0o500] {
                let scene = Scene::of_mortal(deed.start);
                let at: PathBuf = match place {
                    Some(name) => scene.root().join(name),
                    None => oracle::file_of(&scene.root(), b"more").parent().unwrap().to_owned(),
                };
                let before = std::fs::metadata(&at).unwrap().permissions();
                std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).unwrap();
                let said = scene.run(deed.line);
                let words =
                    ["Permission denied".to_owned(), "the database".to_owned(), "readonly".to_owned()];
                let lift = || std::fs::set_permissions(&at, before.clone()).unwrap();
                let fault = Fault { words: &words, codes: &[4], forbids_success: false, lift: &lift };
                judge(*deed, &clean, &scene, &said, &fault).unwrap_or_else(|wrong| {
                    panic!("{} with {} of mode {mode:o}: {wrong}", deed.line, at.display())
                });
                runs += 1;
                refused += usize::from(said.code != 0);
            }
        }
    }
    eprintln!("{runs} commands before a closed door, {refused} refused");
    assert!(refused > 0);
}

/// A directory of the store that is gone: the command fails or does without, and nothing is made in its place that
/// would hide that it was there.
#[test]
fn a_directory_that_vanished_is_missed() {
    for deed in WRITERS.iter().chain(&READERS).filter(|deed| deed.start != Start::Nothing) {
        let clean = deed.clean();
        for place in ["blake3", "tmp"] {
            let scene = Scene::new(deed.start);
            let (at, aside) = (scene.root().join(place), scene.path().join("aside"));
            std::fs::rename(&at, &aside).unwrap();
            let said = scene.run(deed.line);
            let lift = || {
                match std::fs::remove_dir(&at) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{place}: {error}"),
                    Ok(()) | Err(_) => {}
                }
                std::fs::rename(&aside, &at).unwrap();
            };
            let fault = Fault { words: &[], codes: &[4, 7], forbids_success: false, lift: &lift };
            if place == "blake3" {
                assert!(said.code < 100, "{}: {said:?}", deed.line);
                continue; // what verify and gc record of it is true
            }
            judge(*deed, &clean, &scene, &said, &fault)
                .unwrap_or_else(|wrong| panic!("{} without {place}/: {wrong}", deed.line));
        }
    }
}
