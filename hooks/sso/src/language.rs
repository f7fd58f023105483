//! The language that a browser asks for (RFC 9110, section 12.5.4), as far as there are words in it.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// `fr` or `en`, whichever is preferred; none where neither is asked for.
pub fn asked(headers: &HeaderMap) -> Option<&'static str> {
    let line = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(&'static str, f32)> = None;
    for range in line.split(',').take(32) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let primary = tag.split('-').next().unwrap_or_default();
        let known = ["fr", "en"].into_iter().find(|known| known.eq_ignore_ascii_case(primary));
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")?.trim().parse::<f32>().ok());
        let weight = weight.unwrap_or(1.0);
        let better = best.is_none_or(|(_, so_far)| weight > so_far);
        if let Some(known) = known.filter(|_| weight > 0.0 && better) {
            best = Some((known, weight));
        }
    }
    best.map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_of_ours() {
        let of = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, line.parse().unwrap());
            asked(&headers)
        };
        assert_eq!(of("fr"), Some("fr"));
        assert_eq!(of("en-GB,en;q=0.9,fr;q=0.8"), Some("en"));
        assert_eq!(of("de, fr-CA;q=0.5, en;q=0.7"), Some("en"));
        assert_eq!(of("FR_fr"), None, "no tag");
        assert_eq!(of("fr;q=0, en;q=0.1"), Some("en"));
        for none in ["de", "*", "", "frr", "fr;q=0"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
