//! The pages in a real Chromium, before a real daemon, a real directory and nginx: what people see and do.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page that the suite sees, light and dark, on a phone and on a desk.

mod everybody;
mod fronts;
mod guard;
mod hostile;
mod keyboard;
mod kiosk;
mod light;
mod links;
mod localhost;
mod service;
mod stories;
mod support;
mod tour;
mod troubles;
mod twice;
