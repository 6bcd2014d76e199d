//! Trees that work against us.
