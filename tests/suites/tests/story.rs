//! The main job, end to end: three people, from the letter to an account that works.

use anyhow::Result;
use parvis_stand::Scene;
use serde_json::json;

#[test]
fn a_permanent_member_with_forwarding_a_vacataire_and_a_student() -> Result<()> {
    let scene = Scene::new()?;
    let person = |login: &str| parvis_stand::small().into_iter().find(|p| p.login == login).unwrap();

    let marie = person("mdurand");
    let mut walk = scene.open(&marie.login)?;
    assert_eq!(walk.last["step"], "recovery-address");
    assert_eq!(walk.last["view"]["recovery"]["offered"], "marie.durand@laposte.example");
    walk.prove("marie.durand@laposte.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.forward("marie@ailleurs.example", true)?;
    let done = walk.password("Violet-mandarine-77")?;
    assert_eq!(done["view"]["done"]["mailbox"], "mdurand@univ.example");
    assert!(scene.slapd.bind_works(&marie.dn, "Violet-mandarine-77")?);
    assert!(!scene.slapd.bind_works(&marie.dn, &marie.provisional_password)?);
    let entry = scene.slapd.entry(&marie.dn)?.unwrap();
    let mut states = entry.values("supannRessourceEtat");
    states.sort_unstable();
    assert_eq!(states, ["{COMPTE}A:SupannActif", "{MAIL}A:SupannActif"]);
    assert_eq!(entry.get("supannListeRouge"), Some("FALSE"));
    assert_eq!(entry.get("mailForwardingAddress"), Some("marie@ailleurs.example"));
    scene.inbox.wait_for(
        "marie.durand@laposte.example",
        |m| m.links().is_empty(),
        std::time::Duration::from_secs(10),
    )?;

    let paul = person("pmoreau");
    let mut walk = scene.open(&paul.login)?;
    walk.prove("paul.moreau@courriel.example")?;
    walk.charter()?;
    walk.listing(false)?;
    let (code, refused) = walk.call("mail", json!({ "forward": null, "keep_copy": false }))?;
    assert_eq!((code, refused["refusal"]["code"].as_str()), (1, Some("forward-required")));
    walk.step("mail", json!({ "forward": "paul.moreau@courriel.example", "keep_copy": true }), "password")?;
    walk.password("Trottoir-cerise-41")?;
    assert!(scene.slapd.bind_works(&paul.dn, "Trottoir-cerise-41")?);

    let linh = person("lnguyen");
    let mut walk = parvis_stand::Walk::enter(&scene, &linh.login, Some("https://ent.univ.example/accueil"))?;
    walk.prove("linh.nguyen@etu.example")?;
    walk.charter()?;
    walk.listing(false)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let done = walk.password("Pivoine-Atlas-908")?;
    assert_eq!(done["view"]["done"]["return_to"], "https://ent.univ.example/accueil");
    assert!(scene.slapd.bind_works(&linh.dn, "Pivoine-Atlas-908")?);

    let (code, checked) =
        scene.daemon.hook("check", &json!({ "login": "mdurand", "authenticated": true }))?;
    assert_eq!((code, checked["status"].as_str()), (0, Some("active")));
    Ok(())
}
