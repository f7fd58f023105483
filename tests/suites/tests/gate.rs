//! The gate, from outside: what is recorded of the charter, how guesses are counted, who is told what, who waits.

#[cfg(test)]
mod asked {
    use std::path::Path;
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use parvis_stand::scene::at;
    use parvis_stand::{Scene, SceneOptions, Walk, run, small};
    use parvis_suites::{LONG, Raw, refusal, show};
    use serde_json::{Value, json};

    fn limited(limits: &str) -> Result<Scene> {
        let config = format!("[limits]\n{limits}\n");
        Scene::start(SceneOptions { config, ..SceneOptions::default() })
    }

    fn dn(login: &str) -> String {
        small().into_iter().find(|person| person.login == login).unwrap().dn
    }

    /// The detail of the last moment of that name.
    fn detail(scene: &Scene, login: &str, what: &str) -> String {
        let shown = show(&scene.daemon, login);
        let timeline = shown["timeline"].as_array().cloned().unwrap_or_default();
        let moment = timeline.iter().rev().find(|moment| moment["what"] == what);
        moment.and_then(|moment| moment["detail"].as_str()).unwrap_or_default().to_owned()
    }

    #[test]
    fn what_is_recorded_of_the_charter_is_what_was_shown() -> Result<()> {
        let scene = Scene::new()?;
        let mut walk = Walk::enter_in(&scene, "mdurand", None, "en")?;
        walk.prove("marie.durand@laposte.example")?;
        let shown = at(&walk.last, "/view/charter").clone();
        let accept = |sha256: Value| json!({ "version": shown["version"], "sha256": sha256, "accepted": true, "locale": null });

        for sha256 in ["", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"] {
            let (code, stale) = walk.call("charter", accept(json!(sha256)))?;
            assert_eq!((code, refusal(&stale)), (1, "charter-version-stale"), "{stale}");
        }
        // Marie reads French, and this page was in English.
        walk.step("charter", accept(shown["sha256"].clone()), "listing")?;
        let recorded = detail(&scene, "mdurand", "charter-accepted");
        let sha256 = shown["sha256"].as_str().context("a digest")?;
        assert!(recorded.contains("locale en") && recorded.contains(sha256), "{recorded}");
        Ok(())
    }

    #[test]
    fn guesses_are_counted_by_person_and_answered_alike() -> Result<()> {
        let scene = limited("account-sign-in = \"4/1h\"")?;
        let guess = |login: &str| {
            let request = json!({ "login": login, "password": "Kivo-0000-Tepa", "locale": "en" });
            scene.daemon.hook("authenticate", &request)
        };
        // A wrong password, nobody, somebody active, somebody locked: not a letter of difference.
        let names = [
            ["mdurand", " mdurand ", "MDurand", "m\u{ad}durand", "mdurand"],
            ["personne", " personne ", "PERSONNE", "p\u{ad}ersonne", "personne"],
            ["cbernard", " cbernard ", "CBernard", "c\u{ad}bernard", "cbernard"],
            ["rlemoine", " rlemoine ", "RLemoine", "r\u{ad}lemoine", "rlemoine"],
        ];
        let mut told: Vec<Vec<Value>> = Vec::new();
        for spellings in names {
            let mut answers = Vec::new();
            for login in spellings {
                let (code, mut answer) = guess(login)?;
                assert_eq!(code, 1, "{answer}");
                if let Some(refusal) = answer["refusal"].as_object_mut() {
                    // Counts down by the second.
                    refusal.insert("retry_after".to_owned(), json!(refusal["retry_after"].is_number()));
                    if refusal["code"] == "too-many-attempts" {
                        refusal.remove("message");
                    }
                }
                answers.push(answer);
            }
            let codes: Vec<&str> = answers.iter().map(refusal).collect();
            let no = "sign-in-refused";
            assert_eq!(codes, [no, no, no, no, "too-many-attempts"], "{spellings:?}");
            told.push(answers);
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");

        // Whoever guesses keeps nobody out who is proven otherwise.
        let (_, checked) =
            scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
        assert!(checked["url"].is_string(), "{checked}");
        Ok(())
    }

    #[test]
    fn a_login_that_cannot_be_used_is_not_called_active() -> Result<()> {
        let scene = Scene::new()?;
        scene.slapd.replace(&dn("tpetit"), "supannRessourceEtat", &["{COMPTE}X:SupannAutre"])?;
        for (login, code, then) in [
            ("personne", "account-gone", "contact"),
            ("tpetit", "not-provisional", "contact"),
            ("rlemoine", "account-locked", "contact"),
            ("cbernard", "not-provisional", "sign-in"),
        ] {
            let (exit, answer) = scene.daemon.hook("open", &json!({ "login": login, "locale": "en" }))?;
            assert_eq!((exit, refusal(&answer)), (1, code), "{login}: {answer}");
            assert_eq!(at(&answer, "/refusal/then"), then, "{login}");
            let message = at(&answer, "/refusal/message").as_str().context("a message")?;
            assert_eq!(message.contains("active already"), login == "cbernard", "{login}: {message}");
        }
        Ok(())
    }

    /// Step 9 of a student, reached.
    fn at_the_password(scene: &Scene) -> Result<Walk<'_>> {
        let mut walk = scene.open("lnguyen")?;
        walk.prove("linh.nguyen@etu.example")?;
        walk.charter()?;
        walk.listing(false)?;
        walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
        Ok(walk)
    }

