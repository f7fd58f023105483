//! `bench`: the speed that was promised, as ratios in one run. What each line means is in docs/performance.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    parvis_suites::bench::main()
}
