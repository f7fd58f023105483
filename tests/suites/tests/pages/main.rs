//! The pages in a real Chromium, before a real daemon, a real directory and nginx: what people see and do.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page that the suite sees.

mod stories;
mod support;
