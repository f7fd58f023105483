//! Holds the Rust types against the interface files, the limits against hostile requests, and the documentation
//! against both. Nothing here knows a field that the interface files do not name first.

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod interface;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod splitter;
#[cfg(test)]
mod words;
