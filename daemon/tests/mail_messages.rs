//! The mails as people get them: rendered, composed, and taken apart again.
#![cfg(test)]

#[path = "mail_support/mime.rs"]
mod mime;

use std::path::Path;

use parvisd::mail::{
    Composed, Letter, Locale, MailName, Rendered, Sender, Templates, Values, compose, templates::RenderError,
};

const LINK: &str = "https://activation.univ.example/l/kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM?a=1&b=c~'d";

fn values(locale: Locale) -> Values {
    Values { link: Some(LINK.to_owned()), ..Values::sample(locale, true) }
}

fn shipped() -> Templates {
    Templates::load(None).unwrap()
}

fn every_mail() -> impl Iterator<Item = (MailName, Locale)> {
    MailName::ALL.into_iter().flat_map(|name| Locale::ALL.map(|locale| (name, locale)))
}

fn sender() -> Sender {
    Sender::new("Université de Parvis", "ne-pas-repondre@univ.example", Some("aide@univ.example")).unwrap()
}

fn letter<'a>(rendered: &'a Rendered, to: &'a str, name: Option<&'a str>) -> Letter<'a> {
    let date = "2026-09-01T12:30:00Z".parse().unwrap();
    let message_id = "link.42@univ.example";
    Letter { to, name, rendered, locale: Locale::Fr, date, message_id, return_path: None, kind: "link" }
}

fn message(to: &str, name: Option<&str>, rendered: &Rendered) -> String {
    String::from_utf8(compose(&sender(), &letter(rendered, to, name)).unwrap().bytes).unwrap()
}

