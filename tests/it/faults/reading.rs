//! Reading on a disk that fails: the right bytes, or a clear error; and nothing in the store changes.

use std::path::Path;
use std::sync::Arc;

use astore::disk::Disk;
use astore::manifest::EntryPath;
use astore::monitor::Void;
use astore::registry::report::{CatTarget, Completion, ExportRequest, LinkMode};
use astore::registry::{Access, Registry};

use super::{Stage, packages, story};
use crate::support::store::{env, fast_dir, options, reference};

fn reading(disk: Arc<dyn Disk>, root: &Path) -> Result<Registry, astore::error::Error> {
    Registry::open_on(disk, root, options(Access::Read), env(), &Void)
}

#[test]
fn a_cat_gives_the_right_bytes_or_fails_clearly() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    let cat = |disk: Arc<dyn Disk>, root: &Path| {
        let registry = reading(disk, root)?;
        for (path, expected) in [("a", "alpha"), ("d/b", "beta"), ("z", "")] {
            let target =
                CatTarget::Path { reference: reference("x"), path: EntryPath::new(path.as_bytes()).unwrap() };
            let mut bytes = Vec::new();
            registry.cat(&target, None, &mut bytes)?;
            assert_eq!(bytes, expected.as_bytes());
        }
        Ok(None)
    };
    story("cat", &stage, &cat, &x, &x, |story| story.run());
}

#[test]
fn an_export_gives_the_right_tree_or_fails_clearly() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    let export = |disk: Arc<dyn Disk>, root: &Path| {
        let registry = reading(disk, root)?;
        let place = fast_dir();
        let destination = place.path().join("out");
        let request = ExportRequest {
            reference: reference("x"),
            destination: destination.clone(),
            link: LinkMode::Copy,
            special_modes: false,
        };
        let report = registry.export(&request, &Void)?;
        if !report.damaged.is_empty() {
            return Ok(Some(format!("{:?}", report.damaged)));
        }
        for (path, expected) in
            [("a", "alpha"), ("d/b", "beta"), ("d/c", "gamma"), ("same", "alpha"), ("z", "")]
        {
            assert_eq!(std::fs::read_to_string(destination.join(path)).unwrap(), expected);
        }
        Ok(None)
    };
    story("export", &stage, &export, &x, &x, |story| story.run());
}
