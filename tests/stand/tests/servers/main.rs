//! The stand, tried on itself: what the other suites rely on. It must not know anything of Parvis.
//!
//! `#[cfg(test)]` on each module tells clippy that its helpers are tests as well: there, `unwrap` is a fine answer.

#[cfg(test)]
mod daemon;
#[cfg(test)]
mod dovecot;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod leash;
#[cfg(test)]
mod postfix;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod slapd;
