//! The parts of parvisd; `main.rs` puts them together.

pub mod store;
