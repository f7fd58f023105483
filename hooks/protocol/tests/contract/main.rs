//! Holds the Rust types against the interface files, the limits against hostile requests, and the documentation
//! against both. Nothing here knows a field that the interface files do not name first.

mod documentation;
mod hostile;
mod interface;
mod sample;
mod splitter;
mod words;
