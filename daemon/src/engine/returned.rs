//! The word in a mail's return path: which mail it was, for whom; and the report that comes back to it.
//!
//! The word is keyed, so that a forged report has no address to go to: whoever was not sent the mail cannot name it. It
//! must survive what mail systems do to a local part: no case, 48 characters. An authentication tag over person and mail,
//! then both under a stream that the tag makes (RFC 5297's idea): one key a use, and nothing shows whose mail it was.

use super::keys::{Keys, cut, mac, xor};
use super::{Ask, Engine, Failure};
use crate::dossier::{Actor, Dossier};
use data_encoding::BASE32_NOPAD;
use parvis_enrolment::event::Report;
use parvis_enrolment::{Event, Id, MailOrder, PersonId};
use subtle::ConstantTimeEq;

/// Bytes of the tag, and of what it vouches for.
const TAG: usize = 10;
const BODY: usize = 20;
/// How much of an identifier stands in the word: enough among the few of one person.
const PART: usize = 3;

/// What a genuine word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Whose mail it was.
    pub person: PersonId,
    about: About,
}

/// Which mail: by the link that it carried, because the same link is mailed again; or a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Link([u8; PART]),
    Notice,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours; whether it says anything that was not known.
    Yes {
        /// It changed what is known of the mail.
        news: bool,
    },
    /// Nobody is known here any more to whom it would matter.
    Nobody,
}

/// The word of a mail's return path.
pub fn word(keys: &Keys, person: PersonId, order: &MailOrder) -> String {
    let [a, b, c, ..] = order.link.unwrap_or(order.mail).0;
    let kind = u8::from(order.link.is_none());
    let mut body = [0; BODY];
    body.iter_mut().zip(person.0.into_iter().chain([a, b, c, kind])).for_each(|(to, from)| *to = from);
    let tag = tag(keys, &body);
    let hidden = masked(keys, tag, body);
    BASE32_NOPAD.encode(&[tag.as_slice(), &hidden].concat()).to_ascii_lowercase()
}

/// What a word names; `None` where we did not make it.
pub fn open(keys: &Keys, word: &str) -> Option<Named> {
    let bytes = BASE32_NOPAD.decode(word.to_ascii_uppercase().as_bytes()).ok()?;
    let (tagged, hidden) = bytes.split_first_chunk::<TAG>()?;
    let body = masked(keys, *tagged, hidden.try_into().ok()?);
    if !bool::from(tag(keys, &body).ct_eq(tagged)) {
        return None;
    }
    let (person, rest) = body.split_first_chunk::<16>()?;
    let [a, b, c, kind] = rest else { return None };
    let about = if *kind == 0 { About::Link([*a, *b, *c]) } else { About::Notice };
    Some(Named { person: Id(*person), about })
}

/// Tells the rules what is reported of that mail.
///
/// # Errors
/// As [`Engine::act`].
pub async fn report(engine: &Engine, named: Named, report: Report) -> Result<Taken, Failure> {
    let Some(dossier) = engine.dossier(named.person)? else { return Ok(Taken::Nobody) };
    let link = match named.about {
        About::Link(part) => {
            let links = &dossier.enrolment.links;
            match links.iter().rev().find(|link| link.id.0.starts_with(&part)) {
                Some(link) => Some(link.id),
                None => return Ok(Taken::Nobody),
            }
        }
        About::Notice if reported(&dossier) => return Ok(Taken::Yes { news: false }),
        About::Notice => None,
    };
    match engine.act(Ask::new(named.person, Actor::Mail, Event::Reported(link, report))).await {
        Ok(acted) => Ok(Taken::Yes { news: acted.dossier().next > dossier.next }),
        Err(Failure::Refused(_)) => Ok(Taken::Yes { news: false }),
        Err(failure) => Err(failure),
    }
}

/// Whether this round's notice is known to have come back: whoever has its return path could say so for ever.
fn reported(dossier: &Dossier) -> bool {
    let since = dossier.facts.iter().rev().take_while(|kept| kept.fact.what != "activated");
    since.filter(|kept| kept.by == Actor::Mail).any(|kept| {
        let notice = kept.fact.details.iter().any(|(name, text)| name == "purpose" && text == "notice");
        notice && matches!(kept.fact.what.as_str(), "mail-bounced" | "mail-delayed")
    })
}

fn tag(keys: &Keys, body: &[u8; BODY]) -> [u8; TAG] {
    cut(mac(keys.returned(), &[b"tag", body]))
}

fn masked(keys: &Keys, tag: [u8; TAG], body: [u8; BODY]) -> [u8; BODY] {
    xor(body, cut(mac(keys.returned(), &[b"stream", &tag])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::report::WORD;
    use jiff::Timestamp;
    use parvis_enrolment::MailKind;
    use secrecy::SecretString;

    const PERSON: PersonId = Id([7; 16]);

    fn keys(master: &str) -> Keys {
        Keys::derive(&SecretString::from(master))
    }

    fn order(link: Option<Id>) -> MailOrder {
        let to = "j@example.org".to_owned();
        MailOrder { mail: Id([9; 16]), kind: MailKind::Link, link, to, deadline: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_word_names_its_mail_whatever_became_of_its_case() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        for (link, about) in [(Some(Id([5; 16])), About::Link([5; 3])), (None, About::Notice)] {
            let word = word(&keys, PERSON, &order(link));
            assert_eq!(word.len(), WORD);
            let named = Some(Named { person: PERSON, about });
            assert_eq!((open(&keys, &word), open(&keys, &word.to_ascii_uppercase())), (named, named));
        }
    }

    #[test]
    fn nobody_else_makes_one_and_it_shows_nobody() {
        let (ours, theirs) =
            (keys("0123456789abcdef0123456789abcdef"), keys("another master key of enough bytes"));
        let word = word(&ours, PERSON, &order(None));
        assert_eq!(open(&theirs, &word), None);
        for at in 0..word.len() {
            let mut bytes = word.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(open(&ours, &String::from_utf8(bytes).unwrap()), None, "character {at} changed");
        }
        for bad in ["", "a", "é", &word[1..], &word[..47], &format!("{word}a"), &"a".repeat(10_000)] {
            assert_eq!(open(&ours, bad), None, "{bad}");
        }
        let bytes = BASE32_NOPAD.decode(word.to_ascii_uppercase().as_bytes()).unwrap();
        assert!(!bytes.windows(4).any(|window| window == [7; 4]));
    }
}
