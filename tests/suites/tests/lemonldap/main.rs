//! LemonLDAP::NG, real, with our plugin: who gets a session and who does not, whatever Parvis does meanwhile.
//!
//! `PARVIS_PICTURES=DIR` keeps a picture of every page of the portal that the suite sees.

#[cfg(test)]
mod doors;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod perl;
#[cfg(test)]
mod second;
#[cfg(test)]
mod server;
#[cfg(test)]
mod signs;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod support;
#[cfg(test)]
mod ways;
