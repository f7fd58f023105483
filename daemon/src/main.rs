//! The daemon's command line.

use clap::Parser;
use std::process::ExitCode;

/// glibc's arenas keep what many threads have freed (38 MB resident after some hundred enrolments), and cost twice the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    parvisd::service::small_pages();
    parvisd::service::run(&parvisd::service::Arguments::parse().config)
}
