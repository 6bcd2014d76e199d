//! What puts things in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use astore::disk::testing::{Call, Observed};
use astore::error::Error;
use astore::identity::Blake3;
use astore::monitor::Void;
use astore::registry::report::{AddReport, AddRequest, AddTarget, Completion, OnConflict};

use super::model::{Address, Harm, Package, duration_of};
use super::run::{Run, holds};
use super::steps::{CONTENTS, Death, NAMES, address_of, entries_of, size_of};
use crate::support::store::{real_disk, reference, request};

impl Run<'_> {
    pub(super) fn add(
        &mut self,
        name: usize,
        tree: usize,
        class: Option<&'static str>,
        completion: Completion,
    ) {
        let request = self.add_request(name, tree, class, completion);
        let report = self.registry().add(request, &mut io::empty(), &Void).unwrap();
        self.added(name, tree, class, completion, &report);
    }

    pub(super) fn add_request(
        &self,
        name: usize,
        tree: usize,
        class: Option<&str>,
        completion: Completion,
    ) -> AddRequest {
        let mut request = request(NAMES[name], &self.ground.tree(tree), completion);
        if let AddTarget::New { class: asked, .. } = &mut request.target {
            *asked = class.map(str::to_owned);
        }
        request
    }

    pub(super) fn added(
        &mut self,
        name: usize,
        tree: usize,
        class: Option<&'static str>,
        completion: Completion,
        report: &AddReport,
    ) {
        let (now, entries) = (self.now(), entries_of(tree));
        let newest = self.model.newest_finalized(NAMES[name]);
        let unchanged = completion == Completion::FinalizeIfChanged
            && newest.is_some_and(|newest| {
                let newest = &self.model.packages[newest];
                newest.entries == entries && (newest.hold || !newest.has_expired(now))
            });
        assert_eq!(report.unchanged, unchanged);
        if unchanged {
            self.ground.saw("unchanged");
            let missing: Vec<Address> = (entries.values().flatten())
                .filter(|content| self.model.is_purged(content) || self.is_seen_to_be_harmed(content))
                .copied()
                .collect();
            if !missing.is_empty() {
                self.store(missing);
            }
            return;
        }
        self.store(entries.values().flatten().copied().collect());
        let version = self.model.next_version(NAMES[name]);
        assert_eq!(report.package.version, version);
        let changed = self.model.event(now);
        self.model.packages.push(Package {
            name: NAMES[name],
            version,
            entries,
            finalized_at: None,
            removed: false,
            class: class.unwrap_or("permanent-record"),
            expires_at: None,
            taken: false,
            hold: false,
            changed,
        });
        if completion != Completion::LeaveOpen {
            let package = self.model.packages.len() - 1;
            self.finalized(package, report.package.manifest_digest.unwrap());
        }
    }

    pub(super) fn is_seen_to_be_harmed(&self, content: &Address) -> bool {
        self.model.harmed.get(content).is_some_and(|harm| *harm != Harm::Hidden)
    }

    /// An add says that the store has these, and whatever was wrong with them that it can see is mended.
    pub(super) fn store(&mut self, contents: Vec<Address>) {
        let now = self.model.event(self.now());
        for content in contents {
            if self.model.is_purged(&content) {
                self.ground.saw("brought back");
            }
            if self.is_seen_to_be_harmed(&content) {
                self.ground.saw("healed");
                self.model.harmed.remove(&content);
            }
            self.model.name(content, size_of(&content), false, now);
        }
    }

    pub(super) fn finalized(&mut self, package: usize, manifest: Blake3) {
        let now = self.model.event(self.now());
        let size = std::fs::metadata(self.file(manifest.as_bytes())).unwrap().len();
        self.model.name(*manifest.as_bytes(), size, true, now);
        let package = &mut self.model.packages[package];
        package.finalized_at = Some(now.at);
        package.expires_at = duration_of(package.class).map(|duration| now.at + duration);
        package.changed = now;
    }

    pub(super) fn extend(&mut self, name: usize, tree: usize, replace: bool, finalize: bool) {
        let completion = if finalize { Completion::Finalize } else { Completion::LeaveOpen };
        let on_conflict = if replace { OnConflict::Replace } else { OnConflict::Refuse };
        let target = AddTarget::Open { reference: reference(NAMES[name]), on_conflict };
        let request = AddRequest { target, ..request(NAMES[name], &self.ground.tree(tree), completion) };
        let head = self.head();
        let outcome = self.registry().add(request, &mut io::empty(), &Void);
        let Some(package) = self.model.newest_open(NAMES[name]) else {
            assert!(
                matches!(
                    outcome,
                    Err(Error::NoSuchPackage { .. } | Error::WrongState { .. } | Error::AllRemoved { .. })
                ),
                "{outcome:?}"
            );
            return;
        };
        let added = entries_of(tree);
        let Some(merged) = self.model.merged(package, &added, replace) else {
            assert!(matches!(outcome, Err(Error::PathTaken { .. })), "{outcome:?}");
            self.ground.saw("a path was taken");
            self.enter_stored(head);
            return;
        };
        let report = outcome.unwrap();
        self.store(added.values().flatten().copied().collect());
        let before = self.model.packages[package].contents();
        let now = self.model.event(self.now());
        self.model.packages[package].entries = merged;
        self.model.packages[package].changed = now;
        for displaced in before.difference(&self.model.packages[package].contents()) {
            self.ground.saw("displaced");
            self.model.let_go(displaced, now);
        }
        if finalize {
            self.finalized(package, report.package.manifest_digest.unwrap());
        }
    }

    pub(super) fn killed_add(&mut self, name: usize, tree: usize, completion: Completion, death: Death) {
        let head = self.head();
        self.registry = None;
        let counted = AtomicUsize::new(0);
        let watch = move |_: usize, call: &Call| {
            let (counts, nth) = match (death, call) {
                (Death::AtLogWrite(nth), Call::Write { path, .. }) => (path.starts_with("log"), nth),
                (Death::AtRename(nth), Call::Rename { to, .. }) => (to.starts_with("blake3"), nth),
                (Death::AtLogWrite(nth) | Death::AtRename(nth), _) => (false, nth),
            };
            let before = counted.fetch_add(usize::from(counts), Ordering::SeqCst);
            if before + usize::from(counts) >= nth { Err(io::Error::other("it is dead")) } else { Ok(()) }
        };
        let mut dying = self.open(Arc::new(Observed::new(real_disk(&self.root), watch)));
        dying.set_batch_files(1);
        let outcome = dying.add(self.add_request(name, tree, None, completion), &mut io::empty(), &Void);
        drop(dying);
        self.reopen();
        match outcome {
            Ok(report) => self.added(name, tree, None, completion, &report),
            Err(_) => {
                self.ground.saw("an add was killed");
                self.enter_stored(head);
            }
        }
    }

    /// Enters what an add that failed or was killed has told the log on its way, and what it has mended.
    pub(super) fn enter_stored(&mut self, head: i64) {
        for (sequence, event_type, payload) in self.events_after(head) {
            assert_eq!(event_type, "v1.objects.stored", "event {sequence} of an add that made no package");
            let now = self.model.event(self.now());
            for content in (0..CONTENTS.len()).map(address_of) {
                if holds(&payload, &content) {
                    self.ground.saw("stored by an add that made no package");
                    self.model.name(content, size_of(&content), false, now);
                }
            }
        }
        let harmed: Vec<Address> = self.model.harmed.keys().copied().collect();
        for address in harmed {
            if self.is_sound(&address) {
                self.model.harmed.remove(&address);
            }
        }
    }

    pub(super) fn finalize(&mut self, name: usize) {
        let outcome = self.registry().finalize(&reference(NAMES[name]), &Void);
        match self.model.newest_open(NAMES[name]) {
            Some(package) => {
                let manifest = outcome.unwrap().manifest_digest.unwrap();
                self.finalized(package, manifest);
            }
            None => drop(outcome.unwrap_err()),
        }
    }
}
