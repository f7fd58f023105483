//! What the daemon's command line says. It is in the library because the man page is made of it.

use std::path::PathBuf;

/// From a paper letter to a working account: the daemon.
#[derive(Debug, clap::Parser)]
#[command(name = "parvisd", version)]
pub struct Arguments {
    /// The configuration; conf.d/ is looked for beside it.
    #[arg(long, value_name = "FILE", default_value = "/etc/parvis/parvis.toml")]
    pub config: PathBuf,
}