/// What a reader sees of an HTML mail: no tags, no comments, single spaces.
fn seen(html: &str) -> String {
    let body = html.split_once("<body").and_then(|(_, rest)| rest.split_once('>')).unwrap().1;
    let mut text = String::new();
    let mut depth = 0;
    for c in body.chars() {
        match c {
            '<' => depth = 1,
            '>' if depth == 1 => depth = 0,
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    let text = text
        .replace("&nbsp;", "\u{a0}")
        .replace("&#8239;", "\u{202f}")
        .replace("&amp;", "&")
        .replace("&#x27;", "'")
        .replace("&#39;", "'");
    text.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_quoted_name_stands_in_the_message_as_it_was_given() {
    let rendered = shipped().render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    for name in [None, Some("Jeanne Dupont")] {
        let message = message("\"a b\"@example.org", name, &rendered);
        let to = message.lines().find(|line| line.starts_with("To:")).unwrap();
        assert!(to.contains("\"a b\"@example.org"), "{to}");
    }
}

#[test]
fn every_mail_in_both_languages_keeps_its_link_and_leaves_nothing_open() {
    for (name, locale) in every_mail() {
        let rendered = shipped().render(name, locale, &values(locale)).unwrap();
        assert_eq!(rendered.fault, None);
        let message = message("jeanne@example.org", Some("Jeanne Dupont"), &rendered);
        let parts = mime::parts(&message);
        let [(text_kind, text), (html_kind, html)] = parts.as_slice() else {
            panic!("{} parts", parts.len())
        };
        assert_eq!(
            (text_kind.as_str(), html_kind.as_str()),
            ("text/plain; charset=utf-8", "text/html; charset=utf-8")
        );
        assert_eq!(text.trim_end(), rendered.text.trim_end(), "{name:?} {locale:?}");
        assert_eq!(html.trim_end(), rendered.html.trim_end(), "{name:?} {locale:?}");
        for part in [text, html] {
            for open in ["{{", "{%", "{#", "\u{2068}", "\r", "\u{0}"] {
                assert!(!part.contains(open), "{name:?} {locale:?}: {open:?} in\n{part}");
            }
        }
        for words in [text.clone(), seen(html)] {
            assert!(!words.contains("none") && !words.contains("undefined"), "{name:?} {locale:?}: {words}");
        }
        assert!(html.contains(&format!("<html lang=\"{}\" dir=\"ltr\"", locale.as_str())));
        if name.has_link() || name == MailName::Reminder {
            assert_eq!(text.lines().filter(|line| *line == LINK).count(), 1, "{text}");
            let escaped = LINK.replace('&', "&amp;").replace('\'', "&#39;");
            assert_eq!(html.matches(&format!("href=\"{escaped}\"")).count(), 2, "{html}");
            assert!(html.contains(&format!(">{escaped}</a>")), "{html}");
        } else {
            assert!(!text.contains("https://activation") && !html.contains("https://activation"), "{html}");
            assert!(!html.contains("class=\"button\""), "{html}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
    }
}

#[test]
fn each_mail_says_what_it_is_until_when_and_what_then() {
    let fr = |name| shipped().render(name, Locale::Fr, &values(Locale::Fr)).unwrap();
    let en = |name| shipped().render(name, Locale::En, &values(Locale::En)).unwrap();
    let stories: [(Rendered, &str, &[&str]); 14] = [
        (
            fr(MailName::Link),
            "Votre lien d’activation (Université de Parvis)",
            &[
                "Bonjour Jeanne Dupont,",
                "Vous activez votre compte informatique «\u{a0}jdupont\u{a0}», et vous avez indiqué jeanne@example.org comme adresse mail de secours.",
                "Ce lien expire aujourd’hui à 23\u{a0}h\u{a0}59, heure de Paris.",
                "Reprenez la procédure à l’étape 1, avec votre PASS’UM\u{a0}: un nouveau lien vous sera envoyé.",
                "N’ouvrez pas le lien et ignorez ce message.",
                "Personne ne vous demandera jamais votre mot de passe par mail ou par téléphone.",
                "Besoin d’aide\u{202f}? assistance@univ-parvis.example",
                "Vous ne retrouvez pas votre PASS’UM\u{202f}? accueil-drh@univ-parvis.example",
            ],
        ),
        (
            fr(MailName::Forward),
            "Confirmez votre adresse de redirection (Université de Parvis)",
            &[
                "soient redirigés vers jeanne@example.org.",
                "aucun mail n’y est redirigé.",
                "à l’étape 1, avec votre PASS’UM",
            ],
        ),
        (
            fr(MailName::Invitation),
            "Votre compte informatique vous attend (Université de Parvis)",
            &[
                "«\u{a0}jdupont\u{a0}» est prêt\u{a0}: il vous reste à l’activer.",
                "Munissez-vous de votre PASS’UM",
                "Rien n’est perdu\u{a0}:",
            ],
        ),
        (
            fr(MailName::Activated),
            "Votre compte informatique est activé (Université de Parvis)",
            &[
                "«\u{a0}jdupont\u{a0}» est activé\u{a0}:",
                "Votre adresse mail universitaire\u{a0}: jeanne.dupont@univ-parvis.example",
                "Vos mails sont redirigés vers jeanne@example.org. Une copie est conservée",
                "Quelqu’un se sert peut-être de votre compte. Prévenez-nous sans attendre\u{a0}: assistance@univ-parvis.example",
            ],
        ),
        (
            en(MailName::Link),
            "Your activation link (Université de Parvis)",
            &[
                "Hello Jeanne Dupont,",
                "you gave jeanne@example.org as your recovery e-mail address.",
                "This link expires today at 11:59 pm, Paris time.",
                "Start again from step 1, with your welcome letter: a new link will be sent to you.",
                "Nobody will ever ask for your password by e-mail or by phone.",
                "Need help? assistance@univ-parvis.example",
            ],
        ),
        (
            en(MailName::Forward),
            "Confirm your forwarding address (Université de Parvis)",
            &[
                "be forwarded to jeanne@example.org.",
                "nothing is forwarded to it.",
                "nothing will be forwarded to you.",
            ],
        ),
        (
            en(MailName::Invitation),
            "Your account is waiting for you (Université de Parvis)",
            &[
                "is ready: all that is left is to activate it.",
                "Have your welcome letter at hand",
                "Nothing is lost:",
            ],
        ),
        (
            en(MailName::Activated),
            "Your account is active (Université de Parvis)",
            &[
                "Your university e-mail address: jeanne.dupont@univ-parvis.example",
                "Your e-mail is forwarded to jeanne@example.org. A copy is kept",
                "Somebody may be using your account. Tell us at once: assistance@univ-parvis.example",
            ],
        ),
        (
            fr(MailName::Reminder),
            "Votre compte informatique n’est pas encore activé (Université de Parvis)",
            &[
                "«\u{a0}jdupont\u{a0}» vous attend toujours\u{a0}: il n’est pas encore activé.",
                "Ce lien expire aujourd’hui à 23\u{a0}h\u{a0}59, heure de Paris.",
                "Ce rappel est le seul que vous recevrez.",
            ],
        ),
        (
            shipped()
                .render(MailName::Reminder, Locale::En, &Values { link: None, ..values(Locale::En) })
                .unwrap(),
            "Your account is not active yet (Université de Parvis)",
            &[
                "What is left:",
                "choose whether you appear in the public directory",
                "choose your password",
                "What you have done so far is kept. To go on, sign in",
                "https://cas.univ-parvis.example/login",
            ],
        ),
        (
            fr(MailName::PasswordChanged),
            "Le mot de passe de votre compte informatique a changé (Université de Parvis)",
            &[
                "Bonjour, Le compte informatique «\u{a0}jdupont\u{a0}» a été activé de nouveau, avec un nouveau mot de passe",
                "Prévenez-nous sans attendre\u{a0}: assistance@univ-parvis.example",
            ],
        ),
        (
            en(MailName::PasswordChanged),
            "The password of your account was changed (Université de Parvis)",
            &["was activated again, with a new password", "Tell us at once: assistance@univ-parvis.example"],
        ),
        (
            fr(MailName::Report),
            "Parvis\u{a0}: 18 points à regarder (Université de Parvis)",
            &[
                "Dans aucune population\u{a0}: pmoreau, lnguyen",
                "akovacs et 12 de plus",
                "550 5.1.1 … User unknown (9)",
            ],
        ),
        (
            shipped().render(MailName::Report, Locale::En, &Values::sample(Locale::En, false)).unwrap(),
            "Parvis: nothing to report (Université de Parvis)",
            &["None.", "1043:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ];
    for (rendered, subject, sentences) in stories {
        assert_eq!(rendered.subject, subject);
        let text = rendered.text.split([' ', '\n']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
        let html = seen(&rendered.html);
        for sentence in sentences {
            assert!(text.contains(sentence), "{sentence:?} is not in the text:\n{}", rendered.text);
            assert!(html.contains(sentence), "{sentence:?} is not in the HTML:\n{html}");
        }
    }
}

#[test]
fn french_is_set_as_french_is() {
    for name in MailName::ALL {
        let rendered = shipped().render(name, Locale::Fr, &values(Locale::Fr)).unwrap();
        for words in [rendered.subject, rendered.text, seen(&rendered.html)] {
            for wrong in [" :", " ;", " !", " ?", "« ", " »", "'"] {
                let words = words.replace(LINK, "").replace("1043:", "");
                assert!(!words.contains(wrong), "{name:?}: {wrong:?} in\n{words}");
            }
            let plain = words.replace(LINK, "").replace("https://", "").replace("1043:", "");
            for (at, sign) in plain.match_indices([':', ';', '?', '!']) {
                let before = plain[..at].chars().next_back();
                assert!(
                    matches!(before, Some('\u{a0}' | '\u{202f}')),
                    "{name:?}: {before:?} before {sign} in\n{plain}"
                );
            }
        }
    }
}

#[test]
fn what_is_absent_leaves_no_gap() {
    let bare = Values::sample(Locale::Fr, false);
    for name in MailName::ALL {
        let rendered = shipped().render(name, Locale::Fr, &bare).unwrap();
        assert!(rendered.text.starts_with("Bonjour,\n"), "{}", rendered.text);
        assert!(!rendered.html.contains("<img"), "{}", rendered.html);
        assert!(
            !rendered.text.contains("\n\n\n")
                && !rendered.text.contains("redirigés vers jeanne@example.org.\nA")
        );
    }
    let no_copy = Values { keep_copy: Some(false), ..Values::sample(Locale::Fr, true) };
    let text = shipped().render(MailName::Activated, Locale::Fr, &no_copy).unwrap().text;
    assert!(text.contains("Aucune copie n’est conservée"), "{text}");
    let hourly = Values { keep_copy: None, mailbox: None, ..Values::sample(Locale::Fr, true) };
    let text = shipped().render(MailName::Activated, Locale::Fr, &hourly).unwrap().text;
    assert!(
        text.contains("redirigés vers") && !text.contains("copie") && !text.contains("universitaire\u{a0}:"),
        "{text}"
    );
}

#[test]
fn hostile_and_right_to_left_names() {
    let named = |name: &str| {
        let mut values = values(Locale::Fr);
        values.person.as_mut().unwrap().name = Some(name.to_owned());
        shipped().render(MailName::Link, Locale::Fr, &values).unwrap()
    };
    let arabic = named("ليلى");
    assert!(arabic.text.contains("Bonjour \u{2068}ليلى\u{2069},"), "{}", arabic.text);
    assert!(arabic.html.contains("<bdi>ليلى</bdi>"), "{}", arabic.html);
    assert!(arabic.text.lines().any(|line| line == LINK));
    assert!(!arabic.subject.contains('\u{2068}'));

    let script = named("<img src=x onerror=alert(1)>{{ link }}\r\n\u{202e}x");
    assert!(script.html.contains("&lt;img src=x onerror=alert(1)&gt;{{ link }} x"), "{}", script.html);
    assert!(!script.text.contains(['\u{202e}', '\r']) && script.text.contains("{{ link }} x"));

    let empty = named("\u{0}\u{202e}");
    assert!(empty.text.starts_with("Bonjour,"), "{}", empty.text);
}

#[test]
fn values_that_do_not_suffice_are_an_error_and_never_a_mail() {
    let without = |change: fn(&mut Values)| {
        let mut values = values(Locale::Fr);
        change(&mut values);
        shipped().render(MailName::Link, Locale::Fr, &values).map(|_| ()).unwrap_err()
    };
    for change in [|v: &mut Values| v.deadline = None, |v: &mut Values| v.address = None] {
        let RenderError::Values(fault) = without(change) else { panic!("another error") };
        assert_eq!(fault.file, Path::new("fr/link.txt"));
        assert!(fault.line.is_some() && fault.words.starts_with("undefined value"), "{fault}");
    }
    assert!(matches!(without(|v| v.link = None), RenderError::Values(_)));
    for link in [
        "",
        "javascript:alert(1)",
        "https://",
        "https://a b",
        "https://a/\r\nx",
        "https://a/\"x",
        "https:///a",
    ] {
        let values = Values { link: Some(link.to_owned()), ..values(Locale::Fr) };
        assert_eq!(
            shipped().render(MailName::Link, Locale::Fr, &values).unwrap_err(),
            RenderError::Link,
            "{link:?}"
        );
    }
}

#[test]
fn headers_are_what_mail_systems_expect() {
    let rendered = shipped().render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    let message = message("Jeanne@Bücher.example", Some("Jeanne D’Arc, prof."), &rendered);
    for (name, value) in [
        ("From", "Université de Parvis <ne-pas-repondre@univ.example>"),
        ("To", "\"Jeanne D’Arc, prof.\" <Jeanne@xn--bcher-kva.example>"),
        ("Reply-To", "aide@univ.example"),
        ("Subject", "Votre lien d’activation (Université de Parvis)"),
        ("Date", "Tue, 01 Sep 2026 12:30:00 +0000"),
        ("Message-ID", "<link.42@univ.example>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("Content-Language", "fr"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(mime::header(&message, name).replace('"', ""), value.replace('"', ""), "{name}");
    }
    assert!(mime::header(&message, "Content-Type").starts_with("multipart/alternative;"));
    assert!(message.is_ascii());
    assert!(message.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let rendered = shipped().render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    let once = message("jeanne@example.org", None, &rendered);
    assert_eq!(once, message("jeanne@example.org", None, &rendered));
}

#[test]
fn nothing_gets_into_the_headers_by_a_name_an_address_or_a_subject() {
    let mut rendered = shipped().render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    rendered.subject = "Bonjour\r\nBcc: victim@example.org\r\n\r\n<script>".to_owned();
    let expected = mime::headers(&message("jeanne@example.org", Some("J"), &rendered)).len();
    for name in [
        "Jeanne\r\nBcc: victim@example.org",
        "Jeanne\nBcc: victim@example.org",
        "Jeanne\0",
        "\r\n\r\nbody",
        "Jeanne\" <victim@example.org>, \"",
        "a\u{2028}Bcc: victim@example.org\u{85}x",
        "=?utf-8?q?=0d=0aBcc:_victim@example.org?=",
        "\u{202e}enna\u{2066}eJ",
        &"long ".repeat(2_000),
        "é".repeat(500).as_str(),
        "\\\"\\",
    ] {
        let message = message("jeanne@example.org", Some(name), &rendered);
        let headers = mime::headers(&message);
        assert_eq!(headers.len(), expected, "{name:?} gave\n{message}");
        assert!(!headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("bcc")));
        let to = mime::header(&message, "To");
        assert!(to.ends_with("<jeanne@example.org>") && !to.contains(['\u{202e}', '\u{2066}']), "{to}");
        assert_eq!(mime::header(&message, "Subject"), "Bonjour Bcc: victim@example.org <script>");
    }
    for to in [
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org, b@example.org",
        "a@example.org>\r\nDATA\r\n",
        "-f@example.org",
    ] {
        assert!(compose(&sender(), &letter(&rendered, to, None)).is_err(), "{to:?}");
    }
    let mut bad_id = letter(&rendered, "a@example.org", None);
    bad_id.message_id = "a@b>\r\nBcc: victim@example.org";
    assert!(compose(&sender(), &bad_id).is_err());
    let mut early = letter(&rendered, "a@example.org", None);
    early.date = "1969-12-31T23:59:59Z".parse().unwrap();
    assert!(compose(&sender(), &early).is_err());
}

#[test]
fn no_secret_in_debug() {
    let rendered = shipped().render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    let composed: Composed = compose(&sender(), &letter(&rendered, "jeanne@example.org", None)).unwrap();
    let shown =
        format!("{composed:?} {rendered:?} {:?} {:?}", values(Locale::Fr), letter(&rendered, "a@b.fr", None));
    assert!(!shown.contains("kX2v9"), "{shown}");
}
