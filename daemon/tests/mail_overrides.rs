//! The sysadmin's own texts: used where they work, named where they do not, and never the reason that a mail is not sent.
#![cfg(test)]

use parvisd::mail::{Locale, MailName, Templates, Values};

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

fn own(files: &[(&str, &str)]) -> (tempfile::TempDir, Templates) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let templates = Templates::load(Some(folder.path())).unwrap();
    (folder, templates)
}

#[test]
fn the_sysadmins_own_text_is_used() {
    let (_folder, templates) = own(&[
        ("fr/link.txt", "Subject: À vous,\n  {{ person.login }}\n\nLe lien :\n{{ link }}\n"),
        ("fr/link.txt~", "an editor's"),
    ]);
    templates.check().unwrap();
    let rendered = templates.render(MailName::Link, Locale::Fr, &values(Locale::Fr)).unwrap();
    assert_eq!(rendered.subject, "À vous, jdupont");
    assert_eq!(rendered.text, format!("Le lien :\n{LINK}\n"));
    assert!(rendered.html.contains("Poursuivre l’activation"));
    assert_eq!(rendered.fault, None);
    let english = templates.render(MailName::Link, Locale::En, &values(Locale::En)).unwrap();
    assert_eq!(english.subject, "Your activation link (Université de Parvis)");
}

#[test]
fn a_broken_override_is_named_and_the_shipped_text_sent() {
    let head = "Subject: x\n\n{{ link }}\n";
    for (file, text, line, words) in [
        ("fr/link.txt", format!("{head}{{% if %}}\n"), Some(4), "syntax error"),
        ("fr/link.txt", format!("{head}{{{{ persn.name }}}}\n"), Some(4), "undefined value"),
        ("fr/link.txt", format!("{head}{{{{ person.nmae }}}}\n"), Some(4), "undefined value"),
        (
            "fr/link.txt",
            format!("{head}{{% for i in range(100000) %}}{{{{ i }}}}{{% endfor %}}\n"),
            Some(4),
            "fuel",
        ),
        (
            "fr/link.txt",
            format!("{head}{{% for i in range(2000) %}}{}{{% endfor %}}", "x".repeat(500)),
            None,
            "larger",
        ),
        ("fr/link.txt", "Objet: x\n\n{{ link }}\n".to_owned(), None, "Subject"),
        ("fr/link.txt", "Subject:\n\n{{ link }}\n".to_owned(), None, "Subject"),
        ("fr/link.txt", "Subject: x\n\nLien : {{ link }}\n".to_owned(), None, "alone on a line"),
        ("fr/link.txt", format!("{head}{{% include \"/etc/passwd\" %}}"), Some(4), "passwd"),
        ("fr/link.html", "<p>pas de lien</p>".to_owned(), None, "href"),
        ("fr/link.html", "{% extends \"layout.htm\" %}".to_owned(), Some(1), "layout.htm"),
        ("layout.html", "{% block before %}".to_owned(), Some(1), "syntax error"),
        (
            "fr/reminder.html",
            "{% if link is defined %}<a href=\"{{ link }}\">x</a>{% endif %}".to_owned(),
            None,
            "start_url",
        ),
        ("fr/reminder.txt", "Subject: x\n\n{{ link }}\n".to_owned(), Some(3), "undefined value"),
        ("fr/password-changed.txt", "Subject: x\n\n{{ link }}\n".to_owned(), Some(3), "undefined value"),
        (
            "fr/password-changed.txt",
            "Subject: x\n\n{{ person.name }}\n".to_owned(),
            Some(3),
            "undefined value",
        ),
        ("fr/password-changed.html", "{{ forward }}".to_owned(), Some(1), "undefined value"),
        ("fr/report.txt", "Subject: x\n\n{{ person.login }}\n".to_owned(), Some(3), "undefined value"),
        ("fr/report.html", "{{ report.opened }}".to_owned(), Some(1), "undefined value"),
        ("layout.html", "\n{{ nothing }}".to_owned(), Some(2), "undefined value"),
        ("fr/link.txt", "x".repeat(300_000), None, "larger"),
    ] {
        let (folder, templates) = own(&[(file, &text)]);
        let faults = templates.check().unwrap_err();
        let fault = &faults.0[0];
        assert_eq!(fault.file, folder.path().join(file), "{fault}");
        assert!(fault.words.contains(words), "{fault} should say {words:?}");
        assert_eq!(fault.line, line, "{fault}");

        let concerned = MailName::ALL.into_iter().find(|name| file.contains(&format!("/{}.", name.as_str())));
        // Of the two forms that a reminder has, the one that the file does not suffice for.
        let values = Values { link: None, ..values(Locale::Fr) };
        let values = if concerned == Some(MailName::Reminder) {
            values
        } else {
            Values { link: Some(LINK.to_owned()), ..values }
        };
        let name = concerned.unwrap_or(MailName::Link);
        let rendered = templates.render(name, Locale::Fr, &values).unwrap();
        let shipped = shipped().render(name, Locale::Fr, &values).unwrap();
        assert_eq!(
            (rendered.subject, rendered.text, rendered.html),
            (shipped.subject, shipped.text, shipped.html)
        );
        let told = rendered.fault.unwrap();
        assert!(told.contains(file) && told.contains(words) && !told.contains("kX2v9"), "{told}");
    }
}

#[test]
fn files_that_cannot_be_read_or_name_no_mail_are_told() {
    let (folder, _) =
        own(&[("fr/lnik.txt", "x"), ("de/link.txt", "x"), (".git/x", "x"), ("fr/link.txt.dpkg-dist", "x")]);
    std::fs::write(folder.path().join("en"), "a file where a folder should be").unwrap();
    std::fs::create_dir_all(folder.path().join("fr/forward.txt")).unwrap();
    std::fs::write(folder.path().join("fr/link.html"), b"un\ndeux \xe9\n").unwrap();
    let templates = Templates::load(Some(folder.path())).unwrap();
    let told = templates.check().unwrap_err().to_string();
    let expect = [
        "/fr/lnik.txt: names no mail",
        "/de: names no mail",
        "/fr/forward.txt: cannot be read",
        "/fr/link.html, line 2: is not UTF-8",
    ];
    for words in expect {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    assert!(!told.contains("dpkg") && !told.contains(".git"), "{told}");
    for (name, locale) in every_mail() {
        templates.render(name, locale, &values(locale)).unwrap();
    }
    assert!(Templates::load(Some(&folder.path().join("absent"))).is_err());
}
