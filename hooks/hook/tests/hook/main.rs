//! The binary itself, against a daemon that is scripted: what it asks, what it prints, its exit code, and that it
//! ends in time whatever happens.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod run;
#[cfg(test)]
mod streams;
