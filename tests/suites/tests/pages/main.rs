//! The pages in a real Chromium, before a real daemon, a real directory and nginx: what people see and do.
//!
//! With `PARVIS_PICTURES=DIR` (`cargo verify --screenshots DIR`) a picture is kept of every page that there is.

mod everybody;
mod fronts;
mod guard;
mod hostile;
mod keyboard;
mod kiosk;
mod light;
mod links;
mod localhost;
mod refusals;
mod service;
mod stories;
mod support;
mod tour;
mod troubles;
mod twice;
mod unreachable;