    #[test]
    fn a_directory_that_refuses_for_good_sends_to_the_help_desk() -> Result<()> {
        let mut options = SceneOptions::default();
        options.slapd.writable.retain(|attribute| attribute != "supannRessourceEtat");
        let scene = Scene::start(options)?;
        let mut walk = at_the_password(&scene)?;
        let (code, answer) = walk.call("password", json!({ "password": "Pivoine-Atlas-908" }))?;
        assert_eq!((code, refusal(&answer)), (75, "unavailable"), "{answer}");
        assert_eq!(at(&answer, "/refusal/then"), "contact");
        assert_eq!(at(&answer, "/refusal/help"), "assistance@univ.example");
        assert!(at(&answer, "/refusal/retry_after").is_null());
        Ok(())
    }

    #[test]
    fn a_mail_sent_again_counts_for_its_address() -> Result<()> {
        let scene = limited("resend-cooldown = \"1s\"\naddress = \"2/24h\"")?;
        let address = "partage@boite.example";
        let mut walk = scene.open("tpetit")?;
        walk.step("recovery-address", json!({ "address": address }), "recovery-link")?;
        // Too soon: refused, and it uses nothing up.
        for _ in 0..4 {
            let (_, answer) = walk.call("resend", json!({}))?;
            assert_eq!(refusal(&answer), "too-many-attempts");
        }
        let ready = run::until(LONG, || {
            let (_, answer) = walk.call("state", json!({}))?;
            Ok(Some(()).filter(|()| at(&answer, "/view/sent/resend_after") == 0))
        })?;
        ready.context("the mail could never be sent again")?;
        walk.step("resend", json!({}), "recovery-link")?;

        let mut other = scene.open("dcohen")?;
        let (code, answer) = other.call("recovery-address", json!({ "address": address }))?;
        assert_eq!((code, refusal(&answer)), (1, "too-many-attempts"), "{answer}");
        other.step("recovery-address", json!({ "address": "autre@boite.example" }), "recovery-link")?;
        Ok(())
    }

    #[test]
    fn one_person_holds_four_waiting_pages() -> Result<()> {
        let scene = Scene::new()?;
        let walk = scene.open("mdurand")?;
        let other = scene.open("pmoreau")?;
        let socket = scene.daemon.layout().hook_socket();
        let mut held = (0..4).map(|_| follow(&socket, &walk.session)).collect::<Result<Vec<_>>>()?;
        assert!(held.iter().all(|(_, answer)| answer["continues"] == true), "{held:?}");

        let (_, fifth) = follow(&socket, &walk.session)?;
        assert_eq!(fifth["parameters"]["code"], "too-many-attempts", "{fifth}");
        assert!(fifth["parameters"]["retry_after"].is_number(), "{fifth}");
        let (_, others) = follow(&socket, &other.session)?;
        assert_eq!(others["continues"], true);

        held.pop();
        let again = run::until(LONG, || {
            Ok(Some(follow(&socket, &walk.session)?).filter(|(_, answer)| answer["continues"] == true))
        })?;
        again.context("a place never became free")?;
        Ok(())
    }

    fn follow(socket: &Path, session: &str) -> Result<(Raw, Value)> {
        let mut raw = Raw::connect(socket)?;
        raw.call("org.parvis.Hook.State", &json!({ "session": session }), true)?;
        let answer = raw.receive()?.context("an answer")?;
        Ok((raw, answer))
    }

    #[test]
    fn a_password_too_many_costs_no_look_at_the_directory() -> Result<()> {
        let mut scene = limited("account-password = \"1/1h\"")?;
        let mut walk = at_the_password(&scene)?;
        let (_, short) = walk.call("password", json!({ "password": "court" }))?;
        assert_eq!(refusal(&short), "password-too-short");
        let session = walk.session.clone();

        scene.slapd.stop()?;
        let request = json!({ "session": session, "password": "Pivoine-Atlas-908" });
        let (_, answer) = scene.daemon.hook("password", &request)?;
        assert_eq!(refusal(&answer), "too-many-attempts", "{answer}");
        let wait = at(&answer, "/refusal/retry_after").as_u64().context("how long")?;
        ensure!(Duration::from_secs(wait) <= Duration::from_secs(3601), "{wait} s");
        Ok(())
    }
}
