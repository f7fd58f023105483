//! The daemon's command line.

use clap::Parser;
use std::process::ExitCode;

/// Gives back what a burst of requests took; glibc's arenas keep it, one a thread. Its settings: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    parvisd::service::small_pages();
    parvisd::service::run(&parvisd::service::Arguments::parse().config)
}
