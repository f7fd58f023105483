//! What a page loads: one style sheet, one script, the campus's colours and logo, each under a name that changes with
//! its content, so that browsers may keep it for ever.

use sha2::{Digest, Sha256};

use crate::settings::Campus;

/// A file to load.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name: `style-0123456789abcdef.css`.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub bytes: axum::body::Bytes,
}

impl Asset {
    /// Names it by its content.
    pub fn new(stem: &str, extension: &str, kind: &'static str, bytes: Vec<u8>) -> Self {
        Self { name: format!("{stem}-{}.{extension}", mark(&bytes)), kind, bytes: bytes.into() }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Assets {
    /// The style sheet.
    pub style: Asset,
    /// The campus's colours.
    pub campus: Asset,
    /// The script.
    pub script: Asset,
    /// The logo.
    pub logo: Option<Asset>,
}

impl Assets {
    /// The shipped ones with the campus's own.
    pub fn of(campus: &Campus) -> Self {
        let (light, dark) = &campus.accents;
        let colours = format!(
            ":root{{--accent:{light}}}@media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n"
        );
        let css = "text/css; charset=utf-8";
        Self {
            style: Asset::new("style", "css", css, include_bytes!("../assets/style.css").to_vec()),
            campus: Asset::new("campus", "css", css, colours.into_bytes()),
            script: Asset::new(
                "pages",
                "js",
                "text/javascript; charset=utf-8",
                include_bytes!("../assets/pages.js").to_vec(),
            ),
            logo: campus.logo.clone(),
        }
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<&Asset> {
        [&self.style, &self.campus, &self.script]
            .into_iter()
            .chain(&self.logo)
            .find(|asset| asset.name == name)
    }
}

/// Tells contents apart, and says nothing of them: 64 bits of a digest.
pub fn mark(content: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(content)).get(..16).unwrap_or_default().to_owned()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
