//! The SimpleSAMLphp module in Debian's SimpleSAMLphp: a real identity provider and service provider, a real daemon and
//! a real directory. Who may pass does, nobody else leaves with an assertion, and everybody reads words.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page that a person can get.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod second;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tap;
#[cfg(test)]
mod ways;
