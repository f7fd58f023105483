//! What this process is: no core dumps, and enough file descriptors.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A core dump would hold tokens, keys and passwords.
pub fn harden() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "failed to turn core dumps off");
    }
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "failed to make the process undumpable");
    }
}

/// Memory in small pages only. A dozen threads that each begin a huge one would hold 50 MB of nothing.
pub fn small_pages() {
    // Where the kernel has no such switch, it has no huge pages to keep us from.
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// A thousand connections need more than the usual soft limit.
pub fn descriptors(wanted: u64) {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)
    {
        tracing::warn!(%error, "failed to raise the number of files that may be open");
    }
}
