//! The page for Shibboleth's external interceptor, translated and compiled by the real Jasper and run in real Tomcats (9
//! and 10), before a real daemon and a real directory. Of the identity provider there are stand-ins only: what is shown
//! here is the page's own decisions, not that a Shibboleth takes them.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page that a person can get.

mod faults;
mod gates;
mod sources;
mod support;
#[path = "../simplesamlphp/tap.rs"]
mod tap;
mod ways;
