//! Results made visible: the same report for people or as a JSON document.

pub(crate) mod change;
pub(crate) mod claims;
pub(crate) mod concern;
pub(crate) mod escape;
pub(crate) mod explain;
pub(crate) mod gc;
pub(crate) mod gist;
pub(crate) mod human;
pub(crate) mod intoto;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod manifest;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod pictures;
pub(crate) mod recover;
pub(crate) mod remedy;
pub(crate) mod roots;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod schemas;
pub(crate) mod status;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod verify;
pub(crate) mod window;
pub(crate) mod words;
