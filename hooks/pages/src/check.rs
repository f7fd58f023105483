//! `--check`: is the configuration right? In words for a person, or as JSON for `parvisctl check`, which shows it in its
//! own table and holds it against the daemon's. It must not open a connection.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::colour::{DARK, LIGHT};
use crate::faults::Amiss;
use crate::settings::{self, Settings};
use crate::tongue::Tongue;

/// The form of the JSON.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Report {
    schema: u32,
    version: &'static str,
    ok: bool,
    findings: Vec<Finding>,
    /// What the daemon's configuration has to agree with; null where this one is wrong.
    facts: Option<Facts>,
}

#[derive(Serialize)]
struct Finding {
    level: &'static str,
    what: String,
    expected: String,
    action: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Facts {
    base_url: String,
    hook_socket: String,
    sign_in_offered: bool,
    sign_in_url: Option<String>,
    help_address: String,
    letter_name: Both,
    /// SHA-256 of the charter's texts that can be shown.
    charters: Vec<String>,
}

#[derive(Serialize)]
struct Both {
    fr: String,
    en: String,
}

/// Looks, and says it; whether everything is right.
pub fn check(path: Option<&Path>, json: bool) -> bool {
    let settings = settings::read(path);
    let right = settings.is_ok();
    let said = if json {
        serde_json::to_string(&report(&settings)).map(|text| text + "\n").unwrap_or_default()
    } else {
        settings.err().map(|faults| words(&faults)).unwrap_or_default()
    };
    if json {
        let _ = std::io::stdout().write_all(said.as_bytes());
    } else {
        let _ = std::io::stderr().write_all(said.as_bytes());
    }
    right
}

/// The faults as a person reads them.
pub fn words(faults: &[Amiss]) -> String {
    faults.iter().map(|fault| format!("parvis-pages: {fault}\n")).collect()
}

fn report(settings: &Result<Settings, Vec<Amiss>>) -> Report {
    let (findings, facts) = match settings {
        Ok(settings) => (fine(settings), Some(facts(settings))),
        Err(faults) => (faults.iter().map(|fault| finding("failure", fault.clone())).collect(), None),
    };
    Report { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), ok: settings.is_ok(), findings, facts }
}

fn finding(level: &'static str, amiss: Amiss) -> Finding {
    let Amiss { what, expected, action } = amiss;
    Finding { level, what, expected, action }
}

fn fine(settings: &Settings) -> Vec<Finding> {
    let (light, dark) = settings.campus.accents;
    let contrast = format!(
        "the accents can be read: {light} on a light ground {:.1}, {dark} on a dark one {:.1} (WCAG 2.2 AA asks 4.5)",
        LIGHT.least(light),
        DARK.least(dark)
    );
    let logo = match &settings.campus.logo {
        Some(logo) => format!("the logo has {} bytes", logo.bytes.len()),
        None => "there is no logo: the campus's name stands in its place".to_owned(),
    };
    [contrast, logo].into_iter().map(|what| finding("ok", Amiss::new(what, "", ""))).collect()
}

fn facts(settings: &Settings) -> Facts {
    let letter = &settings.campus.letter;
    Facts {
        base_url: format!("{}{}", settings.origin, settings.base),
        hook_socket: settings.socket.display().to_string(),
        sign_in_offered: settings.sign_in,
        sign_in_url: settings.sign_in_url.clone(),
        help_address: settings.campus.help_address.clone(),
        letter_name: Both { fr: letter.get(Tongue::Fr).to_owned(), en: letter.get(Tongue::En).to_owned() },
        charters: settings.charters.iter().map(|(digest, _)| digest.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_and_what_is_right_are_both_said() {
        let right = serde_json::to_value(report(&settings::read(None))).unwrap();
        assert_eq!((right["ok"].as_bool(), right["schema"].as_u64()), (Some(true), Some(1)));
        assert!(right["findings"][0]["what"].as_str().unwrap().contains("can be read"), "{right}");
        assert_eq!(right["facts"]["hook-socket"], "/run/parvis/hook.sock");
        let wrong = Err(vec![Amiss::new("a", "b", "c")]);
        assert_eq!(words(wrong.as_ref().unwrap_err()), "parvis-pages: a\n  expected: b\n  to do: c\n");
        let wrong = serde_json::to_value(report(&wrong)).unwrap();
        assert_eq!(wrong["findings"][0]["level"], "failure");
        assert_eq!((wrong["findings"][0]["action"].as_str(), wrong["facts"].is_null()), (Some("c"), true));
    }
}
