//! `parvis-sso`: the hook contract over HTTP, for login pages on another host, and CAS's own inquirers.
//!
//! Only a caller that has proven itself is heard, because whoever is heard may vouch for people. It knows the hook
//! socket and nothing else, keeps nothing, and decides nothing: where there is no clear yes, it says no.

mod answer;
mod caller;
mod calls;
mod cas;
mod daemon;
mod doors;
mod house;
mod keys;
mod language;
mod room;
mod routes;
mod serve;
mod settings;
mod start;

fn main() -> std::process::ExitCode {
    start::run()
}
