//! The one place that reads the clock.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the place that everybody else asks")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    // Nobody needs more, and every record would keep its digits.
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
