//! The directory room on every directory that campuses run: the watch by each of its ways, and the writes.
//!
//! The same tests on all of them, wherever the behaviour is the same.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod mappings;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod story;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod writes;
