//! stub
/// stub
#[derive(Debug)]
pub struct RealDisk;
