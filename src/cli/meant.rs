//! "Did you mean …?": the names that are nearest to one that there is not.

use std::collections::BTreeSet;

use astore::error::Error;
use astore::events::EventType;
use astore::monitor::Void;
use astore::registry::{Access, Registry};

use super::context::Context;

/// How many are named.
const NAMED_MAX: usize = 3;

/// Returns what may have been meant where a failure is that something of this name is not there, the nearest first.
pub(crate) fn meant(error: &anyhow::Error, ctx: &mut Context) -> Vec<String> {
    let Some(error) = error.chain().find_map(|cause| cause.downcast_ref::<Error>()) else {
        return Vec::new();
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "most failures are not about a name")]
    match error {
        Error::NoSuchPackage { reference } => packages(reference, ctx).unwrap_or_default(),
        Error::NoSuchPin { name } => {
            let names = open(ctx).and_then(|registry| registry.pin_names().ok()).unwrap_or_default();
            nearest(name, names)
        }
        Error::NoSuchSchema { schema } => {
            let known = open(ctx).and_then(|registry| registry.schemas().ok()).unwrap_or_default();
            let names: BTreeSet<String> = known.into_iter().map(|schema| schema.name).collect();
            nearest(schema.split('@').next().unwrap_or_default(), names.into_iter().collect())
        }
        Error::NoSuchClass { class, known } => nearest(class, known.clone()),
        Error::NoSuchEventType { event_type } => {
            let all = EventType::ALL.iter().map(|known| known.name().to_owned());
            // Most people leave the version out.
            let versioned = format!("v1.{}", event_type.trim_start_matches("v1."));
            nearest(&versioned, all.collect())
        }
        _ => Vec::new(),
    }
}

/// Opens the store again, only to ask it for names. Whatever is in the way has been told already, or is of no interest.
fn open(ctx: &mut Context) -> Option<Registry> {
    let command = ctx.asked().command;
    let (root, options, env) = ctx.options(command, Access::Read).ok()?;
    Registry::open(&root, options, env, &Void).ok()
}

/// Returns references that are like this one, each of a version that there is.
fn packages(reference: &str, ctx: &mut Context) -> Option<Vec<String>> {
    let (name, version) = match reference.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (reference, None),
    };
    if name.is_empty() || name.contains('/') {
        return None; // a path, not a name
    }
    let names = open(ctx)?.package_names().ok()?;
    let newest = |wanted: &str| {
        let at = names.binary_search_by(|(name, _)| name.as_str().cmp(wanted)).ok()?;
        Some(names[at].1)
    };
    let found = nearest(name, names.iter().map(|(name, _)| name.clone()).collect());
    let with_version = |found: String| {
        let Some(version) = version else { return found };
        let newest = newest(&found).unwrap_or(1);
        let typed =
            version.parse().ok().filter(|&typed: &u64| (1..=newest).contains(&typed) && found != name);
        format!("{found}@{}", typed.unwrap_or(newest))
    };
    Some(found.into_iter().map(with_version).collect())
}

/// Returns those that are at most a third of their letters away, the nearest first, then by their bytes; none that is more
/// than twice as far as the nearest.
pub(super) fn nearest(typed: &str, names: Vec<String>) -> Vec<String> {
    let lower = typed.to_lowercase();
    let length = lower.chars().count();
    let farthest = (length / 3).max(1);
    let mut near: Vec<(usize, String)> = names
        .into_iter()
        // Names are of ASCII nearly always: bytes tell the length well enough to leave most of them aside.
        .filter(|name| name.len().abs_diff(typed.len()) <= farthest.max(typed.len().saturating_sub(length)))
        .filter_map(|name| {
            let away = strsim::osa_distance(&lower, &name.to_lowercase());
            (away <= farthest && away < length).then_some((away, name))
        })
        .collect();
    near.sort();
    // Beside one that differs by a letter, one that differs by five is noise.
    let nearest = near.first().map_or(0, |(away, _)| *away);
    near.retain(|(away, _)| *away <= nearest * 2);
    near.truncate(NAMED_MAX);
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_near() {
        let names = ["doc", "docs", "dog", "release-notes", "nightly", "Nightly-2", "x"];
        let near = |typed| nearest(typed, names.map(str::to_owned).to_vec());
        assert_eq!(near("dox"), ["doc", "dog"]);
        assert_eq!(near("DOC"), ["doc"]);
        assert_eq!(near("nihgtly"), ["nightly"]);
        assert_eq!(near("release-note"), ["release-notes"]);
        assert_eq!(near("nightly-2"), ["Nightly-2"]);
        assert_eq!(near("something-else"), Vec::<String>::new());
        assert_eq!(near("y"), Vec::<String>::new(), "one letter is not like another");
        assert_eq!(near(""), Vec::<String>::new());
        assert_eq!(near("\u{212a}\u{212a}\u{212a}"), Vec::<String>::new());
    }

    #[test]
    fn the_nearest_of_a_hundred_thousand_names_comes_first() {
        let names: Vec<String> = (0..100_000).map(|number| format!("nightly-build-{number}")).collect();
        let near = nearest("nightly-biuld-77", names);
        assert_eq!((near[0].as_str(), near.len()), ("nightly-build-77", NAMED_MAX));
    }
}
