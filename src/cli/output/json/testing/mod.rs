//! Documents held against what is written about them.

mod described;
mod schemas;
