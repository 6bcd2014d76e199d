//! A manifest in the formats that people and their tools read.
