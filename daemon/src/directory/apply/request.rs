//! What is asked of a server: the password and the plan in its own form, under every condition that it can hold them to.

use std::collections::HashSet;

use ldap3::Mod;
use ldap3::controls::{Assertion, MakeCritical, PostRead, RawControl};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::directory::Dialect;
use crate::directory::ber::PASSWORD_POLICY;
use crate::directory::facts::Learnt;
use crate::directory::link::{self, bare_control};
use crate::directory::plan::{Act, Plan};
use crate::directory::settings::Prepared;

/// Active Directory's policy hints, by their present and their former number (MS-ADTS, section 3.1.1.3.4.1.27): without
/// them, a password that somebody else sets is checked against no history.
pub(in crate::directory) const POLICY_HINTS: [&str; 2] =
    ["1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066"];
/// SEQUENCE { flags INTEGER 1 }.
const HINTS: [u8; 5] = [0x30, 3, 0x02, 1, 1];

/// What is read after a write.
pub(super) fn read_after(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let reset = matches!(dialect, Dialect::Openldap | Dialect::Standard).then_some("pwdReset");
    dialect.stamps().iter().copied().chain(reset)
}

/// The password first, then the changes in their order.
pub(super) fn modifications(
    plan: &Plan,
    password: Option<&SecretString>,
    learnt: &Learnt,
) -> Vec<Mod<Vec<u8>>> {
    let set = |values: &[Vec<u8>]| values.iter().cloned().collect::<HashSet<_>>();
    let password = password.map(|password| {
        let (name, value) = written(learnt.dialect, password);
        Mod::Replace(name.as_bytes().to_vec(), HashSet::from([value]))
    });
    let changes = learnt.sent(plan).into_iter().map(|change| {
        let name = change.attribute.as_bytes().to_vec();
        match &change.act {
            Act::Delete(values) => Mod::Delete(name, set(values)),
            Act::Add(values) => Mod::Add(name, set(values)),
            Act::Replace { only, .. } => Mod::Replace(name, set(only)),
        }
    });
    password.into_iter().chain(changes).collect()
}

/// A new password as a server is given it: the attribute and the value.
pub(in crate::directory) fn written(dialect: Dialect, password: &SecretString) -> (&'static str, Vec<u8>) {
    match dialect {
        Dialect::ActiveDirectory => ("unicodePwd", quoted(password)),
        _ => ("userPassword", password.expose_secret().as_bytes().to_vec()),
    }
}

/// In quotes, as UTF-16LE (MS-ADTS, section 3.1.1.3.1.5.1).
fn quoted(password: &SecretString) -> Vec<u8> {
    let text = Zeroizing::new(format!("\"{}\"", password.expose_secret()));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Whatever the server can hold the write to.
pub(super) fn controls(prepared: &Prepared, learnt: &Learnt, password: bool) -> Vec<RawControl> {
    let settings = &prepared.settings;
    let mut controls = vec![bare_control(PASSWORD_POLICY)];
    if learnt.capabilities.control(link::ASSERTION) {
        // An attribute that the server does not know would make the negation undefined, and refuse for ever.
        let mut known = true;
        prepared.states.locked.attributes(&mut |name| known &= learnt.schema.knows(name));
        let filter = if settings.locked.trim().is_empty() || !known {
            settings.provisional.clone()
        } else {
            format!("(&{}(!{}))", settings.provisional, settings.locked)
        };
        // The constructor panics on a text that is no filter; these were parsed, but by our own parser.
        if ldap3::parse_filter(&filter).is_ok() {
            controls.push(Assertion { filter }.critical().into());
        }
    }
    if learnt.capabilities.control(link::POST_READ) {
        controls.push(PostRead::new(read_after(learnt.dialect).collect()));
    }
    let hints = POLICY_HINTS.into_iter().find(|number| password && learnt.capabilities.control(number));
    controls.extend(hints.map(|number| RawControl {
        ctype: number.to_owned(),
        crit: true,
        val: Some(HINTS.to_vec()),
    }));
    controls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unicode_password_is_quoted_and_in_little_endian() {
        let octets = quoted(&SecretString::from("né"));
        assert_eq!(octets, [b'"', 0, b'n', 0, 0xe9, 0, b'"', 0]);
    }
}
