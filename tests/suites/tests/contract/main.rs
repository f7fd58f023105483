//! The contract, kept: every example of `docs/contract.md` on the real daemon, and a Varlink client that is not ours.

#[cfg(test)]
mod examples;
#[cfg(test)]
mod independent;
#[cfg(test)]
mod same;
