//! What was typed into a form whose session had ended: it stays in this browser, for ten minutes and for that person
//! alone, until they have signed in again.
//!
//! Never a password, and never a consent: those are given anew.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::assets::mark;
use crate::cookie;
use crate::fields::Fields;
use crate::steps::Sheet;

/// The name of the form's field that says whose form it is, and of the cookie's.
pub const WHOSE: &str = "whose";
const SHEET: &str = "sheet";
/// The longest cookie: nothing that a person types is longer.
const LONGEST: usize = 1200;
/// For how long, in seconds.
const MOMENT: i64 = 600;

/// Whose form it is, without the name.
pub fn whose(login: &str) -> String {
    mark(format!("whose\0{login}"))
}

/// The `Set-Cookie` that keeps a form, where it may be kept and says whose it is.
pub fn keep(sheet: Sheet, fields: &Fields) -> Option<String> {
    value(sheet, fields).map(|value| cookie::give_for(cookie::KEPT, &value, MOMENT))
}

fn value(sheet: Sheet, fields: &Fields) -> Option<String> {
    if !matches!(sheet, Sheet::Address | Sheet::Listing | Sheet::Mail) {
        return None;
    }
    let whose = fields.get(WHOSE).filter(|whose| whose.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let kept = sheet.keeps().iter().filter_map(|name| Some((*name, fields.get(name)?)));
    let kept: String = kept
        .map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    let value = format!("{WHOSE}={whose}&{SHEET}={}{kept}", sheet.action());
    (!kept.is_empty() && value.len() <= LONGEST).then_some(value)
}

/// What a browser has kept.
pub enum Kept {
    /// Nothing, or nothing for this page yet.
    No,
    /// Somebody else's, or nothing that can be read.
    Foreign,
    /// This person's, for this page.
    Yes(Fields),
}

/// What there is for this person at this page.
pub fn find(cookie: Option<&str>, sheet: Option<Sheet>, login: &str) -> Kept {
    let Some(text) = cookie else { return Kept::No };
    let Some(fields) = Fields::parse(text.as_bytes()) else { return Kept::Foreign };
    if fields.text(WHOSE) != whose(login) {
        return Kept::Foreign;
    }
    if sheet.is_some_and(|sheet| sheet.action() == fields.text(SHEET)) { Kept::Yes(fields) } else { Kept::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_form_comes_back_to_its_person_and_to_nobody_else() {
        let whose = whose("mdurand");
        let form =
            typed(&format!("whose={whose}&form=secret&choice=forward&forward=a%2Bb%3B%20%C3%A9%40c.example"));
        let kept = value(Sheet::Mail, &form).unwrap();
        assert!(!kept.contains("secret") && !kept.contains([';', ' ', ',']), "{kept}");
        match find(Some(&kept), Some(Sheet::Mail), "mdurand") {
            Kept::Yes(fields) => assert_eq!(fields.text("forward"), "a+b; é@c.example"),
            Kept::No | Kept::Foreign => panic!("{kept}"),
        }
        assert!(matches!(find(Some(&kept), Some(Sheet::Listing), "mdurand"), Kept::No));
        assert!(matches!(find(Some(&kept), None, "mdurand"), Kept::No));
        for sheet in [Some(Sheet::Mail), None] {
            assert!(matches!(find(Some(&kept), sheet, "pmoreau"), Kept::Foreign));
        }
        assert!(matches!(find(None, Some(Sheet::Mail), "mdurand"), Kept::No));
        assert!(matches!(find(Some("%ff"), Some(Sheet::Mail), "mdurand"), Kept::Foreign));
    }

    #[test]
    fn passwords_and_consents_are_never_kept_nor_what_is_nobodys() {
        let whose = whose("a");
        for sheet in [Sheet::Password, Sheet::Charter, Sheet::Resend, Sheet::Restart] {
            assert!(
                value(sheet, &typed(&format!("whose={whose}&password=x&accepted=yes&version=1"))).is_none()
            );
        }
        assert!(value(Sheet::Address, &typed("address=a")).is_none());
        assert!(value(Sheet::Address, &typed("whose=x%3By&address=a")).is_none());
        assert!(
            value(Sheet::Address, &typed(&format!("whose={whose}&address={}", "a".repeat(5000)))).is_none()
        );
    }
}
