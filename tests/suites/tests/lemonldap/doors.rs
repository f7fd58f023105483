//! Who is let in, who is not, and what becomes of them.

use anyhow::{Result, ensure};
use parvis_stand::scene::SceneOptions;
use parvis_stand::scene::at;
use serde_json::json;

use crate::support::{ACTIVE, Campus, LOCKED, NEW, activate, configured, must_reset, person, walk};

#[test]
fn a_provisional_person_gets_no_session_until_the_account_is_active() -> Result<()> {
    let campus = Campus::new()?;
    // A wrong password is a wrong password, and nobody is asked.
    let reply = campus.lemon.sign_in(NEW, "not-the-one", &[])?;
    assert_eq!(reply.message(), Some("5"), "{}", reply.body);
    campus.nobody_is_in(&reply)?;
    assert_eq!(campus.lemon.decisions(), Vec::<String>::new());
    let reply = campus.sign_in(NEW)?;
    campus.sent_to_activation(&reply)?;
    assert_eq!(campus.decided(), "mdurand: sent to activation");
    walk(&campus.scene, NEW, "Violet-mandarine-77")?;
    let reply = campus.lemon.sign_in(NEW, "Violet-mandarine-77", &[])?;
    ensure!(reply.cookie("lemonldap").is_some(), "{} {}", reply.status, campus.lemon.log());
    assert_eq!(campus.decided(), "mdurand: passed by the directory");
    assert_eq!(campus.lemon.sessions()?.len(), 1);
    Ok(())
}

#[test]
fn active_people_enter_and_locked_and_unknown_ones_read_why_not() -> Result<()> {
    let campus = Campus::new()?;
    let french = [("Accept-Language", "fr-FR,fr;q=0.9,en;q=0.5")];
    let rlemoine = person(LOCKED);
    let reply = campus.lemon.sign_in(LOCKED, &rlemoine.provisional_password, &french)?;
    campus.told(&reply, "Ce compte est verrouillé. Adressez-vous à l’assistance")?;
    assert_eq!(campus.decided(), "rlemoine: refused: locked");
    // The portal's own cookie is worth more than what the browser asks for.
    let english = [french[0], ("Cookie", "llnglanguage=en")];
    let reply = campus.lemon.sign_in(LOCKED, &rlemoine.provisional_password, &english)?;
    campus.told(&reply, "This account is locked. Please contact the help desk")?;
    // The portal knows somebody whom Parvis does not: no state, and elsewhere in the directory.
    campus.scene.slapd.replace(&person("tpetit").dn, "supannRessourceEtat", &["{AUTRE}A:Rien"])?;
    let reply = campus.sign_in("tpetit")?;
    campus.nobody_is_in(&reply)?;
    assert_eq!(campus.decided(), "tpetit: refused: unknown");
    campus.enters(ACTIVE)?;
    assert_eq!(campus.decided(), "cbernard: passed by the directory", "{}", campus.lemon.log());
    Ok(())
}

#[test]
fn two_states_at_once_are_asked_about_and_one_spelling_is_sent() -> Result<()> {
    let campus = Campus::new()?;
    let both = ["{COMPTE}A:SupannActif", "{COMPTE}I:SupannCree"];
    campus.scene.slapd.replace(&person(NEW).dn, "supannRessourceEtat", &both)?;
    // Typed in capitals: the directory takes it, and the daemon gets what the directory has.
    let reply = campus.lemon.sign_in("MDURAND", &person(NEW).provisional_password, &[])?;
    campus.nobody_is_in(&reply)?;
    ensure!(campus.decided().starts_with("mdurand: "), "{}", campus.decided());
    ensure!(!campus.decided().contains("directory"), "{}", campus.decided());
    // Another resource's state is no account's.
    let mail = ["{COMPTE}A:SupannActif", "{MAIL}I:SupannCree"];
    campus.scene.slapd.replace(&person(NEW).dn, "supannRessourceEtat", &mail)?;
    campus.enters(NEW)?;
    assert_eq!(campus.decided(), "mdurand: passed by the directory");
    Ok(())
}

