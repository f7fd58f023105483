//! `mail preview`, `mail test`: without a daemon, from the configuration alone.

use parvis_stand::{Behaviour, Scene, SceneOptions, Stage};
use std::time::Duration;

use crate::support::ctl;

#[test]
fn a_preview_is_the_mail_in_the_campus_s_words() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[mail]\noverrides = {:?}\n", folder.path().display().to_string());
    let mut scene = Scene::start(SceneOptions { config, ..SceneOptions::default() }).unwrap();
    scene.daemon.terminate().unwrap();
    for name in ["link", "forward", "invitation", "reminder", "activated", "password-changed", "report"] {
        for (locale, campus) in [("fr", "Université de l’Exemple"), ("en", "University of Example")] {
            let text = ctl(&scene.daemon, &["mail", "preview", name, "--locale", locale]).code(0);
            assert!(text.out.starts_with("Subject: ") && text.out.contains(campus), "{text:?}");
            let html = ctl(&scene.daemon, &["mail", "preview", name, "--locale", locale, "--html"]).code(0);
            assert!(
                html.out.starts_with("<!") && html.out.contains(&format!("lang=\"{locale}\"")),
                "{html:?}"
            );
        }
    }
    let json = ctl(&scene.daemon, &["--json", "mail", "preview", "link"]).code(0).json();
    assert!(json["subject"].is_string() && json["text"].is_string() && json["html"].is_string(), "{json}");

    let own = "Subject: Bienvenue\n\nOuvrez\n\n{{ link }}\n";
    std::fs::create_dir(folder.path().join("fr")).unwrap();
    std::fs::write(folder.path().join("fr/link.txt"), own).unwrap();
    let said = ctl(&scene.daemon, &["mail", "preview", "link", "--locale", "fr"]).code(0);
    assert!(said.out.starts_with("Subject: Bienvenue\n"), "{said:?}");
    std::fs::write(folder.path().join("fr/link.txt"), "Subject: {{ nobody }}\n\n{{ link }}\n").unwrap();
    let said = ctl(&scene.daemon, &["mail", "preview", "link", "--locale", "fr"]).code(1);
    assert!(said.out.contains("Université") && said.err.contains("fr/link.txt"), "{said:?}");

    let said = ctl(&scene.daemon, &["mail", "preview", "welcome"]).code(64);
    assert!(
        said.err.contains("link, forward, invitation, reminder, activated, password-changed, report"),
        "{said:?}"
    );
    ctl(&scene.daemon, &["mail", "preview", "link", "--locale", "de"]).code(64);
}

#[test]
fn a_test_mail_is_sent_and_each_reply_is_told() {
    let scene = Scene::new().unwrap();
    let said = ctl(&scene.daemon, &["mail", "test", "essai@courriel.example", "--locale", "en"]).code(0);
    assert!(said.out.lines().any(|line| line.starts_with("220 ")), "the greeting: {said:?}");
    assert!(said.out.lines().any(|line| line.starts_with("354")), "DATA: {said:?}");
    let mail = scene.inbox.wait_for("essai@courriel.example", |_| true, Duration::from_secs(10)).unwrap();
    assert!(mail.subject().starts_with("[test] "), "{}", mail.subject());
    assert_eq!(mail.header("Feedback-ID").as_deref(), Some("link:account:univ.example:parvis"));
    assert!(!mail.links().iter().any(|link| link.contains("/link/")), "it opens nothing");

    let no = Behaviour::Answer(Stage::Recipient, "550 5.1.1 nobody of that name".to_owned());
    scene.inbox.script("essai@courriel.example", no);
    let said = ctl(&scene.daemon, &["mail", "test", "essai@courriel.example"]).code(1);
    assert!(said.out.lines().any(|line| line == "550 5.1.1 nobody of that name"), "{said:?}");
    let said = ctl(&scene.daemon, &["mail", "test", "nobody"]).code(1);
    assert!(said.err.contains("no @"), "{said:?}");
}
