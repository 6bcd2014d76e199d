//! What the stories share: stores in temporary directories, a clock that repeats itself, the binary at a desk,
//! and an oracle that looks at a store without the code that wrote it.

pub(crate) mod cli;
pub(crate) mod gc;
pub(crate) mod history;
pub(crate) mod oracle;
pub(crate) mod prometheus;
pub(crate) mod stalled;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod terminal;
pub(crate) mod trees;
pub(crate) mod verdict;
