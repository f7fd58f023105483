//! The directory room against a real OpenLDAP: each test starts a private slapd of its own.

mod apply;
mod filters;
mod find;
mod support;
mod watch;
