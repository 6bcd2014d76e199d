//! What several targets need. The checks themselves are the library's (`testing`), where the property tests call them.

pub mod typed;
