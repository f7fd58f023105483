//! The glue for CAS: the Groovy scripts under a real Groovy, against recorded shapes of CAS's arguments; and the CAS
//! protocol through a real CAS server, in front of a small application.

mod browser;
mod files;
mod groovy;
mod protocol;
mod strange;
mod support;
