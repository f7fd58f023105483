//! The sysadmin's and the help desk's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    parvisd::ctl::run()
}
