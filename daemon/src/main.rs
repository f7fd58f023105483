//! The daemon's command line.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// From a paper letter to a working account: the daemon.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration; conf.d/ is looked for beside it.
    #[arg(long, value_name = "FILE", default_value = "/etc/parvis/parvis.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    parvisd::service::run(&Arguments::parse().config)
}
