//! What the suites share: the benchmark's rooms. The suites themselves are in `tests/`.

pub mod bench;