#[test]
fn a_program_is_told_honestly_and_gets_nothing() -> Result<()> {
    let campus = Campus::new()?;
    let (status, said) = campus.sign_in_json(NEW)?;
    assert_eq!(status, 401);
    assert_eq!((at(&said, "/result"), at(&said, "/error")), (&json!(0), &json!(41)));
    assert_eq!(at(&said, "/parvis/decision"), "activation");
    assert_eq!(at(&said, "/parvis/status"), "needs-activation");
    let url = at(&said, "/parvis/url").as_str().unwrap_or_default();
    ensure!(url.starts_with("https://activation.univ.example/enter/"), "{said}");
    ensure!(said.get("id").is_none(), "{said}");
    let (status, said) = campus.sign_in_json(LOCKED)?;
    assert_eq!(
        (status, at(&said, "/result"), at(&said, "/parvis/status")),
        (401, &json!(0), &json!("locked"))
    );
    ensure!(campus.lemon.sessions()?.is_empty());
    let (status, said) = campus.sign_in_json(ACTIVE)?;
    assert_eq!((status, at(&said, "/result")), (200, &json!(1)));
    Ok(())
}

#[test]
fn a_session_that_is_open_ends_when_its_owner_may_not_pass_any_more() -> Result<()> {
    let campus = Campus::new()?;
    let cookie = format!("lemonldap={}", campus.enters(ACTIVE)?);
    let dn = person(ACTIVE).dn;
    let visit = || campus.lemon.get("/", &[("Cookie", &cookie)]);
    let reply = visit()?;
    assert_eq!(reply.status, 200, "{}", campus.lemon.log());
    assert_eq!(campus.lemon.sessions()?.len(), 1);
    campus.scene.slapd.replace(&dn, "supannRessourceEtat", &["{COMPTE}S:SupannVerrouAdministratif"])?;
    // The daemon cannot say: this visit ends, and the session stays for who may pass after all.
    campus.scene.daemon.pause()?;
    let reply = visit()?;
    campus.scene.daemon.resume()?;
    ensure!(reply.body.contains("adressez-vous à l’assistance"), "{}", reply.body);
    assert_eq!(campus.lemon.sessions()?.len(), 1);
    let reply = visit()?;
    campus.told(&reply, "Ce compte est verrouillé")?;
    assert_eq!(campus.decided(), "cbernard: refused: locked");
    // Provisional again: to the activation, by the CAS address that was wanted.
    activate(&campus.scene, ACTIVE)?;
    let cookie = format!("lemonldap={}", campus.enters(ACTIVE)?);
    campus.scene.slapd.replace(&dn, "supannRessourceEtat", &["{COMPTE}I:SupannCree"])?;
    let service = "/cas/login?service=http%3A%2F%2Fapp.univ.example%2F";
    let reply = campus.lemon.get(service, &[("Cookie", &cookie)])?;
    campus.sent_to_activation(&reply)
}

#[test]
fn a_session_that_is_open_outlives_a_directory_that_is_not_there() -> Result<()> {
    let mut campus = Campus::with(SceneOptions::default(), configured(json!({ "ldapTimeout": 2 })), &[])?;
    let cookie = format!("lemonldap={}", campus.enters(ACTIVE)?);
    campus.scene.slapd.stop()?;
    let reply = campus.lemon.get("/", &[("Cookie", &cookie)])?;
    assert_eq!(reply.status, 200, "{}", campus.lemon.log());
    ensure!(campus.decided().contains("not looked at"), "{}", campus.lemon.log());
    assert_eq!(campus.lemon.sessions()?.len(), 1);
    Ok(())
}

#[test]
fn a_temporary_password_that_must_be_reset_leads_to_the_activation_too() -> Result<()> {
    let campus = Campus::new()?;
    must_reset(&campus.scene, NEW)?;
    let reply = campus.lemon.sign_in(NEW, "not-the-one", &[])?;
    assert_eq!(reply.message(), Some("5"), "{}", reply.body);
    let reply = campus.sign_in(NEW)?;
    campus.sent_to_activation(&reply)?;
    ensure!(!reply.body.contains("newpassword"), "the portal's own form: {}", reply.body);
    let (status, said) = campus.sign_in_json(NEW)?;
    assert_eq!((status, at(&said, "/parvis/decision")), (401, &json!("activation")));
    // Nobody answers: words, and not the portal's form.
    campus.scene.daemon.pause()?;
    let reply = campus.sign_in(NEW)?;
    campus.scene.daemon.resume()?;
    campus.told(&reply, "Nous ne pouvons pas vérifier l’état de votre compte")?;
    ensure!(!reply.body.contains("newpassword"), "the portal's own form: {}", reply.body);
    // The help desk has reset an active person's password: that is the portal's affair.
    must_reset(&campus.scene, ACTIVE)?;
    let reply = campus.sign_in(ACTIVE)?;
    ensure!(reply.message() == Some("25"), "{reply:?} {}", campus.lemon.log());
    ensure!(reply.body.contains("newpassword"), "{}", reply.body);
    Ok(())
}
