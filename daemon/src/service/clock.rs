//! The one place that reads the clock.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the place that everybody else asks")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
