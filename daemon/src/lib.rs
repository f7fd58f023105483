//! To come.

pub mod mail;
