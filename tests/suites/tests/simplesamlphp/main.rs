//! The SimpleSAMLphp module in Debian's SimpleSAMLphp: a real identity provider and service provider, a real daemon and
//! a real directory. Who may pass does, nobody else leaves with an assertion, and everybody reads words.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page that a person can get.

mod faults;
mod gates;
mod pictures;
mod reuse;
mod second;
mod sources;
mod support;
mod tap;
mod ways;
