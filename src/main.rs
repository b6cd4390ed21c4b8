//! tickdeck
fn main() {}
