//! Calls into sled that may panic, on a thread of their own.
//!
//! Opening a damaged database can panic; the panic becomes words for the sysadmin.

use std::any::Any;

/// Runs `work` on its own thread; a panic comes back as its text.
pub(super) fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let thread = std::thread::Builder::new().name("store-open".into()).spawn(work);
    let thread = thread.map_err(|error| format!("no thread can be started: {error}"))?;
    thread.join().map_err(|panic| format!("it panicked: {}", said(&*panic)))
}

/// The text of a panic.
pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word").chars().take(300).collect()
}
