//! The document of `--version`.

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Version {
    pub(crate) version: &'static str,
    pub(crate) commit: Option<&'static str>,
    pub(crate) store_format: i64,
    pub(crate) event_record: u64,
    pub(crate) manifest: u64,
    pub(crate) views: u64,
    pub(crate) sqlite: &'static str,
}

#[cfg(test)]
pub(crate) const fn sample() -> Version {
    Version {
        version: "1.2.3",
        commit: None,
        store_format: 1,
        event_record: 1,
        manifest: 1,
        views: 1,
        sqlite: "3.0.0",
    }
}
