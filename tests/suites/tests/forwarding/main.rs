//! Mail to people, on a real Postfix, Dovecot and slapd: whatever the daemon wrote at activation, and nothing that it did
//! not, decides where it goes. The maps and the script are those of `conf/`.

#[cfg(test)]
mod apart;
#[cfg(test)]
mod choices;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;
