//! The installation as it is documented, under a real systemd, with the units as they are shipped: the commands are the
//! documents' own. A machine of its own runs it, whatever this one runs. Needs root.

#[cfg(test)]
mod left;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod service;
#[cfg(test)]
mod story;
#[cfg(test)]
mod support;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod web;
