//! `parvis-sso` before a real daemon and a real directory: the contract over HTTP, who is heard, and what does not
//! bring it down.

mod calls;
mod cas;
mod crowd;
mod daemon;
mod hostile;
mod service;
mod support;
mod who;
