//! What a server's answer to a write means: what became of the entry, and which rule a password breaks.

use ldap3::LdapResult;
use ldap3::asn1::{StructureTag, parse_tag};

use super::{Applied, ApplyError, PasswordFault};
use crate::directory::authenticate::policy;
use crate::directory::ber::{self, PolicyError};
use crate::directory::link::{self, Fault, refusal};
use crate::directory::{Dialect, DirectoryError};

pub(super) fn unasked(error: DirectoryError) -> ApplyError {
    match error {
        DirectoryError::Unavailable(why) => ApplyError::Unavailable(why),
        DirectoryError::Refused { code, text } => ApplyError::Refused { code, text },
    }
}

pub(super) fn unsettled(fault: &Fault, dialect: Dialect) -> ApplyError {
    match fault {
        Fault::NotSent(_) => ApplyError::Unavailable(fault.words()),
        Fault::Refused(result) => refused(result, dialect),
        Fault::Cut(_) | Fault::Late => ApplyError::Unknown(fault.words()),
    }
}

/// A result code other than success: the entry is unchanged (RFC 4511, section 4.6).
pub(super) fn refused(result: &LdapResult, dialect: Dialect) -> ApplyError {
    if let Some(fault) = password_fault(result, dialect) {
        return ApplyError::Password(fault);
    }
    match result.rc {
        16 | 20 | 122 => ApplyError::Moved,
        32 => ApplyError::Gone,
        51 | 52 => ApplyError::Unavailable(refusal(result)),
        code => ApplyError::Refused { code, text: refusal(result) },
    }
}

/// Which of the password's rules the answer is about, where it is about one.
fn password_fault(result: &LdapResult, dialect: Dialect) -> Option<PasswordFault> {
    let text = result.text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let words = || PasswordFault::Refused(result.text.clone());
    match dialect {
        // It says quality for every rule but history, nothing at all for the present password, and the rest in words.
        Dialect::Ds389 if says(&["password in history"]) => Some(PasswordFault::Reused),
        Dialect::Ds389 if says(&["characters long"]) => Some(PasswordFault::TooShort),
        // ERROR_PASSWORD_RESTRICTION; Samba says which, Windows does not.
        Dialect::ActiveDirectory if matches!(result.rc, 19 | 53) && says(&["0000052d"]) => {
            Some(if says(&["too short"]) {
                PasswordFault::TooShort
            } else if says(&["history"]) {
                PasswordFault::Reused
            } else if says(&["complexity"]) {
                PasswordFault::TooSimple
            } else {
                words()
            })
        }
        _ => match policy(result)? {
            PolicyError::TooShort => Some(PasswordFault::TooShort),
            PolicyError::Quality => Some(PasswordFault::TooSimple),
            PolicyError::InHistory => Some(PasswordFault::Reused),
            PolicyError::TooYoung | PolicyError::Other(_) => Some(words()),
            _ => None,
        },
    }
}

pub(super) fn post_read(result: &LdapResult, dialect: Dialect) -> Option<Applied> {
    let control = result.ctrls.iter().find(|control| control.1.ctype == link::POST_READ)?;
    let (_, entry) = parse_tag(control.1.val.as_deref()?).ok()?;
    after(entry, dialect)
}

/// The entry as it was left.
pub(super) fn after(entry: StructureTag, dialect: Dialect) -> Option<Applied> {
    let (_, read) = ber::attributes(entry)?;
    let stamp = Some(dialect.stamp(&read)).filter(|stamp| !stamp.is_empty());
    let must_change = read.get("pwdreset").is_some_and(|values| values.iter().any(|value| value == b"TRUE"));
    Some(Applied { stamp, must_change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_password_has_its_reason_from_whatever_the_server_says() {
        let fault = |dialect, rc, text: &str| {
            let (matched, text) = (String::new(), text.to_owned());
            password_fault(&LdapResult { rc, matched, text, refs: Vec::new(), ctrls: Vec::new() }, dialect)
        };
        let short = "invalid password syntax - password must be at least 8 characters long";
        assert_eq!(fault(Dialect::Ds389, 19, short), Some(PasswordFault::TooShort));
        assert_eq!(fault(Dialect::Ds389, 19, "password in history"), Some(PasswordFault::Reused));
        let samba = "0000052D: Constraint violation - check_password_restrictions: the password ";
        for (words, expected) in [
            ("is too short. It should be equal or longer than 7 characters!", PasswordFault::TooShort),
            ("does not meet the complexity criteria!", PasswordFault::TooSimple),
            ("was already used (in history)!", PasswordFault::Reused),
        ] {
            assert_eq!(fault(Dialect::ActiveDirectory, 19, &format!("{samba}{words}")), Some(expected));
        }
        let windows = "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0";
        assert!(matches!(fault(Dialect::ActiveDirectory, 53, windows), Some(PasswordFault::Refused(_))));
        for dialect in [Dialect::Openldap, Dialect::Ds389, Dialect::ActiveDirectory] {
            assert_eq!(fault(dialect, 50, "0000052D"), None);
            assert_eq!(fault(dialect, 16, ""), None);
        }
    }
}
