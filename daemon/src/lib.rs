//! The daemon's library: every room of it, for the binaries and the tests.

pub mod directory;
