//! `parvis-sso` before a real daemon and a real directory: the contract over HTTP, who is heard, and what does not
//! bring it down.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod cas;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod service;
#[cfg(test)]
mod support;
#[cfg(test)]
mod who;
