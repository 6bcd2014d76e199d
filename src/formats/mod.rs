//! Other people's formats, as projections of what a package holds: values and bytes in, bytes and values out.
//!
//! Nothing here opens a file or knows a store. What a format cannot carry is for the caller to say.

pub mod checkfile;
pub mod tar;
