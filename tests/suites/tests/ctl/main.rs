//! `parvisctl` against a real daemon, a real directory and a real mail server: what it says, in which form, and how it
//! exits.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod check;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod support;
#[cfg(test)]
mod who;
