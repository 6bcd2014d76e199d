//! What must cost the same in a store of any size reads no large table from end to end. Tests only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::report::{
    AddRequest, AddSource, AddTarget, CatTarget, Completion, ExplainDepth, ExplainRequest, ExplainTarget,
    InitRequest, ListFilter, LogFilter, PinRequest, Reference,
};
use super::super::{Access, OpenOptions, Registry};
use crate::db::{Database, OpenMode, statements};
use crate::env::Env;
use crate::error::Error;
use crate::identity::{AddressPrefix, Blake3};
use crate::manifest::EntryPath;
use crate::monitor::{Recording, Void};
use crate::storage::layout;

/// The tables that grow with the store. Those that are not here hold what an operator ran by hand.
const LARGE: [&str; 8] = [
    "events",
    "objects",
    "artifact_files",
    "artifact_packages",
    "retention_state",
    "storage_locations",
    "leftovers",
    "pins",
];

/// Indices of rows that are few, however many the table has: to go through one is to go through little.
const PARTIAL: [&str; 4] =
    ["events_with_payload_objects", "objects_damaged", "pins_by_package", "pins_by_object"];

/// Statements that may go through a large table, by how they begin, and why that is so.
const STOPS: [&str; 3] = [
    // The newest packages, by the primary key downwards, until there are as many as were asked for.
    "SELECT * FROM (SELECT package, tree,",
    // The last event, and the next one.
    "SELECT sequence, digest FROM events ORDER BY sequence DESC LIMIT 1",
    // All the pins: `pins` lists them.
    "SELECT name, package, object, reason, created_at, actor, added_sequence FROM pins ORDER BY name",
];

fn open(root: &Path, access: Access) -> Registry {
    let options = OpenOptions::new(access, root.parent().unwrap());
    Registry::open(root, options, Env::system("flat@test"), &Void).unwrap()
}

fn store(place: &Path) -> std::path::PathBuf {
    let root = layout::within(place, "store".as_ref());
    Registry::init(&root, &InitRequest::default(), &Env::system("flat@test")).unwrap();
    root
}

/// Adds a package of one file.
fn add(registry: &Registry, place: &Path, name: &str) -> Result<(), Error> {
    let tree = layout::within(place, name.as_ref());
    fs::DirBuilder::new().recursive(true).create(&tree).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a tree to add, and no store's")]
    fs::write(layout::within(&tree, "file".as_ref()), name).unwrap();
    let target = AddTarget::new_version(name.parse().unwrap());
    let request = AddRequest::new(vec![AddSource::Path(tree)], target, Completion::Finalize);
    registry.add(request, &mut std::io::empty(), &Void).map(drop)
}

fn explain(registry: &Registry, target: ExplainTarget) {
    let request = ExplainRequest { target, depth: ExplainDepth::Short, paths_max: None };
    registry.explain(&request, &Void).unwrap();
}

/// Does everything that is to be flat.
fn ask(root: &Path) {
    let place = root.parent().unwrap();
    let registry = open(root, Access::Write);
    add(&registry, place, "another").unwrap();
    drop(registry);

    let registry = open(root, Access::Read);
    let app = Reference("app".to_owned());
    let path = || EntryPath::new(*b"file").unwrap();
    let prefix = |digits: &str| -> AddressPrefix { format!("blake3:{digits}").parse().unwrap() };
    let stored = Blake3::of(b"app").to_string();
    registry.show(&app).unwrap();
    registry.files(&app, &mut |_| Ok(())).unwrap();
    registry.list(ListFilter::Present, Some(10)).unwrap();
    registry.log(&LogFilter { since: 3, ..LogFilter::default() }, &mut |_| Ok(())).unwrap();
    registry.pins().unwrap();
    registry.health().unwrap();
    registry.glance().unwrap();
    for digits in [stored.as_str(), &stored[..12]] {
        registry.cat(&CatTarget::Object(prefix(digits)), None, &mut std::io::sink()).unwrap();
        explain(&registry, ExplainTarget::Object(prefix(digits)));
    }
    let target = CatTarget::Path { reference: app.clone(), path: path() };
    registry.cat(&target, None, &mut std::io::sink()).unwrap();
    explain(&registry, ExplainTarget::Path { reference: app, path: path() });
    for file in ["app/file", "unknown"] {
        explain(&registry, ExplainTarget::File(layout::within(place, file.as_ref())));
    }
    explain(&registry, ExplainTarget::Object(prefix(&Blake3::of(b"never stored").to_string())));
}

