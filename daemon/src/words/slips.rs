//! Frequent slips in mail domains: `gmial.com` for `gmail.com`. Only ever a question to the person, never a correction:
//! nearly every slip is somebody's domain.

/// Where people's own addresses are, in France and its neighbours. Public suffixes and rare providers are left out: the
/// shorter a name, the more others are like it.
const KNOWN: [&str; 28] = [
    "bbox.fr",
    "bluewin.ch",
    "email.com",
    "free.fr",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.fr",
    "googlemail.com",
    "hotmail.com",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "live.com",
    "live.fr",
    "mail.com",
    "neuf.fr",
    "orange.fr",
    "outlook.com",
    "outlook.fr",
    "proton.me",
    "protonmail.com",
    "sfr.fr",
    "skynet.be",
    "wanadoo.fr",
    "yahoo.com",
    "yahoo.fr",
    "ymail.com",
];
/// The shortest name in which one letter may be wrong.
const SHORTEST: usize = 8;

/// The domain that was perhaps meant.
pub fn meant(domain: &str) -> Option<&'static str> {
    let domain = domain.to_lowercase();
    if domain.len() < SHORTEST || KNOWN.contains(&domain.as_str()) {
        return None;
    }
    let near = |known: &&&str| known.len() >= SHORTEST && strsim::osa_distance(&domain, known) == 1;
    let mut candidates = KNOWN.iter().filter(near);
    match (candidates.next(), candidates.next()) {
        (Some(one), None) => Some(one),
        // Between two, the person would be asked about the wrong one as often as not.
        (Some(_) | None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_asked_about_and_domains_that_people_have_are_not() {
        for (slip, domain) in [
            ("gmial.com", "gmail.com"),
            ("gmal.com", "gmail.com"),
            ("gmaill.com", "gmail.com"),
            ("GMIAL.com", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmail.vom", "gmail.com"),
            ("hotmial.fr", "hotmail.fr"),
            ("outlok.com", "outlook.com"),
            ("orang.fr", "orange.fr"),
            ("laposte.ent", "laposte.net"),
            ("wandoo.fr", "wanadoo.fr"),
            ("yaho.com", "yahoo.com"),
        ] {
            assert_eq!(meant(slip), Some(domain), "{slip}");
        }
        let real =
            ["gmail.com", "mail.com", "ymail.com", "free.fr", "live.fr", "gmx.fr", "email.com", "sfr.fr"];
        for own in real.iter().chain(&["univ.example", "x.fr", "", "courriel.example", "ailleurs.example"]) {
            assert!(meant(own).is_none(), "{own}: {:?}", meant(own));
        }
    }
}
