//! A log anew, where nothing is left of the old one: what it begins with, and in which order that comes into being.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::super::first::FirstEvent;
use super::super::report::BegunLog;
use super::{aside, failed};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::Error;
use crate::events::{INLINE_PAYLOAD_BYTES_MAX, Position, payload};
use crate::retention::SEEDED_CLASSES;
use crate::storage::{Action, StoreConfig, layout, root};

/// The retention classes that a log begins with: the seeded ones, and those that claims speak of, with the durations
/// that these have there. Where claims differ the longest counts: a class decides when bytes may go.
pub(super) struct Classes {
    durations: BTreeMap<String, Option<u64>>,
    disputed: BTreeSet<String>,
}

impl Classes {
    /// Takes those of some claims: the name of each one's class, and its duration.
    pub(super) fn of<'c>(claims: impl Iterator<Item = (&'c str, Option<u64>)>) -> Self {
        let seeded = SEEDED_CLASSES.iter().map(|(name, duration)| ((*name).to_owned(), *duration));
        let mut classes = Self { durations: seeded.collect(), disputed: BTreeSet::new() };
        let mut claimed: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        for (class, duration) in claims {
            match claimed.get_mut(class) {
                None => drop(claimed.insert(class, duration)),
                Some(known) if *known == duration => {}
                Some(known) => {
                    classes.disputed.insert(class.to_owned());
                    *known = known.zip(duration).map(|(one, other)| one.max(other));
                }
            }
        }
        for (name, duration) in claimed {
            let before = classes.durations.insert(name.to_owned(), duration);
            // The event is small by its nature, and stays so whatever is claimed.
            if before.is_none()
                && payload::store_created(uuid::Uuid::nil(), &classes.list()).len() > INLINE_PAYLOAD_BYTES_MAX
            {
                classes.durations.remove(name);
            }
        }
        classes
    }

    /// Returns whether the log that begins has this class.
    pub(super) fn contains(&self, class: &str) -> bool {
        self.durations.contains_key(class)
    }

    fn list(&self) -> Vec<(String, Option<u64>)> {
        self.durations.iter().map(|(name, duration)| (name.clone(), *duration)).collect()
    }
}

/// Begins a new log where nothing is left of the old one, and puts aside what was no log and no database.
///
/// The id comes first, so that a second try has the same one; the database is whole and durable before it has its name;
/// settling then writes `log/` from it. Killed before that name, there still is nothing, and all of it can be done again.
pub(super) fn begin(
    disk: &Arc<dyn Disk>,
    root: &Path,
    env: &Env,
    config: Option<StoreConfig>,
    classes: Classes,
) -> Result<(StoreConfig, BegunLog), Error> {
    let (now, config_written) = (env.now(), config.is_none());
    aside::clear_new(disk.as_ref())?;
    let config = match config {
        Some(config) => config,
        None => {
            let config = StoreConfig { store_id: env.random_id(), created_at: now };
            root::write_config(disk.as_ref(), &config)?;
            config
        }
    };
    let first = FirstEvent::new(env, now, config.store_id, &classes.list());
    let built = first.make_database(disk.as_ref(), root, layout::DATABASE_NEW, |_| Ok(Position::START))?;
    built.sync().map_err(failed(Action::Sync, layout::DATABASE_NEW))?;
    disk.point("database built");
    let mut put_aside: Vec<String> = aside::put_database_aside(disk.as_ref())?.into_iter().collect();
    let listed = disk.list(Path::new(layout::LOG)).map_err(failed(Action::Read, layout::LOG))?;
    if !listed.is_empty() {
        put_aside.push(aside::put_log_aside(disk.as_ref())?);
        root::make_directories(disk.as_ref())?;
    }
    disk.point("database aside");
    aside::give_name(disk.as_ref(), layout::DATABASE_NEW)?;
    disk.point("database named");
    let (store_id, disputed_classes) = (config.store_id, classes.disputed.into_iter().collect());
    Ok((config, BegunLog { store_id, config_written, aside: put_aside, disputed_classes }))
}
