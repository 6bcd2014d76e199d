//! What the stories share: stores in temporary directories, a clock that repeats itself, and an oracle that
//! looks at a store without the code that wrote it.

pub(crate) mod oracle;
pub(crate) mod store;
