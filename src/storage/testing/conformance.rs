//! The one suite that every backend passes: a new one is finished when it does.
