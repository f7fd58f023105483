//! Standard input, output and error under a deadline and with bounds.
//!
//! It waits with poll(2) before each read and write, because the other end of a pipe may never close it nor empty
//! it, and leaves the descriptors' flags alone: they are shared with whoever started us.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

/// Why standard input is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It goes on beyond what a request may be.
    #[error("read standard input: it is longer than {0} bytes")]
    TooLong(usize),
    /// It did not end in time.
    #[error("read standard input: it did not end in time")]
    TimedOut,
    /// It is no text.
    #[error("read standard input: it is not UTF-8")]
    NotUtf8,
    /// It is not one JSON object and nothing else.
    #[error("read standard input: it is not one JSON object")]
    NotAnObject,
    /// The kernel says no.
    #[error("read standard input: {0}")]
    Failed(Errno),
}

/// How much is read at once.
const READ_AT_ONCE: usize = 16 * 1024;

/// How much is written at once: a pipe that has room at all has room for so much (`PIPE_BUF`, pipe(7)).
const WRITE_AT_ONCE: usize = 4096;

/// Reads to the end; what is longer than `max` is refused without reading further.
pub fn read_whole(max: usize, deadline: Instant) -> Result<Vec<u8>, InputError> {
    let mut whole = Vec::new();
    read_each(deadline, |part| {
        whole.extend_from_slice(part);
        if whole.len() > max { Err(InputError::TooLong(max)) } else { Ok(()) }
    })?;
    Ok(whole)
}

/// Reads to the end and keeps the first `max` bytes: whoever writes must not meet a closed pipe.
pub fn read_beginning(max: usize, deadline: Instant) -> Result<Vec<u8>, InputError> {
    let mut beginning = Vec::new();
    read_each(deadline, |part| {
        let room = max - beginning.len();
        beginning.extend(part.iter().take(room));
        Ok(())
    })?;
    Ok(beginning)
}

fn read_each(
    deadline: Instant,
    mut take: impl FnMut(&[u8]) -> Result<(), InputError>,
) -> Result<(), InputError> {
    let input = io::stdin();
    let mut buffer = vec![0; READ_AT_ONCE];
    // The deadline is looked at here as well: an input that never runs dry is always ready.
    while Instant::now() < deadline {
        wait(&input, PollFlags::POLLIN, deadline).map_err(|errno| match errno {
            Errno::ETIMEDOUT => InputError::TimedOut,
            other => InputError::Failed(other),
        })?;
        match read(&input, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default())?,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(InputError::Failed(errno)),
        }
    }
    Err(InputError::TimedOut)
}

/// Writes to standard output; with no deadline it waits for as long as it takes.
pub fn write_output(text: &str, deadline: Option<Instant>) -> nix::Result<()> {
    write_all(&io::stdout(), text, deadline)
}

/// Writes to standard error what fits in time: it is only for whoever reads it.
pub fn write_error(text: &str, deadline: Instant) {
    let _lost_where_nobody_reads = write_all(&io::stderr(), text, Some(deadline));
}

fn write_all(output: &impl AsFd, text: &str, deadline: Option<Instant>) -> nix::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        if let Some(deadline) = deadline {
            wait(output, PollFlags::POLLOUT, deadline)?;
        }
        let part = left.get(..WRITE_AT_ONCE).unwrap_or(left);
        match write(output, part) {
            Ok(count) => left = left.get(count..).unwrap_or_default(),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Waits until a descriptor is ready, or has an error that the next call will say; `ETIMEDOUT` where it is not ready
/// by the deadline. Past the deadline it does not wait.
fn wait(descriptor: &impl AsFd, ready_for: PollFlags, deadline: Instant) -> nix::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let milliseconds = left.as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(descriptor.as_fd(), ready_for)], timeout) {
            Ok(0) if left.is_zero() => return Err(Errno::ETIMEDOUT),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}
