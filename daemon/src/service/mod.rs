//! The service: from the command line to READY, and from SIGTERM to the clean stop.
//!
//! It puts the rooms together, tells systemd how they are, and takes signals. What the rooms do is theirs.

mod arguments;
pub mod chance;
pub mod clock;
mod dog;
pub mod health;
mod lifecycle;
pub mod logging;
mod process;
mod sockets;
mod tasks;

pub use arguments::Arguments;
pub use lifecycle::run;
pub use process::small_pages;

use crate::directory::Outside;
use std::sync::Arc;

/// sysexits.h: the configuration, or a file that it names, is wrong; a restart does not help.
pub const EXIT_CONFIG: u8 = 78;
/// sysexits.h: a fault of the program's own.
pub const EXIT_SOFTWARE: u8 = 70;
/// sysexits.h: try again later.
pub const EXIT_TEMPFAIL: u8 = 75;

/// Clock and chance, as the directory's room takes them.
pub fn outside() -> Outside {
    Outside {
        now: Arc::new(clock::now),
        random: Arc::new(|| {
            let mut bytes = [0; 8];
            chance::fill(&mut bytes);
            u64::from_be_bytes(bytes)
        }),
    }
}
