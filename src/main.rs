//! astore
fn main() {}
