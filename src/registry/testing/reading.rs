//! Everything that a store can be asked without changing it.

use std::path::Path;

use super::super::report::{
    CatTarget, DiffTarget, ExplainDepth, ExplainRequest, ExplainTarget, ListFilter, LogFilter, PlanRequest,
    Recorded, Reference, VerifyDepth, VerifyRequest,
};
use super::super::{Access, OpenOptions, Registry};
use crate::env::{Env, Timestamp};
use crate::error::{Error, with_causes};
use crate::events::EventType;
use crate::identity::{Blake3, ContentAddress};
use crate::monitor::Void;

/// What a question was, and whether there was an answer.
pub type Answer = (&'static str, Result<(), Error>);

/// The instant at which everything is asked.
const NOW: i64 = 1_795_000_000_000_000;

/// Opens a store to be read and asks it everything that can be asked of these packages and objects, and of all that
/// it lists by itself. The list ends where the store cannot be opened.
///
/// # Panics
/// Where an answer is none: an error whose text is more than one line.
pub fn read_everything(root: &Path, scratch: &Path, packages: &[&str], objects: &[Blake3]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for access in [Access::Log, Access::Read] {
        let env = Env::fixed("reader@test", Timestamp::from_micros(NOW), 1);
        match Registry::open(root, OpenOptions::new(access, scratch), env, &Void) {
            Err(error) => answers.push(("open", Err(error))),
            Ok(registry) if access == Access::Log => answers.push(("log", all_events(&registry))),
            Ok(registry) => ask(&registry, packages, objects, &mut answers),
        }
    }
    for (_, answer) in &answers {
        if let Err(error) = answer {
            let text = with_causes(error);
            assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
        }
    }
    answers
}

fn all_events(registry: &Registry) -> Result<(), Error> {
    let mut after = 0;
    registry.log(&LogFilter::default(), &mut |row| {
        assert!(row.line.sequence > after, "event {} after {after}", row.line.sequence);
        after = row.line.sequence;
        drop(registry.payload(&row));
        Ok(())
    })?;
    let only = LogFilter { since: 0, event_type: Some(EventType::PackageFinalized.name().to_owned()) };
    registry.log(&only, &mut |_| Ok(()))
}

fn ask(registry: &Registry, packages: &[&str], objects: &[Blake3], answers: &mut Vec<Answer>) {
    answers.push(("log", all_events(registry)));
    let mut references: Vec<Reference> = packages.iter().map(|&name| Reference(name.to_owned())).collect();
    for filter in
        [ListFilter::Present, ListFilter::All, ListFilter::Open, ListFilter::Removed, ListFilter::Expired]
    {
        let listed = registry.list(filter, Some(64));
        references.extend(listed.iter().flatten().take(8).map(|package| Reference(package.reference())));
        answers.push(("list", listed.map(drop)));
    }
    references.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    references.dedup();
    for reference in &references {
        answers.push(("show", registry.show(reference).map(drop)));
        let mut path = None;
        let files = registry.files(reference, &mut |entry| {
            path = Some(entry.path.clone());
            Ok(())
        });
        answers.push(("files", files.map(drop)));
        answers.push(("manifest", registry.manifest(reference).map(drop)));
        let right = DiffTarget::Package(references[0].clone());
        answers.push(("diff", registry.diff(reference, &right, &Void).map(drop)));
        let without = registry.plan_without(std::slice::from_ref(reference), &Void);
        answers.push(("gc --without", without.map(drop)));
        if let Some(path) = path {
            let target = CatTarget::Path { reference: reference.clone(), path: path.clone() };
            answers.push(("cat", registry.cat(&target, None, &mut std::io::sink()).map(drop)));
            answers.push(explain(registry, ExplainTarget::Path { reference: reference.clone(), path }));
        }
    }
    for object in objects {
        let prefix = ContentAddress::new(*object).into();
        answers.push(explain(registry, ExplainTarget::Object(prefix)));
        let prefix = ContentAddress::new(*object).into();
        let cat = registry.cat(&CatTarget::Object(prefix), None, &mut std::io::sink());
        answers.push(("cat", cat.map(drop)));
    }
    answers.push(("pins", registry.pins().map(drop)));
    answers.push(("stats", registry.stats().map(drop)));
    answers.push(("health", registry.health().map(drop)));
    answers.push(("gc", registry.plan(&PlanRequest::default(), &Void).map(drop)));
    answers.push(("replay --check", registry.replay_check(&Void).map(drop)));
    let verify = VerifyRequest {
        depth: VerifyDepth::Quick,
        record: Recorded::No,
        threads: Some(1),
        ..VerifyRequest::default()
    };
    answers.push(("verify", registry.verify(&verify, &Void).map(drop)));
}

fn explain(registry: &Registry, target: ExplainTarget) -> Answer {
    let request = ExplainRequest { target, depth: ExplainDepth::Short, paths_max: Some(8) };
    ("explain", registry.explain(&request, &Void).map(drop))
}
