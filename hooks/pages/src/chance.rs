//! The only randomness of the pages: the secret that a browser's forms are bound to.

/// A text of 128 random bits, in hexadecimal; an error where the system has none.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the pages that asks the system for randomness"
)]
pub fn text() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(crate::assets::hex(&bytes))
}
