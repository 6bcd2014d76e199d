//! Somebody puts things into a store, a source or a destination that do not belong there: symlinks that lead
//! elsewhere, fifos, directories for files. The operator wants to be told, and nothing elsewhere to be touched.

mod exports;
mod owners;
mod stores;
mod surroundings;
