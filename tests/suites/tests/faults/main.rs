//! Real faults by real means: processes killed, servers stopped, disks full. What was acknowledged stays; what cannot
//! be done now says so, and is done later. Nothing here sleeps until a race is probably over.

#[cfg(test)]
mod activation;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod fate;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod service;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod within;
