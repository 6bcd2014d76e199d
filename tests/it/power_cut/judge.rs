//! What a store must be after a power cut, whatever the disk made of it.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Instant;

use super::run::{LOG, Promise, Run, astore, chain, purged, store_on};
use super::states::{Disk, Kept, Word, choose};
use super::volume::FileSystem;
use crate::support::oracle;
use crate::support::store::fast_dir;

/// How a recording was gone through.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) states: usize,
    /// The file system itself was gone.
    pub(super) unmountable: usize,
    /// The same, where a single write was torn: nobody can look into these.
    pub(super) torn_apart: usize,
    /// What broke a promise: where, and how.
    pub(super) broken: Vec<String>,
}

/// Makes power cuts of a run, and looks at the store in each. Ends after so many in which a promise is broken, not
/// counting those in which the file system is.
pub(super) fn survey(run: &Run, on: &FileSystem, cuts: usize, word: Word, broken_max: usize) -> Survey {
    let started = Instant::now();
    let moments: Vec<usize> =
        run.promises.iter().map(|promise| run.recording.entries_at(promise.at)).collect();
    let acknowledged: Vec<usize> =
        run.acknowledged.iter().map(|(at, _)| run.recording.entries_at(*at)).collect();
    let cuts = choose(&run.recording, &[&moments[..], &acknowledged].concat(), cuts, word);
    let place = fast_dir();
    let (image, at) = (place.path().join("image"), place.path().join("mounted"));
    std::fs::create_dir(&at).unwrap();
    let mut disk = Disk::new(run.image.clone(), &run.recording, on.sector_bytes);
    let mut survey = Survey::default();
    for (nth, cut) in cuts.iter().enumerate() {
        disk.after(cut).write_to(&image);
        let promised = run.promises.iter().zip(&moments).rfind(|(_, moment)| **moment <= cut.at);
        let promised = promised.map(|(promise, _)| promise);
        survey.states += 1;
        let broken = match on.mount(&image, &at) {
            // What comes last costs half of it all.
            Ok(_mounted) => guarded(|| {
                let by_then =
                    acknowledged.iter().zip(&run.acknowledged).filter(|(moment, _)| **moment <= cut.at);
                let packages = by_then.map(|(_, (_, package))| package.as_str()).collect::<Vec<_>>();
                if moments.contains(&cut.at) {
                    check_purged(&at, promised)?;
                }
                judge(&at, promised, &packages, run, nth % 4 == 0)
            }),
            // A superblock of which one sector was written: the file system's own to mend, not ours to survive.
            Err(_) if matches!(cut.kept, Kept::Torn { .. }) => {
                survey.torn_apart += 1;
                Ok(())
            }
            Err(error) => {
                survey.unmountable += 1;
                Err(error)
            }
        };
        if let Err(broken) = broken {
            let after = promised.map_or("making the file system", |promise| &promise.what);
            survey.broken.push(format!("{}, {cut:?}, after {after}: {broken}", on.name));
            if survey.lost() >= broken_max {
                break;
            }
        }
    }
    eprintln!(
        "{}: {} writes and {} flushes recorded, {} promises; {} states, {} of them broken ({} not to be mounted; {} more torn so), {:.1} s",
        on.name,
        run.recording.writes(),
        run.recording.flushes(),
        run.promises.len(),
        survey.states,
        survey.broken.len(),
        survey.unmountable,
        survey.torn_apart,
        started.elapsed().as_secs_f64(),
    );
    survey
}

/// A panic of the oracle is a broken promise as well.
fn guarded(judge: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    std::panic::catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned())
    })
}

/// What a gc had deleted is not there again, as long as nobody has added anything since.
fn check_purged(at: &Path, promised: Option<&Promise>) -> Result<(), String> {
    let purged = promised.iter().flat_map(|promise| &promise.purged);
    let mut back = purged.filter(|object| oracle::object_path(&store_on(at), object).exists());
    match back.next() {
        Some(object) => Err(format!("{} was purged, and is there again", blake3::Hash::from_bytes(*object))),
        None => Ok(()),
    }
}

fn judge(
    at: &Path,
    promised: Option<&Promise>,
    packages: &[&str],
    run: &Run,
    thorough: bool,
) -> Result<(), String> {
    let root = store_on(at);
    // Before anything of ours looks: nothing torn under a final name, and `log/` has what was acknowledged.
    if root.join("blake3").exists() {
        oracle::check_names(&root)?;
    }
    if let Some(mend) = promised.and_then(|promise| promise.mend.as_ref()) {
        said(at, &mend.iter().map(String::as_str).collect::<Vec<_>>())?;
    } else if let Some(promise) = promised {
        let log = std::fs::read(root.join(LOG)).map_err(|error| format!("{LOG}: {error}"))?;
        if !log.starts_with(&promise.log) {
            return Err(format!("{LOG}, of {} bytes, has not what was there", log.len()));
        }
    } else {
        // A killed init is repeated; a whole one says that there is a store already.
        said(at, &["init"])?;
    }
    // The next command simply works, and finds nothing to complain of.
    said(at, &["verify"])?;
    let seen = oracle::check_log(&root)?;
    if let Some(lost) = packages.iter().find(|name| !seen.packages.contains_key(**name)) {
        return Err(format!("{lost} is gone"));
    }
    if let Some(promise) = promised {
        let history = &run.promises.last().expect("a promise").chain;
        let mut found = chain(&root);
        found.pop(); // the verify just now
        if found.len() < promise.chain.len() {
            return Err(format!("{} events instead of {}", found.len(), promise.chain.len()));
        }
        // What mends may be an event of its own.
        if !found.starts_with(&promise.chain) || promise.mend.is_none() && !history.starts_with(&found) {
            return Err("the events are not those that were written".to_owned());
        }
        if found.len() == promise.chain.len() && seen.packages != promise.packages {
            return Err(format!("{:?} instead of {:?}", seen.packages, promise.packages));
        }
        if let Some(lost) = promise.packages.keys().find(|name| !seen.packages.contains_key(*name)) {
            return Err(format!("{lost} is gone"));
        }
        // What the log says it holds is there (see `check_log`); so nothing may be unknown to it.
        let purged = purged(&root);
        for object in &promise.objects {
            if !oracle::object_path(&root, object).exists() && !purged.contains(object) {
                return Err(format!("{} is gone", blake3::Hash::from_bytes(*object)));
            }
        }
    }
    // What was under way can be done again, and what nothing keeps can be purged.
    let small = run.trees.tree("small").into_os_string().into_string().expect("a path of text");
    said(at, &["add", &small, "--name", "small", "--finalize"])?;
    if thorough {
        said(at, &["gc", "--confirm", "--yes", "--min-age", "0s"])?;
        said(at, &["verify", "--both", "--no-record"])?;
    }
    oracle::check_names(&root)?;
    oracle::check_log(&root).map(drop)
}

/// Runs a command that must succeed.
fn said(at: &Path, arguments: &[&str]) -> Result<(), String> {
    let said = astore(at, arguments);
    if said.code == 0 { Ok(()) } else { Err(format!("astore {}: {said:?}", arguments[0])) }
}

impl Survey {
    /// How often a store was not what had been promised, on a file system that could be mounted.
    pub(super) fn lost(&self) -> usize {
        self.broken.len() - self.unmountable
    }

    #[track_caller]
    pub(super) fn assert_unbroken(&self) {
        assert!(self.broken.is_empty(), "{:#?}", self.broken);
    }
}
