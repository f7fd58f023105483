//! LemonLDAP::NG, real, with our plugin: who gets a session and who does not, whatever Parvis does meanwhile.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page of the portal that the suite sees.

mod doors;
mod fake;
mod faults;
mod passwords;
mod perl;
mod second;
mod server;
mod signs;
mod stories;
mod support;
mod ways;
