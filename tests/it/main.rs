//! What people want of astore, told as stories: one binary, one file a story.

#![allow(clippy::disallowed_methods, reason = "tests make, look at and damage files by hand")]

mod documents;
mod reader;
