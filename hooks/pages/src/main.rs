//! `parvis-pages`: the pages of the enrolment, for people.
//!
//! It shows what the daemon says and sends what people type; it knows no directory, no mail and no store, keeps
//! nothing, and vouches for nobody.

mod assets;
mod chance;
mod check;
mod client;
mod colour;
mod cookie;
mod csrf;
mod daemon;
mod faults;
mod fields;
mod house;
mod kept;
mod moment;
mod refusals;
mod routes;
mod serve;
mod settings;
mod show;
mod start;
mod steps;
mod tongue;
mod visit;
mod words;

fn main() -> std::process::ExitCode {
    start::run()
}
