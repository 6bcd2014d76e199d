//! `add --bagit`: the name that a bag gives its package, and what there is to say of the bag.

use std::path::Path;

use astore::manifest::PackageName;
use astore::registry::report::{Bag, BagNote};

use super::super::context::Context;
use super::super::naming;
use super::super::output::escape;
use super::super::output::units::count;

/// Returns the name that a bag gives its package: its identifier, where that is a name or a package of ours, else the
/// directory's.
pub(super) fn name(bag: &Bag) -> anyhow::Result<PackageName> {
    let mut identifiers =
        bag.info().iter().filter(|(label, _)| label.eq_ignore_ascii_case("External-Identifier"));
    let identified = identifiers.find_map(|(_, value)| named(value));
    identified.map_or_else(|| naming::default_name(bag.directory()), Ok)
}

/// Takes `name` or `name@version` for a name.
fn named(identifier: &str) -> Option<PackageName> {
    let name = match identifier.split_once('@') {
        Some((name, version)) => version.parse::<u64>().ok().map(|_| name)?,
        None => identifier,
    };
    name.parse().ok()
}

/// Reads the tag files of a bag.
pub(super) fn read(directory: &Path) -> anyhow::Result<Bag> {
    Ok(Bag::read(directory).map_err(astore::error::Error::from)?)
}

/// Says what there is to know of the bag.
pub(super) fn tell(notes: &[BagNote], ctx: &Context) {
    for note in notes {
        match note {
            BagNote::Unchecked { list } => {
                let list = escape::line(list);
                ctx.terminal.note(&format!("astore: {list} was not used: the bag was checked by another list"));
            }
            BagNote::DescribedOtherwise => ctx.terminal.warn(
                "astore: astore/manifest.cbor does not describe what is in data/, and was not used: the package has \
                 the modes of the files, no symlinks, and times only with --mtime",
            ),
            BagNote::LabelsLeftOut { labels } => {
                let labels = count(*labels, "line");
                ctx.terminal.warn(&format!("astore: {labels} of bag-info.txt not kept as provenance"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_name_or_a_package() {
        let name = |identifier| named(identifier).map(|name| name.to_string());
        assert_eq!(name("doc").as_deref(), Some("doc"));
        assert_eq!(name("doc@12").as_deref(), Some("doc"));
        for identifier in ["", "doc@", "doc@1a", "@1", "a/b", "urn:x y"] {
            assert_eq!(name(identifier), None, "{identifier}");
        }
    }
}