/// Returns the lines of query plans that go through a large table from one end to the other.
fn scans(root: &Path, statements: &BTreeSet<String>) -> Vec<String> {
    let path = layout::within(root, layout::DATABASE.as_ref());
    let db = Database::open(&path, OpenMode::Read).unwrap();
    let tx = db.read().unwrap();
    let mut scans = Vec::new();
    for sql in statements {
        let is_query = ["SELECT", "UPDATE", "DELETE", "INSERT"].iter().any(|verb| sql.starts_with(verb));
        if !is_query || STOPS.iter().any(|stops| sql.starts_with(stops)) {
            continue;
        }
        let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // A plan is the same whatever is asked for: nothing has to be bound.
        let lines: Vec<String> =
            plan.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>().unwrap();
        for line in lines {
            let table = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let is_partial = line.split(' ').any(|word| PARTIAL.contains(&word));
            if table.is_some_and(|table| LARGE.contains(&table)) && !is_partial {
                scans.push(format!("{line} in {sql}"));
            }
        }
    }
    scans
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a file to be asked about, and no store's")]
fn nothing_flat_reads_a_large_table_from_end_to_end() {
    let place = tempfile::tempdir().unwrap();
    let root = store(place.path());
    let registry = open(&root, Access::Write);
    add(&registry, place.path(), "app").unwrap();
    registry.pin("kept", &PinRequest::Package(Reference("app".to_owned())), None).unwrap();
    drop(registry);
    fs::write(layout::within(place.path(), "unknown".as_ref()), "never stored either").unwrap();

    let ((), statements) = statements::of(|| ask(&root));
    assert!(statements.len() > 30, "{statements:#?}");
    assert_eq!(scans(&root, &statements), Vec::<String>::new());

    // And the plans are those of this database: without its indices the same statements do.
    let registry = open(&root, Access::Write);
    drop_partial(&registry);
    drop(registry);
    let tables: BTreeSet<String> = scans(&root, &statements)
        .iter()
        .filter_map(|line| line.split(' ').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(tables, BTreeSet::from(["events", "objects", "pins"].map(str::to_owned)));
}

fn drop_partial(registry: &Registry) {
    let tx = registry.db.write().unwrap();
    for name in PARTIAL {
        tx.execute_batch(&format!("DROP INDEX {name}")).unwrap();
    }
    tx.commit().unwrap();
}

#[test]
fn a_database_of_an_earlier_build_gets_the_indices_that_it_lacks() {
    let place = tempfile::tempdir().unwrap();
    let root = store(place.path());
    let registry = open(&root, Access::Write);
    add(&registry, place.path(), "app").unwrap();
    let indices = |registry: &Registry| -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
        registry.db.read().unwrap().all(sql, [], |row| row.get("sql")).unwrap()
    };
    let all = indices(&registry);
    drop_partial(&registry);
    assert_eq!(indices(&registry).len(), all.len() - 4);
    drop(registry);

    // Who reads makes none, and does not need them.
    let registry = open(&root, Access::Read);
    let digests = crate::views::view_digest(&registry.db.read().unwrap()).unwrap();
    assert_eq!(indices(&registry).len(), all.len() - 4);
    assert_eq!(registry.health().unwrap().head_sequence, 2);
    drop(registry);

    let registry = open(&root, Access::Write);
    assert_eq!(indices(&registry), all);
    assert_eq!(crate::views::view_digest(&registry.db.read().unwrap()).unwrap(), digests);
}

#[test]
fn indices_that_cannot_be_made_are_told_of_and_keep_nobody_from_his_work() {
    let place = tempfile::tempdir().unwrap();
    let root = store(place.path());
    let registry = open(&root, Access::Write);
    drop_partial(&registry);
    let tx = registry.db.write().unwrap();
    tx.execute_batch(&format!("CREATE TABLE {} (taken)", PARTIAL[0])).unwrap();
    tx.commit().unwrap();
    drop(registry);

    let heard = Recording::default();
    let options = OpenOptions::new(Access::Write, place.path());
    let registry = Registry::open(&root, options, Env::system("flat@test"), &heard).unwrap();
    let told: Vec<String> = heard.problems().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the database lacks indices that make questions fast: "), "{told:?}");
    add(&registry, place.path(), "app").unwrap();
}
