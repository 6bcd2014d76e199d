//! Everything that a store can be asked without changing it.

use std::fmt::{Debug, Write as _};
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

/// What was asked, and the answer as text, so that two can be compared.
pub type Answer = (String, Result<String, Error>);

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
            Err(error) => answers.push(("open".to_owned(), Err(error))),
            Ok(registry) if access == Access::Log => {
                answers.push(("log alone".to_owned(), all_events(&registry)));
            }
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

fn all_events(registry: &Registry) -> Result<String, Error> {
    let (mut after, mut told) = (0, String::new());
    registry.log(&LogFilter::default(), &mut |row| {
        assert!(row.line.sequence > after, "event {} after {after}", row.line.sequence);
        after = row.line.sequence;
        let payload = registry.payload(&row).map_err(|error| with_causes(&error));
        writeln!(told, "{row:?} {payload:?}").expect("a String takes it");
        Ok(())
    })?;
    let only = LogFilter {
        since: 0,
        event_type: Some(EventType::PackageFinalized.name().to_owned()),
        ..LogFilter::default()
    };
    registry.log(&only, &mut |_| Ok(()))?;
    Ok(told)
}

/// Spells an answer.
fn spelled(answer: Result<impl Debug, Error>) -> Result<String, Error> {
    answer.map(|answer| format!("{answer:?}"))
}

fn ask(registry: &Registry, packages: &[&str], objects: &[Blake3], answers: &mut Vec<Answer>) {
    let mut put = |what: &str, answer| answers.push((what.to_owned(), answer));
    put("log", all_events(registry));
    let mut references: Vec<Reference> = packages.iter().map(|&name| Reference(name.to_owned())).collect();
    for filter in
        [ListFilter::Present, ListFilter::All, ListFilter::Open, ListFilter::Removed, ListFilter::Expired]
    {
        let listed = registry.list(filter, Some(64));
        references.extend(listed.iter().flatten().take(8).map(|package| Reference(package.reference())));
        put(&format!("list {filter:?}"), spelled(listed));
    }
    references.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    references.dedup();
    for reference in &references {
        let name = &reference.0;
        put(&format!("show {name}"), spelled(registry.show(reference)));
        let (mut path, mut entries) = (None, Vec::new());
        let files = registry.files(reference, &mut |entry| {
            path = Some(entry.path.clone());
            entries.push(entry.clone());
            Ok(())
        });
        put(&format!("files {name}"), spelled(files.map(|_| entries)));
        put(&format!("manifest {name}"), spelled(registry.manifest(reference)));
        let right = DiffTarget::Package(references[0].clone());
        let mut differences = Vec::new();
        let diff = registry.diff(reference, &right, &Void, &mut |difference| {
            differences.push(difference.clone());
            Ok(())
        });
        put(&format!("diff {name}"), spelled(diff.map(|_| differences)));
        let without = registry.plan_without(std::slice::from_ref(reference), &Void);
        put(&format!("gc --without {name}"), spelled(without));
        if let Some(path) = path {
            let target = CatTarget::Path { reference: reference.clone(), path: path.clone() };
            put(&format!("cat {name}"), cat(registry, &target));
            let target = ExplainTarget::Path { reference: reference.clone(), path };
            put(&format!("explain {name}"), explain(registry, target));
        }
    }
    for object in objects {
        let address = ContentAddress::new(*object);
        put(&format!("explain {address}"), explain(registry, ExplainTarget::Object(address.into())));
        put(&format!("cat {address}"), cat(registry, &CatTarget::Object(address.into())));
    }
    put("pins", spelled(registry.pins()));
    let stats = registry.stats().map(|stats| (stats.events, stats.objects, stats.object_bytes));
    put("stats", spelled(stats));
    put("health", registry.health().map(|health| format!("{:?}", health.head_sequence)));
    let plan = registry.plan(&PlanRequest::default(), &Void);
    put("gc", plan.map(|report| report.plan.name().digest.to_string()));
    let replayed = registry.replay_check(&Void);
    put("replay --check", replayed.map(|report| format!("{:?} {:?}", report.view_digest, report.differing)));
    let verify = VerifyRequest {
        depth: VerifyDepth::Full,
        record: Recorded::No,
        threads: Some(1),
        ..VerifyRequest::default()
    };
    let verified = registry.verify(&verify, &Void);
    put("verify", verified.map(|report| format!("{} {:?}", report.head_digest, report.faults)));
}

fn cat(registry: &Registry, target: &CatTarget) -> Result<String, Error> {
    let mut bytes = Vec::new();
    registry.cat(target, None, &mut bytes)?;
    Ok(format!("{bytes:?}"))
}

fn explain(registry: &Registry, target: ExplainTarget) -> Result<String, Error> {
    let request = ExplainRequest { target, depth: ExplainDepth::Short, paths_max: Some(8) };
    spelled(registry.explain(&request, &Void))
}
