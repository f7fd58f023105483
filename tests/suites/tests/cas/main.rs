//! The glue for CAS: the Groovy scripts under a real Groovy, against recorded shapes of CAS's arguments; and the CAS
//! protocol through a real CAS server, in front of a small application.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod files;
#[cfg(test)]
mod groovy;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod strange;
#[cfg(test)]
mod support;
