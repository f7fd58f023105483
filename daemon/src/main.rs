//! The daemon's command line.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    parvisd::service::run(&parvisd::service::Arguments::parse().config)
}
